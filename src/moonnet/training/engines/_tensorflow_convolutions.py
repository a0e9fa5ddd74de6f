"""Gradients of convolutions as convolutions with the channels last, which XLA computes fast on a CPU.

TensorFlow's own have other layouts. XLA changes these only outside of loops, see _jax_convolutions.py.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import tensorflow as tf

_NAME = "MoonnetConv2D"


def fast_gradients() -> AbstractContextManager[Any]:
    """Return a context in which a graph gets convolutions, of one axis or two, that have these gradients."""
    return tf.compat.v1.get_default_graph().gradient_override_map({"Conv2D": _NAME})


@tf.RegisterGradient(_NAME)
def _gradients(operation: Any, gradient: Any) -> tuple[Any, Any]:
    """Return the gradients with respect to the input and the kernel."""
    x, kernel = operation.inputs
    if not _is_known(operation):
        names = "strides", "padding", "use_cudnn_on_gpu", "explicit_paddings", "data_format", "dilations"
        settings = {name: operation.get_attr(name) for name in names}
        x_gradient = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(x), filter=kernel, out_backprop=gradient, **settings
        )
        kernel_gradient = tf.raw_ops.Conv2DBackpropFilter(
            input=x, filter_sizes=tf.shape(kernel), out_backprop=gradient, **settings
        )
        return x_gradient, kernel_gradient
    strides = operation.get_attr("strides")[1:3]
    sizes, kernel_sizes, out_sizes = x.shape[1:3], kernel.shape[:2], gradient.shape[1:3]
    spans = [(out - 1) * stride + 1 for out, stride in zip(out_sizes, strides, strict=True)]
    # How many rows and columns the convolution has put before the input
    missing = [span + k - 1 - size for span, k, size in zip(spans, kernel_sizes, sizes, strict=True)]
    before = [max(m, 0) // 2 if operation.get_attr("padding") == b"SAME" else 0 for m in missing]
    # Rows and columns at the end that no window has reached
    used = [min(size, size + m - b) for size, m, b in zip(sizes, missing, before, strict=True)]
    after = [max(m - b, 0) for m, b in zip(missing, before, strict=True)]

    flipped = tf.transpose(tf.reverse(kernel, (0, 1)), (0, 1, 3, 2))
    around = [(k - 1 - b, size + b - span) for k, b, size, span in zip(kernel_sizes, before, sizes, spans, strict=True)]
    x_gradient = tf.nn.conv2d(_spread(gradient, strides), flipped, 1, [(0, 0), *around, (0, 0)])

    samples_last = tf.transpose(x[:, : used[0], : used[1]], (3, 1, 2, 0))
    around = list(zip(before, after, strict=True))
    kernel_gradient = tf.nn.conv2d(
        samples_last, tf.transpose(gradient, (1, 2, 0, 3)), 1, [(0, 0), *around, (0, 0)], dilations=strides
    )
    return x_gradient, tf.transpose(kernel_gradient, (1, 2, 0, 3))


def _is_known(operation: Any) -> bool:
    """Return whether the gradients of a convolution are known here."""
    x, kernel = operation.inputs
    return (
        operation.get_attr("data_format") == b"NHWC"
        and operation.get_attr("padding") in (b"SAME", b"VALID")
        and set(operation.get_attr("dilations")) == {1}
        and x.shape[3] == kernel.shape[2]  # no groups
        and x.shape[1:].is_fully_defined()
    )


def _spread(array: Any, strides: Sequence[int]) -> Any:
    """Return an array with zeros between its rows and columns, for a distance of ``strides`` between them."""
    if max(strides) == 1:
        return array
    rows, columns, channels = array.shape[1:]
    array = tf.reshape(array, (-1, rows, 1, columns, 1, channels))
    zeros = [(0, 0), (0, 0), (0, strides[0] - 1), (0, 0), (0, strides[1] - 1), (0, 0)]
    array = tf.reshape(tf.pad(array, zeros), (-1, rows * strides[0], columns * strides[1], channels))
    return array[:, : (rows - 1) * strides[0] + 1, : (columns - 1) * strides[1] + 1]
