"""Keras losses of regressors' networks; import this module before Keras loads such a network from a file.

A :attr:`~moonnet.KerasMoonRegressor.model_` that was learned with ``loss="huber"`` or ``"pinball"`` is compiled with a
loss of this module: Keras has no pinball loss, and forgets the threshold of its Huber loss in files. Networks of other
losses need nothing of it, and neither does ``keras.saving.load_model(path, compile=False)``.

Importing this module imports Keras.
"""

from typing import Any

from moonnet._regression_losses import LOSSES
from moonnet.training._keras import keras


class _Loss(keras.losses.Loss):
    """A loss of ours: the mean over the outputs of a formula with one parameter."""

    formula: str
    parameter: str  # its name

    def __init__(self, value: Any, **options: Any) -> None:
        super().__init__(**options)
        self._value = value

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each sample, shape (n_samples,)."""
        y_pred = keras.ops.convert_to_tensor(y_pred)
        # Keras's own losses take one dimension for a column
        y_true = keras.ops.reshape(keras.ops.convert_to_tensor(y_true, y_pred.dtype), keras.ops.shape(y_pred))
        value = keras.ops.convert_to_tensor(self._value, y_pred.dtype)
        return keras.ops.mean(LOSSES[self.formula](keras.ops, y_true, y_pred, value), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the settings, from which Keras makes the loss anew."""
        return super().get_config() | {self.parameter: self._value}


@keras.saving.register_keras_serializable("moonnet")
class Pinball(_Loss):
    """The pinball loss: a network that minimises it predicts a quantile.

    Parameters
    ----------
    quantile : float
        The quantile to predict, in (0, 1).

    name : str, default="pinball"
        The loss's name in Keras.

    **options : dict
        Further arguments of ``keras.losses.Loss``.

    Examples
    --------
    >>> from moonnet.losses import Pinball
    >>> [round(float(Pinball(0.75)([[10.0]], [[predicted]])), 2) for predicted in (6.0, 14.0)]
    [3.0, 1.0]
    """

    formula, parameter = "pinball", "quantile"

    def __init__(self, quantile: float, name: str = "pinball", **options: Any) -> None:
        super().__init__(quantile, name=name, **options)


@keras.saving.register_keras_serializable("moonnet")
class Huber(_Loss):
    """Huber's loss: half the squared error up to a threshold, and linear beyond.

    Parameters
    ----------
    delta : float or list of float
        The threshold, positive, in y's unit; one for each output where there are several.

    name : str, default="huber"
        The loss's name in Keras.

    **options : dict
        Further arguments of ``keras.losses.Loss``.

    Examples
    --------
    >>> from moonnet.losses import Huber
    >>> [round(float(Huber(2.0)([[10.0]], [[predicted]])), 2) for predicted in (9.0, 0.0)]
    [0.5, 18.0]
    """

    formula, parameter = "huber", "delta"

    def __init__(self, delta: Any, name: str = "huber", **options: Any) -> None:
        super().__init__(delta, name=name, **options)
