"""New axes, and their aspect and labels, which all displays share."""

from typing import Any

# Equal scales are too narrow to read if one axis is more than this many times as long as the other
_MAX_EQUAL_RATIO = 2


def prepare_axes(
    ax: Any, width: float, height: float, aspect: str | float | None, extra_width: float = 2.1
) -> tuple[Any, str | float]:
    """Return the axes, or new ones that are sized for data of this width and height, and their aspect.

    ``extra_width`` in inches is for what stands beside the axes: tick labels, legend and colour bar.
    """
    if aspect is None:
        aspect = "equal" if 0 < max(width, height) <= _MAX_EQUAL_RATIO * min(width, height) else "auto"
    if ax is not None:
        return ax, aspect
    from matplotlib import pyplot as plt

    ratio = height / width if aspect == "equal" and min(width, height) > 0 else 0.85
    longer_side = 4.3  # of the axes, in inches
    figsize = longer_side * min(1, 1 / ratio) + extra_width, max(longer_side * min(1, ratio) + 0.8, 3.2)
    # "constrained" would need two draws to reach its final layout
    return plt.subplots(figsize=figsize, layout="compressed")[1], aspect


def label_axes(ax: Any, axis_labels: tuple[str, ...] | None, title: str | None = None) -> None:
    """Set the axis labels and the title, unless they are None or empty; labels that the caller has set remain."""
    if axis_labels is not None:
        ax.set(xlabel=ax.get_xlabel() or axis_labels[0], ylabel=ax.get_ylabel() or axis_labels[1])
    if title:
        ax.set_title(title, fontsize="medium", wrap=True)


def to_kwargs(part_kw: dict[str, Any] | bool | None) -> dict[str, Any]:
    """Return the keyword arguments for a part of a picture; None and True mean no arguments."""
    return part_kw if isinstance(part_kw, dict) else {}
