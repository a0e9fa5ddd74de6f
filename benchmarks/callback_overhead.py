"""Measure how much callbacks and progress output slow down the lecture's fit, on both engines."""

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import results
from rich.console import Console
from sklearn.callback import ScoringMonitor
from sklearn.datasets import make_moons
from subprocesses import BACKENDS, Worker, serve

from moonnet import KerasMoonClassifier
from moonnet._keras import keras
from moonnet.training import _progress

X, Y = make_moons(200, noise=0.2, random_state=0)
N_EPOCHS = KerasMoonClassifier().epochs


def fit(**parameters: object) -> None:
    KerasMoonClassifier(random_state=0, **parameters).fit(X, Y)


def fit_with_progress_bar() -> None:
    """Fit with the progress bar, which otherwise needs a terminal."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    clf = KerasMoonClassifier(random_state=0, verbose=1)
    original = _progress.progress
    _progress.progress = lambda verbose: [_progress.Bar(console)]
    try:
        clf.fit(X, Y)
    finally:
        _progress.progress = original


def make_fits(folder: str) -> dict[str, Callable[[], object]]:
    """Return the fits to measure; checkpoints are written into the folder."""
    on_epoch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    on_batch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    checkpoint = keras.callbacks.ModelCheckpoint(Path(folder) / "last.weights.h5", save_weights_only=True)
    monitor = ScoringMonitor(scoring="accuracy")
    return {
        "none": fit,
        "verbose=1, no terminal (ten lines)": lambda: fit(verbose=1),
        "verbose=1, progress bar": fit_with_progress_bar,
        "verbose=2, one line per epoch": lambda: fit(verbose=2),
        "early_stopping=True, never triggered": lambda: fit(early_stopping=True, n_iter_no_change=1000),
        "scikit-learn ScoringMonitor": lambda: KerasMoonClassifier(random_state=0).set_callbacks(monitor).fit(X, Y),
        "Keras callback with on_epoch_end": lambda: fit(callbacks=[on_epoch]),
        "Keras callback with on_train_batch_end": lambda: fit(callbacks=[on_batch]),
        "Keras ModelCheckpoint, weights every epoch": lambda: fit(callbacks=[checkpoint]),
    }


def measure() -> dict[str, float]:
    """Return the seconds of each fit, run once."""
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, run_fit in make_fits(folder).items():
            with contextlib.redirect_stdout(io.StringIO()):
                started = time.perf_counter()
                run_fit()
                seconds[name] = time.perf_counter() - started
    return seconds


def measure_engines(n_rounds: int) -> dict[str, dict[str, float]]:
    """Return the median seconds of each fit on each engine, the engines taking turns."""
    with contextlib.ExitStack() as stack:
        workers = {backend: stack.enter_context(Worker(__file__, "--serve", backend=backend)) for backend in BACKENDS}
        for worker in workers.values():
            worker.measure()  # compiles
        rounds = [{backend: worker.measure() for backend, worker in workers.items()} for _ in range(n_rounds)]
    return {
        backend: {name: statistics.median(each[backend][name] for each in rounds) for name in rounds[0][backend]}
        for backend in BACKENDS
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--serve", action="store_true", help="measure on request (used for child processes)")
    options = parser.parse_args()
    if options.serve:
        serve(measure)
        return
    seconds = measure_engines(options.rounds)
    for backend, medians in seconds.items():
        print(f"{backend:<44}{'median':>10}{'relative':>10}{'added per epoch':>18}")
        for name, median in medians.items():
            baseline = medians["none"]
            added = 1e6 * (median - baseline) / N_EPOCHS
            print(f"{name:<44}{1000 * median:>7.1f} ms{median / baseline:>10.1f}{added:>15.0f} us")
    results.write("callback_overhead", {"seconds": seconds}, ("moonnet", "keras", "tensorflow", "jax", "scikit-learn"))


if __name__ == "__main__":
    main()
