"""ONNX conversion of ensembles: predictions of ONNX Runtime, compared with those of the ensemble."""

import numpy as np
import pytest
import skl2onnx
from numpy.testing import assert_allclose, assert_array_equal
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.base import is_classifier
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import moonnet.onnx  # noqa: F401 - registers the converters
from helpers import run_onnx
from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor

IRIS = load_iris()
X = StandardScaler().fit_transform(IRIS.data)
NETWORK = KerasMoonClassifier((6,), epochs=3)
PROBLEMS = {
    "two classes": (DeepEnsembleClassifier(NETWORK, 3, random_state=0), X, IRIS.target > 0),
    "strings": (DeepEnsembleClassifier(NETWORK, 3, random_state=0), X, IRIS.target_names[IRIS.target]),
    "one member": (DeepEnsembleClassifier(NETWORK, 1, random_state=0), X, IRIS.target),
    "several labels": (
        DeepEnsembleClassifier(NETWORK, 2, random_state=0),
        *make_multilabel_classification(60, n_features=5, n_classes=3, random_state=0),
    ),
    "scikit-learn's members": (DeepEnsembleClassifier(LogisticRegression(), 2), X, IRIS.target),
    "numbers": (DeepEnsembleRegressor(KerasMoonRegressor((6,), epochs=3), 3, random_state=0), X, X[:, 0] * 1e3 + 1e4),
    "several numbers": (DeepEnsembleRegressor(KerasMoonRegressor((6,), epochs=3), 2, random_state=0), X, X[:, :2]),
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


def test_ensemble_in_a_pipeline_agrees(moons):
    X, y = moons
    for options in ({"zipmap": False}, {"zipmap": "columns"}):
        pipeline = make_pipeline(StandardScaler(), DeepEnsembleClassifier(NETWORK, 2, random_state=0)).fit(X, y)
        graph = skl2onnx.to_onnx(pipeline, X[:1], options=options)
        outputs = run_onnx(graph, {"X": X})
        assert_allclose(np.column_stack(outputs[1:]), pipeline.predict_proba(X), rtol=1e-12)


def test_unfitted_ensemble_and_other_inputs_raise():
    for ensemble in (DeepEnsembleClassifier(NETWORK, 1), DeepEnsembleRegressor(KerasMoonRegressor((6,), epochs=1), 1)):
        with pytest.raises(NotFittedError):
            run(ensemble, X)
        ensemble.fit(X, IRIS.target)
        with pytest.raises(TypeError, match=r"inputs of DeepEnsemble\w+ must be float32.* Got StringTensorType"):
            skl2onnx.to_onnx(ensemble, initial_types=[("X", StringTensorType([None, 4]))])
        with pytest.raises(ValueError, match=r"was fitted with 4 features\. Got ONNX inputs with 3 columns"):
            skl2onnx.to_onnx(ensemble, initial_types=[("X", FloatTensorType([None, 3]))])
