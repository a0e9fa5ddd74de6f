"""Ensembles train and predict on the page as DeepEnsembleClassifier and DeepEnsembleRegressor do."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import r2_score

from helpers import SMALL
from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor
from moonnet.explore._datasets import apply_edits, load_dataset
from moonnet.explore._members import mean_history
from moonnet.explore._picture import RESOLUTION, compute_picture
from moonnet.explore._recording import Recording
from moonnet.explore._settings import Settings
from moonnet.explore._trained_network import TrainedNetwork, unfitted
from moonnet.plotting._boundary import boundary_lines

CASES = {
    "two classes": {"data": "moons", "noise": 0.4},
    "three classes": {"data": "blobs", "inputs": ["x1", "x2", "x1*x2"]},
    "curve": {"data": "sine", "noise": 0.5},
    "surface": {"data": "saddle", "inputs": ["x1", "x2", "sin x1"]},
    "numbers that are held out": {"data": "sine", "noise": 0.5, "early_stopping": True, "epochs": 20},
    "quantiles": {"data": "fan", "loss": "pinball", "quantile": [0.05, 0.5, 0.95]},
}


def load(**values):
    """Return the settings of an ensemble and its samples."""
    settings = Settings.from_json({**SMALL, "n_estimators": 3, "learning_rate": 0.02, **values})
    return settings, apply_edits(load_dataset(settings.dataset, None), settings)


def fit(**values):
    """Return a trained ensemble."""
    settings, data = load(**values)
    predictor = unfitted(settings, data).fit(data.inputs(data.X_train), data.y_train)
    return TrainedNetwork(0, settings, data, predictor, None)


def assert_same_states(states, others):
    for state, other in zip(states, others, strict=True):
        assert state.equals(other)


def test_one_network_is_no_ensemble():
    for data, kind in (("moons", KerasMoonClassifier), ("sine", KerasMoonRegressor)):
        assert type(unfitted(*load(data=data, n_estimators=1))) is kind


def test_ensemble_has_the_seed_of_the_training_and_members_without_one():
    for data, kind in (("moons", DeepEnsembleClassifier), ("sine", DeepEnsembleRegressor)):
        ensemble = unfitted(*load(data=data, random_state=3, network_random_state=8, epochs=4))
        assert type(ensemble) is kind
        assert (ensemble.n_estimators, ensemble.random_state) == (3, 8)
        assert (ensemble.estimator.random_state, ensemble.estimator.epochs) == (None, 4)


@pytest.mark.parametrize("case", CASES)
def test_picture_is_that_of_the_ensemble(case):
    trained = fit(**CASES[case])
    data, ensemble = trained.data, trained.predictor
    header, arrays = compute_picture(data, trained.targets, trained.architecture, trained.states)
    assert header["n_members"] == 3
    n_points = RESOLUTION**2 if len(data.features) == 2 else len(arrays["prediction"])
    side = RESOLUTION if len(data.features) == 2 else n_points
    lines = [np.linspace(*axis.limits, side) for axis in data.features]
    grid = np.stack(np.meshgrid(*lines), axis=-1).reshape(n_points, -1)
    X, X_test = data.inputs(grid), data.inputs(data.X_test)
    if data.is_regression:
        axis = data.target
        each = np.array([member.predict(X) for member in ensemble.estimators_])
        assert_array_equal(arrays["prediction"], (ensemble.predict(X) - axis.offset) / axis.scale)
        assert_allclose(arrays["member_prediction"].reshape(each.shape), (each - axis.offset) / axis.scale)
        assert_allclose(arrays["spread"], each.std(axis=0) / axis.scale)
        assert header["test_r2"] == pytest.approx(ensemble.score(X_test, data.y_test))
        of_members = [r2_score(data.y_test, member.predict(X_test)) for member in ensemble.estimators_]
        assert header["member_test_scores"] == pytest.approx(of_members)
        return
    each = np.array([member.predict_proba(X) for member in ensemble.estimators_])
    probability = ensemble.predict_proba(X)
    assert_array_equal(arrays["probability"], probability[:, 1] if probability.shape[1] == 2 else probability)
    assert header["accuracy"] == ensemble.score(data.inputs(data.X_train), data.y_train)
    assert header["test_accuracy"] == ensemble.score(X_test, data.y_test)
    assert header["member_test_scores"] == [member.score(X_test, data.y_test) for member in ensemble.estimators_]
    assert arrays["test_wrong"].tolist() == (ensemble.predict(X_test) != data.y_test).tolist()
    assert_allclose(arrays["spread"], each.std(axis=0).max(axis=1), atol=1e-7)
    assert 0.02 < arrays["spread"].max() <= 0.5
    lines = [line for member in each for line in boundary_lines(member.reshape(RESOLUTION, RESOLUTION, -1))]
    assert_allclose(arrays["member_boundary"], np.concatenate(lines), rtol=1e-6)
    assert_array_equal(arrays["member_boundary_ends"], np.cumsum(list(map(len, lines))))


def test_band_of_quantiles_is_the_mean_of_those_of_the_members():
    trained = fit(**CASES["quantiles"])
    data = trained.data
    _, arrays = compute_picture(data, trained.targets, trained.architecture, trained.states)
    grid = data.inputs(np.linspace(*data.features[0].limits, len(arrays["prediction"]))[:, np.newaxis])
    mean = np.mean([member.predict_quantiles(grid) for member in trained.members], axis=0)
    expected = (mean[:, [0, -1]] - data.target.offset) / data.target.scale
    assert_allclose(arrays["band"].reshape(-1, 2), expected)


@pytest.mark.trains
@pytest.mark.parametrize("case", ["two classes", "curve"])
def test_recorded_ensemble_is_identical_to_the_fitted_one(case):
    trained = fit(**CASES[case])
    settings, data = trained.settings, trained.data
    ensemble = unfitted(settings, data)
    film = Recording(data, lambda: False).fit(ensemble)
    assert_same_states(film.final, trained.states)
    assert_same_states([member._state for member in ensemble.estimators_], trained.states)
    assert [member._checkpoint["optimizer_state"] for member in ensemble.estimators_] == [[]] * 3
    assert (film.n_epochs, film.final_epoch) == (settings.epochs, settings.epochs)
    assert_same_states(film.states_at(settings.epochs), trained.states)
    assert_same_states(film.states_at(4), fit(**CASES[case], epochs=4).states)
    for name, values in trained.history.items():
        assert film.history[name] == values
    assert len(film.history["test_loss"]) == settings.epochs


def test_members_that_stopped_early_stay_as_they_are_in_the_film():
    values = {"early_stopping": True, "epochs": 300, "learning_rate": 0.05, "noise": 0.5, "random_state": 1}
    settings, data = load(**values)
    ensemble = unfitted(settings, data)
    film = Recording(data, lambda: False).fit(ensemble)
    n_epochs = [member.n_iter_ for member in ensemble.estimators_]
    assert 10 < min(n_epochs) < max(n_epochs) < 300
    assert film.n_epochs == film.final_epoch == len(film.history["loss"]) == max(n_epochs)
    assert_same_states(film.states_at(film.n_epochs), [member._state for member in ensemble.estimators_])
    at = film.states_at(min(n_epochs))
    for state, states, member, n in zip(at, film.states, ensemble.estimators_, n_epochs, strict=True):
        assert state.equals(member._state if n == min(n_epochs) else states[min(n_epochs)])
    first = [member.history_["loss"][0] for member in ensemble.estimators_]
    assert film.history["loss"][0] == pytest.approx(np.mean(first))
    longest = ensemble.estimators_[int(np.argmax(n_epochs))]
    assert film.history["loss"][-1] == pytest.approx(longest.history_["loss"][-1])


def test_interrupted_recording_ends_all_members_and_begins_no_other():
    settings, data = load(epochs=200, n_estimators=8)
    seen = []

    def watch(recording):
        assert 1 <= len(recording.latest[1]) <= 8
        assert recording.network.layer_sizes == (2, 4, 1)
        seen.append(len(recording.history["loss"]))

    recording = Recording(data, lambda: len(seen) >= 5, watch)
    begun = []
    make_recorder = recording._make_recorder
    recording._make_recorder = lambda member, targets: begun.append(make_recorder(member, targets)) or begun[-1]
    assert recording.fit(unfitted(settings, data).set_params(n_jobs=2)) is None
    assert 5 <= len(seen) < 20
    assert len(begun) < 8


def test_film_with_a_stride_shows_the_last_stored_epoch():
    settings, data = load(epochs=10)
    whole = Recording(data, lambda: False).fit(unfitted(settings, data))
    film = Recording(data, lambda: False, stride=4).fit(unfitted(settings, data))
    assert [len(states) for states in film.states] == [3] * 3  # after 0, 4 and 8 epochs
    assert film.history == whole.history
    for epoch, shown in ((0, 0), (3, 0), (4, 4), (9, 8), (10, 10)):
        assert_same_states(film.states_at(epoch), whole.states_at(shown))


def test_interrupted_recording_of_one_network():
    settings, data = load(epochs=200, n_estimators=1)
    seen = []
    assert (
        Recording(data, lambda: len(seen) >= 5, lambda recording: seen.append(1)).fit(unfitted(settings, data)) is None
    )
    assert len(seen) == 5
    assert Recording(data, lambda: True).fit(unfitted(settings, data)) is None


def test_mean_history_is_over_the_members_trained_for_so_long():
    histories = [{"loss": [4.0, 2.0, 1.0], "accuracy": [0.5, 1, 1]}, {"loss": [2.0], "accuracy": [0.0]}]
    assert mean_history(histories) == {"loss": [3.0, 2.0, 1.0], "accuracy": [0.25, 1.0, 1.0]}
    assert mean_history(histories[:1]) is histories[0]
