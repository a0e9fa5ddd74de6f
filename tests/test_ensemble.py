"""Ensembles of networks: the mean of members that differ in their random states only."""

import pickle
import signal
import threading
import warnings

import keras
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_friedman1, make_multilabel_classification
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import BaggingClassifier, BaggingRegressor, VotingClassifier, VotingRegressor
from sklearn.linear_model import Perceptron, Ridge
from sklearn.model_selection import ShuffleSplit, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor
from moonnet.training import _compiled_program, _loop

CLASSIFIER = KerasMoonClassifier((9,), epochs=12, early_stopping=True)
REGRESSOR = KerasMoonRegressor((9,), epochs=12)


@pytest.fixture(scope="module")
def ensemble(moons):
    return DeepEnsembleClassifier(CLASSIFIER, 3, random_state=7).fit(*moons)


def fit_members(estimator, n_members, random_state, X, y, **options):
    """Fit copies of an estimator by hand."""
    seeds = check_random_state(random_state).randint(np.iinfo(np.int32).max, size=n_members)
    return [clone(estimator).set_params(random_state=int(seed)).fit(X, y, **options) for seed in seeds]


@pytest.mark.trains
def test_classifier_predicts_mean_of_members_fitted_by_hand(moons, ensemble):
    X, y = moons
    members = fit_members(CLASSIFIER, 3, 7, X, y)
    mean = (members[0].predict_proba(X) + members[1].predict_proba(X) + members[2].predict_proba(X)) / 3
    assert_array_equal(ensemble.predict_proba(X), mean)
    assert_array_equal(ensemble.predict(X), mean.argmax(axis=1))
    assert ensemble.predict_proba(X[:1]).shape == (1, 2)
    assert len({member.coefs_[0].tobytes() for member in ensemble.estimators_}) == 3


VOTERS = {
    "classes": [(str(seed), clone(CLASSIFIER).set_params(random_state=seed)) for seed in range(3)],
    "numbers": [(str(seed), clone(REGRESSOR).set_params(random_state=seed)) for seed in range(3)],
}


@pytest.mark.parametrize(
    "ensemble",
    [
        BaggingClassifier(CLASSIFIER, 3, random_state=0),
        BaggingClassifier(CLASSIFIER, 3, max_samples=0.5, bootstrap=False, random_state=0),
        BaggingRegressor(REGRESSOR, 3, random_state=0),
        VotingClassifier(VOTERS["classes"], voting="soft"),
        VotingRegressor(VOTERS["numbers"]),
    ],
    ids=["bagging", "half", "bagging of numbers", "voting", "voting of numbers"],
)
def test_members_of_scikit_learns_ensembles_share_one_compiled_program(ensemble, monkeypatch):
    monkeypatch.setattr(_compiled_program, "_programs", {})
    X, y = make_friedman1(120, random_state=0)
    ensemble.fit(X, y > y.mean() if isinstance(ensemble, BaggingClassifier | VotingClassifier) else y)
    assert len(_compiled_program._programs) == 1
    predictions = {member.predict(X).tobytes() for member in ensemble.estimators_}
    assert len(predictions) == 3
    if isinstance(ensemble, BaggingClassifier | BaggingRegressor):  # which trained on different numbers of samples
        sizes = [len(np.unique(rows)) for rows in ensemble.estimators_samples_]
        assert (len(set(sizes)) == 1) == (not ensemble.bootstrap)


def test_regressor_predicts_mean_of_members_fitted_by_hand():
    X, y = make_friedman1(60, random_state=0)
    Y = np.column_stack([y, -2 * y])
    for target in (y, Y):
        fitted = DeepEnsembleRegressor(REGRESSOR, 2, random_state=np.random.RandomState(3)).fit(X, target)
        first, second = fit_members(REGRESSOR, 2, np.random.RandomState(3), X, target)
        assert_array_equal(fitted.predict(X), (first.predict(X) + second.predict(X)) / 2)


def test_quantiles_are_the_mean_of_the_members_and_do_not_cross():
    X, y = make_friedman1(80, random_state=0)
    network = KerasMoonRegressor((5,), loss="pinball", quantile=[0.1, 0.5, 0.9], epochs=2)
    reg = DeepEnsembleRegressor(network, 3, random_state=0)
    assert hasattr(reg, "predict_quantiles")
    for targets in (y, np.column_stack([y, -y])):
        quantiles = reg.fit(X, targets).predict_quantiles(X)
        assert_allclose(quantiles, np.mean([member.predict_quantiles(X) for member in reg.estimators_], axis=0))
        assert_allclose(quantiles[..., 1], reg.predict(X))
        assert (np.diff(quantiles) >= 0).all()
    assert reg.quantiles_.tolist() == [0.1, 0.5, 0.9]
    for others in (DeepEnsembleRegressor(), DeepEnsembleRegressor(Ridge(), 2).fit(X, y)):
        assert not hasattr(others, "predict_quantiles")
        assert not hasattr(others, "quantiles_")


@pytest.mark.trains
def test_bits_are_the_same_on_threads(moons, ensemble):
    X, y = moons
    for n_jobs in (2, -1):
        on_threads = clone(ensemble).set_params(n_jobs=n_jobs).fit(X, y)
        assert_array_equal(on_threads.predict_proba(X), ensemble.predict_proba(X))
    with parallel_config(n_jobs=2):
        assert_array_equal(clone(ensemble).fit(X, y).predict_proba(X), ensemble.predict_proba(X))


@pytest.mark.parametrize(("cv", "hidden_layer_sizes"), [(None, (11, 3)), (3, (11, 4))])
def test_all_networks_share_one_compiled_program(moons, cv, hidden_layer_sizes):
    # No other test trains these architectures
    member = KerasMoonClassifier(hidden_layer_sizes, epochs=5)
    ensemble = DeepEnsembleClassifier(member, 4, cv=cv, random_state=0).fit(*moons)
    assert (cv is None) == (ensemble.epochs_ is None)
    specs = [getattr(program.spec.network, "layer_sizes", None) for program in _compiled_program._programs.values()]
    assert specs.count((2, *hidden_layer_sizes, 1)) == 1


def test_random_state_decides_the_members(moons):
    X, y = moons
    member = KerasMoonClassifier((9,), epochs=1, random_state=5)

    def predict(random_state):
        return DeepEnsembleClassifier(member, 2, random_state=random_state).fit(X, y).predict_proba(X)

    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert_array_equal(predict(0), predict(0))
    assert (predict(0) != predict(1)).any()
    assert (predict(None) != predict(None)).any()
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_labels_may_be_text_or_several(moons):
    X, y = moons
    labels = np.array(["no", "yes"])[y]
    as_text = DeepEnsembleClassifier(CLASSIFIER, 2, random_state=0).fit(X, labels)
    as_numbers = clone(as_text).fit(X, y)
    assert as_text.classes_.tolist() == ["no", "yes"]
    assert_array_equal(as_text.predict(X), np.array(["no", "yes"])[as_numbers.predict(X)])

    X, Y = make_multilabel_classification(80, n_classes=3, random_state=0)
    X = X / X.max()
    several = DeepEnsembleClassifier(KerasMoonClassifier((9,), epochs=100), 2, random_state=0).fit(X, Y)
    assert_array_equal(several.predict(X), (several.predict_proba(X) > 0.5).astype(int))
    assert (several.predict(X) == Y).mean() > 0.6


def test_members_receive_weights_and_validation_set(moons):
    X, y = moons
    weight = np.linspace(0, 1, len(y))
    options = {"sample_weight": weight, "X_val": X[:50], "y_val": y[:50], "sample_weight_val": weight[:50]}
    fitted = DeepEnsembleClassifier(CLASSIFIER, 2, random_state=7).fit(X, y, **options)
    for member, expected in zip(fitted.estimators_, fit_members(CLASSIFIER, 2, 7, X, y, **options), strict=True):
        assert member.history_ == expected.history_
        assert_array_equal(member.coefs_[0], expected.coefs_[0])
    frame = pd.DataFrame(X, columns=["a", "b"])
    with pytest.raises(ValueError, match=r"In X_val: .*feature names"):
        DeepEnsembleClassifier(CLASSIFIER, 2).fit(frame, y, X_val=frame[["b", "a"]], y_val=y)


def test_sparse_samples_are_supported(moons, ensemble):
    X, y = moons
    on_sparse = clone(ensemble).fit(sparse.csr_array(X), y)
    assert_array_equal(on_sparse.predict(sparse.csr_array(X)), ensemble.predict(X))


def test_any_classifier_with_probabilities_can_be_a_member(moons):
    X, y = moons
    member = MLPClassifier((5,), max_iter=5, early_stopping=True, n_iter_no_change=1, tol=1)
    fitted = DeepEnsembleClassifier(member, 2, random_state=7).fit(X, y)
    first, second = fit_members(member, 2, 7, X, y)
    assert_array_equal(fitted.predict_proba(X), (first.predict_proba(X) + second.predict_proba(X)) / 2)
    without_random_state = DeepEnsembleRegressor(DummyRegressor(), 2).fit(X, y)
    assert (without_random_state.predict(X) == y.mean()).all()


def test_random_state_decides_pipelines_as_members(moons):
    X, y = moons
    member = make_pipeline(StandardScaler(), KerasMoonClassifier((5,), epochs=2, random_state=0))
    for nested in (member, CalibratedClassifierCV(member, cv=2)):
        fitted = DeepEnsembleClassifier(nested, 3, random_state=7).fit(X, y)
        assert_array_equal(clone(fitted).fit(X, y).predict_proba(X), fitted.predict_proba(X))
        assert len({inner.predict_proba(X).tobytes() for inner in fitted.estimators_}) == 3


def test_logarithms_are_those_of_the_probabilities(moons, ensemble):
    assert_array_equal(ensemble.predict_log_proba(moons[0]), np.log(ensemble.predict_proba(moons[0])))


def test_fits_in_threads_leave_the_filters_of_warnings(moons):
    fitting, checked = threading.Event(), threading.Event()

    class Waiting(DummyClassifier):
        def fit(self, X, y):
            fitting.set()
            checked.wait(10)
            return super().fit(X, y)

    thread = threading.Thread(target=DeepEnsembleClassifier(Waiting(), 1).fit, args=moons)
    thread.start()
    assert fitting.wait(10)
    filters = list(warnings.filters)
    checked.set()
    thread.join()
    assert not [message for action, message, *_ in filters if action == "error" and "interrupted" in str(message)]


@pytest.mark.trains
def test_members_resume_with_a_new_optimizer(moons, ensemble):
    X, y = moons
    member = pickle.loads(pickle.dumps(ensemble.estimators_[0]))
    assert member._checkpoint["optimizer_state"] == []
    n_epochs, before = member.n_iter_, member.score(X, y)
    for _ in range(20):
        member.partial_fit(X, y)
    assert member.n_iter_ == n_epochs + 20
    assert member.score(X, y) > before


@pytest.mark.parametrize(
    ("ensemble", "message"),
    [
        (DeepEnsembleClassifier(REGRESSOR), r"'estimator' parameter of DeepEnsembleClassifier .*\. Got KerasMoonReg"),
        (DeepEnsembleClassifier(Perceptron()), r"must be a classifier with predict_proba\. Got Perceptron\(\) instead"),
        (DeepEnsembleRegressor(CLASSIFIER), r"DeepEnsembleRegressor must be a regressor\. Got KerasMoonClassifier"),
        (DeepEnsembleClassifier(n_estimators=0), "'n_estimators' parameter of DeepEnsembleClassifier .* Got 0 instead"),
        (
            DeepEnsembleClassifier(keras.Sequential()),
            "'estimator' parameter of DeepEnsembleClassifier .* Got <Sequential",
        ),
        (DeepEnsembleClassifier(3), "'estimator' parameter of DeepEnsembleClassifier .* Got 3 instead"),
    ],
)
def test_invalid_parameters_are_reported(ensemble, message, moons):
    with pytest.raises(ValueError, match=message):
        ensemble.fit(*moons)


def test_failed_and_interrupted_fits_leave_the_ensemble_as_it_was(moons, monkeypatch):
    X, y = moons
    fitted = DeepEnsembleClassifier(KerasMoonClassifier((9,), epochs=3), 3, random_state=0).fit(X, y)
    expected = fitted.predict_proba(X)
    with pytest.raises(ValueError, match="y must contain at least 2 classes"):
        fitted.fit(X[:, :1], np.zeros(len(y)))
    assert_array_equal(fitted.predict_proba(X), expected)

    runs, run = [], _loop.Training._run_steps

    def press_ctrl_c(self, *arguments):
        runs.append(self)
        if len(runs) == 2:
            signal.raise_signal(signal.SIGINT)
        return run(self, *arguments)

    monkeypatch.setattr(_loop.Training, "_run_steps", press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        fitted.set_params(estimator__epochs=1).fit(X, 1 - y)
    assert len(runs) == 2
    assert_array_equal(fitted.predict_proba(X), expected)


def test_cross_validation_chooses_the_number_of_epochs(moons):
    X, y = moons
    member = KerasMoonClassifier((9,), optimizer="adam", learning_rate=0.03, epochs=60, n_iter_no_change=5)
    ensemble = DeepEnsembleClassifier(member, 2, cv=4, random_state=3).fit(X, y)
    rng = np.random.RandomState(3)
    folds = list(StratifiedKFold(4, shuffle=True, random_state=rng).split(X, y))
    best = []
    for (train, left_out), seed, history in zip(
        folds, rng.randint(np.iinfo(np.int32).max, size=4), ensemble.fold_histories_, strict=True
    ):
        network = clone(member).set_params(random_state=int(seed), early_stopping=True)
        network.fit(X[train], y[train], X_val=X[left_out], y_val=y[left_out])
        assert network.history_ == history
        best.append(network.best_iteration_)
    assert ensemble.epochs_ == round(np.median(best))
    for fitted, seed in zip(ensemble.estimators_, rng.randint(np.iinfo(np.int32).max, size=2), strict=True):
        alone = clone(member).set_params(random_state=int(seed), epochs=ensemble.epochs_).fit(X, y)
        assert_array_equal(fitted.coefs_[0], alone.coefs_[0])
    on_threads = clone(ensemble).set_params(n_jobs=2).fit(X, y)
    assert_array_equal(on_threads.predict_proba(X), ensemble.predict_proba(X))


def test_samples_without_weight_are_absent_from_folds(moons):
    X, y = moons
    weight = np.arange(len(y)) % 3 / 2
    present = weight > 0
    ensemble = DeepEnsembleClassifier(CLASSIFIER, 2, cv=3, random_state=0)
    weighted = clone(ensemble).fit(X, y, sample_weight=weight)
    without = clone(ensemble).fit(X[present], y[present], sample_weight=weight[present])
    assert weighted.fold_histories_ == without.fold_histories_
    assert_array_equal(weighted.predict_proba(X), without.predict_proba(X))


@pytest.mark.parametrize("counts", [(30, 1), (30, 2), (3, 3), (2, 2, 1)])
def test_rare_classes_stay_in_every_fold(counts):
    y = np.repeat(np.arange(len(counts)), counts)
    X = np.random.default_rng(0).normal(size=(len(y), 2))
    ensemble = DeepEnsembleClassifier(KerasMoonClassifier((4,), epochs=2), 2, cv=5, random_state=0).fit(X, y)
    assert len(ensemble.fold_histories_) == min(5, max(counts))
    assert ensemble.predict_proba(X).shape == (len(y), len(counts))


def test_folds_of_the_user_are_used():
    X, y = make_friedman1(60, random_state=0)
    folds = [(np.arange(40), np.arange(40, 60))]
    ensemble = DeepEnsembleRegressor(REGRESSOR, 1, cv=folds, random_state=0).fit(X, y)
    assert len(ensemble.fold_histories_) == 1
    with_splitter = DeepEnsembleRegressor(REGRESSOR, 1, cv=ShuffleSplit(2, random_state=0), random_state=0).fit(X, y)
    assert len(with_splitter.fold_histories_) == 2


@pytest.mark.parametrize("make", [np.array, list, pd.Series], ids=["array", "list", "series"])
def test_folds_may_be_masks_or_count_from_the_end(make, moons):
    X, y = moons
    n = len(y)
    is_left_out = np.arange(n) % 3 == 0
    weight = np.arange(n) % 5 + 0.0
    expected = DeepEnsembleClassifier(CLASSIFIER, 1, cv=[(np.flatnonzero(~is_left_out), np.flatnonzero(is_left_out))])
    masks = DeepEnsembleClassifier(CLASSIFIER, 1, cv=[(make(~is_left_out), make(is_left_out))])
    from_end = DeepEnsembleClassifier(
        CLASSIFIER, 1, cv=[(make(np.flatnonzero(~is_left_out) - n), make(np.flatnonzero(is_left_out) - n))]
    )
    histories = [
        ensemble.set_params(random_state=0).fit(X, y, sample_weight=weight).fold_histories_
        for ensemble in (expected, masks, from_end)
    ]
    assert histories[0] == histories[1] == histories[2]


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        (
            (range(40), range(40, 61)),
            r"integers from 0 to 59 or masks of 60 booleans\. Got \(range\(0, 40",
        ),
        ((range(40), [-61]), "integers from 0 to 59 or masks"),
        ((np.ones(40, bool), np.ones(20, bool)), "integers from 0 to 59 or masks"),
        ((np.arange(40.0), np.arange(40, 60)), "integers from 0 to 59 or masks"),
        ((np.arange(40)[:, None], np.arange(40, 60)), "integers from 0 to 59 or masks"),
        ((range(40), range(40, 50), range(50, 60)), "integers from 0 to 59 or masks"),
        ((1, 2), r"integers from 0 to 59 or masks.* Got \(1, 2\) instead"),
        (None, r"integers from 0 to 59 or masks.* Got None instead"),
        ((range(40), range(39, 60)), r"other samples to train on than those left out\. Got sample 39 in both"),
        ((range(40), []), r"samples of positive weight .* Got 40 and 0"),
        (([], range(40)), r"samples of positive weight .* Got 0 and 40"),
        ((range(40), range(55, 60)), r"samples of positive weight .* Got 40 and 0"),  # which have a weight of 0
        ((range(0, 40, 3), range(1, 60, 3)), r"at least two classes to train on, .*\. Got \['a'\] and"),
        (
            (np.flatnonzero(np.arange(60) % 3), range(0, 60, 3)),
            r"among them all that are left out\. Got \['b' 'c'\] and \['a'\]",
        ),
    ],
)
def test_unsuitable_folds_are_reported(fold, message):
    X, y = np.zeros((60, 2)), np.array(["a", "b", "c"] * 20)
    weight = np.where(np.arange(60) < 55, 1.0, 0)
    ensemble = DeepEnsembleClassifier(CLASSIFIER, 1, cv=[fold])
    with pytest.raises(
        ValueError, match=rf"Each fold of the 'cv' parameter of DeepEnsembleClassifier must have .*{message}"
    ):
        ensemble.fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("cv", [3, [(np.arange(0, 60), np.arange(60, 90))]], ids=["number", "folds"])
def test_class_of_weight_0_is_known_to_every_fold(n_classes, cv):
    X, y = np.random.default_rng(0).normal(size=(90, 2)), np.arange(90) % n_classes
    weight = (y > 0) * 1.0
    network = KerasMoonClassifier((4,), learning_rate=0.1, epochs=30)
    ensemble = DeepEnsembleClassifier(network, 1, cv=cv, random_state=0).fit(X, y, sample_weight=weight)
    assert ensemble.classes_.tolist() == list(range(n_classes))
    assert ensemble.predict_proba(X)[:, 0].mean() < 0.1
    assert min(ensemble.fold_histories_[0]["val_loss"]) < np.log(3)
    without_weight = np.delete(np.arange(90), np.flatnonzero(y == 0)[2:])  # all but two of that class
    if isinstance(cv, int):
        again = clone(ensemble).fit(X[without_weight], y[without_weight], sample_weight=weight[without_weight])
        assert again.fold_histories_ == ensemble.fold_histories_


def test_unsuitable_cross_validations_are_reported(moons):
    X, y = moons
    with pytest.raises(ValueError, match=r"'cv' parameter .* unless 'estimator' is one of moonnet's\. Got 5 with MLP"):
        DeepEnsembleClassifier(MLPClassifier(), cv=5).fit(X, y)
    with pytest.raises(ValueError, match=r"'cv' parameter .* must be None if a validation set is passed\. Got 5"):
        DeepEnsembleClassifier(cv=5).fit(X, y, X_val=X, y_val=y)
    with pytest.raises(ValueError, match=r"ensemble__cv .* so few samples\. Got 5 with 2 samples of as many classes"):
        DeepEnsembleClassifier(cv=5).fit(X[:2], [0, 1])
    with pytest.raises(ValueError, match=r"must be None for so few samples\. Got 5 with 1 sample\."):
        DeepEnsembleRegressor(cv=5).fit(X[:1], [1])
    with pytest.raises(ValueError, match=r"'cv' parameter .* must have at least one fold\. Got \[\] instead"):
        DeepEnsembleClassifier(cv=[]).fit(X, y)
    with pytest.raises(ValueError, match="'cv' parameter of DeepEnsembleRegressor must be"):
        DeepEnsembleRegressor(cv=1).fit(X, y)
