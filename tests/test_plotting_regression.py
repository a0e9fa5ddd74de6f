"""RegressionDisplay: curves, surfaces, labels, keyword arguments and errors."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from moonnet import KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleRegressor
from moonnet.plotting import RegressionDisplay

RNG = np.random.default_rng(0)
X1, X2 = RNG.uniform(-3, 3, (80, 1)), RNG.uniform(-2, 2, (80, 2))
Y1, Y2 = np.sin(X1[:, 0]), X2[:, 0] * X2[:, 1]
FRAME = pd.DataFrame({"width": X2[:, 0], "height": X2[:, 1], "colour": RNG.choice(["red", "blue"], 80)})


@pytest.fixture(scope="module")
def forests():
    """Return regressors over one feature and over two."""
    return RandomForestRegressor(5, random_state=0).fit(X1, Y1), RandomForestRegressor(5, random_state=0).fit(X2, Y2)


def test_one_feature_draws_a_curve_of_the_predictions(forests):
    display = RegressionDisplay.from_estimator(forests[0], X1, Y1)
    x, y = display.line_.get_data()
    assert x.shape == (512,)
    assert_allclose(x[[0, -1]], [X1.min() - np.ptp(X1) / 10, X1.max() + np.ptp(X1) / 10])
    assert_allclose(y, forests[0].predict(x[:, np.newaxis]))
    assert_allclose(display.points_.get_offsets(), np.column_stack([X1[:, 0], Y1]))
    assert display.vlim_[0] < min(Y1.min(), y.min())
    assert display.vlim_[1] > max(Y1.max(), y.max())
    assert_allclose(display.ax_.get_ylim(), display.vlim_)
    assert display.surface_ is display.contours_ is display.colorbar_ is None
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("feature 0", "y")


def test_two_features_draw_a_surface_on_the_colour_scale_of_y(forests):
    display = RegressionDisplay.from_estimator(forests[1], X2, Y2, grid_resolution=20)
    xx0, xx1 = display.grid
    expected = forests[1].predict(np.column_stack([xx0.ravel(), xx1.ravel()])).reshape(20, 20)
    assert_allclose(display.response, expected)
    assert_allclose(np.ravel(display.surface_.get_array()), expected.ravel())
    assert_allclose(display.points_.get_array(), Y2)
    assert display.points_.norm is display.surface_.norm
    assert display.points_.cmap is display.surface_.cmap
    assert display.colorbar_.mappable is display.surface_
    assert_allclose((display.surface_.norm.vmin, display.surface_.norm.vmax), display.vlim_)
    assert display.line_ is None


@pytest.mark.trains
def test_pipeline_is_drawn_in_the_unit_of_y():
    reg = make_pipeline(StandardScaler(), KerasMoonRegressor(epochs=5, random_state=0)).fit(X1, 1e4 * Y1 + 1e6)
    display = RegressionDisplay.from_estimator(reg, X1, 1e4 * Y1 + 1e6)
    assert_allclose(display.response, reg.predict(display.grid[0][:, np.newaxis]))
    assert 9e5 < display.vlim_[0] < display.vlim_[1] < 1.1e6


def test_several_quantiles_draw_a_band():
    network = KerasMoonRegressor(loss="pinball", quantile=[0.025, 0.1, 0.5, 0.9], epochs=5, random_state=0)
    network.fit(StandardScaler().fit_transform(X1), Y1)
    reg = make_pipeline(StandardScaler().fit(X1), network)
    search = GridSearchCV(make_pipeline(StandardScaler(), network), {}, cv=2).fit(X1, Y1)
    for model in (reg, search):
        display = RegressionDisplay.from_estimator(model, X1, Y1, grid_resolution=20)
        pipeline = getattr(model, "best_estimator_", model)
        scaled = pipeline[0].transform(display.grid[0][:, np.newaxis])
        assert_allclose(display.band, pipeline[-1].predict_quantiles(scaled)[:, [0, 3]])
        assert_allclose(display.response, pipeline[-1].predict_quantiles(scaled)[:, 2])
        assert display.band_.get_label() == "2.5% to 90%"
        assert display.band_.get_datalim(display.ax_.transData).ymax == pytest.approx(display.band.max())
        assert display.vlim_[0] < min(display.band.min(), Y1.min())
        assert_allclose(display.band_.get_facecolor()[0, :3], mpl.colors.to_rgb(display.line_.get_color()))
    display.plot(band_kw={"color": "red", "label": "most"})
    assert_allclose(display.band_.get_facecolor()[0], (1, 0, 0, 0.25))
    assert display.band_.get_label() == "most"
    assert display.plot(band_kw=False).band_ is None


@pytest.mark.parametrize(
    ("quantile", "label"),
    [
        (0.5, "median"),
        (0.3, "30% quantile"),
        (0.025, "2.5% quantile"),
        ([0.1, 0.5, 0.9], "median"),
        ([0.1, 0.9], "10% quantile"),
        ([0.05, 0.3, 0.95], "30% quantile"),
    ],
)
def test_curve_is_labelled_with_its_quantile(quantile, label):
    reg = KerasMoonRegressor((3,), loss="pinball", quantile=quantile, epochs=1, random_state=0)
    display = RegressionDisplay.from_estimator(reg.fit(X1, Y1), X1, grid_resolution=5)
    assert display.line_.get_label() == display.response_label == label
    assert_allclose(display.response, reg.predict(display.grid[0][:, np.newaxis]))
    other = display.plot(line_kw={"label": "mine"}).line_
    assert other.get_label() == "mine"


def test_curve_of_means_and_of_an_ensemble_of_medians_are_labelled():
    mean = KerasMoonRegressor((3,), epochs=1, random_state=0)
    medians = DeepEnsembleRegressor(clone(mean).set_params(loss="pinball"), 2, random_state=0)
    for reg, label in ((mean, "prediction"), (medians, "median"), (LinearRegression(), "prediction")):
        display = RegressionDisplay.from_estimator(reg.fit(X1, Y1), X1, grid_resolution=5)
        assert display.line_.get_label() == label


def test_one_quantile_and_two_features_have_no_band():
    options = {"loss": "pinball", "epochs": 2, "random_state": 0}
    one = KerasMoonRegressor(quantile=0.9, **options).fit(X1, Y1)
    assert RegressionDisplay.from_estimator(one, X1, Y1).band_ is None
    several = KerasMoonRegressor(quantile=[0.1, 0.5, 0.9], **options).fit(X2, Y2)
    display = RegressionDisplay.from_estimator(several, X2, Y2, grid_resolution=5)
    assert display.band_ is display.band is None
    grid = np.column_stack([axis.ravel() for axis in display.grid])
    assert_allclose(display.response.ravel(), several.predict_quantiles(grid)[:, 1])


def test_axes_are_labelled_with_names_of_a_dataframe_and_series():
    y = pd.Series(Y2, name="price")
    encode = make_column_transformer((OneHotEncoder(), ["colour"]), remainder="passthrough")
    model = make_pipeline(encode, LinearRegression()).fit(FRAME, y)
    plane = RegressionDisplay.from_estimator(model, FRAME, y, features=("height", "width"), held={"colour": "red"})
    assert (plane.ax_.get_xlabel(), plane.ax_.get_ylabel()) == ("height", "width")
    assert plane.colorbar_.ax.get_ylabel() == "price"
    assert plane.ax_.get_title() == "colour = red"
    line = RegressionDisplay.from_estimator(model, FRAME, y, features="width")
    assert (line.ax_.get_xlabel(), line.ax_.get_ylabel()) == ("width", "price")
    assert line.ax_.get_title() == "other 2 features at their medians or most frequent values"
    assert_allclose(line.points_.get_offsets()[:, 0], FRAME["width"])


@pytest.mark.parametrize(
    ("y", "name"),
    [
        (Y1, "y"),
        (pd.Series(Y1), "y"),
        (pd.Series(Y1, name=0), "0"),
        (pd.DataFrame({"price": Y1}), "price"),
        (pd.DataFrame({"name": Y1}), "name"),
    ],
)
def test_target_is_labelled_with_the_name_of_y(forests, y, name):
    assert RegressionDisplay.from_estimator(forests[0], X1, y).target_name == name


def test_without_y_only_the_predictions_are_drawn(forests):
    curve = RegressionDisplay.from_estimator(forests[0], X1)
    surface = RegressionDisplay.from_estimator(forests[1], X2, contour_kw=False, colorbar_kw=False)
    assert curve.points_ is surface.points_ is surface.contours_ is surface.colorbar_ is None
    assert curve.ax_.get_ylabel() == "y"


def test_keyword_arguments_override_the_defaults(forests):
    curve = RegressionDisplay.from_estimator(
        forests[0], X1, Y1, xlim=(0, 1), vlim=(-5, 5), grid_resolution=7, line_kw={"c": "red"}, scatter_kw={"c": "blue"}
    )
    assert curve.line_.get_color() == "red"
    assert_allclose(curve.line_.get_xdata(), np.linspace(0, 1, 7))
    assert curve.ax_.get_ylim() == (-5, 5)
    assert mpl.colors.same_color(curve.points_.get_facecolor()[0], "blue")
    surface = RegressionDisplay.from_estimator(
        forests[1],
        X2,
        Y2,
        ylim=(0, 1),
        aspect="auto",
        surface_kw={"cmap": "magma", "norm": mpl.colors.Normalize(0, 2)},
        contour_kw={"levels": [0.5]},
        scatter_kw={"color": "red"},
        colorbar_kw={"label": "height"},
    )
    assert surface.surface_.cmap.name == "magma"
    assert surface.surface_.norm.vmax == 2
    assert surface.contours_.levels.tolist() == [0.5]
    assert surface.points_.get_array() is None
    assert surface.colorbar_.ax.get_ylabel() == "height"
    assert surface.ax_.get_ylim() == (0, 1)


def test_only_the_given_axes_are_drawn_on(forests):
    ax = mpl.figure.Figure().subplots()
    current = plt.figure()
    assert RegressionDisplay.from_estimator(forests[0], X1, Y1, ax=ax).ax_ is ax
    assert not current.axes


def test_constant_surface_has_no_contours():
    flat = LinearRegression().fit(X2, np.ones(80))
    flat.coef_ = np.zeros(2)
    display = RegressionDisplay.from_estimator(flat, X2, np.ones(80))
    display.figure_.canvas.draw()
    assert display.contours_ is None


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((LogisticRegression().fit(X2, Y2 > 0), X2), {}, "estimator must be a regressor"),
        ((LinearRegression().fit(X2, X2), X2), {}, r"one number per sample\. Got predictions of shape \(16384, 2\)"),
        ((LinearRegression().fit(X2, Y2), X2, Y2[:3]), {}, "inconsistent numbers of samples"),
        ((LinearRegression().fit(X2, Y2), X2, ["a"] * 80), {}, "could not convert string to float"),
        ((LinearRegression().fit(X2, Y2), X2), {"grid_resolution": 1}, r"grid_resolution .* at least 2\. Got 1"),
        ((LinearRegression().fit(X2, Y2), X2), {"vlim": (2, 1)}, r"vlim must be two finite numbers .* Got \(2, 1\)"),
        ((LinearRegression().fit(X1, Y1), X1), {"ylim": (0, 1)}, r"ylim must be None for one feature.*\(0, 1\)"),
        (
            (LinearRegression().fit(X2, Y2), X2),
            {"features": 7},
            r"features must contain only columns of X.*-2 to 1\. Got 7",
        ),
        ((LinearRegression().fit(np.c_[X2, X1], Y2), np.c_[X2, X1]), {}, "one or two columns of X .* 3 columns"),
        (
            (LinearRegression().fit(X2, Y2), X2),
            {"features": []},
            r"one or two columns of X \(names or indices\)\. Got \[\]",
        ),
        ((LinearRegression().fit(X2, Y2), X2), {"features": (0, 0)}, r"distinct columns of X\. Got \(0, 0\)"),
        (
            (LinearRegression().fit(X2, Y2), X2),
            {"features": [0], "held": {0: 1.0}},
            r"held must not contain the plotted features \['feature 0'\]\. Got \{0: 1\.0\}",
        ),
    ],
)
def test_errors_name_the_parameter_and_the_value(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        RegressionDisplay.from_estimator(*arguments, **options)


def test_unfitted_regressor_raises():
    with pytest.raises(NotFittedError):
        RegressionDisplay.from_estimator(LinearRegression(), X1)


def test_transformed_target_is_drawn_in_its_original_unit():
    model = TransformedTargetRegressor(LinearRegression(), func=np.log, inverse_func=np.exp).fit(X1, np.exp(Y1))
    display = RegressionDisplay.from_estimator(model, X1, np.exp(Y1))
    assert (display.response > 0).all()
