"""Compiled programs, which run the steps of a training in a loop over a block, and their cache.

A program does not know about epochs, except that it records the weights at the end of each.
"""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from moonnet.losses._user_loss import LossError
from moonnet.networks import KerasNetwork, Network, State
from moonnet.networks._deferred_values import without_global_seeds
from moonnet.training import _program_files
from moonnet.training._flat_state import StateLayout
from moonnet.training._program_description import ProgramDescription
from moonnet.training._program_spec import ProgramSpec
from moonnet.training.engines import BlockNumbers, Loop, check_usable, engine

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
    description: ProgramDescription
    loop: Callable[..., tuple[Any, list[Any], list[Any]]]  # that of a ``CompiledLoop``
    # What depends on the Keras objects; both within the program's scope. None if nothing does
    optimizer_values_for: Callable[[Sequence[np.ndarray]], list[np.ndarray]] | None = None  # the weights
    finalize: Callable[[Sequence[Any]], list[np.ndarray]] | None = None  # the stored state; threads must take turns
    finalizing_lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def layout(self) -> StateLayout:
        """How the state is stored."""
        return self.description.layout

    @property
    def finalizes_weights(self) -> bool:
        """Whether the weights at the end of a training are not those of the last step."""
        return self.finalize is not None

    def new_block(self) -> list[np.ndarray]:
        """Return arrays for ``run``."""
        return [_aligned_zeros(shape, dtype) for shape, dtype in self.description.block]

    def network_state(self, arrays: Sequence[np.ndarray]) -> State:
        """Return the state of the network from its arrays, which are the first of a state by layer."""
        n_trainable, n_arrays = self.description.n_trainable, len(self.description.dtypes)
        return State(list(arrays[:n_trainable]), list(arrays[n_trainable:n_arrays]))

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
        start, dtypes = self.description.optimizer_start, self.description.dtypes
        arrays = [np.asarray(array, dtype) for array, dtype in zip(network_state.arrays, dtypes, strict=True)]
        if optimizer_state is None:
            optimizer_state = start.values
        if optimizer_state is None:
            assert self.optimizer_values_for is not None
            with self.spec.scope():
                optimizer_state = self.optimizer_values_for(arrays[: self.description.n_trainable])
        state = [np.asarray(array, dtype) for array, dtype in zip(optimizer_state, start.dtypes, strict=True)]
        if learning_rate is not None:
            assert start.learning_rate_index is not None  # resolve_optimizer has checked it
            state[start.learning_rate_index] = np.asarray(learning_rate, start.dtypes[start.learning_rate_index])
        return [*arrays, *state]

    def is_compatible(self, optimizer_state: Sequence[np.ndarray]) -> bool:
        """Return whether an optimizer state has the array shapes of this program's optimizer."""
        return [array.shape for array in optimizer_state] == self.layout.layer_shapes[len(self.description.dtypes) :]

    def run(
        self, numbers: BlockNumbers, block: list[np.ndarray], state: list[Any]
    ) -> tuple[np.ndarray, list[Any], list[Any]]:
        """Run a block; return the metrics of each step, the records of epochs, and the new state.

        The states are in the layout of the program, and may be arrays of NumPy or of the engine.
        """
        with self.spec.scope(), _name_layers_in_errors(self.spec.network):
            metrics, records, state = self.loop(np.array(numbers, self.spec.dtype), block, state)
            # Wait for the result: JAX reads the block in place, so the block must not change before
            return engine.to_numpy(metrics), records, state

    def finalized_state(self, state: list[Any]) -> State:
        """Return the network's state if the training ends in this state, such as an average of weights over steps."""
        assert self.finalize is not None
        with self.spec.scope(), self.finalizing_lock:
            return self.network_state(self.finalize(state))


def compile_program(spec: ProgramSpec) -> CompiledProgram:
    """Read a program from disk, or build its Keras objects and compile it."""
    with spec.scope(), _name_layers_in_errors(spec.network):
        stored = _program_files.read(spec)
        if stored is not None:
            description, compiled = stored
            return CompiledProgram(spec, description, compiled.run)
        from moonnet.training._training_step import build_step

        check_usable()  # now that Keras is imported
        step, description, optimizer_values_for = build_step(spec)
        loop = Loop(
            **vars(description.loop_shapes(spec.dtype)),
            step=step,
            n_metrics=len(spec.loss.metric_names),
            max_epochs=description.max_recorded_epochs,
            variables=step.variables,
            sums_weights=step.sums_weights,
        )
        compiled = engine.compile(loop, spec.device)
        if not step.finalizes_weights:
            _program_files.write(spec, description, compiled)
        # The program refers to Keras objects only if it needs them
        return CompiledProgram(
            spec,
            description,
            compiled.run,
            optimizer_values_for if description.optimizer_start.values is None else None,
            step.finalized_arrays if step.finalizes_weights else None,
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
        from moonnet._keras import keras, message_of

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
