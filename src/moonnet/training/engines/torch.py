"""Keras on PyTorch: the tensor operations of a step are recorded once, and a loop in Python runs them for each batch.

Most of the time of a step is that of Keras's layers and optimizer in Python, which the recorded operations do without.
"""

import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from keras.src.backend.common import global_state  # the public API does not reveal the device of a scope
from keras.src.optimizers.base_optimizer import BaseOptimizer
from threadpoolctl import ThreadpoolController
from torch._ops import OpOverload
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode

from moonnet._keras import keras
from moonnet.networks._activations import LEAKY_SLOPE, SQRT_HALF
from moonnet.training.engines._engine import BlockNumbers, CompiledLoop, Engine, Loop, Prediction, float_dtypes

_FlatFunction = Callable[..., Sequence[torch.Tensor]]  # of tensors

# Threads for the operations of a small network would wait for each other most of the time, and much longer if other
# processes are busy. The limit is that of the calling thread: those of the caller keep theirs.
_openmp = ThreadpoolController().select(user_api="openmp")
_import_process_id = os.getpid()
_recording = threading.RLock()  # PyTorch records on one thread at a time
_MAX_SERIAL_ELEMENTS = 2**14  # of the largest array of the state

# Those of Keras with the constants with which predictions compute. PyTorch's gradient of hardsigmoid rounds 1 / 6 to
# float32.
_ACTIVATIONS = {
    "hard_sigmoid": lambda z: torch.clamp(z + 3, 0, 6) / 6,
    "gelu": lambda z: z * torch.special.erfc(-SQRT_HALF * z) / 2,
    "leaky_relu": lambda z: torch.nn.functional.leaky_relu(z, LEAKY_SLOPE),
}


class _Torch(Engine):
    survives_fork = True

    def device(self) -> torch.device:
        name = global_state.get_global_attribute("torch_device") or os.environ.get("KERAS_TORCH_DEVICE", "cpu")
        try:
            device = torch.empty((), device=name).device  # with its index
            if device.type == "meta":
                raise RuntimeError("it has no values.")
            return device
        except (AssertionError, RuntimeError) as error:
            raise ValueError(
                f"Training must run on an available device. Got the device {str(name)!r}, but PyTorch reports: {error} "
                "Select another device with keras.device."
            ) from error

    @contextmanager
    def scope(self, device: torch.device | None, widest: str) -> Iterator[None]:
        self.check_not_traced("train")
        device = self.device() if device is None else device
        is_forked = os.getpid() != _import_process_id  # then the process lacks the threads of its parent
        with (
            _openmp.limit(limits=1) if is_forked else nullcontext(),
            keras.device(str(device)),
            torch.inference_mode(mode=False),
            torch.enable_grad(),
            torch.autocast(device.type, enabled=False),
        ):
            yield

    def check_not_traced(self, what: str) -> None:
        is_transformed = torch._C._functorch.peek_interpreter_stack() is not None  # by torch.func
        if is_transformed or torch.jit.is_tracing():
            raise RuntimeError(
                f"Keras cannot {what} while PyTorch transforms or traces a function, as torch.func.grad does. Do this "
                "outside of that function."
            )

    def activation(self, name: str) -> Any:
        return _ACTIVATIONS.get(name, name)

    def optimizer_class(self, cls: Any) -> Any:
        return _plain_class(cls)

    def uniform(self, shape: Sequence[int], seed_generator: Any, dtype: str) -> torch.Tensor:
        return _uniform(seed_generator.next(), list(shape), dtype == "float64")

    def dropout(self, inputs: Any, rate: float, noise_shape: Any, seed_generator: Any) -> torch.Tensor:
        shape = [
            size if wanted is None else wanted
            for size, wanted in zip(inputs.shape, noise_shape or [None] * inputs.ndim, strict=True)
        ]
        is_kept = _uniform(seed_generator.next(), shape, False) >= rate
        return torch.where(is_kept, inputs / (1 - rate), torch.zeros_like(inputs))

    def gradients(self, function: Callable[[list[Any]], tuple[Any, Any]], arrays: list[Any]) -> tuple[list[Any], Any]:
        inputs = [array.detach().requires_grad_() for array in arrays]
        with torch.enable_grad():
            value, auxiliary = function(inputs)
        return list(torch.autograd.grad(value, inputs)), auxiliary

    def apply(
        self, optimizer: Any, gradients: list[Any], trained: Sequence[Any], weights: list[Any], state: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        variables = [*trained, *optimizer.variables]
        # Keras updates some of the arrays in place
        copies = [array.clone() for array in (*weights, *state)]
        with torch.no_grad(), keras.StatelessScope(list(zip(variables, copies, strict=True))) as scope:
            optimizer.apply(gradients, trained)
            new = [scope.get_current_value(variable) for variable in variables]
        return new[: len(trained)], new[len(trained) :]

    def compile(self, loop: Loop, device: torch.device) -> CompiledLoop:
        record = cache(partial(_record, loop, device))
        is_small = max(math.prod(shape) for shape, _ in loop.state) <= _MAX_SERIAL_ELEMENTS

        def run(numbers: np.ndarray, block: list[np.ndarray], state: list[Any]) -> tuple[Any, list[Any], list[Any]]:
            named = BlockNumbers.of(torch.from_numpy(numbers).to(device))
            n_steps, steps_per_epoch = int(named.n_steps), int(named.steps_per_epoch)
            has_penalty = numbers[BlockNumbers._fields.index("l2")] != 0
            with _recording:
                step, is_recorded = record(has_penalty=has_penalty)
            state = [torch.as_tensor(array, device=device) for array in state]
            if not is_recorded:  # by another program, such as that of a smaller batch
                state = [array.clone() if array.is_inference() else array for array in state]
            rows = zip(*(torch.from_numpy(array[:n_steps]).to(device).unbind() for array in block), strict=True)
            metrics, epochs = [], []
            # Threads add up a large array in an order that depends on their number
            is_serial = is_small or has_penalty or loop.sums_weights
            serial = _openmp.limit(limits=1) if is_serial else nullcontext()
            same_bits_in_each_call = torch.jit.optimized_execution(False)
            with serial, torch.inference_mode(is_recorded), same_bits_in_each_call:
                for number, row in enumerate(rows, start=1):
                    *state, step_metrics = step(*named, *state, *row)
                    metrics.append(step_metrics)
                    if number % steps_per_epoch == 0:
                        epochs.append(state[: loop.n_recorded])
                records = [torch.stack(arrays) for arrays in zip(*epochs, strict=True)]
                return torch.stack(metrics), records, state

        return CompiledLoop(run)

    def compile_prediction(self, model: Any, device: torch.device) -> Prediction:
        n_trainable = len(model.trainable_variables)
        is_small = all(math.prod(variable.shape) <= _MAX_SERIAL_ELEMENTS for variable in model.variables)
        precision = _KeepFloat64 if float_dtypes(model) == {"float64"} else nullcontext
        recorded: dict[int, _FlatFunction] = {}  # for each number of rows

        def infer(*tensors: torch.Tensor) -> list[torch.Tensor]:
            *state, X = tensors
            with precision(), torch.no_grad():
                outputs, _ = model.stateless_call(state[:n_trainable], state[n_trainable:], X, training=False)
            return [outputs]

        def predict(trainable: Sequence[np.ndarray], others: Sequence[np.ndarray], X: np.ndarray) -> np.ndarray:
            self.check_not_traced("predict")
            serial = _openmp.limit(limits=1) if is_small else nullcontext()
            with self.scope(device, "float64"), serial:
                tensors = [_to_tensor(array).to(device) for array in (*trainable, *others, X)]
                if len(X) not in recorded:
                    with _recording:
                        if len(X) not in recorded:
                            recorded[len(X)], _ = _recorded(infer, [tensors, _altered(tensors)])
                with torch.inference_mode(), torch.jit.optimized_execution(False):
                    [outputs] = recorded[len(X)](*tensors)
                    return np.asarray(outputs.cpu())

        return predict

    def to_numpy(self, array: Any) -> np.ndarray:
        return np.asarray(array.cpu() if isinstance(array, torch.Tensor) else array)

    def read(self, variable: Any) -> np.ndarray:
        return variable.value.detach().cpu().numpy().copy()  # the variable may change in place

    def write(self, variable: Any, value: np.ndarray) -> None:
        variable.assign(value)


@cache
def _plain_class(cls: Any) -> Any:
    """Return a class that updates weights by the formula of Keras for all backends.

    That for PyTorch in particular asks for values of tensors, and rounds to float32.
    """
    if not cls.__module__.startswith("keras."):
        return cls
    return type(cls.__name__, (cls,), {"_apply_weight_decay": BaseOptimizer._apply_weight_decay})


@torch.library.custom_op("moonnet::uniform", mutates_args=())
def _uniform(seeds: torch.Tensor, shape: list[int], is_float64: bool) -> torch.Tensor:
    """Return random numbers in [0, 1); an operator, because a generator cannot be traced."""
    first, second = int(seeds[0]), int(seeds[1])
    generator = torch.Generator(seeds.device)
    generator.manual_seed((2654435761 * first + second) & 0xFFFFFFFF)  # which has 32 bits on a CPU
    dtype = torch.float64 if is_float64 else torch.float32
    return torch.rand(shape, generator=generator, dtype=dtype, device=seeds.device)


class _KeepFloat64(TorchFunctionMode):
    """Keeps float64 arrays and Python floats in float64, which Keras on PyTorch often converts to float32."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        value = args[0] if args else None
        if isinstance(value, float) or getattr(value, "dtype", None) is torch.float64:
            args = [torch.float64 if argument is torch.float32 else argument for argument in args]
            kwargs = {k: torch.float64 if argument is torch.float32 else argument for k, argument in kwargs.items()}
        return func(*args, **kwargs)


class _RefuseValues(TorchFunctionMode):
    """Refuses to turn tensors into arrays, whose values a recording would contain as constants."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.__array__):
            raise RuntimeError("A step reads the values of a tensor.")
        return func(*args, **(kwargs or {}))


def _record(loop: Loop, device: torch.device, *, has_penalty: bool) -> tuple[_FlatFunction, bool]:
    """Return the step of a loop, and whether it is recorded.

    The step takes numbers, state and a row of each of the block's arrays. It returns the new state, and the metrics.
    """
    n_numbers, n_arrays = len(BlockNumbers._fields), len(loop.state)

    def step(*tensors: torch.Tensor) -> list[torch.Tensor]:
        numbers, arrays, row = tensors[:n_numbers], tensors[n_numbers:][:n_arrays], tensors[n_numbers + n_arrays :]
        with precision():
            named = BlockNumbers(*numbers)
            named = named if has_penalty else named._replace(l2=None)  # a fifth of the operations is for the penalty
            state, metrics = loop.step(named, list(arrays), list(row))
        new = [array.to(before.dtype) for array, before in zip(state, arrays, strict=True)]
        return [array.detach() for array in (*new, torch.stack(metrics))]

    def examples(start: float) -> list[torch.Tensor]:
        numbers = [((), loop.numbers[1])] * n_numbers
        (_, *n_values), dtype = loop.block[0]
        # Samples from 0 to 1, because a layer may take a feature for an index
        samples = _example(start, tuple(n_values), dtype) - start
        seeds = [(shape[1:], dtype) for shape, dtype in loop.block[1:]]
        before, after = ([_example(start, *spec) for spec in specs] for specs in ((*numbers, *loop.state), seeds))
        return [tensor.to(device) for tensor in (*before, samples, *after)]

    precision = _KeepFloat64 if loop.numbers[1] == "float64" else nullcontext
    return _recorded(step, map(examples, (1.0, 2.0, 1e5)))


def _recorded(function: _FlatFunction, examples: Iterable[list[torch.Tensor]]) -> tuple[_FlatFunction, bool]:
    """Return a function, and whether it is recorded: not if what it does depends on values of tensors.

    The first example of its arguments is recorded. For the others, the recorded function must return the same.
    """
    first, *others = examples
    try:
        with _RefuseValues():
            graph = make_fx(function)(*first)
        recorded = _interpreted(_simplified(graph), first)
    except RuntimeError:  # for the value of a tensor, or for a tensor that the recording holds as a constant
        return function, False
    is_equal = partial(torch.allclose, rtol=0, atol=0, equal_nan=True)
    for example in others:
        if not all(map(is_equal, recorded(*example), function(*example))):
            return function, False
    return recorded, True


def _altered(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return other arguments for a prediction that are valid for any layer, such as an Embedding of a column."""
    *state, X = tensors
    return [*(1.25 * array if array.is_floating_point() else array for array in state), (X / 2).to(X.dtype)]


def _to_tensor(array: np.ndarray) -> torch.Tensor:
    """Return an array as a tensor, without a copy unless PyTorch needs one."""
    is_usable = array.flags.writeable and array.flags.c_contiguous
    return torch.from_numpy(array if is_usable else np.array(array, order="C"))


def _example(start: float, shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    size = math.prod(shape)
    return torch.linspace(start, start + 1, size, device="cpu").reshape(shape).to(getattr(torch, dtype))


def _simplified(graph: GraphModule) -> GraphModule:
    """Remove operations that return their argument as it is, and copies if nothing changes in place."""
    aten = torch.ops.aten
    targets = {node.target for node in graph.graph.nodes if node.op == "call_function"}
    is_mutable = any(target._schema.is_mutable for target in targets if isinstance(target, OpOverload))
    same = [aten.detach.default, aten.alias.default, *([] if is_mutable else [aten.clone.default])]
    conversions = [aten.view.default, *([] if is_mutable else [aten._to_copy.default])]
    for node in graph.graph.nodes:
        is_same = node.target in same
        if node.target in conversions:
            before, after = (argument.meta["val"] for argument in (node.args[0], node))
            is_same = before.shape == after.shape and before.dtype == after.dtype
        if is_same:
            node.replace_all_uses_with(node.args[0])
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


def _interpreted(graph: GraphModule, examples: Sequence[torch.Tensor]) -> _FlatFunction:
    """Return a function that runs a graph in PyTorch's own interpreter, in half the time of Python's, if it has one."""
    try:
        from torch.jit._trace import _trace_impl  # of torch.jit.trace, which is deprecated, without its warning
    except ImportError:
        return graph.forward
    with torch.inference_mode():
        return _trace_impl(
            lambda *tensors: tuple(graph.forward(*tensors)),
            tuple(examples),
            check_trace=False,
            _compilation_unit=torch.jit.CompilationUnit(),  # by default one of the process, which keeps each function
        )


ENGINE = _Torch()
