"""Keras callbacks (the parameter ``callbacks``): call their hooks with a Keras model that mirrors the training."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from numbers import Real
from types import MethodType
from typing import Any

import numpy as np

from moonnet._keras import describe_value, keras
from moonnet.losses._loss import Objective
from moonnet.training._keras_models import Regularization, user_model
from moonnet.training._loop import Observer, Training
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
    takes over what the callbacks changed. The model is built like ``model_``, in float32, or in float64 if that is
    Keras's float type; values that callbacks leave unchanged keep the precision of the training.
    """

    def __init__(self, callbacks: Sequence[Any], objective: Objective) -> None:
        self._objective = objective
        # A fit changes the state of its callbacks (patience, best weights, the model), so it works on copies
        self._copies = _ShallowCopies(callbacks)

    def train_begin(self, training: Training) -> None:
        """Create the model and call on_train_begin."""
        engine.check_not_traced("call its callbacks")
        self._training = training
        with self._scope():
            self._model = self._create_model()
            self._variables = self._synchronized_variables()
            self._last_values = [engine.read(variable) for variable in self._variables]
        self._log_reader = _LogReader()
        self._callback_list = keras.callbacks.CallbackList(
            [*self._copies.callbacks, self._log_reader],
            add_history=True,
            model=self._model,
            verbose=0,
            epochs=training.last_epoch,
            steps=training.steps_per_epoch,
        )
        self._logs: dict[str, float] | None = None
        self._call_hook("on_train_begin")
        self._find_hooks()
        # Set by BackupAndRestore, which Model.fit obeys likewise
        training.skip_epochs(getattr(self._model, "_initial_epoch", None) or 0)

    def epoch_begin(self, epoch: int) -> None:
        """Call on_epoch_begin."""
        self._call_hook("on_epoch_begin", epoch)
        self._find_hooks()  # callbacks may have assigned hooks to themselves

    def step_begin(self, step: int) -> None:
        """Call on_train_batch_begin."""
        self._call_hook("on_train_batch_begin", step)

    def step_end(self, step: int, logs: dict[str, float]) -> None:
        """Call on_train_batch_end."""
        self._call_hook("on_train_batch_end", step, dict(logs))

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Call on_epoch_end; numbers that callbacks add to the logs, such as the learning rate, enter the history."""
        self._logs = dict(logs)
        self._call_hook("on_epoch_end", epoch, self._logs)
        added = {name: value for name, value in self._log_reader.logs.items() if name not in logs}
        numbers = {name: number for name, value in added.items() if (number := _to_number(value)) is not None}
        self._training.record(epoch, numbers)
        logs.update(numbers)

    def train_end(self) -> None:
        """Call on_train_end."""
        self._call_hook("on_train_end", logs=self._logs)

    def _find_hooks(self) -> None:
        """Store which hooks the callbacks implement."""
        callbacks = self._copies.callbacks
        self._hooks = {
            hook for hook in _HOOK_METHODS if any(_implements_hook(callback, hook) for callback in callbacks)
        }
        self.has_step_hooks = not self._hooks.isdisjoint(("on_train_batch_begin", "on_train_batch_end"))

    def _scope(self) -> AbstractContextManager[Any]:
        """Return the context in which the model is created and changed."""
        spec, floatx = self._training.program.spec, keras.config.floatx()
        return engine.scope(spec.device, spec.network.compute_dtype(floatx) if floatx == "float32" else floatx)

    def _create_model(self) -> Any:
        """Return a compiled Keras model with the weights and hyperparameters of the training."""
        spec, parameters = self._training.program.spec, self._training.parameters
        optimizer = spec.optimizer.build(parameters.learning_rate)
        # The model penalizes the weights of the training, before the predictions are rescaled
        l2 = parameters.l2 * self._training.settings.loss_scale
        model = user_model(
            spec.network,
            self._training.program.network_state,
            self._objective,
            optimizer,
            Regularization(parameters.dropout, l2, l2),
            # Whatever Keras's dtype policy is: half precision would round the weights that callbacks restore, and
            # Keras would wrap the optimizer
            dtype="float64" if keras.config.floatx() == "float64" else "float32",
        )
        optimizer.build(model.trainable_variables)
        # Keras creates metrics on their first use, and callbacks look them up to know whether to minimize or maximize
        model.compute_metrics(None, np.zeros((1, spec.n_targets)), np.zeros((1, *model.output_shape[1:])))
        model.reset_metrics()
        return model

    def _synchronized_variables(self) -> list[Any]:
        """Return the variables of the model and its optimizer, in the order of the program's state."""
        others = self._training.program.spec.network.other_variables(self._model)
        return [*self._model.trainable_variables, *others, *self._model.optimizer.variables]

    def _call_hook(self, hook: str, *arguments: Any, **options: Any) -> None:
        """Update the model, call a hook of all callbacks, and apply their changes to the training."""
        if hook in _HOOK_METHODS and hook not in self._hooks:
            getattr(self._callback_list, hook)(*arguments, **options)  # for Keras's own History callback
            return
        self._copies.update()
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
                value = state[index].astype(self._last_values[index].dtype)
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


class _ShallowCopies:
    """Shallow copies of callbacks: what a callback refers to is shared, such as a study or a progress bar.

    Only references to callbacks, also in a list or as the owner of a method, become references to their copies.
    """

    def __init__(self, callbacks: Sequence[Any]) -> None:
        for callback in callbacks:
            if not isinstance(callback, keras.callbacks.Callback):
                raise ValueError(
                    "The 'callbacks' parameter must be None or a list of instances of keras.callbacks.Callback. "
                    f"Got a list with {describe_value(callback)}. (Register callbacks of scikit-learn with "
                    "set_callbacks.)"
                )
        # Of each callback, by its id: itself, its copy, and the attributes that the copy has received
        self._received: dict[int, tuple[Any, Any, dict[str, Any]]] = {}
        self.callbacks = [self._copy(callback) for callback in callbacks]

    def update(self) -> None:
        """Give the copies what was assigned to the callbacks since the last call, for example by another thread."""
        for original, copied, received in list(self._received.values()):
            self._update(original, copied, received)

    def _update(self, original: Any, copied: Any, received: dict[str, Any]) -> None:
        for name, value in vars(original).copy().items():
            if name not in received or received[name] is not value:
                received[name] = value
                vars(copied)[name] = self._copy(value)

    def _copy(self, value: Any) -> Any:
        """Return the copy of a callback, or a value of its attributes with copies in place of callbacks."""
        if isinstance(value, MethodType):
            return MethodType(value.__func__, self._copy(value.__self__))
        if type(value) in (list, tuple) and any(isinstance(item, keras.callbacks.Callback) for item in value):
            return type(value)(map(self._copy, value))
        if not isinstance(value, keras.callbacks.Callback):
            return value
        if id(value) not in self._received:
            # Not copy.copy, because classes may define it as a copy for another process, without what they refer to
            copied = object.__new__(type(value))
            self._received[id(value)] = value, copied, {}
            self._update(*self._received[id(value)])
            if isinstance(value, keras.callbacks.TensorBoard):
                copied._prev_summary_state = []  # which the hooks modify in place
        return self._received[id(value)][1]


class _LogReader(keras.callbacks.Callback):
    """Stores the logs of an epoch after the other callbacks have added to them."""

    logs: dict[str, Any]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Store the logs."""
        self.logs = logs or {}


def _to_number(value: Any) -> float | None:
    """Return a number, or a scalar of NumPy, Keras or the engine, as a float; None for anything else."""
    if not isinstance(value, Real) and getattr(value, "shape", None) == ():
        value = keras.ops.convert_to_numpy(value)[()]
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else None


def _implements_hook(callback: Any, hook: str) -> bool:
    """Return whether a callback overrides a hook that Keras leaves empty."""
    bases = [keras.callbacks.Callback]
    if hook != "on_epoch_end" and getattr(callback, "save_freq", None) == "epoch":
        # Their batch hooks do nothing then
        bases += [keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore]
    base_methods = [vars(base) for base in bases]
    for name in _HOOK_METHODS[hook]:
        method = getattr(getattr(callback, name), "__func__", None)
        if all(method is None or method is not methods.get(name) for methods in base_methods):
            return True
    return False
