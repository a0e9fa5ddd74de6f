"""The same small network in each of the compared libraries, as estimators with ``fit`` and ``predict_proba``.

All have the same layers, activations, batch size and number of epochs, and RMSprop at Keras's defaults. The exceptions
are MLPClassifier and MLPRegressor, which have no RMSprop and train with Adam.
"""

import functools
import itertools
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from moonnet import KerasMoonClassifier, KerasMoonRegressor

SETTINGS = {"hidden": (50, 20), "epochs": 100, "batch_size": 50, "learning_rate": 0.001, "l2": 0.0}
# Follows a validation loss, but never stops before the last epoch, so that all do the same work
EARLY_STOPPING = {"early_stopping": True, "n_iter_no_change": SETTINGS["epochs"] + 1}


def build_moonnet_classifier(seed: int = 0, **settings: Any) -> KerasMoonClassifier:
    settings = SETTINGS | settings
    return KerasMoonClassifier(settings.pop("hidden"), random_state=seed, **settings)


def build_moonnet_regressor(seed: int = 0, **settings: Any) -> KerasMoonRegressor:
    settings = SETTINGS | settings
    return KerasMoonRegressor(settings.pop("hidden"), random_state=seed, **settings)


def build_keras_model(n_features: int, hidden: tuple[int, ...], learning_rate: float, l2: float) -> Any:
    """Return the compiled Keras model, written as in the lecture's notebook."""
    import keras

    penalty = keras.regularizers.L2(l2) if l2 else None
    layers = [keras.layers.Dense(units, activation="relu", kernel_regularizer=penalty) for units in hidden]
    output = keras.layers.Dense(1, activation="sigmoid", kernel_regularizer=penalty)
    model = keras.Sequential([keras.Input((n_features,)), *layers, output])
    model.compile(keras.optimizers.RMSprop(learning_rate), loss="binary_crossentropy", metrics=["accuracy"])
    return model


class PlainKeras:
    """A Keras model without a scikit-learn wrapper."""

    def __init__(self, seed: int = 0, **settings: Any) -> None:
        self.settings = SETTINGS | settings

    def fit(self, X: np.ndarray, y: np.ndarray) -> "PlainKeras":
        settings = self.settings
        self.model = build_keras_model(X.shape[1], settings["hidden"], settings["learning_rate"], settings["l2"])
        options = {}
        if settings.get("early_stopping"):
            from keras.callbacks import EarlyStopping

            stop = EarlyStopping(patience=settings["n_iter_no_change"], restore_best_weights=True)
            options = {"validation_split": 0.1, "callbacks": [stop]}
        self.model.fit(X, y, batch_size=settings["batch_size"], epochs=settings["epochs"], verbose=0, **options)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        probability = self.model.predict(X, verbose=0)
        return np.column_stack([1 - probability, probability])


def build_scikeras(seed: int = 0, **settings: Any) -> Any:
    from scikeras.wrappers import KerasClassifier

    def build(meta: dict[str, Any], hidden: tuple[int, ...], learning_rate: float, l2: float) -> Any:
        return build_keras_model(meta["n_features_in_"], hidden, learning_rate, l2)

    settings = SETTINGS | settings
    rest = {name: settings[name] for name in ("hidden", "learning_rate", "l2")}
    training = {name: settings[name] for name in ("epochs", "batch_size")}
    return KerasClassifier(build, random_state=seed, verbose=0, **rest, **training)


class KerasWrapper:
    """``keras.wrappers.SKLearnClassifier``, whose network has a softmax unit for each class."""

    def __init__(self, seed: int = 0, **settings: Any) -> None:
        self.settings = SETTINGS | settings

    def fit(self, X: np.ndarray, y: np.ndarray) -> "KerasWrapper":
        import keras

        settings = self.settings

        def build(X: np.ndarray, y: np.ndarray) -> Any:
            layers = [keras.layers.Dense(units, activation="relu") for units in settings["hidden"]]
            model = keras.Sequential([keras.Input((X.shape[1],)), *layers, keras.layers.Dense(2, activation="softmax")])
            model.compile(keras.optimizers.RMSprop(settings["learning_rate"]), loss="categorical_crossentropy")
            return model

        training = {"epochs": settings["epochs"], "batch_size": settings["batch_size"], "verbose": 0}
        self.wrapper = keras.wrappers.SKLearnClassifier(build, fit_kwargs=training)
        self.wrapper.fit(X, y)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self.wrapper.model_.predict(X, verbose=0))


class Skorch:
    """skorch's binary classifier, in float32 as PyTorch has it."""

    def __init__(self, seed: int = 0, **settings: Any) -> None:
        self.seed, self.settings = seed, SETTINGS | settings

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Skorch":
        import torch
        from skorch import NeuralNetBinaryClassifier

        settings = self.settings
        torch.manual_seed(self.seed)
        sizes = [X.shape[1], *settings["hidden"]]
        layers: list[Any] = []
        for inputs, outputs in itertools.pairwise(sizes):
            layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
        self.net = NeuralNetBinaryClassifier(
            torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-1], 1), torch.nn.Flatten(0)),
            optimizer=torch.optim.RMSprop,
            optimizer__alpha=0.9,
            optimizer__eps=1e-7,
            lr=settings["learning_rate"],
            max_epochs=settings["epochs"],
            batch_size=settings["batch_size"],
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        )
        self.net.fit(X.astype(np.float32), y.astype(np.float32))
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return self.net.predict_proba(X.astype(np.float32))


class IgnoresConvergenceWarning:
    """Mixin for scikit-learn's networks, which warn after a fixed number of epochs that they have not converged."""

    @functools.wraps(MLPClassifier.fit)
    def fit(self, X: np.ndarray, y: np.ndarray) -> Any:
        with warnings.catch_warnings(category=ConvergenceWarning, action="ignore"):
            return super().fit(X, y)  # type: ignore[misc]


class MlpClassifier(IgnoresConvergenceWarning, MLPClassifier):
    """scikit-learn's classifier, without the warning."""


class MlpRegressor(IgnoresConvergenceWarning, MLPRegressor):
    """scikit-learn's regressor, without the warning."""


def build_mlp(seed: int = 0, estimator_class: Any = MlpClassifier, **settings: Any) -> Any:
    settings = SETTINGS | settings
    return estimator_class(
        hidden_layer_sizes=settings["hidden"],
        alpha=settings["l2"],
        batch_size=settings["batch_size"],
        learning_rate_init=settings["learning_rate"],
        max_iter=settings["epochs"],
        n_iter_no_change=settings["epochs"] + 1,
        early_stopping=settings.get("early_stopping", False),
        random_state=seed,
    )


MOONNET = ("moonnet (TensorFlow)", "moonnet (JAX)")
KERAS = ("Keras (JAX)", "Keras (TensorFlow)")
PYTORCH = ("moonnet (PyTorch)", "Keras (PyTorch)")

# Engines need separate processes: Keras loads one backend per process. A new rival also needs its jobs in jobs.py, its
# packages in results.py, and a colour in docs/_benchmark_results.py
RIVALS: dict[str, Any] = {
    **dict.fromkeys(MOONNET, build_moonnet_classifier),
    **dict.fromkeys(KERAS, PlainKeras),
    **dict(zip(PYTORCH, (build_moonnet_classifier, PlainKeras), strict=True)),
    "SciKeras": build_scikeras,
    "keras.wrappers": KerasWrapper,
    "skorch": Skorch,
    "MLPClassifier": build_mlp,
}

REGRESSORS: dict[str, Any] = {
    **dict.fromkeys(MOONNET, build_moonnet_regressor),
    "MLPRegressor": functools.partial(build_mlp, estimator_class=MlpRegressor),
}


def backend_of(rival: str) -> str:
    """Return the Keras backend of a rival; those without Keras get TensorFlow, too."""
    return {"(JAX)": "jax", "(PyTorch)": "torch"}.get(rival.split()[-1], "tensorflow")


def import_libraries(rival: str) -> None:
    """Import what a rival's first fit would import, so that imports are not measured."""
    if rival in (*MOONNET, "moonnet (PyTorch)"):
        import moonnet.training._loop  # noqa: F401
    elif rival == "SciKeras":
        build_scikeras()
