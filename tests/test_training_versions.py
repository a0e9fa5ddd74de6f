"""The versions in the names of files on disk."""

import sys
import types
from importlib.metadata import PackageNotFoundError, version

import pytest

from helpers import run_python
from moonnet.training import _versions

MODULES = ("losses", "networks", "training")


@pytest.fixture
def code(tmp_path, monkeypatch):
    """A folder with packages of moonnet's names, whose code is what is read."""
    for name in MODULES:
        (tmp_path / name / "below").mkdir(parents=True)
        (tmp_path / name / "below" / "module.py").write_text(name)
    monkeypatch.setattr(_versions, "__file__", str(tmp_path / "training" / "_versions.py"))
    monkeypatch.setattr(_versions, "_digest_of_code", _versions._digest_of_code.__wrapped__)
    return tmp_path


def test_versions_change_with_keras_and_with_each_module(code, monkeypatch):
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    seen = [_versions.versions()]
    assert seen[0].startswith(f"keras-{version('keras')}-moonnet-")
    assert _versions.versions() == seen[0]
    for name in MODULES:
        (code / name / "below" / "module.py").write_text("changed")
        seen.append(_versions.versions())
    monkeypatch.setitem(sys.modules, "keras", types.SimpleNamespace(__version__="0.1"))  # not that of the metadata
    seen.append(_versions.versions())
    assert seen[-1].startswith("keras-0.1-")
    assert len(set(seen)) == len(MODULES) + 2


def test_versions_are_unknown_without_code_or_metadata(code, monkeypatch):
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(_versions, "version", lambda name: (_ for _ in ()).throw(PackageNotFoundError(name)))
        assert _versions.versions() is None
    for path in code.rglob("*.py"):
        path.rename(path.with_suffix(".pyc"))  # code without sources
    assert _versions.versions() is None


@pytest.mark.slow
def test_fit_needs_no_metadata_of_keras(tmp_path):
    program = """
import importlib.metadata
def version(name, version=importlib.metadata.version):
    if name == "keras":
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)
importlib.metadata.version = version
from moonnet import KerasMoonClassifier
KerasMoonClassifier((2,), epochs=1, batch_size=2).fit([[0.0], [1.0]], [0, 1])
"""
    run_python(program, MOONNET_CACHE=str(tmp_path))
