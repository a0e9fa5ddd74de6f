"""Errors when the explorer starts are reported in one line; test_explore_server.py tests the server."""

import socket

import pytest

FAILING = [
    (["explore", "--csv", "nowhere.csv"], "nowhere.csv: No such file or directory"),
    (["explore", "--csv", "{iris}", "--target", "kind"], "has no column 'kind'"),
]


@pytest.mark.parametrize(
    ("options", "message"), FAILING, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_unsuitable_file_is_reported_in_one_line(options, message, iris_csv, assert_command_fails):
    assert_command_fails([option.format(iris=iris_csv) for option in options], message)


def test_port_in_use_is_reported_in_one_line(assert_command_fails):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        options = ["explore", "--port", str(port), "--no-browser"]
        assert_command_fails(options, f"Got {port}")
