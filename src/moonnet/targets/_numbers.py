"""Standardise numeric y for training.

Training uses y with centre 0 and spread 1, so that it does not depend on the unit of y. The unit is an affine function
of the network's outputs.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from moonnet.losses._regression import MAX_ROUNDING, RegressionLoss
from moonnet.targets._base import BaseTargets

_MAX_ABS_Y = 1e150
# Largest distance between neighbouring floats, as a fraction of the spread of y, that leaves predictions useful
_MAX_RELATIVE_SPACING = 0.05


@dataclass(frozen=True, eq=False)
class NumberTargets(BaseTargets):
    """The numeric targets of a regression problem, and their standardisation."""

    loss: RegressionLoss  # which numbers it allows, and which statistics standardise them
    one_column: bool  # whether y has one dimension
    center: np.ndarray  # (n_outputs,)
    scale: np.ndarray  # (n_outputs,)

    @classmethod
    def from_y(cls, y: np.ndarray, loss: RegressionLoss) -> Self:
        """Return the targets of y, shape (n_samples,) or (n_samples, n_outputs), without standardisation."""
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        targets = cls(loss, y.ndim == 1, np.zeros(n_outputs), np.ones(n_outputs))
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
        self.loss.check(numbers, name)

    def fit(self, y: np.ndarray, weight: np.ndarray, dtype: np.dtype) -> Self:
        """Return targets with the centre and the scale of the training samples."""
        # A power of two is exact, and then squares neither overflow nor underflow
        exponent = np.frexp(np.abs(_as_columns(y)).max(axis=0))[1]
        columns = np.ldexp(_as_columns(y), -exponent)
        center, scale = self.loss.center_and_spread(columns, weight)
        varies = scale > MAX_ROUNDING * np.abs(center)
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
            statistic = "mean" if self.loss.has_log_link else "spread"
            raise ValueError(
                f"y must have a {statistic} of at least {smallest:.2g} if X is {dtype}, so that training does not "
                f"underflow. Got a {statistic} of {scale.min():g}. Multiply y by a factor, or round it."
            )

    @property
    def n_outputs(self) -> int:
        """The number of units in the output layer: for each column of y one, or one for each of its quantiles."""
        return len(self.center) * self.loss.outputs_per_target

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

    @property
    def unit(self) -> tuple[np.ndarray, np.ndarray]:
        """Factor and offset that convert a network's outputs to the unit of y, or to its logarithm."""
        if self.loss.has_log_link:
            return np.ones_like(self.scale), np.log(self.scale)
        n_outputs = self.loss.outputs_per_target
        # Without copies in the usual case, which take time that counts when a row is predicted
        return (
            (self.scale, self.center)
            if n_outputs == 1
            else (self.scale.repeat(n_outputs), self.center.repeat(n_outputs))
        )

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return a prediction for each number of y, in the dtype of the network's outputs."""
        numbers = self.loss.point_predictions(self._predictions(outputs))
        return numbers[:, 0] if self.one_column else numbers

    def decode_quantiles(self, outputs: np.ndarray) -> np.ndarray:
        """Return the quantiles of each number of y along a last axis, in the dtype of the network's outputs."""
        quantiles = self._predictions(outputs)
        return quantiles if self.one_column else quantiles.reshape(len(outputs), len(self.center), -1)

    def _predictions(self, outputs: np.ndarray) -> np.ndarray:
        """Return the loss's predictions in the unit of y, in the dtype of the network's outputs."""
        factor, offset = self.unit
        in_unit = outputs * factor + offset  # in float64
        return self.loss.predictions(in_unit).astype(outputs.dtype, copy=False)


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
