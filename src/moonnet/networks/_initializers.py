"""Keras's initializers in NumPy, so that a network starts from numbers that are drawn from a generator of its own.

Keras's own take their seeds from Python's global generator, and on JAX each of their operations compiles a program.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy import special

# Standard deviation of a standard normal variable that is truncated to [-2, 2], the constant of Keras's VarianceScaling
_TRUNCATED_STD = 0.87962566103423978

# Probabilities that a standard normal variable is below -2, and below 2
_LOWEST, _HIGHEST = map(float, special.ndtr([-2, 2]))


def initial_values(initializer: dict[str, Any], shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray | None:
    """Return an array in float64 as an initializer of Keras draws it, in its serialized form.

    None means that Keras must draw it, or say what is wrong: for a class or setting that is not known here, and for a
    shape that the class does not support.

    As in Keras, an initializer with a seed of its own returns the same numbers in each call, whatever ``rng`` is. They
    are not those of Keras, which depend on the backend.
    """
    if initializer["module"] != "keras.initializers" or initializer["class_name"] not in _INITIALIZERS:
        return None
    draw, defaults = _INITIALIZERS[initializer["class_name"]]
    given = dict(initializer["config"])
    generator = _generator(given.pop("seed", None), rng)
    settings = defaults | given
    numbers = [settings[name] for name, default in defaults.items() if isinstance(default, float)]
    if generator is None or settings.keys() != defaults.keys() or not all(isinstance(n, int | float) for n in numbers):
        return None
    values = draw(shape, generator, **settings)
    return None if values is None else np.asarray(values, np.float64)


def _generator(seed: Any, rng: np.random.Generator) -> np.random.Generator | None:
    """Return ``rng``, or a generator for the serialized seed of an initializer; None if that is not a valid integer."""
    if isinstance(seed, dict) and seed.get("class_name") == "SeedGenerator":
        seed = seed["config"]["seed"]
    if seed is None:
        return rng
    return np.random.default_rng(seed) if type(seed) is int and seed >= 0 else None


def _constant(shape: tuple[int, ...], rng: np.random.Generator, *, value: float) -> np.ndarray:
    return np.full(shape, float(value))


def _identity(shape: tuple[int, ...], rng: np.random.Generator, *, gain: float) -> np.ndarray | None:
    return gain * np.eye(*shape) if len(shape) == 2 else None


def _normal(shape: tuple[int, ...], rng: np.random.Generator, *, mean: float, stddev: float) -> np.ndarray:
    return mean + stddev * rng.standard_normal(shape)


def _truncated_normal(shape: tuple[int, ...], rng: np.random.Generator, *, mean: float, stddev: float) -> np.ndarray:
    return mean + stddev * special.ndtri(rng.uniform(_LOWEST, _HIGHEST, shape))


def _uniform(shape: tuple[int, ...], rng: np.random.Generator, *, minval: float, maxval: float) -> np.ndarray:
    return rng.uniform(minval, maxval, shape)


def _variance_scaling(
    shape: tuple[int, ...],
    rng: np.random.Generator,
    *,
    scale: float,
    mode: str,
    distribution: str,
    input_axes: Sequence[int] | None,
    output_axes: Sequence[int] | None,
) -> np.ndarray | None:
    """Return values whose variance is the scale by the number of inputs, of outputs, or by the mean of both.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010; He et al.,
    "Delving deep into rectifiers", 2015; LeCun et al., "Efficient BackProp", 1998.
    """
    fan_in, fan_out = _fans(shape, input_axes, output_axes)
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    if mode not in fans or scale <= 0:
        return None
    fan = max(1, fans[mode])
    if distribution == "uniform":
        bound = math.sqrt(3 * scale / fan)
        return _uniform(shape, rng, minval=-bound, maxval=bound)
    stddev = math.sqrt(scale / fan)
    if distribution == "truncated_normal":
        return _truncated_normal(shape, rng, mean=0, stddev=stddev / _TRUNCATED_STD)
    if distribution == "untruncated_normal":
        return _normal(shape, rng, mean=0, stddev=stddev)
    return None


def _fans(
    shape: tuple[int, ...], input_axes: Sequence[int] | None, output_axes: Sequence[int] | None
) -> tuple[int, int]:
    """Return the numbers of inputs and outputs of a unit, as ``compute_fans`` of Keras.

    The kernel of a convolution has the shape (*window, inputs, outputs).
    """
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    *window, n_inputs, n_outputs = shape
    return math.prod(window) * n_inputs, math.prod(window) * n_outputs


def _orthogonal(shape: tuple[int, ...], rng: np.random.Generator, *, gain: float) -> np.ndarray | None:
    """Return an array that has orthonormal columns or rows as a matrix whose columns are the last axis.

    As in Keras, it is the factor Q of a matrix of normal variables, with a positive diagonal of R. The modified
    Gram-Schmidt process computes it, because the bits of LAPACK's factors depend on the number of threads.

    Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", 2014.
    """
    if len(shape) < 2:
        return None
    n_rows, n_columns = math.prod(shape[:-1]), shape[-1]
    vectors = rng.standard_normal((min(n_rows, n_columns), max(n_rows, n_columns)))
    for index, vector in enumerate(vectors):
        vector /= math.sqrt(np.square(vector).sum())
        rest = vectors[index + 1 :]
        rest -= np.einsum("ij,j->i", rest, vector)[:, np.newaxis] * vector
    return gain * (vectors.T if n_rows >= n_columns else vectors).reshape(shape)


_AXES = {"input_axes": None, "output_axes": None}


def _scaled(scale: float, mode: str, distribution: str) -> tuple[Callable[..., np.ndarray | None], dict[str, Any]]:
    """Return the entry of a class of which only the axes are settings."""
    return partial(_variance_scaling, scale=scale, mode=mode, distribution=distribution), _AXES


# Keras's class -> the function that draws, its settings with Keras's defaults; a default that is a float needs a number
_INITIALIZERS: dict[str, tuple[Callable[..., np.ndarray | None], dict[str, Any]]] = {
    "Constant": (_constant, {"value": 0.0}),
    "GlorotNormal": _scaled(1, "fan_avg", "truncated_normal"),
    "GlorotUniform": _scaled(1, "fan_avg", "uniform"),
    "HeNormal": _scaled(2, "fan_in", "truncated_normal"),
    "HeUniform": _scaled(2, "fan_in", "uniform"),
    "Identity": (_identity, {"gain": 1.0}),
    "LecunNormal": _scaled(1, "fan_in", "truncated_normal"),
    "LecunUniform": _scaled(1, "fan_in", "uniform"),
    "Ones": (partial(_constant, value=1), {}),
    "Orthogonal": (_orthogonal, {"gain": 1.0}),
    "RandomNormal": (_normal, {"mean": 0.0, "stddev": 0.05}),
    "RandomUniform": (_uniform, {"minval": -0.05, "maxval": 0.05}),
    "TruncatedNormal": (_truncated_normal, {"mean": 0.0, "stddev": 0.05}),
    "VarianceScaling": (
        _variance_scaling,
        {"scale": 1.0, "mode": "fan_in", "distribution": "truncated_normal", **_AXES},
    ),
    "Zeros": (partial(_constant, value=0), {}),
}
