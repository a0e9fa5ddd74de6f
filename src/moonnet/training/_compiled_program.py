"""A compiled program that runs the steps of a training; it knows nothing of epochs, samples or where steps come from.

A program is a real Keras model, optimizer and loss in one compiled loop over the steps of a block. Its shapes depend on
its spec alone, never on the number of samples: a block has a fixed size, a ragged batch is padded with weight 0, and
the host says how many steps of the block are real.
"""

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from moonnet._regression_losses import LOSSES
from moonnet.training._keras import keras
from moonnet.training._network import NetworkSpec, OptimizerSpec, training_model
from moonnet.training._packing import Packing, is_elementwise
from moonnet.training.engines import engine

ops = keras.ops

# Limits of a block: steps, and elements of its arrays (8 MB in float64) as long as it has more than one step.
_MAX_STEPS = 512
_MAX_ELEMENTS = 2**20
_ALIGNMENT = 64  # bytes
# Programs kept for the next fit that needs one like them. TensorFlow gives back little of the 10 MB or so that it has
# compiled for one, so that to forget one early and compile it again costs more memory than to keep it.
_MAX_IDLE_PROGRAMS = 128

# Of a network with more weights, a step's time is in its products, and packing would only copy (see _packing.py).
_MOST_PACKED_WEIGHTS = 2**14


@dataclass(frozen=True)
class ProgramSpec:
    """All that is compiled into a program; the numbers that a search varies are loaded into it instead."""

    network: NetworkSpec
    optimizer: OptimizerSpec
    batch_rows: int
    dropout: bool
    dtype: str
    # Keras's own float type, in which its optimizers hold their learning rate
    rate_dtype: str = field(default_factory=keras.config.floatx)
    device: Any = field(default_factory=engine.device)

    @property
    def block_steps(self) -> int:
        """How many steps a block holds."""
        return min(_MAX_STEPS, max(1, _MAX_ELEMENTS // (self.batch_rows * self.sample_size)))

    @property
    def sample_size(self) -> int:
        """How many numbers a sample is: its features, outputs and weight."""
        return self.network.layer_sizes[0] + self.network.layer_sizes[-1] + 1


class Program:
    """A Keras model, optimizer and loss, and a compiled loop over them. One fit owns it at a time.

    What training changes is handed in with each block and comes out with its results.
    """

    def __init__(self, spec: ProgramSpec) -> None:
        self.spec = spec
        self._block: list[np.ndarray] = []
        self._numbers: list[float] = []
        self._packed: list[Any] = []
        self._state: list[np.ndarray] | None = None
        with self.scope():
            self._fresh_optimizer_state = _or_copied(engine.initial_values(self._build), self._weights)
            self._compile()

    def scope(self) -> AbstractContextManager[Any]:
        """Return the context in which the program's Keras objects are used."""
        widest = "float64" if "float64" in (self.spec.dtype, self.spec.rate_dtype) else "float32"
        return engine.scope(self.spec.device, widest)

    def _build(self) -> list[Any]:
        """Make Keras's objects; return the variables whose values tell what an optimizer begins with."""
        spec = self.spec
        self._dropout = keras.Variable(0.0, dtype=spec.dtype, trainable=False, name="dropout")
        self._seeds = keras.random.SeedGenerator(seed=0, name="seeds")
        self._model = training_model(
            spec.network,
            engine.activation(spec.network.activation),
            spec.dtype,
            dropout=(self._dropout, self._seeds) if spec.dropout else None,
        )
        self._weights = self._model.trainable_variables
        for index, variable in enumerate(self._weights):
            variable.assign(_mark(index, variable))
        new_optimizer = partial(spec.optimizer.build, learning_rate=0.0, constant=partial(engine.constant, spec.dtype))
        optimizer = new_optimizer()
        optimizer.build(self._weights)
        self._dtypes = [variable.dtype for variable in (*self._weights, *optimizer.variables)]
        if spec.optimizer.rate_is_number:
            is_rate = [variable is optimizer.learning_rate for variable in optimizer.variables]
            self._rate_index = len(self._weights) + is_rate.index(True)
        n_weights = sum(math.prod(variable.shape) for variable in self._weights)
        if n_weights <= _MOST_PACKED_WEIGHTS and is_elementwise(optimizer):
            self._trained = [keras.Variable(np.zeros(n_weights, spec.dtype), dtype=spec.dtype, name="weights")]
            self._optimizer = new_optimizer()
            self._optimizer.build(self._trained)
            self._packing = Packing.of(self._weights, optimizer, self._trained, self._optimizer)
        else:
            self._trained, self._optimizer = self._weights, optimizer
            self._packing = Packing.none([*self._weights, *optimizer.variables])
        self._variables = [*self._trained, *self._optimizer.variables]
        # Whether training ends with other weights than those of the last step, with their moving average for instance
        finalizes = type(optimizer).finalize_variable_values
        self._averages = optimizer.use_ema or finalizes is not keras.optimizers.Optimizer.finalize_variable_values
        return optimizer.variables

    def _compile(self) -> None:
        spec = self.spec
        # Few arguments, for a backend takes longer over each than some steps take
        self._block_specs = [((spec.block_steps, spec.batch_rows * spec.sample_size), spec.dtype)]
        if spec.dropout:
            self._block_specs.append(((spec.block_steps, 2), self._seeds.state.dtype))
        numbers = ((4,), spec.dtype)
        state = [(tuple(variable.shape), variable.dtype) for variable in self._variables]
        self._run = engine.compile(self._run_block, [numbers, self._block_specs, state], spec.device)

    def load(
        self,
        weights: Sequence[np.ndarray],
        optimizer_state: Sequence[np.ndarray] | None,
        learning_rate: float | None,
        l2: float,
        dropout: float,
        loss_parameter: float,
    ) -> None:
        """Begin a training with these weights and numbers.

        ``optimizer_state`` None is a fresh optimizer; ``learning_rate`` None leaves the one that it holds or compiles.
        """
        # Never one of an earlier training, which after an interrupt may still be read
        self._block = [_aligned_zeros(shape, dtype) for shape, dtype in self._block_specs]
        # float32 whatever the weights are, as Keras's regularizers.L2 holds its factor
        with np.errstate(over="ignore"):  # what diverges is for the training to say
            self._numbers = [float(np.float32(l2)), dropout, loss_parameter]
        if optimizer_state is None:
            optimizer_state = [weights[new] if isinstance(new, int) else new for new in self._fresh_optimizer_state]
        state = [np.asarray(a, dtype) for a, dtype in zip([*weights, *optimizer_state], self._dtypes, strict=True)]
        if learning_rate is not None:
            state[self._rate_index] = np.asarray(learning_rate, self._dtypes[self._rate_index])
        self.state = state

    def accepts(self, optimizer_state: Sequence[np.ndarray]) -> bool:
        """Return whether this program's optimizer remembers things of the same shapes."""
        return [array.shape for array in optimizer_state] == self._packing.shapes[len(self._weights) :]

    def run(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Run a block of at most ``spec.block_steps`` steps.

        Return the figures of each, shape (steps, n_figures): the loss and, where there are classes, the weight of the
        correct samples.

        X (steps, batch_rows, n_features), y (steps, batch_rows, n_outputs), sample_weight (steps, batch_rows), and the
        seeds of dropout (steps, 2).
        """
        n_steps = len(X)
        samples, *for_dropout = self._block
        for columns, values in zip(self._columns(samples), (X, y, sample_weight), strict=True):
            columns[:n_steps] = values.reshape(n_steps, -1)
        for array in for_dropout:
            array[:n_steps] = seeds
        numbers = np.array([n_steps, *self._numbers], self.spec.dtype)
        with self.scope():
            figures, self._packed = self._run(numbers, self._block, self._packed)
            figures = np.asarray(figures)  # waits: until then the block is not to be changed, for JAX reads it in place
        self._state = None
        return figures[:n_steps]

    def unload(self) -> None:
        """End a training: a program that waits for the next one holds neither its block nor its results."""
        self._block, self._packed, self._state = [], [], None

    def snapshot(self) -> list[Any]:
        """Return how things are now, not yet fetched: to have it in case that it is wanted back costs nothing."""
        return self._packed

    def restore(self, snapshot: list[Any]) -> None:
        """Go back to how things were."""
        self._packed, self._state = snapshot, None

    @property
    def state(self) -> list[np.ndarray]:
        """All that training changes: kernel and bias of each layer, then what the optimizer remembers.

        The list is another one after each change, and never changed itself.
        """
        if self._state is None:
            self._state = self._packing.unpack([np.array(value) for value in self._packed], np)
        return self._state

    @state.setter
    def state(self, values: Sequence[np.ndarray]) -> None:
        self._state = list(values)
        self._packed = self._packing.pack(values, np)

    @property
    def weights(self) -> list[np.ndarray]:
        """Kernel and bias of each layer, as the next step finds them."""
        if self._state is None:
            return self._packing.unpack([np.array(value) for value in self._packed[: len(self._trained)]], np)
        return self._state[: len(self._weights)]

    @property
    def optimizer_state(self) -> list[np.ndarray]:
        """All that the optimizer remembers."""
        return self.state[len(self._weights) :]

    @property
    def final_weights(self) -> list[np.ndarray]:
        """The weights of a training that ends here, which for some optimizers are an average over its steps."""
        if not self._averages:
            return self.weights
        with self.scope():
            for variable, value in zip(self._variables, self._packed, strict=True):
                variable.assign(value)
            self._optimizer.finalize_variable_values(self._trained)
            return self._packing.unpack([variable.numpy() for variable in self._trained], np)

    def _run_block(self, numbers: Any, block: list[Any], state: list[Any]) -> tuple[Any, list[Any]]:
        """Run a block's steps from a state; return their figures and the state after them. This is what is compiled."""
        n_steps, l2, dropout, parameter = ops.cast(numbers[0], "int32"), numbers[1], numbers[2], numbers[3]

        def step(state: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
            samples, *seeds = row
            n_trained = len(self._trained)
            of_optimizer = zip(self._optimizer.variables, state[n_trained:], strict=True)
            values = [(self._dropout, dropout), *((self._seeds.state, pair) for pair in seeds), *of_optimizer]
            X, y, sample_weight = self._columns(samples)
            X, y = ops.reshape(X, (-1, self._n_features)), ops.reshape(y, (-1, self._n_outputs))
            shares = sample_weight / ops.sum(sample_weight)  # what makes padding exact

            def loss_of(weights: list[Any]) -> tuple[Any, Any]:
                with keras.StatelessScope([*zip(self._weights, weights, strict=True), *values]):
                    outputs = self._model(X, training=True)
                    penalty = l2 * sum(ops.sum(ops.square(kernel)) for kernel in weights[::2])
                    loss = ops.sum(shares * self._losses(y, outputs, parameter)) + penalty
                    return self._optimizer.scale_loss(loss), (loss, outputs)

            weights = self._packing.unpack(state[:n_trained], ops)
            gradients, (loss, outputs) = engine.gradients(loss_of, weights)
            state = engine.apply(self._optimizer, self._packing.pack(gradients, ops), self._trained, state)
            counted = [self._correct] if "accuracy" in self.spec.network.figures else []
            return state, [loss, *(ops.sum(sample_weight * count(y, outputs)) for count in counted)]

        return engine.loop(step, len(self.spec.network.figures), n_steps, block, self._variables, state)

    @property
    def _n_features(self) -> int:
        return self.spec.network.layer_sizes[0]

    @property
    def _n_outputs(self) -> int:
        return self.spec.network.layer_sizes[-1]

    def _columns(self, samples: Any) -> tuple[Any, Any, Any]:
        """Return what belongs to X, y and sample_weight of each step in ``samples`` (..., batch_rows * sample_size)."""
        of_X, of_y = self.spec.batch_rows * self._n_features, self.spec.batch_rows * self._n_outputs
        return samples[..., :of_X], samples[..., of_X : of_X + of_y], samples[..., of_X + of_y :]

    # Means are sums over the outputs here, for on JAX Keras computes a mean, and so its loss classes, in float32

    def _losses(self, y: Any, outputs: Any, parameter: Any) -> Any:
        """Return each sample's loss, a mean where it has several labels or numbers, shape (batch_rows,)."""
        name = self.spec.network.loss
        if name == "categorical_crossentropy":
            return ops.categorical_crossentropy(y, outputs, from_logits=True)
        if name == "binary_crossentropy":
            losses = ops.binary_crossentropy(y, outputs, from_logits=True)
        else:
            losses = LOSSES[name](ops, y, outputs, parameter)
        return ops.sum(losses, axis=1) / self._n_outputs

    def _correct(self, y: Any, logits: Any) -> Any:
        """Return the share of each sample's outputs that say what y says, shape (batch_rows,)."""
        if self.spec.network.loss == "binary_crossentropy":
            return ops.sum(ops.cast(ops.equal(logits > 0, y > 0), logits.dtype), axis=1) / self._n_outputs
        return ops.cast(ops.equal(ops.argmax(logits, axis=1), ops.argmax(y, axis=1)), logits.dtype)


def _aligned_zeros(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return zeros that begin where JAX wants arrays to begin: it copies others for each call."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(n_bytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


def _mark(index: int, weight: Any) -> np.ndarray:
    """Return a value for a weight that no optimizer begins with by itself."""
    return np.full(weight.shape, index + 0.7310585, weight.dtype)


def _or_copied(values: Sequence[np.ndarray], weights: Sequence[Any]) -> list[np.ndarray | int]:
    """Return what an optimizer begins with: arrays, and in place of those that equal a marked weight its index."""
    marks = [_mark(index, weight) for index, weight in enumerate(weights)]
    return [next((index for index, mark in enumerate(marks) if np.array_equal(value, mark)), value) for value in values]


# Programs that no fit owns, the one used last at the end.
_idle: list[Program] = []
_idle_lock = threading.Lock()


@contextmanager
def borrowed(spec: ProgramSpec) -> Iterator[Program]:
    """Lend a program of this spec to one fit alone: an idle one, or a new one where there is none.

    A second fit of the same spec at the same time, on another thread or from a callback of the first, gets a program
    of its own: waiting for the first could wait forever.
    """
    with _idle_lock:
        program = next((program for program in reversed(_idle) if program.spec == spec), None)
        if program is not None:
            _idle.remove(program)
    if program is None:
        program = Program(spec)
    try:
        yield program
    finally:
        program.unload()
        with _idle_lock:
            _idle.append(program)
            del _idle[:-_MAX_IDLE_PROGRAMS]
