"""Infer how the numbers of each column are written: the decimal sign, separators between thousands, and a unit."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from moonnet.preprocessing._numbers import MAX_LENGTH, is_optional_unit

# A column of numbers may contain this share of other cells, of this many kinds, which count as missing values
MAX_OTHER_SHARE, MAX_OTHERS = 0.1, 5
# So many distinct cells show whether a column holds numbers
_N_PREVIEW = 1000
# So many numbers in groups of three digits, beside numbers below 1000 without a separator, are not a coincidence
_MIN_GROUPED = 10
# Cells that stand for a missing value among numbers and dates, in lower case
# fmt: off
_MISSING_MARKERS = frozenset([
    "?", "??", "-", "--", "---", "\u2013", "—", ".", "..", "...", "*", "/", "na", "n/a", "n.a.", "n.a", "#n/a",
    "#na", "<na>", "nan", "-nan", "none", "null", "<null>", "(null)", "nil", "\\n", "nd", "n/d", "missing",
    "unknown", "unbekannt", "k.a.", "k.a", "#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!", "1.#ind",
    "-1.#ind", "1.#qnan", "-1.#qnan", "nat", "#n/a n/a", "n. a.", "k. a.", "keine angabe", "not available",
])
# fmt: on
_CURRENCY = r"[A-Z]{0,3}[$€£¥₹₽₩]"
_SPACES = " \u00a0\u202f"  # the last two do not break lines
_QUANTITY = re.compile(
    rf"[+-]?(?P<prefix>{_CURRENCY}|[A-Z]{{3}}(?=[{_SPACES}])|)[{_SPACES}]?"
    rf"[+-]?(?P<number>[.,]?[0-9](?:[0-9.,'\u2019]|[{_SPACES}](?=[0-9]))*(?:[eE][+-]?[0-9]+)?)"
    rf"[{_SPACES}]?(?P<suffix>{_CURRENCY}|[%‰]|[°µ]?[^\W\d_]{{0,12}}[²³23]?(?:/[^\W\d_]{{1,6}}[²³23]?)?)"
)
_NUMBER = re.compile(
    rf"(?:(?P<groups>[1-9][0-9]{{0,2}}(?P<separator>[.,'\u2019{_SPACES}])[0-9]{{3}}(?:(?P=separator)[0-9]{{3}})*)|[0-9]*)"
    r"(?:(?P<decimal>[.,])[0-9]*)?(?:[eE][+-]?[0-9]+)?"
)


@dataclass(frozen=True)
class NumberFormat:
    """How numbers are written."""

    decimal: str = "."
    thousands: str = ""
    unit: str = ""  # before or after each number, such as "$" or "kg"

    def normalise(self, number: str) -> str:
        """Return a number without its unit, written with a decimal point."""
        return (number.replace(self.thousands, "") if self.thousands else number).replace(self.decimal, ".")


@dataclass
class _Evidence:
    """What the numbers of one column show about their format."""

    unit: str
    decimals: Counter[str] = field(default_factory=Counter)  # signs that can only be decimal signs
    thousands: Counter[str] = field(default_factory=Counter)  # signs that can only separate thousands
    ambiguous: Counter[str] = field(default_factory=Counter)  # signs before the last three digits, as in 1.584
    example: str = ""  # an ambiguous cell
    has_integers: bool = False
    largest_integer: int = 0

    def votes(self, sign: str) -> int:
        """Return how many cells show that this sign is the decimal sign."""
        return self.decimals[sign] + self.thousands["," if sign == "." else "."]


def is_missing_marker(cells: "pd.Series[str]") -> "pd.Series[bool]":
    """Return which cells stand for missing values if the others are numbers or dates, such as NA."""
    return cells.str.lower().isin(_MISSING_MARKERS)


def fullmatch(cells: "pd.Series[str]", pattern: re.Pattern[str] | str) -> "pd.Series[bool]":
    """Return which cells match, as Python's ``re`` matches. Only short cells are searched, so that none takes long."""
    compiled = re.compile(pattern)
    distinct = cells.dropna().unique().tolist()
    return cells.isin([cell for cell in distinct if len(cell) <= MAX_LENGTH and compiled.fullmatch(cell)])


def infer_number_formats(
    text: pd.DataFrame, delimiter: str
) -> tuple[NumberFormat, dict[str, NumberFormat], dict[str, str]]:
    """Return the file's format, the formats of its columns of numbers, and an example of each ambiguous column."""
    columns = zip(text, text.to_numpy(object).T, strict=True)
    evidence = {name: found for name, column in columns if (found := _find_evidence(list(dict.fromkeys(column))))}
    votes = {sign: sum(found.votes(sign) for found in evidence.values()) for sign in ".,"}
    decimal = "," if votes[","] > votes["."] else "."
    separator = "." if decimal == "," else ","
    formats, ambiguous = {}, {}
    for name, found in evidence.items():
        formats[name], is_ambiguous = _column_format(found, votes, delimiter)
        if is_ambiguous:
            ambiguous[name] = found.example
    # A separator that only ambiguous columns have is theirs, not the file's
    uses_separator = any(
        format_.decimal == decimal and format_.thousands == separator and name not in ambiguous
        for name, format_ in formats.items()
    )
    return NumberFormat(decimal, separator if uses_separator else ""), formats, ambiguous


def _column_format(found: _Evidence, votes: dict[str, int], delimiter: str) -> tuple[NumberFormat, bool]:
    """Return the format of a column, and whether it is ambiguous."""
    own = {sign: found.votes(sign) for sign in ".,"}
    known = own if any(own.values()) else votes
    decimal = "," if known[","] > known["."] else "."
    thousands = found.thousands.most_common(1)[0][0] if found.thousands else ""
    ambiguous = found.ambiguous.most_common(1)
    if not ambiguous or any(own.values()):
        if not thousands and found.ambiguous["." if decimal == "," else ","]:
            thousands = "." if decimal == "," else ","
        return NumberFormat(decimal, thousands, found.unit), False
    sign = ambiguous[0][0]
    other = "," if sign == "." else "."
    # Who writes 850 for 850.000 also writes 1.58 for 1.580
    looks_grouped = found.has_integers and found.largest_integer < 1000
    if any(votes.values()):
        is_separator, is_ambiguous = votes[other] > votes[sign], looks_grouped and votes[sign] >= votes[other]
    elif sign == delimiter:
        is_separator, is_ambiguous = True, False
    else:
        is_separator = looks_grouped and found.ambiguous[sign] >= _MIN_GROUPED
        is_ambiguous = looks_grouped or delimiter != ","
    if is_separator:
        return NumberFormat(other, sign, found.unit), is_ambiguous
    return NumberFormat(sign, thousands, found.unit), is_ambiguous


def find_units(cells: "pd.Series[str]") -> list[str]:
    """Return the units of a column of numbers with units; an empty list if most cells are something else."""
    distinct = cells.unique().tolist()
    units = Counter(unit for cell in distinct[:1000] if (unit := _unit(_match_quantity(cell))))
    return list(units) if units.total() > (1 - MAX_OTHER_SHARE) * len(distinct[:1000]) else []


def _match_quantity(cell: str) -> re.Match[str] | None:
    return _QUANTITY.fullmatch(cell) if len(cell) <= MAX_LENGTH else None


def _unit(quantity: re.Match[str] | None) -> str:
    return quantity["prefix"] + quantity["suffix"] if quantity else ""


def _find_evidence(distinct: Sequence[Any]) -> _Evidence | None:
    """Return the evidence in the distinct cells of a column; None if too few of them are numbers of one unit."""
    cells = [cell for cell in distinct if isinstance(cell, str) and cell.lower() not in _MISSING_MARKERS]
    if len(cells) > _N_PREVIEW and _find_evidence(cells[:_N_PREVIEW]) is None:
        return None
    quantities = list(filter(None, map(_match_quantity, cells)))
    units = Counter(map(_unit, quantities))
    found = _Evidence(max(units, key=lambda unit: (unit != "", units[unit]), default=""))
    allowed = {found.unit, ""} if is_optional_unit(found.unit) else {found.unit}
    numbers = [
        number
        for quantity in quantities
        if _unit(quantity) in allowed and (number := _NUMBER.fullmatch(quantity["number"]))
    ]
    n_others = len(cells) - len(numbers)
    if not numbers or n_others > min(MAX_OTHERS, len(numbers)):
        return None
    for number in numbers:
        _add_evidence(found, number)
    return found


def _add_evidence(found: _Evidence, number: re.Match[str]) -> None:
    separator, decimal = number["separator"], number["decimal"]
    if separator is None:
        if decimal:
            found.decimals[decimal] += 1
        else:
            found.has_integers = True
            found.largest_integer = max(found.largest_integer, int(number[0].lower().split("e")[0] or 0))
    elif decimal:
        found.decimals[decimal] += 1
        found.thousands[separator] += 1
    elif separator in ".," and number["groups"].count(separator) == 1:
        found.ambiguous[separator] += 1
        found.example = found.example or number[0]
    else:
        found.thousands[separator] += 1
