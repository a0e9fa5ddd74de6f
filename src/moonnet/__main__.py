"""``python -m moonnet``: the lecture from end to end, on half-moons or on a CSV file of the user's own."""

import argparse
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from sklearn.datasets import make_moons
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier
from moonnet._table import read_problem
from moonnet.plotting import DecisionRegionDisplay, TrainingCurveDisplay, plot_data

N_FOLDS = 5


@dataclass
class Problem:
    """What is to be learned: samples to train on, samples held out, and how they are called."""

    X: np.ndarray  # (n_samples, n_features)
    y: np.ndarray  # (n_samples,)
    X_held_out: np.ndarray
    y_held_out: np.ndarray
    feature_names: list[str]
    probe: np.ndarray  # (n_features,), the point whose probability is printed


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message on stderr and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the lecture; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.csv is None and (options.target is not None or options.features is not None):
        parser.error("--target and --features describe a CSV file: give --csv FILE too")
    if options.csv is not None and options.target is None:
        parser.error("--csv needs --target COLUMN, the column to predict")
    if options.csv is not None and (options.samples is not None or options.noise is not None):
        parser.error("--samples and --noise describe half-moons, which --csv replaces")
    try:
        problem = _moons(options) if options.csv is None else _from_csv(options)
        options.out.mkdir(parents=True, exist_ok=True)
        _lecture(problem, options)
    except BrokenPipeError:  # who read the output has gone: there is nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    except MemoryError as error:
        parser.error(f"not enough memory: {error}")
    except (ValueError, ImportError, RuntimeError) as error:  # the last two where Keras's backend will not do
        parser.error(str(error))
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="moonnet",
        description="Train the lecture's network, Dense 50-20-1, on half-moons or a CSV file, and draw what it learns.",
    )
    parser.add_argument("--samples", type=_number(int, 20), help="half-moon samples (default: 200)")
    parser.add_argument("--noise", type=_number(float, 0), help="their noise (default: 0.2)")
    parser.add_argument("--epochs", type=_number(int, 1), default=100, help="passes over the samples (default: 100)")
    parser.add_argument("--batch-size", type=_number(int, 1), default=50, help="samples in a step (default: 50)")
    parser.add_argument(
        "--hidden",
        type=_number(int, 1),
        nargs="+",
        default=[50, 20],
        metavar="UNITS",
        help="units of each hidden layer (default: 50 20)",
    )
    parser.add_argument(
        "--seed", type=_number(int, 0, 2**32 - 2), default=0, help="seed of everything random (default: 0)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("moonnet-lecture"),
        metavar="DIR",
        help="pictures go here (default: %(default)s)",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="learn this file instead of half-moons")
    parser.add_argument("--target", metavar="COLUMN", help="the column of the file to predict")
    parser.add_argument(
        "--features", nargs="+", metavar="COLUMN", help="columns to predict from (default: all numeric ones)"
    )
    return parser


def _number(kind: type, minimum: float, maximum: float = math.inf) -> Any:
    """Return a converter of an option's text to a finite number within the bounds."""

    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and minimum <= value <= maximum):
            noun = "an integer" if kind is int else "a finite number"
            bounds = f"of at least {minimum}" if maximum == math.inf else f"from {minimum} to {maximum}"
            raise argparse.ArgumentTypeError(f"must be {noun} {bounds}. Got {text!r} instead.")
        return value

    return convert


def _moons(options: argparse.Namespace) -> Problem:
    """Return the lecture's half-moons; as many others are held out."""
    samples = 200 if options.samples is None else options.samples
    noise = 0.2 if options.noise is None else options.noise
    X, y = make_moons(samples, noise=noise, random_state=options.seed)
    X_held_out, y_held_out = make_moons(samples, noise=noise, random_state=options.seed + 1)
    return Problem(X, y, X_held_out, y_held_out, ["x", "y"], np.array([-2.0, 2.0]))


def _from_csv(options: argparse.Namespace) -> Problem:
    """Return a CSV file's samples; a quarter of them is held out."""
    X, y, names = read_problem(options.csv, options.target, options.features)
    labels, counts = np.unique(y, return_counts=True)
    if len(labels) < 2:
        raise ValueError(f"column {options.target!r} must hold at least two classes. Got {labels[0]!s} alone.")
    # Three quarters of each class must fill the folds of the cross-validation
    if counts.min() < 2 * N_FOLDS:
        rare = labels[counts.argmin()]
        raise ValueError(
            f"column {options.target!r} must hold each class at least {2 * N_FOLDS} times, to be cross-validated. "
            f"Got {rare!s} {counts.min()} times. (A column to measure rather than to classify will not do.)"
        )
    X, X_held_out, y, y_held_out = train_test_split(X, y, test_size=0.25, stratify=y, random_state=options.seed)
    return Problem(X, y, X_held_out, y_held_out, names, X_held_out[0])


def _lecture(problem: Problem, options: argparse.Namespace) -> None:
    """Do what the lecture does, step by step, and print how long each step took."""
    X, y = problem.X, problem.y
    network = KerasMoonClassifier(
        options.hidden, epochs=options.epochs, batch_size=options.batch_size, random_state=options.seed
    )
    # Half-moons come in a scale that suits a network; a file's columns seldom do
    model = network if options.csv is None else make_pipeline(StandardScaler(), network)

    features = ", ".join(problem.feature_names)
    print(f"{len(X)} samples to train on, {len(problem.X_held_out)} held out, features {features}")
    if options.csv is not None:
        print("A quarter of the file is held out; features are standardised to mean 0 and standard deviation 1")
    print(f"The first sample {_point(X[0])} is of class {y[0]}\n")
    with _timed("Importing Keras and its backend"):
        import moonnet.training._loop  # noqa: F401
    with _timed("First fit, compilation included"):
        model.fit(X, y)
    with _timed("Second fit"):
        model.fit(X, y)

    print()
    network.model_.summary()
    print()
    losses, accuracies = network.history_["loss"], network.history_["accuracy"]
    for epoch in sorted({*range(10, options.epochs + 1, 10), options.epochs}):
        print(f"epoch {epoch:4d}/{options.epochs}: loss {losses[epoch - 1]:.4f}, accuracy {accuracies[epoch - 1]:.4f}")
    print()

    with _timed("Evaluation"):
        for name, samples, labels in (("training", X, y), ("held-out", problem.X_held_out, problem.y_held_out)):
            loss = log_loss(labels, model.predict_proba(samples), labels=model.classes_)
            print(f"{name} loss {loss:.4f}, accuracy {model.score(samples, labels):.4f}")
    with _timed(f"{N_FOLDS}-fold cross-validation"):
        scores = cross_val_score(model, X, y, cv=N_FOLDS)
        print(f"cross-validated accuracy {scores.mean():.4f} +- {scores.std():.4f}")
    with _timed("One prediction"):
        probabilities = model.predict_proba([problem.probe])[0]
        likeliest = probabilities.argmax()
        described = 1 if len(model.classes_) == 2 else likeliest
        where = _point(problem.probe) + ("" if options.csv is None else ", held out,")
        print(
            f"At {where} the probability of class {model.classes_[described]} is {probabilities[described]:.3g}: "
            f"class {model.classes_[likeliest]}"
        )
    with _timed("Drawing"):
        for path in _draw(problem, model, options.out):
            print(f"wrote {path}")


@contextmanager
def _timed(what: str) -> Iterator[None]:
    """Print how long the block took."""
    started = time.perf_counter()
    yield
    seconds = time.perf_counter() - started
    print(f"{what}: {seconds:.2f} s" if seconds >= 1 else f"{what}: {1000 * seconds:.2f} ms")


def _point(x: np.ndarray) -> str:
    """Return a sample's coordinates, the first four of them."""
    return f"({', '.join(f'{value:.4g}' for value in x[:4])}{', ...' if len(x) > 4 else ''})"


def _draw(problem: Problem, model: Any, out: Path) -> Iterator[Path]:
    """Draw the data, the training, and of two features or more the decision regions; yield the files."""
    from matplotlib.figure import Figure

    def save(figure: Figure, name: str) -> Path:
        figure.savefig(out / name, dpi=150, bbox_inches="tight")
        return out / name

    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    _draw_data(problem, model, figure.subplots())
    yield save(figure, "data.png")

    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    TrainingCurveDisplay.from_estimator(model, ax=figure.subplots(1, 2))
    yield save(figure, "training.png")

    n_features = len(problem.feature_names)
    if n_features > 1:
        figure = Figure(figsize=(6.4, 4.8), layout="constrained")
        features = None if n_features == 2 else "pca"
        ax = figure.subplots()
        DecisionRegionDisplay.from_estimator(model, problem.X, problem.y, features=features, ax=ax)
        ax.set_title("decision regions")
        if n_features == 2:
            ax.set(xlabel=problem.feature_names[0], ylabel=problem.feature_names[1])
        yield save(figure, "decision_regions.png")


def _draw_data(problem: Problem, model: Any, ax: Any) -> None:
    """Scatter the samples: one feature against the class, two in the plane, more in their principal plane."""
    if len(problem.feature_names) == 1:
        classes = np.searchsorted(model.classes_, problem.y)
        plot_data(np.column_stack([problem.X, classes]), problem.y, ax=ax, aspect="auto")
        ax.set_yticks(range(len(model.classes_)), [str(label) for label in model.classes_])
        ax.set(xlabel=problem.feature_names[0], ylabel="class")
    elif len(problem.feature_names) == 2:
        plot_data(problem.X, problem.y, ax=ax)
        ax.set(xlabel=problem.feature_names[0], ylabel=problem.feature_names[1])
    else:
        plot_data(problem.X, problem.y, features="pca", ax=ax)
    ax.set_title("data")


if __name__ == "__main__":
    sys.exit(main())
