"""The samples on the page are scikit-learn's, and the code that is sent makes the same ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris, make_blobs, make_circles, make_moons

from moonnet.explore._datasets import apply_edits, edits_code, load_dataset, make_spirals, make_xor
from moonnet.explore._settings import DATA, Settings
from moonnet.explore._user_tables import ArrayTable

TOYS = [name for name in DATA if name != "own"]
CENTERS = [[-1, -0.8], [1, -0.8], [0, 0.9]]
BY_HAND = {
    "moons": lambda n, noise, seed: make_moons(n, noise=noise, random_state=seed),
    "circles": lambda n, noise, seed: make_circles(n, noise=noise, factor=0.5, random_state=seed),
    "blobs": lambda n, noise, seed: make_blobs(n, centers=CENTERS, cluster_std=2 * noise, random_state=seed),
    "spirals": lambda n, noise, seed: make_spirals(n, noise=noise, random_state=seed),
    "xor": lambda n, noise, seed: make_xor(n, noise=noise, random_state=seed),
}


def samples(own=None, **values):
    return load_dataset(Settings.from_json(values).dataset, own)


def edit(own=None, **values):
    return apply_edits(samples(own, **values), Settings.from_json(values))


@pytest.mark.parametrize("name", TOYS)
def test_toy_problems_are_scikit_learn_s_and_what_is_held_out_comes_from_the_next_seed(name):
    made = samples(data=name, n_samples=61, noise=0.15, random_state=7)
    for X, y, seed in ((made.X_train, made.y_train, 7), (made.X_test, made.y_test, 8)):
        expected_X, expected_y = BY_HAND[name](61, 0.15, seed)
        assert_array_equal(X, expected_X)
        assert_array_equal(y, expected_y)
    assert not (made.X_train == made.X_test).all()
    assert made.classes.tolist() == list(range(3 if name == "blobs" else 2))
    assert made.preprocessor is None


@pytest.mark.parametrize("name", TOYS)
def test_toy_problems_lie_within_their_axes(name):
    made = samples(data=name, n_samples=1000, noise=0.1)
    for X in (made.X_train, made.X_test):
        for axis, values in zip(made.axes, X.T, strict=True):
            assert axis.limits[0] < values.min()
            assert values.max() < axis.limits[1]
            assert (axis.scale, axis.offset) == (1, 0)


def test_points_without_noise_are_of_one_class_where_both_coordinates_have_the_same_sign():
    X, y = make_xor(500, noise=0, random_state=0)
    assert (np.abs(X) <= 1.5).all()
    assert ((np.sign(X[:, 0]) == np.sign(X[:, 1])) == (y == 1)).all()
    assert 200 < y.sum() < 300


def test_spirals_turn_around_each_other():
    X, y = make_spirals(400, noise=0, random_state=0)
    assert np.bincount(y).tolist() == [200, 200]
    radius = np.hypot(*X.T)
    assert radius.max() <= 1.5
    # Along a spiral the angle is three half turns for the whole radius; the other one lies opposite
    angle = 3 * np.pi * radius / 1.5 + np.pi * y
    np.testing.assert_allclose(X, radius[:, np.newaxis] * np.column_stack([np.cos(angle), np.sin(angle)]), atol=1e-12)
    assert (make_spirals(400, noise=0.1, random_state=0)[0] != X).all()


@pytest.mark.parametrize("make", [make_spirals, make_xor])
def test_the_seed_decides(make):
    X, y = make(50, noise=0.2, random_state=1)
    assert_array_equal(make(50, noise=0.2, random_state=1)[0], X)
    assert_array_equal(make(50, noise=0.2, random_state=1)[1], y)
    assert (make(50, noise=0.2, random_state=2)[0] != X).any()


def test_noise_has_the_standard_deviation_that_is_asked_for():
    without, _ = make_xor(4000, noise=0, random_state=3)
    noisy, _ = make_xor(4000, noise=0.3, random_state=3)
    assert (noisy - without).std() == pytest.approx(0.3, rel=0.05)


def test_samples_are_erased_and_drawn():
    whole = edit(n_samples=30)
    X, y = make_moons(30, noise=0.2, random_state=0)
    assert_array_equal(whole.X, X)
    assert whole.indices.tolist() == list(range(30))

    data = edit(n_samples=30, erased=[4, 0, 29, 700], drawn=[[0.5, -0.25, 1], [1, 2, 0]])
    left = np.delete(np.arange(30), [0, 4, 29])
    assert_array_equal(data.X, [*X[left], [0.5, -0.25], [1, 2]])
    assert data.y.tolist() == [*y[left], 1, 0]
    assert data.indices.tolist() == [*left, -1, -1]
    # What is held out is no matter of drawing
    assert_array_equal(data.dataset.X_test, whole.dataset.X_test)


def test_a_drawn_point_has_the_label_of_its_class():
    y = np.array(["no", "perhaps", "yes"] * 4)
    own = ArrayTable(np.random.default_rng(0).normal(size=(12, 2)), y)
    data = edit(own, data="own", drawn=[[0, 0, 2], [0, 0, 0]])
    assert data.y[-2:].tolist() == ["yes", "no"]


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
def test_what_cannot_be_learned_from_is_said(values, message):
    with pytest.raises(ValueError, match=message):
        edit(n_samples=20, **values)


def test_a_class_that_was_erased_may_be_drawn():
    data = edit(n_samples=20, erased=list(range(20)), drawn=[[0, 0, 1], [1, 1, 0]])
    assert data.y.tolist() == [1, 0]


def run(made, chosen):
    """Return what the code that is sent makes."""
    names = {}
    code = "\n".join(["import numpy as np", *made.code.imports, made.code.body, edits_code(made, chosen)])
    exec(compile(code, "script", "exec"), names)
    return names


def assert_code_makes(data, chosen, names):
    for name, expected in (
        ("X_train", data.X),
        ("y_train", data.y),
        ("X_test", data.dataset.X_test),
        ("y_test", data.dataset.y_test),
    ):
        assert names[name].dtype == expected.dtype, name
        assert_array_equal(names[name], expected)
    assert data.X.tobytes() == names["X_train"].tobytes()


POINTS = st.lists(st.tuples(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5), st.integers(0, 1)).map(list), max_size=5)


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from(TOYS),
    st.integers(20, 60),
    st.floats(0, 1),
    st.integers(0, 9999),
    POINTS,
    st.lists(st.integers(0, 80), unique=True, max_size=8),
)
def test_the_code_of_a_toy_problem_makes_the_same_samples(name, n_samples, noise, random_state, drawn, erased):
    values = {"data": name, "n_samples": n_samples, "noise": noise, "random_state": random_state}
    chosen = Settings.from_json({**values, "drawn": drawn, "erased": erased})
    made = load_dataset(chosen.dataset, None)
    # Each class is left, since a few of 20 or more samples are erased
    data = apply_edits(made, chosen)
    assert_code_makes(data, chosen, run(made, chosen))


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([None, ["0", "2"], ["3", "1"]]),
    st.integers(0, 9999),
    POINTS,
    st.lists(st.integers(0, 149), unique=True, max_size=8),
    st.booleans(),
)
def test_the_code_of_a_table_makes_the_same_samples(features, random_state, drawn, erased, named):
    X, y = load_iris(return_X_y=True)
    if named:
        y = np.array(["setosa", "versicolor", "virginica"])[y]
    chosen = Settings.from_json(
        {"data": "own", "features": features, "random_state": random_state, "drawn": drawn, "erased": erased}
    )
    made = load_dataset(chosen.dataset, ArrayTable(X, y))
    data = apply_edits(made, chosen)
    names = {"X": X, "y": y}
    code = "\n".join(["import numpy as np", *made.code.imports, made.code.body, edits_code(made, chosen)])
    exec(compile(code, "script", "exec"), names)
    assert_code_makes(data, chosen, names)
    columns = X if features is None else X[:, [int(name) for name in features]]
    assert_array_equal(names["preprocessor"].transform(columns), made.preprocessor.transform(columns))


def test_code_for_nothing_edited_is_empty():
    assert edits_code(samples(), Settings()) == ""
    # Of indices that the samples do not have, as after fewer were asked for, there is nothing to delete
    assert edits_code(samples(n_samples=20), Settings.from_json({"n_samples": 20, "erased": [20, 999]})) == ""
