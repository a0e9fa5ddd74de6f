"""The README: its examples, supported versions, links and length."""

import contextlib
import io
import re
import tomllib
from pathlib import Path

import pytest

import moonnet

pytestmark = pytest.mark.trains

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def test_supported_versions_match_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    floors = dict(requirement.lower().split(">=") for requirement in project["dependencies"])
    sentence = re.search(r"moonnet runs on (.*?)\. It needs at least (.*?)\.\n", README.read_text("utf-8"), re.DOTALL)
    pythons, others = sentence.groups()
    named = dict(re.findall(r"([\w-]+) (\d[\d.]*\d|\d)", others.lower()))
    assert named == {name: floor for name, floor in floors.items() if name not in ("contourpy", "rich")}
    first, last = re.fullmatch(r"Python 3\.(\d+) to 3\.(\d+)", pythons).groups()
    classified = re.findall(r"Python :: 3\.(\d+)", " ".join(project["classifiers"]))
    assert [*map(int, classified)] == list(range(int(first), int(last) + 1))
    assert project["requires-python"] == f">=3.{first}"


def test_citation_file_has_the_version_of_the_package():
    assert f"version: {moonnet.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


@pytest.mark.slow
def test_examples_print_the_output_shown_in_the_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 4
    names = {}
    for code, expected in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, README.name, "exec"), names)
        assert printed.getvalue() == expected
    assert (tmp_path / "decision_regions.png").stat().st_size > 10_000


def test_readme_fits_on_a_page_and_its_relative_links_exist():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert len(targets) > 15
    assert [target for target in targets if not (ROOT / target).exists()] == []
