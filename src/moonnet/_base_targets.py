"""What y is to a network: the contract between an estimator's targets, their training and its figures."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np


class BaseTargets(ABC):
    """How y becomes what the network is trained on, and how the network's outputs are judged by it.

    Outputs are those of the last layer before its activation, shape (n_samples, n_outputs).
    """

    random_biases: ClassVar[bool] = False  # whether a network that learns them begins with biases other than 0

    @property
    def loss_unit(self) -> float:
        """A loss of 1 in training, in the unit in which the user reads it."""
        return 1.0

    @property
    def loss_parameter(self) -> float:
        """A number that the loss depends on, in training."""
        return 0.0

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Units of the output layer."""

    @property
    @abstractmethod
    def loss(self) -> str:
        """The name of the loss that is trained with."""

    @abstractmethod
    def check(self, y: np.ndarray, name: str = "y") -> None:
        """Raise ValueError if y, the argument ``name``, is of another kind."""

    def strata(self, y: np.ndarray) -> np.ndarray | None:
        """Return the labels by which samples are held out in proportion; None where there are none."""
        return None

    def fitted(self, y: np.ndarray, weight: np.ndarray, dtype: np.dtype) -> Self:
        """Return these targets with what the samples to train on, in ``dtype``, tell of them."""
        return self

    @abstractmethod
    def encode(self, y: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return what the network is trained on, shape (n_samples, n_outputs)."""

    @abstractmethod
    def losses(self, outputs: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        """Return each sample's loss, a mean over its outputs, shape (n_samples,)."""

    @property
    def rescaling(self) -> tuple[Any, Any] | None:
        """Factor and offset that bring a training's predictions into the user's unit; None where they are."""
        return None

    @property
    def model_parameter(self) -> Any:
        """The loss's parameter where predictions are in the user's unit."""
        return self.loss_parameter

    def penalties(self, l2: float, n_layers: int) -> list[float]:
        """Return each layer's factor of the L2 penalty beside a loss in the user's unit."""
        return [l2] * n_layers

    def metrics(self, outputs: np.ndarray, encoded: np.ndarray) -> dict[str, np.ndarray]:
        """Return what else a history holds: name -> a value for each sample, shape (n_samples,)."""
        return {}


# From weights of samples to weights that respect their targets too, both of shape (n_samples,)
Balance = Callable[[np.ndarray], np.ndarray]


def effective_weights(sample_weight: np.ndarray, balance: Balance | None, dtype: Any) -> np.ndarray:
    """Return each sample's weight, shape (n_samples,), scaled to a largest one between 1 and 2.

    A batch divides its weights by their sum, so that their scale is free: this one neither overflows nor underflows in
    ``dtype``, and a power of two changes no bit. Weights too small beside the largest to be told from 0 are 0.
    """
    weights = np.ldexp(sample_weight, -np.frexp(sample_weight.max())[1])
    if balance is not None:
        weights = balance(weights)
    weights = np.ldexp(weights, 1 - np.frexp(weights.max())[1]).astype(dtype)
    weights[weights < np.finfo(dtype).tiny] = 0  # subnormal numbers, which compiled code takes for 0
    return weights
