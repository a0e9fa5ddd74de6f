"""The forward pass of a stack of Dense layers in NumPy, without Keras."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import sparse, special

# Size of the widest layer's output for one chunk of rows: a quarter of a typical level-2 cache, so that the outputs and
# biases of each layer are still cached when they are read again.
_CHUNK_BYTES = 2**18

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


def raw_predictions(
    X: Any, coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray], activation: str
) -> np.ndarray:
    """Return the outputs before the last activation, shape (n_samples, n_outputs).

    X, of shape (n_samples, n_features), is an array or in CSR format.
    """
    activate = ACTIVATIONS[activation]
    *hidden_intercepts, output_intercept = intercepts
    *hidden_coefs, output_coef = coefs
    dtype = output_coef.dtype
    n_samples = X.shape[0]
    widest = max(len(intercept) for intercept in intercepts)
    chunk = min(n_samples, max(1, _CHUNK_BYTES // (widest * dtype.itemsize)))

    outputs = np.empty((n_samples, len(output_intercept)), dtype)
    buffers = [np.empty((chunk, len(intercept)), dtype) for intercept in hidden_intercepts]
    # Biases are repeated for each row of a chunk, because NumPy adds arrays of equal shape faster than it broadcasts
    biases = [intercept[np.newaxis].repeat(chunk, axis=0) for intercept in hidden_intercepts]
    for start in range(0, n_samples, chunk):
        rows = slice(start, start + chunk)
        values = X[rows]
        n_rows = values.shape[0]
        for coef, bias, buffer in zip(hidden_coefs, biases, buffers, strict=True):
            values = _matmul(values, coef, out=buffer[:n_rows])
            values += bias[:n_rows]
            activate(values)
        _matmul(values, output_coef, out=outputs[rows])
    outputs += output_intercept
    return outputs


def raw_predictions_of_each(
    X: Any, coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray], activation: str
) -> Iterator[np.ndarray]:
    """Yield the outputs of ``raw_predictions`` for stacked networks, bit for bit, in groups of networks.

    Each coef and intercept has a leading axis for the networks. Outputs have shape (networks of a group, n_samples,
    n_outputs).
    """
    n_networks, n_samples = len(coefs[0]), X.shape[0]
    widest = max(intercept.shape[1] for intercept in intercepts)
    size = 1 if sparse.issparse(X) else max(1, _CHUNK_BYTES // (n_samples * widest * coefs[0].dtype.itemsize))
    for start in range(0, n_networks, size):
        group = slice(start, start + size)
        if size == 1:
            yield raw_predictions(X, [coef[start] for coef in coefs], [b[start] for b in intercepts], activation)[None]
        else:
            yield _predict_stack(X, [coef[group] for coef in coefs], [b[group] for b in intercepts], activation)


def _predict_stack(
    X: np.ndarray, coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray], activation: str
) -> np.ndarray:
    """Return the outputs of stacked networks for few samples, shape (n_networks, n_samples, n_outputs)."""
    activate = ACTIVATIONS[activation]
    values = X
    for coef, intercept in zip(coefs[:-1], intercepts[:-1], strict=True):
        values = np.matmul(values, coef)
        values += intercept[:, np.newaxis]
        activate(values)
    outputs = np.matmul(values, coefs[-1])
    outputs += intercepts[-1][:, np.newaxis]
    return outputs


def _matmul(values: Any, coef: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Write ``values @ coef`` to ``out`` and return it; values may be sparse."""
    if sparse.issparse(values):
        out[...] = values @ coef
        return out
    return np.matmul(values, coef, out=out)
