"""scikit-learn's searches give bit-for-bit identical scores in one process, in two processes and in threads."""

import pytest
from joblib import parallel_config
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV

from helpers import assert_same_scores
from moonnet import KerasMoonClassifier, KerasMoonRegressor

pytestmark = [pytest.mark.slow, pytest.mark.trains]

SEARCHES = {
    "classification": lambda: GridSearchCV(
        KerasMoonClassifier(epochs=10, random_state=0),
        [  # four programs, which each process compiles or reads
            {"hidden_layer_sizes": [(10,), (8, 4)], "learning_rate": [None, 0.01]},
            {"hidden_layer_sizes": [(10,)], "batch_size": [20], "dropout": [0.0, 0.1], "learning_rate": [None, 0.01]},
        ],
        cv=3,
        error_score="raise",
    ),
    "regression": lambda: GridSearchCV(
        KerasMoonRegressor(epochs=40, early_stopping=True, random_state=0),
        {"loss": ["squared_error", "absolute_error", "huber", "poisson", "pinball"], "learning_rate": [None, 0.01]},
        cv=3,
        scoring="neg_mean_absolute_error",
        error_score="raise",
    ),
}
MIN_SCORES = {"neg_mean_absolute_error": -0.3, None: 0.75}


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_search_scores_are_identical_in_processes_and_threads(search):
    X, y = make_moons(150, noise=0.25, random_state=0)
    one_process = search().fit(X, y)
    two_processes = search().set_params(n_jobs=2).fit(X, y)
    with parallel_config(backend="threading", n_jobs=2):
        two_threads = search().fit(X, y)
    assert one_process.best_score_ > MIN_SCORES[one_process.scoring]
    for other in (two_processes, two_threads):
        assert_same_scores(one_process, other)
