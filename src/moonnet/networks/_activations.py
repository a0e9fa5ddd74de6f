"""Keras's activations in NumPy, in place."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy import special

# TensorFlow rounds these constants to float32, even if it computes in float64.
LEAKY_SLOPE = float(np.float32(0.2))
SQRT_HALF = float(np.float32(0.5**0.5))

# Klambauer et al., "Self-Normalizing Neural Networks", 2017
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def _elu(z: np.ndarray) -> None:
    z[...] = np.where(z > 0, z, np.expm1(np.minimum(z, 0)))


def _gelu(z: np.ndarray) -> None:
    z *= special.erfc(-SQRT_HALF * z) / 2


def _hard_shrink(z: np.ndarray) -> None:
    z[np.abs(z) <= 0.5] = 0


def _hard_sigmoid(z: np.ndarray) -> None:
    z += 3
    np.clip(z, 0, 6, out=z)
    z /= 6


def _hard_silu(z: np.ndarray) -> None:
    z *= np.clip(z + 3, 0, 6) / 6


def _mish(z: np.ndarray) -> None:
    z *= np.tanh(np.logaddexp(z, 0))


def _relu(z: np.ndarray) -> None:
    np.maximum(z, _zeros(z.shape, z.dtype), out=z)


@lru_cache(maxsize=8)
def _zeros(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return read-only zeros: NumPy compares with an array in a quarter of the time that a scalar takes."""
    zeros = np.zeros(shape, dtype)
    zeros.flags.writeable = False
    return zeros


def _selu(z: np.ndarray) -> None:
    z[...] = SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * np.expm1(np.minimum(z, 0)))


def _silu(z: np.ndarray) -> None:
    z *= special.expit(z)


def _soft_shrink(z: np.ndarray) -> None:
    z -= np.clip(z, -0.5, 0.5)


def _softsign(z: np.ndarray) -> None:
    z /= 1 + np.abs(z)


def _sparse_plus(z: np.ndarray) -> None:
    z[...] = np.where(z < 1, np.square(np.maximum(z, -1) + 1) / 4, z)


def _sparse_sigmoid(z: np.ndarray) -> None:
    z += 1
    z /= 2
    np.clip(z, 0, 1, out=z)


def _squareplus(z: np.ndarray) -> None:
    z += np.sqrt(np.square(z) + 4)
    z /= 2


def _tanh_shrink(z: np.ndarray) -> None:
    z -= np.tanh(z)


# Keras's name -> the activation function, in place; constants are the defaults of keras.activations. The same functions
# for ONNX are in onnx/_activations.py.
ACTIVATIONS: dict[str, Callable[[np.ndarray], object]] = {
    "celu": _elu,  # equal to elu for alpha=1
    "elu": _elu,
    "exponential": lambda z: np.exp(z, out=z),
    "gelu": _gelu,
    "hard_shrink": _hard_shrink,
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": _hard_silu,
    "hard_swish": _hard_silu,
    "hard_tanh": lambda z: np.clip(z, -1, 1, out=z),
    "leaky_relu": lambda z: np.maximum(z, LEAKY_SLOPE * z, out=z),
    "linear": lambda z: None,
    "log_sigmoid": lambda z: special.log_expit(z, out=z),
    "mish": _mish,
    "relu": _relu,
    "relu6": lambda z: np.clip(z, 0, 6, out=z),
    "selu": _selu,
    "sigmoid": lambda z: special.expit(z, out=z),
    "silu": _silu,
    "soft_shrink": _soft_shrink,
    "softplus": lambda z: np.logaddexp(z, 0, out=z),
    "softsign": _softsign,
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": _sparse_sigmoid,
    "squareplus": _squareplus,
    "swish": _silu,
    "tanh": lambda z: np.tanh(z, out=z),
    "tanh_shrink": _tanh_shrink,
}
