"""What it costs to watch the lecture's fit: medians and ratios to a fit that nobody watches, interleaved."""

import argparse
import contextlib
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from sklearn.callback import ScoringMonitor
from sklearn.datasets import make_moons

from moonnet import KerasMoonClassifier, _progress
from moonnet._keras import keras

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    nothing = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    each_batch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    monitor = ScoringMonitor(scoring="accuracy")
    with tempfile.TemporaryDirectory() as directory:
        checkpoint = keras.callbacks.ModelCheckpoint(Path(directory) / "last.weights.h5", save_weights_only=True)
        jobs: dict[str, Callable[[], object]] = {
            "nobody": fit,
            "verbose=1, ten lines": lambda: fit(verbose=1),
            "verbose=1, the bar": with_bar,
            "verbose=2, a line an epoch": lambda: fit(verbose=2),
            "early stopping, never stopped": lambda: fit(early_stopping=True, n_iter_no_change=1000),
            "a Keras callback of epochs": lambda: fit(callbacks=[nothing]),
            "a Keras callback of batches": lambda: fit(callbacks=[each_batch]),
            "a checkpoint of weights an epoch": lambda: fit(callbacks=[checkpoint]),
            "scikit-learn's ScoringMonitor": lambda: (
                KerasMoonClassifier(random_state=0).set_callbacks(monitor).fit(X, Y)
            ),
        }
        seconds: dict[str, list[float]] = {name: [] for name in jobs}
        for round_ in range(options.rounds + 1):
            for name, job in jobs.items():
                with contextlib.redirect_stdout(io.StringIO()):
                    started = time.perf_counter()
                    job()
                    taken = time.perf_counter() - started
                if round_ > 0:  # the first round compiles
                    seconds[name].append(taken)
    alone = statistics.median(seconds["nobody"])
    print(f"{os.cpu_count()} cores, 200 samples, 100 epochs, {options.rounds} fits each")
    print(f"{'who watches':<34}{'median':>10}{'a fit alone':>14}{'an epoch more':>16}")
    for name, values in seconds.items():
        median = statistics.median(values)
        more = 1e6 * (median - alone) / 100
        print(f"{name:<34}{1000 * median:>7.1f} ms{median / alone:>11.1f} x{more:>13.0f} us")


if __name__ == "__main__":
    main()
