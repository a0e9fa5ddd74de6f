"""Properties of the regressor: units of y, sample weights, outputs and losses, in cases drawn by hypothesis."""

import pickle
import warnings

import numpy as np
import pytest
import skops.io
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone

from helpers import assert_samples_are_independent
from moonnet import KerasMoonRegressor
from moonnet.losses._regression import REGRESSION_LOSSES as LOSSES
from moonnet.networks import DenseStack, State
from moonnet.targets import NumberTargets

pytestmark = pytest.mark.slow
some_examples = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))

ROBUST_LOSSES = {"absolute_error", "huber", "pinball"}
# One batch without shuffling, so that a repeated sample changes nothing but the samples. SGD and tanh do not amplify
# rounding errors: SGD does not divide by tiny gradients, and with tanh no prediction equals its target exactly.
NETWORK = KerasMoonRegressor(
    (5, 4),
    quantile=0.3,
    activation="tanh",
    optimizer="sgd",
    learning_rate=0.05,
    shuffle=False,
    batch_size=128,
    epochs=5,
    random_state=0,
)
X = np.random.default_rng(0).normal(size=(24, 3))


def make_regressor(**parameters):
    return clone(NETWORK).set_params(**parameters)


def y_arrays(n_outputs):
    """Return a strategy for y of integers from 0 to 60, without constant columns, shape (n_samples, n_outputs)."""
    shape = st.tuples(st.integers(2, 24), st.just(n_outputs))
    integers = arrays(float, shape, elements=st.integers(0, 60).map(float))
    return integers.filter(lambda y: (np.ptp(y, axis=0) > 0).all())


FACTORS = st.floats(1e-6, 1e6)
OFFSETS = st.floats(-1e6, 1e6)


@pytest.mark.parametrize("loss", LOSSES)
@some_examples
@given(y_arrays(1), FACTORS, OFFSETS)
def test_scaling_and_shifting_y_scales_and_shifts_predictions(loss, y, factor, offset):
    y = y.ravel()
    offset = 0.0 if loss == "poisson" else offset * factor * y.std()  # counts have a fixed 0
    before = make_regressor(loss=loss).fit(X[: len(y)], y)
    after = make_regressor(loss=loss).fit(X[: len(y)], y * factor + offset)
    # A value of 1e6 standard deviations is itself rounded to 2e-10 standard deviations
    tolerance = 1e-8 * factor * y.std()
    assert_allclose(after.predict(X), before.predict(X) * factor + offset, rtol=1e-12, atol=tolerance)
    unit = factor**2 if loss in {"squared_error", "huber"} else factor
    assert_allclose(after.history_["loss"], np.multiply(before.history_["loss"], unit), rtol=1e-7)


@pytest.mark.parametrize("loss", LOSSES)
@some_examples
@given(y_arrays(2), arrays(float, 2, elements=FACTORS), arrays(float, 2, elements=OFFSETS))
def test_each_output_is_standardized_separately(loss, y, factor, offset):
    offset = np.zeros(2) if loss == "poisson" else offset * factor * y.std(axis=0)
    before = make_regressor(loss=loss).fit(X[: len(y)], y)
    after = make_regressor(loss=loss).fit(X[: len(y)], y * factor + offset)
    difference = np.abs(after.predict(X) - (before.predict(X) * factor + offset))
    assert (difference <= 1e-8 * factor * y.std(axis=0) + 1e-12 * np.abs(offset)).all()


@pytest.fixture
def transform_initial_kernel(monkeypatch):
    """Return a function that makes fits transform the initial kernel of the output layer."""
    original = DenseStack.initial_state

    def set_transform(transform):
        def initial_state(*arguments):
            *hidden, kernel, bias = original(*arguments).trainable
            return State([*hidden, transform(kernel), bias])

        monkeypatch.setattr(DenseStack, "initial_state", initial_state)

    return set_transform


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss != "poisson"])
@some_examples
@given(y_arrays(1), st.floats(0.05, 0.95))
def test_negating_y_and_the_output_kernel_negates_predictions(transform_initial_kernel, loss, y, quantile):
    y = y.ravel()
    transform_initial_kernel(lambda kernel: kernel)
    upright = make_regressor(loss=loss, quantile=quantile).fit(X[: len(y)], y)
    transform_initial_kernel(lambda kernel: -kernel)
    mirrored = make_regressor(loss=loss, quantile=1 - quantile).fit(X[: len(y)], -y)
    assert_allclose(mirrored.predict(X), -upright.predict(X), rtol=1e-9, atol=1e-9 * y.std())
    assert_allclose(mirrored.history_["loss"], upright.history_["loss"], rtol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
@some_examples
@given(y_arrays(3), st.permutations(range(3)))
def test_permuting_outputs_permutes_predictions(transform_initial_kernel, loss, y, order):
    transform_initial_kernel(lambda kernel: kernel)
    before = make_regressor(loss=loss).fit(X[: len(y)], y)
    transform_initial_kernel(lambda kernel: kernel[:, order])
    after = make_regressor(loss=loss).fit(X[: len(y)], y[:, order])
    assert_allclose(after.predict(X), before.predict(X)[:, order], rtol=1e-9, atol=1e-9 * y.std())
    assert_allclose(after.history_["loss"], before.history_["loss"], rtol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
@some_examples
@given(y_arrays(1), st.randoms(use_true_random=False))
def test_linear_network_learns_outputs_independently(transform_initial_kernel, loss, y, random):
    # Without hidden layers, outputs share no weights. The mean over two outputs halves the gradient of each
    other = y.copy().ravel()
    random.shuffle(other)
    y = np.column_stack([y, other])  # two outputs with the same standard deviation
    transform_initial_kernel(np.zeros_like)
    linear = make_regressor(loss=loss, hidden_layer_sizes=())
    joint = clone(linear).set_params(learning_rate=0.1).fit(X[: len(y)], y)
    separate = [clone(linear).fit(X[: len(y)], column) for column in y.T]
    expected = np.column_stack([reg.predict(X) for reg in separate])
    assert_allclose(joint.predict(X), expected, rtol=1e-9, atol=1e-9 * y.std())
    assert_allclose(joint.history_["loss"], np.mean([reg.history_["loss"] for reg in separate], axis=0), rtol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
@some_examples
@given(
    y_arrays(1),
    arrays(int, 24, elements=st.integers(0, 3)),
    st.floats(1e-3, 1e3),
    st.sampled_from([np.array, sparse.csr_array]),
)
def test_integer_sample_weights_equal_omitted_and_repeated_samples(loss, y, weight, unit, kind):
    samples, y, weight = X[: len(y)], y.ravel(), weight[: len(y)]
    assume(np.ptp(y[weight > 0]) > 0 if weight.any() else False)
    tolerance = {"rtol": 1e-8, "atol": 1e-8 * y.std()}
    weighted = make_regressor(loss=loss).fit(kind(samples), y, sample_weight=weight * unit).predict(X)
    rows = np.repeat(np.arange(len(y)), weight)
    assert_allclose(weighted, make_regressor(loss=loss).fit(kind(samples[rows]), y[rows]).predict(X), **tolerance)
    present = weight > 0
    absent = make_regressor(loss=loss).fit(kind(samples[present]), y[present], sample_weight=weight[present] * unit)
    assert_allclose(weighted, absent.predict(X), **tolerance)


@settings(some_examples, max_examples=100)
@given(
    st.sampled_from([*LOSSES]),
    y_arrays(2),
    arrays(int, 24, elements=st.integers(1, 4)),
    st.floats(1e-9, 1e9),
)
def test_standardization_ignores_the_scale_of_sample_weights(loss, y, weight, unit):
    weight = weight[: len(y)]
    repeated = np.repeat(y, weight, axis=0)
    weighted = NumberTargets.from_y(y, LOSSES[loss]()).fit(y, weight * unit, np.dtype(float))
    expected = NumberTargets.from_y(y, LOSSES[loss]()).fit(repeated, np.ones(len(repeated)), np.dtype(float))
    assert_allclose(weighted.center, expected.center, rtol=1e-12)
    assert_allclose(weighted.scale, expected.scale, rtol=1e-12)
    if loss in ROBUST_LOSSES:
        assert_allclose(expected.center, np.median(repeated, axis=0), rtol=1e-12)
    elif loss == "squared_error":
        assert_allclose(expected.center, repeated.mean(axis=0), rtol=1e-12)
        assert_allclose(expected.scale, repeated.std(axis=0), rtol=1e-12)


@pytest.fixture(scope="module")
def fitted_regressors():
    """Regressors fitted with each loss in both float types, and one with three outputs."""
    y = np.abs(np.column_stack([X[:, 0] ** 2, X[:, 1], X.sum(axis=1)]))
    fits = [
        make_regressor(loss=loss).fit(X.astype(dtype), y[:, 0]) for loss in LOSSES for dtype in ("float32", "float64")
    ]
    return [*fits, make_regressor(epochs=20).fit(X, y)]


ROWS = arrays(float, st.tuples(st.integers(1, 40), st.just(3)), elements=st.floats(-20, 20, width=32))


@settings(some_examples, max_examples=60)
@given(ROWS, st.integers(0, 10), st.data())
def test_prediction_of_a_sample_does_not_depend_on_other_samples(fitted_regressors, rows, which, data):
    reg = fitted_regressors[which]
    tolerance = {"rtol": 1e-3, "atol": 1e-4} if reg.coefs_[0].dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-12}
    expected = reg.predict(rows)
    assert expected.dtype == reg.coefs_[0].dtype
    assert expected.shape == ((len(rows), 3) if which == 10 else (len(rows),))
    assert_samples_are_independent(reg.predict, rows, data, tolerance)


OWN_TYPE = "moonnet._regressor.KerasMoonRegressor"


@settings(some_examples, max_examples=30)
@given(
    st.integers(1, 2).flatmap(y_arrays),
    st.sampled_from([*LOSSES]),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["float32", "float64"]),
)
def test_restored_regressor_predicts_and_resumes_identically(y, loss, seed, dtype):
    y = y.ravel() if y.shape[1] == 1 else y
    samples = X[: len(y)].astype(dtype)
    reg = make_regressor(loss=loss, random_state=seed, epochs=1, warm_start=True).fit(samples, y)
    copies = pickle.loads(pickle.dumps(reg)), skops.io.loads(skops.io.dumps(reg), trusted=[OWN_TYPE])
    before, after = reg.predict(X).tobytes(), reg.fit(samples, y).predict(X).tobytes()
    for restored in copies:
        assert restored.predict(X).tobytes() == before
        assert restored.fit(samples, y).predict(X).tobytes() == after
        assert restored.history_ == reg.history_


# All magnitudes that y may vary in
NUMBERS = st.one_of(st.just(0.0), st.floats(1e-130, 1e150), st.floats(-1e150, -1e-130))
# Constant, tiny, huge or very different values, and other dtypes
EXTREME_Y = st.one_of(
    NUMBERS.map(lambda value: np.full(24, value)),
    arrays(float, 24, elements=NUMBERS),
    arrays(float, 24, elements=st.sampled_from([0.0, 1e-150, 3e-145])),
    arrays(float, 24, elements=st.sampled_from([1.0, 1 + 2.0**-52, 1e16])),
    arrays(bool, 24),
    arrays(np.int64, 24),
    arrays(np.uint64, 24),
    arrays(np.float16, 24, elements=st.floats(-1000, 1000, width=16)),
    arrays(np.float32, 24, elements=st.floats(-(2.0**100), 2.0**100, width=32)),
)


@pytest.mark.parametrize("loss", LOSSES)
@settings(some_examples, max_examples=30)
@given(EXTREME_Y)
def test_extreme_y_yields_finite_predictions_near_y(loss, y):
    assume(loss != "poisson" or (y >= 0).all())
    y = y.astype(object) if len(np.unique(y)) % 2 else y  # dtype object must make no difference
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        reg = make_regressor(loss=loss, epochs=2).fit(X, y)
        predicted = reg.predict(X)
    y = y.astype(float)
    assert np.isfinite(reg.history_["loss"]).all()
    assert np.isfinite(predicted).all()
    # Two training steps do not lead far from the range of y
    reach = 10 * (np.ptp(y) + np.abs(y).max() if loss == "poisson" else np.ptp(y)) + 10
    reach += 1e-12 * np.abs(y).max()
    assert (predicted >= y.min() - reach).all()
    assert (predicted <= y.max() + reach).all()


@settings(some_examples, max_examples=100)
@given(
    st.sampled_from([loss for loss in LOSSES if loss != "poisson"]),
    st.floats(-1e150, 1e150),
    arrays(float, st.integers(1, 24), elements=st.floats(1e-3, 1e3)),
)
def test_constant_y_is_standardized_with_scale_1(loss, value, weight):
    targets = NumberTargets.from_y(np.full(len(weight), value), LOSSES[loss]()).fit(
        np.full(len(weight), value), weight, np.dtype(float)
    )
    assert targets.center == [value]
    assert targets.scale == [1]


@pytest.mark.parametrize("constant", [[0.1, 0.1], [0.3, 0.1 + 0.2]], ids=["equal", "equal up to rounding"])
@pytest.mark.parametrize("loss", LOSSES)
def test_partial_fit_learns_after_a_first_chunk_of_constant_y(loss, constant):
    y = np.arange(24) / 10
    reg = make_regressor(loss=loss, quantile=0.5, optimizer="rmsprop", learning_rate=0.02).partial_fit(
        X, np.tile(constant, 12)
    )
    for _ in range(25):
        reg.partial_fit(np.tile(X, (64, 1)), np.tile(y, 64))  # 12 batches
    assert np.abs(reg.predict(X) - y).mean() < np.abs(y - np.median(y)).mean() / 2


@pytest.mark.trains  # each engine defines its own gradient at 0
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_gradient_is_0_if_predictions_equal_y(loss, optimizer):
    reg = make_regressor(loss=loss, optimizer=optimizer, hidden_layer_sizes=()).fit(np.zeros((24, 3)), np.full(24, 8.0))
    assert reg.predict(np.zeros((1, 3))) == pytest.approx(8, rel=1e-15)
    assert reg.history_["loss"] == [0.0] * 5
