"""Convolutions on JAX with the channels last, beside JAX's own."""

import re

import jax
import numpy as np
import pytest
from jax.extend.core import jaxpr_as_fun
from keras import layers
from numpy.testing import assert_allclose

from moonnet import KerasMoonClassifier
from moonnet._keras import keras
from moonnet.training import _compiled_program
from moonnet.training.engines._jax_operations import with_faster_operations

# By the letters of jax.lax.conv_general_dilated: axes of x, of the kernel and of the result
FORWARD = ("NHWC", "HWIO", "NHWC")
# name -> shape of x, shape of the kernel, axes, settings
CONVOLUTIONS = {
    "channels first": ((2, 3, 7, 6), (4, 3, 3, 2), ("NCHW", "OIHW", "NCHW"), {}),
    "kernel's gradient": ((3, 7, 6, 2), (3, 5, 4, 4), ("CHWN", "IHWO", "HWNC"), {"rhs_dilation": (1, 2)}),
    "input's gradient": ((2, 4, 3, 5), (3, 3, 4, 5), ("NHWC", "HWOI", "NHWC"), {"lhs_dilation": (2, 1)}),
    "axes exchanged": ((2, 7, 6, 3), (3, 2, 3, 4), ("NWHC", "HWIO", "CWNH"), {"window_strides": (2, 1)}),
    "groups": ((2, 4, 7, 6), (6, 2, 3, 2), ("NCHW", "OIHW", "NHWC"), {"feature_group_count": 2}),
    "groups of samples": ((6, 2, 7, 6), (9, 2, 3, 2), ("NCHW", "OIHW", "NCHW"), {"batch_group_count": 3}),
    "one axis": ((2, 3, 9), (4, 3, 4), ("NCH", "OIH", "NCH"), {"padding": [(2, 1)]}),
    "three axes": ((2, 3, 4, 5, 6), (4, 3, 2, 3, 2), ("NCDHW", "OIDHW", "NCDHW"), {}),
}


def convolution(x, kernel, axes, **settings):
    n_spatial = x.ndim - 2
    defaults = {"window_strides": (1,) * n_spatial, "padding": [(1, 1)] * n_spatial}
    return jax.lax.conv_general_dilated(x, kernel, dimension_numbers=axes, **defaults | settings)


def layouts(function, *arguments):
    """Return the layouts of the convolutions in what XLA compiles of a function or compiled before."""
    compiled = function if hasattr(function, "as_text") else jax.jit(function).lower(*arguments).compile()
    return set(re.findall(r"dim_labels=(\S+?),", compiled.as_text()))


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_with_the_channels_last_equal_those_of_jax(name):
    x_shape, kernel_shape, axes, settings = CONVOLUTIONS[name]
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=x_shape).astype("float32"), rng.normal(size=kernel_shape).astype("float32")
    traced = jax.make_jaxpr(lambda x, kernel: convolution(x, kernel, axes, **settings))(x, kernel)
    rewritten = with_faster_operations(traced)
    assert rewritten is not traced
    (result,) = jaxpr_as_fun(rewritten)(x, kernel)
    assert_allclose(result, convolution(x, kernel, axes, **settings), rtol=1e-5, atol=1e-5)


def test_convolutions_change_within_loops_branches_and_functions():
    def descend(x, kernel):
        def loss(kernel):
            inner = jax.jit(convolution, static_argnames="axes")
            shifted = jax.lax.cond(kernel.sum() > 0, lambda k: inner(x, k, axes=FORWARD), lambda k: -x, kernel)
            return (shifted**2).sum()

        return jax.lax.fori_loop(0, 3, lambda _, kernel: kernel - 1e-3 * jax.grad(loss)(kernel), kernel)

    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(4, 6, 5, 2)).astype("float32"), rng.uniform(size=(3, 3, 2, 2)).astype("float32")
    run = jaxpr_as_fun(with_faster_operations(jax.make_jaxpr(descend)(x, kernel)))
    assert_allclose(run(x, kernel)[0], descend(x, kernel), rtol=1e-5)
    assert len(layouts(descend, x, kernel)) > 1
    assert layouts(run, x, kernel) == {"b01f_01io->b01f"}


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="specific to JAX")
def test_a_program_computes_the_gradients_of_convolutions_with_the_channels_last():
    X = np.random.default_rng(0).normal(size=(20, 16)).astype("float32")
    hidden_layers = [layers.Reshape((4, 4, 1)), layers.Conv2D(2, 3), layers.Conv2D(3, 2), layers.Flatten()]
    KerasMoonClassifier(hidden_layers=hidden_layers, epochs=1, batch_size=10, random_state=0).fit(X, X[:, 0] > 0)
    program = list(_compiled_program._programs.values())[-1]
    assert layouts(program.loop) == {"b01f_01io->b01f"}
