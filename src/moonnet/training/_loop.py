"""The training loop over epochs and blocks of batches, and the base class of its observers.

The loop draws the order of the samples, gathers shuffled batches into blocks and passes each block to a compiled
program. Between blocks, observers may inspect the training, change it or stop it.
"""

import math
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from moonnet.networks import State, equal_arrays
from moonnet.training._compiled_program import compiled_program
from moonnet.training._program_spec import ProgramSpec
from moonnet.training._program_state import ProgramState
from moonnet.training._records import (
    BestEpoch,
    Checkpoint,
    Hyperparameters,
    RandomStreams,
    Samples,
    TrainingResult,
)

# Batch sizes up to this one are never reduced to the number of samples, so that cross-validation folds of unequal size
# share a program.
_SMALL_BATCH = 256


class Observer:
    """Base class of observers, which follow a training and may change or stop it. All hooks do nothing by default."""

    has_step_hooks = False  # whether to call step_begin and step_end, which requires one block per step

    def epochs_per_block(self) -> float:
        """Return how many epochs the next block may hold; the observer can stop the training after the last one only.

        With more than one, ``epoch_end`` runs for each epoch, but after the block: use ``Training.block_states``
        there, because ``final_state`` and ``result`` are those of the block's last epoch.
        """
        return 1

    def train_begin(self, training: "Training") -> None:
        """Run before the first epoch."""

    def epoch_begin(self, epoch: int) -> None:
        """Run before an epoch, counted from 0 over all fits of a warm start."""

    def step_begin(self, step: int) -> None:
        """Run before a step, counted from 0 in each epoch."""

    def step_end(self, step: int, logs: dict[str, float]) -> None:
        """Run after a step; ``logs`` are means over the epoch's steps so far."""

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Run after an epoch; an observer may add to ``logs``, which later observers receive."""

    def train_end(self) -> None:
        """Run after the last epoch, when the program holds the weights of the result."""

    def close(self) -> None:
        """Run last, also after an error."""


def compiled_batch_size(batch_size: int, n_samples: int, *, may_pad: bool = True) -> int:
    """Return the batch size to compile: a large one is reduced if there are few samples, to save padding."""
    if not may_pad:
        return min(batch_size, n_samples)
    return min(batch_size, max(_SMALL_BATCH, 2 ** (n_samples - 1).bit_length()))


def train(
    spec: ProgramSpec,
    samples: Samples,
    hyperparameters: Hyperparameters,
    streams: RandomStreams,
    previous: TrainingResult | None = None,
    observers: Sequence[Observer] = (),
) -> TrainingResult:
    """Train a new network, or resume the training of ``previous``.

    Ctrl-C ends the training after the current block, or after the epoch for which observers are called. During
    compilation, it raises KeyboardInterrupt as soon as the program is compiled: an exception at any moment could leave
    Keras or the engine in an undefined state.
    """
    with _defer_first_interrupt() as interrupt, ExitStack() as cleanup:
        program = ProgramState(compiled_program(spec))
        if interrupt.received:
            raise KeyboardInterrupt
        for observer in observers:
            cleanup.callback(observer.close)
        training = Training(program, samples, hyperparameters, streams, previous, interrupt)
        for observer in observers:
            observer.train_begin(training)
        try:
            training.run(observers)
        except KeyboardInterrupt:
            training.interrupted = True
        return training.end(observers)


class _Block(NamedTuple):
    """A block of epochs, and the state before it."""

    epochs: range
    program_state: list[Any]
    stream_states: dict[str, Any]


@dataclass
class _Interrupt:
    """Whether Ctrl-C was received."""

    received: bool = False


class Training:
    """A training in progress, which observers may inspect, change and stop."""

    def __init__(
        self,
        program: ProgramState,
        samples: Samples,
        hyperparameters: Hyperparameters,
        streams: RandomStreams,
        previous: TrainingResult | None,
        interrupt: _Interrupt,
    ) -> None:
        self.program = program
        self._network = program.spec.network
        self.samples = samples
        self.parameters, self.settings = hyperparameters
        self.stopped = False  # set by an observer
        self._interrupt = interrupt
        self.best: BestEpoch | None = None  # set by an observer; the result has these weights
        self._streams = streams
        history = previous.history if previous else dict.fromkeys(program.spec.loss.metric_names, ())
        self.history = {name: list(values) for name, values in history.items()}
        self.first_epoch = self.epoch
        self.last_epoch = self.epoch + self.settings.epochs
        self._load_program(previous)
        self._block = self._begin_block(0)

    def _load_program(self, previous: TrainingResult | None) -> None:
        """Load the initial state into the program; the optimizer resumes if it is the one of the previous fit."""
        spec = self.program.spec
        learning_rate, optimizer_state = self.parameters.learning_rate, None
        if previous is None:
            with spec.scope():  # a layer may need Keras for its first values
                state = spec.network.initial_state(self._streams.weights, spec.dtype)
        else:
            state, checkpoint = previous.state, previous.checkpoint
            is_same_optimizer = checkpoint["optimizer"] == spec.optimizer.name
            if is_same_optimizer and self.program.is_compatible(checkpoint["optimizer_state"]):
                optimizer_state = checkpoint["optimizer_state"]
                if checkpoint["weights"]:
                    state = State(checkpoint["weights"], checkpoint.get("others", []))
                # An unchanged parameter leaves the learning rate that callbacks may have set
                learning_rate = None if learning_rate == checkpoint["learning_rate"] else learning_rate
        self.program.load(state, optimizer_state, replace(self.parameters, learning_rate=learning_rate))

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ends the training."""
        return self._interrupt.received

    @interrupted.setter
    def interrupted(self, value: bool) -> None:
        self._interrupt.received = value

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches in the samples, including an incomplete last one."""
        return -(-len(self.samples.y) // self.program.spec.batch_size)

    @property
    def _n_incomplete(self) -> int:
        """The number of samples in an incomplete last batch of each epoch that must not be padded, else 0."""
        spec = self.program.spec
        return 0 if spec.may_pad else len(self.samples.y) % spec.batch_size

    @property
    def epoch(self) -> int:
        """The number of completed epochs, including those of earlier fits."""
        return len(self.history["loss"])

    def record(self, epoch: int, metrics: dict[str, float]) -> None:
        """Add an epoch's metrics to the history, with NaN for earlier epochs without these metrics."""
        for name, value in metrics.items():
            values = self.history.setdefault(name, [])
            values += [math.nan] * (epoch - len(values)) + [value]

    def skip_epochs(self, epoch: int) -> None:
        """Begin with this epoch, whose initial state an observer has restored; the skipped ones are NaN in the history.

        The later epochs get the same random numbers as if the earlier ones had run.
        """
        while self.epoch < epoch:
            self._draw_batches(1)
            for name in self.program.spec.loss.metric_names:
                self.history[name].append(math.nan)
        self.first_epoch = self.epoch
        self.last_epoch = max(self.last_epoch, self.epoch)

    def run(self, observers: Sequence[Observer]) -> None:
        """Train until all epochs are completed, or until an observer or Ctrl-C stops the training."""
        while self.epoch < self.last_epoch and not (self.stopped or self.interrupted):
            self._run_epochs(self._epochs_per_block(observers), observers)

    def _epochs_per_block(self, observers: Sequence[Observer]) -> int:
        """Return the number of epochs of the next block; an epoch may also be longer than a block."""
        n_epochs = self.program.spec.steps_per_block // self.steps_per_epoch
        if self._n_incomplete:
            n_epochs = 1
        if observers:
            wishes = [observer.epochs_per_block() for observer in observers]
            n_epochs = int(min(n_epochs, self.program.max_recorded_epochs, *wishes))
        return min(max(1, n_epochs), self.last_epoch - self.epoch)

    def _run_epochs(self, n_epochs: int, observers: Sequence[Observer]) -> None:
        """Run and record some epochs; undo them if Ctrl-C cuts them short."""
        self._block = self._begin_block(n_epochs)
        epochs = self._block.epochs
        try:
            for epoch in epochs:
                for observer in observers:
                    observer.epoch_begin(epoch)
            batches, seeds = self._draw_batches(n_epochs)
            step_observers = [observer for observer in observers if observer.has_step_hooks]
            results = self._run_steps(batches, seeds, step_observers, n_epochs if observers else 1)
            is_incomplete = self.interrupted and len(results) < len(batches)
        except KeyboardInterrupt:
            self.interrupted = is_incomplete = True
        if is_incomplete:
            self._undo_block()
        elif observers:
            self._observe_epochs(epochs, results, observers)
        elif np.isfinite(results).all():
            for name, values in self._epoch_means(results, n_epochs).items():
                self.history[name] += values
        else:
            raise _divergence_error(epochs.stop)

    def _observe_epochs(self, epochs: range, results: np.ndarray, observers: Sequence[Observer]) -> None:
        """Record the epochs of a block one by one, and call the observers for each, until the training is stopped."""
        are_finite = np.isfinite(results).reshape(len(epochs), -1).all(axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            means = self._epoch_means(results, len(epochs))
        for index, epoch in enumerate(epochs):
            if not are_finite[index]:
                raise _divergence_error(epoch + 1)
            logs = {name: values[index] for name, values in means.items()}
            for name, value in logs.items():
                self.history[name].append(value)
            for observer in observers:
                observer.epoch_end(epoch, logs)
            if self.stopped or self.interrupted:
                break

    def _begin_block(self, n_epochs: int) -> _Block:
        """Return a block of epochs that starts now."""
        epochs = range(self.epoch, self.epoch + n_epochs)
        return _Block(epochs, self.program.snapshot(), self._streams.states())

    def _undo_block(self) -> None:
        """Return to the state before the last block."""
        self.program.restore(self._block.program_state)
        self._streams = RandomStreams.resume(self._block.stream_states)
        self._block = self._begin_block(0)

    def _drop_unrecorded_epochs(self) -> None:
        """Return to the state after the last recorded epoch, if Ctrl-C came before all of its block were recorded."""
        if self.epoch < self._block.epochs.stop:
            n_epochs = self.epoch - self._block.epochs.start
            self._undo_block()
            if n_epochs:
                self._run_steps(*self._draw_batches(n_epochs))

    def _epoch_means(self, results: np.ndarray, n_epochs: int) -> dict[str, list[float]]:
        """Return the loss and the metrics of each epoch by name."""
        # Each (n_epochs, steps), and contiguous: NumPy's order of summation, and so the last bit, depends on that
        losses, *metric_sums, weights = np.ascontiguousarray(
            results.reshape(n_epochs, -1, results.shape[1]).transpose(2, 0, 1)
        )
        sums = [(losses * weights).sum(axis=1), *(values.sum(axis=1) for values in metric_sums)]
        means = self._weighted_means(sums, weights.sum(axis=1))
        return {name: values.tolist() for name, values in means.items()}

    def _weighted_means(self, sums: Iterable[Any], total_weight: Any) -> dict[str, Any]:
        """Return the loss and the metrics by name, from their weighted sums over some steps."""
        means = [weighted_sum / total_weight for weighted_sum in sums]
        means[0] = self.settings.loss_scale * means[0]
        return dict(zip(self.program.spec.loss.metric_names, means, strict=True))

    def _draw_batches(self, n_epochs: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices of each step's samples (steps, batch_size) and the dropout seeds (steps, 2).

        Padding has index -1. Drawing several epochs at once gives the same numbers as drawing them one by one.
        """
        batch_size, n_samples = self.program.spec.batch_size, len(self.samples.y)
        n_steps = self.steps_per_epoch
        order = np.full((n_epochs, n_steps * batch_size), -1)
        order[:, :n_samples] = np.arange(n_samples)
        if self.settings.shuffle:
            self._streams.order.permuted(order[:, :n_samples], axis=1, out=order[:, :n_samples])
        size = (n_epochs * n_steps, 2)
        seeds = self._streams.dropout.integers(2**31, size=size) if self.program.spec.dropout else np.zeros(size, int)
        return order.reshape(-1, batch_size), seeds

    def _run_steps(
        self, batches: np.ndarray, seeds: np.ndarray, observers: Sequence[Observer] = (), n_recorded_epochs: int = 1
    ) -> np.ndarray:
        """Run one step for each row of ``batches``, or fewer if the training is stopped.

        With ``n_recorded_epochs`` above 1, all steps must fit into one block.

        Return the program's results and the total sample weight of each step, shape (steps, n_metrics + 1).
        """
        results = []
        n_incomplete = self._n_incomplete
        sums, total_weight = np.zeros(len(self.program.spec.loss.metric_names)), 0.0
        for start, stop in self._blocks(len(batches), 1 if observers else self.program.spec.steps_per_block):
            for observer in observers:
                observer.step_begin(start)
            rows = batches[start:stop]
            if n_incomplete and stop % self.steps_per_epoch == 0:
                rows = rows[:, :n_incomplete]
            weight = np.where(rows < 0, 0, self.samples.weight[rows])
            block = _gather_samples(self.samples.X, rows), self.samples.y.take(rows, axis=0), weight
            metrics = self.program.run(*block, seeds[start:stop], n_recorded_epochs)
            batch_weights = weight.sum(axis=1, dtype=float)
            results.append(np.column_stack([metrics, batch_weights]))
            if observers:
                sums += [metrics[:, 0] @ batch_weights, *metrics[:, 1:].sum(axis=0)]
                total_weight += batch_weights.sum()
            for observer in observers:
                means = self._weighted_means(sums, total_weight)
                observer.step_end(start, {name: float(mean) for name, mean in means.items()})
            if self.stopped or self.interrupted:
                break
        return np.concatenate(results)

    def _blocks(self, n_steps: int, steps_per_block: int) -> Iterator[tuple[int, int]]:
        """Yield the first step and the end of each block; an incomplete batch that must not be padded has its own."""
        start, has_incomplete = 0, self._n_incomplete > 0
        while start < n_steps:
            stop = min(start + steps_per_block, n_steps)
            if has_incomplete:
                last = start - start % self.steps_per_epoch + self.steps_per_epoch - 1  # the last step of the epoch
                stop = min(stop, last) if start < last else last + 1
            yield start, stop
            start = stop

    def end(self, observers: Sequence[Observer]) -> TrainingResult:
        """Call train_end of the observers, which may change the weights, and return the result."""
        self._drop_unrecorded_epochs()
        program = self.program
        last, final = program.network_state, self.final_state() if self.best is None else self.best.state
        if observers:
            arrays = [np.asarray(a, stored.dtype) for a, stored in zip(final.arrays, last.arrays, strict=True)]
            program.state = [*arrays, *program.optimizer_state]
            for observer in observers:
                observer.train_end()
            if not equal_arrays(program.network_state.arrays, arrays):
                last = program.network_state
                final = self._network.fitted_state(last, self.samples.X.dtype)
        return self._result(last, final)

    def block_states(self) -> tuple[range, State]:
        """Return the epochs of the last block, and the stacked states that predict if training ends after each one.

        They are in the dtype of X, unless layers have dtypes of their own.
        """
        epochs = self._block.epochs
        if len(epochs) == 1:
            return epochs, self.final_state().stack()
        return epochs, self._network.fitted_state(self.program.recorded_states(len(epochs)), self.samples.X.dtype)

    def final_state(self) -> State:
        """Return the state that predicts if the training ends now, in the dtypes of ``block_states``."""
        return self._network.fitted_state(self.program.final_state, self.samples.X.dtype)

    def result(self) -> TrainingResult:
        """Return the result if the training ends now."""
        state = self.final_state() if self.best is None else self.best.state
        return self._result(self.program.network_state, state)

    def _result(self, last: State, state: State) -> TrainingResult:
        """Return the result with this state; ``last`` is the network's after the last step."""
        is_last = last.equals(state)
        if not (state.is_finite() and (is_last or last.is_finite())):
            raise _divergence_error(self.epoch)
        n_epochs = self.epoch
        # NaN for epochs without a validation set
        history = {name: values + [math.nan] * (n_epochs - len(values)) for name, values in self.history.items()}
        checkpoint: Checkpoint = {
            "weights": None if is_last else last.trainable,
            "others": [] if is_last else last.others,
            "optimizer": self.program.spec.optimizer.name,
            "optimizer_state": self.program.optimizer_state,
            "learning_rate": self.parameters.learning_rate,
            "streams": self._streams.states(),
        }
        best_epoch, best_score = (None, None) if self.best is None else (self.best.number, self.best.score)
        return TrainingResult(state, history, checkpoint, best_epoch, best_score, self.interrupted)


def _gather_samples(X: Any, rows: np.ndarray) -> np.ndarray:
    """Return dense samples, shape (steps, batch_size, n_features); row -1 is any sample, because its weight is 0."""
    if sparse.issparse(X):
        return X[rows.ravel()].toarray().reshape(*rows.shape, X.shape[1])
    return X.take(rows, axis=0)


def _divergence_error(n_epochs: int) -> ValueError:
    return ValueError(
        f"Training diverged: non-finite loss or non-finite weights within {n_epochs} epochs. Scale the inputs, for "
        "example with sklearn.preprocessing.StandardScaler, or lower learning_rate."
    )


@contextmanager
def _defer_first_interrupt() -> Iterator[_Interrupt]:
    """Record the first Ctrl-C; a second one raises KeyboardInterrupt at once.

    This applies only if Python's default handler would run: on the main thread, without a handler of the caller's own.
    """
    interrupt = _Interrupt()
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield interrupt
        return

    def record(*_: Any) -> None:
        interrupt.received = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, record)
    try:
        yield interrupt
    finally:
        if signal.getsignal(signal.SIGINT) is record:
            signal.signal(signal.SIGINT, signal.default_int_handler)
