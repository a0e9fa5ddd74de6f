"""Random bits without a loop of their own.

On a CPU, JAX computes the rounds of Threefry in a loop. Within a training step, that loop takes six times as long as
the same rounds one after the other, which XLA fuses into one operation.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.extend.random import threefry_prng_impl


def faster_random_bits(key: Any, *, bit_width: int, shape: tuple[int, ...]) -> Callable[[Any], Any] | None:
    """Return a function of a key that draws the same bits by operations that can be seen; None for other keys."""
    if key.shape or key.dtype.name != "key<fry>":
        return None

    def draw(key: Any) -> Any:
        words = jax.random.key_data(key)
        # XLA draws bits again in each operation that takes them, but it computes the branch of a condition once
        return jax.lax.cond(
            (words[0] | np.uint32(1)) > 0,  # always, which XLA does not find out
            lambda words: threefry_prng_impl.random_bits(words, bit_width, shape),
            lambda _: jax.numpy.zeros(shape, f"uint{bit_width}"),
            words,
        )

    return draw


def faster_threefry(*inputs: Any) -> Callable[..., tuple[Any, Any]]:
    """Return Threefry as a function without a loop."""
    return _threefry


# By which each round rotates its second word, for the groups with an even and with an odd number
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)


def _threefry(key_0: Any, key_1: Any, x_0: Any, x_1: Any) -> tuple[Any, Any]:
    """Return Threefry-2x32 with 20 rounds (Salmon et al. 2011, https://doi.org/10.1145/2063384.2063405)."""
    keys = key_0, key_1, key_0 ^ key_1 ^ _PARITY
    x_0, x_1 = x_0 + key_0, x_1 + key_1
    for group in range(5):
        for n_bits in _ROTATIONS[group % 2]:
            x_0 = x_0 + x_1
            x_1 = x_0 ^ (x_1 << np.uint32(n_bits) | x_1 >> np.uint32(32 - n_bits))
        x_0 = x_0 + keys[(group + 1) % 3]
        x_1 = x_1 + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x_0, x_1
