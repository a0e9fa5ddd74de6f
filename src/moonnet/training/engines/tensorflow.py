"""Keras on TensorFlow: steps update variables in place, in a ``tf.function`` that XLA compiles."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context  # the public API does not reveal the device of a scope

from moonnet.training.engines._engine import BlockNumbers, CompiledLoop, Engine, Loop, Prediction
from moonnet.training.engines._tensorflow_convolutions import fast_gradients


class _Float64(float):
    """A float that keeps its precision when Keras casts it to float64; Keras converts a plain float to float32 first.

    In float32, 1 - 0.999 (as in Adam) has only four correct digits.
    """

    dtype = "float64"  # read by Keras

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        return tf.constant(float(self), dtype or tf.float64, name=name or "Const")


class _TensorFlow(Engine):
    compiles_each_size = False

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

    def activation(self, name: str) -> str:
        return name

    def constant(self, dtype: str, value: float) -> float:
        return _Float64(value) if dtype == "float64" else value

    # By default, XLA draws the same numbers 30 times slower

    def uniform(self, shape: Sequence[int], seed_generator: Any, dtype: str) -> Any:
        return tf.random.stateless_uniform(shape, _next_seed(seed_generator), dtype=dtype, alg="philox")

    def dropout(self, inputs: Any, rate: float, noise_shape: Any, seed_generator: Any) -> Any:
        return tf.nn.experimental.stateless_dropout(
            inputs, rate, seed=_next_seed(seed_generator), noise_shape=noise_shape, rng_alg="philox"
        )

    def gradients(self, function: Callable[[list[Any]], tuple[Any, Any]], arrays: list[Any]) -> tuple[list[Any], Any]:
        with fast_gradients() if "CPU" in (context.context().device_name or "CPU") else nullcontext():
            value, auxiliary = function(arrays)
        return tf.gradients(value, arrays), auxiliary  # not a tape: init_scope stops tapes from recording

    def apply(
        self, optimizer: Any, gradients: list[Any], trained: Sequence[Any], weights: list[Any], state: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        optimizer.apply(gradients, trained)
        return [variable.value for variable in trained], [variable.value for variable in optimizer.variables]

    def compile(self, loop: Loop, device: str) -> CompiledLoop:
        # A concrete function has fixed shapes, and compiling many of them triggers no retracing warning
        compiled = tf.function(
            partial(_run, loop),
            autograph=False,
            jit_compile=True,
            input_signature=[
                tf.TensorSpec(*loop.numbers),
                [tf.TensorSpec(*spec) for spec in loop.block],
                [tf.TensorSpec(*spec) for spec in loop.state],
            ],
        ).get_concrete_function()
        # The function assigns to variables. Calls that run at the same time need variables of their own, so each call
        # passes a set of its own in place of those that were traced. TensorFlow has no public method for that.
        captures = compiled.captured_inputs
        positions = {id(tensor): position for position, tensor in enumerate(captures)}
        positions_of_variables = [positions[id(variable.value.handle)] for variable in loop.variables]
        idle: list[list[tf.Variable]] = []

        def run(numbers: np.ndarray, block: list[np.ndarray], state: list[Any]) -> Any:
            try:
                used = idle.pop()
            except IndexError:  # all are in use
                used = [tf.Variable(np.zeros(*spec), trainable=False) for spec in loop.state]
            inputs = list(captures)
            for position, variable in zip(positions_of_variables, used, strict=True):
                inputs[position] = variable.handle
            arguments = [value if tf.is_tensor(value) else tf.constant(value) for value in (numbers, *block, *state)]
            result = compiled._call_flat(arguments, inputs)
            idle.append(used)  # not after an interrupt, which may leave them in use
            return result

        return CompiledLoop(run)

    def compile_prediction(self, model: Any, device: str) -> Prediction:
        # Without XLA, which compiles for each number of rows, in 0.1 to 0.4 s. The function takes the arrays of a dtype
        # as one vector, because TensorFlow takes 10 us to convert an argument.
        variables = [*model.trainable_variables, *model.non_trainable_variables]
        n_trainable = len(model.trainable_variables)
        positions: dict[str, list[int]] = {}  # of the arrays of each dtype
        for position, variable in enumerate(variables):
            positions.setdefault(variable.dtype, []).append(position)

        def infer(vectors: list[Any], X: Any) -> Any:
            state = [None] * len(variables)
            for vector, same_dtype in zip(vectors, positions.values(), strict=True):
                shapes = [variables[position].shape for position in same_dtype]
                parts = tf.split(vector, list(map(math.prod, shapes)))
                for position, part, shape in zip(same_dtype, parts, shapes, strict=True):
                    state[position] = tf.reshape(part, shape)
            outputs, _ = model.stateless_call(state[:n_trainable], state[n_trainable:], X, training=False)
            return outputs

        with self.scope(device, "float64"):
            compiled = tf.function(
                infer,
                autograph=False,
                input_signature=[
                    [tf.TensorSpec((None,), dtype) for dtype in positions],
                    tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype),
                ],
            ).get_concrete_function()

        def predict(trainable: Sequence[np.ndarray], others: Sequence[np.ndarray], X: np.ndarray) -> np.ndarray:
            arrays = [*trainable, *others]
            vectors = [np.concatenate([arrays[i].ravel() for i in same]) for same in positions.values()]
            with self.scope(device, "float64"):
                return np.asarray(compiled([tf.constant(vector) for vector in vectors], tf.constant(X)))

        return predict

    # A third to a half faster than the methods of Keras and TensorFlow; callbacks may need them in every epoch

    def read(self, variable: Any) -> np.ndarray:
        return np.asarray(tf.raw_ops.ReadVariableOp(resource=variable.value.handle, dtype=variable.dtype).numpy())

    def write(self, variable: Any, value: np.ndarray) -> None:
        tf.raw_ops.AssignVariableOp(resource=variable.value.handle, value=tf.constant(value))


def _next_seed(seed_generator: Any) -> Any:
    """Return the next seed of a Keras SeedGenerator in the dtype that XLA needs, as Keras does."""
    return tf.cast(tf.math.floormod(seed_generator.next(), tf.int32.max - 1), tf.int32)


def _run(loop: Loop, numbers: Any, block: list[Any], state: list[Any]) -> tuple[Any, list[Any], list[Any]]:
    """Run a loop; this is what is compiled."""
    for variable, value in zip(loop.variables, state, strict=True):
        variable.assign(value)
    named = BlockNumbers.of(numbers)
    recorded = loop.variables[: loop.n_recorded]

    def run_step(i: Any, metrics: Any) -> tuple[Any, Any]:
        state, step_metrics = loop.step(named, [v.value for v in loop.variables], [array[i] for array in block])
        for variable, value in zip(loop.variables, state, strict=True):
            if value is not variable.value:  # else the optimizer has assigned it
                variable.assign(value)
        return i + 1, metrics.write(i, step_metrics)

    def run_epoch(epoch: Any, metrics: Any, records: list[Any]) -> tuple[Any, Any, list[Any]]:
        begin = epoch * steps_per_epoch
        end = begin + steps_per_epoch
        _, metrics = tf.while_loop(lambda i, _: i < end, run_step, [begin, metrics])
        values = _values(recorded)
        return epoch + 1, metrics, [record.write(epoch, value) for record, value in zip(records, values, strict=True)]

    n_steps, steps_per_epoch = tf.cast(named.n_steps, "int32"), tf.cast(named.steps_per_epoch, "int32")
    metrics = tf.TensorArray(block[0].dtype, block[0].shape[0], element_shape=(loop.n_metrics,))
    if not recorded:
        _, metrics = tf.while_loop(lambda i, _: i < n_steps, run_step, [0, metrics])
        return metrics.stack(), [], _values(loop.variables)
    records = [tf.TensorArray(array.dtype, loop.max_epochs, element_shape=array.shape) for array in recorded]
    n_epochs = n_steps // steps_per_epoch
    _, metrics, records = tf.while_loop(lambda epoch, *_: epoch < n_epochs, run_epoch, [0, metrics, records])
    return metrics.stack(), [record.stack() for record in records], _values(loop.variables)


def _values(variables: Sequence[Any]) -> list[Any]:
    """Return the present values of Keras variables."""
    return [tf.identity(variable.value) for variable in variables]


ENGINE = _TensorFlow()
