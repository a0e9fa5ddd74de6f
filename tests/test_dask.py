"""On real workers of Dask's: searches, which may lose a worker, and predictions of arrays and tables in pieces."""

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
from sklearn.base import clone
from sklearn.datasets import make_friedman1, make_moons
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.dask import resilient

pytestmark = pytest.mark.slow

NETWORK = KerasMoonClassifier((7,), epochs=5, random_state=0)
GRID = {"learning_rate": [0.001, 0.01, 0.1], "l2": [0.0, 1e-3], "dropout": [0.1, 0.2]}


def two_workers():
    return Client(n_workers=2, threads_per_worker=1, dashboard_address=":0")


@pytest.fixture(scope="module")
def client():
    """Two worker processes that train, and keep short records."""
    short = {"distributed.admin.log-length": 100, "distributed.admin.low-level-log-length": 100}
    with dask.config.set(short), two_workers() as client:
        yield client


@pytest.fixture
def assert_same(assert_same_scores):
    """Return a function that asserts the same scores and best network, bit for bit."""

    def check(search, other):
        assert_same_scores(search, other)
        for mine, others in zip(search.best_estimator_.coefs_, other.best_estimator_.coefs_, strict=True):
            assert np.array_equal(mine, others)

    return check


SEARCHES = {
    "grid": lambda: GridSearchCV(NETWORK, GRID, cv=3),
    "randomized": lambda: RandomizedSearchCV(
        NETWORK, {"learning_rate": loguniform(1e-4, 1e-1), "l2": loguniform(1e-6, 1e-2)}, n_iter=8, random_state=0
    ),
    "numbers": lambda: GridSearchCV(
        KerasMoonRegressor((7,), epochs=5, random_state=0),
        {"loss": ["squared_error", "huber", "poisson"], "dropout": [0.0, 0.2]},
        cv=3,
    ),
}


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_a_search_finds_the_same_on_a_cluster(client, moons, search, assert_same):
    alone = search().fit(*moons)
    with parallel_config(backend="dask"):
        assert_same(search().fit(*moons), alone)


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
def test_cross_validation_is_the_same_on_a_cluster(client, moons, scoring):
    model = make_pipeline(StandardScaler(), NETWORK)
    alone = cross_val_score(model, *moons, scoring=scoring)
    with parallel_config(backend="dask", client=resilient(client)):
        assert np.array_equal(cross_val_score(model, *moons, scoring=scoring), alone)


def compiled(layers):
    """Return how many programs this process has compiled for such a network."""
    from moonnet.training import _compiled_program

    return sum(program.spec.network.layer_sizes[1:-1] == layers for program in _compiled_program._idle_programs)


def test_a_worker_compiles_once(client, moons):
    network = KerasMoonClassifier((9, 4), epochs=2, random_state=0)
    grid = {"learning_rate": np.geomspace(1e-4, 1e-1, 15), "l2": [0.0, 1e-3]}
    for _ in range(2):
        with parallel_config(backend="dask"):
            GridSearchCV(network, grid, cv=2).fit(*moons)
    assert max(client.run(compiled, (9, 4)).values()) == 1


class KillsItsWorker:
    """Scores, and kills the process that asks for the first score, and then one that asks for the 20th or a later."""

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


def test_killed_workers_are_survived_with_the_same_scores(moons, tmp_path, assert_same):
    grid = {"learning_rate": np.geomspace(1e-4, 1e-1, 20).tolist()}
    alone = GridSearchCV(NETWORK, grid, cv=3).fit(*moons)
    with two_workers() as client, parallel_config(backend="dask", client=resilient(client)):
        before = set(client.run(os.getpid).values())
        search = GridSearchCV(NETWORK, grid, cv=3, scoring=KillsItsWorker(tmp_path)).fit(*moons)
    assert_same(search, alone)
    assert (tmp_path / "once").exists()
    assert (tmp_path / "again").exists()
    assert set(map(int, (tmp_path / "calls").read_text().split())) - before  # workers that came for those that died


def test_large_samples_and_those_that_the_user_scatters(client):
    X = np.zeros((200, 8_000))  # 12.8 MB
    X[:, :2], y = make_moons(200, noise=0.2, random_state=0)
    network = KerasMoonClassifier((2,), epochs=1, random_state=0)
    alone = cross_val_score(network, X, y)
    for scatter in (None, [X, y]):
        with parallel_config(backend="dask", client=resilient(client), scatter=scatter):
            assert np.array_equal(cross_val_score(network, X, y), alone)


def test_who_is_no_client_is_told(moons):
    with pytest.raises(TypeError, match=r"client must be a distributed\.Client\. Got 'tcp://here' instead\."):
        resilient("tcp://here")


def megabytes():
    """Return the memory that this process has in use."""
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


@pytest.mark.trains
def test_a_thousand_candidates_leave_no_memory_behind(client, moons):
    network = KerasMoonClassifier((7,), epochs=1, random_state=0)
    one_split = [(np.arange(100), np.arange(100, 200))]

    def search(n_candidates):
        with parallel_config(backend="dask"):
            GridSearchCV(network, {"l2": np.linspace(0, 1e-3, n_candidates)}, cv=one_split, refit=False).fit(*moons)

    search(250)  # Dask's own records of tasks fill up
    grown = []
    for _ in range(3):
        before = client.run(megabytes)
        search(250)
        after = client.run(megabytes)
        grown.append(max(after[worker] - before[worker] for worker in before))
    # What a fit leaves behind grows each time; what Dask and the allocators keep grows now and then
    assert min(grown) < 5, grown
    assert sorted(grown)[1] < 15, grown


def test_a_search_shows_its_progress_from_the_cluster(client, moons, capsys):
    ProgressBar = pytest.importorskip("sklearn.callback").ProgressBar
    with parallel_config(backend="dask", verbose=10):
        GridSearchCV(NETWORK, {"l2": [0.0, 1e-3]}, cv=2).set_callbacks(ProgressBar(0)).fit(*moons)
    written = capsys.readouterr()
    assert "GridSearchCV" in written.out
    assert "100%" in written.out
    assert "Done   4 out of   4" in written.err


# Predictions of data in pieces


def trained():
    """Return what this process has imported that only a training needs."""
    return sorted({"tensorflow", "jax", "keras"} & sys.modules.keys())


def test_arrays_and_tables_are_predicted_by_workers_without_tensorflow():
    samples, labels = make_moons(1000, noise=0.2, random_state=0)
    clf = make_pipeline(StandardScaler(), KerasMoonClassifier(random_state=0)).fit(
        samples, np.array(["a", "b"])[labels]
    )
    X = da.from_array(samples, chunks=(300, 2))
    table = pd.DataFrame(samples, columns=["x", "y"])
    tables = dd.from_pandas(table, npartitions=3)
    with two_workers() as client:
        probabilities = X.map_blocks(clf.predict_proba, chunks=(X.chunks[0], 2), dtype=float).compute()
        predicted = X.map_blocks(clf.predict, drop_axis=1, dtype=clf.classes_.dtype).compute()
        added = tables.map_partitions(
            lambda part: part.assign(label=clf.predict(part.to_numpy())),
            meta={"x": float, "y": float, "label": clf.classes_.dtype},
        ).compute()
        assert list(client.run(trained).values()) == [[], []]
    np.testing.assert_allclose(probabilities, clf.predict_proba(samples), rtol=1e-12)
    assert (predicted == clf.predict(samples)).all()
    assert (added["label"] == clf.predict(samples)).all()
    pd.testing.assert_frame_equal(added[["x", "y"]], table)


def test_numbers_are_predicted_by_workers_without_an_engine():
    samples, y = make_friedman1(1000, random_state=0)
    X = da.from_array(samples, chunks=(300, 10))
    reg = KerasMoonRegressor(epochs=20, random_state=0)
    one = make_pipeline(StandardScaler(), reg).fit(samples, y)
    several = make_pipeline(StandardScaler(), clone(reg)).fit(samples, np.column_stack([y, 1e4 * y**2]))
    with two_workers() as client:
        numbers = X.map_blocks(one.predict, drop_axis=1, dtype=float).compute()
        columns = X.map_blocks(several.predict, chunks=(X.chunks[0], 2), dtype=float).compute()
        assert list(client.run(trained).values()) == [[], []]
    np.testing.assert_allclose(numbers, one.predict(samples), rtol=1e-12)
    np.testing.assert_allclose(columns, several.predict(samples), rtol=1e-12)
