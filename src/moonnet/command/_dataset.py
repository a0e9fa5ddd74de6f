"""The data of a run, split into samples to train on and held-out samples."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Dataset:
    """Training samples, held-out samples and their names."""

    X_train: Any  # (n_samples, n_features), an array or a dataframe
    y_train: np.ndarray  # (n_samples,)
    X_test: Any
    y_test: np.ndarray
    feature_names: list[str]
    X_example: Any  # (1, n_features), the sample whose prediction is printed
    is_regression: bool = False
    target: str = "y"

    @property
    def is_dataframe(self) -> bool:
        """Whether the samples are rows of a dataframe."""
        return hasattr(self.X_train, "columns")
