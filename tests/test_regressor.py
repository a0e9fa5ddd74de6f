"""KerasMoonRegressor: losses, units of y, fitted attributes, validation, callbacks and errors."""

import copy
import inspect
import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, special
from sklearn.base import clone, is_regressor
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import (
    mean_absolute_error,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
    median_absolute_error,
    r2_score,
)
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from helpers import is_plain, run_python
from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet._keras import keras
from moonnet.losses._regression import REGRESSION_LOSSES as LOSSES

pytestmark = pytest.mark.trains


def regressor(**parameters):
    return KerasMoonRegressor(**({"hidden_layer_sizes": (7, 5), "epochs": 8, "random_state": 3} | parameters))


def positive_targets(n=120, n_outputs=1):
    """Return X, and positive y that depends on X."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    y = np.exp(1 + X[:, :1] / 2 + 0.3 * rng.normal(size=(n, n_outputs))) * [1, 20, 300][:n_outputs]
    return X, y[:, 0] if n_outputs == 1 else y


@pytest.fixture(scope="module")
def fitted_regressor():
    """A fitted regressor with its X and y; shared, so do not change it."""
    X, y = positive_targets()
    return regressor().fit(X, y), X, y


# The metric of y and predictions that equals the loss, in the unit of y
LOSS_METRICS = {
    "squared_error": mean_squared_error,
    "absolute_error": mean_absolute_error,
    "poisson": lambda y, predicted: mean_poisson_deviance(np.ravel(y), np.ravel(predicted)) / 2,
    "pinball": lambda y, predicted: mean_pinball_loss(y, predicted, alpha=0.8),
}


def noisy_sine():
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (200, 1))
    return X, np.sin(2 * X[:, 0]) + 0.1 * rng.normal(size=200)


@pytest.mark.slow
@pytest.mark.parametrize(
    "load",
    [partial(load_diabetes, return_X_y=True), partial(make_friedman1, 500, noise=1, random_state=0), noisy_sine],
    ids=["diabetes", "friedman1", "sine"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_mean_r2_exceeds_that_of_mlpregressor(load):
    X, y = load()

    def score(network, seed):
        model = make_pipeline(StandardScaler(), network(hidden_layer_sizes=(50, 20), random_state=seed))
        return cross_val_score(model, X, y, cv=KFold(shuffle=True, random_state=seed)).mean()

    ours, theirs = (
        np.mean([score(network, seed) for seed in range(3)]) for network in (KerasMoonRegressor, MLPRegressor)
    )
    assert ours > theirs


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "pinball"])
def test_loss_determines_whether_mean_median_or_quantile_is_predicted(loss):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (3000, 1))
    noise = rng.exponential(size=3000)  # of mean 1, median log 2, and quantile 0.9 log 10
    reg = KerasMoonRegressor((16,), loss=loss, quantile=0.9, learning_rate=0.01, epochs=60, random_state=0)
    predicted = reg.fit(X, 500 * (3 * X[:, 0] + noise)).predict([[-0.5], [0.5]]) / 500
    above = {"squared_error": 1, "absolute_error": np.log(2), "pinball": np.log(10)}[loss]
    assert_allclose(predicted, [-1.5 + above, 1.5 + above], atol=0.2 if loss != "pinball" else 0.4)


def test_poisson_loss_has_a_log_link():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (3000, 1))
    y = rng.poisson(np.exp(3 * X[:, 0]))
    reg = KerasMoonRegressor((), loss="poisson", learning_rate=0.01, random_state=0).fit(X, y)
    assert reg.out_activation_ == "exponential"
    assert_allclose([reg.coefs_[0][0, 0], reg.intercepts_[0][0]], [3, 0], atol=0.1)
    assert (reg.predict(X) > 0).all()
    assert_allclose(reg.predict(X), np.exp(X @ reg.coefs_[0] + reg.intercepts_[0])[:, 0], rtol=1e-12)


def test_outliers_affect_squared_error_but_not_robust_losses():
    X = np.random.default_rng(0).uniform(-1, 1, (400, 1))
    y = X[:, 0].copy()
    y[::20] += 1000
    error = {
        loss: median_absolute_error(X[:, 0], KerasMoonRegressor(loss=loss, random_state=0).fit(X, y).predict(X))
        for loss in ("huber", "absolute_error", "squared_error")
    }
    assert error["huber"] < 0.1
    assert error["absolute_error"] < 0.1
    assert error["squared_error"] > 1


@pytest.mark.parametrize("loss", LOSSES)
def test_scaling_and_shifting_y_changes_only_the_unit_of_the_results(loss):
    X, y = positive_targets()
    offset = 0.0 if loss == "poisson" else 1e6
    one = regressor(loss=loss, early_stopping=True).fit(X, y)
    other = regressor(loss=loss, early_stopping=True).fit(X, 1e4 * y + offset)
    assert other.n_iter_ == one.n_iter_
    assert_allclose((other.predict(X) - offset) / 1e4, one.predict(X), rtol=1e-7)
    power = 1 if loss in ("absolute_error", "pinball", "poisson") else 2
    for name in ("loss", "val_loss"):
        assert_allclose(np.array(other.history_[name]) / 1e4**power, one.history_[name], rtol=1e-7)
    assert_allclose(other.score(X, 1e4 * y + offset), one.score(X, y), rtol=1e-7)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("loss", LOSSES)
def test_keras_model_predicts_and_evaluates_in_the_unit_of_y(loss, n_outputs):
    X, y = positive_targets(n_outputs=n_outputs)
    y = y / y.mean(axis=0) * 50  # same scale, because Keras's losses are not standardized
    reg = regressor(loss=loss, quantile=0.8, l2=0.01).fit(X, y, X_val=X, y_val=y)
    model = reg.model_
    assert_allclose(model.predict(X, verbose=0).reshape(y.shape), reg.predict(X), rtol=1e-4)
    loss_of_model = model.evaluate(X, y, verbose=0)
    if loss == "poisson":
        loss_of_model += np.mean(special.xlogy(y, y) - y)  # scikit-learn's deviance is 0 if predictions equal y
    # With several outputs, their standard deviations differ slightly
    assert_allclose(reg.history_["val_loss"][-1], loss_of_model, rtol=1e-4 if n_outputs == 1 else 0.05)


@pytest.mark.parametrize("loss", LOSSES)
def test_saved_keras_model_loads_and_can_be_trained_further(loss, tmp_path):
    X, y = positive_targets()
    reg = regressor(loss=loss, quantile=0.8).fit(X, y)
    model = reg.model_
    model.save(tmp_path / "model.keras")
    with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):  # model_ has a new one
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (loaded.predict(X, verbose=0) == model.predict(X, verbose=0)).all()
    before = loaded.evaluate(X, y, verbose=0)
    assert before == pytest.approx(model.evaluate(X, y, verbose=0))
    loaded.fit(X, y, epochs=3, verbose=0)
    assert loaded.evaluate(X, y, verbose=0) < before


@pytest.mark.slow
def test_keras_models_with_moonnet_losses_load_in_another_process(tmp_path):
    X, y = positive_targets(n_outputs=2)
    quantiles = regressor(loss="pinball", quantile=[0.1, 0.5, 0.9]).fit(X, y).model_
    models = [*(regressor(loss=loss, quantile=0.8).fit(X, y).model_ for loss in ("huber", "pinball")), quantiles]
    paths = [str(tmp_path / name) for name in ("huber.keras", "pinball.keras", "quantiles.keras")]
    for path, model in zip(paths, models, strict=True):
        model.save(path)
    np.savez(tmp_path / "data.npz", X=X, y=y)
    program = """
import sys, warnings
import numpy as np
import keras
warnings.simplefilter("ignore")
data = np.load(sys.argv[1])
predicted = keras.saving.load_model(sys.argv[-1], compile=False).predict(data["X"], verbose=0)
assert (np.diff(predicted) >= 0).all()
assert not any(name.startswith("moonnet") for name in sys.modules)
from moonnet.losses import Huber, Pinball
for path in sys.argv[2:]:
    print(keras.saving.load_model(path).evaluate(data["X"], data["y"], verbose=0))
"""
    printed = run_python(program, str(tmp_path / "data.npz"), *paths).split()[-3:]
    expected = [model.evaluate(X, y, verbose=0) for model in models]
    assert list(map(float, printed)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("factor", [1e60, 1e-60, [1, 1e-60]])
def test_keras_model_for_y_that_float32_cannot_represent_raises(factor):
    X, y = positive_targets()
    y = y[:, np.newaxis] * factor if isinstance(factor, list) else y * factor
    reg = regressor().fit(X, y)
    assert reg.score(X, y) == pytest.approx(regressor().fit(X, y / factor).score(X, y / factor))
    with pytest.raises(ValueError, match="overflow or underflow float32, the float type of Keras models"):
        _ = reg.model_
    with pytest.raises(ValueError, match="overflow or underflow float32, the float type of Keras models"):
        regressor(callbacks=[keras.callbacks.TerminateOnNaN()]).fit(X, y)


@pytest.mark.parametrize("loss", LOSS_METRICS)
def test_val_loss_matches_sklearn_and_the_best_epoch_is_restored(loss):
    X, y = positive_targets(200)
    parameters = {"loss": loss, "quantile": 0.8, "epochs": 25, "learning_rate": 0.1}
    reg = regressor(early_stopping=True, n_iter_no_change=30, **parameters)
    reg.fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    losses = [
        LOSS_METRICS[loss](y[60:], shorter.predict(X[60:]))
        for shorter in (regressor(**parameters | {"epochs": epochs}).fit(X[:60], y[:60]) for epochs in range(1, 26))
    ]
    assert_allclose(reg.history_["val_loss"], losses, rtol=1e-9)
    assert 0 < np.argmin(losses) < 24
    assert_allclose(LOSS_METRICS[loss](y[60:], reg.predict(X[60:])), min(losses), rtol=1e-12)


def test_tol_applies_to_the_loss_of_standardized_y():
    X, y = positive_targets(200)
    epochs = {
        tol: [
            regressor(early_stopping=True, n_iter_no_change=3, epochs=200, tol=tol).fit(X, unit * y).n_iter_
            for unit in (1, 1e-6, 1e9)
        ]
        for tol in (1e-4, 0.05)
    }
    assert all(len(set(n_epochs)) == 1 for n_epochs in epochs.values())
    assert epochs[0.05][0] < epochs[1e-4][0]


def test_early_stopping_with_scoring_restores_the_epoch_of_highest_score():
    X, y = positive_targets(200)
    reg = regressor(early_stopping=True, scoring="neg_median_absolute_error", epochs=30, learning_rate=0.05)
    reg.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    assert_allclose(median_absolute_error(y[100:], reg.predict(X[100:])), -max(reg.history_["val_score"]), rtol=1e-12)


def test_early_stopping_holds_out_samples():
    X, y = positive_targets()
    reg = regressor(early_stopping=True, validation_fraction=0.25).fit(X, y)
    assert len(reg.history_["val_loss"]) == reg.n_iter_
    assert set(reg.history_) == {"loss", "val_loss"}


def test_fitted_attributes(fitted_regressor):
    reg, X, y = fitted_regressor
    assert is_regressor(reg)
    assert [coef.shape for coef in reg.coefs_] == [(3, 7), (7, 5), (5, 1)]
    assert [intercept.shape for intercept in reg.intercepts_] == [(7,), (5,), (1,)]
    assert set(reg.history_) == {"loss"}
    assert len(reg.history_["loss"]) == reg.n_iter_ == 8
    assert reg.loss_ == reg.history_["loss"][-1]
    assert (reg.n_layers_, reg.n_outputs_) == (4, 1)
    assert reg.out_activation_ == reg.model_.layers[-1].activation.__name__ == "linear"
    assert reg.score(X, y) == r2_score(y, reg.predict(X))
    hidden = X
    for coef, intercept in zip(reg.coefs_[:-1], reg.intercepts_[:-1], strict=True):
        hidden = np.maximum(hidden @ coef + intercept, 0)
    assert_allclose(reg.predict(X), (hidden @ reg.coefs_[-1] + reg.intercepts_[-1])[:, 0], rtol=1e-12)
    assert not hasattr(reg, "predict_proba")
    assert not hasattr(reg, "classes_")


def test_pickled_state_consists_of_arrays_and_plain_values(fitted_regressor):
    assert all(map(is_plain, fitted_regressor[0].__getstate__().values()))


def test_outputs_of_different_scales_are_all_learned():
    X, y = positive_targets(n_outputs=3)
    reg = regressor(epochs=60, learning_rate=0.01).fit(X, y)
    assert reg.predict(X).shape == (120, 3)
    assert reg.score(X, y) == pytest.approx(np.mean([r2_score(y[:, i], reg.predict(X)[:, i]) for i in range(3)]))
    # The scales of the outputs differ by a factor of up to 300
    assert min(r2_score(y[:, i], reg.predict(X)[:, i]) for i in range(3)) > 0.5
    # Each output is standardized separately
    other = regressor(epochs=60, learning_rate=0.01).fit(X, y * [1e-6, 1, 1e6])
    assert_allclose(other.predict(X) / [1e-6, 1, 1e6], reg.predict(X), rtol=1e-6)


def test_column_vector_y_warns_and_equals_1d_y(fitted_regressor):
    reg, X, y = fitted_regressor
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        other = clone(reg).fit(X, y[:, np.newaxis])
    assert (other.predict(X) == reg.predict(X)).all()


@pytest.mark.parametrize(
    "kind", [list, pd.Series, lambda y: y.astype(object), lambda y: y.astype("float32"), sparse.csr_array, pd.DataFrame]
)
def test_y_in_any_container_or_dtype_gives_the_same_predictions(kind):
    X, y = positive_targets()
    y = np.round(y, 2).astype("float32").astype(float)
    expected = regressor().fit(X, y).predict(X)
    if kind in (sparse.csr_array, pd.DataFrame):
        with pytest.warns(DataConversionWarning):
            found = regressor().fit(X, kind(y[:, np.newaxis])).predict(X)
    else:
        found = regressor().fit(X, kind(y)).predict(X)
    assert (found == expected).all()


def test_integer_and_boolean_y_equal_float_y():
    X, y = positive_targets()
    for converted in (y.astype(int), y > 3):
        reg = regressor().fit(X, converted)
        assert reg.predict(X).dtype == float
        assert (reg.predict(X) == regressor().fit(X, converted.astype(float)).predict(X)).all()


def test_weights_and_predictions_have_the_dtype_of_x():
    X, y = positive_targets()
    narrow = regressor().fit(X.astype("float32"), 1e4 * y + 1e6)
    assert {array.dtype for array in (*narrow.coefs_, *narrow.intercepts_)} == {np.dtype("float32")}
    assert narrow.predict(X).dtype == np.float32
    wide = regressor().fit(X, 1e4 * y + 1e6)
    # y is standardized in float64, so that the offset of 1e6 costs digits only in predictions
    assert_allclose(narrow.predict(X), wide.predict(X), atol=1.0)


@pytest.mark.parametrize("loss", LOSSES)
def test_constant_y_is_predicted(loss):
    X, _ = positive_targets()
    reg = KerasMoonRegressor(loss=loss, epochs=100, random_state=0).fit(X, np.full(len(X), 4e5))
    assert_allclose(reg.predict(X), 4e5, rtol=1e-5 if loss != "poisson" else 0.3)
    assert all(np.isfinite(reg.history_["loss"]))


def test_sparse_and_dense_x_give_equal_predictions():
    X, y = positive_targets()
    X[np.abs(X) < 1] = 0
    dense = regressor().fit(X, y).predict(X)
    assert_allclose(regressor().fit(sparse.csr_array(X), y).predict(sparse.csr_array(X)), dense, rtol=1e-9)


def test_callbacks_get_predictions_and_losses_in_the_unit_of_y():
    X, y = positive_targets()
    y = 1e4 * y + 1e6
    records = []

    class Recorder(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            predicted = self.model.predict(X, verbose=0)[:, 0]
            records.append((predicted, logs["loss"], self.model.evaluate(X, y, verbose=0)))

    reg = regressor(callbacks=[Recorder()], l2=0.01, shuffle=False).fit(X, y, X_val=X, y_val=y)
    assert_allclose(records[-1][0], reg.predict(X), rtol=1e-5)
    assert [loss for _, loss, _ in records] == reg.history_["loss"]
    assert_allclose([loss for _, _, loss in records], reg.history_["val_loss"], rtol=1e-3)
    without_callbacks = regressor(l2=0.01, shuffle=False).fit(X, y)
    assert (reg.predict(X) == without_callbacks.predict(X)).all()


def test_weights_changed_in_on_train_end_are_used():
    class Zero(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            self.model.set_weights([0 * weight for weight in self.model.get_weights()])

    X, y = positive_targets()
    reg = regressor(callbacks=[Zero()]).fit(X, y)
    assert_allclose(reg.predict(X), y.mean(), rtol=1e-12)


def test_progress_output_shows_the_loss_in_the_unit_of_y(capsys):
    X, y = positive_targets()
    reg = regressor(verbose=2, epochs=1).fit(X, y)
    assert capsys.readouterr().out == f"Epoch 1/1 - loss: {reg.history_['loss'][0]:.4f}\n"
    large = regressor(verbose=2, epochs=1).fit(X, 1000 * y)
    assert capsys.readouterr().out == f"Epoch 1/1 - loss: {large.history_['loss'][0]:.4e}\n"
    assert large.history_["loss"][0] / reg.history_["loss"][0] == pytest.approx(1e6)


def test_set_params_after_fit_does_not_change_predictions(fitted_regressor):
    reg, X, y = fitted_regressor
    reg = clone(reg).fit(X, y)
    before = reg.predict(X)
    reg.set_params(loss="poisson", activation="tanh", hidden_layer_sizes=(3,), l2=5.0)
    assert (reg.predict(X) == before).all()
    assert_allclose(reg.model_.predict(X, verbose=0)[:, 0], before, rtol=1e-4)


def test_resuming_with_another_loss_or_number_of_outputs_raises(fitted_regressor):
    reg, X, y = fitted_regressor
    reg = clone(reg).set_params(warm_start=True).fit(X, y)
    before = reg.predict(X)
    for call in (reg.fit, reg.partial_fit):
        reg.set_params(loss="huber")
        with pytest.raises(ValueError, match=r"'loss' .* must be 'squared_error'\. Got 'huber'"):
            call(X, y)
        reg.set_params(loss="squared_error")
        with pytest.raises(
            ValueError, match=r"y must contain one number per sample\. Got an array of shape \(120, 2\)"
        ):
            call(X, np.column_stack([y, y]))
    assert (reg.predict(X) == before).all()


def test_warm_start_resumes_from_weights_changed_by_the_user(fitted_regressor):
    reg, X, y = fitted_regressor
    reg = clone(reg).set_params(warm_start=True, learning_rate=1e-12, epochs=1).fit(X, y)
    reg.coefs_ = [0.5 * coef for coef in reg.coefs_]
    changed = reg.predict(X)
    assert_allclose(reg.fit(X, y).predict(X), changed, rtol=1e-6)


def test_warm_start_after_early_stopping_resumes_from_weights_changed_by_the_user():
    X, y = positive_targets()
    reg = regressor(early_stopping=True, warm_start=True, learning_rate=0.1, epochs=30).fit(X, y)
    assert reg.best_iteration_ < reg.n_iter_
    reg.set_params(early_stopping=False, learning_rate=1e-12, epochs=1)
    unchanged = copy.deepcopy(reg)
    unchanged.coefs_ = reg.coefs_
    assert unchanged.fit(X, y).predict(X).tobytes() == copy.deepcopy(reg).fit(X, y).predict(X).tobytes()
    reg.coefs_ = [0.5 * coef for coef in reg.coefs_]
    changed = reg.predict(X)
    assert_allclose(reg.fit(X, y).predict(X), changed, rtol=1e-6)


def from_state_of_version_0_1(reg, **changed):
    """Return a regressor as a pickle of version 0.1 restores it, with these attributes changed by the user."""
    state = reg.__getstate__()
    trainable, activation = state.pop("_state")["trainable"], state.pop("_network")["activation"]
    trained_with = state["_trained_with"]
    old = {
        "activation": activation,
        "l2": trained_with["l2"],
        "dropout": trained_with["dropout"],
        "targets": trained_with["targets"] | {"loss_name": trained_with["loss"], "quantile": trained_with["quantile"]},
        "output_layer": trainable[-2:],
    }
    restored = KerasMoonRegressor.__new__(KerasMoonRegressor)
    weights = {"coefs_": reg.coefs_, "intercepts_": reg.intercepts_}
    restored.__setstate__({**state, "_trained_with": old, **weights, **changed})
    return restored


def test_error_of_a_failing_scorer_names_the_parameter():
    X, y = positive_targets()
    with pytest.raises(AttributeError) as raised:
        regressor(early_stopping=True, scoring="roc_auc").fit(X, y)
    assert raised.value.__notes__ == [
        "This was raised by the 'scoring' parameter, 'roc_auc', for the validation set of 12 samples."
    ]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"loss": "mse"}, r"'loss' parameter of KerasMoonRegressor .*'squared_error'.* Got 'mse'"),
        ({"loss": None}, r"'loss' .* Got None"),
        ({"quantile": 0.0}, r"'quantile' .* number in \(0, 1\), .*\. Got 0\.0"),
        ({"quantile": 1}, r"'quantile' .* Got 1"),
        ({"quantile": "0.5"}, r"'quantile' .* Got '0\.5'"),
        ({"hidden_layer_sizes": (0,)}, r"'hidden_layer_sizes' parameter of KerasMoonRegressor"),
        ({"activation": "rleu"}, r"'activation' parameter of KerasMoonRegressor"),
        ({"scoring": "r3"}, r"'scoring' parameter of KerasMoonRegressor"),
        ({"learning_rate": 1e9, "optimizer": "sgd", "epochs": 50}, "non-finite loss or non-finite weights"),
    ],
)
def test_invalid_parameter_raises_and_an_earlier_fit_remains(fitted_regressor, parameters, message):
    reg, X, y = fitted_regressor
    reg = clone(reg).fit(X, y)
    before = dict(vars(reg))
    with pytest.raises(ValueError, match=message):
        reg.set_params(**parameters).fit(X, y)
    assert "_state" in before
    assert all(vars(reg)[name] is value for name, value in before.items() if name not in reg.get_params(deep=False))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array(["a"] * 120), "y must contain numbers"),
        (np.full(120, np.nan), "Input y contains NaN"),
        (np.full(120, np.inf), "Input y contains infinity"),
        (np.ones((120, 2, 2)), r"y must have the shape .* Got the shape \(120, 2, 2\)"),
        (np.ones(119), "inconsistent numbers of samples"),
        (None, "requires y to be passed"),
        (np.full(120, 1e200), r"at most 1e\+150"),
    ],
    ids=["strings", "NaN", "infinity", "3-D", "too short", "None", "too large"],
)
def test_invalid_y_raises_and_an_earlier_fit_remains(fitted_regressor, y, message):
    reg, X, _ = fitted_regressor
    before = dict(vars(reg))
    for call in (reg.fit, reg.partial_fit):
        with pytest.raises(ValueError, match=message):
            call(X, y)
    assert all(vars(reg)[name] is value for name, value in before.items())


@pytest.mark.parametrize(
    ("validation_set", "message"),
    [
        ({"X_val": [[0.0] * 3]}, r"y_val must be given together with X_val\. Got None"),
        ({"X_val": [[0.0] * 3], "y_val": ["a"]}, r"y_val must contain numbers\. Got \['a'\]"),
        ({"X_val": [[0.0] * 3], "y_val": [[1.0, 2.0]]}, r"y_val must contain one number per sample"),
        ({"X_val": [[0.0] * 3], "y_val": [np.nan]}, "y_val contains NaN"),
    ],
)
def test_invalid_validation_set_raises(fitted_regressor, validation_set, message):
    reg, X, y = fitted_regressor
    with pytest.raises(ValueError, match=message):
        reg.fit(X, y, **validation_set)


def test_shared_parameters_have_the_same_docs_and_defaults():
    def parameter_docs(documented):
        text = inspect.getdoc(documented).partition("Parameters\n----------\n")[2]
        text = re.split(r"\n(?:Attributes|Returns)\n-", text)[0]
        return {part.partition(" :")[0]: part.strip() for part in re.split(r"\n\n(?=\w)", text)}

    classifier, reg = parameter_docs(KerasMoonClassifier), parameter_docs(KerasMoonRegressor)
    shared = classifier.keys() & reg.keys()
    assert len(shared) == 20
    different = {name for name in shared if classifier[name] != reg[name]}
    assert different == {
        *("hidden_layer_sizes", "l2", "loss", "validation_fraction", "scoring", "tol", "callbacks", "warm_start"),
    }
    ours, theirs = parameter_docs(KerasMoonClassifier.fit), parameter_docs(KerasMoonRegressor.fit)
    assert ours.keys() == theirs.keys()
    assert {name for name in ours if ours[name] != theirs[name]} == {"y", "y_val", "sample_weight_val"}
    signatures = [inspect.signature(cls).parameters for cls in (KerasMoonClassifier, KerasMoonRegressor)]
    assert all(signatures[0][name].default == signatures[1][name].default for name in shared - {"loss"})


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_old_pickle_of_a_regressor_predicts_and_resumes(loss):
    X, y = positive_targets()
    reg = regressor(loss=loss, epochs=2).fit(X, y)
    again = from_state_of_version_0_1(reg)
    assert again.predict(X).tobytes() == reg.predict(X).tobytes()
    assert again._targets.center == reg._targets.center
    assert again.partial_fit(X, y).coefs_[0].tobytes() == copy.deepcopy(reg).partial_fit(X, y).coefs_[0].tobytes()
    # Version 0.1 predicted with these attributes, which users could change
    for name in ("coefs_", "intercepts_"):
        halves = [array / 2 for array in getattr(reg, name)]
        changed, expected = from_state_of_version_0_1(reg, **{name: halves}), copy.deepcopy(reg)
        setattr(expected, name, halves)
        assert_allclose(changed.predict(X), expected.predict(X), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_that_are_assigned_unchanged_keep_their_bits(dtype):
    X, y = positive_targets()
    reg = regressor(epochs=2).fit(X.astype(dtype), 1e4 + y)
    again = copy.deepcopy(reg)
    again.coefs_, again.intercepts_ = reg.coefs_, reg.intercepts_
    assert again._state.equals(reg._state)
    again.coefs_ = [2 * coef for coef in reg.coefs_]
    assert_array_equal(again._state.trainable[-1], reg._state.trainable[-1])
    assert_allclose(again.coefs_[-1], 2 * reg.coefs_[-1], rtol=1e-6)


def test_writing_into_weights_never_fails_silently(fitted_regressor):
    reg, X, _ = fitted_regressor
    reg = copy.deepcopy(reg)
    before = reg.predict(X)
    for array in (reg.coefs_[-1], reg.intercepts_[-1]):
        with pytest.raises(ValueError, match="read-only"):
            array *= 2
    for array in (*reg.coefs_[:-1], *reg.intercepts_[:-1]):
        array *= 2
    assert (reg.predict(X) != before).any()


def test_weights_that_overflow_float32_in_the_unit_of_y_raise():
    X, y = positive_targets()
    with pytest.raises(ValueError, match=r"can represent\. Got numbers of about .*e\+38\. Pass X as float64"):
        regressor(learning_rate=10.0, optimizer="sgd", epochs=1).fit(X.astype("float32"), y / y.std() * 3e38)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_estimator_tags(loss):
    tags = get_tags(KerasMoonRegressor(loss=loss))
    assert tags.estimator_type == "regressor"
    assert tags.input_tags.sparse
    assert tags.classifier_tags is None
    assert not tags.regressor_tags.poor_score
    assert tags.target_tags.required
    assert tags.target_tags.multi_output
    assert tags.target_tags.positive_only == (loss == "poisson")
