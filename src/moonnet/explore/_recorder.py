"""An observer that records the network after each epoch and its scores on the held-out samples."""

from collections.abc import Callable
from typing import Any

import numpy as np

from moonnet.explore._datasets import PlaneDataset
from moonnet.networks import State
from moonnet.training._loop import Training
from moonnet.training._records import Samples
from moonnet.training._validation_set import ValidationObserver


class Recorder(ValidationObserver):
    """Observer that stores the initial state and those after each epoch, and can stop the training.

    ``targets`` are those of the training; ``should_continue`` is called with the recorder after each epoch. With a
    ``stride``, only the state after each epoch that is a multiple of it is stored.
    """

    def __init__(
        self, data: PlaneDataset, targets: Any, should_continue: Callable[["Recorder"], bool], stride: int = 1
    ) -> None:
        X, y = data.inputs(data.X_test), data.y_test
        super().__init__(Samples(X, targets.encode(y, X.dtype), np.ones(len(y))))
        self._should_continue = should_continue
        self._stride = stride
        self.targets = targets
        self.states: list[State] = []
        self.history: dict[str, list[float]] = {}

    @property
    def network(self) -> Any:
        """The network in training."""
        return self._training.program.spec.network

    def epochs_per_block(self) -> float:
        """Return 1: a newer request may stop the training after each epoch."""
        return 1

    def train_begin(self, training: Training) -> None:
        """Store the initial state."""
        super().train_begin(training)
        self.states.append(training.final_state())

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Store the state and the metrics of the epoch."""
        state = self._training.final_state()
        if (epoch + 1) % self._stride == 0:
            self.states.append(state)
        (metrics,) = self._evaluate(state.stack())
        for name in self._training.program.spec.loss.metric_names:
            self.history.setdefault(name, []).append(logs[name])
            self.history.setdefault(f"test_{name}", []).append(metrics[f"val_{name}"])
        self._training.stopped |= not self._should_continue(self)
