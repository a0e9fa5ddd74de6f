"""Compiled predictions: compared with Keras and NumPy, in chunks, on threads, without side effects."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from moonnet._keras import keras
from moonnet.networks import State
from moonnet.training import engines
from moonnet.training._compiled_prediction import CompiledPrediction, compile_prediction, predict, raw_predictions
from moonnet.training.engines import engine

BACKEND = keras.backend.backend()
trains = pytest.mark.trains
layers = keras.layers

N_FEATURES = 6


def build(make_outputs, input_dtype="float32"):
    """Return a model and its compiled prediction."""
    device = engine.device()
    with engine.scope(device, "float64"):
        inputs = keras.Input((N_FEATURES,), dtype=input_dtype)
        model = keras.Model(inputs, make_outputs(inputs))
        return model, compile_prediction(model, device)


def random_state(model, seed=0):
    """Return values for the trainable and the other variables; variances are positive, seeds stay as they are."""
    rng = np.random.default_rng(seed)

    def values(variables):
        arrays = [engine.read(variable) for variable in variables]
        return [
            rng.uniform(0.2, 1, a.shape).astype(a.dtype) if np.issubdtype(a.dtype, np.floating) else np.array(a)
            for a in arrays
        ]

    return values(model.trainable_variables), values(model.non_trainable_variables)


def random_samples(n_samples, dtype="float32", seed=0):
    return np.random.default_rng(seed).normal(size=(n_samples, N_FEATURES)).astype(dtype)


def keras_outputs(model, trainable, others, X):
    """Return what Keras computes layer by layer, with the values in its variables."""
    with engine.scope(engine.device(), "float64"):
        variables = [*model.trainable_variables, *model.non_trainable_variables]
        for variable, value in zip(variables, [*trainable, *others], strict=True):
            engine.write(variable, value)
        return keras.ops.convert_to_numpy(model(X, training=False))


def rounds_batch_normalization(dtype):
    """Return whether Keras's BatchNormalization rounds its inputs to float32, as it does on JAX."""
    return (BACKEND, dtype) == ("jax", "float64")


@cache
def convolution(dtype):
    def outputs(x):
        x = layers.Reshape((N_FEATURES, 1), dtype=dtype)(x)
        x = layers.Conv1D(4, 3, activation="relu", dtype=dtype)(x)
        x = layers.Dense(5, dtype=dtype)(layers.Flatten(dtype=dtype)(x))
        if not rounds_batch_normalization(dtype):
            x = layers.BatchNormalization(dtype=dtype)(x)
        x = layers.Dropout(0.5, dtype=dtype)(layers.ReLU(dtype=dtype)(x))
        return layers.Dense(2, dtype=dtype)(layers.Add(dtype=dtype)([x, layers.Dense(5, dtype=dtype)(x)]))

    return build(outputs, dtype)


def numpy_convolution(trainable, others, X):
    """Return the outputs of ``convolution`` by formulas in NumPy."""
    filters, filter_bias, kernel, bias, *scale, residual, residual_bias, output, output_bias = trainable
    windows = np.lib.stride_tricks.sliding_window_view(X, 3, axis=1)
    values = np.maximum(windows @ filters[:, 0] + filter_bias, 0).reshape(len(X), -1)
    values = values @ kernel + bias
    if scale:
        (gamma, beta), (mean, variance) = scale, others[:2]
        values = (values - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    values = np.maximum(values, 0)
    return (values + values @ residual + residual_bias) @ output + output_bias


@trains
@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-5), ("float64", 1e-12)])
def test_prediction_is_that_of_formulas(dtype, rtol):
    model, compiled = convolution(dtype)
    trainable, others = random_state(model)
    before = [engine.read(variable).copy() for variable in model.variables]
    for n_samples in (1, 3, 40):
        X = random_samples(n_samples, dtype)
        outputs = predict(compiled, trainable, others, X)
        assert outputs.dtype == dtype
        assert_allclose(outputs, numpy_convolution(trainable, others, X), rtol=rtol)
    for variable, value in zip(model.variables, before, strict=True):
        assert_array_equal(engine.read(variable), value)


@trains
def test_prediction_is_that_of_keras():
    # Layers of float32 between inputs and outputs of float64, an integer column, a network within the network
    def outputs(x):
        embedded = layers.Embedding(4, 3)(x[:, 2])
        block = keras.Sequential([layers.Dense(5, activation="gelu"), layers.LayerNormalization()])
        x = layers.Concatenate()([block(x), embedded, layers.Dropout(0.1)(embedded)])
        return layers.Dense(3, dtype="float64")(x)

    model, compiled = build(outputs, "float64")
    trainable, others = random_state(model)
    X = random_samples(20, "float64")
    X[:, 2] = np.arange(20) % 4
    predictions = predict(compiled, trainable, others, X), predict(compiled, trainable, others, X[:1])
    expected = keras_outputs(model, trainable, others, X)
    assert predictions[0].dtype == expected.dtype == np.float64
    assert_allclose(predictions[0], expected, rtol=1e-5)
    assert_allclose(predictions[1], expected[:1], rtol=1e-5)


@trains
def test_threads_predict_with_states_of_their_own_at_the_same_time():
    model, _ = convolution("float32")
    compiled = compile_prediction(model, engine.device())  # without a size that is compiled
    states = [random_state(model, seed) for seed in range(8)]
    samples = [random_samples(n_samples) for n_samples in (1, 20, 1, 40, 20, 1, 40, 1)]
    with ThreadPoolExecutor(len(states)) as pool:
        for _ in range(3):
            outputs = pool.map(lambda state, X: predict(compiled, *state, X), states, samples)
            for predictions, state, X in zip(outputs, states, samples, strict=True):
                assert_allclose(predictions, numpy_convolution(*state, X), rtol=1e-5)


@trains
def test_arrays_of_any_layout_are_predicted_and_not_kept():
    model, compiled = convolution("float32")
    trainable, others = random_state(model)
    X = random_samples(3)
    expected = numpy_convolution(trainable, others, X)
    trainable = [np.asfortranarray(array)[::-1][::-1] for array in trainable]
    for array in (*trainable, *others):
        array.flags.writeable = False
    for samples in (np.asfortranarray(X), X[:, ::-1].copy()[:, ::-1], sparse.csr_array(X), X.astype("float64")):
        assert_allclose(predict(compiled, trainable, others, samples), expected, rtol=1e-5)

    references = [weakref.ref(array) for array in (*trainable, *others, X)]
    predict(compiled, trainable, others, X)
    del trainable, others, X, array, samples
    predict(compiled, *random_state(model), random_samples(3))  # JAX lets go of arrays at the next call
    gc.collect()
    assert [reference() for reference in references] == [None] * len(references)


@trains
def test_what_the_caller_has_opened_does_not_matter():
    model, compiled = convolution("float64")
    state, X = random_state(model), random_samples(1, "float64")

    def prediction():
        return predict(compiled, *state, X)

    if BACKEND == "jax":
        import jax

        in_function, context = jax.jit(prediction), jax.default_matmul_precision("bfloat16")
    elif BACKEND == "tensorflow":
        import tensorflow as tf

        in_function, context = tf.function(prediction), tf.GradientTape()
    else:
        import torch

        in_function, context = torch.inference_mode()(prediction), torch.autocast("cpu", torch.bfloat16)
    with context:
        outputs = in_function()
    assert_allclose(np.asarray(outputs), numpy_convolution(*state, X), rtol=1e-6)


@trains
@pytest.mark.skipif(BACKEND != "torch", reason="other engines refuse such a layer")
@pytest.mark.parametrize("read", ["__bool__", "item", "numpy"])
def test_layer_that_reads_values_is_not_recorded(read):
    class SignOfSum(layers.Layer):
        def call(self, x):
            return x if getattr(x.sum() > 0, read)() else -x

    model, compiled = build(lambda x: layers.Dense(2)(SignOfSum()(x)))
    state = random_state(model)
    for X in (random_samples(1), -random_samples(1)):
        assert_allclose(predict(compiled, *state, X), keras_outputs(model, *state, X), rtol=1e-6)


@given(
    n_samples=st.integers(0, 300),
    log_chunk=st.integers(0, 6),
    compiles_each_size=st.booleans(),
    is_sparse=st.booleans(),
)
def test_rows_are_predicted_in_chunks_of_few_sizes(n_samples, log_chunk, compiles_each_size, is_sparse):
    sizes = set()

    def function(trainable, others, X):
        sizes.add(len(X))
        assert X.dtype == np.float32
        return X @ trainable[0] + others[0]

    kernel, bias = np.ones((N_FEATURES, 2)), np.arange(2.0)
    compiled = CompiledPrediction(function, "float32", (2,), "float64", 2**log_chunk)
    X = random_samples(n_samples, "float64").round(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(engine), "compiles_each_size", compiles_each_size)
        outputs = predict(compiled, [kernel], [bias], sparse.csr_array(X) if is_sparse else X)
    assert_allclose(outputs, X.astype("float32") @ kernel + bias, strict=True)
    assert max(sizes, default=0) <= 2**log_chunk
    if compiles_each_size:
        assert sizes <= {1, 2**log_chunk, 16, 32, 64}


@pytest.mark.parametrize(("units", "chunk_size"), [(8, 4096), (1000, 2048), (2**22, 1)])
def test_wide_layers_limit_the_rows_of_a_chunk(units, chunk_size, monkeypatch):
    monkeypatch.setattr(type(engine), "compile_prediction", lambda self, model, device: None)
    inputs = keras.Input((1, 1))
    repeated = keras.Sequential([layers.UpSampling1D(units)])(inputs)
    model = keras.Model(inputs, layers.GlobalMaxPooling1D()(layers.Rescaling(2)(repeated)))
    assert compile_prediction(model, None).chunk_size == chunk_size  # at most 32 MB for two layers in float64


@pytest.mark.skipif(engine.survives_fork, reason="PyTorch survives it")
def test_forked_process_cannot_predict(monkeypatch):
    monkeypatch.setattr(engines, "_import_process_id", 0)
    with pytest.raises(RuntimeError, match="cannot predict with these layers in a process forked"):
        raw_predictions(SimpleNamespace(predicts_in_numpy=False), random_samples(1), State([]))
