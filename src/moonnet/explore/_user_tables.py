"""The user's tables: X and y in a notebook, or a CSV file."""

import re
import shutil
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from moonnet._class_targets import ClassTargets
from moonnet.explore._datasets import MAX_CLASSES, MIN_SAMPLES_PER_CLASS, Code

MAX_FILE_BYTES = 4 * 2**20  # of an uploaded file
MAX_COLUMNS = 200


class ArrayTable:
    """X and y as arrays or dataframes, as passed to ``fit``."""

    name = "X"

    def __init__(self, X: Any, y: Any) -> None:
        self._frame: Any = X if hasattr(X, "columns") else None
        self._X = check_array(X, dtype=np.float64, input_name="X", ensure_min_features=2)
        self._y = column_or_1d(y)
        check_consistent_length(self._X, self._y)
        n_classes = len(set(self._y.tolist()))
        if not 2 <= n_classes <= MAX_CLASSES:
            raise ValueError(f"y must contain labels of 2 to {MAX_CLASSES} classes. Got {n_classes} classes instead.")
        ClassTargets.from_y(self._y)  # raises for other invalid labels
        if self._y.dtype.kind in "mM":
            raise ValueError(f"y must contain numbers, strings or booleans. Got {self._y.dtype} instead.")
        rarest = np.unique(self._y, return_counts=True)[1].min()
        if rarest < MIN_SAMPLES_PER_CLASS:
            raise ValueError(
                f"y must contain each class at least {MIN_SAMPLES_PER_CLASS} times. Got a class with {rarest}."
            )
        self._features = [str(name) for name in (range(self._X.shape[1]) if self._frame is None else X.columns)]
        if len(set(self._features)) < len(self._features):
            raise ValueError(f"X must have unique column names. Got {self._features} instead.")
        self.targets = [str(getattr(y, "name", None) or "y")]
        self.n_rows = len(self._y)

    def features(self, target: str) -> list[str]:
        """Return the columns of X."""
        return self._features

    def read(self, target: str, features: Sequence[str]) -> tuple[Any, np.ndarray]:
        """Return these columns of X, as an array or dataframe, and y."""
        indices = [self._features.index(name) for name in features]
        return (self._X[:, indices] if self._frame is None else self._columns(indices)), self._y

    def code(self, target: str, features: Sequence[str]) -> Code:
        """Return code that selects the columns of X; X and y exist in the notebook."""
        lines = ["# X and y as passed to Explorer"]
        indices = [self._features.index(name) for name in features]
        if self._frame is not None:
            lines.append(f"X = X[{list(self._columns(indices).columns)!r}]")
        else:
            lines.append(f"X = np.asarray(X, dtype=float)[:, {indices}]")
        return Code((), "\n".join([*lines, "y = np.ravel(y)"]))

    def _columns(self, indices: Sequence[int]) -> Any:
        """Return columns of the pandas or polars dataframe."""
        return self._frame[[self._frame.columns[index] for index in indices]]


class CsvTable:
    """A CSV file, read as ``moonnet --csv`` reads it."""

    def __init__(self, path: Path, target: str | None = None) -> None:
        from moonnet.command._read_csv import read_table

        self.name = path.name
        self._path = str(path)  # the path in the code
        self._table = read_table(path)
        self.n_rows = len(self._table.text)
        n_columns = self._table.text.shape[1]
        if n_columns > MAX_COLUMNS:
            raise ValueError(f"{path} must have at most {MAX_COLUMNS} columns. Got {n_columns}.")
        self._numeric_columns = {column.name: column for column in self._find_numeric_columns()}
        self._targets: dict[str, Any] = {}
        counts = {name: self._table.text[name].value_counts() for name in self._table.text}
        self.targets = [
            name
            for name, rows in counts.items()
            if 2 <= len(rows) <= MAX_CLASSES
            and rows.min() >= MIN_SAMPLES_PER_CLASS
            and name not in self._table.duplicates
        ]
        if target is not None:
            self._describe_target(target)  # raises if it cannot be the target
            self.targets = [name for name in self.targets if name != target] + [target]
        if not self.targets:
            raise ValueError(
                f"{path} must have a column of 2 to {MAX_CLASSES} classes with at least {MIN_SAMPLES_PER_CLASS} "
                f"samples each. Its columns are {self._table.column_list}."
            )
        if all(len(self.features(name)) < 2 for name in self.targets):
            raise ValueError(
                f"{path} must have at least two numeric columns besides the target. "
                f"Got {', '.join(self._numeric_columns) or 'none'}."
            )

    @classmethod
    def from_bytes(cls, name: str, content: bytes) -> "CsvTable":
        """Return the table in an uploaded file. Raises ValueError."""
        name = PurePosixPath(name.replace("\\", "/")).name[:100]
        if len(content) > MAX_FILE_BYTES:
            raise ValueError(f"{name} must be at most {MAX_FILE_BYTES // 2**20} MB. Got {len(content) / 2**20:.1f} MB.")
        first_line = re.split(rb"[\r\n]", content.lstrip(), maxsplit=1)[0]
        if max(first_line.count(sign.encode()) for sign in ",;\t|") >= MAX_COLUMNS:
            raise ValueError(f"{name} must have at most {MAX_COLUMNS} columns. Its first line has more.")
        with ExitStack() as cleaning:
            folder = mkdtemp(prefix="moonnet-")
            cleaning.callback(shutil.rmtree, folder, ignore_errors=True)
            path = Path(folder, "table.csv")  # pandas decompresses files by their ending; .csv is not
            path.write_bytes(content)
            try:
                table = cls(path)
            except (OSError, ValueError) as error:
                raise ValueError(str(error).replace(str(path), name)) from None
            table.name = table._path = name
            weakref.finalize(table, cleaning.pop_all().close)
        return table

    def features(self, target: str) -> list[str]:
        """Return the numeric columns other than the target."""
        return [name for name in self._numeric_columns if name != target]

    def read(self, target: str, features: Sequence[str]) -> tuple[Any, np.ndarray]:
        """Return X, a dataframe, and y, without rows that have missing values in these columns."""
        dtype = self._describe_target(target).dtype
        types = {**dict.fromkeys(features, "float64"), target: "str"}
        with self._replace_path_in_errors():
            frame = self._table.read(types, self._na_values(features)).dropna()
        X, y = frame[list(features)], frame[target].astype(dtype).to_numpy()
        if not np.isfinite(X.to_numpy()).all():
            raise ValueError(f"{self.name} must contain numbers that fit a float64.")
        return X, y

    def code(self, target: str, features: Sequence[str]) -> Code:
        """Return code that reads the same X and y."""
        options = self._table.options | ({"na_values": na_values} if (na_values := self._na_values(features)) else {})
        arguments = "".join(f"    {name}={value!r},\n" for name, value in options.items())
        body = (
            f"features, target = {list(features)!r}, {target!r}\n"
            f"table = pd.read_csv(\n    {self._path!r},\n    usecols=[*features, target],\n"
            f"    dtype=dict.fromkeys(features, 'float64') | {{target: 'str'}},\n{arguments}).dropna()\n"
            f"X, y = table[features], table[target].astype({self._describe_target(target).dtype!r}).to_numpy()"
        )
        return Code(("import pandas as pd",), body)

    def _find_numeric_columns(self) -> Iterator[Any]:
        """Yield the descriptions of the numeric columns, without row numbers and keys."""
        from moonnet.command._columns import find_missing_markers, infer_column

        for name in self._table.text:
            # Skip text columns, in which the search for dates is slow
            if find_missing_markers(self._table, self._table.text[name].dropna()) is not None:
                column = infer_column(self._table, name, required=False, month_first=False)
                if column.kind == "number":
                    yield column

    def _describe_target(self, name: str) -> Any:
        """Return the description of a column of classes. Raises ValueError."""
        if name not in self._targets:
            from moonnet.command._columns import infer_columns

            with self._replace_path_in_errors():
                # One feature is enough, since only the target is needed
                features = [other for other in self.features(name) if other not in self._table.duplicates][:1] or None
                self._targets[name], _ = infer_columns(self._table, name, features, "classification", month_first=False)
        return self._targets[name]

    @contextmanager
    def _replace_path_in_errors(self) -> Iterator[None]:
        """Replace the path of a temporary file in error messages by the name that the user knows."""
        try:
            yield
        except ValueError as error:
            raise ValueError(str(error).replace(str(self._table.path), self._path)) from None

    def _na_values(self, features: Sequence[str]) -> dict[str, list[str]]:
        """Return the texts that mark missing values, by column."""
        return {
            name: self._numeric_columns[name].missing_markers
            for name in features
            if self._numeric_columns[name].missing_markers
        }
