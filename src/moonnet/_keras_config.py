"""Keras's configuration: the same as Keras's own, but known without importing Keras, which takes a second."""

import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

_DEFAULTS = {"backend": "tensorflow", "floatx": "float32", "epsilon": 1e-7}


def keras_backend() -> str:
    """Return the name of Keras's backend."""
    return str(_setting("backend"))


def keras_floatx() -> str:
    """Return Keras's float type."""
    return str(_setting("floatx"))


def keras_epsilon() -> float:
    """Return the small number that Keras adds to divisors."""
    return float(_setting("epsilon"))


def _setting(name: str) -> Any:
    """Return a setting of ``keras.config``, or what it will be once Keras is imported."""
    config = getattr(sys.modules.get("keras"), "config", None)  # None while another thread imports Keras
    if config is not None:
        return getattr(config, name)()
    backend = os.environ.get("KERAS_BACKEND")
    return backend if name == "backend" and backend else _configuration_file().get(name, _DEFAULTS[name])


@cache  # Keras reads it once, too
def _configuration_file() -> dict[str, Any]:
    """Return what Keras's configuration file says; empty without a file that can be read."""
    home = os.path.expanduser("~")  # noqa: PTH111 - as in Keras: Path.expanduser fails for a user without a home
    folder = os.environ.get("KERAS_HOME", f"{home if os.access(home, os.W_OK) else '/tmp'}/.keras")
    try:
        values = json.loads(Path(os.path.expanduser(folder), "keras.json").read_text())  # noqa: PTH111
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
