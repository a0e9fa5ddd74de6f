"""Compiled programs on disk, so that a new process neither imports Keras nor traces them again."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import fields, is_dataclass
from typing import Any

from moonnet import _cache
from moonnet._keras_config import keras_epsilon, keras_floatx
from moonnet.networks import DenseStack
from moonnet.training._optimizers import store_default_settings
from moonnet.training._program_description import ProgramDescription
from moonnet.training._program_spec import ProgramSpec
from moonnet.training._versions import versions
from moonnet.training.engines import CompiledLoop, LoopFiles, engine

_DESCRIPTION = "json"  # the name of a program's file that is not the engine's


def read(spec: ProgramSpec) -> tuple[ProgramDescription, CompiledLoop] | None:
    """Return a stored program, in the scope of the spec; None if there is none that can be read."""
    parts, files = _parts(spec), engine.loop_files(spec.device)
    key = _key(parts, files)
    if key is None or files is None:
        return None
    stored = _cache.read(f"{key}.{_DESCRIPTION}")
    if stored is None:
        return None
    found = {name: content for name in files.names if (content := _cache.read(f"{key}.{name}")) is not None}
    try:
        values = json.loads(stored)
        if values.pop("program") != parts:
            return None
        description = ProgramDescription.from_dict(values)
        loop = engine.loop_from_files(found, description.loop_shapes(spec.dtype), spec.device)
    except Exception:  # noqa: BLE001 - whatever is in the files, the program can be compiled again
        return None
    store_default_settings()
    if missing := _files_of(loop, without=found):
        _cache.write({f"{key}.{name}": content for name, content in missing.items()})
    return description, loop


def write(spec: ProgramSpec, description: ProgramDescription, loop: CompiledLoop) -> None:
    """Store a program, if it is made of moonnet's and Keras's own parts alone."""
    parts = _parts(spec)
    key = _key(parts, engine.loop_files(spec.device))
    if key is None:
        return
    values = description.to_dict()
    if values is not None and (files := _files_of(loop)):
        store_default_settings()
        files[_DESCRIPTION] = json.dumps({"program": parts, **values}).encode()
        _cache.write({f"{key}.{name}": content for name, content in files.items()})


def _files_of(loop: CompiledLoop, without: Collection[str] = ()) -> dict[str, bytes]:
    """Return the files of a loop but some; none if the engine cannot store it."""
    try:
        files = loop.to_files()
    except Exception:  # noqa: BLE001 - the program runs all the same
        return {}
    return {name: content for name, content in files.items() if name not in without}


def _parts(spec: ProgramSpec) -> dict[str, Any] | None:
    """Return what a program consists of, as plain values; None if code of a user's own is part of it."""
    is_own = (
        type(spec.network) is DenseStack and spec.optimizer.is_own and type(spec.loss).__module__.startswith("moonnet.")
    )
    return _plain(spec) if is_own and not spec.loss.needs_keras else None


def _plain(value: Any) -> Any:
    """Return what is compared in an object, as JSON returns it."""
    if is_dataclass(value):
        compared = {field.name: _plain(getattr(value, field.name)) for field in fields(value) if field.compare}
        return {"class": type(value).__qualname__, **compared}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else repr(value)


def _key(parts: dict[str, Any] | None, files: LoopFiles | None) -> str | None:
    """Return the name of a program: all that it depends on. None if it is not stored."""
    if parts is None or files is None or not _cache.is_available():
        return None
    own_versions = versions()
    if own_versions is None:
        return None
    settings = {"floatx": keras_floatx(), "epsilon": keras_epsilon()}
    decisive = [parts, settings, files.versions, own_versions]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:32]
