"""What the columns of a dataframe hold, by their dtypes, and their conversion to floats and to text."""

from abc import abstractmethod
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from numbers import Real
from textwrap import shorten
from typing import Any, Literal, get_args

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, validate_data

from moonnet.preprocessing._column_encoder import ColumnEncoder
from moonnet.preprocessing._dates import datetime_to_days

# A category with more values than this is target encoded; one-hot encoding would treat the frequent ones as rare
MAX_ONE_HOT = 30
# The sum of two such numbers is finite, which SimpleImputer computes for a median
_LARGEST = np.finfo(np.float64).max / 2

Kind = Literal["number", "category", "many categories"]


class ColumnsOfKind:
    """Select the columns of a kind, for :class:`sklearn.compose.ColumnTransformer`, which calls it in fit.

    Parameters
    ----------
    kind : {"number", "category", "many categories"}
        Numbers are columns of numbers, booleans, dates, times and durations. Categories are columns of text and
        categories; they are "many categories" if they have more than 30 distinct values.

    See Also
    --------
    sklearn.compose.make_column_selector : Select columns of a pandas dataframe by name or dtype.

    Examples
    --------
    >>> import pandas as pd
    >>> from moonnet.tables import ColumnsOfKind
    >>> table = pd.DataFrame({"age": [31, 58], "city": ["Rome", "Oslo"], "member": [True, False]})
    >>> ColumnsOfKind("number")(table)
    ['age', 'member']
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def __call__(self, X: Any) -> list[Any]:
        """Return the columns of this kind.

        Parameters
        ----------
        X : dataframe or ndarray of shape (n_samples, n_features)
            The table, of pandas, polars or NumPy.

        Returns
        -------
        columns : list of str or list of int
            Their names, or their positions if they have no names.

        Raises
        ------
        ValueError
            If ``kind`` is none of these, or if columns have equal names, or a dtype that is neither a number nor a
            category.

        TypeError
            If X is sparse, or a lazy dataframe.
        """
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {list(get_args(Kind))}. Got {self.kind!r} instead.")
        return [name for name, column in _columns(X) if self._selects(name, column)]

    def _selects(self, name: Any, column: Any) -> bool:
        """Return whether a column is of this kind; only categories are counted."""
        if _holds_numbers(name, column):
            return self.kind == "number"
        return self.kind != "number" and self.kind == _kind_of_category(column)

    def __repr__(self) -> str:
        return f"ColumnsOfKind({self.kind!r})"


class _DataFrameColumnEncoder(ColumnEncoder):
    """Base class of transformers that convert each column of a dataframe by its dtype."""

    def _encode(self, X: Any, *, reset: bool) -> np.ndarray:
        columns = list(_columns(X))
        if not hasattr(X, "__array__"):
            X = np.asarray(X, object)
        validate_data(self, X, skip_check_array=True, reset=reset)
        converted = np.column_stack([self._encode_column(column, name) for name, column in columns])
        return check_array(converted, dtype=None, ensure_all_finite=False, estimator=self)

    @abstractmethod
    def _encode_column(self, column: Any, name: Any = None) -> np.ndarray:
        """Return a column, a series of narwhals or an array, as an array of shape (n_samples,). Raises ValueError."""

    def __sklearn_tags__(self) -> Tags:
        """Declare that missing values are accepted."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class ColumnsToFloat(_DataFrameColumnEncoder):
    """Convert columns of numbers, booleans, dates, times and durations to floats.

    Missing values, such as None and pandas's NA, become NaN. Dates become days since 1970-01-01 in UTC, durations
    become days, and a time of day becomes a fraction of a day.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only if all feature names of X are strings.

    See Also
    --------
    moonnet.preprocessing.DateEncoder : Encode dates that are written as text.
    moonnet.preprocessing.NumberEncoder : Encode numbers that are written as text.

    Examples
    --------
    >>> import pandas as pd
    >>> from moonnet.tables import ColumnsToFloat
    >>> table = pd.DataFrame({"day": pd.to_datetime(["1970-01-02", None]), "paid": [True, False]})
    >>> ColumnsToFloat().fit_transform(table)
    array([[ 1.,  1.],
           [nan,  0.]])
    """

    def _encode_column(self, column: Any, name: Any = None) -> np.ndarray:
        values = self._floats(name, column)
        for value in values[np.abs(values) > _LARGEST][:1]:
            if np.isinf(value):
                expected, got = "finite numbers", "infinity"
            else:
                expected, got = f"numbers from {-_LARGEST:.0e} to {_LARGEST:.0e}", f"{value:g}"
            raise ValueError(f"Column {name!r} of X must hold {expected} or missing values. Got {got} instead.")
        return values

    def _floats(self, name: Any, column: Any) -> np.ndarray:
        if isinstance(column, np.ndarray):
            if column.dtype.kind in "biuf":
                return column.astype(np.float64, copy=False)
            return _days(name, column) if column.dtype.kind in "mM" else _objects_to_float(name, column)
        dtype = column.dtype
        if isinstance(dtype, nw.Datetime) and dtype.time_zone is not None:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        if isinstance(dtype, nw.Datetime | nw.Date | nw.Duration):
            days = column.to_numpy()
            if days.dtype.kind != "O":  # as the dates of pyarrow are beside missing values
                return _days(name, days)
        if dtype.is_numeric() or isinstance(dtype, nw.Boolean):
            return column.cast(nw.Float64).to_numpy()
        return _objects_to_float(name, np.array(column.to_list(), object))


class ColumnsToText(_DataFrameColumnEncoder):
    """Convert columns of text and categories to strings, with an empty string for a missing value.

    An integer is the same text whether it is stored as an integer or as a float, as it is beside missing values.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only if all feature names of X are strings.

    See Also
    --------
    sklearn.preprocessing.OneHotEncoder : Encode categories as columns of 0 and 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from moonnet.tables import ColumnsToText
    >>> table = pd.DataFrame({"city": ["Rome", None], "floor": pd.Categorical([2.0, None])})
    >>> ColumnsToText().fit_transform(table)
    array([['Rome', '2'],
           ['', '']], dtype=object)
    """

    def _encode_column(self, column: Any, name: Any = None) -> np.ndarray:
        values = column.tolist() if isinstance(column, np.ndarray) else column.to_list()
        return np.array([value if type(value) is str else _text(value) for value in values], object)


def _columns(X: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the columns with their names: series of narwhals, or arrays with positions if there are no names."""
    try:
        frame = nw.from_native(X, eager_only=True, pass_through=True)
    except nw.exceptions.DuplicateError as error:
        raise ValueError(f"The columns of X must have different names. {error}") from None
    if isinstance(frame, nw.DataFrame):
        has_names = all(isinstance(name, str) for name in frame.columns)
        for index, name in enumerate(frame.columns):
            yield name if has_names else index, frame[:, index]
    elif hasattr(type(X), "columns"):
        raise TypeError(
            f"X must be a dataframe in memory: for polars X.collect(), for dask X.compute(). Got a {type(X)} instead."
        )
    else:
        yield from enumerate(check_array(X, dtype=None, ensure_all_finite=False).T)


def _holds_numbers(name: Any, column: Any) -> bool:
    """Return whether a column holds numbers, or else categories; raise ValueError if it holds neither."""
    if isinstance(column, np.ndarray):
        is_number = column.dtype.kind in "biufmM" or (column.dtype.kind == "O" and _are_numbers(column.tolist()))
        is_category = column.dtype.kind in "OU" and not _has_containers(column.tolist())
    else:
        dtype = column.dtype
        is_number = dtype.is_numeric() or dtype.is_temporal() or isinstance(dtype, nw.Boolean)
        is_object = isinstance(dtype, nw.Object) or (isinstance(dtype, nw.Unknown) and column.is_null().all())
        is_number = is_number or (is_object and _are_numbers(column.to_list()))
        is_category = isinstance(dtype, nw.String | nw.Categorical | nw.Enum)
        is_category = is_category or (is_object and not _has_containers(column.to_list()))
    if not is_number and not is_category:
        dtype = column.dtype if isinstance(column, np.ndarray) else column.to_native().dtype
        raise ValueError(
            f"Column {name!r} of X must hold numbers, dates, text or categories. Got the dtype {dtype} instead."
        )
    return bool(is_number)


def _kind_of_category(column: Any) -> Kind:
    n_distinct = len(set(ColumnsToText()._encode_column(column)))
    return "many categories" if n_distinct > MAX_ONE_HOT else "category"


def _are_numbers(values: list[Any]) -> bool:
    """Return whether all Python objects that are not missing are numbers, dates, times or durations."""
    present = [value for value in values if not _is_missing(value)]
    kinds = Real | Decimal | date | time | timedelta | np.datetime64 | np.timedelta64
    return bool(present) and all(isinstance(value, kinds) for value in present)


def _has_containers(values: list[Any]) -> bool:
    """Return whether Python objects are lists and the like, which are no categories."""
    return any(isinstance(value, list | tuple | dict | set | np.ndarray) for value in values)


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ == "NAType":  # pandas's NA compares with nothing
        return True
    # NaN and NaT are unequal to themselves; arrays compare item by item
    return not isinstance(value, np.ndarray) and bool(value != value)


def _days(name: Any, values: np.ndarray) -> np.ndarray:
    """Return dates or durations of NumPy as days, NaN for NaT. Raises ValueError."""
    if values.dtype.kind == "M":
        values = values - np.datetime64("1970-01-01")
    if np.datetime_data(values.dtype)[0] in "YM":
        raise ValueError(
            f"Column {name!r} of X must hold durations in weeks or shorter units, because months and years differ in "
            f"length. Got the dtype {values.dtype} instead."
        )
    return values / np.timedelta64(1, "D")


def _objects_to_float(name: Any, values: np.ndarray) -> np.ndarray:
    return np.array([_object_to_float(name, value) for value in values.tolist()], np.float64)


def _object_to_float(name: Any, value: Any) -> float:
    if _is_missing(value):
        return np.nan
    match value:
        case np.datetime64() | np.timedelta64():  # which NumPy counts as an integer
            return float(_days(name, np.asarray(value)))
        case Real() | Decimal():
            try:
                return float(value)
            except OverflowError:  # of a Python integer that no float64 can hold
                return np.inf
        case datetime():
            return datetime_to_days(value)
        case date():
            return datetime_to_days(datetime.combine(value, time(), UTC))
        case timedelta():
            return value / timedelta(days=1)
        case time():
            return datetime_to_days(datetime.combine(date(1970, 1, 1), value, UTC))
    raise ValueError(
        f"Column {name!r} of X must hold numbers or dates, as in fit. "
        f"Got {shorten(repr(value), 60, placeholder=' ...')} instead."
    )


def _text(value: Any) -> str:
    if _is_missing(value):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
