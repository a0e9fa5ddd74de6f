"""Make Keras's layers without running their initializers.

Keras would draw arrays that others replace, with seeds from Python's global generator, and JAX would compile a program
for each operation of an initializer.
"""

import copy
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_python_generator = threading.RLock()


@contextmanager
def without_values() -> Iterator[None]:
    """Make Keras objects whose variables have no values, and leave the counters and generators of the process alone."""
    from keras.src.backend.common import global_state

    from moonnet._keras import keras

    # Keras would initialize them in the next scope of its kind
    uninitialized = list(global_state.get_global_attribute("uninitialized_variables", []))
    names = copy.copy(global_state.get_global_attribute("object_name_uids"))  # how many layers of a class have a number
    try:
        # Keras takes a seed from Python's generator for each random initializer and each Dropout
        with seeded(None), keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute("uninitialized_variables", uninitialized)
        global_state.set_global_attribute("object_name_uids", names)


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Let what Keras draws without a seed depend on this one, if given, and leave the global generators as they are."""
    from keras.src.backend.common import global_state

    with _python_generator:  # of all threads
        state, generator = random.getstate(), global_state.get_global_attribute("global_seed_generator")
        try:
            if seed is not None:
                random.seed(seed)
            global_state.set_global_attribute("global_seed_generator", None)
            yield
        finally:
            random.setstate(state)
            global_state.set_global_attribute("global_seed_generator", generator)


class _NoSeeds:
    """What refuses to draw in place of Keras's global seed generator."""

    def next(self, ordered: bool = True) -> None:
        raise ValueError(
            "A layer draws random numbers without a seed of its own: it must hold a keras.random.SeedGenerator and "
            "pass it to functions of keras.random."
        )


@contextmanager
def without_global_seeds() -> Iterator[None]:
    """Raise ValueError if Keras asks its global generator for a seed, which no random_state decides."""
    from keras.src.backend.common import global_state

    generator = global_state.get_global_attribute("global_seed_generator")
    global_state.set_global_attribute("global_seed_generator", _NoSeeds())
    try:
        yield
    finally:
        global_state.set_global_attribute("global_seed_generator", generator)


def initialize_seeds(model: Any) -> None:
    """Set the states of seed generators of a model without values."""
    for variable in model.variables:
        if variable._initializer is not None and variable.name == "seed_generator_state":
            variable._deferred_initialize()


def set_to_zero(model: Any) -> None:
    """Set the variables of a model that have no values to 0; metrics of layers get their own first values."""
    from moonnet._keras import keras

    def zeros(shape: tuple[int, ...], dtype: str) -> Any:
        # NumPy has no bfloat16; JAX would compile the conversion from another dtype
        return keras.ops.convert_to_tensor(np.zeros(shape, "float32" if dtype == "bfloat16" else dtype), dtype)

    for variable in model.variables:
        if variable._initializer is not None:
            variable._initializer = zeros
            variable._deferred_initialize()
    for layer in model._flatten_layers():
        for variable in layer.metrics_variables:  # which Keras does not count among the model's
            if variable._initializer is not None:
                variable._deferred_initialize()
