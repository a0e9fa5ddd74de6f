"""The command's options: their names, help texts, defaults and valid combinations."""

import argparse
import math
from collections.abc import Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Any, NoReturn

from moonnet.command._terminal import one_line

# Options that are valid for the half-moons only, for training on a CSV file only, and for training only
HALF_MOON_OPTIONS = {"samples", "noise"}
CSV_TRAINING_OPTIONS = {"target", "features", "task", "month_first", "effort"}
TRAINING_OPTIONS = {"epochs", "batch_size", "hidden", "seed"}


class Mode(Enum):
    """What the command does."""

    LECTURE = auto()
    TRAIN_CSV = auto()
    PREDICT_CSV = auto()
    EXPLORE = auto()


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print the message on stderr and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {one_line(message)}\n")


def parse_options(arguments: Sequence[str]) -> tuple[Parser, argparse.Namespace]:
    """Return the parser used, for reporting errors, and the options, with the selected ``mode``."""
    if list(arguments[:1]) == ["explore"]:
        parser = _explorer_parser()
        options = parser.parse_args(arguments[1:])
        if options.target is not None and options.csv is None:
            parser.error("--target requires --csv FILE")
        options.mode = Mode.EXPLORE
    else:
        parser = _main_parser()
        options = parser.parse_args(arguments)
        _check_combination(parser, options)
        csv_mode = Mode.TRAIN_CSV if options.model is None else Mode.PREDICT_CSV
        options.mode = Mode.LECTURE if options.csv is None else csv_mode
    return parser, options


def _main_parser() -> Parser:
    parser = Parser(
        prog="moonnet",
        description="Train a small neural network on half-moons or on a CSV file, evaluate it and plot what it has "
        "learned. With --csv and --model, predict a CSV file with a saved model.",
        epilog="To train and watch networks interactively in a browser, see: moonnet explore --help",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="output folder for the pictures and the model (default: moonnet-lecture); with --model, output file for "
        "the predictions (default: predictions.csv)",
    )
    _add_training_options(parser.add_argument_group("training"))
    _add_half_moon_options(parser.add_argument_group("half-moons, without --csv"))
    _add_csv_options(parser.add_argument_group("CSV files"))
    return parser


def _add_training_options(group: Any) -> None:
    group.add_argument(
        "--epochs",
        type=_number(int, 1),
        metavar="N",
        help="number of epochs (default: 100; with --csv at most 300, until early stopping)",
    )
    group.add_argument(
        "--batch-size", type=_number(int, 1), metavar="N", help="number of samples per batch (default: 50)"
    )
    group.add_argument(
        "--hidden",
        type=_number(int, 1),
        nargs="+",
        metavar="UNITS",
        help="number of units of each hidden layer (default: 50 20)",
    )
    group.add_argument(
        "--seed",
        type=_number(int, 0, 2**32 - 2),
        default=0,
        metavar="N",
        help="random seed; the same seed gives the same results (default: 0)",
    )


def _add_half_moon_options(group: Any) -> None:
    group.add_argument(
        "--samples",
        type=_number(int, 20),
        metavar="N",
        help="number of training samples; as many are held out (default: 200)",
    )
    group.add_argument(
        "--noise", type=_number(float, 0), metavar="STD", help="standard deviation of the noise (default: 0.2)"
    )


def _add_csv_options(group: Any) -> None:
    group.add_argument("--csv", type=Path, metavar="FILE", help="file to train on, or to predict with --model")
    group.add_argument("--target", metavar="COLUMN", help="column to predict; required for training")
    group.add_argument(
        "--features",
        nargs="+",
        metavar="COLUMN",
        help="columns to use as features (default: all but those without information, such as row numbers)",
    )
    group.add_argument(
        "--task",
        choices=["classification", "regression"],
        help="how to treat the target (default: regression for numbers with fractions or more than 20 different "
        "values, else classification)",
    )
    group.add_argument(
        "--effort",
        choices=["default", "high"],
        default="default",
        help="default: an ensemble of 8 networks; high: of 20, which takes longer",
    )
    group.add_argument(
        "--month-first",
        action="store_true",
        help="read ambiguous dates such as 01/02/2003 as month/day/year (default: day/month/year)",
    )
    group.add_argument(
        "--model", type=Path, metavar="FILE", help="model.skops of an earlier run; predict the CSV file with it"
    )


def _explorer_parser() -> Parser:
    parser = Parser(
        prog="moonnet explore",
        description="Open the explorer, a page in the browser that trains the network again whenever a setting "
        "changes. Press Ctrl-C to stop it.",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="CSV file to train on")
    parser.add_argument("--target", metavar="COLUMN", help="column to predict (default: the last that is suitable)")
    parser.add_argument(
        "--port",
        type=_port,
        metavar="N",
        help="port from 1024 to 65535, or 0 for any free one (default: 8642, or any free one if in use)",
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address without opening a browser")
    return parser


def _port(text: str) -> int:
    """Convert an option's text to a port that needs no privileges, or to 0 for any free port."""
    if not (text.isdecimal() and (int(text) == 0 or 1024 <= int(text) <= 65535)):
        raise argparse.ArgumentTypeError(
            f"must be an integer from 1024 to 65535, or 0 for any free port. Got {text!r} instead."
        )
    return int(text)


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


def _check_combination(parser: Parser, options: argparse.Namespace) -> None:
    """Report options that have no meaning together with the others, and required ones that are missing."""
    given = {name for name, value in vars(options).items() if value != parser.get_default(name)}
    of_training = "applies to training and cannot be combined with --model, which is already trained"
    for is_wrong, names, problem in (
        ("csv" not in given, CSV_TRAINING_OPTIONS | {"model"}, "requires --csv FILE"),
        ("csv" in given, HALF_MOON_OPTIONS, "applies to half-moons and cannot be combined with --csv"),
        ("model" in given, CSV_TRAINING_OPTIONS | TRAINING_OPTIONS, of_training),
    ):
        if is_wrong and given & names:
            parser.error(f"--{min(given & names).replace('_', '-')} {problem}")
    if "csv" in given and not given & {"target", "model"}:
        parser.error("--csv requires --target COLUMN to train a model, or --model FILE to predict with a saved one")
