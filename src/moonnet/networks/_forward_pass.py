"""The forward pass of a Keras model in NumPy, read from the model's configuration, without Keras."""

import inspect
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from moonnet.networks import _numpy_operations as operations
from moonnet.networks._numpy_layers import (
    BUILDERS,
    FLOATS,
    FOR_INTEGERS,
    WITHOUT_AUTOCAST,
    Builder,
    Plan,
    Scope,
    Step,
    Tensor,
    UnknownError,
    require,
)

# Size of the largest value of one chunk of rows: a quarter of a typical level-2 cache
_CHUNK_BYTES = 2**18


@dataclass(frozen=True)
class ForwardPass:
    """The steps of a model's prediction. Each treats samples independently, and the last one computes the output."""

    dtype: str  # of the input
    steps: tuple[Step, ...]
    n_rows: int  # in a chunk

    def __call__(self, X: np.ndarray, arrays: Mapping[str, Mapping[str, np.ndarray]]) -> np.ndarray:
        """Return a new array, the model's output for X, shape (n_samples, n_features), with these arrays of its layers.

        ``arrays`` maps the name of each layer to a mapping from Keras's names of its variables, such as "kernel", to
        arrays of the dtype of the layer's policy. In a nested model, the name of a layer follows that of the model:
        "sequential/dense". Raises ValueError for an index that an embedding does not have.
        """
        if len(X) <= self.n_rows:
            return self._run(X, arrays)
        return np.concatenate([self._run(X[i : i + self.n_rows], arrays) for i in range(0, len(X), self.n_rows)])

    def _run(self, X: np.ndarray, arrays: Mapping[str, Mapping[str, np.ndarray]]) -> np.ndarray:
        values = [X.astype(self.dtype, copy=False)]
        for operation, layer, inputs in self.steps:
            values.append(operation({} if layer is None else arrays[layer], *[values[i] for i in inputs]))
        return values[-1]


def forward_pass(config: dict[str, Any]) -> ForwardPass | None:
    """Return the forward pass of a functional Keras model with one input of shape (n_features,) and one output.

    ``config`` is the model's ``get_config()``. Returns None if it has a layer, an operation, a setting or a dtype that
    is not known here; a setting of a later version of Keras is refused, not ignored.
    """
    try:
        return _known_forward_pass(config)
    except UnknownError:
        return None


def unknown_layer(config: dict[str, Any]) -> str | None:
    """Return name and class of the first layer that ``forward_pass`` does not know, or not with its settings."""
    try:
        _known_forward_pass(config)
    except UnknownError as error:
        return error.layer
    return None


def _known_forward_pass(config: dict[str, Any]) -> ForwardPass:
    plan = Plan()
    config = _read(config)
    shape, dtype = _input_spec(config["layers"], config["input_layers"])
    require(len(shape) == 1)
    output = _build(_functional, Scope(plan), [Tensor(0, shape, dtype)], config)
    require(output.index == len(plan.steps))  # as Keras keeps only the layers that the output needs
    n_rows = _CHUNK_BYTES // (8 * max(plan.largest, *shape))
    return ForwardPass(dtype, _with_copies(plan.steps), max(1, n_rows))


def _with_copies(steps: list[Step]) -> tuple[Step, ...]:
    """Return the steps, and steps that copy what another would overwrite while it is still needed.

    The output, which is the result of the last step, gets memory of its own.
    """
    n_uses = Counter(i for step in steps for i in step.inputs)
    result: list[Step] = []
    indices = [0]  # of each value in the result
    is_owned = [False]  # whether only the value itself has its memory
    for operation, layer, inputs in steps:
        first = inputs[0]
        is_free = is_owned[first] and n_uses[first] == 1
        new_inputs = [indices[i] for i in inputs]
        if operation.is_in_place and not is_free:
            result.append(Step(operations.Copy(), None, (new_inputs[0],)))
            new_inputs[0] = len(result)
        result.append(Step(operation, layer, tuple(new_inputs)))
        indices.append(len(result))
        is_owned.append(is_free or not operation.is_view)
    if not is_owned[-1]:
        result.append(Step(operations.Copy(), None, (len(result),)))
    return tuple(result)


# Reading the graph


def _read(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with lists in place of tuples, as a file has it."""
    try:
        return json.loads(json.dumps(config))
    except TypeError:  # it has an object of the user
        raise UnknownError from None


def _input_spec(layers: list[dict[str, Any]], input_layers: Any) -> tuple[tuple[int, ...], str]:
    """Return shape of one sample and dtype of a functional model's only input."""
    name, _ = _tensor_key(input_layers)
    (layer,) = (layer for layer in layers if layer["name"] == name)
    return _input_layer_spec(layer)


def _input_layer_spec(layer: dict[str, Any]) -> tuple[tuple[int, ...], str]:
    require((layer["module"], layer["class_name"]) == ("keras.layers", "InputLayer"))
    settings = dict(layer["config"])
    (batch, *shape), dtype = settings.pop("batch_shape"), settings.pop("dtype")
    del settings["name"]
    require(batch is None and None not in shape and dtype in FLOATS and not any(settings.values()))
    require(settings.keys() <= {"sparse", "ragged", "optional"})
    return tuple(shape), dtype


def _tensor_key(history: Any) -> tuple[str, int]:
    """Return name of a layer and index of its call, whose only result is meant."""
    require(isinstance(history, list))
    if len(history) == 1:  # a model with a list of one input or output
        (history,) = history
    require(len(history) == 3 and isinstance(history[0], str))
    name, call, tensor = history
    require(tensor == 0)
    return name, call


def _functional(scope: Scope, x: Tensor, *, layers: list[Any], input_layers: Any, output_layers: Any) -> Tensor:
    shape, dtype = _input_spec(layers, input_layers)
    require(x.shape == shape)
    results = {_tensor_key(input_layers): scope.cast(x, dtype)}
    calls = [(layer, call) for layer in layers for call in enumerate(layer["inbound_nodes"])]
    while calls:
        waiting = []
        for layer, (index, node) in calls:
            if all(key in results for key in _tensors_of(node["args"])):
                with _naming(layer):
                    results[layer["name"], index] = _call(scope, layer, node, results)
            else:
                waiting.append((layer, (index, node)))  # for a layer that is called several times
        require(len(waiting) < len(calls))
        calls = waiting
    name, index = _tensor_key(output_layers)
    if (name, index) in results and len(results) == 1:  # a model without layers
        return results[name, index]
    (layer,) = (layer for layer in layers if layer["name"] == name)
    # Keras counts the calls of a nested functional model from 1 here, and from 0 elsewhere
    return results[name, index - 1 if (layer["module"], layer["class_name"]) == _FUNCTIONAL else index]


def _sequential(scope: Scope, x: Tensor, *, layers: list[Any], build_input_shape: Any = None) -> Tensor:
    first, *others = layers
    shape, dtype = _input_layer_spec(first)
    require(x.shape == shape)
    x = scope.cast(x, dtype)
    for layer in others:
        with _naming(layer):
            x = _build_layer(scope, layer, [x])
    return x


@contextmanager
def _naming(layer: dict[str, Any]) -> Iterator[None]:
    """Name the layer in errors, unless they name one that is in it."""
    try:
        yield
    except UnknownError as error:
        error.layer = error.layer or f"{layer['config'].get('name')!r} ({layer['class_name']})"
        raise


def _tensors_of(argument: Any) -> Iterator[tuple[str, int]]:
    """Yield the keys of the tensors in arguments of a call."""
    if isinstance(argument, list):
        for item in argument:
            yield from _tensors_of(item)
    elif _is_tensor(argument):
        yield _tensor_key(argument["config"]["keras_history"])


def _is_tensor(argument: Any) -> bool:
    return isinstance(argument, dict) and argument.get("class_name") == "__keras_tensor__"


def _call(scope: Scope, layer: dict[str, Any], node: dict[str, Any], results: dict[tuple[str, int], Tensor]) -> Any:
    """Append the steps of a call, and return its result."""
    require(node.keys() == {"args", "kwargs"})
    require(node["kwargs"].keys() <= {"mask", "training"})
    require(node["kwargs"].get("mask") is None and not node["kwargs"].get("training"))

    def resolve(argument: Any) -> Any:
        if isinstance(argument, list):
            return [resolve(item) for item in argument]
        if not _is_tensor(argument):
            return argument
        spec = argument["config"]
        tensor = results[_tensor_key(spec["keras_history"])]
        require(spec.keys() == {"shape", "dtype", "keras_history"} and spec["shape"] == [None, *tensor.shape])
        # On JAX and PyTorch, Keras declares the results of its operations as float32 even if it computes in float64
        require(spec["dtype"] == tensor.dtype or (spec["dtype"], tensor.dtype) == FLOATS)
        return tensor

    return _build_layer(scope, layer, resolve(node["args"]))


def _builder(layer: dict[str, Any]) -> Builder:
    name = layer["class_name"]
    builder = _BUILDERS.get((layer["module"], name))
    if builder is None or layer.get("registered_name") not in (None, name):
        raise UnknownError
    return builder


def _build_layer(scope: Scope, layer: dict[str, Any], args: list[Any]) -> Tensor:
    """Append the steps of a layer or an operation that is called with these arguments, and return its result."""
    builder, config = _builder(layer), dict(layer["config"])
    if layer["module"] in _MODULES_OF_LAYERS:
        path = f"{scope.path}/{config['name']}" if scope.path else config["name"]
        scope = replace(scope, path=path)
        if builder is not _functional:  # which has no dtype of its own
            scope = replace(scope, dtype=_compute_dtype(config.pop("dtype")))
        require(len(args) == 1)
        args = args[0] if isinstance(args[0], list) else args
        require(all(isinstance(x, Tensor) for x in args))
        if builder not in (_functional, _sequential, *WITHOUT_AUTOCAST):
            args = [scope.cast(x, scope.dtype) if x.dtype in FLOATS else x for x in args]
    if builder not in FOR_INTEGERS:
        require(all(x.dtype in FLOATS for x in args if isinstance(x, Tensor)))
    return _build(builder, scope, args, config)


def _compute_dtype(policy: Any) -> str:
    """Return the dtype in which layers of a policy compute and hold their variables."""
    if isinstance(policy, dict):
        require(policy["class_name"] == "DTypePolicy" and policy["config"].keys() == {"name"})
        policy = policy["config"]["name"]
    require(policy in FLOATS)
    return policy


def _build(builder: Builder, scope: Scope, args: list[Any], config: dict[str, Any]) -> Tensor:
    """Call the builder with the settings, of which it must know all that matter to a prediction."""
    settings = {
        name: value
        for name, value in config.items()
        if name not in ("name", "trainable") and not name.endswith(("_initializer", "_regularizer", "_constraint"))
    }
    try:
        inspect.signature(builder).bind(scope, *args, **settings)
    except TypeError:
        raise UnknownError from None
    return builder(scope, *args, **settings)


_FUNCTIONAL = "keras.src.models.functional", "Functional"
_MODULES_OF_LAYERS = {"keras", "keras.layers", _FUNCTIONAL[0]}  # others are those of operations
_BUILDERS: dict[tuple[str, str], Builder] = {
    **BUILDERS,
    ("keras", "Sequential"): _sequential,
    _FUNCTIONAL: _functional,
}
