"""An observer that records the weights after each epoch and their scores on the held-out samples."""

from collections.abc import Callable

import numpy as np

from moonnet._class_targets import ClassTargets
from moonnet.explore._datasets import EditedDataset
from moonnet.training._loop import Samples, Training
from moonnet.training._validation_set import ValidationObserver


class Recorder(ValidationObserver):
    """Observer that stores the initial weights and those after each epoch, and can stop the training.

    ``should_continue`` is called with the recorder after each epoch.
    """

    def __init__(self, data: EditedDataset, activation: str, should_continue: Callable[["Recorder"], bool]) -> None:
        labels, X, y = ClassTargets(data.dataset.classes), data.dataset.X_test, data.dataset.y_test
        super().__init__(Samples(X, labels.encode(y, X.dtype), np.ones(len(y))), labels, activation)
        self._should_continue = should_continue
        self.weights: list[list[np.ndarray]] = []
        self.history: dict[str, list[float]] = {"loss": [], "accuracy": [], "test_loss": [], "test_accuracy": []}

    def epochs_per_block(self) -> float:
        """Return 1: a newer request may stop the training after each epoch."""
        return 1

    def train_begin(self, training: Training) -> None:
        """Store the initial weights."""
        super().train_begin(training)
        self.weights.append(training.final_weights())

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Store the weights and metrics of the epoch."""
        weights = self._training.final_weights()
        self.weights.append(weights)
        (metrics,) = self._evaluate([array[np.newaxis] for array in weights])
        metrics = {"test_loss": metrics["val_loss"], "test_accuracy": metrics["val_accuracy"]}
        for name, values in self.history.items():
            values.append({**logs, **metrics}[name])
        self._training.stopped |= not self._should_continue(self)
