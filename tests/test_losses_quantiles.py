"""Several quantiles from one network, compared with scikit-learn, with Keras and with what is known of the data."""

import pickle

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import NotFittedError
from sklearn.metrics import mean_pinball_loss, r2_score
from sklearn.model_selection import GridSearchCV

from helpers import split_of
from moonnet import KerasMoonRegressor
from moonnet._keras import keras
from moonnet.losses import Pinball
from moonnet.losses._quantiles import Quantiles
from moonnet.targets import NumberTargets
from moonnet.training._records import RandomStreams

LEVELS = [0.1, 0.4, 0.5, 0.9]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = 50 + 20 * X[:, :1] + RNG.exponential([5, 9], (120, 2))


def regressor(**parameters):
    defaults = {"hidden_layer_sizes": (7, 5), "loss": "pinball", "quantile": LEVELS, "epochs": 8, "random_state": 3}
    return KerasMoonRegressor(**(defaults | parameters))


def y_of(n_targets):
    return Y[:, 0] if n_targets == 1 else Y[:, :n_targets]


def mean_loss(y, quantiles, levels=LEVELS):
    """Return the mean pinball loss of scikit-learn over quantiles, of shape (..., n_quantiles)."""
    return np.mean([mean_pinball_loss(y, quantiles[..., index], alpha=level) for index, level in enumerate(levels)])


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([0.05, 0.5, 0.95], 0.5),
        ([0.5, 0.9, 0.99], 0.9),
        ([0.05, 0.95], 0.05),  # as near to 0.5, although not in floats
        ([0.2, 0.9], 0.2),
        ([0.2, 0.7], 0.7),
        ([0.1, 0.2, 0.6, 0.7], 0.6),
    ],
)
def test_middle_quantile(levels, expected):
    assert levels[Quantiles(tuple(levels)).middle] == expected


@pytest.mark.parametrize("n_targets", [1, 2])
def test_loss_of_predictions_is_the_mean_over_quantiles_and_targets(n_targets):
    outputs = RNG.normal(size=(5, 30, n_targets * len(LEVELS)))  # of five networks
    y = RNG.normal(size=(30, n_targets))
    losses = Quantiles(tuple(LEVELS)).sample_losses(y, outputs, 1.0)
    assert losses.shape == (5, 30)
    for network, loss in zip(outputs, losses, strict=True):
        quantiles = np.sort(network.reshape(30, n_targets, -1), axis=-1)
        assert loss.mean() == pytest.approx(mean_loss(y, quantiles), rel=1e-12)


@pytest.mark.trains
@pytest.mark.parametrize("n_targets", [1, 2])
def test_training_equals_a_keras_loop(n_targets):
    y, weight = y_of(n_targets).astype("float32"), RNG.uniform(0.5, 2, len(X)).astype("float32")
    reg = regressor(optimizer="sgd", learning_rate=0.1, batch_size=20, epochs=4)
    reg.fit(X.astype("float32"), y, sample_weight=weight)

    streams = RandomStreams.spawn(reg.random_state)
    layers = [keras.layers.Dense(7, "relu"), keras.layers.Dense(5, "relu"), keras.layers.Dense(4 * n_targets)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.set_weights(reg._network.initial_state(streams.weights, "float32").trainable)

    def loss(y_true, outputs):
        # The column of y and the quantile of each output
        error = keras.ops.repeat(y_true, len(LEVELS), axis=1) - outputs
        level = keras.ops.convert_to_tensor(np.tile(LEVELS, n_targets), "float32")
        return keras.ops.mean(keras.ops.maximum(level * error, (level - 1) * error), axis=1)

    class MeanOfSamples(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return loss(y_true, y_pred)

    model.compile(keras.optimizers.SGD(0.1), MeanOfSamples(reduction="mean_with_sample_weight"))
    targets = ((y.reshape(len(X), -1) - reg._targets.center) / reg._targets.scale).astype("float32")
    for _ in range(reg.epochs):
        order = streams.order.permutation(len(X))
        for rows in np.split(order, range(20, len(X), 20)):
            model.train_on_batch(X[rows].astype("float32"), targets[rows], sample_weight=weight[rows])
    for ours, theirs in zip(reg._state.trainable, model.get_weights(), strict=True):
        assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.trains
@pytest.mark.parametrize("n_targets", [1, 2])
def test_keras_model_predicts_all_quantiles_in_the_unit_of_y(n_targets, tmp_path):
    y = y_of(n_targets)
    reg = regressor(l2=0.01).fit(X, y)
    quantiles = reg.predict_quantiles(X)
    model = reg.model_
    assert_allclose(model.predict(X, verbose=0), quantiles, rtol=1e-5)
    penalty = float(keras.ops.convert_to_numpy(sum(model.losses)))
    assert model.evaluate(X, y, verbose=0) == pytest.approx(mean_loss(y, quantiles) + penalty, rel=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
    before = model.evaluate(X, y, verbose=0)
    model.fit(X, y, epochs=3, verbose=0)
    assert model.evaluate(X, y, verbose=0) < before


def test_keras_loss_of_predictions_for_other_quantiles_raises():
    with pytest.raises(ValueError, match=r"each of the quantiles \[0.1, 0.9\].*Got predictions of shape \(2, 1\)"):
        Pinball([0.1, 0.9])(np.zeros((2, 1)), np.zeros((2, 1)))


@settings(deadline=None)
@given(
    st.sampled_from(["float32", "float64"]).flatmap(
        lambda dtype: arrays(dtype, (5, 8), elements=st.floats(width=int(dtype[-2:]), allow_nan=False))
    ),
    st.floats(1e-150, 1e150),
    st.floats(-1e150, 1e150),
)
def test_quantiles_never_cross(outputs, scale, center):
    loss = Quantiles(tuple(LEVELS))
    targets = NumberTargets(loss, False, np.array([center, 0.0]), np.array([scale, 1.0]))
    with np.errstate(over="ignore", invalid="ignore"):
        quantiles, predictions = targets.decode_quantiles(outputs), targets.decode(outputs)
    assert quantiles.dtype == outputs.dtype
    assume(not np.isnan(quantiles).any())  # infinity minus infinity
    assert (quantiles[..., 1:] >= quantiles[..., :-1]).all()
    assert_array_equal(predictions, quantiles[..., loss.middle])
    # Each is an output of its column of y, which is in its own unit
    assert_array_equal(quantiles[:, 1], np.sort(outputs[:, 4:], axis=1))


def test_quantiles_of_an_untrained_network_cross_before_they_are_sorted():
    reg = regressor(epochs=1, learning_rate=1e-12).fit(X, Y[:, 0])
    outputs = X
    for coef, intercept in list(zip(reg.coefs_, reg.intercepts_, strict=True))[:-1]:
        outputs = np.maximum(outputs @ coef + intercept, 0)
    outputs = outputs @ reg.coefs_[-1] + reg.intercepts_[-1]
    assert (np.diff(outputs) < 0).any()
    assert_allclose(reg.predict_quantiles(X), np.sort(outputs), rtol=1e-12)
    assert reg.n_outputs_ == 4
    assert reg.out_activation_ == "linear"


def test_known_quantiles_are_found():
    rng = np.random.default_rng(0)
    features = rng.uniform(-1, 1, (3000, 1))
    spread = 1 + (features[:, 0] > 0)
    y = 500 * (3 * features[:, 0] + spread * rng.normal(size=3000))
    levels = [0.1, 0.5, 0.8]
    reg = KerasMoonRegressor((16,), loss="pinball", quantile=levels, batch_size=200, epochs=200, random_state=0)
    predicted = reg.fit(features, y).predict_quantiles([[-0.5], [0.5]]) / 500
    expected = [[-1.5], [1.5]] + np.array([[1], [2]]) * stats.norm.ppf(levels)
    assert_allclose(predicted, expected, atol=0.4)
    assert_array_equal(reg.predict(features), reg.predict_quantiles(features)[:, 1])
    assert reg.score(features, y) == r2_score(y, reg.predict(features))


def test_scaling_and_shifting_y_scales_and_shifts_the_quantiles():
    one = regressor(early_stopping=True).fit(X, Y[:, 0])
    other = regressor(early_stopping=True).fit(X, 1e4 * Y[:, 0] + 1e6)
    assert_allclose((other.predict_quantiles(X) - 1e6) / 1e4, one.predict_quantiles(X), rtol=1e-7)
    for name in ("loss", "val_loss"):
        assert_allclose(np.array(other.history_[name]) / 1e4, one.history_[name], rtol=1e-7)


def test_early_stopping_monitors_the_mean_loss_of_the_predictions():
    y = Y[:, 0]
    reg = regressor(early_stopping=True, epochs=30, n_iter_no_change=3, learning_rate=0.03).fit(X, y)
    _, held_out = split_of(reg, y, multilabel=True)
    best = mean_loss(y[held_out], reg.predict_quantiles(X[held_out]))
    assert -reg.best_validation_score_ == pytest.approx(best, rel=1e-10)
    assert min(reg.history_["val_loss"]) == pytest.approx(best, rel=1e-10)


def test_one_quantile_has_one_column():
    reg = regressor(quantile=0.8).fit(X, Y)
    assert_array_equal(reg.predict_quantiles(X), reg.predict(X)[..., np.newaxis])
    assert_array_equal(reg.quantiles_, [0.8])
    assert_array_equal(regressor(quantile=0.8).fit(X, Y[:, 0]).predict_quantiles(X).shape, (120, 1))


def test_quantiles_of_another_loss_raise():
    reg = regressor(loss="huber")
    for estimator in (reg, clone(reg).fit(X, Y)):
        assert not hasattr(estimator, "predict_quantiles")
        assert not hasattr(estimator, "quantiles_")
        with pytest.raises(AttributeError) as error:
            _ = estimator.predict_quantiles
        assert "loss='pinball', which predicts the numbers in the 'quantile' parameter" in str(error.value.__cause__)
    fitted = regressor().fit(X, Y).set_params(loss="huber", quantile=0.5)
    assert fitted.predict_quantiles(X).shape == (120, 2, 4)
    assert_array_equal(fitted.quantiles_, LEVELS)
    fitted = regressor(loss="huber").fit(X, Y).set_params(loss="pinball")
    with pytest.raises(AttributeError) as error:
        _ = fitted.predict_quantiles
    assert "Got loss='pinball', which has no effect before the next fit" in str(error.value.__cause__)


def test_unfitted_regressor_raises():
    for method in ("predict", "predict_quantiles"):
        with pytest.raises(NotFittedError):
            getattr(regressor(), method)(X)


INVALID = [
    *([], [0.5], [0.5, 0.1], [0.1, 0.1, 0.2], [0.0, 0.5], [0.5, 1.0], [0.1, np.nan], [[0.1, 0.2]]),
    *([0.1, "b"], ["0.1", "0.9"], [None], None, "0.5", 1.5),
]


@pytest.mark.parametrize("quantile", INVALID, ids=str)
def test_invalid_quantiles_raise(quantile):
    with pytest.raises(ValueError, match=r"'quantile' parameter of .* at least two such numbers in ascending order"):
        regressor(quantile=quantile).fit(X, Y)


@pytest.mark.parametrize("container", [list, tuple, np.array])
def test_quantiles_are_a_parameter_like_others(container):
    reg = regressor(quantile=container(LEVELS))
    assert reg.get_params()["quantile"] is reg.quantile
    copied = clone(reg)
    assert type(copied.quantile) is type(reg.quantile)
    fitted = copied.fit(X, Y[:, 0])
    assert_array_equal(fitted.predict_quantiles(X), regressor().fit(X, Y[:, 0]).predict_quantiles(X))
    loaded = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(loaded.predict_quantiles(X), fitted.predict_quantiles(X))
    if container is not np.array:  # of which scikit-learn 1.7 makes no HTML
        assert "quantile" in loaded._repr_html_()
    assert "0.4" in repr(loaded)


def test_search_over_quantiles():
    grid = {"quantile": [[0.1, 0.5, 0.9], [0.2, 0.5], 0.5]}
    search = GridSearchCV(regressor(epochs=2), grid, cv=2).fit(X, Y[:, 0])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_["quantile"] in grid["quantile"]


def test_training_resumes_with_other_quantiles_but_not_with_another_number_of_them():
    reg = regressor(warm_start=True).fit(X, Y)
    low = reg.predict_quantiles(X)[..., 0]
    reg.set_params(quantile=[0.7, 0.8, 0.9, 0.95], epochs=40).fit(X, Y)
    assert (reg.predict_quantiles(X)[..., 0] > low).mean() > 0.7
    for quantile in (0.5, [0.1, 0.9]):
        with pytest.raises(ValueError, match=r"'quantile' parameter must not change in length .* predicts 4 quantiles"):
            reg.set_params(quantile=quantile).fit(X, Y)
    with pytest.raises(ValueError, match=r"predicts 1 quantile\. Got \[0.1, 0.4"):
        regressor(quantile=0.5, warm_start=True).fit(X, Y).set_params(quantile=LEVELS).fit(X, Y)


@pytest.mark.trains
def test_own_layers_predict_quantiles():
    data, y = load_diabetes(return_X_y=True)
    layers = [keras.layers.Dense(8, "relu"), keras.layers.BatchNormalization()]
    options = {"loss": "pinball", "quantile": LEVELS, "epochs": 5, "random_state": 0}
    reg = KerasMoonRegressor(hidden_layers=layers, early_stopping=True, **options).fit(data, y)
    quantiles = reg.predict_quantiles(data)
    assert (np.diff(quantiles) >= 0).all()
    assert_allclose(reg.model_.predict(data, verbose=0), quantiles, rtol=1e-5)


def test_callbacks_get_a_model_of_all_quantiles():
    predicted = []

    class Predict(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            predicted.append(self.model.predict(X, verbose=0))

    for y in (Y[:, 0], Y):
        reg = regressor(callbacks=[Predict()]).fit(X, y)
        assert_allclose(predicted[-1], reg.predict_quantiles(X), rtol=1e-5)
