"""The user's tables: X and y in a notebook, or a CSV file."""

from collections.abc import Iterator, Sequence
from numbers import Real
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from moonnet.explore._datasets import MAX_CLASSES, MIN_NUMBERS, MIN_SAMPLES_PER_CLASS
from moonnet.losses._regression import SquaredError
from moonnet.tables._python_code import estimator_code, literal_code
from moonnet.targets import ClassTargets, NumberTargets

MAX_FILE_BYTES = 4 * 2**20  # of an uploaded file
MAX_COLUMNS = 200


class ArrayTable:
    """X and y as arrays or dataframes, as passed to ``fit``."""

    name = "X"

    def __init__(self, X: Any, y: Any) -> None:
        import pandas as pd

        self._frame: Any = X if hasattr(X, "columns") else None
        try:
            self._X = _to_floats(X)
        except (TypeError, ValueError):
            _check_columns(self._frame)
            raise
        self._y = column_or_1d(y)
        check_consistent_length(self._X, self._y)
        # NumPy turns NaN in a list of strings into a string
        labels = np.array(y, dtype=object) if isinstance(y, list | tuple) else self._y
        if n_missing := pd.isna(labels).sum():
            raise ValueError(
                f"y must have no missing values. Got {n_missing} among {len(self._y)} labels: leave these samples out."
            )
        if self._y.dtype == object and all(isinstance(value, Real) for value in self._y):
            numbers = np.array(self._y.tolist())
            self._y = numbers if numbers.dtype.kind in "iuf" else self._y
        self._is_regression = _is_regression(self._y)
        if self._is_regression:
            NumberTargets.from_y(self._y, SquaredError())  # raises for infinite or very large numbers
            if len(self._y) < MIN_NUMBERS:
                raise ValueError(f"y must contain at least {MIN_NUMBERS} numbers. Got {len(self._y)}.")
        else:
            _check_labels(self._y)
        self._names = [str(name) for name in (range(self._X.shape[1]) if self._frame is None else X.columns)]
        if len(set(self._names)) < len(self._names):
            raise ValueError(f"X must have unique column names. Got {self._names} instead.")
        is_empty = np.isnan(self._X).all(axis=0)
        self._features = [name for name, empty in zip(self._names, is_empty, strict=True) if not empty]
        n_needed = 1 if self._is_regression else 2
        if len(self._features) < n_needed:
            columns = "one column that is" if n_needed == 1 else "two columns that are"
            raise ValueError(f"X must have at least {columns} not empty. Got {self._features} instead.")
        self.targets = [str(getattr(y, "name", None) or "y")]
        self.n_rows = len(self._y)
        self.notes: dict[str, str] = {}

    def is_regression(self, target: str) -> bool:
        """Return whether y contains numbers, and not labels."""
        return self._is_regression

    def features(self, target: str) -> list[str]:
        """Return the columns of X that are not empty."""
        return self._features

    def read(self, target: str, features: Sequence[str]) -> tuple[Any, np.ndarray]:
        """Return these columns of X, as an array or dataframe, and y."""
        indices = [self._names.index(name) for name in features]
        return (self._X[:, indices] if self._frame is None else self._columns(indices)), self._y

    def code(self, target: str, features: Sequence[str]) -> str:
        """Return code that selects the columns of X; X and y exist in the notebook."""
        indices = [self._names.index(name) for name in features]
        if self._frame is None:
            selection = f"np.asarray(X, dtype=float)[:, {indices}]"
        else:
            selection = f"X[{list(self._columns(indices).columns)!r}]"
        return f"# X and y as passed to Explorer\nX = {selection}\ny = np.ravel(y)"

    def _columns(self, indices: Sequence[int]) -> Any:
        """Return columns of the pandas or polars dataframe."""
        return self._frame[[self._frame.columns[index] for index in indices]]


def _is_regression(y: np.ndarray) -> bool:
    """Return whether y contains numbers and not labels, as the command decides for a column."""
    from moonnet.tables._text_columns import has_many_numbers

    if y.dtype.kind not in "iuf":
        return False
    return has_many_numbers(len(np.unique(y)), are_integers=bool((y == np.floor(y)).all()))


def _check_labels(y: np.ndarray) -> None:
    """Raise ValueError if the labels are too few, too many, too rare or invalid."""
    n_classes = len(set(y.tolist()))
    if not 2 <= n_classes <= MAX_CLASSES:
        raise ValueError(f"y must contain labels of 2 to {MAX_CLASSES} classes. Got {n_classes} classes instead.")
    ClassTargets.from_y(y)  # raises for other invalid labels
    if y.dtype.kind in "mM":
        raise ValueError(f"y must contain numbers, strings or booleans. Got {y.dtype} instead.")
    rarest = np.unique(y, return_counts=True)[1].min()
    if rarest < MIN_SAMPLES_PER_CLASS:
        raise ValueError(
            f"y must contain each class at least {MIN_SAMPLES_PER_CLASS} times. Got a class with {rarest}."
        )


def _to_floats(X: Any, **options: Any) -> np.ndarray:
    return check_array(X, dtype=np.float64, ensure_all_finite="allow-nan", input_name="X", **options)


def _check_columns(frame: Any) -> None:
    """Raise ValueError, which names the column, if one of a dataframe holds no numbers."""
    names = [] if frame is None else list(frame.columns)
    for name in names if len(set(names)) == len(names) else []:
        column = frame[[name]]
        try:
            _to_floats(column)
        except (TypeError, ValueError) as error:
            if "infinity" in str(error):
                continue
            raise ValueError(f"X must have columns of numbers. Got the column {name!r}: leave it out.") from error


class CsvTable:
    """A CSV file, read as ``moonnet --csv`` reads it."""

    def __init__(self, path: Path, target: str | None = None, content: bytes | None = None) -> None:
        from moonnet.tables._read_csv import read_table

        self.name = path.name
        self._table = read_table(
            path, content, max_bytes=None if content is None else MAX_FILE_BYTES, max_columns=MAX_COLUMNS
        )
        self.n_rows = len(self._table.text)
        self.notes = self._table.ambiguity_notes()
        self._numeric_columns = {column.name: column for column in self._find_numeric_columns()}
        self._is_number = {name: self._is_known(column) for name, column in self._numeric_columns.items()}
        self._targets: dict[str, Any] = {}
        candidates = [name for name in self._table.text if self._can_be_target(name)]
        self.targets = sorted(candidates, key=lambda name: not self.is_regression(name))  # columns of classes are last
        if target is not None:
            self._describe_target(target)  # raises if it cannot be the target
            self.targets = [name for name in self.targets if name != target] + [target]
        if not self.targets:
            raise ValueError(
                f"{path} must have a column of 2 to {MAX_CLASSES} classes with at least {MIN_SAMPLES_PER_CLASS} "
                f"samples each, or of numbers. Its columns are {self._table.column_list}."
            )
        n_needed = {name: 1 if self.is_regression(name) else 2 for name in self.targets}
        self.targets = [name for name in self.targets if len(self.features(name)) >= n_needed[name]]
        if not self.targets:
            columns = "two numeric columns" if 2 in n_needed.values() else "one numeric column"
            raise ValueError(
                f"{path} must have at least {columns} besides the target. "
                f"Got {', '.join(self._numeric_columns) or 'none'}."
            )

    @classmethod
    def from_bytes(cls, name: str, content: bytes) -> "CsvTable":
        """Return the table in an uploaded file. Raises ValueError."""
        name = PurePosixPath(name.replace("\\", "/")).name[:100] or "table.csv"
        if len(content) > MAX_FILE_BYTES:
            raise ValueError(f"{name} must be at most {MAX_FILE_BYTES // 2**20} MB. Got {len(content) / 2**20:.1f} MB.")
        return cls(Path(name), content=content)

    def is_regression(self, target: str) -> bool:
        """Return whether the target contains numbers, and not classes."""
        return self._describe_target(target).is_regression

    def features(self, target: str) -> list[str]:
        """Return the numeric columns other than the target that have a number in a row with a target."""
        has_target = self._is_known(self._describe_target(target))
        return [name for name, known in self._is_number.items() if name != target and (known & has_target).any()]

    def read(self, target: str, features: Sequence[str]) -> tuple[Any, np.ndarray]:
        """Return X, a dataframe, and y of the rows with a target."""
        from moonnet.tables._text_pipeline import read_samples

        columns = [self._numeric_columns[name] for name in features]
        return read_samples(self._table, self._describe_target(target), columns)

    def code(self, target: str, features: Sequence[str]) -> str:
        """Return code that reads the same X and y."""
        from moonnet.tables._python_script import samples_code
        from moonnet.tables._text_pipeline import make_number_encoder

        columns = [self._numeric_columns[name] for name in features]
        lines = [samples_code(self._table, self._describe_target(target), columns)]
        for column in columns:
            if column.number_format:
                encoder = estimator_code(make_number_encoder(column.number_format))
                lines.append(f"X[[{column.name!r}]] = {encoder}.fit_transform(X[[{column.name!r}]])")
        return "\n".join([*lines, f"X = X[{literal_code(list(features))}]"])

    def _can_be_target(self, name: str) -> bool:
        """Return whether a column contains classes or numbers that the explorer's network can predict."""
        if name in self._table.duplicates or self._table.text[name].isna().all():
            return False
        rows = self._table.text[name][self._is_known(self._describe_target(name))]
        if self.is_regression(name):
            return name in self._numeric_columns and len(rows) >= MIN_NUMBERS and len(set(rows)) > 1
        counts = rows.value_counts()
        return 2 <= len(counts) <= MAX_CLASSES and counts.min() >= MIN_SAMPLES_PER_CLASS

    def _is_known(self, column: Any) -> np.ndarray:
        """Return which cells of a feature or a target are not missing."""
        cells = self._table.text[column.name]
        return (cells.notna() & ~cells.isin(column.missing_markers)).to_numpy()

    def _find_numeric_columns(self) -> Iterator[Any]:
        """Yield the descriptions of the numeric columns, without row numbers and keys."""
        from moonnet.tables._text_columns import find_missing_markers, infer_column

        for name in self._table.text:
            # Skip text columns, in which the search for dates is slow
            if find_missing_markers(self._table, self._table.text[name].dropna()) is not None:
                column = infer_column(self._table, name, required=False, month_first=False)
                if column.kind == "number":
                    yield column

    def _describe_target(self, name: str) -> Any:
        """Return the description of a column; the command decides in the same way whether it is regressed on."""
        if name not in self._targets:
            from moonnet.tables._text_columns import infer_target

            self._targets[name] = infer_target(self._table, name, None)
        return self._targets[name]
