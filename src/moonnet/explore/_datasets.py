"""The samples on the plane, of a toy problem or a user's table, with the user's edits, and Python code for them."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from sklearn.datasets import make_blobs, make_circles, make_moons
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_array

from moonnet.explore._inputs import Inputs
from moonnet.explore._settings import MAX_COORDINATE, MAX_TRAIN_ROWS, DatasetSettings, Settings
from moonnet.plotting._feature_plane import axis_limits, principal_axis_labels
from moonnet.tables._pipeline import median_imputer
from moonnet.tables._python_code import estimator_code

MAX_CLASSES = 10
MAX_TEST_ROWS = 1000
MIN_SAMPLES_PER_CLASS = 4  # so that training and held-out samples both contain each class
_MIN_RANGE = 1e-6  # of standardised values; those of a smaller range differ by rounding errors only


class Axis(NamedTuple):
    """An axis of the plane; ``coordinate * scale + offset`` is the value in the unit of the feature."""

    name: str
    scale: float
    offset: float
    limits: tuple[float, float]  # coordinates


class PlaneDataset(NamedTuple):
    """Training and held-out samples on the plane."""

    X_train: np.ndarray  # (n_samples, 2), coordinates on the plane
    y_train: np.ndarray  # (n_samples,), labels
    X_test: np.ndarray
    y_test: np.ndarray
    indices: np.ndarray  # of each training sample before the user's edits; -1 for points that were drawn
    classes: np.ndarray
    axes: tuple[Axis, Axis]
    preprocessor: Any  # fitted pipeline from the table's columns to the plane; None for a toy problem
    note: str  # for the page's status, on ambiguous numbers, missing values and rows left out; may be empty
    code: str  # defines X_train, y_train, X_test, y_test and, for a table, preprocessor
    inputs: Inputs = Inputs()  # of the network, from points on the plane


class UserTable(Protocol):
    """A table of the user; one column is the target, two or more numeric columns are the features."""

    name: str
    targets: list[str]  # columns that can be the target
    n_rows: int
    notes: dict[str, str]  # about columns whose numbers are ambiguous

    def features(self, target: str) -> list[str]:
        """Return the numeric columns other than the target that have a number in a row with a target."""

    def read(self, target: str, features: list[str]) -> tuple[Any, np.ndarray]:
        """Return X (n_samples, n_features), an array or dataframe with NaN or null for missing values, and y.

        Raises ValueError.
        """

    def code(self, target: str, features: list[str]) -> str:
        """Return Python code that makes the same X and y."""


def make_spirals(n_samples: int, *, noise: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two interleaved spirals and their labels."""
    rng = np.random.default_rng(random_state)
    y = np.arange(n_samples) % 2
    turn = np.sqrt(rng.uniform(0.02, 1, n_samples))  # uniform along the spirals
    angle = 3 * np.pi * turn + np.pi * y
    X = 1.5 * turn[:, np.newaxis] * np.column_stack([np.cos(angle), np.sin(angle)])
    return X + rng.normal(0, noise / 2, X.shape), y


def make_xor(n_samples: int, *, noise: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points in a square, labelled 1 where both coordinates have the same sign."""
    rng = np.random.default_rng(random_state)
    X = rng.uniform(-1.5, 1.5, (n_samples, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    return X + rng.normal(0, noise, X.shape), y


class _ToyProblem(NamedTuple):
    make: Callable[..., Any]
    options: Callable[[float], dict[str, Any]]  # keyword arguments for a noise
    limits: tuple[tuple[float, float], tuple[float, float]]


_SQUARE = (-2.0, 2.0), (-2.0, 2.0)
_TOY_PROBLEMS = {
    "moons": _ToyProblem(make_moons, lambda noise: {"noise": noise}, ((-1.75, 2.75), (-2.0, 2.5))),
    "circles": _ToyProblem(make_circles, lambda noise: {"noise": noise, "factor": 0.5}, _SQUARE),
    "blobs": _ToyProblem(
        make_blobs, lambda noise: {"centers": [[-1, -0.8], [1, -0.8], [0, 0.9]], "cluster_std": 2 * noise}, _SQUARE
    ),
    "spirals": _ToyProblem(make_spirals, lambda noise: {"noise": noise}, _SQUARE),
    "xor": _ToyProblem(make_xor, lambda noise: {"noise": noise}, _SQUARE),
}


def load_dataset(settings: DatasetSettings, table: UserTable | None) -> PlaneDataset:
    """Return the samples that the settings describe. Raises ValueError."""
    if settings.data != "own":
        return _toy_dataset(_TOY_PROBLEMS[settings.data], settings)
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
        points, labels = _drawn_points(dataset, settings)
        X, y = np.concatenate([X, points]), np.concatenate([y, labels])
        indices = np.concatenate([indices, np.full(len(points), -1)])
    missing = [label for label in dataset.classes.tolist() if label not in y]
    if missing:
        raise ValueError(
            f"The training samples must contain every class. There is none of class {missing[0]}: draw one."
        )
    code, inputs = _edits_code(dataset, settings), Inputs(settings.inputs)
    return dataset._replace(X_train=X, y_train=y, indices=indices, code=code, inputs=inputs)


def _edits_code(dataset: PlaneDataset, settings: Settings) -> str:
    """Return the code of the dataset, and code that applies the edits to X_train and y_train."""
    lines = []
    if erased := [index for index in settings.erased if index < len(dataset.y_train)]:
        lines += [f"erased = {erased}", "X_train, y_train = np.delete(X_train, erased, 0), np.delete(y_train, erased)"]
    if settings.drawn:
        points = ",\n    ".join(str([x, y]) for x, y, _ in settings.drawn)
        classes = dataset.classes.tolist()
        labels = [classes[label] for _, _, label in settings.drawn]
        lines += [
            f"drawn = np.array([\n    {points},\n])",
            "X_train = np.concatenate([X_train, drawn])",
            f"y_train = np.concatenate([y_train, {labels}])",
        ]
    return "\n\n".join(filter(None, [dataset.code, "\n".join(lines)]))


def _drawn_points(dataset: PlaneDataset, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates and labels of the points that the user drew. Raises ValueError."""
    drawn = np.array(settings.drawn)
    points, labels = drawn[:, :2], drawn[:, 2].astype(int)
    n_classes = len(dataset.classes)
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
    return points, dataset.classes[labels]


def _toy_dataset(toy: _ToyProblem, settings: DatasetSettings) -> PlaneDataset:
    """Return a toy problem; the held-out samples are drawn with the next seed."""
    options = toy.options(settings.noise)
    seed = settings.random_state
    X_train, y_train = toy.make(settings.n_samples, random_state=seed, **options)
    X_test, y_test = toy.make(settings.n_samples, random_state=seed + 1, **options)
    axes = Axis("x", 1.0, 0.0, toy.limits[0]), Axis("y", 1.0, 0.0, toy.limits[1])
    code = _toy_code(toy, options, settings)
    indices = np.arange(len(y_train))
    return PlaneDataset(X_train, y_train, X_test, y_test, indices, np.unique(y_train), axes, None, "", code)


def _toy_code(toy: _ToyProblem, options: dict[str, Any], settings: DatasetSettings) -> str:
    """Return code that makes a toy problem, with the source of functions that scikit-learn lacks."""
    name = toy.make.__name__
    source = [f"\n{inspect.getsource(toy.make)}\n"] if toy.make.__module__ == __name__ else []
    arguments = ", ".join(f"{option}={value!r}" for option, value in options.items())
    calls = [
        f"X_{part}, y_{part} = {name}({settings.n_samples}, {arguments}, random_state={seed})"
        for part, seed in (("train", settings.random_state), ("test", settings.random_state + 1))
    ]
    return "\n".join([*source, *calls])


def _table_dataset(table: UserTable, settings: DatasetSettings) -> PlaneDataset:
    """Return a table's samples on the plane of two features, or of the first two principal components of more."""
    target, features = _select_columns(table, settings)
    X, y = table.read(target, features)
    classes = _check_classes(target, y)
    sizes: dict[str, Any] = {"test_size": 0.25}
    if len(y) > MAX_TRAIN_ROWS + MAX_TEST_ROWS:
        sizes = {"train_size": MAX_TRAIN_ROWS, "test_size": MAX_TEST_ROWS}
    split = {"stratify": y, "random_state": settings.random_state, **sizes}
    X_train, X_test, y_train, y_test = train_test_split(X, y, **split)
    unknown = _find_unknown_features(features, X_train, may_leave_out=settings.features is None)
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
    axes = _table_axes(features, preprocessor, X_all)
    code = _table_code(table.code(target, features), settings.random_state, sizes, preprocessor)
    notes = [note for name, note in table.notes.items() if name in features]
    if len(y) < table.n_rows:
        notes.append(f"{table.n_rows - len(y)} of {table.n_rows} rows without a target left out")
    if unknown:
        notes.append(f"left out for lack of a number among the training samples: {', '.join(unknown)}")
    if n_incomplete := _is_missing(X).any(axis=1).sum():
        notes.append(f"missing values in {n_incomplete} of {len(y)} rows replaced by the median")
    if "train_size" in sizes:
        notes.append(f"{MAX_TRAIN_ROWS} rows used for training and {MAX_TEST_ROWS} held out")
    indices = np.arange(len(y_train))
    return PlaneDataset(X_train, y_train, X_test, y_test, indices, classes, axes, preprocessor, "; ".join(notes), code)


def _select_columns(table: UserTable, settings: DatasetSettings) -> tuple[str, list[str]]:
    """Return the target and the features. Raises ValueError."""
    target = table.targets[-1] if settings.target is None else settings.target
    if target not in table.targets:
        raise ValueError(f"target must be one of {', '.join(table.targets)}. Got {target!r} instead.")
    numeric = table.features(target)
    if len(numeric) < 2:
        raise ValueError(f"{table.name} must have at least two numeric columns besides {target!r}. Got {numeric}.")
    features = numeric if settings.features is None else list(settings.features)
    if not set(features) <= set(numeric):
        raise ValueError(f"features must be two of {', '.join(numeric)}. Got {', '.join(features)} instead.")
    return target, features


def _is_missing(X: Any) -> np.ndarray:
    """Return which values of an array or dataframe are missing, of shape (n_samples, n_features)."""
    return np.isnan(check_array(X, dtype=np.float64, ensure_all_finite="allow-nan"))


def _find_unknown_features(features: list[str], X_train: Any, *, may_leave_out: bool) -> list[str]:
    """Return the features without a number in X_train, which have no median. Raises ValueError if they are needed."""
    unknown = [name for name, column in zip(features, _is_missing(X_train).T, strict=True) if column.all()]
    if unknown and (not may_leave_out or len(features) - len(unknown) < 2):
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


def _table_axes(features: list[str], preprocessor: Any, X: np.ndarray) -> tuple[Axis, Axis]:
    """Return the axes of the plane on which X lies."""
    if len(features) > 2:
        units = [(label, 1.0, 0.0) for label in principal_axis_labels(preprocessor[-1])]
    else:
        scaler = preprocessor[-1]
        units = list(zip(features, scaler.scale_.tolist(), scaler.mean_.tolist(), strict=True))
    first, second = (
        Axis(*unit, axis_limits("limits", None, values if np.ptp(values) >= _MIN_RANGE else values[:1]))
        for unit, values in zip(units, X.T, strict=True)
    )
    return first, second


def _table_code(reading: str, random_state: int, sizes: dict[str, Any], preprocessor: Any) -> str:
    """Return code that splits and preprocesses the X and y that the code ``reading`` defines."""
    arguments = ", ".join(f"{name}={value}" for name, value in sizes.items())
    return f"""\
{reading}
X_train, X_test, y_train, y_test = train_test_split(
    X, y, stratify=y, random_state={random_state}, {arguments}
)

# From the columns to the plane
preprocessor = {estimator_code(preprocessor)}
X_train = preprocessor.fit_transform(X_train)
X_test = preprocessor.transform(X_test)"""
