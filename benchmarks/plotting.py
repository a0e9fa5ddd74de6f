"""Measure the time to draw decision regions with moonnet and mlxtend, and to save a learning film.

Both draw the same fitted classifier and its 200 samples on new axes, with default settings and by turns in one process:
moonnet predicts a grid of 128 x 128 points, mlxtend one point per pixel of the figure. Two times are measured: the
call, and the call plus matplotlib's rendering of the figure.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import results
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from mlxtend.plotting import plot_decision_regions
from sklearn.base import ClassifierMixin
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay, LearningFilm

X, Y = make_moons(200, noise=0.2, random_state=0)


def draw_moonnet(clf: ClassifierMixin, ax: Axes) -> None:
    DecisionRegionDisplay.from_estimator(clf, X, Y, ax=ax)


def draw_mlxtend(clf: ClassifierMixin, ax: Axes) -> None:
    plot_decision_regions(X, Y, clf, ax=ax)


def measure(draw: Callable[[ClassifierMixin, Axes], None], clf: ClassifierMixin) -> tuple[float, float]:
    """Return the seconds of the call, and of the call plus rendering."""
    figure, ax = plt.subplots()
    started = time.perf_counter()
    draw(clf, ax)
    call_seconds = time.perf_counter() - started
    figure.canvas.draw()
    total_seconds = time.perf_counter() - started
    plt.close(figure)
    return call_seconds, total_seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=11, help="drawings by each library")
    options = parser.parse_args()

    results.print_machine(("moonnet", "matplotlib", "mlxtend", "scikit-learn"))
    film = LearningFilm()
    network = KerasMoonClassifier(random_state=0).set_callbacks(film).fit(X, Y)
    print(f"{'classifier':<24}{'measured':<18}{'moonnet':>10}{'mlxtend':>10}{'speed-up':>10}")
    others = (LogisticRegression(), KNeighborsClassifier(), SVC())
    for clf in (network, *(other.fit(X, Y) for other in others)):
        seconds: dict[Any, list[tuple[float, float]]] = {draw_moonnet: [], draw_mlxtend: []}
        for round_ in range(options.rounds + 1):
            for draw, values in seconds.items():
                taken = measure(draw, clf)
                if round_ > 0:  # the first round loads fonts
                    values.append(taken)
        medians = [np.median(values, axis=0) for values in seconds.values()]
        for what, ours, theirs in zip(("call", "call + rendering"), *medians, strict=True):
            name = type(clf).__name__
            print(f"{name:<24}{what:<18}{1000 * ours:>7.1f} ms{1000 * theirs:>7.1f} ms{theirs / ours:>10.1f}")

    with tempfile.TemporaryDirectory() as folder:
        film.animate(network, X, Y)
        for suffix in (".gif", ".html"):
            started = time.perf_counter()
            path = film.save(Path(folder, f"film{suffix}"), progress=False)
            taken = time.perf_counter() - started
            print(f"film of {len(film.epochs)} epochs, {suffix}: {taken:.1f} s, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
