"""An observer that can stop a training after each epoch."""

from collections.abc import Callable

from moonnet.training._loop import Observer, Training


class Interruption(Observer):
    """Observer that stops the training once ``should_continue`` returns False; it is called after each epoch."""

    def __init__(self, should_continue: Callable[[], bool]) -> None:
        self._should_continue = should_continue

    def train_begin(self, training: Training) -> None:
        """Store the training."""
        self._training = training

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Stop the training if it should not continue."""
        self._training.stopped |= not self._should_continue()
