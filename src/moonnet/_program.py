"""A compiled program that runs the steps of a training; it knows nothing of epochs, samples or where steps come from.

A program is a real Keras model, optimizer and loss in one compiled loop over the steps of a block. Its shapes depend on
its spec alone, never on the number of samples: a block has a fixed size, a ragged batch is padded with weight 0, and
the host says how many steps of the block are real.
"""

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from moonnet._keras import keras, tf
from moonnet._network import NetworkSpec, OptimizerSpec, training_model
from moonnet._packing import Packing, is_elementwise

# Limits of a block: steps, and elements of its arrays (8 MB in float64) as long as it has more than one step.
_MAX_STEPS = 512
_MAX_ELEMENTS = 2**20
# Programs kept for the next fit that needs one like them. TensorFlow gives back little of the some 10 MB that it has
# compiled for one, so that to forget one early and compile it again costs more memory than to keep it.
_MAX_IDLE_PROGRAMS = 128

# Of a network with more weights, a step's time is in its products, and packing would only copy (see _packing.py).
_MOST_PACKED_WEIGHTS = 2**14

# A step of a small network takes less time than the way to another device.
_DEVICE = "CPU:0"

_LOSSES = {
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
}


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
        with tf.device(_DEVICE):
            self._build()
            self._compile()

    def _build(self) -> None:
        spec = self.spec
        self._dropout = keras.Variable(0.0, dtype=spec.dtype, trainable=False, name="dropout")
        self._seeds = keras.random.SeedGenerator(seed=0, name="seeds")
        self._model = training_model(
            spec.network, spec.dtype, dropout=(self._dropout, self._seeds) if spec.dropout else None
        )
        self._weights = self._model.trainable_variables
        optimizer = spec.optimizer.build(learning_rate=0.0)
        self._fresh_optimizer_state = _build(optimizer, self._weights)
        self._dtypes = [variable.dtype for variable in (*self._weights, *optimizer.variables)]
        if spec.optimizer.rate_is_number:
            is_rate = [variable is optimizer.learning_rate for variable in optimizer.variables]
            self._rate_index = len(self._weights) + is_rate.index(True)
        n_weights = sum(math.prod(variable.shape) for variable in self._weights)
        if n_weights <= _MOST_PACKED_WEIGHTS and is_elementwise(optimizer):
            self._trained = [keras.Variable(np.zeros(n_weights), dtype=spec.dtype, name="weights")]
            self._optimizer = spec.optimizer.build(learning_rate=0.0)
            self._optimizer.build(self._trained)
            self._packing = Packing.of(self._weights, optimizer, self._trained, self._optimizer)
        else:
            self._trained, self._optimizer = self._weights, optimizer
            self._packing = Packing.none([*self._weights, *optimizer.variables])
        self._variables = [*self._trained, *self._optimizer.variables]
        # Whether training ends with other weights than those of the last step, with their moving average for instance
        finalizes = type(optimizer).finalize_variable_values
        self._averages = optimizer.use_ema or finalizes is not keras.optimizers.Optimizer.finalize_variable_values
        # A sum, for the weights of a batch are divided by theirs: what makes padding exact
        self._loss = _LOSSES[spec.network.loss](from_logits=True, reduction="sum", dtype=spec.dtype)

    def _compile(self) -> None:
        spec = self.spec
        # Few arguments, for TensorFlow takes longer over each than some steps take
        self._block_specs = [tf.TensorSpec((spec.block_steps, spec.batch_rows * spec.sample_size), spec.dtype)]
        if spec.dropout:
            self._block_specs.append(tf.TensorSpec((spec.block_steps, 2), self._seeds.state.dtype))
        numbers = tf.TensorSpec((3,), spec.dtype)
        state = [tf.TensorSpec(variable.shape, variable.dtype) for variable in self._variables]
        # A concrete function: its shapes are fixed, and TensorFlow does not take many of them for retracing by mistake
        self._run = tf.function(
            self._traced_run,
            autograph=False,
            jit_compile=True,
            input_signature=[numbers, self._block_specs, state],
        ).get_concrete_function()

    def load(
        self,
        weights: Sequence[np.ndarray],
        optimizer_state: Sequence[np.ndarray] | None,
        learning_rate: float | None,
        l2: float,
        dropout: float,
    ) -> None:
        """Begin a training with these weights and numbers.

        ``optimizer_state`` None is a fresh optimizer; ``learning_rate`` None leaves the one that it holds or compiles.
        """
        self._block = [np.zeros(spec.shape, spec.dtype.as_numpy_dtype) for spec in self._block_specs]
        # float32 whatever the weights are, as Keras's regularizers.L2 holds its factor
        with np.errstate(over="ignore"):  # what diverges is for the training to say
            self._numbers = [float(np.float32(l2)), dropout]
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
        """Run a block of at most ``spec.block_steps`` steps; return loss and weighted hits of each, shape (steps, 2).

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
        with outside_the_callers_scopes():
            block = list(map(tf.constant, self._block))
            state = [value if tf.is_tensor(value) else tf.constant(value) for value in self._packed]
            results, *self._packed = self._run(tf.constant(numbers), block, state)
        self._state = None
        return results.numpy()[:n_steps]

    def unload(self) -> None:
        """End a training: a program that waits for the next one holds no block and no network."""
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
        return self.state[: len(self._weights)]

    @property
    def optimizer_state(self) -> list[np.ndarray]:
        """All that the optimizer remembers."""
        return self.state[len(self._weights) :]

    @property
    def final_weights(self) -> list[np.ndarray]:
        """The weights of a training that ends here, which for some optimizers are an average over its steps."""
        if not self._averages:
            return self.weights
        with outside_the_callers_scopes():
            for variable, value in zip(self._variables, self._packed, strict=True):
                variable.assign(value)
            self._optimizer.finalize_variable_values(self._trained)
            return self._packing.unpack([variable.numpy() for variable in self._trained], np)

    def _traced_run(self, numbers: Any, block: list[Any], state: list[Any]) -> tuple[Any, ...]:
        n_steps, l2, dropout = tf.cast(numbers[0], "int32"), numbers[1], numbers[2]
        samples, *for_dropout = block
        rows, (n_features, *_, n_outputs) = self.spec.batch_rows, self.spec.network.layer_sizes
        self._dropout.assign(dropout)
        for variable, value in zip(self._variables, state, strict=True):
            variable.assign(value)

        *_, sample_weight = self._columns(samples)
        shares = sample_weight / tf.reduce_sum(sample_weight, axis=1, keepdims=True)

        def step(i: Any, results: Any) -> tuple[Any, Any]:
            X, y, sample_weight = self._columns(samples[i])
            X, y = tf.reshape(X, (rows, n_features)), tf.reshape(y, (rows, n_outputs))
            for seeds in for_dropout:
                self._seeds.state.assign(seeds[i])
            weights = self._packing.unpack([variable.value for variable in self._trained], tf)
            with tf.GradientTape() as tape:
                tape.watch(weights)
                with keras.StatelessScope(state_mapping=list(zip(self._weights, weights, strict=True))):
                    logits = self._model(X, training=True)
                penalty = l2 * sum(tf.reduce_sum(tf.square(kernel)) for kernel in weights[::2])
                loss = self._loss(y, logits, sample_weight=shares[i]) + penalty
                scaled_loss = self._optimizer.scale_loss(loss)
            gradients = tape.gradient(scaled_loss, weights)
            self._optimizer.apply(self._packing.pack(gradients, tf), self._trained)
            hits = tf.reduce_sum(sample_weight * self._hits(y, logits))
            return i + 1, results.write(i, [loss, hits])

        results = tf.TensorArray(self.spec.dtype, self.spec.block_steps, element_shape=(2,))
        _, results = tf.while_loop(lambda i, _: i < n_steps, step, [0, results])
        return results.stack(), *(tf.identity(variable.value) for variable in self._variables)

    def _columns(self, samples: Any) -> tuple[Any, Any, Any]:
        """Return what belongs to X, y and sample_weight of each step in ``samples`` (..., batch_rows * sample_size)."""
        rows, (n_features, *_, n_outputs) = self.spec.batch_rows, self.spec.network.layer_sizes
        of_X, of_y = rows * n_features, rows * n_outputs
        return samples[..., :of_X], samples[..., of_X : of_X + of_y], samples[..., of_X + of_y :]

    def _hits(self, y: Any, logits: Any) -> Any:
        """Return the share of each sample's outputs that say what y says, shape (batch_rows,)."""
        if self.spec.network.loss == "binary_crossentropy":
            return tf.reduce_mean(tf.cast((logits > 0) == (y > 0), logits.dtype), axis=1)
        return tf.cast(tf.argmax(logits, axis=1) == tf.argmax(y, axis=1), logits.dtype)


def _build(optimizer: Any, weights: Sequence[Any]) -> list[np.ndarray | int]:
    """Build an optimizer's variables; return what they begin with: an array, or the index of a weight to copy."""
    for index, variable in enumerate(weights):
        variable.assign(np.full(variable.shape, index + 0.25))  # what no optimizer begins with by itself
    optimizer.build(weights)
    marked = [variable.numpy() for variable in weights]
    state: list[np.ndarray | int] = []
    for value in (variable.numpy() for variable in optimizer.variables):
        copied = [index for index, weight in enumerate(marked) if np.array_equal(weight, value)]
        state.append(copied[0] if copied else value)
    return state


@contextmanager
def outside_the_callers_scopes() -> Iterator[None]:
    """Run on the program's own device, and hidden from gradient tapes that the caller may have open."""
    with tf.init_scope(), tf.device(_DEVICE):
        yield


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
