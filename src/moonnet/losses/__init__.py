"""Losses: an object for each, and the Keras losses of the regressor's models.

Import ``Huber`` or ``Pinball`` before Keras loads a :attr:`~moonnet.KerasMoonRegressor.model_` of a regressor with
``loss="huber"`` or ``loss="pinball"`` from a file: Keras has no pinball loss, and its files do not store the threshold
of its Huber loss. Models with other losses do not need this, and neither does
``keras.saving.load_model(path, compile=False)``.

Importing one of the two imports Keras.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moonnet.losses._keras_losses import Huber, Pinball

__all__ = ["Huber", "Pinball"]


def __getattr__(name: str) -> Any:
    """Import Keras when a Keras loss is first used: predictions import this package, too."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from moonnet.losses import _keras_losses

    return getattr(_keras_losses, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
