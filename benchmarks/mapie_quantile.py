"""A network of several quantiles as MAPIE takes it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin


class Quantile(RegressorMixin, BaseEstimator):
    """One quantile of a fitted network, because MAPIE takes an estimator for each."""

    def __init__(self, predict_quantiles: Callable[[Any], np.ndarray], index: int) -> None:
        self.predict_quantiles = predict_quantiles
        self.index = index

    def fit(self, X: Any, y: Any) -> "Quantile":
        return self  # MAPIE asks for the method, and does not call it

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> np.ndarray:
        return self.predict_quantiles(X)[:, self.index]
