"""Hidden layers that a function makes."""

import inspect
import json
from typing import Any, Self


class HiddenLayers:
    """Hidden layers that a function of Keras tensors makes, whose arguments are parameters of a search.

    Parameters
    ----------
    function : callable
        Takes the input, a ``keras.KerasTensor`` of shape (None, n_features), and returns the last hidden tensor, of
        shape (None, n_units). Its other arguments need defaults, or values in ``arguments``. It is called in each fit,
        and must make new layers each time.

    **arguments : dict
        Values of the function's other arguments.

    Raises
    ------
    ValueError
        In ``fit``, if the function has no such argument, or lacks a value for one.

    See Also
    --------
    moonnet.KerasMoonClassifier : The parameter ``hidden_layers``.

    Notes
    -----
    Predictions must treat each sample by itself. An operation over the samples, such as ``keras.ops.mean`` with
    ``axis=0``, is not detected: predictions then depend on which samples are predicted together.

    A pickle of a fitted estimator holds the configuration of the layers instead of the function, so that it can be
    loaded where the function does not exist.

    Examples
    --------
    >>> from keras import layers
    >>> from sklearn.datasets import make_moons
    >>> from moonnet import HiddenLayers, KerasMoonClassifier
    >>> def residual(inputs, units=16):
    ...     x = layers.Dense(units, activation="relu")(inputs)
    ...     return layers.Add()([x, layers.Dense(units, activation="relu")(x)])
    >>> clf = KerasMoonClassifier(hidden_layers=HiddenLayers(residual), epochs=10, random_state=0)
    >>> clf.set_params(hidden_layers__units=32).fit(*make_moons(200, noise=0.2, random_state=0)).n_layers_
    5
    """

    def __init__(self, function: Any, /, **arguments: Any) -> None:
        self.function = function
        self.arguments = arguments

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the function and its arguments with their values.

        Parameters
        ----------
        deep : bool, default=True
            Without effect.

        Returns
        -------
        params : dict
            ``function``, and each argument that has a value.
        """
        return {"function": self.function, **_defaults(self.function), **self.arguments}

    def set_params(self, **params: Any) -> Self:
        """Set the function or its arguments.

        Parameters
        ----------
        **params : dict
            New values.

        Returns
        -------
        self : HiddenLayers
            The same object.

        Raises
        ------
        ValueError
            If the function has no such argument. Nothing is then changed.
        """
        function = params.pop("function", self.function)
        check_arguments(function, params)
        names = {parameter.name for parameter in _parameters(function)}
        kept = {name: value for name, value in self.arguments.items() if function is self.function or name in names}
        self.function, self.arguments = function, {**kept, **params}
        return self

    def __sklearn_clone__(self) -> Self:
        """Return another object with the same function."""
        return type(self)(self.function, **self.arguments)

    def __repr__(self) -> str:
        if is_configuration(self.function):
            described = f"[{', '.join(class_names(self.function))}]"
        else:
            described = getattr(self.function, "__qualname__", repr(self.function))
        return f"HiddenLayers({', '.join([described, *(f'{k}={v!r}' for k, v in self.arguments.items())])})"


def is_configuration(function: Any) -> bool:
    """Return whether this is the JSON that replaces a function or a list in a pickle."""
    return isinstance(function, str) and function[:1] in ("[", "{")


def class_names(layers: str) -> list[str]:
    """Return the names of the classes in a configuration."""
    config = json.loads(layers)
    config = config if isinstance(config, list) else config["layers"]
    return [layer["class_name"] for layer in config if layer["class_name"] != "InputLayer"]


def function_and_arguments(hidden_layers: Any) -> tuple[str, list[str]]:
    """Return the name of the function in ``hidden_layers`` and those of its arguments; none if there is no function."""
    function = getattr(hidden_layers, "function", hidden_layers)
    if not inspect.isroutine(function):
        return "", []
    name = function.__name__
    return name if name.isidentifier() else "function", _argument_names(_parameters(function))


def takes_input(function: Any) -> bool:
    """Return whether a function may take the input first: SciKeras's functions take none, or its settings."""
    first = next(iter(inspect.signature(function).parameters.values()), None)
    if first is None or first.kind in (first.KEYWORD_ONLY, first.VAR_KEYWORD):
        return False
    return first.name not in ("meta", "compile_kwargs")


def remedy_for_layers(value: Any) -> str:
    """Return how to write hidden layers that were given otherwise, after a colon; empty if this is no such value."""
    if isinstance(value, HiddenLayers):
        return f": write hidden_layers={value!r}"
    if inspect.isroutine(value):
        function, _ = function_and_arguments(value)
        return f": write hidden_layers=HiddenLayers({function}), if {function} returns the last hidden tensor"
    if isinstance(value, type):
        return f": write hidden_layers=[{value.__name__}(...)]" if callable(getattr(value, "call", None)) else ""
    if hasattr(value, "layers"):
        return ": list its hidden layers, unbuilt, or make them in a function for HiddenLayers"
    holds_layers = isinstance(value, list | tuple) and any(map(callable, value))
    return ": write hidden_layers=[...]" if holds_layers or callable(value) else ""


def _argument_names(parameters: list[inspect.Parameter]) -> list[str]:
    """Return the names of parameters that can be passed by their names."""
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def _defaults(function: Any) -> dict[str, Any]:
    """Return the defaults of the arguments after the first, which is the input."""
    return {p.name: p.default for p in _parameters(function) if p.default is not p.empty}


def _parameters(function: Any) -> list[inspect.Parameter]:
    """Return the parameters after the first."""
    if not callable(function):
        return []
    return list(inspect.signature(function).parameters.values())[1:]


def check_arguments(function: Any, arguments: dict[str, Any]) -> None:
    """Raise ValueError if a function has no such arguments; ``function`` may be what replaces one in a pickle."""
    if isinstance(function, str) and arguments:
        raise ValueError(
            f"HiddenLayers from the pickle of a fitted network have no arguments, because the pickle does not contain "
            f"the function. Got {', '.join(map(repr, arguments))}: set hidden_layers to HiddenLayers with the function "
            "first."
        )
    parameters = _parameters(function)
    if any(parameter.name == "function" for parameter in parameters):
        raise ValueError("The function of HiddenLayers must not have an argument of the name 'function'.")
    names = _argument_names(parameters)
    unknown = [name for name in arguments if name not in names]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        name = getattr(function, "__qualname__", repr(function))
        raise ValueError(
            f"The arguments of HiddenLayers must be those of its function: {name} has {', '.join(names) or 'none'}. "
            f"Got {', '.join(map(repr, unknown))}."
        )
