"""What is fitted can be kept: pickle, joblib, copies, skops, Keras's own file, and pickles of earlier versions."""

import copy
import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris, make_moons, make_multilabel_classification
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier
from moonnet.training._keras import keras

pytestmark = pytest.mark.trains

DATA = Path(__file__).parent / "data"
OWN_TYPE = "moonnet._classifier.KerasMoonClassifier"


def by_pickle(clf, path):
    return pickle.loads(pickle.dumps(clf))


def by_joblib(clf, path):
    joblib.dump(clf, path / "clf.joblib", compress=3)
    return joblib.load(path / "clf.joblib")


def by_deepcopy(clf, path):
    return copy.deepcopy(clf)


def by_skops(clf, path):
    skops.io.dump(clf, path / "clf.skops")
    assert skops.io.get_untrusted_types(file=path / "clf.skops") == [OWN_TYPE]
    return skops.io.load(path / "clf.skops", trusted=[OWN_TYPE])


KEEPERS = [by_pickle, by_joblib, by_deepcopy, by_skops]


def assert_same(one, other):
    """Assert equal values, arrays compared bit for bit, in whatever they are nested."""
    assert type(one) is type(other)
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


PROBLEMS = {
    "moons": lambda: make_moons(80, noise=0.2, random_state=0),
    "float32": lambda: (load_iris().data.astype("float32"), load_iris().target),
    "strings": lambda: (load_iris().data, np.array(["setosa", "versicolor", "virginica"])[load_iris().target]),
    "objects": lambda: (load_iris().data, np.array(["a", "bb", "ccc"], object)[load_iris().target]),
    "several labels": lambda: make_multilabel_classification(80, random_state=0),
}


@pytest.mark.slow
@pytest.mark.parametrize("keep", KEEPERS)
@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_what_was_kept_is_what_was_learned_and_goes_on_alike(problem, keep, tmp_path):
    X, y = problem()
    clf = KerasMoonClassifier(epochs=3, warm_start=True, early_stopping=True, dropout=0.1, random_state=0).fit(X, y)
    kept = keep(clf, tmp_path)
    assert_same(vars(kept), vars(clf))
    assert_same(kept.predict_proba(X), clf.predict_proba(X))
    assert_same(kept.predict(X), clf.predict(X))
    assert_same(vars(kept.fit(X, y)), vars(clf.fit(X, y)))


@pytest.mark.parametrize("keep", KEEPERS)
def test_a_pipeline_is_kept_too(moons, keep, tmp_path):
    X, y = moons
    model = make_pipeline(StandardScaler(), KerasMoonClassifier(epochs=2, random_state=0)).fit(X, y)
    assert_same(keep(model, tmp_path).predict_proba(X), model.predict_proba(X))


def test_a_copy_is_apart(moons):
    clf = KerasMoonClassifier(epochs=2, warm_start=True, random_state=0).fit(*moons)
    other = copy.deepcopy(clf)
    before = copy.deepcopy(vars(clf))
    other.fit(*moons)
    assert_same(vars(clf), before)


def test_a_fitted_lecture_network_is_small(moons, fitted, tmp_path):
    assert len(pickle.dumps(fitted)) < 40_000
    stopped = KerasMoonClassifier(early_stopping=True, optimizer="adam", random_state=0).fit(*moons)
    assert len(pickle.dumps(stopped)) < 45_000  # weights of the best and of the last epoch, two moments for each


PREDICT = """
import sys
import skops.io, joblib
clf = skops.io.load(sys.argv[1], trusted=[sys.argv[2]])
other = joblib.load(sys.argv[3])
assert (clf.predict_proba([[0.5, 0.25]]) == other.predict_proba([[0.5, 0.25]])).all()
print(sorted({name.partition(".")[0] for name in sys.modules} & {"tensorflow", "keras"}))
"""


@pytest.mark.slow
def test_loading_and_predicting_need_no_tensorflow(fitted, run_python, tmp_path):
    skops.io.dump(fitted, tmp_path / "clf.skops")
    joblib.dump(fitted, tmp_path / "clf.joblib")
    assert run_python(PREDICT, str(tmp_path / "clf.skops"), OWN_TYPE, str(tmp_path / "clf.joblib")) == "[]\n"


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_keras_s_own_formats_are_loaded_and_agree(problem, tmp_path):
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


def test_what_keras_loads_trains_further(moons, tmp_path):
    clf = KerasMoonClassifier(epochs=3, optimizer="adam", random_state=0).fit(*moons)
    clf.model_.save(tmp_path / "clf.keras")
    with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):  # which is new, and holds none
        loaded = keras.saving.load_model(tmp_path / "clf.keras")
    before = loaded.evaluate(*moons, verbose=0, return_dict=True)
    assert before["accuracy"] == pytest.approx(clf.score(*moons))
    assert loaded.fit(*moons, epochs=10, verbose=0).history["loss"][-1] < before["loss"]


@pytest.mark.parametrize("path", sorted(DATA.glob("moonnet-*.pickle")), ids=lambda path: path.stem)
def test_pickles_of_earlier_versions_are_read(path):
    kept = pickle.loads(path.read_bytes())
    assert set(kept) == {"moons", "strings", "several labels"}
    for clf, X, y, probabilities in kept.values():
        assert_allclose(clf.predict_proba(X), probabilities, rtol=1e-9, atol=1e-12)
        assert clf.score(X, y) > 0.5
        n_epochs = clf.n_iter_
        clf.set_params(epochs=2).fit(X, y)  # goes on: the estimator has warm_start
        assert clf.n_iter_ == n_epochs + 2
        assert abs(clf.history_["loss"][-1] - clf.history_["loss"][n_epochs - 1]) < 0.2


def test_this_version_s_pickle_is_kept():
    from moonnet import __version__

    assert (DATA / f"moonnet-{__version__}.pickle").exists()
