"""A transformer that encodes dates as numbers."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data


class DateEncoder(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Encode dates as days since 1970-01-01.

    The format is a parameter and is never guessed, so that 01/02/2003 is the same day in every file. This transformer
    needs the extra ``csv``.

    Parameters
    ----------
    format : str, default="ISO8601"
        Format of dates as in :func:`pandas.to_datetime`, for example ``"%d.%m.%Y"`` or ``"ISO8601"``. Not used for
        columns of datetimes.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only if all feature names of X are strings.

    See Also
    --------
    pandas.to_datetime : Convert strings to datetimes.
    sklearn.preprocessing.OrdinalEncoder : Encode categories as integers.

    Examples
    --------
    >>> from moonnet.preprocessing import DateEncoder
    >>> DateEncoder("%d.%m.%Y").fit_transform([["02.01.1970"], ["01.01.2000"], [None]])
    array([[1.0000e+00],
           [1.0957e+04],
           [       nan]])
    """

    def __init__(self, format: str = "ISO8601") -> None:  # noqa: A002 - pandas's name
        self.format = format

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check that X contains dates.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Dates as strings or datetimes. None, NaN and NaT are missing dates.

        y : None
            Ignored.

        Returns
        -------
        self : DateEncoder
            The encoder. It stores only the number and the names of the columns.

        Raises
        ------
        ValueError
            If X contains a value that is not a date in the format.

        See Also
        --------
        transform : Convert the dates to numbers.
        """
        self._to_days(X, reset=True)
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Convert dates to numbers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Dates, as in :meth:`fit`.

        Returns
        -------
        days : ndarray of shape (n_samples, n_features)
            Days since 1970-01-01 in UTC. The time of day is a fraction of a day, and missing dates are NaN.

        Raises
        ------
        ValueError
            If X contains a value that is not a date in the format.

        sklearn.exceptions.NotFittedError
            If the encoder is not fitted.

        See Also
        --------
        fit : Check that X contains dates.
        """
        check_is_fitted(self)
        return self._to_days(X, reset=False)

    def _to_days(self, X: ArrayLike, *, reset: bool) -> np.ndarray:
        import pandas as pd

        cells = validate_data(self, X, dtype=None, ensure_all_finite="allow-nan", reset=reset)
        columns = []
        for column in map(pd.Series, cells.T):
            dates = pd.to_datetime(column, format=self.format, utc=True, errors="coerce")
            for cell in column[dates.isna() & column.notna()][:1]:
                raise ValueError(f"X must contain dates in the format {self.format!r}. Got {cell!r} instead.")
            columns.append((dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1))
        return np.column_stack([days.to_numpy(float) for days in columns])

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether fit has been called."""
        return hasattr(self, "n_features_in_")
