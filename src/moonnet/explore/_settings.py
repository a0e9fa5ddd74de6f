"""The settings of the page: their types, bounds, defaults and documentation."""

import math
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

from moonnet import KerasMoonClassifier

MAX_DRAWN_POINTS = 1000
MAX_SAMPLES = 1000  # of a toy problem
MAX_TRAIN_ROWS = 3000  # of a table
MAX_COORDINATE = 1e30  # on the plane, since the page draws in float32
DATA = ("moons", "circles", "blobs", "spirals", "xor", "own")
ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "silu", "elu", "leaky_relu", "softplus", "linear")
OPTIMIZERS = ("rmsprop", "adam", "adamw", "nadam", "adagrad", "lion", "sgd")


class _SettingType:
    """The type of a setting: the values that it accepts, and the control that the page shows."""

    expected: str

    def accepts(self, value: Any) -> bool:
        """Return whether a value from JSON is valid."""
        raise NotImplementedError

    def validate(self, name: str, value: Any) -> Any:
        """Return the value as ``Settings`` stores it. Raises ValueError."""
        if not self.accepts(value):
            raise ValueError(f"{name} must be {self.expected}. Got {reprlib.repr(value)} instead.")
        return _frozen(value)

    def control(self) -> dict[str, Any]:
        """Return the options of the page's control; empty if the page builds none from them."""
        return {}


class _Choice(_SettingType):
    def __init__(self, *values: str) -> None:
        self.values = values
        self.expected = f"one of {', '.join(values)}"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) and value in self.values

    def control(self) -> dict[str, Any]:
        return {"kind": "choice", "values": self.values}


class _Boolean(_SettingType):
    expected = "true or false"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, bool)

    def control(self) -> dict[str, Any]:
        return {"kind": "flag"}


class _Number(_SettingType):
    """A number within bounds, or None if optional; ``slider`` lists the values that the page's slider offers."""

    def __init__(
        self, bounds: tuple[float, float], slider: Sequence[Any], *, is_integer: bool = False, is_optional: bool = False
    ) -> None:
        self.bounds, self.slider = bounds, list(slider)
        self.is_integer, self.is_optional = is_integer, is_optional
        self.expected = f"{'a whole' if is_integer else 'a'} number from {bounds[0]} to {bounds[1]}"
        self.expected += " or null" if is_optional else ""

    def accepts(self, value: Any) -> bool:
        return (self.is_optional and value is None) or (
            _is_number(value, Integral if self.is_integer else Real) and self.bounds[0] <= value <= self.bounds[1]
        )

    def validate(self, name: str, value: Any) -> Any:
        value = super().validate(name, value)
        return value if value is None or self.is_integer else float(value)

    def control(self) -> dict[str, Any]:
        return {"kind": "number", "values": self.slider}


class _Seed(_Number):
    def control(self) -> dict[str, Any]:
        return {"kind": "seed", "bounds": self.bounds}


class _Layers(_SettingType):
    max_layers, max_units = 6, 64
    expected = f"a list of at most {max_layers} whole numbers from 1 to {max_units}"

    def accepts(self, value: Any) -> bool:
        return (
            isinstance(value, list)
            and len(value) <= self.max_layers
            and all(_is_number(units, Integral) and 1 <= units <= self.max_units for units in value)
        )

    def control(self) -> dict[str, Any]:
        return {"kind": "layers", "max_layers": self.max_layers, "max_units": self.max_units}


class _ColumnName(_SettingType):
    expected = "a column name or null"

    def accepts(self, value: Any) -> bool:
        return value is None or isinstance(value, str)


class _ColumnPair(_SettingType):
    expected = "a list of two different column names, or null"

    def accepts(self, value: Any) -> bool:
        return value is None or (
            isinstance(value, list)
            and len(value) == 2
            and value[0] != value[1]
            and all(isinstance(name, str) for name in value)
        )


class _Points(_SettingType):
    expected = f"a list of at most {MAX_DRAWN_POINTS} points [x, y, class index]"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, list) and len(value) <= MAX_DRAWN_POINTS and all(map(self._is_point, value))

    def validate(self, name: str, value: Any) -> Any:
        return tuple((float(x), float(y), int(label)) for x, y, label in super().validate(name, value))

    def control(self) -> dict[str, Any]:
        return {"max_points": MAX_DRAWN_POINTS}

    @staticmethod
    def _is_point(value: Any) -> bool:
        return (
            isinstance(value, list)
            and len(value) == 3
            and all(_is_number(number, Real) and abs(number) <= MAX_COORDINATE for number in value[:2])
            and _is_number(value[2], Integral)
            and 0 <= value[2] < 10
        )


class _Indices(_SettingType):
    expected = f"a list of at most {MAX_TRAIN_ROWS} different sample indices"

    def accepts(self, value: Any) -> bool:
        return (
            isinstance(value, list)
            and len(value) <= MAX_TRAIN_ROWS
            and all(_is_number(index, Integral) and 0 <= index < 10**6 for index in value)
            and len(set(value)) == len(value)
        )

    def validate(self, name: str, value: Any) -> Any:
        return tuple(sorted(super().validate(name, value)))


def _setting(setting_type: _SettingType, default: Any, doc: str = "") -> Any:
    return field(default=default, metadata={"type": setting_type, "doc": doc})


class DatasetSettings(NamedTuple):
    """The settings that determine the samples, before the user's edits."""

    data: str
    n_samples: int
    noise: float
    random_state: int
    target: str | None
    features: tuple[str, str] | None


@dataclass(frozen=True)
class Settings:
    """All settings of the page. Names are those of the estimator's and scikit-learn's parameters where they exist."""

    data: str = _setting(
        _Choice(*DATA),
        "moons",
        "The samples: a toy problem, or your own table, of which a quarter is held out.",
    )
    n_samples: int = _setting(
        _Number((20, MAX_SAMPLES), [20, 50, 100, 150, 200, 300, 400, 500, 700, 1000], is_integer=True),
        200,
        "Number of training samples. The same number of other samples is held out.",
    )
    noise: float = _setting(
        _Number((0, 1), [round(0.01 * index, 2) for index in range(51)]),
        0.2,
        "Standard deviation of the noise added to the samples. It is half this value for spirals; the standard "
        "deviation of each blob is twice this value.",
    )
    random_state: int = _setting(
        _Seed((0, 9999), [], is_integer=True),
        0,
        "Seed of the samples, or of the choice of a table's held-out rows, and of the training. The same seed gives "
        "the same network, bit for bit.",
    )
    hidden_layer_sizes: tuple[int, ...] = _setting(
        _Layers(),
        (50, 20),
        "Number of units in each hidden layer. Without hidden layers, the network is a logistic regression.",
    )
    activation: str = _setting(_Choice(*ACTIVATIONS), "relu", "Activation function of the hidden layers.")
    dropout: float = _setting(
        _Number((0, 0.95), [round(0.05 * index, 2) for index in range(19)]),
        0.0,
        "Share of the outputs of each hidden layer that is set to zero in a training step, at random.",
    )
    l2: float = _setting(
        _Number((0, 1), [0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1]),
        0.0,
        "Factor of the L2 penalty: this factor times the sum of all squared weights, without biases, is added to the "
        "loss.",
    )
    optimizer: str = _setting(
        _Choice(*OPTIMIZERS), "rmsprop", "Keras optimizer, which changes the weights after each batch."
    )
    learning_rate: float | None = _setting(
        _Number((1e-6, 10), [None, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1], is_optional=True),
        None,
        "Step size of the optimizer. None is the optimizer's default, which is in parentheses.",
    )
    batch_size: int = _setting(
        _Number((1, MAX_SAMPLES), [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000], is_integer=True),
        50,
        "Number of samples per step. The last batch of an epoch may be smaller.",
    )
    epochs: int = _setting(
        _Number((1, 1000), [1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 700, 1000], is_integer=True),
        100,
        "Number of passes over the training samples.",
    )
    early_stopping: bool = _setting(
        _Boolean(),
        False,
        "Do not train on a tenth of the training samples, stop when their loss has not improved for 10 epochs, and use "
        "the weights of the best epoch.",
    )
    # For tables only
    target: str | None = _setting(_ColumnName(), None, "The column that contains the classes.")
    features: tuple[str, str] | None = _setting(
        _ColumnPair(),
        None,
        "Two numeric columns to learn from, or the first two principal components of all numeric columns.",
    )
    # The user's edits, in coordinates of the plane
    drawn: tuple[tuple[float, float, int], ...] = _setting(_Points(), ())
    erased: tuple[int, ...] = _setting(_Indices(), ())

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """Return the settings in a JSON object; missing ones take their defaults. Raises ValueError."""
        types = {setting.name: setting.metadata["type"] for setting in fields(cls)}
        if not isinstance(values, dict):
            raise ValueError(f"settings must be an object. Got {reprlib.repr(values)} instead.")
        if unknown := values.keys() - types.keys():
            raise ValueError(f"settings must be among {', '.join(types)}. Got {reprlib.repr(min(unknown))} instead.")
        return cls(**{name: types[name].validate(name, value) for name, value in values.items()})

    @property
    def dataset(self) -> DatasetSettings:
        """The settings that determine the samples, before the user's edits."""
        return DatasetSettings(*(getattr(self, name) for name in DatasetSettings._fields))

    def classifier(self) -> KerasMoonClassifier:
        """Return the unfitted estimator."""
        names = KerasMoonClassifier._get_param_names()
        return KerasMoonClassifier(**{name: value for name, value in vars(self).items() if name in names})


def describe_controls() -> list[dict[str, Any]]:
    """Return the name, default, documentation and control options of each setting."""
    return [
        {
            "name": setting.name,
            "default": setting.default,
            "doc": setting.metadata["doc"],
            **setting.metadata["type"].control(),
        }
        for setting in fields(Settings)
    ]


def _is_number(value: Any, kind: type[Integral] | type[Real]) -> bool:
    """Return whether a value is a finite number of this kind that fits a float."""
    if isinstance(value, bool) or not isinstance(value, kind):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
