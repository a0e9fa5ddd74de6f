"""What layers compute at prediction, as ONNX graphs: the operations of ``moonnet.networks._numpy_operations``."""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np
from onnx import helper

from moonnet.networks import _numpy_operations as operations
from moonnet.networks._numpy_operations import Weights
from moonnet.onnx._activations import ACTIVATIONS
from moonnet.onnx._operators import Operators

# In slices of ONNX, a bound beyond each axis
_END = np.iinfo(np.int64).max


def _cos(op: Operators, x: Any) -> Any:
    # Cos in float64 is missing in ONNX Runtime 1.20
    sine = op.Sin(op.Div(x, 2))
    return op.Sub(1, op.Mul(2, op.Mul(sine, sine)))


# Functions of NumPy -> functions of the operators and one or two values
FUNCTIONS: dict[np.ufunc, Callable[..., Any]] = {
    np.absolute: lambda op, x: op.Abs(x),
    np.add: lambda op, x, y: op.Add(x, y),
    np.cos: _cos,
    np.divide: lambda op, x, y: op.Div(x, y),
    np.exp: lambda op, x: op.Exp(x),
    np.maximum: lambda op, x, y: op.Max(x, y),
    np.minimum: lambda op, x, y: op.Min(x, y),
    np.multiply: lambda op, x, y: op.Mul(x, y),
    np.negative: lambda op, x: op.Neg(x),
    np.power: lambda op, x, y: op.Pow(x, y),
    np.sin: lambda op, x: op.Sin(x),
    np.square: lambda op, x: op.Mul(x, x),
    np.subtract: lambda op, x, y: op.Sub(x, y),
}


def _copy(op: Operators, operation: operations.Copy, weights: Weights, x: Any) -> Any:
    return x


def _cast(op: Operators, operation: operations.Cast, weights: Weights, x: Any) -> Any:
    return op.Cast(x, to=helper.np_dtype_to_tensor_dtype(np.dtype(op.dtype)))


def _affine(op: Operators, operation: operations.Affine, weights: Weights, x: Any) -> Any:
    outputs = op.MatMul(x, weights["kernel"])
    return op.Add(outputs, weights["bias"]) if operation.use_bias else outputs


def _activation(op: Operators, operation: operations.Activation, weights: Weights, x: Any) -> Any:
    if operation.name == "sigmoid":
        # The user's layers may multiply it by x, which ONNX Runtime would fuse as described at the silu
        return op.Div(1, op.Add(1, op.Exp(op.Neg(x))))
    return ACTIVATIONS[operation.name](op, x)


def _softmax(op: Operators, operation: operations.Softmax, weights: Weights, x: Any) -> Any:
    return op.Softmax(x, axis=-1)


def _relu(op: Operators, operation: operations.ReLU, weights: Weights, x: Any) -> Any:
    outputs = op.Where(op.Greater(x, operation.threshold), x, 0) if operation.threshold else op.Max(x, 0)
    if operation.max_value is not None:
        outputs = op.Min(outputs, operation.max_value)
    if operation.negative_slope:
        below = op.Max(op.Sub(operation.threshold, x), 0)
        outputs = op.Sub(outputs, op.Mul(operation.negative_slope, below))
    return outputs


def _leaky_relu(op: Operators, operation: operations.LeakyReLU, weights: Weights, x: Any) -> Any:
    return op.Where(op.Greater(x, 0), x, op.Mul(x, operation.negative_slope))


def _elu(op: Operators, operation: operations.ELU, weights: Weights, x: Any) -> Any:
    below = op.Mul(op.Sub(op.Exp(op.Min(x, 0)), 1), operation.alpha)
    return op.Where(op.Greater(x, 0), x, below)


def _prelu(op: Operators, operation: operations.PReLU, weights: Weights, x: Any) -> Any:
    return op.Where(op.Greater(x, 0), x, op.Mul(x, weights["alpha"]))


def _batch_normalization(op: Operators, operation: operations.BatchNormalization, weights: Weights, x: Any) -> Any:
    factor = 1 / np.sqrt(weights["moving_variance"] + operation.epsilon)
    if operation.scale:
        factor *= weights["gamma"]
    outputs = op.Mul(op.Sub(x, weights["moving_mean"]), factor)
    return op.Add(outputs, weights["beta"]) if operation.center else outputs


def _layer_normalization(op: Operators, operation: operations.LayerNormalization, weights: Weights, x: Any) -> Any:
    def mean(values: Any) -> Any:
        return op.ReduceMeanApi18(values, axes=[-1], keepdims=1)

    centered = op.Sub(x, mean(x))
    deviation = op.Sqrt(op.Add(mean(op.Mul(centered, centered)), operation.epsilon))
    outputs = op.Div(x if operation.rms_scaling else centered, deviation)
    if operation.scale or operation.rms_scaling:
        outputs = op.Mul(outputs, weights["gamma"].astype(op.dtype))
    if operation.center and not operation.rms_scaling:
        outputs = op.Add(outputs, weights["beta"].astype(op.dtype))
    return outputs


def _normalization(op: Operators, operation: operations.Normalization, weights: Weights, x: Any) -> Any:
    mean: np.ndarray = np.atleast_1d(operation.mean).astype(op.dtype)
    deviation: np.ndarray = np.atleast_1d(operation.deviation).astype(op.dtype)
    return op.Div(op.Sub(x, mean), deviation)


def _rescaling(op: Operators, operation: operations.Rescaling, weights: Weights, x: Any) -> Any:
    return op.Add(op.Mul(x, operation.scale), operation.offset)


def _embedding(op: Operators, operation: operations.Embedding, weights: Weights, indices: Any) -> Any:
    return op.Gather(weights["embeddings"], indices, axis=0)


def _elementwise(op: Operators, operation: operations.Elementwise, weights: Weights, x: Any) -> Any:
    return FUNCTIONS[operation.function](op, x)


def _combine(op: Operators, operation: operations.Combine, weights: Weights, *values: Any) -> Any:
    return reduce(partial(FUNCTIONS[operation.function], op), values)


def _combine_constant(op: Operators, operation: operations.CombineConstant, weights: Weights, x: Any) -> Any:
    constant: np.ndarray = np.atleast_1d(operation.constant).astype(op.dtype)
    return FUNCTIONS[operation.function](op, *((constant, x) if operation.is_first else (x, constant)))


def _average(op: Operators, operation: operations.Average, weights: Weights, *values: Any) -> Any:
    return op.Div(reduce(op.Add, values), len(values))


def _concatenate(op: Operators, operation: operations.Concatenate, weights: Weights, *values: Any) -> Any:
    return op.Concat(*values, axis=operation.axis)


def _reshape(op: Operators, operation: operations.Reshape, weights: Weights, x: Any) -> Any:
    return op.Reshape(x, np.array([0, *operation.shape]))  # 0 keeps the number of samples


def _transpose(op: Operators, operation: operations.Transpose, weights: Weights, x: Any) -> Any:
    return op.Transpose(x, perm=list(operation.axes))


def _repeat(op: Operators, operation: operations.Repeat, weights: Weights, x: Any) -> Any:
    return op.Concat(*[op.UnsqueezeApi11(x, axes=[1])] * operation.n, axis=1)


def _get_item(op: Operators, operation: operations.GetItem, weights: Weights, x: Any) -> Any:
    of_input = [index for index in operation.key if index is not None]
    slices = {axis: _slice(index) for axis, index in enumerate(of_input) if index != slice(None)}
    if slices:
        starts, ends, steps = (np.array(bounds) for bounds in zip(*slices.values(), strict=True))
        x = op.Slice(x, starts, ends, np.array(list(slices)), steps)
    dropped = [axis for axis, index in enumerate(of_input) if isinstance(index, int)]
    if dropped:
        x = op.SqueezeApi11(x, axes=dropped)
    of_output = [index for index in operation.key if not isinstance(index, int)]
    added = [axis for axis, index in enumerate(of_output) if index is None]
    return op.UnsqueezeApi11(x, axes=added) if added else x


def _slice(index: int | slice) -> tuple[int, int, int]:
    """Return start, end and step for ONNX; those of an integer select one value."""
    if isinstance(index, int):
        return index, index + 1 if index != -1 else _END, 1
    step = 1 if index.step is None else index.step
    start, end = (0, _END) if step > 0 else (_END, -_END)
    return start if index.start is None else index.start, end if index.stop is None else index.stop, step


# Each takes the operators of the result's dtype, an operation of NumPy, the arrays of its layer, and the input values
Converter = Callable[..., Any]
CONVERTERS: dict[type[operations.Operation], Converter] = {
    operations.Activation: _activation,
    operations.Affine: _affine,
    operations.Average: _average,
    operations.BatchNormalization: _batch_normalization,
    operations.Cast: _cast,
    operations.Combine: _combine,
    operations.CombineConstant: _combine_constant,
    operations.Concatenate: _concatenate,
    operations.Copy: _copy,
    operations.ELU: _elu,
    operations.Elementwise: _elementwise,
    operations.Embedding: _embedding,
    operations.GetItem: _get_item,
    operations.LayerNormalization: _layer_normalization,
    operations.LeakyReLU: _leaky_relu,
    operations.Normalization: _normalization,
    operations.PReLU: _prelu,
    operations.ReLU: _relu,
    operations.Repeat: _repeat,
    operations.Rescaling: _rescaling,
    operations.Reshape: _reshape,
    operations.Softmax: _softmax,
    operations.Transpose: _transpose,
}
