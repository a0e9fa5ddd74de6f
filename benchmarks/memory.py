"""Measure resident memory over many fits in one process: refits, clones, callbacks and failing fits, mixed.

Prints the memory and the number of cached programs as fits go by, the growth after the 20th fit, and the time and
memory that an additional compiled program takes.
"""

import argparse
import gc
import time
import warnings

import psutil
from sklearn.base import clone
from sklearn.datasets import make_moons

from moonnet import KerasMoonClassifier
from moonnet._keras import keras
from moonnet.training import _compiled_program

X, Y = make_moons(200, noise=0.2, random_state=0)


def fit(number: int, clf: KerasMoonClassifier) -> KerasMoonClassifier:
    """Use the estimator in one of ten ways, by turns; return the estimator for the next fit."""
    kind = number % 10
    clf.set_params(random_state=number, learning_rate=0.001 * (1 + number % 7), l2=1e-5 * (number % 3))
    if kind in (0, 1):
        clf.fit(X, Y)
    elif kind == 2:
        clf = clone(clf).fit(X, Y)
    elif kind == 3:
        clf.fit(X[: 120 + number % 60], Y[: 120 + number % 60])
    elif kind == 4:
        clone(clf).set_params(early_stopping=True).fit(X, Y)
    elif kind == 5:
        stop = keras.callbacks.EarlyStopping("loss", patience=5, restore_best_weights=True)
        clone(clf).set_params(callbacks=[stop], epochs=20).fit(X, Y)
    elif kind == 6:
        clone(clf).set_params(dropout=0.1).fit(X, Y).model_.get_weights()
    elif kind == 7:
        clone(clf).set_params(warm_start=True, epochs=30).fit(X, Y).fit(X, Y).partial_fit(X, Y)
    else:
        invalid = (
            {"learning_rate": 1e300, "activation": "linear", "optimizer": "sgd"}
            if kind == 8
            else {"activation": "nope"}
        )
        try:
            clone(clf).set_params(**invalid).fit(X, Y)
        except ValueError:
            return clf
        raise AssertionError(f"a fit with {invalid} should have failed")
    return clf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fits", type=int, default=300)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    process = psutil.Process()
    clf = KerasMoonClassifier()
    megabytes = {}
    for number in range(1, options.fits + 1):
        clf = fit(number, clf)
        if number in (1, 20) or number % 50 == 0 or number == options.fits:
            gc.collect()
            megabytes[number] = process.memory_info().rss / 1e6
            n_cached = len(_compiled_program._programs)
            print(f"after fit {number:4d}: {megabytes[number]:7.1f} MB, {n_cached} cached programs", flush=True)
    print(f"growth from fit 20 to the last: {megabytes[options.fits] - megabytes[20]:.1f} MB")

    before, started, n_programs = process.memory_info().rss, time.perf_counter(), 20
    for units in range(60, 60 + n_programs):
        KerasMoonClassifier((units, 20), epochs=1).fit(X, Y)
    seconds = (time.perf_counter() - started) / n_programs
    megabytes_each = (process.memory_info().rss - before) / 1e6 / n_programs
    print(f"additional program: {seconds:.2f} s and {megabytes_each:.1f} MB (mean of {n_programs})")


if __name__ == "__main__":
    main()
