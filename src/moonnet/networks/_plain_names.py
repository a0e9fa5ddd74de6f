"""The names of layers in Keras's configurations, which Keras numbers within a process."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any


def with_plain_names(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a layer or a model with the names that Keras gives in a new process.

    Keras numbers names within a process; with the same names, networks of equal layers are equal. Names count among the
    layers of a model, or within another layer that contains some.
    """
    layers = list(_inner_layers(config))
    numbered = [layer for layer in layers if _has_numbered_name(layer)]
    taken = {layer_name(layer) for layer in layers if not _has_numbered_name(layer)}
    new_names: dict[str, str] = {}
    for layer in numbered:
        name = layer_name(layer)
        if name not in new_names:
            base = _without_number(name)
            candidates = (f"{base}_{number}" if number else base for number in count())
            new_names[name] = next(candidate for candidate in candidates if candidate not in taken)
            taken.add(new_names[name])

    def rename(value: Any) -> Any:
        """Rename layers, and the layers to which connections refer."""
        if isinstance(value, list | tuple):
            return [rename(item) for item in value]
        if not isinstance(value, dict):
            return value
        renamed = {key: rename(item) for key, item in value.items() if key != "config"}
        if "keras_history" in value:
            renamed["keras_history"] = _with_new_name(value["keras_history"], new_names)
        if "config" in value:
            name = layer_name(value)
            plain = {"name": new_names.get(name, name)} if name else {}
            renamed["config"] = with_plain_names(value["config"]) | plain if name else rename(value["config"])
            renamed |= plain if "name" in value else {}
        return renamed

    ends = {key: _with_new_name(config[key], new_names) for key in ("input_layers", "output_layers") if key in config}
    return {key: rename(value) for key, value in config.items()} | ends


def _inner_layers(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the configurations of the layers in one, but not of those that they contain in turn."""
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        if layer_name(item):
            yield item
        else:
            yield from _inner_layers(item)


def all_layers(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the configurations of the layers in one, and of those that they contain."""
    for layer in _inner_layers(value):
        yield layer
        yield from all_layers(layer["config"])


def layer_name(value: Any) -> str:
    """Return the name in the serialized form of a layer, or of another object that has one; "" without one."""
    if not (isinstance(value, dict) and "class_name" in value and isinstance(value.get("config"), dict)):
        return ""
    name = value.get("name", value["config"].get("name"))
    return name if isinstance(name, str) else ""


def _has_numbered_name(layer: dict[str, Any]) -> bool:
    """Return whether a layer has a name that Keras has given."""
    base = _snake_case(layer["class_name"])
    return _without_number(layer_name(layer)) in (base, f"forward_{base}", f"backward_{base}")  # within Bidirectional


def _without_number(name: str) -> str:
    return re.sub(r"_\d+$", "", name)


def _with_new_name(history: Any, new_names: dict[str, str]) -> Any:
    """Return a reference to a layer by its new name, or a list of such references."""
    if isinstance(history, list | tuple) and history and isinstance(history[0], str):
        return [new_names.get(history[0], history[0]), *history[1:]]
    return [_with_new_name(item, new_names) for item in history] if isinstance(history, list | tuple) else history


@contextmanager
def names_of_a_new_process() -> Iterator[None]:
    """Let Keras count names from 0, such as those of seed generators, which are part of the paths of variables."""
    from keras.src.backend.common import global_state

    counts = global_state.get_global_attribute("object_name_uids")  # of this thread
    global_state.set_global_attribute("object_name_uids", None)
    try:
        yield
    finally:
        global_state.set_global_attribute("object_name_uids", counts)


def _snake_case(class_name: str) -> str:
    """Return the name that Keras gives the first layer of a class."""
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
