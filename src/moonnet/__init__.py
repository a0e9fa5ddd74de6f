"""moonnet: a small Keras network with scikit-learn's manners."""

from moonnet._classifier import KerasMoonClassifier

__version__ = "0.1.0"

__all__ = ["KerasMoonClassifier", "__version__"]
