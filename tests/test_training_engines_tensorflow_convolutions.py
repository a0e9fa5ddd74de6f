"""Gradients of convolutions on TensorFlow, beside TensorFlow's own."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from moonnet._keras import keras

if keras.backend.backend() != "tensorflow":
    pytest.skip("specific to TensorFlow", allow_module_level=True)

import tensorflow as tf

from moonnet.training.engines._tensorflow_convolutions import fast_gradients

pytestmark = pytest.mark.trains


def gradients(scope, x, kernel, **settings):
    """Return the gradients with respect to x and the kernel, and the kinds of operations that compute them."""

    @tf.function(jit_compile=True)
    def compute(x, kernel):
        with scope():
            out = tf.nn.convolution(x, kernel, **settings)
        return tf.gradients(tf.reduce_sum(tf.sin(out)), [x, kernel])

    operations = {operation.type for operation in compute.get_concrete_function(x, kernel).graph.get_operations()}
    return [np.asarray(gradient) for gradient in compute(x, kernel)], operations


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(
    ("sizes", "kernel_sizes", "settings"),
    [
        ((7, 6), (3, 2), {}),
        ((8, 9), (3, 4), {"strides": (2, 3)}),
        ((9, 7), (2, 1), {"strides": (3, 2)}),
        ((9,), (4,), {}),
        ((9,), (4,), {"strides": 2}),
    ],
)
def test_gradients_equal_those_of_tensorflow(sizes, kernel_sizes, settings, padding):
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(5, *sizes, 3)))
    kernel = tf.constant(rng.normal(size=(*kernel_sizes, 3, 2)))
    expected, _ = gradients(lambda: tf.name_scope("own"), x, kernel, padding=padding, **settings)
    computed, operations = gradients(fast_gradients, x, kernel, padding=padding, **settings)
    for mine, own in zip(computed, expected, strict=True):
        assert_allclose(mine, own, rtol=1e-12, atol=1e-13)
    assert not any("Backprop" in operation for operation in operations)


@pytest.mark.parametrize(("channels", "settings"), [(2, {"dilations": (2, 2)}), (1, {})], ids=["dilations", "groups"])
def test_other_convolutions_keep_the_gradients_of_tensorflow(channels, settings):
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(5, 7, 6, 2)))
    kernel = tf.constant(rng.normal(size=(3, 3, channels, 4)))
    expected, _ = gradients(lambda: tf.name_scope("own"), x, kernel, padding="SAME", **settings)
    computed, _ = gradients(fast_gradients, x, kernel, padding="SAME", **settings)
    for mine, own in zip(computed, expected, strict=True):
        assert_allclose(mine, own, rtol=1e-12)
