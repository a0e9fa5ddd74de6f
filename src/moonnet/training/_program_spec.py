"""What is compiled into a program, and the sizes of its arrays.

The shapes depend on the spec alone, never on the number of samples: a block has a fixed size, incomplete batches are
padded with samples of weight 0, and the caller passes the number of steps that are in use.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from moonnet._keras_config import keras_floatx
from moonnet.losses._loss import Loss
from moonnet.networks import Network
from moonnet.training._optimizers import OptimizerSpec
from moonnet.training.engines import engine

# Limits of a block: its steps and, unless it has only one step, the elements of its arrays (8 MB in float64)
_MAX_STEPS = 512
_MAX_ELEMENTS = 2**20
# Limits of the weights that a block records at the end of each epoch: their rows, and their elements. Larger records
# would take time in blocks of one step, which are those of partial_fit.
_MAX_RECORDED_EPOCHS = 20
_MAX_RECORDED_ELEMENTS = 2**17


def may_pad(network: Network, loss: Loss) -> bool:
    """Return whether samples of weight 0 may fill an incomplete batch: nothing compares the samples of a batch."""
    return network.has_independent_samples and loss.has_independent_samples


@dataclass(frozen=True)
class ProgramSpec:
    """Everything that is compiled into a program. Other hyperparameters are arguments of the program."""

    network: Network
    loss: Loss
    optimizer: OptimizerSpec
    batch_size: int
    dropout: bool
    dtype: str
    device: Any = field(default_factory=engine.device)
    max_steps: int | None = None  # of a block; None for _MAX_STEPS

    def scope(self) -> AbstractContextManager[Any]:
        """Return the context in which the program and its Keras objects are used."""
        # Keras first creates variables in its own float type
        widest = "float64" if "float64" in (self.dtype, keras_floatx()) else "float32"
        return engine.scope(self.device, widest)

    @property
    def may_pad(self) -> bool:
        """Whether samples of weight 0 may fill an incomplete batch."""
        return may_pad(self.network, self.loss)

    @property
    def steps_per_block(self) -> int:
        """The number of steps that a block can hold."""
        return min(self.max_steps or _MAX_STEPS, max(1, _MAX_ELEMENTS // (self.batch_size * self.values_per_sample)))

    @property
    def max_recorded_epochs(self) -> int:
        """The number of epochs of a block that can be recorded; 1 for a large network."""
        return max(1, min(_MAX_RECORDED_EPOCHS, _MAX_RECORDED_ELEMENTS // self.network.n_weights))

    @property
    def n_targets(self) -> int:
        """The number of columns of y."""
        return self.network.n_outputs // self.loss.outputs_per_target

    @property
    def values_per_sample(self) -> int:
        """The number of values in a sample: its features, its targets and its weight."""
        return self.network.n_features + self.n_targets + 1

    def split_columns(self, samples: Any) -> tuple[Any, Any, Any]:
        """Split the block's samples (..., batch_size * values_per_sample) into X, y and sample_weight."""
        X_end = self.batch_size * self.network.n_features
        y_end = X_end + self.batch_size * self.n_targets
        return samples[..., :X_end], samples[..., X_end:y_end], samples[..., y_end:]
