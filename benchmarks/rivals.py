"""The same small network as each of the libraries has it, behind ``fit`` and ``predict_proba``, or ``predict``.

Layers, activations, batches, epochs and, where the library has it, the optimizer (RMSprop at Keras's defaults) are the
same. MLPClassifier and MLPRegressor have no RMSprop and train with Adam.
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


def moonnet(seed: int = 0, **settings: Any) -> KerasMoonClassifier:
    chosen = SETTINGS | settings
    return KerasMoonClassifier(chosen.pop("hidden"), random_state=seed, **chosen)


def moonnet_regressor(seed: int = 0, **settings: Any) -> KerasMoonRegressor:
    chosen = SETTINGS | settings
    return KerasMoonRegressor(chosen.pop("hidden"), random_state=seed, **chosen)


def network(n_features: int, hidden: tuple[int, ...], learning_rate: float, l2: float) -> Any:
    """Return the lecture's network, compiled, as its notebook writes it."""
    import keras

    penalty = keras.regularizers.L2(l2) if l2 else None
    layers = [keras.layers.Dense(units, activation="relu", kernel_regularizer=penalty) for units in hidden]
    output = keras.layers.Dense(1, activation="sigmoid", kernel_regularizer=penalty)
    model = keras.Sequential([keras.Input((n_features,)), *layers, output])
    model.compile(keras.optimizers.RMSprop(learning_rate), loss="binary_crossentropy", metrics=["accuracy"])
    return model


class PlainKeras:
    """Keras without a wrapper."""

    def __init__(self, seed: int = 0, **settings: Any) -> None:
        self.settings = SETTINGS | settings

    def fit(self, X: np.ndarray, y: np.ndarray) -> "PlainKeras":
        chosen = self.settings
        self.model = network(X.shape[1], chosen["hidden"], chosen["learning_rate"], chosen["l2"])
        self.model.fit(X, y, batch_size=chosen["batch_size"], epochs=chosen["epochs"], verbose=0)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        probability = self.model.predict(X, verbose=0)
        return np.column_stack([1 - probability, probability])


def scikeras(seed: int = 0, **settings: Any) -> Any:
    from scikeras.wrappers import KerasClassifier

    def build(meta: dict[str, Any], hidden: tuple[int, ...], learning_rate: float, l2: float) -> Any:
        return network(meta["n_features_in_"], hidden, learning_rate, l2)

    chosen = SETTINGS | settings
    rest = {name: chosen[name] for name in ("hidden", "learning_rate", "l2")}
    training = {name: chosen[name] for name in ("epochs", "batch_size")}
    return KerasClassifier(build, random_state=seed, verbose=0, **rest, **training)


class KerasWrapper:
    """``keras.wrappers.SKLearnClassifier``, whose network says a probability for each class."""

    def __init__(self, seed: int = 0, **settings: Any) -> None:
        self.settings = SETTINGS | settings

    def fit(self, X: np.ndarray, y: np.ndarray) -> "KerasWrapper":
        import keras

        chosen = self.settings

        def build(X: np.ndarray, y: np.ndarray) -> Any:
            layers = [keras.layers.Dense(units, activation="relu") for units in chosen["hidden"]]
            model = keras.Sequential([keras.Input((X.shape[1],)), *layers, keras.layers.Dense(2, activation="softmax")])
            model.compile(keras.optimizers.RMSprop(chosen["learning_rate"]), loss="categorical_crossentropy")
            return model

        training = {"epochs": chosen["epochs"], "batch_size": chosen["batch_size"], "verbose": 0}
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

        chosen = self.settings
        torch.manual_seed(self.seed)
        sizes = [X.shape[1], *chosen["hidden"]]
        layers: list[Any] = []
        for inputs, outputs in itertools.pairwise(sizes):
            layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
        self.net = NeuralNetBinaryClassifier(
            torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-1], 1), torch.nn.Flatten(0)),
            optimizer=torch.optim.RMSprop,
            optimizer__alpha=0.9,
            optimizer__eps=1e-7,
            lr=chosen["learning_rate"],
            max_epochs=chosen["epochs"],
            batch_size=chosen["batch_size"],
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        )
        self.net.fit(X.astype(np.float32), y.astype(np.float32))
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return self.net.predict_proba(X.astype(np.float32))


class TrainsAllEpochs:
    """Makes scikit-learn's networks train for as many epochs as the others and say nothing of convergence."""

    @functools.wraps(MLPClassifier.fit)
    def fit(self, X: np.ndarray, y: np.ndarray) -> Any:
        with warnings.catch_warnings(category=ConvergenceWarning, action="ignore"):
            return super().fit(X, y)  # type: ignore[misc]


class MlpClassifier(TrainsAllEpochs, MLPClassifier):
    """scikit-learn's classifier."""


class MlpRegressor(TrainsAllEpochs, MLPRegressor):
    """scikit-learn's regressor."""


def mlp(seed: int = 0, kind: Any = MlpClassifier, **settings: Any) -> Any:
    chosen = SETTINGS | settings
    return kind(
        hidden_layer_sizes=chosen["hidden"],
        alpha=chosen["l2"],
        batch_size=chosen["batch_size"],
        learning_rate_init=chosen["learning_rate"],
        max_iter=chosen["epochs"],
        n_iter_no_change=chosen["epochs"] + 1,
        random_state=seed,
    )


# Those "on JAX" need a process of their own, for Keras has one backend in a process
RIVALS: dict[str, Any] = {
    "moonnet": moonnet,
    "moonnet on JAX": moonnet,
    "Keras on JAX": PlainKeras,
    "plain Keras": PlainKeras,
    "SciKeras": scikeras,
    "keras.wrappers": KerasWrapper,
    "skorch": Skorch,
    "MLPClassifier": mlp,
}

REGRESSORS: dict[str, Any] = {
    "moonnet": moonnet_regressor,
    "moonnet on JAX": moonnet_regressor,
    "MLPRegressor": functools.partial(mlp, kind=MlpRegressor),
}
# Each regressor's library for classes
CLASSIFIER_OF = {"MLPRegressor": "MLPClassifier"}


def backend_of(rival: str) -> str:
    """Return the backend of Keras on which a rival runs, if it runs on Keras at all."""
    return "jax" if rival.endswith("on JAX") else "tensorflow"


def import_libraries(rival: str) -> None:
    """Import what a rival's first fit would import, where imports are not to be measured."""
    if rival.startswith("moonnet"):
        import moonnet.training._loop  # noqa: F401
    elif rival == "SciKeras":
        scikeras()
