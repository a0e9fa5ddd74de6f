"""Layers that do unusual things: losses, metrics and states of their own, half precision, arrays that never change."""

import pickle
import random
from contextlib import nullcontext

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_classification

from moonnet import HiddenLayers, KerasMoonClassifier
from moonnet.networks import _own_layers, resolve_hidden_layers
from moonnet.training._records import RandomStreams

X, Y = make_classification(60, 6, n_informative=4, n_classes=3, random_state=0)
X = X.astype("float32")


def classifier(hidden_layers, **parameters):
    defaults = {"batch_size": 20, "epochs": 3, "random_state": 0}
    return KerasMoonClassifier(hidden_layers=hidden_layers, **(defaults | parameters))


def register(cls):
    return keras.saving.register_keras_serializable("test_own_layers_unusual")(cls)


@register
class WithLoss(layers.Layer):
    def call(self, inputs):
        self.add_loss(0.5 * ops.mean(ops.square(inputs)))
        return inputs


@register
class WithMetric(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.mean = keras.metrics.Mean()

    def call(self, inputs):
        self.mean.update_state(inputs)
        return inputs


@register
class StepCounter(layers.Layer):
    def build(self, shape):
        self.steps = self.add_weight(shape=(), initializer="zeros", dtype="int32", trainable=False)
        self.mean = self.add_weight(shape=(shape[-1],), initializer="zeros", trainable=False)

    def call(self, inputs, training=False):
        if training:
            self.steps.assign_add(1)
            self.mean.assign(ops.mean(inputs, axis=0))
        return inputs


@register
class OwnGenerator(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.generator = keras.random.SeedGenerator()

    def call(self, inputs, training=False):
        return keras.random.dropout(inputs, 0.5, seed=self.generator) if training else inputs


def attention(inputs):
    x = layers.Dense(4)(layers.Reshape((6, 1))(inputs))
    return layers.Flatten()(layers.MultiHeadAttention(2, 3, dropout=0.1)(x, x))


def assert_predicts_like_its_model(clf, tolerance=1e-5):
    assert_allclose(clf.predict_proba(X), clf.model_.predict(X, verbose=0), rtol=tolerance, atol=tolerance)
    assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), clf.predict_proba(X))


LAYERS = {
    "attention": lambda: HiddenLayers(attention),
    "recurrent": lambda: [layers.Reshape((6, 1)), layers.Masking(), layers.LSTM(2)],
    "spectral normalization": lambda: [layers.SpectralNormalization(layers.Dense(4))],
    "noise": lambda: [layers.Dense(4), layers.GaussianNoise(0.1), layers.AlphaDropout(0.1)],
    "own generator": lambda: [layers.Dense(4), OwnGenerator()],
    "metric": lambda: [layers.Dense(4), WithMetric()],
    "nested": lambda: [keras.Sequential([layers.Dense(4), layers.BatchNormalization()]), layers.Dense(3)],
    "half precision": lambda: [
        layers.Dense(4, dtype="mixed_float16"),
        layers.BatchNormalization(dtype="mixed_float16"),
    ],
}


@pytest.mark.trains
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_two_fits_are_equal_and_predict_like_their_model(make):
    clf, other = (classifier(make()).fit(X, Y) for _ in range(2))
    for ours, theirs in zip(clf._state.arrays, other._state.arrays, strict=True):
        assert_array_equal(ours, theirs)
    assert {array.dtype.name for array in clf._state.trainable} == {"float32"}
    assert_predicts_like_its_model(clf)


def test_loss_of_a_layer_counts():
    def fit(*after):  # at a rate that changes next to nothing
        return classifier([layers.Dense(4), *after], learning_rate=1e-9, epochs=1).fit(X, Y)

    with_loss, without = fit(WithLoss()), fit()
    kernel, bias = without._state.trainable[:2]
    expected = 0.5 * np.square(X @ kernel + bias).mean()
    assert_allclose(with_loss.history_["loss"][0] - without.history_["loss"][0], expected, rtol=1e-4)


@pytest.mark.trains
def test_state_of_a_layer_follows_the_steps():
    clf = classifier([layers.Dense(4), StepCounter()], warm_start=True).fit(X[:50], Y[:50])
    assert clf._state.others[0] == 9
    assert clf._state.others[0].dtype == "int32"
    clf.fit(X[:50], Y[:50])
    assert clf._state.others[0] == 18
    one_step = classifier([layers.Dense(4), StepCounter()], batch_size=60, epochs=1).fit(X, Y)
    kernel, bias = one_step._network.initial_state(RandomStreams.spawn(0).weights, "float32").trainable[:2]
    assert_allclose(one_step._state.others[1], (X @ kernel + bias).mean(axis=0), rtol=1e-4, atol=1e-6)


def test_layer_that_is_not_trained_keeps_its_arrays():
    hidden = [layers.Dense(4, trainable=False), layers.BatchNormalization(trainable=False), layers.Dense(3)]
    clf = classifier(hidden).fit(X, Y)
    start = clf._network.initial_state(RandomStreams.spawn(0).weights, "float32")
    for ours, theirs in zip(clf._state.others, start.others, strict=True):
        assert_array_equal(ours, theirs)
    assert not np.isin(clf._state.trainable[0], start.trainable[0]).any()
    assert_predicts_like_its_model(clf)


def test_layers_follow_the_dtype_policy_under_which_they_are_made():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        hidden = [layers.Dense(4), layers.ReLU()]
        function = HiddenLayers(lambda inputs: layers.ReLU()(layers.Dense(4)(inputs)))
        from_function = classifier(function).fit(X, Y)
    finally:
        keras.config.set_dtype_policy("float32")
    clf = classifier(hidden).fit(X, Y)
    assert_array_equal(from_function.predict_proba(X), clf.predict_proba(X))
    assert clf.predict_proba(X).dtype == "float32"
    assert_predicts_like_its_model(clf)
    in_float32 = classifier([layers.Dense(4), layers.ReLU()]).fit(X, Y)
    assert np.abs(in_float32.decision_function(X) - clf.decision_function(X)).max() > 1e-4


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_float64_layers_compute_in_float64_whatever_samples_are(dtype):
    samples = (8 * X).astype(dtype)
    clf = classifier([layers.Dense(4, dtype="float64"), layers.BatchNormalization(dtype="float64")]).fit(samples, Y)
    other = classifier(clf.hidden_layers).fit(samples.astype("float64"), Y)
    assert {array.dtype.name for array in clf._state.arrays} == {clf.predict_proba(samples).dtype.name} == {"float64"}
    assert_array_equal(clf.predict_proba(samples), other.predict_proba(samples.astype("float64")))


WEIGHTS = np.arange(6, dtype="float32")


@register
class WithoutSeed(layers.Layer):
    def call(self, inputs, training=False):
        return inputs * keras.random.uniform((4,)) if training else inputs


@pytest.mark.trains
def test_layers_must_draw_from_seeds_of_their_own():
    with pytest.raises(ValueError, match=r"Got a network .*\[Dense, WithoutSeed\].*SeedGenerator"):
        classifier([layers.Dense(4), WithoutSeed()]).fit(X, Y)


@register
class Draws(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return keras.random.normal(shape, dtype=dtype)


@pytest.mark.filterwarnings("error::UserWarning")  # JAX would warn if it drew numbers in float32
def test_random_state_decides_what_other_initializers_draw():
    def fit(seed):
        return classifier([layers.Dense(4, kernel_initializer=Draws(), dtype="float64")], random_state=seed).fit(X, Y)

    kernels = [fit(seed)._state.trainable[0] for seed in (0, 0, 1)]
    assert_array_equal(kernels[0], kernels[1])
    assert not np.isin(kernels[0], kernels[2]).any()


def with_default_array(inputs, *ignored, weights=WEIGHTS, **options):
    return layers.Dense(options.get("units", 3))(inputs * weights)


def test_functions_may_have_any_arguments_and_are_called_once_in_a_fit():
    calls = []

    def counting(inputs, units=3):
        calls.append(units)
        return layers.Dense(units + len(calls))(inputs)

    clf = classifier(HiddenLayers(counting)).fit(X, Y)
    clf.predict(X), clf.model_, pickle.loads(pickle.dumps(clf)).fit(X, Y)
    assert calls == [3]
    assert clf._state.trainable[0].shape == (6, 4)
    weights = WEIGHTS[::-1]
    hidden = HiddenLayers(with_default_array, weights=weights, units=2)
    clf = classifier(hidden).fit(X, Y)
    kernel, bias, output, output_bias = clf._state.trainable
    expected = ((X * weights) @ kernel + bias) @ output + output_bias
    assert_allclose(clf.decision_function(X), expected, rtol=1e-4, atol=1e-4)


def first_weights(hidden_layers, random_state, python_seed=0):
    """Return the trainable arrays that a network starts with in a new process."""
    _own_layers._network.cache_clear()
    random.seed(python_seed)
    network = resolve_hidden_layers(hidden_layers, 6, 3, nullcontext())
    return network.initial_state(np.random.default_rng(random_state), "float32").trainable


def einsum(initializer):
    return [layers.Reshape((2, 3)), layers.EinsumDense("abc,cd->abd", (2, 4), kernel_initializer=initializer)]


@pytest.mark.parametrize(
    "hidden_layers",
    [HiddenLayers(attention), [*einsum("he_normal"), layers.Flatten()]],
    ids=["attention", "EinsumDense"],
)
def test_first_weights_do_not_depend_on_seeds_that_keras_draws(hidden_layers):
    """An EinsumDense, as attention has, makes an initializer with a seed from Python's generator."""
    weights = [first_weights(hidden_layers, 0, python_seed) for python_seed in (0, 1)]
    for first, second, other in zip(*weights, first_weights(hidden_layers, 1), strict=True):
        assert_array_equal(first, second)
        assert np.array_equal(first, other) == (not first.any())  # biases start at 0


def test_first_weights_of_an_initializer_with_a_seed_do_not_depend_on_the_random_state():
    hidden_layers = [*einsum(keras.initializers.HeNormal(seed=3)), layers.Flatten()]
    (first, *_), (second, *_) = (first_weights(hidden_layers, random_state) for random_state in (0, 1))
    assert_array_equal(first, second)
