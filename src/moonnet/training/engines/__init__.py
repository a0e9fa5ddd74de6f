"""The engines on which training runs, one for each of Keras's backends, in a file named as Keras names it."""

import os
from importlib import import_module
from pkgutil import iter_modules

from moonnet.training._keras import keras
from moonnet.training.engines._engine import Engine


def _engine_of(backend: str) -> Engine:
    """Return the engine of one of Keras's backends."""
    known = sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))
    if backend not in known:
        raise RuntimeError(
            f"moonnet trains with Keras on {' or '.join(known)}, but Keras's backend is {backend!r}. "
            "Set the environment variable KERAS_BACKEND to one of these before Keras is imported."
        )
    chosen: Engine = import_module(f"{__name__}.{backend}").ENGINE
    return chosen


engine = _engine_of(keras.backend.backend())
_started_in = os.getpid()


def check_not_forked() -> None:
    """Raise in a process that was forked from one with an engine, whose threads the fork left behind."""
    if os.getpid() != _started_in:
        raise RuntimeError(
            "moonnet cannot train in a process forked from one that has trained: TensorFlow and JAX do not survive a "
            "fork. Start processes with multiprocessing.get_context('spawn'), or use joblib's backend 'loky'. "
            "Predictions work here."
        )


__all__ = ["Engine", "check_not_forked", "engine"]
