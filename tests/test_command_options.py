"""Invalid options and invalid combinations of options are reported in one line."""

import pytest

from helpers import assert_command_fails

INVALID = [
    (["--samples", "0"], "argument --samples: must be an integer of at least 20. Got '0'"),
    (["--samples", "many"], "Got 'many'"),
    (["--noise", "-1"], "argument --noise: must be a finite number"),
    (["--noise", "nan"], "argument --noise"),
    (["--epochs", "1.5"], "argument --epochs"),
    (["--batch-size", "0"], "argument --batch-size"),
    (["--hidden", "5", "0"], "argument --hidden"),
    (["--seed", "-1"], "argument --seed"),
    (["--seed", "4294967295"], "argument --seed: must be an integer from 0 to 4294967294. Got"),
    (["--optimise"], "unrecognized arguments: --optimise"),
    (["--target", "y"], "--target requires --csv FILE"),
    (["--model", "y"], "--model requires --csv FILE"),
    (["--month-first"], "--month-first requires --csv FILE"),
    (["--csv", "x.csv"], "--csv requires --target COLUMN to train a model, or --model FILE"),
    (
        ["--csv", "x.csv", "--target", "species", "--samples", "50"],
        "--samples applies to half-moons and cannot be combined with --csv",
    ),
    (
        ["--csv", "x.csv", "--model", "x", "--epochs", "5"],
        "--epochs applies to training and cannot be combined with --model",
    ),
    (
        ["--csv", "x.csv", "--model", "x", "--target", "y"],
        "--target applies to training and cannot be combined with --model",
    ),
    (["explore", "--target", "y"], "--target requires --csv FILE"),
    *(
        (
            ["explore", "--port", port],
            f"argument --port: must be an integer from 1024 to 65535, or 0 for any free port. Got {port!r}",
        )
        for port in ("65536", "80", "-1", "8642.0", "any", "\N{SUPERSCRIPT TWO}")
    ),
    (["explore", "--noise", "0.3"], "unrecognized arguments: --noise"),
]


@pytest.mark.parametrize(
    ("options", "message"), INVALID, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_invalid_options_are_reported_in_one_line(options, message, capsys):
    assert_command_fails(options, message, capsys)
