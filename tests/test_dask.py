"""Searches and predictions on real Dask workers, also when workers are killed."""

import contextlib
import gc
import os
import signal
import sys

import dask
import numpy as np
import pandas as pd
import psutil
import pytest
from dask import array as da
from dask import dataframe as dd
from dask.distributed import Client
from joblib import parallel_config
from scipy.stats import loguniform
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import assert_same_scores
from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.dask import resilient

pytestmark = pytest.mark.slow

NETWORK = KerasMoonClassifier((7,), epochs=5, random_state=0)
GRID = {"learning_rate": [0.001, 0.01, 0.1], "l2": [0.0, 1e-3], "dropout": [0.1, 0.2]}


def start_two_workers():
    return Client(n_workers=2, threads_per_worker=1, dashboard_address=":0")


@pytest.fixture(scope="module")
def client():
    """A client of two worker processes, which store short task histories."""
    short_histories = {"distributed.admin.log-length": 100, "distributed.admin.low-level-log-length": 100}
    with dask.config.set(short_histories), start_two_workers() as client:
        yield client


def assert_same_search(search, other):
    """Assert bit-for-bit identical scores and weights of the best estimator."""
    assert_same_scores(search, other)
    for mine, others in zip(search.best_estimator_.coefs_, other.best_estimator_.coefs_, strict=True):
        assert np.array_equal(mine, others)


SEARCHES = {
    "grid": lambda: GridSearchCV(NETWORK, GRID, cv=3),
    "randomized": lambda: RandomizedSearchCV(
        NETWORK, {"learning_rate": loguniform(1e-4, 1e-1), "l2": loguniform(1e-6, 1e-2)}, n_iter=8, random_state=0
    ),
    "regression": lambda: GridSearchCV(
        KerasMoonRegressor((7,), epochs=5, random_state=0),
        {"loss": ["squared_error", "poisson"], "l2": [0.0, 1e-3]},  # two programs for each process
        cv=3,
    ),
}


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_search_on_cluster_matches_local_search(client, moons, search):
    local = search().fit(*moons)
    with parallel_config(backend="dask"):
        assert_same_search(search().fit(*moons), local)


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
def test_cross_val_score_on_cluster_matches_local_scores(client, moons, scoring):
    model = make_pipeline(StandardScaler(), NETWORK)
    local = cross_val_score(model, *moons, scoring=scoring)
    with parallel_config(backend="dask", client=resilient(client)):
        assert np.array_equal(cross_val_score(model, *moons, scoring=scoring), local)


def count_compiled_programs(layers):
    """Return how many programs this process has compiled for networks with these hidden layers."""
    from moonnet.training import _compiled_program

    return sum(program.spec.network.layer_sizes[1:-1] == layers for program in _compiled_program._programs.values())


def test_each_worker_compiles_a_network_once(client, moons):
    network = KerasMoonClassifier((9, 4), epochs=2, random_state=0)
    grid = {"learning_rate": np.geomspace(1e-4, 1e-1, 15), "l2": [0.0, 1e-3]}
    for _ in range(2):
        with parallel_config(backend="dask"):
            GridSearchCV(network, grid, cv=2).fit(*moons)
    assert max(client.run(count_compiled_programs, (9, 4)).values()) == 1


class WorkerKillingScorer:
    """Scorer that kills its process at the first call, and once more at the 20th call or a later one."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, estimator, X, y):
        calls = self.folder / "calls"
        with calls.open("a") as file:
            file.write(f"{os.getpid()}\n")
        n_calls = len(calls.read_text().splitlines())
        for name, first_call in (("once", 1), ("again", 20)):
            if n_calls >= first_call:
                with contextlib.suppress(FileExistsError):
                    (self.folder / name).touch(exist_ok=False)
                    os.kill(os.getpid(), signal.SIGKILL)
        return estimator.score(X, y)


def imported_engine_modules():
    """Return the modules that this process has imported and only training needs."""
    return sorted({"tensorflow", "jax", "keras"} & sys.modules.keys())


def assert_workers_predict_without_importing_an_engine(client):
    samples, labels = make_moons(1000, noise=0.2, random_state=0)
    clf = make_pipeline(StandardScaler(), KerasMoonClassifier(random_state=0)).fit(
        samples, np.array(["a", "b"])[labels]
    )
    numbers = np.column_stack([samples[:, 0], 1e4 * samples[:, 1] ** 2])
    reg = make_pipeline(StandardScaler(), KerasMoonRegressor(epochs=20, random_state=0)).fit(samples, numbers)
    X = da.from_array(samples, chunks=(300, 2))
    table = pd.DataFrame(samples, columns=["x", "y"])
    tables = dd.from_pandas(table, npartitions=3)
    probabilities = X.map_blocks(clf.predict_proba, chunks=(X.chunks[0], 2), dtype=float).compute()
    predicted = X.map_blocks(clf.predict, drop_axis=1, dtype=clf.classes_.dtype).compute()
    added = tables.map_partitions(
        lambda part: part.assign(label=clf.predict(part.to_numpy())),
        meta={"x": float, "y": float, "label": clf.classes_.dtype},
    ).compute()
    outputs = X.map_blocks(reg.predict, chunks=(X.chunks[0], 2), dtype=float).compute()
    assert list(client.run(imported_engine_modules).values()) == [[], []]
    np.testing.assert_allclose(probabilities, clf.predict_proba(samples), rtol=1e-12)
    assert (predicted == clf.predict(samples)).all()
    assert (added["label"] == clf.predict(samples)).all()
    pd.testing.assert_frame_equal(added[["x", "y"]], table)
    np.testing.assert_allclose(outputs, reg.predict(samples), rtol=1e-12)


def test_new_workers_predict_without_an_engine_and_a_search_survives_when_they_are_killed(moons, tmp_path):
    grid = {"learning_rate": np.geomspace(1e-4, 1e-1, 20).tolist()}
    local = GridSearchCV(NETWORK, grid, cv=3).fit(*moons)
    with start_two_workers() as client, parallel_config(backend="dask", client=resilient(client)):
        assert_workers_predict_without_importing_an_engine(client)
        before = set(client.run(os.getpid).values())
        search = GridSearchCV(NETWORK, grid, cv=3, scoring=WorkerKillingScorer(tmp_path)).fit(*moons)
    assert_same_search(search, local)
    assert (tmp_path / "once").exists()
    assert (tmp_path / "again").exists()
    assert set(map(int, (tmp_path / "calls").read_text().split())) - before  # replacements of killed workers


def test_large_and_scattered_samples_give_identical_scores(client):
    X = np.zeros((200, 8_000))  # 12.8 MB
    X[:, :2], y = make_moons(200, noise=0.2, random_state=0)
    network = KerasMoonClassifier((2,), epochs=1, random_state=0)
    local = cross_val_score(network, X, y)
    for scatter in (None, [X, y]):
        with parallel_config(backend="dask", client=resilient(client), scatter=scatter):
            assert np.array_equal(cross_val_score(network, X, y), local)


def test_resilient_rejects_other_objects_than_clients(moons):
    with pytest.raises(TypeError, match=r"client must be a distributed\.Client\. Got 'tcp://here' instead\."):
        resilient("tcp://here")


def memory_in_mb():
    """Return the resident memory of this process in MB."""
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


def test_worker_memory_stays_flat_over_a_thousand_candidates(client, moons):
    network = KerasMoonClassifier((7,), epochs=1, random_state=0)
    one_split = [(np.arange(100), np.arange(100, 200))]

    def search(n_candidates):
        with parallel_config(backend="dask"):
            GridSearchCV(network, {"l2": np.linspace(0, 1e-3, n_candidates)}, cv=one_split, refit=False).fit(*moons)

    search(250)  # fills Dask's own task histories
    growth = []
    for _ in range(3):
        before = client.run(memory_in_mb)
        search(250)
        after = client.run(memory_in_mb)
        growth.append(max(after[worker] - before[worker] for worker in before))
    # A leak in fit would show in every search; Dask and the memory allocators grow only now and then
    assert min(growth) < 5, growth
    assert sorted(growth)[1] < 15, growth


def test_progress_bar_shows_search_on_cluster(client, moons, capsys):
    ProgressBar = pytest.importorskip("sklearn.callback").ProgressBar
    with parallel_config(backend="dask", verbose=10):
        GridSearchCV(NETWORK, {"l2": [0.0, 1e-3]}, cv=2).set_callbacks(ProgressBar(0)).fit(*moons)
    written = capsys.readouterr()
    assert "GridSearchCV" in written.out
    assert "100%" in written.out
    assert "Done   4 out of   4" in written.err
