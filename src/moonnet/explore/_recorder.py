"""A recording of a training: the weights after each epoch, and how they do on samples held out."""

from collections.abc import Callable

import numpy as np

from moonnet._class_targets import ClassTargets
from moonnet.explore._datasets import Data
from moonnet.training._loop import Samples, Training
from moonnet.training._validation_set import ValidationObserver


class Recorder(ValidationObserver):
    """Keeps the weights of each epoch, the initial ones first, and may stop the training.

    ``should_continue`` is called after each epoch with this recording.
    """

    def __init__(self, data: Data, activation: str, should_continue: Callable[["Recorder"], bool]) -> None:
        labels, X, y = ClassTargets(data.samples.classes), data.samples.X_test, data.samples.y_test
        super().__init__(Samples(X, labels.encode(y, X.dtype), np.ones(len(y))), labels, activation)
        self._should_continue = should_continue
        self.weights: list[list[np.ndarray]] = []
        self.history: dict[str, list[float]] = {"loss": [], "accuracy": [], "test_loss": [], "test_accuracy": []}

    def train_begin(self, training: Training) -> None:
        """Keep the initial weights."""
        super().train_begin(training)
        self.weights.append(training.final_weights())

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Keep the epoch's weights and figures."""
        weights = self._training.final_weights()
        self.weights.append(weights)
        figures = self._evaluate(weights)
        figures = {"test_loss": figures["val_loss"], "test_accuracy": figures["val_accuracy"]}
        for name, values in self.history.items():
            values.append({**logs, **figures}[name])
        self._training.stopped |= not self._should_continue(self)
