"""The Keras model that users get."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from moonnet._keras import keras
from moonnet.losses._cross_entropy import BinaryCrossEntropy
from moonnet.losses._loss import Objective
from moonnet.networks import DenseStack
from moonnet.training import _keras_models

pytestmark = pytest.mark.trains

NETWORK = DenseStack((2, 50, 20, 1), "relu")


def user_model(l2=0.0, dropout=0.0):
    state = NETWORK.initial_state(np.random.default_rng(0), "float64")
    return _keras_models.user_model(
        NETWORK,
        state,
        Objective(BinaryCrossEntropy()),
        keras.optimizers.Adam(0.02),
        _keras_models.Regularization(dropout, l2, l2),
    )


def test_user_model_has_the_layers_of_the_lecture():
    model = user_model()
    assert model.name == "sequential"
    assert [layer.name for layer in model.layers] == ["dense", "dense_1", "dense_2"]
    assert [layer.count_params() for layer in model.layers] == [150, 1020, 21]
    assert [layer.activation.__name__ for layer in model.layers] == ["relu", "relu", "sigmoid"]
    assert all(variable.dtype == keras.config.floatx() for variable in model.weights)
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line))
    summary = "\n".join(lines)
    for expected in ("150", "1,020", "21", "Total params: 1,191 (4.65 KB)"):
        assert expected in summary


@pytest.mark.parametrize("floatx", ["bfloat16", "float16"])
def test_user_model_predicts_in_the_float_type_of_keras(floatx):
    X = np.random.default_rng(0).normal(size=(9, 2))
    expected = user_model().predict(X, verbose=0)
    before = keras.config.floatx(), keras.config.dtype_policy()
    try:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(floatx)
        model = user_model()
        assert {variable.dtype for variable in model.weights} == {floatx}
        assert_allclose(model.predict(X, verbose=0).astype("float32"), expected, atol=0.01)
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def test_user_model_has_the_penalty_the_dropout_and_the_learning_rate():
    model = user_model(l2=0.25, dropout=0.5)
    assert [layer.name for layer in model.layers] == ["dense", "dropout", "dense_1", "dropout_1", "dense_2"]
    assert model.layers[1].rate == 0.5
    penalty = 0.25 * sum(np.square(kernel).sum() for kernel in model.get_weights()[::2])
    assert_allclose(float(keras.ops.convert_to_numpy(sum(model.losses))), penalty, rtol=1e-5)
    assert_allclose(float(model.optimizer.learning_rate), 0.02, rtol=1e-6)


def test_user_model_can_be_trained():
    model = user_model()
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = (X[:, 0] > 0).astype(float)
    losses = model.fit(X, y, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2
