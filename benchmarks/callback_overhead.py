"""The price of watching the lecture's fit on both engines: medians, and ratios to a fit that nobody watches."""

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
from moonnet.training import _progress
from moonnet.training._keras import keras

X, Y = make_moons(200, noise=0.2, random_state=0)


def fit(**parameters: object) -> None:
    KerasMoonClassifier(random_state=0, **parameters).fit(X, Y)


def with_bar() -> None:
    """Fit with the live bar, on a terminal that is not there."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    clf = KerasMoonClassifier(random_state=0, verbose=1)
    original = _progress.progress
    _progress.progress = lambda verbose: [_progress.Bar(console)]
    try:
        clf.fit(X, Y)
    finally:
        _progress.progress = original


def jobs(folder: str) -> dict[str, Callable[[], object]]:
    """Return what is measured; checkpoints are written into a folder."""
    nothing = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    each_batch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    checkpoint = keras.callbacks.ModelCheckpoint(Path(folder) / "last.weights.h5", save_weights_only=True)
    monitor = ScoringMonitor(scoring="accuracy")
    return {
        "nobody": fit,
        "verbose=1, ten lines": lambda: fit(verbose=1),
        "verbose=1, the bar": with_bar,
        "verbose=2, a line an epoch": lambda: fit(verbose=2),
        "early stopping, never stopped": lambda: fit(early_stopping=True, n_iter_no_change=1000),
        "scikit-learn's ScoringMonitor": lambda: KerasMoonClassifier(random_state=0).set_callbacks(monitor).fit(X, Y),
        "a Keras callback of epochs": lambda: fit(callbacks=[nothing]),
        "a Keras callback of batches": lambda: fit(callbacks=[each_batch]),
        "a checkpoint of weights an epoch": lambda: fit(callbacks=[checkpoint]),
    }


def measure() -> dict[str, float]:
    """Return the seconds of each job, done once."""
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, job in jobs(folder).items():
            with contextlib.redirect_stdout(io.StringIO()):
                started = time.perf_counter()
                job()
                seconds[name] = time.perf_counter() - started
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--serve", action="store_true", help="measure a round whenever asked")
    options = parser.parse_args()
    if options.serve:
        serve(measure)
        return
    with contextlib.ExitStack() as stack:
        workers = {backend: stack.enter_context(Worker(__file__, "--serve", backend=backend)) for backend in BACKENDS}
        for worker in workers.values():
            worker.measure()  # compiles
        rounds = [{backend: worker.measure() for backend, worker in workers.items()} for _ in range(options.rounds)]
    seconds = {
        backend: {name: statistics.median(each[backend][name] for each in rounds) for name in rounds[0][backend]}
        for backend in BACKENDS
    }
    for backend, medians in seconds.items():
        print(f"{backend:<34}{'median':>10}{'a fit alone':>14}{'an epoch more':>16}")
        for name, median in medians.items():
            alone = medians["nobody"]
            more = 1e6 * (median - alone) / 100
            print(f"{name:<34}{1000 * median:>7.1f} ms{median / alone:>11.1f} x{more:>13.0f} us")
    results.write("callback_overhead", {"seconds": seconds}, ("moonnet", "keras", "tensorflow", "jax", "scikit-learn"))


if __name__ == "__main__":
    main()
