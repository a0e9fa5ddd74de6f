"""Keras on JAX: steps are pure functions of the state, in a ``fori_loop`` that is compiled once."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import Any

import jax
import jaxlib.version
import numpy as np
from jax.extend.core import Literal, jaxpr_as_fun

from moonnet.networks._activations import LEAKY_SLOPE, SQRT_HALF
from moonnet.training.engines._engine import (
    BlockNumbers,
    Built,
    CompiledLoop,
    Engine,
    Loop,
    LoopFiles,
    LoopShapes,
    Prediction,
    float_dtypes,
)
from moonnet.training.engines._jax_files import (
    TRACED,
    arguments_of,
    compiled_from_bytes,
    compiled_name,
    compiled_to_bytes,
    traced_from_bytes,
    traced_to_bytes,
)
from moonnet.training.engines._jax_operations import with_faster_operations

# Shortens compilation on a CPU by a fifth, at no cost in run time
_CPU_OPTIONS = {"xla_backend_optimization_level": 1}

# Keras's tanh computes in float32 only; the others here have the constants with which predictions compute
_ACTIVATIONS = {
    "tanh": jax.numpy.tanh,
    "gelu": lambda z: z * jax.lax.erfc(-SQRT_HALF * z) / 2,
    "leaky_relu": lambda z: jax.nn.leaky_relu(z, LEAKY_SLOPE),
}


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

    def build(
        self, build: Callable[[Sequence[Any]], tuple[Built, Sequence[Any]]], weights: Sequence[np.ndarray]
    ) -> tuple[Built, list[np.ndarray], Callable[[Sequence[np.ndarray]], list[np.ndarray]]]:
        # Within a trace: JAX compiles a program for each operation that it runs eagerly
        built = []

        def values(*weights: Any) -> list[Any]:
            objects, variables = build(weights)
            built.append(objects)
            return [variable.value for variable in variables]

        traced = jax.make_jaxpr(values)(*weights)
        compiled = jax.jit(jaxpr_as_fun(traced))

        def values_for(weights: Sequence[np.ndarray]) -> list[np.ndarray]:
            if any(equation.primitive.name not in _NUMPY_PRIMITIVES for equation in traced.jaxpr.eqns):
                return [np.asarray(value) for value in compiled(*weights)]
            return _evaluate(traced, weights)

        return built[0], values_for(weights), values_for

    def activation(self, name: str) -> Any:
        return _ACTIVATIONS.get(name, name)

    def gradients(self, function: Callable[[list[Any]], tuple[Any, Any]], arrays: list[Any]) -> tuple[list[Any], Any]:
        gradients, auxiliary = jax.grad(function, has_aux=True)(arrays)
        return gradients, auxiliary

    def apply(
        self, optimizer: Any, gradients: list[Any], trained: Sequence[Any], weights: list[Any], state: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        weights, state = optimizer.stateless_apply(state, gradients, weights)
        return weights, state

    def compile(self, loop: Loop, device: jax.Device) -> CompiledLoop:
        arguments = arguments_of(loop, device)
        run = jax.jit(partial(_run, loop))
        traced = run.trace(*arguments)
        if device.platform != "cpu":
            return CompiledLoop(traced.lower().compile())
        fast = with_faster_operations(traced.jaxpr)
        if fast is not traced.jaxpr:
            flat_run, structure = jaxpr_as_fun(fast), jax.tree.structure(traced.out_info)
            run = jax.jit(lambda *arguments: jax.tree.unflatten(structure, flat_run(*jax.tree.leaves(arguments))))
            traced = run.trace(*arguments)
        compiled = traced.lower().compile(compiler_options=_CPU_OPTIONS)

        def to_files() -> dict[str, bytes]:
            files = {TRACED: traced_to_bytes(run, arguments)}
            with suppress(jax.errors.JaxRuntimeError):  # code that cannot be stored
                files[compiled_name(device)] = compiled_to_bytes(compiled, loop, device)
            return files

        return CompiledLoop(compiled, to_files)

    def loop_files(self, device: jax.Device) -> LoopFiles | None:
        if device.platform != "cpu":  # elsewhere, the start of Keras is a small part of the time
            return None
        versions = f"jax {jax.__version__}, jaxlib {jaxlib.version.__version__}, {_CPU_OPTIONS}"
        return LoopFiles(versions, (TRACED, compiled_name(device)))

    def loop_from_files(self, files: Mapping[str, bytes], shapes: LoopShapes, device: jax.Device) -> CompiledLoop:
        name = compiled_name(device)
        if name in files:
            with suppress(Exception):  # the compiler cannot read it, or JAX
                return CompiledLoop(compiled_from_bytes(files[name], shapes, device))
        arguments = arguments_of(shapes, device)
        run = traced_from_bytes(files[TRACED], arguments)
        compiled = run.lower(*arguments).compile(compiler_options=_CPU_OPTIONS)
        return CompiledLoop(compiled, lambda: {name: compiled_to_bytes(compiled, shapes, device)})

    def compile_prediction(self, model: Any, device: jax.Device) -> Prediction:
        options = _CPU_OPTIONS if device.platform == "cpu" else {}
        compiled = jax.jit(partial(_infer, model), compiler_options=options)
        widest = "float64" if "float64" in float_dtypes(model) else "float32"
        sizes: set[int] = set()  # for which it has been compiled
        compiling = threading.Lock()  # Keras's layers hold what they trace

        def predict(trainable: Sequence[np.ndarray], others: Sequence[np.ndarray], X: np.ndarray) -> np.ndarray:
            with self.scope(device, widest), nullcontext() if len(X) in sizes else compiling:
                outputs = np.asarray(compiled(list(trainable), list(others), X))
            sizes.add(len(X))
            return outputs

        return predict

    def read(self, variable: Any) -> np.ndarray:
        return np.asarray(variable.value)

    def write(self, variable: Any, value: np.ndarray) -> None:
        variable.assign(value)


def _run(loop: Loop, numbers: Any, block: list[Any], state: list[Any]) -> tuple[Any, list[Any], list[Any]]:
    """Run a loop; this is what is compiled."""
    named = BlockNumbers.of(numbers)
    metrics = jax.numpy.zeros((block[0].shape[0], loop.n_metrics), block[0].dtype)
    records = [jax.numpy.zeros((loop.max_epochs, *array.shape), array.dtype) for array in state[: loop.n_recorded]]

    def run_step(i: Any, carry: tuple[Any, list[Any]]) -> tuple[Any, list[Any]]:
        metrics, state = carry
        row = [jax.lax.dynamic_index_in_dim(array, i, keepdims=False) for array in block]
        state, step_metrics = loop.step(named, state, row)
        return jax.lax.dynamic_update_index_in_dim(metrics, jax.numpy.stack(step_metrics), i, 0), state

    def run_epoch(epoch: Any, carry: tuple[Any, list[Any], list[Any]]) -> tuple[Any, list[Any], list[Any]]:
        metrics, records, state = carry
        begin = epoch * steps_per_epoch
        metrics, state = jax.lax.fori_loop(begin, begin + steps_per_epoch, run_step, (metrics, state))
        records = [
            jax.lax.dynamic_update_index_in_dim(record, array, epoch, 0)
            for record, array in zip(records, state, strict=False)
        ]
        return metrics, records, state

    n_steps, steps_per_epoch = named.n_steps.astype("int32"), named.steps_per_epoch.astype("int32")
    if not records:
        metrics, state = jax.lax.fori_loop(0, n_steps, run_step, (metrics, state))
        return metrics, records, state
    return jax.lax.fori_loop(0, n_steps // steps_per_epoch, run_epoch, (metrics, records, state))


def _infer(model: Any, trainable: list[Any], others: list[Any], X: Any) -> Any:
    """Return the outputs of a Keras model; this is what is compiled."""
    outputs, _ = model.stateless_call(trainable, others, X, training=False)
    return outputs


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


def _evaluate(traced: Any, arguments: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the results of a traced function, whose primitives NumPy has, in a fraction of the time to compile it."""
    values = dict(zip(traced.jaxpr.constvars, traced.consts, strict=True))
    values |= dict(zip(traced.jaxpr.invars, arguments, strict=True))

    def value_of(atom: Any) -> Any:
        return np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, Literal) else values[atom]

    for equation in traced.jaxpr.eqns:
        compute = _NUMPY_PRIMITIVES[equation.primitive.name]
        values[equation.outvars[0]] = compute(*map(value_of, equation.invars), **equation.params)
    return [np.array(value_of(atom)) for atom in traced.jaxpr.outvars]


ENGINE = _Jax()
