"""Samples of toy problems, and Python code that makes them: classes on the plane, and numbers over one or two features.

The functions ``make_...`` need nothing but NumPy, because the code contains their source.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import make_blobs, make_circles, make_moons

Limits = tuple[float, float]


class ToyProblem(NamedTuple):
    """A function that makes samples, and what the page shows of them."""

    make: Callable[..., Any]
    options: Callable[[float], dict[str, Any]]  # keyword arguments for a noise
    limits: tuple[Limits, ...]  # of each feature
    target_limits: Limits | None = None  # of numbers; None for classes

    def make_samples(self, n_samples: int, noise: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
        """Return X (n_samples, n_features) and y."""
        return self.make(n_samples, random_state=random_state, **self.options(noise))

    def code(self, n_samples: int, noise: float, random_state: int) -> str:
        """Return code that makes X_train, y_train and, with the next seed, X_test, y_test."""
        name = self.make.__name__
        source = [f"\n{inspect.getsource(self.make)}\n"] if self.make.__module__ == __name__ else []
        arguments = ", ".join(f"{option}={value!r}" for option, value in self.options(noise).items())
        calls = [
            f"X_{part}, y_{part} = {name}({n_samples}, {arguments}, random_state={seed})"
            for part, seed in (("train", random_state), ("test", random_state + 1))
        ]
        return "\n".join([*source, *calls])


def make_spirals(n_samples: int, *, noise: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two interleaved spirals and their labels."""
    rng = np.random.default_rng(random_state)
    y = np.arange(n_samples) % 2
    turn = np.sqrt(rng.uniform(0.02, 1, n_samples))  # uniform along the spirals
    angle = 3 * np.pi * turn + np.pi * y
    X = 1.5 * turn[:, np.newaxis] * np.column_stack([np.cos(angle), np.sin(angle)])
    return X + rng.normal(0, noise / 2, X.shape), y


def make_xor(n_samples: int, *, noise: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points in a square, labelled 1 where both coordinates have the same sign."""
    rng = np.random.default_rng(random_state)
    X = rng.uniform(-1.5, 1.5, (n_samples, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    return X + rng.normal(0, noise, X.shape), y


def make_sine(n_samples: int, *, noise: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers and the sine of twice each of them, with noise."""
    rng = np.random.default_rng(random_state)
    X = rng.uniform(-3, 3, (n_samples, 1))
    return X, np.sin(2 * X[:, 0]) + rng.normal(0, noise, n_samples)


def make_step(n_samples: int, *, noise: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers and their sign, with noise."""
    rng = np.random.default_rng(random_state)
    X = rng.uniform(-3, 3, (n_samples, 1))
    return X, np.sign(X[:, 0]) + rng.normal(0, noise, n_samples)


def make_line(n_samples: int, *, noise: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers and points on a line, with noise; about a tenth are outliers, which lie too high by 2 to 3."""
    rng = np.random.default_rng(random_state)
    X = rng.uniform(-3, 3, (n_samples, 1))
    is_outlier = rng.uniform(size=n_samples) < 0.1
    y = 0.5 * X[:, 0] + is_outlier * rng.uniform(2, 3, n_samples)
    return X, y + rng.normal(0, noise, n_samples)


def make_fan(n_samples: int, *, noise: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers and points on a line, with noise that grows from left to right."""
    rng = np.random.default_rng(random_state)
    X = rng.uniform(-3, 3, (n_samples, 1))
    return X, 0.5 * X[:, 0] + noise * (X[:, 0] + 3) / 2 * rng.normal(size=n_samples)


def make_counts(n_samples: int, *, noise: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers and counts, which are Poisson distributed; the logarithm of their mean has noise."""
    rng = np.random.default_rng(random_state)
    X = rng.uniform(-3, 3, (n_samples, 1))
    logarithm = 1 + np.sin(1.5 * X[:, 0]) + rng.normal(0, noise, n_samples)
    return X, rng.poisson(np.exp(logarithm)).astype(float)


def make_plane(n_samples: int, *, noise: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points in a square and the mean of their coordinates, with noise."""
    rng = np.random.default_rng(random_state)
    X = rng.uniform(-1.5, 1.5, (n_samples, 2))
    return X, X.mean(axis=1) + rng.normal(0, noise, n_samples)


def make_gaussians(n_samples: int, *, noise: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points in a square and a surface with a hill and a valley, with noise."""
    rng = np.random.default_rng(random_state)
    X = rng.uniform(-1.5, 1.5, (n_samples, 2))
    hill, valley = (np.exp(-((X - center) ** 2).sum(axis=1) / 0.5) for center in (0.7, -0.7))
    return X, hill - valley + rng.normal(0, noise, n_samples)


def make_saddle(n_samples: int, *, noise: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points in a square and a surface in the shape of a saddle, with noise."""
    rng = np.random.default_rng(random_state)
    X = rng.uniform(-1.5, 1.5, (n_samples, 2))
    return X, X[:, 0] * X[:, 1] / 1.5 + rng.normal(0, noise, n_samples)


def _noise_only(noise: float) -> dict[str, Any]:
    return {"noise": noise}


def _curve(make: Callable[..., Any], target_limits: Limits = (-2.5, 2.5)) -> ToyProblem:
    return ToyProblem(make, _noise_only, ((-3.3, 3.3),), target_limits)


def _surface(make: Callable[..., Any], target_limits: Limits) -> ToyProblem:
    return ToyProblem(make, _noise_only, ((-1.6, 1.6), (-1.6, 1.6)), target_limits)


_SQUARE = (-2.0, 2.0), (-2.0, 2.0)
CLASS_PROBLEMS = {
    "moons": ToyProblem(make_moons, _noise_only, ((-1.75, 2.75), (-2.0, 2.5))),
    "circles": ToyProblem(make_circles, lambda noise: {"noise": noise, "factor": 0.5}, _SQUARE),
    "blobs": ToyProblem(
        make_blobs, lambda noise: {"centers": [[-1, -0.8], [1, -0.8], [0, 0.9]], "cluster_std": 2 * noise}, _SQUARE
    ),
    "spirals": ToyProblem(make_spirals, _noise_only, _SQUARE),
    "xor": ToyProblem(make_xor, _noise_only, _SQUARE),
}
CURVE_PROBLEMS = {
    "sine": _curve(make_sine),
    "step": _curve(make_step),
    "line": _curve(make_line, (-2.5, 4.5)),
    "fan": _curve(make_fan, (-3.0, 3.0)),
    "counts": _curve(make_counts, (-1.0, 16.0)),
}
SURFACE_PROBLEMS = {
    "plane": _surface(make_plane, (-1.6, 1.6)),
    "gaussians": _surface(make_gaussians, (-1.2, 1.2)),
    "saddle": _surface(make_saddle, (-1.6, 1.6)),
}
TOY_PROBLEMS = {**CLASS_PROBLEMS, **CURVE_PROBLEMS, **SURFACE_PROBLEMS}
