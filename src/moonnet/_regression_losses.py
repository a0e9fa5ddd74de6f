"""The losses of numbers, by scikit-learn's names, for NumPy and for Keras's operations alike.

Keras has all but one of them itself, but computes its means on JAX in float32: these have none.
"""

from collections.abc import Callable
from typing import Any

# From a module of operations (numpy or keras.ops), y, the network's outputs of the same shape, and the loss's parameter
# to losses of that shape
Loss = Callable[[Any, Any, Any, Any], Any]


def _squared_error(xp: Any, y: Any, outputs: Any, _: Any) -> Any:
    return xp.square(y - outputs)


def _absolute_error(xp: Any, y: Any, outputs: Any, _: Any) -> Any:
    return _magnitude(xp, y - outputs)


def _huber(xp: Any, y: Any, outputs: Any, delta: Any) -> Any:
    """Return Huber's loss: half the squared error up to ``delta``, and linear beyond."""
    error = xp.abs(y - outputs)
    return xp.where(error <= delta, xp.square(error) / 2, delta * (error - delta / 2))


def _poisson(xp: Any, y: Any, outputs: Any, _: Any) -> Any:
    """Return half the Poisson deviance of means whose logarithms the outputs are."""
    logarithm = xp.log(xp.where(y > 0, y, xp.ones_like(y)))
    return xp.exp(outputs) - y + y * (logarithm - outputs)


def _pinball(xp: Any, y: Any, outputs: Any, quantile: Any) -> Any:
    error = y - outputs
    magnitude = _magnitude(xp, error)
    return xp.where(error > 0, quantile * magnitude, (1 - quantile) * magnitude)


def _magnitude(xp: Any, error: Any) -> Any:
    """Return the absolute value, with a gradient of 0 at 0: that of abs is 0 on TensorFlow and 1 on JAX."""
    return error * xp.sign(error)


LOSSES: dict[str, Loss] = {
    "squared_error": _squared_error,
    "absolute_error": _absolute_error,
    "huber": _huber,
    "poisson": _poisson,
    "pinball": _pinball,
}
