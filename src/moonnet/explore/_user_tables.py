"""The user's own tables: a notebook's X and y, or a CSV file."""

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
from moonnet.explore._datasets import FEWEST_OF_A_CLASS, MOST_CLASSES, Code

MOST_BYTES = 4 * 2**20  # of a file that a page sends
MOST_COLUMNS = 200


class ArrayTable:
    """X and y, as fit takes them."""

    name = "X"

    def __init__(self, X: Any, y: Any) -> None:
        self._frame: Any = X if hasattr(X, "columns") else None
        self._X = check_array(X, dtype=np.float64, input_name="X", ensure_min_features=2)
        self._y = column_or_1d(y)
        check_consistent_length(self._X, self._y)
        n_classes = len(set(self._y.tolist()))
        if not 2 <= n_classes <= MOST_CLASSES:
            raise ValueError(f"y must hold labels of 2 to {MOST_CLASSES} classes. Got {n_classes} classes instead.")
        ClassTargets.from_y(self._y)  # says what else is wrong with them
        if self._y.dtype.kind in "mM":
            raise ValueError(f"y must hold labels that are numbers, strings or booleans. Got {self._y.dtype} instead.")
        rarest = np.unique(self._y, return_counts=True)[1].min()
        if rarest < FEWEST_OF_A_CLASS:
            raise ValueError(f"y must hold each class at least {FEWEST_OF_A_CLASS} times. Got one {rarest} times.")
        self._features = [str(name) for name in (range(self._X.shape[1]) if self._frame is None else X.columns)]
        if len(set(self._features)) < len(self._features):
            raise ValueError(f"X must have columns of different names. Got {self._features} instead.")
        self.targets = [str(getattr(y, "name", None) or "y")]
        self.n_rows = len(self._y)

    def features(self, target: str) -> list[str]:
        """Return the columns of X."""
        return self._features

    def read(self, target: str, features: Sequence[str]) -> tuple[Any, np.ndarray]:
        """Return these columns of X, as an array or a dataframe, and y."""
        indices = [self._features.index(name) for name in features]
        return (self._X[:, indices] if self._frame is None else self._columns(indices)), self._y

    def code(self, target: str, features: Sequence[str]) -> Code:
        """Return Python that takes the columns from X; X and y are there in the notebook."""
        lines = ["# X and y are those that Explorer was given"]
        indices = [self._features.index(name) for name in features]
        if self._frame is not None:
            lines.append(f"X = X[{list(self._columns(indices).columns)!r}]")
        else:
            lines.append(f"X = np.asarray(X, dtype=float)[:, {indices}]")
        return Code((), "\n".join([*lines, "y = np.ravel(y)"]))

    def _columns(self, indices: Sequence[int]) -> Any:
        """Return columns of the dataframe, of pandas or polars."""
        return self._frame[[self._frame.columns[index] for index in indices]]


class CsvTable:
    """A CSV file, read as ``moonnet --csv`` reads it."""

    def __init__(self, path: Path, target: str | None = None) -> None:
        from moonnet.command._read_csv import read_table

        self.name = path.name
        self._path = str(path)  # as the code names it
        self._table = read_table(path)
        self.n_rows = len(self._table.text)
        n_columns = self._table.text.shape[1]
        if n_columns > MOST_COLUMNS:
            raise ValueError(f"{path} must have at most {MOST_COLUMNS} columns. Got {n_columns}.")
        self._numbers = {column.name: column for column in self._columns_of_numbers()}
        self._targets: dict[str, Any] = {}
        counts = {name: self._table.text[name].value_counts() for name in self._table.text}
        self.targets = [
            name
            for name, rows in counts.items()
            if 2 <= len(rows) <= MOST_CLASSES and rows.min() >= FEWEST_OF_A_CLASS and name not in self._table.duplicates
        ]
        if target is not None:
            self._target(target)  # says what is wrong with it
            self.targets = [name for name in self.targets if name != target] + [target]
        if not self.targets:
            raise ValueError(
                f"{path} must have a column of 2 to {MOST_CLASSES} classes, each at least {FEWEST_OF_A_CLASS} times. "
                f"Its columns are {self._table.column_list}."
            )
        if all(len(self.features(name)) < 2 for name in self.targets):
            raise ValueError(
                f"{path} must have two columns of numbers beside one of classes. "
                f"Got {', '.join(self._numbers) or 'none'}."
            )

    @classmethod
    def of_bytes(cls, name: str, content: bytes) -> "CsvTable":
        """Return the table in a file that a page sends. Raises ValueError."""
        name = PurePosixPath(name.replace("\\", "/")).name[:100]
        if len(content) > MOST_BYTES:
            raise ValueError(f"{name} must hold at most {MOST_BYTES // 2**20} MB. Got {len(content) / 2**20:.1f} MB.")
        first_line = re.split(rb"[\r\n]", content.lstrip(), maxsplit=1)[0]
        if max(first_line.count(sign.encode()) for sign in ",;\t|") >= MOST_COLUMNS:
            raise ValueError(f"{name} must have at most {MOST_COLUMNS} columns. Its first line has more.")
        with ExitStack() as cleaning:
            folder = mkdtemp(prefix="moonnet-")
            cleaning.callback(shutil.rmtree, folder, ignore_errors=True)
            path = Path(folder, "table.csv")  # pandas decompresses by the name's ending, and this one says not to
            path.write_bytes(content)
            try:
                table = cls(path)
            except (OSError, ValueError) as error:
                raise ValueError(str(error).replace(str(path), name)) from None
            table.name = table._path = name
            weakref.finalize(table, cleaning.pop_all().close)
        return table

    def features(self, target: str) -> list[str]:
        """Return the columns of numbers beside a target."""
        return [name for name in self._numbers if name != target]

    def read(self, target: str, features: Sequence[str]) -> tuple[Any, np.ndarray]:
        """Return X, a dataframe, and y of the rows without gaps in these columns."""
        dtype = self._target(target).dtype
        types = {**dict.fromkeys(features, "float64"), target: "str"}
        with self._naming_the_file():
            frame = self._table.read(types, self._marks(features)).dropna()
        X, y = frame[list(features)], frame[target].astype(dtype).to_numpy()
        if not np.isfinite(X.to_numpy()).all():
            raise ValueError(f"{self.name} must hold numbers that fit a float64.")
        return X, y

    def code(self, target: str, features: Sequence[str]) -> Code:
        """Return Python that reads the same."""
        options = self._table.options | ({"na_values": marks} if (marks := self._marks(features)) else {})
        arguments = "".join(f"    {name}={value!r},\n" for name, value in options.items())
        body = (
            f"features, target = {list(features)!r}, {target!r}\n"
            f"table = pd.read_csv(\n    {self._path!r},\n    usecols=[*features, target],\n"
            f"    dtype=dict.fromkeys(features, 'float64') | {{target: 'str'}},\n{arguments}).dropna()\n"
            f"X, y = table[features], table[target].astype({self._target(target).dtype!r}).to_numpy()"
        )
        return Code(("import pandas as pd",), body)

    def _columns_of_numbers(self) -> Iterator[Any]:
        """Yield what is known of the columns of numbers, but for row numbers and keys."""
        from moonnet.command._columns import find_missing_markers, infer_column

        for name in self._table.text:
            # Looking for dates in text takes long
            if find_missing_markers(self._table, self._table.text[name].dropna()) is not None:
                column = infer_column(self._table, name, required=False, month_first=False)
                if column.kind == "number":
                    yield column

    def _target(self, name: str) -> Any:
        """Return what is known of a column of classes. Raises ValueError."""
        if name not in self._targets:
            from moonnet.command._columns import infer_columns

            with self._naming_the_file():
                # One will do, since only the target is wanted
                features = [other for other in self.features(name) if other not in self._table.duplicates][:1] or None
                self._targets[name], _ = infer_columns(self._table, name, features, "classification", month_first=False)
        return self._targets[name]

    @contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        """Let errors name the file as the user does: one that a page sent lies elsewhere."""
        try:
            yield
        except ValueError as error:
            raise ValueError(str(error).replace(str(self._table.path), self._path)) from None

    def _marks(self, features: Sequence[str]) -> dict[str, list[str]]:
        """Return the cells that stand for missing values in a column."""
        return {name: self._numbers[name].missing_markers for name in features if self._numbers[name].missing_markers}
