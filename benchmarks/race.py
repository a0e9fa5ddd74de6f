"""moonnet beside everyone a user might pick instead, on the jobs that this library exists for.

Rivals take turns within each round, in one process where the process does not matter and each in a new one where it
does; every answer is checked before a time counts. Prints medians and ratios as it goes, and writes them with the
machine and the versions to ``docs/race.json``.
"""

import argparse
import json
import os
import pickle
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rivals import RIVALS, scikeras
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV

RESULTS = Path(__file__).parents[1] / "docs" / "race.json"
X, Y = make_moons(200, noise=0.2, random_state=0)
MEASURED_PACKAGES = ("moonnet", "keras", "tensorflow", "scikit-learn", "numpy", "scikeras", "skorch", "torch")


@dataclass
class Job:
    """A job, whom it is done by, and how often."""

    title: str
    measure: Callable[[str], float]  # from a rival's name to seconds, its answer checked
    targets: dict[str, float]  # rival -> how many times faster moonnet is to be
    rounds: int = 5
    isolated: bool = False  # each measurement in a process of its own
    repeats: dict[str, int] = field(default_factory=dict)  # measurements of a rival within a round, 1 unless given


def seconds_of(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    answer = work()
    return time.perf_counter() - started, answer


def check_learned(classifier: Any, X: np.ndarray = X, y: np.ndarray = Y, at_least: float = 0.82) -> None:
    accuracy = float(np.mean(classifier.predict_proba(X).argmax(axis=1) == y))
    assert accuracy > at_least, f"{classifier!r} reached an accuracy of {accuracy} alone"


def lecture_fit(rival: str) -> float:
    seconds, fitted = seconds_of(lambda: RIVALS[rival](0).fit(X, Y))
    check_learned(fitted)
    return seconds


_fitted: dict[str, Any] = {}
_compared: set[int] = set()  # numbers of rows whose prediction was compared to Keras's


def fitted(rival: str) -> Any:
    """Return the rival's fitted lecture network, the same one each time."""
    if rival not in _fitted:
        _fitted[rival] = RIVALS[rival](0).fit(X, Y)
        _fitted[rival].predict_proba(X)
    return _fitted[rival]


def predict(rival: str, rows: np.ndarray) -> float:
    seconds, probability = seconds_of(lambda: fitted(rival).predict_proba(rows))
    probability = np.reshape(probability, (len(rows), 2))  # SciKeras has one dimension for one row
    assert np.abs(probability.sum(axis=1) - 1).max() < 1e-5
    if rival == "moonnet" and len(rows) not in _compared:  # once, for Keras leaves the caches full of its own
        truth = fitted(rival).model_.predict(rows[:1000], verbose=0)[:, 0]
        assert np.abs(probability[:1000, 1] - truth).max() < 1e-5
        _compared.add(len(rows))
    return seconds


def grid_search(rival: str) -> float:
    """Return the seconds of 20 candidates and 5 folds; of SciKeras those of 2 candidates, times the fits."""
    learning_rates, penalties = np.geomspace(1e-4, 1e-2, 5), [0, 1e-5, 1e-4, 1e-3]
    names = ("learning_rate_init", "alpha") if rival == "MLPClassifier" else ("learning_rate", "l2")
    scale = 1.0
    if rival == "SciKeras":
        learning_rates, penalties = learning_rates[2:4], penalties[:1]
        scale = 101 / 11
    grid = dict(zip(names, (list(learning_rates), penalties), strict=True))
    seconds, search = seconds_of(lambda: GridSearchCV(RIVALS[rival](0), grid, cv=5).fit(X, Y))
    assert search.best_score_ > 0.82
    return seconds * scale


def architectures(rival: str) -> float:
    shapes = [(50, 20), (20, 10), (100,), (50,), (30, 30, 30), (64, 32)]
    seconds, search = seconds_of(lambda: GridSearchCV(RIVALS[rival](0), {"hidden_layer_sizes": shapes}, cv=5).fit(X, Y))
    assert search.best_score_ > 0.82
    return seconds


def whole_process(rival: str) -> float:
    program = "from rivals import RIVALS; from sklearn.datasets import make_moons; X, y = make_moons(200, noise=0.2); "
    program += f"assert (RIVALS[{rival!r}]().fit(X, y).predict_proba(X).argmax(1) == y).mean() > 0.8"
    return seconds_of(lambda: run_python(["-c", program]))[0]


def wide_fit(rival: str) -> float:
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(25_600, 100))
    labels = (samples[:, :10].sum(axis=1) > 0).astype(int)
    make = RIVALS[rival]
    seconds, network = seconds_of(lambda: make(0, hidden=(512, 512), epochs=2, batch_size=256).fit(samples, labels))
    check_learned(network, samples[:2000], labels[:2000], 0.9)
    return seconds


def million_rows(rival: str, batch_size: int) -> float:
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(1_000_000, 20))
    labels = (samples[:, :5].sum(axis=1) > 0).astype(int)
    make = RIVALS[rival]
    seconds, network = seconds_of(lambda: make(0, epochs=1, batch_size=batch_size).fit(samples, labels))
    check_learned(network, samples[:2000], labels[:2000], 0.9)
    return seconds


def stream(rival: str) -> float:
    chunks = [make_moons(200, noise=0.2, random_state=number) for number in range(1000)]
    network = RIVALS[rival](0)

    def learn() -> Any:
        for samples, labels in chunks:
            network.partial_fit(samples, labels, classes=[0, 1])

    seconds, _ = seconds_of(learn)
    check_learned(network)
    return seconds


def serve(rival: str) -> float:
    """Return the seconds of a new process that loads a fitted network and predicts."""
    with tempfile.TemporaryDirectory() as folder:
        if rival == "moonnet":
            path = Path(folder, "moons.pickle")
            path.write_bytes(pickle.dumps(fitted("moonnet")))
            program = (
                "import pickle, sys; clf = pickle.load(open(sys.argv[1], 'rb')); clf.predict_proba([[-2.0, 2.0]]); "
                "assert not {'tensorflow', 'keras'} & set(sys.modules)"
            )
        else:
            path = Path(folder, "moons.keras")
            fitted("plain Keras").model.save(path)
            program = (
                "import sys, numpy, keras; "
                "keras.models.load_model(sys.argv[1]).predict(numpy.array([[-2.0, 2.0]]), verbose=0)"
            )
        return seconds_of(lambda: run_python(["-c", program, str(path)]))[0]


JOBS = {
    "lecture fit": Job(
        "lecture fit, warm (200 x 2, 100 epochs, batches of 50)",
        lecture_fit,
        {"plain Keras": 300, "SciKeras": 300, "keras.wrappers": 300, "skorch": 20, "MLPClassifier": 10},
        repeats={"moonnet": 10, "MLPClassifier": 5},
    ),
    "whole process": Job(
        "a process from nothing to a fitted lecture network", whole_process, {"plain Keras": 1 / 0.55}
    ),
    "grid search": Job(
        "GridSearchCV, 20 candidates x 5 folds, first compile included, imports not",
        grid_search,
        {"SciKeras": 100, "MLPClassifier": 4},
        rounds=3,
        isolated=True,
    ),
    "architectures": Job(
        "GridSearchCV, 6 architectures x 5 folds, compiles included", architectures, {"MLPClassifier": 1}, 3, True
    ),
    "predict many": Job(
        "predict_proba of 16,384 points",
        lambda rival: predict(rival, np.random.default_rng(0).uniform(-2, 2, (16_384, 2))),
        {"plain Keras": 150, "SciKeras": 150, "skorch": 50, "MLPClassifier": 2},
        repeats={"moonnet": 20, "MLPClassifier": 20},
    ),
    "predict one": Job(
        "predict_proba of one row",
        lambda rival: predict(rival, np.array([[-2.0, 2.0]])),
        {"plain Keras": 300, "SciKeras": 300, "skorch": 3, "MLPClassifier": 1.2},
        repeats={"moonnet": 200, "MLPClassifier": 200, "skorch": 20},
    ),
    "wide fit": Job(
        "(512, 512), 25,600 x 100, batches of 256, 2 epochs", wide_fit, {"plain Keras": 1.5, "MLPClassifier": 1.5}, 3
    ),
    "million rows, 50": Job(
        "a million rows x 20, one epoch, batches of 50",
        lambda rival: million_rows(rival, 50),
        {"plain Keras": 20, "MLPClassifier": 3},
        rounds=1,
    ),
    "million rows, 1024": Job(
        "a million rows x 20, one epoch, batches of 1,024",
        lambda rival: million_rows(rival, 1024),
        {"plain Keras": 5, "MLPClassifier": 2},
        rounds=3,
    ),
    "stream": Job("partial_fit, 1,000 chunks of 200 rows", stream, {"MLPClassifier": 2}, rounds=3),
    "serve": Job("a new process that loads and predicts", serve, {"plain Keras": 4}),
}


def run_python(arguments: list[str]) -> str:
    child = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    assert child.returncode == 0, child.stderr
    return child.stdout


def measure(name: str, rival: str) -> float:
    """Measure once, in a process of its own where the job asks for it."""
    if not JOBS[name].isolated:
        return JOBS[name].measure(rival)
    return float(run_python([__file__, "--one", name, rival]).split()[-1])


def race(name: str, rounds: int | None) -> dict[str, Any]:
    """Let the rivals take turns; return medians and how many times faster moonnet is."""
    job = JOBS[name]
    seconds: dict[str, list[float]] = {rival: [] for rival in ("moonnet", *job.targets)}
    if not job.isolated:
        for rival in seconds:
            job.measure(rival)  # compiles, loads
    for _ in range(rounds or job.rounds):
        for rival, values in seconds.items():
            values += [measure(name, rival) for _ in range(job.repeats.get(rival, 1))]
    medians = {rival: statistics.median(values) for rival, values in seconds.items()}
    return {
        "title": job.title,
        "seconds": medians,
        "times_faster": {rival: medians[rival] / medians["moonnet"] for rival in job.targets},
        "to_reach": job.targets,
    }


def lines(result: dict[str, Any]) -> Iterator[str]:
    yield f"{result['title']}: moonnet {1000 * result['seconds']['moonnet']:.3g} ms"
    for rival, ratio in result["times_faster"].items():
        goal = result["to_reach"][rival]
        mark = "" if ratio >= goal else "  not reached"
        yield f"    {rival:<16}{1000 * result['seconds'][rival]:>10.3g} ms{ratio:>9.1f} x (of {goal:.3g}){mark}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"of {', '.join(JOBS)} (default: all)")
    parser.add_argument("--rounds", type=int, help="rounds of each job (default: the job's own)")
    parser.add_argument("--one", nargs=2, metavar=("JOB", "RIVAL"), help="measure once and print the seconds")
    options = parser.parse_args()
    if options.one:
        name, rival = options.one
        if rival == "moonnet":
            import moonnet._training  # noqa: F401
        elif rival == "SciKeras":
            scikeras()
        print(JOBS[name].measure(rival))
        return
    results = {}
    for name in options.jobs or JOBS:
        results[name] = race(name, options.rounds)
        print("\n".join(lines(results[name])), flush=True)
    if not options.jobs:
        machine = {"python": platform.python_version(), "cores": os.cpu_count(), "processor": platform.processor()}
        versions = {package: version(package) for package in MEASURED_PACKAGES}
        RESULTS.write_text(json.dumps({"machine": machine, "versions": versions, "jobs": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
