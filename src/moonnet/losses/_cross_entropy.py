"""The losses of labels."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special

from moonnet.losses._loss import Loss


class CrossEntropy(Loss):
    """The negative logarithm of the probability of the labels, in nats."""

    metric_names: ClassVar[tuple[str, ...]] = ("loss", "accuracy")


@dataclass(frozen=True)
class BinaryCrossEntropy(CrossEntropy):
    """The cross-entropy of labels that a sample may each have or not, averaged over the labels."""

    name: ClassVar[str] = "binary_crossentropy"
    output_activation: ClassVar[str] = "sigmoid"

    def sample_losses(self, y: np.ndarray, outputs: np.ndarray, parameter: float) -> np.ndarray:
        return (np.logaddexp(0, outputs) - y * outputs).mean(axis=-1)

    def keras_sample_losses(self, keras: Any, y: Any, outputs: Any, parameter: Any) -> Any:
        losses = keras.ops.binary_crossentropy(y, outputs, from_logits=True)
        return keras.ops.sum(losses, axis=1) / y.shape[1]

    def sample_metrics(self, y: np.ndarray, outputs: np.ndarray) -> dict[str, np.ndarray]:
        """Return the fraction of each sample's labels that are predicted correctly."""
        return {"accuracy": ((outputs > 0) == (y > 0)).mean(axis=-1)}

    def keras_sample_metrics(self, keras: Any, y: Any, outputs: Any) -> list[Any]:
        """Return the fraction of each sample's labels that are predicted correctly."""
        is_correct = keras.ops.cast(keras.ops.equal(outputs > 0, y > 0), outputs.dtype)
        return [keras.ops.sum(is_correct, axis=1) / y.shape[1]]

    def keras_metrics(self, keras: Any, n_outputs: int) -> list[Any]:
        """Return the accuracy; with several sigmoid units, Keras would take its name for categorical accuracy."""
        return ["accuracy"] if n_outputs == 1 else [keras.metrics.BinaryAccuracy(name="accuracy")]


@dataclass(frozen=True)
class CategoricalCrossEntropy(CrossEntropy):
    """The cross-entropy of classes, of which each sample has one."""

    name: ClassVar[str] = "categorical_crossentropy"
    output_activation: ClassVar[str] = "softmax"

    def sample_losses(self, y: np.ndarray, outputs: np.ndarray, parameter: float) -> np.ndarray:
        return -(y * special.log_softmax(outputs, axis=-1)).sum(axis=-1)

    def keras_sample_losses(self, keras: Any, y: Any, outputs: Any, parameter: Any) -> Any:
        return keras.ops.categorical_crossentropy(y, outputs, from_logits=True)

    def sample_metrics(self, y: np.ndarray, outputs: np.ndarray) -> dict[str, np.ndarray]:
        """Return whether the class of each sample is predicted correctly."""
        return {"accuracy": outputs.argmax(axis=-1) == y.argmax(axis=-1)}

    def keras_sample_metrics(self, keras: Any, y: Any, outputs: Any) -> list[Any]:
        """Return 1 for each sample whose class is predicted correctly, otherwise 0."""
        is_correct = keras.ops.equal(keras.ops.argmax(outputs, axis=1), keras.ops.argmax(y, axis=1))
        return [keras.ops.cast(is_correct, outputs.dtype)]

    def keras_metrics(self, keras: Any, n_outputs: int) -> list[Any]:
        """Return the accuracy."""
        return ["accuracy"]
