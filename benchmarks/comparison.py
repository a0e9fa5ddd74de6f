"""moonnet beside everyone a user might pick instead, on the jobs that this library exists for.

Each rival has a process of its own, and they take turns within each round; where imports, compilation or memory are
measured, each measurement has a new process. Every answer is checked before its time counts. Prints medians and ratios
as it goes, and leaves them in the documentation's folder, unless ``--rounds`` asks for other rounds than the job's own;
``--quick`` compares a short run of some jobs with what was left there.
"""

import argparse
import pickle
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import results
from rivals import CLASSIFIER_OF, REGRESSORS, RIVALS, backend_of, import_libraries
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV
from subprocesses import Worker, run_python, serve

X, Y = make_moons(200, noise=0.2, random_state=0)
NUMBERS = 100 * (np.sin(2 * X[:, 0]) + X[:, 1])

Figures = dict[str, float]  # "seconds", and what else a job measures


@dataclass
class Job:
    """A job, whom it is done by, and how often."""

    title: str
    measure: Callable[[str], float | Figures]  # from a rival's name to seconds or more, its answer checked
    rivals: tuple[str, ...]  # beside moonnet on both engines
    rounds: int = 5
    isolated: bool = False  # each measurement in a process of its own
    warm: bool = True  # whether everyone does it once before
    repeats: dict[str, int] = field(default_factory=dict)  # measurements of a rival within a round, 1 unless given


def seconds_of(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    answer = work()
    return time.perf_counter() - started, answer


def check_learned(classifier: Any, X: np.ndarray = X, y: np.ndarray = Y, at_least: float = 0.82) -> None:
    accuracy = float(np.mean(classifier.predict_proba(X).argmax(axis=1) == y))
    assert accuracy > at_least, f"{classifier!r} reached an accuracy of {accuracy} alone"


def lecture_fit(rival: str, dtype: str = "float64") -> float:
    samples = X.astype(dtype)
    seconds, fitted = seconds_of(lambda: RIVALS[rival](0).fit(samples, Y))
    check_learned(fitted)
    return seconds


def regressor_fit(rival: str) -> Figures:
    """Return the seconds, and those of the library's classifier on the lecture's labels, measured in turn."""
    seconds, fitted = seconds_of(lambda: REGRESSORS[rival](0).fit(X, NUMBERS))
    assert fitted.score(X, NUMBERS) > 0.5
    of_classifier = lecture_fit(CLASSIFIER_OF.get(rival, rival))
    return {"seconds": seconds, "times as long as a classifier": seconds / of_classifier}


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
    if rival.startswith("moonnet") and len(rows) not in _compared:  # once, for Keras leaves the caches full of its own
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


WHOLE_PROCESS = """
import resource, sys
from rivals import RIVALS
from sklearn.datasets import make_moons
X, y = make_moons(200, noise=0.2)
assert (RIVALS[sys.argv[1]]().fit(X, y).predict_proba(X).argmax(1) == y).mean() > 0.8
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def whole_process(rival: str) -> Figures:
    """Return the seconds, and the megabytes at the most."""
    seconds, printed = seconds_of(lambda: run_python("-c", WHOLE_PROCESS, rival, backend=backend_of(rival)))
    return {"seconds": seconds, "megabytes": int(printed) * 1024 / 1e6}  # Linux: given in kilobytes


def problem(n_samples: int, n_features: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(n_samples, n_features)).astype(dtype)
    return samples, (samples[:, :5].sum(axis=1) > 0).astype(int)


def large_fit(rival: str, n_samples: int, n_features: int, dtype: str, **settings: Any) -> float:
    samples, labels = problem(n_samples, n_features, dtype)
    seconds, network = seconds_of(lambda: RIVALS[rival](0, **settings).fit(samples, labels))
    check_learned(network, samples[:2000], labels[:2000], 0.9)
    return seconds


def ten_million(rival: str) -> Figures:
    """Return the seconds, and the megabytes beyond input and output."""
    network = RIVALS[rival](0).fit(X, Y)
    rows = np.random.default_rng(0).uniform(-2, 2, (10_000_000, 2))
    network.predict_proba(rows[:1000])
    before = psutil.Process().memory_info().rss
    Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the peak until now
    seconds, probability = seconds_of(lambda: network.predict_proba(rows))
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024  # given in kilobytes
    assert np.abs(probability[-1000:] - network.predict_proba(rows[-1000:])).max() < 1e-12
    return {"seconds": seconds, "megabytes": (peak - before - probability.nbytes) / 1e6}


def thousand_fits(rival: str) -> Figures:
    """Return the seconds of a fit, the growth after the 20th, and how the last fits' times compare to the first."""
    n_fits, n_compared = (30, 10) if rival == "SciKeras" else (1000, 100)
    seconds, megabytes = [], []
    for seed in range(n_fits + 1):  # the first compiles
        taken, network = seconds_of(lambda: RIVALS[rival](seed).fit(X, Y))  # noqa: B023
        check_learned(network)
        seconds.append(taken)
        megabytes.append(psutil.Process().memory_info().rss / 1e6)
    first, last = statistics.median(seconds[1 : n_compared + 1]), statistics.median(seconds[-n_compared:])
    return {
        "seconds": statistics.median(seconds[1:]),
        "megabytes": megabytes[-1] - megabytes[20],
        "last to first": last / first,
    }


def stream(rival: str) -> float:
    chunks = [make_moons(200, noise=0.2, random_state=number) for number in range(1000)]
    network = RIVALS[rival](0)

    def learn() -> Any:
        for samples, labels in chunks:
            network.partial_fit(samples, labels, classes=[0, 1])

    seconds, _ = seconds_of(learn)
    check_learned(network)
    return seconds


def load_and_predict(rival: str) -> float:
    """Return the seconds of a new process that loads a fitted network and predicts."""
    with tempfile.TemporaryDirectory() as folder:
        if rival.startswith("moonnet"):
            path = Path(folder, "moons.pickle")
            path.write_bytes(pickle.dumps(fitted(rival)))
            program = (
                "import pickle, sys; clf = pickle.load(open(sys.argv[1], 'rb')); clf.predict_proba([[-2.0, 2.0]]); "
                "assert not {'tensorflow', 'jax', 'keras'} & set(sys.modules)"
            )
        else:
            path = Path(folder, "moons.keras")
            fitted(rival).model.save(path)
            program = (
                "import sys, numpy, keras; "
                "keras.models.load_model(sys.argv[1]).predict(numpy.array([[-2.0, 2.0]]), verbose=0)"
            )
        return seconds_of(lambda: run_python("-c", program, path, backend=backend_of(rival)))[0]


WIDE: dict[str, Any] = {"hidden": (512, 512), "epochs": 2, "batch_size": 256}
OURS = ("moonnet", "moonnet on JAX")
KERAS = ("Keras on JAX", "plain Keras")

JOBS = {
    "lecture fit": Job(
        "lecture fit, warm (200 x 2, 100 epochs, batches of 50)",
        lecture_fit,
        (*KERAS, "SciKeras", "keras.wrappers", "skorch", "MLPClassifier"),
        repeats=dict.fromkeys(OURS, 10) | {"MLPClassifier": 5},
    ),
    "lecture fit, float32": Job(
        "the same of float32 (MLPClassifier: float32 too)",
        partial(lecture_fit, dtype="float32"),
        ("MLPClassifier",),
        repeats=dict.fromkeys(OURS, 10) | {"MLPClassifier": 5},
    ),
    "regressor fit": Job(
        "the regressor's fit, warm, of as many samples and epochs",
        regressor_fit,
        ("MLPRegressor",),
        repeats=dict.fromkeys(OURS, 10) | {"MLPRegressor": 5},
    ),
    "whole process": Job(
        "a process from nothing to a fitted lecture network", whole_process, (*KERAS, "MLPClassifier"), warm=False
    ),
    "grid search": Job(
        "GridSearchCV, 20 candidates x 5 folds, first compile included, imports not",
        grid_search,
        ("SciKeras", "MLPClassifier"),
        rounds=3,
        isolated=True,
    ),
    "architectures": Job(
        "GridSearchCV, 6 architectures x 5 folds, compiles included", architectures, ("MLPClassifier",), 3, True
    ),
    "predict 16,384 rows": Job(
        "predict_proba of 16,384 points",
        lambda rival: predict(rival, np.random.default_rng(0).uniform(-2, 2, (16_384, 2))),
        (*KERAS, "SciKeras", "skorch", "MLPClassifier"),
        repeats=dict.fromkeys((*OURS, "MLPClassifier"), 20),
    ),
    "predict one row": Job(
        "predict_proba of one row",
        lambda rival: predict(rival, np.array([[-2.0, 2.0]])),
        (*KERAS, "SciKeras", "skorch", "MLPClassifier"),
        repeats=dict.fromkeys((*OURS, "MLPClassifier"), 200) | {"skorch": 20},
    ),
    "predict 10 million rows": Job(
        "predict_proba of 10 million rows, and its memory", ten_million, ("MLPClassifier",), rounds=3, isolated=True
    ),
    "wide fit, float32": Job(
        "(512, 512), 25,600 x 100 of float32, batches of 256, 2 epochs",
        partial(large_fit, n_samples=25_600, n_features=100, dtype="float32", **WIDE),
        (*KERAS, "MLPClassifier"),
    ),
    "wide fit, float64": Job(
        "the same of float64 (Keras trains in float32 all the same)",
        partial(large_fit, n_samples=25_600, n_features=100, dtype="float64", **WIDE),
        (*KERAS, "MLPClassifier"),
    ),
    "million rows, 50": Job(
        "a million rows x 20, one epoch, batches of 50",
        partial(large_fit, n_samples=1_000_000, n_features=20, dtype="float64", epochs=1, batch_size=50),
        (*KERAS, "MLPClassifier"),
        rounds=2,
        warm=False,
    ),
    "million rows, 1024": Job(
        "a million rows x 20, one epoch, batches of 1,024",
        partial(large_fit, n_samples=1_000_000, n_features=20, dtype="float64", epochs=1, batch_size=1024),
        (*KERAS, "MLPClassifier"),
        rounds=3,
    ),
    "partial_fit stream": Job("partial_fit, 1,000 chunks of 200 rows", stream, ("MLPClassifier",), rounds=3),
    "thousand fits": Job(
        "a lecture fit of 1,000 in one process (SciKeras: of 30), and its growth after the 20th",
        thousand_fits,
        ("SciKeras",),
        rounds=1,
        isolated=True,
    ),
    "load and predict": Job("a new process that loads and predicts, without an engine", load_and_predict, KERAS),
}


# Jobs short enough to be repeated after each change, and their rounds
QUICK = {
    "lecture fit": 9,
    "regressor fit": 9,
    "predict 16,384 rows": 9,
    "predict one row": 9,
    "partial_fit stream": 1,
    "architectures": 2,
    "wide fit, float32": 4,
}


class Field:
    """The rivals, each in a process of its own from its first measurement on."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._workers: dict[str, Worker] = {}

    def measure(self, name: str, rival: str) -> Figures:
        """Measure once, in a new process where the job asks for it."""
        if JOBS[name].isolated:
            with Worker(__file__, "--serve", rival, backend=backend_of(rival)) as worker:
                return worker.measure(name)
        if rival not in self._workers:
            worker = Worker(__file__, "--serve", rival, backend=backend_of(rival))
            self._workers[rival] = self._stack.enter_context(worker)
        return self._workers[rival].measure(name)

    def race(self, name: str, rivals: list[str], rounds: int) -> dict[str, Figures]:
        """Let the rivals take turns; return the medians of what each took."""
        job = JOBS[name]
        taken: dict[str, list[Figures]] = {rival: [] for rival in (*OURS, *rivals)}
        if job.warm and not job.isolated:
            for rival in taken:
                self.measure(name, rival)  # compiles, loads
        for _ in range(rounds):
            for rival, figures in taken.items():
                figures += [self.measure(name, rival) for _ in range(job.repeats.get(rival, 1))]
        return {
            rival: {what: statistics.median(each[what] for each in figures) for what in figures[0]}
            for rival, figures in taken.items()
        }


def measure_for(rival: str) -> Callable[[str], Figures]:
    """Return what measures a job for a rival in this process."""
    import_libraries(rival)

    def measure(name: str) -> Figures:
        figures = JOBS[name].measure(rival)
        return figures if isinstance(figures, dict) else {"seconds": figures}

    return measure


def lines(name: str, medians: dict[str, Figures]) -> Iterator[str]:
    """Return what there is to say of a job."""
    yield JOBS[name].title
    for rival, figures in medians.items():
        line = f"    {rival:<16}{1000 * figures['seconds']:>11.3g} ms"
        for ours in OURS:
            line += f"{figures['seconds'] / medians[ours]['seconds']:>9.3g} x"
        yield line + "".join(f", {value:.4g} {what}" for what, value in figures.items() if what != "seconds")


def run_all(rivals: Field, names: list[str], rounds: int | None) -> dict[str, Any]:
    print(f"{'':<34}{'of ' + OURS[0]:>11}{'on JAX':>11}")
    jobs = {}
    for name in names:
        job = JOBS[name]
        medians = rivals.race(name, list(job.rivals), rounds or job.rounds)
        jobs[name] = {"title": job.title, "medians": medians}
        print("\n".join(lines(name, medians)), flush=True)
    return jobs


def run_quick(rivals: Field, recorded: dict[str, dict[str, float]] | None) -> dict[str, dict[str, float]]:
    """Return how many times as fast as scikit-learn some jobs are: machines and their moods differ."""
    print(f"{'as many times as fast as scikit-learn':<44}{'recorded':>10}{'now':>8}{'change':>9}")
    ratios: dict[str, dict[str, float]] = {}
    for name in QUICK:
        theirs = JOBS[name].rivals[-1]
        medians = rivals.race(name, [theirs], QUICK[name])
        ratios[name] = {ours: medians[theirs]["seconds"] / medians[ours]["seconds"] for ours in OURS}
        for ours, now in ratios[name].items():
            before = recorded[name][ours] if recorded and name in recorded else None
            columns = f"{before:>10.3g}{now:>8.3g}{now / before - 1:>+9.0%}" if before else f"{now:>18.3g}"
            print(f"{name + ours.removeprefix('moonnet'):<44}{columns}", flush=True)
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"of {', '.join(map(repr, JOBS))} (default: all)")
    parser.add_argument("--rounds", type=int, help="rounds of each job (default: the job's own)")
    parser.add_argument("--quick", action="store_true", help="some jobs beside scikit-learn, compared to the records")
    parser.add_argument("--record-quick", action="store_true", help="the same jobs, leaving what to compare to")
    parser.add_argument("--serve", metavar="RIVAL", help="measure jobs as they are asked for")
    options = parser.parse_args()
    for name in options.jobs:
        if name not in JOBS:
            parser.error(f"no job {name!r}, but {', '.join(map(repr, JOBS))}")
    if options.serve:
        serve(measure_for(options.serve))
        return
    with ExitStack() as stack:
        rivals = Field(stack)
        if options.record_quick:
            results.write("quick", {"ratios": run_quick(rivals, None)})
        elif options.quick:
            run_quick(rivals, results.read("quick")["ratios"])
            print("Single figures swing by half on a busy machine: repeat before you believe.")
        else:
            jobs = run_all(rivals, options.jobs or list(JOBS), options.rounds)
            if options.jobs and not options.rounds:
                jobs = results.read("comparison")["jobs"] | jobs
            if not options.rounds:
                results.write("comparison", {"jobs": jobs})


if __name__ == "__main__":
    main()
