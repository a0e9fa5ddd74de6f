"""Checks of arguments that all plots share; they run before anything is computed or drawn."""

import inspect
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

# Parts of a plot that False omits
_CAN_BE_OMITTED = (
    "band_kw",
    "best_kw",
    "boundary_kw",
    "colorbar_kw",
    "contour_kw",
    "errors_kw",
    "legend_kw",
    "member_kw",
    "spread_kw",
    "text_kw",
)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise ValueError unless the value of the parameter ``name`` is one of the choices."""
    if not (isinstance(value, str) and value in choices):
        raise ValueError(f"{name} must be one of {tuple(choices)}. Got {value!r} instead.")


def check_plot_options(plot: Callable[..., Any], options: dict[str, Any]) -> None:
    """Raise TypeError if ``plot`` has no parameter of such a name, and what ``check_options`` raises."""
    parameters = [name for name in inspect.signature(plot).parameters if name != "self"]
    for name, value in options.items():
        if name not in parameters:
            raise TypeError(f"plot_options must be among the parameters {parameters} of plot. Got {name}={value!r}.")
    check_options(**options)


def check_options(**options: Any) -> None:
    """Raise ValueError if an option that several plots share, such as ``ax`` or ``scatter_kw``, is invalid."""
    for name, value in options.items():
        if name.endswith("_kw"):
            _check_keywords(name, value)
        elif name == "ax":
            _check_axes(value)
        elif name == "aspect":
            _check_aspect(value)
        elif name == "vlim" and value is not None:
            check_limits(name, value)


def check_positive(name: str, value: Any) -> None:
    """Raise ValueError unless the value is a positive, finite number."""
    if not _is_positive(value):
        raise ValueError(f"{name} must be a positive number. Got {value!r} instead.")


def check_limits(name: str, limits: Any) -> tuple[float, float]:
    """Return the limits of an axis or a scale as numbers."""
    try:
        lower, upper = map(float, limits)
    except (TypeError, ValueError):
        lower = upper = np.nan
    if not -np.inf < lower < upper < np.inf:
        raise ValueError(f"{name} must be two finite numbers (lower, upper), lower < upper. Got {limits!r} instead.")
    return lower, upper


def check_integer(name: str, value: Any, lowest: int) -> int:
    """Return the value as an int. Raises ValueError unless it is an integer of at least ``lowest``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < lowest:
        raise ValueError(f"{name} must be an integer of at least {lowest}. Got {value!r} instead.")
    return int(value)


def _check_keywords(name: str, keywords: Any) -> None:
    can_be_omitted = name in _CAN_BE_OMITTED
    if keywords is None or (can_be_omitted and isinstance(keywords, bool)):
        return
    if not isinstance(keywords, dict) or not all(isinstance(keyword, str) for keyword in keywords):
        expected = "a dict of keyword arguments or False" if can_be_omitted else "a dict of keyword arguments"
        raise ValueError(f"{name} must be {expected}. Got {keywords!r} instead.")
    _check_names(name, keywords)


def _check_names(name: str, keywords: dict[str, Any]) -> None:
    """Raise ValueError for a keyword that the part's function does not have, nor its artist as a property."""
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PathCollection, PolyCollection, QuadMesh
    from matplotlib.image import AxesImage
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

    functions: dict[str, tuple[Any, type]] = {
        "band_kw": (Axes.fill_between, PolyCollection),
        "best_kw": (Axes.axvline, Line2D),
        "boundary_kw": (LineCollection, LineCollection),
        "errors_kw": (Axes.scatter, PathCollection),
        "image_kw": (Axes.imshow, AxesImage),
        "legend_kw": (Legend, object),
        "line_kw": (Axes.plot, Line2D),
        "member_kw": (LineCollection, LineCollection),
        "scatter_kw": (Axes.scatter, PathCollection),
        "spread_kw": (Axes.pcolormesh, QuadMesh),
        "text_kw": (Axes.text, Text),
    }
    # Surfaces, contours and colour bars pass theirs through several functions; there, matplotlib raises
    if name not in functions:
        return
    function, artist = functions[name]
    parameters = inspect.signature(function).parameters
    for keyword in keywords:
        if keyword not in parameters and not hasattr(artist, f"set_{keyword}"):
            raise ValueError(
                f"{name} must contain keyword arguments of matplotlib's {function.__qualname__}. "
                f"Got {keyword!r} instead."
            )


def _check_axes(ax: Any) -> None:
    from matplotlib.axes import Axes

    if ax is not None and not isinstance(ax, Axes):
        raise ValueError(f"ax must be matplotlib axes. Got {ax!r} instead.")


def _check_aspect(aspect: Any) -> None:
    if not (aspect is None or (isinstance(aspect, str) and aspect in ("equal", "auto")) or _is_positive(aspect)):
        raise ValueError(f"aspect must be 'equal', 'auto' or a positive number. Got {aspect!r} instead.")


def _is_positive(value: Any) -> bool:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return is_number and 0 < float(value) < np.inf
