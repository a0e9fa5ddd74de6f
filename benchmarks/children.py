"""Processes of their own, where imports, compilation or memory are what is measured."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def run_python(*arguments: Any) -> str:
    """Run Python in this folder and return what it printed."""
    child = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    assert child.returncode == 0, child.stderr
    return child.stdout


def figures_of(*arguments: Any) -> Any:
    """Run Python in this folder and return the figures that it printed as JSON in its last line."""
    return json.loads(run_python(*arguments).splitlines()[-1])
