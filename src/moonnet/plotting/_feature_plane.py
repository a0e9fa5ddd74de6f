"""Maps between the points of a picture and samples: two features, one feature, or the principal plane of all.

X is an array or a pandas or polars dataframe. ``features`` holds names or indices of columns.
"""

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
from moonnet.plotting._checks import check_limits


@dataclass(frozen=True)
class Plane:
    """A plane (or a line) in the feature space, with the samples projected onto it."""

    points: np.ndarray  # (n_samples, 2), the projected samples; (n_samples, 1) on a line
    axis_labels: tuple[str, ...]
    title: str  # the values of the features that are not plotted; empty if there are none
    inverse_transform: Callable[[np.ndarray], Any]  # points -> samples, an array or a dataframe like X


def choose_plane(X: Any, features: Any = None, held: Mapping[Any, Any] | None = None) -> Plane:
    """Return the plane of two features with the others fixed, or the principal plane if ``features="pca"``."""
    X, names = _validate_table(X, held)
    if X.shape[1] < 2:
        raise ValueError(f"X must have at least two columns to be drawn in the plane. Got shape {X.shape} instead.")
    if isinstance(features, str) and features == "pca":
        if held:
            raise ValueError(f"held must be None if features='pca', which fixes no feature. Got {held!r} instead.")
        return _make_principal_plane(X, names)
    plotted = _find_columns(features, names, X.shape[1], (2,), "two columns of X (names or indices) or 'pca'")
    return _make_feature_plane(X, names, plotted, held)


def choose_line_or_plane(X: Any, features: Any = None, held: Mapping[Any, Any] | None = None) -> Plane:
    """Return the line of one feature or the plane of two, with the others fixed."""
    X, names = _validate_table(X, held)
    plotted = _find_columns(features, names, X.shape[1], (1, 2), "one or two columns of X (names or indices)")
    return _make_feature_plane(X, names, plotted, held)


def _validate_table(X: Any, held: Any) -> tuple[Any, list | None]:
    """Return X and its column names, which an array does not have (None)."""
    if held is not None and not isinstance(held, Mapping):
        raise ValueError(f"held must be a dict that maps columns to values. Got {held!r} instead.")
    if not hasattr(X, "columns"):
        return check_array(X, ensure_all_finite="allow-nan", input_name="X"), None
    names = list(X.columns)
    if len(set(names)) < len(names):
        raise ValueError(f"X must have unique column names. Got {names} instead.")
    return X, names


def _make_feature_plane(X: Any, names: list | None, plotted: tuple[int, ...], held: Mapping[Any, Any] | None) -> Plane:
    """Return the plane of the plotted columns. The others stay at the values in ``held`` or at typical values."""
    n_features = X.shape[1]
    held_values = {_find_column(key, names, n_features, "held"): value for key, value in (held or {}).items()}
    if not held_values.keys().isdisjoint(plotted):
        plotted_names = [_feature_name(names, index) for index in plotted]
        raise ValueError(f"held must not contain the plotted features {plotted_names}. Got {held!r} instead.")
    columns = [safe_indexing(X, index, axis=1) for index in range(n_features)]
    for index in plotted:
        if not _is_numeric(columns[index].dtype):
            raise ValueError(f"features must be numeric columns of X. Got {_feature_name(names, index)!r} instead.")
    fixed = {
        index: _FixedFeature(columns[index], _feature_name(names, index), held_values.get(index))
        for index in range(n_features)
        if index not in plotted
    }

    def inverse_transform(points: np.ndarray) -> Any:
        filled = [
            fixed[index].repeat(len(points)) if index in fixed else points[:, plotted.index(index)]
            for index in range(n_features)
        ]
        if names is None:
            return np.column_stack(filled).astype(X.dtype if X.dtype.kind == "f" else float)
        return type(X)(dict(zip(names, filled, strict=True)))

    return Plane(
        points=np.column_stack([np.asarray(columns[index], dtype=float) for index in plotted]),
        axis_labels=tuple(_feature_name(names, index) for index in plotted),
        title=_describe_fixed_features(
            [fixed[index] for index in held_values],
            [feature for index, feature in fixed.items() if index not in held_values],
        ),
        inverse_transform=inverse_transform,
    )


class _FixedFeature:
    """A feature that is not plotted, and the one value that it has on the whole plane."""

    def __init__(self, column: Any, name: str, value: Any = None) -> None:
        self._column = column
        self._row: int | None = None  # of a sample with this value, for a column that is not numeric
        self.is_numeric = _is_numeric(column.dtype)
        if self.is_numeric:
            numbers = np.asarray(column, dtype=float)
            if value is None:
                finite = numbers[np.isfinite(numbers)]
                # Integers may encode categories, so that their median must be one of the values
                method: Any = "nearest" if (finite % 1 == 0).all() else "linear"
                value = float(np.quantile(finite, 0.5, method=method)) if len(finite) else np.nan
            elif not isinstance(value, Real) or not math.isfinite(value):
                raise ValueError(f"held must map {name!r} to a finite number. Got {value!r} instead.")
            self._value = float(value)
            self.description = f"{name} = {self._value:.4g}"
            return
        if value is None and _is_date(column.dtype):
            dates = np.asarray(column, dtype="datetime64[s]")
            n_known = int(np.count_nonzero(~np.isnat(dates)))
            self._row = int(np.argsort(dates)[max(n_known - 1, 0) // 2])  # NaT comes last
            self.description = f"{name} = {str(dates[self._row]).replace('T', ' ').removesuffix(' 00:00:00')}"
            return
        categories, rows, counts = np.unique(np.asarray(column, dtype=str), return_index=True, return_counts=True)
        category = categories[counts.argmax()] if value is None else str(value)
        if category not in categories:
            raise ValueError(f"held must map {name!r} to one of {categories.tolist()}. Got {value!r} instead.")
        self._row = int(rows[categories.tolist().index(category)])
        self.description = f"{name} = {category}"

    def repeat(self, n_rows: int) -> Any:
        """Return a column that repeats the value; a non-numeric column keeps the type of X's column."""
        if self._row is None:
            return np.full(n_rows, self._value)
        column = safe_indexing(self._column, np.full(n_rows, self._row))
        return getattr(column, "array", column)  # drops pandas's index, which would hold duplicates


def _make_principal_plane(X: Any, names: list | None) -> Plane:
    """Return the plane of the first two principal components of the standardised features."""
    numbers = check_array(X, input_name="X", ensure_min_samples=2)
    pca = make_pipeline(StandardScaler(), PCA(2, svd_solver="full"))
    points = pca.fit_transform(numbers)

    def inverse_transform(points: np.ndarray) -> Any:
        samples = pca.inverse_transform(points)
        return samples if names is None else type(X)(dict(zip(names, samples.T, strict=True)))

    return Plane(points, principal_axis_labels(pca[-1]), "", inverse_transform)


def principal_axis_labels(pca: PCA) -> tuple[str, ...]:
    """Return the labels of the axes along principal components."""
    shares = enumerate(pca.explained_variance_ratio_, start=1)
    return tuple(f"principal component {number} ({share:.0%} of the variance)" for number, share in shares)


def _find_columns(
    features: Any, names: list | None, n_features: int, allowed_counts: tuple[int, ...], expected: str
) -> tuple[int, ...]:
    """Return the indices of the columns in ``features``, distinct ones; None takes all of at most two columns."""
    if features is None:
        if n_features > 2:
            raise ValueError(f"features must be {expected}, because X has {n_features} columns. Got None instead.")
        features = range(n_features) if names is None else names
    is_single = isinstance(features, str) or not isinstance(features, Iterable)
    keys = [features] if is_single else list(features)
    if len(keys) not in allowed_counts:
        raise ValueError(f"features must be {expected}. Got {features!r} instead.")
    indices = tuple(_find_column(key, names, n_features, "features") for key in keys)
    if len(set(indices)) < len(indices):
        raise ValueError(f"features must be distinct columns of X. Got {features!r} instead.")
    return indices


def _find_column(key: Any, names: list | None, n_features: int, parameter: str) -> int:
    """Return the index of a column from its name or index."""
    if names is not None and key in names:
        return names.index(key)
    if not isinstance(key, bool) and isinstance(key, Integral) and -n_features <= int(key) < n_features:
        return int(key) % n_features
    choices = f"indices from {-n_features} to {n_features - 1}" + ("" if names is None else f" or names from {names}")
    raise ValueError(f"{parameter} must contain only columns of X, given as {choices}. Got {key!r} instead.")


def _feature_name(names: list | None, index: int) -> str:
    return f"feature {index}" if names is None else str(names[index])


def _is_numeric(dtype: Any) -> bool:
    """Return whether a NumPy, pandas or polars dtype is numeric."""
    return dtype.kind in "iuf" if hasattr(dtype, "kind") else dtype.is_numeric()


def _is_date(dtype: Any) -> bool:
    """Return whether a NumPy, pandas or polars dtype holds dates."""
    return dtype.kind == "M" if hasattr(dtype, "kind") else str(dtype).startswith("Date")


def _describe_fixed_features(held: list[_FixedFeature], typical: list[_FixedFeature]) -> str:
    """Return a title with the values of the fixed features: the user's first, then the typical ones."""
    parts = [feature.description for feature in held]
    if len(typical) == 1:
        parts.append(typical[0].description)
    elif typical:
        are_numeric = all(feature.is_numeric for feature in typical)
        statistic = "medians" if are_numeric else "medians or most frequent values"
        parts.append(f"other {len(typical)} features at their {statistic}")
    return ", ".join(parts)


def axis_limits(name: str, limits: tuple[float, float] | None, values: np.ndarray) -> tuple[float, float]:
    """Return the validated limits of an axis; None takes the range of the values with a margin."""
    if limits is not None:
        return check_limits(name, limits)
    largest = np.finfo(float).max / 10  # so that neither the limits nor their difference overflow
    lower, upper = (float(np.clip(extreme(values), -largest, largest)) for extreme in (np.nanmin, np.nanmax))
    margin, magnitude = (upper - lower) / 10, max(abs(lower), abs(upper))
    if margin <= max(1e-14 * magnitude, 1e-300):  # constant, but for rounding errors
        margin = max(0.5, 1e-6 * magnitude)
    return lower - margin, upper + margin
