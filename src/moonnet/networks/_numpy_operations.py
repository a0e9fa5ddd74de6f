"""What layers compute at prediction, in NumPy: an operation for each, with its settings as fields.

An operation is called with the arrays of its layer, by Keras's names of the variables, and with its input values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar

import numpy as np

from moonnet.networks._activations import ACTIVATIONS

Weights = Mapping[str, np.ndarray]


class Operation:
    """The base class of operations. Axes of settings count the axis of samples, which is the first."""

    has_arrays: ClassVar[bool] = False  # whether it takes arrays of its layer
    is_in_place: ClassVar[bool] = False  # whether it overwrites its first input
    is_view: ClassVar[bool] = False  # whether the result may share memory with the first input

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the result for these values."""
        raise NotImplementedError


@dataclass(frozen=True)
class Copy(Operation):
    """The same values."""

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return a copy."""
        return values[0].copy()


@dataclass(frozen=True)
class Cast(Operation):
    """Another dtype. A conversion to integers rounds towards 0."""

    dtype: str

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the values in the other dtype. Those that it cannot represent become infinite or any integer."""
        with np.errstate(invalid="ignore", over="ignore"):
            return values[0].astype(self.dtype)


@dataclass(frozen=True)
class Affine(Operation):
    """A product with ``kernel``, and a sum with ``bias``, over the last axis."""

    use_bias: bool
    has_arrays: ClassVar[bool] = True

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the outputs of a Dense layer before its activation."""
        (x,) = values
        kernel = weights["kernel"]
        # One product for all rows: NumPy would compute one for each sample
        outputs = x @ kernel if x.ndim == 2 else x.reshape(-1, len(kernel)) @ kernel
        if self.use_bias:
            outputs += weights["bias"]
        return outputs if x.ndim == 2 else outputs.reshape(*x.shape[:-1], kernel.shape[1])


@dataclass(frozen=True)
class Activation(Operation):
    """An activation of Keras, by name."""

    name: str
    is_in_place: ClassVar[bool] = True

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Overwrite the values and return them."""
        ACTIVATIONS[self.name](values[0])
        return values[0]


@dataclass(frozen=True)
class Softmax(Operation):
    """The softmax over the last axis."""

    is_in_place: ClassVar[bool] = True

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Overwrite the values and return them."""
        (x,) = values
        x -= x.max(axis=-1, keepdims=True)
        np.exp(x, out=x)
        x /= x.sum(axis=-1, keepdims=True)
        return x


@dataclass(frozen=True)
class ReLU(Operation):
    """``keras.activations.relu`` with any settings."""

    negative_slope: float
    max_value: float | None
    threshold: float

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the activations; below the threshold, their slope starts at 0, as Keras computes it."""
        (x,) = values
        outputs = np.where(x > self.threshold, x, 0) if self.threshold else np.maximum(x, 0)
        if self.max_value is not None:
            np.minimum(outputs, self.max_value, out=outputs)
        if self.negative_slope:
            outputs -= self.negative_slope * np.maximum(self.threshold - x, 0)
        return outputs


@dataclass(frozen=True)
class LeakyReLU(Operation):
    """Values above 0, and others times a slope."""

    negative_slope: float

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the activations."""
        (x,) = values
        return np.where(x > 0, x, self.negative_slope * x)


@dataclass(frozen=True)
class ELU(Operation):
    """The exponential linear unit with any limit ``-alpha``."""

    alpha: float

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the activations."""
        (x,) = values
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))


@dataclass(frozen=True)
class PReLU(Operation):
    """Values above 0, and others times the slope ``alpha``."""

    has_arrays: ClassVar[bool] = True

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the activations."""
        (x,) = values
        return np.where(x > 0, x, weights["alpha"] * x)


@dataclass(frozen=True)
class BatchNormalization(Operation):
    """Batch normalization of the last axis with the moving statistics."""

    epsilon: float
    center: bool
    scale: bool
    has_arrays: ClassVar[bool] = True
    is_in_place: ClassVar[bool] = True

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Overwrite the values and return them."""
        (x,) = values
        factor = 1 / np.sqrt(weights["moving_variance"] + self.epsilon)
        if self.scale:
            factor *= weights["gamma"]
        x -= weights["moving_mean"]  # before the product, because factor * mean may be large and lose digits
        x *= factor
        if self.center:
            x += weights["beta"]
        return x


@dataclass(frozen=True)
class LayerNormalization(Operation):
    """Layer normalization over the last axis; ``rms_scaling`` divides by the deviation without centering."""

    epsilon: float
    center: bool
    scale: bool
    rms_scaling: bool
    has_arrays: ClassVar[bool] = True

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the normalized values."""
        (x,) = values
        n_features = x.shape[-1]
        # np.mean and np.var take several times as long for few values
        centered = x - np.add.reduce(x, axis=-1, keepdims=True) / n_features
        variance = np.add.reduce(centered * centered, axis=-1, keepdims=True) / n_features
        factor = 1 / np.sqrt(variance + self.epsilon)
        outputs = x * factor if self.rms_scaling else np.multiply(centered, factor, out=centered)
        if self.scale or self.rms_scaling:
            outputs *= weights["gamma"].astype(x.dtype, copy=False)
        if self.center and not self.rms_scaling:
            outputs += weights["beta"].astype(x.dtype, copy=False)
        return outputs


@dataclass(frozen=True, eq=False)
class Normalization(Operation):
    """Values minus a mean, divided by a deviation, both fixed."""

    mean: np.ndarray
    deviation: np.ndarray

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the normalized values."""
        outputs = values[0] - self.mean
        outputs /= self.deviation
        return outputs


@dataclass(frozen=True)
class Rescaling(Operation):
    """Values times a number, plus a number."""

    scale: float
    offset: float

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the rescaled values."""
        outputs = values[0] * self.scale
        outputs += self.offset
        return outputs


@dataclass(frozen=True)
class Embedding(Operation):
    """The rows of ``embeddings`` at indices, of which negative ones count from the end, as in Keras."""

    name: str  # of the layer, for the error
    has_arrays: ClassVar[bool] = True

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the rows. Raises ValueError for an index out of range.

        Keras fails as well on TensorFlow and PyTorch; on JAX it returns NaN, on a GPU TensorFlow returns 0.
        """
        (indices,) = values
        embeddings = weights["embeddings"]
        try:
            return embeddings.take(indices, axis=0)
        except IndexError:
            n_rows = len(embeddings)
            wrong = indices[(indices < -n_rows) | (indices >= n_rows)]
            raise ValueError(
                f"The inputs of the layer {self.name!r} must be integers from 0 to {n_rows - 1}, because its input_dim "
                f"is {n_rows}. Got {wrong[0]}."
            ) from None


@dataclass(frozen=True)
class Elementwise(Operation):
    """A function of each value."""

    function: np.ufunc

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the results of the function."""
        return self.function(values[0])


@dataclass(frozen=True)
class Combine(Operation):
    """A function of two values, for two and more values from left to right."""

    function: np.ufunc

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the combination."""
        return reduce(self.function, values)


@dataclass(frozen=True, eq=False)
class CombineConstant(Operation):
    """A function of a value and a constant, a Python number or an array."""

    function: np.ufunc
    constant: Any
    is_first: bool  # whether the constant is the function's first argument

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the combination."""
        return self.function(self.constant, values[0]) if self.is_first else self.function(values[0], self.constant)


@dataclass(frozen=True)
class Average(Operation):
    """The mean of several values."""

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the mean."""
        return reduce(np.add, values) / len(values)


@dataclass(frozen=True)
class Concatenate(Operation):
    """Values side by side."""

    axis: int

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the joined values."""
        return np.concatenate(values, axis=self.axis)


@dataclass(frozen=True)
class Reshape(Operation):
    """Another shape of each sample."""

    shape: tuple[int, ...]
    is_view: ClassVar[bool] = True

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the values in the other shape."""
        return values[0].reshape(len(values[0]), *self.shape)


@dataclass(frozen=True)
class Transpose(Operation):
    """Another order of axes."""

    axes: tuple[int, ...]
    is_view: ClassVar[bool] = True

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the values in the other order."""
        return values[0].transpose(self.axes)


@dataclass(frozen=True)
class Repeat(Operation):
    """Each sample several times, along a new axis."""

    n: int

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the repeated values, shape (n_samples, n, ...)."""
        return values[0][:, np.newaxis].repeat(self.n, axis=1)


@dataclass(frozen=True, eq=False)
class GetItem(Operation):
    """A part of each sample, by an index of integers, slices and new axes."""

    key: tuple[Any, ...]  # including the slice of all samples
    is_view: ClassVar[bool] = True

    def __call__(self, weights: Weights, *values: np.ndarray) -> np.ndarray:
        """Return the part."""
        return values[0][self.key]
