"""Compiled programs, which run the steps of a training, and their cache.

A program is a Keras model, optimizer and loss in one compiled loop over the steps of a block. It knows nothing of
epochs. Its array shapes depend on its spec alone, never on the number of samples: a block has a fixed size, incomplete
batches are padded with samples of weight 0, and the caller passes the number of steps that are in use.
"""

import math
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from moonnet._keras import keras
from moonnet._losses import Loss
from moonnet.networks import Network
from moonnet.training._flat_state import StateLayout, is_elementwise
from moonnet.training._keras_models import training_model
from moonnet.training._optimizers import OptimizerSpec
from moonnet.training.engines import engine

ops = keras.ops

# Limits of a block: its steps and, unless it has only one step, the elements of its arrays (8 MB in float64)
_MAX_STEPS = 512
_MAX_ELEMENTS = 2**20
_ALIGNMENT = 64  # bytes
# Limits of the weights that a block records at the end of each epoch: their rows, and their elements. Larger records
# would take time in blocks of one step, which are those of partial_fit.
_MAX_RECORDED_EPOCHS = 20
_MAX_RECORDED_ELEMENTS = 2**17
# TensorFlow releases little of the 10 MB or so that a compiled program takes. Evicting a program and compiling it again
# would therefore cost more memory than caching it.
_MAX_PROGRAMS = 128

# In a network with more weights, matrix products take most of a step's time (see _flat_state.py)
_MAX_FLAT_WEIGHTS = 2**14


@dataclass(frozen=True)
class ProgramSpec:
    """Everything that is compiled into a program. Other hyperparameters are passed to ``Program.load``."""

    network: Network
    loss: Loss
    optimizer: OptimizerSpec
    batch_size: int
    dropout: bool
    dtype: str
    device: Any = field(default_factory=engine.device)

    @property
    def steps_per_block(self) -> int:
        """The number of steps that a block can hold."""
        return min(_MAX_STEPS, max(1, _MAX_ELEMENTS // (self.batch_size * self.values_per_sample)))

    @property
    def max_recorded_epochs(self) -> int:
        """The number of epochs of a block that can be recorded; 1 for a large network."""
        return max(1, min(_MAX_RECORDED_EPOCHS, _MAX_RECORDED_ELEMENTS // self.network.n_weights))

    @property
    def values_per_sample(self) -> int:
        """The number of values in a sample: its features, its targets and its weight."""
        return self.network.n_features + self.network.n_outputs + 1


class BlockNumbers(NamedTuple):
    """The numbers that a block receives in one array."""

    n_steps: Any
    steps_per_epoch: Any  # after which the trained arrays are recorded
    l2: Any
    dropout: Any
    loss_parameter: Any


class CompiledProgram:
    """A Keras model, optimizer and loss, and a compiled loop over them, which any number of fits share.

    It does not change once it is compiled. The state of a training (weights and optimizer state) is an argument and a
    result of each call: see _program_state.py.
    """

    def __init__(self, spec: ProgramSpec) -> None:
        self.spec = spec
        self._finalizing_lock = threading.Lock()
        with self.scope():
            self._initial_optimizer_state = _find_copied_weights(engine.initial_values(self._build), self._weights)
            self._compile()

    def scope(self) -> AbstractContextManager[Any]:
        """Return the context in which the program's Keras objects are used."""
        # Keras first creates variables in its own float type
        widest = "float64" if "float64" in (self.spec.dtype, keras.config.floatx()) else "float32"
        return engine.scope(self.spec.device, widest)

    def _build(self) -> list[Any]:
        """Create the Keras objects; return the optimizer's variables with their initial values."""
        self._build_model()
        return self._build_optimizer()

    def _build_model(self) -> None:
        spec = self.spec
        self._dropout = keras.Variable(0.0, dtype=spec.dtype, trainable=False, name="dropout")
        self._seeds = keras.random.SeedGenerator(seed=0, name="seeds")
        dropout = (self._dropout, self._seeds) if spec.dropout else None
        self._model = training_model(spec.network, spec.dtype, dropout)
        self._weights = self._model.trainable_variables
        for index, variable in enumerate(self._weights):
            variable.assign(_placeholder(index, variable))

    def _build_optimizer(self) -> list[Any]:
        """Create the optimizer and the layout of the state; return the optimizer's variables by layer."""
        spec = self.spec
        new_optimizer = partial(spec.optimizer.build_for_training, partial(engine.constant, spec.dtype))
        optimizer = new_optimizer()
        optimizer.build(self._weights)
        self.n_weight_arrays = len(self._weights)
        self._dtypes = [variable.dtype for variable in (*self._weights, *optimizer.variables)]
        if spec.optimizer.has_numeric_learning_rate:
            is_learning_rate = [variable is optimizer.learning_rate for variable in optimizer.variables]
            self._learning_rate_index = len(self._weights) + is_learning_rate.index(True)
        n_weights = sum(math.prod(variable.shape) for variable in self._weights)
        if n_weights <= _MAX_FLAT_WEIGHTS and is_elementwise(optimizer):
            self._trained = [keras.Variable(np.zeros(n_weights, spec.dtype), dtype=spec.dtype, name="weights")]
            self._optimizer = new_optimizer()
            self._optimizer.build(self._trained)
            self.layout = StateLayout.flat(self._weights, optimizer, self._trained, self._optimizer)
        else:
            self._trained, self._optimizer = self._weights, optimizer
            self.layout = StateLayout.by_layer([*self._weights, *optimizer.variables])
        self.n_trained = len(self._trained)  # arrays of the stored state that hold the weights
        self._variables = [*self._trained, *self._optimizer.variables]
        # Some optimizers replace the weights at the end of training, for example by their moving average
        finalize = type(optimizer).finalize_variable_values
        self.finalizes_weights = (
            optimizer.use_ema or finalize is not keras.optimizers.Optimizer.finalize_variable_values
        )
        return optimizer.variables

    def _compile(self) -> None:
        spec = self.spec
        # Weights that are finalized are not those that are recorded
        self.max_recorded_epochs = 1 if self.finalizes_weights else spec.max_recorded_epochs
        # Few arguments: passing one to a compiled function can take longer than a step
        self._block_specs = [((spec.steps_per_block, spec.batch_size * spec.values_per_sample), spec.dtype)]
        if spec.dropout:
            self._block_specs.append(((spec.steps_per_block, 2), self._seeds.state.dtype))
        numbers = ((len(BlockNumbers._fields),), spec.dtype)
        state = [(tuple(variable.shape), variable.dtype) for variable in self._variables]
        self._run = engine.compile(self._run_block, [numbers, self._block_specs, state], spec.device, self._variables)

    def new_block(self) -> list[np.ndarray]:
        """Return arrays to pass to ``run``: for the samples, see ``split_columns``, and with dropout for its seeds."""
        return [_aligned_zeros(shape, dtype) for shape, dtype in self._block_specs]

    def initial_state(
        self,
        weights: Sequence[np.ndarray],
        optimizer_state: Sequence[np.ndarray] | None,
        learning_rate: float | None,
    ) -> list[np.ndarray]:
        """Return the state by layer from which a training starts.

        With ``optimizer_state`` None, the optimizer starts afresh. With ``learning_rate`` None, the learning rate of
        ``optimizer_state`` or of the compiled schedule applies.
        """
        if optimizer_state is None:
            optimizer_state = [
                weights[value] if isinstance(value, int) else value for value in self._initial_optimizer_state
            ]
        state = [np.asarray(a, dtype) for a, dtype in zip([*weights, *optimizer_state], self._dtypes, strict=True)]
        if learning_rate is not None:
            state[self._learning_rate_index] = np.asarray(learning_rate, self._dtypes[self._learning_rate_index])
        return state

    def is_compatible(self, optimizer_state: Sequence[np.ndarray]) -> bool:
        """Return whether an optimizer state has the array shapes of this program's optimizer."""
        return [array.shape for array in optimizer_state] == self.layout.layer_shapes[self.n_weight_arrays :]

    def run(
        self, numbers: np.ndarray, block: list[np.ndarray], state: list[Any]
    ) -> tuple[np.ndarray, list[Any], list[Any]]:
        """Run a block; return the metrics of each step, the records of epochs, and the new state.

        The states are in the layout of the program, and may be arrays of NumPy or of the engine. ``numbers`` are
        ``BlockNumbers``.
        """
        with self.scope():
            metrics, records, state = self._run(numbers, block, state)
            # Wait for the result: JAX reads the block in place, so the block must not change before
            return np.asarray(metrics), records, state

    def finalized_weights(self, state: list[Any]) -> list[np.ndarray]:
        """Return the weights of the optimizer for a training that ends in this state, such as an average over steps."""
        with self.scope(), self._finalizing_lock:
            for variable, value in zip(self._variables, state, strict=True):
                variable.assign(value)
            self._optimizer.finalize_variable_values(self._trained)
            return self.layout.unflatten([engine.read(variable) for variable in self._trained], np)

    def _run_block(self, numbers: Any, block: list[Any], state: list[Any]) -> tuple[Any, list[Any], list[Any]]:
        """Run a block's steps from a state; return their metrics, the records and the new state.

        This is what is compiled.
        """
        named = BlockNumbers(*(numbers[index] for index in range(len(BlockNumbers._fields))))

        def step(state: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
            return self._run_step(state, row, named)

        n_steps, n_metrics = ops.cast(named.n_steps, "int32"), len(self.spec.loss.metric_names)
        arguments = step, n_metrics, n_steps, block, self._variables, state
        if self.max_recorded_epochs == 1:
            metrics, state = engine.loop(*arguments)
            return metrics, [], state
        steps_per_epoch = ops.cast(named.steps_per_epoch, "int32")
        return engine.loop_over_epochs(*arguments, steps_per_epoch, self.max_recorded_epochs, self.n_trained)

    def _run_step(self, state: list[Any], row: list[Any], numbers: BlockNumbers) -> tuple[list[Any], list[Any]]:
        """Run a step on a row of the block's arrays; return the new state and the step's metrics."""
        network, loss = self.spec.network, self.spec.loss
        samples, *seeds = row
        n_trained = self.n_trained
        optimizer_values = zip(self._optimizer.variables, state[n_trained:], strict=True)
        values = [(self._dropout, numbers.dropout), *((self._seeds.state, pair) for pair in seeds), *optimizer_values]
        X, y, sample_weight = self.split_columns(samples)
        X, y = ops.reshape(X, (-1, network.n_features)), ops.reshape(y, (-1, network.n_outputs))
        normalized_weight = sample_weight / ops.sum(sample_weight)  # padding has weight 0, so it has no effect

        def compute_loss(weights: list[Any]) -> tuple[Any, Any]:
            with keras.StatelessScope([*zip(self._weights, weights, strict=True), *values]):
                outputs = self._model(X, training=True)
                penalty = numbers.l2 * sum(ops.sum(ops.square(array)) for array in network.penalized(weights))
                sample_losses = loss.keras_sample_losses(keras, y, outputs, numbers.loss_parameter)
                total = ops.sum(normalized_weight * sample_losses) + penalty
                return self._optimizer.scale_loss(total), (total, outputs)

        weights = self.layout.unflatten(state[:n_trained], ops)
        gradients, (total, outputs) = engine.gradients(compute_loss, weights)
        state = engine.apply(self._optimizer, self.layout.flatten(gradients, ops), self._trained, state)
        sample_metrics = loss.keras_sample_metrics(keras, y, outputs)
        return state, [total, *(ops.sum(sample_weight * values) for values in sample_metrics)]

    def split_columns(self, samples: Any) -> tuple[Any, Any, Any]:
        """Split the block's samples (..., batch_size * values_per_sample) into X, y and sample_weight."""
        X_end = self.spec.batch_size * self.spec.network.n_features
        y_end = X_end + self.spec.batch_size * self.spec.network.n_outputs
        return samples[..., :X_end], samples[..., X_end:y_end], samples[..., y_end:]


def _aligned_zeros(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return zeros at an aligned address: JAX would copy an unaligned array in each call."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(n_bytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


def _placeholder(index: int, weight: Any) -> np.ndarray:
    """Return a distinctive value for a weight, by which copies of the weight are found in the optimizer state."""
    return np.full(weight.shape, index + 0.7310585, weight.dtype)


def _find_copied_weights(values: Sequence[np.ndarray], weights: Sequence[Any]) -> list[np.ndarray | int]:
    """Return an optimizer's initial values, with a weight's index in place of each copy of the weight."""
    placeholders = [_placeholder(index, weight) for index, weight in enumerate(weights)]
    return [
        next((index for index, placeholder in enumerate(placeholders) if np.array_equal(value, placeholder)), value)
        for value in values
    ]


# Cached programs, the most recently used one last
_programs: dict[ProgramSpec, CompiledProgram] = {}
_compilation_locks: dict[ProgramSpec, threading.RLock] = {}
_cache_lock = threading.Lock()


def compiled_program(spec: ProgramSpec) -> CompiledProgram:
    """Return the cached program with this spec, or else a new one; threads that need the same one wait for it."""
    program = _cached(spec)
    if program is not None:
        return program
    with _cache_lock:
        lock = _compilation_locks.setdefault(spec, threading.RLock())
    with lock:
        try:
            program = _cached(spec)
            if program is None:
                program = CompiledProgram(spec)
                _store(program)
        finally:
            with _cache_lock:  # after the program is stored: a thread without the lock must find it
                _compilation_locks.pop(spec, None)
    return program


def _store(program: CompiledProgram) -> None:
    """Add a program to the cache, which drops the least recently used ones."""
    with _cache_lock:
        _programs[program.spec] = program
        for oldest in list(_programs)[:-_MAX_PROGRAMS]:
            del _programs[oldest]


def _cached(spec: ProgramSpec) -> CompiledProgram | None:
    """Return the cached program with this spec, as the most recently used one; None if there is none."""
    with _cache_lock:
        program = _programs.pop(spec, None)
        if program is not None:
            _programs[spec] = program
        return program
