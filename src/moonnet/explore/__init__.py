"""An interactive page, in a browser or a notebook, that trains a network again whenever a setting changes.

``python -m moonnet explore`` opens it in a browser; :class:`Explorer` shows it in a notebook. Both need the optional
dependencies in ``moonnet[explore]``.
"""

from typing import Any

__all__ = ["Explorer"]


def __getattr__(name: str) -> Any:
    """Import the widget on first use: the page in a browser does not need Jupyter."""
    if name != "Explorer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from moonnet.explore._widget import Explorer

    return Explorer
