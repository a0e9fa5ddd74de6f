"""How y of numbers is standardised for training, and the trained network brought back to y's own unit.

Training sees y with its centre at 0 and its spread at 1, so that it goes alike in any unit. The output layer is then
given y's own unit, so that nothing need be scaled back when the network predicts.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from moonnet._base_targets import BaseTargets
from moonnet._regression_losses import LOSSES

# Losses that outliers should not rule by way of the scale either
_ROBUST = {"absolute_error", "huber", "pinball"}
# Losses that are in y's unit rather than in its square
_LINEAR = {"absolute_error", "pinball", "poisson"}
_LARGEST = 1e150
# Steps between numbers of the training's float type, as a share of y's spread: what is coarser spoils predictions
_COARSEST = 0.05
# How far apart the quartiles of a normal distribution are, in its standard deviations
_QUARTILES_APART = 1.3489795003921634


@dataclass(frozen=True, eq=False)
class RegressionTargets(BaseTargets):
    """One number a sample or several, the loss that they are learned with, and their unit."""

    # With biases of 0, all hidden units have their kink at one point, where a curve over a single feature needs kinks
    # all over it
    random_biases: ClassVar[bool] = True

    loss_name: str
    quantile: float  # of the pinball loss
    one_column: bool  # whether y has one dimension
    center: np.ndarray  # (n_outputs,), what is 0 to the network
    scale: np.ndarray  # (n_outputs,), what is 1 to it

    @classmethod
    def of(cls, y: np.ndarray, loss: str, quantile: float) -> Self:
        """Return the targets in y, of shape (n_samples,) or (n_samples, n_outputs); not standardised yet."""
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        targets = cls(loss, quantile, y.ndim == 1, np.zeros(n_outputs), np.ones(n_outputs))
        targets.check(y)
        return targets

    def check(self, y: np.ndarray, name: str = "y") -> None:
        """Raise if y, the argument ``name``, holds anything but finite numbers, or not as many a sample."""
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        if self.one_column != (y.ndim == 1) or n_outputs != len(self.center):
            wanted = "one number" if self.one_column else f"{len(self.center)} numbers"
            raise ValueError(f"{name} must hold {wanted} a sample. Got an array of shape {y.shape} instead.")
        numbers = _numbers(y, name)
        if np.abs(numbers).max() > _LARGEST:
            raise ValueError(
                f"{name} must hold numbers of at most {_LARGEST:g}, whose squares are finite. "
                f"Got {numbers.flat[np.abs(numbers).argmax()]:g}."
            )
        if self.loss_name == "poisson" and (numbers < 0).any():
            raise ValueError(f"{name} must hold no negative number for loss='poisson'. Got {numbers.min():g}.")

    def fitted(self, y: np.ndarray, weight: np.ndarray, dtype: np.dtype) -> Self:
        """Return these targets with centre and scale of y, the samples to train on."""
        columns = _columns(y)
        if self.loss_name == "poisson":  # the logarithm of a mean moves, and does not spread
            center, scale = np.zeros(columns.shape[1]), _means(columns, weight)
        else:
            # Exact, and squares neither overflow nor underflow then
            exponent = np.frexp(np.abs(columns).max(axis=0))[1]
            columns = np.ldexp(columns, -exponent)
            unit_of = _median_and_spread if self.loss_name in _ROBUST else _mean_and_deviation
            center, scale = unit_of(columns, weight)
            center, scale = np.ldexp(center, exponent), np.ldexp(scale, exponent)
        # Numbers that are all alike but for rounding, or so close that the square of their spread is none
        spread = (np.square(scale) > np.finfo(float).tiny) & (scale > 10 * np.finfo(float).eps * np.abs(center))
        steps = np.finfo(dtype).eps * np.abs(center) / np.where(spread, scale, np.inf)
        if steps.max() > _COARSEST:
            column = steps.argmax()
            raise ValueError(
                f"y must vary by more than the steps that {dtype}, the type of X, has between such numbers. Got about "
                f"{center[column]:g} with a spread of {scale[column]:g}: give X in float64, or take an offset off y."
            )
        return replace(self, center=center, scale=np.where(spread, scale, 1.0))

    @property
    def n_outputs(self) -> int:
        """Units of the output layer, a number each."""
        return len(self.center)

    @property
    def loss(self) -> str:
        """The name of the loss, scikit-learn's."""
        return self.loss_name

    @property
    def loss_parameter(self) -> float:
        """The quantile, or where Huber's loss turns linear."""
        return self.quantile if self.loss_name == "pinball" else 1.0

    @property
    def loss_unit(self) -> float:
        """A loss of 1 in y's own unit, or in its square: with several outputs, the mean over them."""
        return float(np.mean(self.scale if self.loss_name in _LINEAR else np.square(self.scale)))

    def encode(self, y: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return the standardised numbers, shape (n_samples, n_outputs)."""
        with np.errstate(over="ignore"):
            encoded = ((_columns(y) - self.center) / self.scale).astype(dtype)
        if not np.isfinite(encoded).all():
            raise ValueError(
                f"y must not hold outliers that {dtype}, the type of X, has no room for once y is standardised. "
                f"Got {y.flat[(~np.isfinite(encoded)).argmax()]:g}."
            )
        return encoded

    def losses(self, outputs: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        """Return each sample's loss of the standardised numbers, a mean over its outputs."""
        return LOSSES[self.loss_name](np, encoded, outputs, self.loss_parameter).mean(axis=1)

    def in_own_unit(self, weights: list[np.ndarray]) -> list[np.ndarray]:
        """Return the weights of a network whose outputs are in y's own unit."""
        *hidden, kernel, bias = weights
        with np.errstate(over="ignore"):
            if self.loss_name == "poisson":
                own = kernel, (bias + np.log(self.scale)).astype(bias.dtype)
            else:
                own = (
                    (kernel * self.scale).astype(kernel.dtype),
                    (bias * self.scale + self.center).astype(bias.dtype),
                )
        if not all(np.isfinite(array).all() for array in own):
            raise ValueError(
                f"y must hold numbers that {kernel.dtype}, the type of X, has room for. Got numbers of about "
                f"{np.abs(self.center).max() + self.scale.max():g}: give X in float64, or y in another unit."
            )
        return [*hidden, *own]

    def in_training_unit(self, weights: list[np.ndarray]) -> list[np.ndarray]:
        """Return the weights of a network whose outputs are standardised, up to rounding."""
        *hidden, kernel, bias = weights
        if self.loss_name == "poisson":
            return [*hidden, kernel, (bias - np.log(self.scale)).astype(bias.dtype)]
        standardised = kernel / self.scale, (bias - self.center) / self.scale
        return [*hidden, *(array.astype(kernel.dtype) for array in standardised)]

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return what a network in y's own unit predicts."""
        numbers = np.exp(outputs) if self.loss_name == "poisson" else outputs
        return numbers[:, 0] if self.one_column else numbers

    @property
    def rescaling(self) -> tuple[Any, Any]:
        """Factor and offset that bring the training's predictions into y's own unit."""
        return _plain(self.scale), _plain(self.center)

    @property
    def model_parameter(self) -> Any:
        """The loss's parameter in y's own unit."""
        return _plain(self.scale) if self.loss_name == "huber" else self.loss_parameter

    def penalties(self, l2: float, n_layers: int) -> list[float]:
        """Return each layer's factor of the L2 penalty in y's own unit; of several outputs, for their mean."""
        factor = l2 * self.loss_unit
        of_output = factor if self.loss_name == "poisson" else factor / float(np.mean(np.square(self.scale)))
        return [*[factor] * (n_layers - 1), of_output]


def _numbers(y: np.ndarray, name: str) -> np.ndarray:
    """Return y as float64, or say why it is none."""
    try:
        if y.dtype.kind not in "biufO":
            raise TypeError
        numbers = y.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold numbers. Got {y.ravel()[:3].tolist()} of dtype {y.dtype}.") from None
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} must hold finite numbers. Got NaN or infinity among them.")
    return numbers


def _columns(y: np.ndarray) -> np.ndarray:
    """Return the numbers as float64, shape (n_samples, n_outputs)."""
    return y.astype(np.float64).reshape(len(y), -1)


def _means(columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the weighted mean of each column."""
    return weight.astype(np.float64) @ columns / weight.sum(dtype=np.float64)


def _mean_and_deviation(columns: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each column."""
    center = _means(columns, weight)
    center += _means(columns - center, weight)  # so that rounding does not spread numbers that are all alike
    return center, np.sqrt(_means(np.square(columns - center), weight))


def _median_and_spread(columns: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return median and spread of the quartiles of each column; where these are one, the standard deviation."""
    low, center, high = np.transpose([_quartiles(column, weight.astype(np.float64)) for column in columns.T])
    spread = (high - low) / _QUARTILES_APART
    return center, np.where(spread > 0, spread, _mean_and_deviation(columns, weight)[1])


def _quartiles(column: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the weighted quartiles: between two numbers that share a quartile their middle, as in NumPy's median."""
    order = np.argsort(column)
    weights = np.cumsum(weight[order])
    wanted = weights[-1] * np.array([0.25, 0.5, 0.75])
    rounding = weights[-1] * len(order) * np.finfo(float).eps  # so that weights of any unit share the same quartiles
    first = np.searchsorted(weights, wanted - rounding)
    last = np.searchsorted(weights, wanted + rounding, side="right")
    return (column[order[first]] + column[order[last]]) / 2


def _plain(values: np.ndarray) -> Any:
    """Return one number, or a list of several."""
    return float(values[0]) if len(values) == 1 else values.tolist()
