"""A transformer that scikit-learn lacks and a table needs: dates to numbers."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data


class DateEncoder(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Encode dates as days since 1970-01-01; it takes the extra ``csv``.

    The format is given and not guessed, so that 01/02/2003 is the same day in each file.

    Parameters
    ----------
    format : str, default="ISO8601"
        How dates are written, as :func:`pandas.to_datetime` takes it: ``"%d.%m.%Y"``, for instance, or ``"ISO8601"``.
        Columns that hold datetimes need none.

    Attributes
    ----------
    n_features_in_ : int
        Columns of X in fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X had names that are all strings.

    Examples
    --------
    >>> from moonnet.preprocessing import DateEncoder
    >>> DateEncoder("%d.%m.%Y").fit_transform([["02.01.1970"], ["01.01.2000"], [None]])
    array([[1.0000e+00],
           [1.0957e+04],
           [       nan]])
    """

    def __init__(self, format: str = "ISO8601") -> None:  # noqa: A002 - as pandas calls it
        self.format = format

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check that X holds dates.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Dates as text or datetimes; missing ones are None, NaN or NaT.

        y : None
            Not used.

        Returns
        -------
        self : DateEncoder
            The encoder, which has learned nothing but names.

        Raises
        ------
        ValueError
            If X holds what is no date in the format.
        """
        self._days(X, reset=True)
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Return the dates as numbers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Dates as in fit.

        Returns
        -------
        days : ndarray of shape (n_samples, n_features)
            Days since 1970-01-01 in UTC, with the time of day as a fraction; NaN where the date is missing.

        Raises
        ------
        ValueError
            If X holds what is no date in the format.
        """
        check_is_fitted(self)
        return self._days(X, reset=False)

    def _days(self, X: ArrayLike, *, reset: bool) -> np.ndarray:
        import pandas as pd

        cells = validate_data(self, X, dtype=None, ensure_all_finite="allow-nan", reset=reset)
        columns = []
        for column in map(pd.Series, cells.T):
            dates = pd.to_datetime(column, format=self.format, utc=True, errors="coerce")
            for cell in column[dates.isna() & column.notna()][:1]:
                raise ValueError(f"X must hold dates in the format {self.format!r}. Got {cell!r} instead.")
            columns.append((dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1))
        return np.column_stack([days.to_numpy(float) for days in columns])

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn whether fit has been called."""
        return hasattr(self, "n_features_in_")
