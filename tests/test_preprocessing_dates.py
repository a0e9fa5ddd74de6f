"""Dates in a given format become days since 1970."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from moonnet.preprocessing import DateEncoder

START, END = map(datetime.fromisoformat, ["1700-01-01", "2200-01-01"])
DATES = st.datetimes(START, END, timezones=st.just(UTC))


@given(st.lists(DATES, min_size=1))
def test_days_match_the_standard_library(dates):
    cells = [[date.isoformat(" ", "seconds")] for date in dates]
    expected = [date.replace(microsecond=0).timestamp() / 86400 for date in dates]
    np.testing.assert_allclose(DateEncoder().fit_transform(cells)[:, 0], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("date_format", "cells"),
    [
        ("ISO8601", ["2000-01-02", "2000-01-02T12:00", "2000-01-02T13:00+01:00"]),
        ("%d.%m.%Y %H:%M", ["02.01.2000 00:00", "02.01.2000 12:00", "2.1.2000 12:00"]),
        ("%m/%d/%Y %H:%M", ["01/02/2000 00:00", "01/02/2000 12:00", "1/2/2000 12:00"]),
    ],
)
def test_dates_are_parsed_in_the_given_format(date_format, cells):
    encoder = DateEncoder(date_format).fit(pd.DataFrame({"d": cells}))
    assert encoder.transform(pd.DataFrame({"d": [*cells, None]}))[:, 0].tolist()[:3] == [10958, 10958.5, 10958.5]
    assert encoder.get_feature_names_out().tolist() == ["d"]


def test_datetime_columns_and_missing_values_ignore_the_format():
    dates = pd.DataFrame({"d": pd.to_datetime(["1970-01-02", None]), "e": pd.to_datetime([None, "1969-12-31"])})
    days = DateEncoder("%d").fit_transform(dates)
    np.testing.assert_array_equal(days, [[1, np.nan], [np.nan, -1]])
    assert np.isnan(DateEncoder().fit_transform([[None], [np.nan]])).all()


@pytest.mark.parametrize(
    ("date_format", "cell", "day"),
    [
        ("ISO8601", "9999-12-31", date(9999, 12, 31)),
        ("ISO8601", "1492-10-12", date(1492, 10, 12)),
        ("ISO8601", "0001-01-01T00:00Z", date(1, 1, 1)),
        ("%d.%m.%Y", "31.12.9999", date(9999, 12, 31)),
        ("%d.%m.%Y", "12.10.1492", date(1492, 10, 12)),
        ("%d.%m.%Y", "21.09.1677", date(1677, 9, 21)),
        ("%d.%m.%Y", "12.04.2262", date(2262, 4, 12)),
    ],
)
def test_dates_that_do_not_fit_into_nanoseconds_are_dates(date_format, cell, day):
    cells = [[cell], ["1970-01-02" if date_format == "ISO8601" else "02.01.1970"], [None]]
    expected = [day.toordinal() - date(1970, 1, 1).toordinal(), 1, np.nan]
    np.testing.assert_array_equal(DateEncoder(date_format).fit_transform(cells)[:, 0], expected)


def test_dates_beyond_the_bounds_become_the_bounds():
    encoder = DateEncoder("%d.%m.%Y", earliest="1970-01-02", latest="1970-01-11")
    cells = [["01.01.0001"], ["05.01.1970"], ["31.12.9999"], [None]]
    np.testing.assert_array_equal(encoder.fit_transform(cells)[:, 0], [1, 4, 10, np.nan])
    del encoder.earliest, encoder.latest  # as in a pickle of an earlier version
    assert encoder.transform(cells)[2, 0] == (date(9999, 12, 31) - date(1970, 1, 1)).days
    for bound in ("soon", 3):
        with pytest.raises(ValueError, match=rf"latest must be a date such as '2000-12-31' or None\. Got {bound!r}"):
            DateEncoder(latest=bound).fit([["2000-01-01"]])


def test_times_of_day_are_fractions_of_a_day():
    assert DateEncoder("%H:%M").fit_transform([["00:00"], ["6:00"], ["12:30"]])[:, 0].tolist() == [0, 0.25, 25 / 48]


def test_invalid_dates_raise():
    encoder = DateEncoder("%d.%m.%Y").fit([["01.02.2003"]])
    for cell in ["2003-02-01", "31.02.2003", "soon"]:
        with pytest.raises(ValueError, match=rf"must contain dates in the format '%d\.%m\.%Y'\. Got '{cell}'"):
            encoder.transform([[cell]])
    with pytest.raises(ValueError, match="expecting 1 features"):
        encoder.transform([["01.02.2003", "01.02.2003"]])
    with pytest.raises(NotFittedError):
        clone(encoder).transform([["01.02.2003"]])
