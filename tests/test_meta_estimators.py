"""KerasMoonClassifier in scikit-learn's meta-estimators, pipelines, searches and inspection tools."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import (
    load_iris,
    make_moons,
    make_multilabel_classification,
)
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, recall_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    train_test_split,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import get_tags

from moonnet import KerasMoonClassifier

NETWORK = KerasMoonClassifier((12, 6), epochs=40, learning_rate=0.01, random_state=0)


@pytest.fixture(scope="module")
def noisy_moons():
    """Noisy half-moons, split into a training and a test set: X, X_test, y, y_test."""
    X, y = make_moons(600, noise=0.3, random_state=0)
    return train_test_split(X, y, test_size=0.5, random_state=0)


def test_bagging_averages_networks_with_different_random_states(noisy_moons):
    X, X_test, y, y_test = noisy_moons
    bag = BaggingClassifier(NETWORK, n_estimators=8, random_state=0).fit(X, y)
    each = [network.predict_proba(X_test) for network in bag.estimators_]
    np.testing.assert_allclose(bag.predict_proba(X_test), np.mean(each, axis=0))
    assert len({network.random_state for network in bag.estimators_}) == 8
    assert log_loss(y_test, bag.predict_proba(X_test)) <= np.mean([log_loss(y_test, proba) for proba in each])


def test_adaboost_reweights_samples_and_does_not_lower_the_score(noisy_moons):
    X, X_test, y, y_test = noisy_moons
    weak = KerasMoonClassifier((), epochs=20, learning_rate=0.05, random_state=0)
    boosted = AdaBoostClassifier(weak, n_estimators=12, random_state=0).fit(X, y)
    assert len(boosted.estimators_) > 1
    coefs = [network.coefs_[0] for network in boosted.estimators_]
    assert not np.allclose(coefs[0], coefs[1])  # the second network was fitted with other sample weights
    assert boosted.score(X, y) >= weak.fit(X, y).score(X, y)
    assert boosted.score(X_test, y_test) > 0.8


def test_stacking_weights_the_network_more_than_logistic_regression(noisy_moons):
    X, X_test, y, y_test = noisy_moons
    stack = StackingClassifier([("net", NETWORK), ("logistic", LogisticRegression())], cv=3).fit(X, y)
    assert abs(stack.final_estimator_.coef_[0, 0]) > abs(stack.final_estimator_.coef_[0, 1])
    assert stack.score(X_test, y_test) > LogisticRegression().fit(X, y).score(X_test, y_test)


def test_calibration_lowers_the_brier_score_of_an_overfitted_network(noisy_moons):
    X, X_test, y, y_test = noisy_moons
    overfitted = KerasMoonClassifier((50, 50), epochs=300, optimizer="adam", learning_rate=0.02, random_state=0)
    X, y = X[:120], y[:120]
    plain = overfitted.fit(X, y).predict_proba(X_test)[:, 1]
    calibrated = CalibratedClassifierCV(overfitted, cv=3).fit(X, y).predict_proba(X_test)[:, 1]
    assert brier_score_loss(y_test, calibrated) < brier_score_loss(y_test, plain)


def test_one_vs_rest_fits_binary_networks():
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), OneVsRestClassifier(NETWORK)).fit(X, y)
    assert len(model[-1].estimators_) == 3
    assert {len(network.classes_) for network in model[-1].estimators_} == {2}
    assert model.score(X, y) > 0.95


@pytest.mark.slow
def test_chained_separate_and_joint_multilabel_networks_beat_a_baseline():
    X, Y = make_multilabel_classification(300, n_features=10, n_classes=3, random_state=0)
    X = StandardScaler().fit_transform(X)
    chain = ClassifierChain(NETWORK, random_state=0).fit(X[:200], Y[:200])
    separate = MultiOutputClassifier(NETWORK).fit(X[:200], Y[:200])
    joint = clone(NETWORK).fit(X[:200], Y[:200])
    assert [network.n_features_in_ for network in chain.estimators_] == [10, 11, 12]
    guess = np.mean((Y[200:] == (Y[:200].mean(axis=0) > 0.5)).all(axis=1))
    for model in (chain, separate, joint):
        assert model.score(X[200:], Y[200:]) > guess + 0.1
    np.testing.assert_allclose(
        separate.predict_proba(X[200:])[1][:, 1], clone(NETWORK).fit(X[:200], Y[:200, 1]).predict_proba(X[200:])[:, 1]
    )


def test_decision_threshold_changes_recall(noisy_moons):
    X, X_test, y, y_test = noisy_moons
    recalls = [
        recall_score(y_test, FixedThresholdClassifier(NETWORK, threshold=threshold).fit(X, y).predict(X_test))
        for threshold in (0.1, 0.5, 0.9)
    ]
    assert recalls[0] > recalls[1] > recalls[2]
    tuned = TunedThresholdClassifierCV(NETWORK, scoring="recall", cv=3).fit(X, y)
    assert tuned.best_threshold_ < 0.5
    assert recall_score(y_test, tuned.predict(X_test)) >= recalls[1]


def test_cross_validate_and_cross_val_predict_agree(noisy_moons):
    X, _, y, _ = noisy_moons
    result = cross_validate(
        NETWORK, X, y, cv=3, return_estimator=True, return_indices=True, scoring=["accuracy", "roc_auc"]
    )
    predicted = cross_val_predict(NETWORK, X, y, cv=3, method="predict_proba")
    logits = cross_val_predict(NETWORK, X, y, cv=3, method="decision_function")
    for network, test in zip(result["estimator"], result["indices"]["test"], strict=True):
        assert (network.predict_proba(X[test]) == predicted[test]).all()
        assert (network.decision_function(X[test]) == logits[test]).all()
    assert (cross_val_score(NETWORK, X, y, cv=3) == result["test_accuracy"]).all()
    assert result["test_roc_auc"].min() > 0.9


def test_pipeline_fitted_on_a_dataframe_keeps_feature_names():
    rng = np.random.default_rng(0)
    X, y = make_moons(200, noise=0.2, random_state=0)
    frame = pd.DataFrame({"width": X[:, 0], "height": X[:, 1], "colour": rng.choice(["red", "blue"], 200)})
    prepare = ColumnTransformer(
        [
            ("numeric", StandardScaler(), ["width", "height"]),
            ("categorical", OneHotEncoder(sparse_output=False), ["colour"]),
        ],
        verbose_feature_names_out=False,
    )
    model = make_pipeline(prepare, clone(NETWORK)).set_output(transform="pandas").fit(frame, y)
    assert model[-1].feature_names_in_.tolist() == ["width", "height", "colour_blue", "colour_red"]
    assert model.score(frame, y) > 0.85
    as_arrays = make_pipeline(clone(prepare), clone(NETWORK)).fit(frame, y)
    assert (as_arrays.predict_proba(frame) == model.predict_proba(frame)).all()


def test_pipeline_with_sparse_one_hot_encoding_matches_dense_encoding():
    categories = np.random.default_rng(0).choice(["a", "b", "c", "d"], (200, 3))
    y = (categories[:, 0] == "a") | (categories[:, 1] == "b")
    model = make_pipeline(OneHotEncoder(), clone(NETWORK)).fit(categories, y)
    assert model.score(categories, y) > 0.95
    dense = make_pipeline(OneHotEncoder(sparse_output=False), clone(NETWORK)).fit(categories, y)
    np.testing.assert_allclose(model.predict_proba(categories), dense.predict_proba(categories), rtol=1e-9)


def test_pipeline_with_memory_predicts_the_same(noisy_moons, tmp_path):
    X, X_test, y, _ = noisy_moons
    steps = [("scale", StandardScaler()), ("net", NETWORK)]
    cached = GridSearchCV(Pipeline(steps, memory=str(tmp_path)), {"net__l2": [0, 0.01]}, cv=2).fit(X, y)
    plain = GridSearchCV(Pipeline(steps), {"net__l2": [0, 0.01]}, cv=2).fit(X, y)
    assert any(tmp_path.rglob("*.pkl"))
    assert (cached.predict_proba(X_test) == plain.predict_proba(X_test)).all()


def test_estimator_tags():
    tags = get_tags(NETWORK)
    assert tags.estimator_type == "classifier"
    assert tags.input_tags.sparse
    assert tags.classifier_tags.multi_class
    assert tags.classifier_tags.multi_label
    assert not tags.target_tags.multi_output


# Metadata routing


def weighted_samples(noisy_moons):
    """Return the training set with sample weights."""
    X, _, y, _ = noisy_moons
    return X, y, np.where(y == 1, 5.0, 1.0)


def test_pipeline_routes_sample_weight_to_fit(noisy_moons, routing):
    X, y, weight = weighted_samples(noisy_moons)
    network = clone(NETWORK).set_fit_request(sample_weight=True)
    routed = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), network).fit(
        X, y, sample_weight=weight
    )
    by_hand = clone(NETWORK).fit(StandardScaler().fit_transform(X), y, sample_weight=weight)
    assert (routed[-1].coefs_[0] == by_hand.coefs_[0]).all()
    ignored = make_pipeline(
        StandardScaler().set_fit_request(sample_weight=False), clone(NETWORK).set_fit_request(sample_weight=False)
    )
    assert (ignored.fit(X, y)[-1].coefs_[0] != by_hand.coefs_[0]).any()


@pytest.mark.skipif(sklearn.__version__.startswith("1.7"), reason="1.7 routes no weights to a pipeline's score")
def test_search_routes_sample_weight_to_fit_and_score(noisy_moons, routing):
    X, y, weight = weighted_samples(noisy_moons)
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


def test_unrequested_sample_weight_raises(noisy_moons, routing):
    X, y, weight = weighted_samples(noisy_moons)
    with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
        make_pipeline(clone(NETWORK)).fit(X, y, sample_weight=weight)


def test_set_partial_fit_request_sets_metadata_requests(routing):
    network = KerasMoonClassifier().set_partial_fit_request(sample_weight=True, classes=True)
    assert network.get_metadata_routing().partial_fit.requests == {"classes": True, "sample_weight": True}
