"""The film shows the training that an unwatched fit goes through, to the last bit."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.metrics import accuracy_score, log_loss

from moonnet.explore._datasets import apply_edits, load_dataset
from moonnet.explore._recorder import Recorder
from moonnet.explore._settings import Settings

pytestmark = pytest.mark.trains

SMALL = {"hidden_layer_sizes": [4], "n_samples": 40, "batch_size": 16, "epochs": 6}
CASES = {
    "two classes": {"l2": 0.01},
    "three classes": {"data": "blobs", "optimizer": "adam"},
    "dropout": {"dropout": 0.3, "drawn": [[0, 0, 1]], "erased": [3]},
}


def recorded(goes_on=lambda recorder: True, **values):
    """Return settings, data, the recording and the classifier that was recorded."""
    settings = Settings.from_json({**SMALL, **values})
    data = apply_edits(load_dataset(settings.dataset, None), settings)
    recorder = Recorder(data, settings.activation, goes_on)
    classifier = settings.classifier()._fit(data.X, data.y, observers=[recorder])
    return settings, data, recorder, classifier


def assert_same(weights, others):
    assert len(weights) == len(others)
    for array, other in zip(weights, others, strict=True):
        assert array.dtype == other.dtype
        assert_array_equal(array, other)


@pytest.mark.parametrize("case", CASES)
def test_the_weights_of_an_epoch_are_those_of_a_fit_of_so_many(case):
    settings, data, recorder, classifier = recorded(**CASES[case])
    assert len(recorder.weights) == settings.epochs + 1
    warm = settings.classifier().set_params(epochs=1, warm_start=True)
    for epoch in range(1, settings.epochs + 1):
        warm.fit(data.X, data.y)
        assert_same(recorder.weights[epoch], warm._weights)
    for epoch in (1, 4):
        fresh = settings.classifier().set_params(epochs=epoch).fit(data.X, data.y)
        assert_same(recorder.weights[epoch], fresh._weights)
    unwatched = settings.classifier().fit(data.X, data.y)
    assert_same(classifier._weights, unwatched._weights)
    assert_same(recorder.weights[-1], unwatched._weights)
    assert recorder.history["loss"] == unwatched.history_["loss"]
    assert recorder.history["accuracy"] == unwatched.history_["accuracy"]


@pytest.mark.parametrize("case", CASES)
def test_figures_of_what_is_held_out_are_scikit_learn_s(case):
    settings, data, recorder, _ = recorded(**CASES[case])
    y = data.dataset.y_test
    for figures in recorder.history.values():
        assert len(figures) == settings.epochs
    classifier = settings.classifier().set_params(epochs=1).fit(data.X, data.y)
    for epoch, weights in enumerate(recorder.weights[1:]):
        classifier.coefs_, classifier.intercepts_ = weights[::2], weights[1::2]
        penalty = settings.l2 * sum(np.square(kernel).sum() for kernel in weights[::2])
        expected = log_loss(y, classifier.predict_proba(data.dataset.X_test)) + penalty
        assert recorder.history["test_loss"][epoch] == pytest.approx(expected, rel=1e-9)
        predicted = classifier.predict(data.dataset.X_test)
        assert recorder.history["test_accuracy"][epoch] == pytest.approx(accuracy_score(y, predicted))


def test_the_initial_weights_come_first():
    _, _, recorder, _ = recorded()
    *_, longer, _ = recorded(epochs=9)
    assert_same(recorder.weights[0], longer.weights[0])
    assert recorder.weights[0][0].shape == (2, 4)
    assert (recorder.weights[0][1] == 0).all()  # as Keras begins with biases
    assert (recorder.weights[0][0] != recorder.weights[1][0]).any()


def test_a_training_stops_when_it_is_not_wanted_any_more():
    seen = []

    def goes_on(recorder):
        seen.append(len(recorder.weights))
        return len(recorder.weights) < 4

    _, _, recorder, classifier = recorded(goes_on)
    assert seen == [2, 3, 4]
    assert classifier.n_iter_ == 3
    _, _, whole, _ = recorded()
    for weights, others in zip(recorder.weights, whole.weights, strict=False):
        assert_same(weights, others)


def test_early_stopping_is_recorded_until_it_stops():
    values = {"early_stopping": True, "epochs": 300, "learning_rate": 0.05, "noise": 0.5}
    settings, data, recorder, classifier = recorded(**values)
    unwatched = settings.classifier().fit(data.X, data.y)
    assert 10 < unwatched.n_iter_ < 300
    assert len(recorder.weights) == unwatched.n_iter_ + 1
    assert recorder.history["loss"] == unwatched.history_["loss"]
    assert_same(classifier._weights, unwatched._weights)
    # Of its own figures and of what fit holds out, the page shows its own
    best = int(np.argmin(unwatched.history_["val_loss"]))
    assert_same(recorder.weights[best + 1], unwatched._weights)
    assert recorder.history["test_loss"] != unwatched.history_["val_loss"]
