"""Standardise numeric y for training, and rescale the trained network to predict in the unit of y.

Training uses y with centre 0 and spread 1, so that it does not depend on the unit of y. The output layer is rescaled
after training, so that predictions need no further conversion.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from moonnet._base_targets import BaseTargets
from moonnet._regression_losses import LOSSES

# Robust losses need a robust scale too
_ROBUST_LOSSES = {"absolute_error", "huber", "pinball"}
# Losses in the unit of y; the others are in its square
_LINEAR_LOSSES = {"absolute_error", "pinball", "poisson"}
_MAX_ABS_Y = 1e150
# Largest spread, as a fraction of the centre, of a column whose values differ only by rounding
_MAX_ROUNDING = 10 * np.finfo(float).eps
# Largest distance between neighbouring floats, as a fraction of the spread of y, that leaves predictions useful
_MAX_RELATIVE_SPACING = 0.05
# Interquartile range of the standard normal distribution
_NORMAL_IQR = 1.3489795003921634


@dataclass(frozen=True, eq=False)
class RegressionTargets(BaseTargets):
    """The numeric targets of a regression problem, their loss and their standardisation."""

    # With biases of 0, all hidden units have their kink at the same point, but a curve over one feature needs kinks
    # across the whole range of the feature
    random_biases: ClassVar[bool] = True

    loss_name: str
    quantile: float  # of the pinball loss
    one_column: bool  # whether y has one dimension
    center: np.ndarray  # (n_outputs,)
    scale: np.ndarray  # (n_outputs,)

    @classmethod
    def from_y(cls, y: np.ndarray, loss: str, quantile: float) -> Self:
        """Return the targets of y, shape (n_samples,) or (n_samples, n_outputs), without standardisation."""
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        targets = cls(loss, quantile, y.ndim == 1, np.zeros(n_outputs), np.ones(n_outputs))
        targets.check(y)
        return targets

    def check(self, y: np.ndarray, name: str = "y") -> None:
        """Raise if y, the argument ``name``, has another number of columns, or values that the loss does not allow."""
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        if self.one_column != (y.ndim == 1) or n_outputs != len(self.center):
            expected = "one number" if self.one_column else f"{len(self.center)} numbers"
            raise ValueError(f"{name} must contain {expected} per sample. Got an array of shape {y.shape} instead.")
        numbers = _as_floats(y, name)
        if np.abs(numbers).max() > _MAX_ABS_Y:
            raise ValueError(
                f"{name} must contain numbers of magnitude at most {_MAX_ABS_Y:g}, so that their squares are finite. "
                f"Got {numbers.flat[np.abs(numbers).argmax()]:g} instead."
            )
        if self.loss_name == "poisson" and (numbers < 0).any():
            raise ValueError(
                f"{name} must not contain negative numbers for loss='poisson'. Got {numbers.min():g} instead."
            )

    def fit(self, y: np.ndarray, weight: np.ndarray, dtype: np.dtype) -> Self:
        """Return targets with the centre and the scale of the training samples."""
        # A power of two is exact, and then squares neither overflow nor underflow
        exponent = np.frexp(np.abs(_as_columns(y)).max(axis=0))[1]
        columns = np.ldexp(_as_columns(y), -exponent)
        if self.loss_name == "poisson":  # a factor of y shifts the logarithm of the mean and does not scale it
            center, scale = np.zeros(columns.shape[1]), _weighted_means(columns, weight)
        else:
            center_and_scale = _median_and_spread if self.loss_name in _ROBUST_LOSSES else _mean_and_std
            center, scale = center_and_scale(columns, weight)
        varies = scale > _MAX_ROUNDING * np.abs(center)
        center, scale = np.ldexp(center, exponent), np.ldexp(scale, exponent)
        self._check_scale(scale[varies], dtype)
        spacing = np.finfo(dtype).eps * np.abs(center) / np.where(varies, scale, np.inf)
        if spacing.max() > _MAX_RELATIVE_SPACING:
            column = spacing.argmax()
            raise ValueError(
                f"y must have a spread well above the resolution of {dtype}, the dtype of X. Got values of about "
                f"{center[column]:g} with a spread of {scale[column]:g}. Pass X as float64, or subtract an offset "
                "from y."
            )
        return replace(self, center=center, scale=np.where(varies, scale, 1.0))

    def _check_scale(self, scale: np.ndarray, dtype: np.dtype) -> None:
        """Raise ValueError if a column varies, but so little that its losses or the network's weights underflow."""
        # Losses are in the square of the unit of y, and the weights of the output layer in its unit
        smallest = max(math.sqrt(np.finfo(float).tiny), float(np.finfo(dtype).tiny))
        if (scale < smallest).any():
            statistic = "mean" if self.loss_name == "poisson" else "spread"
            raise ValueError(
                f"y must have a {statistic} of at least {smallest:.2g} if X is {dtype}, so that training does not "
                f"underflow. Got a {statistic} of {scale.min():g}. Multiply y by a factor, or round it."
            )

    @property
    def n_outputs(self) -> int:
        """The number of units in the output layer, one per column of y."""
        return len(self.center)

    @property
    def loss(self) -> str:
        """Scikit-learn's name of the loss."""
        return self.loss_name

    @property
    def loss_parameter(self) -> float:
        """The quantile of the pinball loss, or the threshold of Huber's loss."""
        return self.quantile if self.loss_name == "pinball" else 1.0

    @property
    def loss_scale(self) -> float:
        """The factor from the loss in training to the loss in the unit of y or its square, averaged over outputs."""
        return float(np.mean(self.scale if self.loss_name in _LINEAR_LOSSES else np.square(self.scale)))

    def encode(self, y: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return standardised y, shape (n_samples, n_outputs)."""
        with np.errstate(over="ignore"):
            encoded = ((_as_columns(y) - self.center) / self.scale).astype(dtype)
        if not np.isfinite(encoded).all():
            raise ValueError(
                f"y must not contain outliers that overflow {dtype}, the dtype of X, when y is standardised. "
                f"Got {y.flat[(~np.isfinite(encoded)).argmax()]:g}. Pass X as float64, or remove the outliers."
            )
        return encoded

    def losses(self, outputs: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        """Return the loss of each sample for standardised y, a mean over its outputs."""
        return LOSSES[self.loss_name](np, encoded, outputs, self.loss_parameter).mean(axis=-1)

    def unscale_weights(self, weights: list[np.ndarray]) -> list[np.ndarray]:
        """Convert the weights of training to those of a network that predicts in the unit of y."""
        *hidden, kernel, bias = weights
        with np.errstate(over="ignore"):
            if self.loss_name == "poisson":
                output_layer = kernel, (bias + np.log(self.scale)).astype(bias.dtype)
            else:
                output_layer = (
                    (kernel * self.scale).astype(kernel.dtype),
                    (bias * self.scale + self.center).astype(bias.dtype),
                )
        if not all(np.isfinite(array).all() for array in output_layer):
            raise ValueError(
                f"y must contain numbers that {kernel.dtype}, the dtype of X, can represent. Got numbers of about "
                f"{np.abs(self.center).max() + self.scale.max():g}. Pass X as float64, or change the unit of y."
            )
        return [*hidden, *output_layer]

    def scale_weights(self, weights: list[np.ndarray]) -> list[np.ndarray]:
        """Invert ``unscale_weights``, up to rounding."""
        *hidden, kernel, bias = weights
        if self.loss_name == "poisson":
            return [*hidden, kernel, (bias - np.log(self.scale)).astype(bias.dtype)]
        output_layer = kernel / self.scale, (bias - self.center) / self.scale
        return [*hidden, *(array.astype(kernel.dtype) for array in output_layer)]

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return the predictions of a network whose outputs are in the unit of y."""
        numbers = np.exp(outputs) if self.loss_name == "poisson" else outputs
        return numbers[:, 0] if self.one_column else numbers

    @property
    def rescaling(self) -> tuple[Any, Any]:
        """Factor and offset that convert predictions in training to the unit of y."""
        return _scalar_or_list(self.scale), _scalar_or_list(self.center)

    @property
    def model_loss_parameter(self) -> Any:
        """The parameter of the loss in the unit of y."""
        return _scalar_or_list(self.scale) if self.loss_name == "huber" else self.loss_parameter

    def l2_factors(self, l2: float, n_layers: int) -> list[float]:
        """Return the L2 factor of each layer of a model in the unit of y, exact on average over several outputs."""
        factor = l2 * self.loss_scale
        output_factor = factor if self.loss_name == "poisson" else factor / float(np.mean(np.square(self.scale)))
        return [*[factor] * (n_layers - 1), output_factor]


def _as_floats(y: np.ndarray, name: str) -> np.ndarray:
    """Return y, the argument ``name``, as float64; raise ValueError unless it contains finite numbers."""
    try:
        if y.dtype.kind not in "biufO":
            raise TypeError
        numbers = y.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must contain numbers. Got {y.ravel()[:3].tolist()} of dtype {y.dtype} instead."
        ) from None
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} must contain finite numbers. Got NaN or infinity.")
    return numbers


def _as_columns(y: np.ndarray) -> np.ndarray:
    """Return y as float64, shape (n_samples, n_outputs)."""
    return y.astype(np.float64).reshape(len(y), -1)


def _weighted_means(columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return weight.astype(np.float64) @ columns / weight.sum(dtype=np.float64)


def _mean_and_std(columns: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted mean and standard deviation of each column."""
    center = _weighted_means(columns, weight)
    center += _weighted_means(columns - center, weight)  # so that rounding gives a constant column no spread
    return center, np.sqrt(_weighted_means(np.square(columns - center), weight))


def _median_and_spread(columns: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted median and normalised interquartile range of each column.

    If the quartiles of a column differ by rounding at most, the standard deviation replaces the interquartile range.
    """
    low, center, high = np.transpose([_quartiles(column, weight.astype(np.float64)) for column in columns.T])
    spread = (high - low) / _NORMAL_IQR
    return center, np.where(spread > _MAX_ROUNDING * np.abs(center), spread, _mean_and_std(columns, weight)[1])


def _quartiles(column: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the weighted quartiles; between two numbers their midpoint, as NumPy's median does."""
    order = np.argsort(column)
    cumulative = np.cumsum(weight[order])
    levels = cumulative[-1] * np.array([0.25, 0.5, 0.75])
    # A tolerance, so that quartiles do not depend on the scale of the weights
    tolerance = cumulative[-1] * len(order) * np.finfo(float).eps
    first = np.searchsorted(cumulative, levels - tolerance)
    last = np.searchsorted(cumulative, levels + tolerance, side="right")
    return (column[order[first]] + column[order[last]]) / 2


def _scalar_or_list(values: np.ndarray) -> Any:
    """Return the value of a single output, or a list for several outputs."""
    return float(values[0]) if len(values) == 1 else values.tolist()
