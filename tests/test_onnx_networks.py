"""ONNX conversion of both estimators: predictions of ONNX Runtime, compared with those of the estimator."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import skl2onnx
from keras import layers
from numpy.testing import assert_allclose
from scipy import special
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from helpers import run_onnx, run_python
from moonnet import HiddenLayers, KerasMoonClassifier, KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleClassifier
from moonnet.networks import resolve_hidden_layers
from moonnet.networks._activations import ACTIVATIONS
from moonnet.onnx import _activations
from moonnet.training.engines import engine

NETWORK = KerasMoonClassifier((6, 5), epochs=4, random_state=0)
WITHOUT_ZIPMAP = {"zipmap": False}


def run_classifier(model, X, **options):
    """Convert a classifier and return the labels and probabilities that ONNX Runtime computes for X."""
    graph = skl2onnx.to_onnx(model, X[:1], options=WITHOUT_ZIPMAP, **options)
    return run_onnx(graph, {"X": X})


def assert_same_predictions(found, clf, X, tolerance):
    labels, probabilities = found
    assert_allclose(probabilities, clf.predict_proba(X), rtol=tolerance, atol=tolerance)
    expected = clf.predict(X)
    assert labels.shape == expected.shape
    assert (labels == expected).all()


@pytest.fixture(scope="module", params=["float32", "float64"])
def classifier_and_samples(moons, request):
    """A fitted classifier and its X, both in float32 or float64; shared, so do not change them."""
    X, y = moons
    X = X.astype(request.param)
    return KerasMoonClassifier((6, 5), epochs=10, random_state=1).fit(X, y), X


@pytest.mark.slow
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_classifier_agrees_for_every_activation(classifier_and_samples, activation):
    clf, X = copy.deepcopy(classifier_and_samples)
    clf._network = replace(clf._network, activation=activation)  # TODO
    found = run_classifier(clf, X)
    assert found[1].dtype == X.dtype
    assert_same_predictions(found, clf, X, 2e-6 if X.dtype == "float32" else 1e-13)


def test_erfc_approximation_has_float64_precision():
    x = np.concatenate([np.linspace(0, 27, 5000), [1e3, 1e8]])
    u = 4 / (x + 2) - 1
    with np.errstate(under="ignore"):
        found = np.exp(-(x**2)) * np.polyval(_activations._erfcx_coefficients(), u)
        assert_allclose(found, special.erfc(x), rtol=1e-13, atol=1e-300)


LABELS = {
    "integers": [3, 7],
    "negative": [-1, 1],
    "booleans": [False, True],
    "whole floats": [0.0, 2.0],
    "strings": ["moon", "sun"],
    "integers of three classes": [10, 5, 20],
    "strings of three classes": ["setosa", "virginica", "versicolor"],
}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS.keys())
def test_classifier_agrees_for_every_type_of_label(labels, dtype):
    X, y = load_iris(return_X_y=True)
    y = np.array(labels)[y % len(labels)]
    X = StandardScaler().fit_transform(X).astype(dtype)
    clf = NETWORK.fit(X, y)
    assert_same_predictions(run_classifier(clf, X), clf, X, 2e-6 if dtype == "float32" else 1e-13)


def test_multilabel_classifier_agrees():
    X, y = make_multilabel_classification(100, n_features=5, n_classes=4, random_state=0)
    clf = NETWORK.fit(X, y)
    assert_same_predictions(run_classifier(clf, X), clf, X, 1e-13)


def test_classifier_without_hidden_layers_agrees(moons):
    clf = KerasMoonClassifier((), epochs=3, random_state=0).fit(*moons)
    assert_same_predictions(run_classifier(clf, moons[0]), clf, moons[0], 1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("opset", [12, 13, 18, 21])
def test_classifier_agrees_for_older_opsets(moons, opset):
    # Four hidden layers: skl2onnx must not follow each path through the graph
    clf = KerasMoonClassifier((6, 5, 4, 3), activation="gelu", epochs=2, random_state=0).fit(*moons)
    assert_same_predictions(run_classifier(clf, moons[0], target_opset=opset), clf, moons[0], 1e-13)


@pytest.mark.parametrize("tensor_type", [FloatTensorType, DoubleTensorType, Int64TensorType])
def test_declared_input_type_determines_the_precision(tensor_type):
    X, y = load_iris(return_X_y=True)
    X = X.round()
    clf = NETWORK.fit(X, y)
    graph = skl2onnx.to_onnx(clf, initial_types=[("X", tensor_type([None, 4]))], options=WITHOUT_ZIPMAP)
    dtype = {FloatTensorType: "float32", DoubleTensorType: "float64", Int64TensorType: "int64"}[tensor_type]
    found = run_onnx(graph, {"X": X.astype(dtype)})
    assert found[1].dtype == ("float64" if dtype == "float64" else "float32")
    assert_same_predictions(found, clf, X, 1e-13 if dtype == "float64" else 2e-6)


def test_zipmap_option_returns_dictionaries_or_columns(moons):
    X, y = moons
    X = X.astype("float32")
    clf = NETWORK.fit(X, np.array(["moon", "sun"])[y])
    labels, dictionaries = run_onnx(skl2onnx.to_onnx(clf, X[:1]), {"X": X})
    assert (labels == clf.predict(X)).all()
    assert_allclose(pd.DataFrame(dictionaries)[["moon", "sun"]], clf.predict_proba(X), atol=2e-6)
    labels, moon, sun = run_onnx(skl2onnx.to_onnx(clf, X[:1], options={"zipmap": "columns"}), {"X": X})
    assert_allclose(np.column_stack([moon, sun]), clf.predict_proba(X), atol=2e-6)


def test_pipeline_of_numeric_and_categorical_columns_agrees():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "width": rng.normal(size=90).astype("float32"),
            "height": rng.normal(size=90).astype("float32"),
            "colour": rng.choice(["red", "green", "blue"], 90),
        }
    )
    y = np.where(frame["colour"] == "red", "stop", np.where(frame["width"] > 0, "go", "wait"))
    columns = ColumnTransformer(
        [("numeric", StandardScaler(), ["width", "height"]), ("categorical", OneHotEncoder(), ["colour"])]
    )
    pipeline = make_pipeline(columns, KerasMoonClassifier(epochs=20, random_state=0)).fit(frame, y)
    types = [(name, FloatTensorType([None, 1])) for name in ("width", "height")]
    types.append(("colour", StringTensorType([None, 1])))
    graph = skl2onnx.to_onnx(pipeline, initial_types=types, options=WITHOUT_ZIPMAP)
    inputs = {name: frame[[name]].to_numpy() for name in frame}
    assert_same_predictions(run_onnx(graph, inputs), pipeline, frame, 2e-5)


def test_each_column_of_a_dataframe_becomes_an_input():
    frame, y = load_iris(return_X_y=True, as_frame=True)
    clf = NETWORK.fit(frame, y)
    graph = skl2onnx.to_onnx(clf, frame[:1], options=WITHOUT_ZIPMAP)
    names = [each.name for each in graph.graph.input]
    inputs = {name: frame[[column]].to_numpy() for name, column in zip(names, frame, strict=True)}
    assert_same_predictions(run_onnx(graph, inputs), clf, frame, 1e-13)


def test_best_pipeline_of_a_search_agrees(moons):
    X, y = moons
    pipeline = make_pipeline(StandardScaler(), NETWORK)
    search = GridSearchCV(pipeline, {"kerasmoonclassifier__l2": [0.0, 0.01]}, cv=2).fit(X, y)
    assert_same_predictions(run_classifier(search.best_estimator_, X), search, X, 1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_regressor_agrees(loss, n_outputs, dtype):
    X = np.random.default_rng(0).normal(size=(80, 4)).astype(dtype)
    y = np.exp(X[:, :1]) * [1, 20, 300][:n_outputs] + (1000 if loss == "squared_error" else 0)
    reg = KerasMoonRegressor((6, 5), loss=loss, epochs=4, random_state=0).fit(X, y if n_outputs > 1 else y[:, 0])
    (predicted,) = run_regressor(reg, X)
    assert predicted.shape == (80, n_outputs)
    assert predicted.dtype == dtype
    assert_allclose(predicted, reg.predict(X).reshape(80, n_outputs), rtol=1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_several_quantiles_agree(n_outputs, dtype):
    X = np.random.default_rng(0).normal(size=(80, 4)).astype(dtype)
    y = 1000 + np.exp(X[:, :1]) * [1, 20, 300][:n_outputs]
    reg = KerasMoonRegressor((6, 5), loss="pinball", quantile=[0.1, 0.4, 0.6, 0.9, 0.95], epochs=4, random_state=0)
    reg.fit(X, y if n_outputs > 1 else y[:, 0])
    predicted, quantiles = run_regressor(reg, X)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    assert predicted.dtype == quantiles.dtype == dtype
    assert_allclose(predicted, reg.predict(X).reshape(80, n_outputs), rtol=tolerance)
    assert_allclose(quantiles, reg.predict_quantiles(X), rtol=tolerance)
    assert (np.diff(quantiles) >= 0).all()


def run_regressor(model, X):
    """Convert a regressor and return the outputs of ONNX Runtime for X."""
    return run_onnx(skl2onnx.to_onnx(model, X[:1]), {"X": X})


def test_pipeline_and_stacking_of_a_regressor_agree():
    X = np.random.default_rng(0).normal(size=(80, 4))
    y = 1e4 * X[:, 0] + 1e6
    network = KerasMoonRegressor((6, 5), epochs=4, random_state=0)
    stacked = StackingRegressor([("net", network), ("linear", LinearRegression())], LinearRegression(), cv=2)
    quantiles = clone(network).set_params(loss="pinball", quantile=[0.1, 0.5, 0.9])
    voting = VotingRegressor([("quantiles", quantiles), ("net", network)])
    for model in (make_pipeline(StandardScaler(), network), stacked, voting):
        (predicted,) = run_regressor(model.fit(X, y), X)
        assert_allclose(predicted[:, 0], model.predict(X), rtol=1e-10)


def with_embedding(inputs, dtype=None):
    """Return hidden layers for numbers and, in the second column, an integer below 5."""
    category = layers.Embedding(5, 3, dtype=dtype)(inputs[:, 1])
    x = layers.BatchNormalization(dtype=dtype)(layers.Dense(3, "relu", dtype=dtype)(inputs))
    return layers.Dropout(0.2, dtype=dtype)(layers.Add(dtype=dtype)([x, category]))


@pytest.mark.slow
def test_regressor_with_own_layers_agrees():
    X = np.random.default_rng(0).normal(size=(80, 4))
    X[:, 1] = np.arange(80) % 5
    hidden = HiddenLayers(with_embedding, dtype="float64")
    reg = KerasMoonRegressor(hidden_layers=hidden, epochs=3, random_state=0).fit(X, 100 + 20 * X[:, :2])
    for dtype, tolerance in (("float32", 2e-6), ("float64", 1e-12)):
        (predicted,) = run_regressor(reg, X.astype(dtype))
        assert predicted.dtype == dtype
        assert_allclose(predicted, reg.predict(X), rtol=tolerance)
    X[0, 1] = 5
    with pytest.raises(Exception, match="out of data bounds"):
        run_regressor(reg, X)


@pytest.mark.slow
def test_pipeline_and_ensemble_of_classifiers_with_own_layers_agree():
    X, y = load_iris(return_X_y=True)
    hidden = [layers.Dense(6), layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.2)]
    network = KerasMoonClassifier(hidden_layers=hidden, epochs=3, random_state=0)
    for model in (make_pipeline(StandardScaler(), network), DeepEnsembleClassifier(network, 2, random_state=0)):
        model.fit(X, y)
        found = run_classifier(model, X)
        assert found[1].dtype == "float64"
        assert_same_predictions(found, model, X, 2e-6)


def with_own_layers(fitted, hidden_layers):
    """Return a fitted classifier for two features and two classes with other layers, which are not trained."""
    clf = copy.deepcopy(fitted)
    clf._network = resolve_hidden_layers(hidden_layers, 2, 1, engine.scope(None, "float64"))
    clf._state = clf._network.initial_state(np.random.default_rng(0), "float32")
    return clf


def test_layer_that_numpy_does_not_know_is_named(fitted, moons):
    hidden = [layers.Dense(4), layers.Reshape((4, 1)), layers.Conv1D(2, 2, name="filters"), layers.Flatten()]
    clf = with_own_layers(fitted, hidden)
    for model in (clf, Pipeline([("scale", StandardScaler().fit(moons[0])), ("network", clf)])):
        with pytest.raises(ValueError, match=r"that moonnet computes in NumPy.* Got the layer 'filters' \(Conv1D\)"):
            run_classifier(model, moons[0])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_calibration_and_stacking_of_a_classifier_agree(n_classes):
    X, y = load_iris(return_X_y=True)
    X, y = StandardScaler().fit_transform(X), y % n_classes
    calibrated = CalibratedClassifierCV(NETWORK, cv=2).fit(X, y)
    assert_same_predictions(run_classifier(calibrated, X), calibrated, X, 1e-12)
    if n_classes == 3:  # skl2onnx cannot stack the logits of binary classifiers, not even scikit-learn's own
        final = LogisticRegression()
        stacked = StackingClassifier([("net", NETWORK)], final, cv=2, stack_method="decision_function").fit(X, y)
        assert_same_predictions(run_classifier(stacked, X), stacked, X, 1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_raw_scores_option_returns_logits(n_classes):
    X, y = load_iris(return_X_y=True)
    clf = NETWORK.fit(X, y % n_classes)
    graph = skl2onnx.to_onnx(clf, X[:1], options={"zipmap": False, "raw_scores": True})
    labels, logits = run_onnx(graph, {"X": X})
    expected = clf.decision_function(X)
    assert_allclose(logits, np.column_stack([-expected, expected]) if n_classes == 2 else expected, rtol=1e-10)
    assert (labels == clf.predict(X)).all()


def test_input_type_without_a_shape_converts(moons):
    clf = NETWORK.fit(*moons)
    graph = skl2onnx.to_onnx(clf, initial_types=[("X", DoubleTensorType())], options=WITHOUT_ZIPMAP)
    assert_same_predictions(run_onnx(graph, {"X": moons[0]}), clf, moons[0], 1e-13)


@pytest.mark.parametrize(
    ("initial_type", "error", "message"),
    [
        (
            StringTensorType([None, 2]),
            TypeError,
            r"float32, float64, int64 or boolean\. Got StringTensorType for .*'X'",
        ),
        (FloatTensorType([None, 3]), ValueError, r"fitted with 2 features\. Got ONNX inputs with 3 columns"),
    ],
)
def test_input_of_unsupported_type_or_width_raises(moons, initial_type, error, message):
    clf = NETWORK.fit(*moons)
    with pytest.raises(error, match=message):
        skl2onnx.to_onnx(clf, initial_types=[("X", initial_type)], options=WITHOUT_ZIPMAP)


def test_datetime_labels_raise(moons):
    X, y = moons
    clf = NETWORK.fit(X, np.array(["2000-01-01", "2020-01-01"], "datetime64[D]")[y])
    with pytest.raises(ValueError, match=r"integers or strings .* Got \[datetime.date"):
        run_classifier(clf, X)


def test_unfitted_classifier_raises(moons):
    with pytest.raises(NotFittedError):
        run_classifier(KerasMoonClassifier(), moons[0])


@pytest.mark.slow
def test_conversion_imports_no_engine(fitted, tmp_path):
    own_layers = with_own_layers(fitted, [layers.Dense(3), layers.ReLU()])
    path = tmp_path / "moons.pickle"
    path.write_bytes(pickle.dumps([fitted, own_layers]))
    program = """
import pickle, sys
import numpy, skl2onnx, moonnet.onnx
with open(sys.argv[1], "rb") as file:
    for clf in pickle.load(file):
        skl2onnx.to_onnx(clf, numpy.zeros((1, 2)))
print({"tensorflow", "jax", "keras"} & set(sys.modules))
"""
    assert run_python(program, str(path)) == "set()\n"
