"""Explanations of pipelines for dataframes by scikit-learn and SHAP, compared with their definitions."""

import itertools
import math
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.tables import tabular_pipeline

GUIDE = Path(__file__).parents[1] / "docs" / "guide" / "explanations.md"


@pytest.fixture(scope="module")
def shap():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of matplotlib and numba, when shap is imported
        return pytest.importorskip("shap")


@pytest.fixture(scope="module")
def flats():
    """Columns of four kinds with missing values, and three classes, on which one column has no effect."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "area": rng.normal(80, 20, 120),
            "district": rng.choice(["north", "south", "old town"], 120),
            "built": pd.Timestamp("1950-01-01") + pd.to_timedelta(rng.integers(0, 25_000, 120), unit="D"),
            "balcony": rng.random(120) < 0.5,
        }
    )
    rent = X["area"] * (9 + 4 * (X["district"] == "old town"))
    X.loc[::9, "area"] = None
    X.loc[::7, "district"] = None
    return X, np.digitize(rent, [700, 900])


@pytest.fixture(scope="module")
def model(flats):
    return tabular_pipeline(KerasMoonClassifier(epochs=40), random_state=0).fit(*flats)


def test_permutation_importance_ranks_the_columns_of_a_dataframe(flats, model):
    result = permutation_importance(model, *flats, n_repeats=3, random_state=0)
    area, district, built, balcony = result.importances_mean
    assert area > district > max(built, balcony)


@pytest.mark.parametrize(("name", "values"), [("area", [50.0, 90.0]), ("balcony", [False, True])])
def test_partial_dependence_is_the_mean_prediction_with_that_value(flats, model, name, values):
    X = flats[0].dropna(subset=[name])
    result = partial_dependence(model, X, [name], categorical_features=["balcony"], custom_values={name: values})
    expected = [model.predict_proba(X.assign(**{name: value})).mean(axis=0) for value in values]
    np.testing.assert_allclose(result["average"], np.transpose(expected), atol=1e-6)


def shapley_values(predict, background, row):
    """Return the Shapley values of the columns of a row by their definition: a mean over all orders of the columns."""
    columns = list(background)

    def value(present):
        return predict(background.assign(**{name: row[name] for name in present})).mean(axis=0)

    values = {present: value(present) for n in range(5) for present in itertools.combinations(columns, n)}
    contributions = []
    for column in columns:
        others = [name for name in columns if name != column]
        contribution = 0
        for n in range(len(columns)):
            weight = math.factorial(n) * math.factorial(len(columns) - 1 - n) / math.factorial(len(columns))
            for present in itertools.combinations(others, n):
                together = tuple(name for name in columns if name in (*present, column))
                contribution += weight * (values[together] - values[present])
        contributions.append(contribution)
    return np.array(contributions)


@pytest.fixture(scope="module")
def explain(shap):
    """The function of the guide, for columns of any kind."""
    text = GUIDE.read_text(encoding="utf-8")
    code = re.search(r"(?m)^>>> (def explain\(.*(?:\n\.\.\. .*)*)", text).group(1)
    names = {"np": np, "pd": pd, "shap": shap}
    exec(code.replace("\n... ", "\n"), names)
    return names["explain"]


@pytest.mark.slow
def test_function_of_the_guide_explains_columns_of_any_kind(flats, model, explain):
    background, rows = flats[0][:20], flats[0][20:22]
    explanation = explain(model.predict_proba, background, rows)
    assert explanation.shape == (2, 4, 3)
    assert explanation.feature_names == list(rows)
    assert explanation.data[0].tolist() == rows.iloc[0].tolist()
    for index, contributions in enumerate(explanation.values):
        expected = shapley_values(model.predict_proba, background, rows.iloc[index])
        np.testing.assert_allclose(contributions, expected, atol=1e-6)
    np.testing.assert_allclose(explanation.base_values[0], model.predict_proba(background).mean(axis=0), atol=1e-6)


@pytest.mark.slow
def test_shap_explains_pipelines_with_a_dataframe_of_numbers(shap, moons):
    X, y = pd.DataFrame(moons[0], columns=["x", "y"]), moons[1]
    model = make_pipeline(StandardScaler(), KerasMoonClassifier(epochs=20, random_state=0)).fit(X, y)
    background, rows = X[:30], X[30:33]
    explanation = shap.Explainer(model.predict_proba, background, seed=0)(rows, silent=True)
    assert explanation.feature_names == ["x", "y"]
    p = [
        [model.predict_proba(background.assign(**rows.iloc[index][list(present)])).mean(axis=0) for index in range(3)]
        for present in ([], ["x"], ["y"], ["x", "y"])
    ]
    none, x, y, both = np.array(p)
    expected = np.stack([(x - none + both - y) / 2, (y - none + both - x) / 2], axis=1)
    np.testing.assert_allclose(explanation.values, expected)


def test_shap_values_of_a_linear_network_are_its_weights(shap):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 6))
    reg = KerasMoonRegressor((), epochs=5, random_state=0).fit(X, X @ rng.normal(size=6))
    background, rows = X[:40], X[40:44]
    explanation = shap.Explainer(reg.predict, background, seed=0)(rows, silent=True)
    slopes = np.array([reg.predict(step)[0] - reg.predict(0 * step)[0] for step in np.eye(6)[:, None]])
    np.testing.assert_allclose(explanation.values, slopes * (rows - background.mean(axis=0)), atol=1e-12)
