"""A compiled program that runs the steps of a training; it knows nothing of epochs, samples or where steps come from.

A program is a real Keras model, optimizer and loss in one compiled loop over the steps of a block. Its shapes depend on
its spec alone, never on the number of samples: a block has a fixed size, a ragged batch is padded with weight 0, and
the host says how many steps of the block are real.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from moonnet._keras import keras, tf
from moonnet._network import NetworkSpec, OptimizerSpec, training_model

# Limits of a block: steps, and elements of its arrays (8 MB in float64) as long as it has more than one step.
_MAX_STEPS = 512
_MAX_ELEMENTS = 2**20
# Programs kept for the next fit that needs one like them. TensorFlow gives back little of the some 10 MB that it has
# compiled for one, so that to forget one early and compile it again costs more memory than to keep it.
_MAX_IDLE_PROGRAMS = 128

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
        n_features, n_outputs = self.network.layer_sizes[0], self.network.layer_sizes[-1]
        return min(_MAX_STEPS, max(1, _MAX_ELEMENTS // (self.batch_rows * (n_features + n_outputs + 1))))


class Program:
    """A Keras model, optimizer and loss, and a compiled loop over them. One fit owns it at a time."""

    def __init__(self, spec: ProgramSpec) -> None:
        self.spec = spec
        self._block: list[np.ndarray] = []
        self._state: list[Any] = []
        with tf.device(_DEVICE):
            self._build()
            self._compile()

    def _build(self) -> None:
        spec = self.spec
        # float32 whatever the weights are, as Keras's regularizers.L2 holds its factor
        self._l2 = keras.Variable(0.0, dtype="float32", trainable=False, name="l2")
        self._dropout = keras.Variable(0.0, dtype=spec.dtype, trainable=False, name="dropout")
        self._seeds = keras.random.SeedGenerator(seed=0, name="seeds")
        self._model = training_model(
            spec.network, spec.dtype, dropout=(self._dropout, self._seeds) if spec.dropout else None
        )
        self._weights = self._model.trainable_variables
        self._optimizer = spec.optimizer.build(learning_rate=0.0)
        self._fresh_optimizer_state = self._build_optimizer()
        self._variables = [*self._weights, *self._optimizer.variables]
        # Whether training ends with other weights than those of the last step, with their moving average for instance
        finalizes = type(self._optimizer).finalize_variable_values
        self._averages = self._optimizer.use_ema or finalizes is not keras.optimizers.Optimizer.finalize_variable_values
        self._loss = _LOSSES[spec.network.loss](
            from_logits=True,
            reduction="mean_with_sample_weight",  # sum(w * loss) / sum(w): what makes padding exact
            dtype=spec.dtype,
        )

    def _build_optimizer(self) -> list[np.ndarray | int]:
        """Build the optimizer's variables; return what they begin with: an array, or the index of a weight to copy."""
        for index, variable in enumerate(self._weights):
            variable.assign(np.full(variable.shape, index + 0.25))  # what no optimizer begins with by itself
        self._optimizer.build(self._weights)
        marked = [variable.numpy() for variable in self._weights]
        state: list[np.ndarray | int] = []
        for value in (variable.numpy() for variable in self._optimizer.variables):
            copied = [index for index, weight in enumerate(marked) if np.array_equal(weight, value)]
            state.append(copied[0] if copied else value)
        return state

    def _compile(self) -> None:
        n_features, *_, n_outputs = self.spec.network.layer_sizes
        steps, rows, dtype = self.spec.block_steps, self.spec.batch_rows, self.spec.dtype
        scalar = tf.TensorSpec((), dtype)
        self._block_specs = [
            tf.TensorSpec((steps, rows, n_features), dtype),
            tf.TensorSpec((steps, rows, n_outputs), dtype),
            tf.TensorSpec((steps, rows), dtype),  # weights
            tf.TensorSpec((steps, 2), self._seeds.state.dtype),
        ]
        # Concrete functions: their shapes are fixed, and TensorFlow does not take many of them for retracing by mistake
        self._load = tf.function(
            self._traced_load,
            autograph=False,
            input_signature=[scalar, scalar, *(tf.TensorSpec(v.shape, v.dtype) for v in self._variables)],
        ).get_concrete_function()
        self._run = tf.function(
            self._traced_run,
            autograph=False,
            jit_compile=True,
            input_signature=[tf.TensorSpec((), "int32"), *self._block_specs],
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
        if optimizer_state is None:
            optimizer_state = [weights[new] if isinstance(new, int) else new for new in self._fresh_optimizer_state]
        state = [np.asarray(a, v.dtype) for a, v in zip([*weights, *optimizer_state], self._variables, strict=True)]
        if learning_rate is not None:
            index = next(i for i, variable in enumerate(self._variables) if variable is self._optimizer.learning_rate)
            state[index] = np.asarray(learning_rate, state[index].dtype)
        with outside_the_callers_scopes():
            self._load(*(tf.constant(number, self.spec.dtype) for number in (l2, dropout)), *map(tf.constant, state))
        self._state = state

    def accepts(self, optimizer_state: Sequence[np.ndarray]) -> bool:
        """Return whether this program's optimizer remembers things of the same shapes."""
        shapes = [tuple(variable.shape) for variable in self._optimizer.variables]
        return [array.shape for array in optimizer_state] == shapes

    def run(
        self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray, seeds: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run a block of at most ``spec.block_steps`` steps; return each step's loss and weighted hits."""
        n_steps = len(X)
        for array, values in zip(self._block, (X, y, sample_weight, seeds), strict=True):
            array[:n_steps] = values
        with outside_the_callers_scopes():
            losses, hits, *self._state = self._run(tf.constant(n_steps), *map(tf.constant, self._block))
        return losses.numpy()[:n_steps], hits.numpy()[:n_steps]

    def unload(self) -> None:
        """End a training: a program that waits for the next one holds no block and no network."""
        self._block, self._state = [], []

    def snapshot(self) -> list[Any]:
        """Return ``state`` as it is now, not yet fetched: to have it in case that it is wanted back costs nothing."""
        return self._state

    @property
    def state(self) -> list[np.ndarray]:
        """All that training changes: kernel and bias of each layer, then what the optimizer remembers.

        The list is another one after each change, and never changed itself.
        """
        if not all(isinstance(value, np.ndarray) for value in self._state):
            self._state = [np.asarray(tensor.numpy()) for tensor in self._state]
        return self._state

    @state.setter
    def state(self, values: Sequence[Any]) -> None:
        values = [np.asarray(value) for value in values]
        with outside_the_callers_scopes():
            for variable, old, new in zip(self._variables, self.state, values, strict=True):
                if new is not old:
                    write_variable(variable, new)
        self._state = values

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
            self._optimizer.finalize_variable_values(self._weights)
            final = [variable.numpy() for variable in self._weights]
            for variable, last in zip(self._weights, self.weights, strict=True):
                variable.assign(last)
        return final

    def _traced_load(self, l2: Any, dropout: Any, *values: Any) -> None:
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)
        self._l2.assign(l2)
        self._dropout.assign(dropout)

    def _traced_run(self, n_steps: Any, X: Any, y: Any, sample_weight: Any, seeds: Any) -> tuple[Any, ...]:
        def step(i: Any, losses: Any, hits: Any) -> tuple[Any, Any, Any]:
            self._seeds.state.assign(seeds[i])
            with tf.GradientTape() as tape:
                logits = self._model(X[i], training=True)
                factor = tf.cast(self._l2, self.spec.dtype)
                penalty = factor * sum(tf.reduce_sum(tf.square(kernel)) for kernel in self._weights[::2])
                loss = self._loss(y[i], logits, sample_weight=sample_weight[i]) + penalty
                scaled_loss = self._optimizer.scale_loss(loss)
            self._optimizer.apply(tape.gradient(scaled_loss, self._weights), self._weights)
            hit = self._hits(y[i], logits)
            return (
                i + 1,
                tf.tensor_scatter_nd_update(losses, [[i]], [loss]),
                tf.tensor_scatter_nd_update(hits, [[i]], [tf.reduce_sum(sample_weight[i] * hit)]),
            )

        empty = tf.zeros(self.spec.block_steps, self.spec.dtype)
        _, losses, hits = tf.while_loop(lambda i, *_: i < n_steps, step, [0, empty, empty])
        # The state goes out with the results: to read its variables one by one would take longer than some steps
        return losses, hits, *(tf.identity(variable.value) for variable in self._variables)

    def _hits(self, y: Any, logits: Any) -> Any:
        """Return the share of each sample's outputs that say what y says, shape (batch_rows,)."""
        if self.spec.network.loss == "binary_crossentropy":
            return tf.reduce_mean(tf.cast((logits > 0) == (y > 0), logits.dtype), axis=1)
        return tf.cast(tf.argmax(logits, axis=1) == tf.argmax(y, axis=1), logits.dtype)


@contextmanager
def outside_the_callers_scopes() -> Iterator[None]:
    """Run on the program's own device, and hidden from gradient tapes that the caller may have open."""
    with tf.init_scope(), tf.device(_DEVICE):
        yield


# These take a third to a half less time than Keras's and TensorFlow's own methods: someone may watch every epoch.


def read_variable(variable: Any) -> np.ndarray:
    """Return the value of a Keras variable, a copy."""
    return np.asarray(tf.raw_ops.ReadVariableOp(resource=variable.value.handle, dtype=variable.dtype).numpy())


def write_variable(variable: Any, value: np.ndarray) -> None:
    """Change the value of a Keras variable, to one of its own shape and dtype."""
    tf.raw_ops.AssignVariableOp(resource=variable.value.handle, value=tf.constant(value))


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
