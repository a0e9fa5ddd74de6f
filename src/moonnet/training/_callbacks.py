"""Two kinds of callbacks: Keras's, which see a live Keras model, and scikit-learn's, for which an epoch is a task."""

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from moonnet._base_targets import BaseTargets
from moonnet.training._keras import keras
from moonnet.training._loop import Observer, Training, TrainingResult
from moonnet.training._network import user_model
from moonnet.training.engines import engine

# Keras's hooks within a training -> the methods by which a callback may define them
_HOOKS = {
    "on_epoch_begin": ("on_epoch_begin",),
    "on_train_batch_begin": ("on_train_batch_begin", "on_batch_begin"),
    "on_train_batch_end": ("on_train_batch_end", "on_batch_end"),
    "on_epoch_end": ("on_epoch_end",),
}


class KerasCallbacks(Observer):
    """Keras callbacks on a Keras model that follows the training, and which the training follows in turn.

    The model is the one that ``model_`` would be, in Keras's own float type. What callbacks leave alone keeps the
    precision of the training.
    """

    def __init__(self, callbacks: Sequence[Any], targets: BaseTargets) -> None:
        self._targets = targets
        # A fit leaves traces in its callbacks (patience, best weights, a model): those given stay as they are
        self._callbacks = _copied(callbacks)
        self._hooks = {hook for hook in _HOOKS if any(_defines(callback, hook) for callback in self._callbacks)}
        self.sees_steps = not self._hooks.isdisjoint(("on_train_batch_begin", "on_train_batch_end"))

    def train_begin(self, training: Training) -> None:
        """Make the model and call on_train_begin."""
        engine.check_not_traced("call its callbacks")
        self._training = training
        spec, numbers = training.program.spec, training.hyperparameters
        with self._scope():
            optimizer = spec.optimizer.build(numbers.learning_rate)
            weights = training.program.weights
            self._model = user_model(
                spec.network,
                weights,
                optimizer,
                numbers.dropout,
                # Of the training's own weights, whose predictions are rescaled
                [numbers.l2 * numbers.loss_unit] * (len(spec.network.layer_sizes) - 1),
                self._targets.model_loss_parameter,
                self._targets.rescaling,
            )
            optimizer.build(self._model.trainable_variables)
            # Metrics are there after their first use: callbacks look them up to know whether more is better
            nothing = np.zeros((1, spec.network.layer_sizes[-1]))
            self._model.compute_metrics(None, nothing, nothing)
            self._model.reset_metrics()
            self._variables = self._followed()
            self._last_values = [variable.numpy() for variable in self._variables]
        self._list = keras.callbacks.CallbackList(
            self._callbacks,
            add_history=True,
            model=self._model,
            verbose=0,
            epochs=training.first_epoch + numbers.epochs,
            steps=training.steps_an_epoch,
        )
        self._logs: dict[str, float] | None = None
        self._call("on_train_begin")

    def epoch_begin(self, epoch: int) -> None:
        """Call on_epoch_begin."""
        self._call("on_epoch_begin", epoch)

    def step_begin(self, step: int) -> None:
        """Call on_train_batch_begin."""
        self._call("on_train_batch_begin", step)

    def step_end(self, step: int, logs: dict[str, float]) -> None:
        """Call on_train_batch_end."""
        self._call("on_train_batch_end", step, dict(logs))

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Call on_epoch_end."""
        self._logs = dict(logs)  # callbacks add to it, the learning rate for instance
        self._call("on_epoch_end", epoch, self._logs)

    def train_end(self) -> None:
        """Call on_train_end."""
        self._call("on_train_end", logs=self._logs)

    def _scope(self) -> AbstractContextManager[Any]:
        """Return the context in which the model is made and changed."""
        return engine.scope(self._training.program.spec.device, keras.config.floatx())

    def _followed(self) -> list[Any]:
        """Return the model's variables that the training follows, in the order of the program's state."""
        return [*self._model.trainable_variables, *self._model.optimizer.variables]

    def _call(self, hook: str, *arguments: Any, **options: Any) -> None:
        """Bring the model up to date, call the callbacks, and take over what they changed."""
        if hook in _HOOKS and hook not in self._hooks:
            getattr(self._list, hook)(*arguments, **options)  # for Keras's own History
            return
        program = self._training.program
        state = program.state
        with self._scope(), np.errstate(over="ignore"):  # what diverges is for the training to say
            for index, variable in enumerate(self._variables):
                value = np.asarray(state[index], variable.dtype)
                if not np.array_equal(value, self._last_values[index], equal_nan=True):
                    engine.write(variable, value)
                    self._last_values[index] = value
        getattr(self._list, hook)(*arguments, **options)
        if list(map(id, self._followed())) != list(map(id, self._variables)):
            raise ValueError(
                "The 'callbacks' parameter must hold callbacks that leave the model compiled as it is, with its "
                f"optimizer and a learning rate that is a number. Got one that changed these in {hook}."
            )
        changed = list(state)
        for index, variable in enumerate(self._variables):
            value = engine.read(variable)
            if not np.array_equal(value, self._last_values[index], equal_nan=True):
                self._last_values[index] = value
                changed[index] = np.asarray(value, state[index].dtype)
        program.state = changed
        self._training.stopped |= bool(self._model.stop_training)


class FitTasks(Observer):
    """scikit-learn's callbacks: the fit is a task, and each epoch a task within it."""

    def __init__(
        self, context: Any, arguments: dict[str, Any], attributes: Callable[[TrainingResult], dict[str, Any]]
    ) -> None:
        self._fit = context
        self._arguments = arguments
        self._attributes = attributes

    def train_begin(self, training: Training) -> None:
        """Begin the task of the fit."""
        self._training = training
        self._fit.call_on_fit_task_begin(**self._arguments)

    def epoch_begin(self, epoch: int) -> None:
        """Begin the task of an epoch."""
        self._epoch = self._fit.subcontext(task_name="epoch").call_on_fit_task_begin(**self._arguments)

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """End the task of an epoch, with the network as it is now."""
        self._training.stopped |= self._epoch.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=lambda: self._attributes(self._training.result())
        )

    def fit_ends(self) -> None:
        """End the task of the fit, when the estimator has learned all."""
        self._fit.call_on_fit_task_end(**self._arguments, reconstruction_attributes={})


def _copied(callbacks: Sequence[Any]) -> list[Any]:
    """Return checked copies; what several callbacks share, their copies share too."""
    memo: dict[int, Any] = {}
    copies = []
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise ValueError(
                "The 'callbacks' parameter must be None or a list of instances of keras.callbacks.Callback. "
                f"Got {callback!r} in it instead. (Callbacks of scikit-learn go to set_callbacks.)"
            )
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise ValueError(
                f"The 'callbacks' parameter must not hold a BackupAndRestore. Got {callback!r}. To go on after a "
                "crash, pickle the estimator that scikit-learn's callbacks are given, and fit it with warm_start."
            )
        try:
            copies.append(copy.deepcopy(callback, memo))
        except Exception as error:
            raise ValueError(
                "The 'callbacks' parameter must hold callbacks that can be copied, for a fit trains with copies. "
                f"Got {callback!r}, whose copy raised: {error!r}."
            ) from error
    return copies


def _defines(callback: Any, hook: str) -> bool:
    """Return whether a callback does something in a hook."""
    inherited = [vars(keras.callbacks.Callback)]
    saves = isinstance(callback, keras.callbacks.ModelCheckpoint) and callback.save_freq == "epoch"
    if saves and hook != "on_epoch_end":  # its own hooks of batches do nothing then
        inherited.append(vars(keras.callbacks.ModelCheckpoint))
    for name in _HOOKS[hook]:
        method = getattr(getattr(callback, name), "__func__", None)
        if all(method is None or method is not names.get(name) for names in inherited):
            return True
    return False
