"""A Keras loss that a user passes in the parameter ``loss``."""

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from moonnet.losses._cross_entropy import CrossEntropy
from moonnet.losses._loss import Loss
from moonnet.losses._regression import REGRESSION_LOSSES, RegressionLoss


class _UserLoss(Loss):
    """A loss by the formula of a Keras loss; its reduction has no effect."""

    config: str  # JSON
    needs_keras: ClassVar[bool] = True

    @property
    def name(self) -> str:  # type: ignore[override]
        """The configuration, which two losses of one formula share."""
        return self.config

    def keras_sample_losses(self, keras: Any, y: Any, outputs: Any, parameter: Any) -> Any:
        loss, takes_outputs = _loss_of_outputs(self.config)
        predictions = outputs if takes_outputs else keras.activations.get(self.output_activation)(outputs)
        losses = keras.ops.convert_to_tensor(loss.call(y, predictions))
        shape = tuple(losses.shape)
        if shape[:1] != tuple(y.shape[:1]):
            raise ValueError(
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
        from moonnet._keras import keras

        return keras.losses.deserialize(json.loads(self.config))


@dataclass(frozen=True)
class UserClassificationLoss(_UserLoss):
    """A Keras loss of probabilities, or of logits if it has been created with ``from_logits``."""

    config: str
    labels: CrossEntropy  # whose output activation and metrics these labels have

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

    def keras_loss(self, losses: Any, parameter: Any) -> Any:
        """Return the loss of probabilities, because those are what a model predicts."""
        from moonnet._keras import keras

        config = json.loads(self.config)
        if "from_logits" in config["config"]:
            config["config"]["from_logits"] = False
        return keras.losses.deserialize(config)


@dataclass(frozen=True)
class UserRegressionLoss(_UserLoss, RegressionLoss):
    """A Keras loss of standardised y."""

    config: str

    unit_power: ClassVar[int] = 0  # the unit of a loss of any formula is unknown

    def elementwise(self, xp: Any, y: Any, outputs: Any, parameter: Any) -> Any:
        raise NotImplementedError  # a Keras loss is one of whole samples


def regression_loss(name: str, quantile: float) -> RegressionLoss:
    """Return the loss of this name, which is the configuration of a Keras loss if scikit-learn has no such name."""
    return REGRESSION_LOSSES[name].create(quantile) if name in REGRESSION_LOSSES else UserRegressionLoss(name)


@lru_cache(maxsize=128)
def _loss_of_outputs(config: str) -> tuple[Any, bool]:
    """Return the Keras loss of a configuration, and whether it takes outputs before their activation.

    A loss that can takes them, because logarithms of rounded probabilities are not exact.
    """
    from moonnet._keras import keras

    settings = json.loads(config)
    takes_outputs = "from_logits" in settings["config"]
    if takes_outputs:
        settings["config"]["from_logits"] = True
    loss = keras.losses.deserialize(settings)
    if not isinstance(loss, keras.losses.Loss):
        raise TypeError(f"{settings['class_name']} is unknown to Keras")
    return loss, takes_outputs


def class_and_settings_of_loss(loss: Any) -> tuple[type, dict[str, Any]]:
    """Return the class and the settings of a Keras loss, to create an equal one with ``cls.from_config``."""
    from moonnet._keras import without_tensorflow

    with without_tensorflow():
        return type(loss), loss.get_config()


def loss_config(loss: Any) -> str:
    """Return the configuration of a Keras loss as JSON. Raises ValueError."""
    from moonnet._keras import keras, without_tensorflow

    if not isinstance(loss, keras.losses.Loss):
        raise ValueError(f"The 'loss' parameter must be an instance of keras.losses.Loss. Got {loss!r} instead.")
    if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        raise ValueError(
            "The 'loss' parameter must be a Keras loss of one-hot rows, such as CategoricalCrossentropy. Got a "
            f"{type(loss).__name__}."
        )
    try:
        with without_tensorflow():
            config = json.dumps(keras.saving.serialize_keras_object(loss), sort_keys=True)
            _loss_of_outputs(config)
    except Exception as error:
        raise ValueError(
            "The 'loss' parameter must be a Keras loss that Keras can create again from its configuration; register a "
            "class or function of your own with @keras.saving.register_keras_serializable('my_package'). "
            f"Got {loss!r}, which raised: {error!r}."
        ) from error
    return config
