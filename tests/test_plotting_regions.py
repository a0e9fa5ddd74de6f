import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X[:, 2:], np.array(["setosa", "versicolor", "virginica"])[y]


def test_regions_are_what_the_estimator_predicts(fitted, moons):
    X, y = moons
    display = DecisionRegionDisplay.from_estimator(fitted, X, y)
    grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    assert display.response.shape == (128, 128)
    assert (display.response.ravel() == fitted.predict(grid)).all()
    assert (display.surface_.get_array().ravel() == display.response.ravel()).all()


def test_data_lie_on_top_in_the_colours_of_their_regions(iris):
    X, y = iris
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    display = DecisionRegionDisplay.from_estimator(tree, X, y, surface_kw={"alpha": 1.0})
    mesh = display.surface_
    for index, (label, points) in enumerate(zip(tree.classes_, display.points_, strict=True)):
        assert points.get_label() == label
        assert_allclose(points.get_offsets(), X[y == label])
        assert_allclose(points.get_facecolor()[0], display.colors_[index])
        assert_allclose(mesh.to_rgba(index), display.colors_[index])
        assert points.get_zorder() > mesh.get_zorder()
    names = [text.get_text() for text in display.legend_.get_texts()]
    assert names == [*tree.classes_, "misclassified (1)"]


def test_a_class_that_no_region_shows_leaves_the_other_colours(iris):
    X, y = iris
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    corner = DecisionRegionDisplay.from_estimator(tree, X, y, xlim=(0, 1), ylim=(0, 0.3), surface_kw={"alpha": 1.0})
    assert set(corner.response.ravel()) == {0}
    assert_allclose(corner.surface_.to_rgba(0), corner.colors_[0])
    assert_allclose(corner.surface_.to_rgba(2), corner.colors_[2])


@pytest.mark.parametrize("kind", ["two classes", "three classes"])
def test_colours_are_the_caller_s(kind, iris):
    X, y = iris
    colors = ["tab:blue", "tab:orange", "tab:green"]
    if kind == "two classes":
        X, y, colors = X[:100], y[:100], colors[:2]
    display = DecisionRegionDisplay.from_estimator(LogisticRegression().fit(X, y), X, y, colors=colors)
    assert_allclose(display.colors_, mpl.colors.to_rgba_array(colors))
    with pytest.raises(ValueError, match="one colour for each of"):
        display.plot(colors=["red"])


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_dataframes_name_the_axes_and_reach_the_estimator_as_dataframes(iris, frame, recwarn):
    X, y = iris
    named = frame({"length": X[:, 0], "width": X[:, 1]})
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(named, y)
    display = DecisionRegionDisplay.from_estimator(model, named, y)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("length", "width")
    assert not [warning for warning in recwarn if "feature names" in str(warning.message)]


def test_limits_default_to_the_data_and_a_tenth_of_its_range(fitted):
    X = np.array([[0.0, -5.0], [10.0, 5.0]])
    display = DecisionRegionDisplay.from_estimator(fitted, X)
    assert (display.xx0.min(), display.xx0.max()) == (-1, 11)
    assert (display.xx1.min(), display.xx1.max()) == (-6, 6)
    display = DecisionRegionDisplay.from_estimator(fitted, X, xlim=(-1.75, 2.5), ylim=(-1.25, 1.75), grid_resolution=7)
    assert display.xx0.shape == (7, 7)
    assert (display.xx0[0, 0], display.xx0[-1, -1]) == (-1.75, 2.5)
    assert display.points_ == []
    assert display.legend_ is None


def test_only_the_axes_given_are_drawn_on(fitted, moons):
    figure = mpl.figure.Figure()
    left, right = figure.subplots(1, 2)
    current, bystander = plt.subplots()
    display = DecisionRegionDisplay.from_estimator(fitted, *moons, ax=right)
    assert (display.ax_, display.figure_) == (right, figure)
    assert plt.gcf() is current
    assert not left.has_data()
    assert not bystander.has_data()
    assert right.get_aspect() == 1


def test_drawing_again_draws_the_same(fitted, moons):
    first = DecisionRegionDisplay.from_estimator(fitted, *moons)
    first_mesh, first_axes = first.surface_, first.ax_
    again = first.plot()
    assert again is first
    assert again.ax_ is not first_axes
    assert (again.surface_.get_array() == first_mesh.get_array()).all()


def test_the_caller_s_keywords_win(fitted, moons):
    display = DecisionRegionDisplay.from_estimator(
        fitted,
        *moons,
        aspect="auto",
        surface_kw={"alpha": 0.5, "plot_method": "contourf", "levels": 1},
        scatter_kw={"s": 3, "color": "red", "label": "a point"},
        legend_kw={"title": "moon", "loc": "lower left"},
    )
    assert display.ax_.get_aspect() == "auto"
    assert display.surface_.get_alpha() == 0.5
    assert_allclose(display.points_[1].get_facecolor(), [mpl.colors.to_rgba("red")])
    assert display.points_[0].get_sizes().tolist() == [3]
    assert display.legend_.get_title().get_text() == "moon"


@pytest.mark.parametrize(
    "scatter_kw",
    [{"c": "red"}, {"ec": "red"}, {"edgecolor": "red"}, {"edgecolors": "red"}, {"lw": 2}, {"linewidth": 2}],
)
def test_matplotlib_s_short_names_win_too(fitted, moons, scatter_kw):
    points = DecisionRegionDisplay.from_estimator(fitted, *moons, scatter_kw=scatter_kw).points_[0]
    if "c" in scatter_kw:
        assert_allclose(points.get_facecolor()[0], mpl.colors.to_rgba("red"))
    elif "red" in scatter_kw.values():
        assert_allclose(points.get_edgecolor()[0], mpl.colors.to_rgba("red"))
    else:
        assert points.get_linewidth()[0] == 2


def test_every_class_is_in_the_legend(moons):
    X, y = moons
    names = np.array(["_left", "right"])[y]
    display = DecisionRegionDisplay.from_estimator(LogisticRegression().fit(X, names), X, names)
    assert [text.get_text() for text in display.legend_.get_texts()][:2] == ["_left", "right"]


def test_bad_input_is_named(fitted, moons):
    X, y = moons
    draw = DecisionRegionDisplay.from_estimator
    for arguments, options, message in [
        ((LinearRegression().fit(X, y), X, y), {}, r"estimator must be a classifier\. Got LinearRegression"),
        ((fitted, X[:, :1], y), {}, r"X must have at least two columns .* Got shape \(200, 1\)"),
        ((fitted, X, y + 1), {}, r"y must hold labels that the estimator knows, \[0, 1\]\. Got \{2\}"),
        ((fitted, X, y[:5]), {}, "inconsistent numbers of samples"),
        ((fitted, X, y), {"grid_resolution": 1}, r"grid_resolution must be an integer of at least 2\. Got 1"),
        ((fitted, X, y), {"xlim": (1, 1)}, r"xlim must be .* Got \(1, 1\)"),
        ((fitted, X, y), {"ylim": (0, np.inf)}, r"ylim contains infinity"),
        ((fitted, X, y), {"xlim": (1, 2, 3)}, r"xlim must be .* Got \(1, 2, 3\)"),
        ((fitted, X, y), {"grid_resolution": 10.5}, r"Got 10\.5"),
    ]:
        with pytest.raises(ValueError, match=message):
            draw(*arguments, **options)
    with pytest.raises(NotFittedError):
        draw(KerasMoonClassifier(), X, y)
    assert plt.get_fignums() == []
