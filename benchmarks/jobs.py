"""The jobs of the comparison: what each measures, and how it checks the result."""

import pickle
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from own_layers import build_estimator, convolutional, load_samples, residual
from rivals import EARLY_STOPPING, KERAS, MOONNET, PYTORCH, REGRESSORS, RIVALS, backend_of
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV
from subprocesses import run_python

X, Y = make_moons(200, noise=0.2, random_state=0)
TARGETS = 100 * (np.sin(2 * X[:, 0]) + X[:, 1])

Measurement = dict[str, float]  # "seconds", and others by a name with its unit: "peak memory (MB)"


@dataclass
class Job:
    """A task to measure, its rivals, and how often each of them runs it."""

    title: str
    measure: Callable[[str], float | Measurement]  # takes a rival's name, checks the result; a float is seconds
    rivals: tuple[str, ...]  # besides moonnet on both engines
    rounds: int = 5
    isolated: bool = False  # each measurement in a new process
    warm_up: bool = True  # run once before the first round; isolated jobs never do
    repeats: dict[str, int] = field(default_factory=dict)  # measurements of a rival within a round (default 1)


def time_call(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of a call and its result."""
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result


def check_learned(classifier: Any, X: np.ndarray = X, y: np.ndarray = Y, min_accuracy: float = 0.82) -> None:
    """Check that a classifier is more accurate than a minimum."""
    accuracy = float(np.mean(classifier.predict_proba(X).argmax(axis=1) == y))
    assert accuracy > min_accuracy, f"{classifier!r} has an accuracy of only {accuracy}"


def lecture_fit(rival: str, dtype: str = "float64", **settings: Any) -> float:
    samples = X.astype(dtype)
    seconds, classifier = time_call(lambda: RIVALS[rival](0, **settings).fit(samples, Y))
    check_learned(classifier)
    return seconds


def regressor_fit(rival: str) -> Measurement:
    """Return the seconds, and their ratio to a fit of the same library's classifier right after."""
    seconds, regressor = time_call(lambda: REGRESSORS[rival](0).fit(X, TARGETS))
    assert regressor.score(X, TARGETS) > 0.5
    classifier_seconds = lecture_fit("MLPClassifier" if rival == "MLPRegressor" else rival)
    return {"seconds": seconds, "regressor / classifier": seconds / classifier_seconds}


_fitted_classifiers: dict[str, Any] = {}
_checked_sizes: set[int] = set()  # numbers of samples for which predictions were compared with Keras's


def fitted_classifier(rival: str) -> Any:
    """Return the rival's fitted lecture network, the same object each time."""
    if rival not in _fitted_classifiers:
        _fitted_classifiers[rival] = RIVALS[rival](0).fit(X, Y)
        _fitted_classifiers[rival].predict_proba(X)
    return _fitted_classifiers[rival]


def predict(rival: str, samples: np.ndarray) -> float:
    """Return the seconds of a prediction. moonnet's is compared with its Keras model's."""
    seconds, probability = time_call(lambda: fitted_classifier(rival).predict_proba(samples))
    probability = np.reshape(probability, (len(samples), 2))  # SciKeras drops a dimension for a single sample
    assert np.abs(probability.sum(axis=1) - 1).max() < 1e-5
    if rival in MOONNET and len(samples) not in _checked_sizes:  # once: running Keras evicts our data from the caches
        expected = fitted_classifier(rival).model_.predict(samples[:1000], verbose=0)[:, 0]
        assert np.abs(probability[:1000, 1] - expected).max() < 1e-5
        _checked_sizes.add(len(samples))
    return seconds


def grid_search(rival: str) -> float:
    """Return the seconds of 20 candidates x 5 folds; SciKeras runs 2 candidates, scaled to the same number of fits."""
    learning_rates, penalties = np.geomspace(1e-4, 1e-2, 5), [0, 1e-5, 1e-4, 1e-3]
    names = ("learning_rate_init", "alpha") if rival == "MLPClassifier" else ("learning_rate", "l2")
    scale = 1.0
    if rival == "SciKeras":
        learning_rates, penalties = learning_rates[2:4], penalties[:1]
        scale = 101 / 11  # each search refits its best candidate
    grid = dict(zip(names, (list(learning_rates), penalties), strict=True))
    seconds, search = time_call(lambda: GridSearchCV(RIVALS[rival](0), grid, cv=5).fit(X, Y))
    assert search.best_score_ > 0.82
    return seconds * scale


def architecture_search(rival: str) -> float:
    shapes = [(50, 20), (20, 10), (100,), (50,), (30, 30, 30), (64, 32)]
    seconds, search = time_call(lambda: GridSearchCV(RIVALS[rival](0), {"hidden_layer_sizes": shapes}, cv=5).fit(X, Y))
    assert search.best_score_ > 0.82
    return seconds


NEW_PROCESS = """
import resource, sys
from rivals import RIVALS
from sklearn.datasets import make_moons
X, y = make_moons(200, noise=0.2)
assert (RIVALS[sys.argv[1]]().fit(X, y).predict_proba(X).argmax(1) == y).mean() > 0.8
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


_kept_programs = tempfile.TemporaryDirectory()


def new_process(rival: str, programs: str | None = None) -> Measurement:
    """Return the seconds of a new process that fits and predicts, and its peak memory.

    moonnet finds the programs of earlier processes in the folder ``programs``; with None, it finds none.
    """
    with tempfile.TemporaryDirectory() as empty:
        options = {"backend": backend_of(rival), "MOONNET_CACHE": programs or empty}
        seconds, output = time_call(lambda: run_python("-c", NEW_PROCESS, rival, **options))
    return {"seconds": seconds, "peak memory (MB)": int(output) * 1024 / 1e6}  # Linux reports kibibytes


def make_problem(n_samples: int, n_features: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Return samples of two classes that a plane separates."""
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(n_samples, n_features)).astype(dtype)
    return samples, (samples[:, :5].sum(axis=1) > 0).astype(int)


def large_fit(rival: str, n_samples: int, n_features: int, dtype: str, **settings: Any) -> float:
    samples, labels = make_problem(n_samples, n_features, dtype)
    seconds, classifier = time_call(lambda: RIVALS[rival](0, **settings).fit(samples, labels))
    check_learned(classifier, samples[:2000], labels[:2000], 0.9)
    return seconds


def predict_ten_million(rival: str) -> Measurement:
    """Return the seconds, and the peak memory beyond input and output."""
    classifier = RIVALS[rival](0).fit(X, Y)
    samples = np.random.default_rng(0).uniform(-2, 2, (10_000_000, 2))
    classifier.predict_proba(samples[:1000])
    before = psutil.Process().memory_info().rss
    Path("/proc/self/clear_refs").write_text("5")  # Linux: reset the peak
    seconds, probability = time_call(lambda: classifier.predict_proba(samples))
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024  # in kibibytes
    assert np.abs(probability[-1000:] - classifier.predict_proba(samples[-1000:])).max() < 1e-12
    return {"seconds": seconds, "extra memory (MB)": (peak - before - probability.nbytes) / 1e6}


def thousand_fits(rival: str) -> Measurement:
    """Return the median time of a fit, the memory growth after the 20th, and the ratio of last to first times."""
    n_fits, n_compared = (30, 10) if rival == "SciKeras" else (1000, 100)
    seconds, megabytes = [], []
    for seed in range(n_fits + 1):  # the first compiles
        fit_seconds, classifier = time_call(lambda: RIVALS[rival](seed).fit(X, Y))  # noqa: B023
        check_learned(classifier)
        seconds.append(fit_seconds)
        megabytes.append(psutil.Process().memory_info().rss / 1e6)
    first, last = statistics.median(seconds[1 : n_compared + 1]), statistics.median(seconds[-n_compared:])
    return {
        "seconds": statistics.median(seconds[1:]),
        "memory growth (MB)": megabytes[-1] - megabytes[20],
        "last fits / first fits": last / first,
    }


def partial_fit_stream(rival: str) -> float:
    chunks = [make_moons(200, noise=0.2, random_state=number) for number in range(1000)]
    classifier = RIVALS[rival](0)

    def train() -> None:
        for samples, labels in chunks:
            classifier.partial_fit(samples, labels, classes=[0, 1])

    seconds, _ = time_call(train)
    check_learned(classifier)
    return seconds


def load_and_predict(rival: str) -> float:
    """Return the seconds of a new process that loads a fitted network and predicts."""
    with tempfile.TemporaryDirectory() as folder:
        if rival in MOONNET:
            path = Path(folder, "moons.pickle")
            path.write_bytes(pickle.dumps(fitted_classifier(rival)))
            program = (
                "import pickle, sys; clf = pickle.load(open(sys.argv[1], 'rb')); clf.predict_proba([[-2.0, 2.0]]); "
                "assert not {'tensorflow', 'jax', 'keras'} & set(sys.modules)"
            )
        else:
            path = Path(folder, "moons.keras")
            fitted_classifier(rival).model.save(path)
            program = (
                "import sys, numpy, keras; "
                "keras.models.load_model(sys.argv[1]).predict(numpy.array([[-2.0, 2.0]]), verbose=0)"
            )
        return time_call(lambda: run_python("-c", program, path, backend=backend_of(rival)))[0]


def own_layers_fit(rival: str, hidden: Any, epochs: int) -> float:
    import keras  # noqa: F401 (imports are not measured)

    samples, labels = load_samples(hidden)
    shape = samples.shape[1], len(np.unique(labels))
    estimator = build_estimator(rival, hidden, *shape, epochs=epochs, batch_size=50)
    seconds, _ = time_call(lambda: estimator.fit(samples, labels))
    assert (estimator.predict(samples) == labels).mean() > 0.9
    return seconds


WIDE: dict[str, Any] = {"hidden": (512, 512), "epochs": 2, "batch_size": 256}

JOBS = {
    "lecture fit": Job(
        "Lecture fit, warm",
        lecture_fit,
        (*PYTORCH, *KERAS, "SciKeras", "keras.wrappers", "skorch", "MLPClassifier"),
        repeats=dict.fromkeys((*MOONNET, PYTORCH[0]), 10) | {"MLPClassifier": 5},
    ),
    "lecture fit, float32": Job(
        "Lecture fit in float32, warm",
        partial(lecture_fit, dtype="float32"),
        (*PYTORCH, "skorch", "MLPClassifier"),
        repeats=dict.fromkeys((*MOONNET, PYTORCH[0]), 10) | {"MLPClassifier": 5},
    ),
    "lecture fit, early stopping": Job(
        "Lecture fit with early stopping on a tenth of the samples, warm, all epochs",
        partial(lecture_fit, **EARLY_STOPPING),
        (*PYTORCH, *KERAS, "MLPClassifier"),
        repeats=dict.fromkeys((*MOONNET, PYTORCH[0]), 10) | {"MLPClassifier": 5},
    ),
    "regressor fit": Job(
        "Lecture fit as a regression, warm",
        regressor_fit,
        ("MLPRegressor",),
        repeats=dict.fromkeys(MOONNET, 10) | {"MLPRegressor": 5},
    ),
    "new process": Job(
        "New process: imports, lecture fit, predictions; on JAX with the program of an earlier process",
        partial(new_process, programs=_kept_programs.name),
        (*PYTORCH, *KERAS, "MLPClassifier"),
    ),
    "first process": Job("The same without programs of earlier processes", new_process, ("MLPClassifier",)),
    "grid search": Job(
        "GridSearchCV, 20 candidates x 5 folds, with compilation, without imports",
        grid_search,
        ("SciKeras", "MLPClassifier"),
        rounds=3,
        isolated=True,
    ),
    "grid search, architectures": Job(
        "GridSearchCV, 6 architectures x 5 folds, with compilation, without imports",
        architecture_search,
        ("MLPClassifier",),
        rounds=3,
        isolated=True,
    ),
    "predict 16,384 samples": Job(
        "predict_proba, 16,384 samples",
        lambda rival: predict(rival, np.random.default_rng(0).uniform(-2, 2, (16_384, 2))),
        (*KERAS, "SciKeras", "skorch", "MLPClassifier"),
        repeats=dict.fromkeys((*MOONNET, "MLPClassifier"), 20),
    ),
    "predict 1 sample": Job(
        "predict_proba, 1 sample",
        lambda rival: predict(rival, np.array([[-2.0, 2.0]])),
        (*KERAS, "SciKeras", "skorch", "MLPClassifier"),
        repeats=dict.fromkeys((*MOONNET, "MLPClassifier"), 200) | {"skorch": 20},
    ),
    "predict 10 million samples": Job(
        "predict_proba, 10 million samples", predict_ten_million, ("MLPClassifier",), rounds=3, isolated=True
    ),
    "own layers": Job(
        "Own layers: Dense, batch normalisation, dropout and a residual sum; 1,000 samples, 50 epochs, warm",
        partial(own_layers_fit, hidden=residual, epochs=50),
        (*KERAS, "SciKeras"),
        repeats=dict.fromkeys(MOONNET, 5),
    ),
    "own layers, first fit": Job(
        "The same in a new process, with compilation, without imports",
        partial(own_layers_fit, hidden=residual, epochs=50),
        KERAS,
        rounds=3,
        isolated=True,
    ),
    "convolutions": Job(
        "Two convolutions on 1,797 digits, 10 epochs, warm",
        partial(own_layers_fit, hidden=convolutional, epochs=10),
        (*PYTORCH, *KERAS),
        rounds=3,
    ),
    "wide fit, float32": Job(
        "Wide fit in float32: 25,600 samples x 100 features, layers (512, 512), batches of 256, 2 epochs",
        partial(large_fit, n_samples=25_600, n_features=100, dtype="float32", **WIDE),
        (*PYTORCH, *KERAS, "MLPClassifier"),
    ),
    "wide fit, float64": Job(
        "Wide fit on float64 data",
        partial(large_fit, n_samples=25_600, n_features=100, dtype="float64", **WIDE),
        (*KERAS, "MLPClassifier"),
    ),
    "million samples, batches of 50": Job(
        "1 million samples x 20 features, 1 epoch, batches of 50",
        partial(large_fit, n_samples=1_000_000, n_features=20, dtype="float64", epochs=1, batch_size=50),
        (*KERAS, "MLPClassifier"),
        rounds=2,
        warm_up=False,
    ),
    "million samples, batches of 1,024": Job(
        "1 million samples x 20 features, 1 epoch, batches of 1,024",
        partial(large_fit, n_samples=1_000_000, n_features=20, dtype="float64", epochs=1, batch_size=1024),
        (*PYTORCH, *KERAS, "MLPClassifier"),
        rounds=3,
    ),
    "partial_fit stream": Job(
        "partial_fit, 1,000 chunks of 200 samples", partial_fit_stream, ("MLPClassifier",), rounds=3
    ),
    "thousand fits": Job(
        "Lecture fit, repeated 1,000 times in one process (SciKeras: 30 times)",
        thousand_fits,
        (PYTORCH[0], "SciKeras"),
        rounds=1,
        isolated=True,
    ),
    "load and predict": Job("New process: load a fitted network, predict 1 sample", load_and_predict, KERAS),
}
