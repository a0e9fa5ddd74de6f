"""Networks of one's own layers within ensembles, meta-estimators, threads and files, and with data of any kind."""

import copy
import io
import pickle
import signal
import threading

import cloudpickle
import joblib
import keras
import numpy as np
import pandas as pd
import pytest
import skops.io
from keras import layers
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor

from moonnet import HiddenLayers, KerasMoonClassifier, KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleClassifier
from moonnet.networks import _own_layers
from moonnet.tables import tabular_pipeline
from moonnet.training import _compiled_prediction, _compiled_program

X, Y = make_classification(96, 6, n_informative=4, n_classes=3, random_state=0)


def residual(inputs, units=5):
    x = layers.Dense(units)(inputs)
    branch = layers.Dropout(0.1)(layers.ReLU()(layers.BatchNormalization()(x)))
    return layers.Add()([x, layers.Dense(units)(branch)])


def convolutional():
    return [layers.Reshape((-1, 1)), layers.Conv1D(2, 2, activation="relu"), layers.Dropout(0.1), layers.Flatten()]


def classifier(**parameters):
    defaults = {"hidden_layers": HiddenLayers(residual), "batch_size": 32, "epochs": 3, "random_state": 0}
    return KerasMoonClassifier(**(defaults | parameters))


def assert_same_network(first, second):
    for ours, theirs in zip(first._state.arrays, second._state.arrays, strict=True):
        assert_array_equal(ours, theirs)


def test_meta_estimators_fit_networks_as_by_hand():
    calibrated = CalibratedClassifierCV(classifier(), cv=StratifiedKFold(3)).fit(X, Y)
    for member, (train, _) in zip(calibrated.calibrated_classifiers_, StratifiedKFold(3).split(X, Y), strict=True):
        assert_same_network(member.estimator, classifier().fit(X[train], Y[train]))
    one_vs_rest = OneVsRestClassifier(classifier()).fit(X, Y)
    for label, member in enumerate(one_vs_rest.estimators_):
        assert_same_network(member, classifier().fit(X, Y == label))


def test_members_may_have_other_numbers_of_features():
    clf = classifier(hidden_layers=[layers.Dense(4, "relu"), layers.Dropout(0.1)])
    bagging = BaggingClassifier(clf, 2, max_features=0.5, bootstrap=False, random_state=0).fit(X, Y)
    for member, columns in zip(bagging.estimators_, bagging.estimators_features_, strict=True):
        assert member.n_features_in_ == 3
        assert_same_network(member, clone(clf).set_params(random_state=member.random_state).fit(X[:, columns], Y))


def test_several_outputs_one_by_one_and_together():
    targets = np.column_stack([100 * X[:, 0], X[:, 1] - 5])
    reg = KerasMoonRegressor(hidden_layers=HiddenLayers(residual), batch_size=32, epochs=3, random_state=0)
    for column, member in enumerate(MultiOutputRegressor(reg).fit(X, targets).estimators_):
        assert_same_network(member, clone(reg).fit(X, targets[:, column]))
    together = reg.fit(X, targets)
    assert together.predict(X).shape == (96, 2)
    assert_allclose(together.model_.predict(X, verbose=0), together.predict(X), rtol=1e-4, atol=1e-3)


def test_multilabel_predictions_are_those_of_the_model():
    labels = np.column_stack([Y == 0, Y < 2]).astype(int)
    clf = classifier().fit(X, labels)
    assert_allclose(clf.predict_proba(X), clf.model_.predict(X, verbose=0), rtol=1e-4, atol=1e-5)
    assert_array_equal(clf.predict(X), clf.predict_proba(X) > 0.5)


@pytest.mark.parametrize("cv", [None, 3])
def test_ensemble_predicts_mean_of_members_of_one_program(cv):
    hidden = [layers.Dense(9), layers.BatchNormalization(), layers.ReLU()]  # no other test trains these
    member = KerasMoonClassifier(hidden_layers=hidden, batch_size=32, epochs=4)
    ensemble = DeepEnsembleClassifier(member, 2, cv=cv, random_state=0).fit(X, Y)
    members = [
        clone(member).set_params(random_state=e.random_state, epochs=ensemble.epochs_ or 4).fit(X, Y)
        for e in ensemble.estimators_
    ]
    assert_array_equal(ensemble.predict_proba(X), sum(m.predict_proba(X) for m in members) / 2)
    networks = [program.spec.network for program in _compiled_program._programs.values()]
    assert networks.count(members[0]._network) == 1  # folds have no incomplete batches either


def test_pipeline_for_tables_takes_a_network_of_own_layers():
    table = pd.DataFrame(X[:, :2], columns=["a", "b"]).assign(kind=np.array(["u", "v", "w"])[Y])
    model = tabular_pipeline(classifier(epochs=40, learning_rate=0.01), random_state=0).fit(table, Y)
    assert model.score(table, Y) > 0.9


ROUND_TRIPS = {
    "pickle": lambda clf: pickle.loads(pickle.dumps(clf)),
    "cloudpickle": lambda clf: pickle.loads(cloudpickle.dumps(clf)),
    "deepcopy": copy.deepcopy,
    "joblib": lambda clf: by_joblib(clf),
    "skops": lambda clf: by_skops(clf),
}


def by_joblib(clf):
    file = io.BytesIO()
    joblib.dump(clf, file)
    file.seek(0)
    return joblib.load(file)


def by_skops(clf):
    data = skops.io.dumps(clf)
    return skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))


@pytest.mark.parametrize("hidden_layers", [HiddenLayers(residual), convolutional()], ids=["residual", "convolution"])
@pytest.mark.parametrize("round_trip", ROUND_TRIPS.values(), ids=ROUND_TRIPS)
def test_restored_networks_predict_and_resume_the_same(round_trip, hidden_layers):
    clf = classifier(hidden_layers=hidden_layers, warm_start=True).fit(X, Y)
    restored = round_trip(clf)
    assert_array_equal(restored.predict_proba(X), clf.predict_proba(X))
    assert_same_network(restored.fit(X, Y), clf.fit(X, Y))


@pytest.mark.parametrize("round_trip", [ROUND_TRIPS[name] for name in ("cloudpickle", "deepcopy", "joblib")])
def test_restored_settings_train_the_same(round_trip):
    for hidden_layers in (HiddenLayers(residual, units=4), [layers.Dense(4), layers.BatchNormalization()]):
        clf = classifier(hidden_layers=hidden_layers)
        assert_same_network(round_trip(clf).fit(X, Y), clf.fit(X, Y))


@pytest.mark.trains
def test_threads_fit_equal_and_different_architectures_at_once():
    stacks = [
        HiddenLayers(residual),
        HiddenLayers(residual, units=3),
        [layers.Dense(5), layers.Dropout(0.1)],
        convolutional(),
    ] * 2
    expected = [classifier(hidden_layers=hidden).fit(X, Y) for hidden in stacks]
    expected = [(clf, clf.predict_proba(X)) for clf in expected]
    _compiled_program._programs.clear()
    _own_layers._network.cache_clear()
    _compiled_prediction._compiled.cache_clear()
    start = threading.Barrier(len(stacks))

    def fit(hidden):
        start.wait()
        clf = classifier(hidden_layers=hidden).fit(X, Y)
        return clf, clf.predict_proba(X)

    results = joblib.Parallel(len(stacks), backend="threading")(joblib.delayed(fit)(hidden) for hidden in stacks)
    for (clf, probabilities), (expected_clf, expected_probabilities) in zip(results, expected, strict=True):
        assert_same_network(clf, expected_clf)
        assert_array_equal(probabilities, expected_probabilities)


@pytest.mark.parametrize("hidden_layers", [HiddenLayers(residual), convolutional()], ids=["residual", "convolution"])
def test_sparse_samples_equal_dense_ones(hidden_layers):
    dense = np.where(np.abs(X) > 0.5, X, 0)
    clf = classifier(hidden_layers=hidden_layers).fit(sparse.csr_array(dense), Y)
    assert_same_network(clf, classifier(hidden_layers=hidden_layers).fit(dense, Y))
    assert_array_equal(clf.predict_proba(sparse.csc_array(dense)), clf.predict_proba(dense))


def test_partial_fits_equal_epochs_and_class_weights_equal_sample_weights():
    clf = classifier()
    for _ in range(3):
        clf.partial_fit(X, Y, classes=[0, 1, 2])
    assert_same_network(clf, classifier().fit(X, Y))
    weights = {0: 0, 1: 1, 2: 3}
    weighted = classifier(class_weight=weights).fit(X, Y)
    assert_same_network(weighted, classifier().fit(X, Y, sample_weight=[weights[label] for label in Y]))


@pytest.mark.parametrize("hidden_layers", [HiddenLayers(residual), convolutional()], ids=["residual", "convolution"])
def test_best_epoch_has_the_best_score(hidden_layers):
    clf = classifier(
        hidden_layers=hidden_layers, early_stopping=True, scoring="f1_macro", n_iter_no_change=np.inf, epochs=8
    ).fit(X[:64], Y[:64], X_val=X[64:], y_val=Y[64:])
    scores = clf.history_["val_score"]
    assert clf.best_validation_score_ == max(scores) == scores[clf.best_iteration_ - 1]
    best = classifier(hidden_layers=hidden_layers, epochs=clf.best_iteration_).fit(X[:64], Y[:64])
    assert_same_network(clf, best)


def test_resuming_needs_equal_layers():
    clf = classifier(hidden_layers=[layers.Dense(3), layers.ReLU()], warm_start=True).fit(X, Y)
    clf.set_params(hidden_layers=[layers.Dense(3), layers.ReLU()]).fit(X, Y)
    assert clf.n_iter_ == 6
    for other in ([layers.Dense(4), layers.ReLU()], [layers.Dense(3), layers.ELU()], None):
        with pytest.raises(
            ValueError, match=r"must not change when training is resumed.*hidden layers \[Dense, ReLU\]"
        ):
            clf.set_params(hidden_layers=other).fit(X, Y)


def test_interrupted_training_keeps_whole_epochs():
    def interrupt(epoch, logs):
        if epoch == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.warns(UserWarning, match="interrupted"):
        clf = classifier(epochs=9, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=interrupt)]).fit(X, Y)
    assert clf.n_iter_ == 3
    assert_same_network(clf, classifier(epochs=3).fit(X, Y))


class SetWeights(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        for variable in self.model.variables:
            variable.assign(keras.ops.full(variable.shape, 0.5))


def test_weights_that_a_callback_sets_are_those_of_the_network():
    hidden = [layers.Dense(3), layers.BatchNormalization()]
    clf = classifier(hidden_layers=hidden, callbacks=[SetWeights()], epochs=1).fit(X, Y)
    assert {float(value) for array in clf._state.arrays for value in array.ravel()} == {0.5}


@pytest.mark.parametrize("batch_size", [95, 96, 97, 10**9])
def test_any_batch_size_trains(batch_size):
    clf = classifier(batch_size=batch_size, epochs=2).fit(X[:, :1], Y)
    assert_allclose(clf.model_.predict(X[:, :1], verbose=0), clf.predict_proba(X[:, :1]), rtol=1e-4, atol=1e-5)


def test_refits_with_new_layers_compile_nothing_new():
    def fit_all():
        inner = keras.Sequential([layers.Dense(4), layers.Dropout(0.1)])
        for hidden in (HiddenLayers(residual), [inner, layers.Dense(2)], convolutional()):
            classifier(hidden_layers=hidden, epochs=1).fit(X, Y).predict(X)
        return len(_compiled_program._programs), _compiled_prediction._compiled.cache_info().currsize

    assert fit_all() == fit_all()
