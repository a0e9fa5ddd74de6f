"""What a network is: how it starts, what it computes, and the Keras model of it. No module imports Keras by itself."""

from typing import Any

from moonnet.networks._activations import ACTIVATIONS
from moonnet.networks._dense_stack import DenseStack
from moonnet.networks._hidden_layers import HiddenLayers, function_and_arguments, remedy_for_layers
from moonnet.networks._keras_network import KerasNetwork
from moonnet.networks._network import ModelOptions, Network, State, equal_arrays
from moonnet.networks._own_layers import layers_to_pickle, resolve_hidden_layers

__all__ = [
    "ACTIVATIONS",
    "DenseStack",
    "HiddenLayers",
    "KerasNetwork",
    "ModelOptions",
    "Network",
    "State",
    "equal_arrays",
    "function_and_arguments",
    "layers_to_pickle",
    "network_from_dict",
    "remedy_for_layers",
    "resolve_hidden_layers",
]


def network_from_dict(values: dict[str, Any]) -> Network:
    """Return the network of which ``to_dict`` returned the values."""
    return KerasNetwork.from_dict(values) if "config" in values else DenseStack(**values)
