"""Compiled programs, which run the steps of a training in a loop over a block, and their cache.

A program does not know about epochs, except that it records the weights at the end of each.
"""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from moonnet._keras import keras, message_of
from moonnet.losses._user_loss import LossError
from moonnet.networks import KerasNetwork, Network, State
from moonnet.networks._deferred_values import without_global_seeds
from moonnet.training._flat_state import StateLayout
from moonnet.training._program_spec import ProgramSpec
from moonnet.training._training_step import OptimizerStart, TrainingStep, build_step, scope_of
from moonnet.training.engines import ArraySpec, BlockNumbers, Loop, engine

_ALIGNMENT = 64  # bytes
# TensorFlow releases little of the 10 MB or so that a compiled program takes. Evicting a program and compiling it again
# would therefore cost more memory than caching it.
_MAX_PROGRAMS = 128


@dataclass(frozen=True, eq=False)
class CompiledProgram:
    """A compiled loop over training steps, which any number of fits share.

    The state of a training (weights and optimizer state) is an argument and a result of each call: see
    _program_state.py.
    """

    spec: ProgramSpec
    max_recorded_epochs: int
    step: TrainingStep
    optimizer_start: OptimizerStart
    block_specs: list[ArraySpec]
    loop: Callable[..., tuple[Any, list[Any], list[Any]]]
    finalizing_lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def layout(self) -> StateLayout:
        """How the state is stored."""
        return self.step.layout

    @property
    def n_stored_arrays(self) -> int:
        """The number of arrays of the stored state that are those of the network."""
        return len(self.step.trained) + len(self.step.others)

    # Keras searches all layers for its variables

    @cached_property
    def n_trainable(self) -> int:
        """The number of trainable arrays of the network."""
        return len(self.step.model.trainable_variables)

    @cached_property
    def dtypes(self) -> list[str]:
        """The dtypes of the network's arrays."""
        return [variable.dtype for variable in (*self.step.model.trainable_variables, *self.step.others)]

    @property
    def finalizes_weights(self) -> bool:
        """Whether the weights at the end of a training are not those of the last step."""
        return self.step.finalizes_weights

    def new_block(self) -> list[np.ndarray]:
        """Return arrays for ``run``: for the samples, see ``split_columns``, and with dropout for its seeds."""
        return [_aligned_zeros(shape, dtype) for shape, dtype in self.block_specs]

    def network_state(self, arrays: Sequence[np.ndarray]) -> State:
        """Return the state of the network from its arrays, which are the first of a state by layer."""
        return State(list(arrays[: self.n_trainable]), list(arrays[self.n_trainable : len(self.dtypes)]))

    def initial_state(
        self,
        network_state: State,
        optimizer_state: Sequence[np.ndarray] | None,
        learning_rate: float | None,
    ) -> list[np.ndarray]:
        """Return the state by layer from which a training starts.

        With ``optimizer_state`` None, the optimizer starts afresh. With ``learning_rate`` None, the learning rate of
        ``optimizer_state`` or of the compiled schedule applies.
        """
        start = self.optimizer_start
        arrays = [np.asarray(array, dtype) for array, dtype in zip(network_state.arrays, self.dtypes, strict=True)]
        if optimizer_state is None:
            optimizer_state = start.values
        if optimizer_state is None:
            with scope_of(self.spec):
                optimizer_state = start.values_for(arrays[: self.n_trainable])
        state = [np.asarray(array, dtype) for array, dtype in zip(optimizer_state, start.dtypes, strict=True)]
        if learning_rate is not None:
            assert start.learning_rate_index is not None  # resolve_optimizer has checked it
            state[start.learning_rate_index] = np.asarray(learning_rate, start.dtypes[start.learning_rate_index])
        return [*arrays, *state]

    def is_compatible(self, optimizer_state: Sequence[np.ndarray]) -> bool:
        """Return whether an optimizer state has the array shapes of this program's optimizer."""
        return [array.shape for array in optimizer_state] == self.layout.layer_shapes[len(self.dtypes) :]

    def run(
        self, numbers: BlockNumbers, block: list[np.ndarray], state: list[Any]
    ) -> tuple[np.ndarray, list[Any], list[Any]]:
        """Run a block; return the metrics of each step, the records of epochs, and the new state.

        The states are in the layout of the program, and may be arrays of NumPy or of the engine.
        """
        with scope_of(self.spec), _name_layers_in_errors(self.spec.network):
            metrics, records, state = self.loop(np.array(numbers, self.spec.dtype), block, state)
            # Wait for the result: JAX reads the block in place, so the block must not change before
            return engine.to_numpy(metrics), records, state

    def finalized_state(self, state: list[Any]) -> State:
        """Return the network's state if the training ends in this state, such as an average of weights over steps."""
        with scope_of(self.spec), self.finalizing_lock:
            return self.network_state(self.step.finalized_arrays(state))


def compile_program(spec: ProgramSpec) -> CompiledProgram:
    """Build the Keras objects of a program and compile it."""
    with scope_of(spec), _name_layers_in_errors(spec.network):
        step, optimizer_start = build_step(spec)
        # Weights that are finalized are not those that are recorded
        max_recorded_epochs = 1 if step.finalizes_weights else spec.max_recorded_epochs
        # Few arguments: passing one to a compiled function can take longer than a step
        block_specs: list[ArraySpec] = [((spec.steps_per_block, spec.batch_size * spec.values_per_sample), spec.dtype)]
        if spec.dropout:
            block_specs.append(((spec.steps_per_block, 2), step.seeds.state.dtype))
        loop = Loop(
            step,
            n_metrics=len(spec.loss.metric_names),
            n_recorded=0 if max_recorded_epochs == 1 else len(step.trained) + len(step.others),
            max_epochs=max_recorded_epochs,
            numbers=((len(BlockNumbers._fields),), spec.dtype),
            block=block_specs,
            variables=step.variables,
            sums_weights=step.sums_weights,
        )
        return CompiledProgram(
            spec, max_recorded_epochs, step, optimizer_start, block_specs, engine.compile(loop, spec.device)
        )


@contextmanager
def _name_layers_in_errors(network: Network) -> Iterator[None]:
    """Raise ValueError for an error of layers of a user's own, which not every backend can compile."""
    if not isinstance(network, KerasNetwork):
        yield
        return
    try:
        with without_global_seeds():
            yield
    except LossError:
        raise
    except Exception as error:
        raise ValueError(
            f"The layers in 'hidden_layers' must be such that {keras.backend.backend()}, Keras's backend, can compile "
            f"them and their gradients. Got {network.describe()}, for which it raises {type(error).__name__}: "
            f"{message_of(error)}"
        ) from error


def _aligned_zeros(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return zeros at an aligned address: JAX would copy an unaligned array in each call."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(n_bytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


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
                program = compile_program(spec)
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
