"""A network of Keras layers that a user has chosen, followed by a Dense output layer."""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from scipy import sparse

from moonnet.networks._deferred_values import seeded, without_values
from moonnet.networks._forward_pass import ForwardPass, forward_pass, unknown_layer
from moonnet.networks._hidden_layers import class_names
from moonnet.networks._initializers import initial_values
from moonnet.networks._network import ModelOptions, Network, State

OUTPUT_LAYER = "output"
# Rows of a sparse X that are dense at a time
_DENSE_ROWS = 1024


class Variable(NamedTuple):
    """A variable of a network's Keras model."""

    path: str  # the names of nested models if any, of the layer and of the variable, such as "dense/kernel"
    shape: tuple[int, ...]
    dtype: str
    trainable: bool
    initializer: str  # JSON: Keras's form of an initializer, or of a SeedGenerator; null for a function of the layer
    regularizer: str = "null"  # JSON


@dataclass(frozen=True)
class KerasNetwork(Network):
    """Hidden layers of any kind, and a Dense output layer.

    The trainable arrays of a state are in the order of the model's trainable variables. The other arrays are moving
    averages, arrays of layers that are not trained, and the states of seed generators.
    """

    config: str  # JSON of Keras's configuration of the hidden layers, a functional model with one input
    variables: tuple[Variable, ...]  # trainable ones first; the last of these are kernel and bias of the output layer
    mixes_samples: bool  # whether a sample of a batch changes what the others contribute to a step
    objects: tuple[Any, ...] = ()  # the registered classes and functions of the user's that the layers name

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the network of which ``to_dict`` returned the values."""
        variables = tuple(Variable(path, tuple(shape), *rest) for path, shape, *rest in values["variables"])
        return cls(**dict(values) | {"variables": variables})

    def to_dict(self) -> dict[str, Any]:
        """Return the network as plain values."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "objects"}
        return values | {"variables": [tuple(variable) for variable in self.variables]}

    @cached_property
    def n_features(self) -> int:
        """The number of inputs."""
        return n_features_of(self.config)

    @cached_property
    def n_outputs(self) -> int:
        """The number of outputs."""
        return next(variable.shape[0] for variable in self.variables if variable.path == f"{OUTPUT_LAYER}/bias")

    @cached_property
    def n_layers(self) -> int:
        """The number of layers, including those of input and output."""
        return len(json.loads(self.config)["layers"]) + 1

    def describe(self) -> str:
        """Return the kinds of the hidden layers."""
        return f"a network with the hidden layers [{', '.join(class_names(self.config))}]"

    @property
    def has_independent_samples(self) -> bool:
        """Whether padding an incomplete batch changes nothing."""
        return not self.mixes_samples

    @property
    def n_weights(self) -> int:
        """The number of elements in the trainable arrays."""
        return sum(math.prod(variable.shape) for variable in self.variables if variable.trainable)

    @cached_property
    def dtype(self) -> str:
        """The dtype of the outputs, float32 or float64, in which the network is trained."""
        return next(variable.dtype for variable in self.variables if variable.path == f"{OUTPUT_LAYER}/kernel")

    def compute_dtype(self, default: str) -> str:
        """Return the dtype of the output layer, which follows the hidden layers."""
        return self.dtype

    @cached_property
    def has_penalty(self) -> bool:
        """Whether a layer regularizes its weights."""
        return any(variable.regularizer != "null" for variable in self.variables)

    def penalty(self, state: State) -> float:
        """Return the sum of the penalties of the weights."""
        penalties = (
            _penalty(json.loads(variable.regularizer), array)
            for variable, array in zip(self.variables, state.arrays, strict=True)
            if variable.regularizer != "null"
        )
        return float(sum(penalties))

    def fitted_state(self, state: State, dtype: np.dtype) -> State:
        """Return the state itself, because layers have their own dtypes."""
        return state

    def check_samples(self, X: Any) -> None:
        """Raise ValueError if an embedding lacks an index in X; engines would train on other numbers instead."""
        if self.predicts_in_numpy and any(variable.path.endswith("/embeddings") for variable in self.variables):
            zeros = [np.zeros(variable.shape, variable.dtype) for variable in self.variables]
            with np.errstate(all="ignore"):  # of zeros
                self.raw_predictions(X, State(zeros))

    def initial_state(self, rng: np.random.Generator, dtype: str) -> State:
        """Return arrays as the initializers of the layers describe them, drawn from the generator."""
        made = self._values_of_functions(rng) if any(v.initializer == "null" for v in self.variables) else {}
        arrays = [
            made[index] if index in made else _initial_array(variable, rng)
            for index, variable in enumerate(self.variables)
        ]
        n_trainable = sum(variable.trainable for variable in self.variables)
        return State(arrays[:n_trainable], arrays[n_trainable:])

    def _values_of_functions(self, rng: np.random.Generator) -> dict[int, np.ndarray]:
        """Return the first values of the variables that a function of their layer makes, by their indices."""
        from moonnet._keras import keras

        with without_values(), seeded(int(rng.integers(2**31))):
            model = hidden_model(json.loads(self.config))
            n_hidden = len(model.trainable_variables)  # the output layer follows, whose initializers are known
            made = dict(enumerate(model.trainable_variables))
            made |= dict(enumerate(self.other_variables(model), start=n_hidden + 2))
            return {
                index: keras.ops.convert_to_numpy(variable._initializer(variable.shape, dtype=variable.dtype))
                for index, variable in made.items()
                if self.variables[index].initializer == "null"
            }

    @cached_property
    def hidden_pass(self) -> ForwardPass | None:
        """The hidden layers in NumPy, or None if NumPy does not know all of them."""
        return forward_pass(json.loads(self.config))

    @property
    def predicts_in_numpy(self) -> bool:
        """Whether ``raw_predictions`` works."""
        return self.hidden_pass is not None

    @property
    def unknown_layer(self) -> str | None:
        """Name and class of the first layer that NumPy does not know, or not with its settings."""
        return unknown_layer(json.loads(self.config))

    def arrays_of_layers(self, state: State) -> dict[str, dict[str, np.ndarray]]:
        """Return the arrays of each layer by Keras's names, as the pass takes them, and those of the output layer."""
        arrays: defaultdict[str, dict[str, np.ndarray]] = defaultdict(dict)  # layers may have none
        for variable, array in zip(self.variables, state.arrays, strict=True):
            layer, _, name = variable.path.rpartition("/")
            arrays[layer][name] = array
        return arrays

    def raw_predictions(self, X: Any, state: State) -> np.ndarray:
        """Return the outputs."""
        assert self.hidden_pass is not None  # of a network that predicts in NumPy
        arrays = self.arrays_of_layers(state)
        output = arrays[OUTPUT_LAYER]
        if sparse.issparse(X):
            chunks = (X[start : start + _DENSE_ROWS].toarray() for start in range(0, X.shape[0], _DENSE_ROWS))
            hidden = np.concatenate([self.hidden_pass(rows, arrays) for rows in chunks])
        else:
            hidden = self.hidden_pass(X, arrays)
        return hidden.astype(self.dtype, copy=False) @ output["kernel"] + output["bias"]

    def raw_predictions_of_each(self, X: Any, stacked: State) -> Iterator[np.ndarray]:
        """Yield the outputs of stacked networks one by one."""
        for index in range(len(stacked.trainable[0])):
            yield self.raw_predictions(X, stacked.view_of(index))[np.newaxis]

    def penalized(self, trainable: Sequence[Any]) -> Sequence[Any]:
        """Return nothing: layers have their own regularizers."""
        return []

    @staticmethod
    def other_variables(model: Any) -> list[Any]:
        """Return the variables that are not trained."""
        return list(model.non_trainable_variables)

    def build(self, options: ModelOptions) -> Any:
        """Return a new ``keras.Model``. Only the output layer has options, without a dtype, which is its own."""
        from moonnet._keras import keras

        hidden = hidden_model(_adapted(json.loads(self.config), options.replacements))
        own = {"dtype": self.dtype, "name": OUTPUT_LAYER}
        outputs = keras.layers.Dense(self.n_outputs, **options.output_layer | own)(hidden.output)
        for layer in options.last_layers:
            outputs = layer(outputs)
        model = keras.Model(hidden.input, outputs, name="functional")
        for generator in seed_generators(model):
            if generator._initial_seed is None:
                generator._initial_seed = 0  # else Keras on PyTorch drops out by a global generator
        return model


def n_features_of(config: str) -> int:
    """Return the number of inputs of hidden layers of this configuration."""
    (inputs,) = [layer for layer in json.loads(config)["layers"] if layer["class_name"] == "InputLayer"]
    return int(inputs["config"]["batch_shape"][1])


def seed_generators(model: Any) -> list[Any]:
    """Return the seed generators of a model's layers."""
    from moonnet._keras import keras

    attributes = (value for layer in model._flatten_layers() for value in vars(layer).values())
    return [value for value in attributes if isinstance(value, keras.random.SeedGenerator)]


def hidden_model(config: dict[str, Any]) -> Any:
    """Return a new Keras model from the configuration of hidden layers. Raises ValueError."""
    from moonnet._keras import keras

    try:
        return keras.Model.from_config(config)
    except TypeError as error:
        check_is_known(error)
        raise


def check_is_known(error: Exception) -> None:
    """Raise ValueError if an error of Keras is that it does not know a class or a function."""
    missing = re.search(r"Could not locate (class|function) '([^']*)'", str(error))
    if missing:
        raise ValueError(
            "Every class and function in 'hidden_layers' must be registered with Keras in this process. Got the "
            f"{missing[1]} {missing[2]}, which is not. Decorate it with "
            "@keras.saving.register_keras_serializable('my_package'), and import the module in which it is."
        ) from error


def _adapted(config: Any, replacements: Mapping[str, str]) -> Any:
    """Return a configuration of layers with other classes in place of some."""
    if isinstance(config, list):
        return [_adapted(item, replacements) for item in config]
    if not isinstance(config, dict):
        return config
    adapted = {name: _adapted(value, replacements) for name, value in config.items()}
    if config.get("module") == "keras.layers" and config["class_name"] in replacements:
        adapted |= {"module": None, "registered_name": replacements[config["class_name"]]}
    return adapted


def _initial_array(variable: Variable, rng: np.random.Generator) -> np.ndarray:
    """Return a variable's first value."""
    initializer = json.loads(variable.initializer)
    if initializer["class_name"] == "SeedGenerator":
        seed = initializer["config"]["seed"]
        drawn = int(rng.integers(2**31))
        return np.array([drawn if seed is None else seed, 0], variable.dtype)
    values = initial_values(initializer, variable.shape, rng)
    if values is None:
        values = _values_of_keras(initializer, variable, int(rng.integers(2**31)))
    return np.asarray(values, variable.dtype)


def _penalty(regularizer: dict[str, Any], array: np.ndarray) -> float:
    """Return the penalty of a regularizer."""
    if regularizer["module"] == "keras.regularizers" and regularizer["class_name"] in ("L1", "L2", "L1L2"):
        factors = regularizer["config"]
        return float(factors.get("l1", 0) * np.abs(array).sum() + factors.get("l2", 0) * np.square(array).sum())
    from moonnet._keras import keras

    penalty = keras.regularizers.deserialize(regularizer)(keras.ops.convert_to_tensor(array))
    return float(keras.ops.convert_to_numpy(penalty))


def _values_of_keras(initializer: dict[str, Any], variable: Variable, seed: int) -> np.ndarray:
    """Return the values of an initializer that only Keras knows, with this seed unless it has its own."""
    from moonnet._keras import keras

    settings = dict(initializer["config"])
    if settings.get("seed", 0) is None:
        settings["seed"] = seed
    with seeded(seed):
        values = keras.initializers.deserialize(initializer | {"config": settings})(variable.shape, variable.dtype)
        return keras.ops.convert_to_numpy(values)
