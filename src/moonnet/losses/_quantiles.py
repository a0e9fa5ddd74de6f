"""Several quantiles from one network."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from moonnet.losses._regression import Pinball, RobustLoss


@dataclass(frozen=True)
class Quantiles(RobustLoss):
    """The mean pinball loss of several quantiles, of which the network has an output each for each column of y.

    Training takes each output for its own quantile. Predictions are sorted, so that quantiles never cross, which makes
    the loss smaller or leaves it: Chernozhukov, Fernández-Val and Galichon, "Quantile and Probability Curves Without
    Crossing", 2010.
    """

    levels: tuple[float, ...]  # the quantiles, strictly increasing; constants of a compiled program
    name: ClassVar[str] = Pinball.name

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The quantiles."""
        return self.levels

    @property
    def outputs_per_target(self) -> int:  # type: ignore[override]
        """The number of quantiles."""
        return len(self.levels)

    @property
    def middle(self) -> int:
        """The index of the middle quantile; of two, that of the one nearer to 0.5, or else of the lower one."""
        lower, upper = (len(self.levels) - 1) // 2, len(self.levels) // 2
        distances = [abs(self.levels[index] - 0.5) for index in (lower, upper)]
        return upper if distances[1] < distances[0] - 1e-9 else lower  # by rounding, 0.95 is nearer to 0.5 than 0.05

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        """Return the quantiles of each column of y, sorted."""
        return np.sort(self._by_target(np, outputs), axis=-1).reshape(outputs.shape)

    def point_predictions(self, predictions: np.ndarray) -> np.ndarray:
        """Return the middle quantile of each column of y."""
        return predictions[:, self.middle :: len(self.levels)]

    def sample_losses(self, y: np.ndarray, outputs: np.ndarray, parameter: float) -> np.ndarray:
        """Return the loss of the predictions, which are sorted."""
        predictions = self._by_target(np, self.predictions(outputs))
        quantiles = np.asarray(self.levels, outputs.dtype)
        return Pinball().elementwise(np, y[..., np.newaxis], predictions, quantiles).mean(axis=(-2, -1))

    def keras_sample_losses(self, keras: Any, y: Any, outputs: Any, parameter: Any) -> Any:
        """Return the loss of the outputs, which need not be sorted."""
        quantiles = keras.ops.convert_to_tensor(self.levels, outputs.dtype)
        by_target = self._by_target(keras.ops, outputs)
        losses = Pinball().elementwise(keras.ops, keras.ops.expand_dims(y, -1), by_target, quantiles)
        # A mean is computed as a sum: on JAX, Keras computes means in float32
        return keras.ops.sum(losses, axis=(1, 2)) / outputs.shape[1]

    def keras_link(self, keras: Any, n_outputs: int, dtype: str) -> Any:
        """Return a Keras model that sorts, of shape (n_samples, n_quantiles) for one column of y."""
        outputs = keras.Input((n_outputs,), dtype=dtype, name="outputs")
        by_target = outputs if n_outputs == len(self.levels) else self._by_target(keras.ops, outputs)
        return keras.Model(outputs, keras.ops.sort(by_target, axis=-1), name="quantiles")

    def keras_loss(self, losses: Any, parameter: Any) -> Any:
        """Return moonnet's Keras loss."""
        return losses.Pinball(list(self.levels))

    def _by_target(self, xp: Any, outputs: Any) -> Any:
        """Return outputs by column of y and quantile, shape (..., n_targets, n_quantiles)."""
        *leading, n_outputs = outputs.shape
        sizes = [-1 if size is None else size for size in leading]  # the number of samples, in a Keras model
        return xp.reshape(outputs, (*sizes, n_outputs // len(self.levels), len(self.levels)))
