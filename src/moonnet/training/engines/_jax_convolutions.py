"""Convolutions with the channels last, in which layout XLA computes them fast on a CPU.

XLA changes the layout by itself, but only outside of loops (https://github.com/jax-ml/jax/issues/12868). In a loop, the
gradients of a convolution would take ten times as long.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax.extend.core.primitives import conv_general_dilated_p


def faster_convolution(x: Any, kernel: Any, **settings: Any) -> Callable[[Any, Any], Any] | None:
    """Return a function with the channels last; None if they are the last already."""
    if settings["dimension_numbers"] == _channels_last(len(x.shape)) and settings["batch_group_count"] == 1:
        return None
    return partial(_convolution, **settings)


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
