"""The plane of two features or principal components that is drawn, and the values of the other features."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from moonnet.plotting._feature_plane import axis_limits, choose_line_or_plane, choose_plane

GRID = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])


@pytest.fixture(scope="module")
def five_features():
    return np.random.default_rng(0).normal(size=(31, 5)) * [1, 10, 100, 0.1, 3]


@settings(deadline=None, max_examples=30)
@given(drawn=st.permutations(range(5)).map(lambda order: tuple(order[:2])), negative=st.booleans())
def test_columns_not_plotted_are_fixed_at_their_medians(five_features, drawn, negative):
    plane = choose_plane(five_features, tuple(index - 5 for index in drawn) if negative else drawn)
    assert_allclose(plane.points, five_features[:, drawn])
    samples = plane.inverse_transform(GRID)
    assert_allclose(samples[:, drawn], GRID)
    others = [index for index in range(5) if index not in drawn]
    assert_allclose(samples[:, others], np.tile(np.median(five_features, axis=0)[others], (3, 1)))
    assert plane.axis_labels == (f"feature {drawn[0]}", f"feature {drawn[1]}")
    assert plane.title == "other 3 features at their medians"


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_samples_have_the_float_dtype_of_the_data(five_features, dtype):
    samples = choose_plane(five_features.astype(dtype), (0, 1)).inverse_transform(GRID)
    assert samples.dtype == (np.float64 if dtype == np.int64 else dtype)


def test_both_columns_of_x_are_the_default_and_need_no_title(five_features):
    plane = choose_plane(five_features[:, :2])
    assert (plane.axis_labels, plane.title) == (("feature 0", "feature 1"), "")
    assert_allclose(plane.inverse_transform(GRID), GRID)


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
def test_samples_of_a_mixed_dataframe_have_its_type_and_dtypes(kind):
    mixed = kind(
        {"a": [1.0, 2.0, 3.0, 9.0], "place": ["x", "y", "y", "z"], "n": [1, 2, 3, 4], "sunny": [True] * 3 + [False]}
    )
    if kind is pd.DataFrame:
        mixed = mixed.astype({"place": "category"})
    plane = choose_plane(mixed, ("n", "a"), {"place": "z"})
    samples = plane.inverse_transform(GRID)
    assert isinstance(samples, kind)
    assert list(samples.columns) == ["a", "place", "n", "sunny"]
    assert_allclose(np.asarray(samples["n"]), GRID[:, 0])
    assert_allclose(np.asarray(samples["a"]), GRID[:, 1])
    assert list(samples["place"]) == ["z"] * 3
    assert list(samples["sunny"]) == [True] * 3
    assert samples["place"].dtype == mixed["place"].dtype
    assert plane.title == "place = z, sunny = True"
    usual = choose_plane(mixed, ("n", "a"))
    assert list(usual.inverse_transform(GRID)["place"]) == ["y"] * 3
    assert usual.title == "other 2 features at their medians or most frequent values"


@pytest.mark.parametrize("kind", ["pandas", "time zone", "polars"])
def test_date_is_fixed_at_its_median(kind):
    dates = pd.Series(["2023-09-01", None, "2023-01-01", "2023-05-02", "2024-12-31", "2022-02-03"])
    X = pd.DataFrame({"a": np.arange(6.0), "day": pd.to_datetime(dates), "b": np.arange(6.0)})
    if kind == "time zone":
        X["day"] = X["day"].dt.tz_localize("UTC")
    X = pl.from_pandas(X) if kind == "polars" else X
    plane = choose_plane(X, ("a", "b"))
    assert plane.title == "day = 2023-05-02"
    samples = plane.inverse_transform(GRID)
    assert samples["day"].dtype == X["day"].dtype
    assert [str(day)[:10] for day in samples["day"]] == ["2023-05-02"] * 3


def test_held_values_are_used_and_named_in_the_title(five_features):
    plane = choose_plane(five_features, (0, 1), {2: 7, -1: 0.5})
    assert_allclose(plane.inverse_transform(GRID)[:, [2, 4]], [[7, 0.5]] * 3)
    assert plane.title == f"feature 2 = 7, feature 4 = 0.5, feature 3 = {np.median(five_features[:, 3]):.4g}"


def test_integer_features_are_fixed_at_one_of_their_values():
    X = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [3.0, 4.0, 5.0, 6.0], "kind": [0, 0, 3, 3]})
    assert set(choose_plane(X, ("a", "b")).inverse_transform(GRID)["kind"]) <= {0, 3}
    with pytest.raises(ValueError, match=r"X must have unique column names\. Got \['a', 'a'\]"):
        choose_plane(X[["a", "a"]])


def test_medians_ignore_missing_values():
    X = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "c": [5.0, np.nan]})
    assert choose_plane(X, ("a", "b")).inverse_transform(GRID)["c"].tolist() == [5.0] * 3


@pytest.mark.parametrize("kind", [np.asarray, pd.DataFrame, lambda X: pl.DataFrame(X, schema=list("abcde"))])
def test_pca_plane_is_that_of_the_standardized_features(five_features, kind):
    plane = choose_plane(kind(five_features), "pca")
    standard = StandardScaler().fit(five_features)
    pca = PCA(2).fit(standard.transform(five_features))
    assert_allclose(np.abs(plane.points), np.abs(pca.transform(standard.transform(five_features))))
    # Transformed back to features, the points of the plane are those nearest to the samples
    nearest = standard.inverse_transform(pca.inverse_transform(pca.transform(standard.transform(five_features))))
    assert_allclose(np.asarray(plane.inverse_transform(plane.points)), nearest)
    share = pca.explained_variance_ratio_[1]
    assert plane.axis_labels[1] == f"principal component 2 ({share:.0%} of the variance)"


@pytest.mark.parametrize(
    ("features", "held", "message"),
    [
        (None, None, r"features must be two columns .* because X has 5 columns\. Got None"),
        ("lda", None, r"features must be two columns of X \(names or indices\) or 'pca'\. Got 'lda'"),
        ((0,), None, r"Got \(0,\)"),
        ((0, 5), None, r"features must contain only columns of X, given as indices from -5 to 4\. Got 5"),
        ((0, True), None, r"Got True"),
        (("a", "b"), None, r"Got 'a'"),
        ((1, -4), None, r"distinct columns of X\. Got \(1, -4\)"),
        ((0, 1), {7: 1}, r"held must contain only columns of X, given as indices from -5 to 4\. Got 7"),
        (
            (0, 1),
            {1: 1},
            r"held must not contain the plotted features \['feature 0', 'feature 1'\]\. Got \{1: 1\}",
        ),
        ((0, 1), 2.5, r"held must be a dict that maps columns to values\. Got 2\.5"),
        ((0, 1), {2: "high"}, r"held must map 'feature 2' to a finite number\. Got 'high'"),
        ((0, 1), {2: np.inf}, r"Got inf"),
        ("pca", {2: 1}, r"held must be None if features='pca'.* Got \{2: 1\}"),
    ],
)
def test_errors_name_the_parameter_and_the_value(five_features, features, held, message):
    with pytest.raises(ValueError, match=message):
        choose_plane(five_features, features, held)


def test_plotted_or_unknown_value_of_a_categorical_column_raises():
    X = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "place": ["x", "y"]})
    with pytest.raises(ValueError, match=r"features must be numeric columns of X\. Got 'place'"):
        choose_plane(X, ("a", "place"))
    with pytest.raises(ValueError, match=r"held must map 'place' to one of \['x', 'y'\]\. Got 'z'"):
        choose_plane(X, ("a", "b"), {"place": "z"})
    with pytest.raises(ValueError, match=r"indices from -3 to 2 or names from \['a', 'b', 'place'\]\. Got 'c'"):
        choose_plane(X, ("a", "c"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 10], (-1, 11)),
        ([3, np.nan, 3], (2.5, 3.5)),
        ([1e-5, 2e-5], (0.9e-5, 2.1e-5)),
        ([1 - 2**-53, 1, 1 + 2**-52], (0.5, 1.5)),  # 1, but for rounding errors
        ([1e20, 1e20], (1e20 - 1e14, 1e20 + 1e14)),
        ([0, 5e-324], (-0.5, 0.5)),
        ([-1e-305, 1e-305], (-0.5, 0.5)),
    ],
)
def test_axis_limits_have_a_margin_that_numbers_can_represent(values, expected):
    assert axis_limits("xlim", None, np.array(values)) == pytest.approx(expected, rel=1e-12)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_axis_limits_of_any_numbers_are_finite_and_distinct(first, second):
    lower, upper = axis_limits("xlim", None, np.array([first, second]))
    grid = np.linspace(lower, upper, 50)
    assert np.isfinite(grid).all()
    assert (np.diff(grid) > 0).all()
    assert lower < max(first, -1e307)
    assert min(second, 1e307) < upper


@pytest.mark.parametrize("choose", [choose_plane, choose_line_or_plane])
def test_default_features_are_the_columns_by_position_whatever_their_names(choose):
    plane = choose(pd.DataFrame([[1.0, 3.0], [2.0, 4.0]], columns=[1, 0]))
    assert plane.axis_labels == ("1", "0")
    assert_array_equal(plane.points, [[1, 3], [2, 4]])
