"""ONNX conversion of ensembles: predictions of ONNX Runtime, compared with those of the ensemble."""

import numpy as np
import pandas as pd
import pytest
import skl2onnx
from numpy.testing import assert_allclose, assert_array_equal
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from helpers import run_onnx
from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor
from moonnet.onnx import to_onnx
from moonnet.tables import tabular_pipeline

IRIS = load_iris()
X = StandardScaler().fit_transform(IRIS.data)
NETWORK = KerasMoonClassifier((6,), epochs=3)
QUANTILES = KerasMoonRegressor((6,), loss="pinball", quantile=[0.1, 0.4, 0.6, 0.9], epochs=3, random_state=0)
PROBLEMS = {
    "two classes": (DeepEnsembleClassifier(NETWORK, 3, random_state=0), X, IRIS.target > 0),
    "strings": (DeepEnsembleClassifier(NETWORK, 3, random_state=0), X, IRIS.target_names[IRIS.target]),
    "one member": (DeepEnsembleClassifier(NETWORK, 1, random_state=0), X, IRIS.target),
    "several labels": (
        DeepEnsembleClassifier(NETWORK, 2, random_state=0),
        *make_multilabel_classification(60, n_features=5, n_classes=3, random_state=0),
    ),
    "scikit-learn's members": (DeepEnsembleClassifier(LogisticRegression(), 2), X, IRIS.target),
    "pipelines": (DeepEnsembleClassifier(make_pipeline(StandardScaler(), NETWORK), 2, random_state=0), X, IRIS.target),
    "numbers": (DeepEnsembleRegressor(KerasMoonRegressor((6,), epochs=3), 3, random_state=0), X, X[:, 0] * 1e3 + 1e4),
    "several numbers": (DeepEnsembleRegressor(KerasMoonRegressor((6,), epochs=3), 2, random_state=0), X, X[:, :2]),
    "quantile": (DeepEnsembleRegressor(clone(QUANTILES).set_params(quantile=0.3), 2, random_state=0), X, X[:, 0]),
    "quantiles": (DeepEnsembleRegressor(QUANTILES, 3, random_state=0), X, X[:, 0] * 1e3 + 1e4),
    "quantiles of several numbers": (DeepEnsembleRegressor(QUANTILES, 2, random_state=0), X, X[:, :2]),
    "ensembles of quantiles": (DeepEnsembleRegressor(DeepEnsembleRegressor(QUANTILES, 2), 2), X, X[:, 0]),
}


REGRESSOR = KerasMoonRegressor((6,), epochs=3, random_state=0)
CLASSIFIERS = [("a", NETWORK), ("b", make_pipeline(StandardScaler(), NETWORK)), ("c", LogisticRegression())]
REGRESSORS = [("a", REGRESSOR), ("b", make_pipeline(StandardScaler(), REGRESSOR)), ("c", LinearRegression())]
NAMES = IRIS.target_names[IRIS.target]
WIDE = X[:, 0] * 1e3 + 1e4
OF_SCIKIT_LEARN = {
    "bagging": (BaggingClassifier(NETWORK, 3, random_state=0), NAMES),
    "bagging of two classes": (BaggingClassifier(NETWORK, 2, random_state=0), IRIS.target > 0),
    "bagging of pipelines": (BaggingClassifier(make_pipeline(StandardScaler(), NETWORK), 2, random_state=0), NAMES),
    "random features": (BaggingClassifier(NETWORK, 3, max_features=0.5, random_state=0), IRIS.target * 2.0),
    "bagging of votes": (BaggingClassifier(Perceptron(), 3, random_state=0), NAMES),
    "bagging of LinearSVC": (BaggingClassifier(LinearSVC(), 3, random_state=0), NAMES),
    "bagging of pipelines of LinearSVC": (
        BaggingClassifier(make_pipeline(StandardScaler(), LinearSVC()), 2, random_state=0),
        IRIS.target > 0,
    ),
    "bagging of RidgeClassifier": (BaggingClassifier(RidgeClassifier(), 2, random_state=0), IRIS.target),
    "votes without probabilities": (
        VotingClassifier([("a", NETWORK), ("b", LinearSVC()), ("c", GridSearchCV(RidgeClassifier(), {}, cv=2))]),
        NAMES,
    ),
    "soft voting": (VotingClassifier(CLASSIFIERS, voting="soft"), NAMES),
    "weighted": (VotingClassifier(CLASSIFIERS, voting="soft", weights=[1, 2, 3.5]), IRIS.target + 5),
    "dropped": (VotingClassifier(CLASSIFIERS, voting="soft", weights=[1, 2, 9]).set_params(c="drop"), IRIS.target),
    "hard voting": (VotingClassifier(CLASSIFIERS), NAMES),
    "weighted votes": (VotingClassifier(CLASSIFIERS, weights=[1, 1, 2.5]), IRIS.target > 0),
    "calibration": (CalibratedClassifierCV(NETWORK, cv=3), NAMES),
    "bagged numbers": (BaggingRegressor(REGRESSOR, 3, max_features=0.5, random_state=0), WIDE),
    "bagged outputs": (BaggingRegressor(REGRESSOR, 2, random_state=0), X[:, :2]),
    "voted numbers": (VotingRegressor(REGRESSORS), WIDE),
    "weighted numbers": (VotingRegressor(REGRESSORS, weights=[1, 2, 3.5]), WIDE),
}


def run(model, X):
    """Convert an ensemble, and return the outputs of ONNX Runtime for X."""
    options = {"zipmap": False} if is_classifier(model) else None
    graph = skl2onnx.to_onnx(model, X[:1], options=options)
    return run_onnx(graph, {"X": X})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_ensemble_agrees(problem, dtype):
    ensemble, X, y = problem
    X = X.astype(dtype)
    ensemble.fit(X, y)
    outputs = run(ensemble, X)
    assert outputs[-1].dtype == dtype
    tolerance = 1e-5 if dtype == np.float32 or isinstance(ensemble.estimator, LogisticRegression) else 1e-12
    if is_classifier(ensemble):
        assert_array_equal(outputs[0], ensemble.predict(X))
        assert_allclose(outputs[1], ensemble.predict_proba(X), rtol=tolerance, atol=tolerance)
    else:
        assert_allclose(outputs[0], ensemble.predict(X).reshape(len(X), -1), rtol=tolerance, atol=tolerance)
        has_several = hasattr(ensemble, "quantiles_") and len(ensemble.quantiles_) > 1
        assert len(outputs) == 1 + has_several
        if has_several:
            assert_allclose(outputs[1], ensemble.predict_quantiles(X), rtol=tolerance, atol=tolerance)


def test_ensemble_of_quantiles_in_another_model_agrees():
    ensemble = DeepEnsembleRegressor(QUANTILES, 2, random_state=0)
    pipeline = make_pipeline(StandardScaler(), ensemble).fit(IRIS.data, WIDE)
    predicted, quantiles = run_onnx(to_onnx(pipeline, IRIS.data), {"X": IRIS.data})
    assert_allclose(predicted[:, 0], pipeline.predict(IRIS.data), rtol=1e-12)
    assert_allclose(quantiles, pipeline[-1].predict_quantiles(pipeline[:-1].transform(IRIS.data)), rtol=1e-12)
    stacked = StackingRegressor([("net", ensemble), ("linear", LinearRegression())], LinearRegression(), cv=2)
    for model in (stacked, VotingRegressor([("net", ensemble)]), BaggingRegressor(ensemble, 2, random_state=0)):
        (predicted,) = run_onnx(to_onnx(model.fit(X, WIDE), X), {"X": X})
        assert_allclose(predicted[:, 0], model.predict(X), rtol=1e-6)


def test_ensemble_in_a_pipeline_agrees(moons):
    X, y = moons
    for options in ({"zipmap": False}, {"zipmap": "columns"}):
        pipeline = make_pipeline(StandardScaler(), DeepEnsembleClassifier(NETWORK, 2, random_state=0)).fit(X, y)
        graph = skl2onnx.to_onnx(pipeline, X[:1], options=options)
        outputs = run_onnx(graph, {"X": X})
        assert_allclose(np.column_stack(outputs[1:]), pipeline.predict_proba(X), rtol=1e-12)


@pytest.mark.parametrize("problem", OF_SCIKIT_LEARN.values(), ids=OF_SCIKIT_LEARN)
def test_scikit_learns_ensemble_agrees(problem):
    ensemble, y = problem
    ensemble.fit(X, y)
    outputs = run_onnx(to_onnx(ensemble, X), {"X": X})
    expected = ensemble.predict(X)
    # skl2onnx computes scikit-learn's linear models in float32
    has_linear_model = isinstance(ensemble, VotingClassifier | VotingRegressor)
    tolerance = 1e-6 if has_linear_model else 1e-12
    if not is_classifier(ensemble):
        assert_allclose(outputs[0], expected.reshape(len(X), -1), rtol=tolerance, atol=tolerance)
        return
    assert_array_equal(outputs[0], expected)
    if hasattr(ensemble, "predict_proba"):
        assert_allclose(outputs[1], ensemble.predict_proba(X), rtol=tolerance, atol=tolerance)
    else:  # each class's share of the votes
        votes, classes = ensemble.transform(X), np.arange(len(ensemble.classes_))
        shares = [np.average(votes == index, axis=1, weights=ensemble.weights) for index in classes]
        assert_allclose(outputs[1], np.transpose(shares))


def test_calibration_that_skl2onnx_converts_wrongly_raises():
    calibrated = CalibratedClassifierCV(NETWORK, method="isotonic", cv=2).fit(X, NAMES)
    with pytest.raises(
        ValueError, match=r"'method' parameter of CalibratedClassifierCV must be 'sigmoid'.*Got 'isotonic'"
    ):
        to_onnx(make_pipeline(calibrated), X)


def test_member_that_lacks_a_class_agrees():
    ensemble = BaggingClassifier(LogisticRegression(), 4, max_samples=3, bootstrap=False, random_state=0)
    ensemble.fit(X, NAMES)
    for member in ensemble.estimators_[:2]:  # as if it had been fitted to samples of two classes
        member.fit(X[50:], IRIS.target[50:])
    outputs = run_onnx(to_onnx(ensemble, X), {"X": X})
    assert_allclose(outputs[1], ensemble.predict_proba(X), rtol=1e-5, atol=1e-5)
    assert_array_equal(outputs[0], ensemble.predict(X))


def test_columns_of_a_dataframe_are_inputs_of_each_member():
    frame = pd.DataFrame(X, columns=list("abcd")).assign(e=["x", "y", "z"] * 50)
    inputs = {name: frame[[name]].to_numpy() for name in frame}
    tables = [(str(seed), tabular_pipeline("classifier", random_state=seed)) for seed in range(2)]
    for _, table in tables:
        table.set_params(ensemble__n_estimators=1, ensemble__cv=None, ensemble__estimator__epochs=3)
    voting = VotingClassifier(tables, voting="soft").fit(frame, NAMES)
    labels, probabilities = run_onnx(to_onnx(voting, frame), inputs)
    assert_array_equal(labels, voting.predict(frame))
    assert_allclose(probabilities, voting.predict_proba(frame), rtol=1e-5, atol=1e-5)
    numbers = frame.drop(columns="e")
    bagging = BaggingClassifier(NETWORK, 2, max_features=0.5, random_state=0).fit(numbers, NAMES)
    outputs = run_onnx(to_onnx(bagging, numbers), {name: inputs[name] for name in numbers})
    assert_allclose(outputs[1], bagging.predict_proba(numbers), rtol=1e-12)


LINEAR = {
    "voting": VotingClassifier([("a", NETWORK), ("b", LogisticRegression())], voting="soft"),
    "votes": VotingClassifier([("a", NETWORK), ("b", LinearSVC()), ("c", make_pipeline(PCA(2), LinearSVC()))]),
    "bagging": BaggingClassifier(LinearSVC(), 2, random_state=0),
    "stacking": StackingClassifier([("a", NETWORK), ("b", LogisticRegression())], cv=2),
    "voted numbers": VotingRegressor([("a", REGRESSOR), ("b", LinearRegression())]),
    "stacked numbers": StackingRegressor([("a", REGRESSOR), ("b", LinearRegression())], cv=2),
}


@pytest.mark.parametrize("ensemble", LINEAR.values(), ids=LINEAR)
def test_linear_members_take_the_columns_of_a_dataframe(ensemble):
    frame = pd.DataFrame(X, columns=list("abcd"))
    ensemble.fit(frame, NAMES if is_classifier(ensemble) else WIDE)
    outputs = run_onnx(to_onnx(ensemble, frame), {name: frame[[name]].to_numpy() for name in frame})
    if is_classifier(ensemble):
        assert_array_equal(outputs[0], ensemble.predict(frame))
        if hasattr(ensemble, "predict_proba"):
            assert_allclose(outputs[1], ensemble.predict_proba(frame), rtol=1e-6, atol=1e-6)
    else:
        assert_allclose(outputs[0][:, 0], ensemble.predict(frame), rtol=1e-6)


def test_unfitted_ensemble_and_other_inputs_raise():
    for ensemble in (DeepEnsembleClassifier(NETWORK, 1), DeepEnsembleRegressor(KerasMoonRegressor((6,), epochs=1), 1)):
        with pytest.raises(NotFittedError):
            run(ensemble, X)
        ensemble.fit(X, IRIS.target)
        with pytest.raises(TypeError, match=r"inputs of DeepEnsemble\w+ must be float32.* Got StringTensorType"):
            skl2onnx.to_onnx(ensemble, initial_types=[("X", StringTensorType([None, 4]))])
        with pytest.raises(ValueError, match=r"was fitted with 4 features\. Got ONNX inputs with 3 columns"):
            skl2onnx.to_onnx(ensemble, initial_types=[("X", FloatTensorType([None, 3]))])
