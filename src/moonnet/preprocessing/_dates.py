"""Dates as numbers."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from moonnet.preprocessing._column_encoder import ColumnEncoder

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_1900 = datetime(1900, 1, 1, tzinfo=UTC)  # of a format without a year


class DateEncoder(ColumnEncoder):
    """Encode dates, which are strings or datetimes, as days since 1970-01-01 in UTC.

    The time of day is a fraction of a day. If the format has no year, as ``"%H:%M"``, the days count from 1900-01-01.
    Missing dates (None, NaN and NaT) become NaN.

    The format is a parameter and is never guessed, so that 01/02/2003 is the same day in every file. Years from 1 to
    9999 are dates, so that 9999-12-31 may stand for an open end. This transformer needs the extra ``csv``.

    Parameters
    ----------
    format : str, default="ISO8601"
        Format of dates as in :func:`pandas.to_datetime`, for example ``"%d.%m.%Y"`` or ``"ISO8601"``. Not used for
        columns of datetimes.

    earliest, latest : str, default=None
        Bounds in the format ``"2000-12-31"``. An earlier or later date becomes the bound: beside 9999-12-31, all other
        dates would be nearly the same number after standardisation.

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

    def __init__(
        self,
        format: str = "ISO8601",  # noqa: A002 - pandas's name
        *,
        earliest: str | None = None,
        latest: str | None = None,
    ) -> None:
        self.format = format
        self.earliest = earliest
        self.latest = latest

    def _encode_column(self, column: np.ndarray) -> np.ndarray:
        import pandas as pd

        cells = pd.Series(column)
        days = days_since_1970(cells, self.format)
        for cell in cells[np.isnan(days) & cells.notna()][:1]:
            raise ValueError(f"X must contain dates in the format {self.format!r}. Got {cell!r} instead.")
        return np.clip(days, *self.bounds())

    def bounds(self) -> tuple[float, float]:
        """Return ``earliest`` and ``latest`` as days since 1970-01-01; infinite if they are None.

        Returns
        -------
        earliest, latest : float
            Days.

        Raises
        ------
        ValueError
            If a bound is not a date.

        See Also
        --------
        transform : Convert dates to numbers within the bounds.
        """
        return self._bound("earliest", -math.inf), self._bound("latest", math.inf)

    def _bound(self, name: str, default: float) -> float:
        value = getattr(self, name, None)  # a pickle of an earlier version has none
        if value is None:
            return default
        try:
            return datetime_to_days(datetime.fromisoformat(value).replace(tzinfo=UTC))
        except (TypeError, ValueError):
            raise ValueError(f"{name} must be a date such as '2000-12-31' or None. Got {value!r} instead.") from None


def lacks_year(date_format: str) -> bool:
    """Return whether dates in a format have no year, such as times of day."""
    return date_format != "ISO8601" and not re.search("%[YyGcxs]", date_format)


def days_since_1970(cells: Any, date_format: str) -> np.ndarray:
    """Return the dates in a pandas series as days; NaN for missing values and cells that are not in the format."""
    import pandas as pd

    dates = pd.to_datetime(cells, format=date_format, utc=True, errors="coerce")
    epoch = _YEAR_1900 if lacks_year(date_format) and pd.api.types.infer_dtype(cells) == "string" else _EPOCH
    days = np.array((dates.dt.as_unit("us") - pd.Timestamp(epoch).as_unit("us")) / pd.Timedelta(days=1), float)
    # pandas 2 takes years before 1678 and after 2261 for missing: nanoseconds since 1970 do not fit into 64 bits
    outside = np.isnan(days) & cells.notna().to_numpy()
    days[outside] = cells[outside].map(lambda cell: _distant_days(cell, date_format)).to_numpy(float)
    return days


def datetime_to_days(moment: datetime) -> float:
    """Return a datetime, in UTC if it has no time zone, as days since 1970-01-01."""
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) / timedelta(days=1)


def _distant_days(cell: Any, date_format: str) -> float:
    """Return a date before 1678 or after 2261 as days since 1970-01-01; NaN for anything else."""
    try:
        if isinstance(cell, str):
            is_iso = date_format == "ISO8601"
            cell = datetime.fromisoformat(cell) if is_iso else datetime.strptime(cell, date_format)  # noqa: DTZ007
        if 1678 <= cell.year <= 2261:
            return np.nan  # pandas reads these, and refuses some that Python reads
        return datetime_to_days(cell)
    except (AttributeError, ValueError, OverflowError):
        return np.nan
