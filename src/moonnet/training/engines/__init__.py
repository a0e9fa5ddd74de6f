"""The engines on which training runs: one module for each supported Keras backend, with the name of the backend."""

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

from moonnet._heavy_imports import without_garbage_collection
from moonnet._keras_config import keras_backend
from moonnet.training.engines._engine import (
    ArraySpec,
    BlockNumbers,
    CompiledLoop,
    Engine,
    Loop,
    LoopFiles,
    LoopShapes,
    Prediction,
)


def _load_engine(backend: str) -> Engine:
    """Return the engine of a Keras backend."""
    supported = sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))
    if backend not in supported:
        *others, last = supported
        raise RuntimeError(
            f"moonnet trains with Keras on {', '.join(others)} or {last}, but Keras's backend is {backend!r}. "
            "Set the environment variable KERAS_BACKEND to one of them before importing Keras."
        )
    if backend != "jax" or find_spec("jax") is None:  # JAX may need no Keras, because programs are on disk
        from moonnet import _keras  # noqa: F401 (which explains what is missing, and filters logs)

    with without_garbage_collection():
        loaded: Engine = import_module(f"{__name__}.{backend}").ENGINE
    return loaded


_backend = keras_backend()
engine = _load_engine(_backend)
_import_process_id = os.getpid()


def check_usable(action: str = "train") -> None:
    """Raise RuntimeError if Keras has another backend, or in a forked process that lacks the engine's threads."""
    if "keras" in sys.modules and keras_backend() != _backend:
        raise RuntimeError(
            f"moonnet has trained with Keras on {_backend}, but Keras was imported afterwards with the backend "
            f"{keras_backend()!r}. Set the environment variable KERAS_BACKEND once, before the first fit."
        )
    if os.getpid() != _import_process_id and not engine.survives_fork:
        raise RuntimeError(
            f"moonnet cannot {action} in a process forked from one that has trained, because TensorFlow and JAX do "
            "not survive a fork. Start processes with multiprocessing.get_context('spawn'), or use joblib's backend "
            "'loky'. Networks whose layers NumPy knows predict in a forked process."
        )


__all__ = [
    "ArraySpec",
    "BlockNumbers",
    "CompiledLoop",
    "Engine",
    "Loop",
    "LoopFiles",
    "LoopShapes",
    "Prediction",
    "check_usable",
    "engine",
]
