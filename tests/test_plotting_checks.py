"""Arguments that all plots share: each is checked before anything is computed or drawn."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from moonnet.plotting import (
    DecisionRegionDisplay,
    RegressionDisplay,
    TrainingCurveDisplay,
    plot_data,
    plot_learning_curve,
    plot_search,
    plot_validation_curve,
)
from moonnet.plotting._checks import check_options

X, Y = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0, 1])


class Untouched(BaseEstimator):
    """A fitted estimator that must not predict."""

    classes_, history_, cv_results_ = np.array([0, 1]), {"loss": [1.0]}, {}

    def fit(self):
        """Do nothing."""

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        raise AssertionError("computed before the arguments were checked")


class UntouchedClassifier(ClassifierMixin, Untouched):
    pass


class UntouchedRegressor(RegressorMixin, Untouched):
    pass


PLOTS = {
    "regions": lambda **options: DecisionRegionDisplay.from_estimator(UntouchedClassifier(), X, Y, **options),
    "regression": lambda **options: RegressionDisplay.from_estimator(UntouchedRegressor(), X, Y, **options),
    "curves": lambda **options: TrainingCurveDisplay.from_estimator(Untouched(), **options),
    "folds": lambda **options: TrainingCurveDisplay.from_cv_results({"estimator": [Untouched()]}, **options),
    "data": lambda **options: plot_data(X, Y, **options),
    "search": lambda **options: plot_search(Untouched(), **options),
    "learning": lambda **options: plot_learning_curve(Untouched(), X, Y, **options),
    "validation": lambda **options: plot_validation_curve(Untouched(), X, Y, "size", [1, 2], **options),
}
PARTS = {  # those that False omits first
    "regions": (["boundary_kw", "errors_kw", "legend_kw", "colorbar_kw"], ["surface_kw", "scatter_kw"]),
    "regression": (["contour_kw", "colorbar_kw"], ["line_kw", "surface_kw", "scatter_kw"]),
    "curves": (["best_kw", "legend_kw"], ["line_kw"]),
    "folds": (["best_kw", "legend_kw"], ["line_kw"]),
    "data": (["legend_kw"], ["scatter_kw"]),
    "search": (["text_kw", "colorbar_kw"], ["image_kw"]),
    "learning": (["band_kw"], ["line_kw"]),
    "validation": (["band_kw"], ["line_kw"]),
}


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("value", ["junk", 3, [("s", 3)], {3: "s"}])
def test_keyword_arguments_must_be_a_dict(plot, value):
    omissible, others = PARTS[plot]
    for name in omissible + others:
        expected = " or False" if name in omissible else ""
        with pytest.raises(ValueError, match=rf"{name} must be a dict of keyword arguments{expected}\. Got ") as error:
            PLOTS[plot](**{name: value})
        assert repr(value) in str(error.value)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("plot", PLOTS)
def test_unknown_keywords_are_named(plot):
    omissible, others = PARTS[plot]
    for name in {*omissible, *others} - {"surface_kw", "contour_kw", "colorbar_kw"}:
        with pytest.raises(ValueError, match=rf"{name} must contain keyword arguments of matplotlib's .* Got 'sise'"):
            PLOTS[plot](**{name: {"sise": 3}})
    assert plt.get_fignums() == []


def test_names_of_parameters_properties_and_their_aliases_are_keywords():
    for name, keywords in {
        "scatter_kw": ["s", "c", "color", "fc", "facecolors", "ec", "lw", "linewidths", "marker", "zorder", "hatch"],
        "errors_kw": ["edgecolor", "path_effects", "label", "alpha", "rasterized", "data"],
        "line_kw": ["c", "ls", "lw", "marker", "ms", "drawstyle", "gapcolor", "scalex", "label"],
        "band_kw": ["alpha", "color", "fc", "linewidth", "step", "hatch", "zorder"],
        "best_kw": ["ymin", "color", "linestyle"],
        "text_kw": ["ha", "va", "fontsize", "size", "weight", "bbox", "fontdict", "rotation_mode", "clip_on"],
        "boundary_kw": ["colors", "color", "linestyles", "lw", "zorder", "antialiaseds"],
        "legend_kw": ["loc", "ncol", "ncols", "title", "handles", "labels", "prop", "bbox_to_anchor", "frameon"],
        "image_kw": ["cmap", "norm", "vmin", "origin", "interpolation", "alpha", "zorder"],
        "colorbar_kw": ["label", "shrink", "format"],
    }.items():
        check_options(**{name: dict.fromkeys(keywords)})


@pytest.mark.parametrize("plot", PLOTS)
def test_false_does_not_omit_the_main_parts(plot):
    for name in PARTS[plot][1]:
        with pytest.raises(ValueError, match=rf"{name} must be a dict of keyword arguments\. Got False"):
            PLOTS[plot](**{name: False})


@pytest.mark.parametrize("plot", ["regions", "regression", "data"])
@pytest.mark.parametrize("aspect", ["junk", 0, -1, np.nan, np.inf, True, [1]])
def test_aspect_must_be_a_choice_or_a_positive_number(plot, aspect):
    with pytest.raises(ValueError, match=r"aspect must be 'equal', 'auto' or a positive number\. Got"):
        PLOTS[plot](aspect=aspect)


@pytest.mark.parametrize("plot", PLOTS)
def test_ax_must_be_axes(plot):
    for ax in ("junk", plt.figure()):
        with pytest.raises(ValueError, match=r"ax must (be matplotlib axes|contain one axes for each .*)\. Got"):
            PLOTS[plot](ax=ax)


@pytest.mark.parametrize("plot", ["regions", "regression", "curves", "folds"])
def test_unknown_options_raise(plot):
    with pytest.raises(TypeError, match=r"plot_options must be among the parameters \['ax'.*\. Got colour='red'"):
        PLOTS[plot](colour="red")


def test_choices_and_scales_are_checked_first():
    for plot, options, message in [
        ("regions", {"colors": ["red"]}, r"one colour for each of 2 classes\. Got \['red'\]"),
        (
            "regions",
            {"surface_kw": {"plot_method": "imshow"}},
            r"surface_kw\['plot_method'\] must be one of .* 'imshow'",
        ),
        ("regions", {"style": "lecture", "surface_kw": {"plot_method": "contour"}}, "if style='lecture'"),
        ("regions", {"class_of_interest": "nonsense"}, r"class_of_interest must be one of \[0, 1\]\. Got 'nonsense'"),
        ("regions", {"class_of_interest": 1}, r"class_of_interest must be None if response_method='predict'.* Got 1"),
        (
            "regions",
            {"response_method": ["predict_proba"]},
            r"response_method must be one of .* Got \['predict_proba'\]",
        ),
        ("regions", {"response_method": "decision_function"}, r"must have a decision_function method .* Got Untouched"),
        ("regression", {"vlim": (2, 1)}, r"vlim must be two finite numbers .* Got \(2, 1\)"),
        ("curves", {"metrics": 3}, r"metrics must be among \['loss'\]\. Got 3"),
        ("curves", {"metrics": ["loss", "loss"]}, r"metrics must be distinct\. Got \['loss', 'loss'\]"),
    ]:
        with pytest.raises(ValueError, match=message):
            PLOTS[plot](**options)
    assert plt.get_fignums() == []


def test_shading_of_members_takes_the_arguments_of_pcolormesh():
    from moonnet.plotting._checks import check_options

    check_options(spread_kw={"cmap": "Greys", "vmax": 0.3, "alpha": 0.5, "shading": "nearest", "ec": "k", "zorder": 1})
    with pytest.raises(ValueError, match=r"spread_kw must contain .* matplotlib's Axes\.pcolormesh\. Got 'foo'"):
        check_options(spread_kw={"foo": 1})
