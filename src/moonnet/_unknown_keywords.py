"""Errors for keywords that only other libraries have: they name the keywords to use instead."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from sklearn.base import ClassifierMixin

from moonnet.networks import function_and_arguments

_NETWORK = ("hidden_layer_sizes", "hidden_layers", "activation", "dropout", "l2")
_HOLD_OUT = ("early_stopping", "validation_fraction")

# Keywords of Keras, SciKeras, skorch, scikit-learn's networks and boosting libraries, and those to use instead
_REPLACEMENTS: dict[str, tuple[str, ...]] = {
    "alpha": ("l2",),
    "batch_norm": ("hidden_layers",),
    "batch_normalization": ("hidden_layers",),
    "beta_1": ("optimizer",),
    "beta_2": ("optimizer",),
    "build_fn": _NETWORK,
    "criterion": ("loss",),
    "dropout_rate": ("dropout",),
    "early_stopping_rounds": ("early_stopping", "n_iter_no_change"),
    "epsilon": ("optimizer",),
    "eval_sample_weight": ("sample_weight_val",),
    "eval_set": ("X_val", "y_val"),
    "l2_regularization": ("l2",),
    "learning_rate_init": ("learning_rate",),
    "lr": ("learning_rate",),
    "max_epochs": ("epochs",),
    "max_iter": ("epochs",),
    "min_delta": ("tol",),
    "model": _NETWORK,
    "model_kwargs": _NETWORK,
    "module": _NETWORK,
    "kernel_initializer": ("hidden_layers",),
    "kernel_regularizer": ("l2", "hidden_layers"),
    "momentum": ("optimizer",),
    "monitor": ("scoring",),
    "n_epochs": ("epochs",),
    "nesterovs_momentum": ("optimizer",),
    "patience": ("n_iter_no_change",),
    "power_t": ("learning_rate",),
    "quantile_alpha": ("quantile",),
    "quantiles": ("quantile",),
    "sample_weight_eval_set": ("sample_weight_val",),
    "seed": ("random_state",),
    "solver": ("optimizer",),
    "train_split": _HOLD_OUT,
    "validation_data": ("X_val", "y_val"),
    "validation_split": _HOLD_OUT,
    "weight_decay": ("optimizer",),
}
# Keywords without a counterpart, and the reason
_COMPILED = "training always runs in a compiled program"
_ALL_SAMPLES = "each epoch trains on all samples, and scores all validation samples"
_OUTPUT_LAYER = "the estimator adds the output layer, before whose activation it computes the loss"
_UNNEEDED = {
    "class_weight": "a regressor has no classes, and fit takes sample_weight",
    "classes": "fit finds the classes in y",
    "feature_encoder": "put transformers before the estimator in a pipeline",
    "from_logits": _OUTPUT_LAYER,
    "initial_epoch": "with warm_start=True, fit continues after the last epoch",
    "input_dim": "fit knows the number of features",
    "input_shape": "fit knows the number of features",
    "jit_compile": _COMPILED,
    "loss_weights": "a network has a single loss",
    "metrics": "history_ holds the loss of each epoch, and sklearn.metrics has functions for other metrics",
    "output_activation": _OUTPUT_LAYER,
    "run_eagerly": _COMPILED,
    "steps": "predictions are those of all samples",
    "steps_per_epoch": _ALL_SAMPLES,
    "steps_per_execution": _COMPILED,
    "target_encoder": "fit encodes labels by itself",
    "training": "layers such as Dropout only act in fit",
    "validation_batch_size": "predictions do not depend on batches",
    "validation_freq": _ALL_SAMPLES,
    "validation_steps": _ALL_SAMPLES,
}
# Sentences about a keyword whose value must be converted
_FUNCTION = (
    "A function goes into moonnet.HiddenLayers, which calls it with the input: see 'Migrating from other libraries' in "
    "the guide."
)
_NOTES = {
    "alpha": "scikit-learn divides alpha by the batch size: see 'Migrating from other libraries' in the guide.",
    "build_fn": _FUNCTION,
    "model": _FUNCTION,
    "module": _FUNCTION,
}
# Methods that train
_TRAINING_METHODS = ("__init__", "set_params", "fit", "partial_fit")
# Parameters whose value has settings of its own, and such a value
_INSTANCES = {
    "callbacks": "a list of instances, such as [keras.callbacks.ReduceLROnPlateau(patience=5)]",
    "learning_rate": "a number, or an instance such as keras.optimizers.schedules.CosineDecay(0.01, 1000)",
    "loss": "an instance such as keras.losses.{}",
    "optimizer": "a name, or an instance such as keras.optimizers.Adam(beta_1=0.8)",
}
# Prefixes of settings that a parameter's instance has, and those of them that are parameters
_OWN_SETTINGS = {"learning_rate": (), "loss": (), "optimizer": ("learning_rate", "lr")}
# Prefixes of a function's arguments
_FUNCTION_PREFIXES = ("hidden_layers", "model", "module")

Class = TypeVar("Class", bound=Any)


def explain_unknown_keywords(cls: Class) -> Class:
    """Decorate an estimator's class: if a method does not know a keyword, its TypeError names the one to use."""
    for name, method in [*vars(cls).items(), ("score", getattr(cls, "score", None))]:
        if inspect.isfunction(method) and (name == "__init__" or not name.startswith("_")):
            setattr(cls, name, explain_unknown_keywords_of(method))
    return cls


def explain_unknown_keywords_of(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a single method in the same way."""

    @functools.wraps(method)
    def wrapper(self: Any, *arguments: Any, **keywords: Any) -> Any:
        try:
            return method(self, *arguments, **keywords)
        except TypeError as error:
            # If there are any, the call has raised the error, and not the method
            unknown = keywords.keys() - inspect.signature(method).parameters.keys()
            explanation = self._explain_keywords(unknown, method.__name__, arguments, keywords) if unknown else ""
            if not explanation:
                raise
            # Python 3.13 suggests the parameter with the most similar name
            message, *_ = str(error).partition(". Did you mean")
            message = message.replace(method.__qualname__, f"{type(self).__name__}.{method.__name__}")
            raise TypeError(f"{message}. {explanation}") from None

    return wrapper


def explain(cls: Any, unknown: Iterable[str], hidden_layers: Any, method: str) -> str:
    """Return sentences about what to use instead of unknown keywords; empty if other libraries have none of them.

    ``hidden_layers`` is the parameter's value, whose function may have arguments of these names.
    """
    sentences = (
        _explain_argument(cls, keyword, hidden_layers)
        or explain_name(cls, keyword, method)
        or _explain_keyword(cls, keyword)
        for keyword in sorted(unknown)
    )
    return " ".join(dict.fromkeys(filter(None, sentences)))


def _explain_argument(cls: Any, keyword: str, hidden_layers: Any) -> str:
    """Return what to use instead of an argument of the function in ``hidden_layers``; empty if this is not one."""
    prefix, _, nested = keyword.partition("__")
    argument = nested if nested and prefix in _FUNCTION_PREFIXES else keyword
    function, names = function_and_arguments(hidden_layers)
    if argument not in names or keyword in cls._get_param_names():
        return ""
    return (
        f"{argument!r} is an argument of the function {function}: write HiddenLayers({function}, {argument}=...), or "
        f"call it 'hidden_layers__{argument}' in set_params and in searches."
    )


def explain_name(cls: Any, keyword: str, method: str) -> str:
    """Return where a keyword belongs that is a parameter of the estimator or an argument of fit; empty for others."""
    parameters = cls._get_param_names()
    name = keyword.removeprefix("predict__")
    if name in parameters and (name != keyword or method not in _TRAINING_METHODS):
        return f"'{name}' is a parameter of the estimator: {cls.__name__}({name}=...). Predicting has no such setting."
    if keyword in parameters:
        return f"'{keyword}' is a parameter of the estimator: {cls.__name__}({keyword}=...)."
    return f"'{keyword}' is an argument of fit." if keyword in inspect.signature(cls.fit).parameters else ""


def _explain_keyword(cls: Any, keyword: str) -> str:
    """Return what to use instead of a keyword of another library; empty if none has it."""
    parameters, arguments = set(cls._get_param_names()), inspect.signature(cls.fit).parameters
    prefix, _, nested = keyword.partition("__")  # as in model__dropout_rate, fit__epochs, optimizer__lr
    if prefix == "hidden_layers":
        return f"'{keyword}' needs hidden_layers=HiddenLayers(function), and a function with the argument {nested!r}."
    *_, last = keyword.split("__")  # as in callbacks__stopper__patience
    if prefix in _OWN_SETTINGS and last not in _OWN_SETTINGS[prefix]:
        names: tuple[str, ...] = (prefix,)
    else:
        names = (keyword, last, prefix)
    for name in names:
        if name in parameters or name in arguments:
            replacements: tuple[str, ...] = (name,)
        else:
            replacements = _REPLACEMENTS.get(name, ())
        if not parameters.isdisjoint(replacements):
            return _name_parameters(cls, keyword, replacements)
        if not arguments.keys().isdisjoint(replacements):
            quoted = ", ".join(map(repr, replacements))
            return f"Instead of '{keyword}', use the argument{'s' * (len(replacements) > 1)} {quoted} of fit."
        if name in _UNNEEDED:
            return f"'{keyword}' is not needed: {_UNNEEDED[name]}."
    return ""


def _name_parameters(cls: Any, keyword: str, parameters: tuple[str, ...]) -> str:
    """Return a sentence about the parameters to use instead of a keyword, with an example of a value if it helps."""
    plural, quoted = "s" * (len(parameters) > 1), ", ".join(map(repr, parameters))
    example = _INSTANCES.get(parameters[0], "")
    loss = "BinaryFocalCrossentropy(gamma=3)" if issubclass(cls, ClassifierMixin) else "Huber(delta=0.5)"
    value = f": {example.format(loss)}" if example else ""
    sentence = f"Instead of '{keyword}', use the estimator's parameter{plural} {quoted}{value}."
    note = _NOTES.get(keyword, _NOTES.get(keyword.partition("__")[0]) if len(parameters) > 1 else None)
    return f"{sentence} {note}" if note else sentence
