"""Regression losses, compared with those of scikit-learn, SciPy and Keras."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_poisson_deviance, mean_squared_error

from moonnet._regression_losses import LOSSES
from moonnet.training._keras import keras

RNG = np.random.default_rng(0)
OUTPUTS = RNG.normal(0, 2, (50, 2))
Y = {"poisson": RNG.poisson(2.0, (50, 2)).astype(float)}  # some values are 0
PARAMETERS = {"huber": 1.5, "pinball": 0.8}
REFERENCE = {
    "squared_error": mean_squared_error,
    "absolute_error": mean_absolute_error,
    "huber": lambda y, outputs: special.huber(1.5, y - outputs).mean(),
    "poisson": lambda y, outputs: mean_poisson_deviance(y.ravel(), np.exp(outputs).ravel()) / 2,
    "pinball": lambda y, outputs: mean_pinball_loss(y, outputs, alpha=0.8),
}


def arguments(name):
    """Return y, the outputs of a network and the parameter of a loss."""
    return Y.get(name, RNG.normal(0, 2, (50, 2))), OUTPUTS, PARAMETERS.get(name, 1.0)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_match_sklearn_and_scipy(name):
    y, outputs, parameter = arguments(name)
    losses = LOSSES[name](np, y, outputs, parameter)
    assert losses.shape == y.shape
    assert_allclose(losses.mean(), REFERENCE[name](y, outputs), rtol=1e-12)


KERAS_LOSSES = {
    "squared_error": keras.losses.mean_squared_error,
    "absolute_error": keras.losses.mean_absolute_error,
    "huber": lambda y, outputs: keras.losses.huber(y, outputs, delta=1.5),
    # Minus its value for predictions that equal y, so that the minimum is 0
    "poisson": lambda y, outputs: (
        np.asarray(keras.losses.poisson(y, np.exp(outputs))) - (y - special.xlogy(y, y)).mean(axis=1)
    ),
}


@pytest.mark.trains
@pytest.mark.parametrize("name", KERAS_LOSSES)
def test_losses_match_keras(name):
    y, outputs, parameter = arguments(name)
    y, outputs = y.astype("float32"), outputs.astype("float32")
    tensors = [keras.ops.convert_to_tensor(array) for array in (y, outputs)]
    losses = LOSSES[name](keras.ops, *tensors, keras.ops.convert_to_tensor(parameter, "float32"))
    expected = np.asarray(KERAS_LOSSES[name](y, outputs))
    assert_allclose(keras.ops.convert_to_numpy(losses).mean(axis=1), expected, rtol=2e-5, atol=1e-5)
