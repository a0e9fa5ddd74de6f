import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_poisson_deviance, mean_squared_error

from moonnet._regression_losses import LOSSES
from moonnet.training._keras import keras

RNG = np.random.default_rng(0)
OUTPUTS = RNG.normal(0, 2, (50, 2))
Y = {"poisson": RNG.poisson(2.0, (50, 2)).astype(float)}  # some are 0
PARAMETERS = {"huber": 1.5, "pinball": 0.8}
TRUTH = {
    "squared_error": mean_squared_error,
    "absolute_error": mean_absolute_error,
    "huber": lambda y, outputs: special.huber(1.5, y - outputs).mean(),
    "poisson": lambda y, outputs: mean_poisson_deviance(y.ravel(), np.exp(outputs).ravel()) / 2,
    "pinball": lambda y, outputs: mean_pinball_loss(y, outputs, alpha=0.8),
}


def arguments(name):
    return Y.get(name, RNG.normal(0, 2, (50, 2))), OUTPUTS, PARAMETERS.get(name, 1.0)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_those_of_scikit_learn_and_scipy(name):
    y, outputs, parameter = arguments(name)
    each = LOSSES[name](np, y, outputs, parameter)
    assert each.shape == y.shape
    assert_allclose(each.mean(), TRUTH[name](y, outputs), rtol=1e-12)


OF_KERAS = {
    "squared_error": keras.losses.mean_squared_error,
    "absolute_error": keras.losses.mean_absolute_error,
    "huber": lambda y, outputs: keras.losses.huber(y, outputs, delta=1.5),
    # Less what it is where predictions equal y
    "poisson": lambda y, outputs: (
        np.asarray(keras.losses.poisson(y, np.exp(outputs))) - (y - special.xlogy(y, y)).mean(axis=1)
    ),
}


@pytest.mark.trains
@pytest.mark.parametrize("name", OF_KERAS)
def test_keras_s_losses_are_the_same(name):
    y, outputs, parameter = arguments(name)
    y, outputs = y.astype("float32"), outputs.astype("float32")
    tensors = [keras.ops.convert_to_tensor(array) for array in (y, outputs)]
    each = LOSSES[name](keras.ops, *tensors, keras.ops.convert_to_tensor(parameter, "float32"))
    theirs = np.asarray(OF_KERAS[name](y, outputs))
    assert_allclose(keras.ops.convert_to_numpy(each).mean(axis=1), theirs, rtol=2e-5, atol=1e-5)
