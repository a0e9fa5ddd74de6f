"""DateEncoder: dates in a given format become days since 1970."""

from datetime import UTC, datetime

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


def test_invalid_dates_raise():
    encoder = DateEncoder("%d.%m.%Y").fit([["01.02.2003"]])
    for cell in ["2003-02-01", "31.02.2003", "soon"]:
        with pytest.raises(ValueError, match=rf"must contain dates in the format '%d\.%m\.%Y'\. Got '{cell}'"):
            encoder.transform([[cell]])
    with pytest.raises(ValueError, match="expecting 1 features"):
        encoder.transform([["01.02.2003", "01.02.2003"]])
    with pytest.raises(NotFittedError):
        clone(encoder).transform([["01.02.2003"]])
