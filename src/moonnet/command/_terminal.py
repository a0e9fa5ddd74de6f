"""Print on a terminal: names from files neither control it nor end the run."""

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Control characters but tab and line feed, and characters that break lines or reverse the direction of text
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def echo(text: str = "") -> None:
    """Print text that may contain names from a file."""
    print(escape_controls(text))


def escape_controls(text: str) -> str:
    r"""Return the text with control characters written as in Python, such as \x1b."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def one_line(text: str) -> str:
    """Return the text in one line, without control characters."""
    return escape_controls(" ".join(text.split()))


@contextmanager
def plain_output(prog: str) -> Iterator[None]:
    """Write characters that the terminal lacks as in Python, and each warning once, in one line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    shown = set()

    def show_warning(message: Any, *_: Any, **__: Any) -> None:
        line = f"{prog}: warning: {one_line(str(message))}"
        if line not in shown:
            shown.add(line)
            print(line, file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show_warning
        yield
