"""The interface of engines: everything that differs between Keras backends in training."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

import numpy as np

Built = TypeVar("Built")

ArraySpec = tuple[tuple[int, ...], str]  # shape and dtype
Prediction = Callable[[Sequence[np.ndarray], Sequence[np.ndarray], np.ndarray], np.ndarray]


class BlockNumbers(NamedTuple):
    """The numbers that a compiled program receives with a block, in one array."""

    n_steps: Any
    steps_per_epoch: Any  # after which the trained arrays are recorded
    l2: Any  # None for a step without the penalty
    dropout: Any
    loss_parameter: Any

    @classmethod
    def of(cls, array: Any) -> Self:
        """Return the numbers in an array."""
        return cls(*(array[index] for index in range(len(cls._fields))))


@dataclass(frozen=True)
class LoopShapes:
    """The arrays that a compiled loop takes and returns."""

    numbers: ArraySpec  # of an array that holds the BlockNumbers
    block: list[ArraySpec]
    state: list[ArraySpec]
    n_recorded: int  # the arrays of the state, from the first, that are recorded at the end of each epoch


@dataclass(frozen=True)
class Loop(LoopShapes):
    """A loop of training steps over the rows of a block's arrays, to be compiled."""

    # (numbers, state, a row of each of the block's arrays) -> (new state, metrics)
    step: Callable[[BlockNumbers, list[Any], list[Any]], tuple[list[Any], list[Any]]]
    n_metrics: int
    max_epochs: int  # of a record
    variables: Sequence[Any]  # Keras variables that stand for the arrays of the state
    sums_weights: bool = False  # whether the optimizer adds up numbers over the weights, as for a norm


@dataclass(frozen=True)
class CompiledLoop:
    """A compiled loop, a function ``run(numbers, block, state) -> (metrics, records, state)``.

    ``numbers`` and ``block`` are NumPy arrays, ``state`` has those of NumPy or of an earlier result. The metrics have
    the shape (steps, n_metrics), and each record has the shape (epochs, *shape of the array); rows may follow for steps
    and epochs that did not run. Several threads may call the function at a time, although the step may assign to the
    Keras variables, whose values before a call must not matter.
    """

    run: Callable[..., tuple[Any, list[Any], list[Any]]]
    # Returns the files from which ``Engine.loop_from_files`` makes the loop; empty if there is nothing to store
    to_files: Callable[[], dict[str, bytes]] = dict


class LoopFiles(NamedTuple):
    """How an engine stores compiled loops on disk."""

    versions: str  # of the libraries that compile; others may not read the files, or compute something else
    names: tuple[str, ...]  # of the files of a loop, of which some may be missing


class Engine(ABC):
    """A Keras backend for training. Arrays are those of the backend unless annotated otherwise."""

    survives_fork: ClassVar[bool] = False  # whether a process that was forked after the import can train
    compiles_each_size: ClassVar[bool] = True  # whether a prediction is compiled for each number of rows

    @abstractmethod
    def device(self) -> Any:
        """Return the device of the caller's ``keras.device`` scope, else the CPU; equal devices compare equal.

        Raises ValueError if there is no such device, or within the scope of a strategy for several devices.
        """

    @abstractmethod
    def scope(self, device: Any, widest: str) -> AbstractContextManager[Any]:
        """Return the context in which programs are built and run.

        It selects a device (None: the default one), permits floats up to ``widest``, and is independent of the caller's
        settings and of a function that the caller traces.
        """

    @abstractmethod
    def check_not_traced(self, what: str) -> None:
        """Raise RuntimeError, which names the action ``what``, if the caller is tracing a function."""

    def build(
        self, build: Callable[[Sequence[Any]], tuple[Built, Sequence[Any]]], weights: Sequence[np.ndarray]
    ) -> tuple[Built, list[np.ndarray], Callable[[Sequence[np.ndarray]], list[np.ndarray]]]:
        """Create Keras objects without compiling each operation.

        ``build`` takes weights of a model, and returns the objects and some of their variables. The result is the
        objects for ``weights``, the values of the variables, and a function from other weights to the values that the
        variables then have. The objects' own values must not matter.
        """

        def values_of(variables: Sequence[Any]) -> list[np.ndarray]:
            return [np.array(self.read(variable)) for variable in variables]

        objects, variables = build(weights)
        return objects, values_of(variables), lambda weights: values_of(build(weights)[1])

    @abstractmethod
    def activation(self, name: str) -> Any:
        """Return the activation to pass to a Keras layer, which must compute in the dtype of its inputs."""

    def optimizer_class(self, cls: Any) -> Any:
        """Return the class of Keras optimizers to train with in place of this one."""
        return cls

    def constant(self, dtype: str, value: float) -> float:
        """Return a float of an optimizer's settings in a form with which Keras computes in ``dtype``."""
        return value

    def uniform(self, shape: Sequence[int], seed_generator: Any, dtype: str) -> Any:
        """Return random numbers in [0, 1) within a step, from the seeds of a Keras SeedGenerator."""
        from moonnet._keras import keras

        return keras.random.uniform(shape, seed=seed_generator, dtype=dtype)

    def dropout(self, inputs: Any, rate: float, noise_shape: Any, seed_generator: Any) -> Any:
        """Return what Keras's Dropout layer makes of its inputs in training, by the seeds of a SeedGenerator."""
        from moonnet._keras import keras

        return keras.random.dropout(inputs, rate, noise_shape=noise_shape, seed=seed_generator)

    @abstractmethod
    def gradients(self, function: Callable[[list[Any]], tuple[Any, Any]], arrays: list[Any]) -> tuple[list[Any], Any]:
        """Return the gradients of ``function`` with respect to each array, and its auxiliary result.

        ``function`` takes the arrays and returns a scalar and the auxiliary result.
        """

    @abstractmethod
    def apply(
        self, optimizer: Any, gradients: list[Any], trained: Sequence[Any], weights: list[Any], state: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Return the weights and the optimizer's state after an optimizer step, from those before.

        ``trained`` are the variables that stand for the weights.
        """

    @abstractmethod
    def compile(self, loop: Loop, device: Any) -> CompiledLoop:
        """Compile a loop."""

    def loop_files(self, device: Any) -> LoopFiles | None:
        """Return how compiled loops are stored on disk; None if they cannot be."""
        return None

    def loop_from_files(self, files: Mapping[str, bytes], shapes: LoopShapes, device: Any) -> CompiledLoop:
        """Return the loop of which ``to_files`` returned the files. Raises any exception if that is not possible."""
        raise NotImplementedError

    @abstractmethod
    def compile_prediction(self, model: Any, device: Any) -> Prediction:
        """Return what a Keras model with one input computes after its training: ``predict(trainable, others, X)``.

        ``trainable`` and ``others`` are the values of the model's trainable and non-trainable variables. The variables
        do not change, and their own values do not matter. X has the dtype of the model's input. All arrays are those of
        NumPy, and the function keeps none of them. Several threads may call it at a time.
        """

    def to_numpy(self, array: Any) -> np.ndarray:
        """Return an array of the engine or of NumPy as one of NumPy, without a copy if possible."""
        return np.asarray(array)

    @abstractmethod
    def read(self, variable: Any) -> np.ndarray:
        """Return the value of a Keras variable."""

    @abstractmethod
    def write(self, variable: Any, value: np.ndarray) -> None:
        """Assign a value of the same shape and dtype to a Keras variable."""


def float_dtypes(model: Any) -> set[str]:
    """Return the dtypes of the floats that a Keras model takes, holds and returns."""
    from moonnet._keras import keras

    dtypes = (
        keras.backend.standardize_dtype(array.dtype) for array in (*model.inputs, *model.variables, *model.outputs)
    )
    return {dtype for dtype in dtypes if "float" in dtype}
