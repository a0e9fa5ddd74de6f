"""The pipeline for tables: columns of every kind, gaps, and what it refuses."""

import datetime as dt
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.utils.estimator_checks import estimator_checks_generator

from helpers import run_python
from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor
from moonnet.tables import tabular_pipeline

N = 120
RNG = np.random.default_rng(0)
X0 = RNG.normal(size=N)
Y0 = np.where(X0 > 0, "yes", "no")
MIXED = pd.DataFrame(
    {
        "x": np.where(np.arange(N) % 9 == 4, np.nan, X0),
        "color": RNG.choice(["red", "green", None], N),
        "city": [f"city {i % 40}" for i in range(N)],
        "member": pd.array(RNG.choice([True, False, None], N), "boolean"),
        "day": pd.date_range("2020-01-01", periods=N),
    }
)


@pytest.fixture(scope="module")
def fitted():
    return tabular_pipeline("classifier", random_state=0).fit(MIXED, Y0)


@pytest.mark.trains
def test_columns_of_every_kind_are_learned(fitted):
    assert fitted.score(MIXED, Y0) > 0.9
    names = fitted[0].get_feature_names_out().tolist()
    assert names == [
        *("numbers__x", "numbers__member", "numbers__day"),
        *("numbers__missingindicator_x", "numbers__missingindicator_member"),
        *(f"numbers__x_bin{i}" for i in range(4)),
        "numbers__member_bin0",
        *(f"numbers__day_bin{i}" for i in range(4)),
        *("numbers__missingindicator_x_bin0", "numbers__missingindicator_member_bin0"),
        *("categories__color_", "categories__color_green", "categories__color_red"),
        "many categories__city",
    ]
    encoded = pd.DataFrame(fitted[0].transform(MIXED), columns=names)
    assert encoded["categories__color_red"].tolist() == (MIXED["color"] == "red").astype(float).tolist()
    assert encoded["categories__color_"].sum() == MIXED["color"].isna().sum()
    assert (encoded.abs() <= 3).all(axis=None)


def test_polars_and_pandas_give_the_same_bits(fitted):
    frame = pl.DataFrame(
        {
            "x": pl.Series(MIXED["x"].tolist(), nan_to_null=True),
            "color": MIXED["color"].astype(object).where(MIXED["color"].notna(), None).tolist(),
            "city": MIXED["city"].tolist(),
            "member": [None if value is pd.NA else value for value in MIXED["member"]],
            "day": MIXED["day"].dt.date.tolist(),
        }
    )
    on_polars = clone(fitted).fit(frame, Y0)
    for table in (frame, frame.to_arrow()):
        assert_array_equal(on_polars.predict_proba(table), fitted.predict_proba(MIXED))


def with_rare_class():
    return pd.DataFrame({"x": X0}), np.where(np.arange(N) < 5, "rare", Y0)


TABLES = {  # by name: X and y
    "text, different in each row": lambda: (pd.DataFrame({"x": X0, "t": [f"note {i}" for i in range(N)]}), Y0),
    "dates": lambda: (pd.DataFrame({"x": X0, "d": [dt.date(2020, 1, 1 + i % 28) for i in range(N)]}), Y0),
    "gaps": lambda: (pd.DataFrame({"x": X0, "g": np.where(RNG.random(N) < 0.9, np.nan, X0)}), Y0),
    "200 categories": lambda: (pd.DataFrame({"x": X0, "c": RNG.integers(0, 200, N).astype(str)}), Y0),
    "5 rows of a class": with_rare_class,
    "constant and empty columns": lambda: (
        pd.DataFrame({"x": X0, "one": 1, "a": "a", "empty": np.nan, "none": [None] * N}),
        Y0,
    ),
    "int64 beyond 2**53": lambda: (pd.DataFrame({"x": X0, "big": 2**60 + np.arange(N)}), Y0),
    "columns without names": lambda: (pd.DataFrame({0: X0, 1: ["a", "b"] * (N // 2)}), Y0),
    "array": lambda: (np.column_stack([X0, X0**2]), Y0),
    "nested list": lambda: (np.column_stack([X0, X0**2]).tolist(), Y0),
    "column of y": lambda: (pd.DataFrame({"x": X0}), pd.Series(Y0, dtype="category")),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_other_kinds_are_learned_and_may_be_all_missing_later(name):
    X, y = TABLES[name]()
    model = tabular_pipeline("classifier", random_state=0).fit(X, y)
    assert model.score(X, y) > 0.85
    if isinstance(X, pd.DataFrame):
        probabilities = model.predict_proba(pd.DataFrame({column: [None] * 3 for column in X}))
    else:
        probabilities = model.predict_proba(np.full((3, 2), np.nan))
    assert np.isfinite(probabilities).all()


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(100_000, 5), (150, 2_000)])
def test_large_tables_are_learned(shape):
    rng = np.random.default_rng(0)
    latent = rng.normal(size=shape[0])
    X, y = latent[:, np.newaxis] + rng.normal(size=shape), latent > 0
    model = tabular_pipeline("classifier", random_state=0)
    model.set_params(ensemble__estimator__epochs=2, ensemble__n_estimators=2)
    model.fit(pd.DataFrame(X).add_prefix("c"), y)
    assert model.score(pd.DataFrame(X).add_prefix("c"), y) > 0.8


@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce")  # scikit-learn's search for infinity
@pytest.mark.parametrize("unit", [1e39, 8e307])
def test_numbers_beyond_float32_are_prepared_as_in_another_unit(unit):
    columns = tabular_pipeline("classifier")[0]
    expected = columns.fit_transform(MIXED[["x"]].clip(-1, 1), Y0)
    assert_allclose(columns.fit_transform(MIXED[["x"]].clip(-1, 1) * unit, Y0), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (pd.DataFrame({"x": [np.inf, *X0[1:]]}), Y0, "Column 'x' of X must hold finite numbers"),
        (pd.DataFrame({"x": [[1]] * N}), Y0, "Column 'x' of X must hold numbers, dates, text or categories"),
        (pd.DataFrame({"x": X0}), np.where(X0 > 0, 1, np.nan), "Input y contains NaN"),
        (pd.DataFrame({"x": X0}), np.zeros(N), "y must contain at least 2 classes"),
        (pd.DataFrame(index=range(N)), Y0, r"0 feature\(s\)"),
    ],
)
def test_unsuitable_tables_end_in_one_clear_error(X, y, message):
    with pytest.raises(ValueError, match=message):
        tabular_pipeline("classifier").fit(X, y)


def test_later_rows_of_another_type_are_reported(fitted):
    with pytest.raises(ValueError, match=r"Column 'x' of X must hold numbers or dates, as in fit\. Got 'many'"):
        fitted.predict(MIXED.assign(x="many"))
    with pytest.raises(ValueError, match=r"columns are missing: {'day'}"):
        fitted.predict(MIXED.drop(columns="day"))
    unknown = fitted.predict_proba(MIXED.assign(color="blue", city="Atlantis"))
    assert np.isfinite(unknown).all()


def test_y_that_the_encoding_of_categories_does_not_take_is_reported_or_converted():
    cities = MIXED[["city"]]
    networks = KerasMoonRegressor((3,), epochs=1), KerasMoonClassifier((3,), epochs=1)
    regressor, classifier = (
        tabular_pipeline(network, random_state=0).set_params(ensemble__n_estimators=1) for network in networks
    )
    on_booleans = clone(regressor).fit(cities, X0 > 0)
    assert_array_equal(on_booleans.predict(cities), clone(regressor).fit(cities, (X0 > 0) * 1.0).predict(cities))
    with pytest.raises(ValueError, match=r"y must contain numbers\. Got \['"):
        regressor.fit(cities, Y0)
    both = np.column_stack([X0 > 0, X0 > 1]).astype(int)
    for model, several in ((regressor, MultiOutputRegressor), (classifier, MultiOutputClassifier)):
        with pytest.raises(ValueError, match=rf"y must be one column .* {several.__name__}"):
            model.fit(cities, both)
        assert several(model).fit(cities, both).predict(cities).shape == both.shape


def test_metadata_routing_changes_nothing():
    model = tabular_pipeline(KerasMoonClassifier((3,), epochs=1), random_state=0)
    expected = clone(model).fit(MIXED, Y0).predict_proba(MIXED)
    with sklearn.config_context(enable_metadata_routing=True):
        assert_array_equal(clone(model).fit(MIXED, Y0).predict_proba(MIXED), expected)


@pytest.mark.trains
def test_regressor_learns_numbers_in_their_unit():
    y = 1000 + 50 * X0
    model = tabular_pipeline("regressor", random_state=0).fit(MIXED, y)
    assert isinstance(model[-1], DeepEnsembleRegressor)
    assert model.score(MIXED, y) > 0.7
    assert 850 < model.predict(MIXED).min() < model.predict(MIXED).max() < 1150


@pytest.mark.slow
def test_parameters_of_the_members_make_the_pipeline_predict_quantiles():
    levels = {"ensemble__estimator__loss": "pinball", "ensemble__estimator__quantile": [0.05, 0.5, 0.95]}
    model = tabular_pipeline("regressor", random_state=0)
    model.set_params(**levels, ensemble__estimator__epochs=30, ensemble__n_estimators=2, ensemble__cv=2)
    y = 1000 * X0
    low, median, high = model.fit(MIXED, y)[-1].predict_quantiles(model[:-1].transform(MIXED)).T
    assert_array_equal(median, model.predict(MIXED))
    assert 0.7 < np.mean((low <= y) & (y <= high)) <= 1


def test_results_are_the_same_for_the_same_random_state(fitted):
    for n_jobs in (None, 2):
        again = tabular_pipeline("classifier", n_jobs=n_jobs, random_state=0).fit(MIXED, Y0)
        assert_array_equal(again.predict_proba(MIXED), fitted.predict_proba(MIXED))
    other = tabular_pipeline("classifier", random_state=1).fit(MIXED, Y0)
    assert (other.predict_proba(MIXED) != fitted.predict_proba(MIXED)).any()


def test_effort_sets_the_number_of_members():
    assert tabular_pipeline("classifier")[-1].n_estimators == 8
    assert tabular_pipeline("regressor", effort="high")[-1].n_estimators == 20


def test_estimator_of_the_user_is_the_member():
    network = KerasMoonClassifier((7,), epochs=3)
    model = tabular_pipeline(network, random_state=0).fit(MIXED, Y0)
    assert model[-1].estimators_[0].get_params() | {"random_state": None} == network.get_params()
    assert tabular_pipeline(LogisticRegression()).fit(MIXED, Y0).score(MIXED, Y0) > 0.9


class WithFit:
    """Methods that a Keras model has, too, but no parameters."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        return X


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"estimator": "classification"}, "estimator must be 'classifier', 'regressor', or .* Got 'classification'"),
        ({"estimator": WithFit()}, "estimator must be 'classifier', 'regressor', or .* Got <.*WithFit object"),
        ({"estimator": KerasMoonClassifier}, "estimator must be 'classifier', 'regressor', or"),
        ({"estimator": "classifier", "effort": "low"}, r"effort must be one of \['default', 'high'\]. Got 'low'"),
    ],
)
def test_invalid_arguments_are_reported(arguments, message):
    with pytest.raises(ValueError, match=message):
        tabular_pipeline(**arguments)


def test_search_sets_parameters_of_every_step(fitted):
    grid = {"ensemble__estimator__hidden_layer_sizes": [(4,), (6,)], "columns__numbers__impute__strategy": ["mean"]}
    model = tabular_pipeline(KerasMoonClassifier(epochs=3), random_state=0).set_params(ensemble__n_estimators=2)
    search = GridSearchCV(model, grid, cv=2).fit(MIXED, Y0)
    assert len(search.best_estimator_[-1].estimators_) == 2
    assert search.best_estimator_[0].named_transformers_["numbers"]["impute"].strategy == "mean"


def test_pickle_and_skops_predict_the_same_without_an_engine(fitted, tmp_path):
    expected = fitted.predict_proba(MIXED)
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(MIXED), expected)
    packed = skops.io.dumps(fitted)
    untrusted = skops.io.get_untrusted_types(data=packed)
    assert {name.partition(".")[0] for name in untrusted} <= {"moonnet", "numpy", "sklearn"}  # of sklearn, a splitter
    assert_array_equal(skops.io.loads(packed, trusted=untrusted).predict_proba(MIXED), expected)

    (tmp_path / "model.pickle").write_bytes(pickle.dumps(fitted))
    MIXED.to_pickle(tmp_path / "frame.pickle")
    code = """if True:
        import pickle, sys
        model, frame = (pickle.load(open(f"{sys.argv[1]}/{name}.pickle", "rb")) for name in ("model", "frame"))
        model.predict_proba(frame)
        print({"keras", "jax", "tensorflow", "matplotlib"} & set(sys.modules))
    """
    assert run_python(code, str(tmp_path)) == "set()\n"


def test_pipeline_of_1000_rows_and_20_columns_takes_less_than_300_kb():
    X, y = np.random.default_rng(0).normal(size=(1000, 20)), np.arange(1000) % 2
    model = tabular_pipeline("classifier", random_state=0).fit(pd.DataFrame(X).add_prefix("c"), y)
    assert len(pickle.dumps(model)) < 300_000
    assert isinstance(model[-1], DeepEnsembleClassifier)


# What no Pipeline or ColumnTransformer can pass
OF_PIPELINES = {
    "check_estimators_overwrite_params": "a pipeline fits its last step in place",
    "check_dont_overwrite_parameters": "a pipeline fits its last step in place",
    "check_fit2d_predict1d": "ColumnTransformer has a message of its own",
    "check_estimators_nan_inf": "NaN is a missing value",
    "check_dtype_object": "the error about a dict in a cell is a ValueError, which names the column",
}

# The checks of X and of the parameters are those of the classifier's pipeline once more
OF_REGRESSORS = {
    "check_estimators_dtypes",
    "check_fit2d_1sample",
    "check_fit_idempotent",
    "check_regressor_multioutput",
    "check_regressors_int",
    "check_regressors_no_decision_function",
    "check_regressors_train",
    "check_supervised_y_2d",
    "check_supervised_y_no_nan",
}


def generate_checks():
    for name, network in (("classifier", KerasMoonClassifier()), ("regressor", KerasMoonRegressor())):
        model = tabular_pipeline(network, random_state=0).set_params(ensemble__n_estimators=2)
        # The checks compare to float64's precision
        dtypes = [f"columns__numbers__scale__{step}__dtype" for step in ("smoothclipscaler", "piecewiselinearencoder")]
        model.set_params(**dict.fromkeys(dtypes, "float64"))
        for number, check in enumerate(
            estimator_checks_generator(model, expected_failed_checks=OF_PIPELINES, mark="xfail")
        ):
            values = getattr(check, "values", check)
            check_name = values[1].func.__name__
            if name == "classifier" or check_name in OF_REGRESSORS:
                marks = [*getattr(check, "marks", ()), pytest.mark.slow]
                yield pytest.param(*values, marks=marks, id=f"{name}-{number}-{check_name}")


@pytest.mark.parametrize(("model", "check"), list(generate_checks()))
def test_pipeline_passes_scikit_learn_check(model, check):
    check(model)


def test_selected_checks_exist():
    parameters = [check for check in generate_checks() if check.id.startswith("regressor")]
    names = {check.values[1].func.__name__ for check in parameters}  # noqa: PD011 - not of pandas
    assert names == OF_REGRESSORS
