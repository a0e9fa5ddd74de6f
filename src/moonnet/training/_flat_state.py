"""Flatten the weights and the optimizer state of a small network into few vectors, and restore them.

A training step of a small network is many short operations, and their number determines how long the step takes. With
one vector for all weights, and one for each kind of optimizer state, a step needs a third fewer operations. A large
network keeps one array per weight: its matrix products take most of the time, and flattening would only add copies.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

# Optimizers that update each weight by itself, whichever array holds it
_ELEMENTWISE_OPTIMIZERS = ("SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax", "Nadam", "Ftrl", "Lion")


@dataclass(frozen=True)
class StateLayout:
    """How the state of a training is stored in a compiled program.

    The state is the weights, the network's other arrays, and the optimizer's variables. ``flatten`` and ``unflatten``
    take the module ``numpy`` or ``keras.ops`` as ``xp``, with arrays of that module.
    """

    layer_shapes: list[tuple[int, ...]]  # of each array of the unflattened state
    groups: list[list[int]]  # for each stored array, the indices of the arrays that it holds
    stored_shapes: list[tuple[int, ...]]

    @classmethod
    def flat(
        cls,
        weights: Sequence[Any],
        others: Sequence[Any],
        optimizer: Any,
        flat_weights: Sequence[Any],
        flat_optimizer: Any,
    ) -> Self:
        """Return the layout that stores the first weights and optimizer in the variables of the second ones."""
        slots = [_slot_name(variable, weights) for variable in optimizer.variables]
        without_slot = (index for index, slot in enumerate(slots) if slot is None)  # learning rate, iterations
        n_weights, n_arrays = len(weights), len(weights) + len(others)
        groups = [list(range(n_weights)), *([index] for index in range(n_weights, n_arrays))]
        for variable in flat_optimizer.variables:
            slot = _slot_name(variable, flat_weights)
            members = (
                [next(without_slot)] if slot is None else [index for index, other in enumerate(slots) if other == slot]
            )
            groups.append([n_arrays + index for index in members])
        by_layer = [*weights, *others, *optimizer.variables]
        stored = [*flat_weights, *others, *flat_optimizer.variables]
        return cls([tuple(v.shape) for v in by_layer], groups, [tuple(v.shape) for v in stored])

    @classmethod
    def by_layer(cls, variables: Sequence[Any]) -> Self:
        """Return the layout that stores each variable as it is."""
        shapes = [tuple(variable.shape) for variable in variables]
        return cls(shapes, [[index] for index in range(len(shapes))], shapes)

    def flatten(self, arrays: Sequence[Any], xp: Any) -> list[Any]:
        """Return the stored form of the whole state, or of its first arrays."""
        return [
            xp.reshape(xp.concatenate([xp.reshape(arrays[index], [-1]) for index in group], 0), shape)
            for group, shape in zip(self.groups, self.stored_shapes, strict=True)
            if group[-1] < len(arrays)
        ]

    def unflatten(self, stored: Sequence[Any], xp: Any, stack: tuple[int, ...] = ()) -> list[Any]:
        """Return the arrays that ``flatten`` was given; with ``stack``, the stored arrays have these leading axes."""
        arrays = {}
        for group, array in zip(self.groups, stored, strict=False):
            flat, start = xp.reshape(array, (*stack, -1)), 0
            for index in group:
                end = start + math.prod(self.layer_shapes[index])
                arrays[index] = xp.reshape(flat[..., start:end], (*stack, *self.layer_shapes[index]))
                start = end
        return [arrays[index] for index in sorted(arrays)]


def is_elementwise(optimizer: Any) -> bool:
    """Return whether an optimizer updates each weight independently of the other weights in its array."""
    from moonnet._keras import keras

    return optimizer.clipnorm is None and any(
        optimizer_class(optimizer) is getattr(keras.optimizers, name) for name in _ELEMENTWISE_OPTIMIZERS
    )


def optimizer_class(optimizer: Any) -> Any:
    """Return the class of an optimizer, not one that Keras or an engine derives from it for a backend."""
    derived = "keras.src.backend.", "moonnet.training.engines."
    return next(cls for cls in type(optimizer).__mro__ if not cls.__module__.startswith(derived))


def _slot_name(variable: Any, weights: Sequence[Any]) -> str | None:
    """Return which slot of a weight an optimizer's variable is, such as "momentum"; None if it belongs to no weight."""
    for weight in weights:
        prefix = weight.path.replace("/", "_") + "_"  # as Keras's add_variable_from_reference names it
        if variable.name.startswith(prefix):
            return str(variable.name.removeprefix(prefix))
    return None
