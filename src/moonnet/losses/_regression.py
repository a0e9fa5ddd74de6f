"""The losses of numbers."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from moonnet.losses._loss import Loss

# Largest spread, as a fraction of the centre, of a column whose values differ only by rounding
MAX_ROUNDING = 10 * np.finfo(float).eps
# Interquartile range of the standard normal distribution
_NORMAL_IQR = 1.3489795003921634


class RegressionLoss(Loss):
    """A loss of numbers. Its name is scikit-learn's."""

    unit_power: ClassVar[int] = 1  # the power of y's unit in which the loss is
    has_log_link: ClassVar[bool] = False  # whether outputs are logarithms of predictions

    def check(self, numbers: np.ndarray, name: str) -> None:
        """Raise ValueError if the numbers of the argument ``name`` include some that the loss does not allow."""

    def center_and_spread(self, columns: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what to subtract from each column of y, and what to divide it by, for training."""
        return _mean_and_std(columns, weight)

    @classmethod
    def create(cls, quantile: float) -> Self:
        """Return the loss; ``quantile`` is the regressor's."""
        return cls()

    @property
    def parameter(self) -> float:
        """The parameter of the loss of standardised y. A compiled program receives it when it runs."""
        return 1.0

    def parameter_in_unit(self, unit: Any) -> Any:
        """Return the parameter of the loss of y in its own unit, which is a number, or a list for several outputs."""
        return self.parameter

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The quantiles that are predicted of each column of y; none for a loss that predicts something else."""
        return ()

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        """Return the predictions for outputs of the network, of the same shape and dtype."""
        return outputs

    def point_predictions(self, predictions: np.ndarray) -> np.ndarray:
        """Return one of the predictions for each column of y, shape (n_samples, n_targets)."""
        return predictions

    def scale(self, unit: np.ndarray) -> float:
        """Return the factor from the loss of standardised y to that of y in its unit, averaged over outputs."""
        return float(np.mean(unit**self.unit_power))


class ElementwiseLoss(RegressionLoss):
    """The mean over outputs of one formula for NumPy and Keras."""

    @abstractmethod
    def elementwise(self, xp: Any, y: Any, outputs: Any, parameter: Any) -> Any:
        """Return the loss of each output; ``xp`` is the module numpy or keras.ops, of whose arrays the others are."""

    def sample_losses(self, y: np.ndarray, outputs: np.ndarray, parameter: float) -> np.ndarray:
        return self.elementwise(np, y, outputs, parameter).mean(axis=-1)

    def keras_sample_losses(self, keras: Any, y: Any, outputs: Any, parameter: Any) -> Any:
        # A mean is computed as a sum: on JAX, Keras computes means in float32
        return keras.ops.sum(self.elementwise(keras.ops, y, outputs, parameter), axis=1) / y.shape[1]


@dataclass(frozen=True)
class SquaredError(ElementwiseLoss):
    """The squared error, which is minimal for means."""

    name: ClassVar[str] = "squared_error"
    unit_power: ClassVar[int] = 2

    def elementwise(self, xp: Any, y: Any, outputs: Any, parameter: Any) -> Any:
        return xp.square(y - outputs)

    def keras_loss(self, losses: Any, parameter: Any) -> Any:
        """Return Keras's name."""
        return "mean_squared_error"


class RobustLoss(RegressionLoss):
    """A loss on which outliers have little influence, and which needs a scale on which they have little, too."""

    def center_and_spread(self, columns: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the median and the normalised interquartile range of each column."""
        return _median_and_spread(columns, weight)


@dataclass(frozen=True)
class AbsoluteError(RobustLoss, ElementwiseLoss):
    """The absolute error, which is minimal for medians."""

    name: ClassVar[str] = "absolute_error"

    def elementwise(self, xp: Any, y: Any, outputs: Any, parameter: Any) -> Any:
        return _absolute(xp, y - outputs)

    def keras_loss(self, losses: Any, parameter: Any) -> Any:
        """Return Keras's name."""
        return "mean_absolute_error"


@dataclass(frozen=True)
class Huber(RobustLoss, ElementwiseLoss):
    """Half the squared error up to the parameter, and a linear loss beyond."""

    name: ClassVar[str] = "huber"
    unit_power: ClassVar[int] = 2

    def elementwise(self, xp: Any, y: Any, outputs: Any, parameter: Any) -> Any:
        error = xp.abs(y - outputs)
        return xp.where(error <= parameter, xp.square(error) / 2, parameter * (error - parameter / 2))

    def parameter_in_unit(self, unit: Any) -> Any:
        """Return the threshold in the unit of y."""
        return unit

    def keras_loss(self, losses: Any, parameter: Any) -> Any:
        """Return moonnet's Keras loss."""
        return losses.Huber(parameter)


@dataclass(frozen=True)
class Poisson(ElementwiseLoss):
    """Half the Poisson deviance; the outputs are logarithms of means."""

    name: ClassVar[str] = "poisson"
    output_activation: ClassVar[str] = "exponential"
    has_log_link: ClassVar[bool] = True

    def elementwise(self, xp: Any, y: Any, outputs: Any, parameter: Any) -> Any:
        logarithm = xp.log(xp.where(y > 0, y, xp.ones_like(y)))
        return xp.exp(outputs) - y + y * (logarithm - outputs)

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        """Return the means."""
        return np.exp(outputs)

    def check(self, numbers: np.ndarray, name: str) -> None:
        """Raise ValueError if a number is negative."""
        if (numbers < 0).any():
            raise ValueError(
                f"{name} must not contain negative numbers for loss='poisson'. Got {numbers.min():g} instead."
            )

    def center_and_spread(self, columns: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return 0 and the mean of each column: a factor of y shifts the logarithm of the mean."""
        return np.zeros(columns.shape[1]), _weighted_means(columns, weight)


@dataclass(frozen=True)
class Pinball(RobustLoss, ElementwiseLoss):
    """The pinball loss, which is minimal for the quantile that is its parameter."""

    name: ClassVar[str] = "pinball"
    quantile: float = field(default=0.5, compare=False)  # programs for other quantiles are the same

    def elementwise(self, xp: Any, y: Any, outputs: Any, parameter: Any) -> Any:
        error = y - outputs
        absolute = _absolute(xp, error)
        return xp.where(error > 0, parameter * absolute, (1 - parameter) * absolute)

    @classmethod
    def create(cls, quantile: float) -> Self:
        """Return the loss of this quantile."""
        return cls(quantile)

    @property
    def parameter(self) -> float:
        """The quantile."""
        return self.quantile

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The quantile."""
        return (self.quantile,)

    def keras_loss(self, losses: Any, parameter: Any) -> Any:
        """Return moonnet's Keras loss."""
        return losses.Pinball(parameter)


REGRESSION_LOSSES: dict[str, type[ElementwiseLoss]] = {
    loss.name: loss for loss in (SquaredError, AbsoluteError, Huber, Poisson, Pinball)
}


LOSSES_OF_POSITIVE_NUMBERS = [name for name, loss in REGRESSION_LOSSES.items() if loss.has_log_link]


def _absolute(xp: Any, error: Any) -> Any:
    """Return the absolute value with a gradient of 0 at 0; that of abs is 0 on TensorFlow and 1 on JAX."""
    return error * xp.sign(error)


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
    return center, np.where(spread > MAX_ROUNDING * np.abs(center), spread, _mean_and_std(columns, weight)[1])


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
