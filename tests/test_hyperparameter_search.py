"""scikit-learn's searches give bit-for-bit identical scores in one process, in two processes and in threads."""

import pytest
from joblib import parallel_config
from scipy.stats import loguniform
from sklearn.datasets import load_breast_cancer, make_moons
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier, KerasMoonRegressor

pytestmark = [pytest.mark.slow, pytest.mark.trains]

NETWORK = KerasMoonClassifier(epochs=10, random_state=0)
GRID = {
    "hidden_layer_sizes": [(10,), (8, 4)],
    "learning_rate": [None, 0.01],
    "l2": [0.0, 1e-3],
    "batch_size": [20, 50],
    "activation": ["relu", "tanh"],
}
DISTRIBUTIONS = {"learning_rate": loguniform(1e-4, 1e-1), "l2": loguniform(1e-6, 1e-2), "dropout": [0.1, 0.2]}
PIPELINE = Pipeline([("scale", StandardScaler()), ("network", NETWORK)])

SEARCHES = {
    "grid": lambda: GridSearchCV(NETWORK, GRID, cv=3, error_score="raise"),
    "randomized": lambda: RandomizedSearchCV(NETWORK, DISTRIBUTIONS, n_iter=8, cv=3, random_state=0),
    "halving": lambda: HalvingGridSearchCV(
        NETWORK, {"l2": [0, 1e-3], "learning_rate": [0.001, 0.01, 0.1]}, resource="epochs", max_resources=27, cv=3
    ),
    "pipeline": lambda: GridSearchCV(
        PIPELINE, {"scale__with_mean": [True, False], "network__l2": [0.0, 1e-3]}, cv=4, scoring="neg_log_loss"
    ),
    "regression": lambda: GridSearchCV(
        KerasMoonRegressor(epochs=40, early_stopping=True, random_state=0),
        {"loss": ["squared_error", "absolute_error", "huber", "poisson", "pinball"], "learning_rate": [None, 0.01]},
        cv=3,
        scoring="neg_mean_absolute_error",
        error_score="raise",
    ),
}
MIN_SCORES = {"neg_log_loss": -0.6, "neg_mean_absolute_error": -0.3, None: 0.75}


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_search_scores_are_identical_in_processes_and_threads(search, assert_same_scores):
    X, y = make_moons(150, noise=0.25, random_state=0)
    one_process = search().fit(X, y)
    two_processes = search().set_params(n_jobs=2).fit(X, y)
    with parallel_config(backend="threading", n_jobs=2):
        two_threads = search().fit(X, y)
    assert one_process.best_score_ > MIN_SCORES[one_process.scoring]
    for other in (two_processes, two_threads):
        assert_same_scores(one_process, other)


def test_cross_val_score_is_identical_in_processes_and_threads():
    X, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), KerasMoonClassifier(epochs=20, random_state=0))
    one_process = cross_val_score(model, X, y)
    assert (cross_val_score(model, X, y, n_jobs=2) == one_process).all()
    with parallel_config(backend="threading", n_jobs=2):
        assert (cross_val_score(model, X, y) == one_process).all()
    assert one_process.mean() > 0.95
