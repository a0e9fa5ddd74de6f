"""The moonnet command, run in child processes."""

import re
import subprocess
import sys

import pytest

from helpers import PICTURES, assert_pictures_drawn, run_python


@pytest.mark.slow
@pytest.mark.trains
def test_python_m_moonnet_runs_the_lecture(tmp_path, engine_is_quiet):
    out = tmp_path / "pictures" / "here"
    child = subprocess.run(
        [sys.executable, "-m", "moonnet", "--out", str(out)], capture_output=True, text=True, timeout=300, check=False
    )
    assert child.returncode == 0
    assert child.stderr == "" or not engine_is_quiet
    assert "Total params: 1,191 (4.65 KB)" in child.stdout
    epochs = re.findall(r"^epoch +(\d+)/100: loss 0\.\d{4}, accuracy 0\.\d{4}$", child.stdout, re.MULTILINE)
    assert [int(epoch) for epoch in epochs] == list(range(10, 101, 10))
    for pattern in (
        r"training samples: loss 0\.\d+, accuracy 0\.(8|9)\d+ \(majority class 0: 0\.5000\)",
        r"held-out samples: loss 0\.\d+, accuracy 0\.(8|9)\d+ \(majority class 0: 0\.5000\)",
        r"cross-validation on the training samples: accuracy 0\.(8|9)\d+",
        r"Prediction for the point \(-2, 2\): class 0 \(probability of class 1: \d(\.\d+)?e-\d+\)",
        r"The first fit, with imports and compilation, took \d+\.\d\d m?s\n",
    ):
        assert re.search(pattern, child.stdout), pattern
    assert_pictures_drawn(out, PICTURES)


HELP = """
import sys
from moonnet.__main__ import main
try:
    main(["--help"])
except SystemExit:
    print("----")
heavy = {"tensorflow", "jax", "keras", "matplotlib", "skops", "sklearn", "scipy", "numpy"}
print(sorted({name.partition(".")[0] for name in sys.modules} & heavy))
"""


@pytest.mark.slow
def test_help_option_loads_no_heavy_library():
    assert run_python(HELP).endswith("----\n[]\n")


WITHOUT_PANDAS = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pandas":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
from moonnet.__main__ import main
assert main(["--samples", "20", "--epochs", "1"]) == 0
print("----")
main(["--csv", "any.csv", "--target", "y"])
"""


@pytest.mark.slow
def test_without_pandas_the_lecture_runs_and_csv_option_names_the_extra(tmp_path):
    command = [sys.executable, "-c", WITHOUT_PANDAS]
    child = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert child.returncode == 2, child.stderr
    assert child.stdout.endswith("----\n")
    assert child.stderr.endswith("moonnet: error: --csv needs pandas: pip install 'moonnet[csv]'\n")
