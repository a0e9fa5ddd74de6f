"""The recorded epochs are bit-for-bit identical to those of a fit without a recorder."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, mean_squared_error

from helpers import SMALL
from moonnet.explore._datasets import apply_edits, load_dataset
from moonnet.explore._recorder import Recorder
from moonnet.explore._settings import Settings

pytestmark = pytest.mark.trains

CASES = {
    "two classes": {"l2": 0.01},
    "derived inputs": {"inputs": ["x1", "x2", "x1^2", "sin x2"]},
    "three classes": {"data": "blobs", "optimizer": "adam"},
    "dropout": {"dropout": 0.3, "drawn": [[0, 0, 1]], "erased": [3]},
}


def record(should_continue=lambda recorder: True, **values):
    """Return the settings, the data, the recorder and the estimator whose training it recorded."""
    settings = Settings.from_json({**SMALL, **values})
    data = apply_edits(load_dataset(settings.dataset, None), settings)
    recorders = []

    def make_recorder(targets):
        recorders.append(Recorder(data, targets, should_continue))
        return recorders[0]

    estimator = settings.regressor() if data.is_regression else settings.classifier()
    estimator._fit(data.inputs(data.X_train), data.y_train, make_observers=[make_recorder])
    return settings, data, recorders[0], estimator


def assert_same_weights(weights, others):
    for array, other in zip(weights.arrays, others.arrays, strict=True):
        assert array.dtype == other.dtype
        assert_array_equal(array, other)


@pytest.mark.parametrize("case", CASES)
def test_recorded_weights_match_fits_of_as_many_epochs(case):
    settings, data, recorder, classifier = record(**CASES[case])
    assert len(recorder.states) == settings.epochs + 1
    warm = settings.classifier().set_params(epochs=1, warm_start=True)
    for epoch in range(1, settings.epochs + 1):
        warm.fit(data.inputs(data.X_train), data.y_train)
        assert_same_weights(recorder.states[epoch], warm._state)
    for epoch in (1, 4):
        fresh = settings.classifier().set_params(epochs=epoch).fit(data.inputs(data.X_train), data.y_train)
        assert_same_weights(recorder.states[epoch], fresh._state)
    unobserved = settings.classifier().fit(data.inputs(data.X_train), data.y_train)
    assert_same_weights(classifier._state, unobserved._state)
    assert_same_weights(recorder.states[-1], unobserved._state)
    assert recorder.history["loss"] == unobserved.history_["loss"]
    assert recorder.history["accuracy"] == unobserved.history_["accuracy"]


@pytest.mark.parametrize("case", CASES)
def test_recorded_test_metrics_match_scikit_learn(case):
    settings, data, recorder, _ = record(**CASES[case])
    y = data.y_test
    for values in recorder.history.values():
        assert len(values) == settings.epochs
    classifier = settings.classifier().set_params(epochs=1).fit(data.inputs(data.X_train), data.y_train)
    for epoch, state in enumerate(recorder.states[1:]):
        classifier._state = state
        penalty = settings.l2 * sum(np.square(kernel).sum() for kernel in classifier.coefs_)
        expected = log_loss(y, classifier.predict_proba(data.inputs(data.X_test))) + penalty
        assert recorder.history["test_loss"][epoch] == pytest.approx(expected, rel=1e-9)
        predicted = classifier.predict(data.inputs(data.X_test))
        assert recorder.history["test_accuracy"][epoch] == pytest.approx(accuracy_score(y, predicted))


@pytest.mark.parametrize("values", [{}, {"loss": "absolute_error", "l2": 0.01}, {"early_stopping": True}], ids=str)
def test_recorded_losses_of_numbers_match_scikit_learn(values):
    settings, data, recorder, regressor = record(data="line", **values)
    assert recorder.history.keys() == {"loss", "test_loss"}
    assert recorder.history["loss"] == regressor.history_["loss"]
    metric = mean_absolute_error if "loss" in values else mean_squared_error
    for epoch, state in enumerate(recorder.states[1:]):
        regressor._state = state
        penalty = settings.l2 * sum(np.square(kernel).sum() for kernel in state.trainable[::2])
        unit = regressor._targets.scale[0]  # of the loss, in which the penalty is
        expected = metric(data.y_test, regressor.predict(data.X_test)) + penalty * unit
        assert recorder.history["test_loss"][epoch] == pytest.approx(expected, rel=1e-9)


def test_initial_weights_are_recorded_first():
    _, _, recorder, _ = record()
    *_, longer, _ = record(epochs=9)
    assert_same_weights(recorder.states[0], longer.states[0])
    assert recorder.states[0].trainable[0].shape == (2, 4)
    assert (recorder.states[0].trainable[1] == 0).all()  # Keras initializes biases with 0
    assert (recorder.states[0].trainable[0] != recorder.states[1].trainable[0]).any()


def test_training_stops_when_should_continue_returns_false():
    n_recorded = []

    def should_continue(recorder):
        n_recorded.append(len(recorder.states))
        return len(recorder.states) < 4

    _, _, recorder, classifier = record(should_continue)
    assert n_recorded == [2, 3, 4]
    assert classifier.n_iter_ == 3
    _, _, whole, _ = record()
    for weights, others in zip(recorder.states, whole.states, strict=False):
        assert_same_weights(weights, others)


def test_epochs_are_recorded_until_early_stopping():
    values = {"early_stopping": True, "epochs": 300, "learning_rate": 0.05, "noise": 0.5}
    settings, data, recorder, classifier = record(**values)
    unobserved = settings.classifier().fit(data.inputs(data.X_train), data.y_train)
    assert 10 < unobserved.n_iter_ < 300
    assert len(recorder.states) == unobserved.n_iter_ + 1
    assert recorder.history["loss"] == unobserved.history_["loss"]
    assert_same_weights(classifier._state, unobserved._state)
    # test_loss is computed on the page's held-out samples, not on the validation set of fit
    best = int(np.argmin(unobserved.history_["val_loss"]))
    assert_same_weights(recorder.states[best + 1], unobserved._state)
    assert recorder.history["test_loss"] != unobserved.history_["val_loss"]
