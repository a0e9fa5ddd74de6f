"""Losses and what minimizes them, compared with scikit-learn, SciPy and Keras."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special
from sklearn.dummy import DummyRegressor
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_poisson_deviance, mean_squared_error

from moonnet import KerasMoonRegressor
from moonnet._keras import keras
from moonnet.losses._cross_entropy import BinaryCrossEntropy, CategoricalCrossEntropy
from moonnet.losses._regression import REGRESSION_LOSSES

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


@pytest.mark.parametrize("name", REGRESSION_LOSSES)
def test_losses_match_sklearn_and_scipy(name):
    y, outputs, parameter = arguments(name)
    losses = REGRESSION_LOSSES[name]().elementwise(np, y, outputs, parameter)
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
    parameter = keras.ops.convert_to_tensor(parameter, "float32")
    losses = REGRESSION_LOSSES[name]().keras_sample_losses(keras, *tensors, parameter)
    expected = np.asarray(KERAS_LOSSES[name](y, outputs))
    assert_allclose(keras.ops.convert_to_numpy(losses), expected, rtol=2e-5, atol=1e-5)


@pytest.mark.trains
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="elsewhere, Keras computes some of them in float32")
@pytest.mark.parametrize(("n_outputs", "name"), [(1, "binary"), (3, "categorical"), (3, "several")])
def test_cross_entropies_and_accuracy_match_keras(n_outputs, name):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 5, (30, n_outputs))
    y = rng.integers(0, 2, (30, n_outputs)) if name != "categorical" else np.eye(3, dtype=int)[rng.integers(0, 3, 30)]
    loss = CategoricalCrossEntropy() if name == "categorical" else BinaryCrossEntropy()
    encoded = y.astype(float)
    if name == "categorical":
        keras_loss = keras.losses.CategoricalCrossentropy(from_logits=True, reduction="none", dtype="float64")
        correct = keras.metrics.categorical_accuracy(encoded, logits)
    else:
        keras_loss = keras.losses.BinaryCrossentropy(from_logits=True, reduction="none", dtype="float64")
        correct = keras.metrics.binary_accuracy(encoded, 1 / (1 + np.exp(-logits)))
    assert_allclose(loss.sample_losses(encoded, logits, 0.0), keras_loss(encoded, logits).numpy(), rtol=1e-9)
    assert_allclose(loss.sample_metrics(encoded, logits)["accuracy"], np.asarray(correct).reshape(30, -1).mean(axis=1))


@pytest.mark.parametrize(("name", "factor"), [("squared_error", 9), ("huber", 9), ("absolute_error", 3)])
def test_scale_of_a_loss_is_proportional_to_the_unit_of_y_or_its_square(name, factor):
    loss, unit = REGRESSION_LOSSES[name](), RNG.uniform(1, 2, 2)
    assert loss.scale(3 * unit) == pytest.approx(factor * loss.scale(unit))


def test_losses_of_different_quantiles_share_a_program():
    low, high = (REGRESSION_LOSSES["pinball"].create(quantile) for quantile in (0.1, 0.9))
    assert low == high
    assert hash(low) == hash(high)
    assert (low.parameter, high.parameter) == (0.1, 0.9)


DUMMIES = {
    "squared_error": ({"loss": "squared_error"}, DummyRegressor()),
    "absolute_error": ({"loss": "absolute_error"}, DummyRegressor(strategy="median")),
    "poisson": ({"loss": "poisson"}, DummyRegressor()),
    "low quantile": ({"loss": "pinball", "quantile": 0.1}, DummyRegressor(strategy="quantile", quantile=0.1)),
    "high quantile": ({"loss": "pinball", "quantile": 0.9}, DummyRegressor(strategy="quantile", quantile=0.9)),
}


@pytest.mark.parametrize(("parameters", "dummy"), DUMMIES.values(), ids=DUMMIES)
@pytest.mark.parametrize("multioutput", [False, True])
def test_constant_features_yield_the_prediction_of_a_dummy(parameters, dummy, multioutput):
    rng = np.random.default_rng(0)
    y = rng.exponential(50, 301)
    y = np.column_stack([y, rng.exponential(0.1, 301)]) if multioutput else y
    X = np.zeros((301, 1))
    # Each batch holds all samples, so that training converges
    network = KerasMoonRegressor(
        (), epochs=400, optimizer="sgd", learning_rate=0.5, batch_size=301, random_state=0, **parameters
    )
    predicted, expected = network.fit(X, y).predict(X[:1]), dummy.fit(X, y).predict(X[:1])
    assert (np.abs(predicted - expected) < 0.03 * y.std(axis=0)).all()
