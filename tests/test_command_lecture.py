"""The lecture's example in this process; test_main.py runs it in a child process."""

import re

import pytest

from moonnet.command._cli import main


@pytest.mark.slow
def test_options_configure_data_network_and_training(tmp_path, capsys):
    options = ["--samples", "40", "--noise", "0.1", "--epochs", "13", "--batch-size", "8", "--hidden", "6", "5", "4"]
    assert main([*options, "--seed", "3", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "40 training samples, 40 held-out samples; features: x, y" in out
    assert "Total params: 82 " in out  # 18 + 35 + 24 + 5
    assert re.findall(r"epoch +(\d+)/13", out) == ["10", "13"]
