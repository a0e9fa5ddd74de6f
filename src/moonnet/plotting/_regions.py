"""The regions of the plane that a classifier gives to its classes, under the data."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_classifier
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from moonnet._sklearn_compat import boundary_display
from moonnet.plotting._feature_plane import axis_limits, check_resolution, choose_plane
from moonnet.plotting._scatter import (
    arguments,
    class_colors,
    draw_legend,
    label_axes,
    new_axes,
    readable_aspect,
    scatter_by_class,
)

# The lecture's domain along each axis
_LECTURE_LIMITS = (-1.75, 2.5), (-1.25, 1.75)


class DecisionRegionDisplay:
    """What a classifier predicts over a plane of the features, under the data.

    Make one with :meth:`from_estimator`. The constructor only holds what is to be drawn.

    Parameters
    ----------
    xx0, xx1 : ndarray of shape (n_rows, n_columns)
        Coordinates of the grid, as :func:`numpy.meshgrid` returns them.

    response : ndarray of shape (n_rows, n_columns)
        Index into ``classes`` of the class predicted at each point of the grid.

    classes : ndarray of shape (n_classes,)
        The labels.

    scores : ndarray of shape (n_rows, n_columns, n_classes), default=None
        A score for each class, the highest that of ``response``: the boundary runs where the two highest are equal.
        Away from it, and where None is given, 1 for the class predicted and 0 for the others will do.

    probability : ndarray of shape (n_rows, n_columns) or (n_rows, n_columns, n_classes), default=None
        Probability to draw as a surface, in [0, 1]: of one class or of each. None draws regions.

    class_of_interest : int, float, bool or str, default=None
        The class that a ``probability`` of two dimensions is of.

    X : ndarray of shape (n_samples, 2), default=None
        The data to draw on top, as seen on the plane. None draws none.

    y : ndarray of shape (n_samples,), default=None
        Labels of the data, all of them in ``classes``.

    errors : ndarray of bool of shape (n_samples,), default=None
        Which samples the classifier gets wrong. None rings none.

    feature_names : pair of str, default=None
        Labels of the axes. None leaves the axes without labels.

    title : str, default=None
        Title of the axes: where the plane lies in the space of the features. None or empty sets none.

    style : {"regions", "lecture"}, default="regions"
        ``"lecture"`` draws the lecture's figure.

    Attributes
    ----------
    surface_ : matplotlib artist or list of artists
        The regions, or the probability: of a list, one artist a class.

    boundary_ : matplotlib.collections.LineCollection or None
        The line between the regions; None where none was asked for.

    points_ : list of matplotlib.collections.PathCollection
        The data, one collection a class; empty where no data was given.

    errors_ : matplotlib.collections.PathCollection or None
        Rings around the samples that the classifier gets wrong, counted in the legend; None where no data was given.

    legend_ : matplotlib.legend.Legend or None
        The names of the classes; None where no data was given.

    colorbar_ : matplotlib.colorbar.Colorbar or None
        The scale of the probability; None where regions are drawn.

    colors_ : ndarray of shape (n_classes, 4)
        RGBA of each class.

    ax_ : matplotlib.axes.Axes
        The axes drawn on.

    figure_ : matplotlib.figure.Figure
        The figure that holds them.

    See Also
    --------
    plot_data : The data alone.
    LearningFilm : How the regions came to be.
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

    The probability of class 1 as a surface with a colour bar, without rings around what is misclassified:

    >>> display = DecisionRegionDisplay.from_estimator(
    ...     clf, X, y, response_method="predict_proba", errors_kw=False
    ... )
    >>> display.colorbar_.ax.get_ylabel()
    'probability of class 1'
    """

    def __init__(
        self,
        *,
        xx0: np.ndarray,
        xx1: np.ndarray,
        response: np.ndarray,
        classes: np.ndarray,
        scores: np.ndarray | None = None,
        probability: np.ndarray | None = None,
        class_of_interest: Any = None,
        X: np.ndarray | None = None,
        y: np.ndarray | None = None,
        errors: np.ndarray | None = None,
        feature_names: tuple[str, ...] | None = None,
        title: str | None = None,
        style: str = "regions",
    ) -> None:
        self.xx0 = xx0
        self.xx1 = xx1
        self.response = response
        self.classes = classes
        self.scores = scores
        self.probability = probability
        self.class_of_interest = class_of_interest
        self.X = X
        self.y = y
        self.errors = errors
        self.feature_names = feature_names
        self.title = title
        self.style = style

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
        ax: Any = None,
        **plot_options: Any,
    ) -> Self:
        """Predict a grid over the plane and draw it.

        Parameters
        ----------
        estimator : fitted classifier or pipeline
            Any scikit-learn classifier of two features or more.

        X : array-like or dataframe of shape (n_samples, n_features)
            The data, as the estimator takes it: it gives the limits, and a dataframe the names of the axes.

        y : array-like of shape (n_samples,), default=None
            Labels of the data. None draws no data.

        response_method : {"predict", "predict_proba"}, default="predict"
            Whether to draw the classes as regions, or their probability as a surface with a colour bar: with two
            classes that of ``class_of_interest``, with more that of the likeliest class in its colour.

        class_of_interest : int, float, bool or str, default=None
            The class whose probability to draw. None stands for the second of two classes, and for all of more.

        features : pair of str or int, or "pca", default=None
            Which columns of X to draw, by name or index; ``"pca"`` draws the plane of the first two principal
            components of the standardised features. None suffices for two columns. Samples are drawn where they are
            seen on the plane, though they lie before or behind it.

        held : dict, default=None
            Values of columns that are not drawn, by name or index. The others stay at their median, or where they hold
            no numbers at their most frequent value. The title of the axes says which.

        grid_resolution : int, default=128
            Points of the grid along each axis, at least 2.

        xlim, ylim : tuple of two float, default=None
            Lower and upper end of the axes. None takes the data's, and a tenth of its range on each side.

        style : {"regions", "lecture"}, default="regions"
            ``"lecture"`` draws the lecture's figure: the predicted classes as an image, the data on top, and nothing
            else, over [-1.75, 2.5] x [-1.25, 1.75] where most of the data lie in there.

        ax : matplotlib.axes.Axes, default=None
            The axes to draw on. None makes a new figure.

        **plot_options : dict
            Further arguments of :meth:`plot`.

        Returns
        -------
        display : DecisionRegionDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the estimator is no classifier, has several labels a sample or is not fitted (``NotFittedError``), if y
            holds labels that it does not know or has another length than X, or if another argument is not what is
            described here.

        TypeError
            If X is sparse.
        """
        _check(estimator, response_method, style, grid_resolution)
        plane = choose_plane(X, features, held)
        classes = estimator.classes_
        labels = None if y is None else _checked_labels(plane.points, y, classes)
        in_lecture = style == "lecture" and _mostly_within(plane.points, _LECTURE_LIMITS)
        limits = _LECTURE_LIMITS if in_lecture else (None, None)
        xx0, xx1 = np.meshgrid(
            np.linspace(*axis_limits("xlim", limits[0] if xlim is None else xlim, plane.points[:, 0]), grid_resolution),
            np.linspace(*axis_limits("ylim", limits[1] if ylim is None else ylim, plane.points[:, 1]), grid_resolution),
        )
        grid = np.column_stack([xx0.ravel(), xx1.ravel()])
        samples = plane.samples_at(grid)
        order = np.argsort(classes)  # scikit-learn's are sorted, those of others need not be
        response = order[np.searchsorted(classes, _predicted(estimator, samples), sorter=order)].reshape(xx0.shape)
        probability = None
        if response_method == "predict_proba":
            class_of_interest, probability = _probability(estimator, samples, class_of_interest)
            probability = probability.reshape(*xx0.shape, *probability.shape[1:])
        display = cls(
            xx0=xx0,
            xx1=xx1,
            response=response,
            classes=classes,
            scores=_scores(estimator, plane.samples_at, grid, response),
            probability=probability,
            class_of_interest=class_of_interest,
            X=None if labels is None else plane.points,
            y=labels,
            errors=None if labels is None else _predicted(estimator, X) != labels,
            feature_names=plane.labels,
            title=plane.title,
            style=style,
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
        scatter_kw: dict[str, Any] | None = None,
        errors_kw: dict[str, Any] | bool | None = None,
        legend_kw: dict[str, Any] | bool | None = None,
        colorbar_kw: dict[str, Any] | bool | None = None,
    ) -> Self:
        """Draw the surface, the boundary, the data on top in matching colours, a legend and a colour bar.

        Each ``..._kw`` holds arguments that win over the defaults here; False leaves that part out.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            The axes to draw on. None makes a new figure.

        colors : str, Colormap or sequence of colors, default="viridis"
            A colormap or its name, from which the classes take evenly spaced colours, or a colour for each class.

        aspect : "equal", "auto" or float, default=None
            How a unit of the second axis compares to one of the first, as in ``Axes.set_aspect``. None draws them
            equally long unless one axis would be more than twice as long as the other.

        surface_kw : dict, default=None
            Arguments of ``DecisionBoundaryDisplay.plot``, or of ``Axes.imshow`` in the lecture's style.

        boundary_kw : dict or False, default=None
            Arguments of ``LineCollection`` for the line where the prediction changes: with two classes where both have
            probability 0.5, unless the classifier decides otherwise.

        scatter_kw : dict, default=None
            Arguments of ``Axes.scatter`` for the data.

        errors_kw : dict or False, default=None
            Arguments of ``Axes.scatter`` for the rings around misclassified samples.

        legend_kw : dict or False, default=None
            Arguments of ``Axes.legend``. The lecture's style has none.

        colorbar_kw : dict or False, default=None
            Arguments of ``Figure.colorbar``.

        Returns
        -------
        self : DecisionRegionDisplay
            The display, with ``ax_``, ``figure_`` and its artists set.

        Raises
        ------
        ValueError
            If ``colors`` is no colormap and no sequence of as many colours as there are classes.
        """
        self.colors_ = class_colors(len(self.classes), colors)
        xlim, ylim = ((grid.min(), grid.max()) for grid in (self.xx0, self.xx1))
        aspect = readable_aspect(np.ptp(xlim), np.ptp(ylim)) if aspect is None else aspect
        scaled = self.probability is not None and colorbar_kw is not False
        if ax is None:
            ax = new_axes(np.ptp(xlim), np.ptp(ylim), aspect, room=3.1 if scaled else 2.1)
        self.ax_, self.figure_ = ax, ax.figure
        if self.style == "lecture":  # shows the image and the data alone, unless asked for more
            boundary_kw, errors_kw = (False if options is None else options for options in (boundary_kw, errors_kw))
            legend_kw = False
        self.surface_ = self._draw_surface(colors, surface_kw or {})
        ax.set(xlim=xlim, ylim=ylim, aspect=aspect)
        self.boundary_ = None if boundary_kw is False else self._draw_boundary(arguments(boundary_kw))
        self.points_, self.errors_, self.legend_, self.colorbar_ = [], None, None, None
        if self.X is not None and self.y is not None:
            self.points_ = self._draw_points(self.X, self.y, scatter_kw or {})
            if errors_kw is not False and self.errors is not None:
                self.errors_ = self._draw_errors(self.X[self.errors], arguments(errors_kw))
            self.legend_ = draw_legend(ax, [*self.points_, *([self.errors_] if self.errors_ else [])], legend_kw)
        label_axes(ax, self.feature_names, self.title)
        if scaled:
            self.colorbar_ = self._draw_colorbar(arguments(colorbar_kw))
        return self

    def _draw_surface(self, colors: Any, options: dict[str, Any]) -> Any:
        """Draw the regions or the probability, by scikit-learn's display or as the lecture does; return the artists."""
        from matplotlib.colors import ListedColormap

        n_classes, response = len(self.classes), self.response
        # Without limits, a class that no point of the grid is given would shift the others' colours
        look: dict[str, Any] = {"alpha": 0.25, "cmap": ListedColormap(self.colors_)}
        look |= {"vmin": -0.5, "vmax": n_classes - 0.5}
        if self.style == "lecture":
            extent = (self.xx0.min(), self.xx0.max(), self.xx1.min(), self.xx1.max())
            return self.ax_.imshow(response, **({"origin": "lower", "extent": extent} | look | options))
        method = options.get("plot_method", "pcolormesh")
        if self.probability is not None:
            response = self.probability
            look = {"alpha": 0.6, "vmin": 0 if response.ndim == 2 else 1 / n_classes, "vmax": 1}
            if response.ndim == 2:
                look |= {"cmap": self._fading(colors), "shading": "gouraud", "alpha": 1}
        elif method == "contourf":  # each class has a band of its own
            look["levels"] = np.arange(n_classes + 1) - 0.5
        elif method == "contour":  # scikit-learn's levels and colour for classes
            look = {"alpha": 0.25, "levels": np.arange(n_classes), "colors": "black"}
        superseded = {"vmin", "vmax"} if "norm" in options else set()
        if {"cmap", "colors"} & options.keys():
            superseded |= {"cmap", "colors"}
        if method == "pcolormesh":
            look["rasterized"] = True
        else:
            superseded |= {"vmin", "vmax", "shading"}
        look = {name: value for name, value in look.items() if name not in superseded}
        display = boundary_display(
            xx0=self.xx0,
            xx1=self.xx1,
            # With one number a point, as for two classes, the display draws as it is told
            n_classes=n_classes if response.ndim == 3 else 2,
            response=response,
            multiclass_colors=list(self.colors_),
        )
        return display.plot(ax=self.ax_, **({"plot_method": method, "zorder": -1} | look | options)).surface_

    def _fading(self, colors: Any) -> Any:
        """Return a pale colormap that ends in the colour of the class of interest.

        Pale and opaque, because the triangles of a smooth surface overlap, which shows where they are translucent.
        """
        import matplotlib as mpl

        index = self.classes.tolist().index(self.class_of_interest)
        if len(self.classes) == 2:
            ends = [self.colors_[1 - index], "white", self.colors_[index]]
        else:
            ends = ["white", self.colors_[index]]
        fading: Any = mpl.colors.LinearSegmentedColormap.from_list("fading", ends)
        if isinstance(colors, str | mpl.colors.Colormap) and len(self.classes) == 2:
            given = mpl.colormaps.get_cmap(colors)
            fading = given if index == 1 else given.reversed()
        return mpl.colors.ListedColormap(0.6 * fading(np.linspace(0, 1, 256)) + 0.4)

    def _draw_boundary(self, options: dict[str, Any]) -> Any:
        """Draw where each class's score equals the highest of the others; return the artist."""
        from matplotlib.collections import LineCollection

        scores = np.eye(len(self.classes))[self.response] if self.scores is None else self.scores
        lines = boundary_lines(scores, self.xx0, self.xx1)
        look: dict[str, Any] = {"colors": "0.2", "linewidths": 1.2, "zorder": 0}
        return self.ax_.add_collection(LineCollection(lines, **(look | options)), autolim=False)

    def _draw_points(self, X: np.ndarray, y: np.ndarray, options: dict[str, Any]) -> list[Any]:
        """Draw the data; return the artists."""
        from matplotlib.colors import ListedColormap

        if self.style != "lecture":
            return scatter_by_class(self.ax_, X, y, self.classes, self.colors_, **options)
        defaults = {"s": 40, "c": np.searchsorted(self.classes, y), "cmap": ListedColormap(self.colors_)}
        if "color" in options:
            defaults = {"s": 40}
        return [self.ax_.scatter(X[:, 0], X[:, 1], **(defaults | options))]

    def _draw_errors(self, X: np.ndarray, options: dict[str, Any]) -> Any:
        """Draw a ring around each of the samples; return the artist."""
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.collections import PathCollection
        from matplotlib.patheffects import Normal, Stroke

        defaults = {
            "s": 120,
            "facecolor": "none",
            "edgecolor": "black",
            "linewidth": 1.2,
            "path_effects": [Stroke(linewidth=2.6, foreground="white"), Normal()],
            "label": f"misclassified ({len(X)})",
        }
        return self.ax_.scatter(X[:, 0], X[:, 1], **(defaults | normalize_kwargs(options, PathCollection)))

    def _draw_colorbar(self, options: dict[str, Any]) -> Any:
        """Draw the scale of the probability; of all classes at once in grey."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import LinearSegmentedColormap, Normalize

        if isinstance(self.surface_, list):
            grey = LinearSegmentedColormap.from_list("grey", ["white", "0.35"])
            scale, what = ScalarMappable(Normalize(1 / len(self.classes), 1), grey), "the likeliest class"
        else:
            scale, what = self.surface_, f"class {self.class_of_interest}"
        return self.figure_.colorbar(scale, ax=self.ax_, **({"label": f"probability of {what}"} | options))


def boundary_lines(
    scores: np.ndarray, xx0: np.ndarray | None = None, xx1: np.ndarray | None = None
) -> list[np.ndarray]:
    """Return the lines along which a class's score equals the highest of the others, each (n_points, 2).

    ``scores`` (n_rows, n_columns, n_classes) are those of a grid, at the coordinates ``xx0`` and ``xx1``; None counts
    its columns and rows.
    """
    from contourpy import contour_generator

    lines = []
    for index in range(scores.shape[-1] - 1):  # the last class's boundary is that of the others
        lead = scores[..., index] - np.delete(scores, index, axis=-1).max(axis=-1)
        lines += contour_generator(xx0, xx1, lead).lines(0)
    return lines


def _check(estimator: Any, response_method: str, style: str, grid_resolution: int) -> None:
    """Raise for an estimator that is no fitted classifier, and for options that there are not."""
    check_is_fitted(estimator)
    if not is_classifier(estimator):
        raise ValueError(f"estimator must be a classifier. Got {estimator!r} instead.")
    for name, value, known in (
        ("response_method", response_method, ("predict", "predict_proba")),
        ("style", style, ("regions", "lecture")),
    ):
        if value not in known:
            raise ValueError(f"{name} must be one of {known}. Got {value!r} instead.")
    if response_method == "predict_proba":
        if style == "lecture":
            raise ValueError("response_method must be 'predict' in the lecture's style. Got 'predict_proba' instead.")
        if not hasattr(estimator, "predict_proba"):
            raise ValueError(f"estimator must have predict_proba for its probability to be drawn. Got {estimator!r}.")
    check_resolution(grid_resolution)


def _predicted(estimator: Any, X: Any) -> np.ndarray:
    """Return the label predicted for each sample."""
    labels = np.asarray(estimator.predict(X))
    if labels.ndim != 1:
        raise ValueError(f"estimator must predict one label a sample. Got labels of shape {labels.shape} instead.")
    return labels


def _scores(estimator: Any, samples_at: Callable[[np.ndarray], Any], grid: np.ndarray, response: np.ndarray) -> Any:
    """Return scores of the classes on the grid, the highest that of the class predicted, smooth along the boundary.

    Only the scores of neighbours of different classes decide where the boundary runs between them, so that the
    estimator is asked for no others.
    """
    n_classes = len(estimator.classes_)
    scores = np.eye(n_classes)[response]
    at_boundary = np.zeros(response.shape, dtype=bool)
    for classes, marks in ((response, at_boundary), (response.T, at_boundary.T)):  # along the rows and the columns
        changes = classes[1:] != classes[:-1]
        marks[1:] |= changes
        marks[:-1] |= changes
    if not at_boundary.any():
        return scores
    samples = samples_at(grid[at_boundary.ravel()])
    for method in ("predict_proba", "decision_function"):
        if hasattr(estimator, method):
            values = np.asarray(getattr(estimator, method)(samples))
            if values.ndim == 1:
                values = np.column_stack([-values, values])
            deciding = _deciding(values, response[at_boundary]) if values.shape[1] == n_classes else None
            if deciding is not None:
                scores[at_boundary] = deciding
                return scores
    return scores


def _deciding(values: np.ndarray, response: np.ndarray) -> np.ndarray | None:
    """Return values of which the class predicted has the highest, or None: for two classes at whichever threshold."""
    if (values.argmax(axis=1) == response).all():
        return values
    if values.shape[1] == 2:
        below, above = values[response == 0, 1].max(), values[response == 1, 1].min()
        if below < above:
            lead = values[:, 1] - (below + above) / 2
            return np.column_stack([-lead, lead])
    return None


def _probability(estimator: Any, X: Any, class_of_interest: Any) -> tuple[Any, np.ndarray]:
    """Return the class drawn and its probability; or None and that of each class."""
    classes = estimator.classes_.tolist()
    probability = estimator.predict_proba(X)
    if class_of_interest is None:
        if len(classes) > 2:
            return None, probability
        class_of_interest = classes[-1]
    if class_of_interest not in classes:
        raise ValueError(f"class_of_interest must be one of {classes}. Got {class_of_interest!r} instead.")
    return class_of_interest, probability[:, classes.index(class_of_interest)]


def _mostly_within(points: np.ndarray, limits: tuple[tuple[float, float], ...]) -> bool:
    """Return whether more than half of the points lie within the limits of each axis."""
    lower, upper = np.transpose(limits)
    return bool(np.mean(((points >= lower) & (points <= upper)).all(axis=1)) > 0.5)


def _checked_labels(X: np.ndarray, y: ArrayLike, classes: np.ndarray) -> np.ndarray:
    """Return y as an array, all of its labels known."""
    check_consistent_length(X, y)
    labels = column_or_1d(y)
    unknown = set(labels.tolist()) - set(classes.tolist())
    if unknown:
        raise ValueError(f"y must hold labels that the estimator knows, {classes.tolist()}. Got {unknown} beside them.")
    return labels
