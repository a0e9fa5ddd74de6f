"""The explorer's data sets, and the generated code that recreates them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris, make_blobs, make_circles, make_moons

from helpers import run_code
from moonnet.explore._datasets import apply_edits, load_dataset
from moonnet.explore._settings import Settings
from moonnet.explore._toy_problems import (
    CLASS_PROBLEMS,
    CURVE_PROBLEMS,
    SURFACE_PROBLEMS,
    TOY_PROBLEMS,
    make_spirals,
    make_xor,
)
from moonnet.explore._user_tables import ArrayTable

TOYS = list(CLASS_PROBLEMS)
CENTERS = [[-1, -0.8], [1, -0.8], [0, 0.9]]
MAKERS = {
    "moons": lambda n, noise, seed: make_moons(n, noise=noise, random_state=seed),
    "circles": lambda n, noise, seed: make_circles(n, noise=noise, factor=0.5, random_state=seed),
    "blobs": lambda n, noise, seed: make_blobs(n, centers=CENTERS, cluster_std=2 * noise, random_state=seed),
    "spirals": lambda n, noise, seed: make_spirals(n, noise=noise, random_state=seed),
    "xor": lambda n, noise, seed: make_xor(n, noise=noise, random_state=seed),
}


def load(table=None, **values):
    return load_dataset(Settings.from_json(values).dataset, table)


def load_edited(table=None, **values):
    return apply_edits(load(table, **values), Settings.from_json(values))


@pytest.mark.parametrize("name", TOYS)
def test_toy_dataset_matches_its_maker_and_test_set_uses_next_seed(name):
    dataset = load(data=name, n_samples=61, noise=0.15, random_state=7)
    for X, y, seed in ((dataset.X_train, dataset.y_train, 7), (dataset.X_test, dataset.y_test, 8)):
        expected_X, expected_y = MAKERS[name](61, 0.15, seed)
        assert_array_equal(X, expected_X)
        assert_array_equal(y, expected_y)
    assert not (dataset.X_train == dataset.X_test).all()
    assert dataset.classes.tolist() == list(range(3 if name == "blobs" else 2))
    assert dataset.preprocessor is None


@pytest.mark.parametrize("name", TOYS)
def test_toy_dataset_lies_within_axis_limits(name):
    dataset = load(data=name, n_samples=1000, noise=0.1)
    for X in (dataset.X_train, dataset.X_test):
        for axis, values in zip(dataset.axes, X.T, strict=True):
            assert axis.limits[0] < values.min()
            assert values.max() < axis.limits[1]
            assert (axis.scale, axis.offset) == (1, 0)


def test_make_xor_without_noise_separates_classes_by_sign():
    X, y = make_xor(500, noise=0, random_state=0)
    assert (np.abs(X) <= 1.5).all()
    assert ((np.sign(X[:, 0]) == np.sign(X[:, 1])) == (y == 1)).all()
    assert 200 < y.sum() < 300


def test_make_spirals_without_noise_gives_two_opposite_spirals():
    X, y = make_spirals(400, noise=0, random_state=0)
    assert np.bincount(y).tolist() == [200, 200]
    radius = np.hypot(*X.T)
    assert radius.max() <= 1.5
    # From the centre to the full radius, each spiral makes one and a half turns; the second starts opposite the first
    angle = 3 * np.pi * radius / 1.5 + np.pi * y
    np.testing.assert_allclose(X, radius[:, np.newaxis] * np.column_stack([np.cos(angle), np.sin(angle)]), atol=1e-12)
    assert (make_spirals(400, noise=0.1, random_state=0)[0] != X).all()


@pytest.mark.parametrize("make", [make_spirals, make_xor])
def test_random_state_determines_samples(make):
    X, y = make(50, noise=0.2, random_state=1)
    assert_array_equal(make(50, noise=0.2, random_state=1)[0], X)
    assert_array_equal(make(50, noise=0.2, random_state=1)[1], y)
    assert (make(50, noise=0.2, random_state=2)[0] != X).any()


def test_noise_is_standard_deviation():
    without, _ = make_xor(4000, noise=0, random_state=3)
    noisy, _ = make_xor(4000, noise=0.3, random_state=3)
    assert (noisy - without).std() == pytest.approx(0.3, rel=0.05)


def test_apply_edits_erases_and_adds_samples():
    unedited = load_edited(n_samples=30)
    X, y = make_moons(30, noise=0.2, random_state=0)
    assert_array_equal(unedited.X_train, X)
    assert unedited.indices.tolist() == list(range(30))

    data = load_edited(n_samples=30, erased=[4, 0, 29, 700], drawn=[[0.5, -0.25, 1], [1, 2, 0]])
    remaining = np.delete(np.arange(30), [0, 4, 29])
    assert_array_equal(data.X_train, [*X[remaining], [0.5, -0.25], [1, 2]])
    assert data.y_train.tolist() == [*y[remaining], 1, 0]
    assert data.indices.tolist() == [*remaining, -1, -1]
    # Edits do not affect the held-out samples
    assert_array_equal(data.X_test, unedited.X_test)


def test_drawn_point_gets_label_of_its_class():
    y = np.array(["no", "perhaps", "yes"] * 4)
    table = ArrayTable(np.random.default_rng(0).normal(size=(12, 2)), y)
    data = load_edited(table, data="own", drawn=[[0, 0, 2], [0, 0, 0]])
    assert data.y_train[-2:].tolist() == ["yes", "no"]


# Columns whose range no float64 or float32 can represent well, such as shares that sum to 1 but for rounding errors


N_ROWS = 40
LABELS = np.arange(N_ROWS) % 2
NORMAL = np.random.default_rng(0).normal(size=N_ROWS)
NEARLY_CONSTANT = {
    "constant": np.ones(N_ROWS),
    "rounding errors": np.nextafter(1, np.arange(N_ROWS) % 3),  # 0.9999999999999999, 1 and 1.0000000000000002
    "large constant": np.full(N_ROWS, 1e20),
    "tiny": 1e-200 * NORMAL,
    "subnormal": 5e-324 * (np.arange(N_ROWS) % 5),
}


@pytest.mark.parametrize("column", NEARLY_CONSTANT.values(), ids=NEARLY_CONSTANT)
def test_nearly_constant_column_has_axis_of_a_constant(column):
    dataset = load(ArrayTable(np.column_stack([column, NORMAL]), LABELS), data="own")
    limits = dataset.axes[0].limits
    assert limits == pytest.approx((-0.5, 0.5))
    assert_array_equal(dataset.X_train[:, 0].round(6), 0)
    # On the principal plane, the second component is a rounding error
    dataset = load(ArrayTable(np.column_stack([NORMAL, column, 2 * NORMAL]), LABELS), data="own")
    assert dataset.axes[0].limits[1] > 1
    assert dataset.axes[1].limits == pytest.approx((-0.5, 0.5))
    with pytest.raises(ValueError, match=r"^X must have a numeric column that is not constant\. Got .* 0, 1, 2\."):
        load(ArrayTable(np.column_stack([column, column, column]), LABELS), data="own")


def test_point_can_be_drawn_beside_a_distant_held_out_sample():
    far = np.append(np.ones(N_ROWS - 1), 1e9)
    for random_state in range(20):  # until the last sample is held out
        values = {"data": "own", "random_state": random_state}
        table = ArrayTable(np.column_stack([far, NORMAL]), LABELS)
        if load(table, **values).axes[0].limits[1] > 1e6:
            break
    data = load_edited(table, **values, drawn=[[5e8, 0, 1]])
    assert data.X_train[-1].tolist() == [5e8, 0]


@pytest.mark.parametrize("n_columns", [2, 3])
@pytest.mark.parametrize(
    "column",
    [1e200 * NORMAL, np.where(LABELS, 1.7e308, 1e307), np.append(np.ones(N_ROWS - 4), [1e300] * 4)],
    ids=["variance overflows", "sum overflows", "held-out values overflow"],
)
def test_numbers_too_large_to_be_standardised_are_rejected(column, n_columns):
    X = np.column_stack([column, NORMAL, np.append(1, column[:-1])])[:, :n_columns]
    with pytest.raises(ValueError, match=r"^X must contain numbers that can be standardised\."):
        load(ArrayTable(X, LABELS), data="own")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"drawn": [[0, 0, 0], [0, 0, 2]]}, r"drawn must contain points of classes 0 to 1\. Got class 2 instead\."),
        ({"data": "blobs", "drawn": [[0, 0, 3]]}, "points of classes 0 to 2"),
        ({"drawn": [[0, 2.6, 0]]}, r"points from \[-1\.75, -2\.0\] to \[2\.75, 2\.5\]\. Got \[0\.0, 2\.6\] instead\."),
        ({"drawn": [[-1.76, 0, 0]]}, r"Got \[-1\.76, 0\.0\] instead"),
        ({"data": "xor", "drawn": [[2.1, 0, 0]]}, r"from \[-2\.0, -2\.0\] to \[2\.0, 2\.0\]"),
        ({"erased": list(range(20))}, r"every class\. There is none of class 0: draw one\."),
        ({"erased": list(range(20)), "drawn": [[0, 0, 0]]}, "none of class 1"),
        ({"data": "own"}, r"No table is open\. Open the CSV file again: the address contains only the settings\."),
    ],
)
def test_invalid_edits_or_missing_table_raise(values, message):
    with pytest.raises(ValueError, match=message):
        load_edited(n_samples=20, **values)


def test_erased_class_can_be_drawn_again():
    data = load_edited(n_samples=20, erased=list(range(20)), drawn=[[0, 0, 1], [1, 1, 0]])
    assert data.y_train.tolist() == [1, 0]


# Numbers

# The expectation of y without noise
MEANS = {
    "sine": lambda X: np.sin(2 * X[:, 0]),
    "step": lambda X: np.sign(X[:, 0]),
    "fan": lambda X: X[:, 0] / 2,
    "plane": lambda X: (X[:, 0] + X[:, 1]) / 2,
    "gaussians": lambda X: (
        np.exp(-2 * ((X - 0.7) ** 2).sum(axis=1)) - np.exp(-2 * ((X[:, 0] + 0.7) ** 2 + (X[:, 1] + 0.7) ** 2))
    ),
    "saddle": lambda X: X[:, 0] * X[:, 1] / 1.5,
}


@pytest.mark.parametrize("name", MEANS)
def test_numbers_of_toy_problems_have_mean_and_noise(name):
    exact = load(data=name, n_samples=1000, noise=0)
    assert_allclose(exact.y_train, MEANS[name](exact.X_train), atol=1e-12)
    noisy = load(data=name, n_samples=1000, noise=0.2)
    residual = noisy.y_test - MEANS[name](noisy.X_test)
    assert residual.mean() == pytest.approx(0, abs=0.04)
    if name != "fan":
        assert residual.std() == pytest.approx(0.2, rel=0.1)


def test_noise_of_fan_grows_to_three_times_its_value():
    data = load(data="fan", n_samples=1000, noise=0.2)
    residual = (data.y_train - data.X_train[:, 0] / 2) / (0.1 * (data.X_train[:, 0] + 3))  # at 3: 0.6
    for part in (data.X_train[:, 0] < -1, data.X_train[:, 0] > 1):
        assert residual[part].std() == pytest.approx(1, rel=0.15)


def test_outliers_of_line_lie_above_it():
    data = load(data="line", n_samples=1000, noise=0.1)
    residual = data.y_train - data.X_train[:, 0] / 2
    is_outlier = residual > 1
    assert is_outlier.mean() == pytest.approx(0.1, abs=0.03)
    assert (residual[is_outlier].min(), residual[is_outlier].max()) == pytest.approx((2, 3), abs=0.4)
    assert residual[~is_outlier].std() == pytest.approx(0.1, rel=0.1)


def test_counts_are_poisson_distributed():
    data = load(data="counts", n_samples=1000, noise=0)
    y, mean = data.y_train, np.exp(1 + np.sin(1.5 * data.X_train[:, 0]))
    assert (y == np.floor(y)).all()
    assert y.min() == 0
    assert ((y - mean) / np.sqrt(mean)).std() == pytest.approx(1, rel=0.1)
    assert np.mean(y - mean) == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize("name", [*CURVE_PROBLEMS, *SURFACE_PROBLEMS])
def test_toy_dataset_of_numbers_has_axes_around_its_samples(name):
    data = load(data=name, n_samples=1000, noise=0.1, random_state=4)
    assert data.is_regression
    assert data.is_curve == (name in CURVE_PROBLEMS)
    assert data.classes.tolist() == []
    assert [axis.name for axis in data.axes] == ["x", "y"]
    assert data.target.name == ("y" if name in CURVE_PROBLEMS else "z")
    for X, y in ((data.X_train, data.y_train), (data.X_test, data.y_test)):
        for axis, values in zip([*data.features, data.target], [*X.T, y], strict=True):
            assert axis.limits[0] < np.quantile(values, 0.002)
            assert np.quantile(values, 0.998) < axis.limits[1]
            assert (axis.scale, axis.offset) == (1, 0)


def test_points_drawn_on_a_curve_are_samples_of_numbers():
    data = load_edited(data="sine", n_samples=30, erased=[0, 29], drawn=[[0.5, -1.25, 0], [-2, 1, 0]])
    assert data.X_train[-2:].tolist() == [[0.5], [-2]]
    assert data.y_train[-2:].tolist() == [-1.25, 1]
    assert data.indices.tolist() == [*range(1, 29), -1, -1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": "sine", "drawn": [[0, 2.6, 0]]}, r"points from \[-3\.3, -2\.5\] to \[3\.3, 2\.5\]\. Got"),
        ({"data": "sine", "drawn": [[0, 0, 1]]}, r"drawn must contain points of classes 0 to 0\. Got class 1"),
        ({"data": "plane", "drawn": [[0, 0, 0]]}, "drawn must be empty for numbers over two features"),
        ({"data": "plane", "erased": list(range(20))}, "at least two training samples. Got 0: undo, or draw some"),
    ],
)
def test_invalid_edits_of_numbers_raise(values, message):
    with pytest.raises(ValueError, match=message):
        load_edited(n_samples=20, **values)


def assert_code_recreates(data, **names):
    """Run the generated code, compare its samples, and return its variables."""
    names = run_code(data.code, **names)
    for name, expected in (
        ("X_train", data.X_train),
        ("y_train", data.y_train),
        ("X_test", data.X_test),
        ("y_test", data.y_test),
    ):
        assert names[name].dtype == expected.dtype, name
        assert_array_equal(names[name], expected)
    assert data.X_train.tobytes() == names["X_train"].tobytes()
    return names


POINTS = st.lists(st.tuples(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5), st.integers(0, 1)).map(list), max_size=5)


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from(list(TOY_PROBLEMS)),
    st.integers(20, 60),
    st.floats(0, 1),
    st.integers(0, 9999),
    POINTS,
    st.lists(st.integers(0, 80), unique=True, max_size=8),
)
def test_code_of_toy_dataset_recreates_samples(name, n_samples, noise, random_state, drawn, erased):
    values = {"data": name, "n_samples": n_samples, "noise": noise, "random_state": random_state}
    if name in CURVE_PROBLEMS:
        drawn = [[x, abs(y), 0] for x, y, _ in drawn]  # the axis of the counts begins at -1
    elif name in SURFACE_PROBLEMS:
        drawn = []
    chosen = Settings.from_json({**values, "drawn": drawn, "erased": erased})
    # Every class remains, because at most 8 of 20 or more samples are erased
    assert_code_recreates(apply_edits(load_dataset(chosen.dataset, None), chosen))


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([None, ["0", "2"], ["3", "1"]]),
    st.integers(0, 9999),
    POINTS,
    st.lists(st.integers(0, 149), unique=True, max_size=8),
    st.booleans(),
)
def test_code_of_table_recreates_samples(features, random_state, drawn, erased, named):
    X, y = load_iris(return_X_y=True)
    if named:
        y = np.array(["setosa", "versicolor", "virginica"])[y]
    chosen = Settings.from_json(
        {"data": "own", "features": features, "random_state": random_state, "drawn": drawn, "erased": erased}
    )
    data = apply_edits(load_dataset(chosen.dataset, ArrayTable(X, y)), chosen)
    names = assert_code_recreates(data, X=X, y=y)
    columns = X if features is None else X[:, [int(name) for name in features]]
    assert_array_equal(names["preprocessor"].transform(columns), data.preprocessor.transform(columns))


def test_no_edits_need_no_code():
    assert load_edited().code == load().code
    # Indices that do not exist, for example after n_samples was reduced
    assert load_edited(n_samples=20, erased=[20, 999]).code == load(n_samples=20).code
