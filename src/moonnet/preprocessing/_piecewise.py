"""Piecewise-linear encoding of numbers."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

from numbers import Integral, Real
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from moonnet._sklearn_compat import Interval, StrOptions, check_feature_names_in
from moonnet.preprocessing._overflow import quantiles, safe_factor

_DTYPES = np.float64, np.float32
# The outer bins go on by this many of their widths beyond the data
_N_WIDTHS_BEYOND = 2
# Largest number of distinct numbers that min_samples_per_number applies to
_MAX_DISTINCT = 32


class Bins(NamedTuple):
    """The bins of all columns, one after the other: arrays of shape (n_bins_in_total,)."""

    column: np.ndarray
    factor: np.ndarray  # in start and width, and to multiply numbers by, so that differences are finite
    start: np.ndarray
    width: np.ndarray
    lowest: np.ndarray  # bound of the encoded numbers
    highest: np.ndarray


class PiecewiseLinearEncoder(TransformerMixin, BaseEstimator):
    """Encode each number by its position in bins.

    The range of each column is divided into bins, and each bin is a feature: 0 for numbers below the bin, 1 above it,
    and in between the fraction of the bin that lies below the number. With these features, a network can change its
    slope at each edge of a bin.

    The first bin goes on below the data, down to -2, and the last one above the data, up to 3: a little beyond the data
    encoded numbers are extrapolated, and far beyond it they are constant.

    A column of few distinct numbers has fewer bins. A constant column has none: if all columns are constant, the
    encoded array has the shape (n_samples, 0). Missing values (NaN) are ignored in fit, and become NaN in each bin of
    their column.

    Parameters
    ----------
    n_bins : int, default=12
        Largest number of bins of a column, apart from those that ``min_samples_per_number`` adds.

    binning : {"quantile", "tree"}, default="quantile"
        How the edges of bins are chosen:

        - ``"quantile"``: quantiles of the column, so that the bins contain about the same number of samples. A column
          of at most ``n_bins + 1`` distinct numbers has an edge at each.
        - ``"tree"``: the thresholds of a decision tree that predicts y from this column alone, so that bins are narrow
          where y changes. Needs y in fit.

    min_samples_leaf : int or float, default=20
        Smallest number of samples in a bin with ``binning="tree"``, or their fraction if it is a float, as in
        :class:`sklearn.tree.DecisionTreeClassifier`. Not used for quantiles.

    min_samples_per_number : int or None, default=None
        With quantiles, a column of at most 32 distinct numbers has an edge at each, even if these are more bins than
        ``n_bins``, provided that it has on average at least this many samples per distinct number. Counts, marks and
        hours of the day are such columns: their effect may change at any number, and quantiles would skip some. None
        gives no column more than ``n_bins`` bins. Not used for trees.

    target_type : {"auto", "classes", "continuous"}, default="auto"
        Kind of y with ``binning="tree"``: class labels, or numbers to be predicted by regression. ``"auto"`` takes
        numbers with a fractional part as continuous, and everything else, also integers, as class labels. Not used for
        quantiles.

    dtype : {"float32", "float64"} or None, default=None
        Type of the encoded numbers. None is the type of X if that is float32, and otherwise float64.

    Attributes
    ----------
    bin_edges_ : list of ndarray
        Edges of the bins of each column, in increasing order and in the dtype of X in fit; empty for a column without
        bins.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only if all feature names of X are strings.

    See Also
    --------
    SmoothClipScaler : Scale by median and quartiles, and bound outliers smoothly.
    sklearn.preprocessing.KBinsDiscretizer : Replace each number by its bin.
    sklearn.preprocessing.SplineTransformer : Encode numbers by smooth curves.

    References
    ----------
    Yury Gorishniy, Ivan Rubachev, Artem Babenko: "On Embeddings for Numerical Features in Tabular Deep Learning".
    Advances in Neural Information Processing Systems 35, 2022. There the outer bins go on without bounds.

    Examples
    --------
    The median of 0, 1, 2, 4 and 8 is 2, so that the two bins reach from 0 to 2 and from 2 to 8. The number 5 lies above
    the first bin and halfway in the second:

    >>> import numpy as np
    >>> from moonnet.preprocessing import PiecewiseLinearEncoder
    >>> encoder = PiecewiseLinearEncoder(n_bins=2).fit(np.array([[0], [1], [2], [4], [8]]))
    >>> encoder.bin_edges_
    [array([0., 2., 8.])]
    >>> encoder.transform(np.array([[1], [5], [8], [-1], [14], [1000]]))
    array([[ 0.5,  0. ],
           [ 1. ,  0.5],
           [ 1. ,  1. ],
           [-0.5,  0. ],
           [ 1. ,  2. ],
           [ 1. ,  3. ]])
    >>> encoder.get_feature_names_out(["age"])
    array(['age_bin0', 'age_bin1'], dtype=object)
    """

    _parameter_constraints: ClassVar[dict] = {
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "binning": [StrOptions({"quantile", "tree"})],
        "min_samples_leaf": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
        ],
        "min_samples_per_number": [Interval(Integral, 1, None, closed="left"), None],
        "target_type": [StrOptions({"auto", "classes", "continuous"})],
        "dtype": [StrOptions({"float32", "float64"}), None],
    }

    def __init__(
        self,
        n_bins: int = 12,
        *,
        binning: Literal["quantile", "tree"] = "quantile",
        min_samples_leaf: float = 20,
        min_samples_per_number: int | None = None,
        target_type: Literal["auto", "classes", "continuous"] = "auto",
        dtype: Literal["float32", "float64"] | None = None,
    ) -> None:
        self.n_bins = n_bins
        self.binning = binning
        self.min_samples_leaf = min_samples_leaf
        self.min_samples_per_number = min_samples_per_number
        self.target_type = target_type
        self.dtype = dtype

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Choose the edges of the bins.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers. NaN is a missing number.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Class labels or numbers, which ``binning="tree"`` needs. Ignored for quantiles.

        Returns
        -------
        self : PiecewiseLinearEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If X contains text or infinity, if a parameter is invalid, or if ``binning="tree"`` and y is missing,
            contains NaN or has another length than X.

        TypeError
            If X is sparse.

        See Also
        --------
        transform : Encode numbers.
        """
        self._validate_params()
        options = {"dtype": _DTYPES, "ensure_all_finite": "allow-nan"}
        if self.binning == "quantile":
            numbers = validate_data(self, X, **options)
            self.bin_edges_ = [
                _quantile_edges(column[~np.isnan(column)], self.n_bins, self.min_samples_per_number)
                for column in numbers.T
            ]
            return self
        numbers, y = validate_data(self, X, y, multi_output=True, **options)
        tree, targets = self._tree_and_targets(y)
        present = ~np.isnan(numbers)
        self.bin_edges_ = [
            _tree_edges(column[rows], targets[rows], tree) for column, rows in zip(numbers.T, present.T, strict=True)
        ]
        return self

    def _tree_and_targets(self, y: Any) -> tuple[Any, np.ndarray]:
        """Return an unfitted tree with a leaf for each bin, and y as numbers, shape (n_samples, n_outputs)."""
        kind = type_of_target(y) if self.target_type == "auto" else self.target_type
        if kind == "unknown":
            raise ValueError(
                f"Unknown label type: y must contain class labels or numbers. Got an array of dtype {y.dtype} instead."
            )
        options = {"max_leaf_nodes": self.n_bins, "min_samples_leaf": self.min_samples_leaf, "random_state": 0}
        outputs = y.reshape(len(y), -1)
        if kind.startswith("continuous"):
            return DecisionTreeRegressor(**options), outputs.astype(np.float64)
        codes = [np.unique(output, return_inverse=True)[1] for output in outputs.T]
        return DecisionTreeClassifier(**options), np.column_stack(codes)

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Encode numbers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers. NaN is a missing number.

        Returns
        -------
        encoded : ndarray of shape (n_samples, n_bins_of_all_columns)
            The bins of the first column, then those of the second, and so on: numbers from 0 to 1, or from -2 to 3 in
            outer bins; NaN where X is missing. Their type is ``dtype``.

        Raises
        ------
        ValueError
            If X contains text or infinity, or has another number of columns than X in fit.

        TypeError
            If X is sparse.

        sklearn.exceptions.NotFittedError
            If the encoder is not fitted.

        See Also
        --------
        get_feature_names_out : Names of the columns.
        """
        check_is_fitted(self)
        numbers = validate_data(self, X, dtype=_DTYPES, ensure_all_finite="allow-nan", reset=False)
        bins = self._bins(numbers.dtype)
        encoded = numbers.take(bins.column, axis=1)
        if (bins.factor != 1).any():
            encoded *= bins.factor
        with np.errstate(over="ignore"):
            encoded -= bins.start
            encoded /= bins.width
        np.clip(encoded, bins.lowest, bins.highest, out=encoded)
        return encoded if self.dtype is None else encoded.astype(self.dtype, copy=False)

    def _bins(self, dtype: Any) -> Bins:
        """Return the bins as arrays of this dtype."""
        n_bins = [max(len(edges) - 1, 0) for edges in self.bin_edges_]
        column = np.repeat(np.arange(len(n_bins)), n_bins)
        largest = np.array([max(-edges[0], edges[-1]) if len(edges) else 0 for edges in self.bin_edges_], np.float64)
        factors = safe_factor(largest, dtype)
        scaled = [edges * factor for edges, factor in zip(self.bin_edges_, factors, strict=True)]
        start, end = (
            np.concatenate([edges[part] for edges in scaled]).astype(dtype)
            for part in (slice(None, -1), slice(1, None))
        )
        is_first, is_last = np.diff(column, prepend=-1) > 0, np.diff(column, append=len(n_bins)) > 0
        return Bins(
            column,
            factors[column].astype(dtype),
            start,
            # Edges in float64 may be equal in float32
            width=np.maximum(end - start, np.finfo(dtype).smallest_subnormal),
            lowest=np.where(is_first, -_N_WIDTHS_BEYOND, 0).astype(dtype),
            highest=np.where(is_last, 1 + _N_WIDTHS_BEYOND, 1).astype(dtype),
        )

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Return the names of the columns of the encoded array.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X. By default ``feature_names_in_``, or ``"x0"``, ``"x1"`` and so on if X in fit had
            no names.

        Returns
        -------
        names : ndarray of str
            The name of the column and the number of the bin, for example ``"age_bin0"``, in the order of ``transform``.
            If a column of X has this name, an underscore is appended, so that a union with X has unique names.

        Raises
        ------
        ValueError
            If the names differ from those in fit, or if their number does.

        sklearn.exceptions.NotFittedError
            If the encoder is not fitted.

        See Also
        --------
        transform : Encode numbers.
        """
        check_is_fitted(self)
        names = check_feature_names_in(self, input_features)
        bins: dict[str, None] = {}  # in order
        taken = set(names)
        for name, edges in zip(names, self.bin_edges_, strict=True):
            for index in range(len(edges) - 1):
                bin_name = f"{name}_bin{index}"
                while bin_name in taken or bin_name in bins:
                    bin_name += "_"
                bins[bin_name] = None
        return np.array(list(bins), dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = self.binning == "tree"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _quantile_edges(numbers: np.ndarray, n_bins: int, min_samples_per_number: int | None) -> np.ndarray:
    """Return the edges of bins at quantiles; none if all numbers are equal or there are none."""
    edges = np.unique(numbers)
    has_edge_at_each = len(edges) <= n_bins + 1 or (
        min_samples_per_number is not None
        and len(edges) <= _MAX_DISTINCT
        and len(numbers) >= min_samples_per_number * len(edges)
    )
    if not has_edge_at_each:
        edges = np.unique(quantiles(numbers, np.arange(n_bins + 1) / n_bins).astype(numbers.dtype))
    return edges if len(edges) > 1 else edges[:0]


def _tree_edges(numbers: np.ndarray, targets: np.ndarray, tree: Any) -> np.ndarray:
    """Return the edges of bins at a tree's thresholds; none if all numbers are equal or there are none."""
    distinct, ranks = np.unique(numbers, return_inverse=True)
    if len(distinct) < 2:
        return distinct[:0]
    thresholds = np.array([], numbers.dtype)
    if tree.max_leaf_nodes > 1:
        # Trees split numbers in float32, in which ranks are exact; their thresholds lie between two ranks
        nodes = tree.fit(ranks[:, None].astype(np.float32), targets).tree_
        below = np.floor(nodes.threshold[nodes.feature >= 0]).astype(int)
        thresholds = distinct[below] / 2 + distinct[below + 1] / 2
    return np.unique(np.concatenate([distinct[:1], thresholds, distinct[-1:]]))
