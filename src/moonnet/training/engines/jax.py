"""Keras on JAX: steps are pure functions of the state, in a ``fori_loop`` that is compiled once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax.extend.core import Literal, jaxpr_as_fun

from moonnet.training.engines._engine import Engine, Step

# Options of XLA's compiler on a CPU. The first one shortens compilation by a fifth, at no cost in run time. The second
# one shortens it by a third, but increases run time by a twentieth in float64 and by a fifth in float32.
_CPU_OPTIONS = {"xla_backend_optimization_level": 1}
_CPU_OPTIONS_FLOAT64 = _CPU_OPTIONS | {"xla_cpu_use_fusion_emitters": False}
# Options that the installed XLA has rejected: since JAX 0.11, the second one
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
                    f"Training must run on an available device. Got the device {kind!r}, but JAX reports: {error} "
                    "Select another device with keras.device, or add this one to JAX_PLATFORMS."
                ) from error
        return chosen

    @contextmanager
    def scope(self, device: jax.Device, widest: str) -> Iterator[None]:
        with (
            jax.core.eval_context(),  # outside a trace of the caller's
            jax.default_device(device),
            jax.enable_x64(widest == "float64"),
            # Defaults of settings that the caller may have changed; all are local to the thread
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
                f"Keras cannot {what} while JAX traces a function, as jax.jit does, because its variables would hold "
                "tracers. Do this outside of that function."
            )

    def initial_values(self, build: Callable[[], Sequence[Any]]) -> list[np.ndarray]:
        # Within a trace: JAX compiles a program for each operation that it runs eagerly
        traced = jax.make_jaxpr(lambda: [variable.value for variable in build()])()
        return _evaluate(traced)

    def activation(self, name: str) -> Any:
        return jax.numpy.tanh if name == "tanh" else name  # Keras's tanh computes in float32 only

    def constant(self, dtype: str, value: float) -> float:
        return value

    def gradients(self, function: Callable[[list[Any]], tuple[Any, Any]], arrays: list[Any]) -> tuple[list[Any], Any]:
        gradients, auxiliary = jax.grad(function, has_aux=True)(arrays)
        return gradients, auxiliary

    def apply(self, optimizer: Any, gradients: list[Any], trained: Sequence[Any], state: list[Any]) -> list[Any]:
        weights, optimizer_state = optimizer.stateless_apply(state[len(trained) :], gradients, state[: len(trained)])
        return [*weights, *optimizer_state]

    def loop(
        self, step: Step, n_metrics: int, n_steps: Any, block: list[Any], variables: Sequence[Any], state: list[Any]
    ) -> tuple[Any, list[Any]]:
        metrics = jax.numpy.zeros((block[0].shape[0], n_metrics), block[0].dtype)
        metrics, state = jax.lax.fori_loop(0, n_steps, _loop_body(step, block), (metrics, state))
        return metrics, state

    def loop_over_epochs(
        self,
        step: Step,
        n_metrics: int,
        n_steps: Any,
        block: list[Any],
        variables: Sequence[Any],
        state: list[Any],
        steps_per_epoch: Any,
        max_epochs: int,
        n_recorded: int,
    ) -> tuple[Any, list[Any], list[Any]]:
        body = _loop_body(step, block)

        def run_epoch(epoch: Any, carry: tuple[Any, list[Any], list[Any]]) -> tuple[Any, list[Any], list[Any]]:
            metrics, records, state = carry
            begin = epoch * steps_per_epoch
            metrics, state = jax.lax.fori_loop(begin, begin + steps_per_epoch, body, (metrics, state))
            records = [
                jax.lax.dynamic_update_index_in_dim(record, array, epoch, 0)
                for record, array in zip(records, state, strict=False)
            ]
            return metrics, records, state

        metrics = jax.numpy.zeros((block[0].shape[0], n_metrics), block[0].dtype)
        records = [jax.numpy.zeros((max_epochs, *array.shape), array.dtype) for array in state[:n_recorded]]
        n_epochs = n_steps // steps_per_epoch
        metrics, records, state = jax.lax.fori_loop(0, n_epochs, run_epoch, (metrics, records, state))
        return metrics, records, state

    def compile(
        self, function: Callable[..., Any], specs: Sequence[Any], device: jax.Device, variables: Sequence[Any]
    ) -> Callable[..., Any]:
        sharding = jax.sharding.SingleDeviceSharding(device)
        shapes = _to_jax_specs(list(specs), sharding)
        lowered = jax.jit(function).lower(*shapes)
        requested: dict[str, Any] = {}
        if device.platform == "cpu":
            requested = _CPU_OPTIONS_FLOAT64 if jax.config.jax_enable_x64 else _CPU_OPTIONS
        while True:
            options = {name: value for name, value in requested.items() if name not in _unknown_options}
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


def _loop_body(step: Step, block: list[Any]) -> Callable[[Any, tuple[Any, list[Any]]], tuple[Any, list[Any]]]:
    """Return the body of a loop over steps, which carries the metrics of all steps and the state."""

    def body(i: Any, carry: tuple[Any, list[Any]]) -> tuple[Any, list[Any]]:
        metrics, state = carry
        state, row = step(state, [jax.lax.dynamic_index_in_dim(array, i, keepdims=False) for array in block])
        return jax.lax.dynamic_update_index_in_dim(metrics, jax.numpy.stack(row), i, 0), state

    return body


def _broadcast(value: Any, *, shape: Sequence[int], broadcast_dimensions: Sequence[int], **_: Any) -> np.ndarray:
    sizes = dict(zip(broadcast_dimensions, np.shape(value), strict=True))
    return np.broadcast_to(np.reshape(value, [sizes.get(axis, 1) for axis in range(len(shape))]), shape)


# JAX primitives in the initialization of optimizers -> the equivalent in NumPy
_NUMPY_PRIMITIVES: dict[str, Callable[..., np.ndarray]] = {
    "broadcast_in_dim": _broadcast,
    "convert_element_type": lambda value, *, new_dtype, **_: np.asarray(value, new_dtype),
    "copy": lambda value, **_: value,
    "mul": lambda value, other, **_: np.multiply(value, other),
}


def _evaluate(traced: Any) -> list[np.ndarray]:
    """Return the results of a traced function without arguments, computed with NumPy if it knows all primitives."""
    values = dict(zip(traced.jaxpr.constvars, traced.consts, strict=True))

    def value_of(atom: Any) -> Any:
        return np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, Literal) else values[atom]

    for equation in traced.jaxpr.eqns:
        compute = _NUMPY_PRIMITIVES.get(equation.primitive.name)
        if compute is None:
            return [np.asarray(value) for value in jax.jit(jaxpr_as_fun(traced))()]
        values[equation.outvars[0]] = compute(*map(value_of, equation.invars), **equation.params)
    return [np.array(value_of(atom)) for atom in traced.jaxpr.outvars]


def _to_jax_specs(specs: Any, sharding: Any) -> Any:
    """Convert nested lists of (shape, dtype) to JAX specs."""
    if isinstance(specs, list):
        return [_to_jax_specs(spec, sharding) for spec in specs]
    shape, dtype = specs
    return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)


ENGINE = _Jax()
