"""ONNX conversion of whole pipelines for tables, compared with the pipeline."""

import numpy as np
import onnxruntime
import pandas as pd
import polars as pl
import pytest
import skl2onnx
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder
from sklearn.svm import LinearSVC

from helpers import run_onnx
from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.onnx import to_onnx
from moonnet.preprocessing import DateEncoder, PiecewiseLinearEncoder, SmoothClipScaler
from moonnet.tables import ColumnsToFloat, ColumnsToText, tabular_pipeline
from moonnet.tables._number_format import NumberFormat
from moonnet.tables._text_columns import Column
from moonnet.tables._text_pipeline import make_model

N = 200
RANDOM = np.random.default_rng(0)
NUMBERS = ["width", "price in $", "empty", "constant"]
TABLE = pd.DataFrame(
    {
        "width": np.where(np.arange(N) % 5, RANDOM.normal(size=N), np.nan),
        "price in $": np.exp(RANDOM.normal(size=N)),
        "empty": np.full(N, np.nan),
        "constant": np.full(N, 2.0),
        "colour": [*RANDOM.choice(["red", "green", ""], N - 4), "rare", "Öl", "rare", "odd"],
        "town": RANDOM.choice([f"town {i}" for i in range(40)], N),
        "days": RANDOM.integers(0, 20000, N) / 2,
    }
)
NEW = pd.DataFrame(  # with gaps where TABLE has none, and categories that it lacks
    {
        "width": [np.nan, 0.5, 1e6],
        "price in $": [np.nan, -1e6, 3.0],
        "empty": [1.0, np.nan, np.nan],
        "constant": [np.nan, 5.0, 2.0],
        "colour": ["red", "rare", "blue"],
        "town": ["town 3", "elsewhere", ""],
        "days": [np.nan, 1e5, 10.5],
    }
)
SIGNAL = np.nan_to_num(TABLE["width"].to_numpy()) + (TABLE["colour"] == "red") + TABLE["price in $"]
TARGETS = {
    "two classes": np.where(SIGNAL > 1.5, "yes", "no"),
    "three classes": np.digitize(SIGNAL, [1, 2]) * 10,
    "numbers": 100 + 5 * SIGNAL.to_numpy(),
}


def run(model, X, dtype=np.float64, **options):
    """Convert a model, and return the outputs of ONNX Runtime for a dataframe."""
    graph = to_onnx(model, X[:1], dtype=dtype, **options)
    columns = [X[[name]].to_numpy() for name in X]
    inputs = {
        variable.name: column.astype(dtype) if column.dtype.kind in "biuf" else column.astype(object)
        for variable, column in zip(graph.graph.input, columns, strict=True)
    }
    return run_onnx(graph, inputs)


def number_steps():
    """Return the steps that prepare numbers."""
    impute = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return make_pipeline(impute, FeatureUnion([("smooth", SmoothClipScaler()), ("bins", PiecewiseLinearEncoder(4))]))


def one_hot_encoder():
    """Return an encoder that treats rare and unknown categories alike."""
    return OneHotEncoder(min_frequency=5, handle_unknown="infrequent_if_exist", sparse_output=False)


def table_pipeline(kind, order=(0, 1, 2, 3)):
    """Return a pipeline for TABLE with an ensemble of three networks."""
    bagging, network = (
        (BaggingRegressor, KerasMoonRegressor) if kind == "numbers" else (BaggingClassifier, KerasMoonClassifier)
    )
    transformers = [
        ("numbers", number_steps(), NUMBERS),
        ("colour", one_hot_encoder(), ["colour"]),
        ("town", make_pipeline(TargetEncoder(), SmoothClipScaler()), ["town"]),
        ("date", make_pipeline(DateEncoder(latest="2000-01-01"), SimpleImputer(), SmoothClipScaler()), ["days"]),
    ]
    ensemble = bagging(network((6,), epochs=3, random_state=0), 3, bootstrap=False, random_state=0)
    return make_pipeline(ColumnTransformer([transformers[index] for index in order]), ensemble)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", TARGETS)
def test_pipeline_for_a_table_agrees(kind, dtype):
    table = TABLE.assign(days=pd.to_datetime(TABLE["days"], unit="D"))
    pipeline = table_pipeline(kind).fit(table, TARGETS[kind])
    days = pd.concat([TABLE[:50], NEW], ignore_index=True)  # what the graph takes
    dates = days.assign(days=pd.to_datetime(days["days"], unit="D"))  # what the pipeline takes
    outputs = run(pipeline, days, dtype)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    assert {output.dtype for output in outputs if output.dtype.kind == "f"} == {np.dtype(dtype)}
    if is_classifier(pipeline):
        assert_array_equal(outputs[0], pipeline.predict(dates))
        assert_allclose(outputs[1], pipeline.predict_proba(dates), rtol=tolerance, atol=tolerance)
    else:
        assert_allclose(outputs[0][:, 0], pipeline.predict(dates), rtol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("container", ["pandas", "polars"])
@pytest.mark.parametrize("kind", TARGETS)
def test_tabular_pipeline_agrees(kind, container):
    frame = TABLE.assign(
        flag=TABLE["width"] > 0,
        days=pd.to_datetime(TABLE["days"], unit="D"),
        colour=TABLE["colour"].replace("", None),
        floor=pd.Categorical(RANDOM.choice(["1", "2", "10"], N)),
    )
    frame = pl.from_pandas(frame) if container == "polars" else frame
    network = (KerasMoonRegressor if kind == "numbers" else KerasMoonClassifier)((6,), epochs=3)
    pipeline = tabular_pipeline(network, random_state=0).fit(frame, TARGETS[kind])
    numbers = [*NUMBERS, "days", "flag"]
    inputs = {name: ColumnsToFloat().fit_transform(frame[[name]]) for name in numbers}
    inputs |= {name: ColumnsToText().fit_transform(frame[[name]]) for name in ("colour", "town", "floor")}
    graph = to_onnx(pipeline, frame)
    names = dict(zip(frame.columns, (each.name for each in graph.graph.input), strict=True))
    outputs = run_onnx(graph, {names[name]: column for name, column in inputs.items()})
    if is_classifier(pipeline):
        assert_array_equal(outputs[0], pipeline.predict(frame))
        assert_allclose(outputs[1], pipeline.predict_proba(frame), atol=1e-6)  # the networks are in float32
    else:
        assert_allclose(outputs[0][:, 0], pipeline.predict(frame), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_pipeline_of_the_command_takes_parsed_dates_and_numbers():
    columns = [
        Column("width", "number", "", ""),
        Column("colour", "category", "", ""),
        Column("town", "category", "", "", has_many_values=True),
        Column("day", "date", "", "", "%d.%m.%Y", date_bounds=(None, "2020-06-01")),
        Column("price", "number", "", "", number_format=NumberFormat(unit="$", thousands=",")),
    ]
    days = pd.Series(pd.date_range("2020-01-01", periods=N))
    cells = TABLE[["width", "colour", "town"]].assign(
        day=days.dt.strftime("%d.%m.%Y"), price=[f"${1000 + i:,}" for i in range(N)]
    )
    cells.loc[::9, ["day", "price"]] = None
    model = make_model(columns, KerasMoonClassifier((6,), epochs=3)).fit(cells, TARGETS["three classes"])
    parsed = cells.assign(
        day=((days - pd.Timestamp(1970, 1, 1)) / pd.Timedelta(days=1)).where(cells["day"].notna()),
        price=pd.Series(1000.0 + np.arange(N)).where(cells["price"].notna()),
    )
    labels, probabilities = run(model, parsed)
    assert_array_equal(labels, model.predict(cells))
    assert_allclose(probabilities, model.predict_proba(cells), atol=1e-6)  # the networks are in float32


@pytest.mark.parametrize("order", [(1, 2, 0), (1, 2), (2,)])
def test_order_and_lack_of_columns_leave_float64(order):
    table = TABLE[["colour", "town", *(NUMBERS if 0 in order else [])]]
    table = table[["town"]] if order == (2,) else table
    pipeline = table_pipeline("three classes", order).fit(table, TARGETS["three classes"])
    labels, probabilities = run(pipeline, table)
    assert probabilities.dtype == np.float64
    assert_allclose(probabilities, pipeline.predict_proba(table), rtol=1e-12)
    assert_array_equal(labels, pipeline.predict(table))


CATEGORIES = pd.DataFrame(
    {
        "text": ["a", "b", "a", "c", "b", "a", "d", "a"],
        "binary": ["x", "y"] * 4,
        "missing": ["a", None, "a", "b", None, "b", "a", "a"],
    }
)
ONE_HOT = {
    "plain": {},
    "ignore": {"handle_unknown": "ignore"},
    "sparse": {"sparse_output": True, "handle_unknown": "ignore"},
    "drop first": {"drop": "first", "handle_unknown": "ignore"},
    "drop binary": {"drop": "if_binary", "handle_unknown": "ignore"},
    "infrequent": {"min_frequency": 3, "handle_unknown": "infrequent_if_exist"},
    "infrequent, drop": {"max_categories": 2, "handle_unknown": "infrequent_if_exist", "drop": "first"},
    "integers": {"dtype": np.int64},
}


@pytest.mark.filterwarnings("ignore:Found unknown categories")
@pytest.mark.parametrize("options", ONE_HOT.values(), ids=ONE_HOT)
def test_one_hot_encoder_agrees_for_all_options(options):
    encoder = OneHotEncoder(**{"sparse_output": False} | options).fit(CATEGORIES)
    known = CATEGORIES
    if "handle_unknown" in options:
        known = pd.concat([known, pd.DataFrame({"text": ["new"], "binary": ["z"], "missing": ["new"]})])
    expected = encoder.transform(known)
    (encoded,) = run(encoder, known.fillna("None").replace("None", str(encoder.categories_[2][-1])))
    assert_array_equal(encoded, expected.toarray() if options.get("sparse_output") else expected)


def test_one_hot_encoder_that_refuses_unknown_categories_returns_zeros():
    encoder = OneHotEncoder(sparse_output=False).fit(CATEGORIES[["text"]])
    assert_array_equal(run(encoder, pd.DataFrame({"text": ["new", "b"]}))[0], [[0, 0, 0, 0], [0, 1, 0, 0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_categories_may_be_numbers(dtype):
    numbers = pd.DataFrame({"whole": [3, 1, 3, 2, 1, 3], "gaps": [0.1, np.nan, 0.1, 0.3, np.nan, 0.3]})
    new = pd.DataFrame({"whole": [7.0, 1.0, np.nan], "gaps": [0.3, np.nan, 8.0]})
    encoders = [
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=2, sparse_output=False),
        TargetEncoder(),
    ]
    for encoder in encoders:
        encoder.fit(numbers, [1.5, 2.0, 1.0, 0.5, 2.5, 3.5])
        for X in (numbers.astype(float), new):
            assert_allclose(run(encoder, X, dtype)[0], encoder.transform(X), rtol=4 * np.finfo(dtype).eps, atol=1e-7)
    truth = pd.DataFrame({"member": [True, False, True]})
    encoder = OneHotEncoder(sparse_output=False).fit(truth)
    assert_array_equal(run(encoder, truth, dtype)[0], encoder.transform(truth))


@pytest.mark.parametrize("kind", TARGETS)
def test_target_encoder_agrees_in_float64(kind):
    encoder = TargetEncoder().fit(TABLE[["town", "colour"]], TARGETS[kind])
    X = pd.concat([TABLE, NEW])[["town", "colour"]]
    (encoded,) = run(encoder, X)
    assert encoded.shape[1] == (6 if kind == "three classes" else 2)
    assert_allclose(encoded, encoder.transform(X), rtol=1e-15)


IMPUTERS = {
    "mean": SimpleImputer(),
    "indicator": SimpleImputer(add_indicator=True),
    "empty": SimpleImputer(strategy="median", keep_empty_features=True),
    "empty, indicator": SimpleImputer(strategy="most_frequent", keep_empty_features=True, add_indicator=True),
    "constant": SimpleImputer(strategy="constant", fill_value=-1.5, keep_empty_features=True),
    "other value": SimpleImputer(missing_values=2.0, add_indicator=True),
}


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("imputer", IMPUTERS.values(), ids=IMPUTERS)
def test_imputer_agrees(imputer, dtype):
    X = pd.concat([TABLE, NEW])[["width", "constant"] if imputer.missing_values == 2 else NUMBERS]
    if imputer.missing_values == 2:
        X = X.fillna(1.0)
    imputer = clone(imputer).fit(X[:N])
    assert_allclose(run(imputer, X, dtype)[0], imputer.transform(X), rtol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("options", [{}, {"with_mean": False}, {"with_std": False}])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_standard_scaler_of_a_dataframe_agrees(options, dtype):
    scaler = StandardScaler(**options).fit(TABLE[NUMBERS[:2]])
    (scaled,) = run(scaler, TABLE[NUMBERS[:2]], dtype)
    assert scaled.dtype == dtype
    tolerance = 4 * np.finfo(dtype).eps
    assert_allclose(scaled, scaler.transform(TABLE[NUMBERS[:2]]), rtol=tolerance, atol=tolerance)


def test_dataframes_of_pandas_and_polars_and_arrays_declare_inputs():
    columns = {"a b": [1, 2], "flag": [True, False], "text": ["x", "y"]}
    day = np.array(["2000-01-01", "2000-01-02"], "datetime64[us]")
    transformer = ColumnTransformer(
        [("numbers", SmoothClipScaler(), ["a b", "flag", "day"]), ("text", OneHotEncoder(), ["text"])]
    )
    days = pd.DataFrame(columns | {"day": [10957.0, 10958.0]})
    transformer.fit(days)
    frames = [days, pd.DataFrame(columns | {"day": day}), pl.DataFrame(columns | {"day": day})]
    frames.append(frames[1].astype({"a b": "Int64", "flag": "boolean", "text": "category"}))
    graphs = [to_onnx(transformer, frame) for frame in frames]
    for graph in graphs:
        inputs = {each.name: each.type.tensor_type.elem_type for each in graph.graph.input}
        assert list(inputs.values()) == [11, 11, 8, 11]  # double, double, string, double
        assert graph.graph.node == graphs[0].graph.node
    X = np.arange(6.0).reshape(3, 2)
    scaler = SmoothClipScaler().fit(X)
    assert to_onnx(scaler, X.tolist()).graph.node == skl2onnx.to_onnx(scaler, X).graph.node
    encoder = OneHotEncoder().fit([["a", "b"], ["c", "d"]])
    (text,) = to_onnx(encoder, np.array([["a", "b"]])).graph.input
    assert (text.name, text.type.tensor_type.elem_type) == ("X", 8)


def test_inputs_keep_the_order_of_columns_whose_names_change():
    X = pd.DataFrame(np.arange(12.0).reshape(4, 3), columns=["weight kg", "weight_kg", "1st"])
    model = make_pipeline(StandardScaler(), SmoothClipScaler()).fit(X)
    session = onnxruntime.InferenceSession(to_onnx(model, X).SerializeToString())
    names = [node.name for node in session.get_inputs()]
    assert names[0] == "weight_kg"
    feed = {name: X[[column]].to_numpy() for name, column in zip(names, X, strict=True)}
    assert_allclose(session.run(None, feed)[0], model.transform(X))


@pytest.mark.parametrize("kind", ["two classes", "three classes"])
@pytest.mark.parametrize("clf", [LinearSVC(), RidgeClassifier(), make_pipeline(PCA(2), LinearSVC())], ids=str)
def test_classifier_without_probabilities_returns_scores(clf, kind):
    X, y = TABLE[["price in $", "constant", "days"]], TARGETS[kind]
    clf.fit(X, y)
    labels, scores = run(clf, X)
    expected = clf.decision_function(X)
    assert_array_equal(labels, clf.predict(X))
    assert_allclose(scores, expected if kind == "three classes" else np.column_stack([-expected, expected]), rtol=1e-9)


def test_regressor_takes_the_columns_of_a_dataframe():
    X, y = TABLE[["price in $", "constant", "days"]], TARGETS["numbers"]
    search = GridSearchCV(make_pipeline(PCA(2), LinearRegression()), {}, cv=2)
    for model in (LinearRegression(), search):
        (predicted,) = run(model.fit(X, y), X)
        assert_allclose(predicted[:, 0], model.predict(X), rtol=1e-9)
    picky = ColumnTransformer([("two", PCA(2), ["price in $", "days"]), ("one", "passthrough", ["constant"])])
    search.set_params(estimator=make_pipeline(picky, LinearRegression()))
    (predicted,) = run(search.fit(X, y), X)
    assert_allclose(predicted[:, 0], search.predict(X), rtol=1e-9)


def test_options_and_opset_are_skl2onnxs(moons):
    X, y = moons
    network = KerasMoonClassifier((4,), epochs=2, random_state=0).fit(X, y)
    graph = to_onnx(network, X, dtype="float32", options={"zipmap": "columns"}, target_opset=15)
    assert [output.name for output in graph.graph.output] == ["output_label", "i0", "i1"]
    assert [opset.version for opset in graph.opset_import if opset.domain == ""] == [15]


def test_errors_say_what_to_do_instead():
    pipeline = make_pipeline(number_steps(), KerasMoonClassifier((4,), epochs=2, random_state=0))
    X = TABLE[NUMBERS].to_numpy()
    pipeline.fit(X, TARGETS["two classes"])
    with pytest.raises(ValueError, match=r"Got ONNX inputs with 4 columns instead\. If they .* moonnet\.onnx\.to_onnx"):
        skl2onnx.to_onnx(pipeline, X[:1])
    assert len(to_onnx(pipeline, X[:1]).graph.output) == 2
    with pytest.raises(ValueError, match=r"dtype must be float32 or float64\. Got int64 instead"):
        to_onnx(pipeline, X, dtype=np.int64)
    text = ColumnsToText().fit(TABLE[["town"]])
    with pytest.raises(
        TypeError, match=r"The ONNX inputs of ColumnsToText must be text\. Got DoubleTensorType for .*'X'"
    ):
        to_onnx(text, X)
    with pytest.raises(TypeError, match=r"The ONNX inputs of SimpleImputer must be float32.* Got StringTensorType"):
        to_onnx(pipeline, TABLE[["width", "price in $", "empty", "colour"]].to_numpy())


def test_statistics_beyond_float32_need_float64():
    X = pd.DataFrame({"x": [1e39, np.nan, 3e39, 4e39]})
    pipeline = make_pipeline(SimpleImputer(), SmoothClipScaler()).fit(X)
    assert_allclose(run(pipeline, X, np.float64)[0], pipeline.transform(X), rtol=1e-14)
    with pytest.raises(ValueError, match=r"dtype must be float64 for SimpleImputer's replacement 2.66667e\+39, which"):
        to_onnx(pipeline, X, dtype=np.float32)
