"""What a network is trained to minimise.

Keras provides all of these losses except the pinball loss, but on JAX it averages in float32. These objects average
themselves, in the dtype of their arguments.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np


class Loss(ABC):
    """A loss of outputs, which are those of the network's last layer before its activation.

    Arrays have shape (n_samples, n_outputs). Those of NumPy may have further leading axes, for example one for several
    networks; the results then have them, too. ``keras`` is the module, which the caller imports.
    """

    name: ClassVar[str]
    output_activation: ClassVar[str] = "linear"  # Keras's name; turns outputs into predictions
    metric_names: ClassVar[tuple[str, ...]] = ("loss",)  # what a training computes in each step
    has_independent_samples: ClassVar[bool] = True  # whether the loss of a sample does not depend on others
    outputs_per_target: ClassVar[int] = 1  # how many outputs belong to a column of y
    needs_keras: ClassVar[bool] = False  # whether sample_losses runs in Keras, in the scope of a program

    @abstractmethod
    def sample_losses(self, y: np.ndarray, outputs: np.ndarray, parameter: float) -> np.ndarray:
        """Return the loss of each sample, shape (n_samples,)."""

    @abstractmethod
    def keras_sample_losses(self, keras: Any, y: Any, outputs: Any, parameter: Any) -> Any:
        """Return the loss of each sample of tensors, shape (n_samples,)."""

    def sample_metrics(self, y: np.ndarray, outputs: np.ndarray) -> dict[str, np.ndarray]:
        """Return the other metrics by name, each with a value per sample."""
        return {}

    def keras_sample_metrics(self, keras: Any, y: Any, outputs: Any) -> list[Any]:
        """Return the other metrics of tensors, each with a value per sample."""
        return []

    def keras_link(self, keras: Any, n_outputs: int, dtype: str) -> Any:
        """Return a layer from outputs to predictions, or None if ``output_activation`` is all that these need."""
        return None

    def keras_loss(self, losses: Any, parameter: Any) -> Any:
        """Return the loss to pass to ``Model.compile``; ``losses`` is the module ``moonnet.losses``."""
        return self.name

    def keras_metrics(self, keras: Any, n_outputs: int) -> list[Any]:
        """Return the metrics to pass to ``Model.compile``."""
        return []


@dataclass(frozen=True, eq=False)
class Objective:
    """What a fit minimises: a loss, and how the unit of training and the unit of y are related."""

    loss: Loss
    parameter: float = 0.0  # of the loss in training
    scale: float = 1.0  # factor from the loss in training to the reported loss
    # Of a model that predicts in the unit of y: the parameter of its loss, and the mean square of its outputs' factors
    model_parameter: Any = None
    squared_output_unit: float = 1.0
    # Factor and offset from predictions in training to the unit of y; None if the units are equal
    rescaling: tuple[Any, Any] | None = None
