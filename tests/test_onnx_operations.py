"""What ONNX knows of Keras's layers, compared with Keras and with what NumPy knows."""

import copy
import inspect
from functools import lru_cache

import numpy as np
import pytest
import skl2onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from onnx import TensorProto

import moonnet.onnx  # noqa: F401 - registers the converters
from helpers import run_onnx
from moonnet import HiddenLayers, KerasMoonRegressor
from moonnet._keras import keras
from moonnet.networks import State, _numpy_operations, resolve_hidden_layers
from moonnet.networks._numpy_layers import BUILDERS
from moonnet.onnx._operations import CONVERTERS, FUNCTIONS
from moonnet.training.engines import engine
from test_networks_forward_pass import BACKEND, BLOCK, HEADS, IN_FLOAT32, precision, predict, random_network
from test_networks_forward_pass import X as SAMPLES


def test_onnx_knows_all_that_numpy_knows():
    assert set(CONVERTERS) == set(_numpy_operations.Operation.__subclasses__())
    used = [inspect.getclosurevars(builder).nonlocals for builder in BUILDERS.values()]
    functions = {getattr(settings.get("operation"), "function", settings.get("function")) for settings in used}
    assert functions - {None} <= set(FUNCTIONS)


@lru_cache
def fitted_to_signs(n_outputs):
    """Return a fitted network, to numbers whose mean is 0 and whose deviation is 1: outputs are in their unit."""
    y = np.repeat([[-1.0], [1.0]], n_outputs, axis=1)
    return KerasMoonRegressor((), epochs=1, validation_fraction=0.5).fit(np.eye(2, 4), y)


def regressor(layers, n_units, rng):
    """Return a regressor with these layers and random weights, which predicts the values of the last hidden layer."""
    reg = copy.deepcopy(fitted_to_signs(n_units))
    network = resolve_hidden_layers(HiddenLayers(layers), 4, n_units, engine.scope(None, "float64"))
    arrays = [
        rng.uniform(0.3, 3, variable.shape) if "variance" in variable.path else rng.normal(size=variable.shape)
        for variable in network.variables
    ]
    arrays = [array.astype(variable.dtype) for array, variable in zip(arrays, network.variables, strict=True)]
    n_trainable = sum(variable.trainable for variable in network.variables)
    arrays[n_trainable - 2 : n_trainable] = [np.eye(n_units, dtype=network.dtype), np.zeros(n_units, network.dtype)]
    reg._network, reg._state = network, State(arrays[:n_trainable], arrays[n_trainable:])
    return reg


def run(reg, X, **options):
    """Convert a regressor and return the outputs of ONNX Runtime for X."""
    (outputs,) = run_onnx(skl2onnx.to_onnx(reg, X[:1], **options), {"X": X})
    return outputs


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "opset"), [("float32", 12), ("float64", None)])
def test_each_layer_equals_keras(dtype, opset):
    widths = {}

    def all_heads(inputs):
        outputs = [keras.layers.Flatten(dtype=dtype)(head(inputs, dtype)) for head in HEADS.values()]
        widths.update(zip(HEADS, [output.shape[1] for output in outputs], strict=True))
        return keras.layers.Concatenate(dtype=dtype)(outputs)

    resolve_hidden_layers(HiddenLayers(all_heads), 4, 1, engine.scope(None, "float64"))
    reg = regressor(all_heads, sum(widths.values()), np.random.default_rng(1))
    X = SAMPLES.astype(dtype)
    found = run(reg, X, target_opset=opset)
    assert found.dtype == dtype
    with precision(dtype):
        expected = predict(reg.model_, X)
    ends = np.cumsum(list(widths.values()))[:-1]
    for name, *columns in zip(HEADS, *(np.split(array, ends, axis=1) for array in (found, expected)), strict=True):
        is_exact = BACKEND == "tensorflow" or (BACKEND == "jax" and name not in IN_FLOAT32)
        tolerance = 1e-12 if is_exact and dtype == "float64" else 2e-6
        assert_allclose(*columns, rtol=tolerance, atol=tolerance * np.abs(columns[1]).max(), err_msg=name)
    if dtype == "float64":
        assert_allclose(found, reg.predict(X), rtol=1e-12, atol=1e-13)


def test_layers_keep_their_dtypes_in_a_graph_of_float64():
    def layers_of_both_dtypes(inputs):
        x = keras.layers.Dense(3, dtype="float32")(keras.layers.Rescaling(1 / 3, dtype="float64")(inputs))
        x = keras.layers.LayerNormalization(dtype="float32")(keras.layers.Activation("tanh", dtype="float64")(x))
        index = keras.ops.cast(inputs[:, 3], "int64")
        return keras.layers.Add(dtype="float64")([x, keras.layers.Embedding(5, 3, dtype="float32")(index)])

    reg = regressor(layers_of_both_dtypes, 3, np.random.default_rng(0))
    for dtype, tolerance in (("float32", 1e-5), ("float64", 1e-6)):
        found = run(reg, SAMPLES.astype(dtype))
        assert found.dtype == dtype
        assert_allclose(found, reg.predict(SAMPLES), rtol=tolerance, atol=tolerance)
    types = {tensor.data_type for tensor in skl2onnx.to_onnx(reg, SAMPLES).graph.initializer}
    assert {TensorProto.FLOAT, TensorProto.DOUBLE} <= types
    types = {tensor.data_type for tensor in skl2onnx.to_onnx(reg, SAMPLES.astype("float32")).graph.initializer}
    assert TensorProto.DOUBLE not in types


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(recipe=st.lists(BLOCK, min_size=1, max_size=7), seed=st.integers(0, 2**32 - 1))
def test_random_networks_equal_keras(recipe, seed):
    model = None

    def layers(inputs):
        nonlocal model
        model = random_network(recipe)
        return model(inputs)

    reg = regressor(layers, 4, np.random.default_rng(seed))
    X = SAMPLES.astype("float32")
    expected = predict(reg.model_, X)
    assert_allclose(run(reg, X), expected, rtol=1e-4, atol=1e-4 * max(1, np.abs(expected).max()))
