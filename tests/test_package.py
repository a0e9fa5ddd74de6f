"""The distributions: contents of the archives, and the wheel installed in a new virtual environment."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import moonnet

pytestmark = pytest.mark.package

ROOT = Path(__file__).parents[1]
SMOKE = """
import pickle, sys
from importlib.metadata import version
from pathlib import Path

import moonnet
from moonnet.plotting import DecisionRegionDisplay
from sklearn.datasets import make_moons
from sklearn.model_selection import cross_val_score

assert Path(moonnet.__file__).is_relative_to(sys.prefix), moonnet.__file__
X, y = make_moons(200, noise=0.2, random_state=0)
clf = moonnet.KerasMoonClassifier(random_state=0).fit(X, y)
assert (pickle.loads(pickle.dumps(clf)).predict(X) == clf.predict(X)).all()
assert cross_val_score(clf, X, y).mean() > 0.8
assert clf.model_.count_params() == 1191
DecisionRegionDisplay.from_estimator(clf, X, y).figure_.savefig("regions.png")
print(version("moonnet"))
"""


def run(*command, folder, **settings):
    """Run a command in a folder, without this process's settings of Python and the engines, and return its stdout."""
    excluded = ("JAX_", "KERAS_", "PYTHON", "TF_", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(excluded)}
    child = subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env=environment | settings,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert child.returncode == 0, child.stdout + child.stderr
    return child.stdout


def tracked_files(*paths):
    """Return the files under these paths that git tracks; skip the test if this is not a clone."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    return set(run("git", "ls-files", *paths, folder=ROOT).splitlines())


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The source distribution and the wheel built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--installer", "uv", "--outdir", folder, ROOT, folder=folder)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def test_twine_accepts_both_archives(archives):
    assert run(sys.executable, "-m", "twine", "check", "--strict", *archives, folder=ROOT).count("PASSED") == 2


def test_sdist_contains_the_tracked_files_except_ci_settings(archives):
    with tarfile.open(archives[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    # hatchling adds .gitignore although it is excluded
    excluded_files = tracked_files(".ci", ".gitignore", ".pre-commit-config.yaml")
    assert names - {".gitignore"} == tracked_files() - excluded_files | {"PKG-INFO"}


def test_wheel_contains_only_the_package(archives):
    with zipfile.ZipFile(archives[1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == {name.removeprefix("src/") for name in tracked_files("src")}
    assert "moonnet/py.typed" in names


def test_lecture_and_fit_run_from_the_installed_wheel(archives, tmp_path):
    uv = [sys.executable, "-m", "uv"]
    run(*uv, "venv", "--python", sys.executable, "environment", folder=tmp_path)
    run(*uv, "pip", "install", "--python", "environment", archives[1], folder=tmp_path)
    scripts = tmp_path / "environment" / ("Scripts" if os.name == "nt" else "bin")
    printed = run(scripts / "moonnet", folder=tmp_path)
    assert "accuracy" in printed
    assert len(list((tmp_path / "moonnet-lecture").glob("*.png"))) == 3
    assert run(scripts / "python", "-c", SMOKE, folder=tmp_path).strip() == moonnet.__version__


WITHOUT_TENSORFLOW = """
import importlib.util, pickle
import moonnet
from sklearn.datasets import make_moons

X, y = make_moons(200, noise=0.2, random_state=0)
clf = moonnet.KerasMoonClassifier(random_state=0, warm_start=True).fit(X, y)
clf.model_.summary(print_fn=lambda line, **_: None)
print(pickle.loads(pickle.dumps(clf)).partial_fit(X, y).score(X, y) > 0.8, importlib.util.find_spec("tensorflow"))
"""


def test_moonnet_works_without_tensorflow_as_the_page_on_installation_says(archives, tmp_path):
    page = (ROOT / "docs/installation.md").read_text()
    (packages,) = re.findall(r"^\.venv/bin/pip install (contourpy .*)\n.*--no-deps -e \.\n", page, re.MULTILINE)
    uv = [sys.executable, "-m", "uv"]
    run(*uv, "venv", "--python", sys.executable, "environment", folder=tmp_path)
    run(*uv, "pip", "install", "--python", "environment", *packages.split(), folder=tmp_path)
    run(*uv, "pip", "install", "--python", "environment", "--no-deps", archives[1], folder=tmp_path)
    python = tmp_path / "environment" / ("Scripts" if os.name == "nt" else "bin") / "python"
    printed = run(python, "-c", WITHOUT_TENSORFLOW, folder=tmp_path, KERAS_BACKEND="jax")
    assert printed == "True None\n"
