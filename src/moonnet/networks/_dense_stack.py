"""A stack of Dense layers, whose forward pass is in NumPy."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
from scipy import sparse

from moonnet.networks._activations import ACTIVATIONS
from moonnet.networks._network import ModelOptions, Network, State

# Size of the widest layer's output for one chunk of rows: a quarter of a typical level-2 cache, so that the outputs and
# biases of each layer are still cached when they are read again.
_CHUNK_BYTES = 2**18


@dataclass(frozen=True)
class DenseStack(Network):
    """Hidden Dense layers of one activation, and a Dense output layer. Its arrays are kernel and bias of each layer."""

    layer_sizes: tuple[int, ...]  # features, units of each hidden layer, outputs
    activation: str
    random_biases: bool = False  # whether hidden layers start with random biases instead of 0

    @property
    def n_features(self) -> int:
        """The number of inputs."""
        return self.layer_sizes[0]

    @property
    def n_outputs(self) -> int:
        """The number of outputs."""
        return self.layer_sizes[-1]

    @property
    def n_layers(self) -> int:
        """The number of layers, including those of input and output."""
        return len(self.layer_sizes)

    def describe(self) -> str:
        """Return the sizes of the hidden layers."""
        return f"a network with the hidden layers {self.layer_sizes[1:-1]}"

    def to_dict(self) -> dict[str, Any]:
        """Return the network as plain values."""
        return dict(vars(self))

    @property
    def n_weights(self) -> int:
        """The number of weights and biases."""
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(self.layer_sizes))

    def initial_state(self, rng: np.random.Generator, dtype: str) -> State:
        """Return weights as Keras's Dense draws them: Glorot uniform kernels, zero biases.

        Random biases are drawn within the same bounds, as in scikit-learn's MLPs.

        Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
        """
        weights = []
        for layer, (fan_in, fan_out) in enumerate(pairwise(self.layer_sizes), start=1):
            bound = math.sqrt(6 / (fan_in + fan_out))
            is_hidden = layer < len(self.layer_sizes) - 1
            kernel = rng.uniform(-bound, bound, (fan_in, fan_out))
            bias = rng.uniform(-bound, bound, fan_out) if self.random_biases and is_hidden else np.zeros(fan_out)
            weights += [kernel.astype(dtype), bias.astype(dtype)]
        return State(weights)

    def with_layers_of(self, state: State) -> Self:
        """Return a stack like this one, whose layers have the sizes of the state's."""
        coefs, intercepts = self.coefs(state), self.intercepts(state)
        return replace(self, layer_sizes=(len(coefs[0]), *map(len, intercepts)))

    def check(self, state: State) -> None:
        """Raise ValueError unless the layers are valid and the state fits to them; both may come from a file."""
        sizes = self.layer_sizes
        if type(sizes) is not tuple or any(type(size) is not int or size < 1 for size in sizes):
            raise ValueError(f"expected a tuple of positive integers as layer sizes. Got {sizes!r}")
        shapes = [shape for sizes in pairwise(self.layer_sizes) for shape in (sizes, sizes[1:])]
        if state.others or [array.shape for array in state.trainable] != shapes:
            raise ValueError(f"expected weights of the shapes {shapes}")
        if {array.dtype for array in state.trainable} not in ({np.dtype("float32")}, {np.dtype("float64")}):
            raise ValueError("expected weights of one dtype, float32 or float64")
        if not state.is_finite():
            raise ValueError("expected finite weights")

    @staticmethod
    def join(coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]) -> State:
        """Return the state with these kernels and biases. Raises ValueError."""
        if len(coefs) != len(intercepts):
            raise ValueError(
                f"coefs_ and intercepts_ must have an array for each layer. Got {len(coefs)} and {len(intercepts)}."
            )
        return State([array for layer in zip(coefs, intercepts, strict=True) for array in layer])

    @staticmethod
    def coefs(state: State) -> list[np.ndarray]:
        """Return the kernel of each layer."""
        return state.trainable[::2]

    @staticmethod
    def intercepts(state: State) -> list[np.ndarray]:
        """Return the bias of each layer."""
        return state.trainable[1::2]

    @staticmethod
    def flatten(state: State) -> np.ndarray:
        """Return the weights as one vector: of each layer the kernel row by row, then the bias."""
        return np.concatenate([array.ravel() for array in state.trainable])

    def penalized(self, trainable: Sequence[Any]) -> Sequence[Any]:
        """Return the kernels."""
        return trainable[::2]

    def raw_predictions(self, X: Any, state: State) -> np.ndarray:
        """Return the outputs."""
        activate = ACTIVATIONS[self.activation]
        *hidden_intercepts, output_intercept = self.intercepts(state)
        *hidden_coefs, output_coef = self.coefs(state)
        dtype = output_coef.dtype
        n_samples = X.shape[0]
        chunk = min(n_samples, max(1, _CHUNK_BYTES // (max(self.layer_sizes[1:]) * dtype.itemsize)))

        outputs = np.empty((n_samples, len(output_intercept)), dtype)
        buffers = [np.empty((chunk, len(intercept)), dtype) for intercept in hidden_intercepts]
        # Biases are repeated for each row of a chunk, because NumPy adds arrays of equal shape faster than it
        # broadcasts
        biases = [intercept[np.newaxis].repeat(chunk, axis=0) for intercept in hidden_intercepts]
        for start in range(0, n_samples, chunk):
            rows = slice(start, start + chunk)
            values = X[rows]
            n_rows = values.shape[0]
            for coef, bias, buffer in zip(hidden_coefs, biases, buffers, strict=True):
                values = _matmul(values, coef, out=buffer[:n_rows])
                values += bias[:n_rows]
                activate(values)
            _matmul(values, output_coef, out=outputs[rows])
        outputs += output_intercept
        return outputs

    def raw_predictions_of_each(self, X: Any, stacked: State) -> Iterator[np.ndarray]:
        """Yield the outputs of stacked networks, in groups."""
        n_networks, n_samples = len(stacked.trainable[0]), X.shape[0]
        bytes_of_one = n_samples * max(self.layer_sizes[1:]) * stacked.dtype.itemsize
        size = 1 if sparse.issparse(X) else max(1, _CHUNK_BYTES // bytes_of_one)
        for start in range(0, n_networks, size):
            if size == 1:
                yield self.raw_predictions(X, State([array[start] for array in stacked.trainable]))[np.newaxis]
            else:
                yield self._predict_group(X, State([array[start : start + size] for array in stacked.trainable]))

    def _predict_group(self, X: np.ndarray, stacked: State) -> np.ndarray:
        """Return the outputs of stacked networks for few samples, shape (n_networks, n_samples, n_outputs)."""
        activate = ACTIVATIONS[self.activation]
        layers = list(zip(self.coefs(stacked), self.intercepts(stacked), strict=True))
        values = X
        for index, (coef, intercept) in enumerate(layers):
            values = np.matmul(values, coef)
            values += intercept[:, np.newaxis]
            if index < len(layers) - 1:
                activate(values)
        return values

    def layer_outputs(self, X: np.ndarray, state: State) -> list[np.ndarray]:
        """Return what each layer passes on for X, which is the first of them; the last are the outputs."""
        values, layers = X, [X]
        for index, (coef, intercept) in enumerate(zip(self.coefs(state), self.intercepts(state), strict=True)):
            values = values @ coef + intercept
            if index < len(self.layer_sizes) - 2:
                ACTIVATIONS[self.activation](values)
            layers.append(values)
        return layers

    def build(self, options: ModelOptions) -> Any:
        """Return a new ``keras.Sequential``.

        The layers are named as Keras would name those of a first model, so that Keras's counters of names stay as they
        are.
        """
        from moonnet._keras import keras

        def layer_name(name: str, index: int) -> str:
            return f"{name}_{index}" if index else name

        n_features, *hidden, n_outputs = self.layer_sizes
        activation = options.activation(self.activation)
        layers = [keras.Input((n_features,), dtype=options.dtype, name="input_layer")]
        for index, units in enumerate(hidden):
            name = layer_name("dense", index)
            layers.append(keras.layers.Dense(units, activation=activation, name=name, **options.dense))
            if options.dropout is not None:
                layers.append(options.dropout(name=layer_name("dropout", index)))
        name = layer_name("dense", len(hidden))
        layers.append(keras.layers.Dense(n_outputs, name=name, **options.output_layer))
        return keras.Sequential([*layers, *options.last_layers], name="sequential")


def _matmul(values: Any, coef: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Write ``values @ coef`` to ``out`` and return it; values may be sparse."""
    if sparse.issparse(values):
        out[...] = values @ coef
        return out
    return np.matmul(values, coef, out=out)
