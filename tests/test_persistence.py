"""Persistence: pickle, joblib, deepcopy, skops, Keras's file formats, and pickles of earlier versions."""

import copy
import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from numpy.testing import assert_allclose
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_diabetes, load_iris, make_moons, make_multilabel_classification
from sklearn.metrics import mean_pinball_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import run_python
from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet._keras import keras
from moonnet.networks import State

pytestmark = pytest.mark.trains

DATA = Path(__file__).parent / "data"
OWN_TYPES = {
    True: ["moonnet._classifier.KerasMoonClassifier"],
    False: ["moonnet._regressor.KerasMoonRegressor"],
}


def by_pickle(estimator, path):
    return pickle.loads(pickle.dumps(estimator))


def by_joblib(estimator, path):
    joblib.dump(estimator, path / "estimator.joblib", compress=3)
    return joblib.load(path / "estimator.joblib")


def by_deepcopy(estimator, path):
    return copy.deepcopy(estimator)


def by_skops(estimator, path):
    own_types = OWN_TYPES[is_classifier(estimator)]
    skops.io.dump(estimator, path / "estimator.skops")
    assert skops.io.get_untrusted_types(file=path / "estimator.skops") == own_types
    return skops.io.load(path / "estimator.skops", trusted=own_types)


ROUND_TRIPS = [by_pickle, by_joblib, by_deepcopy, by_skops]


def assert_same(one, other):
    """Assert that two nested values are equal, arrays bit for bit."""
    assert type(one) is type(other)
    if isinstance(one, State):
        one, other = vars(one), vars(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        for mine, yours in zip(one, other, strict=True):
            assert_same(mine, yours)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert one.tolist() == other.tolist() if one.dtype == object else one.tobytes() == other.tobytes()
    else:
        assert one == other or (one != one and other != other)


CLASSIFICATION_PROBLEMS = {
    "moons": lambda: make_moons(80, noise=0.2, random_state=0),
    "float32": lambda: (load_iris().data.astype("float32"), load_iris().target),
    "strings": lambda: (load_iris().data, np.array(["setosa", "versicolor", "virginica"])[load_iris().target]),
    "objects": lambda: (load_iris().data, np.array(["a", "bb", "ccc"], object)[load_iris().target]),
    "multilabel": lambda: make_multilabel_classification(80, random_state=0),
}


def diabetes(**parameters):
    """Return a regressor with these parameters, and X and y of 80 patients."""
    X, y = load_diabetes(return_X_y=True)
    return KerasMoonRegressor(**parameters), X[:80], y[:80]


def with_second_output(X, y):
    """Return X, and y with a second output of another scale."""
    return X, np.column_stack([y, 1e4 + y**2])


REGRESSION_PROBLEMS = {
    **{loss: lambda loss=loss: diabetes(loss=loss) for loss in ("squared_error", "absolute_error", "huber")},
    "poisson": lambda: diabetes(loss="poisson"),
    "quantile": lambda: diabetes(loss="pinball", quantile=0.9),
    "quantiles": lambda: diabetes(loss="pinball", quantile=[0.1, 0.5, 0.9]),
    "multioutput": lambda: (KerasMoonRegressor(), *with_second_output(*diabetes()[1:])),
    "float32 regression": lambda: (KerasMoonRegressor(), load_diabetes().data[:80].astype("float32"), np.arange(80)),
}
ALL_PROBLEMS = {
    name: lambda data=data: (KerasMoonClassifier(), *data()) for name, data in CLASSIFICATION_PROBLEMS.items()
} | REGRESSION_PROBLEMS


@pytest.mark.slow
@pytest.mark.parametrize("problem", ALL_PROBLEMS.values(), ids=ALL_PROBLEMS)
def test_restored_estimators_are_identical_and_resume_identically(problem, tmp_path):
    estimator, X, y = problem()
    estimator.set_params(epochs=3, warm_start=True, early_stopping=True, dropout=0.1, random_state=0).fit(X, y)
    restored = [round_trip(estimator, tmp_path) for round_trip in ROUND_TRIPS]
    for other in restored:
        assert_same(vars(other), vars(estimator))
        if is_classifier(estimator):
            assert_same(other.predict_proba(X), estimator.predict_proba(X))
        assert_same(other.predict(X), estimator.predict(X))
    assert_same(vars(restored[-1].fit(X, y)), vars(estimator.fit(X, y)))
    assert_same(vars(restored[-1].partial_fit(X, y)), vars(estimator.partial_fit(X, y)))


@pytest.mark.parametrize("round_trip", ROUND_TRIPS)
@pytest.mark.parametrize("network", [KerasMoonClassifier, KerasMoonRegressor])
def test_restored_pipeline_predicts_identically(moons, network, round_trip, tmp_path):
    X, y = moons
    model = make_pipeline(StandardScaler(), network(epochs=2, random_state=0)).fit(X, y)
    assert_same(round_trip(model, tmp_path).predict(X), model.predict(X))


@pytest.mark.parametrize("round_trip", [by_pickle, by_joblib, by_deepcopy])
def test_restored_optimizer_has_lists_in_its_settings(round_trip, tmp_path):
    clf = KerasMoonClassifier(optimizer=keras.optimizers.Muon(exclude_layers=["output"]))
    restored = round_trip(clf, tmp_path).optimizer
    assert isinstance(restored, keras.optimizers.Muon)
    assert list(restored.exclude_layers) == ["output"]


@pytest.mark.parametrize("network", [KerasMoonClassifier, KerasMoonRegressor])
def test_refitting_a_deepcopy_does_not_change_the_original(moons, network):
    estimator = network(epochs=2, warm_start=True, random_state=0).fit(*moons)
    other = copy.deepcopy(estimator)
    before = copy.deepcopy(vars(estimator))
    other.fit(*moons)
    assert_same(vars(estimator), before)


def test_pickle_of_a_network_of_the_lecture_is_small(moons, fitted, tmp_path):
    assert len(pickle.dumps(fitted)) < 40_000
    stopped = KerasMoonClassifier(early_stopping=True, optimizer="adam", random_state=0).fit(*moons)
    assert len(pickle.dumps(stopped)) < 45_000  # weights of the best and the last epoch, and two moments of each weight
    regressor = KerasMoonRegressor(epochs=2, random_state=0).fit(*moons)
    assert len(pickle.dumps(regressor)) < 40_000


PREDICT = """
import sys
import skops.io, joblib
estimator = skops.io.load(sys.argv[1], trusted=[sys.argv[2]])
other = joblib.load(sys.argv[3])
predict = "predict_proba" if hasattr(estimator, "classes_") else "predict"
predicted = getattr(estimator, predict)([[0.5, 0.25]])
assert (predicted == getattr(other, predict)([[0.5, 0.25]])).all()
print(predicted.tobytes().hex())
print(sorted({name.partition(".")[0] for name in sys.modules} & {"tensorflow", "jax", "keras"}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("network", [KerasMoonClassifier(), KerasMoonRegressor(loss="poisson")])
def test_loading_and_predicting_import_no_engine(moons, network, tmp_path):
    estimator = clone(network).set_params(epochs=3, random_state=0).fit(*moons)
    paths = [str(tmp_path / "estimator.skops"), str(tmp_path / "estimator.joblib")]
    skops.io.dump(estimator, paths[0])
    joblib.dump(estimator, paths[1])
    predict = estimator.predict_proba if is_classifier(estimator) else estimator.predict
    predicted, imported = run_python(PREDICT, paths[0], *OWN_TYPES[is_classifier(estimator)], paths[1]).splitlines()
    assert predicted == predict([[0.5, 0.25]]).tobytes().hex()
    assert imported == "[]"


@pytest.mark.parametrize("problem", CLASSIFICATION_PROBLEMS.values(), ids=CLASSIFICATION_PROBLEMS)
def test_saved_and_exported_keras_models_predict_the_same(problem, tmp_path):
    X, y = problem()
    clf = KerasMoonClassifier(epochs=3, l2=1e-3, dropout=0.1, random_state=0).fit(X, y)
    model = clf.model_
    model.save(tmp_path / "clf.keras")
    loaded = keras.saving.load_model(tmp_path / "clf.keras", compile=False)
    probabilities = [loaded.predict(X, verbose=0)]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        model.export(tmp_path / "exported", verbose=False)
        exported = tf.saved_model.load(tmp_path / "exported")
        probabilities.append(exported.serve(X.astype("float32")).numpy())
    ours = clf.predict_proba(X)
    for theirs in probabilities:
        assert_allclose(theirs, ours[:, 1:] if len(clf.classes_) == 2 else ours, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("problem", REGRESSION_PROBLEMS.values(), ids=REGRESSION_PROBLEMS)
def test_saved_keras_model_of_a_regressor_predicts_in_the_unit_of_y(problem, tmp_path):
    reg, X, y = problem()
    reg.set_params(epochs=3, l2=1e-3, dropout=0.1, random_state=0).fit(X, y).model_.save(tmp_path / "reg.keras")
    loaded = keras.saving.load_model(tmp_path / "reg.keras", compile=False)
    expected = reg.predict(X) if np.isscalar(reg.quantile) else reg.predict_quantiles(X)
    predicted = keras.ops.convert_to_numpy(loaded(X.astype("float32"))).reshape(expected.shape)
    assert_allclose(predicted, expected, rtol=1e-4, atol=1e-4 * np.std(y))


def test_loaded_keras_model_can_be_trained_further(moons, tmp_path):
    clf = KerasMoonClassifier(epochs=3, optimizer="adam", random_state=0).fit(*moons)
    clf.model_.save(tmp_path / "clf.keras")
    with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):  # model_ has a new one
        loaded = keras.saving.load_model(tmp_path / "clf.keras")
    before = loaded.evaluate(*moons, verbose=0, return_dict=True)
    assert before["accuracy"] == pytest.approx(clf.score(*moons))
    assert loaded.fit(*moons, epochs=10, verbose=0).history["loss"][-1] < before["loss"]


@pytest.mark.slow
def test_loaded_keras_model_with_pinball_loss_can_be_trained_further(tmp_path):
    reg, X, y = diabetes(loss="pinball", quantile=0.9, epochs=3, optimizer="adam", random_state=0)
    reg.fit(X, y).model_.save(tmp_path / "reg.keras")
    with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):
        loaded = keras.saving.load_model(tmp_path / "reg.keras")
    before = mean_pinball_loss(y, reg.predict(X), alpha=0.9)
    assert loaded.evaluate(X, y, verbose=0) == pytest.approx(before, rel=1e-4)
    assert loaded.fit(X, y, epochs=20, verbose=0).history["loss"][-1] < before


@pytest.mark.parametrize("path", sorted(DATA.glob("moonnet-*.pickle")), ids=lambda path: path.stem)
def test_pickle_of_an_earlier_version_predicts_and_resumes(path):
    restored = pickle.loads(path.read_bytes())
    assert set(restored) == {"moons", "strings", "several labels"}
    for clf, X, y, probabilities in restored.values():
        assert_allclose(clf.predict_proba(X), probabilities, rtol=1e-9, atol=1e-12)
        assert clf.score(X, y) > 0.5
        assert clf.best_iteration_ is clf.best_validation_score_ is None
        assert (clf.n_layers_, clf.n_outputs_) == (4, len(clf.intercepts_[-1]))
        assert clf.loss_ == clf.history_["loss"][-1]
        n_epochs = clf.n_iter_
        clf.set_params(epochs=2).fit(X, y)  # resumes, because warm_start is True
        assert clf.n_iter_ == n_epochs + 2
        assert abs(clf.history_["loss"][-1] - clf.history_["loss"][n_epochs - 1]) < 0.2


@pytest.mark.parametrize("network", [KerasMoonClassifier, KerasMoonRegressor])
@pytest.mark.parametrize("scoring", ["loss", "explained_variance"])
def test_pickle_from_before_the_best_epoch_was_stored_has_it(moons, network, scoring):
    parameters = {"learning_rate": 0.02, "epochs": 60, "warm_start": True, "random_state": 0, "scoring": scoring}
    estimator = network(**parameters)

    def restored():
        state = estimator.__getstate__()
        old = {name: value for name, value in state.items() if not name.startswith("best_")}
        again = network.__new__(network)
        again.__setstate__(old)
        return again

    assert not any(name.startswith("best_") for name in vars(restored()))
    for early_stopping in (True, True, False):
        estimator.set_params(early_stopping=early_stopping).fit(*moons)
        assert_same(vars(restored()), vars(estimator))
        assert (estimator.best_iteration_ is None) != early_stopping
    assert_same(vars(restored().fit(*moons)), vars(estimator.fit(*moons)))


def test_pickle_of_this_version_exists():
    from moonnet import __version__

    assert (DATA / f"moonnet-{__version__}.pickle").exists()
