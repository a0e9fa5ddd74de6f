"""DecisionRegionDisplay: regions, probabilities, boundaries, samples, styles and errors."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris, make_blobs, make_moons
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay
from moonnet.plotting._feature_plane import choose_plane


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X[:, 2:], np.array(["setosa", "versicolor", "virginica"])[y]


def test_regions_show_the_predictions_of_the_estimator(fitted, moons):
    X, y = moons
    display = DecisionRegionDisplay.from_estimator(fitted, X, y)
    grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    assert display.response.shape == (128, 128)
    assert (display.response.ravel() == fitted.predict(grid)).all()
    assert (display.surface_.get_array().ravel() == display.response.ravel()).all()


def test_samples_are_drawn_on_top_in_the_colours_of_their_classes(iris):
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


@pytest.mark.parametrize("n_classes", [2, 3])
def test_regions_can_be_drawn_as_contours(iris, n_classes):
    X, y = iris
    X, y = X[: 50 * n_classes], y[: 50 * n_classes]
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    bands = DecisionRegionDisplay.from_estimator(tree, X, y, surface_kw={"plot_method": "contourf", "alpha": 1.0})
    assert_allclose(bands.surface_.get_facecolor(), bands.colors_)
    lines = DecisionRegionDisplay.from_estimator(tree, X, y, surface_kw={"plot_method": "contour"})
    assert lines.surface_.levels.tolist() == list(range(n_classes))
    assert_allclose(lines.surface_.get_edgecolor(), [[0, 0, 0, 0.25]] * n_classes)
    red = DecisionRegionDisplay.from_estimator(tree, X, y, surface_kw={"plot_method": "contour", "colors": "red"})
    assert_allclose(red.surface_.get_edgecolor(), [[1, 0, 0, 0.25]] * n_classes)
    mine = DecisionRegionDisplay.from_estimator(tree, X, y, surface_kw={"plot_method": "contour", "cmap": "Reds"})
    assert mine.surface_.get_cmap().name == "Reds"


def test_class_without_a_region_does_not_change_the_other_colours(iris):
    X, y = iris
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    corner = DecisionRegionDisplay.from_estimator(tree, X, y, xlim=(0, 1), ylim=(0, 0.3), surface_kw={"alpha": 1.0})
    assert set(corner.response.ravel()) == {0}
    assert_allclose(corner.surface_.to_rgba(0), corner.colors_[0])
    assert_allclose(corner.surface_.to_rgba(2), corner.colors_[2])


@pytest.mark.parametrize("kind", ["two classes", "three classes"])
def test_given_colors_are_drawn(kind, iris):
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


def test_axes_of_arrays_are_labelled_with_column_indices_except_in_lecture(fitted, moons):
    regions = DecisionRegionDisplay.from_estimator(fitted, *moons)
    assert (regions.ax_.get_xlabel(), regions.ax_.get_ylabel()) == ("feature 0", "feature 1")
    lecture = DecisionRegionDisplay.from_estimator(fitted, *moons, style="lecture")
    assert (lecture.ax_.get_xlabel(), lecture.ax_.get_ylabel()) == ("", "")


def test_default_limits_add_a_tenth_of_the_range(fitted):
    X = np.array([[0.0, -5.0], [10.0, 5.0]])
    display = DecisionRegionDisplay.from_estimator(fitted, X)
    assert (display.xx0.min(), display.xx0.max()) == (-1, 11)
    assert (display.xx1.min(), display.xx1.max()) == (-6, 6)
    display = DecisionRegionDisplay.from_estimator(fitted, X, xlim=(-1.75, 2.5), ylim=(-1.25, 1.75), grid_resolution=7)
    assert display.xx0.shape == (7, 7)
    assert (display.xx0[0, 0], display.xx0[-1, -1]) == (-1.75, 2.5)
    assert display.points_ == []
    assert display.legend_ is None


def test_only_the_given_axes_are_drawn_on(fitted, moons):
    figure = mpl.figure.Figure()
    left, right = figure.subplots(1, 2)
    current, bystander = plt.subplots()
    display = DecisionRegionDisplay.from_estimator(fitted, *moons, ax=right)
    assert (display.ax_, display.figure_) == (right, figure)
    assert plt.gcf() is current
    assert not left.has_data()
    assert not bystander.has_data()
    assert right.get_aspect() == 1


def test_plot_called_again_draws_the_same(fitted, moons):
    first = DecisionRegionDisplay.from_estimator(fitted, *moons)
    first_mesh, first_axes = first.surface_, first.ax_
    again = first.plot()
    assert again is first
    assert again.ax_ is not first_axes
    assert (again.surface_.get_array() == first_mesh.get_array()).all()


def test_keyword_arguments_override_the_defaults(fitted, moons):
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
def test_matplotlib_aliases_override_the_defaults(fitted, moons, scatter_kw):
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


def test_predict_proba_draws_a_surface_with_a_colour_bar(fitted, moons):
    display = DecisionRegionDisplay.from_estimator(fitted, *moons, response_method="predict_proba")
    grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    assert_allclose(display.surface_.get_array().ravel(), fitted.predict_proba(grid)[:, 1])
    assert display.surface_.get_clim() == (0, 1)
    assert display.colorbar_.ax.get_ylabel() == "probability of class 1"
    assert (display.colorbar_.vmin, display.colorbar_.vmax) == (0, 1)
    first = DecisionRegionDisplay.from_estimator(
        fitted, *moons, response_method="predict_proba", class_of_interest=0, colorbar_kw=False
    )
    assert_allclose(first.surface_.get_array().ravel(), fitted.predict_proba(grid)[:, 0])
    # The colours of the classes do not depend on the class of the surface
    assert_allclose(first.surface_.to_rgba(0.2), display.surface_.to_rgba(0.8), atol=0.01)
    assert first.colorbar_ is None
    assert len(first.figure_.axes) == 1


def test_predict_proba_of_three_classes_draws_the_most_likely_class(iris):
    X, y = iris
    model = LogisticRegression().fit(X, y)
    display = DecisionRegionDisplay.from_estimator(model, X, y, response_method="predict_proba")
    assert len(display.surface_) == 3
    for index, surface in enumerate(display.surface_):
        shown = ~np.ma.getmaskarray(surface.get_array())
        assert (shown == (display.response == index).reshape(shown.shape)).all()
        assert_allclose(surface.to_rgba(1.0)[:3], display.colors_[index][:3])
    assert display.colorbar_.ax.get_ylabel() == "probability of the most likely class"
    one = DecisionRegionDisplay.from_estimator(
        model, X, y, response_method="predict_proba", class_of_interest="virginica"
    )
    assert_allclose(one.surface_.get_array(), display.surface_values[..., 2])
    assert one.colorbar_.ax.get_ylabel() == "probability of class virginica"


def test_decision_function_draws_the_margins_of_a_support_vector_machine(moons):
    X, y = moons
    svc = SVC().fit(X, y)
    lines = {"plot_method": "contour", "levels": [-1, 0, 1], "colors": "black", "linestyles": ["--", "-", "--"]}
    display = DecisionRegionDisplay.from_estimator(
        svc, X, y, response_method="decision_function", surface_kw=lines, colorbar_kw=False
    )
    assert display.surface_.levels.tolist() == [-1, 0, 1]
    for level, path in zip([-1, 0, 1], display.surface_.get_paths(), strict=True):
        assert_allclose(svc.decision_function(path.vertices[::7]), level, atol=0.03)
    surface = DecisionRegionDisplay.from_estimator(svc, X, y, response_method="decision_function").surface_
    low, high = surface.get_clim()
    assert -low == high == np.abs(surface.get_array()).max()  # the boundary has the colour in the middle
    first = DecisionRegionDisplay.from_estimator(
        svc, X, y, response_method="decision_function", class_of_interest=0, grid_resolution=20
    )
    grid = np.column_stack([first.xx0.ravel(), first.xx1.ravel()])
    assert_allclose(first.surface_values.ravel(), -svc.decision_function(grid))
    assert first.colorbar_.ax.get_ylabel() == "decision function of class 0"


@pytest.mark.parametrize("response_method", ["decision_function", "predict_proba", "auto"])
@pytest.mark.parametrize("class_of_interest", [None, "versicolor"])
def test_surfaces_have_the_values_of_scikit_learns_display(iris, response_method, class_of_interest):
    X, y = iris
    model = LogisticRegression().fit(X, y)
    options = {"response_method": response_method, "class_of_interest": class_of_interest, "grid_resolution": 20}
    ours = DecisionRegionDisplay.from_estimator(
        model, X, y, **options, xlim=(X[:, 0].min(), X[:, 0].max()), ylim=(X[:, 1].min(), X[:, 1].max())
    )
    theirs = DecisionBoundaryDisplay.from_estimator(model, X, **options, eps=0)
    assert_allclose(ours.surface_values, theirs.response)
    if class_of_interest is None:
        assert {surface.get_clim() for surface in ours.surface_} == {ours.colorbar_.mappable.get_clim()}


def test_auto_draws_what_the_estimator_has(moons):
    X, y = moons
    for model, method in ((SVC(), "decision_function"), (KNeighborsClassifier(), "predict_proba")):
        display = DecisionRegionDisplay.from_estimator(model.fit(X, y), X, y, response_method="auto")
        assert display.response_method == method


def test_one_value_per_pair_of_classes_raises():
    X, y = make_blobs(60, centers=4, random_state=0)
    pairs = SVC(decision_function_shape="ovo").fit(X, y)
    with pytest.raises(ValueError, match=r"one value per class from decision_function\. Got .* \(16384, 6\) for 4 cl"):
        DecisionRegionDisplay.from_estimator(pairs, X, y, response_method="decision_function")
    X, y = make_blobs(60, centers=3, random_state=0)  # which have as many pairs
    with pytest.raises(ValueError, match=r"highest value from decision_function .* Got SVC.* [0-9]+% of the plane"):
        DecisionRegionDisplay.from_estimator(pairs.fit(X, y), X, y, response_method="decision_function")


def dark_share(display):
    """Return the share of the plane that is nearly black."""
    figure = display.figure_
    figure.canvas.draw()
    box = display.ax_.get_window_extent()
    image = np.asarray(figure.canvas.buffer_rgba())[::-1, :, :3].max(axis=-1)
    return np.mean(image[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] < 60)


@pytest.mark.parametrize("n_samples", [50, 1000, 20_000])
def test_rings_do_not_blacken_the_plane(n_samples):
    X, y = make_moons(n_samples, noise=0.6, random_state=0)
    model = LogisticRegression().fit(X, y)
    colors = ["orange", "cyan"]  # without dark points
    display = DecisionRegionDisplay.from_estimator(model, X, y, colors=colors)
    assert display.errors_.get_label() == f"misclassified ({(model.predict(X) != y).sum()})"
    assert len(display.errors_.get_offsets()) == display.errors.sum()
    without = DecisionRegionDisplay.from_estimator(model, X, y, colors=colors, errors_kw=False)
    assert 0 < dark_share(display) - dark_share(without) < 0.04


def vertices(display):
    return np.concatenate([path.vertices for path in display.boundary_.get_paths()])


def test_boundary_of_two_classes_is_at_probability_one_half(fitted, moons):
    display = DecisionRegionDisplay.from_estimator(fitted, *moons)
    line = vertices(display)
    assert len(line) > 100
    assert_allclose(fitted.predict_proba(line)[:, 1], 0.5, atol=0.02)


def test_boundary_of_three_classes_is_where_the_two_most_likely_are_equal(iris):
    X, y = iris
    model = LogisticRegression().fit(X, y)
    probability = np.sort(model.predict_proba(vertices(DecisionRegionDisplay.from_estimator(model, X, y))))
    assert_allclose(probability[:, 2], probability[:, 1], atol=0.02)


def test_boundary_follows_predictions_rather_than_probabilities(moons):
    X, y = moons
    model = FixedThresholdClassifier(LogisticRegression().fit(X, y), threshold=0.9).fit(X, y)
    display = DecisionRegionDisplay.from_estimator(model, X, y)
    assert_allclose(model.predict_proba(vertices(display))[:, 1], 0.9, atol=0.005)
    without = DecisionRegionDisplay.from_estimator(Perceptron().fit(X, y), X, y)
    assert_allclose(without.scores[..., 1] > 0, without.response == 1)


def test_boundary_from_scores_near_it_equals_that_from_all_scores(iris):
    X, y = iris
    model = LogisticRegression().fit(X, y)
    display = DecisionRegionDisplay.from_estimator(model, X, y)
    along = vertices(display)
    grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    everywhere = model.predict_proba(grid).reshape(128, 128, 3)
    assert (everywhere != display.scores).any(axis=-1).mean() > 0.9
    display.scores = everywhere
    assert_allclose(vertices(display.plot()), along)


def test_one_region_has_no_boundary(moons):
    X, y = moons
    display = DecisionRegionDisplay.from_estimator(LogisticRegression().fit(X, y), X, y, ylim=(50, 60))
    assert set(display.response.ravel()) == {0}
    assert display.boundary_.get_paths() == []


def test_misclassified_samples_are_ringed(fitted, moons):
    X, y = moons
    display = DecisionRegionDisplay.from_estimator(fitted, X, y)
    wrong = fitted.predict(X) != y
    assert_allclose(display.errors_.get_offsets(), X[wrong])
    assert display.errors_.get_label() == f"misclassified ({wrong.sum()})"
    assert display.errors_.get_sizes()[0] > display.points_[0].get_sizes()[0]
    assert display.errors_ in display.ax_.collections
    right = DecisionRegionDisplay.from_estimator(fitted, X[~wrong], y[~wrong])
    assert len(right.errors_.get_offsets()) == 0
    assert right.legend_.get_texts()[-1].get_text() == "misclassified (0)"


def test_misclassified_samples_that_lack_a_coordinate_are_not_counted(moons):
    X, y = moons
    X = np.vstack([X, [[np.nan, 0], [np.nan, 0]]])  # one of the two is misclassified
    y = np.append(y, [0, 1])
    tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y)
    display = DecisionRegionDisplay.from_estimator(tree, X, y)
    assert display.errors.sum() == (tree.predict(X) != y).sum()
    assert display.errors_.get_label() == f"misclassified ({display.errors.sum() - 1})"


def test_boundary_errors_and_legend_can_be_omitted(fitted, moons):
    display = DecisionRegionDisplay.from_estimator(fitted, *moons, boundary_kw=False, errors_kw=False, legend_kw=False)
    assert (display.boundary_, display.errors_, display.legend_) == (None, None, None)
    assert display.ax_.collections[:] == [display.surface_, *display.points_]
    assert display.ax_.get_legend() is None


def test_keyword_arguments_of_boundary_errors_and_colour_bar_are_used(fitted, moons):
    display = DecisionRegionDisplay.from_estimator(
        fitted,
        *moons,
        response_method="predict_proba",
        boundary_kw={"colors": "red"},
        errors_kw={"ec": "blue", "s": 7},
        colorbar_kw={"label": "how sure"},
        colors=["white", "black"],
    )
    assert_allclose(display.boundary_.get_edgecolor(), [mpl.colors.to_rgba("red")])
    assert_allclose(display.errors_.get_edgecolor(), [mpl.colors.to_rgba("blue")])
    assert display.errors_.get_sizes().tolist() == [7]
    assert display.colorbar_.ax.get_ylabel() == "how sure"


def test_lecture_style_matches_the_notebook(fitted, moons):
    X, y = moons
    display = DecisionRegionDisplay.from_estimator(fitted, X, y, style="lecture")
    # The code of the lecture's notebook
    figure = plt.figure()
    ax = figure.subplots()
    xx, yy = np.meshgrid(np.linspace(-1.75, 2.5, 128), np.linspace(-1.25, 1.75, 128))
    grid = np.column_stack([xx.ravel(), yy.ravel()])
    classes = fitted.predict_proba(grid)[:, 1].reshape(128, 128) > 0.5
    image = ax.imshow(classes, origin="lower", extent=(-1.75, 2.5, -1.25, 1.75), alpha=0.25, cmap="viridis")
    points = ax.scatter(X[:, 0], X[:, 1], c=y, s=40, cmap="viridis")
    ours = display.points_[0]
    assert display.surface_.get_extent() == image.get_extent()
    assert (display.surface_.origin, display.surface_.get_alpha()) == (image.origin, image.get_alpha())
    assert_allclose(
        display.surface_.to_rgba(display.surface_.get_array(), alpha=0.25), image.to_rgba(image.get_array(), alpha=0.25)
    )
    for artist in (ours, points):
        artist.update_scalarmappable()
    assert_allclose(ours.get_facecolor(), points.get_facecolor())
    assert_allclose(ours.get_edgecolor(), points.get_edgecolor())
    assert_allclose(ours.get_offsets(), points.get_offsets())
    assert ours.get_sizes() == points.get_sizes()
    assert display.ax_.get_aspect() == ax.get_aspect() == 1
    assert display.ax_.collections[:] == [ours]
    assert display.ax_.get_legend() is None
    assert display.ax_.get_xlim() == (-1.75, 2.5)


def test_limits_of_lecture_style_apply_only_to_data_within_them(fitted, moons):
    X, y = moons
    far = DecisionRegionDisplay.from_estimator(fitted, X + 100, y, style="lecture")
    assert far.ax_.get_xlim()[0] > 90
    chosen = DecisionRegionDisplay.from_estimator(fitted, X, y, style="lecture", xlim=(-3, 3))
    assert (chosen.ax_.get_xlim(), chosen.ax_.get_ylim()) == ((-3, 3), (-1.25, 1.75))


@pytest.mark.parametrize("features", [("length", "width"), (2, 0), "pca"])
def test_features_parameter_selects_the_plane(features):
    X, y = load_iris(return_X_y=True, as_frame=True)
    X.columns = ["a", "b", "length", "width"]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    display = DecisionRegionDisplay.from_estimator(model, X, y, features=features)
    plane = choose_plane(X, features)
    grid = plane.inverse_transform(np.column_stack([display.xx0.ravel(), display.xx1.ravel()]))
    assert (display.response.ravel() == model.predict(grid)).all()
    assert (display.errors == (model.predict(X) != y)).all()
    assert_allclose(np.concatenate([points.get_offsets() for points in display.points_]), plane.points)
    assert display.ax_.get_xlabel() == plane.axis_labels[0]
    assert display.ax_.get_title() == plane.title


def test_held_values_change_the_predictions():
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=1000).fit(X, y)
    for length in (1, 7):
        display = DecisionRegionDisplay.from_estimator(model, X, y, features=(0, 1), held={2: length, 3: 2})
        held = np.tile([length, 2], (display.xx0.size, 1))
        grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel(), held])
        assert (display.response.ravel() == model.predict(grid)).all()
        assert display.ax_.get_title() == f"feature 2 = {length}, feature 3 = 2"


def test_single_class_has_no_boundary(moons):
    X, _ = moons
    y = np.zeros(200, dtype=int)
    for method in ("predict", "predict_proba"):
        display = DecisionRegionDisplay.from_estimator(DummyClassifier().fit(X, y), X, y, response_method=method)
        assert display.boundary_.get_paths() == []


def test_unsorted_classes_are_drawn_correctly(moons):
    class Backwards(DummyClassifier):
        def predict(self, X):
            return np.where(np.asarray(X)[:, 0] > 0.5, "a", "b")

        predict_proba = property()

    X, y = moons
    model = Backwards().fit(X, y)
    model.classes_ = np.array(["b", "a"])
    display = DecisionRegionDisplay.from_estimator(model, X)
    assert (display.classes[display.response] == np.where(display.xx0 > 0.5, "a", "b")).all()
    lecture = DecisionRegionDisplay.from_estimator(model, X, np.where(y == 1, "a", "b"), style="lecture")
    assert_allclose(lecture.points_[0].get_facecolor(), lecture.colors_[y])


def test_lecture_style_draws_samples_of_one_class_in_its_colour(fitted, moons):
    X, y = moons
    display = DecisionRegionDisplay.from_estimator(fitted, X[y == 1], y[y == 1], style="lecture")
    assert_allclose(display.points_[0].get_facecolor()[0], display.colors_[1])


def test_given_norm_and_colormap_are_drawn(fitted, moons):
    norm = mpl.colors.Normalize(0.4, 0.6)
    display = DecisionRegionDisplay.from_estimator(
        fitted, *moons, response_method="predict_proba", colors=mpl.colormaps["cividis"], surface_kw={"norm": norm}
    )
    assert display.surface_.norm is norm
    assert_allclose(display.colors_[1], mpl.colormaps["cividis"](1.0))
    coloured = DecisionRegionDisplay.from_estimator(fitted, *moons, style="lecture", scatter_kw={"color": "red"})
    assert_allclose(coloured.points_[0].get_facecolor(), [mpl.colors.to_rgba("red")])


def test_very_different_scales_have_no_equal_aspect(moons):
    X, y = moons[0] * [1, 100], moons[1]
    model = LogisticRegression().fit(X, y)
    assert DecisionRegionDisplay.from_estimator(model, X, y).ax_.get_aspect() == "auto"
    assert DecisionRegionDisplay.from_estimator(model, X, y, aspect="equal").ax_.get_aspect() == 1


def test_displays_of_the_same_inputs_have_identical_pixels(fitted, moons):
    images = []
    for _ in range(2):
        display = DecisionRegionDisplay.from_estimator(fitted, *moons, response_method="predict_proba")
        display.figure_.canvas.draw()
        images.append(np.asarray(display.figure_.canvas.buffer_rgba()))
    assert (images[0] == images[1]).all()


def test_multilabel_estimator_raises(moons):
    X, y = moons
    both = KNeighborsClassifier().fit(X, np.column_stack([y, 1 - y]))
    with pytest.raises(
        ValueError, match=r"estimator must predict one label per sample\. Got labels of shape \(16384, 2\)"
    ):
        DecisionRegionDisplay.from_estimator(both, X)


def test_errors_name_the_parameter_and_the_value(fitted, moons):
    X, y = moons
    draw = DecisionRegionDisplay.from_estimator
    for arguments, options, message in [
        ((LinearRegression().fit(X, y), X, y), {}, r"estimator must be a classifier\. Got LinearRegression"),
        ((fitted, X[:, :1], y), {}, r"X must have at least two columns .* Got shape \(200, 1\)"),
        ((fitted, X, y + 1), {}, r"y must contain only the estimator's classes \[0, 1\]\. Got \[2\]"),
        ((fitted, X, np.arange(200)), {}, r"Got \[2, 3, 4, 5, 6\] and 193 others"),
        ((fitted, X, np.where(y == 1, np.nan, y)), {}, "Input y contains NaN"),
        ((fitted, X, y[:5]), {}, "inconsistent numbers of samples"),
        ((fitted, X, y), {"grid_resolution": 1}, r"grid_resolution must be an integer of at least 2\. Got 1"),
        ((fitted, X, y), {"xlim": (1, 1)}, r"xlim must be .* Got \(1, 1\)"),
        ((fitted, X, y), {"ylim": (0, np.inf)}, r"ylim must be .* Got \(0, inf\)"),
        ((fitted, X, y), {"xlim": 3}, r"xlim must be .* Got 3"),
        ((fitted, X, y), {"xlim": (None, 1)}, r"xlim must be .* Got \(None, 1\)"),
        ((fitted, X, y), {"xlim": (1, 2, 3)}, r"xlim must be .* Got \(1, 2, 3\)"),
        ((fitted, X, y), {"grid_resolution": 10.5}, r"Got 10\.5"),
        ((fitted, X, y), {"response_method": "score"}, r"response_method must be one of .* Got 'score'"),
        ((fitted, X, y), {"style": "baroque"}, r"style must be one of .* Got 'baroque'"),
        (
            (fitted, X, y),
            {"style": "lecture", "response_method": "predict_proba"},
            r"response_method must be 'predict' if style='lecture'\. Got 'predict_proba'",
        ),
        (
            (Perceptron().fit(X, y), X, y),
            {"response_method": "predict_proba"},
            r"estimator must have a predict_proba method .* Got Perceptron",
        ),
        ((fitted, X, y), {"response_method": "predict_proba", "class_of_interest": 2}, r"one of \[0, 1\]\. Got 2"),
    ]:
        with pytest.raises(ValueError, match=message):
            draw(*arguments, **options)
    with pytest.raises(NotFittedError):
        draw(KerasMoonClassifier(), X, y)
    assert plt.get_fignums() == []
