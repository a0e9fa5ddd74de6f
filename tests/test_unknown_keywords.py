"""Keywords of other libraries: errors name the keywords to use instead."""

import inspect
import pydoc
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from moonnet import HiddenLayers, KerasMoonClassifier, KerasMoonRegressor
from moonnet._unknown_keywords import _REPLACEMENTS
from moonnet.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor

ESTIMATORS = [KerasMoonClassifier, KerasMoonRegressor]
X, Y = np.eye(4), [0, 1, 0, 1]


def parameter(*names):
    return f"use the estimator's parameter{'s' * (len(names) > 1)} {', '.join(map(repr, names))}"


KEYWORDS = {
    "max_iter": parameter("epochs"),  # of MLPClassifier
    "alpha": parameter("l2") + ". scikit-learn divides alpha by the batch size: see 'Migrating from other libraries'",
    "solver": parameter("optimizer"),
    "learning_rate_init": parameter("learning_rate"),
    "momentum": parameter("optimizer") + ": a name, or an instance such as keras.optimizers",
    "validation_split": parameter("early_stopping", "validation_fraction"),  # of Keras
    "validation_data": "use the arguments 'X_val', 'y_val' of fit",
    "optimizer__learning_rate": parameter("learning_rate"),  # of SciKeras
    "optimizer__beta_1": parameter("optimizer"),
    "optimizer__use_ema": parameter("optimizer"),
    "model__activation": parameter("activation"),
    "model__n_layers": parameter("hidden_layer_sizes", "hidden_layers", "activation", "dropout", "l2"),
    "fit__validation_data": "use the arguments 'X_val', 'y_val' of fit",
    "callbacks__patience": parameter("n_iter_no_change"),
    "metrics": "history_ holds the loss",
    "callbacks__stopper__patience": parameter("n_iter_no_change"),
    "callbacks__factor": parameter("callbacks") + ": a list of instances, such as [keras.callbacks.",
    "loss__gamma": parameter("loss") + ": an instance such as keras.losses.",
    "loss__alpha": parameter("loss"),  # not the parameter that replaces alpha of MLPClassifier
    "optimizer__alpha": parameter("optimizer"),
    "learning_rate__decay_steps": parameter("learning_rate") + ": a number, or an instance such as keras.optimizers.",
    "model": parameter("hidden_layer_sizes", "hidden_layers", "activation", "dropout", "l2")
    + ". A function goes into moonnet.HiddenLayers",
    "hidden_layers__units": "needs hidden_layers=HiddenLayers(function), and a function with the argument 'units'",
    "run_eagerly": "is not needed: training always runs in a compiled program",
    "predict__batch_size": "'batch_size' is a parameter of the estimator",
    "lr": parameter("learning_rate"),  # of skorch
    "max_epochs": parameter("epochs"),
    "n_epochs": parameter("epochs"),
    "module__dropout_rate": parameter("dropout"),
    "eval_set": "use the arguments 'X_val', 'y_val' of fit",  # of LightGBM and XGBoost
}


@pytest.mark.parametrize("keyword", KEYWORDS)
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_errors_about_keywords_of_other_libraries_name_those_to_use(cls, keyword):
    answer = f"'{keyword}'.*{re.escape(KEYWORDS[keyword])}"
    with pytest.raises(TypeError, match=rf"__init__\(\) got an unexpected keyword argument {answer}"):
        cls(**{keyword: 1})
    with pytest.raises(TypeError, match=rf"\.fit\(\) got an unexpected keyword argument {answer}"):
        cls().fit(X, Y, **{keyword: 1})
    with pytest.raises(ValueError, match=rf"Invalid parameter {answer}"):
        cls().set_params(**{keyword: 1})


@pytest.mark.parametrize("method", ["fit", "partial_fit", "score", "predict", "predict_proba", "decision_function"])
def test_methods_name_the_parameters_that_belong_to_the_estimator(method):
    call = getattr(KerasMoonClassifier(), method)
    arguments = (X, Y) if method in {"fit", "partial_fit", "score"} else (X,)
    for name in ("verbose", "batch_size"):
        message = (
            rf"{method}\(\) got .* '{name}'\. '{name}' is a parameter of the estimator: KerasMoonClassifier\({name}="
        )
        with pytest.raises(TypeError, match=message):
            call(*arguments, **{name: 1})
        if method not in {"fit", "partial_fit"}:
            with pytest.raises(TypeError, match=r"\(batch_size=\.\.\.\)\. Predicting has no such setting\."):
                call(*arguments, batch_size=1)
    with pytest.raises(TypeError, match=r"'epochs' is a .*\. Instead of 'validation_data', use .*X_val"):
        call(*arguments, validation_data=(X, Y), epochs=3)


def test_predict_quantiles_names_the_parameters_too():
    with pytest.raises(TypeError, match=r"predict_quantiles\(\) got .* 'verbose' is a parameter of the estimator"):
        KerasMoonRegressor(loss="pinball").predict_quantiles(X, verbose=0)
    with pytest.raises(TypeError, match="Instead of 'quantiles', use the estimator's parameter 'quantile'"):
        KerasMoonRegressor(quantiles=[0.1, 0.9])


def test_estimators_name_the_arguments_that_belong_to_fit():
    with pytest.raises(TypeError, match=r"'X_val' is an argument of fit\."):
        KerasMoonClassifier(X_val=X)
    with pytest.raises(ValueError, match=r"'sample_weight' is an argument of fit\."):
        KerasMoonRegressor().set_params(sample_weight=1)


@pytest.mark.parametrize("keyword", _REPLACEMENTS)
def test_replacements_exist(keyword):
    replacements = set(_REPLACEMENTS[keyword])
    for cls in ESTIMATORS:
        assert keyword not in cls._get_param_names()
        assert keyword not in inspect.signature(cls.fit).parameters
    known = set(KerasMoonRegressor._get_param_names())
    assert replacements <= known or replacements <= set(inspect.signature(KerasMoonClassifier.fit).parameters)


@pytest.mark.parametrize(
    ("ensemble", "network"),
    [(DeepEnsembleClassifier, "KerasMoonClassifier"), (DeepEnsembleRegressor, "KerasMoonRegressor")],
)
def test_ensembles_name_the_parameters_of_their_members(ensemble, network):
    for estimator in (None, KerasMoonClassifier(), KerasMoonRegressor()):
        name = type(estimator).__name__ if estimator is not None else network
        answer = (
            rf"'epochs' is a parameter of the members: {ensemble.__name__}\({name}\(epochs=\.\.\.\)\), "
            r"and then 'estimator__epochs' in set_params and in searches\.$"
        )
        start = rf"^{ensemble.__name__}\.__init__\(\) got an unexpected keyword argument 'epochs'\. "
        with pytest.raises(TypeError, match=start + answer):
            ensemble(estimator, epochs=3)
        with pytest.raises(TypeError, match=answer):
            ensemble(estimator=estimator, epochs=3)
        with pytest.raises(TypeError, match=answer):
            ensemble(estimator).fit(X, Y, epochs=3)
        with pytest.raises(TypeError, match=answer):
            ensemble(estimator).predict(X, epochs=3)
        with pytest.raises(ValueError, match=r"Invalid parameter 'epochs' for estimator .*" + answer):
            ensemble(estimator).set_params(epochs=3)
    with pytest.raises(ValueError, match=r"Invalid parameter 'estimator__epochs' for estimator .*'epochs' is a param"):
        ensemble().set_params(estimator__epochs=3)
    assert ensemble(clone(estimator)).set_params(estimator__epochs=3).estimator.epochs == 3


def test_ensembles_name_replacements_for_keywords_of_other_libraries():
    answer = r"'epochs'\. Pass the estimator as DeepEnsembleClassifier\(KerasMoonClassifier\(\.\.\.\)\)"
    with pytest.raises(TypeError, match="'max_iter', use the estimator's parameter " + answer):
        DeepEnsembleClassifier(max_iter=3)
    with pytest.raises(TypeError, match=r"fit\(\) got .* 'n_jobs' is a parameter .*: DeepEnsembleClassifier\(n_jobs="):
        DeepEnsembleClassifier().fit(X, Y, n_jobs=2)
    with pytest.raises(TypeError, match=r"use the arguments 'X_val', 'y_val' of fit\.$"):
        DeepEnsembleClassifier(validation_data=(X, Y))
    with pytest.raises(TypeError, match="'X_val' is an argument of fit"):
        DeepEnsembleRegressor(X_val=X)
    with pytest.raises(
        TypeError, match=r"DeepEnsembleRegressor\.predict_quantiles\(\) got .* 'verbose' is a parameter"
    ):
        DeepEnsembleRegressor(KerasMoonRegressor(loss="pinball")).predict_quantiles(X, verbose=1)
    for estimator in (None, LogisticRegression()):
        with pytest.raises(TypeError, match=r"__init__\(\) got an unexpected keyword argument 'hue'$"):
            DeepEnsembleClassifier(estimator, hue=1)
    with pytest.raises(TypeError, match=r"argument 'epochs'$"):
        DeepEnsembleClassifier(LogisticRegression(), epochs=1)
    with pytest.raises(ValueError, match=r"Invalid parameter 'hue' for .*Valid parameters are: \["):
        DeepEnsembleClassifier().set_params(hue=1)


def test_searches_and_pipelines_pass_the_errors_on():
    search = GridSearchCV(KerasMoonClassifier(), {"optimizer__learning_rate": [0.1, 0.01]}, cv=2)
    with pytest.raises(ValueError, match=re.escape(parameter("learning_rate"))):
        search.fit(X, Y)
    pipeline = Pipeline([("net", KerasMoonClassifier())])
    with pytest.raises(ValueError, match=re.escape(parameter("learning_rate"))):
        pipeline.set_params(net__optimizer__learning_rate=0.1)
    with pytest.raises(TypeError, match="'epochs' is a parameter of the estimator"):
        pipeline.fit(X, Y, net__epochs=3)


def test_unknown_keywords_of_no_library_get_the_usual_errors():
    with pytest.raises(TypeError, match=r"__init__\(\) got an unexpected keyword argument 'hue'$"):
        KerasMoonClassifier(hue=1)
    with pytest.raises(ValueError, match=r"Invalid parameter 'hue' for estimator .*Valid parameters are: \["):
        KerasMoonClassifier().set_params(hue=1)
    with pytest.raises(ValueError, match=r"Invalid parameter 'hue' for estimator .*Valid parameters are: \["):
        KerasMoonClassifier().set_params(hue__lr__x=1)
    with pytest.raises(TypeError, match=r"fit\(\) missing 1 required positional argument: 'y'$"):
        KerasMoonClassifier().fit(X)


def test_type_errors_inside_a_method_are_not_explained():
    class Opaque:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("no array, epochs")

    class Subclass(KerasMoonClassifier):
        def predict(self, X, **options):
            return super().predict(X, **options)

    with pytest.raises(TypeError, match=r"^no array, epochs$"):
        KerasMoonClassifier().fit(Opaque(), Y)
    with pytest.raises(TypeError, match=r"predict\(\) got .* 'verbose'\. 'verbose' is a parameter .*: Subclass"):
        Subclass().predict(X, verbose=0)


def test_failed_set_params_changes_nothing():
    clf = KerasMoonClassifier()
    with pytest.raises(ValueError, match="'epochs'"):
        clf.set_params(l2=0.1, max_iter=3)
    assert clf.get_params() == KerasMoonClassifier().get_params()
    assert clone(clf).set_params(l2=0.1, epochs=3).get_params() == KerasMoonClassifier(l2=0.1, epochs=3).get_params()


def test_subclasses_may_nest_estimators():
    class Nesting(KerasMoonClassifier):
        def __init__(self, inner=None, epochs=100):
            super().__init__(epochs=epochs)
            self.inner = inner

        @classmethod
        def _get_param_names(cls):
            return ["epochs", "inner"]

    assert Nesting(LogisticRegression()).set_params(inner__C=3.0).inner.C == 3
    assert Nesting().set_params(inner=LogisticRegression(), inner__C=3.0).inner.C == 3


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_signatures_and_help_are_those_of_the_methods(cls):
    for name in ("__init__", "fit", "partial_fit", "predict", "score"):
        method = getattr(cls, name)
        assert inspect.signature(method) == inspect.signature(method.__wrapped__)
        assert not any(p.kind is p.VAR_KEYWORD for p in inspect.signature(method).parameters.values())
    assert "predict(self, X: 'ArrayLike') -> 'np.ndarray'" in pydoc.plain(pydoc.render_doc(cls))


def residual(inputs, units=8):
    return inputs


@pytest.mark.parametrize("keyword", ["units", "model__units", "hidden_layers__units"])
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_arguments_of_the_function_are_named(cls, keyword):
    answer = (
        r"'units' is an argument .*: write HiddenLayers\(residual, units=\.\.\.\), or call it 'hidden_layers__units'"
    )
    for arguments in ({"hidden_layers": HiddenLayers(residual)}, {"hidden_layers": residual}, {"model": residual}):
        with pytest.raises(TypeError, match=answer):
            cls(**arguments, **{keyword: 1})
    with pytest.raises(TypeError, match=answer):  # as in SciKeras
        cls(residual, **{keyword: 1})
    with pytest.raises(TypeError, match=answer):
        cls(hidden_layers=HiddenLayers(residual)).fit(X, Y, **{keyword: 1})
    if keyword != "hidden_layers__units":
        with pytest.raises(ValueError, match=answer):
            cls(hidden_layers=HiddenLayers(residual)).set_params(**{keyword: 1})
        with pytest.raises(ValueError, match=answer):
            cls().set_params(**{"hidden_layers": HiddenLayers(residual), keyword: 1})
