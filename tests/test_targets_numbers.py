"""Targets of regression: standardization and checks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from moonnet.losses._regression import REGRESSION_LOSSES as LOSSES
from moonnet.targets import NumberTargets

FLOAT64 = np.dtype(float)


def fit_targets(y, loss="squared_error", weight=None):
    y = np.asarray(y, dtype=float)
    return NumberTargets.from_y(y, LOSSES[loss]()).fit(
        y, np.ones(len(y)) if weight is None else np.asarray(weight, float), FLOAT64
    )


Y_VALUES = st.one_of(st.just(0.0), st.floats(1e-100, 1e6))


@pytest.mark.parametrize("loss", LOSSES)
@given(arrays(float, st.tuples(st.integers(2, 30), st.integers(1, 3)), elements=Y_VALUES))
def test_decoding_inverts_encoding(loss, y):
    targets = fit_targets(y, loss)
    outputs = targets.encode(y, FLOAT64)
    if loss == "poisson":  # the outputs are logarithms
        outputs = np.log(np.maximum(outputs, 1e-300))
    assert_allclose(targets.decode(outputs), y, rtol=1e-9, atol=1e-9 * (1 + np.abs(y).max()))


def test_squared_error_standardizes_y_to_weighted_mean_0_and_variance_1():
    y, weight = np.array([3.0, 5.0, 10.0]), np.array([1.0, 2.0, 1.0])
    encoded = fit_targets(y, weight=weight).encode(y, FLOAT64)[:, 0]
    assert_allclose(np.average(encoded, weights=weight), 0, atol=1e-15)
    assert_allclose(np.average(encoded**2, weights=weight), 1)


@pytest.mark.parametrize("loss", LOSSES)
def test_integer_sample_weights_equal_repeated_samples(loss):
    y = np.random.default_rng(0).exponential(size=(30, 2))
    weight = np.random.default_rng(1).integers(1, 4, 30)
    weighted, repeated = fit_targets(y, loss, weight), fit_targets(y.repeat(weight, axis=0), loss)
    assert_allclose(weighted.center, repeated.center)
    assert_allclose(weighted.scale, repeated.scale)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "pinball"])
def test_robust_losses_standardize_y_robustly(loss):
    y = np.random.default_rng(0).normal(size=1000)
    y[:10] = 1e6
    targets = fit_targets(y, loss)
    assert abs(targets.center[0]) < 0.2
    assert 0.8 < targets.scale[0] < 1.2
    assert fit_targets(y).scale[0] > 1e4


def test_scale_is_the_standard_deviation_if_the_quartiles_are_equal():
    assert fit_targets([0.0] * 90 + [5.0] * 10, "absolute_error").scale[0] == pytest.approx(np.sqrt(0.1 * 0.9) * 5)


def test_rounding_noise_of_the_quartiles_is_no_spread():
    y = [0.3] * 45 + [0.1 + 0.2] * 45 + [5.0] * 10
    assert fit_targets(y, "absolute_error").scale[0] == pytest.approx(np.std(y))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("value", [0.0, 7.5, 0.1, 1e6 + 0.1])
def test_constant_y_is_encoded_as_finite_numbers(loss, value):
    targets = fit_targets([value] * 5, loss)
    assert np.isfinite(targets.encode(np.full(5, value), FLOAT64)).all()
    assert targets.scale[0] == (value if loss == "poisson" and value else 1)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("dtype", "factor"), [("float64", 1e-155), ("float64", 5e-324), ("float32", 1e-39), ("float32", 1e-200)]
)
def test_y_that_varies_too_little_for_training_raises(loss, dtype, factor):
    y = np.array([[1.0, 0.0], [2.0, factor]])
    targets = NumberTargets.from_y(y, LOSSES[loss]())
    statistic = "mean" if loss == "poisson" else "spread"
    with pytest.raises(
        ValueError, match=rf"y must have a {statistic} of at least .* if X is {dtype}, .* Multiply y by a factor"
    ):
        targets.fit(y, np.ones(2), np.dtype(dtype))


@pytest.mark.parametrize("scale", [1e-150, 1e140])
def test_tiny_and_huge_y_are_standardized(scale):
    y = np.random.default_rng(0).normal(size=50)
    targets = fit_targets(y * scale)
    assert_allclose(targets.scale, y.std() * scale)
    assert_allclose(targets.encode(y * scale, FLOAT64)[:, 0], (y - y.mean()) / y.std(), rtol=1e-9)


def test_each_output_has_its_own_center_and_scale():
    targets = fit_targets(np.random.default_rng(0).normal(size=(200, 2)) * [1e-3, 1e5] + [7, 0])
    assert targets.center[0] == pytest.approx(7, abs=1e-3)
    assert targets.scale[1] / targets.scale[0] == pytest.approx(1e8, rel=0.3)


@pytest.mark.parametrize(
    ("y", "loss", "message"),
    [
        (np.array(["a", "b"]), "squared_error", r"y must contain numbers\. Got \['a', 'b'\] of dtype <U1"),
        (np.array([1, "b"], dtype=object), "squared_error", r"y must contain numbers\. Got \[1, 'b'\] of dtype object"),
        (np.array([1, None], dtype=object), "squared_error", r"y must contain (finite )?numbers"),
        (np.array([1j, 2]), "squared_error", "y must contain numbers.* complex128"),
        (np.array(["2026-01-01"], dtype="datetime64[D]"), "squared_error", "y must contain numbers.*datetime64"),
        (np.array([1.0, np.inf], dtype=object), "huber", "y must contain finite numbers"),
        (np.array([1.0, -1e200]), "huber", r"y must contain numbers of magnitude at most 1e\+150.* Got -1e\+200"),
        (np.array([1.0, -0.5]), "poisson", r"y must not contain negative numbers for loss='poisson'\. Got -0\.5"),
    ],
)
def test_invalid_y_raises(y, loss, message):
    with pytest.raises(ValueError, match=message):
        NumberTargets.from_y(y, LOSSES[loss]())


@pytest.mark.parametrize(
    ("shape", "other_shape", "message"),
    [
        ((5,), (5, 2), r"y_val must contain one number per sample\. Got an array of shape \(5, 2\)"),
        ((5, 2), (5,), r"y_val must contain 2 numbers per sample\. Got an array of shape \(5,\)"),
        ((5, 2), (5, 3), r"y_val must contain 2 numbers per sample\. Got an array of shape \(5, 3\)"),
    ],
)
def test_y_val_with_another_number_of_outputs_raises(shape, other_shape, message):
    targets = NumberTargets.from_y(np.ones(shape), LOSSES["squared_error"]())
    targets.check(np.zeros(shape), "y_val")
    with pytest.raises(ValueError, match=message):
        targets.check(np.ones(other_shape), "y_val")


@pytest.mark.parametrize("offset", [2e7, -1e9])
def test_y_below_the_resolution_of_float32_raises(offset):
    y = np.random.default_rng(0).normal(size=(50, 2)) * [1.0, 1e9] + [offset, 0]
    targets = NumberTargets.from_y(y, LOSSES["squared_error"]())
    targets.fit(y, np.ones(50), FLOAT64)
    with pytest.raises(
        ValueError, match=r"resolution of float32, .* Got values of about (2e\+07|-1e\+09) with a spread of [01]\."
    ):
        targets.fit(y, np.ones(50), np.dtype("float32"))


def test_outliers_that_overflow_float32_raise():
    y = np.array([0.0, 1, 2, 3, 4, 1e60])
    targets = fit_targets(y, "huber")
    with pytest.raises(ValueError, match=r"outliers that overflow float32, .* Got 1e\+60"):
        targets.encode(y, np.dtype("float32"))
