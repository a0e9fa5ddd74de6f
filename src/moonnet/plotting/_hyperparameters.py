"""Values of hyperparameters as categories of an axis: which are the same, and their labels."""

from numbers import Real
from typing import Any

# More labels, or labels of more characters together, are rotated on the x axis
_MAX_HORIZONTAL_LABELS, _MAX_HORIZONTAL_CHARACTERS = 6, 50
_MAX_CHARACTERS = 30


def is_number(value: Any) -> bool:
    """Return whether a value is a number; booleans are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def value_key(value: Any) -> Any:
    """Return a hashable key of a value; 1, 1.0 and np.float64(1) have the same key."""
    return float(value) if is_number(value) else repr(value)


def short_name(name: str) -> str:
    """Return the name of a parameter without the prefix of its step."""
    return name.rpartition("__")[2]


def label_categories(axis: Any, values: list[Any]) -> None:
    """Label the positions 0, 1, 2 and so on of matplotlib's axis with the values of a hyperparameter."""
    labels = [_format_value(value) for value in values]
    is_crowded = len(labels) > _MAX_HORIZONTAL_LABELS or len("".join(labels)) > _MAX_HORIZONTAL_CHARACTERS
    is_rotated = axis.axis_name == "x" and is_crowded
    axis.set_ticks(
        range(len(labels)),
        labels,
        **({"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if is_rotated else {}),
    )


def _format_value(value: Any) -> str:
    """Return a value as a label: numbers in few digits, functions and objects without a text of their own by name."""
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    if text.startswith("<"):  # with an address, as of a Keras optimizer
        return getattr(value, "__name__", type(value).__name__)
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"
