"""Names from files reach the terminal without control characters, in any encoding."""

import io
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

from helpers import assert_command_fails
from moonnet.command import _train_csv
from moonnet.command._cli import main
from moonnet.command._terminal import escape_controls, one_line, plain_output


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("größe 温度 😀\tx\n", "größe 温度 😀\tx\n"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\rb\x9b2J\x00", "a\\rb\\x9b2J\\x00"),
        ("\u202egnp.exe\u2028", "\\u202egnp.exe\\u2028"),
    ],
)
def test_control_characters_are_escaped(text, escaped):
    assert escape_controls(text) == escaped


def test_one_line_joins_lines():
    assert one_line(" a\n\tb\x1b ") == "a b\\x1b"


@pytest.mark.filterwarnings("default")
def test_each_warning_is_printed_once_in_one_line(capsys):
    with plain_output("moonnet"):
        for _ in range(2):
            warnings.warn("glyph\n\x1b missing", stacklevel=1)
    assert capsys.readouterr().err == "moonnet: warning: glyph \\x1b missing\n"


def test_names_are_printed_where_the_terminal_lacks_them(tmp_path, monkeypatch):
    stdout = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stdout, encoding="ascii", write_through=True))
    monkeypatch.setattr(_train_csv, "save_pictures", lambda *arguments: None)
    frame = pd.DataFrame({"größe\x1b[2J": range(40), "😀": np.arange(40) % 7, "标签": ["是", "否\x07"] * 20})
    frame.to_csv(tmp_path / "温度.csv", index=False)
    options = ["--csv", str(tmp_path / "温度.csv"), "--target", "标签", "--epochs", "1", "--out", str(tmp_path / "out")]
    assert main(options) == 0
    written = stdout.getvalue()
    assert b"gr\\xf6\\xdfe\\x1b[2J" in written
    assert b"\\u6807\\u7b7e" in written
    assert b"\x1b[2J" not in written
    assert b"\x07" not in written


def test_error_has_no_control_characters(tmp_path, capsys):
    (tmp_path / "table.csv").write_text("a,b\x1b[2J\n1,2\n")
    options = ["--csv", str(tmp_path / "table.csv"), "--target", "y", "--out", str(tmp_path / "out")]
    assert_command_fails(options, "must have at least 20 rows", capsys)
    (tmp_path / "table.csv").write_text("a,b\x1b[2J\n" + "1,2\n" * 30)
    assert_command_fails(options, "Its columns are a, b\\x1b[2J.", capsys)
