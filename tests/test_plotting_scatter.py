"""plot_data: points, labels, axes, legends and errors."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose

from moonnet.plotting import plot_data


def test_points_match_the_first_figure_of_the_lecture(moons):
    X, y = moons
    ax = plot_data(X, y)
    viridis = mpl.colormaps["viridis"]
    for label, points in enumerate(ax.collections):
        assert_allclose(points.get_offsets(), X[y == label])
        assert_allclose(points.get_facecolor(), [viridis(float(label))])
        assert points.get_sizes().tolist() == [40]
    assert ax.get_aspect() == 1
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["0", "1"]


def test_string_labels_and_column_names_are_shown(moons):
    X, y = moons
    frame = pd.DataFrame(X, columns=["east", "north"])
    ax = plot_data(frame, np.array(["left", "right"])[y], colors=["black", "orange"], scatter_kw={"s": 5})
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("east", "north")
    assert [points.get_label() for points in ax.collections] == ["left", "right"]
    assert_allclose(ax.collections[1].get_facecolor(), [mpl.colors.to_rgba("orange")])
    assert ax.collections[0].get_sizes().tolist() == [5]


def test_very_different_scales_have_no_equal_aspect(moons):
    X, y = moons
    assert plot_data(X * [1, 100], y).get_aspect() == "auto"
    assert plot_data(X * [1, 100], y, aspect="equal").get_aspect() == 1


def test_axes_of_arrays_are_labelled_with_column_indices(moons):
    ax = plot_data(*moons)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("feature 0", "feature 1")


def test_features_parameter_selects_the_plane(moons):
    X, y = moons
    wide = np.column_stack([X, X[:, 0] ** 2])
    assert plot_data(wide, y, features=(0, 2)).get_title() == ""  # no feature is fixed
    assert "principal component 1" in plot_data(wide, y, features="pca").get_xlabel()
    with pytest.raises(ValueError, match="features must be two columns"):
        plot_data(wide, y)


def test_legends_are_beside_the_axes_if_the_layout_makes_room(moons):
    inside, beside = plt.figure().subplots(), plot_data(*moons)
    plot_data(*moons, ax=inside)
    for ax, outside in ((inside, False), (beside, True)):
        ax.figure.canvas.draw()
        legend, frame = ax.get_legend().get_window_extent(), ax.get_window_extent()
        assert (legend.x0 >= frame.x1) == outside
        assert legend.x1 <= ax.figure.bbox.x1
    # The half-moons leave this corner free
    assert inside.get_legend()._loc == mpl.legend.Legend.codes["lower left"]
    assert plot_data(*moons, legend_kw=False).get_legend() is None


def test_only_the_given_axes_are_drawn_on(moons):
    given = mpl.figure.Figure().subplots()
    current = plt.figure()
    assert plot_data(*moons, ax=given) is given
    assert plt.gcf() is current
    assert current.axes == []


def test_errors_name_the_parameter_and_the_value(moons):
    X, y = moons
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        plot_data(X, y[:5])
    with pytest.raises(ValueError, match=r"colors must be a matplotlib colormap.* Got 'moonlight'"):
        plot_data(X, y, colors="moonlight")
    with pytest.raises(ValueError, match=r"colors must be .* Got \['moonlight', 'red'\]"):
        plot_data(X, y, colors=["moonlight", "red"])
    with pytest.raises(ValueError, match="Input y contains NaN"):
        plot_data(X, np.where(y == 1, np.nan, 0.0))
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        plot_data(X, X[:, 0])
    with pytest.raises(ValueError, match=r"one colour for each of 2 classes\. Got \['red'\]"):
        plot_data(X, y, colors=["red"])
    assert plt.get_fignums() == []


def test_colormap_with_fewer_colours_than_classes_raises(moons):
    X, ten, twelve = moons[0], np.arange(200) % 10, np.arange(200) % 12
    with pytest.raises(ValueError, match=r"colour for each of 12 classes\. Got the colormap 'tab10' with 10 colours"):
        plot_data(X, twelve, colors="tab10")
    for classes, colors in ((ten, mpl.colormaps["tab10"]), (twelve, "tab20")):
        drawn = {tuple(points.get_facecolor()[0]) for points in plot_data(X, classes, colors=colors).collections}
        assert len(drawn) == len(set(classes))


def test_given_colormaps_markers_and_legends_are_drawn(moons):
    magma = mpl.colormaps["magma"]
    ax = plot_data(*moons, colors=magma)
    assert_allclose(ax.collections[1].get_facecolor(), [magma(1.0)])
    crossed = plot_data(*moons, scatter_kw={"marker": "x"}).collections[0]
    assert_allclose(crossed.get_edgecolor(), [mpl.colormaps["viridis"](0.0)])
    handle = mpl.lines.Line2D([], [], label="mine")
    (text,) = plot_data(*moons, legend_kw={"handles": [handle]}).get_legend().get_texts()
    assert text.get_text() == "mine"


@pytest.mark.parametrize("n_samples", [50, 200, 1000, 20_000])
def test_many_markers_cover_a_third_of_the_plane_at_most(n_samples):
    rng = np.random.default_rng(0)
    ax = plot_data(rng.uniform(size=(n_samples, 2)), np.arange(n_samples) % 2)
    size, linewidth = ax.collections[0].get_sizes()[0], ax.collections[0].get_linewidth()[0]
    assert (size == 40) == (n_samples <= 200)
    assert n_samples * size * np.pi / 4 < 310**2 / 3  # points²
    assert linewidth / size**0.5 == pytest.approx(0.4 / 40**0.5)


def test_axis_labels_set_by_the_caller_remain(moons):
    _, ax = plt.subplots()
    ax.set_xlabel("mine")
    plot_data(*moons, ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("mine", "feature 1")


def test_missing_values_and_constant_columns_are_drawn(moons):
    X, y = moons
    holed = np.where(X == X[0], np.nan, X)
    assert plot_data(holed, y).get_aspect() == 1
    assert plot_data(X * [1, 0], y, aspect="equal").get_aspect() == 1
