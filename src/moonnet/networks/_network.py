"""The interface of networks."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np


def equal_arrays(arrays: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    """Return whether two lists contain equal arrays."""
    return len(arrays) == len(others) and all(map(np.array_equal, arrays, others))


@dataclass(frozen=True, eq=False)
class State:
    """The arrays of a network, or those of several ones, stacked: then each array has a leading axis for them."""

    trainable: list[np.ndarray]
    others: list[np.ndarray] = field(default_factory=list)  # which a step changes without a gradient, such as means

    @property
    def arrays(self) -> list[np.ndarray]:
        """All arrays."""
        return [*self.trainable, *self.others]

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the output layer."""
        return self.trainable[-1].dtype

    def stack(self) -> Self:
        """Return the state as that of a single stacked network, without copying."""
        return type(self)(*([array[np.newaxis] for array in arrays] for arrays in (self.trainable, self.others)))

    def view_of(self, index: int) -> Self:
        """Return the state of one of several stacked networks, without copying."""
        return type(self)(*([array[index] for array in arrays] for arrays in (self.trainable, self.others)))

    def copy_of(self, index: int) -> Self:
        """Return a copy of the state of one of several stacked networks."""
        return type(self)(*([np.array(array[index]) for array in arrays] for arrays in (self.trainable, self.others)))

    def equals(self, other: Self) -> bool:
        """Return whether both have the same values in the same order."""
        return equal_arrays(self.arrays, other.arrays)

    def is_finite(self) -> bool:
        """Return whether no value is infinite or NaN."""
        return all(np.isfinite(array).all() for array in self.arrays)


@dataclass(frozen=True, eq=False)
class ModelOptions:
    """How to build the Keras model of a network."""

    dense: dict[str, Any]  # options of each Dense layer that is not a user's own
    output: dict[str, Any] | None = None  # those of the output layer, if they differ
    activation: Callable[[str], Any] = str  # converts the name of an activation for Keras
    dropout: Callable[..., Any] | None = None  # returns a layer to follow each hidden Dense layer
    link: Any = None  # a layer to follow the output layer, which turns outputs into predictions
    rescaling: Any = None  # a layer to follow both
    dtype: str | None = None  # of the input
    # Of a user's layers: Keras class -> the name by which Keras knows the class to take instead
    replacements: Mapping[str, str] = field(default_factory=dict)

    @property
    def output_layer(self) -> dict[str, Any]:
        """The options of the output layer."""
        return self.dense if self.output is None else self.output

    @property
    def last_layers(self) -> list[Any]:
        """The layers that follow the output layer."""
        return [layer for layer in (self.link, self.rescaling) if layer is not None]


class Network(ABC):
    """An architecture without its weights. It is frozen and hashable, because it is part of a compiled program's key.

    Outputs are raw: those of the last layer before its activation, shape (n_samples, n_outputs).
    """

    @property
    @abstractmethod
    def n_features(self) -> int:
        """The number of inputs."""

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """The number of outputs."""

    @property
    @abstractmethod
    def n_weights(self) -> int:
        """The number of elements in the trainable arrays."""

    @property
    @abstractmethod
    def n_layers(self) -> int:
        """The number of layers, including those of input and output."""

    @abstractmethod
    def describe(self) -> str:
        """Return what an error calls the network."""

    @property
    def has_independent_samples(self) -> bool:
        """Whether no sample of a batch changes what the others contribute to a step."""
        return True

    @property
    def predicts_in_numpy(self) -> bool:
        """Whether ``raw_predictions`` works; else the Keras model must predict."""
        return True

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the network as plain values, for a pickle."""

    def compute_dtype(self, default: str) -> str:
        """Return the dtype of the outputs, given that of networks whose layers do not choose their own."""
        return default

    @property
    def has_penalty(self) -> bool:
        """Whether layers have regularizers of their own."""
        return False

    def penalty(self, state: State) -> float:
        """Return what these regularizers add to the loss."""
        return 0.0

    @staticmethod
    def output_layer(trainable: Sequence[Any]) -> tuple[Any, Any]:
        """Return kernel and bias of the output layer, a Dense layer, from the trainable arrays."""
        kernel, bias = trainable[-2:]
        return kernel, bias

    def check_samples(self, X: Any) -> None:  # noqa: B027 (most networks take any finite numbers)
        """Raise ValueError if X, an array or in CSR format, has values that a layer cannot take."""

    @abstractmethod
    def initial_state(self, rng: np.random.Generator, dtype: str) -> State:
        """Return a state drawn from the generator, with which a training starts."""

    def fitted_state(self, state: State, dtype: np.dtype) -> State:
        """Return a trained state in the dtype that an estimator stores, given the dtype of X."""
        groups = ([a.astype(dtype, copy=False) for a in arrays] for arrays in (state.trainable, state.others))
        return State(*groups)

    @staticmethod
    def rescale(state: State, factor: np.ndarray | float, offset: np.ndarray | float) -> State:
        """Return the state of a network whose outputs are ``factor * outputs + offset``, up to rounding."""
        *hidden, kernel, bias = state.trainable
        dtype = kernel.dtype
        return State([*hidden, (kernel * factor).astype(dtype), (bias * factor + offset).astype(dtype)], state.others)

    @abstractmethod
    def raw_predictions(self, X: Any, state: State) -> np.ndarray:
        """Return the outputs for X, shape (n_samples, n_features), an array or in CSR format."""

    @abstractmethod
    def raw_predictions_of_each(self, X: Any, stacked: State) -> Iterator[np.ndarray]:
        """Yield the outputs of ``raw_predictions`` of stacked networks, bit for bit, in groups of networks.

        Outputs have shape (networks of a group, n_samples, n_outputs).
        """

    @abstractmethod
    def penalized(self, trainable: Sequence[Any]) -> Sequence[Any]:
        """Return those of the trainable arrays, of any library, whose squares the L2 penalty sums."""

    @staticmethod
    def other_variables(model: Any) -> list[Any]:
        """Return the variables of a model from ``build`` that stand for a state's other arrays."""
        return []

    @abstractmethod
    def build(self, options: ModelOptions) -> Any:
        """Return a new Keras model with this architecture."""
