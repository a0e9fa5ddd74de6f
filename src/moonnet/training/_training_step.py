"""A training step: a Keras model, loss and optimizer as a function from the state of a training to the next one."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from moonnet._keras import keras
from moonnet.networks import equal_arrays
from moonnet.networks._deferred_values import without_values
from moonnet.training._flat_state import StateLayout, is_elementwise
from moonnet.training._keras_models import training_model
from moonnet.training._program_description import OptimizerStart, ProgramDescription
from moonnet.training._program_spec import ProgramSpec
from moonnet.training.engines import ArraySpec, BlockNumbers, engine

ops = keras.ops

# In a network with more weights, matrix products take most of a step's time (see _flat_state.py)
_MAX_FLAT_WEIGHTS = 2**14


@dataclass(frozen=True, eq=False)
class TrainingStep:
    """Keras objects whose variables stand for the arrays of a state; a call substitutes the arrays for them."""

    spec: ProgramSpec
    model: Any  # without the activation of the output layer
    dropout: Any  # a variable for the rate
    seeds: Any  # a SeedGenerator
    optimizer: Any
    trained: Sequence[Any]  # the variables that the optimizer updates: those of the model, or one that holds all
    others: Sequence[Any]  # the model's other variables, such as moving averages, which a step changes by itself
    layout: StateLayout

    @property
    def variables(self) -> list[Any]:
        """The variables that stand for the arrays of the state: the trained ones, the others, the optimizer's."""
        return [*self.trained, *self.others, *self.optimizer.variables]

    @property
    def finalizes_weights(self) -> bool:
        """Whether the optimizer replaces the weights at the end of training, for example by their moving average."""
        finalize = type(self.optimizer).finalize_variable_values
        return self.optimizer.use_ema or finalize is not keras.optimizers.Optimizer.finalize_variable_values

    @property
    def sums_weights(self) -> bool:
        """Whether the optimizer adds up numbers over the weights, as for a norm."""
        return not is_elementwise(self.optimizer) or self.optimizer.global_clipnorm is not None

    def __call__(self, numbers: BlockNumbers, state: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
        """Run a step on a row of a block's arrays; return the new state and the step's metrics."""
        network, loss = self.spec.network, self.spec.loss
        samples, *seeds = row
        n_trained = len(self.trained)
        # Of the state, all but the trained arrays
        others = zip([*self.others, *self.optimizer.variables], state[n_trained:], strict=True)
        values = [(self.dropout, numbers.dropout), *((self.seeds.state, pair) for pair in seeds), *others]
        X, y, sample_weight = self.spec.split_columns(samples)
        X, y = ops.reshape(X, (-1, network.n_features)), ops.reshape(y, (-1, self.spec.n_targets))
        normalized_weight = sample_weight / ops.sum(sample_weight)  # padding has weight 0, so it has no effect

        def compute_loss(weights: list[Any]) -> tuple[Any, Any]:
            mapping = [*zip(self.model.trainable_variables, weights, strict=True), *values]
            with keras.StatelessScope(mapping, collect_losses=True) as scope:
                outputs = self.model(X, training=True)
                sample_losses = loss.keras_sample_losses(keras, y, outputs, numbers.loss_parameter)
                total = ops.sum(normalized_weight * sample_losses)
                if numbers.l2 is not None:
                    total += numbers.l2 * sum(ops.sum(ops.square(array)) for array in network.penalized(weights))
                for penalty in self.model.losses:  # of layers' own regularizers
                    total += ops.cast(penalty, total.dtype)
                changed = [scope.get_current_value(variable) for variable in self.others]
                return self.optimizer.scale_loss(total), (total, outputs, changed)

        weights = self.layout.unflatten(state[:n_trained], ops)
        gradients, (total, outputs, changed) = engine.gradients(compute_loss, weights)
        trained, optimizer_state = engine.apply(
            self.optimizer,
            self.layout.flatten(gradients, ops),
            self.trained,
            state[:n_trained],
            state[n_trained + len(changed) :],
        )
        sample_metrics = loss.keras_sample_metrics(keras, y, outputs)
        metrics = [total, *(ops.sum(sample_weight * values) for values in sample_metrics)]
        return [*trained, *changed, *optimizer_state], metrics

    def finalized_arrays(self, state: Sequence[Any]) -> list[np.ndarray]:
        """Return the network's arrays by layer for a training that ends in this state. Threads must take turns."""
        for variable, value in zip(self.variables, state, strict=True):
            variable.assign(value)
        self.optimizer.finalize_variable_values(self.trained)
        return self.layout.unflatten([engine.read(variable) for variable in (*self.trained, *self.others)], np)


def build_step(
    spec: ProgramSpec,
) -> tuple[TrainingStep, ProgramDescription, Callable[[Sequence[np.ndarray]], list[np.ndarray]]]:
    """Create the Keras objects of a program, in its scope.

    Return them, a description, and a function from weights to the values with which the optimizer then starts.
    """
    weights = spec.network.initial_state(np.random.default_rng(0), spec.dtype).trainable
    with without_values():
        dropout = keras.Variable("zeros", shape=(), dtype=spec.dtype, trainable=False, name="dropout")
        seeds = keras.random.SeedGenerator(seed=0, name="seeds")
    model = training_model(spec.network, spec.dtype, (dropout, seeds) if spec.dropout else None)
    others = spec.network.other_variables(model)

    def build(values: Sequence[Any]) -> tuple[tuple[TrainingStep, Any], Sequence[Any]]:
        optimizer, trained, layout, by_array = _build_optimizers(spec, model.trainable_variables, others, values)
        step = TrainingStep(spec, model, dropout, seeds, optimizer, trained, others, layout)
        return (step, by_array), by_array.variables

    (step, optimizer), values, values_for = engine.build(build, weights)
    index = None
    if spec.optimizer.has_numeric_learning_rate:
        index = [variable is optimizer.learning_rate for variable in optimizer.variables].index(True)
    depend_on_weights = not equal_arrays(values, values_for([array + 1 for array in weights]))
    start = OptimizerStart(_dtypes(optimizer.variables), index, None if depend_on_weights else values)
    return step, _describe(step, start), values_for


def _describe(step: TrainingStep, start: OptimizerStart) -> ProgramDescription:
    """Return what a training must know about the program of a step."""
    spec = step.spec
    # Few arguments: passing one to a compiled function can take longer than a step
    block: list[ArraySpec] = [((spec.steps_per_block, spec.batch_size * spec.values_per_sample), spec.dtype)]
    if spec.dropout:
        block.append(((spec.steps_per_block, 2), step.seeds.state.dtype))
    trainable = step.model.trainable_variables  # for which Keras searches all layers
    return ProgramDescription(
        n_trainable=len(trainable),
        dtypes=_dtypes([*trainable, *step.others]),
        optimizer_start=start,
        layout=step.layout,
        n_stored_arrays=len(step.trained) + len(step.others),
        stored_dtypes=_dtypes(step.variables),
        block=block,
        # Weights that are finalized are not those that are recorded
        max_recorded_epochs=1 if step.finalizes_weights else spec.max_recorded_epochs,
    )


def _dtypes(variables: Sequence[Any]) -> list[str]:
    return [variable.dtype for variable in variables]


def _build_optimizers(
    spec: ProgramSpec, weights: Sequence[Any], others: Sequence[Any], values: Sequence[Any]
) -> tuple[Any, Sequence[Any], StateLayout, Any]:
    """Return the optimizer, the variables that it updates, the layout of the state, and an optimizer by array.

    The latter is built on the arrays of weights one by one, which have these values.
    """
    for variable, value in zip(weights, values, strict=True):
        variable.assign(value)
    by_array = _new_optimizer(spec)
    by_array.build(weights)
    n_weights = sum(math.prod(variable.shape) for variable in weights)
    if n_weights <= _MAX_FLAT_WEIGHTS and is_elementwise(by_array) and _can_be_flat(weights):
        trained: Sequence[Any] = [keras.Variable(np.zeros(n_weights, spec.dtype), dtype=spec.dtype, name="weights")]
        optimizer = _new_optimizer(spec)
        optimizer.build(trained)
        layout = StateLayout.flat(weights, others, by_array, trained, optimizer)
    else:
        trained, optimizer = weights, by_array
        layout = StateLayout.by_layer([*weights, *others, *optimizer.variables])
    return optimizer, trained, layout, by_array


def _can_be_flat(weights: Sequence[Any]) -> bool:
    """Return whether an optimizer would update one vector of all weights like the weights themselves."""
    return len({variable.dtype for variable in weights}) == 1 and all(v.constraint is None for v in weights)


def _new_optimizer(spec: ProgramSpec) -> Any:
    def constant(value: float) -> float:
        return engine.constant(spec.dtype, value)

    return spec.optimizer.build_for_training(constant)
