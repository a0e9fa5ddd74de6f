"""Read a CSV file into a dataframe; infer its encoding, delimiter and number formats."""

import bz2
import codecs
import csv
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from textwrap import shorten
from typing import IO, Any, NamedTuple

import numpy as np

try:
    import pandas as pd
except ImportError as error:
    raise ImportError("--csv needs pandas: pip install 'moonnet[csv]'") from error

from moonnet.preprocessing._numbers import number_pattern
from moonnet.tables._number_format import NumberFormat, fullmatch, infer_number_formats

DELIMITERS = ",;\t|"
# The delimiter is inferred from so many lines, and at most so many characters
_MAX_LINES, _MAX_CHARACTERS = 200, 10**6
# Excel's first line, which names the delimiter
_DELIMITER_LINE = re.compile(r'"?sep=([^\w\s"]|\t)"?(?:\r\n|\r|\n)', re.IGNORECASE)
# A long cell counts like a short one: csv.reader refuses cells of more than 131,072 characters
_LONG_CELL, _LONG_QUOTED_CELL = re.compile(r'[^",;|\t\r\n]{100,}'), re.compile(r'"[^"]{1000,}"')
_NOT_CSV = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, pd.errors.ParserError)


@dataclass
class Table:
    """A CSV file as text, with the arguments that read it."""

    path: Path
    content: str  # the whole file: it is read once, since it may change, or be a pipe
    cells: pd.DataFrame  # as strings; NaN if empty
    text: pd.DataFrame  # the cells without spaces around them
    options: dict[str, Any]  # keyword arguments of pandas.read_csv
    file_format: NumberFormat  # that of pandas.read_csv with these options
    formats: dict[str, NumberFormat]  # of the columns of numbers
    notes: list[str]  # messages about the file, to be printed
    duplicates: set[str]  # names that several columns of the file share
    padded: set[str]  # columns with spaces around cells
    ambiguous: dict[str, str]  # an ambiguous number of each column that has one

    @property
    def column_list(self) -> str:
        """The names of the columns, shortened for a message."""
        return shorten(", ".join(self.text), 300, placeholder=" ...")

    def read(self, dtypes: Mapping[str, str], missing: Mapping[str, Sequence[str]] | None = None) -> pd.DataFrame:
        """Return these columns with these dtypes; ``missing`` lists cells that stand for missing values by column."""
        options = self.options | {"encoding": None, "na_values": self.na_values(dtypes, missing or {})}
        try:
            rows = pd.read_csv(io.StringIO(self.content), usecols=list(dtypes), dtype=dict(dtypes), **options)
        except ValueError as error:  # pandas 2 raises if a number is too large
            raise ValueError(f"{self.path} contains values that pandas cannot read: {error}") from None
        padded = [name for name in dtypes if dtypes[name] == "str" and name in self.padded]
        return rows[list(dtypes)].assign(**{name: rows[name].str.strip() for name in padded})

    def na_values(self, names: Iterable[str], missing: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Return pandas's ``na_values``: empty cells and those to treat as missing, with the spaces around them."""
        return {name: ["", *self._cells_like(name, missing.get(name, []))] for name in names}

    def _cells_like(self, name: str, texts: Sequence[str]) -> list[str]:
        """Return the cells of a column with one of these texts, or only spaces, as in the file."""
        if name not in self.padded:
            return list(texts)
        cells, text = self.cells[name], self.text[name]
        return cells[text.isin(list(texts)) | (text.isna() & cells.notna())].unique().tolist()

    def raw_cells(self) -> pd.DataFrame:
        """Return all cells as in the file; empty cells are empty strings."""
        return self.cells.fillna("")

    def write(self, rows: pd.DataFrame, path: Path) -> None:
        """Write rows to a file in UTF-8, with the delimiter and decimal sign of this file."""
        dialect = {"sep": self.options["sep"], "decimal": self.options.get("decimal", ".")}
        rows.to_csv(path, index=False, encoding="utf-8", **dialect)

    def number_format(self, name: str) -> NumberFormat:
        """Return how the numbers of a column are written."""
        return self.formats.get(name, self.file_format)

    def ambiguity_notes(self) -> dict[str, str]:
        """Return how an ambiguous number of each column that has one is read."""
        return {
            name: f"column {name!r} is ambiguous: {cell!r} is read as {self.formats[name].normalise(cell)}"
            for name, cell in self.ambiguous.items()
        }

    def settle_format(self, name: str, decimal: str, thousands: str) -> None:
        """Read the numbers of a column with these signs, as in training, if the file does not show which it uses."""
        if name in self.ambiguous:
            self.notes.remove(self.ambiguity_notes()[name])
            self.formats[name] = replace(self.formats[name], decimal=decimal, thousands=thousands)
            self.notes.append(f"{self.ambiguity_notes()[name]}, as in training")

    def pandas_reads_numbers(self, name: str) -> bool:
        """Return whether pandas.read_csv reads the numbers of a column, with the same options as the whole file."""
        column, file = self.number_format(name), self.file_format
        if column.unit or column.decimal != file.decimal or column.thousands not in ("", file.thousands):
            return False
        cells = self.cells[name]
        return name not in self.padded or bool((cells.str.strip(" ") == cells.str.strip()).all())

    def is_number(self, cells: "pd.Series[str]") -> "pd.Series[bool]":
        """Return which cells of a column are numbers, written as the other numbers of the column."""
        column = self.number_format(str(cells.name))
        return fullmatch(cells, number_pattern(column.unit, column.decimal, column.thousands))

    def lacks_unit(self, cells: "pd.Series[str]", unit: str) -> "pd.Series[bool]":
        """Return which cells of a column are numbers without this unit."""
        return self.is_number(cells) & ~cells.str.contains(unit, regex=False)


def read_table(
    path: Path, content: bytes | None = None, *, max_bytes: int | None = None, max_columns: int | None = None
) -> Table:
    """Read a file, or its content, as text and infer its encoding, delimiter and number formats.

    Raises OSError, or ValueError if the file is not a CSV file with rows, or exceeds a limit.
    """
    try:
        # One read, also of a pipe: the file may change meanwhile, and predictions must stay beside their rows
        content = _decompress(path.read_bytes() if content is None else content, path, max_bytes)
        return _parse(path, *_decode(content), max_columns)
    except pd.errors.EmptyDataError:
        raise ValueError(
            f"{path} is empty. Expected a line of column names, followed by one line per sample."
        ) from None
    except _NOT_CSV as error:
        if isinstance(error, OSError) and error.strerror:
            raise
        raise ValueError(f"{path} is not a CSV file that pandas can read: {error}") from None


def _decompress(content: bytes, path: Path, max_bytes: int | None) -> bytes:
    """Return the content of a file, which is compressed if its name says so, as in pandas.read_csv."""
    with ExitStack() as closing:
        unpacked = _open(content, path.name.lower(), closing)
        content = unpacked.read(-1 if max_bytes is None else max_bytes + 1)
    if max_bytes is not None and len(content) > max_bytes:
        raise ValueError(f"{path} must be at most {max_bytes / 2**20:.0f} MB. Got a larger file.")
    return content


def _open(content: bytes, name: str, closing: ExitStack) -> IO[bytes]:
    file = io.BytesIO(content)
    if re.search(r"\.tar(\.(gz|bz2|xz))?$", name):
        tar = closing.enter_context(tarfile.open(fileobj=file))  # noqa: SIM115
        return closing.enter_context(tar.extractfile(_only_file(tar.getnames())) or io.BytesIO())
    if name.endswith(".zip"):
        archive = closing.enter_context(zipfile.ZipFile(file))
        return closing.enter_context(archive.open(_only_file(archive.namelist())))
    openers: dict[str, Callable[[IO[bytes]], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    opener = openers.get(Path(name).suffix)
    return closing.enter_context(opener(file)) if opener else file


def _only_file(names: list[str]) -> str:
    if len(names) != 1:
        raise EOFError(f"expected an archive of one file, got {len(names)} files")
    return names[0]


def _decode(content: bytes) -> tuple[str, str]:
    """Return the text and its encoding."""
    # UTF-16 is what Excel saves as "Unicode text"; Latin-1 decodes any bytes, and Windows-1252 most of them
    is_utf16 = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    for encoding in ["utf-8-sig", *(["utf-16"] if is_utf16 else []), "cp1252"]:
        try:
            return content.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    return content.decode("Latin-1"), "Latin-1"


def _parse(path: Path, content: str, encoding: str, max_columns: int | None) -> Table:
    if "\0" in content:
        raise pd.errors.ParserError("it contains bytes that are not text")
    header = _read_header(path, content)
    if max_columns is not None and len(header.names) > max_columns:
        raise ValueError(f"{path} must have at most {max_columns} columns. Got {len(header.names)}.")
    options = {"sep": header.delimiter, "encoding": encoding, "skipinitialspace": True, "keep_default_na": False}
    options |= {"skiprows": 1} if header.has_delimiter_line else {}
    names = [name.strip() for name in header.names]
    options |= {} if names == header.names else {"header": 0, "names": _unique(names)}
    cells = pd.read_csv(io.StringIO(content), dtype=object, na_values=[""], **(options | {"encoding": None}))
    if not isinstance(cells.index, pd.RangeIndex):  # pandas uses the first cells as an index
        raise ValueError(_more_cells(path, names))
    if not len(cells):
        raise ValueError(f"{path} contains column names but no rows.")
    notes = [f"{path} is not encoded in UTF-8; reading it as {encoding}"] if encoding != "utf-8-sig" else []
    duplicates = [name for name, number in Counter(names).items() if name and number > 1]
    for name in duplicates:
        renamed = [column for original, column in zip(names, cells.columns, strict=False) if original == name]
        notes.append(f"{path} has {len(renamed)} columns named {name!r}; they are renamed to {', '.join(renamed)}")
    text, padded = _strip(cells)
    file_format, formats, ambiguous = infer_number_formats(text, header.delimiter)
    options |= {} if file_format.decimal == "." else {"decimal": file_format.decimal}
    options |= {"thousands": file_format.thousands} if file_format.thousands else {}
    table = Table(path, content, cells, text, options, file_format, formats, notes, set(duplicates), padded, ambiguous)
    notes += table.ambiguity_notes().values()
    return table


def _strip(cells: pd.DataFrame) -> tuple[pd.DataFrame, set[str]]:
    """Return the cells without spaces around them, and the names of the columns in which there were any."""
    # In Python, because files of many columns are common and pandas takes a millisecond for each
    columns = dict(zip(cells, cells.to_numpy(object).T, strict=True))
    padded = {
        name
        for name, column in columns.items()
        if any(isinstance(cell, str) and cell.strip() != cell for cell in column)
    }
    stripped = {name: cells[name].str.strip().replace("", np.nan) for name in padded}
    return cells.assign(**stripped) if padded else cells, padded


def _more_cells(path: Path, names: Sequence[str]) -> str:
    return f"{path} has {len(names)} column name{'s' * (len(names) > 1)}, but more cells in each row."


class _Header(NamedTuple):
    names: list[str]
    delimiter: str
    has_delimiter_line: bool


def _read_header(path: Path, content: str) -> _Header:
    delimiter_line = _DELIMITER_LINE.match(content)
    body = content[delimiter_line.end() :] if delimiter_line else content
    delimiter = delimiter_line[1] if delimiter_line else _infer_delimiter(body)
    try:
        rows = _read_rows(io.StringIO(body, newline=""), delimiter)
        names = next(rows, None)
    except csv.Error as error:
        raise ValueError(f"{path} must start with a line of column names: {error}.") from None
    if names is None:
        raise pd.errors.EmptyDataError
    try:
        if len(next(rows, [])) > len(names):  # pandas would make an index of the additional cells
            raise ValueError(_more_cells(path, names))
    except csv.Error:  # a very long cell, which pandas reads
        pass
    return _Header(names, delimiter, delimiter_line is not None)


def _read_rows(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the cells of each row that is not blank. Raises csv.Error if a cell is very long."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    return (row for row in reader if len(row) > 1 or "".join(row).strip())


def _infer_delimiter(content: str) -> str:
    """Return the delimiter with which most rows have as many cells as the first."""
    start = _LONG_QUOTED_CELL.sub('"x"', _LONG_CELL.sub("x", content[:_MAX_CHARACTERS]))
    lines = list(islice(io.StringIO(start, newline=""), _MAX_LINES))
    if len(content) > _MAX_CHARACTERS and "".join(lines[:-1]).strip() and len(lines) < _MAX_LINES:
        del lines[-1]  # it may be cut off

    def agreement(delimiter: str) -> tuple[bool, float, int]:
        try:
            widths = [len(row) for row in _read_rows(lines, delimiter)]
        except csv.Error:  # a row is one very long cell
            widths = []
        return (widths[0] > 1, widths.count(widths[0]) / len(widths), widths[0]) if widths else (False, 0, 0)

    return max(DELIMITERS, key=agreement)


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names as pandas changes them: empty ones and those of earlier columns get a number."""
    unique: dict[str, None] = {}
    for index, name in enumerate(names):
        name = name or f"Unnamed: {index}"
        candidates = (f"{name}.{number}" if number else name for number in count())
        unique[next(candidate for candidate in candidates if candidate not in unique)] = None
    return list(unique)
