"""Keras callbacks (the parameter ``callbacks``): call their hooks with a Keras model that mirrors the training."""

import copy
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from moonnet._base_targets import BaseTargets
from moonnet.training._keras import keras
from moonnet.training._loop import Observer, Training
from moonnet.training._network import user_model
from moonnet.training.engines import engine

# Hooks of CallbackList during training -> methods by which a callback may implement them
_HOOK_METHODS = {
    "on_epoch_begin": ("on_epoch_begin",),
    "on_train_batch_begin": ("on_train_batch_begin", "on_batch_begin"),
    "on_train_batch_end": ("on_train_batch_end", "on_batch_end"),
    "on_epoch_end": ("on_epoch_end",),
}


class KerasCallbacks(Observer):
    """Calls Keras callbacks with a live Keras model, synchronized with the training in both directions.

    Before each hook, the model gets the weights and the optimizer state of the training. After the hook, the training
    takes over what the callbacks changed. The model is built like ``model_``, in Keras's own float type; values that
    callbacks leave unchanged keep the precision of the training.
    """

    def __init__(self, callbacks: Sequence[Any], targets: BaseTargets) -> None:
        self._targets = targets
        # A fit changes the state of its callbacks (patience, best weights, the model), so it works on copies
        self._callbacks = _copy_callbacks(callbacks)
        self._hooks = {
            hook for hook in _HOOK_METHODS if any(_implements_hook(callback, hook) for callback in self._callbacks)
        }
        self.has_step_hooks = not self._hooks.isdisjoint(("on_train_batch_begin", "on_train_batch_end"))

    def train_begin(self, training: Training) -> None:
        """Create the model and call on_train_begin."""
        engine.check_not_traced("call its callbacks")
        self._training = training
        with self._scope():
            self._model = self._create_model()
            self._variables = self._synchronized_variables()
            self._last_values = [variable.numpy() for variable in self._variables]
        self._callback_list = keras.callbacks.CallbackList(
            self._callbacks,
            add_history=True,
            model=self._model,
            verbose=0,
            epochs=training.first_epoch + training.hyperparameters.epochs,
            steps=training.steps_per_epoch,
        )
        self._logs: dict[str, float] | None = None
        self._call_hook("on_train_begin")

    def epoch_begin(self, epoch: int) -> None:
        """Call on_epoch_begin."""
        self._call_hook("on_epoch_begin", epoch)

    def step_begin(self, step: int) -> None:
        """Call on_train_batch_begin."""
        self._call_hook("on_train_batch_begin", step)

    def step_end(self, step: int, logs: dict[str, float]) -> None:
        """Call on_train_batch_end."""
        self._call_hook("on_train_batch_end", step, dict(logs))

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Call on_epoch_end."""
        self._logs = dict(logs)  # callbacks add to it, for example the learning rate
        self._call_hook("on_epoch_end", epoch, self._logs)

    def train_end(self) -> None:
        """Call on_train_end."""
        self._call_hook("on_train_end", logs=self._logs)

    def _scope(self) -> AbstractContextManager[Any]:
        """Return the context in which the model is created and changed."""
        return engine.scope(self._training.program.spec.device, keras.config.floatx())

    def _create_model(self) -> Any:
        """Return a compiled Keras model with the weights and hyperparameters of the training."""
        spec, hyperparameters = self._training.program.spec, self._training.hyperparameters
        optimizer = spec.optimizer.build(hyperparameters.learning_rate)
        model = user_model(
            spec.network,
            self._training.program.weights,
            optimizer,
            hyperparameters.dropout,
            # The model penalizes the weights of the training, before the predictions are rescaled
            [hyperparameters.l2 * hyperparameters.loss_scale] * (len(spec.network.layer_sizes) - 1),
            self._targets.model_loss_parameter,
            self._targets.rescaling,
        )
        optimizer.build(model.trainable_variables)
        # Keras creates metrics on their first use, and callbacks look them up to know whether to minimize or maximize
        zeros = np.zeros((1, spec.network.layer_sizes[-1]))
        model.compute_metrics(None, zeros, zeros)
        model.reset_metrics()
        return model

    def _synchronized_variables(self) -> list[Any]:
        """Return the variables of the model and its optimizer, in the order of the program's state."""
        return [*self._model.trainable_variables, *self._model.optimizer.variables]

    def _call_hook(self, hook: str, *arguments: Any, **options: Any) -> None:
        """Update the model, call a hook of all callbacks, and apply their changes to the training."""
        if hook in _HOOK_METHODS and hook not in self._hooks:
            getattr(self._callback_list, hook)(*arguments, **options)  # for Keras's own History callback
            return
        state = self._training.program.state
        self._update_model(state)
        getattr(self._callback_list, hook)(*arguments, **options)
        if list(map(id, self._synchronized_variables())) != list(map(id, self._variables)):
            raise ValueError(
                "The 'callbacks' parameter must hold callbacks that neither recompile the model nor replace its "
                f"optimizer or set a learning rate schedule. Got a callback that changed one of these in {hook}."
            )
        self._update_training(state)

    def _update_model(self, state: list[np.ndarray]) -> None:
        """Assign the state of the training to the model's variables."""
        with self._scope(), np.errstate(over="ignore"):  # the training raises an error if the network diverges
            for index, variable in enumerate(self._variables):
                value = np.asarray(state[index], variable.dtype)
                if not np.array_equal(value, self._last_values[index], equal_nan=True):
                    engine.write(variable, value)
                    self._last_values[index] = value

    def _update_training(self, state: list[np.ndarray]) -> None:
        """Replace in the state of the training what callbacks changed in the model, and stop if they asked for it."""
        changed = list(state)
        for index, variable in enumerate(self._variables):
            value = engine.read(variable)
            if not np.array_equal(value, self._last_values[index], equal_nan=True):
                self._last_values[index] = value
                changed[index] = np.asarray(value, state[index].dtype)
        self._training.program.state = changed
        self._training.stopped |= bool(self._model.stop_training)


def _copy_callbacks(callbacks: Sequence[Any]) -> list[Any]:
    """Check the callbacks and return deep copies; objects that callbacks share are shared by the copies."""
    memo: dict[int, Any] = {}
    copies = []
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise ValueError(
                "The 'callbacks' parameter must be None or a list of instances of keras.callbacks.Callback. "
                f"Got {callback!r} in it instead. (Register callbacks of scikit-learn with set_callbacks.)"
            )
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise ValueError(
                f"The 'callbacks' parameter must not hold a BackupAndRestore callback. Got {callback!r}. To resume "
                "after a crash, pickle the estimator that scikit-learn passes to its callbacks after each epoch, and "
                "call fit on the loaded estimator with warm_start=True."
            )
        try:
            copies.append(copy.deepcopy(callback, memo))
        except Exception as error:
            raise ValueError(
                "The 'callbacks' parameter must hold callbacks that can be copied, because fit works on copies. "
                f"Got {callback!r}, whose copy raised: {error!r}."
            ) from error
    return copies


def _implements_hook(callback: Any, hook: str) -> bool:
    """Return whether a callback overrides a hook that Keras leaves empty."""
    base_methods = [vars(keras.callbacks.Callback)]
    saves = isinstance(callback, keras.callbacks.ModelCheckpoint) and callback.save_freq == "epoch"
    if saves and hook != "on_epoch_end":  # its own batch hooks do nothing then
        base_methods.append(vars(keras.callbacks.ModelCheckpoint))
    for name in _HOOK_METHODS[hook]:
        method = getattr(getattr(callback, name), "__func__", None)
        if all(method is None or method is not methods.get(name) for methods in base_methods):
            return True
    return False
