"""Keras on TensorFlow: variables that steps change in place, in a ``tf.function`` that XLA compiles."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context  # TensorFlow tells the device of a scope nowhere else

from moonnet.training.engines._engine import Engine, Step


class _Float64(float):
    """A number that stays what it is when Keras casts it to float64: a float becomes a tensor of float32 first.

    Of 1 - 0.999, as in Adam, float32 leaves four digits.
    """

    dtype = "float64"  # Keras asks for it

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        return tf.constant(float(self), dtype or tf.float64, name=name or "Const")


class _TensorFlow(Engine):
    def device(self) -> str:
        chosen = context.context().device_name
        if not chosen:
            return "CPU:0"
        wanted = tf.DeviceSpec.from_string(chosen)
        kind, index = wanted.device_type, wanted.device_index or 0
        known = [device.name.partition("device:")[2] for device in tf.config.list_logical_devices()]
        if f"{kind}:{index}" not in known:
            raise ValueError(
                f"Training was to run on the device {chosen!r}, which is not there. TensorFlow has {known}."
            )
        return f"{kind}:{index}"

    @contextmanager
    def scope(self, device: str, widest: str) -> Iterator[None]:
        # Hidden from gradient tapes and graphs that the caller may have open
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
        return tf.gradients(value, arrays), auxiliary  # of graphs: the scope stops tapes from recording, ours too

    def apply(self, optimizer: Any, gradients: list[Any], trained: Sequence[Any], state: list[Any]) -> list[Any]:
        optimizer.apply(gradients, trained)
        return [variable.value for variable in (*trained, *optimizer.variables)]

    def loop(
        self, step: Step, n_figures: int, n_steps: Any, block: list[Any], variables: Sequence[Any], state: list[Any]
    ) -> tuple[Any, list[Any]]:
        for variable, value in zip(variables, state, strict=True):
            variable.assign(value)

        def body(i: Any, figures: Any) -> tuple[Any, Any]:
            _, row = step([variable.value for variable in variables], [array[i] for array in block])
            return i + 1, figures.write(i, row)

        figures = tf.TensorArray(block[0].dtype, block[0].shape[0], element_shape=(n_figures,))
        _, figures = tf.while_loop(lambda i, _: i < n_steps, body, [0, figures])
        return figures.stack(), [tf.identity(variable.value) for variable in variables]

    def compile(self, function: Callable[..., Any], specs: Sequence[Any], device: str) -> Callable[..., Any]:
        # A concrete function: its shapes are fixed, and TensorFlow does not take many of them for retracing by mistake
        compiled = tf.function(
            function, autograph=False, jit_compile=True, input_signature=_nested(specs)
        ).get_concrete_function()
        return lambda *arrays: compiled(*map(_tensors, arrays))

    # A third to a half faster than Keras's and TensorFlow's own methods: callbacks may need them every epoch.

    def read(self, variable: Any) -> np.ndarray:
        return np.asarray(tf.raw_ops.ReadVariableOp(resource=variable.value.handle, dtype=variable.dtype).numpy())

    def write(self, variable: Any, value: np.ndarray) -> None:
        tf.raw_ops.AssignVariableOp(resource=variable.value.handle, value=tf.constant(value))


def _nested(specs: Any) -> Any:
    """Return TensorFlow's specs for nested lists of ours."""
    return [_nested(spec) for spec in specs] if isinstance(specs, list) else tf.TensorSpec(*specs)


def _tensors(arrays: Any) -> Any:
    """Return tensors for an array, or a list of arrays."""
    if isinstance(arrays, list):
        return list(map(_tensors, arrays))
    return arrays if tf.is_tensor(arrays) else tf.constant(arrays)


ENGINE = _TensorFlow()
