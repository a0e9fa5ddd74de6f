"""A CSV file's columns as the X and y of a classification problem, or one clear line on why they cannot be."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

Columns = dict[str, list[str]]


def read_problem(path: Path, target: str, features: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return X (n_samples, n_features) of float64, y (n_samples,) of int or str, and the features' names.

    ``features`` None takes all columns of numbers but the target. Raises OSError or ValueError.
    """
    columns = _read_columns(path)
    for name in [target, *(features or [])]:
        if name not in columns:
            raise ValueError(f"{path} has no column {name!r}. It has: {', '.join(columns)}.")
    if features is None:
        # A column without a name is an index, as pandas writes it
        features = [name for name, cells in columns.items() if name not in (target, "") and _holds_numbers(cells)]
        if not features:
            raise ValueError(
                f"{path} has no column of numbers beside {target!r} to predict from. Numbers are written as in 12.93."
            )
    if target in features:
        raise ValueError(f"--features must not name the target {target!r}.")
    if len(set(features)) < len(features):
        raise ValueError(f"--features must name each column once. Got {', '.join(features)} instead.")
    X = np.column_stack([_numbers(path, name, columns[name]) for name in features])
    return X, _labels(path, target, columns[target]), list(features)


def _read_columns(path: Path) -> Columns:
    """Return the file's cells by column; the first line names the columns."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            header = file.readline()
            delimiter = max(",;\t", key=header.count)
            file.seek(0)
            names, *rows = [row for row in csv.reader(file, delimiter=delimiter) if row]
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not a CSV file in UTF-8: {error}.") from None
        except ValueError:
            raise ValueError(f"{path} is empty. Expected a line of column names, then a line a sample.") from None
    names = [name.strip() for name in names]
    if len(set(names)) < len(names):
        raise ValueError(f"{path} names a column twice: {', '.join(names)}.")
    if not rows:
        raise ValueError(f"{path} holds column names and no sample.")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise ValueError(f"{path}, sample {number}: expected {len(names)} cells. Got {len(row)} instead.")
    return {name: [cell.strip() for cell in cells] for name, cells in zip(names, zip(*rows, strict=True), strict=True)}


def _as_number(cell: str) -> float:
    """Return the cell's number, or NaN."""
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _holds_numbers(cells: list[str]) -> bool:
    """Return whether most cells are numbers: a few that are not (empty, NaN, n/a) are mistakes to be told."""
    return sum(math.isfinite(_as_number(cell)) for cell in cells) > len(cells) / 2


def _numbers(path: Path, name: str, cells: list[str]) -> np.ndarray:
    values = np.array([_as_number(cell) for cell in cells])
    for index in np.flatnonzero(~np.isfinite(values))[:1]:
        raise ValueError(
            f"{path}, sample {index + 1}: column {name!r} must hold a finite number. Got {cells[index]!r} instead."
        )
    return values


def _labels(path: Path, name: str, cells: list[str]) -> np.ndarray:
    for number, cell in enumerate(cells, start=1):
        if not cell:
            raise ValueError(f"{path}, sample {number}: column {name!r} must hold a label. Got an empty cell instead.")
    # Whole numbers sort as numbers, 9 before 10, unless that would take two labels for one, such as 1 and 01
    if all(cell.lstrip("-").isdecimal() and len(cell) < 18 and str(int(cell)) == cell for cell in cells):
        return np.array([int(cell) for cell in cells])
    return np.array(cells)
