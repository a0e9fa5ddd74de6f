import pickle

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris, make_moons

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.training._records import RandomStreams

MOONS = make_moons(70, noise=0.2, random_state=0)


def classifier(**parameters):
    defaults = {"hidden_layer_sizes": (6,), "batch_size": 20, "epochs": 5, "random_state": 0}
    return KerasMoonClassifier(**(defaults | parameters))


def train_with_keras(clf, loss, X, targets, weight):
    """Return the weights of a Keras model trained batch by batch, from the same start in the same order."""
    streams = RandomStreams.spawn(clf.random_state)
    model = keras.Sequential(
        [keras.Input((X.shape[1],)), keras.layers.Dense(6, "relu"), keras.layers.Dense(targets.shape[1])]
    )
    model.set_weights(clf._network.initial_state(streams.weights, "float32").trainable)
    model.compile(keras.optimizers.SGD(0.1), loss=loss)
    for _ in range(clf.epochs):
        order = streams.order.permutation(len(X))
        for start in range(0, len(X), clf.batch_size):
            rows = order[start : start + clf.batch_size]
            model.train_on_batch(X[rows], targets[rows], sample_weight=weight[rows])
    return model.get_weights()


# The weighted mean of a batch is that of moonnet
OPTIONS = {"from_logits": True, "reduction": "mean_with_sample_weight"}
LOSSES = {
    "focal": lambda **options: keras.losses.BinaryFocalCrossentropy(gamma=1.5, **options),
    "smooth": lambda **options: keras.losses.BinaryCrossentropy(label_smoothing=0.2, **options),
    "categorical focal": lambda **options: keras.losses.CategoricalFocalCrossentropy(**options),
}


@pytest.mark.trains
@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_training_equals_a_keras_loop_with_sample_weights(name):
    X, y = load_iris(return_X_y=True) if name == "categorical focal" else MOONS
    X = X.astype("float32")
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X)).astype("float32")
    clf = classifier(loss=LOSSES[name](), optimizer=keras.optimizers.SGD(0.1)).fit(X, y, sample_weight=weight)
    targets = np.eye(3, dtype="float32")[y] if name == "categorical focal" else y[:, np.newaxis].astype("float32")
    expected = train_with_keras(clf, LOSSES[name](**OPTIONS), X, targets, weight)
    for ours, theirs in zip(clf._state.trainable, expected, strict=True):
        assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.trains
def test_keras_loss_of_the_default_formula_trains_the_same_network():
    X, y = MOONS
    weight = np.linspace(0, 2, len(X))
    plain = classifier(early_stopping=True).fit(X, y, sample_weight=weight)
    clf = classifier(loss=keras.losses.BinaryCrossentropy(), early_stopping=True).fit(X, y, sample_weight=weight)
    assert_allclose(clf.predict_proba(X), plain.predict_proba(X), rtol=1e-9)
    for name, values in plain.history_.items():
        assert_allclose(clf.history_[name], values, rtol=1e-6)
    target = 100 + 20 * X[:, 0]
    for loss, name in ((keras.losses.MeanSquaredError(), "squared_error"), (keras.losses.Huber(1.0), "huber")):
        options = {"hidden_layer_sizes": (6,), "epochs": 5, "random_state": 0}
        reg = KerasMoonRegressor(loss=loss, **options).fit(X, target)
        named = KerasMoonRegressor(loss=name, **options).fit(X, target)
        if name == "squared_error":  # the other is standardised by median and quartiles
            assert_allclose(reg.predict(X), named.predict(X), rtol=1e-9)
            assert_allclose(reg.history_["loss"], np.divide(named.history_["loss"], target.var()), rtol=1e-6)
        assert reg.score(X, target) > named.score(X, target) - 0.05


def test_loss_survives_clone_pickle_and_resuming():
    X, y = MOONS
    loss = keras.losses.BinaryFocalCrossentropy(gamma=3.0)
    clf = classifier(loss=loss, warm_start=True).fit(X, y)
    assert clone(clf).loss is loss
    loaded = pickle.loads(pickle.dumps(clf))
    assert loaded.loss.get_config() == loss.get_config()
    assert_array_equal(loaded.fit(X, y).predict_proba(X), classifier(loss=loss, epochs=10).fit(X, y).predict_proba(X))
    with pytest.raises(ValueError, match="'loss' parameter must not change when training is resumed"):
        clf.set_params(loss=keras.losses.BinaryFocalCrossentropy(gamma=1.0)).fit(X, y)
    reg = KerasMoonRegressor(loss=keras.losses.LogCosh(), epochs=2, warm_start=True).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="'loss' parameter must not change when training is resumed"):
        reg.set_params(loss="huber").fit(X, X[:, 0])


def test_model_predicts_probabilities_with_the_loss():
    X, y = MOONS
    clf = classifier(loss=keras.losses.BinaryFocalCrossentropy(from_logits=True)).fit(X, y)
    model = clf.model_
    assert_allclose(model.predict(X, verbose=0)[:, 0], clf.predict_proba(X)[:, 1], rtol=1e-5)
    loss, accuracy = model.evaluate(X, y, verbose=0)
    scored = classifier(loss=keras.losses.BinaryFocalCrossentropy(), warm_start=True)
    last = scored.fit(X, y, X_val=X, y_val=y).history_["val_loss"][-1]
    assert loss == pytest.approx(last, rel=1e-4)
    assert accuracy == pytest.approx(clf.score(X, y))
    clf.set_params(loss=keras.losses.CategoricalCrossentropy())  # takes effect in the next fit
    assert clf.out_activation_ == "sigmoid"
    assert clf.model_.evaluate(X, y, verbose=0)[0] == loss


@keras.saving.register_keras_serializable("test_losses")
class Forgetful(keras.losses.Loss):
    def __init__(self, gamma=2.0, **options):
        super().__init__(**options)
        self.gamma = gamma

    def call(self, y_true, y_pred):
        return self.gamma * keras.ops.sum(keras.ops.square(y_true - y_pred), axis=-1)


@keras.saving.register_keras_serializable("test_losses")
class FromMean(keras.losses.Loss):
    """Compares the samples of a batch."""

    def call(self, y_true, y_pred):
        error = keras.ops.mean(y_true - y_pred, axis=-1)
        return keras.ops.square(error - keras.ops.mean(error))


def test_loss_that_compares_samples_sees_no_padding():
    X, y = np.random.default_rng(0).normal(size=(2, 60))
    reg = KerasMoonRegressor((), loss=FromMean(), epochs=1, batch_size=50, learning_rate=1e-12, shuffle=False)
    reg.fit(X[:, np.newaxis], y)
    errors = (y - reg.predict(X[:, np.newaxis])) / y.std()
    expected = np.average([errors[:50].var(), errors[50:].var()], weights=[50, 10])
    assert reg.history_["loss"][0] == pytest.approx(expected, rel=1e-5)


def test_loss_that_is_defined_again_is_the_new_one():
    def fit(factor):
        @keras.saving.register_keras_serializable("test_losses", name="again")
        class Scaled(keras.losses.Loss):
            def call(self, y_true, y_pred):
                return factor * keras.ops.sum(keras.ops.square(y_true - y_pred), axis=-1)

        return classifier(loss=Scaled(name="scaled"), epochs=1, learning_rate=1e-12).fit(*MOONS).loss_

    assert fit(10.0) == pytest.approx(10 * fit(1.0), rel=1e-5)


@pytest.mark.parametrize("delta", [0.01, 1.0, 100.0])
def test_settings_that_keras_does_not_serialize_are_kept(delta):
    X, y = MOONS[0], MOONS[0][:, 0]
    options = {"hidden_layer_sizes": (6,), "epochs": 1, "learning_rate": 1e-12, "random_state": 0}
    reg = KerasMoonRegressor(loss=keras.losses.Huber(delta=delta), **options)
    reg = pickle.loads(pickle.dumps(reg)).fit(X, y)
    error = np.abs(y - reg.predict(X)) / y.std()
    expected = np.where(error <= delta, error**2 / 2, delta * (error - delta / 2)).mean()
    assert reg.loss_ == pytest.approx(expected, rel=1e-5)


@keras.saving.register_keras_serializable("test_losses")
class OfOneSample(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.ops.sum(keras.ops.square(y_true - y_pred))


class Unregistered(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.ops.sum(keras.ops.square(y_true - y_pred), axis=-1)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("binary_crossentropy", "keras.losses.Loss; without it, .* cross-entropy. Got 'binary_crossentropy' instead"),
        (keras.losses.Hinge, r"must be an instance of keras.losses.Loss\. Got the class Hinge: write Hinge\(\.\.\.\)"),
        (keras.losses.binary_crossentropy, "Got <function .* instead: make it the call method of a subclass"),
        (keras.losses.SparseCategoricalCrossentropy(), "of one-hot rows, such as CategoricalCrossentropy"),
        (OfOneSample(), r"a loss for each sample\. Got a OfOneSample, which returns the shape \(\) for 20 samples"),
        (
            Forgetful(gamma=5.0),
            "get_config method of a Forgetful in 'loss'.*Got a copy without gamma=5.0",
        ),
        (keras.losses.CategoricalFocalCrossentropy(), "of sigmoid units.*for two classes.*Got a CategoricalFocal"),
        (Unregistered(), "register a class or function of your own with @keras.saving.register_keras_serializable"),
    ],
)
def test_invalid_losses_raise(loss, message):
    with pytest.raises(ValueError, match=message):
        classifier(loss=loss).fit(*MOONS)


def test_regressor_names_its_losses():
    with pytest.raises(ValueError, match="Got 'mse', which is 'squared_error' here"):
        KerasMoonRegressor(loss="mse").fit(*MOONS)
    with pytest.raises(ValueError, match="Got 'quantile', which is 'pinball' here"):
        KerasMoonRegressor(loss="quantile").fit(*MOONS)
    with pytest.raises(ValueError, match=r"'pinball'\], or an instance of keras.losses.Loss. Got 'log_cosh' instead"):
        KerasMoonRegressor(loss="log_cosh").fit(*MOONS)
    with pytest.raises(ValueError, match=r"Got the class LogCosh: write LogCosh\(...\)"):
        KerasMoonRegressor(loss=keras.losses.LogCosh).fit(*MOONS)
    with pytest.raises(
        ValueError, match=r"Got <function log_cosh at .* instead: make it the call method of a subclass"
    ):
        KerasMoonRegressor(loss=keras.losses.log_cosh).fit(*MOONS)
    for loss in (keras.losses.Poisson(), keras.losses.BinaryCrossentropy(), keras.losses.MeanSquaredLogarithmicError()):
        with pytest.raises(ValueError, match=f"a Keras loss of differences.*Got a {type(loss).__name__}"):
            KerasMoonRegressor(loss=loss).fit(*MOONS)


@keras.saving.register_keras_serializable("test_losses")
class Broken(keras.losses.Loss):
    def call(self, y_true, y_pred):
        raise KeyError("weights")


@keras.saving.register_keras_serializable("test_losses")
class WithoutResult(keras.losses.Loss):
    def call(self, y_true, y_pred):
        keras.ops.square(y_true - y_pred)


HIDDEN_LAYERS = [None, [keras.layers.Dense(3)]]


@pytest.mark.trains
@pytest.mark.parametrize("hidden_layers", HIDDEN_LAYERS, ids=["dense", "own_layers"])
@pytest.mark.parametrize("cls", [KerasMoonClassifier, KerasMoonRegressor])
def test_errors_in_a_loss_name_the_loss(cls, hidden_layers):
    def fit(loss):
        cls(loss=loss, hidden_layers=hidden_layers, epochs=1).fit(*MOONS)

    with pytest.raises(
        ValueError, match=r"^The 'loss' parameter .* Got a Broken, which raises KeyError: 'weights'"
    ) as e:
        fit(Broken())
    assert isinstance(e.value.__cause__, KeyError)
    with pytest.raises(ValueError, match=r"^The 'loss' parameter .* Got a WithoutResult, which returns None"):
        fit(WithoutResult())
    with pytest.raises(ValueError, match=r"^The 'loss' parameter .* Got a OfOneSample, which returns the shape"):
        fit(OfOneSample())
