"""Numbers that are written as text."""

import re
from typing import Any

import numpy as np

from moonnet.preprocessing._column_encoder import ColumnEncoder

# Longer text is no number
MAX_LENGTH = 64


class NumberEncoder(ColumnEncoder):
    """Encode numbers that are written with a unit, a decimal comma or separators between thousands.

    How the numbers are written is a parameter and is never guessed, so that 1.584 is the same number in every file.
    Numbers that are no text remain as they are, and missing ones (None and NaN) become NaN. This transformer needs the
    extra ``csv``.

    Parameters
    ----------
    unit : str, default=""
        Text before or after each number, for example ``"$"``, ``"%"`` or ``"kg"``. It is removed: ``12 %`` is 12. Signs
        such as ``"$"`` may be absent, and letters may not, because a number without them may have another unit.

    decimal : str, default="."
        Decimal sign.

    thousands : str, default=""
        Sign between groups of three digits; none by default.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only if all feature names of X are strings.

    See Also
    --------
    DateEncoder : Encode dates as numbers.
    pandas.read_csv : Its arguments ``decimal`` and ``thousands`` apply to all columns of a file.

    Examples
    --------
    >>> from moonnet.preprocessing import NumberEncoder
    >>> NumberEncoder("€", decimal=",", thousands=".").fit_transform([["1.200,50 €"], ["-3 €"], [None]])
    array([[1200.5],
           [  -3. ],
           [   nan]])
    """

    def __init__(self, unit: str = "", *, decimal: str = ".", thousands: str = "") -> None:
        self.unit = unit
        self.decimal = decimal
        self.thousands = thousands

    def _encode_column(self, column: np.ndarray) -> np.ndarray:
        import pandas as pd

        cells = pd.Series(column)
        if cells.dtype.kind in "biuf":
            return cells.to_numpy(float)
        codes, distinct = pd.factorize(cells)  # -1 if missing
        pattern = number_pattern(self.unit, self.decimal, self.thousands)
        return np.append([self._parse(cell, pattern) for cell in distinct], np.nan)[codes]

    def _parse(self, cell: Any, pattern: re.Pattern[str]) -> float:
        if not isinstance(cell, str):
            return float(cell)
        match = pattern.fullmatch(cell) if len(cell) <= MAX_LENGTH else None
        if match is None:
            signs = f"decimal={self.decimal!r}, thousands={self.thousands!r}"
            raise ValueError(f"X must contain numbers with unit={self.unit!r}, {signs}. Got {cell!r} instead.")
        number = match["number"].replace(self.thousands, "") if self.thousands else match["number"]
        return float(match["sign"] + number.replace(self.decimal, "."))


def number_pattern(unit: str = "", decimal: str = ".", thousands: str = "") -> re.Pattern[str]:
    """Return the pattern of numbers in a format, with the groups ``sign`` and ``number``."""
    required = "" if is_optional_unit(unit) else rf"(?=.*{re.escape(unit)})"
    before, after = (rf"(?:{re.escape(unit)}\s?)?", rf"(?:\s?{re.escape(unit)})?") if unit else ("", "")
    decimal = re.escape(decimal)
    digits = rf"(?:[0-9]+|[0-9]{{1,3}}(?:{re.escape(thousands)}[0-9]{{3}})+)" if thousands else "[0-9]+"
    number = rf"(?:{digits}(?:{decimal}[0-9]*)?|{decimal}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    return re.compile(rf"\s*{required}{before}(?P<sign>[+-]?){before}(?P<number>{number}){after}\s*")


def is_optional_unit(unit: str) -> bool:
    """Return whether numbers may lack the unit, as with $ and %. Letters may be a multiple, as in 10K."""
    return not unit[-1:].isalpha()
