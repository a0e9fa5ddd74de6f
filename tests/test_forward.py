import copy
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse

from moonnet import _forward
from moonnet._keras import keras

VALUES = np.concatenate([np.linspace(-12, 12, 4801), [-0.5, 0.5, -1, 1, 3, -3, 6, 700, -700]])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", _forward.ACTIVATIONS)
def test_activation_is_keras_s_own(name, dtype):
    values = VALUES.astype(dtype)
    if name == "exponential":
        values = values[np.abs(values) < 80]
    expected = keras.activations.get(name)(keras.ops.convert_to_tensor(values)).numpy()
    with np.errstate(all="raise", under="ignore"):
        _forward.ACTIVATIONS[name](values)
    assert values.dtype == dtype
    tolerance = 1e-12 if dtype == "float64" else 2e-6
    assert_allclose(values, expected, rtol=tolerance, atol=tolerance)


def test_all_of_keras_s_elementwise_activations_are_known():
    no_single_unit = {"softmax", "log_softmax", "sparsemax", "glu"}  # these mix the units of a layer
    needs_arguments = {"threshold"}
    technical = {"get", "serialize", "deserialize"}
    simple = {name for name in dir(keras.activations) if name.islower() and not name.startswith("_")}
    assert simple - no_single_unit - needs_arguments - technical <= set(_forward.ACTIVATIONS)


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    n_samples=st.integers(1, 70),
    activation=st.sampled_from(["relu", "tanh"]),
    chunk_bytes=st.integers(1, 2000),
    seed=st.integers(0, 2**32 - 1),
)
def test_logits_are_a_product_a_layer_whatever_the_chunks(sizes, n_samples, activation, chunk_bytes, seed):
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
        patch.setattr(_forward, "_CHUNK_BYTES", chunk_bytes)
        for samples in (X, sparse.csr_array(X), sparse.csr_matrix(X)):
            logits = _forward.logits(samples, coefs, intercepts, activation)
            assert_allclose(logits, expected, rtol=1e-9, atol=1e-10)
    for array, old in zip([X, *coefs, *intercepts], [before[0], *before[1], *before[2]], strict=True):
        assert (array == old).all()
