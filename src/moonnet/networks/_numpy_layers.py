"""Keras's layers and operations in NumPy: which settings of each are known, and which operations compute it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from moonnet.networks import _numpy_operations as operations
from moonnet.networks._activations import ACTIVATIONS
from moonnet.networks._numpy_operations import Operation

FLOATS = ("float32", "float64")


class Step(NamedTuple):
    """An operation on earlier values of a pass: value 0 is the input, and value i + 1 the result of step i."""

    operation: Operation
    layer: str | None  # whose arrays the operation takes
    inputs: tuple[int, ...]


class UnknownError(Exception):
    """A configuration has something that is not known here."""

    layer: str | None = None  # in which it is: name and class


def require(is_known: bool) -> None:
    """Raise UnknownError if not."""
    if not is_known:
        raise UnknownError


@dataclass(frozen=True)
class Tensor:
    """A value of the pass."""

    index: int
    shape: tuple[int, ...]  # of one sample
    dtype: str


@dataclass
class Plan:
    """The steps so far."""

    steps: list[Step] = field(default_factory=list)
    largest: int = 0  # elements of the largest value of one sample


@dataclass(frozen=True)
class Scope:
    """Where a layer, or an operation of Keras, appends its steps."""

    plan: Plan
    path: str = ""  # the names of the models that the layer is in, and its own
    dtype: str = ""  # in which a layer computes

    def append(self, operation: Operation, *inputs: Tensor, **spec: Any) -> Tensor:
        """Append a step, and return its result; what the specification omits is that of the first input."""
        layer = self.path if operation.has_arrays else None
        self.plan.steps.append(Step(operation, layer, tuple(x.index for x in inputs)))
        result = replace(inputs[0], index=len(self.plan.steps), **spec)
        self.plan.largest = max(self.plan.largest, math.prod(result.shape))
        return result

    def cast(self, x: Tensor, dtype: str) -> Tensor:
        """Return the tensor in the dtype."""
        return x if x.dtype == dtype else self.append(operations.Cast(dtype), x, dtype=dtype)


# Layers. The keyword arguments of their functions are the settings that are known.


def _same(
    scope: Scope,
    x: Tensor,
    *,
    rate: Any = None,
    stddev: Any = None,
    seed: Any = None,
    noise_shape: Any = None,
    data_format: Any = None,
    l1: Any = None,
    l2: Any = None,
) -> Tensor:
    return x


def _dense(
    scope: Scope, x: Tensor, *, units: int, activation: Any, use_bias: bool, quantization_config: Any = None
) -> Tensor:
    require(quantization_config is None)
    outputs = scope.append(operations.Affine(use_bias), x, shape=(*x.shape[:-1], units))
    return _activation(scope, outputs, activation=activation)


def _activation(scope: Scope, x: Tensor, *, activation: Any) -> Tensor:
    if activation == "linear":
        return x
    if activation == "softmax":
        return _softmax(scope, x)
    require(isinstance(activation, str) and activation in ACTIVATIONS)
    return scope.append(operations.Activation(activation), x)


def _softmax(scope: Scope, x: Tensor, *, axis: Any = -1) -> Tensor:
    _require_last(x, axis)
    return scope.append(operations.Softmax(), x)


def _require_last(x: Tensor, axis: Any) -> None:
    """Require that an axis, or a list of one, is the last one and not that of the samples."""
    require(len(x.shape) > 0 and axis in (-1, [-1], len(x.shape), [len(x.shape)]))


def _relu(scope: Scope, x: Tensor, *, negative_slope: float, max_value: float | None, threshold: float = 0) -> Tensor:
    if negative_slope == threshold == 0 and max_value is None:
        return _activation(scope, x, activation="relu")
    if threshold == 0 and max_value is None:
        return _leaky_relu(scope, x, negative_slope=negative_slope)
    return scope.append(operations.ReLU(negative_slope, max_value, threshold), x)


def _leaky_relu(scope: Scope, x: Tensor, *, negative_slope: float) -> Tensor:
    return scope.append(operations.LeakyReLU(_round(negative_slope)), x)


def _round(number: float) -> float:
    """Return the number as TensorFlow rounds some settings: to float32, even if it computes in float64."""
    return float(np.float32(number))


def _elu(scope: Scope, x: Tensor, *, alpha: float) -> Tensor:
    return scope.append(operations.ELU(alpha), x)


def _prelu(scope: Scope, x: Tensor, *, shared_axes: Any) -> Tensor:
    return scope.append(operations.PReLU(), x)


def _batch_normalization(
    scope: Scope,
    x: Tensor,
    *,
    axis: int,
    epsilon: float,
    center: bool,
    scale: bool,
    momentum: Any,
    synchronized: Any = False,
    renorm: bool = False,
    renorm_clipping: Any = None,
    renorm_momentum: Any = None,
) -> Tensor:
    _require_last(x, axis)
    require(not renorm)
    return scope.append(operations.BatchNormalization(epsilon, center, scale), x)


def _layer_normalization(
    scope: Scope, x: Tensor, *, axis: Any, epsilon: float, center: bool, scale: bool, rms_scaling: bool = False
) -> Tensor:
    _require_last(x, axis)
    outputs = scope.append(operations.LayerNormalization(epsilon, center, scale, rms_scaling), x)
    return scope.cast(outputs, scope.dtype)


def _normalization(scope: Scope, x: Tensor, *, axis: Any, mean: Any, variance: Any, invert: bool = False) -> Tensor:
    require(mean is not None and not invert)  # else a fit is missing, or in arrays
    statistics = np.array(mean), np.array(variance)
    if statistics[0].ndim > 0:
        _require_last(x, axis)
        require(statistics[0].shape == x.shape[-1:])
    # Some engines round to float32 first, even if the layer computes in float64, and Keras raises small deviations to
    # its epsilon, which is a setting of the process
    rounded = [values.astype("float32") for values in statistics]
    require(scope.dtype == "float32" or all(map(np.array_equal, rounded, statistics)))
    require(rounded[1].min() > 1e-8)
    means, variances = (values.astype(scope.dtype) for values in rounded)
    return scope.append(operations.Normalization(means, np.sqrt(variances)), x)


def _rescaling(scope: Scope, x: Tensor, *, scale: Any, offset: Any) -> Tensor:
    require(_is_number(scale) and _is_number(offset))  # Keras's image_data_format decides about others
    return scope.append(operations.Rescaling(_round(scale), _round(offset)), x)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _embedding(
    scope: Scope, x: Tensor, *, input_dim: int, output_dim: int, mask_zero: bool, quantization_config: Any = None
) -> Tensor:
    require(not mask_zero and quantization_config is None)
    indices = scope.cast(x, "int64") if x.dtype in FLOATS else x
    operation = operations.Embedding(scope.path)
    return scope.append(operation, indices, shape=(*x.shape, output_dim), dtype=scope.dtype)


def _merge(operation: Operation) -> Callable[..., Tensor]:
    def build(scope: Scope, *inputs: Tensor) -> Tensor:
        require(len({len(x.shape) for x in inputs}) == 1)  # else Keras inserts axes
        if len(inputs) == 1:
            return inputs[0]
        return scope.append(operation, *inputs, shape=np.broadcast_shapes(*(x.shape for x in inputs)))

    return build


def _concatenate(scope: Scope, *inputs: Tensor, axis: int) -> Tensor:
    require(len({(len(x.shape), x.dtype) for x in inputs}) == 1)
    shape = list(inputs[0].shape)
    axis = axis - 1 if axis > 0 else axis + len(shape)  # among those of a sample
    require(0 <= axis < len(shape))
    if len(inputs) == 1:
        return inputs[0]
    shape[axis] = sum(x.shape[axis] for x in inputs)
    return scope.append(operations.Concatenate(axis + 1), *inputs, shape=tuple(shape))


def _reshape(scope: Scope, x: Tensor, *, target_shape: Any) -> Tensor:
    require(isinstance(target_shape, list) and all(type(size) is int for size in target_shape))
    known = math.prod(size for size in target_shape if size != -1)
    shape = tuple(math.prod(x.shape) // known if size == -1 else size for size in target_shape)
    require(math.prod(shape) == math.prod(x.shape))
    return x if x.shape == shape else scope.append(operations.Reshape(shape), x, shape=shape)


def _flatten(scope: Scope, x: Tensor, *, data_format: str) -> Tensor:
    require(data_format == "channels_last" or len(x.shape) <= 1)
    return _reshape(scope, x, target_shape=[math.prod(x.shape)])


def _permute(scope: Scope, x: Tensor, *, dims: list[int]) -> Tensor:
    shape = tuple(x.shape[axis - 1] for axis in dims)
    return scope.append(operations.Transpose((0, *dims)), x, shape=shape)


def _repeat_vector(scope: Scope, x: Tensor, *, n: int) -> Tensor:
    return scope.append(operations.Repeat(n), x, shape=(n, *x.shape))


# Operations of Keras, which users write with tensors


def _get_item(scope: Scope, x: Tensor, key: Any) -> Tensor:
    samples, *features = map(_index, key if isinstance(key, list) else [key])
    if samples is Ellipsis:
        n_given = sum(index is not None for index in features)
        samples, *features = [slice(None)] * (1 + len(x.shape) - n_given) + features
    require(samples == slice(None))
    shape = np.broadcast_to(False, x.shape)[tuple(features)].shape
    return scope.append(operations.GetItem((samples, *features)), x, shape=shape)


def _index(value: Any) -> Any:
    """Return an index from its serialized form."""
    kind = value.get("class_name") if isinstance(value, dict) else None
    if kind == "__slice__":
        start, stop, step = (value["config"][name] for name in ("start", "stop", "step"))
        require(all(bound is None or type(bound) is int for bound in (start, stop, step)))
        return slice(start, stop, step)
    if kind == "__ellipsis__":
        return Ellipsis
    require(value is None or type(value) is int)
    return value


def _binary(function: np.ufunc) -> Callable[..., Tensor]:
    def build(scope: Scope, x1: Any, x2: Any) -> Tensor:
        if isinstance(x1, Tensor) and isinstance(x2, Tensor):
            require(len(x1.shape) == len(x2.shape) and x1.dtype == x2.dtype)
            return scope.append(operations.Combine(function), x1, x2, shape=np.broadcast_shapes(x1.shape, x2.shape))
        tensor, constant = (x1, x2) if isinstance(x1, Tensor) else (x2, x1)
        constant = _constant(constant, tensor)
        shape = np.broadcast_shapes(tensor.shape, np.shape(constant))
        return scope.append(operations.CombineConstant(function, constant, tensor is x2), tensor, shape=shape)

    return build


def _constant(value: Any, tensor: Tensor) -> Any:
    """Return a constant that is combined with a tensor."""
    if _is_number(value):
        return float(value)
    require(isinstance(value, dict) and value.get("class_name") == "__numpy__")
    require(value["config"]["dtype"] == tensor.dtype)  # else the engine decides about the dtype of the result
    array = np.array(value["config"]["value"], tensor.dtype)
    require(array.ndim <= len(tensor.shape))
    return array


def _elementwise(function: np.ufunc) -> Callable[..., Tensor]:
    def build(scope: Scope, x: Tensor) -> Tensor:
        return scope.append(operations.Elementwise(function), x)

    return build


def _activation_with(name: str, **known: Any) -> Callable[..., Tensor]:
    """Return the builder for an activation that is known with these settings only."""

    def build(scope: Scope, x: Tensor, **settings: Any) -> Tensor:
        require(settings == known)
        return _activation(scope, x, activation=name)

    return build


def _power(scope: Scope, x: Any, exponent: Any) -> Tensor:
    require(isinstance(x, Tensor) and type(exponent) is int and exponent > 0)
    if exponent == 2:
        return scope.append(operations.Elementwise(np.square), x)
    return scope.append(operations.CombineConstant(np.power, exponent, False), x)


def _reshape_with_samples(scope: Scope, x: Tensor, *, newshape: Any) -> Tensor:
    require(isinstance(newshape, list) and newshape[0] == -1 and -1 not in newshape[1:])
    return _reshape(scope, x, target_shape=newshape[1:])


def _expand_dims(scope: Scope, x: Tensor, *, axis: Any) -> Tensor:
    require(type(axis) is int)
    axis = axis - 1 if axis > 0 else axis + 1 + len(x.shape)  # among those of a sample
    require(0 <= axis <= len(x.shape))
    return _reshape(scope, x, target_shape=[*x.shape[:axis], 1, *x.shape[axis:]])


def _concatenate_list(scope: Scope, inputs: list[Tensor], *, axis: int) -> Tensor:
    return _concatenate(scope, *inputs, axis=axis)


def _cast(scope: Scope, x: Tensor, *, dtype: Any) -> Tensor:
    require(dtype in (*FLOATS, "int32", "int64"))
    return scope.cast(x, dtype)


# Module and name of a class -> the function that appends its steps
Builder = Callable[..., Tensor]
_LAYERS: dict[str, Builder] = {
    **dict.fromkeys(("ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise"), _same),
    **dict.fromkeys(("Identity", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"), _same),
    "Activation": _activation,
    "Add": _merge(operations.Combine(np.add)),
    "Average": _merge(operations.Average()),
    "BatchNormalization": _batch_normalization,
    "Concatenate": _concatenate,
    "Dense": _dense,
    "ELU": _elu,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "LayerNormalization": _layer_normalization,
    "LeakyReLU": _leaky_relu,
    "Maximum": _merge(operations.Combine(np.maximum)),
    "Minimum": _merge(operations.Combine(np.minimum)),
    "Multiply": _merge(operations.Combine(np.multiply)),
    "Normalization": _normalization,
    "PReLU": _prelu,
    "Permute": _permute,
    "ReLU": _relu,
    "RepeatVector": _repeat_vector,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "Softmax": _softmax,
    "Subtract": _merge(operations.Combine(np.subtract)),
}
_NUMPY_OPERATIONS: dict[str, Builder] = {
    "Absolute": _elementwise(np.absolute),
    "Add": _binary(np.add),
    "Concatenate": _concatenate_list,
    "Cos": _elementwise(np.cos),
    "Divide": _binary(np.divide),
    "Exp": _elementwise(np.exp),
    "ExpandDims": _expand_dims,
    "GetItem": _get_item,
    "Maximum": _binary(np.maximum),
    "Minimum": _binary(np.minimum),
    "Multiply": _binary(np.multiply),
    "Negative": _elementwise(np.negative),
    "Power": _power,
    "Reshape": _reshape_with_samples,
    "Sin": _elementwise(np.sin),
    "Square": _elementwise(np.square),
    "Subtract": _binary(np.subtract),
    "Tanh": _activation_with("tanh"),
    "TrueDivide": _binary(np.divide),
}
_ACTIVATION_OPERATIONS: dict[str, Builder] = {
    "Celu": _activation_with("celu", alpha=1),
    "Elu": _elu,
    "Gelu": _activation_with("gelu", approximate=False),
    "HardShrink": _activation_with("hard_shrink", threshold=0.5),
    "HardSigmoid": _activation_with("hard_sigmoid"),
    "HardSilu": _activation_with("hard_silu"),
    "HardTanh": _activation_with("hard_tanh"),
    "LeakyRelu": _leaky_relu,
    "LogSigmoid": _activation_with("log_sigmoid"),
    "Relu": _activation_with("relu"),
    "Relu6": _activation_with("relu6"),
    "Selu": _activation_with("selu"),
    "Sigmoid": _activation_with("sigmoid"),
    "Silu": _activation_with("silu"),
    "SoftShrink": _activation_with("soft_shrink", threshold=0.5),
    "Softmax": _softmax,
    "Softplus": _activation_with("softplus"),
    "Softsign": _activation_with("softsign"),
    "SparsePlus": _activation_with("sparse_plus"),
    "SparseSigmoid": _activation_with("sparse_sigmoid"),
    "Squareplus": _activation_with("squareplus", b=4),
    "TanhShrink": _activation_with("tanh_shrink"),
}
BUILDERS: dict[tuple[str, str], Builder] = {
    **{("keras.layers", name): builder for name, builder in _LAYERS.items()},
    **{("keras.src.ops.numpy", name): builder for name, builder in _NUMPY_OPERATIONS.items()},
    **{("keras.src.ops.nn", name): builder for name, builder in _ACTIVATION_OPERATIONS.items()},
    ("keras.src.activations.activations", "ReLU"): _relu,
    ("keras.src.ops.core", "Cast"): _cast,
}
WITHOUT_AUTOCAST = {_embedding, _layer_normalization}  # whose inputs Keras does not cast to the layer's dtype
FOR_INTEGERS = {_cast, _embedding, _expand_dims, _flatten, _get_item, _reshape, _reshape_with_samples, _same}
