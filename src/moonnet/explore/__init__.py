"""The explorer: a page on which a network learns as its settings move, in a browser or in a notebook.

``python -m moonnet explore`` opens it in a browser; :class:`Explorer` shows it in a notebook. Both take the extra
``explore``.
"""

from typing import Any

__all__ = ["Explorer"]


def __getattr__(name: str) -> Any:
    """Import the widget when it is asked for: the page in a browser does without Jupyter."""
    if name != "Explorer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from moonnet.explore._widget import Explorer

    return Explorer
