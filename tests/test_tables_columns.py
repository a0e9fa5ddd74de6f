"""The kinds of columns in a table, and their conversion to floats and text."""

import datetime as dt
import pickle
from decimal import Decimal

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator

from moonnet.tables import ColumnsOfKind, ColumnsToFloat, ColumnsToText

BERLIN = pd.to_datetime(["2020-01-01 01:00", None, "2020-01-02 01:00"]).tz_localize("Europe/Berlin")
# By name: a column of three values, the second of them missing if the dtype permits it, and the floats that it holds
NUMBERS = {
    "floats": ([1.5, np.nan, 2.0], [1.5, np.nan, 2]),
    "integers": ([1, 2, 2**40], [1, 2, 2**40]),
    "booleans": ([True, False, True], [1, 0, 1]),
    "nullable integers": (pd.array([1, None, 3], "Int64"), [1, np.nan, 3]),
    "nullable booleans": (pd.array([True, None, False], "boolean"), [1, np.nan, 0]),
    "decimals": ([Decimal("1.5"), None, Decimal(2)], [1.5, np.nan, 2]),
    "mixed objects": (pd.Series([True, pd.NA, 2.5], dtype=object), [1, np.nan, 2.5]),
    "dates of pandas": (pd.to_datetime(["1970-01-02 00:00", None, "1969-12-31 12:00"]), [1, np.nan, -0.5]),
    "dates with a time zone": (BERLIN, [18262, np.nan, 18263]),
    "durations": (pd.to_timedelta(["1 day", None, "12 h"]), [1, np.nan, 0.5]),
    "dates": ([dt.date(1970, 1, 3), None, dt.date(1969, 12, 31)], [2, np.nan, -1]),
    "times of day": ([dt.time(6), None, dt.time(18, 0, 0, 864)], [0.25, np.nan, 0.75 + 1e-8]),
    "dates of pyarrow": (
        pd.Series([dt.date(1970, 1, 3), None, dt.date(1969, 12, 31)], dtype=pd.ArrowDtype(pa.date32())),
        [2, np.nan, -1],
    ),
    "dates of NumPy": (
        pd.Series(
            [np.datetime64("1970-01-03"), np.datetime64("NaT", "D"), np.datetime64("1970-01-01T12")], dtype=object
        ),
        [2, np.nan, 0.5],
    ),
    "durations of NumPy": (
        pd.Series([np.timedelta64(2, "D"), None, np.timedelta64(12, "h")], dtype=object),
        [2, np.nan, 0.5],
    ),
    "aware datetimes": (
        pd.Series([dt.datetime(1970, 1, 2, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))), None, None], dtype=object),
        [1, np.nan, np.nan],
    ),
    "timedeltas": (pd.Series([dt.timedelta(1), None, dt.timedelta(hours=6)], dtype=object), [1, np.nan, 0.25]),
}
POLARS_NUMBERS = {
    "integers": (pl.Series([1, None, 3]), [1, np.nan, 3]),
    "booleans": (pl.Series([True, None, False]), [1, np.nan, 0]),
    "decimals": (pl.Series([Decimal("1.5"), None, Decimal(2)]), [1.5, np.nan, 2]),
    "dates": (pl.Series([dt.date(1970, 1, 3), None, dt.date(1969, 12, 31)]), [2, np.nan, -1]),
    "datetimes": (
        pl.Series([dt.datetime(1970, 1, 2, 12, tzinfo=dt.UTC), None, None], dtype=pl.Datetime("ms", "UTC")),
        [1.5, np.nan, np.nan],
    ),
    "times of day": (pl.Series([dt.time(6), None, dt.time(12)]), [0.25, np.nan, 0.5]),
    "durations": (pl.Series([dt.timedelta(1), None, dt.timedelta(hours=6)]), [1, np.nan, 0.25]),
}
CATEGORIES = {
    "text": (["b", None, "a"], ["b", "", "a"]),
    "nullable text": (pd.array(["b", pd.NA, "a"], "string"), ["b", "", "a"]),
    "categories": (pd.Categorical(["b", None, "a"]), ["b", "", "a"]),
    "categories of integers": (pd.Categorical([2, None, 1]), ["2", "", "1"]),
    "text and integers": (pd.Series(["b", None, 1], dtype=object), ["b", "", "1"]),
    "all missing": (pd.Series([None, None, None], dtype=object), [""] * 3),
    "integers as floats, and text": (pd.Series([1.0, "b", 1.5], dtype=object), ["1", "b", "1.5"]),
}
POLARS_CATEGORIES = {
    "text": (pl.Series(["b", None, "a"]), ["b", "", "a"]),
    "categories": (pl.Series(["b", None, "a"], dtype=pl.Categorical), ["b", "", "a"]),
    "all missing": (pl.Series([None, None, None]), [""] * 3),
    "enumeration": (pl.Series(["b", None, "a"], dtype=pl.Enum(["a", "b"])), ["b", "", "a"]),
}


def frames(of_pandas, of_polars):
    """Return dataframes of one column with what is expected of it."""
    cases = [
        pytest.param(pd.DataFrame({"x": values}), expected, id=name) for name, (values, expected) in of_pandas.items()
    ]
    return cases + [
        pytest.param(pl.DataFrame({"x": values}), expected, id=f"polars {name}")
        for name, (values, expected) in of_polars.items()
    ]


@pytest.mark.parametrize(("frame", "expected"), frames(NUMBERS, POLARS_NUMBERS))
def test_numbers_and_dates_become_floats(frame, expected):
    assert ColumnsOfKind("number")(frame) == ["x"]
    assert ColumnsOfKind("category")(frame) == ColumnsOfKind("many categories")(frame) == []
    floats = ColumnsToFloat().fit_transform(frame)
    assert floats.dtype == np.float64
    assert_array_equal(floats, np.array(expected, float)[:, np.newaxis])


@pytest.mark.parametrize(("frame", "expected"), frames(CATEGORIES, POLARS_CATEGORIES))
def test_categories_become_text(frame, expected):
    assert ColumnsOfKind("category")(frame) == ["x"]
    assert ColumnsOfKind("number")(frame) == []
    assert_array_equal(ColumnsToText().fit_transform(frame), np.array(expected, object)[:, np.newaxis])


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_more_than_30_values_are_many_categories(make):
    frame = make({"few": [str(i % 30) for i in range(62)], "many": [str(i % 31) for i in range(62)]})
    assert ColumnsOfKind("category")(frame) == ["few"]
    assert ColumnsOfKind("many categories")(frame) == ["many"]


def test_columns_without_names_are_found_by_position():
    array = np.array([[1, "a", None, dt.date(2020, 1, 1)], [2.5, "b", None, None]], object)
    for table in (array, pd.DataFrame(array), array.tolist()):
        assert ColumnsOfKind("number")(table) == [0, 3]
        assert ColumnsOfKind("category")(table) == [1, 2]
    assert ColumnsOfKind("number")(np.eye(3)) == [0, 1, 2]
    assert ColumnsOfKind("number")(np.array([["2020-01-01", "NaT"]], "datetime64[D]")) == [0, 1]


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (pd.DataFrame({"p": pd.period_range("2020", "2021", freq="Y")}), ValueError, r"Column 'p' .*dtype period"),
        (pl.DataFrame({"p": [[1], [2]]}), ValueError, r"Column 'p' .*dtype List"),
        (pd.DataFrame({"p": [[1], [2]]}), ValueError, "Column 'p' of X must hold numbers, dates, text or categories"),
        (pd.DataFrame({"p": [np.ones(2), None]}), ValueError, "Column 'p' .*dtype object"),
        (pd.DataFrame({"p": [1j, 2]}), ValueError, "Column 'p' .*dtype complex128"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, "must have different names"),
        (sparse.csr_array(np.eye(2)), TypeError, "Sparse data was passed"),
        (pl.LazyFrame({"a": [1]}), TypeError, r"X must be a dataframe in memory: for polars X\.collect\(\).*LazyFrame"),
        (dd.from_pandas(pd.DataFrame({"a": [1]}), npartitions=1), TypeError, r"for dask X\.compute\(\)"),
    ],
)
def test_unsuitable_tables_are_reported(table, error, message):
    with pytest.raises(error, match=message):
        ColumnsOfKind("number")(table)


def test_error_names_column_and_value():
    frame = pd.DataFrame({"a": [1.0, 2], "b": [3.0, 4]})
    encoder = ColumnsToFloat().fit(frame)
    with pytest.raises(ValueError, match=r"Column 'b' of X must hold numbers or dates, as in fit\. Got 'x' instead"):
        encoder.transform(frame.assign(b=["x", "y"]))
    with pytest.raises(ValueError, match=r"Column 'b' of X must hold finite numbers .* Got infinity"):
        encoder.transform(frame.assign(b=[1, -np.inf]))
    with pytest.raises(ValueError, match=r"Column 'b' of X must hold finite numbers .* Got infinity"):
        encoder.transform(frame.assign(b=pd.Series([1, 10**400], dtype=object)))
    with pytest.raises(
        ValueError, match=r"Column 'b' .* numbers from -9e\+307 to 9e\+307 or .* Got -1\.5e\+308 instead"
    ):
        encoder.transform(frame.assign(b=[1, -1.5e308]))
    with pytest.raises(ValueError, match="feature names"):
        encoder.transform(frame[["b", "a"]])


@pytest.mark.parametrize("unit", ["Y", "M"])
def test_durations_in_months_and_years_are_refused(unit):
    durations = np.array([[0, 1], [2, 3]], f"timedelta64[{unit}]")
    with pytest.raises(ValueError, match=rf"Column 0 of X must hold durations in weeks or .* timedelta64\[{unit}\]"):
        ColumnsToFloat().fit(durations)
    dates = np.array([["1971", "1970-02"]], f"datetime64[{unit}]")  # the beginning of each
    assert ColumnsToFloat().fit_transform(dates).tolist() == [[365, 31 if unit == "M" else 0]]


def test_columns_may_be_all_missing_in_other_rows():
    numbers, text = pd.DataFrame({"x": [1, 2]}), pd.DataFrame({"x": ["a", "b"]})
    for missing in (pd.DataFrame({"x": [None, None]}), pd.DataFrame({"x": [np.nan, np.nan]})):
        assert np.isnan(ColumnsToFloat().fit(numbers).transform(missing)).all()
        assert ColumnsToText().fit(text).transform(missing).tolist() == [[""], [""]]


def test_unknown_kind_is_reported():
    with pytest.raises(ValueError, match=r"kind must be one of \['number', 'category', 'many .*\. Got 'text' instead"):
        ColumnsOfKind("text")(pd.DataFrame({"a": ["x"]}))


def test_selector_is_copied_and_pickled():
    selector = ColumnsOfKind("category")
    assert repr(selector) == "ColumnsOfKind('category')"
    for copied in (clone(selector, safe=False), pickle.loads(pickle.dumps(selector))):
        assert copied(pd.DataFrame({"a": ["x"]})) == ["a"]


def generate_checks():
    expected = {"check_dtype_object": "the error about a dict in a cell is a ValueError, which names the column"}
    for number, check in enumerate(
        estimator_checks_generator(ColumnsToFloat(), expected_failed_checks=expected, mark="xfail")
    ):
        values = getattr(check, "values", check)
        yield pytest.param(*values, marks=getattr(check, "marks", ()), id=f"{number}-{values[1].func.__name__}")


@pytest.mark.parametrize(("estimator", "check"), list(generate_checks()))
def test_transformer_passes_scikit_learn_check(estimator, check):
    check(estimator)
