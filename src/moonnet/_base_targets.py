"""The interface between an estimator's targets and the training of its network."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

# Loss -> Keras activation that turns the network's outputs into predictions, unless it is "linear"
OUTPUT_ACTIVATIONS = {
    "binary_crossentropy": "sigmoid",
    "categorical_crossentropy": "softmax",
    "poisson": "exponential",
}


class BaseTargets(ABC):
    """Encode y for training, and compute losses and metrics from the network's outputs.

    Outputs are the values of the last layer before its activation, shape (n_samples, n_outputs).
    """

    random_biases: ClassVar[bool] = False  # whether a new network starts with random biases instead of 0

    @property
    def loss_scale(self) -> float:
        """The factor from the loss in training to the loss that users see."""
        return 1.0

    @property
    def loss_parameter(self) -> float:
        """The parameter of the loss in training, if it has one."""
        return 0.0

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """The number of units in the output layer."""

    @property
    @abstractmethod
    def loss(self) -> str:
        """The name of the loss that training minimises."""

    @abstractmethod
    def check(self, y: np.ndarray, name: str = "y") -> None:
        """Raise ValueError if y, the argument ``name``, is not compatible with these targets."""

    def stratify_labels(self, y: np.ndarray) -> np.ndarray | None:
        """Return the labels for a stratified split, or None if the split is not stratified."""
        return None

    def describe_absent_labels(self, y: np.ndarray) -> str:
        """Return the end of an error message about y, which lacks some labels; empty if it does not."""
        return ""

    def fit(self, y: np.ndarray, weight: np.ndarray, dtype: np.dtype) -> Self:
        """Return targets with statistics of the training samples; ``dtype`` is the dtype of training."""
        return self

    @abstractmethod
    def encode(self, y: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return y in the form that the network is trained on, shape (n_samples, n_outputs)."""

    @abstractmethod
    def losses(self, outputs: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        """Return the loss of each sample, a mean over its outputs, shape (n_samples,).

        Outputs may have further leading axes, for example one for several networks; the losses then have them, too.
        """

    @property
    def rescaling(self) -> tuple[Any, Any] | None:
        """Factor and offset that convert predictions in training to the unit of y; None if the units are equal."""
        return None

    @property
    def model_loss_parameter(self) -> Any:
        """The parameter of the loss of a model that predicts in the unit of y."""
        return self.loss_parameter

    def l2_factors(self, l2: float, n_layers: int) -> list[float]:
        """Return the L2 factor of each layer of a model that predicts in the unit of y."""
        return [l2] * n_layers

    def metrics(self, outputs: np.ndarray, encoded: np.ndarray) -> dict[str, np.ndarray]:
        """Return further metrics by name, each with a value per sample, in the shape of ``losses``."""
        return {}
