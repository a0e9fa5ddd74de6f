"""The inputs of the network: the coordinates on the plane, and features derived from them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures


class _Input(NamedTuple):
    """One input of the network."""

    symbol: str  # on the page
    columns: tuple[int, ...]  # of the plane
    transform: str  # one of _TRANSFORMS
    description: str  # with the names of the axes


# Transformers of scikit-learn with functions of NumPy, so that skops can load them without further trust
_TRANSFORMS = {
    "coordinate": "passthrough",
    "square": FunctionTransformer(np.square),
    "product": PolynomialFeatures((2, 2), interaction_only=True, include_bias=False),
    "sine": FunctionTransformer(np.sin),
}
INPUTS = {
    "x1": _Input("x₁", (0,), "coordinate", "{}"),
    "x2": _Input("x₂", (1,), "coordinate", "{}"),
    "x1^2": _Input("x₁²", (0,), "square", "{} squared"),
    "x2^2": _Input("x₂²", (1,), "square", "{} squared"),
    "x1*x2": _Input("x₁x₂", (0, 1), "product", "{} times {}"),
    "sin x1": _Input("sin x₁", (0,), "sine", "sine of {}"),
    "sin x2": _Input("sin x₂", (1,), "sine", "sine of {}"),
}
COORDINATES = ("x1", "x2")


class Inputs:
    """A function from features of the plane, shape (n_samples, n_features), to the inputs of the network.

    ``transformer`` is what computes them, already fitted; None if they are the features. Inputs that need a second
    feature are left out if there is none; the first feature is used if no others are left.
    """

    def __init__(self, names: Sequence[str] = COORDINATES, n_features: int = 2) -> None:
        coordinates = COORDINATES[:n_features]
        known = (name for name in INPUTS if name in names and max(INPUTS[name].columns) < n_features)
        self.names = tuple(known) or coordinates
        self.transformer: Any = None
        if self.names != coordinates:
            self.transformer = make_column_transformer(*self._parts()).fit(np.zeros((1, n_features)))

    @property
    def symbols(self) -> list[str]:
        """The symbol of each input."""
        return [INPUTS[name].symbol for name in self.names]

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return the inputs of each point, shape (n_samples, n_inputs)."""
        return points if self.transformer is None else self.transformer.transform(points)

    def describe(self, axes: Sequence[str]) -> list[str]:
        """Return what the page calls each input, given the names of the axes."""
        chosen = [INPUTS[name] for name in self.names]
        return [description.format(*(axes[column] for column in columns)) for _, columns, _, description in chosen]

    def _parts(self) -> list[tuple[Any, list[int]]]:
        """Return each transformer that is needed with its columns."""
        columns: dict[str, list[int]] = {}
        for name in self.names:
            columns.setdefault(INPUTS[name].transform, []).extend(INPUTS[name].columns)
        return [(_TRANSFORMS[transform], chosen) for transform, chosen in columns.items()]
