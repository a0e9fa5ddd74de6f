"""Infer what each column of a table holds: numbers, categories, dates, or nothing to train on."""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from textwrap import shorten
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.api import guess_datetime_format

from moonnet.preprocessing._dates import days_since_1970
from moonnet.preprocessing._numbers import MAX_LENGTH
from moonnet.tables._columns import MAX_ONE_HOT
from moonnet.tables._number_format import (
    MAX_OTHER_SHARE,
    MAX_OTHERS,
    NumberFormat,
    find_units,
    fullmatch,
    is_missing_marker,
)
from moonnet.tables._pipeline import MIN_FREQUENCY
from moonnet.tables._read_csv import Table

# A target of integers with more distinct values than this is a regression
MAX_CLASSES = 20
# A table of more columns than this is printed with one line for all columns of a kind
MAX_LINES = 40
# Beyond it, float64 no longer distinguishes all integers
_LARGEST_EXACT = 2**53
_INTEGER = re.compile("[+-]?[0-9]+")
# If all integers of a column differ, only its name distinguishes an identifier from a measurement
_IDENTIFIER_NAME = re.compile(
    r"(?i:(?:.*[\W_])?(?:id|key|index|uuid|guid|no|nr|number|code)[\W_]*)|.*[a-z](?:Id|ID|Key|Nr|No)"
)
# A column with one of these words in its name counts time, and does not number the rows
_TIME_NAME = re.compile(
    r"(?i:(?:.*[\W_])?(?:years?|quarters?|months?|weeks?|days?|hours?|minutes?|seconds?|dates?|times?|t|ages?|epochs?|"
    r"jahre?|monate?|wochen?|tage?|stunden?|zeit|datum|alter)(?:[\W_].*)?)"
)
# The name that pandas gives to a column without a name, which holds the index of a saved dataframe
_INDEX_NAME = re.compile(r"Unnamed: \d+")
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
# Formats that pandas does not guess: times, years beyond the range of nanoseconds, two-digit years, 12-hour times
_TIME_FORMATS = ["%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p"]
_MORE_FORMATS = [
    *_TIME_FORMATS,
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%b-%y",
    "%d/%m/%Y %I:%M %p",
    "%m/%d/%Y %I:%M %p",
]
# Days from 1678 to 2261. Dates beyond them stand for an open begin or end, unless there are no others
_USUAL_DAYS = (-106_752, 106_751)
# A date is distant if it lies this many interquartile ranges, and 20 years, beyond a quartile. Such dates are cut off
# at Tukey's fence.
_DISTANT, _DISTANT_DAYS, _FENCE = 20, 20 * 365, 1.5


@dataclass(frozen=True)
class Column:
    """The content of a column, and how it is preprocessed."""

    name: str
    kind: str  # "number", "category" or "date"; empty if the column is dropped
    content: str  # as printed
    preprocessing: str  # as printed
    date_format: str = ""
    date_bounds: tuple[str | None, str | None] = (None, None)  # the earliest and the latest date, if others are cut off
    missing_markers: list[str] = field(default_factory=list)  # cells that count as missing values
    number_format: NumberFormat | None = None  # of numbers that pandas.read_csv does not read
    has_many_values: bool = False  # of a category: too many for one-hot encoding


@dataclass(frozen=True)
class Target:
    """The column to predict."""

    name: str
    is_regression: bool
    dtype: str  # of y
    content: str  # as printed
    missing_markers: list[str]  # cells among numbers that count as missing values
    number_format: NumberFormat | None = None  # of numbers that pandas.read_csv does not read


def infer_columns(
    table: Table, target: str, features: Sequence[str] | None, task: str | None, *, month_first: bool
) -> tuple[Target, list[Column]]:
    """Infer the target and the other columns, or only the given features.

    If ``task`` is None, the values of the target decide. Given features are dropped only if they are empty. Raises
    ValueError.
    """
    _check_names(table, [target, *(features or [])])
    if target in (features or []):
        raise ValueError(f"--features must not contain the target {target!r}.")
    if features and len(set(features)) < len(features):
        raise ValueError(f"--features must name each column once. Got {', '.join(features)} instead.")
    names = table.text.columns.drop(target) if features is None else features
    columns = [infer_column(table, name, required=features is not None, month_first=month_first) for name in names]
    if not any(column.kind for column in columns):
        dropped = ", ".join(f"{column.name} ({column.content})" for column in columns[:5]) or "no other column"
        remedy = " To use a column nevertheless, name it with --features." if columns and features is None else ""
        raise ValueError(f"{table.path} must have a column to predict {target!r} from. Got {dropped}.{remedy}")
    return infer_target(table, target, task), columns


def _check_names(table: Table, names: Sequence[str]) -> None:
    for name in names:
        if name not in table.text:
            raise ValueError(f"{table.path} has no column {name!r}. Its columns are {table.column_list}.")
        if name in table.duplicates:
            raise ValueError(f"{table.path} has several columns named {name!r}. Rename them to use one.")


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


def infer_target(table: Table, name: str, task: str | None) -> Target:
    """Infer the target. If ``task`` is None, its values decide. Raises ValueError."""
    _check_names(table, [name])
    cells = table.text[name]
    if cells.isna().all():
        raise ValueError(f"column {name!r} of {table.path} must contain the target. All its cells are empty.")
    numeric = table.is_number(cells)
    markers = find_missing_markers(table, cells.dropna()) or []
    if task is None:
        is_regression = _is_regression(table, cells[numeric if markers else cells.notna()])
    else:
        is_regression = task == "regression"
    if not is_regression:  # another text is a class of its own
        markers = [cell for cell in markers if is_missing_marker(pd.Series([cell])).all()]
    known = cells.notna() & ~cells.isin(markers)
    if is_regression and not numeric[known].all():
        got = shorten_cell(cells[known & ~numeric].iloc[0])
        raise ValueError(f"column {name!r} of {table.path} must contain only numbers for a regression. Got {got}.")
    cells = cells[known]
    n_distinct = cells.nunique()
    numbers = f"numbers{_in_unit(table, cells)}, {n_distinct} distinct"
    content = f"target: {numbers if is_regression else _count(n_distinct, 'class', 'classes')}"
    if not known.all():
        named = f" ({', '.join(map(shorten_cell, markers))} treated as missing)" if markers else ""
        content += f"; {_count((~known).sum(), 'row')} without target dropped{named}"
    dtype = "float64" if is_regression else "int64" if _are_plain_integers(cells) else "str"
    number_format = None if not is_regression or table.pandas_reads_numbers(name) else table.number_format(name)
    return Target(name, is_regression, dtype, content, markers, number_format)


def _is_regression(table: Table, cells: "pd.Series[str]") -> bool:
    """Return whether the target is regressed on: numbers with fractions, or more than 20 distinct integers."""
    if not table.is_number(cells).all() or _loses_digits(cells):
        return False
    form = table.number_format(str(cells.name))
    if form.unit or form.thousands:
        return True
    is_integer = fullmatch(cells, rf"[+-]?[0-9]+(?:{re.escape(form.decimal)}0*)?")
    return has_many_numbers(cells.nunique(), are_integers=bool(is_integer.all()))


def has_many_numbers(n_distinct: int, *, are_integers: bool) -> bool:
    """Return whether a target of so many distinct numbers is a regression, and not classes."""
    return not are_integers or n_distinct > MAX_CLASSES


def infer_column(table: Table, name: str, *, required: bool, month_first: bool) -> Column:
    """Infer the kind of a column. A required column is dropped only if it is empty."""
    cells = table.text[name].dropna()
    if not len(cells):
        return Column(name, "", "empty", "dropped")
    markers = find_missing_markers(table, cells)
    is_empty = markers is None and is_missing_marker(cells).all()
    reason = None if required and not is_empty else _reason_to_drop(name, cells, len(table.text), markers)
    if reason:
        return Column(name, "", reason, "dropped")
    missing = f", {len(table.text) - len(cells)} missing" if len(cells) < len(table.text) else ""
    if markers is not None and not _loses_digits(cells):
        preprocessing = "missing values replaced by the median, scaled" if missing or markers else "scaled"
        content = f"number{_in_unit(table, cells)}{missing}{_marked(cells, markers)}"
        number_format = None if table.pandas_reads_numbers(name) else table.number_format(name)
        return Column(name, "number", content, preprocessing, missing_markers=markers, number_format=number_format)
    is_marker = is_missing_marker(cells)
    formats = list(_date_formats(cells[~is_marker]))
    if formats:
        date_format, markers = formats[-1] if month_first else formats[0], cells[is_marker].unique().tolist()
        bounds, cut_off = _date_bounds(days_since_1970(cells[~is_marker], date_format))
        content = f"date, {_readable(date_format)}{missing}{_marked(cells, markers)}{cut_off}"
        if date_format in _TIME_FORMATS:
            content, how = content.replace("date", "time of day", 1), "fraction of a day"
        else:
            how = "days since 1970-01-01"
        if len(formats) > 1:
            content += " (ambiguous: --month-first is set)" if month_first else " (ambiguous: see --month-first)"
        return Column(name, "date", content, f"{how}, scaled", date_format, bounds, markers)
    return _describe_category(table, name, missing)


def _describe_category(table: Table, name: str, missing: str) -> Column:
    counts = table.text[name].value_counts(dropna=False)
    content = f"category, {_count(table.text[name].nunique(), 'value')}{missing}"
    if len(counts) > MAX_ONE_HOT:
        return Column(name, "category", content, "target encoded, scaled", has_many_values=True)
    rare = counts[counts < MIN_FREQUENCY]
    if len(rare):
        content += f", {len(rare)} of them rare, in {rare.sum() / len(table.text):.1%} of the rows"
    return Column(name, "category", content, "one-hot encoded, rare values grouped")


def _marked(cells: "pd.Series[str]", markers: Sequence[str]) -> str:
    """Return how many cells count as missing values, and what they contain."""
    number = int(cells.isin(list(markers)).sum())
    return f", {number} treated as missing ({', '.join(map(shorten_cell, markers))})" if markers else ""


def _in_unit(table: Table, cells: "pd.Series[str]") -> str:
    """Return the unit of a column of numbers, and how many numbers lack it."""
    unit = table.number_format(str(cells.name)).unit
    n_without = int(table.lacks_unit(cells, unit).sum()) if unit else 0
    return (f" in {unit}" if unit else "") + (f", {n_without} without {unit}" if n_without else "")


def shorten_cell(cell: str) -> str:
    """Return a cell for a message."""
    return repr(cell if len(cell) <= MAX_LENGTH else f"{cell[:MAX_LENGTH]}...")


def _reason_to_drop(name: str, cells: "pd.Series[str]", n_rows: int, markers: list[str] | None) -> str | None:
    """Return why a column contains no information for training, or None if it may."""
    if len(cells.unique()) == 1 and len(cells) == n_rows and not is_missing_marker(cells[:1]).all():
        return f"constant, {cells.iloc[0][:20]!r}"
    if markers == []:
        return _reason_to_drop_numbers(name, cells, n_rows)
    if markers is None:
        is_marker = is_missing_marker(cells)
        if is_marker.all():
            return f"empty, {shorten_cell(cells.iloc[0])} in {_count(len(cells), 'row')}"
        if not any(_date_formats(cells[~is_marker])):
            return _reason_to_drop_text(cells)
    return None


def _reason_to_drop_numbers(name: str, cells: "pd.Series[str]", n_rows: int) -> str | None:
    if cells.nunique() < len(cells) or not fullmatch(cells, "[0-9]+").all():
        return None
    if len(cells) == n_rows:
        numbers = [int(cell) for cell in cells]
        is_time = _TIME_NAME.fullmatch(name[:MAX_LENGTH])
        if min(numbers) in (0, 1) and max(numbers) - min(numbers) == n_rows - 1 and not is_time:
            return "row number"
        if _INDEX_NAME.fullmatch(name):
            return "index, unique in each row"
    if _IDENTIFIER_NAME.fullmatch(name[-MAX_LENGTH:]) or _loses_digits(cells):
        return "identifier, unique in each row"
    return None


def _reason_to_drop_text(cells: "pd.Series[str]") -> str | None:
    n_distinct = cells.nunique()
    if n_distinct <= len(cells) / 2:
        return None
    units = find_units(cells)
    if len(units) > 1:
        return f"numbers with different units, such as {shorten_cell(units[0])} and {shorten_cell(units[1])}"
    if n_distinct == len(cells):
        return "text, different in each row"
    return f"text, {n_distinct} distinct values in {_count(len(cells), 'row')}"


def find_missing_markers(table: Table, cells: "pd.Series[str]") -> list[str] | None:
    """Return the cells of a column of numbers that are not numbers, such as "-"; None if it is no column of numbers.

    There must be cells.
    Known markers such as NA count as missing whatever their share; of other texts there may be a few.
    """
    numeric = table.is_number(cells)
    if numeric.all():
        return []
    others = cells[~numeric]
    unknown = others[~is_missing_marker(others)]
    if len(unknown) > MAX_OTHER_SHARE * len(cells) or unknown.nunique() > MAX_OTHERS:
        return None
    # A single number beside a marker, such as 1 and -, may mean yes and no
    return others.unique().tolist() if len(cells[numeric].unique()) > 1 else None


def _loses_digits(cells: "pd.Series[str]") -> bool:
    """Return whether integers lose digits as float64: those with leading zeros, such as 01, or very many digits."""
    integers = [cell.lstrip("+-") for cell in cells.unique() if _INTEGER.fullmatch(cell[: MAX_LENGTH + 1])]
    return any(
        (digits.startswith("0") and len(digits) > 1) or (len(digits) > 15 and int(digits) > _LARGEST_EXACT)
        for digits in integers
        if len(digits) <= MAX_LENGTH
    )


def _are_plain_integers(cells: "pd.Series[str]") -> bool:
    """Return whether all cells are 64-bit integers in the standard notation, without leading zeros or a plus sign."""
    is_plain = fullmatch(cells, "0|-?[1-9][0-9]{0,18}")
    return bool(is_plain.all()) and all(abs(int(cell)) < 2**63 for cell in cells.unique())


def _date_formats(cells: "pd.Series[str]") -> Iterator[str]:
    """Yield the formats that fit all cells: none, one, or if they are ambiguous day first, then month first."""
    distinct = pd.Series(cells.unique(), dtype=object)
    if not len(distinct) or distinct.str.len().max() > MAX_LENGTH:
        return
    if fullmatch(distinct, _ISO_DATE).all():
        if _are_dates(distinct, "ISO8601"):
            yield "ISO8601"
        return
    sample = distinct.head(20)
    guesses = dict.fromkeys(_guess(cell, day_first) for day_first in (True, False) for cell in sample)
    # A leading year is followed by the month, and in dates with dots the day comes first
    plausible = [format_ for format_ in guesses if format_ and not re.match(r"%Y.%d|%m\.%d", format_)]
    for format_ in dict.fromkeys([*plausible, *_MORE_FORMATS]):
        if _are_dates(sample, format_) and _are_dates(distinct, format_):
            yield format_


def _date_bounds(days: np.ndarray) -> tuple[tuple[str | None, str | None], str]:
    """Return bounds for dates if some are very distant from the others, as 9999-12-31 is, and what to print of them."""
    usual = days[(days >= _USUAL_DAYS[0]) & (days <= _USUAL_DAYS[1])]
    lower, upper = np.percentile(usual if len(usual) else days, [25, 75])
    spread = max(upper - lower, 1)
    bounds: list[str | None] = []
    cut_off = ""
    for sign, quartile, word in ((-1, lower, "before"), (1, upper, "after")):
        bound = np.floor(quartile + sign * _FENCE * spread)
        is_beyond = sign * (days - bound) > 0
        if (sign * (days - quartile)).max() > max(_DISTANT * spread, _DISTANT_DAYS):
            bounds.append((date(1970, 1, 1) + timedelta(days=int(bound))).isoformat())
            cut_off += f", {is_beyond.sum()} {word} {bounds[-1]} treated as that day"
        else:
            bounds.append(None)
    return (bounds[0], bounds[1]), cut_off


def _guess(cell: str, day_first: bool) -> Any:
    with warnings.catch_warnings():  # pandas warns if the day cannot come first
        warnings.simplefilter("ignore", UserWarning)
        return guess_datetime_format(cell, dayfirst=day_first)


def _are_dates(cells: "pd.Series[str]", format_: str) -> bool:
    return not np.isnan(days_since_1970(cells, format_)).any()


def _readable(date_format: str) -> str:
    """Return a date format in words, such as day.month.year."""
    if date_format == "ISO8601":
        return "year-month-day"
    words = {"d": "day", "m": "month", "b": "month", "B": "month", "Y": "year", "y": "year", "H": "hour", "M": "minute"}
    words |= {"S": "second", "f": "fraction", "I": "hour", "p": "AM/PM", "z": "zone", "Z": "zone"}
    return re.sub("%(.)", lambda match: words.get(match[1], match[0]), date_format)


def _count(number: int, singular: str, plural: str = "") -> str:
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
