"""Small dense Keras networks as scikit-learn estimators."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moonnet._classifier import KerasMoonClassifier
    from moonnet._regressor import KerasMoonRegressor
    from moonnet.networks import HiddenLayers

__version__ = "0.1.0"

__all__ = ["HiddenLayers", "KerasMoonClassifier", "KerasMoonRegressor", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the estimators when one is first used: the command prints its help without waiting for scikit-learn."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from moonnet._classifier import KerasMoonClassifier
    from moonnet._regressor import KerasMoonRegressor
    from moonnet.networks import HiddenLayers

    globals().update(
        HiddenLayers=HiddenLayers, KerasMoonClassifier=KerasMoonClassifier, KerasMoonRegressor=KerasMoonRegressor
    )
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
