"""Where benchmarks leave their figures, with the machine and the versions that they were taken on."""

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "docs" / "results"
PACKAGES = ("moonnet", "keras", "tensorflow", "jax", "scikit-learn", "numpy", "scikeras", "skorch", "torch")


def processor() -> str:
    """Return the processor's name, as far as the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def read(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text())


def write(name: str, figures: dict[str, Any], packages: Sequence[str] = PACKAGES) -> None:
    """Write a benchmark's figures into the documentation's folder, with the versions of what had a part in them."""
    machine = {"processor": processor(), "cores": os.cpu_count(), "python": platform.python_version()}
    content = {"machine": machine, "versions": {package: version(package) for package in packages}, **_rounded(figures)}
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def _rounded(value: Any) -> Any:
    """Return the value with four digits of each float: more say nothing."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
