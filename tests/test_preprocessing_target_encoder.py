"""CategoryTargetEncoder, compared with scikit-learn's TargetEncoder and with means by hand."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GroupKFold, KFold
from sklearn.preprocessing import TargetEncoder

from moonnet._sklearn_compat import HAS_CALLBACKS
from moonnet.preprocessing import CategoryTargetEncoder
from moonnet.preprocessing._target_encoder import make_target_encoder

N = 60
RNG = np.random.default_rng(0)
X = RNG.choice(["a", "b", "c", "d"], (N, 2)).astype(object)
NUMBERS = RNG.normal(size=N)
TARGETS = {
    "numbers": ("continuous", NUMBERS),
    "two classes": ("auto", np.where(NUMBERS > 0, "yes", "no")),
    "booleans": ("auto", NUMBERS > 0),
    "three classes": ("auto", np.digitize(NUMBERS, [-0.5, 0.5])),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_encodings_are_those_of_scikit_learn(kind):
    target_type, y = TARGETS[kind]
    encoder = make_target_encoder(target_type, 0)
    expected = TargetEncoder(**encoder.get_params()).fit(X, y)
    assert_array_equal(encoder.fit(X, y).transform(X), expected.transform(X))
    assert_array_equal(encoder.fit_transform(X, y), expected.fit_transform(X, y))
    assert encoder.get_feature_names_out().tolist() == expected.get_feature_names_out().tolist()


def test_y_may_be_anything_that_is_a_number():
    encoder = CategoryTargetEncoder(target_type="continuous", smooth=0)
    whole = np.arange(N) % 7
    means = {letter: whole[X[:, 0] == letter].mean() for letter in "abcd"}
    for y in (whole, [Decimal(int(number)) for number in whole], pd.DataFrame({"y": whole})):
        assert_allclose(encoder.fit(X[:, :1], y).transform([["b"], ["d"]])[:, 0], [means["b"], means["d"]])
    is_odd = whole % 2 == 1
    for y in (is_odd, pd.Series(is_odd, dtype="boolean")):
        assert_allclose(encoder.fit(X[:, :1], y).transform([["b"]]), is_odd[X[:, 0] == "b"].mean())
        assert encoder.fit_transform(X, y).dtype == np.float64


@pytest.mark.parametrize(
    ("target_type", "y", "error", "message"),
    [
        ("continuous", None, ValueError, "requires y to be passed"),
        ("continuous", ["a", "b"] * 30, ValueError, r"y must contain numbers\. Got \['a', 'b', 'a'\] of dtype <U1"),
        ("continuous", np.full(N, np.nan), ValueError, "Input y contains NaN"),
        (
            "continuous",
            np.zeros((N, 2)),
            ValueError,
            r"y must be one column .* Got .* \(60, 2\) .* MultiOutputRegressor",
        ),
        ("auto", np.eye(N, 3, dtype=int), ValueError, r"y must be one column .* \(60, 3\) .* MultiOutputClassifier"),
        ("auto", np.array(["a", 1] * 30, object), TypeError, "y must contain labels that can be sorted"),
        ("auto", NUMBERS, ValueError, "Unknown label type: continuous"),
        ("auto", np.zeros(N), ValueError, "y must contain at least 2 classes"),
        ("auto", [0, 1], ValueError, "inconsistent numbers of samples"),
    ],
)
def test_unsuitable_y_is_reported(target_type, y, error, message):
    for method in ("fit", "fit_transform"):
        with pytest.raises(error, match=message):
            getattr(CategoryTargetEncoder(target_type=target_type), method)(X, y)


def test_metadata_routing_may_be_on():
    y = TARGETS["two classes"][1]
    expected = make_target_encoder("auto", 0).fit_transform(X, y)
    with sklearn.config_context(enable_metadata_routing=True):
        assert_array_equal(make_target_encoder("auto", 0).fit_transform(X, y), expected)


@pytest.mark.skipif(not HAS_CALLBACKS, reason="the splitter is a parameter from scikit-learn 1.9 on")
def test_groups_reach_the_splitter():
    groups = np.arange(N) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        encoded = CategoryTargetEncoder(cv=GroupKFold(3), target_type="continuous").fit_transform(
            X, NUMBERS, groups=groups
        )
    with pytest.raises(ValueError, match="only supported if"):
        CategoryTargetEncoder(cv=GroupKFold(3)).fit_transform(X, NUMBERS > 0, groups=groups)
    by_hand = CategoryTargetEncoder(cv=list(GroupKFold(3).split(X, groups=groups)), target_type="continuous")
    assert_array_equal(encoded, by_hand.fit_transform(X, NUMBERS))
    other = CategoryTargetEncoder(cv=KFold(3), target_type="continuous").fit_transform(X, NUMBERS)
    assert (encoded != other).any()
