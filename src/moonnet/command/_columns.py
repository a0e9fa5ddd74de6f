"""Infer what each column of a table holds: numbers, categories, dates, or nothing to train on."""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from textwrap import shorten
from typing import Any

import pandas as pd
from pandas.tseries.api import guess_datetime_format

from moonnet.command._read_csv import Table

# A target of integers with more distinct values than this is a regression
MAX_CLASSES = 20
# A table of more columns than this is printed with one line for all columns of a kind
MAX_LINES = 40
# Beyond it, float64 no longer distinguishes all integers
_LARGEST_EXACT = 2**53
# A column of numbers may contain this share of other cells, of this many kinds, which count as missing values
_MAX_MARKER_SHARE, _MAX_MARKERS = 0.1, 5
# If all integers of a column differ, only its name distinguishes an identifier from a measurement
_IDENTIFIER_NAME = re.compile(
    r"(?i:(?:.*[\W_])?(?:id|key|index|uuid|guid|no|nr|number|code)[\W_]*)|.*[a-z](?:Id|ID|Key|Nr|No)"
)
# Numbers with a currency, a percent sign or a unit: $1,234.50, 12 %, 81.0 kg
_NUMBER_WITH_UNIT = r"\s*(?:[$€£¥]|[A-Z]{3}\s)?\s*[+-]?\d[\d.,]*\s*(?:[$€£¥%°]|\s[A-Za-zµ°²³/]{1,5})?\s*"
_ISO_DATE = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
# Formats that pandas does not guess: two-digit years and 12-hour times
_MORE_FORMATS = ["%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%y", "%d/%m/%Y %I:%M %p", "%m/%d/%Y %I:%M %p"]


@dataclass(frozen=True)
class Column:
    """The content of a column, and how it is preprocessed."""

    name: str
    kind: str  # "number", "category" or "date"; empty if the column is dropped
    content: str  # as printed
    preprocessing: str  # as printed
    date_format: str = ""
    missing_markers: list[str] = field(default_factory=list)  # cells among numbers that stand for missing values


@dataclass(frozen=True)
class Target:
    """The column to predict."""

    name: str
    is_regression: bool
    dtype: str  # of y
    content: str  # as printed
    missing_markers: list[str]  # cells among numbers that stand for missing values


def infer_columns(
    table: Table, target: str, features: Sequence[str] | None, task: str | None, *, month_first: bool
) -> tuple[Target, list[Column]]:
    """Infer the target and the other columns, or only the given features.

    If ``task`` is None, the values of the target decide. Given features are dropped only if they are empty. Raises
    ValueError.
    """
    _check_names(table, target, features or [])
    names = table.text.columns.drop(target) if features is None else features
    columns = [infer_column(table, name, required=features is not None, month_first=month_first) for name in names]
    if not any(column.kind for column in columns):
        dropped = ", ".join(f"{column.name} ({column.content})" for column in columns[:5]) or "no other column"
        raise ValueError(f"{table.path} must have a column to predict {target!r} from. Got {dropped}.")
    return _infer_target(table, target, task), columns


def _check_names(table: Table, target: str, features: Sequence[str]) -> None:
    for name in [target, *features]:
        if name not in table.text:
            raise ValueError(f"{table.path} has no column {name!r}. Its columns are {table.column_list}.")
        if name in table.duplicates:
            raise ValueError(f"{table.path} has several columns named {name!r}. Rename them to use one.")
    if target in features:
        raise ValueError(f"--features must not contain the target {target!r}.")
    if len(set(features)) < len(features):
        raise ValueError(f"--features must name each column once. Got {', '.join(features)} instead.")


def format_columns(target: Target, columns: Sequence[Column]) -> list[str]:
    """Return the lines of a table of the columns; if there are many, similar ones share a line."""
    rows = [(column.name, column.content, column.preprocessing) for column in columns]
    if len(rows) > MAX_LINES:
        groups: dict[tuple[str, str], list[str]] = {}
        for column in columns:
            groups.setdefault((re.split("[,;]", column.content)[0], column.preprocessing), []).append(column.name)
        rows = [
            (_shorten_names(names), f"{len(names)} columns: {content}", how) for (content, how), names in groups.items()
        ]
    rows = [("column", "content", "preprocessing"), *rows, (target.name, target.content, "")]
    cells = [[shorten(cell, 100, placeholder=" ...") for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in cells) for index in range(2)]
    return [f"{name:{widths[0]}}  {content:{widths[1]}}  {how}".rstrip() for name, content, how in cells]


def _shorten_names(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{names[0]}, {names[1]}, ... {names[-1]}"


def _infer_target(table: Table, name: str, task: str | None) -> Target:
    cells = table.text[name]
    if cells.isna().all():
        raise ValueError(f"column {name!r} of {table.path} must contain the target. All its cells are empty.")
    numeric = table.is_number(cells)
    markers = find_missing_markers(table, cells.dropna()) or []
    if task is None:
        is_regression = _is_regression(table, cells[numeric if markers else cells.notna()])
    else:
        is_regression = task == "regression"
    if not is_regression:
        markers = []
    known = cells.notna() & ~cells.isin(markers)
    if is_regression and not numeric[known].all():
        got = cells[known & ~numeric].iloc[0]
        raise ValueError(f"column {name!r} of {table.path} must contain only numbers for a regression. Got {got!r}.")
    cells = cells[known]
    n_distinct = cells.nunique()
    content = (
        f"target: {f'numbers, {n_distinct} distinct' if is_regression else _count(n_distinct, 'class', 'classes')}"
    )
    content += "" if known.all() else f"; {_count((~known).sum(), 'row')} without target dropped"
    dtype = "float64" if is_regression else "int64" if _are_plain_integers(cells) else "str"
    return Target(name, is_regression, dtype, content, markers)


def _is_regression(table: Table, cells: "pd.Series[str]") -> bool:
    """Return whether the target is regressed on: numbers with fractions, or more than 20 distinct integers."""
    if not table.is_number(cells).all() or _loses_digits(cells):
        return False
    is_integer = cells.str.strip().str.fullmatch(r"[+-]?\d+(?:\.0*)?")
    return not is_integer.all() or cells.nunique() > MAX_CLASSES


def infer_column(table: Table, name: str, *, required: bool, month_first: bool) -> Column:
    """Infer the kind of a column. A required column is dropped only if it is empty."""
    cells = table.text[name].dropna()
    reason = None if required and len(cells) else _reason_to_drop(table, name, cells)
    if reason:
        return Column(name, "", reason, "dropped")
    missing = f", {len(table.text) - len(cells)} missing" if len(cells) < len(table.text) else ""
    markers = find_missing_markers(table, cells)
    if markers is not None and not _loses_digits(cells[table.is_number(cells)]):
        n_marked = int(cells.isin(markers).sum())
        marked = f", {n_marked} treated as missing ({', '.join(map(repr, markers))})" if markers else ""
        preprocessing = "missing values replaced by the median, standardised" if missing or markers else "standardised"
        return Column(name, "number", f"number{missing}{marked}", preprocessing, missing_markers=markers)
    formats = list(_date_formats(cells))
    if formats:
        date_format = formats[-1] if month_first else formats[0]
        content = f"date, {_readable(date_format)}{missing}"
        if len(formats) > 1:
            content += " (ambiguous: --month-first is set)" if month_first else " (ambiguous: see --month-first)"
        return Column(name, "date", content, "days since 1970-01-01, standardised", date_format)
    content = f"category, {_count(cells.nunique(), 'value')}{missing}"
    return Column(name, "category", content, "one-hot encoded, rare values grouped")


def _reason_to_drop(table: Table, name: str, cells: "pd.Series[str]") -> str | None:
    """Return why a column contains no information for training, or None if it may."""
    n_distinct, n_rows = cells.nunique(), len(table.text)
    if not len(cells):
        return "empty"
    if n_distinct == 1 and len(cells) == n_rows:
        return f"constant, {cells.iloc[0][:20]!r}"
    all_different = n_distinct == len(cells)
    if cells.str.fullmatch(r"\d+").all():
        numbers = [int(cell) for cell in cells]
        if all_different and len(cells) == n_rows and max(numbers) - min(numbers) == n_rows - 1:
            return "row number"
        if all_different and (_IDENTIFIER_NAME.fullmatch(name) or _loses_digits(cells)):
            return "identifier, unique in each row"
    elif not table.is_number(cells).mean() > 1 - _MAX_MARKER_SHARE and not any(_date_formats(cells)):
        if cells.str.fullmatch(_NUMBER_WITH_UNIT).mean() > 1 - _MAX_MARKER_SHARE:
            return f"numbers with a currency or unit, such as {cells.iloc[0]!r}"
        if all_different:
            return "text, different in each row"
        if n_distinct > len(cells) / 2:
            return f"text, {n_distinct} distinct values in {_count(len(cells), 'row')}"
    return None


def find_missing_markers(table: Table, cells: "pd.Series[str]") -> list[str] | None:
    """Return the cells of a column of numbers that are not numbers, such as "-"; None if too many are not."""
    numeric = table.is_number(cells)
    markers = cells[~numeric].unique().tolist()
    return markers if (~numeric).mean() <= _MAX_MARKER_SHARE and len(markers) <= _MAX_MARKERS else None


def _loses_digits(cells: "pd.Series[str]") -> bool:
    """Return whether integers lose digits as float64: those with leading zeros, such as 01, or very many digits."""
    cells = cells.str.strip()
    digits = cells[cells.str.fullmatch(r"[+-]?\d+")].str.lstrip("+-")
    has_leading_zero = digits.str.match("0\\d")
    long = digits[digits.str.len() > 15]
    return bool(has_leading_zero.any() or any(int(cell) > _LARGEST_EXACT for cell in long))


def _are_plain_integers(cells: "pd.Series[str]") -> bool:
    """Return whether all cells are 64-bit integers in the standard notation, without leading zeros or a plus sign."""
    distinct = [cell for cell in cells.unique() if cell.lstrip("-").isdecimal() and len(cell) < 20]
    return len(distinct) == cells.nunique() and all(
        str(int(cell)) == cell and abs(int(cell)) < 2**63 for cell in distinct
    )


def _date_formats(cells: "pd.Series[str]") -> Iterator[str]:
    """Yield the formats that fit all cells: none, one, or if they are ambiguous day first, then month first."""
    distinct = pd.Series(cells.unique())
    if distinct.str.fullmatch(_ISO_DATE).all():
        if _are_dates(distinct, "ISO8601"):
            yield "ISO8601"
        return
    sample = distinct.head(20)
    guesses = dict.fromkeys(_guess(cell, day_first) for day_first in (True, False) for cell in sample)
    # A leading year is followed by the month, and in dates with dots the day comes first
    plausible = [format_ for format_ in guesses if format_ and not re.match(r"%Y.%d|%m\.%d", format_)]
    for format_ in [*plausible, *_MORE_FORMATS]:
        if _are_dates(sample, format_) and _are_dates(distinct, format_):
            yield format_


def _guess(cell: str, day_first: bool) -> Any:
    with warnings.catch_warnings():  # pandas warns if the day cannot come first
        warnings.simplefilter("ignore", UserWarning)
        return guess_datetime_format(cell, dayfirst=day_first)


def _are_dates(cells: "pd.Series[str]", format_: str) -> bool:
    try:
        pd.to_datetime(cells, format=format_, utc=True)
    except ValueError:
        return False
    return True


def _readable(date_format: str) -> str:
    """Return a date format in words, such as day.month.year."""
    if date_format == "ISO8601":
        return "year-month-day"
    words = {"d": "day", "m": "month", "b": "month", "B": "month", "Y": "year", "y": "year", "H": "hour", "M": "minute"}
    words |= {"S": "second", "f": "fraction", "I": "hour", "p": "AM/PM", "z": "zone"}
    return re.sub("%(.)", lambda match: words.get(match[1], match[0]), date_format)


def _count(number: int, singular: str, plural: str = "") -> str:
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
