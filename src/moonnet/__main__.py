"""``python -m moonnet``: the lecture from end to end, on half-moons or on a CSV file of the user's own."""

import argparse
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any, NoReturn

import numpy as np
from sklearn.datasets import make_moons
from sklearn.metrics import log_loss, mean_absolute_error
from sklearn.model_selection import cross_val_score, train_test_split

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.command._pictures import Problem, draw

N_FOLDS = 5
# Of the options, those that describe half-moons, a CSV file to learn from, and how to train
OF_MOONS = {"samples", "noise"}
OF_CSV = {"target", "features", "task", "month_first"}
OF_TRAINING = {"epochs", "batch_size", "hidden", "seed"}


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message on stderr and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the lecture, learn from a CSV file or predict one, or open the explorer; return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if list(arguments[:1]) == ["explore"]:
        parser = _explore_parser()
        options = parser.parse_args(arguments[1:])
        run = _explore
    else:
        parser = _parser()
        options = parser.parse_args(arguments)
        _check_together(parser, options)
        run = _learn_moons if options.csv is None else _learn_csv if options.model is None else _predict_csv
    try:
        run(options)
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
        epilog="moonnet explore opens a page on which the network learns as its settings move: moonnet explore --help",
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
        metavar="PATH",
        help="folder for pictures and the model (default: moonnet-lecture); with --model the file for predictions "
        "(default: predictions.csv)",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="learn this file instead of half-moons")
    parser.add_argument("--target", metavar="COLUMN", help="the column of the file to predict")
    parser.add_argument("--features", nargs="+", metavar="COLUMN", help="columns to predict from (default: all useful)")
    parser.add_argument(
        "--task",
        choices=["classification", "regression"],
        help="what to make of the target (default: regression for numbers with fractions or more than 20 values)",
    )
    parser.add_argument(
        "--month-first", action="store_true", help="read 01/02/2003 as 2 January where a column leaves that open"
    )
    parser.add_argument("--model", type=Path, metavar="FILE", help="predict the CSV file with this model.skops")
    return parser


def _explore_parser() -> Parser:
    parser = Parser(
        prog="moonnet explore",
        description="Open a page in the browser on which the network learns as its settings move. Ctrl-C ends it.",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="a table of your own to learn")
    parser.add_argument("--target", metavar="COLUMN", help="the column of classes to predict (default: the last one)")
    parser.add_argument("--port", type=_number(int, 1024, 65535), help="the port (default: 8642, or a free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address and open no browser")
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


def _check_together(parser: Parser, options: argparse.Namespace) -> None:
    """Refuse options that say nothing beside the others."""
    given = {name for name, value in vars(options).items() if value != parser.get_default(name)}
    if "csv" not in given and given & (OF_CSV | {"model"}):
        parser.error(f"{_flag(given & (OF_CSV | {'model'}))} goes with a CSV file: give --csv FILE too")
    if "csv" in given and given & OF_MOONS:
        parser.error(f"{_flag(given & OF_MOONS)} goes with half-moons, which --csv replaces")
    if "model" in given and given & (OF_CSV | OF_TRAINING):
        parser.error(f"{_flag(given & (OF_CSV | OF_TRAINING))} goes with training, and --model is trained already")
    if "csv" in given and not given & {"target", "model"}:
        parser.error("--csv needs --target COLUMN, the column to learn, or --model FILE, which has learned it")


def _flag(names: set[str]) -> str:
    """Return one of the options as the user writes it."""
    return f"--{min(names).replace('_', '-')}"


def _explore(options: argparse.Namespace) -> None:
    """Serve the explorer until Ctrl-C."""
    import asyncio
    import signal

    from moonnet.explore._datasets import load_dataset
    from moonnet.explore._server import explore
    from moonnet.explore._settings import Settings
    from moonnet.explore._user_tables import CsvTable

    if options.target is not None and options.csv is None:
        raise ValueError("--target goes with a CSV file: give --csv FILE too")
    own = None
    if options.csv is not None:
        own = CsvTable(options.csv, options.target)
        load_dataset(Settings(data="own").dataset, own)  # says what else is wrong with the file
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, and leaves no files behind
    try:
        asyncio.run(explore(own, options.port, open_browser=not options.no_browser))
    except KeyboardInterrupt:
        print("\nThe explorer has ended.")


def _learn_moons(options: argparse.Namespace) -> None:
    """Learn the lecture's half-moons; as many others are held out."""
    samples = 200 if options.samples is None else options.samples
    noise = 0.2 if options.noise is None else options.noise
    X, y = make_moons(samples, noise=noise, random_state=options.seed)
    X_held_out, y_held_out = make_moons(samples, noise=noise, random_state=options.seed + 1)
    problem = Problem(X, y, X_held_out, y_held_out, ["x", "y"], np.array([[-2.0, 2.0]]))
    out = _folder(options)
    network = _network(KerasMoonClassifier, options)
    _learn(problem, network, network, options)
    _draw(problem, network, out)


def _learn_csv(options: argparse.Namespace) -> None:
    """Learn a CSV file; keep the model, and the code that makes it, beside the pictures."""
    from moonnet.command._read_csv import read_table  # isort: skip  # says which extra is missing
    from moonnet.command._columns import describe, report
    from moonnet.command._pipeline import make_model, read_samples, save_model
    from moonnet.command._python_script import model_code, training_code

    table = read_table(options.csv)
    if len(table.text) < 4 * N_FOLDS:
        raise ValueError(f"{table.path} must hold at least {4 * N_FOLDS} rows to learn from. Got {len(table.text)}.")
    target, columns = describe(table, options.target, options.features, options.task, month_first=options.month_first)
    X, y = read_samples(table, target, columns)
    problem = _split(X, y, target.is_regression, options)
    network = _network(KerasMoonRegressor if target.is_regression else KerasMoonClassifier, options)
    model = make_model([column for column in columns if column.kind], network)
    out = _folder(options)

    print(f"{table.path}: {len(table.text)} rows, {table.text.shape[1]} columns")
    for line in [*table.notes, "", *report(target, columns), "", *model_code(model, to_read=True).splitlines(), ""]:
        print(line)
    _learn(problem, model, network, options)
    _draw(problem, model, out)
    save_model(model, out / "model.skops")
    print(f"wrote {out / 'model.skops'}, for --model")
    code = training_code(model, table, target, columns, seed=options.seed, path=out / "model.skops")
    (out / "model.py").write_text(code, encoding="utf-8")
    print(f"wrote {out / 'model.py'}, the Python code that makes it")


def _predict_csv(options: argparse.Namespace) -> None:
    """Write a CSV file again, with a model's predictions beside its columns."""
    from moonnet.command._pipeline import load_model
    from moonnet.command._prediction import predict_table
    from moonnet.command._read_csv import read_table

    out = Path("predictions.csv") if options.out is None else options.out
    if out.exists() and out.samefile(options.csv):
        raise ValueError(f"--out must not be the file that is predicted. Got {out} for both.")
    table = read_table(options.csv)
    predicted, notes = predict_table(load_model(options.model), table)
    for line in [*table.notes, *notes]:
        print(line)
    table.write(predicted, out)
    in_utf8 = "" if table.options["encoding"] == "utf-8-sig" else ", in UTF-8"
    added = shorten(", ".join(predicted.columns[table.text.shape[1] :]), 200, placeholder=" ...")
    print(f"wrote {out}{in_utf8}: {len(predicted)} rows of {table.path}, with {added}")


def _split(X: Any, y: np.ndarray, is_regression: bool, options: argparse.Namespace) -> Problem:
    """Return a table's samples; a quarter of them is held out."""
    target = options.target
    if len(y) < 4 * N_FOLDS:
        raise ValueError(f"column {target!r} must be filled in at least {4 * N_FOLDS} rows. Got {len(y)}.")
    if not is_regression:
        labels, counts = np.unique(y, return_counts=True)
        if len(labels) < 2:
            raise ValueError(f"column {target!r} must hold at least two classes. Got {str(labels[0])!r} alone.")
        # Three quarters of each class must fill the folds of the cross-validation
        if counts.min() < 2 * N_FOLDS:
            rare = str(labels[counts.argmin()])
            hint = " (Numbers to measure take --task regression.)" if y.dtype.kind in "iuf" else ""
            raise ValueError(
                f"column {target!r} must hold each class at least {2 * N_FOLDS} times, to be cross-validated. "
                f"Got {len(labels)} classes, {rare!r} of them {counts.min()} times.{hint}"
            )
    stratify = None if is_regression else y
    X, X_held_out, y, y_held_out = train_test_split(X, y, test_size=0.25, stratify=stratify, random_state=options.seed)
    return Problem(X, y, X_held_out, y_held_out, list(X.columns), X_held_out[:1], is_regression, target)


def _folder(options: argparse.Namespace) -> Path:
    out = Path("moonnet-lecture") if options.out is None else options.out
    out.mkdir(parents=True, exist_ok=True)
    return out


def _network(kind: type, options: argparse.Namespace) -> Any:
    return kind(tuple(options.hidden), epochs=options.epochs, batch_size=options.batch_size, random_state=options.seed)


def _learn(problem: Problem, model: Any, network: Any, options: argparse.Namespace) -> None:
    """Do what the lecture does, step by step, and print how long each step took."""
    X, y = problem.X, problem.y
    print(f"{len(X)} samples to train on, {len(problem.X_held_out)} held out, {_features(problem)}")
    label = f"{y[0]:.4g}" if problem.is_regression else f"of class {y[0]}"
    print(f"The first sample {_point(problem, X[:1])} is {label}\n")
    with _timed("Importing Keras and its backend"):
        import moonnet.training._loop  # noqa: F401
    with _timed("First fit, compilation included"):
        model.fit(X, y)
    with _timed("Second fit"):
        model.fit(X, y)

    print()
    network.model_.summary()
    print()
    from moonnet.training._progress import format_value

    for epoch in sorted({*range(10, options.epochs + 1, 10), options.epochs}):
        values = ", ".join(f"{name} {format_value(values[epoch - 1])}" for name, values in network.history_.items())
        print(f"epoch {epoch:4d}/{options.epochs}: {values}")
    print()

    with _timed("Evaluation"):
        print(f"training {_quality(problem, model, X, y)}")
        print(f"held-out {_quality(problem, model, problem.X_held_out, problem.y_held_out)}")
    with _timed(f"{N_FOLDS}-fold cross-validation"):
        scores = cross_val_score(model, X, y, cv=N_FOLDS)
        score = "R2" if problem.is_regression else "accuracy"
        print(f"cross-validated {score} {scores.mean():.4f} +- {scores.std():.4f}")
    with _timed("One prediction"):
        print(_prediction(problem, model))


def _features(problem: Problem) -> str:
    names = problem.feature_names
    shown = ", ".join(names[:8])
    return f"features {shown}" + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _quality(problem: Problem, model: Any, X: Any, y: np.ndarray) -> str:
    """Return how good a model's predictions are."""
    score = model.score(X, y)
    if problem.is_regression:
        return f"mean absolute error {mean_absolute_error(y, model.predict(X)):.4g}, R2 {score:.4f}"
    return f"loss {log_loss(y, model.predict_proba(X), labels=model.classes_):.4f}, accuracy {score:.4f}"


def _prediction(problem: Problem, model: Any) -> str:
    """Return in words what the model predicts for the probe."""
    where = _point(problem, problem.probe) + (", held out," if problem.is_table else "")
    if problem.is_regression:
        predicted, true = model.predict(problem.probe)[0], problem.y_held_out[0]
        return f"At {where} the prediction is {predicted:.4g}, the truth {true:.4g}"
    probabilities = model.predict_proba(problem.probe)[0]
    likeliest = probabilities.argmax()
    described = 1 if len(model.classes_) == 2 else likeliest
    return (
        f"At {where} the probability of class {model.classes_[described]} is {probabilities[described]:.3g}: "
        f"class {model.classes_[likeliest]}"
    )


def _point(problem: Problem, x: Any) -> str:
    """Return a sample's values, the first four of them."""
    values = [f"{value:.4g}" if isinstance(value, float) else shorten(str(value), 30) for value in np.asarray(x)[0, :4]]
    return f"({', '.join(values)}{', ...' if len(problem.feature_names) > 4 else ''})"


def _draw(problem: Problem, model: Any, out: Path) -> None:
    with _timed("Drawing"):
        for path in draw(problem, model, out):
            print(f"wrote {path}")


@contextmanager
def _timed(what: str) -> Iterator[None]:
    """Print how long the block took."""
    started = time.perf_counter()
    yield
    seconds = time.perf_counter() - started
    print(f"{what}: {seconds:.2f} s" if seconds >= 1 else f"{what}: {1000 * seconds:.2f} ms")


if __name__ == "__main__":
    sys.exit(main())
