"""The explorer's start and end; test_explore_server.py tests the server."""

import asyncio
import os
import re
import signal
import socket
from tempfile import TemporaryDirectory

import pytest

from helpers import assert_command_fails
from moonnet.command._cli import main
from moonnet.explore import _server

FAILING = [
    (["explore", "--csv", "nowhere.csv"], "nowhere.csv: No such file or directory"),
    (["explore", "--csv", "{iris}", "--target", "kind"], "has no column 'kind'"),
]


@pytest.mark.parametrize(
    ("options", "message"), FAILING, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_unsuitable_file_is_reported_in_one_line(options, message, iris_csv, capsys):
    assert_command_fails([option.format(iris=iris_csv) for option in options], message, capsys)


def test_port_in_use_is_reported_in_one_line(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        options = ["explore", "--port", str(port), "--no-browser"]
        assert_command_fails(options, f"Got {port}", capsys)


def test_port_0_is_any_free_port(monkeypatch, capsys):
    monkeypatch.setattr(_server, "_load_token", lambda: "secret")
    monkeypatch.setattr(_server.webbrowser, "open", lambda address: os.kill(os.getpid(), signal.SIGINT))
    assert main(["explore", "--port", "0"]) == 0
    [port] = re.findall(r"http://127\.0\.0\.1:(\d+)/secret/\n", capsys.readouterr().out)
    assert int(port) > 0


@pytest.fixture
def signal_handlers():
    """Restore the handlers of SIGTERM and SIGHUP after the test."""
    numbers = signal.SIGTERM, signal.SIGHUP
    handlers = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("signal_handlers")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signal_ends_explorer_and_deletes_temporary_files(number, tmp_path, monkeypatch, capsys):
    async def explore(*arguments, **options):
        with TemporaryDirectory(dir=tmp_path):
            assert list(tmp_path.iterdir())
            os.kill(os.getpid(), number)
            await asyncio.sleep(60)

    monkeypatch.setattr(_server, "explore", explore)
    assert main(["explore", "--no-browser"]) == 0
    assert capsys.readouterr().out == "\nThe explorer has stopped.\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("signal_handlers")
def test_ignored_signal_stays_ignored(monkeypatch):
    async def explore(*arguments, **options):
        os.kill(os.getpid(), signal.SIGHUP)

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    monkeypatch.setattr(_server, "explore", explore)
    assert main(["explore", "--no-browser"]) == 0
