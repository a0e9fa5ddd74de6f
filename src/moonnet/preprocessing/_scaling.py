"""Scaling of numbers that bounds outliers."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

from numbers import Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from moonnet._sklearn_compat import Interval, StrOptions
from moonnet.preprocessing._overflow import quantiles, safe_factor

_DTYPES = np.float64, np.float32
# A number this many times the bound is scaled to the bound in every dtype, and its square is finite in every dtype
SATURATED = 1e9


class SmoothClipScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Scale by median and quartiles, and bound outliers smoothly.

    Each column is centred by its median and divided by its interquartile range. The result z becomes
    ``z / sqrt(1 + (z / max_absolute_value) ** 2)``, which is nearly z in the middle of the data and never beyond
    ``max_absolute_value``, however far an outlier lies.

    If both quartiles are the same number, half of the column's range replaces the interquartile range. A constant
    column becomes 0.

    Missing values (NaN) are ignored in fit and remain missing. A column without any number becomes NaN.

    Parameters
    ----------
    max_absolute_value : float, default=3.0
        Bound of the scaled numbers. 3 is the value of the paper.

    dtype : {"float32", "float64"} or None, default=None
        Type of the scaled numbers. None is the type of X if that is float32, and otherwise float64.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,)
        Median of each column, in float64.

    scale_ : ndarray of shape (n_features,)
        Interquartile range of each column, or half of its range, in float64; 0 for a constant column. A range beyond
        the largest number in float64 is replaced by that number.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only if all feature names of X are strings.

    See Also
    --------
    PiecewiseLinearEncoder : Encode each number by its position in bins.
    sklearn.preprocessing.RobustScaler : Scale by the same statistics without a bound.

    References
    ----------
    David Holzmüller, Léo Grinsztajn, Ingo Steinwart: "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on
    Tabular Data". Advances in Neural Information Processing Systems 37, 2024.

    Examples
    --------
    The median is 2, the quartiles are 0 and 4, and 1e6 is an outlier:

    >>> from moonnet.preprocessing import SmoothClipScaler
    >>> SmoothClipScaler().fit_transform([[0.0], [0.0], [2.0], [4.0], [1e6]]).round(3)
    array([[-0.493],
           [-0.493],
           [ 0.   ],
           [ 0.493],
           [ 3.   ]])
    """

    _parameter_constraints: ClassVar[dict] = {
        "max_absolute_value": [Interval(Real, 0, None, closed="neither")],
        "dtype": [StrOptions({"float32", "float64"}), None],
    }

    def __init__(self, max_absolute_value: float = 3.0, *, dtype: Literal["float32", "float64"] | None = None) -> None:
        self.max_absolute_value = max_absolute_value
        self.dtype = dtype

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Compute the median and the scale of each column.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers. NaN is a missing number.

        y : None
            Ignored.

        Returns
        -------
        self : SmoothClipScaler
            The fitted scaler.

        Raises
        ------
        ValueError
            If X contains text or infinity, or if ``max_absolute_value`` is not positive.

        TypeError
            If X is sparse.

        See Also
        --------
        transform : Scale numbers.
        """
        self._validate_params()
        numbers = self._check(X, reset=True)
        lowest, first, median, third, highest = _quantiles(numbers, [0, 0.25, 0.5, 0.75, 1])
        self.center_ = median
        self.scale_ = np.where(third == first, _distance(lowest, highest, 2), _distance(first, third))
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Scale numbers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers. NaN is a missing number.

        Returns
        -------
        scaled : ndarray of shape (n_samples, n_features)
            Numbers between ``-max_absolute_value`` and ``max_absolute_value``; NaN where X is missing. Their type
            is ``dtype``.

        Raises
        ------
        ValueError
            If X contains text or infinity, or has another number of columns than X in fit.

        TypeError
            If X is sparse.

        sklearn.exceptions.NotFittedError
            If the scaler is not fitted.

        See Also
        --------
        inverse_transform : Convert scaled numbers back.
        """
        check_is_fitted(self)
        numbers = self._check(X, reset=False)
        factor, center, divisor = self._factor_center_and_divisor(numbers.dtype)
        scaled = np.multiply(numbers, factor, out=np.empty_like(numbers))
        with np.errstate(over="ignore"):
            scaled -= center
            scaled /= divisor
            scaled /= self.max_absolute_value
        np.clip(scaled, -SATURATED, SATURATED, out=scaled)
        root = scaled * scaled
        root += 1
        np.sqrt(root, out=root)
        scaled /= root
        scaled *= self.max_absolute_value
        return scaled if self.dtype is None else scaled.astype(self.dtype, copy=False)

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Convert scaled numbers back.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Scaled numbers, from ``-max_absolute_value`` to ``max_absolute_value``. NaN is a missing number.

        Returns
        -------
        original : ndarray of shape (n_samples, n_features)
            Numbers in the unit of X in fit. Outliers lose precision, because their scaled numbers lie close together.
            A scaled number at the bound becomes infinite, and a constant column becomes its constant.

        Raises
        ------
        ValueError
            If X contains a number beyond the bound, or has another number of columns than X in fit.

        TypeError
            If X is sparse.

        sklearn.exceptions.NotFittedError
            If the scaler is not fitted.

        See Also
        --------
        transform : Scale numbers.
        """
        check_is_fitted(self)
        scaled = check_array(X, dtype=_DTYPES, ensure_all_finite="allow-nan", input_name="X")
        dtype = scaled.dtype
        if scaled.shape[1] != self.n_features_in_:
            raise ValueError(f"X must have {self.n_features_in_} columns, as X in fit. Got {scaled.shape[1]} instead.")
        bound = dtype.type(self.max_absolute_value)
        for number in scaled[np.abs(scaled) > bound][:1]:
            raise ValueError(f"X must contain numbers from {-bound} to {bound}. Got {number} instead.")
        ratio = scaled / bound
        with np.errstate(divide="ignore"):
            z = scaled / np.sqrt((1 - ratio) * (1 + ratio))
        z[np.isinf(z) & (self.scale_ == 0)] = 0
        with np.errstate(over="ignore"):
            return z * self.scale_.astype(dtype) + self.center_.astype(dtype)

    def _factor_center_and_divisor(self, dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what transform multiplies each column by, subtracts from it and divides it by, in this dtype.

        The factor keeps the difference finite; it is in the center and in the divisor, too.
        """
        factor = safe_factor(np.fmax(np.abs(self.center_), self.scale_), dtype) / 2
        smallest = np.finfo(dtype).tiny  # a smaller scale in float64 may be 0 in float32
        divisor = np.where(self.scale_ == 0, np.inf, np.maximum(self.scale_ * factor, smallest))
        return factor.astype(dtype), (self.center_ * factor).astype(dtype), divisor.astype(dtype)

    def _check(self, X: ArrayLike, *, reset: bool) -> np.ndarray:
        return validate_data(self, X, dtype=_DTYPES, ensure_all_finite="allow-nan", reset=reset)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _quantiles(X: np.ndarray, levels: list[float]) -> np.ndarray:
    """Return quantiles of each column in float64, shape (n_levels, n_features); NaN for a column without numbers."""
    columns = (column[~np.isnan(column)] for column in X.T)
    return np.column_stack([quantiles(column, levels) if column.size else [np.nan] * len(levels) for column in columns])


def _distance(low: np.ndarray, high: np.ndarray, n_parts: int = 1) -> np.ndarray:
    """Return the distance from low to high by the number of parts, and at most the largest number."""
    with np.errstate(over="ignore"):
        distance = high - low
        distance = np.where(np.isinf(distance), high / n_parts - low / n_parts, distance / n_parts)
    return np.minimum(distance, np.finfo(np.float64).max)
