"""Decision regions of a classifier with the data on top."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_classifier
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d

from moonnet._sklearn_compat import boundary_display
from moonnet.plotting._axes import label_axes, prepare_axes, to_kwargs
from moonnet.plotting._boundary import boundary_lines, score_boundary
from moonnet.plotting._checks import check_choice, check_integer, check_options, check_plot_options
from moonnet.plotting._feature_plane import axis_limits, choose_plane
from moonnet.plotting._fonts import axes_texts, make_drawable
from moonnet.plotting._legend import draw_legend, widen_figure
from moonnet.plotting._members import draw_members, draw_spread_colorbar, member_scores
from moonnet.plotting._scatter import class_colors, marker_style, scatter_by_class

# Limits of the x and y axes in the lecture's figure
_LECTURE_LIMITS = (-1.75, 2.5), (-1.25, 1.75)
_STYLES = ("regions", "lecture")
# In the order in which response_method="auto" tries them, as in scikit-learn
_RESPONSE_METHODS = ("decision_function", "predict_proba", "predict")
_PLOT_METHODS = ("contourf", "contour", "pcolormesh")
# An error lists at most this many unknown labels
_MAX_LABELS_LISTED = 5
# What the values of a surface are called, by response method
_VALUE_NAMES = {"decision_function": "decision function", "predict_proba": "probability"}


@dataclass(kw_only=True, eq=False, repr=False)
class DecisionRegionDisplay:
    """Decision regions of a classifier over a plane of the features, with the data on top.

    Create a display with :meth:`from_estimator`. The constructor only stores what :meth:`plot` draws.

    Parameters
    ----------
    xx0, xx1 : ndarray of shape (n_rows, n_columns)
        Coordinates of the grid, as returned by :func:`numpy.meshgrid`.

    response : ndarray of int of shape (n_rows, n_columns)
        Predicted class at each grid point, as an index into ``classes``.

    classes : ndarray of shape (n_classes,)
        The class labels.

    scores : ndarray of shape (n_rows, n_columns, n_classes), default=None
        Scores of the classes, the highest for the class in ``response``. The decision boundary is drawn where the two
        highest scores are equal, so that only scores next to it matter. If None, the predicted class scores 1 and the
        others 0, and the boundary is only as fine as the grid.

    response_method : {"predict", "predict_proba", "decision_function"}, default="predict"
        What ``surface_values`` are. ``"predict"`` draws regions, without values.

    surface_values : ndarray of shape (n_rows, n_columns) or (n_rows, n_columns, n_classes), default=None
        Probabilities or values of the decision function to draw as a surface, of one class or of every class.

    class_of_interest : int, float, bool or str, default=None
        The class to which two-dimensional ``surface_values`` refer.

    X : ndarray of shape (n_samples, 2), default=None
        Samples to draw on top, projected onto the plane. If None, no samples are drawn.

    y : ndarray of shape (n_samples,), default=None
        True labels of the samples, all of them in ``classes``.

    errors : ndarray of bool of shape (n_samples,), default=None
        Mask of the misclassified samples, which get a ring. If None, no rings are drawn.

    feature_names : pair of str, default=None
        Labels of the x and y axes. If None, the axes have no labels.

    title : str, default=None
        Title of the axes, with the values of the features that are not plotted. None or an empty string sets none.

    style : {"regions", "lecture"}, default="regions"
        ``"lecture"`` reproduces the lecture's figure; see :meth:`from_estimator`.

    member_scores : ndarray of shape (n_members, n_rows, n_columns, n_classes), default=None
        Probability of each class by each member of an ensemble. A member without ``predict_proba`` gives the class that
        it predicts 1 and the others 0. If None, no members are drawn.

    Attributes
    ----------
    surface_ : matplotlib artist or list of artists
        The decision regions or the surface of the values; a list has one artist per class.

    boundary_ : matplotlib.collections.LineCollection or None
        The decision boundary. None if it was not drawn.

    members_ : matplotlib.collections.LineCollection or None
        The decision boundaries of all members. None if they were not drawn.

    spread_ : matplotlib.collections.QuadMesh or None
        The shading by the members' disagreement. None if it was not drawn.

    points_ : list of matplotlib.collections.PathCollection
        The samples, one collection per class; empty if no samples were drawn.

    errors_ : matplotlib.collections.PathCollection or None
        Rings around the misclassified samples; the legend shows their number. None if they were not drawn.

    legend_ : matplotlib.legend.Legend or None
        The legend of the classes. None if it was not drawn.

    colorbar_ : matplotlib.colorbar.Colorbar or None
        The colour bar of the values, or of the shading. None if it was not drawn.

    colors_ : ndarray of shape (n_classes, 4)
        RGBA colour of each class.

    ax_ : matplotlib.axes.Axes
        Axes of the plot.

    figure_ : matplotlib.figure.Figure
        Figure that contains the axes.

    See Also
    --------
    plot_data : The samples alone.
    RegressionDisplay : Predictions of a regressor.
    LearningFilm : An animation of the decision regions during training.
    sklearn.inspection.DecisionBoundaryDisplay : The surface alone.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from moonnet import KerasMoonClassifier
    >>> from moonnet.plotting import DecisionRegionDisplay
    >>> X, y = make_moons(200, noise=0.2, random_state=0)
    >>> clf = KerasMoonClassifier(random_state=0).fit(X, y)
    >>> display = DecisionRegionDisplay.from_estimator(clf, X, y)
    >>> display.response.shape
    (128, 128)
    >>> display.figure_.savefig("regions.png")  # doctest: +SKIP

    Draw the probability of class 1 as a surface with a colour bar, without rings around misclassified samples:

    >>> display = DecisionRegionDisplay.from_estimator(
    ...     clf, X, y, response_method="predict_proba", errors_kw=False
    ... )
    >>> display.colorbar_.ax.get_ylabel()
    'probability of class 1'

    Draw the boundary of each member of an ensemble, and shade where the members disagree:

    >>> from moonnet.ensemble import DeepEnsembleClassifier
    >>> ensemble = DeepEnsembleClassifier(random_state=0).fit(X, y)
    >>> display = DecisionRegionDisplay.from_estimator(ensemble, X, y, members=True)
    >>> display.member_scores.shape
    (5, 128, 128, 2)
    """

    xx0: np.ndarray
    xx1: np.ndarray
    response: np.ndarray
    classes: np.ndarray
    scores: np.ndarray | None = None
    response_method: str = "predict"
    surface_values: np.ndarray | None = None
    class_of_interest: Any = None
    X: np.ndarray | None = None
    y: np.ndarray | None = None
    errors: np.ndarray | None = None
    feature_names: tuple[str, ...] | None = None
    title: str | None = None
    style: str = "regions"
    member_scores: np.ndarray | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        response_method: str = "predict",
        class_of_interest: Any = None,
        features: Any = None,
        held: Mapping[Any, Any] | None = None,
        grid_resolution: int = 128,
        xlim: tuple[float, float] | None = None,
        ylim: tuple[float, float] | None = None,
        style: str = "regions",
        members: bool = False,
        ax: Any = None,
        **plot_options: Any,
    ) -> Self:
        """Predict the points of a grid with a fitted classifier and draw its decision regions.

        Samples are drawn at their values of the two plotted features. If X has more features, the classifier predicts
        the regions with the other features fixed, but classifies each sample with all of its own feature values.
        A sample may therefore lie in the region of another class and still be classified correctly. A ring marks a
        sample whose predicted class is wrong.

        Parameters
        ----------
        estimator : fitted classifier or pipeline
            Any scikit-learn classifier with at least two features.

        X : array-like or dataframe of shape (n_samples, n_features)
            Samples in the form that the estimator accepts. They determine the limits of the axes. The axes are labelled
            with the column names of a dataframe, or with "feature 0", "feature 1" and so on for an array.

        y : array-like of shape (n_samples,), default=None
            True labels of the samples. If None, no samples are drawn.

        response_method : {"predict", "predict_proba", "decision_function", "auto"}, default="predict"
            Whether to draw the predicted classes as regions, or the probability or the decision function as a surface
            with a colour bar. The surface shows the values of ``class_of_interest``; if that is None and there are more
            than two classes, it shows the highest value in the colour of its class. ``"auto"`` is the first that the
            estimator has of decision_function, predict_proba and predict.

        class_of_interest : int, float, bool or str, default=None
            The class whose values are drawn as a surface. None is the second of two classes, or every class if there
            are more.

        features : pair of str or int, or "pca", default=None
            The two columns of X to plot, by name or index. ``"pca"`` plots the plane of the first two principal
            components of the standardised features, onto which the samples are projected. Required if X has more than
            two columns.

        held : dict, default=None
            Fixed values of features that are not plotted, by column name or index. Features without a value are fixed
            at their median, or at their most frequent value if it is no number or date. The title shows these values.

        grid_resolution : int, default=128
            Number of grid points along each axis, at least 2.

        xlim, ylim : tuple of two float, default=None
            Lower and upper limits of the axes. None takes the range of the samples and adds a tenth of it on each side.

        style : {"regions", "lecture"}, default="regions"
            ``"lecture"`` reproduces the lecture's figure: the predicted classes as an image and the samples on top,
            without boundary, rings and legend. Its limits are [-1.75, 2.5] x [-1.25, 1.75] if more than half of the
            samples lie within them.

        members : bool, default=False
            Whether to draw the members of an ensemble, such as a
            :class:`~moonnet.ensemble.DeepEnsembleClassifier`, a :class:`sklearn.ensemble.BaggingClassifier` or a
            :class:`sklearn.ensemble.VotingClassifier`, also as the last step of a pipeline: the boundary of each one as
            a thin line, and their disagreement as shading. The shading is the standard deviation of the members'
            probabilities of a class; with more than two classes, the largest of any class. Over a surface of values
            there is no shading, because it would change their colours.

        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. If None, a new figure is created.

        **plot_options : dict
            Further keyword arguments for :meth:`plot`.

        Returns
        -------
        display : DecisionRegionDisplay
            The display with its plot.

        Raises
        ------
        ValueError
            If the estimator is not a classifier, predicts several labels per sample or is not fitted
            (``NotFittedError``), if y contains unknown labels or differs in length from X, if ``members`` is True for
            an estimator without members, or if another parameter has an invalid value.

        TypeError
            If X is sparse.

        See Also
        --------
        DecisionRegionDisplay.plot : Draw the display again, for example with other colours.
        RegressionDisplay.from_estimator : The same for a regressor.
        sklearn.inspection.DecisionBoundaryDisplay.from_estimator : The surface alone.
        """
        response_method = _check_arguments(estimator, response_method, class_of_interest, style, grid_resolution)
        check_plot_options(cls.plot, {"ax": ax} | plot_options)
        classes = estimator.classes_
        class_colors(len(classes), plot_options.get("colors", "viridis"))
        _check_surface(plot_options.get("surface_kw"), style)
        plane = choose_plane(X, features, held)
        labels = None if y is None else _validate_labels(plane.points, y, classes)
        xlim, ylim = _choose_limits(plane.points, xlim, ylim, style)
        xx0, xx1 = np.meshgrid(np.linspace(*xlim, grid_resolution), np.linspace(*ylim, grid_resolution))
        grid = np.column_stack([xx0.ravel(), xx1.ravel()])
        samples = plane.inverse_transform(grid)
        response = _class_indices(_predict_labels(estimator, samples), classes).reshape(xx0.shape)
        values = None
        if response_method != "predict":
            class_of_interest, values = _predict_values(
                estimator, samples, response, response_method, class_of_interest
            )
            values = values.reshape(*xx0.shape, *values.shape[1:])
        all_scores = None
        if members:
            all_scores = member_scores(estimator, samples)
            all_scores = all_scores.reshape(len(all_scores), *xx0.shape, len(classes))
        # The lecture's figure, drawn from an array of two columns, has no axis labels
        has_labels = style != "lecture" or hasattr(X, "columns") or np.shape(X)[1] > 2
        display = cls(
            xx0=xx0,
            xx1=xx1,
            response=response,
            classes=classes,
            scores=score_boundary(estimator, plane.inverse_transform, grid, response),
            response_method=response_method,
            surface_values=values,
            class_of_interest=class_of_interest,
            X=None if labels is None else plane.points,
            y=labels,
            errors=None if labels is None else _predict_labels(estimator, X) != labels,
            feature_names=plane.axis_labels if has_labels else None,
            title=plane.title,
            style=style,
            member_scores=all_scores,
        )
        return display.plot(ax=ax, **plot_options)

    def plot(
        self,
        ax: Any = None,
        *,
        colors: Any = "viridis",
        aspect: str | float | None = None,
        surface_kw: dict[str, Any] | None = None,
        boundary_kw: dict[str, Any] | bool | None = None,
        member_kw: dict[str, Any] | bool | None = None,
        spread_kw: dict[str, Any] | bool | None = None,
        scatter_kw: dict[str, Any] | None = None,
        errors_kw: dict[str, Any] | bool | None = None,
        legend_kw: dict[str, Any] | bool | None = None,
        colorbar_kw: dict[str, Any] | bool | None = None,
    ) -> Self:
        """Draw the surface, the decision boundary, the members, the samples, a legend and a colour bar.

        Each ``..._kw`` parameter is a dict of keyword arguments that override the defaults. False omits the boundary,
        the members' boundaries, the shading (``spread_kw``), the rings (``errors_kw``), the legend or the colour bar.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. If None, a new figure is created.

        colors : str, Colormap or sequence of colors, default="viridis"
            A colormap or its name, from which the classes take evenly spaced colours, or one colour per class.

        aspect : "equal", "auto" or float, default=None
            Aspect ratio of the axes, as in ``Axes.set_aspect``. None is ``"equal"``, or ``"auto"`` if one axis would be
            more than twice as long as the other.

        surface_kw : dict, default=None
            Keyword arguments for ``DecisionBoundaryDisplay.plot``, or for ``Axes.imshow`` if the style is
            ``"lecture"``.

        boundary_kw : dict or False, default=None
            Keyword arguments for the ``LineCollection`` of the decision boundary, where the predicted class changes.
            With two classes, this is where both have probability 0.5, unless the classifier uses another threshold.

        member_kw : dict or False, default=None
            Keyword arguments for the ``LineCollection`` of the decision boundaries of an ensemble's members.

        spread_kw : dict or False, default=None
            Keyword arguments for ``Axes.pcolormesh`` for the shading by the standard deviation of the members'
            probabilities. By default it is transparent for 0, and darkest for 0.5, which is the largest possible value.

        scatter_kw : dict, default=None
            Keyword arguments for ``Axes.scatter`` for the samples.

        errors_kw : dict or False, default=None
            Keyword arguments for ``Axes.scatter`` for the rings around misclassified samples.

        legend_kw : dict or False, default=None
            Keyword arguments for ``Axes.legend``. The style ``"lecture"`` has no legend.

        colorbar_kw : dict or False, default=None
            Keyword arguments for ``Figure.colorbar``.

        Returns
        -------
        self : DecisionRegionDisplay
            The display, with ``ax_``, ``figure_`` and its artists set.

        Raises
        ------
        ValueError
            If ``colors`` is neither one colour per class nor a colormap with that many, or another parameter has an
            invalid value.

        See Also
        --------
        DecisionRegionDisplay.from_estimator : Compute a display from a fitted classifier.
        plot_data : Draw the samples alone.
        """
        check_options(
            ax=ax,
            aspect=aspect,
            surface_kw=surface_kw,
            boundary_kw=boundary_kw,
            member_kw=member_kw,
            spread_kw=spread_kw,
            scatter_kw=scatter_kw,
            errors_kw=errors_kw,
            legend_kw=legend_kw,
            colorbar_kw=colorbar_kw,
        )
        _check_surface(surface_kw, self.style)
        if self.surface_values is not None:
            check_choice("response_method", self.response_method, tuple(_VALUE_NAMES))
            if self.surface_values.ndim == 2:
                _check_class(self.class_of_interest, self.classes)
        self.colors_ = class_colors(len(self.classes), colors)
        xlim, ylim = ((grid.min(), grid.max()) for grid in (self.xx0, self.xx1))
        has_spread = self.member_scores is not None and self.surface_values is None and spread_kw is not False
        has_colorbar = (self.surface_values is not None or has_spread) and colorbar_kw is not False
        is_new = ax is None
        extra_width = 2.1 + (1.0 if has_colorbar else 0) + (0.3 if has_colorbar and has_spread else 0)
        ax, aspect = prepare_axes(ax, np.ptp(xlim), np.ptp(ylim), aspect, extra_width)
        self.ax_, self.figure_ = ax, ax.figure
        if self.style == "lecture":  # shows only the image and the samples by default
            boundary_kw, errors_kw = (False if part_kw is None else part_kw for part_kw in (boundary_kw, errors_kw))
            legend_kw = False
        self.surface_ = self._draw_surface(colors, surface_kw or {})
        ax.set(xlim=xlim, ylim=ylim, aspect=aspect)
        self.spread_, self.members_ = draw_members(
            ax, self.member_scores, self.xx0, self.xx1, member_kw, spread_kw if has_spread else False
        )
        self.boundary_ = None if boundary_kw is False else self._draw_boundary(to_kwargs(boundary_kw))
        self.points_, self.errors_, self.legend_, self.colorbar_ = [], None, None, None
        if self.X is not None and self.y is not None:
            self.points_ = self._draw_points(self.X, self.y, scatter_kw or {})
            if errors_kw is not False and self.errors is not None:
                self.errors_ = self._draw_errors(self.X[self.errors], to_kwargs(errors_kw))
            lines = [] if self.members_ is None else [self.boundary_, self.members_]
            others = [artist for artist in (self.errors_, *lines) if artist is not None]
            self.legend_ = draw_legend(ax, self.points_, others, legend_kw)
        label_axes(ax, self.feature_names, self.title)
        if has_colorbar:
            draw = self._draw_colorbar if self.spread_ is None else partial(draw_spread_colorbar, ax, self.spread_)
            self.colorbar_ = draw(to_kwargs(colorbar_kw))
        make_drawable([*axes_texts(ax), *(axes_texts(self.colorbar_.ax) if self.colorbar_ else [])])
        if is_new and self.legend_ is not None:
            widen_figure(self.legend_)
        return self

    def _draw_surface(self, colors: Any, kwargs: dict[str, Any]) -> Any:
        """Draw the regions or the values; return the artist or artists."""
        if self.style == "lecture":
            extent = (self.xx0.min(), self.xx0.max(), self.xx1.min(), self.xx1.max())
            defaults = {"origin": "lower", "extent": extent} | self._region_defaults()
            return self.ax_.imshow(self.response, **(defaults | kwargs))
        method = kwargs.get("plot_method", "pcolormesh")
        defaults = self._surface_defaults(colors, method)
        overridden = {"vmin", "vmax"} if "norm" in kwargs else set()
        if {"cmap", "colors"} & kwargs.keys():
            overridden |= {"cmap", "colors"}
        if method == "pcolormesh":
            defaults["rasterized"] = True
        else:
            overridden.add("shading")
        defaults = {name: value for name, value in defaults.items() if name not in overridden}
        response = self.response if self.surface_values is None else self.surface_values
        display = boundary_display(
            xx0=self.xx0,
            xx1=self.xx1,
            # For a two-dimensional response of more classes, scikit-learn would ignore our colormap
            n_classes=len(self.classes) if response.ndim == 3 else 2,
            response=response,
            multiclass_colors=list(self.colors_),
        )
        return display.plot(ax=self.ax_, **({"plot_method": method, "zorder": -1} | defaults | kwargs)).surface_

    def _surface_defaults(self, colors: Any, method: str) -> dict[str, Any]:
        """Return the default keyword arguments of the surface for a plot method of scikit-learn's display."""
        n_classes = len(self.classes)
        if self.surface_values is not None:
            vmin, vmax = self._value_limits()
            limits = {"vmin": vmin, "vmax": vmax}
            if self.surface_values.ndim == 3:
                return {"alpha": 0.6} | limits
            return {"alpha": 1, "cmap": self._surface_colormap(colors), "shading": "gouraud"} | limits
        if method == "contour":  # the levels and the colour that scikit-learn uses for classes
            return {"alpha": 0.25, "levels": np.arange(n_classes), "colors": "black"}
        bands = {"levels": np.arange(n_classes + 1) - 0.5} if method == "contourf" else {}  # one band per class
        return self._region_defaults() | bands

    def _region_defaults(self) -> dict[str, Any]:
        """Return the default colours of the regions."""
        from matplotlib.colors import ListedColormap

        # Without vmin and vmax, the colours would shift if no grid point is predicted as the first or last class
        return {"alpha": 0.25, "cmap": ListedColormap(self.colors_), "vmin": -0.5, "vmax": len(self.classes) - 0.5}

    def _value_limits(self) -> tuple[float, float]:
        """Return the limits of the surface's colours: those of a probability, else those of the values."""
        values = np.asarray(self.surface_values)
        if self.response_method == "predict_proba":
            return (0.0 if values.ndim == 2 else 1 / len(self.classes)), 1.0
        highest = values if values.ndim == 2 else values.max(axis=-1)
        finite = highest[np.isfinite(highest)]
        if len(self.classes) == 2:  # the boundary, at 0, has the colour between those of the classes
            return -np.abs(finite).max(initial=0), np.abs(finite).max(initial=0)
        return finite.min(), finite.max()

    def _surface_colormap(self, colors: Any) -> Any:
        """Return a pale, opaque colormap that ends in the colour of the class of interest."""
        import matplotlib as mpl

        index = self.classes.tolist().index(self.class_of_interest)
        if len(self.classes) == 2:
            stops = [self.colors_[1 - index], "white", self.colors_[index]]
        else:
            stops = ["white", self.colors_[index]]
        colormap: Any = mpl.colors.LinearSegmentedColormap.from_list("values", stops)
        if isinstance(colors, str | mpl.colors.Colormap) and len(self.classes) == 2:
            users_colormap = mpl.colormaps.get_cmap(colors)
            colormap = users_colormap if index == 1 else users_colormap.reversed()
        # Opaque, because the triangles of a Gouraud-shaded surface overlap, which shows if they are translucent
        return mpl.colors.ListedColormap(0.6 * colormap(np.linspace(0, 1, 256)) + 0.4)

    def _draw_boundary(self, kwargs: dict[str, Any]) -> Any:
        """Draw the lines where a class's score equals the highest of the others; return the artist."""
        from matplotlib.collections import LineCollection

        scores = np.eye(len(self.classes))[self.response] if self.scores is None else self.scores
        lines = boundary_lines(scores, self.xx0, self.xx1)
        defaults: dict[str, Any] = {"colors": "0.2", "linewidths": 1.2, "zorder": 0}
        if self.members_ is not None:  # stands out from their thin lines
            defaults |= {"colors": "black", "linewidths": 2, "label": "ensemble"}
        return self.ax_.add_collection(LineCollection(lines, **(defaults | kwargs)), autolim=False)

    def _draw_points(self, X: np.ndarray, y: np.ndarray, kwargs: dict[str, Any]) -> list[Any]:
        """Draw the samples; return the artists."""
        if self.style != "lecture":
            return scatter_by_class(self.ax_, X, y, self.classes, self.colors_, **kwargs)
        color = {} if "color" in kwargs else {"c": self.colors_[_class_indices(y, self.classes)]}
        return [self.ax_.scatter(X[:, 0], X[:, 1], **({"s": 40} | color | kwargs))]

    def _draw_errors(self, X: np.ndarray, kwargs: dict[str, Any]) -> Any:
        """Draw a ring around each sample; return the artist."""
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.collections import PathCollection
        from matplotlib.patheffects import Normal, Stroke

        X = X[np.isfinite(X).all(axis=1)]  # the others have no place in the plane
        style = marker_style(len(X), 120, 1.2, coverage=0.12)
        halo = Stroke(linewidth=2.2 * style["linewidth"], foreground="white")
        defaults = style | {
            "facecolor": "none",
            "edgecolor": "black",
            "alpha": max(0.5, (style["s"] / 120) ** 0.25),  # where many overlap, the darkness shows their density
            "path_effects": [halo, Normal()],
            "label": f"misclassified ({len(X)})",
        }
        return self.ax_.scatter(X[:, 0], X[:, 1], **(defaults | normalize_kwargs(kwargs, PathCollection)))

    def _draw_colorbar(self, kwargs: dict[str, Any]) -> Any:
        """Draw the colour bar of the values, in grey if the surface shows several classes."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import LinearSegmentedColormap

        name = _VALUE_NAMES[self.response_method]
        if isinstance(self.surface_, list):
            grey = LinearSegmentedColormap.from_list("grey", ["white", "0.35"])
            mappable = ScalarMappable(self.surface_[0].norm, grey)
            label = f"{name} of the most likely class"
        else:
            mappable, label = self.surface_, f"{name} of class {self.class_of_interest}"
        return self.figure_.colorbar(mappable, ax=self.ax_, **({"label": label} | kwargs))


def _check_arguments(
    estimator: Any, response_method: str, class_of_interest: Any, style: str, grid_resolution: int
) -> str:
    """Return the response method; raise if the estimator is not a fitted classifier or an option is invalid."""
    check_is_fitted(estimator)
    if not is_classifier(estimator):
        raise ValueError(f"estimator must be a classifier. Got {estimator!r} instead.")
    check_choice("response_method", response_method, (*_RESPONSE_METHODS, "auto"))
    check_choice("style", style, _STYLES)
    if style == "lecture" and response_method != "predict":
        raise ValueError(f"response_method must be 'predict' if style='lecture'. Got {response_method!r} instead.")
    if response_method == "auto":
        response_method = next(method for method in _RESPONSE_METHODS if hasattr(estimator, method))
    if not hasattr(estimator, response_method):
        raise ValueError(
            f"estimator must have a {response_method} method if response_method={response_method!r}. "
            f"Got {estimator!r} instead."
        )
    if class_of_interest is not None:
        _check_class(class_of_interest, estimator.classes_)
        if response_method == "predict":
            raise ValueError(
                "class_of_interest must be None if response_method='predict', which draws the regions of every class. "
                f"Got {class_of_interest!r} instead."
            )
    check_integer("grid_resolution", grid_resolution, 2)
    return response_method


def _check_class(class_of_interest: Any, classes: np.ndarray) -> None:
    if class_of_interest not in classes.tolist():
        raise ValueError(f"class_of_interest must be one of {classes.tolist()}. Got {class_of_interest!r} instead.")


def _check_surface(surface_kw: dict[str, Any] | None, style: str) -> None:
    """Raise if the surface's ``plot_method`` is not one of DecisionBoundaryDisplay."""
    if not surface_kw or "plot_method" not in surface_kw:
        return
    if style == "lecture":
        raise ValueError(f"surface_kw must not contain 'plot_method' if style='lecture'. Got {surface_kw!r} instead.")
    check_choice("surface_kw['plot_method']", surface_kw["plot_method"], _PLOT_METHODS)


def _choose_limits(
    points: np.ndarray, xlim: tuple[float, float] | None, ylim: tuple[float, float] | None, style: str
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the limits of the axes: the user's, the lecture's, or those of the points."""
    lower, upper = np.transpose(_LECTURE_LIMITS)
    if style == "lecture" and np.mean(((points >= lower) & (points <= upper)).all(axis=1)) > 0.5:
        xlim = _LECTURE_LIMITS[0] if xlim is None else xlim
        ylim = _LECTURE_LIMITS[1] if ylim is None else ylim
    return axis_limits("xlim", xlim, points[:, 0]), axis_limits("ylim", ylim, points[:, 1])


def _predict_labels(estimator: Any, X: Any) -> np.ndarray:
    """Return the predicted label of each sample."""
    labels = np.asarray(estimator.predict(X))
    if labels.ndim != 1:
        raise ValueError(f"estimator must predict one label per sample. Got labels of shape {labels.shape} instead.")
    return labels


def _class_indices(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the index into ``classes`` of each label; third-party classifiers may have unsorted classes."""
    order = np.argsort(classes)
    return order[np.searchsorted(classes, labels, sorter=order)]


def _predict_values(
    estimator: Any, X: Any, response: np.ndarray, response_method: str, class_of_interest: Any
) -> tuple[Any, np.ndarray]:
    """Return a class and its values; None and the values of every class if there are more than two."""
    classes = estimator.classes_.tolist()
    values = np.asarray(getattr(estimator, response_method)(X))
    if values.ndim == 1 and len(classes) == 2:  # of the second class
        values = np.column_stack([-values, values])
    if values.shape != (len(X), len(classes)):
        raise ValueError(
            f"estimator must return one value per class from {response_method}. "
            f"Got values of shape {values.shape} for {len(classes)} classes instead."
        )
    is_highest = values.argmax(axis=1) == response.ravel()
    if response_method == "decision_function" and len(classes) > 2 and is_highest.mean() < 0.5:
        raise ValueError(
            "estimator must return the highest value from decision_function for the class that it predicts. "
            f"Got {estimator!r}, which does so for {is_highest.mean():.0%} of the plane, as with "
            "decision_function_shape='ovo'."
        )
    if class_of_interest is None:
        if len(classes) > 2:
            return None, values
        class_of_interest = classes[-1]
    return class_of_interest, values[:, classes.index(class_of_interest)]


def _validate_labels(X: np.ndarray, y: ArrayLike, classes: np.ndarray) -> np.ndarray:
    """Return y as an array of known classes."""
    check_consistent_length(X, y)
    labels = column_or_1d(y)
    check_array(labels, ensure_2d=False, dtype=None, input_name="y")
    known = set(classes.tolist())
    unknown = [label for label in dict.fromkeys(labels.tolist()) if label not in known]
    if unknown:
        others = f" and {len(unknown) - _MAX_LABELS_LISTED} others" if len(unknown) > _MAX_LABELS_LISTED else ""
        raise ValueError(
            f"y must contain only the estimator's classes {classes.tolist()}. "
            f"Got {unknown[:_MAX_LABELS_LISTED]}{others} instead."
        )
    return labels
