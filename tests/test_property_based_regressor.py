"""What holds for numbers whatever they are: their unit, weights, columns, loss; hypothesis makes up the cases."""

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

from moonnet import KerasMoonRegressor, _numpy_forward
from moonnet._regression_targets import RegressionTargets
from moonnet.training import _loop

pytestmark = pytest.mark.slow
dozens = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))

LOSSES = ["squared_error", "absolute_error", "huber", "poisson", "pinball"]
ROBUST = {"absolute_error", "huber", "pinball"}
# All samples in a batch and in their order, so that a repeated sample changes nothing but the samples. Rounding stays
# rounding: SGD does not divide by gradients that may be as small as it, and with tanh no prediction is hit exactly.
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


def network(**parameters):
    return clone(NETWORK).set_params(**parameters)


def columns(n_columns):
    """Return a strategy for whole numbers from 0 to 60, no column of them constant, shape (n_samples, n_columns)."""
    shape = st.tuples(st.integers(2, 24), st.just(n_columns))
    numbers = arrays(float, shape, elements=st.integers(0, 60).map(float))
    return numbers.filter(lambda y: (np.ptp(y, axis=0) > 0).all())


FACTORS = st.floats(1e-6, 1e6)
OFFSETS = st.floats(-1e6, 1e6)


@pytest.mark.parametrize("loss", LOSSES)
@dozens
@given(columns(1), FACTORS, OFFSETS)
def test_another_unit_gives_the_same_predictions_in_it(loss, y, factor, offset):
    y = y.ravel()
    offset = 0.0 if loss == "poisson" else offset * factor * y.std()  # what is 0 matters to a count
    before, after = network(loss=loss).fit(X[: len(y)], y), network(loss=loss).fit(X[: len(y)], y * factor + offset)
    # A number 1e6 spreads from 0 is itself rounded to 2e-10 spreads
    tolerance = 1e-8 * factor * y.std()
    assert_allclose(after.predict(X), before.predict(X) * factor + offset, rtol=1e-12, atol=tolerance)
    unit = factor**2 if loss in {"squared_error", "huber"} else factor
    assert_allclose(after.history_["loss"], np.multiply(before.history_["loss"], unit), rtol=1e-7)


@pytest.mark.parametrize("loss", LOSSES)
@dozens
@given(columns(2), arrays(float, 2, elements=FACTORS), arrays(float, 2, elements=OFFSETS))
def test_each_column_has_a_unit_of_its_own(loss, y, factor, offset):
    offset = np.zeros(2) if loss == "poisson" else offset * factor * y.std(axis=0)
    before, after = network(loss=loss).fit(X[: len(y)], y), network(loss=loss).fit(X[: len(y)], y * factor + offset)
    difference = np.abs(after.predict(X) - (before.predict(X) * factor + offset))
    assert (difference <= 1e-8 * factor * y.std(axis=0) + 1e-12 * np.abs(offset)).all()


@pytest.fixture
def begin_with(monkeypatch):
    """Return a function that changes the output layer's kernel with which trainings begin."""
    draw = _loop.initial_weights

    def change(of_kernel):
        def initial_weights(*arguments):
            *hidden, kernel, bias = draw(*arguments)
            return [*hidden, of_kernel(kernel), bias]

        monkeypatch.setattr(_loop, "initial_weights", initial_weights)

    return change


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss != "poisson"])
@dozens
@given(columns(1), st.floats(0.05, 0.95))
def test_a_mirrored_network_learns_mirrored_numbers(begin_with, loss, y, quantile):
    y = y.ravel()
    begin_with(lambda kernel: kernel)
    upright = network(loss=loss, quantile=quantile).fit(X[: len(y)], y)
    begin_with(lambda kernel: -kernel)
    mirrored = network(loss=loss, quantile=1 - quantile).fit(X[: len(y)], -y)
    assert_allclose(mirrored.predict(X), -upright.predict(X), rtol=1e-9, atol=1e-9 * y.std())
    assert_allclose(mirrored.history_["loss"], upright.history_["loss"], rtol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
@dozens
@given(columns(3), st.permutations(range(3)))
def test_the_order_of_columns_is_that_of_predictions(begin_with, loss, y, order):
    begin_with(lambda kernel: kernel)
    before = network(loss=loss).fit(X[: len(y)], y)
    begin_with(lambda kernel: kernel[:, order])
    after = network(loss=loss).fit(X[: len(y)], y[:, order])
    assert_allclose(after.predict(X), before.predict(X)[:, order], rtol=1e-9, atol=1e-9 * y.std())
    assert_allclose(after.history_["loss"], before.history_["loss"], rtol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
@dozens
@given(columns(1), st.randoms(use_true_random=False))
def test_columns_of_a_plane_are_learned_as_if_alone(begin_with, loss, y, random):
    # Without hidden layers nothing is shared; the mean over two columns halves the steps of each
    other = y.copy().ravel()
    random.shuffle(other)
    y = np.column_stack([y, other])  # two columns of one spread
    begin_with(np.zeros_like)
    plane = network(loss=loss, hidden_layer_sizes=())
    together = clone(plane).set_params(learning_rate=0.1).fit(X[: len(y)], y)
    alone = [clone(plane).fit(X[: len(y)], column) for column in y.T]
    expected = np.column_stack([network.predict(X) for network in alone])
    assert_allclose(together.predict(X), expected, rtol=1e-9, atol=1e-9 * y.std())
    assert_allclose(
        together.history_["loss"], np.mean([network.history_["loss"] for network in alone], axis=0), rtol=1e-9
    )


@pytest.mark.parametrize("loss", LOSSES)
@dozens
@given(
    columns(1),
    arrays(int, 24, elements=st.integers(0, 3)),
    st.floats(1e-3, 1e3),
    st.sampled_from([np.array, sparse.csr_array]),
)
def test_weight_0_is_absence_and_weight_2_is_repetition(loss, y, weight, unit, kind):
    samples, y, weight = X[: len(y)], y.ravel(), weight[: len(y)]
    assume(np.ptp(y[weight > 0]) > 0 if weight.any() else False)
    tolerance = {"rtol": 1e-8, "atol": 1e-8 * y.std()}
    weighted = network(loss=loss).fit(kind(samples), y, sample_weight=weight * unit).predict(X)
    rows = np.repeat(np.arange(len(y)), weight)
    assert_allclose(weighted, network(loss=loss).fit(kind(samples[rows]), y[rows]).predict(X), **tolerance)
    present = weight > 0
    absent = network(loss=loss).fit(kind(samples[present]), y[present], sample_weight=weight[present] * unit)
    assert_allclose(weighted, absent.predict(X), **tolerance)


@settings(dozens, max_examples=300)
@given(
    st.sampled_from(LOSSES),
    columns(2),
    arrays(int, 24, elements=st.integers(1, 4)),
    st.floats(1e-9, 1e9),
)
def test_the_unit_of_weights_does_not_count(loss, y, weight, unit):
    weight = weight[: len(y)]
    repeated = np.repeat(y, weight, axis=0)
    weighted = RegressionTargets.from_y(y, loss, 0.5).fit(y, weight * unit, np.dtype(float))
    expected = RegressionTargets.from_y(y, loss, 0.5).fit(repeated, np.ones(len(repeated)), np.dtype(float))
    assert_allclose(weighted.center, expected.center, rtol=1e-12)
    assert_allclose(weighted.scale, expected.scale, rtol=1e-12)
    if loss in ROBUST:
        assert_allclose(expected.center, np.median(repeated, axis=0), rtol=1e-12)
    elif loss == "squared_error":
        assert_allclose(expected.center, repeated.mean(axis=0), rtol=1e-12)
        assert_allclose(expected.scale, repeated.std(axis=0), rtol=1e-12)


@pytest.fixture(scope="module")
def several_networks():
    """Networks of each loss in both float types, one of them for three columns."""
    y = np.abs(np.column_stack([X[:, 0] ** 2, X[:, 1], X.sum(axis=1)]))
    fits = [network(loss=loss).fit(X.astype(dtype), y[:, 0]) for loss in LOSSES for dtype in ("float32", "float64")]
    return [*fits, network(epochs=20).fit(X, y)]


ROWS = arrays(float, st.tuples(st.integers(1, 40), st.just(3)), elements=st.floats(-20, 20, width=32))


@settings(dozens, max_examples=200)
@given(ROWS, st.integers(0, 10), st.data())
def test_a_prediction_depends_on_its_row_alone(several_networks, rows, which, data):
    reg = several_networks[which]
    tolerance = {"rtol": 1e-3, "atol": 1e-4} if reg.coefs_[0].dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-12}
    expected = reg.predict(rows)
    assert expected.dtype == reg.coefs_[0].dtype
    assert expected.shape == ((len(rows), 3) if which == 10 else (len(rows),))
    order = np.array(data.draw(st.permutations(range(len(rows)))))
    assert_allclose(reg.predict(rows[order]), expected[order], **tolerance)
    row = data.draw(st.integers(0, len(rows) - 1))
    assert_allclose(reg.predict(rows[row : row + 1]), expected[row : row + 1], **tolerance)
    for sparse_kind in (sparse.csr_array, sparse.csc_matrix, sparse.coo_array):
        assert_allclose(reg.predict(sparse_kind(rows)), expected, **tolerance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_numpy_forward, "_CHUNK_BYTES", data.draw(st.integers(1, 2000)))
        assert_allclose(reg.predict(rows), expected, **tolerance)


OWN_TYPE = "moonnet._regressor.KerasMoonRegressor"


@settings(dozens, max_examples=100)
@given(
    st.integers(1, 2).flatmap(columns),
    st.sampled_from(LOSSES),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["float32", "float64"]),
)
def test_what_was_kept_predicts_the_same_bits_and_goes_on_with_them(y, loss, seed, dtype):
    y = y.ravel() if y.shape[1] == 1 else y
    samples = X[: len(y)].astype(dtype)
    reg = network(loss=loss, random_state=seed, epochs=1, warm_start=True).fit(samples, y)
    copies = pickle.loads(pickle.dumps(reg)), skops.io.loads(skops.io.dumps(reg), trusted=[OWN_TYPE])
    before, after = reg.predict(X).tobytes(), reg.fit(samples, y).predict(X).tobytes()
    for kept in copies:
        assert kept.predict(X).tobytes() == before
        assert kept.fit(samples, y).predict(X).tobytes() == after
        assert kept.history_ == reg.history_


# The same number for all samples, far apart, tiny, huge, or of another type
ODD_NUMBERS = st.one_of(
    st.floats(-1e150, 1e150).map(lambda value: np.full(24, value)),
    arrays(float, 24, elements=st.floats(-1e150, 1e150)),
    arrays(float, 24, elements=st.sampled_from([0.0, 1e-300, 5e-324, 1e-160])),
    arrays(float, 24, elements=st.sampled_from([1.0, 1 + 2.0**-52, 1e16])),
    arrays(bool, 24),
    arrays(np.int64, 24),
    arrays(np.uint64, 24),
    arrays(np.float16, 24, elements=st.floats(-1000, 1000, width=16)),
    arrays(np.float32, 24, elements=st.floats(-(2.0**100), 2.0**100, width=32)),
)


@pytest.mark.parametrize("loss", LOSSES)
@settings(dozens, max_examples=60)
@given(ODD_NUMBERS)
def test_odd_numbers_are_learned_too(loss, y):
    assume(loss != "poisson" or (y >= 0).all())
    y = y.astype(object) if len(np.unique(y)) % 2 else y  # which should make no difference
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        reg = network(loss=loss, epochs=2).fit(X, y)
        predicted = reg.predict(X)
    numbers = y.astype(float)
    assert np.isfinite(reg.history_["loss"]).all()
    assert np.isfinite(predicted).all()
    # Two steps do not lead far from where y is
    reach = 10 * (np.ptp(numbers) + np.abs(numbers).max() if loss == "poisson" else np.ptp(numbers)) + 10
    reach += 1e-12 * np.abs(numbers).max()
    assert (predicted >= numbers.min() - reach).all()
    assert (predicted <= numbers.max() + reach).all()


@settings(dozens, max_examples=300)
@given(
    st.sampled_from([loss for loss in LOSSES if loss != "poisson"]),
    st.floats(-1e150, 1e150),
    arrays(float, st.integers(1, 24), elements=st.floats(1e-3, 1e3)),
)
def test_numbers_that_are_all_alike_spread_by_nothing(loss, value, weight):
    targets = RegressionTargets.from_y(np.full(len(weight), value), loss, 0.5).fit(
        np.full(len(weight), value), weight, np.dtype(float)
    )
    assert targets.center == [value]
    assert targets.scale == [1]


@pytest.mark.parametrize("alike", [[0.1, 0.1], [0.3, 0.1 + 0.2]], ids=["equal", "but for rounding"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_first_block_of_numbers_that_are_all_alike_does_no_harm(loss, alike):
    y = np.arange(24) / 10
    reg = network(loss=loss, quantile=0.5, optimizer="rmsprop", learning_rate=0.02).partial_fit(X, np.tile(alike, 12))
    for _ in range(300):
        reg.partial_fit(X, y)
    assert np.abs(reg.predict(X) - y).mean() < np.abs(y - np.median(y)).mean() / 2


@pytest.mark.trains  # engines have gradients of their own there
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_a_number_that_is_predicted_exactly_pulls_nowhere(loss, optimizer):
    reg = network(loss=loss, optimizer=optimizer, hidden_layer_sizes=()).fit(np.zeros((24, 3)), np.full(24, 8.0))
    assert reg.predict(np.zeros((1, 3))) == pytest.approx(8, rel=1e-15)
    assert reg.history_["loss"] == [0.0] * 5
