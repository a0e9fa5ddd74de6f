"""Displays of fitted classifiers, for any scikit-learn classifier; matplotlib is imported when something is drawn."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_classifier
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d

__all__ = ["DecisionRegionDisplay"]


class DecisionRegionDisplay:
    """The region of the plane that a classifier gives to each class, under the data.

    Make one with :meth:`from_estimator`. The constructor only holds what is to be drawn.

    Parameters
    ----------
    xx0, xx1 : ndarray of shape (n_rows, n_columns)
        Coordinates of the grid, as :func:`numpy.meshgrid` returns them.

    response : ndarray of shape (n_rows, n_columns)
        Index into ``classes`` of the class predicted at each point of the grid.

    classes : ndarray of shape (n_classes,)
        The labels.

    X : ndarray of shape (n_samples, 2), default=None
        The data to draw on top. None draws the regions alone.

    y : ndarray of shape (n_samples,), default=None
        Labels of the data, all of them in ``classes``.

    feature_names : sequence of two str, default=None
        Labels of the axes. None leaves the axes without labels.

    Attributes
    ----------
    surface_ : sklearn.inspection.DecisionBoundaryDisplay
        scikit-learn's display, which drew the regions.

    points_ : list of matplotlib.collections.PathCollection
        The data, one collection a class; empty where no data was given.

    legend_ : matplotlib.legend.Legend or None
        The names of the classes; None where no data was given.

    colors_ : ndarray of shape (n_classes, 4)
        RGBA of each class.

    ax_ : matplotlib.axes.Axes
        The axes drawn on.

    figure_ : matplotlib.figure.Figure
        The figure that holds them.

    See Also
    --------
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
    """

    def __init__(
        self,
        *,
        xx0: np.ndarray,
        xx1: np.ndarray,
        response: np.ndarray,
        classes: np.ndarray,
        X: np.ndarray | None = None,
        y: np.ndarray | None = None,
        feature_names: Sequence[str] | None = None,
    ) -> None:
        self.xx0 = xx0
        self.xx1 = xx1
        self.response = response
        self.classes = classes
        self.X = X
        self.y = y
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        grid_resolution: int = 128,
        xlim: tuple[float, float] | None = None,
        ylim: tuple[float, float] | None = None,
        ax: Any = None,
        **plot_options: Any,
    ) -> Self:
        """Predict a grid over the plane and draw it.

        Parameters
        ----------
        estimator : fitted classifier or pipeline
            Any scikit-learn classifier of two features.

        X : array-like or dataframe of shape (n_samples, 2)
            The data: it gives the limits and the names of the axes.

        y : array-like of shape (n_samples,), default=None
            Labels of the data. None draws the regions alone.

        grid_resolution : int, default=128
            Points of the grid along each axis, at least 2.

        xlim, ylim : tuple of two float, default=None
            Lower and upper end of the axes. None takes the data's, and a tenth of its range on each side.

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
            If X has not two columns, y holds labels that the estimator does not know or has another length than X,
            ``grid_resolution`` is below 2, limits are not a lower and a higher number, or the estimator is no
            classifier or not fitted (``NotFittedError``).
        """
        check_is_fitted(estimator)
        if not is_classifier(estimator):
            raise ValueError(f"estimator must be a classifier. Got {estimator!r} instead.")
        if not isinstance(grid_resolution, Integral) or grid_resolution < 2:
            raise ValueError(f"grid_resolution must be an integer of at least 2. Got {grid_resolution!r} instead.")
        columns = getattr(X, "columns", None)
        points = check_array(X, input_name="X")
        if points.shape[1] != 2:
            raise ValueError(f"X must have two columns to be drawn in the plane. Got shape {points.shape} instead.")
        labels = _checked_labels(points, y, estimator.classes_)
        xx0, xx1 = np.meshgrid(
            np.linspace(*_limits("xlim", xlim, points[:, 0]), grid_resolution),
            np.linspace(*_limits("ylim", ylim, points[:, 1]), grid_resolution),
        )
        grid = np.column_stack([xx0.ravel(), xx1.ravel()])
        # A dataframe of X's own kind, pandas or polars, has the names that the estimator checks
        if columns is not None:
            grid = type(X)(dict(zip(columns, grid.T, strict=True)))
        display = cls(
            xx0=xx0,
            xx1=xx1,
            response=np.searchsorted(estimator.classes_, estimator.predict(grid)).reshape(xx0.shape),
            classes=estimator.classes_,
            X=None if labels is None else points,
            y=labels,
            feature_names=None if columns is None else [str(column) for column in columns],
        )
        return display.plot(ax=ax, **plot_options)

    def plot(
        self,
        ax: Any = None,
        *,
        colors: str | Sequence[Any] = "viridis",
        aspect: str | float = "equal",
        surface_kw: dict[str, Any] | None = None,
        scatter_kw: dict[str, Any] | None = None,
        legend_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the regions, the data on top in matching colours, and a legend.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            The axes to draw on. None makes a new figure.

        colors : str or sequence of colors, default="viridis"
            Name of a colormap, from which the classes take evenly spaced colours, or a colour for each class.

        aspect : "equal", "auto" or float, default="equal"
            How a unit of the second axis compares to one of the first, as in ``Axes.set_aspect``.

        surface_kw : dict, default=None
            Arguments of ``DecisionBoundaryDisplay.plot``; they win over the defaults here.

        scatter_kw : dict, default=None
            Arguments of ``Axes.scatter``; they win over the defaults here.

        legend_kw : dict, default=None
            Arguments of ``Axes.legend``; they win over the defaults here.

        Returns
        -------
        self : DecisionRegionDisplay
            The display, with ``ax_``, ``figure_`` and its artists set.

        Raises
        ------
        ValueError
            If ``colors`` is a sequence of another length than there are classes.
        """
        from matplotlib import colors as mpl_colors
        from matplotlib import pyplot as plt

        n_classes = len(self.classes)
        self.colors_ = class_colors(n_classes, colors)
        if ax is None:
            _, ax = plt.subplots(layout="constrained")

        surface_options = {"plot_method": "pcolormesh", "alpha": 0.25, "zorder": -1, "rasterized": True}
        if n_classes == 2:
            surface_options["cmap"] = mpl_colors.ListedColormap(self.colors_)
        surface_options |= surface_kw or {}
        if surface_options["plot_method"] == "pcolormesh":
            # Without limits, a class that no point of the grid is given would shift the others' colours
            surface_options = {"vmin": -0.5, "vmax": n_classes - 0.5} | surface_options
        xlabel, ylabel = (None, None) if self.feature_names is None else self.feature_names
        self.surface_ = DecisionBoundaryDisplay(
            xx0=self.xx0,
            xx1=self.xx1,
            n_classes=n_classes,
            response=self.response,
            multiclass_colors=list(self.colors_),
            xlabel=xlabel,
            ylabel=ylabel,
        ).plot(ax=ax, **surface_options)

        self.points_, self.legend_ = [], None
        if self.X is not None and self.y is not None:
            self.points_ = scatter_by_class(ax, self.X, self.y, self.classes, self.colors_, **(scatter_kw or {}))
            # Handles and labels, because matplotlib leaves labels that begin with "_" out of a legend of its own
            handles = {"handles": self.points_, "labels": [str(label) for label in self.classes], "title": "class"}
            self.legend_ = ax.legend(**(handles | (legend_kw or {})))
        ax.set_aspect(aspect)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def class_colors(n_classes: int, colors: str | Sequence[Any] = "viridis") -> np.ndarray:
    """Return RGBA for each class, shape (n_classes, 4): evenly spaced in a colormap, or the colours given."""
    import matplotlib as mpl

    if isinstance(colors, str):
        return np.asarray(mpl.colormaps[colors](np.linspace(0, 1, n_classes)))
    given = mpl.colors.to_rgba_array(colors)
    if len(given) != n_classes:
        raise ValueError(f"colors must hold one colour for each of {n_classes} classes. Got {colors!r} instead.")
    return given


def scatter_by_class(
    ax: Any, X: np.ndarray, y: np.ndarray, classes: np.ndarray, colors: np.ndarray, **options: Any
) -> list[Any]:
    """Scatter two columns of X on the axes, a collection for each class; return the collections."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.collections import PathCollection

    chosen = normalize_kwargs(options, PathCollection)
    artists = []
    for label, color in zip(classes, colors, strict=True):
        defaults = {"s": 40, "facecolor": [color], "edgecolor": "0.2", "linewidth": 0.4, "label": str(label)}
        if "c" in chosen or "color" in chosen:
            del defaults["facecolor"]
        members = X[y == label]
        artists.append(ax.scatter(members[:, 0], members[:, 1], **(defaults | chosen)))
    return artists


def _limits(name: str, limits: tuple[float, float] | None, values: np.ndarray) -> tuple[float, float]:
    """Return the ends of an axis: those given, or the values' with a margin."""
    if limits is not None:
        ends = check_array(limits, ensure_2d=False, ensure_min_samples=2, input_name=name)
        if ends.shape != (2,) or ends[0] >= ends[1]:
            raise ValueError(f"{name} must be a lower and a higher end. Got {limits!r} instead.")
        return float(ends[0]), float(ends[1])
    lower, upper = float(values.min()), float(values.max())
    margin = (upper - lower) / 10 or 0.5
    return lower - margin, upper + margin


def _checked_labels(X: np.ndarray, y: ArrayLike | None, classes: np.ndarray) -> np.ndarray | None:
    """Return y as an array, all of its labels known."""
    if y is None:
        return None
    check_consistent_length(X, y)
    labels = column_or_1d(y)
    unknown = set(labels.tolist()) - set(classes.tolist())
    if unknown:
        raise ValueError(f"y must hold labels that the estimator knows, {classes.tolist()}. Got {unknown} beside them.")
    return labels
