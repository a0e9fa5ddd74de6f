"""Fits a second of a search in one process, on threads, in processes and on Dask's workers, and what it takes to start.

All on both engines. Each way has a process of its own, which makes the same search several times. What the first one
takes longer than the median of the others is the start: imports, compilation, processes. On one engine, every search
must find the same scores.
"""

import argparse
import gc
import json
import os
import statistics
import time
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import psutil
import results
from comparison import problem
from joblib import parallel_config
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV
from subprocesses import BACKENDS, figures_of

from moonnet import KerasMoonClassifier

N_WORKERS = os.cpu_count() or 1
MEDIANS = ("fits a second", "start", "megabytes")
Figures = dict[str, float]
WAYS = ("one process", "threads", "processes", "Dask")


def lecture() -> tuple[GridSearchCV, np.ndarray, np.ndarray]:
    grid = {"learning_rate": list(np.geomspace(1e-4, 1e-2, 10)), "l2": [0, 1e-5, 1e-4, 1e-3]}
    X, y = make_moons(200, noise=0.2, random_state=0)
    return GridSearchCV(KerasMoonClassifier(random_state=0), grid, cv=5, refit=False), X, y


def larger() -> tuple[GridSearchCV, np.ndarray, np.ndarray]:
    X, y = problem(20_000, 20, "float64")
    network = KerasMoonClassifier(epochs=20, random_state=0)
    return GridSearchCV(network, {"l2": [0, 1e-5, 1e-4, 1e-3]}, cv=5, refit=False), X, y


SEARCHES = {"the lecture's fit": lecture, "20,000 samples of 20 features, 20 epochs": larger}


def workers() -> Any:
    """Return a client of Dask processes on this machine, as many as it has processors."""
    from dask.distributed import Client

    return Client(n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=":0")


@contextmanager
def parallel(way: str) -> Any:
    """Let searches run in this way."""
    with ExitStack() as stack:
        if way == "Dask":
            from moonnet.dask import resilient

            stack.enter_context(parallel_config(backend="dask", client=resilient(stack.enter_context(workers()))))
        elif way != "one process":
            backend = {"threads": "threading", "processes": "loky"}[way]
            stack.enter_context(parallel_config(backend=backend, n_jobs=N_WORKERS))
        yield


def measure(way: str, name: str, n_searches: int) -> dict[str, Any]:
    """Return the fits a second once all is started, the seconds of the start, this process's memory, and the scores."""
    search, X, y = SEARCHES[name]()
    seconds = []
    started = time.perf_counter()
    with parallel(way):
        for _ in range(1 + n_searches):
            search.fit(X, y)
            seconds.append(time.perf_counter() - started)
            started = time.perf_counter()
    first, warm = seconds[0], statistics.median(seconds[1:])
    scores = search.cv_results_["mean_test_score"]
    assert scores.max() > 0.82
    return {
        "fits a second": 5 * len(scores) / warm,
        "start": first - warm,
        "megabytes": megabytes(),
        "scores": scores.tolist(),
    }


def megabytes() -> float:
    """Return the memory that this process has in use."""
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


def cluster() -> dict[str, Any]:
    """Return the tasks a second that Dask makes, and the memory of a worker after so many candidates of two folds."""
    X, y = make_moons(200, noise=0.2, random_state=0)
    network = KerasMoonClassifier(epochs=1, random_state=0)
    after = {}
    with workers() as client:
        for n_candidates in (100, 600, 1_100, 2_100, 3_100):
            grid = {"l2": np.linspace(0, 1e-3, n_candidates - max(after, default=0))}
            with parallel_config(backend="dask"):
                GridSearchCV(network, grid, cv=2, refit=False).fit(X, y)
            after[n_candidates] = max(client.run(megabytes).values())
        n_tasks = 10_000
        started = time.perf_counter()
        client.gather(client.map(abs, range(n_tasks), pure=False))
        return {"tasks a second": n_tasks / (time.perf_counter() - started), "megabytes after candidates": after}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="processes of each way, which take turns")
    parser.add_argument("--searches", type=int, default=3, help="searches of a process, after its first")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "SEARCH"), help="measure once and print the figures")
    parser.add_argument("--cluster", action="store_true", help="measure Dask's own limits and print the figures")
    options = parser.parse_args()
    if options.cluster:
        print(json.dumps(cluster()))
        return
    if options.one:
        print(json.dumps(measure(*options.one, options.searches)))
        return
    engines = {backend: {"searches": {}, "cluster": {}} for backend in BACKENDS}
    for name in SEARCHES:
        print(name)
        measured = race(name, options.rounds, options.searches)
        for backend, engine in engines.items():
            engine["searches"][name] = measured[backend]
            for way, figures in measured[backend].items():
                print(
                    f"    {backend:<12}{way:<14}{figures['fits a second']:>8.3g} fits a second, "
                    f"{figures['start']:.1f} s to start, {figures['megabytes']:.0f} MB",
                    flush=True,
                )
    for backend, engine in engines.items():
        engine["cluster"] = figures_of(__file__, "--cluster", backend=backend)
        print(backend, engine["cluster"], flush=True)
    packages = ("moonnet", "keras", "tensorflow", "jax", "scikit-learn", "joblib", "distributed")
    results.write("parallel_search", {"workers": N_WORKERS, "engines": engines}, packages)


def race(name: str, n_rounds: int, n_searches: int) -> dict[str, dict[str, Figures]]:
    """Let all ways of a search take turns on both engines; return their medians."""
    taken: dict[str, dict[str, list[dict[str, Any]]]] = {backend: {way: [] for way in WAYS} for backend in BACKENDS}
    for _ in range(n_rounds):
        for backend, ways in taken.items():
            for way, figures in ways.items():
                arguments = "--searches", n_searches, "--one", way, name
                figures.append(figures_of(__file__, *arguments, backend=backend))
    for ways in taken.values():
        expected = ways["one process"][0]["scores"]
        assert all(each["scores"] == expected for figures in ways.values() for each in figures)
    return {
        backend: {
            way: {what: statistics.median(each[what] for each in figures) for what in MEDIANS}
            for way, figures in ways.items()
        }
        for backend, ways in taken.items()
    }


if __name__ == "__main__":
    main()
