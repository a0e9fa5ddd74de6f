"""Networks of random layers: three ways to predict after a fit, and what a pickle restores."""

import pickle

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from numpy.testing import assert_allclose, assert_array_equal

from moonnet import HiddenLayers, KerasMoonClassifier
from moonnet.training import _compiled_prediction
from moonnet.training.engines import engine
from test_networks_forward_pass import BLOCK, random_network

RNG = np.random.default_rng(0)
X = RNG.normal(size=(23, 4)).astype("float32")
X[:, 3] = np.arange(23) % 4  # indices of an embedding
Y = RNG.integers(3, size=23)


def hidden_part(inputs, recipe):
    return layers.Dense(3, activation="tanh")(random_network(recipe)(inputs))


def predict_compiled(clf):
    """Return what Keras computes on the engine, although NumPy knows the layers."""
    compiled = _compiled_prediction._compiled(clf._network, engine.device())
    return _compiled_prediction.predict(compiled, clf._state.trainable, clf._state.others, X)


@pytest.mark.slow
@pytest.mark.trains
@settings(max_examples=12, deadline=None)
@given(recipe=st.lists(BLOCK, min_size=1, max_size=5), seed=st.integers(0, 2**32 - 1))
def test_numpy_model_and_compiled_function_predict_the_same(recipe, seed):
    hidden = HiddenLayers(hidden_part, recipe=recipe)
    clf = KerasMoonClassifier(
        hidden_layers=hidden, optimizer="sgd", learning_rate=1e-3, batch_size=10, epochs=2, random_state=seed
    ).fit(X, Y)
    assert clf._network.predicts_in_numpy
    outputs = clf.decision_function(X)
    assert_allclose(predict_compiled(clf), outputs, rtol=1e-4, atol=1e-4)
    probabilities = keras.ops.convert_to_numpy(clf.model_(X, training=False))
    assert_allclose(probabilities, clf.predict_proba(X), rtol=1e-4, atol=1e-5)
    assert_allclose(clf.decision_function(X[4:5]), outputs[4:5], rtol=1e-4, atol=1e-4)
    loaded = pickle.loads(pickle.dumps(clf))
    assert_array_equal(loaded.decision_function(X), outputs)
    loaded.set_params(hidden_layers=hidden).partial_fit(X, Y)  # the same network, made again
    assert_array_equal(loaded.decision_function(X), clf.partial_fit(X, Y).decision_function(X))
