"""The one door to Keras: imports it and its backend, without TensorFlow's start-up log.

Import this module inside the function that needs Keras, never at the top of a module that a prediction touches: the
import takes seconds.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

# What TensorFlow writes to file descriptor 2 at import, before its log level counts: absl's and glog's line heads
# ("I0000 00:00:1700000000.123456 42 port.cc:153] ...", "2026-01-01 00:00:00.123456: I tensorflow/...cc:12] ...").
_START_UP_LINE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    rb"|[IWE]\d{4} [\d:.]+ +\d+ [^ \]]+:\d+\] "
    rb"|\d{4}-\d\d-\d\d [\d:.]+ [IWE] [^ \]]+:\d+\] "
    rb"|To enable the following instructions: "
)


@contextmanager
def _start_up_log_dropped() -> Iterator[None]:
    """Hold file descriptor 2; then give back what is not TensorFlow's start-up log, or all of it after a failure."""
    try:
        stderr = os.dup(2)
    except OSError:  # no stderr (a daemon, a service): nothing to hold
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    failed = True
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
            failed = False
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if failed or not _START_UP_LINE.match(line):
                    os.write(2, line)


_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_level_is_unset = _LOG_LEVEL not in os.environ and "tensorflow" not in sys.modules
# Imported by the user before, so that its log level is settled; or asked by the user to show its log
_log_is_the_users = "tensorflow" in sys.modules or os.environ.setdefault(_LOG_LEVEL, "3") < "3"
try:
    with nullcontext() if _log_is_the_users else _start_up_log_dropped():
        import keras
except ModuleNotFoundError as error:
    if error.name == "jax":
        raise ImportError("Keras is told to run on JAX, which is not installed: pip install 'moonnet[jax]'") from error
    if error.name == "torch":
        raise ImportError("Keras is told to run on PyTorch, but moonnet trains on TensorFlow or JAX") from error
    raise
finally:
    if _level_is_unset and "tensorflow" not in sys.modules:
        del os.environ[_LOG_LEVEL]  # Keras runs on something else

__all__ = ["keras"]
