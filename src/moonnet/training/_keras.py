"""Import Keras and its backend, without TensorFlow's start-up log.

All of moonnet imports Keras from this module. The import takes seconds, so it belongs inside the function that needs
Keras, never at the top of a module that predictions import.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

# Lines that TensorFlow writes to file descriptor 2 at import, before its log level applies, in the formats of absl and
# glog ("I0000 00:00:1700000000.123456 42 port.cc:153] ...", "2026-01-01 00:00:00.123456: I tensorflow/...cc:12] ...").
_START_UP_LINE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    rb"|[IWE]\d{4} [\d:.]+ +\d+ [^ \]]+:\d+\] "
    rb"|\d{4}-\d\d-\d\d [\d:.]+ [IWE] [^ \]]+:\d+\] "
    rb"|To enable the following instructions: "
)


@contextmanager
def _drop_start_up_log() -> Iterator[None]:
    """Capture file descriptor 2, then write the captured lines except the start-up log; after an error, all of them."""
    try:
        stderr = os.dup(2)
    except OSError:  # without stderr (a daemon, a service) there is nothing to capture
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    failed = True
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
            failed = False
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            captured.seek(0)
            for line in captured:
                if failed or not _START_UP_LINE.match(line):
                    os.write(2, line)


_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_is_log_level_unset = _LOG_LEVEL not in os.environ and "tensorflow" not in sys.modules
# The log is shown if the user has imported TensorFlow before, or has set its log level below 3
_show_log = "tensorflow" in sys.modules or os.environ.setdefault(_LOG_LEVEL, "3") < "3"
try:
    with nullcontext() if _show_log else _drop_start_up_log():
        import keras
except ModuleNotFoundError as error:
    if error.name == "jax":
        raise ImportError(
            "Keras is configured to run on JAX, which is not installed: pip install 'moonnet[jax]'"
        ) from error
    if error.name == "torch":
        raise ImportError(
            "Keras is configured to run on PyTorch, but moonnet trains on TensorFlow or JAX: set KERAS_BACKEND to "
            "'tensorflow' or 'jax'"
        ) from error
    raise
finally:
    if _is_log_level_unset and "tensorflow" not in sys.modules:
        del os.environ[_LOG_LEVEL]  # Keras runs on another backend

__all__ = ["keras"]
