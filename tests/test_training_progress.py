"""Progress output, on a terminal and elsewhere."""

import io
import re
from contextlib import redirect_stdout

import pytest
from sklearn.datasets import make_moons

from moonnet import KerasMoonClassifier
from moonnet.training import _progress

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """A terminal with 80 columns, to which stdout can be redirected."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    return Terminal()


def format_metrics(clf, epoch):
    return " - ".join(f"{name}: {values[epoch - 1]:.4f}" for name, values in clf.history_.items())


@pytest.mark.trains
def test_verbose_0_prints_nothing(moons, capfd):
    KerasMoonClassifier(epochs=2, verbose=0).fit(*moons)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("early_stopping", [False, True])
def test_verbose_2_prints_one_line_per_epoch(moons, capfd, early_stopping):
    clf = KerasMoonClassifier(epochs=3, verbose=2, early_stopping=early_stopping, random_state=0).fit(*moons)
    lines = capfd.readouterr().out.splitlines()
    assert lines == [f"Epoch {epoch}/3 - {format_metrics(clf, epoch)}" for epoch in (1, 2, 3)]
    assert ("val_loss" in lines[0]) == early_stopping


def test_epoch_numbers_continue_when_training_resumes(moons, capfd):
    clf = KerasMoonClassifier(epochs=1, verbose=2, warm_start=True, random_state=0).fit(*moons).fit(*moons)
    clf.partial_fit(*moons)
    out = capfd.readouterr().out
    assert re.findall(r"Epoch (\S+) - ", out) == ["1/1", "2/2", "3/3"]


def test_ten_lines_replace_the_bar_without_a_terminal(moons, capfd):
    clf = KerasMoonClassifier(epochs=40, verbose=1, random_state=0).fit(*moons)
    out, err = capfd.readouterr()
    assert err == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", out)
    expected = [f"Epoch {epoch}/40 - {format_metrics(clf, epoch)} - " for epoch in range(4, 41, 4)]
    lines = out.splitlines()
    assert len(lines) == 10
    assert all(line.startswith(start) for line, start in zip(lines, expected, strict=True))
    assert all(re.fullmatch(r"\d+ s left", line.rpartition(" - ")[2]) for line in lines)


def test_lines_without_a_terminal_with_few_epochs_and_early_stopping(moons, capfd):
    KerasMoonClassifier(epochs=3, verbose=1).fit(*moons)
    assert re.findall(r"Epoch (\S+) - ", capfd.readouterr().out) == ["1/3", "2/3", "3/3"]
    clf = KerasMoonClassifier(
        epochs=1000, verbose=1, early_stopping=True, n_iter_no_change=2, learning_rate=0.05, random_state=0
    ).fit(*moons)
    assert clf.n_iter_ < 100
    assert capfd.readouterr().out.startswith(
        f"Epoch {clf.n_iter_}/1000 - {format_metrics(clf, clf.n_iter_)} - 0 s left"
    )


def test_terminal_shows_one_progress_bar(moons, terminal):
    with redirect_stdout(terminal):
        clf = KerasMoonClassifier(epochs=7, verbose=1, random_state=0).fit(*moons)
    text = terminal.getvalue()
    assert "\x1b[?25l" in text  # the cursor is hidden
    assert "\x1b[?25h" in text  # and shown again
    assert text.count("\n") == 1  # one line, which is redrawn
    last = CONTROL.sub("", text.split("\x1b[2K")[-1])
    assert re.fullmatch(rf"Epoch 7/7 ━+ {re.escape(format_metrics(clf, 7))} \d+:\d\d\n", last.replace("\r", ""))


def test_bar_with_validation_metrics_fits_80_columns(moons, terminal):
    with redirect_stdout(terminal):
        KerasMoonClassifier(epochs=7, verbose=1, early_stopping=True, random_state=0).fit(*moons)
    last = CONTROL.sub("", terminal.getvalue().split("\x1b[2K")[-1])
    assert max(map(len, last.splitlines())) <= 80
    assert all(f"{name}: " in last for name in ("loss", "accuracy", "val_loss", "val_accuracy"))
    assert "━" in last
    assert "…" not in last


def test_failing_fit_restores_the_cursor(terminal):
    X, y = make_moons(50, random_state=0)
    clf = KerasMoonClassifier(optimizer="sgd", activation="linear", verbose=1)
    with redirect_stdout(terminal), pytest.raises(ValueError, match="non-finite"):
        clf.fit(1e100 * X, y)
    assert "\x1b[?25h" in terminal.getvalue()


@pytest.mark.parametrize("verbose", [1, 2])
def test_progress_output_leaves_the_result_unchanged(moons, fitted, verbose):
    clf = KerasMoonClassifier(verbose=verbose, random_state=0).fit(*moons)
    assert clf.history_ == fitted.history_
    assert all((a == b).all() for a, b in zip(clf.coefs_, fitted.coefs_, strict=True))


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0.0000"), (0.12344, "0.1234"), (-3.0, "-3.0000"), (0.00012, "1.2000e-04"), (7858445380.6, "7.8584e+09")],
)
def test_format_value_uses_exponents_for_small_and_large_values(value, expected):
    assert _progress.format_value(value) == expected
