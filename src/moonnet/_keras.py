"""Import Keras and its backend, without TensorFlow's start-up log.

All of moonnet imports Keras from this module. The import takes seconds, so it belongs inside the function that needs
Keras, never at the top of a module that predictions import.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from typing import Any

from moonnet._heavy_imports import without_garbage_collection
from moonnet._keras_config import keras_backend

# Lines that TensorFlow 2.21 writes to file descriptor 2 at import, before its log level applies, in the format of absl:
# "I0000 00:00:1700000000.123456 42 port.cc:153] ...". Warnings and errors are not among them.
_START_UP_LINE = (
    r"^(WARNING: All log messages before absl::InitializeLog\(\) is called|I[0-9]{4} [0-9:.]+ +[0-9]+ [^] ]+:[0-9]+\] )"
)


@contextmanager
def _drop_start_up_log() -> Iterator[None]:
    """Pass file descriptor 2 through a process that drops the start-up log and writes other lines as they arrive.

    A process, because nothing in this one runs while an engine's library is loaded, and so that the last words of an
    engine arrive if it aborts. Processes that other threads start meanwhile keep the filter as their standard error,
    so it runs until the last of them has ended.
    """
    try:
        stderr = os.dup(2)
    except OSError:  # without stderr (a daemon, a service) there is nothing to filter
        yield
        return
    reader, writer = os.pipe()
    try:
        log_filter = subprocess.Popen(
            ["grep", "--line-buffered", "-aEv", _START_UP_LINE],
            stdin=reader,
            stdout=stderr,
            env=os.environ | {"LC_ALL": "C"},
            start_new_session=True,  # Ctrl-C must not end it
        )
    except OSError:  # without grep, as on Windows, the log is shown
        log_filter = None
    else:
        _flush_stderr()
        os.dup2(writer, 2)
    os.close(reader)
    os.close(writer)
    try:
        yield
    finally:
        if log_filter is not None:
            _flush_stderr()
            os.dup2(stderr, 2)
            # Later lines come later, unless a process that was started meanwhile keeps the filter
            wait = threading.Thread(target=log_filter.wait, daemon=True)
            wait.start()
            wait.join(timeout=1)
        os.close(stderr)


def _flush_stderr() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()


# Keras backend -> how to install it
_INSTALL = {
    "jax": "pip install 'moonnet[jax]'",
    "tensorflow": "pip install tensorflow",
    "torch": "pip install 'moonnet[torch]'",
}
_MAX_MESSAGE = 500  # characters of an error of Keras
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_is_log_level_unset = _LOG_LEVEL not in os.environ and "tensorflow" not in sys.modules
# The log is shown if the user has imported TensorFlow before, or has set its log level below 3
_show_log = "tensorflow" in sys.modules or os.environ.setdefault(_LOG_LEVEL, "3") < "3"
_is_other_backend = keras_backend() != "tensorflow"
try:
    with without_garbage_collection(), nullcontext() if _show_log or _is_other_backend else _drop_start_up_log():
        import keras
except ModuleNotFoundError as error:
    if error.name not in _INSTALL:
        raise
    installed = [repr(name) for name in sorted(_INSTALL) if name != error.name and find_spec(name)]
    other = f", or set KERAS_BACKEND to what is installed: {' or '.join(installed)}" if installed else ""
    raise ImportError(
        f"Keras is configured to run on {error.name}, which is not installed: {_INSTALL[error.name]}{other}"
    ) from error
finally:
    if _is_log_level_unset and "tensorflow" not in sys.modules:
        del os.environ[_LOG_LEVEL]  # Keras runs on another backend


@contextmanager
def without_tensorflow() -> Iterator[None]:
    """Keep Keras from importing TensorFlow to find out whether a value is one of its types."""
    from keras.src.utils.module_utils import tensorflow

    if "tensorflow" in sys.modules or tensorflow._available is not None:
        yield
        return
    tensorflow._available = False
    try:
        yield
    finally:
        tensorflow._available = None


def message_of(error: Exception) -> str:
    """Return what an error of Keras says, without the longer message in which Keras embeds it."""
    text = str(error)
    if "\x1b[1m" in text:
        text = text.partition("\x1b[1m")[2].partition("\x1b[0m")[0]
    text = " ".join(text.rpartition("Exception encountered: ")[2].split())
    return f"{text[:_MAX_MESSAGE]}..." if len(text) > _MAX_MESSAGE else text


def describe_value(value: Any) -> str:
    """Return how an error calls an unsuitable value: of a class, it says how to make an instance."""
    if isinstance(value, type):
        return f"the class {value.__name__}: write {value.__name__}(...)"
    return f"{value!r} instead"


def check_settings(original: Any, restored: Any, parameter: str) -> None:
    """Raise ValueError if a copy of a user's object, made from its configuration, has lost a number or a text."""
    if type(original).__module__.startswith("keras."):
        return
    for name, value in vars(original).items():
        is_argument = not name.startswith("_") and name not in ("name", "reduction")  # those have no effect
        is_plain = is_argument and isinstance(value, bool | int | float | str)
        if is_plain and getattr(restored, name, None) != value:
            raise ValueError(
                f"The get_config method of a {type(original).__name__} in '{parameter}' must return all arguments of "
                f"the class, because moonnet uses copies. Got a copy without {name}={value!r}."
            )


def registered_objects(config: Any) -> tuple[Any, ...]:
    """Return the classes and functions that a configuration names and that users have registered with Keras.

    Those who register another one by the same name, as in a notebook, want the new one.
    """
    if isinstance(config, list):
        return tuple(found for item in config for found in registered_objects(item))
    if not isinstance(config, dict):
        return ()
    name = config.get("registered_name")
    name = config.get("config") if name == "function" else name
    own = keras.saving.get_registered_object(name) if isinstance(name, str) else None
    return (() if own is None else (own,)) + registered_objects(list(config.values()))


__all__ = ["check_settings", "describe_value", "keras", "message_of", "registered_objects", "without_tensorflow"]
