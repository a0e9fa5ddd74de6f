"""The inputs of the network are computed from the plane as NumPy does, and by the code of the copied script."""

import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from helpers import run_code
from moonnet.explore._inputs import COORDINATES, INPUTS, Inputs
from moonnet.tables._python_code import estimator_code

POINTS = np.random.default_rng(0).normal(size=(20, 2))
X1, X2 = POINTS.T
COLUMNS = {
    "x1": X1,
    "x2": X2,
    "x1^2": X1**2,
    "x2^2": X2**2,
    "x1*x2": X1 * X2,
    "sin x1": np.sin(X1),
    "sin x2": np.sin(X2),
}
subsets = st.sets(st.sampled_from(list(INPUTS)), min_size=1).map(sorted)


def test_coordinates_remain_what_they_are():
    assert Inputs().transformer is None
    assert Inputs()(POINTS) is POINTS
    assert Inputs(("x2", "x1")).names == COORDINATES


@given(subsets)
def test_inputs_are_columns_in_a_fixed_order(names):
    inputs = Inputs(names)
    assert inputs.names == tuple(name for name in COLUMNS if name in names)
    assert_array_equal(inputs(POINTS), np.column_stack([COLUMNS[name] for name in inputs.names]))
    assert len(inputs.symbols) == len(inputs.describe(["a", "b"])) == len(names)


@given(subsets)
def test_inputs_of_one_feature_are_those_that_need_no_other(names):
    inputs = Inputs(names, n_features=1)
    assert inputs.names == (tuple(name for name in COLUMNS if name in names and "x2" not in name) or ("x1",))
    assert_array_equal(inputs(POINTS[:, :1]), np.column_stack([COLUMNS[name] for name in inputs.names]))
    assert (inputs.transformer is None) == (inputs.names == ("x1",))


@given(subsets.filter(lambda names: names != ["x1", "x2"]))
def test_code_and_skops_file_compute_the_same_inputs(names):
    inputs = Inputs(names)
    code = f"again = {estimator_code(inputs.transformer)}"
    assert_array_equal(run_code(code)["again"].fit_transform(POINTS), inputs(POINTS))
    loaded = skops.io.loads(skops.io.dumps(inputs.transformer))  # trusts nothing but scikit-learn and NumPy
    assert_array_equal(loaded.transform(POINTS), inputs(POINTS))


def test_inputs_are_described_by_the_axes():
    assert Inputs(list(INPUTS)).describe(["length", "width"]) == [
        "length",
        "width",
        "length squared",
        "width squared",
        "length times width",
        "sine of length",
        "sine of width",
    ]
    assert Inputs(["sin x2", "x1*x2"]).symbols == ["x₁x₂", "sin x₂"]


@pytest.mark.parametrize("name", INPUTS)
def test_no_input_changes_the_points(name):
    points = POINTS.copy()
    Inputs([name])(points)
    assert_array_equal(points, POINTS)
