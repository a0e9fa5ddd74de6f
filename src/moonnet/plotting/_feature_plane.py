"""The plane of a picture: two features, or the principal plane of many, and where samples lie on it."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_array

from moonnet._sklearn_compat import safe_indexing


@dataclass(frozen=True)
class Plane:
    """A plane in the space of the features, or a line, and what is known about it."""

    points: np.ndarray  # (n_samples, 2), the samples as they are seen on the plane; (n_samples, 1) on a line
    labels: tuple[str, ...] | None  # of the axes
    title: str  # where the plane lies; empty where there is nothing to say
    samples_at: Callable[[np.ndarray], Any]  # points on the plane -> samples of X's kind


def choose_plane(X: Any, features: Any = None, held: Mapping[Any, Any] | None = None) -> Plane:
    """Return the plane of two features, the others held, or with ``features="pca"`` the principal plane.

    X is an array or a dataframe of pandas or polars; features are names or indices of columns.
    """
    X, names = _checked(X, held)
    n_features = X.shape[1]
    if n_features < 2:
        raise ValueError(f"X must have at least two columns to be drawn in the plane. Got shape {X.shape} instead.")
    if isinstance(features, str) and features == "pca":
        if held:
            raise ValueError(f"held must be None for features='pca', which holds no feature. Got {held!r} instead.")
        return _principal_plane(X, names)
    if features is None:
        if n_features > 2:
            raise ValueError(
                f"features must be two columns of X, by name or index, or 'pca', since X has {n_features} columns. "
                "Got None instead."
            )
        features = (0, 1)
    drawn = _columns(features, names, n_features, (2,), "two columns of X, by name or index, or 'pca'")
    return _plane_of_features(X, names, drawn, held)


def choose_line_or_plane(X: Any, features: Any = None, held: Mapping[Any, Any] | None = None) -> Plane:
    """Return the line of one feature, or the plane of two, the others held.

    X is an array or a dataframe of pandas or polars; features are names or indices of columns.
    """
    X, names = _checked(X, held)
    n_features = X.shape[1]
    if features is None:
        if n_features > 2:
            raise ValueError(
                f"features must be one column of X or two, by name or index, since X has {n_features} columns. "
                "Got None instead."
            )
        features = range(n_features)
    one = isinstance(features, str) or not isinstance(features, Iterable)
    drawn = _columns(
        [features] if one else features, names, n_features, (1, 2), "one column of X or two, by name or index"
    )
    return _plane_of_features(X, names, drawn, held)


def _checked(X: Any, held: Any) -> tuple[Any, list | None]:
    """Return X as a dataframe with its columns' names, or as an array without."""
    if held is not None and not isinstance(held, Mapping):
        raise ValueError(f"held must be a dict of columns and their values. Got {held!r} instead.")
    named = hasattr(X, "columns")
    if not named:
        X = check_array(X, ensure_all_finite="allow-nan", input_name="X")
    names = list(X.columns) if named else None
    if names is not None and len(set(names)) < len(names):
        raise ValueError(f"X must have columns of different names. Got {names} instead.")
    return X, names


def _plane_of_features(X: Any, names: list | None, drawn: tuple[int, ...], given: Mapping[Any, Any] | None) -> Plane:
    """Return the plane of some columns; the others stay at the values given, or at what is usual in X."""
    n_features = X.shape[1]
    held = {_column(key, names, n_features, "held"): value for key, value in (given or {}).items()}
    if not held.keys().isdisjoint(drawn):
        columns_drawn = [_name(names, index) for index in drawn]
        raise ValueError(f"held must name features that are not drawn. Got {given!r} beside {columns_drawn}.")
    columns = [safe_indexing(X, index, axis=1) for index in range(n_features)]
    for index in drawn:
        if not _is_numeric(columns[index].dtype):
            raise ValueError(f"features must be columns of numbers. Got {_name(names, index)!r} among them.")
    others = {
        index: _Held(columns[index], _name(names, index), held.get(index))
        for index in range(n_features)
        if index not in drawn
    }

    def samples_at(points: np.ndarray) -> Any:
        full = [
            others[index].repeated(len(points)) if index in others else points[:, drawn.index(index)]
            for index in range(n_features)
        ]
        if names is None:
            return np.column_stack(full).astype(X.dtype if X.dtype.kind == "f" else float)
        return type(X)(dict(zip(names, full, strict=True)))

    return Plane(
        points=np.column_stack([np.asarray(columns[index], dtype=float) for index in drawn]),
        labels=None if names is None and n_features == len(drawn) else tuple(_name(names, index) for index in drawn),
        title=_where(
            [others[index] for index in held], [column for index, column in others.items() if index not in held]
        ),
        samples_at=samples_at,
    )


class _Held:
    """The value at which a feature that is not drawn stays."""

    def __init__(self, column: Any, name: str, value: Any = None) -> None:
        self._column = column
        self._row: int | None = None  # of a sample with the value, where that is no number
        self.is_number = _is_numeric(column.dtype)
        if self.is_number:
            numbers = np.asarray(column, dtype=float)
            if value is None:
                known = numbers[np.isfinite(numbers)]
                # Of whole numbers one that is there, since they may stand for kinds
                method: Any = "nearest" if (known % 1 == 0).all() else "linear"
                value = float(np.quantile(known, 0.5, method=method)) if len(known) else np.nan
            elif not isinstance(value, Real) or not math.isfinite(value):
                raise ValueError(f"held must give a finite number for {name!r}. Got {value!r} instead.")
            self._value = float(value)
            self.described = f"{name} = {self._value:.4g}"
            return
        values, rows, counts = np.unique(np.asarray(column, dtype=str), return_index=True, return_counts=True)
        likely = values[counts.argmax()] if value is None else str(value)
        if likely not in values:
            raise ValueError(f"held must give one of {values.tolist()} for {name!r}. Got {value!r} instead.")
        self._row = int(rows[values.tolist().index(likely)])
        self.described = f"{name} = {likely}"

    def repeated(self, n_rows: int) -> Any:
        """Return a column of the value, in the type of X's column where that is no number."""
        if self._row is None:
            return np.full(n_rows, self._value)
        column = safe_indexing(self._column, np.full(n_rows, self._row))
        return getattr(column, "array", column)  # without the index of pandas, which repeats


def _principal_plane(X: Any, names: list | None) -> Plane:
    """Return the plane of the first two principal components of the standardised features."""
    numbers = check_array(X, input_name="X", ensure_min_samples=2)
    components = make_pipeline(StandardScaler(), PCA(2, svd_solver="full"))
    points = components.fit_transform(numbers)
    shares = components[-1].explained_variance_ratio_

    def samples_at(points: np.ndarray) -> Any:
        samples = components.inverse_transform(points)
        return samples if names is None else type(X)(dict(zip(names, samples.T, strict=True)))

    first, second = (
        f"principal component {1 + index} ({share:.0%} of the variance)" for index, share in enumerate(shares)
    )
    return Plane(points, (first, second), "", samples_at)


def _columns(
    features: Any, names: list | None, n_features: int, numbers: tuple[int, ...], expected: str
) -> tuple[int, ...]:
    """Return the indices of different columns, of which there must be as many as one of ``numbers``."""
    listed = list(features) if isinstance(features, Iterable) and not isinstance(features, str) else []
    if len(listed) not in numbers:
        raise ValueError(f"features must be {expected}. Got {features!r} instead.")
    indices = tuple(_column(key, names, n_features, "features") for key in listed)
    if len(set(indices)) < len(indices):
        raise ValueError(f"features must be different columns of X. Got {features!r} instead.")
    return indices


def _column(key: Any, names: list | None, n_features: int, parameter: str) -> int:
    """Return the index of a column, given by name or index."""
    if names is not None and key in names:
        return names.index(key)
    if not isinstance(key, bool) and isinstance(key, Integral) and -n_features <= int(key) < n_features:
        return int(key) % n_features
    known = f"from 0 to {n_features - 1}" + ("" if names is None else f" or one of {names}")
    raise ValueError(f"{parameter} must name columns of X by an index {known}. Got {key!r} instead.")


def _name(names: list | None, index: int) -> str:
    return f"feature {index}" if names is None else str(names[index])


def _is_numeric(dtype: Any) -> bool:
    """Return whether a type of NumPy, pandas or polars is one of numbers."""
    return dtype.kind in "iuf" if hasattr(dtype, "kind") else dtype.is_numeric()


def _where(given: list[_Held], usual: list[_Held]) -> str:
    """Return a title that says at which values the features that are not drawn stay."""
    parts = [held.described for held in given]
    if len(usual) == 1:
        parts.append(usual[0].described)
    elif usual:
        typical = "medians" if all(held.is_number for held in usual) else "medians or most frequent values"
        parts.append(f"other {len(usual)} features at their {typical}")
    return ", ".join(parts)


def axis_limits(name: str, limits: tuple[float, float] | None, values: np.ndarray) -> tuple[float, float]:
    """Return the ends of an axis: those given, or the values' with a margin."""
    if limits is not None:
        try:
            first, last = map(float, limits)
        except (TypeError, ValueError):
            first = last = np.nan
        if not -np.inf < first < last < np.inf:
            raise ValueError(f"{name} must be a lower and a higher end, both finite. Got {limits!r} instead.")
        return first, last
    lower, upper = float(np.nanmin(values)), float(np.nanmax(values))
    margin = (upper - lower) / 10 or 0.5
    return lower - margin, upper + margin


def check_resolution(grid_resolution: Any) -> int:
    """Return how many points a grid has along each axis."""
    if not isinstance(grid_resolution, Integral) or grid_resolution < 2:
        raise ValueError(f"grid_resolution must be an integer of at least 2. Got {grid_resolution!r} instead.")
    return int(grid_resolution)
