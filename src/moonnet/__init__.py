"""Small dense Keras networks as scikit-learn estimators."""

from moonnet._classifier import KerasMoonClassifier
from moonnet._regressor import KerasMoonRegressor

__version__ = "0.1.0"

__all__ = ["KerasMoonClassifier", "KerasMoonRegressor", "__version__"]
