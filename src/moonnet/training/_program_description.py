"""What a training must know about a compiled program, without the Keras objects from which it was compiled."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from moonnet.training._flat_state import StateLayout
from moonnet.training.engines import ArraySpec, BlockNumbers, LoopShapes


@dataclass(frozen=True, eq=False)
class OptimizerStart:
    """What an optimizer's variables are before the first step, with a set of them for each array of weights."""

    dtypes: list[str]
    learning_rate_index: int | None  # None if a schedule or inner optimizers set it
    values: list[np.ndarray] | None  # None if they depend on the weights


@dataclass(frozen=True, eq=False)
class ProgramDescription:
    """The arrays that a program takes and returns. The state is that of the network, then that of the optimizer."""

    n_trainable: int  # the trainable arrays of the network, which come first
    dtypes: list[str]  # of all arrays of the network
    optimizer_start: OptimizerStart
    layout: StateLayout
    n_stored_arrays: int  # the arrays of the stored state that are those of the network
    stored_dtypes: list[str]  # of all arrays of the stored state
    block: list[ArraySpec]  # of the samples, see ``ProgramSpec.split_columns``, and with dropout of its seeds
    max_recorded_epochs: int

    def loop_shapes(self, dtype: str) -> LoopShapes:
        """Return the arrays of the compiled loop of a program of this dtype."""
        return LoopShapes(
            numbers=((len(BlockNumbers._fields),), dtype),
            block=self.block,
            state=list(zip(self.layout.stored_shapes, self.stored_dtypes, strict=True)),
            n_recorded=0 if self.max_recorded_epochs == 1 else self.n_stored_arrays,
        )

    def to_dict(self) -> dict[str, Any] | None:
        """Return plain values for JSON; None if the optimizer does not start with a single number in each array."""
        values = self.optimizer_start.values
        if values is None or any(array.size and (array != array.flat[0]).any() for array in values):
            return None
        fills: Any = [(array.shape, array.flat[0].item() if array.size else 0) for array in values]
        return asdict(replace(self, optimizer_start=replace(self.optimizer_start, values=fills)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the description of which ``to_dict`` returned the values, before or after JSON."""
        start = values["optimizer_start"]
        fills = zip(start["values"], start["dtypes"], strict=True)
        layout = values["layout"]
        parts = {
            "optimizer_start": OptimizerStart(
                **start | {"values": [np.full(shape, number, dtype) for (shape, number), dtype in fills]}
            ),
            "layout": StateLayout(_tuples(layout["layer_shapes"]), layout["groups"], _tuples(layout["stored_shapes"])),
            "block": [(tuple(shape), dtype) for shape, dtype in values["block"]],
        }
        return cls(**values | parts)


def _tuples(shapes: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    return [tuple(shape) for shape in shapes]
