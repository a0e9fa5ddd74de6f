"""What each column of a table is: a number, a category, a date, the target, or nothing to learn from."""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from textwrap import shorten
from typing import Any

import pandas as pd
from pandas.tseries.api import guess_datetime_format

from moonnet.command._read_csv import Table

# Whole numbers of more different values than this are measured rather than told apart
MOST_CLASSES = 20
# A report of more columns than this puts those alike on one line
MOST_LINES = 40
# Beyond it, float64 takes two integers for one
_LARGEST_EXACT = 2**53
# Columns of numbers may have this share of cells that are none, of so many different ones: marks for what is missing
_MOST_MARKED, _MOST_MARKS = 0.1, 5
# Of numbers that are all different: only a name tells a key from a measurement
_KEY_NAME = re.compile(
    r"(?i:(?:.*[\W_])?(?:id|key|index|uuid|guid|no|nr|number|code)[\W_]*)|.*[a-z](?:Id|ID|Key|Nr|No)"
)
# Numbers with a currency, a percent sign or a unit: $1,234.50, 12 %, 81.0 kg
_SIGNED_NUMBER = r"\s*(?:[$€£¥]|[A-Z]{3}\s)?\s*[+-]?\d[\d.,]*\s*(?:[$€£¥%°]|\s[A-Za-zµ°²³/]{1,5})?\s*"
_ISO_DATE = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
# What pandas does not guess: years of two digits, and hours of twelve
_MORE_FORMATS = ["%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%y", "%d/%m/%Y %I:%M %p", "%m/%d/%Y %I:%M %p"]


@dataclass(frozen=True)
class Column:
    """What a column holds, and what becomes of it."""

    name: str
    kind: str  # "number", "category" or "date"; empty where it is left out
    what: str
    how: str
    date_format: str = ""
    marks: list[str] = field(default_factory=list)  # cells beside numbers that stand for missing values


@dataclass(frozen=True)
class Target:
    """What is to be predicted."""

    name: str
    is_regression: bool
    dtype: str  # of y
    what: str
    marks: list[str]  # cells beside numbers that stand for missing values


def describe(
    table: Table, target: str, features: Sequence[str] | None, task: str | None, *, month_first: bool
) -> tuple[Target, list[Column]]:
    """Return what is known of the target and of each other column, or of the features alone where these are named.

    ``task`` None lets the target say whether it is a regression. Columns that are named are never left out, if they
    hold anything. Raises ValueError.
    """
    for name in [target, *(features or [])]:
        if name not in table.text:
            raise ValueError(f"{table.path} has no column {name!r}. It has: {table.names}.")
        if name in table.repeated:
            raise ValueError(f"{table.path} has more than one column {name!r}. Give each a name of its own.")
    if target in (features or []):
        raise ValueError(f"--features must not name the target {target!r}.")
    if features is not None and len(set(features)) < len(features):
        raise ValueError(f"--features must name each column once. Got {', '.join(features)} instead.")
    names = table.text.columns.drop(target) if features is None else features
    columns = [describe_column(table, name, chosen=features is not None, month_first=month_first) for name in names]
    if not any(column.kind for column in columns):
        left_out = ", ".join(f"{column.name} ({column.what})" for column in columns[:5]) or "nothing else"
        raise ValueError(f"{table.path} has no column beside {target!r} to predict from. Got {left_out}.")
    return _describe_target(table, target, task), columns


def report(target: Target, columns: Sequence[Column]) -> list[str]:
    """Return the lines of a table that says what each column is and what becomes of it; similar ones share a line."""
    rows = [(column.name, column.what, column.how) for column in columns]
    if len(rows) > MOST_LINES:
        groups: dict[tuple[str, str], list[str]] = {}
        for column in columns:
            groups.setdefault((re.split("[,;]", column.what)[0], column.how), []).append(column.name)
        rows = [(_shortened(names), f"{len(names)} columns: {what}", how) for (what, how), names in groups.items()]
    rows = [("column", "what it is", "what becomes of it"), *rows, (target.name, target.what, "")]
    cells = [[shorten(cell, 100, placeholder=" ...") for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in cells) for index in range(2)]
    return [f"{name:{widths[0]}}  {what:{widths[1]}}  {how}".rstrip() for name, what, how in cells]


def _shortened(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{names[0]}, {names[1]}, ... {names[-1]}"


def _describe_target(table: Table, name: str, task: str | None) -> Target:
    cells = table.text[name]
    if cells.isna().all():
        raise ValueError(f"column {name!r} of {table.path} must hold what to predict. All its cells are empty.")
    numeric = table.is_number(cells)
    marks = marks_beside_numbers(table, cells.dropna()) or []
    if task is None:
        is_regression = _is_regression(table, cells[numeric if marks else cells.notna()])
    else:
        is_regression = task == "regression"
    if not is_regression:
        marks = []
    known = cells.notna() & ~cells.isin(marks)
    if is_regression and not numeric[known].all():
        got = cells[known & ~numeric].iloc[0]
        raise ValueError(f"column {name!r} of {table.path} must hold numbers for a regression. Got {got!r} in it.")
    cells = cells[known]
    what = f"target: {'numbers' if is_regression else 'classes'}, {cells.nunique()} different"
    what += "" if known.all() else f"; {_number((~known).sum(), 'row')} without it left out"
    dtype = "float64" if is_regression else "int64" if _are_plain_integers(cells) else "str"
    return Target(name, is_regression, dtype, what, marks)


def _is_regression(table: Table, cells: "pd.Series[str]") -> bool:
    """Return whether a target is measured: numbers, with fractions or of more than 20 different values."""
    if not table.is_number(cells).all() or _loses_digits(cells):
        return False
    whole = cells.str.strip().str.fullmatch(r"[+-]?\d+(?:\.0*)?")
    return not whole.all() or cells.nunique() > MOST_CLASSES


def describe_column(table: Table, name: str, *, chosen: bool, month_first: bool) -> Column:
    """Return what is known of a column. One that was chosen is never left out, if it holds anything."""
    cells = table.text[name].dropna()
    useless = None if chosen and len(cells) else _why_useless(table, name, cells)
    if useless:
        return Column(name, "", useless, "left out")
    missing = f", {len(table.text) - len(cells)} missing" if len(cells) < len(table.text) else ""
    marks = marks_beside_numbers(table, cells)
    if marks is not None and not _loses_digits(cells[table.is_number(cells)]):
        n_marked = int(cells.isin(marks).sum())
        marked = f", {n_marked} taken as missing ({', '.join(map(repr, marks))})" if marks else ""
        how = "median for missing, standardised" if missing or marks else "standardised"
        return Column(name, "number", f"number{missing}{marked}", how, marks=marks)
    formats = list(_date_formats(cells))
    if formats:
        chosen_format = formats[-1] if month_first else formats[0]
        what = f"date, {_readable(chosen_format)}{missing}"
        if len(formats) > 1:
            what += " (as --month-first says)" if month_first else " (a guess: see --month-first)"
        return Column(name, "date", what, "days since 1970-01-01, standardised", chosen_format)
    what = f"category, {_number(cells.nunique(), 'value')}{missing}"
    return Column(name, "category", what, "one-hot, rare values together")


def _why_useless(table: Table, name: str, cells: "pd.Series[str]") -> str | None:
    """Return why nothing can be learned from a column, or None."""
    n_distinct, n_rows = cells.nunique(), len(table.text)
    if not len(cells):
        return "empty"
    if n_distinct == 1 and len(cells) == n_rows:
        return f"always {cells.iloc[0][:20]!r}"
    all_different = n_distinct == len(cells)
    if cells.str.fullmatch(r"\d+").all():
        numbers = [int(cell) for cell in cells]
        if all_different and len(cells) == n_rows and max(numbers) - min(numbers) == n_rows - 1:
            return "row number"
        if all_different and (_KEY_NAME.fullmatch(name) or _loses_digits(cells)):
            return "key, each row its own"
    elif not table.is_number(cells).mean() > 1 - _MOST_MARKED and not any(_date_formats(cells)):
        if cells.str.fullmatch(_SIGNED_NUMBER).mean() > 1 - _MOST_MARKED:
            return f"numbers with signs beside them, such as {cells.iloc[0]!r}"
        if all_different:
            return "key, each row its own"
        if n_distinct > len(cells) / 2:
            return f"text, {n_distinct} values in {_number(len(cells), 'row')}"
    return None


def marks_beside_numbers(table: Table, cells: "pd.Series[str]") -> list[str] | None:
    """Return the cells of a column of numbers that are none, such as "-"; None where it holds no numbers."""
    numeric = table.is_number(cells)
    marks = cells[~numeric].unique().tolist()
    return marks if (~numeric).mean() <= _MOST_MARKED and len(marks) <= _MOST_MARKS else None


def _loses_digits(cells: "pd.Series[str]") -> bool:
    """Return whether a float would take two cells of whole numbers for one: 01 and 1, or those of many digits."""
    cells = cells.str.strip()
    whole = cells[cells.str.fullmatch(r"[+-]?\d+")].str.lstrip("+-")
    leading = whole.str.match("0\\d")
    long = whole[whole.str.len() > 15]
    return bool(leading.any() or any(int(cell) > _LARGEST_EXACT for cell in long))


def _are_plain_integers(cells: "pd.Series[str]") -> bool:
    """Return whether cells are whole numbers of 64 bits that are written in the one way."""
    distinct = [cell for cell in cells.unique() if cell.lstrip("-").isdecimal() and len(cell) < 20]
    return len(distinct) == cells.nunique() and all(
        str(int(cell)) == cell and abs(int(cell)) < 2**63 for cell in distinct
    )


def _date_formats(cells: "pd.Series[str]") -> Iterator[str]:
    """Yield the formats in which all cells are dates: none, one, or day first and then month first."""
    distinct = pd.Series(cells.unique())
    if distinct.str.fullmatch(_ISO_DATE).all():
        if _are_dates(distinct, "ISO8601"):
            yield "ISO8601"
        return
    sample = distinct.head(20)
    guesses = dict.fromkeys(_guess(cell, day_first) for day_first in (True, False) for cell in sample)
    # After a year comes the month, and between dots the day comes first
    plausible = [format_ for format_ in guesses if format_ and not re.match(r"%Y.%d|%m\.%d", format_)]
    for format_ in [*plausible, *_MORE_FORMATS]:
        if _are_dates(sample, format_) and _are_dates(distinct, format_):
            yield format_


def _guess(cell: str, day_first: bool) -> Any:
    with warnings.catch_warnings():  # of a day that cannot come first
        warnings.simplefilter("ignore", UserWarning)
        return guess_datetime_format(cell, dayfirst=day_first)


def _are_dates(cells: "pd.Series[str]", format_: str) -> bool:
    try:
        pd.to_datetime(cells, format=format_, utc=True)
    except ValueError:
        return False
    return True


def _readable(date_format: str) -> str:
    """Return a format of dates in words: day.month.year."""
    if date_format == "ISO8601":
        return "year-month-day"
    words = {"d": "day", "m": "month", "b": "month", "B": "month", "Y": "year", "y": "year", "H": "hour", "M": "minute"}
    words |= {"S": "second", "f": "fraction", "I": "hour", "p": "AM/PM", "z": "zone"}
    return re.sub("%(.)", lambda match: words.get(match[1], match[0]), date_format)


def _number(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
