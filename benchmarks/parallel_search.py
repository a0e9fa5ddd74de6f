"""Measure grid searches in one process, on threads, in processes and on Dask workers: fits per second and start-up.

Every mode of execution runs on both engines, in a new process that repeats the same search. Start-up is the time by
which the first search exceeds the median of the others: imports, compilation and new processes. On one engine, all
searches must find the same scores.
"""

import argparse
import gc
import json
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import psutil
import results
from joblib import parallel_config
from jobs import make_problem
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV
from subprocesses import BACKENDS, run_python_json

from moonnet import KerasMoonClassifier

N_WORKERS = os.cpu_count() or 1
MODES = ("one process", "threads", "processes", "Dask")
MEASURED = ("fits per second", "start-up seconds", "megabytes")
Measurement = dict[str, float]


def lecture_search() -> tuple[GridSearchCV, np.ndarray, np.ndarray]:
    grid = {"learning_rate": list(np.geomspace(1e-4, 1e-2, 10)), "l2": [0, 1e-5, 1e-4, 1e-3]}
    X, y = make_moons(200, noise=0.2, random_state=0)
    return GridSearchCV(KerasMoonClassifier(random_state=0), grid, cv=5, refit=False), X, y


def larger_search() -> tuple[GridSearchCV, np.ndarray, np.ndarray]:
    X, y = make_problem(20_000, 20, "float64")
    classifier = KerasMoonClassifier(epochs=20, random_state=0)
    return GridSearchCV(classifier, {"l2": [0, 1e-5, 1e-4, 1e-3]}, cv=5, refit=False), X, y


SEARCHES = {"lecture fit": lecture_search, "larger fit": larger_search}  # larger: of 16,000 samples in each fold


def make_client() -> Any:
    """Return a Dask client with one worker process per processor of this machine."""
    from dask.distributed import Client

    return Client(n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=":0")


@contextmanager
def execution(mode: str) -> Iterator[None]:
    """Run the searches of this context in a mode of execution."""
    with ExitStack() as stack:
        if mode == "Dask":
            from moonnet.dask import resilient

            stack.enter_context(parallel_config(backend="dask", client=resilient(stack.enter_context(make_client()))))
        elif mode != "one process":
            backend = {"threads": "threading", "processes": "loky"}[mode]
            stack.enter_context(parallel_config(backend=backend, n_jobs=N_WORKERS))
        yield


def measure(mode: str, name: str, n_searches: int) -> dict[str, Any]:
    """Return the fits per second after start-up, the seconds of start-up, this process's memory, and the scores."""
    search, X, y = SEARCHES[name]()
    seconds = []
    started = time.perf_counter()
    with execution(mode):
        for _ in range(1 + n_searches):
            search.fit(X, y)
            seconds.append(time.perf_counter() - started)
            started = time.perf_counter()
    first, warm = seconds[0], statistics.median(seconds[1:])
    scores = search.cv_results_["mean_test_score"]
    assert scores.max() > 0.82
    return {
        "fits per second": 5 * len(scores) / warm,
        "start-up seconds": first - warm,
        "megabytes": resident_megabytes(),
        "scores": scores.tolist(),
    }


def resident_megabytes() -> float:
    """Return the resident memory of this process after garbage collection."""
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


def measure_cluster() -> dict[str, Any]:
    """Return the tasks per second of Dask's scheduler, and the largest worker's memory by number of candidates."""
    X, y = make_moons(200, noise=0.2, random_state=0)
    classifier = KerasMoonClassifier(epochs=1, random_state=0)
    megabytes: dict[int, float] = {}
    with make_client() as client:
        for n_candidates in (100, 600, 1_100, 2_100, 3_100):
            grid = {"l2": np.linspace(0, 1e-3, n_candidates - max(megabytes, default=0))}
            with parallel_config(backend="dask"):
                GridSearchCV(classifier, grid, cv=2, refit=False).fit(X, y)
            megabytes[n_candidates] = max(client.run(resident_megabytes).values())
        n_tasks = 10_000
        started = time.perf_counter()
        client.gather(client.map(abs, range(n_tasks), pure=False))
        tasks_per_second = n_tasks / (time.perf_counter() - started)
    return {"tasks per second": tasks_per_second, "megabytes after candidates": megabytes}


def compare_modes(name: str, n_rounds: int, n_searches: int) -> dict[str, dict[str, Measurement]]:
    """Return the medians of a search by engine and mode of execution, all of them taking turns."""
    measurements: dict[str, dict[str, list[dict[str, Any]]]] = {
        backend: {mode: [] for mode in MODES} for backend in BACKENDS
    }
    for _ in range(n_rounds):
        for backend, modes in measurements.items():
            for mode, collected in modes.items():
                arguments = "--searches", n_searches, "--one", mode, name
                collected.append(run_python_json(__file__, *arguments, backend=backend))
    for modes in measurements.values():
        expected = modes["one process"][0]["scores"]
        assert all(each["scores"] == expected for collected in modes.values() for each in collected)
    return {
        backend: {
            mode: {key: statistics.median(each[key] for each in collected) for key in MEASURED}
            for mode, collected in modes.items()
        }
        for backend, modes in measurements.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="processes of each mode, which take turns")
    parser.add_argument("--searches", type=int, default=3, help="searches of a process, after its first")
    parser.add_argument("--one", nargs=2, metavar=("MODE", "SEARCH"), help="measure one mode and print JSON")
    parser.add_argument("--cluster", action="store_true", help="measure Dask's scheduler and print JSON")
    options = parser.parse_args()
    if options.cluster:
        print(json.dumps(measure_cluster()))
        return
    if options.one:
        print(json.dumps(measure(*options.one, options.searches)))
        return
    engines = {backend: {"searches": {}, "cluster": {}} for backend in BACKENDS}
    for name in SEARCHES:
        print(name)
        medians = compare_modes(name, options.rounds, options.searches)
        for backend, engine in engines.items():
            engine["searches"][name] = medians[backend]
            for mode, measured in medians[backend].items():
                print(
                    f"    {backend:<12}{mode:<14}{measured['fits per second']:>8.3g} fits per second, "
                    f"{measured['start-up seconds']:.1f} s start-up, {measured['megabytes']:.0f} MB",
                    flush=True,
                )
    for backend, engine in engines.items():
        engine["cluster"] = run_python_json(__file__, "--cluster", backend=backend)
        print(backend, engine["cluster"], flush=True)
    packages = ("moonnet", "keras", "tensorflow", "jax", "scikit-learn", "joblib", "distributed")
    results.write("parallel_search", {"workers": N_WORKERS, "engines": engines}, packages)


if __name__ == "__main__":
    main()
