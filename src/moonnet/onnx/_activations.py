"""Keras's activations as ONNX graphs."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from scipy import special

from moonnet.networks._activations import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE, SQRT_HALF
from moonnet.onnx._operators import Operators

# Activations use only operators that ONNX Runtime implements in float64; Elu and Softplus are not among them.


def clip(op: Operators, z: Any, low: float, high: float) -> Any:
    return op.Min(op.Max(z, low), high)


def _elu(op: Operators, z: Any, alpha: float = 1.0, scale: float = 1.0) -> Any:
    below = op.Mul(op.Sub(op.Exp(op.Min(z, 0)), 1), alpha)
    return op.Mul(op.Where(op.Greater(z, 0), z, below), scale)


def _erfc(op: Operators, x: Any) -> Any:
    """Return the complementary error function of x >= 0."""
    if op.dtype == np.float32:
        return op.Sub(1, op.Erf(x))
    u = op.Sub(op.Div(4, op.Add(x, 2)), 1)
    highest, *others = _erfcx_coefficients()
    value = highest
    for coefficient in others:
        value = op.Add(op.Mul(u, value), coefficient)
    return op.Mul(op.Exp(op.Neg(op.Mul(x, x))), value)


@cache
def _erfcx_coefficients() -> list[float]:
    """Return the polynomial in u = 4 / (x + 2) - 1 for exp(x^2) erfc(x), x >= 0, highest power first."""
    in_u = Chebyshev.interpolate(
        lambda u: special.erfcx(np.where(u > -1, 4 / np.maximum(u + 1, 1e-300) - 2, np.inf)), 40
    )
    return in_u.convert(kind=Polynomial).coef[::-1].tolist()


def _gelu(op: Operators, z: Any) -> Any:
    tail = op.Div(_erfc(op, op.Mul(op.Abs(z), SQRT_HALF)), 2)
    return op.Mul(z, op.Where(op.Greater(z, 0), op.Sub(1, tail), tail))


def _softplus(op: Operators, z: Any) -> Any:
    return op.Add(op.Max(z, 0), op.Log(op.Add(op.Exp(op.Neg(op.Abs(z))), 1)))


def _silu(op: Operators, z: Any) -> Any:
    # Many versions of ONNX Runtime fuse z * Sigmoid(z) into an operator that lacks float64
    return op.Div(z, op.Add(1, op.Exp(op.Neg(z))))


def _hard_sigmoid(op: Operators, z: Any) -> Any:
    return op.Div(clip(op, op.Add(z, 3), 0, 6), 6)


def _hard_silu(op: Operators, z: Any) -> Any:
    return op.Mul(z, _hard_sigmoid(op, z))


def _sparse_plus(op: Operators, z: Any) -> Any:
    root = op.Add(op.Max(z, -1), 1)
    return op.Where(op.Less(z, 1), op.Div(op.Mul(root, root), 4), z)


# Keras's name -> the activation as a function of (operators, z)
ACTIVATIONS: dict[str, Callable[[Operators, Any], Any]] = {
    "celu": _elu,
    "elu": _elu,
    "exponential": lambda op, z: op.Exp(z),
    "gelu": _gelu,
    "hard_shrink": lambda op, z: op.Where(op.Greater(op.Abs(z), 0.5), z, 0),
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": _hard_silu,
    "hard_swish": _hard_silu,
    "hard_tanh": lambda op, z: clip(op, z, -1, 1),
    "leaky_relu": lambda op, z: op.Max(z, op.Mul(z, LEAKY_SLOPE)),
    "linear": lambda op, z: z,
    "log_sigmoid": lambda op, z: op.Neg(_softplus(op, op.Neg(z))),
    "mish": lambda op, z: op.Mul(z, op.Tanh(_softplus(op, z))),
    "relu": lambda op, z: op.Relu(z),
    "relu6": lambda op, z: clip(op, z, 0, 6),
    "selu": partial(_elu, alpha=SELU_ALPHA, scale=SELU_SCALE),
    "sigmoid": lambda op, z: op.Sigmoid(z),
    "silu": _silu,
    "soft_shrink": lambda op, z: op.Sub(z, clip(op, z, -0.5, 0.5)),
    "softplus": _softplus,
    "softsign": lambda op, z: op.Div(z, op.Add(op.Abs(z), 1)),
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": lambda op, z: clip(op, op.Div(op.Add(z, 1), 2), 0, 1),
    "squareplus": lambda op, z: op.Div(op.Add(z, op.Sqrt(op.Add(op.Mul(z, z), 4))), 2),
    "swish": _silu,
    "tanh": lambda op, z: op.Tanh(z),
    "tanh_shrink": lambda op, z: op.Sub(z, op.Tanh(z)),
}
