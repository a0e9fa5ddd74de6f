"""scikit-learn's callbacks (``set_callbacks``): call their hooks for the fit and for each epoch.

In scikit-learn's terms, a fit is a task and each epoch is a subtask of it.
"""

from collections.abc import Callable
from typing import Any

from moonnet.training._loop import Observer, Training
from moonnet.training._records import TrainingResult


class SklearnCallbacks(Observer):
    """Calls the hooks of the callbacks that were registered with ``set_callbacks``.

    ``context`` is scikit-learn's callback context of the fit, ``arguments`` are passed to each hook, and ``attributes``
    returns the fitted attributes for a training result.
    """

    def __init__(
        self, context: Any, arguments: dict[str, Any], attributes: Callable[[TrainingResult], dict[str, Any]]
    ) -> None:
        self._fit_context = context
        self._arguments = arguments
        self._attributes = attributes

    def train_begin(self, training: Training) -> None:
        """Begin the task of the fit."""
        self._training = training
        self._fit_context.call_on_fit_task_begin(**self._arguments)

    def epoch_begin(self, epoch: int) -> None:
        """Begin the task of an epoch."""
        context = self._fit_context.subcontext(task_name="epoch")
        self._epoch_context = context.call_on_fit_task_begin(**self._arguments)

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """End the task of an epoch; callbacks get an estimator with the epoch's weights, and may stop the training."""
        self._training.stopped |= self._epoch_context.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=lambda: self._attributes(self._training.result())
        )

    def end_fit_task(self) -> None:
        """End the task of the fit, after the fitted attributes have been set on the estimator."""
        self._fit_context.call_on_fit_task_end(**self._arguments, reconstruction_attributes={})
