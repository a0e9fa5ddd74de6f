"""PiecewiseLinearEncoder, compared with a loop over single numbers and with scikit-learn's trees."""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import FeatureUnion
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from moonnet.preprocessing import PiecewiseLinearEncoder

TABLES = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40).map(lambda shape: (shape[0], min(shape[1], 4))),
    elements=st.one_of(st.floats(-1e9, 1e9, width=32), st.integers(-3, 3), st.just(math.nan)),
)
N_BINS = st.integers(1, 7)
# scikit-learn adds up all numbers to find infinite ones
OF_LARGE_NUMBERS = pytest.mark.filterwarnings("ignore:invalid value encountered in reduce")


def encoded_by_hand(number, edges):
    """Return the encoded bins of one number."""
    encoded = []
    for index, (start, end) in enumerate(pairwise(edges)):
        lowest = -2 if index == 0 else 0
        highest = 3 if index == len(edges) - 2 else 1
        position = (number - start) / (end - start)
        encoded.append(math.nan if math.isnan(number) else min(max(position, lowest), highest))
    return encoded


def edges_by_hand(column, n_bins):
    """Return the edges of a column's quantile bins."""
    numbers = column[~np.isnan(column)]
    distinct = sorted(set(numbers.tolist()))
    if len(distinct) > n_bins + 1:
        distinct = sorted({float(np.quantile(numbers, index / n_bins)) for index in range(n_bins + 1)})
    return distinct if len(distinct) > 1 else []


@given(TABLES, N_BINS, st.data())
def test_each_number_is_encoded_by_the_formula(X, n_bins, data):
    encoder = PiecewiseLinearEncoder(n_bins).fit(X)
    edges = [edges_by_hand(column, n_bins) for column in X.T]
    for found, expected in zip(encoder.bin_edges_, edges, strict=True):
        assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    new = data.draw(arrays(np.float64, (3, X.shape[1]), elements=st.floats(-2e9, 2e9) | st.just(math.nan)))
    rows = np.concatenate([X, new])
    encoded = encoder.transform(rows)
    expected = [
        [bin_ for number, each in zip(row, encoder.bin_edges_, strict=True) for bin_ in encoded_by_hand(number, each)]
        for row in rows.tolist()
    ]
    assert_array_equal(encoded, np.reshape(expected, encoded.shape))
    assert encoded.shape == (len(rows), len(encoder.get_feature_names_out()))


def test_quantile_at_a_sample_is_this_sample():
    column = [0.0] * 8 + [-2.0, -1, 1, 1, 1, 2, 3, 4]  # the level 3/5 is at the tenth of 16, a zero
    (edges,) = PiecewiseLinearEncoder(5).fit(np.reshape(column, (-1, 1))).bin_edges_
    assert edges.tolist() == [-2, 0, 1, 4]


@given(TABLES, N_BINS, st.sampled_from([np.float32, np.float64]))
def test_bins_grow_with_the_number_within_their_bounds(X, n_bins, dtype):
    X = X.astype(dtype)
    encoder = PiecewiseLinearEncoder(n_bins).fit(X)
    encoded = encoder.transform(np.sort(X, axis=0))
    assert encoded.dtype == dtype
    first = 0
    for column, edges in zip(np.sort(X, axis=0).T, encoder.bin_edges_, strict=True):
        bins = encoded[:, first : first + max(len(edges) - 1, 0)]
        first += bins.shape[1]
        assert edges.dtype == dtype
        assert (np.isnan(bins) == np.isnan(column)[:, None]).all()
        bins = bins[~np.isnan(column)]
        assert (np.diff(bins, axis=0) >= 0).all()
        assert (np.diff(bins.sum(axis=1)) >= 0).all()
        assert ((bins >= 0) & (bins <= 1)).all()
        if bins.size:
            assert (bins[0] == 0).all()
            assert (bins[-1] == 1).all()
    assert first == encoded.shape[1]


@given(arrays(np.float64, (20, 2), elements=st.integers(-1000, 1000)), st.floats(0.1, 100), st.floats(-1000, 1000))
def test_another_unit_of_x_changes_nothing(X, factor, shift):
    y = X[:, 0] % 3
    for encoder in (PiecewiseLinearEncoder(3), PiecewiseLinearEncoder(3, binning="tree", min_samples_leaf=2)):
        expected = encoder.fit_transform(X, y)
        assert_allclose(encoder.fit_transform(X * factor + shift, y), expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("kind", ["binary", "strings", "continuous", "several labels", "several numbers"])
def test_edges_are_the_thresholds_of_a_tree(kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3)).astype(np.float32).astype(np.float64)  # trees split numbers in float32
    X[::7, 1] = np.nan
    signal = np.sin(3 * X[:, 0]) + np.nan_to_num(X[:, 1])
    y, tree = {
        "binary": (signal > 0, DecisionTreeClassifier),
        "strings": (np.array(["low", "middle", "high"])[np.digitize(signal, [-0.5, 0.5])], DecisionTreeClassifier),
        "continuous": (signal, DecisionTreeRegressor),
        "several labels": (np.column_stack([signal > 0, signal > 1]).astype(int), DecisionTreeClassifier),
        "several numbers": (np.column_stack([signal, signal**2]), DecisionTreeRegressor),
    }[kind]
    encoder = PiecewiseLinearEncoder(6, binning="tree").fit(X, y)
    for column, edges in zip(X.T, encoder.bin_edges_, strict=True):
        rows = ~np.isnan(column)
        fitted = tree(max_leaf_nodes=6, min_samples_leaf=20).fit(column[rows, None], y[rows])
        thresholds = fitted.tree_.threshold[fitted.tree_.feature >= 0]
        assert_allclose(edges[1:-1], np.sort(thresholds), rtol=1e-12)
        assert (edges[0], edges[-1]) == (np.nanmin(column), np.nanmax(column))
        assert np.histogram(column[rows], edges)[0].min() >= 20
    assert len(encoder.bin_edges_[0]) == 7


def test_tree_bins_are_narrow_where_y_changes():
    x = np.linspace(0, 1, 400)
    edges = PiecewiseLinearEncoder(2, binning="tree").fit(x[:, None], x > 0.9).bin_edges_[0]
    assert_allclose(edges, [0, 0.9, 1], atol=0.002)


def test_trees_tell_numbers_apart_that_are_equal_in_float32():
    x = 1e9 + np.arange(40)
    assert len(set(x.astype(np.float32))) < 5
    encoder = PiecewiseLinearEncoder(2, binning="tree", min_samples_leaf=1).fit(x[:, None], x > 1e9 + 20)
    assert encoder.bin_edges_[0].tolist() == [1e9, 1e9 + 20.5, 1e9 + 39]


def test_target_type_decides_how_integers_are_read():
    x = np.arange(60.0)[:, None]
    y = np.select([x[:, 0] < 30, x[:, 0] < 50], [1, 0], 1000)  # three classes, or one step that exceeds the other
    for target_type, edge in (("auto", 29.5), ("classes", 29.5), ("continuous", 49.5)):
        encoder = PiecewiseLinearEncoder(2, binning="tree", min_samples_leaf=5, target_type=target_type).fit(x, y)
        assert encoder.bin_edges_[0].tolist() == [0, edge, 59]


def test_few_distinct_numbers_have_an_edge_each_and_constant_columns_no_bins():
    X = np.column_stack([[0, 1] * 10, [5] * 20, [*range(4)] * 5, [np.nan] * 20, [np.nan, 3] * 10])
    encoder = PiecewiseLinearEncoder().fit(X)
    assert [edges.tolist() for edges in encoder.bin_edges_] == [[0, 1], [], [0, 1, 2, 3], [], []]
    assert encoder.get_feature_names_out(list("abcde")).tolist() == ["a_bin0", "c_bin0", "c_bin1", "c_bin2"]
    assert encoder.transform(X).shape == (20, 4)
    assert_array_equal(encoder.transform([[1, 9, 1.5, 9, 9]]), [[1, 1, 0.5, 0]])


def test_names_of_bins_differ_from_those_of_columns():
    X = pd.DataFrame([[0, 5, 0, 1], [1, 6, 1, 2]], columns=["x", "x_bin0", "x_bin0_", "x_"])
    encoder = PiecewiseLinearEncoder().fit(X)
    assert encoder.get_feature_names_out().tolist() == ["x_bin0__", "x_bin0_bin0", "x_bin0__bin0", "x__bin0"]
    both = FeatureUnion([("same", "passthrough"), ("bins", encoder)], verbose_feature_names_out=False).fit(X)
    assert len(set(both.get_feature_names_out())) == 8


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_repeated_numbers_have_an_edge_each_if_there_are_enough_samples_of_them(dtype):
    repeated, rare, many = np.arange(320) % 32, np.arange(320) % 33, np.r_[np.arange(310) % 31, [np.nan] * 10]
    X = np.column_stack([repeated, rare, many]).astype(dtype)
    counts = {
        limit: [len(edges) for edges in PiecewiseLinearEncoder(3, min_samples_per_number=limit).fit(X).bin_edges_]
        for limit in (None, 1, 10, 11)
    }
    # 33 distinct numbers are too many for any limit; missing numbers are no samples
    assert counts == {None: [4, 4, 4], 1: [32, 4, 31], 10: [32, 4, 31], 11: [4, 4, 4]}
    encoder = PiecewiseLinearEncoder(3, min_samples_per_number=10).fit(X)
    assert encoder.bin_edges_[0].tolist() == list(range(32))


@pytest.mark.parametrize("binning", ["quantile", "tree"])
def test_no_columns_are_left_if_all_are_constant(binning):
    X = np.ones((5, 2), np.float32)
    encoder = PiecewiseLinearEncoder(binning=binning).fit(X, [0, 1, 0, 1, 0])
    assert encoder.transform(X).shape == (5, 0)
    assert encoder.transform(X).dtype == np.float32
    assert encoder.get_feature_names_out().tolist() == []
    assert encoder.set_output(transform="pandas").transform(X).shape == (5, 0)
    encoder.set_output(transform="default")
    assert FeatureUnion([("same", "passthrough"), ("bins", encoder)]).fit_transform(X, [0, 1, 0, 1, 0]).shape == (5, 2)


@pytest.mark.parametrize("binning", ["quantile", "tree"])
def test_one_bin_spans_the_data(binning):
    encoder = PiecewiseLinearEncoder(1, binning=binning).fit(np.arange(99.0)[:, None], np.arange(99) > 50)
    assert encoder.bin_edges_[0].tolist() == [0, 98]


@OF_LARGE_NUMBERS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(unit=arrays(np.float64, (9, 2), elements=st.integers(-8, 8).map(lambda number: number / 8)), n_bins=N_BINS)
def test_numbers_up_to_the_largest_one_are_encoded_as_in_another_unit(dtype, unit, n_bins):
    unit = unit.astype(dtype)
    X = np.ldexp(unit, np.finfo(dtype).maxexp - 1)
    expected = PiecewiseLinearEncoder(n_bins).fit_transform(unit)
    assert_allclose(PiecewiseLinearEncoder(n_bins).fit_transform(X), expected, rtol=4 * np.finfo(dtype).eps, atol=1e-15)


@OF_LARGE_NUMBERS
def test_float32_is_encoded_by_edges_beyond_its_largest_number():
    encoder = PiecewiseLinearEncoder().fit([[-1e39], [0], [4e38]])
    encoded = encoder.transform(np.array([[-1e38], [1e38], [3e38], [np.nan]], np.float32))
    assert_allclose(encoded, [[0.9, 0], [1, 0.25], [1, 0.75], [np.nan, np.nan]], rtol=1e-6)


def test_edges_that_are_equal_in_float32_encode_float32():
    x = np.array([1, 1 + 1e-12, 2])
    encoder = PiecewiseLinearEncoder().fit(x[:, None])
    encoded = encoder.transform(np.array([[0], [1], [1.5], [2], [1e38]], np.float32))
    assert_array_equal(encoded, np.array([[-2, 0], [0, 0], [1, 0.5], [1, 1], [1, 3]], np.float32))


def test_y_is_required_for_trees_only():
    x = np.arange(9.0)[:, None]
    PiecewiseLinearEncoder().fit(x, [np.nan] * 3)
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        PiecewiseLinearEncoder(binning="tree").fit(x)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        PiecewiseLinearEncoder(binning="tree").fit(x, [np.nan] * 9)
    with pytest.raises(ValueError, match=r"y must contain class labels or numbers\. Got an array of dtype object"):
        PiecewiseLinearEncoder(binning="tree").fit(x, np.array([*range(8), "nine"], object))
    with pytest.raises(NotFittedError):
        PiecewiseLinearEncoder().transform(x)


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ("n_bins", [0, 1.5, "12"]),
        ("binning", ["quantiles", None]),
        ("min_samples_leaf", [0, 1.5, "20"]),
        ("min_samples_per_number", [0, 1.5, "40"]),
        ("target_type", ["binary", None]),
    ],
)
def test_invalid_parameters_raise(parameter, values):
    for value in values:
        message = rf"'{parameter}' parameter of PiecewiseLinearEncoder must be .* Got {value!r} instead"
        with pytest.raises(ValueError, match=message):
            PiecewiseLinearEncoder(**{parameter: value}).fit([[1.0], [2.0]], [0, 1])
