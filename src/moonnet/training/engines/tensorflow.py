"""Keras on TensorFlow: steps update variables in place, in a ``tf.function`` that XLA compiles."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context  # the public API does not reveal the device of a scope

from moonnet.training.engines._engine import Engine, Step


class _Float64(float):
    """A float that keeps its precision when Keras casts it to float64; Keras converts a plain float to float32 first.

    In float32, 1 - 0.999 (as in Adam) has only four correct digits.
    """

    dtype = "float64"  # read by Keras

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        return tf.constant(float(self), dtype or tf.float64, name=name or "Const")


class _TensorFlow(Engine):
    def device(self) -> str:
        if tf.distribute.has_strategy():
            raise ValueError(
                "Training runs on one device, outside of the scope of a tf.distribute strategy. Got the scope of a "
                f"{type(tf.distribute.get_strategy()).__name__}. Call fit outside of it, and select a device with "
                "keras.device."
            )
        chosen = context.context().device_name
        if not chosen:
            return "CPU:0"
        wanted = tf.DeviceSpec.from_string(chosen)
        kind, index = wanted.device_type, wanted.device_index or 0
        available = [device.name.partition("device:")[2] for device in tf.config.list_logical_devices()]
        if f"{kind}:{index}" not in available:
            raise ValueError(
                f"Training must run on an available device. Got the device {chosen!r}, but TensorFlow has {available}."
            )
        return f"{kind}:{index}"

    @contextmanager
    def scope(self, device: str, widest: str) -> Iterator[None]:
        # Independent of gradient tapes and graphs that the caller may have opened
        with tf.init_scope(), tf.device(device):
            yield

    def check_not_traced(self, what: str) -> None:
        pass

    def initial_values(self, build: Callable[[], Sequence[Any]]) -> list[np.ndarray]:
        return [variable.numpy() for variable in build()]

    def activation(self, name: str) -> str:
        return name

    def constant(self, dtype: str, value: float) -> float:
        return _Float64(value) if dtype == "float64" else value

    def gradients(self, function: Callable[[list[Any]], tuple[Any, Any]], arrays: list[Any]) -> tuple[list[Any], Any]:
        value, auxiliary = function(arrays)
        return tf.gradients(value, arrays), auxiliary  # not a tape: init_scope stops tapes from recording

    def apply(self, optimizer: Any, gradients: list[Any], trained: Sequence[Any], state: list[Any]) -> list[Any]:
        optimizer.apply(gradients, trained)
        return [variable.value for variable in (*trained, *optimizer.variables)]

    def loop(
        self, step: Step, n_metrics: int, n_steps: Any, block: list[Any], variables: Sequence[Any], state: list[Any]
    ) -> tuple[Any, list[Any]]:
        _assign(variables, state)
        metrics = tf.TensorArray(block[0].dtype, block[0].shape[0], element_shape=(n_metrics,))
        body = _loop_body(step, block, variables)
        _, metrics = tf.while_loop(lambda i, _: i < n_steps, body, [0, metrics])
        return metrics.stack(), _values(variables)

    def loop_over_epochs(
        self,
        step: Step,
        n_metrics: int,
        n_steps: Any,
        block: list[Any],
        variables: Sequence[Any],
        state: list[Any],
        steps_per_epoch: Any,
        max_epochs: int,
        n_recorded: int,
    ) -> tuple[Any, list[Any], list[Any]]:
        _assign(variables, state)
        recorded = variables[:n_recorded]
        body = _loop_body(step, block, variables)

        def run_epoch(epoch: Any, metrics: Any, records: list[Any]) -> tuple[Any, Any, list[Any]]:
            begin = epoch * steps_per_epoch
            _, metrics = tf.while_loop(lambda i, _: i < begin + steps_per_epoch, body, [begin, metrics])
            values = _values(recorded)
            return (
                epoch + 1,
                metrics,
                [record.write(epoch, value) for record, value in zip(records, values, strict=True)],
            )

        metrics = tf.TensorArray(block[0].dtype, block[0].shape[0], element_shape=(n_metrics,))
        records = [tf.TensorArray(array.dtype, max_epochs, element_shape=array.shape) for array in recorded]
        n_epochs = n_steps // steps_per_epoch
        _, metrics, records = tf.while_loop(lambda epoch, *_: epoch < n_epochs, run_epoch, [0, metrics, records])
        return metrics.stack(), [record.stack() for record in records], _values(variables)

    def compile(
        self, function: Callable[..., Any], specs: Sequence[Any], device: str, variables: Sequence[Any]
    ) -> Callable[..., Any]:
        # A concrete function has fixed shapes, and compiling many of them triggers no retracing warning
        compiled = tf.function(
            function, autograph=False, jit_compile=True, input_signature=_to_tensor_specs(specs)
        ).get_concrete_function()
        # The function assigns to variables. Calls that run at the same time need variables of their own, so each call
        # passes a set of its own in place of those that were traced. TensorFlow has no public method for that.
        captures = compiled.captured_inputs
        positions = {id(tensor): position for position, tensor in enumerate(captures)}
        positions_of_variables = [positions[id(variable.value.handle)] for variable in variables]
        idle: list[list[tf.Variable]] = []

        def run(*arrays: Any) -> Any:
            try:
                used = idle.pop()
            except IndexError:  # all are in use
                used = [tf.Variable(np.zeros(v.shape, v.dtype), trainable=False) for v in variables]
            inputs = list(captures)
            for position, variable in zip(positions_of_variables, used, strict=True):
                inputs[position] = variable.handle
            result = compiled._call_flat(tf.nest.flatten(_to_tensors(list(arrays))), inputs)
            idle.append(used)  # not after an interrupt, which may leave them in use
            return result

        return run

    # A third to a half faster than the methods of Keras and TensorFlow; callbacks may need them in every epoch

    def read(self, variable: Any) -> np.ndarray:
        return np.asarray(tf.raw_ops.ReadVariableOp(resource=variable.value.handle, dtype=variable.dtype).numpy())

    def write(self, variable: Any, value: np.ndarray) -> None:
        tf.raw_ops.AssignVariableOp(resource=variable.value.handle, value=tf.constant(value))


def _assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _values(variables: Sequence[Any]) -> list[Any]:
    """Return the present values of Keras variables."""
    return [tf.identity(variable.value) for variable in variables]


def _loop_body(step: Step, block: list[Any], variables: Sequence[Any]) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Return the body of a loop over steps, which carries the metrics of all steps; the state is in the variables."""

    def body(i: Any, metrics: Any) -> tuple[Any, Any]:
        _, row = step([variable.value for variable in variables], [array[i] for array in block])
        return i + 1, metrics.write(i, row)

    return body


def _to_tensor_specs(specs: Any) -> Any:
    """Convert nested lists of (shape, dtype) to TensorFlow specs."""
    return [_to_tensor_specs(spec) for spec in specs] if isinstance(specs, list) else tf.TensorSpec(*specs)


def _to_tensors(arrays: Any) -> Any:
    """Convert an array or nested lists of arrays to tensors."""
    if isinstance(arrays, list):
        return list(map(_to_tensors, arrays))
    return arrays if tf.is_tensor(arrays) else tf.constant(arrays)


ENGINE = _TensorFlow()
