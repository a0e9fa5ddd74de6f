"""KerasMoonRegressor in scikit-learn's meta-estimators, pipelines, searches and inspection tools."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import make_friedman1
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import AdaBoostRegressor, BaggingRegressor, StackingRegressor, VotingRegressor
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
from sklearn.feature_selection import RFECV
from sklearn.inspection import PartialDependenceDisplay, partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression, RANSACRegressor
from sklearn.metrics import (
    make_scorer,
    mean_absolute_error,
    mean_pinball_loss,
    mean_squared_error,
    r2_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    train_test_split,
    validation_curve,
)
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import get_tags

from moonnet import KerasMoonRegressor

NETWORK = KerasMoonRegressor((12, 6), epochs=60, optimizer="adam", learning_rate=0.02, random_state=0)
LINEAR_NETWORK = KerasMoonRegressor((), epochs=60, learning_rate=0.02, random_state=0)


@pytest.fixture(scope="module")
def friedman():
    """A training and a test set with features in [-1, 1]: X, X_test, y, y_test.

    y is 5 x3 + 2.5 x4 plus nonlinear terms of x0, x1 and x2 and noise. The other five features are uninformative.
    """
    X, y = make_friedman1(1000, noise=1, random_state=0)
    return train_test_split(2 * X - 1, y, test_size=0.5, random_state=0)


@pytest.fixture(scope="module")
def fitted_network(friedman):
    """NETWORK fitted on the training set; shared, so do not change it."""
    X, _, y, _ = friedman
    return clone(NETWORK).fit(X, y)


def test_bagging_averages_networks_fitted_on_bootstrap_samples(friedman):
    X, X_test, y, y_test = friedman
    bag = BaggingRegressor(NETWORK, n_estimators=8, random_state=0).fit(X, y)
    each = [network.predict(X_test) for network in bag.estimators_]
    np.testing.assert_allclose(bag.predict(X_test), np.mean(each, axis=0))
    assert len({network.random_state for network in bag.estimators_}) == 8
    assert bag.score(X_test, y_test) > max(r2_score(y_test, predicted) for predicted in each)
    drawn = np.bincount(bag.estimators_samples_[0], minlength=len(y))
    by_hand = clone(bag.estimators_[0]).fit(X, y, sample_weight=drawn)
    np.testing.assert_allclose(by_hand.predict(X_test), each[0], rtol=1e-9)


def test_adaboost_predicts_the_weighted_median_of_its_networks(friedman):
    X, X_test, y, y_test = friedman
    boosted = AdaBoostRegressor(NETWORK, n_estimators=10, random_state=0).fit(X, y)
    each = np.array([network.predict(X_test) for network in boosted.estimators_])
    assert len(each) == 10
    for index, predicted in enumerate(boosted.predict(X_test)):
        below = boosted.estimator_weights_[each[:, index] < predicted].sum()
        above = boosted.estimator_weights_[each[:, index] > predicted].sum()
        assert max(below, above) <= boosted.estimator_weights_.sum() / 2
    assert boosted.score(X_test, y_test) > max(r2_score(y_test, predicted) for predicted in each)


def test_voting_averages_predictions_and_passes_sample_weights(friedman):
    X, X_test, y, _ = friedman
    weight = np.where(y > 15, 3.0, 1.0)
    vote = VotingRegressor([("net", NETWORK), ("linear", LinearRegression())]).fit(X, y, sample_weight=weight)
    by_hand = [model.fit(X, y, weight).predict(X_test) for model in (clone(NETWORK), LinearRegression())]
    np.testing.assert_allclose(vote.predict(X_test), np.mean(by_hand, axis=0))


def test_stacking_weights_the_network_more_than_linear_regression(friedman):
    X, X_test, y, y_test = friedman
    members = [("net", NETWORK), ("linear", LinearRegression())]
    stack = StackingRegressor(members, LinearRegression(), cv=3).fit(X, y)
    folds = [cross_val_predict(model, X, y, cv=3) for _, model in members]
    np.testing.assert_allclose(
        stack.final_estimator_.coef_, LinearRegression().fit(np.transpose(folds), y).coef_, rtol=1e-9
    )
    assert stack.final_estimator_.coef_[0] > abs(stack.final_estimator_.coef_[1])
    assert stack.score(X_test, y_test) > LinearRegression().fit(X, y).score(X_test, y_test) + 0.1


def test_transformed_target_regressor_fits_log_y(friedman):
    X, X_test, y, y_test = friedman
    y, y_test = np.exp(y / 3), np.exp(y_test / 3)
    model = TransformedTargetRegressor(NETWORK, func=np.log, inverse_func=np.exp).fit(X, y)
    by_hand = np.exp(clone(NETWORK).fit(X, np.log(y)).predict(X_test))
    np.testing.assert_allclose(model.predict(X_test), by_hand, rtol=1e-12)
    plain = clone(NETWORK).fit(X, y).predict(X_test).clip(y.min())
    assert mean_squared_error(np.log(y_test), np.log(by_hand)) < mean_squared_error(np.log(y_test), np.log(plain))


@pytest.mark.parametrize("multioutput", [False, True])
def test_standardizing_y_beforehand_leaves_predictions_unchanged(friedman, multioutput):
    X, X_test, y, _ = friedman
    y = 1e5 + 300 * (np.column_stack([y, y**2]) if multioutput else y)
    scaled = TransformedTargetRegressor(NETWORK, transformer=StandardScaler()).fit(X, y)
    np.testing.assert_allclose(scaled.predict(X_test), clone(NETWORK).fit(X, y).predict(X_test), rtol=1e-6)


@pytest.mark.slow
def test_chained_separate_and_joint_networks_fit_each_output(friedman):
    X, X_test, y, y_test = friedman
    Y, Y_test = (np.column_stack([values, -values, 1e3 + values**2]) for values in (y, y_test))
    chain = RegressorChain(NETWORK, random_state=0).fit(X, Y)
    separate = MultiOutputRegressor(NETWORK).fit(X, Y)
    joint = clone(NETWORK).fit(X, Y)
    assert [network.n_features_in_ for network in chain.estimators_] == [10, 11, 12]
    assert (separate.predict(X_test)[:, 2] == clone(NETWORK).fit(X, Y[:, 2]).predict(X_test)).all()
    for model in (chain, separate, joint):
        assert model.predict(X_test).shape == Y_test.shape
        assert r2_score(Y_test, model.predict(X_test), multioutput="raw_values").min() > 0.7


def test_multioutput_regressor_partial_fit_equals_one_fit_per_output(friedman):
    X, X_test, y, _ = friedman
    Y = np.column_stack([y, y**2])
    separate = MultiOutputRegressor(clone(NETWORK))
    for _ in range(3):
        separate.partial_fit(X, Y)
    by_hand = clone(NETWORK).set_params(epochs=3).fit(X, Y[:, 1])
    assert (separate.predict(X_test)[:, 1] == by_hand.predict(X_test)).all()


def test_permutation_importance_finds_the_informative_features(friedman, fitted_network):
    _, X_test, _, y_test = friedman
    importance = permutation_importance(fitted_network, X_test, y_test, n_repeats=5, random_state=0).importances_mean
    assert set(importance.argsort()[-5:]) == {0, 1, 2, 3, 4}
    assert importance[3] == max(importance)


def test_partial_dependence_has_the_true_slopes(friedman, fitted_network):
    X = friedman[0]
    slopes = {}
    for feature in (3, 4, 7):
        dependence = partial_dependence(fitted_network, X, [feature], grid_resolution=9)
        grid, (mean,) = dependence["grid_values"][0], dependence["average"]
        middle = X.copy()
        middle[:, feature] = grid[4]
        assert mean[4] == pytest.approx(fitted_network.predict(middle).mean())
        slopes[feature] = (mean[-1] - mean[0]) / (grid[-1] - grid[0])
    assert slopes == pytest.approx({3: 5, 4: 2.5, 7: 0}, abs=0.7)
    display = PartialDependenceDisplay.from_estimator(
        fitted_network, X, [3], grid_resolution=9, kind="both", subsample=20
    )
    np.testing.assert_allclose(
        display.lines_[0, 0, -1].get_ydata(),
        partial_dependence(fitted_network, X, [3], grid_resolution=9)["average"][0],
    )


def test_cross_validate_and_cross_val_predict_agree(friedman):
    X, _, y, _ = friedman
    result = cross_validate(
        NETWORK, X, y, cv=3, return_estimator=True, return_indices=True, scoring=["r2", "neg_median_absolute_error"]
    )
    predicted = cross_val_predict(NETWORK, X, y, cv=3)
    folds = zip(result["estimator"], result["indices"]["test"], result["test_r2"], strict=True)
    for network, test, score in folds:
        assert (network.predict(X[test]) == predicted[test]).all()
        residual = np.square(y[test] - predicted[test]).sum() / np.square(y[test] - y[test].mean()).sum()
        assert score == pytest.approx(1 - residual)
    assert (cross_val_score(NETWORK, X, y, cv=3) == result["test_r2"]).all()
    dummy = cross_validate(DummyRegressor(), X, y, cv=3, scoring="neg_median_absolute_error")["test_score"]
    assert (result["test_neg_median_absolute_error"] > dummy / 2).all()


def test_poisson_loss_beats_a_dummy_in_poisson_deviance(friedman):
    X = friedman[0]
    counts = np.random.default_rng(0).poisson(5 * np.exp(X[:, 3] - X[:, 4]))
    poisson_network = clone(NETWORK).set_params(loss="poisson", learning_rate=0.005)
    scores = cross_val_score(poisson_network, X, counts, cv=3, scoring="neg_mean_poisson_deviance")
    dummy = cross_val_score(DummyRegressor(), X, counts, cv=3, scoring="neg_mean_poisson_deviance")
    assert (scores > dummy / 2).all()
    assert cross_val_predict(poisson_network, X, counts, cv=3).min() > 0


def test_learning_curve_and_validation_curves_of_epochs_and_quantile(friedman):
    X, _, y, _ = friedman
    sizes, _, scores = learning_curve(NETWORK, X, y, train_sizes=[0.1, 1.0], cv=3)
    assert sizes.tolist() == [33, 333]
    assert scores[1].mean() > scores[0].mean()
    train, _ = validation_curve(NETWORK, X, y, param_name="epochs", param_range=[1, 60], cv=3)
    assert train[1].mean() > train[0].mean() + 0.1
    quantiles = [0.1, 0.5, 0.9]
    train_quantiles, _ = validation_curve(
        clone(NETWORK).set_params(loss="pinball", learning_rate=0.005),
        X,
        y,
        param_name="quantile",
        param_range=quantiles,
        cv=2,
        scoring=lambda network, X, y: np.mean(y <= network.predict(X)),
    )
    np.testing.assert_allclose(train_quantiles.mean(axis=1), quantiles, atol=0.15)


# Searches


@pytest.mark.slow
def test_search_over_a_pipeline_refits_the_best_and_can_be_nested(friedman):
    X, X_test, y, y_test = friedman
    grid = {"network__hidden_layer_sizes": [(), (12, 6)], "network__loss": ["squared_error", "huber"]}
    pipeline = Pipeline([("scale", StandardScaler()), ("network", NETWORK)])
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert search.best_params_["network__hidden_layer_sizes"] == (12, 6)  # y is nonlinear in X
    by_hand = clone(pipeline).set_params(**search.best_params_).fit(X, y)
    assert (search.predict(X_test) == by_hand.predict(X_test)).all()
    assert search.score(X_test, y_test) == by_hand.score(X_test, y_test)
    nested = cross_val_score(clone(search), X, y, cv=2)
    train, test = next(KFold(2).split(X))
    assert nested[0] == clone(search).fit(X[train], y[train]).score(X[test], y[test])


def test_search_selects_the_quantile_of_its_pinball_scorer(friedman):
    X, _, y, _ = friedman
    network = clone(NETWORK).set_params(loss="pinball", learning_rate=0.005)
    for quantile in (0.1, 0.9):
        scorer = make_scorer(mean_pinball_loss, alpha=quantile, greater_is_better=False)
        search = GridSearchCV(network, {"quantile": [0.1, 0.5, 0.9]}, cv=2, scoring=scorer, refit=False).fit(X, y)
        assert search.best_params_ == {"quantile": quantile}


def test_search_on_y_with_outliers_scores_robust_losses_higher(friedman):
    X, _, y, _ = friedman
    y_with_outliers = y.copy()
    y_with_outliers[::10] += np.where(np.arange(len(y[::10])) % 4, 300, -300)
    search = GridSearchCV(
        NETWORK, {"loss": ["squared_error", "huber", "absolute_error"]}, cv=3, scoring="neg_median_absolute_error"
    ).fit(X, y_with_outliers)
    squared, *robust = search.cv_results_["mean_test_score"]
    assert min(robust) > squared / 2
    assert search.best_estimator_.score(X, y) > 0.5


def test_halving_search_doubles_the_epochs_of_the_better_half(friedman):
    X, _, y, _ = friedman
    search = HalvingGridSearchCV(
        NETWORK, {"learning_rate": [1e-5, 1e-4, 1e-3, 1e-2]}, resource="epochs", max_resources=32, cv=2, factor=2
    ).fit(X, y)
    assert search.n_resources_ == [8, 16, 32]
    assert search.best_params_ == {"epochs": 32, "learning_rate": 1e-2}
    assert search.best_estimator_.n_iter_ == 32
    assert search.cv_results_["split0_test_score"][search.best_index_] == (
        clone(search.best_estimator_).fit(X[250:], y[250:]).score(X[:250], y[:250])
    )


# Feature selection, imputation, outliers and pipelines


@pytest.mark.slow
def test_rfecv_selects_the_informative_features():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6))
    y = X[:, 0] - 2 * X[:, 1] + 0.1 * rng.normal(size=300)
    selector = RFECV(LINEAR_NETWORK, importance_getter=lambda network: np.abs(network.coefs_[0]).sum(axis=1), cv=3).fit(
        X, y
    )
    assert selector.ranking_[:2].tolist() == [1, 1]
    assert selector.estimator_.n_features_in_ == selector.n_features_
    np.testing.assert_allclose(selector.estimator_.coefs_[0][:2, 0], [1, -2], atol=0.05)


def test_ransac_identifies_outliers(friedman):
    X, X_test, y, y_test = friedman
    is_outlier = np.arange(len(y)) % 10 == 0
    robust = clone(NETWORK).set_params(loss="absolute_error")
    model = RANSACRegressor(robust, min_samples=0.5, residual_threshold=10, max_trials=5, random_state=0)
    model.fit(X, np.where(is_outlier, y + 300, y))
    assert not model.inlier_mask_[is_outlier].any()
    assert model.inlier_mask_[~is_outlier].mean() > 0.9
    assert model.score(X_test, y_test) > 0.6


def test_pipeline_fitted_on_a_dataframe_keeps_feature_names(friedman):
    X, _, y, _ = friedman
    frame = pd.DataFrame({"width": X[:, 3], "height": X[:, 4], "colour": np.where(X[:, 2] > 0, "red", "blue")})
    target = pd.Series(y, index=np.arange(len(y))[::-1], name="price")
    prepare = ColumnTransformer(
        [
            ("numeric", StandardScaler(), ["width", "height"]),
            ("categorical", OneHotEncoder(sparse_output=False), ["colour"]),
        ],
        verbose_feature_names_out=False,
    )
    model = make_pipeline(prepare, clone(NETWORK)).set_output(transform="pandas").fit(frame, target)
    assert model[-1].feature_names_in_.tolist() == ["width", "height", "colour_blue", "colour_red"]
    as_arrays = make_pipeline(clone(prepare), clone(NETWORK)).fit(frame, y)
    assert (as_arrays.predict(frame) == model.predict(frame)).all()
    multioutput = make_pipeline(clone(prepare), clone(NETWORK)).fit(frame, pd.DataFrame({"price": y, "weight": -y}))
    assert multioutput.predict(frame).shape == (len(y), 2)


DUMMIES = {
    "squared_error": ({"loss": "squared_error"}, DummyRegressor()),
    "absolute_error": ({"loss": "absolute_error"}, DummyRegressor(strategy="median")),
    "poisson": ({"loss": "poisson"}, DummyRegressor()),
    "low quantile": ({"loss": "pinball", "quantile": 0.1}, DummyRegressor(strategy="quantile", quantile=0.1)),
    "high quantile": ({"loss": "pinball", "quantile": 0.9}, DummyRegressor(strategy="quantile", quantile=0.9)),
}


@pytest.mark.parametrize(("parameters", "dummy"), DUMMIES.values(), ids=DUMMIES)
@pytest.mark.parametrize("multioutput", [False, True])
def test_constant_features_yield_the_prediction_of_a_dummy(parameters, dummy, multioutput):
    rng = np.random.default_rng(0)
    y = rng.exponential(50, 301)
    y = np.column_stack([y, rng.exponential(0.1, 301)]) if multioutput else y
    X = np.zeros((301, 1))
    # Each batch holds all samples, so that training converges
    network = KerasMoonRegressor(
        (), epochs=400, optimizer="sgd", learning_rate=0.5, batch_size=301, random_state=0, **parameters
    )
    predicted, expected = network.fit(X, y).predict(X[:1]), dummy.fit(X, y).predict(X[:1])
    assert (np.abs(predicted - expected) < 0.03 * y.std(axis=0)).all()


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "poisson", "pinball"])
def test_every_loss_beats_a_dummy_on_informative_features(friedman, loss):
    X, X_test, y, y_test = friedman
    network, dummy = clone(NETWORK).set_params(loss=loss).fit(X, y.clip(0)), DummyRegressor(strategy="median")
    errors = [mean_absolute_error(y_test, model.predict(X_test)) for model in (network, dummy.fit(X, y))]
    assert errors[0] < errors[1] / 2


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_estimator_tags(loss):
    tags = get_tags(KerasMoonRegressor(loss=loss))
    assert tags.estimator_type == "regressor"
    assert tags.input_tags.sparse
    assert tags.classifier_tags is None
    assert not tags.regressor_tags.poor_score
    assert tags.target_tags.required
    assert tags.target_tags.multi_output
    assert tags.target_tags.positive_only == (loss == "poisson")


# Metadata routing


def weighted_samples(friedman):
    """Return the training set with sample weights."""
    X, _, y, _ = friedman
    return X, y, np.where(y > 15, 5.0, 1.0)


def test_pipeline_routes_sample_weight_to_fit_only_if_requested(friedman, routing):
    X, y, weight = weighted_samples(friedman)
    network = clone(NETWORK).set_fit_request(sample_weight=True)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    routed = make_pipeline(scaler, network).fit(X, y, sample_weight=weight)
    by_hand = clone(NETWORK).fit(StandardScaler().fit_transform(X), y, sample_weight=weight)
    assert (routed[-1].coefs_[0] == by_hand.coefs_[0]).all()
    ignored = make_pipeline(scaler, clone(NETWORK).set_fit_request(sample_weight=False)).fit(X, y)
    assert (ignored[-1].coefs_[0] != by_hand.coefs_[0]).any()
    with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
        make_pipeline(clone(NETWORK)).fit(X, y, sample_weight=weight)


def test_pipeline_and_search_transform_and_route_the_validation_set(friedman, routing):
    X, X_val, y, y_val = friedman
    X_val, y_val = X_val[:200], y_val[:200]  # shorter than X, because a search splits metadata of that length
    network = clone(NETWORK).set_params(early_stopping=True).set_fit_request(X_val=True, y_val=True)
    pipeline = Pipeline([("scaler", StandardScaler()), ("network", network)], transform_input=["X_val"])
    pipeline.fit(X, y, X_val=X_val, y_val=y_val)
    scaler = StandardScaler().fit(X)
    by_hand = clone(network).fit(scaler.transform(X), y, X_val=scaler.transform(X_val), y_val=y_val)
    assert (pipeline[-1].coefs_[0] == by_hand.coefs_[0]).all()
    best = mean_squared_error(y_val, pipeline.predict(X_val))
    assert min(pipeline[-1].history_["val_loss"]) == pytest.approx(best)
    search = GridSearchCV(pipeline, {"network__l2": [0.0, 0.01]}, cv=2).fit(X, y, X_val=X_val, y_val=y_val)
    train, test = next(KFold(2).split(X, y))
    first = clone(pipeline).fit(X[train], y[train], X_val=X_val, y_val=y_val)
    assert search.cv_results_["split0_test_score"][0] == first.score(X[test], y[test])


def test_set_partial_fit_request_sets_metadata_requests(routing):
    network = KerasMoonRegressor().set_partial_fit_request(sample_weight=True)
    assert network.get_metadata_routing().partial_fit.requests == {"sample_weight": True}
