"""Errors and Ctrl-C while the command runs are reported in one line each."""

import signal

import pytest

from helpers import assert_command_fails
from moonnet.command import _pictures, _predict_csv, _train_and_report, _train_csv
from moonnet.command._cli import main
from moonnet.training import _loop

FAILING = [
    (["--csv", "{iris}", "--model", "nowhere.skops"], "nowhere.skops: No such file or directory"),
    (["--csv", "{iris}", "--model", "{iris}"], "iris.csv is not a model saved by moonnet --csv"),
    (["--csv", "{iris}", "--model", "x", "--out", "{iris}"], "--out must differ from the file to predict"),
    (["--csv", "{iris}", "--model", "{iris}.skops", "--out", "{iris}.skops"], "--out must differ from the model. Got"),
    (["--csv", "nowhere.csv", "--target", "y"], "nowhere.csv: No such file or directory"),
    (["--csv", "{iris}", "--target", "kind"], "has no column 'kind'"),
    (["--csv", "{iris}", "--target", "species", "--task", "regression"], "must contain only numbers for a regression"),
    (
        ["--csv", "{names}", "--target", "y", "--task", "classification"],
        "Got 30 classes, 30 of them with fewer rows. To predict numbers, add --task regression.",
    ),
    (["--out", "{iris}"], "iris.csv: File exists"),
    (["--csv", "{iris}", "--target", "species", "--out", "{iris}"], "iris.csv: File exists"),
]


@pytest.mark.parametrize(
    ("options", "message"), FAILING, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_error_is_reported_in_one_line(options, message, iris_csv, capsys):
    model = iris_csv.with_name("iris.csv.skops")
    model.write_text("a model")
    names = iris_csv.with_name("names.csv")
    names.write_text("a,y\n" + "".join(f"{i}.5,{i}\n" for i in range(30)))
    assert_command_fails([option.format(iris=iris_csv, names=names) for option in options], message, capsys)
    assert model.read_text() == "a model"


# An ensemble is five networks of folds and eight members, each of which runs its only epoch in one block.
# By name of the step: the function during which Ctrl-C is pressed, the call of it, and what is printed before
STEPS = {
    "reading": (_train_csv, "read_table", 1, ""),
    "first fit": (_loop.Training, "_run_steps", 1, "First training sample"),
    "evaluation": (_train_and_report, "_metrics_text", 2, "training samples: loss"),
    "first fold": (_loop.Training, "_run_steps", 14, "held-out samples: loss"),
    "last fold": (_loop.Training, "_run_steps", 5 * 13 + 1, "held-out samples: loss"),
    "saving": (_train_csv, "save_model", 1, "Prediction for the held-out sample"),
    "pictures": (_pictures, "_draw_model", 1, "training.png"),
}


def press_ctrl_c_in(monkeypatch, owner, name, call):
    """Press Ctrl-C when a function is called for the given time."""
    calls, function = [], getattr(owner, name)

    def interrupted(*arguments, **options):
        calls.append(name)
        if len(calls) == call:
            signal.raise_signal(signal.SIGINT)
        return function(*arguments, **options)

    monkeypatch.setattr(owner, name, interrupted)


@pytest.mark.parametrize("step", STEPS)
def test_ctrl_c_ends_the_training_of_a_file_in_one_line(step, iris_csv, tmp_path, monkeypatch, capsys):
    owner, name, call, printed = STEPS[step]
    press_ctrl_c_in(monkeypatch, owner, name, call)
    options = ["--csv", str(iris_csv), "--target", "species", "--epochs", "1", "--out", str(tmp_path / "out")]
    assert main(options) == 130
    out, err = capsys.readouterr()
    assert err == "moonnet: interrupted\n"
    assert printed in out
    assert ("cross-validation on" in out) == (step in ("saving", "pictures"))
    assert "Drawing the pictures took" not in out
    assert (tmp_path / "out" / "model.skops").exists() == (step == "pictures")


def test_ctrl_c_ends_a_prediction_in_one_line(iris_csv, tmp_path, monkeypatch, capsys):
    out = tmp_path / "predictions.csv"
    out.write_text("earlier")
    monkeypatch.setattr(_predict_csv, "load_model", lambda path: None)
    monkeypatch.setattr(_predict_csv, "predict_table", lambda model, table: (table.text, []))
    press_ctrl_c_in(monkeypatch, _predict_csv.Table, "write", 1)
    assert main(["--csv", str(iris_csv), "--model", "any", "--out", str(out)]) == 130
    assert capsys.readouterr().err == "moonnet: interrupted\n"
    assert out.read_text() == "earlier"


def test_ctrl_c_that_a_library_reports_as_an_import_error_is_reported_as_ctrl_c(iris_csv, monkeypatch, capsys):
    def fail(path):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("the C extension could not be imported")  # noqa: B904

    monkeypatch.setattr(_train_csv, "read_table", fail)
    assert main(["--csv", str(iris_csv), "--target", "species"]) == 130
    assert capsys.readouterr().err == "moonnet: interrupted\n"
