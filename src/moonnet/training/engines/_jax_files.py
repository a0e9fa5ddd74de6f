"""Compiled loops of JAX as bytes: traced, in StableHLO, and compiled for one kind of processor.

JAX restores compiled code with pickle, and code is code: both are for files that only the user can write.
"""

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jaxlib
import numpy as np
from jax.experimental import serialize_executable
from jax.export import deserialize, export

from moonnet.training.engines._engine import ArraySpec, BlockNumbers, LoopShapes

TRACED = "stablehlo"  # the name of the file

# The lines of /proc/cpuinfo that say for which processors code is compiled, on x86 and on ARM
_PROCESSOR_LINES = ("vendor_id", "cpu family", "model", "flags", "CPU implementer", "CPU part", "Features")


def compiled_name(device: jax.Device) -> str:
    """Return the name of the file with code that is compiled for this device of this machine."""
    # The compiler divides loops between the processors
    n_processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # Two builds of the same version may differ, such as those of PyPI and conda
    build = str(Path(jaxlib.__file__).parent)
    machine = _processor(), n_processors, device.id, os.environ.get("XLA_FLAGS"), build
    return f"{hashlib.sha256(json.dumps(machine).encode()).hexdigest()[:12]}.compiled"


@cache
def _processor() -> list[str]:
    """Return a description of the processor."""
    try:
        first = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    except OSError:
        first = []
    lines = [line for line in first if line.partition(":")[0].strip() in _PROCESSOR_LINES]
    # Elsewhere, a home may be on a network and serve processors that are called the same: each machine has its own code
    return [platform.machine(), *(lines or [platform.processor(), platform.node()])]


def arguments_of(shapes: LoopShapes, device: jax.Device) -> tuple[Any, list[Any], list[Any]]:
    """Return what JAX must know about the arguments of a loop."""
    sharding = jax.sharding.SingleDeviceSharding(device)

    def to_jax(spec: ArraySpec) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(*spec, sharding=sharding)

    return to_jax(shapes.numbers), list(map(to_jax, shapes.block)), list(map(to_jax, shapes.state))


def traced_to_bytes(run: Any, arguments: Sequence[Any]) -> bytes:
    """Return a jitted function, traced for these arguments."""
    return bytes(export(run)(*arguments).serialize())


def traced_from_bytes(content: bytes, arguments: Sequence[Any]) -> Any:
    """Return a jitted function from ``traced_to_bytes``. Raises ValueError if it is another one."""
    traced = deserialize(bytearray(content))
    _check_arguments(traced.in_avals, arguments)
    return jax.jit(traced.call)


def compiled_to_bytes(compiled: jax.stages.Compiled, shapes: LoopShapes, device: jax.Device) -> bytes:
    """Return the code of a compiled loop. Raises JaxRuntimeError for code that cannot be stored."""
    content: bytes = serialize_executable.serialize(compiled)[0]
    if jax.config.jax_compilation_cache_dir:
        compiled_from_bytes(content, shapes, device)  # if JAX has read it from its own cache, functions are missing
    return content


def compiled_from_bytes(content: bytes, shapes: LoopShapes, device: jax.Device) -> jax.stages.Compiled:
    """Return a loop from ``compiled_to_bytes``. Raises ValueError or JaxRuntimeError if it is another one."""
    arguments = arguments_of(shapes, device)
    compiled = serialize_executable.deserialize_and_load(
        content,
        jax.tree.structure((arguments, {})),
        jax.tree.structure((0, [0] * shapes.n_recorded, [0] * len(shapes.state))),
        backend=device.client,
        execution_devices=[device],
    )
    _check_arguments(jax.tree.leaves(compiled.in_avals), arguments)
    numbers = np.array(BlockNumbers(1, 1, 0, 0, 0), shapes.numbers[1])
    jax.block_until_ready(compiled(numbers, *([np.zeros(*s) for s in specs] for specs in (shapes.block, shapes.state))))
    return compiled


def _check_arguments(stored: Sequence[Any], arguments: Sequence[Any]) -> None:
    """Raise ValueError if a stored function takes other arguments."""
    expected = [(array.shape, array.dtype) for array in jax.tree.leaves(arguments)]
    if [(array.shape, array.dtype) for array in stored] != expected:
        raise ValueError(f"expected a function of {expected}")
