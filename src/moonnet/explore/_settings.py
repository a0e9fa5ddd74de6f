"""The settings of the page: their types, bounds, defaults and documentation."""

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import numpy as np

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.explore._inputs import COORDINATES, INPUTS
from moonnet.explore._toy_problems import CLASS_PROBLEMS, CURVE_PROBLEMS, SURFACE_PROBLEMS
from moonnet.losses._regression import REGRESSION_LOSSES
from moonnet.losses._user_loss import regression_loss

MAX_DRAWN_POINTS = 1000
MAX_SAMPLES = 1000  # of a toy problem
MAX_TRAIN_ROWS = 3000  # of a table
MAX_SEED = 9999
MAX_QUANTILES = 9
MAX_MEMBERS = 10
MAX_LAYERS = 6
MAX_UNITS = 64
MAX_COORDINATE = 1e30  # on the plane, since the page draws in float32
# The values of the setting data, by what they are
DATA_GROUPS = {
    "classes": tuple(CLASS_PROBLEMS),
    "numbers, one feature": tuple(CURVE_PROBLEMS),
    "numbers, two features": tuple(SURFACE_PROBLEMS),
    "your table": ("own",),
}
DATA = tuple(name for names in DATA_GROUPS.values() for name in names)
ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "silu", "elu", "leaky_relu", "softplus", "linear")
OPTIMIZERS = ("rmsprop", "adam", "adamw", "nadam", "adagrad", "lion", "sgd")


class _SettingType(NamedTuple):
    """The values from JSON that a setting accepts, how ``Settings`` stores them, and the page's control for them."""

    expected: str  # for the error
    accepts: Callable[[Any], bool]
    control: Mapping[str, Any] = {}  # its options; empty if the page builds none from them
    store: Callable[[Any], Any] = lambda value: tuple(value) if isinstance(value, list) else value

    def validate(self, name: str, value: Any) -> Any:
        """Return the value as ``Settings`` stores it. Raises ValueError."""
        if not self.accepts(value):
            raise ValueError(f"{name} must be {self.expected}. Got {reprlib.repr(value)} instead.")
        return self.store(value)


def _is_number(value: Any, kind: type[Any], lower: float, upper: float) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and lower <= value <= upper


def _is_list(value: Any, max_length: int, is_item: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and len(value) <= max_length and all(map(is_item, value))


def _is_point(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 3:
        return False
    x, y, label = value
    in_range = all(_is_number(number, Real, -MAX_COORDINATE, MAX_COORDINATE) for number in (x, y))
    return in_range and _is_number(label, Integral, 0, 9)


def _losses_without_negative_numbers() -> list[str]:
    """Return the losses for numbers of which none may be negative."""
    names = []
    for name, loss in REGRESSION_LOSSES.items():
        try:
            loss.create(0.5).check(np.array([[-1.0]]), "y")
        except ValueError:
            names.append(name)
    return names


def _losses_with_quantiles() -> list[str]:
    """Return the losses that predict quantiles."""
    return [name for name, loss in REGRESSION_LOSSES.items() if loss.create(0.5).quantiles]


def _choice(*values: str, **hints: Any) -> _SettingType:
    """Return the type of one of the values; the page receives the hints as well."""
    return _SettingType(
        f"one of {', '.join(values)}",
        lambda value: isinstance(value, str) and value in values,
        control={"kind": "choice", "values": values, **hints},
    )


def _number(
    lower: float, upper: float, control: dict[str, Any], *, is_integer: bool = False, is_optional: bool = False
) -> _SettingType:
    """Return the type of a number within bounds, or None if optional."""
    kind = Integral if is_integer else Real
    return _SettingType(
        f"{'a whole' if is_integer else 'a'} number from {lower} to {upper}{' or null' if is_optional else ''}",
        lambda value: (is_optional and value is None) or _is_number(value, kind, lower, upper),
        control=control,
        store=lambda value: value if value is None or is_integer else float(value),
    )


def _is_quantile(value: Any) -> bool:
    return _is_number(value, Real, 0.01, 0.99)


def _are_quantiles(value: Any) -> bool:
    is_list = _is_list(value, MAX_QUANTILES, _is_quantile) and len(value) > 1
    return is_list and all(lower < upper for lower, upper in pairwise(value))


def _slider(*values: float | None) -> dict[str, Any]:
    return {"kind": "number", "values": values}


_FLAG = _SettingType("true or false", lambda value: isinstance(value, bool), {"kind": "flag"})
_LAYERS = _SettingType(
    f"a list of at most {MAX_LAYERS} whole numbers from 1 to {MAX_UNITS}",
    lambda value: _is_list(value, MAX_LAYERS, lambda units: _is_number(units, Integral, 1, MAX_UNITS)),
    control={"kind": "layers", "max_layers": MAX_LAYERS, "max_units": MAX_UNITS},
)
_INPUTS = _SettingType(
    f"a list of different names, at least one, of {', '.join(INPUTS)}",
    lambda value: (
        _is_list(value, len(INPUTS), lambda name: isinstance(name, str) and name in INPUTS)
        and 0 < len(set(value)) == len(value)
    ),
    control={"kind": "subset", "symbols": {name: given.symbol for name, given in INPUTS.items()}},
    store=lambda value: tuple(name for name in INPUTS if name in value),
)
_QUANTILE = _SettingType(
    f"a number from 0.01 to 0.99, or a list of 2 to {MAX_QUANTILES} such numbers in ascending order",
    lambda value: _is_quantile(value) or _are_quantiles(value),
    control={
        "kind": "quantile",
        "values": (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99),
        "bands": ((0.05, 0.5, 0.95), (0.1, 0.5, 0.9), (0.25, 0.5, 0.75)),
    },
    store=lambda value: tuple(map(float, value)) if isinstance(value, list) else float(value),
)
_COLUMN_NAME = _SettingType("a column name or null", lambda value: value is None or isinstance(value, str))
_COLUMNS = _SettingType(
    "a list of one or two different column names, or null",
    lambda value: (
        value is None or (_is_list(value, 2, lambda name: isinstance(name, str)) and len(set(value)) == len(value) > 0)
    ),
)
_DATA = _choice(*DATA)._replace(
    control={
        "kind": "choice",
        "groups": DATA_GROUPS,
        # The toy problems of numbers
        "curves": tuple(CURVE_PROBLEMS),
        "surfaces": tuple(SURFACE_PROBLEMS),
    }
)
_POINTS = _SettingType(
    f"a list of at most {MAX_DRAWN_POINTS} points [x, y, class index]",
    lambda value: _is_list(value, MAX_DRAWN_POINTS, _is_point),
    control={"max_points": MAX_DRAWN_POINTS},
    store=lambda value: tuple((float(x), float(y), int(label)) for x, y, label in value),
)
_INDICES = _SettingType(
    f"a list of at most {MAX_TRAIN_ROWS} different sample indices",
    lambda value: (
        _is_list(value, MAX_TRAIN_ROWS, lambda index: _is_number(index, Integral, 0, 10**6 - 1))
        and len(set(value)) == len(value)
    ),
    store=lambda value: tuple(sorted(value)),
)


def _setting(setting_type: _SettingType, default: Any, doc: str = "") -> Any:
    return field(default=default, metadata={"type": setting_type, "doc": doc})


class DatasetSettings(NamedTuple):
    """The settings that determine the samples, before the user's edits."""

    data: str
    n_samples: int
    noise: float
    random_state: int
    target: str | None
    features: tuple[str, ...] | None


@dataclass(frozen=True)
class Settings:
    """All settings of the page. Names are those of the estimator's and scikit-learn's parameters where they exist."""

    data: str = _setting(
        _DATA,
        "moons",
        "The samples: a toy problem of classes or of numbers, or your own table, of which a quarter is held out.",
    )
    n_samples: int = _setting(
        _number(20, MAX_SAMPLES, _slider(20, 50, 100, 150, 200, 300, 400, 500, 700, 1000), is_integer=True),
        200,
        "Number of training samples. The same number of other samples is held out.",
    )
    noise: float = _setting(
        _number(0, 1, _slider(*(round(0.01 * index, 2) for index in range(51)))),
        0.2,
        "Standard deviation of the noise added to the samples, or to the numbers to predict. It is half this value for "
        "spirals; the standard deviation of each blob is twice this value. For fan, it grows from 0 to three times "
        "this value. For counts, the noise is added to the logarithm of their mean.",
    )
    random_state: int = _setting(
        _number(0, MAX_SEED, {"kind": "seed", "bounds": (0, MAX_SEED)}, is_integer=True),
        0,
        "Seed of the samples, or of the choice of a table's held-out rows, and of the training. The same seed gives "
        "the same network, bit for bit.",
    )
    network_random_state: int | None = _setting(
        _number(0, MAX_SEED, {"kind": "seed", "bounds": (0, MAX_SEED)}, is_integer=True, is_optional=True),
        None,
        "Seed of the training alone: of the initial weights, the order of the samples and dropout. Empty is the value "
        "of random_state. Change it to see how much of the network is chance.",
    )
    inputs: tuple[str, ...] = _setting(
        _INPUTS,
        COORDINATES,
        "What the network receives: x₁ is the horizontal coordinate of a sample on the plane, x₂ the vertical one, and "
        "the others are derived from them. For a table, the coordinates are standardised.",
    )
    hidden_layer_sizes: tuple[int, ...] = _setting(
        _LAYERS,
        (50, 20),
        "Number of units in each hidden layer. Without hidden layers, the network is a logistic regression, or a "
        "linear one for numbers.",
    )
    activation: str = _setting(_choice(*ACTIVATIONS), "relu", "Activation function of the hidden layers.")
    dropout: float = _setting(
        _number(0, 0.95, _slider(*(round(0.05 * index, 2) for index in range(19)))),
        0.0,
        "Share of the outputs of each hidden layer that is set to zero in a training step, at random.",
    )
    l2: float = _setting(
        _number(0, 1, _slider(0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1)),
        0.0,
        "Factor of the L2 penalty: this factor times the sum of all squared weights, without biases, is added to the "
        "loss.",
    )
    n_estimators: int = _setting(
        _number(1, MAX_MEMBERS, _slider(*range(1, MAX_MEMBERS + 1)), is_integer=True),
        1,
        "Number of networks. Several are an ensemble: its members differ in their seed alone, and it predicts the mean "
        "of their probabilities or numbers. Thin lines show the members, and shading where they disagree: the standard "
        "deviation of their predictions. Scores are the ensemble's, training curves are means over the members, the "
        "film shows all of them, and the picture of the network shows the first one.",
    )
    optimizer: str = _setting(
        _choice(*OPTIMIZERS), "rmsprop", "Keras optimizer, which changes the weights after each batch."
    )
    learning_rate: float | None = _setting(
        _number(1e-6, 10, _slider(None, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1), is_optional=True),
        None,
        "Step size of the optimizer. None is the optimizer's default, which is in parentheses.",
    )
    batch_size: int = _setting(
        _number(1, MAX_SAMPLES, _slider(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000), is_integer=True),
        50,
        "Number of samples per step. The last batch of an epoch may be smaller.",
    )
    epochs: int = _setting(
        _number(1, 1000, _slider(1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 700, 1000), is_integer=True),
        100,
        "Number of passes over the training samples.",
    )
    early_stopping: bool = _setting(
        _FLAG,
        False,
        "Do not train on a tenth of the training samples, stop when their loss has not improved for 10 epochs, and use "
        "the weights of the best epoch.",
    )
    # For numbers only
    loss: str = _setting(
        _choice(
            *REGRESSION_LOSSES,
            refuse_negative=_losses_without_negative_numbers(),
            with_quantiles=_losses_with_quantiles(),
        ),
        "squared_error",
        "The loss to minimise. squared_error predicts means, absolute_error medians. huber is half the squared error "
        "for small errors and linear for large ones, so that outliers have less influence. poisson predicts means of "
        "counts, which must not be negative. pinball predicts a quantile.",
    )
    quantile: float | tuple[float, ...] = _setting(
        _QUANTILE,
        0.5,
        "The quantile to predict: the share of samples that lie below the prediction. One network can predict several: "
        "the line is then the middle one, and the band reaches from the lowest to the highest one.",
    )
    # For tables only
    target: str | None = _setting(_COLUMN_NAME, None, "The column to predict: classes or numbers.")
    features: tuple[str, ...] | None = _setting(
        _COLUMNS,
        None,
        "Two numeric columns to learn from, or the first two principal components of all numeric columns. To predict "
        "numbers, one column is enough.",
    )
    # The user's edits, in coordinates of the plane
    drawn: tuple[tuple[float, float, int], ...] = _setting(_POINTS, ())
    erased: tuple[int, ...] = _setting(_INDICES, ())

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

    @property
    def training_seed(self) -> int:
        """The seed of the training."""
        return self.random_state if self.network_random_state is None else self.network_random_state

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The quantiles that a regressor predicts; none if its loss is for something else."""
        return regression_loss(self.loss, self.quantile).quantiles

    def classifier(self) -> KerasMoonClassifier:
        """Return the unfitted estimator for classes."""
        parameters = self._parameters_of(KerasMoonClassifier)
        del parameters["loss"]  # the setting is the regressor's
        return KerasMoonClassifier(**parameters)

    def regressor(self) -> KerasMoonRegressor:
        """Return the unfitted estimator for numbers."""
        parameters = self._parameters_of(KerasMoonRegressor)
        if not self.quantiles:
            del parameters["quantile"]  # not used
        return KerasMoonRegressor(**parameters)

    def _parameters_of(self, cls: type[Any]) -> dict[str, Any]:
        """Return the parameters of an estimator class among the settings."""
        names = cls._get_param_names()
        parameters = {name: value for name, value in vars(self).items() if name in names}
        return parameters | {"random_state": self.training_seed}


def describe_controls() -> list[dict[str, Any]]:
    """Return the name, default, documentation and control options of each setting."""
    return [
        {
            "name": setting.name,
            "default": setting.default,
            "doc": setting.metadata["doc"],
            **setting.metadata["type"].control,
        }
        for setting in fields(Settings)
    ]
