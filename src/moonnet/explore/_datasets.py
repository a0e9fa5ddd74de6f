"""The samples on the plane, of a toy problem or a user's table, with the user's edits, and Python code for them."""

from typing import Any, NamedTuple, Protocol

import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_array

from moonnet.explore._inputs import Inputs
from moonnet.explore._settings import MAX_COORDINATE, MAX_TRAIN_ROWS, DatasetSettings, Settings
from moonnet.explore._toy_problems import TOY_PROBLEMS, ToyProblem
from moonnet.plotting._feature_plane import axis_limits, principal_axis_labels
from moonnet.tables._pipeline import median_imputer
from moonnet.tables._python_code import estimator_code

MAX_CLASSES = 10
MAX_TEST_ROWS = 1000
MIN_SAMPLES_PER_CLASS = 4  # so that training and held-out samples both contain each class
MIN_NUMBERS = 8  # samples of a table whose target is a number
_MIN_RANGE = 1e-6  # of standardised values; those of a smaller range differ by rounding errors only


class Axis(NamedTuple):
    """An axis of a feature or of numbers to predict; ``coordinate * scale + offset`` is the value in their unit."""

    name: str
    scale: float
    offset: float
    limits: tuple[float, float]  # coordinates


class PlaneDataset(NamedTuple):
    """Training and held-out samples on the plane: of two features, or of one feature and the numbers to predict."""

    X_train: np.ndarray  # (n_samples, n_features), coordinates
    y_train: np.ndarray  # (n_samples,), labels or numbers, which are not coordinates but in the unit of the table
    X_test: np.ndarray
    y_test: np.ndarray
    indices: np.ndarray  # of each training sample before the user's edits; -1 for points that were drawn
    classes: np.ndarray  # empty for numbers
    features: tuple[Axis, ...]  # one or two
    target: Axis | None  # of numbers; None for classes
    preprocessor: Any  # fitted pipeline from the table's columns to the plane; None for a toy problem
    note: str  # for the page's status, on ambiguous numbers, missing values and rows left out; may be empty
    code: str  # defines X_train, y_train, X_test, y_test and, for a table, preprocessor
    inputs: Inputs = Inputs()  # of the network, from points on the plane

    @property
    def is_regression(self) -> bool:
        """Whether numbers are predicted."""
        return self.target is not None

    @property
    def is_curve(self) -> bool:
        """Whether the plane shows numbers over one feature."""
        return len(self.features) == 1

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The two axes of the plane."""
        return (*self.features, self.target) if self.is_curve and self.target else self.features


class UserTable(Protocol):
    """A table of the user; one column is the target, others with numbers are the features.

    They are two or more if the target contains classes, and one or more if it contains numbers.
    """

    name: str
    targets: list[str]  # columns that can be the target
    n_rows: int
    notes: dict[str, str]  # about columns whose numbers are ambiguous

    def is_regression(self, target: str) -> bool:
        """Return whether the target contains numbers, and not classes."""

    def features(self, target: str) -> list[str]:
        """Return the numeric columns other than the target that have a number in a row with a target."""

    def read(self, target: str, features: list[str]) -> tuple[Any, np.ndarray]:
        """Return X (n_samples, n_features), an array or dataframe with NaN or null for missing values, and y.

        Raises ValueError.
        """

    def code(self, target: str, features: list[str]) -> str:
        """Return Python code that makes the same X and y."""


def load_dataset(settings: DatasetSettings, table: UserTable | None) -> PlaneDataset:
    """Return the samples that the settings describe. Raises ValueError."""
    if settings.data != "own":
        return _toy_dataset(TOY_PROBLEMS[settings.data], settings)
    if table is None:
        raise ValueError("No table is open. Open the CSV file again: the address contains only the settings.")
    return _table_dataset(table, settings)


def apply_edits(dataset: PlaneDataset, settings: Settings) -> PlaneDataset:
    """Return the dataset with the network's inputs, without the training samples erased and with those drawn.

    Raises ValueError.
    """
    indices = np.setdiff1d(dataset.indices, settings.erased)
    X, y = dataset.X_train[indices], dataset.y_train[indices]
    if settings.drawn:
        drawn_X, drawn_y = _drawn_samples(dataset, settings)
        X, y = np.concatenate([X, drawn_X]), np.concatenate([y, drawn_y])
        indices = np.concatenate([indices, np.full(len(drawn_X), -1)])
    missing = [label for label in dataset.classes.tolist() if label not in y]
    if missing:
        raise ValueError(
            f"The training samples must contain every class. There is none of class {missing[0]}: draw one."
        )
    if len(y) < 2:
        raise ValueError(f"There must be at least two training samples. Got {len(y)}: undo, or draw some.")
    code, inputs = _edits_code(dataset, settings), Inputs(settings.inputs, len(dataset.features))
    return dataset._replace(X_train=X, y_train=y, indices=indices, code=code, inputs=inputs)


def _edits_code(dataset: PlaneDataset, settings: Settings) -> str:
    """Return the code of the dataset, and code that applies the edits to X_train and y_train."""
    lines = []
    if erased := [index for index in settings.erased if index < len(dataset.y_train)]:
        lines += [f"erased = {erased}", "X_train, y_train = np.delete(X_train, erased, 0), np.delete(y_train, erased)"]
    if settings.drawn:
        X, y = _drawn_samples(dataset, settings)
        points = ",\n    ".join(map(str, X.tolist()))
        lines += [
            f"drawn = np.array([\n    {points},\n])",
            "X_train = np.concatenate([X_train, drawn])",
            f"y_train = np.concatenate([y_train, {y.tolist()}])",
        ]
    return "\n\n".join(filter(None, [dataset.code, "\n".join(lines)]))


def _drawn_samples(dataset: PlaneDataset, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Return X and y of the points that the user drew. Raises ValueError."""
    if dataset.target is not None and not dataset.is_curve:
        raise ValueError("drawn must be empty for numbers over two features, which the plane has no axis for.")
    drawn = np.array(settings.drawn)
    points, labels = drawn[:, :2], drawn[:, 2].astype(int)
    n_classes = len(dataset.classes) or 1  # a point of numbers has the label 0
    if labels.max() >= n_classes:
        raise ValueError(
            f"drawn must contain points of classes 0 to {n_classes - 1}. Got class {labels.max()} instead."
        )
    lower, upper = np.transpose([axis.limits for axis in dataset.axes])
    outside = ((points < lower) | (points > upper)).any(axis=1)
    if outside.any():
        raise ValueError(
            f"drawn must contain points from {lower.tolist()} to {upper.tolist()}. "
            f"Got {points[outside][0].tolist()} instead."
        )
    if dataset.target is not None:
        return points[:, :1], points[:, 1] * dataset.target.scale + dataset.target.offset
    return points, dataset.classes[labels]


def _toy_dataset(toy: ToyProblem, settings: DatasetSettings) -> PlaneDataset:
    """Return a toy problem; the held-out samples are drawn with the next seed."""
    arguments = settings.n_samples, settings.noise
    X_train, y_train = toy.make_samples(*arguments, settings.random_state)
    X_test, y_test = toy.make_samples(*arguments, settings.random_state + 1)
    is_regression = toy.target_limits is not None
    names = ["x", "y", "z"]
    features = tuple(Axis(name, 1.0, 0.0, limits) for name, limits in zip(names, toy.limits, strict=False))
    return PlaneDataset(
        X_train,
        y_train,
        X_test,
        y_test,
        indices=np.arange(len(y_train)),
        classes=np.array([]) if is_regression else np.unique(y_train),
        features=features,
        target=Axis(names[len(features)], 1.0, 0.0, toy.target_limits) if toy.target_limits else None,
        preprocessor=None,
        note="",
        code=toy.code(*arguments, settings.random_state),
    )


def _table_dataset(table: UserTable, settings: DatasetSettings) -> PlaneDataset:
    """Return a table's samples, of one or two features, or of the first two principal components of more."""
    target, features = _select_columns(table, settings)
    is_regression = table.is_regression(target)
    X, y = table.read(target, features)
    classes = np.array([]) if is_regression else _check_classes(target, y)
    sizes: dict[str, Any] = {"test_size": 0.25}
    if len(y) > MAX_TRAIN_ROWS + MAX_TEST_ROWS:
        sizes = {"train_size": MAX_TRAIN_ROWS, "test_size": MAX_TEST_ROWS}
    target_axis = _target_axis(table.name, target, y) if is_regression else None
    split = {"stratify": None if is_regression else y, "random_state": settings.random_state, **sizes}
    X_train, X_test, y_train, y_test = train_test_split(X, y, **split)
    n_needed = _n_features_needed(is_regression=is_regression) if settings.features is None else len(features)
    unknown = _find_unknown_features(features, X_train, n_needed)
    if unknown:
        features = [name for name in features if name not in unknown]
        X, _ = table.read(target, features)
        X_train, X_test, _, _ = train_test_split(X, y, **split)
    projection = [PCA(2, svd_solver="full")] if len(features) > 2 else []
    preprocessor = make_pipeline(median_imputer(), StandardScaler(), *projection)
    X_train, X_test = _project(table.name, preprocessor, X_train, X_test)
    X_all = np.concatenate([X_train, X_test])
    if (np.ptp(X_all, axis=0) < _MIN_RANGE).all():
        raise ValueError(
            f"{table.name} must have a numeric column that is not constant. Got the constant columns "
            f"{', '.join(features)}."
        )
    notes = [note for name, note in table.notes.items() if name in features]
    if len(y) < table.n_rows:
        notes.append(f"{table.n_rows - len(y)} of {table.n_rows} rows without a target left out")
    if unknown:
        notes.append(f"left out for lack of a number among the training samples: {', '.join(unknown)}")
    if n_incomplete := _is_missing(X).any(axis=1).sum():
        notes.append(f"missing values in {n_incomplete} of {len(y)} rows replaced by the median")
    if "train_size" in sizes:
        notes.append(f"{MAX_TRAIN_ROWS} rows used for training and {MAX_TEST_ROWS} held out")
    split_code = [f"random_state={settings.random_state}", *(f"{name}={value}" for name, value in sizes.items())]
    if not is_regression:
        split_code.insert(0, "stratify=y")
    return PlaneDataset(
        X_train,
        y_train,
        X_test,
        y_test,
        indices=np.arange(len(y_train)),
        classes=classes,
        features=_feature_axes(features, preprocessor, X_all),
        target=target_axis,
        preprocessor=preprocessor,
        note="; ".join(notes),
        code=_table_code(table.code(target, features), ", ".join(split_code), preprocessor),
    )


def _n_features_needed(*, is_regression: bool) -> int:
    return 1 if is_regression else 2


def _select_columns(table: UserTable, settings: DatasetSettings) -> tuple[str, list[str]]:
    """Return the target and the features. Raises ValueError."""
    target = table.targets[-1] if settings.target is None else settings.target
    if target not in table.targets:
        raise ValueError(f"target must be one of {', '.join(table.targets)}. Got {target!r} instead.")
    numeric = table.features(target)
    n_needed = _n_features_needed(is_regression=table.is_regression(target))
    if len(numeric) < n_needed:
        columns = "one numeric column" if n_needed == 1 else "two numeric columns"
        raise ValueError(f"{table.name} must have at least {columns} besides {target!r}. Got {numeric}.")
    features = numeric if settings.features is None else list(settings.features)
    if not set(features) <= set(numeric) or len(features) < n_needed:
        number = "one or two" if n_needed == 1 else "two"
        raise ValueError(f"features must be {number} of {', '.join(numeric)}. Got {', '.join(features)} instead.")
    return target, features


def _is_missing(X: Any) -> np.ndarray:
    """Return which values of an array or dataframe are missing, of shape (n_samples, n_features)."""
    return np.isnan(check_array(X, dtype=np.float64, ensure_all_finite="allow-nan"))


def _find_unknown_features(features: list[str], X_train: Any, n_needed: int) -> list[str]:
    """Return the features without a number in X_train, which have no median. Raises ValueError if too few are left."""
    unknown = [name for name, column in zip(features, _is_missing(X_train).T, strict=True) if column.all()]
    if unknown and len(features) - len(unknown) < n_needed:
        raise ValueError(
            "features must be columns with a number among the training samples. "
            f"Got {', '.join(unknown)} without one: choose other columns or another random_state."
        )
    return unknown


def _check_classes(target: str, y: np.ndarray) -> np.ndarray:
    """Return the classes. Raises ValueError if they are too few, too many or too rare."""
    classes, counts = np.unique(y, return_counts=True)
    if not 2 <= len(classes) <= MAX_CLASSES or counts.min() < MIN_SAMPLES_PER_CLASS:
        raise ValueError(
            f"{target} must have 2 to {MAX_CLASSES} classes with at least {MIN_SAMPLES_PER_CLASS} samples each. "
            f"Got {len(classes)} classes, the smallest with {counts.min() if len(counts) else 0} samples."
        )
    return classes


def _target_axis(table_name: str, target: str, y: np.ndarray) -> Axis:
    """Return the axis of numbers, whose coordinates are standardised. Raises ValueError."""
    if len(y) < MIN_NUMBERS or (y == y[0]).all():
        raise ValueError(
            f"{target} must have at least {MIN_NUMBERS} numbers, which must differ. "
            f"Got {len(y)}, {len(np.unique(y))} of them distinct."
        )
    with np.errstate(all="ignore"):
        scale, offset = float(np.std(y, dtype=np.float64)), float(np.mean(y, dtype=np.float64))
        coordinates = (y - offset) / scale
    if not (0 < scale < np.inf and (np.abs(coordinates) <= MAX_COORDINATE).all()):
        raise ValueError(f"{target} of {table_name} must contain numbers that can be standardised.")
    return Axis(target, scale, offset, axis_limits("limits", None, coordinates))


def _project(name: str, preprocessor: Any, X_train: Any, X_test: Any) -> tuple[np.ndarray, np.ndarray]:
    """Fit the preprocessor and return the samples on the plane. Raises ValueError if numbers are too large."""
    too_large = ValueError(f"{name} must contain numbers that can be standardised. Got numbers that are too large.")
    with np.errstate(all="ignore"):
        try:
            X_train = preprocessor.fit_transform(X_train)
            X_test = preprocessor.transform(X_test)
        except ValueError:  # PCA rejects the NaN that the scaler makes of numbers whose variance overflows
            raise too_large from None
    if not all((np.abs(X) <= MAX_COORDINATE).all() for X in (X_train, X_test)):
        raise too_large
    return X_train, X_test


def _feature_axes(features: list[str], preprocessor: Any, X: np.ndarray) -> tuple[Axis, ...]:
    """Return the axes of the features X."""
    if len(features) > 2:
        units = [(label, 1.0, 0.0) for label in principal_axis_labels(preprocessor[-1])]
    else:
        scaler = preprocessor[-1]
        units = list(zip(features, scaler.scale_.tolist(), scaler.mean_.tolist(), strict=True))
    return tuple(
        Axis(*unit, axis_limits("limits", None, values if np.ptp(values) >= _MIN_RANGE else values[:1]))
        for unit, values in zip(units, X.T, strict=True)
    )


def _table_code(reading: str, split: str, preprocessor: Any) -> str:
    """Return code that splits and preprocesses the X and y that the code ``reading`` defines."""
    return f"""\
{reading}
X_train, X_test, y_train, y_test = train_test_split(
    X, y, {split}
)

# From the columns to the plane
preprocessor = {estimator_code(preprocessor)}
X_train = preprocessor.fit_transform(X_train)
X_test = preprocessor.transform(X_test)"""
