"""The base class of encoders that convert each column by itself."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import validate_data


class ColumnEncoder(OneToOneFeatureMixin, TransformerMixin, BaseEstimator, ABC):
    """Base class of transformers that convert each column by itself and learn nothing from X."""

    def _encode(self, X: ArrayLike, *, reset: bool) -> np.ndarray:
        cells = validate_data(self, X, dtype=None, ensure_all_finite="allow-nan", reset=reset)
        return np.column_stack([self._encode_column(column) for column in cells.T])

    @abstractmethod
    def _encode_column(self, column: np.ndarray) -> np.ndarray:
        """Return the cells of a column as floats, NaN if missing. Raises ValueError."""

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether fit has been called."""
        return hasattr(self, "n_features_in_")
