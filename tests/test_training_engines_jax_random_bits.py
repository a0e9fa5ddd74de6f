"""Random bits on JAX without a loop, beside JAX's own."""

import jax
import numpy as np
import pytest
from jax.extend.core import jaxpr_as_fun
from jax.extend.random import threefry_2x32
from keras import layers
from numpy.testing import assert_array_equal

from moonnet import HiddenLayers, KerasMoonClassifier
from moonnet._keras import keras
from moonnet.training import _compiled_program
from moonnet.training.engines._jax_operations import with_faster_operations


def sum_of_masks(key):
    def add_mask(i, total):
        return total + jax.random.bernoulli(jax.random.fold_in(key, i), 0.3, total.shape)

    return jax.lax.fori_loop(0, 3, add_mask, np.zeros((9, 4), int))


# name -> function of a key
DRAWS = {
    "8 bits": lambda key: jax.random.bits(key, (5, 3), "uint8"),
    "16 bits": lambda key: jax.random.bits(key, (5, 3), "uint16"),
    "32 bits": lambda key: jax.random.bits(key, (7,), "uint32"),
    "64 bits": lambda key: jax.random.bits(key, (5, 3), "uint64"),
    "numbers": lambda key: jax.random.normal(key, (4, 2)),
    "a single number": lambda key: jax.random.uniform(key, ()),
    "none": lambda key: jax.random.bits(key, (0, 3)),
    "masks in a loop": sum_of_masks,
    "several keys": lambda key: jax.vmap(lambda key: jax.random.bits(key, (3,)))(jax.random.split(key)),
    "Threefry itself": lambda key: threefry_2x32(jax.random.key_data(key), np.arange(6, dtype="uint32")),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("is_partitionable", [True, False])
def test_random_bits_equal_those_of_jax(draw, is_partitionable):
    with jax.enable_x64(True), jax.threefry_partitionable(is_partitionable):
        for seed in (0, 2**63 - 1):
            key = jax.random.key(seed)
            traced = jax.make_jaxpr(draw)(key)
            (drawn,) = jaxpr_as_fun(with_faster_operations(traced))(key)
            assert_array_equal(drawn, draw(key), strict=True)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="specific to JAX")
def test_a_program_draws_the_mask_of_dropout_once_and_without_a_loop():
    def count(rate, operation):
        def residual(inputs):
            x = layers.Dropout(rate)(layers.Dense(3)(inputs))
            return layers.Add()([x, layers.Dense(3, activation="relu")(x)])

        clf = KerasMoonClassifier(hidden_layers=HiddenLayers(residual), epochs=1, batch_size=10, random_state=0)
        clf.fit(X, X[:, 0] > 0)
        return list(_compiled_program._programs.values())[-1].loop.as_text().count(f" {operation}(")

    X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
    assert count(0.5, "while") == count(0.0, "while")
    assert 20 <= count(0.5, "xor") < 40  # the 20 rounds of one draw
