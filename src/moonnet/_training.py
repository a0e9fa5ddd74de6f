"""Training: a compiled program that runs steps, and the loop that knows epochs; arrays in, arrays out.

A program is a real Keras model, optimizer and loss in one compiled loop over the steps of a block. Its shapes depend on
its spec alone, never on the number of samples: the host gathers shuffled batches into a block of fixed size, pads
the ragged last batch of an epoch with weight 0, and says how many steps of the block are real.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np

from moonnet._keras import keras, tf
from moonnet._network import NetworkSpec, OptimizerSpec, initial_weights, training_model

# Limits of a block: steps, and elements of its arrays (8 MB in float64) as long as it has more than one step.
_MAX_STEPS = 512
_MAX_ELEMENTS = 2**20
# Batches up to this size are never shrunk to the data, so that folds of unequal size share a program.
_SMALL_BATCH = 256
# Programs kept for the next fit that needs one like them. TensorFlow gives back little of the some 10 MB that it has
# compiled for one, so that to forget one early and compile it again costs more memory than to keep it.
_MAX_IDLE_PROGRAMS = 128

# A step of a small network takes less time than the way to another device.
_DEVICE = "CPU:0"

_LOSSES = {
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
}

# What is called with an epoch's number, from 0, and its figures.
Watch = Callable[[int, dict[str, float]], None]


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


@dataclass(frozen=True)
class Hyperparameters:
    """The numbers of a training that need no compiling."""

    learning_rate: float | None  # None where it is compiled: a schedule, or an optimizer made of others
    l2: float
    dropout: float
    epochs: int
    shuffle: bool


class Streams(NamedTuple):
    """Where a training's randomness comes from; apart, so that dropout or another order leaves the rest as it is."""

    weights: np.random.Generator
    order: np.random.Generator
    dropout: np.random.Generator

    @classmethod
    def spawn(cls, entropy: Any) -> Self:
        """Return independent generators; ``entropy`` None asks the operating system."""
        return cls(*map(np.random.default_rng, np.random.SeedSequence(entropy).spawn(3)))


def batch_rows(batch_size: int, n_samples: int) -> int:
    """Return the rows that a step is compiled for: a large batch of few samples would be padding for the most part."""
    return min(batch_size, max(_SMALL_BATCH, 2 ** (n_samples - 1).bit_length()))


def train(
    spec: ProgramSpec,
    X: np.ndarray,
    y: np.ndarray,
    sample_weight: np.ndarray,
    hyperparameters: Hyperparameters,
    streams: Streams,
    watch: Watch | None = None,
) -> tuple[list[np.ndarray], dict[str, list[float]]]:
    """Train a new network; return kernel and bias of each layer, and loss and accuracy of each epoch.

    X (n_samples, n_features) and y (n_samples, n_outputs) are floats, weights (n_samples,) positive ones. The arrays
    returned have X's dtype. ``watch`` is called after each epoch.
    """
    steps_an_epoch = -(-len(X) // spec.batch_rows)
    # With nobody watching, a block holds as many epochs as fit.
    epochs_at_once = 1 if watch else max(1, spec.block_steps // steps_an_epoch)
    history: dict[str, list[float]] = {"loss": [], "accuracy": []}
    weights = initial_weights(spec.network.layer_sizes, streams.weights, spec.dtype)
    with _borrowed(spec) as program:
        program.load(weights, hyperparameters)
        for first in range(0, hyperparameters.epochs, epochs_at_once):
            n_epochs = min(epochs_at_once, hyperparameters.epochs - first)
            epochs = [_draw_epoch(spec, len(X), hyperparameters.shuffle, streams) for _ in range(n_epochs)]
            order, seeds = (np.concatenate(arrays) for arrays in zip(*epochs, strict=True))
            losses, hits, totals = _run_steps(program, X, y, sample_weight, order, seeds)
            if not np.isfinite(losses).all():
                raise _diverged(first + n_epochs)
            total = totals.reshape(n_epochs, -1).sum(axis=1)
            history["loss"] += ((losses * totals).reshape(n_epochs, -1).sum(axis=1) / total).tolist()
            history["accuracy"] += (hits.reshape(n_epochs, -1).sum(axis=1) / total).tolist()
            if watch:
                watch(first, {name: values[-1] for name, values in history.items()})
        weights = program.final_weights()
    if not all(np.isfinite(array).all() for array in weights):
        raise _diverged(hyperparameters.epochs)
    return [array.astype(X.dtype, copy=False) for array in weights], history


def _draw_epoch(spec: ProgramSpec, n_samples: int, shuffle: bool, streams: Streams) -> tuple[np.ndarray, np.ndarray]:
    """Return an epoch's rows (steps, batch_rows), -1 where the last batch is padded, and dropout seeds (steps, 2)."""
    steps = -(-n_samples // spec.batch_rows)
    order = np.full(steps * spec.batch_rows, -1)
    order[:n_samples] = streams.order.permutation(n_samples) if shuffle else np.arange(n_samples)
    seeds = streams.dropout.integers(2**31, size=(steps, 2)) if spec.dropout else np.zeros((steps, 2), int)
    return order.reshape(steps, spec.batch_rows), seeds


def _run_steps(
    program: "Program", X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray, order: np.ndarray, seeds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run one step for each row of ``order``, block by block; return each step's loss, weighted hits and weight."""
    padded_weight = np.append(sample_weight, 0)  # order -1 is a sample without weight
    results = []
    for start in range(0, len(order), program.spec.block_steps):
        block = slice(start, start + program.spec.block_steps)
        rows = order[block]
        weight = padded_weight[rows]
        losses, hits = program.run(X.take(rows, axis=0), y.take(rows, axis=0), weight, seeds[block])
        results.append((losses, hits, weight.sum(axis=1)))
    losses, hits, totals = (np.concatenate(arrays) for arrays in zip(*results, strict=True))
    return losses, hits, totals


def _diverged(n_epochs: int) -> ValueError:
    return ValueError(
        f"Training met a non-finite loss or non-finite weights within {n_epochs} epochs. Scale the inputs, for "
        "instance with sklearn.preprocessing.StandardScaler, or lower learning_rate."
    )


class Program:
    """A Keras model, optimizer and loss, and a compiled loop over them. One fit owns it at a time."""

    def __init__(self, spec: ProgramSpec) -> None:
        self.spec = spec
        self._block: list[np.ndarray] = []
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
        state = [tf.TensorSpec(v.shape, v.dtype) for v in self._weights + self._optimizer.variables]
        self._block_specs = [
            tf.TensorSpec((steps, rows, n_features), dtype),
            tf.TensorSpec((steps, rows, n_outputs), dtype),
            tf.TensorSpec((steps, rows), dtype),  # weights
            tf.TensorSpec((steps, 2), self._seeds.state.dtype),
        ]
        # Concrete functions: their shapes are fixed, and TensorFlow does not take many of them for retracing by mistake
        self._load = tf.function(
            self._traced_load, autograph=False, input_signature=[scalar, scalar, scalar, *state]
        ).get_concrete_function()
        self._run = tf.function(
            self._traced_run,
            autograph=False,
            jit_compile=True,
            input_signature=[tf.TensorSpec((), "int32"), *self._block_specs],
        ).get_concrete_function()

    def load(self, weights: Sequence[np.ndarray], hyperparameters: Hyperparameters) -> None:
        """Begin a training: with these weights and numbers, and a fresh optimizer."""
        self._block = [np.zeros(spec.shape, spec.dtype.as_numpy_dtype) for spec in self._block_specs]
        numbers = [hyperparameters.learning_rate or 0.0, hyperparameters.l2, hyperparameters.dropout]
        optimizer_state = [weights[fresh] if isinstance(fresh, int) else fresh for fresh in self._fresh_optimizer_state]
        with _outside_the_callers_scopes():
            self._load(
                *(tf.constant(number, self.spec.dtype) for number in numbers),
                *(tf.constant(array) for array in [*weights, *optimizer_state]),
            )

    def run(
        self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray, seeds: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run a block of at most ``spec.block_steps`` steps; return each step's loss and weighted hits."""
        n_steps = len(X)
        for array, values in zip(self._block, (X, y, sample_weight, seeds), strict=True):
            array[:n_steps] = values
        with _outside_the_callers_scopes():
            losses, hits = self._run(tf.constant(n_steps), *(tf.constant(array) for array in self._block))
        return losses.numpy()[:n_steps], hits.numpy()[:n_steps]

    def unload(self) -> None:
        """End a training: a program that waits for the next one holds no block."""
        self._block = []

    def final_weights(self) -> list[np.ndarray]:
        """Return the weights, after what the optimizer does at the end of a training (a moving average, say)."""
        with _outside_the_callers_scopes():
            self._optimizer.finalize_variable_values(self._weights)
            return [variable.numpy() for variable in self._weights]

    def _traced_load(self, learning_rate: Any, l2: Any, dropout: Any, *state: Any) -> None:
        for variable, value in zip(self._weights + self._optimizer.variables, state, strict=True):
            variable.assign(value)
        if self.spec.optimizer.rate_is_number:
            self._optimizer.learning_rate.assign(learning_rate)
        self._l2.assign(l2)
        self._dropout.assign(dropout)

    def _traced_run(self, n_steps: Any, X: Any, y: Any, sample_weight: Any, seeds: Any) -> tuple[Any, Any]:
        def step(i: Any, losses: Any, hits: Any) -> tuple[Any, Any, Any]:
            self._seeds.state.assign(seeds[i])
            with tf.GradientTape() as tape:
                logits = self._model(X[i], training=True)
                factor = tf.cast(self._l2, self.spec.dtype)
                penalty = factor * sum(tf.reduce_sum(tf.square(kernel)) for kernel in self._weights[::2])
                loss = self._loss(y[i], logits, sample_weight=sample_weight[i]) + penalty
                scaled_loss = self._optimizer.scale_loss(loss)
            self._optimizer.apply(tape.gradient(scaled_loss, self._weights), self._weights)
            hit = tf.cast(_agree(y[i], logits), logits.dtype)
            return (
                i + 1,
                tf.tensor_scatter_nd_update(losses, [[i]], [loss]),
                tf.tensor_scatter_nd_update(hits, [[i]], [tf.reduce_sum(sample_weight[i] * hit)]),
            )

        empty = tf.zeros(self.spec.block_steps, self.spec.dtype)
        _, losses, hits = tf.while_loop(lambda i, *_: i < n_steps, step, [0, empty, empty])
        return losses, hits


@contextmanager
def _outside_the_callers_scopes() -> Iterator[None]:
    """Run on the program's own device, and hidden from gradient tapes that the caller may have open."""
    with tf.init_scope(), tf.device(_DEVICE):
        yield


def _agree(y: Any, logits: Any) -> Any:
    """Return where the network says what y says, shape (batch_rows,)."""
    if y.shape[1] == 1:
        return (logits[:, 0] > 0) == (y[:, 0] > 0)
    return tf.argmax(logits, axis=1) == tf.argmax(y, axis=1)


# Programs that no fit owns, the one used last at the end.
_idle: list[Program] = []
_idle_lock = threading.Lock()


@contextmanager
def _borrowed(spec: ProgramSpec) -> Iterator[Program]:
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
