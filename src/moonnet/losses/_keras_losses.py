"""Keras losses for the models of regressors, which Keras does not provide or does not store completely."""

from typing import Any

from moonnet._keras import keras
from moonnet.losses._regression import REGRESSION_LOSSES


class _ParametricLoss(keras.losses.Loss):
    """The mean over the outputs of a loss with one parameter."""

    formula: str  # a key of REGRESSION_LOSSES
    parameter: str  # the name of the parameter

    def __init__(self, value: Any, **options: Any) -> None:
        super().__init__(**options)
        self._value = value

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each sample, shape (n_samples,)."""
        y_pred = keras.ops.convert_to_tensor(y_pred)
        # One-dimensional y is a column, as in Keras's own losses
        y_true = keras.ops.reshape(keras.ops.convert_to_tensor(y_true, y_pred.dtype), keras.ops.shape(y_pred))
        return keras.ops.mean(self._losses(y_true, y_pred), axis=-1)

    def _losses(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each prediction."""
        value = keras.ops.convert_to_tensor(self._value, y_pred.dtype)
        return REGRESSION_LOSSES[self.formula]().elementwise(keras.ops, y_true, y_pred, value)

    def get_config(self) -> dict[str, Any]:
        """Return the settings from which Keras restores the loss."""
        return super().get_config() | {self.parameter: self._value}


@keras.saving.register_keras_serializable("moonnet")
class Pinball(_ParametricLoss):
    """Pinball loss, which is minimal for predictions of a quantile.

    Parameters
    ----------
    quantile : float or list of float
        The quantile to predict, in (0, 1), or several that the last axis of the predictions holds. The loss is then
        their mean.

    name : str, default="pinball"
        Name of the loss in Keras.

    **options : dict
        Further arguments of ``keras.losses.Loss``.

    See Also
    --------
    moonnet.KerasMoonRegressor : Use this loss with ``loss="pinball"``.
    sklearn.metrics.mean_pinball_loss : The same loss as a metric.

    Examples
    --------
    >>> from moonnet.losses import Pinball
    >>> [round(float(Pinball(0.75)([[10.0]], [[predicted]])), 2) for predicted in (6.0, 14.0)]
    [3.0, 1.0]
    >>> round(float(Pinball([0.25, 0.75])([[10.0]], [[6.0, 14.0]])), 2)
    1.0
    """

    formula, parameter = "pinball", "quantile"

    def __init__(self, quantile: Any, name: str = "pinball", **options: Any) -> None:
        super().__init__(quantile, name=name, **options)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each sample, shape (n_samples,)."""
        if not isinstance(self._value, list | tuple):
            return super().call(y_true, y_pred)
        y_pred = keras.ops.convert_to_tensor(y_pred)
        if y_pred.shape[-1] != len(self._value):
            raise ValueError(
                f"Pinball must get a prediction for each of the quantiles {self._value}, along the last axis. Got "
                f"predictions of shape {tuple(y_pred.shape)}."
            )
        # Each number of y stands beside the predictions of its quantiles
        y_true = keras.ops.reshape(
            keras.ops.convert_to_tensor(y_true, y_pred.dtype), (*keras.ops.shape(y_pred)[:-1], 1)
        )
        losses = self._losses(y_true, y_pred)
        return keras.ops.mean(losses, axis=tuple(range(1, len(losses.shape))))


@keras.saving.register_keras_serializable("moonnet")
class Huber(_ParametricLoss):
    """Huber loss, which is half the squared error up to a threshold and linear beyond.

    Parameters
    ----------
    delta : float or list of float
        The positive threshold in the unit of y, or a list of one threshold per output.

    name : str, default="huber"
        Name of the loss in Keras.

    **options : dict
        Further arguments of ``keras.losses.Loss``.

    See Also
    --------
    moonnet.KerasMoonRegressor : Use this loss with ``loss="huber"``.
    keras.losses.Huber : Keras's own Huber loss, with one threshold for all outputs.

    Examples
    --------
    >>> from moonnet.losses import Huber
    >>> [round(float(Huber(2.0)([[10.0]], [[predicted]])), 2) for predicted in (9.0, 0.0)]
    [0.5, 18.0]
    """

    formula, parameter = "huber", "delta"

    def __init__(self, delta: Any, name: str = "huber", **options: Any) -> None:
        super().__init__(delta, name=name, **options)
