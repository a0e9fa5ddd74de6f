"""The page's modules joined into one, because anywidget loads a single file."""

import re
from pathlib import Path

PAGE = Path(__file__).parent / "page"
_IMPORT = re.compile(r'^import \{ [\w, ]+ \} from "\./(\w+\.js)";\n+', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=async |class |const |function |let )", re.MULTILINE)


def bundle(name: str = "main.js") -> str:
    """Return a module of the page and those that it imports as one module, each after those that it imports.

    They share one scope, so each needs names of its own. Declarations lose their ``export``; the default export of
    ``main.js`` remains.
    """
    modules: dict[str, str] = {}

    def add(name: str) -> None:
        if name not in modules:
            text = (PAGE / name).read_text(encoding="utf-8")
            for imported in _IMPORT.findall(text):
                add(imported)
            modules[name] = f"// ---- {name}\n\n{_EXPORT.sub('', _IMPORT.sub('', text))}"

    add(name)
    return "\n".join(modules.values())
