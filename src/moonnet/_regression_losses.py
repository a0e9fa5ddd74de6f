"""The losses of regressors, for NumPy and for ``keras.ops``; names are scikit-learn's.

Keras provides all of them except the pinball loss, but on JAX it averages in float32. These functions do not average.
"""

from collections.abc import Callable
from typing import Any

# Arguments: a module of array operations (numpy or keras.ops), y, the network's outputs, and the parameter of the loss.
# y, outputs and the returned losses have the same shape.
Loss = Callable[[Any, Any, Any, Any], Any]


def _squared_error(xp: Any, y: Any, outputs: Any, _: Any) -> Any:
    return xp.square(y - outputs)


def _absolute_error(xp: Any, y: Any, outputs: Any, _: Any) -> Any:
    return _absolute(xp, y - outputs)


def _huber(xp: Any, y: Any, outputs: Any, delta: Any) -> Any:
    """Return half the squared error up to ``delta``, and a linear loss beyond."""
    error = xp.abs(y - outputs)
    return xp.where(error <= delta, xp.square(error) / 2, delta * (error - delta / 2))


def _poisson(xp: Any, y: Any, outputs: Any, _: Any) -> Any:
    """Return half the Poisson deviance; the outputs are logarithms of means."""
    logarithm = xp.log(xp.where(y > 0, y, xp.ones_like(y)))
    return xp.exp(outputs) - y + y * (logarithm - outputs)


def _pinball(xp: Any, y: Any, outputs: Any, quantile: Any) -> Any:
    error = y - outputs
    absolute = _absolute(xp, error)
    return xp.where(error > 0, quantile * absolute, (1 - quantile) * absolute)


def _absolute(xp: Any, error: Any) -> Any:
    """Return the absolute value with a gradient of 0 at 0; that of abs is 0 on TensorFlow and 1 on JAX."""
    return error * xp.sign(error)


LOSSES: dict[str, Loss] = {
    "squared_error": _squared_error,
    "absolute_error": _absolute_error,
    "huber": _huber,
    "poisson": _poisson,
    "pinball": _pinball,
}
