"""Errors for keywords that only other libraries have: they name the keywords to use instead."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

_NETWORK = ("hidden_layer_sizes", "hidden_layers", "activation", "dropout", "l2")
_HOLD_OUT = ("early_stopping", "validation_fraction")

# Keywords of Keras, SciKeras, skorch, scikit-learn's networks and boosting libraries, and those to use instead
_REPLACEMENTS: dict[str, tuple[str, ...]] = {
    "alpha": ("l2",),
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
    "momentum": ("optimizer",),
    "monitor": ("scoring",),
    "nesterovs_momentum": ("optimizer",),
    "patience": ("n_iter_no_change",),
    "sample_weight_eval_set": ("sample_weight_val",),
    "seed": ("random_state",),
    "solver": ("optimizer",),
    "train_split": _HOLD_OUT,
    "validation_data": ("X_val", "y_val"),
    "validation_split": _HOLD_OUT,
    "weight_decay": ("optimizer",),
}
# Keywords without a counterpart, and the reason
_UNNEEDED = {
    "metrics": "history_ holds the loss of each epoch, and sklearn.metrics has functions for other metrics",
}
# Sentences about a keyword whose value must be converted
_NOTES = {
    "alpha": "scikit-learn divides alpha by the batch size: see 'Migrating from other libraries' in the guide.",
}

Class = TypeVar("Class", bound=Any)


def explain_unknown_keywords(cls: Class) -> Class:
    """Decorate an estimator's class: if a method does not know a keyword, its TypeError names the one to use."""
    for name, method in [*vars(cls).items(), ("score", cls.score)]:
        if inspect.isfunction(method) and (name == "__init__" or not name.startswith("_")):
            setattr(cls, name, _explain_unknown_keywords_of(method))
    return cls


def _explain_unknown_keywords_of(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapper(self: Any, *arguments: Any, **keywords: Any) -> Any:
        try:
            return method(self, *arguments, **keywords)
        except TypeError as error:
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:  # the method itself raised it
                raise
            unknown = keywords.keys() - inspect.signature(method).parameters.keys()
            explanation = explain(type(self), unknown)
            if not explanation:
                raise
            # Python 3.13 suggests the parameter with the most similar name
            message, *_ = str(error).partition(". Did you mean")
            raise TypeError(f"{message}. {explanation}") from None

    return wrapper


def explain(cls: Any, unknown: Iterable[str]) -> str:
    """Return sentences about what to use instead of unknown keywords; empty if other libraries have none of them."""
    return " ".join(filter(None, (_explain_keyword(cls, keyword) for keyword in sorted(unknown))))


def _explain_keyword(cls: Any, keyword: str) -> str:
    parameters, arguments = set(cls._get_param_names()), inspect.signature(cls.fit).parameters
    if keyword in parameters:
        return f"'{keyword}' is a parameter of the estimator: {cls.__name__}({keyword}=...)."
    if keyword in arguments:
        return f"'{keyword}' is an argument of fit."
    prefix, _, nested = keyword.partition("__")  # as in model__dropout_rate, fit__epochs, optimizer__lr
    for name in (keyword, nested, prefix):
        if name in parameters or name in arguments:
            replacements: tuple[str, ...] = (name,)
        else:
            replacements = _REPLACEMENTS.get(name, ())
        plural, quoted = "s" * (len(replacements) > 1), ", ".join(map(repr, replacements))
        if replacements == ("optimizer",):
            return (
                f"Instead of '{keyword}', use the estimator's parameter 'optimizer': a name, or an instance such as "
                "keras.optimizers.Adam(beta_1=0.8)."
            )
        if not parameters.isdisjoint(replacements):
            sentence = f"Instead of '{keyword}', use the estimator's parameter{plural} {quoted}."
            return " ".join([sentence, *filter(None, [_NOTES.get(keyword)])])
        if not arguments.keys().isdisjoint(replacements):
            return f"Instead of '{keyword}', use the argument{plural} {quoted} of fit."
        if name in _UNNEEDED:
            return f"'{keyword}' is not needed: {_UNNEEDED[name]}."
    return ""
