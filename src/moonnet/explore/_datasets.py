"""The samples on the plane: a toy problem or the user's own table, what is drawn and erased, and the code for it."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from sklearn.datasets import make_blobs, make_circles, make_moons
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet.explore._settings import MOST_ROWS, Origin, Settings
from moonnet.plotting._feature_plane import axis_limits

MOST_CLASSES = 10
MOST_ROWS_HELD_OUT = 1000
# Each class must be there to train on and to be held out
FEWEST_OF_A_CLASS = 4


class Code(NamedTuple):
    """Python code, and what it imports."""

    imports: tuple[str, ...]
    body: str


class Axis(NamedTuple):
    """An axis of the plane. Its coordinate times ``scale`` plus ``offset`` is what a reader knows."""

    name: str
    scale: float
    offset: float
    limits: tuple[float, float]  # coordinates


class Samples(NamedTuple):
    """Samples as they are before any is drawn or erased."""

    X_train: np.ndarray  # (n_samples, 2), coordinates on the plane
    y_train: np.ndarray  # (n_samples,), labels
    X_test: np.ndarray
    y_test: np.ndarray
    classes: np.ndarray
    axes: tuple[Axis, Axis]
    prepare: Any  # the fitted transformer from the user's own columns to the plane; None where there is none
    note: str  # what a reader would not expect, or nothing
    code: Code  # makes X_train, y_train, X_test, y_test and, where there is one, prepare


class Data(NamedTuple):
    """What a network learns on the page."""

    X: np.ndarray  # (n_samples, 2), coordinates on the plane
    y: np.ndarray
    indices: np.ndarray  # each sample's index before any were erased; -1 where it was drawn
    samples: Samples


class OwnTable(Protocol):
    """The user's own table, of which a column is learned from two others or from the principal plane of all."""

    name: str
    targets: list[str]  # columns that may be learned
    n_rows: int

    def features(self, target: str) -> list[str]:
        """Return the columns of numbers beside a target."""

    def read(self, target: str, features: list[str]) -> tuple[Any, np.ndarray]:
        """Return X (n_rows, n_features), an array or a dataframe, and y of rows that have both. Raises ValueError."""

    def code(self, target: str, features: list[str]) -> Code:
        """Return Python that makes the same X and y."""


def make_spirals(n_samples: int, *, noise: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two spirals around each other, and their labels."""
    rng = np.random.default_rng(random_state)
    y = np.arange(n_samples) % 2
    turn = np.sqrt(rng.uniform(0.02, 1, n_samples))  # evenly along the spirals
    angle = 3 * np.pi * turn + np.pi * y
    X = 1.5 * turn[:, np.newaxis] * np.column_stack([np.cos(angle), np.sin(angle)])
    return X + rng.normal(0, noise / 2, X.shape), y


def make_xor(n_samples: int, *, noise: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points in a square, labelled by whether their coordinates have the same sign."""
    rng = np.random.default_rng(random_state)
    X = rng.uniform(-1.5, 1.5, (n_samples, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    return X + rng.normal(0, noise, X.shape), y


class _Toy(NamedTuple):
    make: Callable[..., Any]
    options: Callable[[float], dict[str, Any]]  # from the noise
    limits: tuple[tuple[float, float], tuple[float, float]]


_SQUARE = (-2.0, 2.0), (-2.0, 2.0)
_TOYS = {
    "moons": _Toy(make_moons, lambda noise: {"noise": noise}, ((-1.75, 2.75), (-2.0, 2.5))),
    "circles": _Toy(make_circles, lambda noise: {"noise": noise, "factor": 0.5}, _SQUARE),
    "blobs": _Toy(
        make_blobs, lambda noise: {"centers": [[-1, -0.8], [1, -0.8], [0, 0.9]], "cluster_std": 2 * noise}, _SQUARE
    ),
    "spirals": _Toy(make_spirals, lambda noise: {"noise": noise}, _SQUARE),
    "xor": _Toy(make_xor, lambda noise: {"noise": noise}, _SQUARE),
}


def samples_of(origin: Origin, own: OwnTable | None) -> Samples:
    """Return the samples that the settings ask for. Raises ValueError."""
    if origin.data != "own":
        return _toy_samples(_TOYS[origin.data], origin)
    if own is None:
        raise ValueError("No table is open. Open the CSV file: an address holds settings alone.")
    return _own_samples(own, origin)


def edited(samples: Samples, settings: Settings) -> Data:
    """Return the samples without those that were erased, and with those that were drawn. Raises ValueError."""
    indices = np.setdiff1d(np.arange(len(samples.y_train)), settings.erased)
    X, y = samples.X_train[indices], samples.y_train[indices]
    if settings.drawn:
        drawn = np.array(settings.drawn)
        labels = drawn[:, 2].astype(int)
        if labels.max() >= len(samples.classes):
            raise ValueError(
                f"drawn must hold points of {len(samples.classes)} classes, from 0 on. Got one of class {labels.max()}."
            )
        lower, upper = np.transpose([axis.limits for axis in samples.axes])
        if ((drawn[:, :2] < lower) | (drawn[:, :2] > upper)).any():
            raise ValueError(f"drawn must hold points from {lower.tolist()} to {upper.tolist()}. Got one beyond.")
        X, y = np.concatenate([X, drawn[:, :2]]), np.concatenate([y, samples.classes[labels]])
        indices = np.concatenate([indices, np.full(len(drawn), -1)])
    missing = [label for label in samples.classes.tolist() if label not in y]
    if missing:
        raise ValueError(f"The samples to train on must hold each class. None is of class {missing[0]}: draw one.")
    return Data(X, y, indices, samples)


def editing_code(samples: Samples, settings: Settings) -> str:
    """Return Python that does the same to X_train and y_train."""
    lines = []
    if erased := [index for index in settings.erased if index < len(samples.y_train)]:
        lines += [f"erased = {erased}", "X_train, y_train = np.delete(X_train, erased, 0), np.delete(y_train, erased)"]
    if settings.drawn:
        points = ",\n    ".join(str([x, y]) for x, y, _ in settings.drawn)
        classes = samples.classes.tolist()
        labels = [classes[label] for _, _, label in settings.drawn]
        lines += [
            f"drawn = np.array([\n    {points},\n])",
            "X_train = np.concatenate([X_train, drawn])",
            f"y_train = np.concatenate([y_train, {labels}])",
        ]
    return "\n".join(lines)


def _toy_samples(toy: _Toy, origin: Origin) -> Samples:
    """Return a toy problem; what is held out comes from another seed."""
    options = toy.options(origin.noise)
    X_train, y_train = toy.make(origin.n_samples, random_state=origin.random_state, **options)
    X_test, y_test = toy.make(origin.n_samples, random_state=origin.random_state + 1, **options)
    name = toy.make.__name__
    is_ours = toy.make.__module__ == __name__
    imports = () if is_ours else (f"from sklearn.datasets import {name}",)
    source = [f"\n{inspect.getsource(toy.make)}\n"] if is_ours else []
    arguments = ", ".join(f"{option}={value!r}" for option, value in options.items())
    calls = [
        f"X_{part}, y_{part} = {name}({origin.n_samples}, {arguments}, random_state={seed})"
        for part, seed in (("train", origin.random_state), ("test", origin.random_state + 1))
    ]
    axes = Axis("x", 1.0, 0.0, toy.limits[0]), Axis("y", 1.0, 0.0, toy.limits[1])
    code = Code(imports, "\n".join([*source, *calls]))
    return Samples(X_train, y_train, X_test, y_test, np.unique(y_train), axes, None, "", code)


def _own_samples(own: OwnTable, origin: Origin) -> Samples:
    """Return the samples of a table on the plane of two columns, or on the principal plane of all its numbers."""
    target, features = _own_columns(own, origin)
    X, y = own.read(target, features)
    classes, counts = np.unique(y, return_counts=True)
    if not 2 <= len(classes) <= MOST_CLASSES or counts.min() < FEWEST_OF_A_CLASS:
        raise ValueError(
            f"{target} must hold 2 to {MOST_CLASSES} classes, each at least {FEWEST_OF_A_CLASS} times in rows without "
            f"gaps. Got {len(classes)} classes, the rarest {counts.min() if len(counts) else 0} times."
        )
    if not np.ptp(np.asarray(X), axis=0).any():
        raise ValueError(f"{own.name} must have a column of numbers that varies. Got {', '.join(features)}.")
    sizes: dict[str, Any] = {"test_size": 0.25}
    if len(y) > MOST_ROWS + MOST_ROWS_HELD_OUT:
        sizes = {"train_size": MOST_ROWS, "test_size": MOST_ROWS_HELD_OUT}
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=origin.random_state, **sizes)
    is_principal = len(features) > 2
    prepare = make_pipeline(StandardScaler(), PCA(2, svd_solver="full")) if is_principal else StandardScaler()
    X_train = prepare.fit_transform(X_train)
    X_test = prepare.transform(X_test)
    if not (np.isfinite(X_train).all() and np.isfinite(X_test).all()):
        raise ValueError(f"{own.name} must have numbers that can be standardised. Some are too large for it.")
    limits = [axis_limits("limits", None, values) for values in np.concatenate([X_train, X_test]).T]
    if is_principal:
        labels = [
            (f"principal component {number} ({share:.0%} of the variance)", 1.0, 0.0)
            for number, share in enumerate(prepare[-1].explained_variance_ratio_, start=1)
        ]
    else:
        labels = list(zip(features, prepare.scale_.tolist(), prepare.mean_.tolist(), strict=True))
    first, second = (Axis(*axis, ends) for axis, ends in zip(labels, limits, strict=True))
    code = _own_code(own.code(target, features), origin.random_state, sizes, is_principal)
    notes = [f"{own.n_rows - len(y)} of {own.n_rows} rows have gaps and are left out"] if len(y) < own.n_rows else []
    if "train_size" in sizes:
        notes.append(f"{MOST_ROWS} rows are trained on, and {MOST_ROWS_HELD_OUT} held out")
    note = "; ".join(notes)
    return Samples(X_train, y_train, X_test, y_test, classes, (first, second), prepare, note, code)


def _own_columns(own: OwnTable, origin: Origin) -> tuple[str, list[str]]:
    """Return the column to learn, and those to learn it from. Raises ValueError."""
    target = own.targets[-1] if origin.target is None else origin.target
    if target not in own.targets:
        raise ValueError(f"target must be one of {', '.join(own.targets)}. Got {target!r} instead.")
    known = own.features(target)
    if len(known) < 2:
        raise ValueError(f"{own.name} must have two columns of numbers beside {target!r}. Got {known}.")
    features = known if origin.features is None else list(origin.features)
    if not set(features) <= set(known):
        raise ValueError(f"features must be two of {', '.join(known)}. Got {', '.join(features)} instead.")
    return target, features


def _own_code(read: Code, random_state: int, sizes: dict[str, Any], is_principal: bool) -> Code:
    """Return the code for a table's samples, from that which reads it."""
    prepare = "make_pipeline(StandardScaler(), PCA(2, svd_solver='full'))" if is_principal else "StandardScaler()"
    imports = (
        *read.imports,
        *(["from sklearn.decomposition import PCA"] if is_principal else []),
        "from sklearn.model_selection import train_test_split",
        "from sklearn.pipeline import make_pipeline",
        "from sklearn.preprocessing import StandardScaler",
    )
    arguments = ", ".join(f"{name}={value}" for name, value in sizes.items())
    body = f"""\
{read.body}
X_train, X_test, y_train, y_test = train_test_split(
    X, y, stratify=y, random_state={random_state}, {arguments}
)

prepare = {prepare}  # from the columns to the plane
X_train = prepare.fit_transform(X_train)
X_test = prepare.transform(X_test)"""
    return Code(imports, body)
