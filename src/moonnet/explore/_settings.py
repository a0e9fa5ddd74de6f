"""What a page may ask for: data, a network and its training, each setting within bounds."""

import inspect
import math
import re
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

from moonnet import KerasMoonClassifier

MOST_POINTS = 1000  # drawn
MOST_SAMPLES = 1000  # of a toy problem
MOST_ROWS = 3000  # of a table, to train on
DATA = ("moons", "circles", "blobs", "spirals", "xor", "own")
ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "silu", "elu", "leaky_relu", "softplus", "linear")
OPTIMIZERS = ("rmsprop", "adam", "adamw", "nadam", "adagrad", "lion", "sgd")


class _Kind:
    """A kind of setting: what its values must be, and how a page shows it."""

    expected: str

    def accepts(self, value: Any) -> bool:
        """Return whether a value, as JSON has it, will do."""
        raise NotImplementedError

    def read(self, name: str, value: Any) -> Any:
        """Return the value as settings hold it; raise ValueError for another."""
        if not self.accepts(value):
            raise ValueError(f"{name} must be {self.expected}. Got {reprlib.repr(value)} instead.")
        return _frozen(value)

    def control(self) -> dict[str, Any]:
        """Return what a page needs to know to show a control; nothing where it shows none."""
        return {}


class _Choice(_Kind):
    def __init__(self, *values: str) -> None:
        self.values = values
        self.expected = f"one of {', '.join(values)}"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) and value in self.values

    def control(self) -> dict[str, Any]:
        return {"kind": "choice", "values": self.values}


class _Flag(_Kind):
    expected = "true or false"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, bool)

    def control(self) -> dict[str, Any]:
        return {"kind": "flag"}


class _Number(_Kind):
    """A number from the first to the last of the bounds, of which a slider shows some; it may be None."""

    def __init__(
        self, bounds: tuple[float, float], slider: Sequence[Any], *, whole: bool = False, optional: bool = False
    ) -> None:
        self.bounds, self.slider, self.whole, self.optional = bounds, list(slider), whole, optional
        self.expected = f"{'a whole' if whole else 'a'} number from {bounds[0]} to {bounds[1]}"
        self.expected += " or null" if optional else ""

    def accepts(self, value: Any) -> bool:
        return (self.optional and value is None) or (
            _is_number(value, Integral if self.whole else Real) and self.bounds[0] <= value <= self.bounds[1]
        )

    def read(self, name: str, value: Any) -> Any:
        value = super().read(name, value)
        return value if value is None or self.whole else float(value)

    def control(self) -> dict[str, Any]:
        return {"kind": "number", "values": self.slider}


class _Seed(_Number):
    def control(self) -> dict[str, Any]:
        return {"kind": "seed", "bounds": self.bounds}


class _Layers(_Kind):
    most_layers, most_units = 6, 64
    expected = f"a list of at most {most_layers} whole numbers from 1 to {most_units}"

    def accepts(self, value: Any) -> bool:
        return (
            isinstance(value, list)
            and len(value) <= self.most_layers
            and all(_is_number(units, Integral) and 1 <= units <= self.most_units for units in value)
        )

    def control(self) -> dict[str, Any]:
        return {"kind": "layers", "most_layers": self.most_layers, "most_units": self.most_units}


class _Name(_Kind):
    expected = "the name of a column, or null"

    def accepts(self, value: Any) -> bool:
        return value is None or isinstance(value, str)


class _TwoNames(_Kind):
    expected = "a list of two names of columns, or null for the principal plane"

    def accepts(self, value: Any) -> bool:
        return value is None or (
            isinstance(value, list)
            and len(value) == 2
            and value[0] != value[1]
            and all(isinstance(name, str) for name in value)
        )


class _Points(_Kind):
    expected = f"a list of at most {MOST_POINTS} points [x, y, index of the class]"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, list) and len(value) <= MOST_POINTS and all(map(self._is_point, value))

    def read(self, name: str, value: Any) -> Any:
        return tuple((float(x), float(y), int(label)) for x, y, label in super().read(name, value))

    def control(self) -> dict[str, Any]:
        return {"most": MOST_POINTS}

    @staticmethod
    def _is_point(value: Any) -> bool:
        return (
            isinstance(value, list)
            and len(value) == 3
            and all(_is_number(number, Real) and abs(number) <= 1e6 for number in value[:2])
            and _is_number(value[2], Integral)
            and 0 <= value[2] < 10
        )


class _Indices(_Kind):
    expected = f"a list of at most {MOST_ROWS} different indices of samples"

    def accepts(self, value: Any) -> bool:
        return (
            isinstance(value, list)
            and len(value) <= MOST_ROWS
            and all(_is_number(index, Integral) and 0 <= index < 10**6 for index in value)
            and len(set(value)) == len(value)
        )

    def read(self, name: str, value: Any) -> Any:
        return tuple(sorted(super().read(name, value)))


def _setting(kind: _Kind, default: Any, doc: str = "") -> Any:
    return field(default=default, metadata={"kind": kind, "doc": doc})


class Origin(NamedTuple):
    """The settings that decide which samples there are, before any are drawn or erased."""

    data: str
    n_samples: int
    noise: float
    random_state: int
    target: str | None
    features: tuple[str, str] | None


@dataclass(frozen=True)
class Settings:
    """All that a page may set. Where scikit-learn or the estimator has a name for it, it is that name."""

    data: str = _setting(
        _Choice(*DATA),
        "moons",
        "The samples to learn: a toy problem, or a CSV file of your own, of which a quarter is held out.",
    )
    n_samples: int = _setting(
        _Number((20, MOST_SAMPLES), [20, 50, 100, 150, 200, 300, 400, 500, 700, 1000], whole=True),
        200,
        "Samples to train on. As many others are held out.",
    )
    noise: float = _setting(
        _Number((0, 1), [round(0.01 * index, 2) for index in range(51)]),
        0.2,
        "Standard deviation of the noise that is added to the samples (for blobs half that of each blob).",
    )
    random_state: int = _setting(_Seed((0, 9999), [], whole=True), 0)
    hidden_layer_sizes: tuple[int, ...] = _setting(_Layers(), (50, 20))
    activation: str = _setting(_Choice(*ACTIVATIONS), "relu")
    dropout: float = _setting(_Number((0, 0.95), [round(0.05 * index, 2) for index in range(19)]), 0.0)
    l2: float = _setting(_Number((0, 1), [0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1]), 0.0)
    optimizer: str = _setting(_Choice(*OPTIMIZERS), "rmsprop")
    learning_rate: float | None = _setting(
        _Number((1e-6, 10), [None, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1], optional=True), None
    )
    batch_size: int = _setting(_Number((1, MOST_SAMPLES), [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000], whole=True), 50)
    epochs: int = _setting(
        _Number((1, 1000), [1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 700, 1000], whole=True), 100
    )
    early_stopping: bool = _setting(_Flag(), False)
    # Of a table alone
    target: str | None = _setting(_Name(), None, "The column of the table that holds the classes.")
    features: tuple[str, str] | None = _setting(
        _TwoNames(), None, "Two columns of numbers to learn from, or the principal plane of all of them."
    )
    # In the coordinates of the plane
    drawn: tuple[tuple[float, float, int], ...] = _setting(_Points(), ())
    erased: tuple[int, ...] = _setting(_Indices(), ())

    @classmethod
    def read(cls, values: Any) -> Self:
        """Return the settings in a JSON object, which may leave out those that have their defaults."""
        kinds = {setting.name: setting.metadata["kind"] for setting in fields(cls)}
        if not isinstance(values, dict):
            raise ValueError(f"settings must be an object. Got {reprlib.repr(values)} instead.")
        if unknown := values.keys() - kinds.keys():
            raise ValueError(f"settings must be among {', '.join(kinds)}. Got {reprlib.repr(min(unknown))} instead.")
        return cls(**{name: kinds[name].read(name, value) for name, value in values.items()})

    @property
    def origin(self) -> Origin:
        """The settings that decide which samples there are, before any are drawn or erased."""
        return Origin(*(getattr(self, name) for name in Origin._fields))

    def classifier(self) -> KerasMoonClassifier:
        """Return the estimator, not fitted."""
        names = KerasMoonClassifier._get_param_names()
        return KerasMoonClassifier(**{name: value for name, value in vars(self).items() if name in names})


def controls() -> list[dict[str, Any]]:
    """Return what a page needs to know of each setting: its name, default, values and documentation."""
    documented = parameter_docs()
    return [
        {
            "name": setting.name,
            "default": setting.default,
            "doc": documented.get(setting.name, setting.metadata["doc"]),
            **setting.metadata["kind"].control(),
        }
        for setting in fields(Settings)
    ]


def parameter_docs() -> dict[str, str]:
    """Return the text of each parameter in the classifier's docstring, in plain words."""
    parameters = inspect.getdoc(KerasMoonClassifier).partition("Parameters\n---")[2].partition("\nAttributes\n---")[0]  # type: ignore[union-attr]
    documented = {}
    for name, text in re.findall(r"^(\w+) : .*\n((?:    .*\n|\n)+)", parameters, re.MULTILINE):
        plain = re.sub(r":\w+:`~?([^`]*)`", r"\1", text).replace("``", "")
        documented[name] = " ".join(plain.split())
    return documented


def _is_number(value: Any, kind: type[Integral] | type[Real]) -> bool:
    """Return whether a value is a finite number of this kind, and one that a float has room for."""
    if isinstance(value, bool) or not isinstance(value, kind):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
