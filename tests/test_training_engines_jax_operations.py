"""Functions that JAX traced, with faster operations."""

import jax
import numpy as np
import pytest

from moonnet.training.engines._jax_operations import with_faster_operations

CHANNELS_LAST = ("NHWC", "HWIO", "NHWC")


@pytest.mark.parametrize(
    "function",
    [
        lambda x, kernel: x + kernel.sum(),
        lambda x, kernel: jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=CHANNELS_LAST),
        lambda x, kernel: x * jax.random.uniform(jax.random.key(0, impl="rbg"), x.shape),
    ],
    ids=["neither convolutions nor random numbers", "channels last", "another generator"],
)
def test_functions_without_slow_operations_stay_the_same_object(function):
    traced = jax.make_jaxpr(function)(np.ones((3, 3, 3, 3), "float32"), np.ones((3, 3, 3, 3), "float32"))
    assert with_faster_operations(traced) is traced
