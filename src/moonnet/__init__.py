"""moonnet: a small Keras network with scikit-learn's manners."""

from moonnet._classifier import KerasMoonClassifier
from moonnet._regressor import KerasMoonRegressor

__version__ = "0.1.0"

__all__ = ["KerasMoonClassifier", "KerasMoonRegressor", "__version__"]
