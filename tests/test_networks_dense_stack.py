"""Stacks of Dense layers: initial weights, and the forward pass, compared with Keras and with matrix products."""

import copy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse

from moonnet._keras import keras
from moonnet.networks import ACTIVATIONS, DenseStack, State, _dense_stack


def raw_predictions(X, coefs, intercepts, activation):
    network = DenseStack((X.shape[1], *map(len, intercepts)), activation)
    return network.raw_predictions(X, DenseStack.join(coefs, intercepts))


VALUES = np.concatenate([np.linspace(-12, 12, 4801), [-0.5, 0.5, -1, 1, 3, -3, 6, 700, -700]])


@pytest.mark.trains
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="elsewhere, Keras computes some activations in float32: see test_training_engines.py",
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_matches_keras(name, dtype):
    values = VALUES.astype(dtype)
    if name == "exponential":
        values = values[np.abs(values) < 80]
    expected = keras.activations.get(name)(keras.ops.convert_to_tensor(values)).numpy()
    with np.errstate(all="raise", under="ignore"):
        ACTIVATIONS[name](values)
    assert values.dtype == dtype
    tolerance = 1e-12 if dtype == "float64" else 2e-6
    assert_allclose(values, expected, rtol=tolerance, atol=tolerance)


def test_all_elementwise_activations_of_keras_are_supported():
    not_elementwise = {"softmax", "log_softmax", "sparsemax", "glu"}  # these combine the units of a layer
    needs_arguments = {"threshold"}
    not_activations = {"get", "serialize", "deserialize"}
    functions = {name for name in dir(keras.activations) if name.islower() and not name.startswith("_")}
    assert functions - not_elementwise - needs_arguments - not_activations <= set(ACTIVATIONS)


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    n_samples=st.integers(1, 70),
    activation=st.sampled_from(["relu", "tanh"]),
    chunk_bytes=st.integers(1, 2000),
    seed=st.integers(0, 2**32 - 1),
)
def test_raw_predictions_equal_matrix_products_for_any_chunk_size(sizes, n_samples, activation, chunk_bytes, seed):
    rng = np.random.default_rng(seed)
    coefs = [rng.normal(size=shape) for shape in pairwise(sizes)]
    intercepts = [rng.normal(size=size) for size in sizes[1:]]
    X = rng.normal(size=(n_samples, sizes[0]))
    before = copy.deepcopy((X, coefs, intercepts))

    activate = {"relu": lambda z: np.where(z > 0, z, 0), "tanh": np.tanh}[activation]
    expected = X
    for coef, intercept in zip(coefs[:-1], intercepts[:-1], strict=True):
        expected = activate(expected @ coef + intercept)
    expected = expected @ coefs[-1] + intercepts[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_dense_stack, "_CHUNK_BYTES", chunk_bytes)
        for samples in (X, sparse.csr_array(X), sparse.csr_matrix(X)):
            logits = raw_predictions(samples, coefs, intercepts, activation)
            assert_allclose(logits, expected, rtol=1e-9, atol=1e-12)
    for array, old in zip([X, *coefs, *intercepts], [before[0], *before[1], *before[2]], strict=True):
        assert (array == old).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("intercept", [-1e2, -1e6, -1e30])
@pytest.mark.parametrize("n_samples", [1, 300])
def test_inactive_unit_does_not_reduce_the_precision_of_the_others(n_samples, intercept):
    rng = np.random.default_rng(0)
    coefs = [rng.normal(size=shape).astype("float32") for shape in pairwise((2, 50, 20, 1))]
    intercepts = [rng.normal(size=size).astype("float32") for size in (50, 20, 1)]
    X = rng.normal(size=(n_samples, 2)).astype("float32")
    intercepts[0][7], coefs[1][7] = intercept, 1e8
    is_active = np.arange(50) != 7
    expected = np.maximum(X @ coefs[0][:, is_active] + intercepts[0][is_active], 0).astype(float)
    expected = np.maximum(expected @ coefs[1][is_active] + intercepts[1], 0) @ coefs[2] + intercepts[2]
    logits = raw_predictions(X, coefs, intercepts, "relu")
    assert_allclose(logits, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_deep_network_retains_float64_precision():
    rng = np.random.default_rng(1)
    sizes = [5] + 80 * [30] + [3]
    coefs = [np.sqrt(2 / shape[0]) * rng.normal(size=shape) for shape in pairwise(sizes)]
    intercepts = [rng.normal(scale=0.1, size=size) for size in sizes[1:]]
    X = rng.normal(size=(40, 5))
    expected = X.astype(np.longdouble)
    for coef, intercept in zip(coefs[:-1], intercepts[:-1], strict=True):
        expected = np.maximum(expected @ coef + intercept, 0)
    expected = (expected @ coefs[-1] + intercepts[-1]).astype(float)
    assert_allclose(raw_predictions(X, coefs, intercepts, "relu"), expected, atol=1e-11 * np.abs(expected).max())


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 60), min_size=2, max_size=5),
    n_networks=st.integers(1, 12),
    n_samples=st.integers(1, 70),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    dtype=st.sampled_from(["float32", "float64"]),
    chunk_bytes=st.sampled_from([1, 5000, 2**18]),
    is_sparse=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_predictions_of_stacked_networks_equal_those_of_each_bit_for_bit(
    sizes, n_networks, n_samples, activation, dtype, chunk_bytes, is_sparse, seed
):
    rng = np.random.default_rng(seed)
    shapes = [shape for pair in pairwise(sizes) for shape in (pair, pair[1:])]
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    # Views of one matrix with a row for each network, as a compiled program returns them
    flat = rng.normal(size=(n_networks, ends[-1])).astype(dtype) / 2
    parts = np.split(flat, ends[:-1], axis=1)
    weights = [part.reshape(n_networks, *shape) for part, shape in zip(parts, shapes, strict=True)]
    X = rng.normal(size=(n_samples, sizes[0])).astype(dtype)
    X = sparse.csr_array(X) if is_sparse else X
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(_dense_stack, "_CHUNK_BYTES", chunk_bytes)
        network = DenseStack(tuple(sizes), activation)
        groups = list(network.raw_predictions_of_each(X, State(weights)))
        expected = [network.raw_predictions(X, State(list(arrays))) for arrays in zip(*weights, strict=True)]
    assert np.concatenate(groups).tobytes() == np.stack(expected).tobytes()


@pytest.mark.trains
def test_initial_weights_are_glorot_uniform():
    weights = DenseStack((300, 200, 3), "relu").initial_state(np.random.default_rng(0), "float32").trainable
    assert [array.shape for array in weights] == [(300, 200), (200,), (200, 3), (3,)]
    assert all(array.dtype == np.float32 for array in weights)
    assert not weights[1].any()
    theirs = keras.ops.convert_to_numpy(keras.initializers.GlorotUniform(seed=0)((300, 200)))
    assert_allclose(weights[0].std(), theirs.std(), rtol=0.01)
    assert_allclose(np.abs(weights[0]).max(), np.abs(theirs).max(), rtol=0.001)
    assert abs(weights[0].mean()) < 0.001


def test_random_biases_match_sklearn_except_for_the_output_layer():
    network = DenseStack((1, 5000, 3), "relu", random_biases=True)
    _, bias, _, output_bias = network.initial_state(np.random.default_rng(0), "float64").trainable
    bound = np.sqrt(6 / 5001)
    theirs = np.random.default_rng(0).uniform(-bound, bound, 5000)
    assert_allclose([np.abs(bias).max(), bias.std()], [bound, theirs.std()], rtol=0.02)
    assert not output_bias.any()


@given(sizes=st.lists(st.integers(1, 5), min_size=2, max_size=4), seed=st.integers(0, 2**32 - 1))
def test_rescaled_network_has_rescaled_outputs(sizes, seed):
    rng = np.random.default_rng(seed)
    network = DenseStack(tuple(sizes), "tanh", random_biases=True)
    state = network.initial_state(rng, "float64")
    factor, offset = rng.uniform(0.1, 10, sizes[-1]), rng.normal(size=sizes[-1])
    X = rng.normal(size=(7, sizes[0]))
    expected = network.raw_predictions(X, state) * factor + offset
    rescaled = DenseStack.rescale(state, factor, offset)
    assert_allclose(network.raw_predictions(X, rescaled), expected, rtol=1e-9, atol=1e-12)
    assert all(map(np.shares_memory, rescaled.trainable[:-2], state.trainable[:-2]))


def test_joining_kernels_and_biases_of_other_layers_raises():
    with pytest.raises(ValueError, match=r"must have an array for each layer\. Got 1 and 2"):
        DenseStack.join([np.ones((2, 1))], [np.ones(1), np.ones(1)])


def test_join_inverts_coefs_and_intercepts():
    network = DenseStack((3, 4, 2), "relu", random_biases=True)
    state = network.initial_state(np.random.default_rng(0), "float32")
    coefs, intercepts = DenseStack.coefs(state), DenseStack.intercepts(state)
    assert [coef.shape for coef in coefs] == [(3, 4), (4, 2)]
    assert [intercept.shape for intercept in intercepts] == [(4,), (2,)]
    assert DenseStack.join(coefs, intercepts).equals(state)
    assert network.n_weights == sum(array.size for array in state.trainable) == len(DenseStack.flatten(state))
    network.check(state)
    for broken in ({"trainable": state.trainable[:2]}, {"others": [np.zeros(1)]}):
        with pytest.raises(ValueError, match="expected weights of the shapes"):
            network.check(replace(state, **broken))
    with pytest.raises(ValueError, match="of one dtype"):
        network.check(network.fitted_state(state, np.dtype("float16")))
