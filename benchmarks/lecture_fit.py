"""The lecture's fit by moonnet, plain Keras and scikit-learn's MLPClassifier, interleaved in one process.

Prints medians and ratios; what is timed is a whole fit of 200 half-moons, 100 epochs, batches of 50, RMSprop (Adam for
MLPClassifier, which has no RMSprop). Every result is checked to be a network that has learned the moons.
"""

import argparse
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from moonnet import KerasMoonClassifier
from moonnet._keras import keras

X, Y = make_moons(200, noise=0.2, random_state=0)
EPOCHS, BATCH_SIZE, HIDDEN = 100, 50, (50, 20)


def fit_moonnet(seed: int) -> Callable[[], np.ndarray]:
    clf = KerasMoonClassifier(HIDDEN, epochs=EPOCHS, batch_size=BATCH_SIZE, random_state=seed).fit(X, Y)
    return lambda: clf.predict(X)


def fit_keras(seed: int) -> Callable[[], np.ndarray]:
    model = keras.Sequential(
        [
            keras.Input((2,)),
            *(keras.layers.Dense(units, activation="relu") for units in HIDDEN),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.RMSprop(), loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(X, Y, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=0)
    return lambda: model.predict(X, verbose=0)[:, 0] > 0.5


def fit_mlp(seed: int) -> Callable[[], np.ndarray]:
    clf = MLPClassifier(HIDDEN, batch_size=BATCH_SIZE, max_iter=EPOCHS, n_iter_no_change=EPOCHS, random_state=seed)
    with warnings.catch_warnings(category=ConvergenceWarning, action="ignore"):
        clf.fit(X, Y)
    return lambda: clf.predict(X)


def timed(fit: Callable[[int], Callable[[], np.ndarray]], seed: int) -> float:
    """Return the seconds of a fit, after checking, outside the clock, that it learned."""
    started = time.perf_counter()
    predict = fit(seed)
    seconds = time.perf_counter() - started
    accuracy = float(np.mean(predict() == Y))
    assert accuracy > 0.82, f"{fit.__name__} reached an accuracy of {accuracy} alone"
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds of one Keras fit and several of the others")
    parser.add_argument("--fits", type=int, default=10, help="fits of moonnet and of MLPClassifier in a round")
    options = parser.parse_args()

    versions = ", ".join(f"{name} {version(name)}" for name in ("moonnet", "keras", "tensorflow", "scikit-learn"))
    print(f"Python {platform.python_version()}, {versions}, {os.cpu_count()} cores")
    first = timed(fit_moonnet, 0)
    print(f"first fit of moonnet, Keras and TensorFlow imported, compilation included: {first:.2f} s\n")
    timed(fit_mlp, 0)

    seconds: dict[str, list[float]] = {"moonnet": [], "plain Keras": [], "MLPClassifier": []}
    for round_ in range(options.rounds):
        for number in range(options.fits):
            seed = round_ * options.fits + number
            seconds["moonnet"].append(timed(fit_moonnet, seed))
            seconds["MLPClassifier"].append(timed(fit_mlp, seed))
        seconds["plain Keras"].append(timed(fit_keras, round_))

    ours = statistics.median(seconds["moonnet"])
    print(f"{'warm fit':<15}{'fits':>5}{'median':>12}{'fastest':>12}{'slowest':>12}{'moonnet is':>20}")
    for name, values in seconds.items():
        median = statistics.median(values)
        figures = "".join(f"{1000 * value:>9.1f} ms" for value in (median, min(values), max(values)))
        ratio = "" if name == "moonnet" else f"{median / ours:.1f} times faster"
        print(f"{name:<15}{len(values):>5}{figures}{ratio:>20}")


if __name__ == "__main__":
    main()
