"""Initial values, compared with what Keras's initializers draw."""

import inspect
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from threadpoolctl import threadpool_limits

from moonnet._keras import keras
from moonnet.networks import DenseStack, State
from moonnet.networks._initializers import _fans, initial_values

initializers = keras.initializers
compute_fans = inspect.getmodule(initializers.VarianceScaling).compute_fans
HAS_AXES = "input_axes" in inspect.signature(compute_fans).parameters  # from Keras 3.14 on


def draw(initializer, shape, seed=0):
    serialized = keras.saving.serialize_keras_object(initializer)
    return initial_values(serialized, shape, np.random.default_rng(seed))


def keras_values(initializer, shape):
    return keras.ops.convert_to_numpy(initializer(shape, dtype="float32")).astype(float)


@pytest.mark.parametrize(
    ("initializer", "shape"),
    [
        (initializers.Zeros(), (3, 2)),
        (initializers.Zeros(), ()),
        (initializers.Ones(), (4,)),
        (initializers.Constant(-2.5), (2, 3, 4)),
        (initializers.Constant(3), (2,)),
        (initializers.Identity(), (2, 4)),
    ],
    ids=lambda argument: str(argument) if isinstance(argument, tuple) else type(argument).__name__,
)
def test_values_that_are_not_random_equal_those_of_keras(initializer, shape):
    values = draw(initializer, shape)
    assert values.dtype == np.float64
    assert_array_equal(values, keras_values(initializer, shape), strict=True)


def test_identity_has_a_gain():
    serialized = keras.saving.serialize_keras_object(initializers.Identity(gain=0.5))
    serialized["config"] = {"gain": 0.5}  # Keras 3.15 leaves it out
    expected = keras_values(initializers.Identity(gain=0.5), (3, 3))
    assert_array_equal(initial_values(serialized, (3, 3), np.random.default_rng(0)), expected)


SCALING = {
    f"{mode} {distribution}": initializers.VarianceScaling(0.7, mode, distribution, seed=1)
    for mode in ("fan_in", "fan_out", "fan_avg")
    for distribution in ("truncated_normal", "untruncated_normal", "uniform")
}
RANDOM = SCALING | {
    "GlorotNormal": initializers.GlorotNormal(seed=1),
    "GlorotUniform": initializers.GlorotUniform(seed=1),
    "HeNormal": initializers.HeNormal(seed=1),
    "HeUniform": initializers.HeUniform(seed=1),
    "LecunNormal": initializers.LecunNormal(seed=1),
    "LecunUniform": initializers.LecunUniform(seed=1),
    "RandomNormal": initializers.RandomNormal(mean=2, stddev=0.3, seed=1),
    "RandomUniform": initializers.RandomUniform(minval=-1, maxval=3, seed=1),
    "TruncatedNormal": initializers.TruncatedNormal(mean=-1, stddev=0.2, seed=1),
    "orthogonal matrix": initializers.Orthogonal(gain=3, seed=1),
}


@pytest.mark.parametrize("name", RANDOM)
def test_random_values_are_distributed_like_those_of_keras(name):
    shape = (3, 4, 20, 90)
    values, expected = draw(RANDOM[name], shape), keras_values(RANDOM[name], shape)
    assert values.shape == shape
    assert values.dtype == np.float64
    values, expected = values.ravel(), expected.ravel()
    assert stats.ks_2samp(values, expected).pvalue > 1e-3
    standard_error = expected.std() / math.sqrt(len(values))
    assert_allclose(values.mean(), expected.mean(), atol=5 * standard_error)
    assert_allclose(values.std(), expected.std(), rtol=0.02)
    if not ("untruncated" in name or name in {"RandomNormal", "orthogonal matrix"}):  # those without bounds
        assert_allclose([values.min(), values.max()], [expected.min(), expected.max()], atol=0.05 * values.std())


@given(shape=st.lists(st.integers(0, 7), max_size=5).map(tuple))
def test_fans_are_those_of_keras(shape):
    assert _fans(shape, None, None) == compute_fans(shape)


@pytest.mark.skipif(not HAS_AXES, reason="Keras's initializers have no axes")
@given(shape=st.lists(st.integers(1, 7), min_size=1, max_size=5).map(tuple), data=st.data())
def test_fans_along_axes_are_those_of_keras(shape, data):
    axes = st.none() | st.lists(st.integers(-len(shape), len(shape) - 1), max_size=3)
    input_axes, output_axes = data.draw(axes), data.draw(axes)
    assert _fans(shape, input_axes, output_axes) == compute_fans(shape, input_axes, output_axes)


@pytest.mark.skipif(not HAS_AXES, reason="Keras's initializers have no axes")
def test_axes_scale_the_values():
    # The kernel of an attention layer: 30 inputs, 2 x 5 outputs
    values = draw(initializers.HeUniform(input_axes=[0], output_axes=(1, 2)), (30, 2, 5))
    bound = math.sqrt(6 / 30)
    assert 0.97 * bound < np.abs(values).max() <= bound


def test_glorot_uniform_kernels_are_those_of_a_dense_stack():
    expected = DenseStack((7, 3), "relu").initial_state(np.random.default_rng(4), "float64")
    kernel = draw(initializers.GlorotUniform(), (7, 3), seed=4)
    assert State([kernel, np.zeros(3)]).equals(expected)


@given(
    shape=st.lists(st.integers(1, 6), min_size=2, max_size=4).map(tuple),
    gain=st.floats(0.1, 10),
    seed=st.integers(0, 2**32 - 1),
)
def test_orthogonal_values_have_orthogonal_rows_or_columns(shape, gain, seed):
    matrix = draw(initializers.Orthogonal(gain), shape, seed).reshape(-1, shape[-1])
    matrix = matrix if len(matrix) >= shape[-1] else matrix.T
    assert_allclose(matrix.T @ matrix, gain**2 * np.eye(matrix.shape[1]), atol=1e-9 * gain**2)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5)])
def test_orthogonal_matrix_is_the_factor_of_a_random_one(shape):
    # With a positive diagonal of R, which makes the distribution uniform (Mezzadri, "How to generate random matrices
    # from the classical compact groups", 2007)
    random = np.random.default_rng(0).standard_normal((3, 5)).T
    q, r = np.linalg.qr(random)
    q *= np.sign(np.diag(r))
    assert_allclose(draw(initializers.Orthogonal(), shape), q if shape == (5, 3) else q.T, rtol=1e-12)


def test_orthogonal_matrix_is_the_same_on_any_number_of_threads():
    matrices = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            matrices.append(draw(initializers.Orthogonal(), (500, 300)))
    assert_array_equal(*matrices)


@pytest.mark.parametrize("is_generator", [False, True])
def test_seed_decides_the_values(is_generator):
    seed = keras.random.SeedGenerator(7) if is_generator else 7
    first, second = (draw(initializers.HeNormal(seed=seed), (4, 3), random_state) for random_state in (0, 1))
    assert_array_equal(first, second)
    assert_array_equal(first, draw(initializers.HeNormal(), (4, 3), 7))
    assert not np.array_equal(first, draw(initializers.HeNormal(seed=8), (4, 3)))


def test_without_a_seed_the_generator_decides_the_values():
    initializer, rng = keras.saving.serialize_keras_object(initializers.Orthogonal()), np.random.default_rng(0)
    first, second = (initial_values(initializer, (4, 3), rng) for _ in range(2))
    assert not np.array_equal(first, second)
    assert_array_equal(first, draw(initializers.Orthogonal(), (4, 3), 0))


@keras.saving.register_keras_serializable("tests")
class Zeros(initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return keras.ops.ones(shape, dtype)


@pytest.mark.parametrize(
    ("initializer", "shape"),
    [
        pytest.param(initializers.STFT(), (3, 1, 4), id="unknown class"),
        pytest.param(Zeros(), (3,), id="class of the user"),
        pytest.param(initializers.Constant([1, 2]), (3, 2), id="constant array"),
        pytest.param(initializers.RandomNormal(seed=-1), (3,), id="negative seed"),
        pytest.param(initializers.Orthogonal(), (3,), id="orthogonal vector"),
        pytest.param(initializers.Identity(), (3, 3, 3), id="identity of rank 3"),
    ],
)
def test_rest_is_left_to_keras(initializer, shape):
    assert draw(initializer, shape) is None


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("Zeros", {"value": 1.0}),
        ("RandomNormal", {"stddev": "0.1"}),
        ("RandomUniform", {"seed": {"class_name": "Seed"}}),
        ("VarianceScaling", {"mode": "fan_min"}),
        ("VarianceScaling", {"distribution": "cauchy"}),
        ("VarianceScaling", {"scale": 0}),
        ("HeNormal", {"scale": 1.0}),
        ("GlorotUniform", {"symmetric": True}),
    ],
)
def test_unknown_settings_are_left_to_keras(name, setting):
    serialized = keras.saving.serialize_keras_object(getattr(initializers, name)())
    shape, rng = (3, 4), np.random.default_rng(0)
    assert initial_values(serialized, shape, rng) is not None
    assert initial_values({**serialized, "config": serialized["config"] | setting}, shape, rng) is None


def test_all_initializers_of_keras_are_known():
    classes = {value for value in vars(initializers).values() if inspect.isclass(value)}
    for cls in classes - {initializers.Initializer, initializers.STFT}:
        assert draw(cls(), (4, 4)) is not None
