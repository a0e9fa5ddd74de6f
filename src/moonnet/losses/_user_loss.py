"""A Keras loss that a user passes in the parameter ``loss``."""

import inspect
import json
import math
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from moonnet.losses._cross_entropy import CrossEntropy
from moonnet.losses._loss import Loss
from moonnet.losses._quantiles import Quantiles
from moonnet.losses._regression import REGRESSION_LOSSES, RegressionLoss


class LossError(ValueError):
    """An error that a user's loss causes, not the layers."""


class _UserLoss(Loss):
    """A loss by the formula of a Keras loss; its reduction has no effect."""

    config: str  # JSON
    objects: tuple[Any, ...]  # the classes and functions of the user's that it names
    needs_keras: ClassVar[bool] = True

    @property
    def has_independent_samples(self) -> bool:  # type: ignore[override]
        """Whether the loss is Keras's own: another one may compare the samples of a batch."""
        return not self.objects

    @property
    def name(self) -> str:  # type: ignore[override]
        """The configuration, which two losses of one formula share."""
        return self.config

    def keras_sample_losses(self, keras: Any, y: Any, outputs: Any, parameter: Any) -> Any:
        loss, takes_outputs = _loss_of_outputs(self.config, self.objects)
        predictions = outputs if takes_outputs else keras.activations.get(self.output_activation)(outputs)
        losses = _call(loss, y, predictions)
        shape = tuple(losses.shape)
        if shape[:1] != tuple(y.shape[:1]):
            raise LossError(
                "The 'loss' parameter must be a Keras loss whose call method returns a loss for each sample. Got a "
                f"{type(loss).__name__}, which returns the shape {shape} for {y.shape[0]} samples."
            )
        # A mean is computed as a sum: on JAX, Keras computes means in float32
        return keras.ops.sum(keras.ops.reshape(losses, (shape[0], -1)), axis=1) / math.prod(shape[1:])

    def sample_losses(self, y: np.ndarray, outputs: np.ndarray, parameter: float) -> np.ndarray:
        from moonnet._keras import keras

        y = np.broadcast_to(y, outputs.shape).reshape(-1, outputs.shape[-1])
        targets, tensor = map(keras.ops.convert_to_tensor, (y, outputs.reshape(y.shape)))
        losses = self.keras_sample_losses(keras, targets, tensor, parameter)
        return np.asarray(keras.ops.convert_to_numpy(losses)).reshape(outputs.shape[:-1])

    def keras_loss(self, losses: Any, parameter: Any) -> Any:
        """Return the loss of predictions, which a model returns."""
        from moonnet._keras import keras

        config = json.loads(self.config)
        if "from_logits" in config["config"]:
            config["config"]["from_logits"] = False
        return keras.losses.deserialize(config)


@dataclass(frozen=True)
class UserClassificationLoss(_UserLoss):
    """A Keras loss of labels, whatever its ``from_logits``."""

    config: str
    labels: CrossEntropy  # whose output activation and metrics these labels have
    objects: tuple[Any, ...] = ()

    metric_names: ClassVar[tuple[str, ...]] = CrossEntropy.metric_names

    @property
    def output_activation(self) -> str:  # type: ignore[override]
        """Keras's name of the activation for these labels."""
        return self.labels.output_activation

    def sample_metrics(self, y: np.ndarray, outputs: np.ndarray) -> dict[str, np.ndarray]:
        return self.labels.sample_metrics(y, outputs)

    def keras_sample_metrics(self, keras: Any, y: Any, outputs: Any) -> list[Any]:
        return self.labels.keras_sample_metrics(keras, y, outputs)

    def keras_metrics(self, keras: Any, n_outputs: int) -> list[Any]:
        return self.labels.keras_metrics(keras, n_outputs)


@dataclass(frozen=True)
class UserRegressionLoss(_UserLoss, RegressionLoss):
    """A Keras loss of standardised y."""

    config: str
    objects: tuple[Any, ...] = ()

    unit_power: ClassVar[int] = 0  # the unit of a loss of any formula is unknown


def regression_loss(name: str, quantile: Any, objects: tuple[Any, ...] = ()) -> RegressionLoss:
    """Return the loss of this name, which is the configuration of a Keras loss if scikit-learn has no such name.

    ``quantile`` is the regressor's: a number or several.
    """
    if name not in REGRESSION_LOSSES:
        return UserRegressionLoss(name, objects)
    if name == Quantiles.name and not isinstance(quantile, Real):
        return Quantiles(tuple(map(float, quantile)))
    return REGRESSION_LOSSES[name].create(quantile)


def _call(loss: Any, y: Any, predictions: Any) -> Any:
    """Return the losses that the call method of a Keras loss computes. Raises LossError."""
    from moonnet._keras import keras, message_of

    try:
        losses = loss.call(y, predictions)
        if losses is not None:
            return keras.ops.convert_to_tensor(losses)
    except Exception as error:
        raise LossError(
            f"The 'loss' parameter must be a Keras loss whose call method {keras.backend.backend()}, Keras's backend, "
            f"can compile: it must compute with keras.ops. Got a {type(loss).__name__}, which raises "
            f"{type(error).__name__}: {message_of(error)}"
        ) from error
    raise LossError(
        "The 'loss' parameter must be a Keras loss whose call method returns a loss for each sample. Got a "
        f"{type(loss).__name__}, which returns None."
    )


@lru_cache(maxsize=128)
def _loss_of_outputs(config: str, objects: tuple[Any, ...]) -> tuple[Any, bool]:
    """Return the Keras loss of a configuration, and whether it takes outputs before their activation.

    Cross-entropies take them, because logarithms of rounded probabilities are not exact. ``objects`` are those that the
    configuration names.
    """
    from moonnet._keras import keras

    settings = json.loads(config)
    takes_outputs = "from_logits" in settings["config"] and not objects
    if "from_logits" in settings["config"]:
        settings["config"]["from_logits"] = takes_outputs
    loss = keras.losses.deserialize(settings)
    if not isinstance(loss, keras.losses.Loss):
        raise TypeError(f"{settings['class_name']} is unknown to Keras")
    return loss, takes_outputs


def is_keras_loss(loss: Any) -> bool:
    """Return whether an object is a Keras loss."""
    from moonnet._keras import keras

    return isinstance(loss, keras.losses.Loss)


def class_and_settings_of_loss(loss: Any) -> tuple[type, dict[str, Any]]:
    """Return the class and the settings of a Keras loss, to create an equal one with ``cls.from_config``."""
    from moonnet._keras import without_tensorflow

    with without_tensorflow():
        config = loss.get_config()
        return type(loss), config | _missing_settings(loss, config)


def loss_config(loss: Any) -> str:
    """Return the configuration of a Keras loss as JSON. Raises ValueError."""
    from moonnet._keras import check_settings, describe_value, keras, registered_objects, without_tensorflow

    if not isinstance(loss, keras.losses.Loss):
        default = "; without it, a classifier minimises the cross-entropy" if isinstance(loss, str) else ""
        remedy = ": make it the call method of a subclass" if inspect.isroutine(loss) else ""
        raise ValueError(
            f"The 'loss' parameter must be an instance of keras.losses.Loss{default}. "
            f"Got {describe_value(loss)}{remedy}."
        )
    if type(loss).__name__ in ("SparseCategoricalCrossentropy", "CategoricalGeneralizedCrossEntropy"):
        raise ValueError(
            "The 'loss' parameter must be a Keras loss of one-hot rows, such as CategoricalCrossentropy. Got a "
            f"{type(loss).__name__}."
        )
    try:
        with without_tensorflow():
            settings = keras.saving.serialize_keras_object(loss)
            settings["config"] |= _missing_settings(loss, settings["config"])
            for name in ("name", "reduction"):  # without effect; Keras numbers the names of a user's losses
                settings["config"].pop(name, None)
            config = json.dumps(settings, sort_keys=True)
            restored, _ = _loss_of_outputs(config, registered_objects(settings))
    except Exception as error:
        raise ValueError(
            "The 'loss' parameter must be a Keras loss that Keras can create again from its configuration; register a "
            "class or function of your own with @keras.saving.register_keras_serializable('my_package'). "
            f"Got {loss!r}, which raised: {error!r}."
        ) from error
    check_settings(loss, restored, "loss")
    return config


def objects_of(config: str) -> tuple[Any, ...]:
    """Return the classes and functions of a user's that the configuration of a loss names."""
    from moonnet._keras import registered_objects

    return registered_objects(json.loads(config))


def _missing_settings(loss: Any, config: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of Keras's formula that its configuration leaves out, such as delta of a Huber loss."""
    arguments = getattr(loss, "_fn_kwargs", {})
    return {name: value for name, value in arguments.items() if name not in config and isinstance(value, int | float)}


_OF_OTHER_TARGETS = ("crossentropy", "kldivergence", "poisson", "hinge", "logarithmic", "percentage", "dice", "tversky")


def check_regression_loss(loss: Any) -> None:
    """Raise ValueError if a Keras loss is not one of differences, which standardised y needs."""
    name = type(loss).__name__
    if any(part in name.lower() for part in _OF_OTHER_TARGETS):
        remedy = " For counts, there is loss='poisson'." if "poisson" in name.lower() else ""
        raise ValueError(
            "The 'loss' parameter of a regressor must be a Keras loss of differences, such as LogCosh, because y is "
            f"standardised. Got a {name}.{remedy}"
        )


def check_classification_loss(loss: Any, *, has_sigmoid_units: bool) -> None:
    """Raise ValueError if a Keras loss is for the other kind of output layer."""
    name = type(loss).__name__
    if name.startswith(("Categorical", "KLDivergence")) and has_sigmoid_units:
        raise ValueError(
            "The 'loss' parameter must be a Keras loss of sigmoid units, such as BinaryCrossentropy or "
            f"BinaryFocalCrossentropy, for two classes or several labels. Got a {name}."
        )
    if name.startswith("Binary") and not has_sigmoid_units:
        raise ValueError(
            "The 'loss' parameter must be a Keras loss of softmax units, such as CategoricalCrossentropy or "
            f"CategoricalFocalCrossentropy, for three classes or more. Got a {name}."
        )
