"""Networks of a user's own layers in the libraries that take one: moonnet, Keras and SciKeras."""

from typing import Any

import numpy as np
from sklearn.datasets import load_digits, make_classification


def residual(inputs: Any) -> Any:
    """Return the last hidden tensor of Dense layers with batch normalisation, dropout and a residual sum."""
    from keras import layers

    x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(64)(inputs)))
    x = layers.Dropout(0.2)(x)
    return layers.Add()([x, layers.Dense(64, activation="relu")(x)])


def convolutional(inputs: Any) -> Any:
    """Return the last hidden tensor of two convolutions of images of 8 x 8 pixels."""
    from keras import layers

    x = layers.Reshape((8, 8, 1))(inputs)
    x = layers.MaxPooling2D()(layers.Conv2D(16, 3, activation="relu")(x))
    return layers.Dense(32, activation="relu")(layers.Flatten()(layers.Conv2D(32, 2, activation="relu")(x)))


def load_samples(hidden: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return samples and labels for an architecture, in float32 as its layers."""
    if hidden is convolutional:
        X, y = load_digits(return_X_y=True)
        return (X / 16).astype("float32"), y
    X, y = make_classification(1000, 20, n_informative=8, random_state=0)
    return X.astype("float32"), y


def build_estimator(rival: str, hidden: Any, n_features: int, n_classes: int, **training: int) -> Any:
    """Return an estimator of the rival's library with ``fit`` and ``predict``."""
    if rival.startswith("moonnet"):
        from moonnet import HiddenLayers, KerasMoonClassifier

        return KerasMoonClassifier(hidden_layers=HiddenLayers(hidden), optimizer="adam", **training)

    def build() -> Any:
        import keras

        inputs = keras.Input((n_features,))
        n_units, activation = (1, "sigmoid") if n_classes == 2 else (n_classes, "softmax")
        model = keras.Model(inputs, keras.layers.Dense(n_units, activation=activation)(hidden(inputs)))
        loss = "binary_crossentropy" if n_classes == 2 else "sparse_categorical_crossentropy"
        model.compile("adam", loss=loss, metrics=["accuracy"])
        return model

    if rival == "SciKeras":
        from scikeras.wrappers import KerasClassifier

        return KerasClassifier(build, verbose=0, **training)
    return _Keras(build, training)


class _Keras:
    def __init__(self, build: Any, training: dict[str, int]) -> None:
        self._build, self._training = build, training

    def fit(self, X: np.ndarray, y: np.ndarray) -> "_Keras":
        self._model = self._build()
        self._model.fit(X, y, verbose=0, **self._training)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        outputs = self._model.predict(X, verbose=0)
        return outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0.5).astype(int)
