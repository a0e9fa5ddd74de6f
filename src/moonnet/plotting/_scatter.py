"""Samples on the plane: colours for classes, points, their legend, and the picture of them alone."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from moonnet.plotting._feature_plane import choose_plane

# Axes whose lengths differ by more than this factor would be a sliver in equal scales
_LONGEST_EQUAL = 2


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
    """Scatter samples in the colours of their classes, as the lecture's first figure does.

    Parameters
    ----------
    X : array-like or dataframe of shape (n_samples, n_features)
        The samples; at least two features. A dataframe names the axes.

    y : array-like of shape (n_samples,)
        Their labels: numbers, strings or booleans.

    features : pair of str or int, or "pca", default=None
        Which columns to draw, by name or index; ``"pca"`` draws the first two principal components of the standardised
        features. None suffices for two columns.

    ax : matplotlib.axes.Axes, default=None
        The axes to draw on. None makes a new figure.

    colors : str, Colormap or sequence of colors, default="viridis"
        A colormap or its name, from which the classes take evenly spaced colours, or a colour for each class.

    aspect : "equal", "auto" or float, default=None
        How a unit of the second axis compares to one of the first, as in ``Axes.set_aspect``. None draws them equally
        long unless one axis would be more than twice as long as the other.

    scatter_kw : dict, default=None
        Arguments of ``Axes.scatter``; they win over the defaults here.

    legend_kw : dict or False, default=None
        Arguments of ``Axes.legend``; they win over the defaults here. False draws no legend.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes, drawn on.

    Raises
    ------
    ValueError
        If X and y differ in length, y holds no classes, ``features`` are not columns of numbers, or ``colors`` is no
        colormap and no sequence of as many colours as there are classes.

    TypeError
        If X is sparse.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from moonnet.plotting import plot_data
    >>> ax = plot_data(*make_moons(200, noise=0.2, random_state=0))
    >>> [points.get_label() for points in ax.collections]
    ['0', '1']
    """
    check_consistent_length(X, y)
    plane, labels = choose_plane(X, features), column_or_1d(y)
    check_array(labels, ensure_2d=False, dtype=None, input_name="y")
    check_classification_targets(labels)
    classes = np.unique(labels)
    rgba = class_colors(len(classes), colors)
    width, height = np.nanmax(plane.points, axis=0) - np.nanmin(plane.points, axis=0)
    aspect = readable_aspect(width, height) if aspect is None else aspect
    if ax is None:
        ax = new_axes(width, height, aspect)
    points = scatter_by_class(ax, plane.points, labels, classes, rgba, **(scatter_kw or {}))
    draw_legend(ax, points, legend_kw)
    label_axes(ax, plane.labels)
    ax.set_aspect(aspect)
    return ax


def new_axes(width: float, height: float, aspect: str | float, room: float = 2.1) -> Any:
    """Return axes of a new figure that fits a plane of this width and height, with room beside it, in inches."""
    from matplotlib import pyplot as plt

    ratio = height / width if aspect == "equal" and min(width, height) > 0 else 0.85
    side = 4.3  # of the axes at the longer side, in inches
    figsize = side * min(1, 1 / ratio) + room, max(side * min(1, ratio) + 0.8, 3.2)
    # Compressed rather than constrained, which has its final layout with the second drawing only
    return plt.subplots(figsize=figsize, layout="compressed")[1]


def readable_aspect(width: float, height: float) -> str:
    """Return "equal" for axes of like lengths, else "auto"."""
    return "equal" if 0 < max(width, height) <= _LONGEST_EQUAL * min(width, height) else "auto"


def class_colors(n_classes: int, colors: Any = "viridis") -> np.ndarray:
    """Return RGBA for each class, shape (n_classes, 4): evenly spaced in a colormap, or the colours given."""
    import matplotlib as mpl

    try:
        if isinstance(colors, str | mpl.colors.Colormap):
            return np.asarray(mpl.colormaps.get_cmap(colors)(np.linspace(0, 1, n_classes)))
        given = mpl.colors.to_rgba_array(colors)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"colors must be a colormap of matplotlib, its name, or a list of colours. Got {colors!r} instead."
        ) from error
    if len(given) != n_classes:
        raise ValueError(f"colors must hold one colour for each of {n_classes} classes. Got {colors!r} instead.")
    return given


def scatter_by_class(
    ax: Any, X: np.ndarray, y: np.ndarray, classes: np.ndarray, colors: np.ndarray, **options: Any
) -> list[Any]:
    """Scatter two columns of X on the axes, a collection for each class; return the collections."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.collections import PathCollection
    from matplotlib.markers import MarkerStyle

    chosen = normalize_kwargs(options, PathCollection)
    artists = []
    for label, color in zip(classes, colors, strict=True):
        defaults: dict[str, Any] = {
            "s": 40,
            "facecolor": [color],
            "edgecolor": "0.2",
            "linewidth": 0.4,
            "label": str(label),
        }
        if "c" in chosen or "color" in chosen:
            del defaults["facecolor"]
        if not MarkerStyle(chosen.get("marker", "o")).is_filled():  # is of one colour alone
            defaults = {"s": 40, "color": [color], "linewidth": 1.5, "label": str(label)}
        members = X[y == label]
        artists.append(ax.scatter(members[:, 0], members[:, 1], **(defaults | chosen)))
    return artists


def draw_legend(ax: Any, handles: list[Any], options: dict[str, Any] | bool | None = None) -> Any:
    """Draw a legend of the points beside the axes, where the layout makes room for it; return it, or None."""
    if options is False:
        return None
    chosen = arguments(options)
    # Labels too, because matplotlib leaves those that begin with "_" out of a legend of its own
    defaults: dict[str, Any] = {"title": "class"}
    if "handles" not in chosen:
        defaults |= {"handles": handles, "labels": [handle.get_label() for handle in handles]}
    layout = ax.figure.get_layout_engine()
    if "loc" not in chosen:
        makes_room = layout is not None and not layout.adjust_compatible
        defaults |= {"loc": "upper left", "bbox_to_anchor": (1, 1)} if makes_room else {"loc": _corner(ax, handles)}
    return ax.legend(**(defaults | chosen))


def _corner(ax: Any, handles: list[Any]) -> str:
    """Return the corner of the axes with the fewest points in it.

    matplotlib's search for the best place looks at each cell of a surface too, whenever it draws.
    """
    points = np.concatenate([np.asarray(handle.get_offsets()) for handle in handles])
    x, y = ((points - [ax.get_xlim()[0], ax.get_ylim()[0]]) / [np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())]).T
    rows, columns = {"upper": y > 0.6, "lower": y < 0.4}, {"right": x > 0.6, "left": x < 0.4}
    return min(
        (f"{row} {column}" for row in rows for column in columns),
        key=lambda corner: np.sum(rows[corner.split()[0]] & columns[corner.split()[1]]),
    )


def arguments(options: dict[str, Any] | bool | None) -> dict[str, Any]:
    """Return the arguments given for a part of a picture; None and True stand for none."""
    return options if isinstance(options, dict) else {}


def label_axes(ax: Any, labels: tuple[str, ...] | None, title: str | None = None) -> None:
    """Set the labels and the title that there are."""
    if labels is not None:
        ax.set(xlabel=labels[0], ylabel=labels[1])
    if title:
        ax.set_title(title, fontsize="medium", wrap=True)
