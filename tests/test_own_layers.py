"""Networks of layers of a user's own, trained and beside Keras."""

import hashlib
import os
import pickle
import random
import sys
from contextlib import nullcontext

import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, cross_val_score

from helpers import run_python
from moonnet import HiddenLayers, KerasMoonClassifier, KerasMoonRegressor
from moonnet.training._keras_models import EngineDropout
from moonnet.training._records import RandomStreams

if keras.backend.backend() == "jax":
    import jax

BACKEND = keras.backend.backend()
N_FEATURES = 6


def data(n_samples=66, dtype="float32", n_classes=2):
    X, y = make_classification(n_samples, N_FEATURES, n_informative=4, n_classes=n_classes, random_state=0)
    X[:, 3] = np.arange(n_samples) % 5  # a category
    return X.astype(dtype), y


def residual(inputs, units=8, blocks=2, dtype=None):
    x = layers.Dense(units, dtype=dtype)(inputs)
    for _ in range(blocks):
        branch = layers.Dense(units, activation="relu", dtype=dtype)(layers.LayerNormalization(dtype=dtype)(x))
        x = layers.Add(dtype=dtype)([x, branch])
    return x


def with_embedding(inputs, dtype=None):
    category = layers.Flatten(dtype=dtype)(layers.Embedding(5, 3, dtype=dtype)(inputs[:, 3]))
    return layers.Dense(8, activation="relu", dtype=dtype)(layers.Concatenate(dtype=dtype)([inputs, category]))


def convolutional(inputs, dtype=None):
    x = layers.Reshape((N_FEATURES, 1), dtype=dtype)(inputs)
    x = layers.Conv1D(4, 3, activation="relu", dtype=dtype)(x)
    return layers.GlobalAveragePooling1D(dtype=dtype)(layers.GroupNormalization(2, dtype=dtype)(x))


# Each is a function of the dtype of its layers
ARCHITECTURES = {
    "batch normalization": lambda dtype: [
        layers.Dense(8, dtype=dtype),
        layers.BatchNormalization(dtype=dtype),
        layers.ReLU(dtype=dtype),
    ],
    "residual": lambda dtype: HiddenLayers(residual, dtype=dtype),
    "dropout": lambda dtype: [
        layers.Dense(8, activation="relu", dtype=dtype),
        layers.Dropout(0.4, seed=7, dtype=dtype),
    ],
    "embedding": lambda dtype: HiddenLayers(with_embedding, dtype=dtype),
    "convolution": lambda dtype: HiddenLayers(convolutional, dtype=dtype),
    "penalties": lambda dtype: [
        layers.Dense(
            8,
            activation="softplus",
            kernel_regularizer="l2",
            activity_regularizer=keras.regularizers.L1(0.01),
            dtype=dtype,
        ),
        layers.Dense(8, kernel_constraint=keras.constraints.MaxNorm(0.5), dtype=dtype),
    ],
}


def precision(dtype):
    return jax.enable_x64(dtype == "float64") if BACKEND == "jax" else nullcontext()


def train_with_keras(clf, hidden_layers, X, targets, dtype):
    """Return the arrays and the outputs of a Keras model after a loop by hand from the same start in the same order."""
    streams = RandomStreams.spawn(clf.random_state)
    with precision(dtype):
        inputs = keras.Input((N_FEATURES,), dtype=dtype)
        if isinstance(hidden_layers, HiddenLayers):
            hidden = hidden_layers.function(inputs, **hidden_layers.arguments)
        else:
            if BACKEND == "torch":  # where Keras's own numbers cannot be recorded
                hidden_layers = [
                    EngineDropout.from_config(layer.get_config()) if isinstance(layer, layers.Dropout) else layer
                    for layer in hidden_layers
                ]
            hidden = keras.Sequential(hidden_layers)(inputs)
        model = keras.Model(inputs, layers.Dense(targets.shape[1], dtype=dtype)(hidden))
        variables = [*model.trainable_variables, *model.non_trainable_variables]
        state = clf._network.initial_state(streams.weights, dtype)
        for variable, array in zip(variables, state.arrays, strict=True):
            variable.assign(array)
        optimizer = keras.optimizers.SGD(0.1, momentum=0.5)
        optimizer.build(model.trainable_variables)
        step = {"jax": jax_step, "tensorflow": tensorflow_step, "torch": torch_step}[BACKEND](model, optimizer)
        for _ in range(clf.epochs):
            order = streams.order.permutation(len(X))
            for start in range(0, len(X), clf.batch_size):
                rows = order[start : start + clf.batch_size]
                step(X[rows], targets[rows])
        outputs = model(X, training=False)
        return list(map(keras.ops.convert_to_numpy, variables)), keras.ops.convert_to_numpy(outputs)


def jax_step(model, optimizer):
    def loss_of(weights, others, X, y):
        outputs, others, penalties = model.stateless_call(weights, others, X, training=True, return_losses=True)
        return -(y * jax.nn.log_softmax(outputs)).sum() / len(y) + sum(penalties), others

    @jax.jit
    def step(values, X, y):
        weights, others, slots = values
        gradients, others = jax.grad(loss_of, has_aux=True)(weights, others, X, y)
        weights, slots = optimizer.stateless_apply(slots, gradients, weights)
        return weights, others, slots

    def run(X, y):
        groups = model.trainable_variables, model.non_trainable_variables, optimizer.variables
        new = step([[variable.value for variable in group] for group in groups], X, y)
        for group, values in zip(groups, new, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)

    return run


def tensorflow_step(model, optimizer):
    import tensorflow as tf

    @tf.function(jit_compile=True)  # which decides how dropout draws numbers
    def step(X, y):
        with tf.GradientTape() as tape:
            each = tf.nn.softmax_cross_entropy_with_logits(y, model(X, training=True))
            loss = tf.reduce_mean(each) + sum(model.losses)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    return step


def torch_step(model, optimizer):
    import torch

    def step(X, y):
        outputs = model(torch.from_numpy(X), training=True)
        loss = torch.nn.functional.cross_entropy(outputs, torch.from_numpy(y)) + sum(model.losses)
        variables = model.trainable_variables
        gradients = torch.autograd.grad(loss, [variable.value for variable in variables])
        with torch.no_grad():
            optimizer.apply(gradients, variables)

    return step


@pytest.mark.trains
@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_training_equals_keras(name, dtype):
    X, y = data(dtype=dtype, n_classes=3)
    clf = KerasMoonClassifier(
        hidden_layers=ARCHITECTURES[name](dtype),
        optimizer=keras.optimizers.SGD(0.1, momentum=0.5),
        batch_size=20,  # the last batch has 6 samples
        epochs=4,
        random_state=5,
    ).fit(X, y)
    expected, logits = train_with_keras(clf, ARCHITECTURES[name](dtype), X, np.eye(3, dtype=dtype)[y], dtype)
    # On JAX, Keras normalizes in float32 and averages in float32; on PyTorch, it also multiplies matrices in float32
    is_exact = BACKEND == "tensorflow" or (BACKEND == "jax" and name in ("dropout", "embedding", "penalties"))
    rtol = 1e-5 if dtype == "float32" else 1e-9 if is_exact else 1e-6
    for ours, theirs in zip(clf._state.arrays, expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert_allclose(ours, theirs, rtol=rtol, atol=rtol * max(1, np.abs(theirs).max()))
    assert_allclose(clf.decision_function(X), logits, rtol=10 * rtol, atol=10 * rtol)


def batch_normalized():
    return [layers.Dense(8), layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.2)]


def classifier(**parameters):
    defaults = {"hidden_layers": batch_normalized(), "batch_size": 20, "epochs": 6, "random_state": 3}
    return KerasMoonClassifier(**(defaults | parameters))


def assert_same_arrays(first, second):
    for ours, theirs in zip(first._state.arrays, second._state.arrays, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.trains
@pytest.mark.parametrize("early_stopping", [False, True])
def test_resuming_continues_moving_averages_and_dropout_to_the_bit(early_stopping):
    X, y = data()
    options = {"early_stopping": early_stopping, "n_iter_no_change": np.inf, "validation_fraction": 0.2}
    whole = classifier(epochs=10, **options).fit(X, y)
    resumed = classifier(epochs=6, warm_start=True, **options).fit(X, y)
    resumed = pickle.loads(pickle.dumps(resumed)).set_params(epochs=4).fit(X, y)
    assert_same_arrays(resumed, whole)
    assert resumed.history_ == whole.history_
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))


@pytest.mark.trains
def test_two_processes_give_the_same_bits():
    program = """
import hashlib
from test_own_layers import classifier, data
clf = classifier().fit(*data())
print(hashlib.sha256(b"".join(array.tobytes() for array in clf._state.arrays)).hexdigest())
"""
    expected = hashlib.sha256(
        b"".join(array.tobytes() for array in classifier().fit(*data())._state.arrays)
    ).hexdigest()
    assert run_python(program, PYTHONPATH=os.pathsep.join(sys.path)).split()[-1] == expected


@pytest.mark.trains
def test_no_random_generator_of_the_process_is_touched():
    X, y = data()
    clf = classifier(hidden_layers=HiddenLayers(residual))
    states = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    first = clf.fit(X, y)
    first.model_, first.predict(X), pickle.loads(pickle.dumps(first)).fit(X, y)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states  # noqa: NPY002
    random.seed(1)
    assert_same_arrays(clone(clf).fit(X, y), first)
    random.setstate(states[0])


def test_fits_do_not_change_the_names_of_later_layers():
    X, y = data()
    names = [layers.Dense(1).name, layers.Dropout(0.1).name]
    KerasMoonClassifier(hidden_layers=HiddenLayers(residual), epochs=1).fit(X, y).model_.predict(X, verbose=0)
    later = [layers.Dense(1).name, layers.Dropout(0.1).name]
    numbers = [[int(name.rpartition("_")[2]) if "_" in name else 0 for name in group] for group in (names, later)]
    assert numbers[1] == [number + 1 for number in numbers[0]]


@pytest.mark.trains
def test_callbacks_see_moving_averages_and_change_nothing():
    X, y = data()
    clf = classifier().fit(X, y)
    variables = []

    class Recorder(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            variables.append([keras.ops.convert_to_numpy(v) for v in self.model.non_trainable_variables])

    watched = classifier(callbacks=[Recorder()]).fit(X, y)
    assert_same_arrays(watched, clf)
    for ours, theirs in zip(variables[-1], clf._state.others, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.filterwarnings("error::UserWarning")  # JAX would warn if the model of the callbacks were in float32
def test_callbacks_change_nothing_in_float64():
    X, y = data()
    hidden = [layers.Dense(4, dtype="float64"), layers.Dropout(0.2, dtype="float64")]
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    assert_same_arrays(*(classifier(hidden_layers=hidden, callbacks=c).fit(X, y) for c in (None, [callback])))


@pytest.mark.trains
def test_model_predicts_like_the_estimator():
    X, y = data()
    clf = classifier().fit(X, y)
    assert_allclose(clf.model_.predict(X, verbose=0)[:, 0], clf.predict_proba(X)[:, 1], rtol=1e-5, atol=1e-6)
    reg = KerasMoonRegressor(hidden_layers=batch_normalized(), epochs=3, random_state=0).fit(X, 1000 + 50 * X[:, 0])
    assert_allclose(reg.model_.predict(X, verbose=0)[:, 0], reg.predict(X), rtol=1e-5)


@pytest.mark.trains
@pytest.mark.parametrize("noise_shape", [None, (None, 1)])
def test_dropout_of_the_engine_keeps_the_mean(noise_shape):
    layer = EngineDropout(0.25, noise_shape=noise_shape, seed=1)
    inputs = keras.ops.ones((200, 100))
    outputs = [keras.ops.convert_to_numpy(layer(inputs, training=True)) for _ in range(2)]
    assert not np.array_equal(*outputs)
    for array in outputs:
        assert set(np.unique(array)) == {0, np.float32(1 / 0.75)}
        n_masks = 200 if noise_shape else array.size
        assert abs((array == 0).mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / n_masks)
        assert (np.ptp(array, axis=1) == 0).all() == bool(noise_shape)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(inputs)), 1)


def test_index_that_an_embedding_lacks_raises_in_fit():
    X, y = data()
    X[7, 3] = 5
    clf = classifier(hidden_layers=HiddenLayers(with_embedding))
    with pytest.raises(ValueError, match=r"must be integers from 0 to 4.*Got"):
        clf.fit(X, y)


def test_unit_of_y_may_need_more_digits_than_the_layers_have():
    X, _ = data(dtype="float64")
    y = 1e8 + 3 * X[:, 0]
    options = {"hidden_layers": [layers.Dense(8, activation="relu")], "epochs": 60, "random_state": 0}
    reg = KerasMoonRegressor(**options).fit(X, y)
    assert reg.predict(X).dtype == np.float64
    assert reg.score(X, y) > 0.8
    assert KerasMoonRegressor(**options).fit(X, X[:, 0] * 1e39).score(X, X[:, 0] * 1e39) > 0.8


def test_resumed_history_of_a_regressor_is_that_of_one_fit():
    X, _ = data(dtype="float64")
    y, weight = X[:, 0] + 0.1, np.linspace(0.3, 2, len(X))
    options = {"hidden_layers": [layers.Dense(4, "relu")], "early_stopping": True, "n_iter_no_change": np.inf}
    whole = KerasMoonRegressor(epochs=10, random_state=0, **options).fit(X, y, weight)
    resumed = KerasMoonRegressor(epochs=6, random_state=0, warm_start=True, **options).fit(X, y, weight)
    assert resumed.set_params(epochs=4).fit(X, y, weight).history_ == whole.history_


def test_nested_models_predict_like_their_keras_model():
    def nested(inputs):
        block = keras.Sequential([layers.Dense(8), layers.BatchNormalization()])
        return layers.Add()([block(inputs), layers.Dense(8)(inputs)])

    X, y = data()
    for hidden in ([keras.Sequential(batch_normalized()), layers.Dense(3)], HiddenLayers(nested)):
        clf = classifier(hidden_layers=hidden).fit(X, y)
        assert clf._network.predicts_in_numpy
        assert_allclose(clf.model_.predict(X, verbose=0)[:, 0], clf.predict_proba(X)[:, 1], rtol=1e-5, atol=1e-6)


def test_best_epoch_has_its_moving_averages():
    X, y = data()
    options = {"X_val": X[:20], "y_val": y[:20]}
    clf = classifier(early_stopping=True, n_iter_no_change=np.inf, learning_rate=0.3, epochs=12).fit(
        X[20:], y[20:], **options
    )
    assert clf.best_iteration_ < 12
    shorter = classifier(learning_rate=0.3, epochs=clf.best_iteration_).fit(X[20:], y[20:])
    assert_same_arrays(clf, shorter)


def test_zero_weights_equal_absence_also_in_batch_statistics():
    X, y = data()
    weight = np.ones(len(X))
    weight[::5] = 0
    weighted = classifier().fit(X, y, sample_weight=weight)
    assert_same_arrays(weighted, classifier().fit(X[weight > 0], y[weight > 0]))


def test_validation_loss_has_the_penalties_of_weights():
    X, y = data()

    def fit(**options):
        hidden = [layers.Dense(8, activation="tanh", **options)]
        return classifier(hidden_layers=hidden, epochs=1, learning_rate=1e-9).fit(X, y, X_val=X, y_val=y)

    clf = fit(kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2), bias_initializer="ones")
    kernel = clf._state.trainable[0]
    penalty = 0.1 * np.abs(kernel).sum() + 0.2 * np.square(kernel).sum()
    plain = fit(bias_initializer="ones")
    assert_allclose(clf.history_["val_loss"][0] - plain.history_["val_loss"][0], penalty, rtol=1e-4)
    assert_allclose(clf.history_["loss"][0] - plain.history_["loss"][0], penalty, rtol=1e-4)


@keras.saving.register_keras_serializable("test_own_layers")
class WithoutGradient(layers.Layer):
    def call(self, inputs):
        raise TypeError("It has no gradient.")

    def compute_output_shape(self, shape):
        return shape


@pytest.mark.trains
def test_layers_that_cannot_be_compiled_raise_one_error():
    X, y = data()
    with pytest.raises(ValueError, match=rf"{BACKEND}.*Got a .*\[Dense, WithoutGradient\].*TypeError: It has no grad"):
        classifier(hidden_layers=[layers.Dense(3), WithoutGradient()]).fit(X, y)
    classifier(epochs=1).fit(X, y)  # as if nothing had happened


def test_no_hidden_layer_predicts_in_numpy():
    X, y = data()
    clf = classifier(hidden_layers=[]).fit(X, y)
    kernel, bias = clf._state.trainable
    assert_allclose(clf.decision_function(X), (X @ kernel + bias)[:, 0], rtol=1e-5, atol=1e-6)
    assert clf._network.predicts_in_numpy


def test_search_over_arguments_of_a_function():
    X, y = data()
    clf = classifier(hidden_layers=HiddenLayers(residual, blocks=1), epochs=2)
    search = GridSearchCV(clf, {"hidden_layers__units": [3, 5]}, cv=2).fit(X, y)
    assert search.best_estimator_.hidden_layers.arguments["units"] in (3, 5)
    assert "units" not in clf.hidden_layers.arguments  # clones have arguments of their own
    scores = search.cv_results_["mean_test_score"]
    expected = [cross_val_score(clone(clf).set_params(hidden_layers__units=units), X, y, cv=2) for units in (3, 5)]
    np.testing.assert_array_equal(scores, np.mean(expected, axis=1))
