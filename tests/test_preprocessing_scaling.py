"""SmoothClipScaler, compared with its formula for single numbers."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from moonnet.preprocessing import SmoothClipScaler

NUMBERS = st.floats(-1e9, 1e9, width=32)
TABLES = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12),
    elements=st.one_of(NUMBERS, st.integers(-3, 3), st.just(math.nan)),
)
# scikit-learn adds up all numbers to find infinite ones
OF_LARGE_NUMBERS = pytest.mark.filterwarnings("ignore:invalid value encountered in reduce")


def scaled_by_hand(number, center, scale, bound):
    """Return a scaled number."""
    if math.isnan(number) or not scale:
        return number * 0
    z = (number - center) / scale
    return z / math.sqrt(1 + (z / bound) ** 2)


@given(TABLES, st.sampled_from([0.5, 3, 10]))
def test_each_number_is_scaled_by_the_formula(X, bound):
    scaler = SmoothClipScaler(bound).fit(X)
    statistics = zip(scaler.center_.tolist(), scaler.scale_.tolist(), strict=True)
    expected = [
        [scaled_by_hand(number, *each, bound) for number in column]
        for column, each in zip(X.T.tolist(), statistics, strict=True)
    ]
    assert_allclose(scaler.transform(X), np.transpose(expected), rtol=1e-13)


@given(TABLES)
def test_quartiles_are_numpys(X):
    scaler = SmoothClipScaler().fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, of columns without numbers
        first, center, third = np.nanquantile(X, [0.25, 0.5, 0.75], axis=0)
        half_range = (np.nanmax(X, axis=0) - np.nanmin(X, axis=0)) / 2
    assert_array_equal(scaler.center_, center)
    assert_array_equal(scaler.scale_, np.where(third == first, half_range, third - first))


@given(TABLES, st.sampled_from([0.5, 3, 10]), st.sampled_from([np.float32, np.float64]))
def test_scaled_numbers_keep_the_order_and_the_bound(X, bound, dtype):
    scaled = SmoothClipScaler(bound).fit_transform(X.astype(dtype))
    assert scaled.dtype == dtype
    for column, encoded in zip(X.astype(dtype).T, scaled.T, strict=True):
        assert (np.isnan(encoded) == np.isnan(column)).all()
        order = np.argsort(column)[: np.count_nonzero(~np.isnan(column))]
        assert (np.diff(encoded[order]) >= -bound * 2 * np.finfo(dtype).eps).all()
        assert (np.abs(encoded[order]) <= bound * (1 + 2 * np.finfo(dtype).eps)).all()


@given(
    arrays(np.float64, (9, 2), elements=st.integers(-1000, 1000)),
    st.floats(0.1, 100),
    st.floats(-1000, 1000),
)
def test_another_unit_of_x_changes_nothing(X, factor, shift):
    assume((np.ptp(X, axis=0) > 0).all())
    expected = SmoothClipScaler().fit_transform(X)
    assert_allclose(SmoothClipScaler().fit_transform(X * factor + shift), expected, rtol=1e-6, atol=1e-6)


@given(arrays(np.float64, (9, 2), elements=st.integers(-1000, 1000)))
def test_inverse_transform_returns_x(X):
    scaler = SmoothClipScaler().fit(X)
    assert_allclose(scaler.inverse_transform(scaler.transform(X)), X, rtol=1e-8, atol=1e-8)


def test_inverse_transform_at_the_bound_and_beyond():
    scaler = SmoothClipScaler(2).fit([[1.0, 5.0, np.nan], [3.0, 5.0, np.nan]])  # medians 2 and 5, scales 1 and 0
    original = scaler.inverse_transform([[2.0, 2.0, 0.0], [-2.0, 0.5, np.nan], [np.nan, np.nan, 1.0]])
    assert_array_equal(original, [[np.inf, 5, np.nan], [-np.inf, 5, np.nan], [np.nan, np.nan, np.nan]])
    assert scaler.inverse_transform(np.zeros((1, 3), np.float32)).dtype == np.float32
    with pytest.raises(ValueError, match=r"X must contain numbers from -2\.0 to 2\.0\. Got 2\.5 instead"):
        scaler.inverse_transform([[2.5, 0, 0]])
    with pytest.raises(ValueError, match=r"X must have 3 columns, as X in fit\. Got 2 instead"):
        scaler.inverse_transform([[0, 0]])
    with pytest.raises(NotFittedError):
        SmoothClipScaler().inverse_transform([[0.0]])


def test_constant_columns_become_zero_and_columns_without_numbers_remain_missing():
    X = np.array([[7, np.nan, 0], [7, np.nan, 0], [np.nan, np.nan, 1], [7, np.nan, 0], [7, np.nan, 0]])
    scaler = SmoothClipScaler().fit(X)
    half_a_range = 2 / math.sqrt(1 + 4 / 9)  # 1 is two halves of the range above the median
    expected = np.column_stack([[0, 0, np.nan, 0, 0], [np.nan] * 5, [0, 0, half_a_range, 0, 0]])
    assert_allclose(scaler.transform(X), expected, rtol=1e-15)
    assert_array_equal(scaler.transform([[8, 1, 0]]), [[0, np.nan, 0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_numbers_become_the_bound_without_a_warning(dtype):
    largest, smallest = np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal
    scaler = SmoothClipScaler().fit(np.array([[-1, -smallest], [0, 0], [1, smallest]], dtype))
    scaled = scaler.transform(np.array([[-largest, -largest], [0, 0], [largest, largest]], dtype))
    assert_allclose(scaled, [[-3, -3], [0, 0], [3, 3]], rtol=1e-6)


@OF_LARGE_NUMBERS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(unit=arrays(np.float64, (7, 2), elements=st.integers(-8, 8).map(lambda number: number / 8)))
def test_numbers_up_to_the_largest_one_are_scaled_as_in_another_unit(dtype, unit):
    unit = unit.astype(dtype)
    X = np.ldexp(unit, np.finfo(dtype).maxexp - 1)
    scaled = SmoothClipScaler().fit_transform(X)
    assert scaled.dtype == dtype
    assert_allclose(scaled, SmoothClipScaler().fit_transform(unit), rtol=4 * np.finfo(dtype).eps)


@OF_LARGE_NUMBERS
def test_range_beyond_the_largest_number_is_replaced_by_it():
    largest = np.finfo(float).max
    X = largest * np.array([[-1, -0.9, 0.5], [-1, 0, 0.5], [1, 0, 0.5], [1, 0, -0.5], [0, 0.9, 0.5]])
    scaler = SmoothClipScaler().fit(X)  # an interquartile range of 2 and half a range of 0.9, of the largest number
    assert_allclose(scaler.scale_ / largest, [1, 0.9, 0.5])
    assert_allclose(scaler.transform(X)[0, :2], [-1 / math.sqrt(1 + 1 / 9)] * 2)
    assert np.isfinite(scaler.inverse_transform(np.full((1, 3), 0.5))).all()


@OF_LARGE_NUMBERS
def test_float32_is_scaled_by_statistics_beyond_its_largest_number():
    scaler = SmoothClipScaler().fit([[1e300], [3e300], [5e300]])  # a median of 3e300 and a scale of 2e300
    scaled = scaler.transform(np.array([[0], [1e38], [np.nan]], np.float32))
    assert_allclose(scaled[:, 0], [-1.5 / math.sqrt(1.25)] * 2 + [np.nan], rtol=1e-6)


def test_scaler_of_float64_transforms_float32():
    scaler = SmoothClipScaler().fit(np.array([[0.0, -1e300], [1e-300, 0], [2e-300, 1e300]]))
    scaled = scaler.transform(np.array([[0, -1], [1, 0]], np.float32))
    assert scaled.dtype == np.float32
    assert_array_equal(scaled, np.array([[0, 0], [3, 0]], np.float32))


@pytest.mark.parametrize("bound", [0, -3, "3", None])
def test_invalid_bound_raises(bound):
    with pytest.raises(
        ValueError, match=rf"'max_absolute_value' parameter of SmoothClipScaler .* Got {bound!r} instead"
    ):
        SmoothClipScaler(bound).fit([[1.0], [2.0]])


def test_scaler_of_a_crafted_file_returns_no_other_shape():
    scaler = SmoothClipScaler().fit([[1.0], [2.0]])
    scaler.center_ = np.zeros((10_000, 1))
    with pytest.raises(ValueError, match="broadcast"):
        scaler.transform([[1.0]])
