"""From the parameter ``hidden_layers`` to a network: its checks, its configuration, and its pickle."""

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from numbers import Integral
from typing import Any

import numpy as np

from moonnet.networks._deferred_values import seeded, without_values
from moonnet.networks._forward_pass import forward_pass
from moonnet.networks._hidden_layers import (
    HiddenLayers,
    check_arguments,
    class_names,
    is_configuration,
    remedy_for_layers,
    takes_input,
)
from moonnet.networks._keras_network import (
    OUTPUT_LAYER,
    KerasNetwork,
    Variable,
    check_is_known,
    hidden_model,
    n_features_of,
    seed_generators,
)
from moonnet.networks._plain_names import all_layers, names_of_a_new_process, with_plain_names

_EXPECTED = (
    "a list of Keras layers, an unbuilt keras.Sequential, or moonnet.HiddenLayers with a function from the input to "
    "the last hidden tensor"
)
_REGISTER = "Decorate the class or function with @keras.saving.register_keras_serializable('my_package')."


def layers_to_pickle(hidden_layers: Any, network: Any) -> Any:
    """Return what replaces the parameter in a pickle: JSON, but for a function of a network that is not fitted."""
    if hidden_layers is None or isinstance(getattr(hidden_layers, "function", None), str):
        return hidden_layers
    if isinstance(hidden_layers, HiddenLayers):
        return HiddenLayers(network.config) if isinstance(network, KerasNetwork) else hidden_layers
    if "keras" not in sys.modules:
        return hidden_layers
    from moonnet._keras import without_tensorflow

    try:
        with without_tensorflow():
            return HiddenLayers(_layers_json(hidden_layers))
    except (TypeError, ValueError):
        return hidden_layers  # fit will raise the error


def resolve_hidden_layers(
    hidden_layers: Any, n_features: int, n_outputs: int, scope: AbstractContextManager[Any]
) -> KerasNetwork:
    """Return the network of the parameter ``hidden_layers``. Raises TypeError, ValueError.

    ``scope`` is the context in which Keras objects are made.
    """
    from moonnet._keras import keras, without_tensorflow

    with scope, without_tensorflow():
        if not isinstance(hidden_layers, HiddenLayers):
            config = _config_of_list(*_with_objects(_layers_json(hidden_layers)), n_features, keras.config.floatx())
        elif is_configuration(hidden_layers.function):
            config = _config_of_pickle(hidden_layers, n_features)
        else:
            config = _config_of_function(hidden_layers, n_features)
        return _network(*_with_objects(config), n_outputs)


def _layers_json(layers: Any) -> str:
    """Return the configurations of layers as JSON."""
    from moonnet._keras import keras

    if isinstance(layers, keras.Sequential):
        if layers.built:
            raise ValueError(
                f"The 'hidden_layers' parameter must be an unbuilt model, without keras.Input, because fit knows the "
                f"number of features. Got {layers!r}, which is built, instead."
            )
        layers = layers.layers
    if not isinstance(layers, list | tuple):
        raise TypeError(f"The 'hidden_layers' parameter must be {_EXPECTED}. Got {layers!r} instead{_remedy(layers)}.")
    for index, layer in enumerate(layers):
        if any(layer is other for other in layers[:index]):
            raise ValueError(f"The 'hidden_layers' parameter must contain each layer once. Got {layer!r} twice.")
    # Equal layers have equal configurations, which are resolved once
    return json.dumps(with_plain_names({"layers": [_layer_config(layer) for layer in layers]})["layers"])


def _remedy(value: Any, *, in_list: bool = False) -> str:
    """Return how to write what was meant by a value of ``hidden_layers``, or by one in its list, after a colon."""
    if isinstance(value, Integral):
        return ": numbers of units belong into hidden_layer_sizes, or write keras.layers.Dense(...)"
    if in_list and (isinstance(value, str) or inspect.isroutine(value)):
        return ": write keras.layers.Activation(...)"
    if in_list and isinstance(value, HiddenLayers):
        return ": pass it without a list"
    if in_list and isinstance(value, list | tuple):
        return ": put all layers into one list"
    return "" if in_list else remedy_for_layers(value)


def _layer_config(layer: Any) -> dict[str, Any]:
    """Return the serialized form of an unbuilt layer."""
    from moonnet._keras import keras

    if isinstance(layer, type) and issubclass(layer, keras.layers.Layer):
        raise TypeError(
            f"The 'hidden_layers' parameter must contain layers. Got the class {layer.__name__}: write "
            f"{layer.__name__}(...)."
        )
    if isinstance(layer, keras.KerasTensor | keras.layers.InputLayer):
        raise TypeError(
            "The 'hidden_layers' parameter must not contain an Input, because fit knows the number of features. Got "
            f"{layer!r} in it."
        )
    if not isinstance(layer, keras.layers.Layer):
        remedy = _remedy(layer, in_list=True)
        raise TypeError(f"The 'hidden_layers' parameter must be {_EXPECTED}. Got {layer!r} in it instead{remedy}.")
    if layer.weights:
        raise ValueError(
            "The 'hidden_layers' parameter must contain unbuilt layers, because moonnet trains copies of them, with "
            f"their settings but not their weights. Got {layer!r}, which is built."
        )
    cls = type(layer)
    if (
        not cls.__module__.startswith("keras.")
        and keras.saving.get_registered_object(keras.saving.get_registered_name(cls)) is not cls
    ):
        raise ValueError(
            "A layer of your own in 'hidden_layers' must be registered with Keras, so that it can be restored from its "
            f"configuration. Got a {cls.__name__}. {_REGISTER}"
        )
    _check_is_given_no_lambda(layer, repr(layer))
    try:
        config: dict[str, Any] = keras.saving.serialize_keras_object(layer)
    except Exception as error:
        raise ValueError(
            f"A layer in 'hidden_layers' must return its settings from get_config. Got {layer!r}, which raised: "
            f"{error!r}."
        ) from error
    _check_has_no_lambda(config, repr(layer))
    _check_can_be_copied(layer, config)
    return config


def _check_is_given_no_lambda(layer: Any, description: str) -> None:
    """Raise ValueError if an argument of a layer of Keras is a function without a name.

    Keras serializes that of an activation as code that it cannot read, and in a console it raises an error.
    """
    if type(layer).__module__.startswith("keras."):
        for name in inspect.signature(type(layer).__init__).parameters:
            if getattr(getattr(layer, name, None), "__name__", None) == "<lambda>":
                raise _lambda_error(description)


def _check_has_no_lambda(config: Any, description: str) -> None:
    """Raise ValueError if a configuration contains the code of a function without a name."""
    if isinstance(config, dict) and config.get("class_name") == "__lambda__":
        raise _lambda_error(description)
    for value in config.values() if isinstance(config, dict) else config if isinstance(config, list) else ():
        _check_has_no_lambda(value, description)


def _lambda_error(description: str) -> ValueError:
    return ValueError(
        "The 'hidden_layers' parameter must not contain a lambda, which Keras cannot restore. Got one in "
        f"{description}: define a function instead. {_REGISTER}"
    )


def _with_objects(config: str) -> tuple[str, tuple[Any, ...]]:
    """Return a configuration and the registered classes and functions that it names."""
    from moonnet._keras import registered_objects

    return config, registered_objects(json.loads(config))


def _check_can_be_copied(layer: Any, config: dict[str, Any]) -> None:
    """Raise ValueError if the configuration of a layer of the user's own lacks one of its settings."""
    from moonnet._keras import check_settings, keras

    if not type(layer).__module__.startswith("keras."):
        with without_values():
            check_settings(layer, keras.saving.deserialize_keras_object(config), "hidden_layers")


@lru_cache(maxsize=128)
def _config_of_list(layers: str, objects: tuple[Any, ...], n_features: int, floatx: str) -> str:
    """Return the configuration of the hidden layers, given those of the layers of a list.

    ``objects`` are the user's own that they name, and ``floatx`` is Keras's.
    """
    from moonnet._keras import keras

    def apply(inputs: Any) -> Any:
        x = inputs
        for config in json.loads(layers):
            x = keras.saving.deserialize_keras_object(config)(x)
        return x

    return _config_of_model(apply, n_features, f"[{', '.join(class_names(layers))}]")


def _config_of_function(hidden_layers: HiddenLayers, n_features: int) -> str:
    """Return the configuration of the hidden layers that a function makes."""
    from moonnet._keras import keras

    function, arguments = hidden_layers.function, hidden_layers.arguments
    is_layer = isinstance(function, keras.layers.Layer)  # which a call would build
    if not callable(function) or is_layer or (isinstance(function, type) and issubclass(function, keras.layers.Layer)):
        raise TypeError(
            f"HiddenLayers must be given a function. Got {function!r} instead: pass layers as a list to the "
            "'hidden_layers' parameter."
        )
    if not takes_input(function):
        raise TypeError(
            "The function of HiddenLayers must take the input, a keras.KerasTensor, as its first argument, and return "
            f"the last hidden tensor. Got {hidden_layers!r} instead, which takes other arguments."
        )
    check_arguments(function, arguments)
    # Keras takes no numbers of NumPy, which a grid may hold
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in arguments.items()}
    return _config_of_model(lambda inputs: function(inputs, **plain), n_features, repr(hidden_layers))


def _config_of_pickle(hidden_layers: HiddenLayers, n_features: int) -> str:
    """Return the configuration of the hidden layers of a pickle: those of a list, or of a fitted network."""
    from moonnet._keras import keras

    check_arguments(hidden_layers.function, hidden_layers.arguments)
    text = hidden_layers.function
    if isinstance(json.loads(text), list):
        return _config_of_list(*_with_objects(text), n_features, keras.config.floatx())
    if n_features_of(text) != n_features:
        raise ValueError(
            f"{hidden_layers!r} comes from a pickle of a network that was fitted to {n_features_of(text)} features. "
            f"Got {n_features}: set hidden_layers to HiddenLayers with the function first."
        )
    return text


def _config_of_model(apply: Callable[[Any], Any], n_features: int, description: str, dtype: str | None = None) -> str:
    """Return the configuration of the model from an input to what ``apply`` makes of it."""
    from moonnet._keras import keras, message_of

    with without_values():
        inputs = keras.Input((n_features,), name="input", dtype=dtype or keras.config.floatx())
        try:
            hidden = apply(inputs)
        except Exception as error:
            check_is_known(error)
            needs_axes = re.search(r"expected (min_)?ndim=\d+, found ndim=2\b", str(error))
            remedy = ". Begin with a keras.layers.Reshape to the shape of a sample" if needs_axes else ""
            raise ValueError(
                f"The layers in 'hidden_layers', {description}, cannot be applied to {n_features} features: "
                f"{type(error).__name__}: {message_of(error)}{remedy}"
            ) from error
        if not isinstance(hidden, keras.KerasTensor):
            remedy = " Call it, and return its result." if callable(hidden) else ""
            if hidden is None:
                remedy = " The function must return this tensor."
            raise TypeError(
                f"The 'hidden_layers' parameter must lead to one tensor, the last hidden one. Got {hidden!r} from "
                f"{description}.{remedy}"
            )
        if len(hidden.shape) != 2 or hidden.shape[1] is None:
            raise ValueError(
                "The last hidden tensor in 'hidden_layers' must have the shape (None, n_units): put a Flatten or a "
                f"pooling layer at the end. Got the shape {tuple(hidden.shape)} from {description}."
            )
        with _explaining_errors_of_keras(description):
            if hidden is inputs:  # Keras before 3.14 makes no model without a layer
                hidden = keras.layers.Identity()(inputs)
            model = keras.Model(inputs, hidden, name="hidden")
            if any(variable._initializer is None for variable in model.variables):
                raise ValueError(
                    "A layer was built before, and would lose its weights. Make new layers in the function."
                )
            if dtype is None and any(layer.compute_dtype == "float64" for layer in model.layers):
                # Keras converts X to the dtype of the input
                return _config_of_model(apply, n_features, description, "float64")
        for layer in model.layers:
            _check_is_given_no_lambda(layer, description)
        with _explaining_errors_of_keras(description):
            config = model.get_config()
            if sum(layer["class_name"] == "InputLayer" for layer in config["layers"]) != 1:
                raise ValueError("The model has other inputs, too.")
    _check_has_no_lambda(config, description)
    _check_layers(config["layers"], description)
    return json.dumps(with_plain_names(config), sort_keys=True)


@contextmanager
def _explaining_errors_of_keras(description: str) -> Iterator[None]:
    """Raise ValueError if Keras makes no model of the hidden layers."""
    try:
        yield
    except Exception as error:
        raise ValueError(
            "The 'hidden_layers' parameter must lead from its single input to the last hidden tensor, by layers "
            f"that Keras can serialize. Got {description}, for which Keras says: {error}"
        ) from error


def _check_layers(layers: list[dict[str, Any]], description: str) -> None:
    """Raise ValueError if a layer has the name of one of the estimator, mixes samples, or is an output layer."""
    for layer in all_layers(layers):
        axis = layer["config"].get("axis")
        if layer["class_name"] == "Normalization" and layer["config"].get("mean") is None:
            raise ValueError(
                "A Normalization layer in 'hidden_layers' must have a mean and a variance, because moonnet trains "
                f"copies of the layers. Got {description} without them: put sklearn.preprocessing.StandardScaler "
                "before the network."
            )
        if layer.get("module") == "keras.layers" and 0 in (axis if isinstance(axis, list | tuple) else [axis]):
            raise ValueError(
                "A layer in 'hidden_layers' must predict each sample by itself. Got a "
                f"{layer['class_name']} with axis={axis!r}, the axis of the samples."
            )
    if any(layer["name"] == OUTPUT_LAYER for layer in layers):
        raise ValueError(
            f"A layer in 'hidden_layers' must not have the name {OUTPUT_LAYER!r}, which the estimator gives its output "
            f"layer. Got {description}."
        )
    last = layers[-1]
    activation = "softmax" if last["class_name"] == "Softmax" else last["config"].get("activation")
    if activation == "softmax" or (activation == "sigmoid" and last["config"].get("units") == 1):
        raise ValueError(
            "The 'hidden_layers' parameter must not include the output layer, which the estimator adds. Got "
            f"{description}, whose last layer has the activation {activation}."
        )


@lru_cache(maxsize=128)
def _network(config: str, objects: tuple[Any, ...], n_outputs: int) -> KerasNetwork:
    """Return the network with hidden layers of this configuration, which names these objects of the user's."""
    variables = _variables(config, n_outputs, seed=0)
    if any(_seed_of(variable) is not None for variable in variables):
        # Layers such as EinsumDense give their kernel an initializer with a seed that Keras has drawn
        others = _variables(config, n_outputs, seed=1)
        variables = [
            variable if variable == other else variable._replace(initializer=_without_seed(variable.initializer))
            for variable, other in zip(variables, others, strict=True)
        ]
    values = json.loads(config)
    mixes_samples = not _are_independent(values, is_known=forward_pass(values) is not None)
    return KerasNetwork(config, tuple(variables), mixes_samples, objects)


def _variables(config: str, n_outputs: int, seed: int) -> list[Variable]:
    """Return the variables of a model; what Keras draws for their initializers depends on the seed."""
    from moonnet._keras import keras

    with without_values(), seeded(seed), names_of_a_new_process():
        hidden = hidden_model(json.loads(config))
        dtype = "float64" if hidden.output.dtype == "float64" else "float32"
        outputs = keras.layers.Dense(n_outputs, dtype=dtype, name=OUTPUT_LAYER)(hidden.output)
        model = keras.Model(hidden.input, outputs)
        seeds = {id(generator.state): generator for generator in seed_generators(model)}
        trainable = {id(variable) for variable in model.trainable_variables}
        paths = dict(_paths(model))
        return [
            Variable(
                paths.get(id(variable), variable.path),
                tuple(variable.shape),
                variable.dtype,
                id(variable) in trainable,
                _initializer_json(variable, seeds.get(id(variable))),
                json.dumps(variable.regularizer and keras.saving.serialize_keras_object(variable.regularizer)),
            )
            for variable in (*model.trainable_variables, *model.non_trainable_variables)
        ]


def _seed_of(variable: Variable) -> Any:
    """Return the seed of a variable's initializer; None if it has none."""
    return ((json.loads(variable.initializer) or {}).get("config") or {}).get("seed")


def _without_seed(initializer: str) -> str:
    """Return the configuration of an initializer without its seed."""
    config = json.loads(initializer)
    return json.dumps(config | {"config": config["config"] | {"seed": None}}, sort_keys=True)


def _paths(model: Any, prefix: str = "") -> Iterator[tuple[int, str]]:
    """Yield the id of each variable of the layers, and its name after those of its models and its layer."""
    from moonnet._keras import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _paths(layer, f"{prefix}{layer.name}/")
        else:
            for variable in layer.weights:
                yield id(variable), f"{prefix}{layer.name}/{variable.name}"


def _initializer_json(variable: Any, seed_generator: Any) -> str:
    """Return how a variable starts, as JSON; null if only a new model of Keras knows."""
    from moonnet._keras import keras

    if variable.name == "seed_generator_state":
        seed = None if seed_generator is None else seed_generator.get_config()["seed"]
        return json.dumps({"class_name": "SeedGenerator", "config": {"seed": seed}})
    if not isinstance(variable._initializer, keras.initializers.Initializer):
        return "null"
    return json.dumps(keras.saving.serialize_keras_object(variable._initializer), sort_keys=True)


def _are_independent(config: Any, *, is_known: bool) -> bool:
    """Return whether no layer lets a sample of a batch change what the others contribute to a step.

    Of Keras's own layers, batch normalization does. So do regularizers of activities, whose mean over a batch counts. A
    layer of another library or of the user's own may, and an operation, unless NumPy knows them all (``is_known``).
    """
    if isinstance(config, list):
        return all(_are_independent(item, is_known=is_known) for item in config)
    if not isinstance(config, dict):
        return True
    is_foreign = config.get("registered_name") not in (None, "function") or config.get("class_name") == "Lambda"
    mixes = config.get("class_name") in ("BatchNormalization", "ActivityRegularization")
    if mixes or config.get("activity_regularizer") or (is_foreign and not is_known):
        return False
    return _are_independent([*config.values()], is_known=is_known)
