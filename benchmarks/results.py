"""Read and write the records of benchmarks, with the machine and the package versions."""

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
    """Return the processor's name, or its architecture if the system does not report one."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def read(name: str) -> dict[str, Any]:
    """Return the record of a benchmark."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def write(name: str, figures: dict[str, Any], packages: Sequence[str] = PACKAGES) -> None:
    """Record a benchmark's figures in ``docs/results``, with the versions of the packages it used."""
    machine = {"processor": processor(), "cores": os.cpu_count(), "python": platform.python_version()}
    content = {"machine": machine, "versions": {package: version(package) for package in packages}, **_rounded(figures)}
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def print_machine(packages: Sequence[str]) -> None:
    """Print the versions of the packages that a benchmark uses, and the number of cores."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    print(f"Python {platform.python_version()}, {versions}, {os.cpu_count()} cores")


def _rounded(value: Any) -> Any:
    """Return the value with each float rounded to four significant digits."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
