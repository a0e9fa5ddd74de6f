"""How the arrays of a training, layer by layer, are packed into the few that a program computes with.

A step of a small network is many short operations, and their number is its time: one vector of all weights, and one
for each thing that the optimizer remembers of them, make a third fewer. A large network is better left as it is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from moonnet.training._keras import keras

# Optimizers to which it is all the same which array a weight stands in
_ELEMENTWISE = ("SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax", "Nadam", "Ftrl", "Lion")


@dataclass(frozen=True)
class Packing:
    """Which arrays are packed together. Functions take NumPy or ``keras.ops`` as ``xp``, with its arrays."""

    shapes: list[tuple[int, ...]]  # of each array by layer
    parts: list[list[int]]  # for each packed array the indices of what is in it
    packed_shapes: list[tuple[int, ...]]

    @classmethod
    def of(cls, weights: Sequence[Any], optimizer: Any, packed_weights: Sequence[Any], packed_optimizer: Any) -> Self:
        """Return how the variables of a network and its optimizer are packed into those of another pair."""
        slots = [_slot(variable, weights) for variable in optimizer.variables]
        alone = (index for index, slot in enumerate(slots) if slot is None)  # the learning rate, the iterations
        n_weights = len(weights)
        parts = [list(range(n_weights))]
        for slot in (_slot(variable, packed_weights) for variable in packed_optimizer.variables):
            members = [next(alone)] if slot is None else [index for index, other in enumerate(slots) if other == slot]
            parts.append([n_weights + index for index in members])
        by_layer, packed = [*weights, *optimizer.variables], [*packed_weights, *packed_optimizer.variables]
        return cls([tuple(v.shape) for v in by_layer], parts, [tuple(v.shape) for v in packed])

    @classmethod
    def none(cls, variables: Sequence[Any]) -> Self:
        """Return the packing that leaves each variable as it is."""
        shapes = [tuple(variable.shape) for variable in variables]
        return cls(shapes, [[index] for index in range(len(shapes))], shapes)

    def pack(self, arrays: Sequence[Any], xp: Any) -> list[Any]:
        """Pack all arrays, or the first of them."""
        return [
            xp.reshape(xp.concatenate([xp.reshape(arrays[index], [-1]) for index in part], 0), shape)
            for part, shape in zip(self.parts, self.packed_shapes, strict=True)
            if part[-1] < len(arrays)
        ]

    def unpack(self, packed: Sequence[Any], xp: Any) -> list[Any]:
        """Undo ``pack``."""
        arrays = {}
        for part, array in zip(self.parts, packed, strict=False):
            flat, start = xp.reshape(array, [-1]), 0
            for index in part:
                end = start + math.prod(self.shapes[index])
                arrays[index] = xp.reshape(flat[start:end], self.shapes[index])
                start = end
        return [arrays[index] for index in sorted(arrays)]


def is_elementwise(optimizer: Any) -> bool:
    """Return whether an optimizer asks nothing of the array that a weight stands in, such as its norm or shape."""
    return optimizer.clipnorm is None and any(
        type(optimizer) is getattr(keras.optimizers, name) for name in _ELEMENTWISE
    )


def _slot(variable: Any, weights: Sequence[Any]) -> str | None:
    """Return what an optimizer's variable remembers of one of the weights, "momentum" say; None if of none of them."""
    for weight in weights:
        prefix = weight.path.replace("/", "_") + "_"  # as Keras's add_variable_from_reference names it
        if variable.name.startswith(prefix):
            return str(variable.name.removeprefix(prefix))
    return None
