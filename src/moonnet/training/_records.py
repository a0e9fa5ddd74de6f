"""What an estimator passes to a training, and what it receives. This module imports no engine."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypedDict

import numpy as np

from moonnet.networks import State


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples in the form that a network is trained on: floats of one dtype."""

    X: Any  # (n_samples, n_features), an array or a CSR array or matrix
    y: np.ndarray  # (n_samples, n_outputs)
    weight: np.ndarray  # (n_samples,), positive


@dataclass(frozen=True)
class ProgramParameters:
    """Hyperparameters that are passed to a compiled program, so that changing them requires no new compilation."""

    learning_rate: float | None  # None if it is compiled: a schedule, or an optimizer that wraps others
    l2: float
    dropout: float
    loss_parameter: float


@dataclass(frozen=True)
class LoopSettings:
    """What the loop around the program does."""

    epochs: int
    shuffle: bool
    loss_scale: float  # factor from the loss in training to the reported loss


class Hyperparameters(NamedTuple):
    """What a training receives beside its samples."""

    program: ProgramParameters
    loop: LoopSettings


class RandomStreams(NamedTuple):
    """Independent random streams of a training: dropout, for example, does not change the order of the samples."""

    weights: np.random.Generator
    order: np.random.Generator
    dropout: np.random.Generator
    split_seed: int  # a seed, so that all fits of a warm start hold out the same samples

    @classmethod
    def spawn(cls, entropy: Any) -> Self:
        """Return independent streams; with ``entropy`` None, the operating system provides the entropy."""
        *seeds, split = np.random.SeedSequence(entropy).spawn(4)
        weights, order, dropout = map(np.random.default_rng, seeds)
        return cls(weights, order, dropout, int(split.generate_state(1)[0]))

    @classmethod
    def resume(cls, states: dict[str, Any]) -> Self:
        """Return streams with these states."""

        def generator(name: str) -> np.random.Generator:
            bit_generator = np.random.PCG64(0)  # the bit generator of default_rng; the state replaces the seed
            bit_generator.state = states[name]
            return np.random.Generator(bit_generator)

        return cls(generator("weights"), generator("order"), generator("dropout"), states["split"])

    def states(self) -> dict[str, Any]:
        """Return the states as plain values."""
        generators = {name: getattr(self, name).bit_generator.state for name in ("weights", "order", "dropout")}
        return generators | {"split": self.split_seed}


class Checkpoint(TypedDict):
    """Arrays and plain values that a training needs, besides its weights, to resume exactly, also in a new process."""

    weights: list[np.ndarray] | None  # the trainable arrays of the last step; None if its state is that of the result
    others: list[np.ndarray]  # the other arrays of the last step, if weights is not None
    optimizer: str
    optimizer_state: list[np.ndarray]
    learning_rate: float | None  # the parameter's value; callbacks may have changed the optimizer's learning rate
    streams: dict[str, Any]


@dataclass(frozen=True, eq=False)
class BestEpoch:
    """The epoch with the best validation score, whose state the result has."""

    state: State
    number: int  # counted from 1 over all fits of a warm start
    score: float  # greater is better


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """The trained network, and the checkpoint from which the training can resume."""

    state: State  # in the dtype of X, unless layers have dtypes of their own
    history: dict[str, list[float]]
    checkpoint: Checkpoint
    best_epoch: int | None = None  # number and score of the BestEpoch; None without early stopping
    best_score: float | None = None
    interrupted: bool = False  # whether Ctrl-C ended the training
