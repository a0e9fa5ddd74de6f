"""Read a CSV file into a dataframe; infer its encoding, delimiter and decimal sign."""

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
_N_LINES = 200  # from which the delimiter is inferred
# Numbers with a decimal point or comma, and with separators between thousands: 1,234.5 and 1.234,5
_POINT, _COMMA = r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?", r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?"
_COMMA_GROUPS, _POINT_GROUPS = r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", r"[+-]?\d{1,3}(?:\.\d{3})+,\d+"


@dataclass
class Table:
    """A CSV file as text, with the arguments that read it."""

    path: Path
    text: pd.DataFrame  # cells as strings; NaN if missing
    options: dict[str, Any]  # keyword arguments of pandas.read_csv
    notes: list[str]  # messages about the file, to be printed
    duplicates: set[str]  # names that several columns of the file share

    @property
    def column_list(self) -> str:
        """The names of the columns, shortened for a message."""
        return shorten(", ".join(self.text), 300, placeholder=" ...")

    def read(self, dtypes: dict[str, str], na_values: dict[str, list[str]] | None = None) -> pd.DataFrame:
        """Return these columns with these dtypes; cells listed in ``na_values`` by column are missing values too."""
        options = self.options | ({"na_values": na_values} if na_values else {})
        try:
            return pd.read_csv(self.path, usecols=list(dtypes), dtype=dtypes, **options)[list(dtypes)]
        except ValueError as error:  # pandas 2 raises if a number is too large
            raise ValueError(f"{self.path} contains values that pandas cannot read: {error}") from None

    def raw_cells(self) -> pd.DataFrame:
        """Return all cells as strings, also those that pandas takes for missing values, such as NA."""
        return pd.read_csv(self.path, dtype=str, na_filter=False, **self.options)

    def write(self, rows: pd.DataFrame, path: Path) -> None:
        """Write rows to a file in UTF-8, with the delimiter and decimal sign of this file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        dialect = {"sep": self.options["sep"], "decimal": self.options.get("decimal", ".")}
        rows.to_csv(path, index=False, encoding="utf-8", **dialect)

    def is_number(self, cells: "pd.Series[str]") -> "pd.Series[bool]":
        """Return which cells are numbers, written with the decimal sign of this file."""
        decimal, group = (re.escape(self.options.get(sign, "")) for sign in ("decimal", "thousands"))
        decimal = decimal or r"\."
        integer = rf"(?:\d+|\d{{1,3}}(?:{group}\d{{3}})+)" if group else r"\d+"
        return cells.str.fullmatch(
            rf"\s*[+-]?(?:{integer}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?\s*", na=False
        )


def read_table(path: Path) -> Table:
    """Read a file as text and infer its encoding, delimiter and decimal sign.

    Raises OSError, or ValueError if the file is not a CSV file with rows.
    """
    try:
        # UTF-16 is what Excel saves as "Unicode text"; Latin-1 decodes any bytes, and Windows-1252 most of them
        for encoding in ["utf-8-sig", *(["utf-16"] if _starts_as_utf16(path) else []), "cp1252"]:
            try:
                return _read(path, encoding)
            except UnicodeDecodeError:
                continue
        return _read(path, "Latin-1")
    except pd.errors.EmptyDataError:
        raise ValueError(
            f"{path} is empty. Expected a line of column names, followed by one line per sample."
        ) from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pd.errors.ParserError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise
        raise ValueError(f"{path} is not a CSV file that pandas can read: {error}") from None


def _read(path: Path, encoding: str) -> Table:
    lines = _first_lines(path, encoding)
    delimiter = _infer_delimiter(lines)
    options = {"sep": delimiter, "encoding": encoding, "skipinitialspace": True}
    text = pd.read_csv(path, dtype=str, **options)
    names = next(row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row)
    if not isinstance(text.index, pd.RangeIndex):  # pandas uses the first cells as an index
        raise ValueError(f"{path} has {len(names)} column names, but more cells in each row.")
    if not len(text):
        raise ValueError(f"{path} contains column names but no rows.")
    notes = [f"{path} is not encoded in UTF-8; reading it as {encoding}"] if encoding != "utf-8-sig" else []
    duplicates = [name for name in dict.fromkeys(names) if name and names.count(name) > 1]
    for name in duplicates:
        renamed = [column for original, column in zip(names, text.columns, strict=False) if original == name]
        notes.append(f"{path} has {len(renamed)} columns named {name!r}; they are renamed to {', '.join(renamed)}")
    return Table(path, text, options | _infer_number_format(text, delimiter), notes, set(duplicates))


def _starts_as_utf16(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _first_lines(path: Path, encoding: str) -> list[str]:
    """Return the first lines of a file that may be compressed."""
    # pandas decompresses; with a delimiter that does not occur and no quoting, each row is a line
    options: dict[str, Any] = {"sep": "\x1f", "quoting": csv.QUOTE_NONE, "header": None, "nrows": _N_LINES}
    lines = pd.read_csv(path, encoding=encoding, dtype=str, na_filter=False, skip_blank_lines=False, **options)
    return [f"{line}\n" for line in lines[0]]


def _infer_delimiter(lines: list[str]) -> str:
    """Return the delimiter with which most rows have as many cells as the first."""

    def agreement(delimiter: str) -> tuple[bool, float, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
        return widths[0] > 1, widths.count(widths[0]) / len(widths), widths[0]

    if not any(line.strip() for line in lines):
        raise pd.errors.EmptyDataError
    return max(DELIMITERS, key=agreement)


def _infer_number_format(text: pd.DataFrame, delimiter: str) -> dict[str, str]:
    """Return the arguments ``decimal`` and ``thousands`` of pandas.read_csv that differ from its defaults."""

    def count(pattern: str) -> int:
        return sum(int(text[name].str.fullmatch(pattern, na=False).sum()) for name in text)

    n_point, n_comma, n_comma_groups, n_point_groups = map(count, (_POINT, _COMMA, _COMMA_GROUPS, _POINT_GROUPS))
    # In a file delimited by commas, a quoted "1,234" is a number with a thousands separator
    if n_comma + n_point_groups > n_point and not (delimiter == "," and n_comma <= n_comma_groups):
        return {"decimal": ",", **({"thousands": "."} if n_point_groups else {})}
    return {"thousands": ","} if n_comma_groups else {}
