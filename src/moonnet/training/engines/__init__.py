"""The engines on which training runs: one module for each supported Keras backend, with the name of the backend."""

import os
from importlib import import_module
from pkgutil import iter_modules

from moonnet._keras import keras
from moonnet.training.engines._engine import ArraySpec, BlockNumbers, Engine, Loop, Prediction


def _load_engine(backend: str) -> Engine:
    """Return the engine of a Keras backend."""
    supported = sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))
    if backend not in supported:
        *others, last = supported
        raise RuntimeError(
            f"moonnet trains with Keras on {', '.join(others)} or {last}, but Keras's backend is {backend!r}. "
            "Set the environment variable KERAS_BACKEND to one of them before importing Keras."
        )
    loaded: Engine = import_module(f"{__name__}.{backend}").ENGINE
    return loaded


engine = _load_engine(keras.backend.backend())
_import_process_id = os.getpid()


def check_not_forked(action: str = "train") -> None:
    """Raise RuntimeError in a forked process if the engine needs the threads that are missing there."""
    if os.getpid() != _import_process_id and not engine.survives_fork:
        raise RuntimeError(
            f"moonnet cannot {action} in a process forked from one that has used Keras, because TensorFlow and JAX do "
            "not survive a fork. Start processes with multiprocessing.get_context('spawn'), or use joblib's backend "
            "'loky'. Networks whose layers NumPy knows predict in a forked process."
        )


__all__ = ["ArraySpec", "BlockNumbers", "Engine", "Loop", "Prediction", "check_not_forked", "engine"]
