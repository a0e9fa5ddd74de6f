"""The base class of encoders that convert each column by itself."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data


class ColumnEncoder(OneToOneFeatureMixin, TransformerMixin, BaseEstimator, ABC):
    """Base class of transformers that convert each column by itself and learn nothing from X."""

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check that the columns can be converted.

        Parameters
        ----------
        X : dataframe or array-like of shape (n_samples, n_features)
            The columns.

        y : None
            Ignored.

        Returns
        -------
        self : estimator instance
            The transformer. It stores only the number and the names of the columns.

        Raises
        ------
        ValueError
            If a column contains a value that cannot be converted, for example text in another format.

        See Also
        --------
        transform : Convert the columns.
        """
        self._encode(X, reset=True)
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Convert the columns.

        Parameters
        ----------
        X : dataframe or array-like of shape (n_samples, n_features)
            The columns, as in :meth:`fit`.

        Returns
        -------
        converted : ndarray of shape (n_samples, n_features)
            The values.

        Raises
        ------
        ValueError
            If a column contains a value that cannot be converted, for example text in another format.

        sklearn.exceptions.NotFittedError
            If the transformer is not fitted.

        See Also
        --------
        fit : Check that the columns can be converted.
        """
        check_is_fitted(self)
        return self._encode(X, reset=False)

    def _encode(self, X: Any, *, reset: bool) -> np.ndarray:
        cells = validate_data(self, X, dtype=None, ensure_all_finite="allow-nan", reset=reset)
        return np.column_stack([self._encode_column(column) for column in cells.T])

    @abstractmethod
    def _encode_column(self, column: np.ndarray) -> np.ndarray:
        """Return the cells of a column as floats, NaN if missing. Raises ValueError."""

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether fit has been called."""
        return hasattr(self, "n_features_in_")
