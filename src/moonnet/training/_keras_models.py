"""The Keras models of a network: the one that a program compiles, and the one that users get."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from moonnet import losses
from moonnet._keras import keras
from moonnet.losses._loss import Objective
from moonnet.networks import ModelOptions, Network, State
from moonnet.networks._deferred_values import initialize_seeds, set_to_zero, without_values
from moonnet.training.engines import engine


class _RuntimeDropout(keras.layers.Layer):
    """Keras's Dropout with the rate in a variable, and with seeds that the training loop draws."""

    def __init__(self, rate: Any, seed_generator: Any, *, name: str, dtype: str) -> None:
        super().__init__(name=name, dtype=dtype)
        self.rate = rate
        self.seed_generator = seed_generator

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        # A mask of shape (batch_size, units); as in Keras, the remaining values are scaled up
        uniform = engine.uniform(keras.ops.shape(inputs), self.seed_generator, self.compute_dtype)
        return keras.ops.where(uniform >= self.rate, inputs / (1 - self.rate), 0)


@keras.saving.register_keras_serializable("moonnet")
class EngineDropout(keras.layers.Dropout):
    """Keras's Dropout, with random numbers that the engine can compile or record."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or not 0 < self.rate < 1:
            return super().call(inputs, training)
        return engine.dropout(inputs, self.rate, self.noise_shape, self.seed_generator)


def training_model(network: Network, dtype: str, dropout: tuple[Any, Any] | None) -> Any:
    """Return the Keras model that a program compiles: its output layer has no activation, and its weights are zero.

    ``dropout`` is a variable for the rate and a SeedGenerator, or None.
    """
    with without_values():
        options = ModelOptions(
            dense={"dtype": dtype},
            activation=engine.activation,
            dropout=dropout and partial(_RuntimeDropout, *dropout, dtype=dtype),
            dtype=dtype,
            replacements={"Dropout": "moonnet>EngineDropout"},
        )
        model = network.build(options)
    set_to_zero(model)
    return model


class Regularization(NamedTuple):
    """The dropout rate, and the factors of the L2 penalty."""

    dropout: float
    hidden_l2: float
    output_l2: float


def user_model(
    network: Network,
    state: State,
    objective: Objective,
    optimizer: Any,
    regularization: Regularization,
    dtype: str | None = None,
) -> Any:
    """Return a compiled Keras model with the estimator's predictions; ``dtype`` None means Keras's dtype policy.

    With ``objective.rescaling``, a last layer converts the outputs to the unit of y.
    """
    loss, rescaling, dropout = objective.loss, objective.rescaling, regularization.dropout
    of_dtype = {} if dtype is None else {"dtype": dtype}
    link = loss.keras_link(keras, network.n_outputs, network.compute_dtype(dtype or keras.config.floatx()))

    def by_target(values: Any) -> Any:  # of several columns of y; those of each have an axis of their own
        return [[value] for value in values] if loss.outputs_per_target > 1 and isinstance(values, list) else values

    regularizers = [{"kernel_regularizer": keras.regularizers.L2(l2)} if l2 else {} for l2 in regularization[1:]]
    with without_values():
        options = ModelOptions(
            dense=of_dtype | regularizers[0],
            output=of_dtype | regularizers[1] | {"activation": loss.output_activation},
            dropout=partial(keras.layers.Dropout, dropout, **of_dtype) if dropout else None,
            link=link,
            rescaling=rescaling and keras.layers.Rescaling(*map(by_target, rescaling), name="rescaling", **of_dtype),
            dtype=dtype,
        )
        model = network.build(options)
    initialize_seeds(model)
    set_to_zero(model)
    if dtype is not None:
        model.dtype_policy = keras.DTypePolicy(dtype)  # Sequential has no such argument
    floatx = network.compute_dtype(dtype or keras.config.floatx())
    _check_range(state, rescaling or network.output_layer(state.trainable), floatx)
    variables = [*model.trainable_variables, *network.other_variables(model)]
    for variable, array in zip(variables, state.arrays, strict=True):
        variable.assign(array)
    metrics = loss.keras_metrics(keras, network.n_outputs)
    model.compile(optimizer=optimizer, loss=loss.keras_loss(losses, objective.model_parameter), metrics=metrics)
    return model


def _check_range(state: State, last_layer: tuple[Any, Any], floatx: str) -> None:
    """Raise ValueError if ``floatx`` is too narrow for the weights, or for factors and offsets in the unit of y."""
    limits = np.finfo("float32" if floatx == "bfloat16" else floatx)  # both have exponents of eight bits
    overflows = not all((np.abs(array) <= limits.max).all() for array in (*state.arrays, *last_layer))
    factors, offsets = map(np.abs, last_layer)
    largest = np.maximum(np.atleast_2d(factors).max(axis=0), offsets)  # of each output
    if overflows or ((largest > 0) & (largest < limits.tiny)).any():
        raise ValueError(
            f"The weights of this network overflow or underflow {floatx}, the float type of Keras models. Fit y in "
            "another unit, or call keras.config.set_floatx('float64')."
        )
