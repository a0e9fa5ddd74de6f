"""The training loop over epochs, and the observers that follow it; arrays in, arrays out.

The host draws the order of the samples, gathers shuffled batches into blocks and hands these to a compiled program.
Between blocks, observers may look at the training, change it or stop it.
"""

import math
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypedDict

import numpy as np
from scipy import sparse

from moonnet.training._compiled_program import Program, ProgramSpec, borrowed
from moonnet.training._network import initial_weights

# Batches up to this size are never shrunk to the data, so that folds of unequal size share a program.
_SMALL_BATCH = 256


class Samples(NamedTuple):
    """What is trained on; floats of one type."""

    X: Any  # (n_samples, n_features), an array or a CSR array or matrix
    y: np.ndarray  # (n_samples, n_outputs)
    weight: np.ndarray  # (n_samples,), positive


@dataclass(frozen=True)
class Hyperparameters:
    """The numbers of a training that need no compiling."""

    learning_rate: float | None  # None where it is compiled: a schedule, or an optimizer made of others
    l2: float
    dropout: float
    epochs: int
    shuffle: bool
    loss_parameter: float
    loss_unit: float  # what losses are multiplied by to be told
    random_biases: bool  # whether those of a new network's hidden layers are drawn


class Streams(NamedTuple):
    """Where a training's randomness comes from; apart, so that dropout or another order leaves the rest as it is."""

    weights: np.random.Generator
    order: np.random.Generator
    dropout: np.random.Generator
    split: int  # a seed, so that all fits of a warm start hold out the same samples

    @classmethod
    def spawn(cls, entropy: Any) -> Self:
        """Return independent streams; ``entropy`` None asks the operating system."""
        *seeds, split = np.random.SeedSequence(entropy).spawn(4)
        weights, order, dropout = map(np.random.default_rng, seeds)
        return cls(weights, order, dropout, int(split.generate_state(1)[0]))

    @classmethod
    def resume(cls, states: dict[str, Any]) -> Self:
        """Return the streams that had these states."""

        def generator(name: str) -> np.random.Generator:
            bits = np.random.PCG64(0)  # as default_rng makes it; the seed gives way to the state
            bits.state = states[name]
            return np.random.Generator(bits)

        return cls(generator("weights"), generator("order"), generator("dropout"), states["split"])

    def states(self) -> dict[str, Any]:
        """Return plain values from which the streams can go on."""
        generators = {name: getattr(self, name).bit_generator.state for name in ("weights", "order", "dropout")}
        return generators | {"split": self.split}


class Checkpoint(TypedDict):
    """What else a training needs to go on exactly, also in another process: arrays and plain values."""

    weights: list[np.ndarray] | None  # of the last step; None where they are those that predict
    optimizer: str
    optimizer_state: list[np.ndarray]
    learning_rate: float | None  # as the parameter was: callbacks may have changed the optimizer's own
    streams: dict[str, Any]


class TrainingResult(NamedTuple):
    """The network after a training, and what it takes to go on."""

    weights: list[np.ndarray]  # kernel and bias of each layer, in the dtype of X
    history: dict[str, list[float]]
    checkpoint: Checkpoint
    interrupted: bool = False  # whether Ctrl-C ended it


class Observer:
    """Follow a training, and change or stop it. Each hook does nothing unless a subclass overrides it."""

    sees_steps = False  # whether step_begin and step_end are called, which takes a block for every step

    def train_begin(self, training: "Training") -> None:
        """Run before the first epoch."""

    def epoch_begin(self, epoch: int) -> None:
        """Run before an epoch, counted from 0 over all fits of a warm start."""

    def step_begin(self, step: int) -> None:
        """Run before a step, counted from 0 in each epoch."""

    def step_end(self, step: int, logs: dict[str, float]) -> None:
        """Run after a step; ``logs`` are means over the epoch's steps so far."""

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Run after an epoch; an observer may add to ``logs`` for those that follow."""

    def train_end(self) -> None:
        """Run after the last epoch, when the weights are those that will predict."""

    def close(self) -> None:
        """Run last, also after an error."""


def batch_rows(batch_size: int, n_samples: int) -> int:
    """Return the rows that a step is compiled for: a large batch of few samples would be padding for the most part."""
    return min(batch_size, max(_SMALL_BATCH, 2 ** (n_samples - 1).bit_length()))


def train(
    spec: ProgramSpec,
    samples: Samples,
    hyperparameters: Hyperparameters,
    streams: Streams,
    previous: TrainingResult | None = None,
    observers: Sequence[Observer] = (),
) -> TrainingResult:
    """Train a new network, or the ``previous`` one further. Ctrl-C ends the training with what it has learned."""
    with borrowed(spec) as program, ExitStack() as cleaning:
        for observer in observers:
            cleaning.callback(observer.close)
        training = Training(program, samples, hyperparameters, streams, previous)
        with _first_interrupt_waits(training):
            for observer in observers:
                observer.train_begin(training)
            try:
                training.run(observers)
            except KeyboardInterrupt:
                training.interrupted = True
            return training.end(observers)


class Training:
    """A training under way, which observers may look at, change and stop."""

    def __init__(
        self,
        program: Program,
        samples: Samples,
        hyperparameters: Hyperparameters,
        streams: Streams,
        previous: TrainingResult | None,
    ) -> None:
        self.program = program
        self.samples = samples
        self.hyperparameters = hyperparameters
        self.stopped = False  # set by an observer
        self.interrupted = False  # set by Ctrl-C
        self.best_weights: list[np.ndarray] | None = None  # set by an observer; these predict instead of the last ones
        self._streams = streams
        history = previous.history if previous else dict.fromkeys(program.spec.network.figures, ())
        self.history = {name: list(values) for name, values in history.items()}
        self.first_epoch = self.epoch
        self._load(previous)

    def _load(self, previous: TrainingResult | None) -> None:
        """Give the program what it begins with: the optimizer goes on if it is the one of before."""
        spec, numbers = self.program.spec, self.hyperparameters
        rate, optimizer_state = numbers.learning_rate, None
        if previous is None:
            weights = initial_weights(
                spec.network.layer_sizes, self._streams.weights, spec.dtype, numbers.random_biases
            )
        else:
            weights, checkpoint = previous.weights, previous.checkpoint
            same = checkpoint["optimizer"] == spec.optimizer.cls.__name__
            if same and self.program.accepts(checkpoint["optimizer_state"]):
                optimizer_state = checkpoint["optimizer_state"]
                weights = checkpoint["weights"] or weights
                rate = None if rate == checkpoint["learning_rate"] else rate
        self.program.load(weights, optimizer_state, rate, numbers.l2, numbers.dropout, numbers.loss_parameter)

    @property
    def steps_an_epoch(self) -> int:
        """How many batches the samples make, a ragged last one included."""
        return -(-len(self.samples.y) // self.program.spec.batch_rows)

    @property
    def epoch(self) -> int:
        """How many epochs are done, those of earlier fits included."""
        return len(self.history["loss"])

    def record(self, epoch: int, figures: dict[str, float]) -> None:
        """Add an epoch's figures to the history; an epoch before it that had none gets NaN."""
        for name, value in figures.items():
            values = self.history.setdefault(name, [])
            values += [math.nan] * (epoch - len(values)) + [value]

    def run(self, observers: Sequence[Observer]) -> None:
        """Train for the epochs that are wanted, or until someone stops it."""
        # With nobody watching, a block holds as many epochs as fit.
        at_once = 1 if observers else max(1, self.program.spec.block_steps // self.steps_an_epoch)
        last = self.first_epoch + self.hyperparameters.epochs
        while self.epoch < last and not (self.stopped or self.interrupted):
            self._run_epochs(min(at_once, last - self.epoch), observers)

    def _run_epochs(self, n_epochs: int, observers: Sequence[Observer]) -> None:
        """Run some epochs, or the one that is watched, and record them."""
        epoch = self.epoch
        state, streams = self.program.snapshot(), self._streams.states()
        try:
            for observer in observers:
                observer.epoch_begin(epoch)
            order, seeds = self._draw_epochs(n_epochs)
            figures = self._run_steps(order, seeds, [observer for observer in observers if observer.sees_steps])
            cut = self.interrupted and len(figures) < len(order)
        except KeyboardInterrupt:
            self.interrupted = cut = True
        if cut:  # an epoch cut short is none
            self.program.restore(state)
            self._streams = Streams.resume(streams)
            return
        if not np.isfinite(figures).all():
            raise _diverged(epoch + n_epochs)
        # Each (n_epochs, steps), and contiguous: NumPy's order of summation, and so the last bit, depends on that
        losses, *counted, totals = np.ascontiguousarray(
            figures.reshape(n_epochs, -1, figures.shape[1]).transpose(2, 0, 1)
        )
        sums = [(losses * totals).sum(axis=1), *(weights.sum(axis=1) for weights in counted)]
        means = self._means(sums, totals.sum(axis=1))
        for name, values in means.items():
            self.history[name] += values.tolist()
        logs = {name: float(values[-1]) for name, values in means.items()}
        for observer in observers:
            observer.epoch_end(epoch, logs)

    def _means(self, sums: Iterable[Any], total_weight: Any) -> dict[str, Any]:
        """Return the means of some steps by name, from each figure's weighted sum over them."""
        means = [weighted / total_weight for weighted in sums]
        means[0] = self.hyperparameters.loss_unit * means[0]
        return dict(zip(self.program.spec.network.figures, means, strict=True))

    def _draw_epochs(self, n_epochs: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of each step (steps, batch_rows), -1 where it is padded, and dropout's seeds (steps, 2).

        The draws are the same however many epochs are asked for at once.
        """
        batch_rows, n_samples, steps = self.program.spec.batch_rows, len(self.samples.y), self.steps_an_epoch
        order = np.full((n_epochs, steps * batch_rows), -1)
        order[:, :n_samples] = np.arange(n_samples)
        if self.hyperparameters.shuffle:
            self._streams.order.permuted(order[:, :n_samples], axis=1, out=order[:, :n_samples])
        size = (n_epochs * steps, 2)
        seeds = self._streams.dropout.integers(2**31, size=size) if self.program.spec.dropout else np.zeros(size, int)
        return order.reshape(-1, batch_rows), seeds

    def _run_steps(self, order: np.ndarray, seeds: np.ndarray, observers: Sequence[Observer]) -> np.ndarray:
        """Run one step for each row of ``order``.

        Return the program's figures and the weight of all samples of each, shape (steps, n_figures + 1).
        """
        block_steps = 1 if observers else self.program.spec.block_steps
        results = []
        sums, total_weight = np.zeros(len(self.program.spec.network.figures)), 0.0
        for start in range(0, len(order), block_steps):
            for observer in observers:
                observer.step_begin(start)
            rows = order[start : start + block_steps]
            weight = np.where(rows < 0, 0, self.samples.weight[rows])
            block = _gather(self.samples.X, rows), self.samples.y.take(rows, axis=0), weight
            figures = self.program.run(*block, seeds[start : start + block_steps])
            totals = weight.sum(axis=1, dtype=float)
            results.append(np.column_stack([figures, totals]))
            sums += [figures[:, 0] @ totals, *figures[:, 1:].sum(axis=0)]
            total_weight += totals.sum()
            for observer in observers:
                means = self._means(sums, total_weight)
                observer.step_end(start, {name: float(mean) for name, mean in means.items()})
            if self.stopped or self.interrupted:
                break
        return np.concatenate(results)

    def end(self, observers: Sequence[Observer]) -> TrainingResult:
        """Call the observers for the last time; return the result."""
        program = self.program
        last, final = program.weights, self.best_weights or self.final_weights()
        if observers:
            program.state = final_state = [
                *(np.asarray(mine, theirs.dtype) for mine, theirs in zip(final, last, strict=True)),
                *program.optimizer_state,
            ]
            for observer in observers:
                observer.train_end()
            if not _equal(program.weights, final_state[: len(last)]):
                last = program.weights
                final = self._in_data_dtype(last)
        return self._result(last, final)

    def final_weights(self) -> list[np.ndarray]:
        """Return the weights of a training that ends here, in the dtype of X."""
        return self._in_data_dtype(self.program.final_weights)

    def _in_data_dtype(self, weights: list[np.ndarray]) -> list[np.ndarray]:
        return [array.astype(self.samples.X.dtype, copy=False) for array in weights]

    def result(self) -> TrainingResult:
        """Return the result of a training that ends here."""
        return self._result(self.program.weights, self.best_weights or self.final_weights())

    def _result(self, last: list[np.ndarray], weights: list[np.ndarray]) -> TrainingResult:
        if not all(np.isfinite(array).all() for array in (*last, *weights)):
            raise _diverged(self.epoch)
        n_epochs = self.epoch
        # An epoch without validation has no figures of it
        history = {name: values + [math.nan] * (n_epochs - len(values)) for name, values in self.history.items()}
        checkpoint: Checkpoint = {
            "weights": None if _equal(last, weights) else last,
            "optimizer": self.program.spec.optimizer.cls.__name__,
            "optimizer_state": self.program.optimizer_state,
            "learning_rate": self.hyperparameters.learning_rate,
            "streams": self._streams.states(),
        }
        return TrainingResult(weights, history, checkpoint, self.interrupted)


def _gather(X: Any, rows: np.ndarray) -> np.ndarray:
    """Return samples (steps, batch_rows, n_features), dense; row -1 is any sample, for its weight is 0."""
    if sparse.issparse(X):
        return X[rows.ravel()].toarray().reshape(*rows.shape, X.shape[1])
    return X.take(rows, axis=0)


def _equal(arrays: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return all(np.array_equal(array, other) for array, other in zip(arrays, others, strict=True))


def _diverged(n_epochs: int) -> ValueError:
    return ValueError(
        f"Training met a non-finite loss or non-finite weights within {n_epochs} epochs. Scale the inputs, for "
        "instance with sklearn.preprocessing.StandardScaler, or lower learning_rate."
    )


@contextmanager
def _first_interrupt_waits(training: Training) -> Iterator[None]:
    """Let the first Ctrl-C wait for the end of a block, so that what was learned is whole; the next interrupts Python.

    Only where Python's own handler would take it: on the main thread, and where the caller has none.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return

    def wait(*_: Any) -> None:
        training.interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, wait)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is wait:
            signal.signal(signal.SIGINT, signal.default_int_handler)
