"""Numbers in a given format become floats."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from moonnet.preprocessing import NumberEncoder


@pytest.mark.parametrize(
    ("encoder", "cells", "numbers"),
    [
        (NumberEncoder("$", thousands=","), ["$1,200.50", "-$3", "$-3", "7", " 1,000,000 $"], [1200.5, -3, -3, 7, 1e6]),
        (NumberEncoder("€", decimal=",", thousands="."), ["1.200,50 €", "€ 3", "+,5"], [1200.5, 3, 0.5]),
        (NumberEncoder("%"), ["12 %", "12.5%", "0"], [12, 12.5, 0]),
        (NumberEncoder("kg"), ["81.0 kg", "81kg", "1e3 kg"], [81, 81, 1000]),
        (NumberEncoder(decimal=",", thousands="\u202f"), ["12\u202f345,5", "12345,5"], [12345.5, 12345.5]),
    ],
)
def test_numbers_are_parsed_in_the_given_format(encoder, cells, numbers):
    encoded = encoder.fit(pd.DataFrame({"n": cells})).transform(pd.DataFrame({"n": [*cells, None]}))
    np.testing.assert_array_equal(encoded[:, 0], [*numbers, np.nan])
    assert encoder.get_feature_names_out().tolist() == ["n"]


def test_numbers_remain_and_missing_values_are_nan():
    np.testing.assert_array_equal(NumberEncoder("kg").fit_transform([[1.5], [np.nan]]), [[1.5], [np.nan]])
    assert NumberEncoder("kg").fit_transform(pd.DataFrame({"n": [1, 2]})).tolist() == [[1], [2]]
    assert np.isnan(NumberEncoder("kg").fit_transform([[None], [None]])).all()


@pytest.mark.parametrize(
    "cell", ["81", "81 lb", "81 kg 2", "1.2.3 kg", "kg", "", "\u0661 kg", "9" * 65 + " kg", "1_0 kg"]
)
def test_invalid_numbers_raise(cell):
    with pytest.raises(ValueError, match=r"must contain numbers with unit='kg', decimal='\.', thousands=''\. Got '"):
        NumberEncoder("kg").fit([[cell]])


def test_number_encoder_must_be_fitted():
    with pytest.raises(NotFittedError):
        NumberEncoder().transform([["1"]])
