import inspect
import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
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

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet._regression_losses import LOSSES
from moonnet.training._keras import keras

pytestmark = pytest.mark.trains


def regressor(**parameters):
    return KerasMoonRegressor(**({"hidden_layer_sizes": (7, 5), "epochs": 8, "random_state": 3} | parameters))


def positive(n=120, n_outputs=1):
    """Return samples, and positive numbers that depend on them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    y = np.exp(1 + X[:, :1] / 2 + 0.3 * rng.normal(size=(n, n_outputs))) * [1, 20, 300][:n_outputs]
    return X, y[:, 0] if n_outputs == 1 else y


@pytest.fixture(scope="module")
def learned():
    """Return a regressor with samples that it has learned; shared, so not to be changed."""
    X, y = positive()
    return regressor().fit(X, y), X, y


# The loss in y's own unit, of y and the prediction
IN_OWN_UNIT = {
    "squared_error": mean_squared_error,
    "absolute_error": mean_absolute_error,
    "poisson": lambda y, predicted: mean_poisson_deviance(np.ravel(y), np.ravel(predicted)) / 2,
    "pinball": lambda y, predicted: mean_pinball_loss(y, predicted, alpha=0.8),
}


def sine():
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (200, 1))
    return X, np.sin(2 * X[:, 0]) + 0.1 * rng.normal(size=200)


@pytest.mark.slow
@pytest.mark.parametrize(
    "load",
    [partial(load_diabetes, return_X_y=True), partial(make_friedman1, 500, noise=1, random_state=0), sine],
    ids=["diabetes", "friedman1", "sine"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_it_learns_at_least_as_well_as_scikit_learn_s_network(load):
    X, y = load()

    def score(network, seed):
        model = make_pipeline(StandardScaler(), network(hidden_layer_sizes=(50, 20), random_state=seed))
        return cross_val_score(model, X, y, cv=KFold(shuffle=True, random_state=seed)).mean()

    ours, theirs = (
        np.mean([score(network, seed) for seed in range(3)]) for network in (KerasMoonRegressor, MLPRegressor)
    )
    assert ours > theirs


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "pinball"])
def test_a_loss_predicts_what_it_is_minimised_by(loss):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (3000, 1))
    noise = rng.exponential(size=3000)  # of mean 1, median log 2, and quantile 0.9 log 10
    reg = KerasMoonRegressor((16,), loss=loss, quantile=0.9, learning_rate=0.01, epochs=60, random_state=0)
    predicted = reg.fit(X, 500 * (3 * X[:, 0] + noise)).predict([[-0.5], [0.5]]) / 500
    above = {"squared_error": 1, "absolute_error": np.log(2), "pinball": np.log(10)}[loss]
    assert_allclose(predicted, [-1.5 + above, 1.5 + above], atol=0.2 if loss != "pinball" else 0.4)


def test_counts_have_a_log_link():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (3000, 1))
    y = rng.poisson(np.exp(3 * X[:, 0]))
    reg = KerasMoonRegressor((), loss="poisson", learning_rate=0.01, random_state=0).fit(X, y)
    assert_allclose([reg.coefs_[0][0, 0], reg.intercepts_[0][0]], [3, 0], atol=0.1)
    assert (reg.predict(X) > 0).all()
    assert_allclose(reg.predict(X), np.exp(X @ reg.coefs_[0] + reg.intercepts_[0])[:, 0], rtol=1e-12)


def test_huber_is_hardly_moved_by_outliers():
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
def test_the_unit_of_y_changes_nothing_else(loss):
    X, y = positive()
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
def test_the_keras_model_speaks_y_s_unit(loss, n_outputs):
    X, y = positive(n_outputs=n_outputs)
    y = y / y.mean(axis=0) * 50  # of one unit, for Keras's losses weigh columns by theirs
    reg = regressor(loss=loss, quantile=0.8, l2=0.01).fit(X, y, X_val=X, y_val=y)
    model = reg.model_
    assert_allclose(model.predict(X, verbose=0).reshape(y.shape), reg.predict(X), rtol=1e-4)
    loss_of_model = model.evaluate(X, y, verbose=0)
    if loss == "poisson":
        loss_of_model += np.mean(special.xlogy(y, y) - y)  # scikit-learn's is 0 where predictions equal y
    # With several outputs, spreads and so units differ a little
    assert_allclose(reg.history_["val_loss"][-1], loss_of_model, rtol=1e-4 if n_outputs == 1 else 0.05)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_keras_model_is_saved_and_loaded_and_trains_on(loss, tmp_path):
    X, y = positive()
    reg = regressor(loss=loss, quantile=0.8).fit(X, y)
    model = reg.model_
    model.save(tmp_path / "model.keras")
    with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):  # which is new, and holds none
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (loaded.predict(X, verbose=0) == model.predict(X, verbose=0)).all()
    before = loaded.evaluate(X, y, verbose=0)
    assert before == pytest.approx(model.evaluate(X, y, verbose=0))
    loaded.fit(X, y, epochs=3, verbose=0)
    assert loaded.evaluate(X, y, verbose=0) < before


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["huber", "pinball"])
def test_another_process_loads_a_network_of_our_losses(loss, run_python, tmp_path):
    X, y = positive(n_outputs=2)
    model = regressor(loss=loss, quantile=0.8).fit(X, y).model_
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", X=X, y=y)
    program = """
import sys, warnings
import numpy as np
import moonnet.losses
import keras
warnings.simplefilter("ignore")
data = np.load(sys.argv[2])
print(keras.saving.load_model(sys.argv[1]).evaluate(data["X"], data["y"], verbose=0))
"""
    printed = run_python(program, str(tmp_path / "model.keras"), str(tmp_path / "data.npz"))
    assert float(printed.split()[-1]) == pytest.approx(model.evaluate(X, y, verbose=0), rel=1e-5)


def test_a_unit_that_keras_has_no_room_for_is_told():
    X, y = positive()
    reg = regressor().fit(X, 1e60 * y)
    assert reg.score(X, 1e60 * y) == pytest.approx(regressor().fit(X, y).score(X, y))
    with pytest.raises(ValueError, match="overflow float32, the float type of Keras models"):
        _ = reg.model_
    with pytest.raises(ValueError, match="overflow float32, the float type of Keras models"):
        regressor(callbacks=[keras.callbacks.TerminateOnNaN()]).fit(X, 1e60 * y)


@pytest.mark.parametrize("loss", IN_OWN_UNIT)
def test_validation_is_scikit_learn_s_and_the_best_epoch_is_kept(loss):
    X, y = positive(200)
    parameters = {"loss": loss, "quantile": 0.8, "epochs": 25, "learning_rate": 0.1}
    reg = regressor(early_stopping=True, n_iter_no_change=30, **parameters)
    reg.fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    losses = [
        IN_OWN_UNIT[loss](y[60:], shorter.predict(X[60:]))
        for shorter in (regressor(**parameters | {"epochs": epochs}).fit(X[:60], y[:60]) for epochs in range(1, 26))
    ]
    assert_allclose(reg.history_["val_loss"], losses, rtol=1e-9)
    assert 0 < np.argmin(losses) < 24
    assert_allclose(IN_OWN_UNIT[loss](y[60:], reg.predict(X[60:])), min(losses), rtol=1e-12)


def test_the_tolerance_is_one_of_the_standardised_y():
    X, y = positive(200)
    epochs = {
        tol: [
            regressor(early_stopping=True, n_iter_no_change=3, epochs=200, tol=tol).fit(X, unit * y).n_iter_
            for unit in (1, 1e-6, 1e9)
        ]
        for tol in (1e-4, 0.05)
    }
    assert all(len(set(numbers)) == 1 for numbers in epochs.values())
    assert epochs[0.05][0] < epochs[1e-4][0]


def test_a_score_is_maximised_where_one_is_named():
    X, y = positive(200)
    reg = regressor(early_stopping=True, scoring="neg_median_absolute_error", epochs=30, learning_rate=0.05)
    reg.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    assert_allclose(median_absolute_error(y[100:], reg.predict(X[100:])), -max(reg.history_["val_score"]), rtol=1e-12)


def test_samples_are_held_out_of_numbers_too():
    X, y = positive()
    reg = regressor(early_stopping=True, validation_fraction=0.25).fit(X, y)
    assert len(reg.history_["val_loss"]) == reg.n_iter_
    assert set(reg.history_) == {"loss", "val_loss"}


def test_learned_attributes(learned):
    reg, X, y = learned
    assert is_regressor(reg)
    assert [coef.shape for coef in reg.coefs_] == [(3, 7), (7, 5), (5, 1)]
    assert [intercept.shape for intercept in reg.intercepts_] == [(7,), (5,), (1,)]
    assert set(reg.history_) == {"loss"}
    assert len(reg.history_["loss"]) == reg.n_iter_ == 8
    assert reg.score(X, y) == r2_score(y, reg.predict(X))
    hidden = X
    for coef, intercept in zip(reg.coefs_[:-1], reg.intercepts_[:-1], strict=True):
        hidden = np.maximum(hidden @ coef + intercept, 0)
    assert_allclose(reg.predict(X), (hidden @ reg.coefs_[-1] + reg.intercepts_[-1])[:, 0], rtol=1e-12)
    assert not hasattr(reg, "predict_proba")
    assert not hasattr(reg, "classes_")


def test_fitted_state_is_arrays_and_plain_values(learned, is_plain):
    assert all(map(is_plain, vars(learned[0]).values()))


def test_several_numbers_a_sample():
    X, y = positive(n_outputs=3)
    reg = regressor(epochs=60, learning_rate=0.01).fit(X, y)
    assert reg.predict(X).shape == (120, 3)
    assert reg.score(X, y) == pytest.approx(np.mean([r2_score(y[:, i], reg.predict(X)[:, i]) for i in range(3)]))
    assert min(r2_score(y[:, i], reg.predict(X)[:, i]) for i in range(3)) > 0.5  # though units differ by 300
    # Which columns are of y's unit is a matter of the columns alone
    other = regressor(epochs=60, learning_rate=0.01).fit(X, y * [1e-6, 1, 1e6])
    assert_allclose(other.predict(X) / [1e-6, 1, 1e6], reg.predict(X), rtol=1e-6)


def test_a_column_is_taken_for_one_number_with_a_warning(learned):
    reg, X, y = learned
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        other = clone(reg).fit(X, y[:, np.newaxis])
    assert (other.predict(X) == reg.predict(X)).all()


@pytest.mark.parametrize(
    "kind", [list, pd.Series, lambda y: y.astype(object), lambda y: y.astype("float32"), sparse.csr_array]
)
def test_numbers_of_any_kind(kind):
    X, y = positive()
    y = np.round(y, 2).astype("float32").astype(float)
    expected = regressor().fit(X, y).predict(X)
    given = kind(y[:, np.newaxis]) if kind is sparse.csr_array else kind(y)
    if kind is sparse.csr_array:
        with pytest.warns(DataConversionWarning):
            found = regressor().fit(X, given).predict(X)
    else:
        found = regressor().fit(X, given).predict(X)
    assert (found == expected).all()


def test_integers_and_booleans_are_numbers():
    X, y = positive()
    for numbers in (y.astype(int), y > 3):
        reg = regressor().fit(X, numbers)
        assert reg.predict(X).dtype == float
        assert (reg.predict(X) == regressor().fit(X, numbers.astype(float)).predict(X)).all()


def test_precision_follows_the_data():
    X, y = positive()
    narrow = regressor().fit(X.astype("float32"), 1e4 * y + 1e6)
    assert {array.dtype for array in (*narrow.coefs_, *narrow.intercepts_)} == {np.dtype("float32")}
    assert narrow.predict(X).dtype == np.float32
    wide = regressor().fit(X, 1e4 * y + 1e6)
    # What is trained on was standardised in float64, so that 1e6 costs no digits until it is added
    assert_allclose(narrow.predict(X), wide.predict(X), atol=1.0)


@pytest.mark.parametrize("loss", LOSSES)
def test_numbers_that_are_all_alike_are_predicted(loss):
    X, _ = positive()
    reg = KerasMoonRegressor(loss=loss, epochs=100, random_state=0).fit(X, np.full(len(X), 4e5))
    assert_allclose(reg.predict(X), 4e5, rtol=1e-5 if loss != "poisson" else 0.3)
    assert all(np.isfinite(reg.history_["loss"]))


def test_sparse_samples_give_what_dense_ones_do():
    X, y = positive()
    X[np.abs(X) < 1] = 0
    dense = regressor().fit(X, y).predict(X)
    assert_allclose(regressor().fit(sparse.csr_array(X), y).predict(sparse.csr_array(X)), dense, rtol=1e-9)


def test_callbacks_see_y_s_unit():
    X, y = positive()
    y = 1e4 * y + 1e6
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            predicted = self.model.predict(X, verbose=0)[:, 0]
            seen.append((predicted, logs["loss"], self.model.evaluate(X, y, verbose=0)))

    reg = regressor(callbacks=[Look()], l2=0.01, shuffle=False).fit(X, y, X_val=X, y_val=y)
    assert_allclose(seen[-1][0], reg.predict(X), rtol=1e-5)
    assert [loss for _, loss, _ in seen] == reg.history_["loss"]
    assert_allclose([loss for _, _, loss in seen], reg.history_["val_loss"], rtol=1e-3)
    unwatched = regressor(l2=0.01, shuffle=False).fit(X, y)
    assert (reg.predict(X) == unwatched.predict(X)).all()


def test_a_callback_may_change_what_is_learned():
    class Zero(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            self.model.set_weights([0 * weight for weight in self.model.get_weights()])

    X, y = positive()
    reg = regressor(callbacks=[Zero()]).fit(X, y)
    assert_allclose(reg.predict(X), y.mean(), rtol=1e-12)


def test_what_is_printed_is_in_y_s_unit(capsys):
    X, y = positive()
    reg = regressor(verbose=2, epochs=1).fit(X, y)
    assert capsys.readouterr().out == f"Epoch 1/1 - loss: {reg.history_['loss'][0]:.4f}\n"
    large = regressor(verbose=2, epochs=1).fit(X, 1000 * y)
    assert capsys.readouterr().out == f"Epoch 1/1 - loss: {large.history_['loss'][0]:.4e}\n"
    assert large.history_["loss"][0] / reg.history_["loss"][0] == pytest.approx(1e6)


def test_parameters_changed_after_fit_leave_the_network_as_it_was(learned):
    reg, X, y = learned
    reg = clone(reg).fit(X, y)
    before = reg.predict(X)
    reg.set_params(loss="poisson", activation="tanh", hidden_layer_sizes=(3,), l2=5.0)
    assert (reg.predict(X) == before).all()
    assert_allclose(reg.model_.predict(X, verbose=0)[:, 0], before, rtol=1e-4)


def test_the_loss_stays_while_a_training_goes_on(learned):
    reg, X, y = learned
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


def test_weights_that_the_user_changed_are_gone_on_from(learned):
    reg, X, y = learned
    reg = clone(reg).set_params(warm_start=True, learning_rate=1e-12, epochs=1).fit(X, y)
    reg.coefs_ = [0.5 * coef for coef in reg.coefs_]
    changed = reg.predict(X)
    assert_allclose(reg.fit(X, y).predict(X), changed, rtol=1e-6)


def test_a_scorer_that_fails_names_the_parameter():
    X, y = positive()
    with pytest.raises(AttributeError) as raised:
        regressor(early_stopping=True, scoring="roc_auc").fit(X, y)
    assert raised.value.__notes__ == ["This was raised by the 'scoring' parameter, 'roc_auc'."]


def test_blocks_keep_the_unit_of_the_first():
    X, y = positive()
    reg = regressor().partial_fit(X[:60], y[:60])
    first = reg._trained_with["targets"]
    reg.partial_fit(X[60:], 100 * y[60:])
    assert (reg._trained_with["targets"]["scale"] == first["scale"]).all()
    assert_allclose(first["scale"], y[:60].std())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"loss": "mse"}, r"'loss' parameter of KerasMoonRegressor .*'squared_error'.* Got 'mse'"),
        ({"loss": None}, r"'loss' .* Got None"),
        ({"quantile": 0.0}, r"'quantile' .* \(0\.0, 1\.0\)\. Got 0\.0"),
        ({"quantile": 1}, r"'quantile' .* Got 1"),
        ({"quantile": "0.5"}, r"'quantile' .* Got '0\.5'"),
        ({"hidden_layer_sizes": (0,)}, r"'hidden_layer_sizes' parameter of KerasMoonRegressor"),
        ({"activation": "rleu"}, r"'activation' parameter of KerasMoonRegressor"),
        ({"scoring": "r3"}, r"'scoring' parameter of KerasMoonRegressor"),
        ({"learning_rate": 1e9, "optimizer": "sgd", "epochs": 50}, "non-finite loss or non-finite weights"),
    ],
)
def test_bad_parameters_are_named_and_an_earlier_fit_stays(learned, parameters, message):
    reg, X, y = learned
    reg = clone(reg).fit(X, y)
    before = dict(vars(reg))
    with pytest.raises(ValueError, match=message):
        reg.set_params(**parameters).fit(X, y)
    assert all(vars(reg)[name] is value for name, value in before.items() if name.endswith("_"))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array(["a"] * 120), "y must contain numbers"),
        (np.full(120, np.nan), "Input y contains NaN"),
        (np.full(120, np.inf), "Input y contains infinity"),
        (np.ones((120, 2, 2)), "dim 3"),
        (np.ones(119), "inconsistent numbers of samples"),
        (None, "requires y to be passed"),
        (np.full(120, 1e200), r"at most 1e\+150"),
    ],
    ids=["text", "nan", "inf", "3-D", "short", "none", "huge"],
)
def test_bad_y_is_named_and_an_earlier_fit_stays(learned, y, message):
    reg, X, _ = learned
    before = dict(vars(reg))
    for call in (reg.fit, reg.partial_fit):
        with pytest.raises(ValueError, match=message):
            call(X, y)
    assert all(vars(reg)[name] is value for name, value in before.items())


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"X_val": [[0.0] * 3]}, r"y_val must be given together with X_val\. Got None"),
        ({"X_val": [[0.0] * 3], "y_val": ["a"]}, r"y_val must contain numbers\. Got \['a'\]"),
        ({"X_val": [[0.0] * 3], "y_val": [[1.0, 2.0]]}, r"y_val must contain one number per sample"),
        ({"X_val": [[0.0] * 3], "y_val": [np.nan]}, "y_val contains NaN"),
    ],
)
def test_a_bad_validation_set_is_named(learned, own, message):
    reg, X, y = learned
    with pytest.raises(ValueError, match=message):
        reg.fit(X, y, **own)


def test_both_estimators_say_the_same_of_the_parameters_that_they_share():
    def described(documented):
        text = inspect.getdoc(documented).partition("Parameters\n----------\n")[2]
        text = re.split(r"\n(?:Attributes|Returns)\n-", text)[0]
        return {part.partition(" :")[0]: part.strip() for part in re.split(r"\n\n(?=\w)", text)}

    classifier, reg = described(KerasMoonClassifier), described(KerasMoonRegressor)
    shared = classifier.keys() & reg.keys()
    assert len(shared) == 18
    different = {name for name in shared if classifier[name] != reg[name]}
    assert different == {
        *("hidden_layer_sizes", "l2", "validation_fraction", "scoring", "tol", "callbacks", "warm_start"),
    }
    ours, theirs = described(KerasMoonClassifier.fit), described(KerasMoonRegressor.fit)
    assert ours.keys() == theirs.keys()
    assert {name for name in ours if ours[name] != theirs[name]} == {"y", "y_val", "sample_weight_val"}
    defaults = [inspect.signature(cls).parameters for cls in (KerasMoonClassifier, KerasMoonRegressor)]
    assert all(defaults[0][name].default == defaults[1][name].default for name in shared)
