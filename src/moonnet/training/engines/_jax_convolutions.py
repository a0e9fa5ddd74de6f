"""Convolutions with the channels last, in which layout XLA computes them fast on a CPU.

XLA changes the layout by itself, but only outside of loops (https://github.com/jax-ml/jax/issues/12868). In a loop, the
gradients of a convolution would take ten times as long.
"""

from functools import partial
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn
from jax.extend.core.primitives import conv_general_dilated_p


def with_channels_last(traced: ClosedJaxpr) -> ClosedJaxpr:
    """Return a traced function with the channels of convolutions last; the same object if that changes nothing."""
    rewritten: ClosedJaxpr = _rewritten(traced)
    return rewritten


def _rewritten(value: Any) -> Any:
    """Return a parameter of an operation, with all functions in it rewritten; the same object without a change."""
    if isinstance(value, ClosedJaxpr) and value.jaxpr is not value:  # it is from JAX 0.12 on
        jaxpr = _rewritten(value.jaxpr)
        return value if jaxpr is value.jaxpr else value.replace(jaxpr=jaxpr)
    if isinstance(value, Jaxpr):
        equations = [_rewritten_equation(equation) for equation in value.eqns]
        is_same = all(new is old for new, old in zip(equations, value.eqns, strict=True))
        return value if is_same else value.replace(eqns=equations)
    if type(value) in (tuple, list):
        items = [_rewritten(item) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else type(value)(items)
    return value


def _rewritten_equation(equation: JaxprEqn) -> JaxprEqn:
    if equation.primitive is conv_general_dilated_p:
        inputs, settings = [variable.aval for variable in equation.invars], equation.params
        layout = _channels_last(len(inputs[0].shape))
        if settings["dimension_numbers"] == layout and settings["batch_group_count"] == 1:
            return equation
        # A single equation, which calls the function
        (call,) = jax.make_jaxpr(jax.jit(partial(_convolution, **settings)))(*inputs).eqns
        return call.replace(invars=equation.invars, outvars=equation.outvars)
    settings = {name: _rewritten(value) for name, value in equation.params.items()}
    is_same = all(settings[name] is value for name, value in equation.params.items())
    return equation if is_same else equation.replace(params=settings)


def _convolution(
    x: Any,
    kernel: Any,
    *,
    dimension_numbers: Any,
    batch_group_count: int,
    feature_group_count: int,
    **settings: Any,
) -> Any:
    """Return a convolution, computed with the channels last."""
    # Each is (batch, channels, *spatial), or for the kernel (output channels, input channels, *spatial)
    x_axes, kernel_axes, out_axes = dimension_numbers
    x = x.transpose(x_axes[0], *x_axes[2:], x_axes[1])
    kernel = kernel.transpose(*kernel_axes[2:], kernel_axes[1], kernel_axes[0])
    if batch_group_count > 1:  # in the gradients of grouped convolutions; the groups become groups of channels
        groups = x.reshape(batch_group_count, -1, *x.shape[1:])
        x = jax.numpy.moveaxis(groups, 0, -2).reshape(*groups.shape[1:-1], -1)
        feature_group_count = batch_group_count
    out = conv_general_dilated_p.bind(
        x,
        kernel,
        dimension_numbers=_channels_last(x.ndim),
        batch_group_count=1,
        feature_group_count=feature_group_count,
        **settings,
    )
    axes = [out_axes[0], *out_axes[2:], out_axes[1]]
    return out.transpose([axes.index(axis) for axis in range(out.ndim)])


def _channels_last(n_axes: int) -> jax.lax.ConvDimensionNumbers:
    spatial = range(1, n_axes - 1)
    x_axes = (0, n_axes - 1, *spatial)
    return jax.lax.ConvDimensionNumbers(x_axes, (n_axes - 1, n_axes - 2, *range(n_axes - 2)), x_axes)
