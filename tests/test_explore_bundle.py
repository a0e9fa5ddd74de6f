"""The bundle of the page's modules, which share one scope there: it computes what the modules would compute apart."""

import re

import pytest
from py_mini_racer import JSParseException, MiniRacer

from moonnet.explore import _bundle
from moonnet.explore._bundle import PAGE, bundle

MODULES = {path.name: path.read_text(encoding="utf-8") for path in sorted(PAGE.glob("*.js"))}
IMPORT = re.compile(r'^import \{ ([\w, ]+) \} from "\./(\w+\.js)";$', re.MULTILINE)
DECLARATION = re.compile(r"^(export )?(?:async )?(?:class|const|function|let) (\w+)", re.MULTILINE)


def imported_names(text):
    """Return pairs of a module and a name that is imported from it."""
    return [(module, name) for names, module in IMPORT.findall(text) for name in names.split(", ")]


def declared_names(text, *, exported=False):
    return [name for export, name in DECLARATION.findall(text) if export or not exported]


def test_bundle_contains_each_module_after_those_that_it_imports():
    order = re.findall(r"^// ---- (.+)$", bundle(), re.MULTILINE)
    assert sorted(order) == sorted(MODULES)
    for importing, text in MODULES.items():
        for module, _ in imported_names(text):
            assert order.index(module) < order.index(importing)


def test_bundle_contains_all_other_lines_of_the_modules():
    parts = re.split(r"^// ---- (.+)$", bundle(), flags=re.MULTILINE)[1:]
    for name, part in zip(parts[::2], parts[1::2], strict=True):
        lines = [line for line in MODULES[name].splitlines() if line and not line.startswith("import ")]
        without_export = [line if "default" in line else line.removeprefix("export ") for line in lines]
        assert [line for line in part.splitlines() if line] == without_export


def test_bundle_needs_no_other_file_and_exports_what_anywidget_calls():
    assert re.findall(r"^ *(?:import|export)\b.*", bundle(), re.MULTILINE) == ["export default { render };"]
    assert "import(" not in bundle()


def test_names_of_modules_differ():
    names = [name for text in MODULES.values() for name in declared_names(text)]
    assert len(names) > 60
    assert sorted(names) == sorted(set(names))


def test_modules_import_what_others_export_and_all_that_they_use():
    homes = {name: module for module, text in MODULES.items() for name in declared_names(text)}
    for importing, text in MODULES.items():
        imported = imported_names(text)
        for module, name in imported:
            assert name in declared_names(MODULES[module], exported=True), (importing, module, name)
        code = re.sub(r'"[^"\n]*"|//.*|\.\.\.', "", IMPORT.sub("", text))
        used = set(re.findall(r"(?<![.\w])[A-Za-z]\w*\b(?!:)", code))
        foreign = {name for name in used & homes.keys() if homes[name] != importing}
        assert foreign == {name for _, name in imported}, importing


def test_bundle_is_valid_javascript():
    script = bundle().replace("export default", "return")
    with MiniRacer() as engine:
        engine.eval(f"(function () {{ 'use strict'; {script} }})")
        with pytest.raises(JSParseException):
            engine.eval(f"(function () {{ 'use strict'; {script} const Explorer = 1; }})")


def test_module_is_bundled_with_those_that_it_imports_only(tmp_path, monkeypatch):
    monkeypatch.setattr(_bundle, "PAGE", tmp_path)
    (tmp_path / "a.js").write_text(
        'import { b } from "./b.js";\nimport { c } from "./c.js";\n\nexport const a = b + c;\n'
    )
    (tmp_path / "b.js").write_text('import { c } from "./c.js";\n\nexport function b() {\n  return c;\n}\n')
    (tmp_path / "c.js").write_text("// Three\n\nexport const c = 3;\n")
    (tmp_path / "d.js").write_text("export const d = 4;\n")
    b_and_c = "// ---- c.js\n\n// Three\n\nconst c = 3;\n\n// ---- b.js\n\nfunction b() {\n  return c;\n}\n"
    assert bundle("b.js") == b_and_c
    assert bundle("a.js") == f"{b_and_c}\n// ---- a.js\n\nconst a = b + c;\n"
