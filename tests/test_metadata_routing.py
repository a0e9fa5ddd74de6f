"""Metadata routing of scikit-learn: sample weights and validation sets in pipelines and searches."""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import make_moons
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import weight_bytes
from moonnet import KerasMoonClassifier, KerasMoonRegressor

NETWORK = KerasMoonClassifier((12, 6), epochs=40, learning_rate=0.01, random_state=0)
BOTH = pytest.mark.parametrize("network_class", [KerasMoonClassifier, KerasMoonRegressor])


@pytest.fixture(scope="module")
def noisy_moons():
    """Noisy half-moons, split into a training and a test set: X, X_test, y, y_test."""
    X, y = make_moons(600, noise=0.3, random_state=0)
    return train_test_split(X, y, test_size=0.5, random_state=0)


@BOTH
def test_pipeline_routes_sample_weight_to_fit(network_class, noisy_moons, routing):
    X, _, y, _ = noisy_moons
    weight = np.where(y == 1, 5.0, 1.0)
    network = network_class((3,), epochs=3, random_state=0)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    pipeline = make_pipeline(scaler, clone(network).set_fit_request(sample_weight=True))
    pipeline.fit(X, y, sample_weight=weight)
    X_scaled = StandardScaler().fit_transform(X)
    assert weight_bytes(pipeline[-1]) == weight_bytes(clone(network).fit(X_scaled, y, weight))
    assert weight_bytes(pipeline[-1]) != weight_bytes(network.fit(X_scaled, y))


@BOTH
def test_pipeline_rejects_sample_weight_that_is_not_requested(network_class, noisy_moons, routing):
    X, _, y, _ = noisy_moons
    pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), network_class((3,), epochs=1))
    with pytest.raises(UnsetMetadataPassedError, match=rf"not requested for {network_class.__name__}\.fit"):
        pipeline.fit(X, y, sample_weight=np.ones(len(y)))


@pytest.mark.skipif(sklearn.__version__.startswith("1.7"), reason="1.7 routes no weights to a pipeline's score")
def test_search_routes_sample_weight_to_fit_and_score(noisy_moons, routing):
    X, _, y, _ = noisy_moons
    weight = np.where(y == 1, 5.0, 1.0)
    network = clone(NETWORK).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    grid = {"kerasmoonclassifier__l2": [0.0, 0.01]}
    search = GridSearchCV(make_pipeline(scaler, network), grid, cv=2).fit(X, y, sample_weight=weight)
    for index, l2 in enumerate(grid["kerasmoonclassifier__l2"]):
        scores = []
        for train, test in StratifiedKFold(2).split(X, y):
            scaler = StandardScaler().fit(X[train])
            by_hand = clone(NETWORK).set_params(l2=l2).fit(scaler.transform(X[train]), y[train], weight[train])
            scores.append(by_hand.score(scaler.transform(X[test]), y[test], sample_weight=weight[test]))
        assert search.cv_results_["mean_test_score"][index] == pytest.approx(np.mean(scores))


def test_pipeline_and_search_transform_and_route_the_validation_set(noisy_moons, routing):
    X, X_val, y, y_val = noisy_moons
    X_val, y_val = X_val[:200], y_val[:200]  # shorter than X, because a search splits metadata of that length
    network = clone(NETWORK).set_params(early_stopping=True).set_fit_request(X_val=True, y_val=True)
    pipeline = Pipeline([("scaler", StandardScaler()), ("network", network)], transform_input=["X_val"])
    pipeline.fit(X, y, X_val=X_val, y_val=y_val)
    scaler = StandardScaler().fit(X)
    by_hand = clone(network).fit(scaler.transform(X), y, X_val=scaler.transform(X_val), y_val=y_val)
    assert (pipeline[-1].coefs_[0] == by_hand.coefs_[0]).all()
    assert pipeline[-1].history_ == by_hand.history_
    search = GridSearchCV(pipeline, {"network__l2": [0.0, 0.01]}, cv=2).fit(X, y, X_val=X_val, y_val=y_val)
    best = clone(pipeline).set_params(**search.best_params_).fit(X, y, X_val=X_val, y_val=y_val)
    assert search.best_estimator_[-1].history_ == best[-1].history_
    train, test = next(StratifiedKFold(2).split(X, y))
    first = clone(pipeline).fit(X[train], y[train], X_val=X_val, y_val=y_val)
    assert search.cv_results_["split0_test_score"][0] == first.score(X[test], y[test])


@pytest.mark.parametrize(
    ("network", "requests"),
    [
        (KerasMoonClassifier(), {"sample_weight": True, "classes": True}),
        (KerasMoonRegressor(), {"sample_weight": True}),
    ],
    ids=["classifier", "regressor"],
)
def test_set_partial_fit_request_sets_metadata_requests(network, requests, routing):
    network = clone(network).set_partial_fit_request(**requests)
    assert network.get_metadata_routing().partial_fit.requests == requests
