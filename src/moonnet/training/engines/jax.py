"""Keras on JAX: pure functions of all state, in a ``fori_loop`` that is lowered and compiled once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax.extend.core import Literal, jaxpr_as_fun

from moonnet.training.engines._engine import Engine, Step

# Of XLA's compiler on a processor. The first takes a fifth less time to compile, and no more to run; the second a third
# less to compile, and to run a twentieth more in float64 and a fifth more in float32.
_CPU_OPTIONS = {"xla_backend_optimization_level": 1}
_CPU_OPTIONS_FLOAT64 = _CPU_OPTIONS | {"xla_cpu_use_fusion_emitters": False}
# Options that the installed XLA has turned out to lack: the second, from JAX 0.11 on
_unknown_options: set[str] = set()


class _Jax(Engine):
    def device(self) -> jax.Device:
        chosen = jax.config.jax_default_device  # which keras.device sets
        if chosen is None or isinstance(chosen, str):
            kind = chosen or "cpu"
            try:
                return jax.local_devices(backend=kind)[0]
            except RuntimeError as error:
                raise ValueError(
                    f"Training was to run on the device {kind!r}, which JAX does not have: {error} "
                    "Name another one by keras.device, or add this one to JAX_PLATFORMS."
                ) from error
        return chosen

    @contextmanager
    def scope(self, device: jax.Device, widest: str) -> Iterator[None]:
        with (
            jax.core.eval_context(),  # not within a trace of the caller's
            jax.default_device(device),
            jax.enable_x64(widest == "float64"),
            # What the caller may have set: all are local to the thread
            jax.disable_jit(False),
            jax.debug_nans(False),
            jax.debug_infs(False),
            jax.check_tracer_leaks(False),
            jax.default_matmul_precision(None),
            jax.legacy_prng_key("allow"),
            jax.numpy_dtype_promotion("standard"),
            jax.numpy_rank_promotion("allow"),
            jax.default_prng_impl("threefry2x32"),
            jax.threefry_partitionable(True),
            jax.transfer_guard("allow"),
        ):
            yield

    def check_not_traced(self, what: str) -> None:
        if isinstance(jax.numpy.zeros(()), jax.core.Tracer):
            raise RuntimeError(
                f"Keras cannot {what} while JAX traces a function, as jax.jit does: its variables would hold tracers. "
                "Do it outside of that function."
            )

    def initial_values(self, build: Callable[[], Sequence[Any]]) -> list[np.ndarray]:
        # Within a trace, for each operation that JAX does at once compiles a program of its own
        traced = jax.make_jaxpr(lambda: [variable.value for variable in build()])()
        return _evaluated(traced)

    def activation(self, name: str) -> Any:
        return jax.numpy.tanh if name == "tanh" else name  # Keras's own computes in float32 alone

    def constant(self, dtype: str, value: float) -> float:
        return value

    def gradients(self, function: Callable[[list[Any]], tuple[Any, Any]], arrays: list[Any]) -> tuple[list[Any], Any]:
        gradients, auxiliary = jax.grad(function, has_aux=True)(arrays)
        return gradients, auxiliary

    def apply(self, optimizer: Any, gradients: list[Any], trained: Sequence[Any], state: list[Any]) -> list[Any]:
        weights, own = optimizer.stateless_apply(state[len(trained) :], gradients, state[: len(trained)])
        return [*weights, *own]

    def loop(
        self, step: Step, n_figures: int, n_steps: Any, block: list[Any], variables: Sequence[Any], state: list[Any]
    ) -> tuple[Any, list[Any]]:
        def body(i: Any, carried: tuple[Any, list[Any]]) -> tuple[Any, list[Any]]:
            figures, state = carried
            state, row = step(state, [jax.lax.dynamic_index_in_dim(array, i, keepdims=False) for array in block])
            return jax.lax.dynamic_update_index_in_dim(figures, jax.numpy.stack(row), i, 0), state

        figures = jax.numpy.zeros((block[0].shape[0], n_figures), block[0].dtype)
        figures, state = jax.lax.fori_loop(0, n_steps, body, (figures, state))
        return figures, state

    def compile(self, function: Callable[..., Any], specs: Sequence[Any], device: jax.Device) -> Callable[..., Any]:
        sharding = jax.sharding.SingleDeviceSharding(device)
        shapes = _nested(list(specs), sharding)
        lowered = jax.jit(function).lower(*shapes)
        wanted: dict[str, Any] = {}
        if device.platform == "cpu":
            wanted = _CPU_OPTIONS_FLOAT64 if jax.config.jax_enable_x64 else _CPU_OPTIONS
        while True:
            options = {name: value for name, value in wanted.items() if name not in _unknown_options}
            try:
                return lowered.compile(compiler_options=options)
            except jax.errors.JaxRuntimeError as error:
                unknown = {name for name in options if f"No such compile option: '{name}'" in str(error)}
                if not unknown:
                    raise
                _unknown_options.update(unknown)

    def read(self, variable: Any) -> np.ndarray:
        return np.asarray(variable.value)

    def write(self, variable: Any, value: np.ndarray) -> None:
        variable.assign(value)


def _broadcast(value: Any, *, shape: Sequence[int], broadcast_dimensions: Sequence[int], **_: Any) -> np.ndarray:
    sizes = dict(zip(broadcast_dimensions, np.shape(value), strict=True))
    return np.broadcast_to(np.reshape(value, [sizes.get(axis, 1) for axis in range(len(shape))]), shape)


# Primitives of JAX that make the initial values of optimizers -> the same in NumPy
_IN_NUMPY: dict[str, Callable[..., np.ndarray]] = {
    "broadcast_in_dim": _broadcast,
    "convert_element_type": lambda value, *, new_dtype, **_: np.asarray(value, new_dtype),
    "copy": lambda value, **_: value,
    "mul": lambda value, other, **_: np.multiply(value, other),
}


def _evaluated(traced: Any) -> list[np.ndarray]:
    """Return the results of a traced function without arguments, computed in NumPy as far as that will do."""
    values = dict(zip(traced.jaxpr.constvars, traced.consts, strict=True))

    def value_of(atom: Any) -> Any:
        return np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, Literal) else values[atom]

    for equation in traced.jaxpr.eqns:
        compute = _IN_NUMPY.get(equation.primitive.name)
        if compute is None:
            return [np.asarray(value) for value in jax.jit(jaxpr_as_fun(traced))()]
        values[equation.outvars[0]] = compute(*map(value_of, equation.invars), **equation.params)
    return [np.array(value_of(atom)) for atom in traced.jaxpr.outvars]


def _nested(specs: Any, sharding: Any) -> Any:
    """Return JAX's specs for nested lists of ours."""
    if isinstance(specs, list):
        return [_nested(spec, sharding) for spec in specs]
    shape, dtype = specs
    return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)


ENGINE = _Jax()
