"""Keras optimizers: their classes and settings, in a form that can be compared, hashed and pickled."""

import inspect
import json
import math
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from numbers import Real
from typing import Any

import numpy as np

from moonnet import _cache
from moonnet._keras_config import keras_floatx
from moonnet.training._flat_state import optimizer_class
from moonnet.training._versions import versions
from moonnet.training.engines import engine

# Attributes that Keras's exclude_from_weight_decay sets on an optimizer, and that get_config omits
_UNSERIALIZED_ATTRIBUTES = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")


@dataclass(frozen=True)
class OptimizerSpec:
    """A Keras optimizer's class and settings.

    If the learning rate is a number, it is 0 in the settings, because it is passed to the compiled program.
    """

    name: str  # of the class
    settings: str  # JSON, so that a spec can be compared and hashed
    has_numeric_learning_rate: bool  # False if a schedule or inner optimizers set the learning rate
    # The value of the parameter learning_rate if it is a schedule. Keras restores a schedule from its settings only if
    # its class is registered, so the spec stores the object. Specs are compared by its class and settings.
    schedule_cls: type | None = None
    schedule: Any = field(default=None, compare=False)
    cls: type | None = None  # None for the class with this name in keras.optimizers, which need not be imported

    @property
    def is_own(self) -> bool:
        """Whether this is one of Keras's own optimizers without other objects in it, such as a schedule."""
        return self.cls is None and self.has_numeric_learning_rate

    def training_dtype(self, dtype: str) -> str:
        """Return the dtype of training: that of the data, or float32 for Muon, which computes partly in float32."""
        ancestors = [] if self.cls is None else [cls.__name__ for cls in self.cls.__mro__]
        # In the settings too, for an optimizer such as LossScaleOptimizer, which wraps another one
        is_muon = "Muon" in (self.name, *ancestors) or '"class_name": "Muon"' in self.settings
        return "float32" if is_muon else dtype

    @property
    def keras_class(self) -> Any:
        """The class."""
        if self.cls is not None:
            return self.cls
        from moonnet._keras import keras

        return getattr(keras.optimizers, self.name)

    def build_for_training(self, constant: Callable[[float], Any]) -> Any:
        """Return a new Keras optimizer that stores learning rates in float32, whatever Keras's own float type is."""
        optimizer = replace(self, cls=engine.optimizer_class(self.keras_class)).build(0.0, constant)
        _store_learning_rate_in_float32(optimizer, json.loads(self.settings))
        return optimizer

    def build(self, learning_rate: float | None, constant: Callable[[float], Any] = float) -> Any:
        """Return a new Keras optimizer, with this learning rate unless a schedule or inner optimizers set it.

        ``constant`` converts each other float in the settings to the value that Keras computes with.
        """
        settings = _with_constants(json.loads(self.settings), constant)
        if self.schedule is not None:
            settings["learning_rate"] = self.schedule
        elif self.has_numeric_learning_rate:
            settings["learning_rate"] = learning_rate
        try:
            return self.keras_class.from_config(settings)
        except Exception as error:
            raise ValueError(
                "The 'optimizer' and 'learning_rate' parameters must allow Keras to create a new optimizer from its "
                f"settings. Got a {self.name} with {settings}, which raised: {error!r}."
            ) from error


@cache
def optimizer_classes() -> dict[str, type]:
    """Return the Keras optimizers whose arguments all have defaults: lower-case name -> class."""
    from moonnet._keras import keras

    def needs_arguments(cls: type) -> bool:
        parameters = inspect.signature(cls).parameters.values()
        return any(p.default is p.empty and p.kind is not p.VAR_KEYWORD for p in parameters)

    return {
        name.lower(): cls
        for name, cls in vars(keras.optimizers).items()
        if inspect.isclass(cls) and issubclass(cls, keras.optimizers.Optimizer) and not needs_arguments(cls)
    }


@cache
def default_settings() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the optimizers of ``optimizer_classes``: lower-case name -> name of the class, and default settings.

    Unless Keras is imported already, they are read from disk.
    """
    stored = None if "keras" in sys.modules else _cache.read(_file_of_defaults())
    if stored is not None:
        with suppress(ValueError, TypeError, KeyError, AttributeError):  # it is another file
            return {
                name: (cls, settings | {"learning_rate": float(settings["learning_rate"])})
                for name, (cls, settings) in json.loads(stored).items()
            }
    return {name: (cls.__name__, _default_settings(cls)) for name, cls in optimizer_classes().items()}


def store_default_settings() -> None:
    """Write the default settings to disk, unless they come from there or are there."""
    if "keras" in sys.modules and _cache.read(_file_of_defaults()) is None:
        _cache.write({_file_of_defaults(): json.dumps(default_settings()).encode()})


def _file_of_defaults() -> str:
    return f"optimizers-{versions()}.json"  # of unknown versions if no program is stored


def resolve_optimizer(optimizer: Any, learning_rate: Any) -> tuple[OptimizerSpec, float | None]:
    """Check both parameters; return the optimizer's spec and the learning rate, None if it is not a number."""
    name, cls, settings = _class_and_settings(optimizer)
    if learning_rate is not None:
        if "learning_rate" not in settings:
            raise ValueError(
                f"The 'learning_rate' parameter must be None for a {name}, whose inner optimizers have their "
                f"own learning rates. Got {learning_rate!r} instead."
            )
        if _is_schedule(learning_rate):
            settings["learning_rate"] = learning_rate
        elif isinstance(learning_rate, Real) and not isinstance(learning_rate, bool):
            settings["learning_rate"] = float(learning_rate)
        else:
            raise _learning_rate_error(learning_rate)
    schedule = settings.get("learning_rate")
    if _is_schedule(schedule):
        settings["learning_rate"] = _get_settings("learning_rate", schedule)
    else:
        schedule = None
    numeric_rate = None
    if isinstance(settings.get("learning_rate"), Real):
        numeric_rate, settings["learning_rate"] = settings["learning_rate"], 0.0
        if not 0 < numeric_rate < math.inf:
            raise _learning_rate_error(numeric_rate)
    settings_json = _to_json(settings, name)
    schedule_cls = None if schedule is None else type(schedule)
    return OptimizerSpec(name, settings_json, numeric_rate is not None, schedule_cls, schedule, cls), numeric_rate


def _is_schedule(value: Any) -> bool:
    """Return whether a learning rate is a schedule of Keras."""
    if "keras" not in sys.modules:
        return False
    from moonnet._keras import keras

    return isinstance(value, keras.optimizers.schedules.LearningRateSchedule)


def _class_and_settings(optimizer: Any) -> tuple[str, Any, dict[str, Any]]:
    """Return the name of an optimizer's class, the class unless it is Keras's own, and a copy of the settings."""
    if isinstance(optimizer, str) and optimizer.lower() in default_settings():
        name, settings = default_settings()[optimizer.lower()]
        # Keras stores the learning rate in float32
        return name, None, settings | {"learning_rate": float(np.float32(settings["learning_rate"]))}
    from moonnet._keras import describe_value, keras

    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ValueError(
            f"The 'optimizer' parameter must be one of {sorted(optimizer_classes())} or an instance of "
            f"keras.optimizers.Optimizer. Got {describe_value(optimizer)}."
        )
    if optimizer.built:
        raise ValueError(
            "The 'optimizer' parameter must be an unbuilt optimizer, because a built one belongs to the model that it "
            f"has trained. Got {optimizer!r} instead."
        )
    if any(getattr(optimizer, name, None) for name in _UNSERIALIZED_ATTRIBUTES):
        raise ValueError(
            "The 'optimizer' parameter must be an optimizer on which exclude_from_weight_decay was not called, because "
            f"a copy, such as that of sklearn.base.clone, loses this setting. Got {optimizer!r} instead."
        )
    cls = optimizer_class(optimizer)
    is_own = getattr(keras.optimizers, cls.__name__, None) is cls
    return cls.__name__, None if is_own else cls, _optimizer_settings(optimizer)


def class_and_settings_to_pickle(optimizer: Any) -> tuple[type, dict[str, Any]] | None:
    """Return the class and the settings of an optimizer, to create an equal one with ``cls.from_config``.

    Return None for what must be copied otherwise: an optimizer with a state, or another object.
    """
    from moonnet._keras import keras

    if (
        not isinstance(optimizer, keras.optimizers.Optimizer)
        or optimizer.built
        or any(getattr(optimizer, name, None) for name in _UNSERIALIZED_ATTRIBUTES)
    ):
        return None
    return optimizer_class(optimizer), _optimizer_settings(optimizer)


def _optimizer_settings(optimizer: Any) -> dict[str, Any]:
    """Return the settings of an optimizer, with the schedule of its learning rate itself if it has one."""
    schedule = vars(optimizer).get("_learning_rate")
    if not _is_schedule(schedule):
        return _get_settings("optimizer", _readable(optimizer))
    without_schedule = _readable(optimizer)
    vars(without_schedule)["_learning_rate"] = 0.5  # Keras would import TensorFlow to serialize a schedule
    settings = _get_settings("optimizer", without_schedule)
    return settings | {"learning_rate": schedule} if "learning_rate" in settings else settings


@cache
def _readable_variable() -> type:
    """Return a class of Keras variables that NumPy reads without the DeprecationWarning of Keras's own on JAX."""
    from moonnet._keras import keras

    class ReadableVariable(keras.Variable):
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return np.asarray(self.value, dtype)

    return ReadableVariable


def _readable(value: Any) -> Any:
    """Return an optimizer with the same attributes, but with readable variables; or a readable variable."""
    from moonnet._keras import keras

    cls = _readable_variable() if isinstance(value, keras.Variable) else type(value)
    is_optimizer = issubclass(cls, keras.optimizers.Optimizer)
    if not is_optimizer and cls is not _readable_variable():
        return value
    readable: Any = object.__new__(cls)
    vars(readable).update({name: _readable(item) if is_optimizer else item for name, item in vars(value).items()})
    return readable


def _default_settings(cls: Any) -> dict[str, Any]:
    """Return the default settings of an optimizer."""
    parameters = inspect.signature(cls).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is not p.VAR_KEYWORD}


def _get_settings(parameter: str, value: Any) -> dict[str, Any]:
    """Return the settings of an optimizer or schedule; an error names the parameter."""
    try:
        with engine.scope(None, keras_floatx()):
            settings = _plain(value.get_config())
    except Exception as error:
        raise ValueError(
            f"The '{parameter}' parameter must return its settings from get_config(). "
            f"Got {value!r}, which raised: {error!r}."
        ) from error
    assert isinstance(settings, dict)
    return settings


def _plain(value: Any) -> Any:
    """Return settings as lists and dictionaries, without Keras's own types and its classes for one backend."""
    if isinstance(value, dict):
        settings = {key: _plain(item) for key, item in value.items()}
        is_of_backend = str(settings.get("module")).startswith("keras.src.backend.")
        return settings | ({"module": "keras.optimizers", "registered_name": None} if is_of_backend else {})
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _to_json(settings: dict[str, Any], class_name: str) -> str:
    """Return settings as JSON that is the same for equal optimizers: class names replace Keras's numbered names."""

    def with_class_names(value: Any, class_name: str | None) -> Any:
        if isinstance(value, dict):
            items = {key: with_class_names(item, value.get("class_name")) for key, item in value.items()}
            return items | {"name": class_name.lower()} if class_name and "name" in items else items
        return [with_class_names(item, None) for item in value] if isinstance(value, list | tuple) else value

    # Settings may hold NumPy arrays and scalars, which have tolist
    return json.dumps(with_class_names(settings, class_name), sort_keys=True, default=lambda value: value.tolist())


def _with_constants(settings: Any, constant: Callable[[float], Any]) -> Any:
    """Return settings with ``constant`` applied to each float except the learning rate, which Keras keeps in floatx."""
    if isinstance(settings, dict):
        return {
            name: value if name == "learning_rate" else _with_constants(value, constant)
            for name, value in settings.items()
        }
    return constant(settings) if isinstance(settings, float) else settings


def _store_learning_rate_in_float32(optimizer: Any, settings: dict[str, Any]) -> None:
    """Replace the variable of a numeric learning rate, which Keras creates in its own float type."""
    from moonnet._keras import keras

    if isinstance(optimizer._learning_rate, keras.Variable):
        rate = settings.get("learning_rate", 0.0)
        optimizer._learning_rate.__init__(rate, dtype="float32", trainable=False, name="learning_rate")
    inner = getattr(optimizer, "inner_optimizer", None)  # of a LossScaleOptimizer
    if inner is not None:
        _store_learning_rate_in_float32(inner, settings["inner_optimizer"]["config"])


def _learning_rate_error(value: Any) -> ValueError:
    from moonnet._keras import describe_value

    return ValueError(
        "The 'learning_rate' parameter must be None, a positive finite number or a "
        f"keras.optimizers.schedules.LearningRateSchedule. Got {describe_value(value)}."
    )
