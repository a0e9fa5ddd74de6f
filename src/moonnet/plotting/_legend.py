"""Legends of classes, which leave the plane its size however many the classes and however long their names."""

import textwrap
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from moonnet.plotting._axes import to_kwargs

# Width of a label in characters, in a legend of one column or of two
_LABEL_WIDTHS = {1: 18, 2: 10}
# One column wraps a label of at most this many characters; longer ones are shortened
_MAX_WRAPPED = 54
# Height of a line in points, by font size; and of the title and the frame
_LINE_HEIGHTS = {"medium": 15, "small": 12.5}
_FRAME_HEIGHT = 35
# A new figure has room for a legend of this width in inches
_WIDTH = 1.45
# Smallest area of a marker in points², and smallest width of its line
_MIN_MARKER = 25, 0.5


def draw_legend(
    ax: Any, points: list[Any], others: Sequence[Any] = (), legend_kw: dict[str, Any] | bool | None = None
) -> Any:
    """Draw a legend of the points, beside the axes if the layout makes room for it; return it, or None.

    ``points`` has a collection for each class, and ``others`` those of misclassified samples and of lines.
    """
    if legend_kw is False:
        return None
    kwargs = to_kwargs(legend_kw)
    handles = [*points, *others]
    defaults: dict[str, Any] = {"title": "class"}
    layout = ax.figure.get_layout_engine()
    is_beside = layout is not None and not layout.adjust_compatible and "loc" not in kwargs
    if is_beside:
        defaults |= {"loc": "upper left", "bbox_to_anchor": (1, 1)}
    elif "loc" not in kwargs:
        defaults["loc"] = _best_corner(ax, points)
    if "labels" in kwargs:
        defaults["handles"] = handles
    elif "handles" not in kwargs:
        height = 72 * ax.bbox.height / ax.figure.dpi
        defaults |= _arrange_entries(points, others, height if is_beside else height / 2)
    if "ncol" in kwargs:  # matplotlib's older name
        defaults.pop("ncols", None)
    legend = ax.legend(**(defaults | kwargs))
    for marker in legend.legend_handles:
        if "handles" not in kwargs and hasattr(marker, "set_sizes"):
            marker.set_sizes(np.where(marker.get_sizes() > 0, np.maximum(marker.get_sizes(), _MIN_MARKER[0]), 0))
            marker.set_linewidth(np.maximum(marker.get_linewidth(), _MIN_MARKER[1]))
    return legend


def widen_figure(legend: Any, room: float = _WIDTH) -> None:
    """Widen the new figure of a legend beside the axes, which has room for this width, so that the axes keep theirs."""
    figure = legend.figure
    with warnings.catch_warnings():  # which matplotlib before 3.11 repeats when it draws
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        width = legend.get_window_extent().width / figure.dpi
    figure.set_figwidth(figure.get_figwidth() + max(0, width - room))


def _arrange_entries(points: list[Any], others: Sequence[Any], height: float) -> dict[str, Any]:
    """Return the entries of a legend of this height in points, with their font size and number of columns."""
    from matplotlib.lines import Line2D

    # Explicit labels, because matplotlib ignores handles whose label begins with "_"
    names = [handle.get_label() for handle in points]
    last = [(handle, handle.get_label()) for handle in others]
    labels = [textwrap.fill(shorten_label(name, _MAX_WRAPPED), _LABEL_WIDTHS[1]) for name in names]
    n_lines = sum(label.count("\n") + 1 for label in labels) + len(last)
    n_rows, n_columns, fontsize = int((height - _FRAME_HEIGHT) / _LINE_HEIGHTS["medium"]), 1, "medium"
    if n_lines > n_rows:
        n_rows, fontsize = max(4, int((height - _FRAME_HEIGHT) / _LINE_HEIGHTS["small"])), "small"
    if n_lines > n_rows:
        n_columns = min(-(-(len(names) + len(last)) // n_rows), max(_LABEL_WIDTHS))
        labels = [shorten_label(name, _LABEL_WIDTHS[n_columns]) for name in names]
        last = [(handle, textwrap.fill(label, _LABEL_WIDTHS[1])) for handle, label in last]
        n_lines = len(names) + sum(label.count("\n") + 1 for _, label in last)
    entries = list(zip(points, labels, strict=True))
    if n_lines > n_rows * n_columns:
        n_shown = n_rows * n_columns - (n_lines - len(names))
        n_more = len(entries) - n_shown + 1
        entries[n_shown - 1 :] = [(Line2D([], [], linestyle="none"), f"{n_more} more")]
    handles, texts = zip(*entries, *last, strict=True)
    return {"handles": handles, "labels": texts, "fontsize": fontsize, "ncols": n_columns}


def shorten_label(label: str, width: int) -> str:
    """Return the label, or its beginning and its end, by which similar labels differ."""
    half = (width - 1) // 2
    return label if len(label) <= width else f"{label[:half]}…{label[-half:]}"


def _best_corner(ax: Any, handles: list[Any]) -> str:
    """Return the corner of the axes that contains the fewest points."""
    # Faster than loc="best", which checks every cell of a surface on each draw
    points = np.concatenate([np.asarray(handle.get_offsets()) for handle in handles])
    x, y = ((points - [ax.get_xlim()[0], ax.get_ylim()[0]]) / [np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())]).T
    rows, columns = {"upper": y > 0.6, "lower": y < 0.4}, {"right": x > 0.6, "left": x < 0.4}
    return min(
        (f"{row} {column}" for row in rows for column in columns),
        key=lambda corner: np.sum(rows[corner.split()[0]] & columns[corner.split()[1]]),
    )
