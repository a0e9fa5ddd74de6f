"""The layers of a network as an ONNX graph."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from moonnet.networks import DenseStack, KerasNetwork, Network, State
from moonnet.networks._forward_pass import ForwardPass
from moonnet.networks._keras_network import OUTPUT_LAYER
from moonnet.networks._numpy_operations import Cast, Embedding, Weights
from moonnet.onnx._activations import ACTIVATIONS
from moonnet.onnx._operations import CONVERTERS
from moonnet.onnx._operators import Operators

# Adds the nodes of a value to the graph, and returns the value as an input of others. Without it, skl2onnx would take
# time that grows exponentially with the number of layers, because it follows each path through the graph.
AddToGraph = Callable[[Any], Any]


def check_network(estimator: Any) -> None:
    """Raise ValueError if a fitted estimator's network has layers that are not converted."""
    network = estimator._network
    if not network.predicts_in_numpy:
        unknown = f"the layer {network.unknown_layer}" if network.unknown_layer else network.describe()
        raise ValueError(
            f"The hidden_layers of {type(estimator).__name__} must be layers that moonnet computes in NumPy, with "
            f"their settings, for the conversion to ONNX. Got {unknown} instead. "
            "Keras's own conversion is model_.export(path, format='onnx')."
        )


def raw_outputs(op: Operators, network: Network, state: State, X: Any, add: AddToGraph) -> Any:
    """Return the outputs before the last activation, in the dtype of the operators."""
    if isinstance(network, KerasNetwork):
        return _outputs_of_keras_network(op, network, state, X, add)
    assert isinstance(network, DenseStack)

    def dense(values: Any, kernel: np.ndarray, bias: np.ndarray) -> Any:
        return op.Add(op.MatMul(values, kernel.astype(op.dtype)), bias.astype(op.dtype))

    *hidden, output = zip(DenseStack.coefs(state), DenseStack.intercepts(state), strict=True)
    for layer in hidden:
        X = add(dense(X, *layer))
        X = add(ACTIVATIONS[network.activation](op, X))
    return dense(X, *output)


def _outputs_of_keras_network(op: Operators, network: KerasNetwork, state: State, X: Any, add: AddToGraph) -> Any:
    """Return the outputs of layers that have their own dtypes, or float32 if that is the dtype of the operators."""
    assert network.hidden_pass is not None  # as check_network has found
    arrays = network.arrays_of_layers(state)
    hidden, hidden_dtype = _run(op, network.hidden_pass, arrays, X, add)
    output = _narrow_arrays(arrays[OUTPUT_LAYER], op.dtype)
    dtype = output["kernel"].dtype.type
    of_output = Operators(dtype, op.opset)
    if hidden_dtype is not dtype:
        hidden = of_output.to_float(hidden)
    outputs = of_output.Add(of_output.MatMul(hidden, output["kernel"]), output["bias"])
    return outputs if dtype is op.dtype else op.to_float(outputs)


def _run(
    op: Operators, hidden_pass: ForwardPass, arrays: Mapping[str, Weights], X: Any, add: AddToGraph
) -> tuple[Any, type]:
    """Return the result of the pass and its dtype."""
    dtype = _narrow(hidden_pass.dtype, op.dtype)
    values = [(X if dtype is op.dtype else add(Operators(dtype, op.opset).to_float(X)), dtype)]
    for operation, layer, inputs in hidden_pass.steps:
        weights = {} if layer is None else _narrow_arrays(arrays[layer], op.dtype)
        _, dtype = values[inputs[0]]
        if isinstance(operation, Cast):
            dtype = _narrow(operation.dtype, op.dtype)
        elif isinstance(operation, Embedding):
            dtype = weights["embeddings"].dtype.type
        convert = CONVERTERS[type(operation)]
        result = convert(Operators(dtype, op.opset), operation, weights, *(values[i][0] for i in inputs))
        values.append((add(result), dtype))
    return values[-1]


def _narrow_arrays(arrays: Weights, widest: type) -> dict[str, np.ndarray]:
    """Return arrays of float64 as float32 in a graph of float32."""
    return {name: array.astype(_narrow(array.dtype, widest), copy=False) for name, array in arrays.items()}


def _narrow(dtype: Any, widest: type) -> type:
    """Return the dtype, or float32 in place of float64 in a graph of float32."""
    found = np.dtype(dtype).type
    return np.float32 if found is np.float64 and widest is np.float32 else found
