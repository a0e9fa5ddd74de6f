"""What a network is: how it starts, what it computes, and the Keras model of it. No module imports Keras by itself."""

from moonnet.networks._activations import ACTIVATIONS
from moonnet.networks._dense_stack import DenseStack
from moonnet.networks._network import Network, State, equal_arrays

__all__ = ["ACTIVATIONS", "DenseStack", "Network", "State", "equal_arrays"]
