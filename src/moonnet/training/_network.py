"""From a frozen spec to a Keras model and optimizer, and initial weights; nothing here trains."""

import inspect
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np

from moonnet import losses
from moonnet.training._keras import keras
from moonnet.training.engines import engine

# What Keras's exclude_from_weight_decay sets on an optimizer, and get_config does not tell.
_OUTSIDE_SETTINGS = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")
_OUTPUT_ACTIVATIONS = {
    "binary_crossentropy": "sigmoid",
    "categorical_crossentropy": "softmax",
    "poisson": "exponential",
}


@dataclass(frozen=True)
class NetworkSpec:
    """The shape of a network: what its layers are, not what they hold."""

    layer_sizes: tuple[int, ...]  # features, units of each hidden layer, outputs
    activation: str
    loss: str

    @property
    def figures(self) -> tuple[str, ...]:
        """What a training tells of each step."""
        return ("loss", "accuracy") if self.loss.endswith("crossentropy") else ("loss",)


@dataclass(frozen=True)
class OptimizerSpec:
    """A Keras optimizer's class and settings. A learning rate that is a number is 0 here: it is a run-time argument."""

    cls: Any
    settings: str  # JSON, so that a spec can be compared and hashed
    rate_is_number: bool  # False where a schedule or inner optimizers set the learning rate
    # A schedule given by itself. Keras builds one from its settings only where its class is registered, so the
    # object is kept, while class and settings tell one from another.
    schedule_cls: type | None = None
    schedule: Any = field(default=None, compare=False)

    def training_dtype(self, dtype: str) -> str:
        """Return the float type to train in: the data's, but Keras's Muon mixes float32 into its steps."""
        # By name, too, where an optimizer such as LossScaleOptimizer has another within
        is_muon = issubclass(self.cls, keras.optimizers.Muon) or '"class_name": "Muon"' in self.settings
        return "float32" if is_muon else dtype

    def build(self, learning_rate: float | None, constant: Callable[[float], Any] = float) -> Any:
        """Return a new Keras optimizer; ``learning_rate`` counts where it is a number.

        ``constant`` makes what Keras computes with of each other number in its settings.
        """
        settings = _with_constants(json.loads(self.settings), constant)
        if self.schedule is not None:
            settings["learning_rate"] = self.schedule
        elif self.rate_is_number:
            settings["learning_rate"] = learning_rate
        try:
            return self.cls.from_config(settings)
        except Exception as error:
            raise ValueError(
                "The 'optimizer' and 'learning_rate' parameters must be such that Keras can make the optimizer anew "
                f"from its settings. Got a {self.cls.__name__} with {settings}, which raised: {error!r}."
            ) from error


@cache
def optimizer_classes() -> dict[str, type]:
    """Return the Keras optimizers that a name alone describes: lower-case name -> class."""

    def needs_arguments(cls: type) -> bool:
        parameters = inspect.signature(cls).parameters.values()
        return any(p.default is p.empty and p.kind is not p.VAR_KEYWORD for p in parameters)

    return {
        name.lower(): cls
        for name, cls in vars(keras.optimizers).items()
        if inspect.isclass(cls) and issubclass(cls, keras.optimizers.Optimizer) and not needs_arguments(cls)
    }


def resolve_optimizer(optimizer: Any, learning_rate: Any) -> tuple[OptimizerSpec, float | None]:
    """Check both parameters; return what is to be compiled and the learning rate, where that is a number."""
    cls, settings = _class_and_settings(optimizer)
    schedule = None
    if learning_rate is not None:
        if "learning_rate" not in settings:
            raise ValueError(
                f"The 'learning_rate' parameter must be None beside a {cls.__name__}, whose inner optimizers have "
                f"their own. Got {learning_rate!r} instead."
            )
        if isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            schedule = learning_rate
            settings["learning_rate"] = _config("learning_rate", schedule)
        elif isinstance(learning_rate, Real) and not isinstance(learning_rate, bool):
            settings["learning_rate"] = float(learning_rate)
        else:
            raise _bad_learning_rate(learning_rate)
    number = None
    if isinstance(settings.get("learning_rate"), Real):
        number, settings["learning_rate"] = settings["learning_rate"], 0.0
        if not 0 < number < math.inf:
            raise _bad_learning_rate(number)
    as_json = _as_json(settings, cls.__name__)
    schedule_cls = None if schedule is None else type(schedule)
    return OptimizerSpec(cls, as_json, number is not None, schedule_cls, schedule), number


def _class_and_settings(optimizer: Any) -> tuple[Any, dict[str, Any]]:
    """Return an optimizer's class and a copy of its settings."""
    classes = optimizer_classes()
    if isinstance(optimizer, str) and optimizer.lower() in classes:
        cls = classes[optimizer.lower()]
        return cls, dict(_default_settings(cls, keras.config.floatx()))
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ValueError(
            f"The 'optimizer' parameter must be one of {sorted(classes)} or an instance of keras.optimizers.Optimizer. "
            f"Got {optimizer!r} instead."
        )
    if optimizer.built:
        raise ValueError(
            "The 'optimizer' parameter must be an unbuilt optimizer, as its class makes it: one that has trained a "
            f"model belongs to that model. Got {optimizer!r} instead."
        )
    if any(getattr(optimizer, name, None) for name in _OUTSIDE_SETTINGS):
        raise ValueError(
            "The 'optimizer' parameter must be an optimizer on which exclude_from_weight_decay was not called: Keras "
            f"forgets that when it copies one, as scikit-learn's clone does. Got {optimizer!r} instead."
        )
    return type(optimizer), _config("optimizer", optimizer)


@cache  # an instance makes variables: milliseconds
def _default_settings(cls: Any, floatx: str) -> dict[str, Any]:
    """Return the settings of an optimizer that is made with none; Keras rounds its learning rate to ``floatx``.

    It is made with a name, which leaves Keras's counter of names alone.
    """
    with engine.scope(engine.device(), floatx):
        settings: dict[str, Any] = cls(name=cls.__name__.lower()).get_config()
    return settings


def _config(parameter: str, value: Any) -> dict[str, Any]:
    """Return the settings of an optimizer or schedule, or say which parameter cannot tell them."""
    try:
        with engine.scope(engine.device(), keras.config.floatx()):
            settings: dict[str, Any] = value.get_config()
    except Exception as error:
        raise ValueError(
            f"The '{parameter}' parameter must tell its settings by get_config(). "
            f"Got {value!r}, which raised: {error!r}."
        ) from error
    return settings


def _as_json(settings: dict[str, Any], class_name: str) -> str:
    """Return settings as text that equal optimizers share: names, which Keras counts up, give way to the class's."""

    def renamed(value: Any, class_name: str | None) -> Any:
        if isinstance(value, dict):
            items = {key: renamed(item, value.get("class_name")) for key, item in value.items()}
            return items | {"name": class_name.lower()} if class_name and "name" in items else items
        return [renamed(item, None) for item in value] if isinstance(value, list | tuple) else value

    # tolist: NumPy's arrays and numbers
    return json.dumps(renamed(settings, class_name), sort_keys=True, default=lambda value: value.tolist())


def _with_constants(settings: Any, constant: Callable[[float], Any]) -> Any:
    """Return settings with their floats replaced, but for learning rates, which Keras holds in its own float type."""
    if isinstance(settings, dict):
        return {
            name: value if name == "learning_rate" else _with_constants(value, constant)
            for name, value in settings.items()
        }
    return constant(settings) if isinstance(settings, float) else settings


def _bad_learning_rate(value: Any) -> ValueError:
    return ValueError(
        "The 'learning_rate' parameter must be None, a positive finite number or a "
        f"keras.optimizers.schedules.LearningRateSchedule. Got {value!r} instead."
    )


class _RuntimeDropout(keras.layers.Layer):
    """Keras's Dropout with its rate in a variable, and its seeds from a generator that the host sets."""

    def __init__(self, rate: Any, seed_generator: Any, *, name: str, dtype: str) -> None:
        super().__init__(name=name, dtype=dtype)
        self.rate = rate
        self.seed_generator = seed_generator

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        # A mask for each row and unit, shape (batch_size, units); what is kept is scaled up, as in Keras
        uniform = keras.random.uniform(keras.ops.shape(inputs), seed=self.seed_generator, dtype=inputs.dtype)
        return keras.ops.where(uniform >= self.rate, inputs / (1 - self.rate), 0)


def training_model(spec: NetworkSpec, activation: Any, dtype: str, dropout: tuple[Any, Any] | None) -> Any:
    """Return a Keras model of logits, with zero weights; ``dropout`` is a variable for the rate and a SeedGenerator."""
    return _sequential(
        spec,
        activation,
        dense=[{"dtype": dtype, "kernel_initializer": "zeros"}] * (len(spec.layer_sizes) - 1),
        dropout=dropout and partial(_RuntimeDropout, *dropout, dtype=dtype),
        output_activation=None,
        dtype=dtype,
    )


def user_model(
    spec: NetworkSpec,
    weights: Sequence[np.ndarray],
    optimizer: Any,
    dropout: float,
    penalties: Sequence[float],
    loss_parameter: Any,
    rescaling: tuple[Any, Any] | None = None,
) -> Any:
    """Return a compiled Keras model that says what the estimator predicts, in Keras's own float type.

    ``penalties`` are the factors of each layer's L2 penalty; ``rescaling``, factor and offset, is a layer more.
    """
    model = _sequential(
        spec,
        spec.activation,
        dense=[{"kernel_regularizer": keras.regularizers.L2(l2)} if l2 else {} for l2 in penalties],
        dropout=partial(keras.layers.Dropout, dropout) if dropout else None,
        output_activation=_OUTPUT_ACTIVATIONS.get(spec.loss),
    )
    if rescaling is not None:
        model.add(keras.layers.Rescaling(*rescaling, name="rescaling"))
    floatx = keras.config.floatx()
    with np.errstate(over="ignore"):
        numbers = [np.asarray(array, floatx) for array in (*weights, *(rescaling or ()))]
    if not all(np.isfinite(array).all() for array in numbers):
        raise ValueError(
            f"A Keras model of this network needs weights that {floatx}, Keras's own float type, has room for. Learn y "
            "in another unit, or call keras.config.set_floatx('float64')."
        )
    model.set_weights(weights)
    metrics: list[Any] = list(spec.figures[1:])
    # With several sigmoid units Keras would take "accuracy" for that of the most probable one
    if spec.loss == "binary_crossentropy" and spec.layer_sizes[-1] > 1:
        metrics = [keras.metrics.BinaryAccuracy(name="accuracy")]
    model.compile(optimizer=optimizer, loss=_keras_loss(spec.loss, loss_parameter), metrics=metrics)
    return model


def _keras_loss(name: str, parameter: Any) -> Any:
    """Return what Keras compiles for a loss."""
    if name == "huber":
        return losses.Huber(parameter)
    if name == "pinball":
        return losses.Pinball(parameter)
    return {"squared_error": "mean_squared_error", "absolute_error": "mean_absolute_error"}.get(name, name)


def _sequential(
    spec: NetworkSpec,
    activation: Any,
    dense: Sequence[dict[str, Any]],
    dropout: Callable[..., Any] | None,
    output_activation: str | None,
    dtype: str | None = None,
) -> Any:
    """Return the Dense stack; ``dense`` are options of each layer.

    Names are given as Keras counts them, so that its own counters stay as they are.
    """

    def numbered(name: str, index: int) -> str:
        return f"{name}_{index}" if index else name

    n_features, *hidden, n_outputs = spec.layer_sizes
    layers = [keras.Input((n_features,), dtype=dtype, name="input_layer")]
    for index, units in enumerate(hidden):
        layers.append(keras.layers.Dense(units, activation=activation, name=numbered("dense", index), **dense[index]))
        if dropout is not None:
            layers.append(dropout(name=numbered("dropout", index)))
    name = numbered("dense", len(hidden))
    layers.append(keras.layers.Dense(n_outputs, activation=output_activation, name=name, **dense[-1]))
    return keras.Sequential(layers, name="sequential")


def initial_weights(
    layer_sizes: Sequence[int], rng: np.random.Generator, dtype: str, random_biases: bool
) -> list[np.ndarray]:
    """Return kernel and bias of each layer as Keras's Dense draws them: Glorot uniform kernels, zero biases.

    ``random_biases`` draws those of hidden layers too, within the same bounds, as scikit-learn's networks do.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """
    weights = []
    for layer, (fan_in, fan_out) in enumerate(pairwise(layer_sizes), start=1):
        bound = math.sqrt(6 / (fan_in + fan_out))
        is_hidden = layer < len(layer_sizes) - 1
        kernel = rng.uniform(-bound, bound, (fan_in, fan_out))
        bias = rng.uniform(-bound, bound, fan_out) if random_biases and is_hidden else np.zeros(fan_out)
        weights += [kernel.astype(dtype), bias.astype(dtype)]
    return weights
