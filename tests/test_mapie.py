"""MAPIE around moonnet: conformal intervals and sets, compared with their definitions."""

import math

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import make_friedman1, make_moons
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.tables import tabular_pipeline
from moonnet.training import _compiled_program

regression = pytest.importorskip("mapie.regression")
classification = pytest.importorskip("mapie.classification")

X, Y = make_friedman1(600, noise=1.0, random_state=0)
TRAIN, REST, TEST = slice(200), slice(200, 300), slice(300, 600)
REGRESSOR = make_pipeline(StandardScaler(), KerasMoonRegressor((9,), epochs=10, random_state=0))


class Quantile(RegressorMixin, BaseEstimator):
    """A quantile of a fitted network, because MAPIE takes an estimator for each."""

    def __init__(self, network, index):
        self.network = network
        self.index = index

    def fit(self, X, y):
        raise NotImplementedError

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return self.network.predict_quantiles(X)[:, self.index]


def conformal_quantile(scores, level):
    """Return the ceil((n + 1) * level)-th smallest of n scores."""
    return np.sort(scores)[math.ceil((len(scores) + 1) * level) - 1]


def test_split_intervals_have_the_conformal_quantile_of_the_residuals():
    conformal = regression.SplitConformalRegressor(REGRESSOR, confidence_level=0.9, prefit=False)
    conformal.fit(X[TRAIN], Y[TRAIN]).conformalize(X[REST], Y[REST])
    predictions, intervals = conformal.predict_interval(X[TEST])
    network = REGRESSOR.fit(X[TRAIN], Y[TRAIN])
    assert_array_equal(predictions, network.predict(X[TEST]))
    radius = conformal_quantile(abs(Y[REST] - network.predict(X[REST])), 0.9)
    assert_allclose(intervals[:, 0, 0], predictions - radius)
    assert_allclose(intervals[:, 1, 0], predictions + radius)
    is_covered = (intervals[:, 0, 0] <= Y[TEST]) & (intervals[:, 1, 0] >= Y[TEST])
    # Within four standard deviations of what 100 samples to conformalize and 300 to test allow
    assert abs(is_covered.mean() - 0.9) < 4 * math.sqrt(0.09 / 100 + 0.09 / 300)


def test_folds_of_cross_conformal_share_one_compiled_program(monkeypatch):
    monkeypatch.setattr(_compiled_program, "_programs", {})
    conformal = regression.CrossConformalRegressor(REGRESSOR, confidence_level=0.9, cv=5, random_state=0)
    conformal.fit_conformalize(X[:203], Y[:203])
    assert len(_compiled_program._programs) == 1
    _, intervals = conformal.predict_interval(X[TEST])
    assert (intervals[:, 0, 0] < intervals[:, 1, 0]).all()


def test_quantiles_of_one_network_are_widened_as_defined():
    network = KerasMoonRegressor((9,), epochs=10, loss="pinball", quantile=[0.05, 0.5, 0.95], random_state=0)
    network.fit(X[TRAIN], Y[TRAIN])

    quantiles = [Quantile(network, index) for index in (0, 2, 1)]  # lower, upper, middle
    conformal = regression.ConformalizedQuantileRegressor(quantiles, confidence_level=0.9, prefit=True)
    with pytest.warns(UserWarning, match="does not appear fitted"):
        conformal.conformalize(X[REST], Y[REST])
    _, intervals = conformal.predict_interval(X[TEST], symmetric_correction=True)
    low, _, high = network.predict_quantiles(X[REST]).T
    correction = conformal_quantile(np.maximum(low - Y[REST], Y[REST] - high), 0.9)
    expected = network.predict_quantiles(X[TEST])[:, [0, 2]] + [-correction, correction]
    assert_allclose(intervals[..., 0], expected)


def test_sets_contain_the_classes_above_the_conformal_threshold():
    X, y = make_moons(400, noise=0.4, random_state=0)
    labels = np.array(["left", "right"])[y]
    network = KerasMoonClassifier((9,), epochs=10, random_state=0)
    conformal = classification.SplitConformalClassifier(network, confidence_level=0.9, prefit=False)
    conformal.fit(X[:200], labels[:200]).conformalize(X[200:300], labels[200:300])
    predicted, sets = conformal.predict_set(X[300:])
    network.fit(X[:200], labels[:200])
    assert_array_equal(predicted, network.predict(X[300:]))
    of_label = network.predict_proba(X[200:300])[np.arange(100), y[200:300]]
    threshold = conformal_quantile(1 - of_label, 0.9)
    assert_array_equal(sets[..., 0], 1 - network.predict_proba(X[300:]) <= threshold)


def test_pipelines_for_tables_take_dataframes():
    table = pd.DataFrame(X, columns=list("abcdefghij")).assign(side=np.where(X[:, 0] > 0.5, "left", "right"))
    model = tabular_pipeline("regressor", random_state=0)
    model.set_params(ensemble__n_estimators=2, ensemble__cv=None, ensemble__estimator__epochs=5)
    conformal = regression.SplitConformalRegressor(model, confidence_level=0.9, prefit=False)
    conformal.fit(table[TRAIN], Y[TRAIN]).conformalize(table[REST], Y[REST])
    predictions, _ = conformal.predict_interval(table[TEST])
    assert_allclose(predictions, model.fit(table[TRAIN], Y[TRAIN]).predict(table[TEST]))
