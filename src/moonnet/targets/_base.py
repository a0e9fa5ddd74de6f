"""The interface of targets."""

from abc import ABC, abstractmethod
from typing import Self

import numpy as np


class BaseTargets(ABC):
    """Encode y in the form that a network is trained on."""

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """The number of outputs that the network needs."""

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
