"""Prediction by Keras on the engine, for networks with layers that NumPy does not know."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import sparse

from moonnet.networks import Network, State
from moonnet.training.engines import Prediction, check_usable, engine

# Limits of the rows that are predicted at once, and of the outputs of all layers for them
_MAX_ROWS = 2**12
_MAX_BYTES = 2**25
# Several rows count as this many at least, where each number of rows is compiled
_MIN_ROWS = 2**4
# Compiled predictions that are kept
_MAX_COMPILED = 32


def raw_predictions(network: Network, X: Any, state: State) -> np.ndarray:
    """Return the outputs of a network that does not predict in NumPy."""
    check_usable("predict with these layers")
    return predict(_compiled(network, engine.device()), state.trainable, state.others, X)


def raw_predictions_of_each(network: Network, X: Any, stacked: State) -> Iterator[np.ndarray]:
    """Yield the outputs of stacked networks, in groups, shape (networks of a group, n_samples, n_outputs)."""
    if network.predicts_in_numpy:
        yield from network.raw_predictions_of_each(X, stacked)
    else:
        for index in range(len(stacked.trainable[0])):
            yield raw_predictions(network, X, stacked.view_of(index))[np.newaxis]


@lru_cache(maxsize=_MAX_COMPILED)
def _compiled(network: Network, device: Any) -> "CompiledPrediction":
    from moonnet.training._keras_models import training_model

    with engine.scope(device, "float64"):
        return compile_prediction(training_model(network, network.compute_dtype("float64"), None), device)


@dataclass(frozen=True, eq=False)
class CompiledPrediction:
    """The inference pass of a Keras model, compiled. It holds no values of the model's variables that it needs."""

    function: Prediction
    input_dtype: str
    output_shape: tuple[int, ...]  # of one row
    output_dtype: str
    chunk_size: int  # the rows that are predicted at once, a power of two


def compile_prediction(model: Any, device: Any) -> CompiledPrediction:
    """Compile the inference pass of a Keras model with one input and one output, built in ``engine.scope``."""
    [inputs], [outputs] = model.inputs, model.outputs
    chunk_size = min(_MAX_ROWS, max(1, _MAX_BYTES // sum(_bytes_of_layers(model))))
    return CompiledPrediction(
        engine.compile_prediction(model, device),
        inputs.dtype,
        outputs.shape[1:],
        outputs.dtype,
        2 ** (chunk_size.bit_length() - 1),
    )


def predict(
    compiled: CompiledPrediction, trainable: Sequence[np.ndarray], others: Sequence[np.ndarray], X: Any
) -> np.ndarray:
    """Return the outputs for X, an array or in CSR format, chunk by chunk.

    ``trainable`` and ``others`` are the values of the model's trainable and non-trainable variables.
    """
    n_samples = X.shape[0]
    outputs = np.empty((n_samples, *compiled.output_shape), compiled.output_dtype)
    for start in range(0, n_samples, compiled.chunk_size):
        rows = X[start : start + compiled.chunk_size]
        rows = np.asarray(rows.toarray() if sparse.issparse(rows) else rows, compiled.input_dtype)
        n_rows = len(rows)
        if engine.compiles_each_size:
            rows = _padded(rows, compiled.chunk_size)
        outputs[start : start + n_rows] = compiled.function(trainable, others, rows)[:n_rows]
    return outputs


def _padded(rows: np.ndarray, chunk_size: int) -> np.ndarray:
    """Return rows whose number is a power of two, so that few numbers are compiled; the last row is repeated."""
    n_rows = len(rows)
    if n_rows in (1, chunk_size):
        return rows
    size = min(chunk_size, max(_MIN_ROWS, 2 ** (n_rows - 1).bit_length()))
    return np.concatenate([rows, rows[-1:].repeat(size - n_rows, axis=0)])


def _bytes_of_layers(model: Any) -> Iterator[int]:
    """Yield the size of each layer's output for one row, in float64."""
    from moonnet._keras import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _bytes_of_layers(layer)
        else:
            for output in keras.tree.flatten(getattr(layer, "output", ())):
                yield 8 * math.prod(filter(None, output.shape[1:]))
