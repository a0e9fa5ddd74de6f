"""Scatter plots of labelled samples, with the colours and legends that the displays share."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from moonnet.plotting._axes import label_axes, prepare_axes
from moonnet.plotting._checks import check_options
from moonnet.plotting._feature_plane import choose_plane
from moonnet.plotting._fonts import axes_texts, make_drawable
from moonnet.plotting._legend import draw_legend, widen_figure

# Number of colours of a continuous colormap. No colormap distinguishes more classes than this.
_N_CONTINUOUS = 256
# Area of the plane in a new figure, in points²
_PLANE_AREA = 300**2


def plot_data(
    X: Any,
    y: ArrayLike,
    *,
    features: Any = None,
    ax: Any = None,
    colors: Any = "viridis",
    aspect: str | float | None = None,
    scatter_kw: dict[str, Any] | None = None,
    legend_kw: dict[str, Any] | bool | None = None,
) -> Any:
    """Draw a scatter plot of labelled samples with one colour per class.

    Parameters
    ----------
    X : array-like or dataframe of shape (n_samples, n_features)
        The samples, with at least two features. The axes are labelled with the column names of a dataframe, or with
        "feature 0", "feature 1" and so on for an array.

    y : array-like of shape (n_samples,)
        The class labels: numbers, strings or booleans.

    features : pair of str or int, or "pca", default=None
        The two columns of X to plot, by name or index. ``"pca"`` plots the first two principal components of the
        standardised features. Required if X has more than two columns.

    ax : matplotlib.axes.Axes, default=None
        Axes to draw on. If None, a new figure is created.

    colors : str, Colormap or sequence of colors, default="viridis"
        A colormap or its name, from which the classes take evenly spaced colours, or one colour per class.

    aspect : "equal", "auto" or float, default=None
        Aspect ratio of the axes, as in ``Axes.set_aspect``. None is ``"equal"``, or ``"auto"`` if one axis would be
        more than twice as long as the other.

    scatter_kw : dict, default=None
        Keyword arguments for ``Axes.scatter``, which override the defaults.

    legend_kw : dict or False, default=None
        Keyword arguments for ``Axes.legend``, which override the defaults. False omits the legend.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes with the scatter plot.

    Raises
    ------
    ValueError
        If X and y differ in length, y does not contain class labels, ``features`` are not numeric columns of X,
        ``colors`` is neither one colour per class nor a colormap with that many, or another parameter has an invalid
        value.

    TypeError
        If X is sparse.

    See Also
    --------
    DecisionRegionDisplay : The samples on top of a classifier's decision regions.
    RegressionDisplay : The samples and predictions of a regressor.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from moonnet.plotting import plot_data
    >>> ax = plot_data(*make_moons(200, noise=0.2, random_state=0))
    >>> [points.get_label() for points in ax.collections]
    ['0', '1']
    """
    check_options(ax=ax, aspect=aspect, scatter_kw=scatter_kw, legend_kw=legend_kw)
    check_consistent_length(X, y)
    plane, labels = choose_plane(X, features), column_or_1d(y)
    check_array(labels, ensure_2d=False, dtype=None, input_name="y")
    check_classification_targets(labels)
    classes = np.unique(labels)
    rgba = class_colors(len(classes), colors)
    width, height = np.nanmax(plane.points, axis=0) - np.nanmin(plane.points, axis=0)
    is_new = ax is None
    ax, aspect = prepare_axes(ax, width, height, aspect)
    points = scatter_by_class(ax, plane.points, labels, classes, rgba, **(scatter_kw or {}))
    legend = draw_legend(ax, points, legend_kw=legend_kw)
    label_axes(ax, plane.axis_labels)
    ax.set_aspect(aspect)
    make_drawable(axes_texts(ax))
    if is_new and legend is not None:
        widen_figure(legend)
    return ax


def class_colors(n_classes: int, colors: Any = "viridis") -> np.ndarray:
    """Return the RGBA colours of the classes, shape (n_classes, 4), from a colormap or from a list of colours."""
    import matplotlib as mpl

    if isinstance(colors, mpl.colors.Colormap) or (isinstance(colors, str) and colors in mpl.colormaps):
        colormap = mpl.colormaps.get_cmap(colors)
        if colormap.N < min(n_classes, _N_CONTINUOUS):
            raise ValueError(
                f"colors must contain one colour for each of {n_classes} classes. "
                f"Got the colormap {colormap.name!r} with {colormap.N} colours instead."
            )
        return np.asarray(colormap(np.linspace(0, 1, n_classes)))
    try:
        rgba = mpl.colors.to_rgba_array([colors] if isinstance(colors, str) else colors)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"colors must be a matplotlib colormap, the name of one, or a list of colours. Got {colors!r} instead."
        ) from error
    if len(rgba) != n_classes:
        raise ValueError(f"colors must contain one colour for each of {n_classes} classes. Got {colors!r} instead.")
    return rgba


def marker_style(n_markers: int, size: float, linewidth: float, coverage: float = 0.3) -> dict[str, float]:
    """Return the size in points² and the line width of markers; many are smaller, so that they remain distinct.

    ``size`` and ``linewidth`` are those of a few markers. All markers together cover at most the share ``coverage`` of
    the plane.
    """
    scale = min(1, coverage * _PLANE_AREA / (size * max(n_markers, 1)))
    return {"s": size * scale, "linewidth": linewidth * scale**0.5}


def scatter_by_class(
    ax: Any, X: np.ndarray, y: np.ndarray, classes: np.ndarray, colors: np.ndarray, **kwargs: Any
) -> list[Any]:
    """Scatter the two columns of X, one collection per class; return the collections."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.collections import PathCollection
    from matplotlib.markers import MarkerStyle

    kwargs = normalize_kwargs(kwargs, PathCollection)
    artists = []
    defaults: dict[str, Any]
    for label, color in zip(classes, colors, strict=True):
        defaults = marker_style(len(X), 40, 0.4) | {"facecolor": [color], "edgecolor": "0.2", "label": str(label)}
        if "c" in kwargs or "color" in kwargs:
            del defaults["facecolor"]
        if not MarkerStyle(kwargs.get("marker", "o")).is_filled():  # the marker has one colour only
            defaults = marker_style(len(X), 40, 1.5) | {"color": [color], "label": str(label)}
        members = X[y == label]
        artists.append(ax.scatter(members[:, 0], members[:, 1], **(defaults | kwargs)))
    return artists
