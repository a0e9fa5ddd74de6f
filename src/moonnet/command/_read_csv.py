"""From a file of comma-separated values, in the dialect it happens to have, to a dataframe of pandas."""

import codecs
import csv
import lzma
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

try:
    import pandas as pd
except ImportError as error:
    raise ImportError("--csv needs pandas: pip install 'moonnet[csv]'") from error

DELIMITERS = ",;\t|"
_SAMPLE = 200  # lines from which the delimiter is told
_POINT, _COMMA = r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?", r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?"
_GROUPED = r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", r"[+-]?\d{1,3}(?:\.\d{3})+,\d+"  # 1,234.5 and 1.234,5


@dataclass
class Table:
    """A file as pandas reads it, and how."""

    path: Path
    text: pd.DataFrame  # each cell as it is written; NaN where it is missing
    options: dict[str, Any]  # what pandas.read_csv is told
    notes: list[str]  # what a reader would not expect
    repeated: set[str]  # names that the file gives to several columns

    @property
    def names(self) -> str:
        """The names of the columns, for a message."""
        return shorten(", ".join(self.text), 300, placeholder=" ...")

    def read(self, dtypes: dict[str, str], na_values: dict[str, list[str]] | None = None) -> pd.DataFrame:
        """Return these columns in these types; cells that are in ``na_values`` are missing as well."""
        options = self.options | ({"na_values": na_values} if na_values else {})
        try:
            return pd.read_csv(self.path, usecols=list(dtypes), dtype=dtypes, **options)[list(dtypes)]
        except ValueError as error:  # pandas 2 raises where a number is too large
            raise ValueError(f"{self.path} holds what pandas cannot read: {error}") from None

    def cells(self) -> pd.DataFrame:
        """Return each cell as it is written, also those that stand for a missing value, such as NA."""
        return pd.read_csv(self.path, dtype=str, na_filter=False, **self.options)

    def write(self, rows: pd.DataFrame, path: Path) -> None:
        """Write rows to a file in UTF-8, delimited like this one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        signs = {"sep": self.options["sep"], "decimal": self.options.get("decimal", ".")}
        rows.to_csv(path, index=False, encoding="utf-8", **signs)

    def is_number(self, cells: "pd.Series[str]") -> "pd.Series[bool]":
        """Return which cells are numbers, with this file's decimal sign."""
        decimal, group = (re.escape(self.options.get(sign, "")) for sign in ("decimal", "thousands"))
        decimal = decimal or r"\."
        whole = rf"(?:\d+|\d{{1,3}}(?:{group}\d{{3}})+)" if group else r"\d+"
        return cells.str.fullmatch(rf"\s*[+-]?(?:{whole}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?\s*", na=False)


def read_table(path: Path) -> Table:
    """Return the file's cells as text; tell encoding, delimiter and decimal sign from what it holds.

    Raises OSError, or ValueError where it is no table.
    """
    try:
        # What Excel calls Unicode text; and Windows-1252, which extends Latin-1 (in which each byte is a character)
        for encoding in ["utf-8-sig", *(["utf-16"] if _starts_as_utf16(path) else []), "cp1252"]:
            try:
                return _read(path, encoding)
            except UnicodeDecodeError:
                continue
        return _read(path, "Latin-1")
    except pd.errors.EmptyDataError:
        raise ValueError(f"{path} is empty. Expected a line of column names, then a line a sample.") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pd.errors.ParserError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise
        raise ValueError(f"{path} is not a CSV file that pandas can read: {error}") from None


def _read(path: Path, encoding: str) -> Table:
    lines = _first_lines(path, encoding)
    delimiter = _delimiter(lines)
    options = {"sep": delimiter, "encoding": encoding, "skipinitialspace": True}
    text = pd.read_csv(path, dtype=str, **options)
    names = next(row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row)
    if not isinstance(text.index, pd.RangeIndex):  # pandas takes what has no name for an index
        raise ValueError(f"{path} names {len(names)} columns, and its lines have more cells than that.")
    if not len(text):
        raise ValueError(f"{path} holds column names and no sample.")
    notes = [f"{path} is not in UTF-8: read as {encoding}"] if encoding != "utf-8-sig" else []
    repeated = [name for name in dict.fromkeys(names) if name and names.count(name) > 1]
    for name in repeated:
        renamed = [column for first, column in zip(names, text.columns, strict=False) if first == name]
        notes.append(f"{path} has {len(renamed)} columns called {name!r}: here they are {', '.join(renamed)}")
    return Table(path, text, options | _number_signs(text, delimiter), notes, set(repeated))


def _starts_as_utf16(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _first_lines(path: Path, encoding: str) -> list[str]:
    """Return the first lines of a file, which pandas decompresses."""
    # With a delimiter that does not occur, and quotes without a meaning, a row is a line
    options: dict[str, Any] = {"sep": "\x1f", "quoting": csv.QUOTE_NONE, "header": None, "nrows": _SAMPLE}
    lines = pd.read_csv(path, encoding=encoding, dtype=str, na_filter=False, skip_blank_lines=False, **options)
    return [f"{line}\n" for line in lines[0]]


def _delimiter(lines: list[str]) -> str:
    """Return the delimiter that gives most lines as many cells as the first one has."""

    def agreement(delimiter: str) -> tuple[bool, float, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
        return widths[0] > 1, widths.count(widths[0]) / len(widths), widths[0]

    if not any(line.strip() for line in lines):
        raise pd.errors.EmptyDataError
    return max(DELIMITERS, key=agreement)


def _number_signs(text: pd.DataFrame, delimiter: str) -> dict[str, str]:
    """Return the decimal sign, where it is a comma, and the sign between groups of three digits, where there is one."""

    def count(pattern: str) -> int:
        return sum(int(text[name].str.fullmatch(pattern, na=False).sum()) for name in text)

    point, comma, (english, german) = count(_POINT), count(_COMMA), map(count, _GROUPED)
    # 1,234 in quotes between commas is a thousand in a file of English style
    if comma + german > point and not (delimiter == "," and comma <= english):
        return {"decimal": ",", **({"thousands": "."} if german else {})}
    return {"thousands": ","} if english else {}
