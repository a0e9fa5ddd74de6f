"""ONNX conversion of transformers: what ONNX Runtime computes, compared with transform."""

import numpy as np
import pytest
import skl2onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import FeatureUnion, make_pipeline

import moonnet.onnx  # noqa: F401 - registers the converters
from helpers import run_onnx
from moonnet.preprocessing import DateEncoder, NumberEncoder, PiecewiseLinearEncoder, SmoothClipScaler

TENSOR_TYPES = {np.float32: FloatTensorType, np.float64: DoubleTensorType, np.int64: Int64TensorType}
ENCODERS = {
    "scaler": SmoothClipScaler(2.5),
    "quantile": PiecewiseLinearEncoder(5),
    "tree": PiecewiseLinearEncoder(5, binning="tree", min_samples_leaf=3),
    "union": FeatureUnion([("smooth", SmoothClipScaler()), ("bins", PiecewiseLinearEncoder(3))]),
    "pipeline": make_pipeline(SmoothClipScaler(), PiecewiseLinearEncoder(3)),
}
RANDOM = np.random.default_rng(0)
X_TRAIN = np.column_stack(  # a column of each kind, and missing values
    [RANDOM.normal(size=60), np.exp(RANDOM.normal(size=60)), np.full(60, 7.0), np.full(60, np.nan), np.arange(60) % 3]
)
X_TRAIN[::7, 0] = np.nan
Y = RANDOM.normal(size=60) + X_TRAIN[:, 1]


def run(encoder, X, tensor_type=None):
    """Convert an encoder, and return what ONNX Runtime computes for X."""
    tensor_type = tensor_type or TENSOR_TYPES[X.dtype.type]
    graph = skl2onnx.to_onnx(encoder, initial_types=[("X", tensor_type([None, X.shape[1]]))])
    (encoded,) = run_onnx(graph, {"X": X})
    return encoded


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
def test_encoder_agrees(encoder, dtype):
    X = X_TRAIN.astype(dtype)
    fitted = clone(encoder).fit(X, Y)
    far = np.array([[1e30] * 5, [-1e30] * 5, [0.5] * 5, [np.nan] * 5], dtype)
    rows = np.concatenate([X, far])
    encoded = run(fitted, rows)
    assert encoded.dtype == dtype
    tolerance = 4 * np.finfo(dtype).eps
    assert_allclose(encoded, fitted.transform(rows), rtol=tolerance, atol=tolerance)


@settings(max_examples=20)  # each example converts
@given(arrays(np.float64, (6, 2), elements=st.floats(-1e6, 1e6) | st.just(np.nan)))
def test_encoders_agree_for_any_numbers(rows):
    for name in ("scaler", "quantile"):
        fitted = clone(ENCODERS[name]).fit(X_TRAIN[:, :2])
        assert_allclose(run(fitted, rows), fitted.transform(rows), rtol=1e-15, atol=1e-15)


def test_encoder_of_float64_agrees_in_float32():
    for encoder in (ENCODERS["scaler"], ENCODERS["quantile"]):
        fitted = clone(encoder).fit(X_TRAIN)
        rows = X_TRAIN.astype(np.float32)
        assert_allclose(run(fitted, rows), fitted.transform(rows), rtol=1e-6, atol=1e-6)


@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce")  # scikit-learn's search for infinity
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_encoders_agree_near_the_largest_number(dtype):
    X = (np.finfo(dtype).max * np.array([[-1, -0.9], [-0.5, 0.8], [0, 0.9], [0.5, 0.9], [1, 1]])).astype(dtype)
    for encoder in (ENCODERS["scaler"], ENCODERS["quantile"], PiecewiseLinearEncoder(2)):
        fitted = clone(encoder).fit(X)
        encoded = run(fitted, X)
        assert np.isfinite(encoded).all()
        assert_allclose(encoded, fitted.transform(X), rtol=4 * np.finfo(dtype).eps)
    beyond = clone(ENCODERS["scaler"]).fit(np.array([[1e300], [3e300], [5e300]]))
    rows = np.array([[0], [1e38]], np.float32)
    assert_allclose(run(beyond, rows), beyond.transform(rows), rtol=1e-6)


def test_integers_are_encoded_in_float32():
    X = np.arange(40).reshape(20, 2)
    for encoder in (ENCODERS["scaler"], ENCODERS["quantile"]):
        fitted = clone(encoder).fit(X)
        encoded = run(fitted, X)
        assert encoded.dtype == np.float32
        assert_allclose(encoded, fitted.transform(X), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_encoder_without_bins_returns_no_columns(dtype):
    X = np.ones((5, 2), dtype)
    assert run(PiecewiseLinearEncoder().fit(X), X).shape == (5, 0)
    union = FeatureUnion([("bins", PiecewiseLinearEncoder()), ("smooth", SmoothClipScaler())]).fit(X)
    assert_array_equal(run(union, X), np.zeros((5, 2)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_dates_are_days_within_the_bounds(dtype):
    encoder = DateEncoder("%d.%m.%Y", earliest="1970-01-03", latest="1970-01-06").fit([["04.01.1970"]])
    days = np.array([[1], [3], [10]], dtype)
    assert run(encoder, days).tolist() == [[2], [3], [5]]
    if dtype != np.int64:
        assert_array_equal(run(encoder, np.array([[np.nan], [3.5]], dtype)), [[np.nan], [3.5]])
    assert run(DateEncoder().fit([["2000-01-01"]]), days).tolist() == days.tolist()


def test_numbers_remain_numbers():
    encoder = NumberEncoder("kg").fit([["3 kg"]])
    assert_array_equal(run(encoder, np.array([[2.5], [np.nan]])), [[2.5], [np.nan]])


@pytest.mark.parametrize(
    "encoder",
    [SmoothClipScaler(), PiecewiseLinearEncoder(), DateEncoder(), NumberEncoder()],
    ids=lambda encoder: type(encoder).__name__,
)
def test_text_and_other_numbers_of_columns_raise(encoder):
    with pytest.raises(NotFittedError):
        run(encoder, np.zeros((1, 1)))
    encoder = clone(encoder).fit(np.array([["1970", "1980"], ["1980", "1990"]]))
    with pytest.raises(TypeError, match=r"float32, float64, int64 or boolean\. Got StringTensorType for .*'X'"):
        run(encoder, np.array([["1", "2"]]), StringTensorType)
    with pytest.raises(ValueError, match=r"fitted with 2 features\. Got ONNX inputs with 3 columns instead"):
        run(encoder, np.zeros((1, 3)))
