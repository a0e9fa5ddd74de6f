"""
A column of many categories: embedding or one-hot encoding?
===========================================================

One-hot encoding turns a column of categories into a column of 0 and 1 for each
category. A layer that follows has a weight for each of these and each of its
units. An ``Embedding`` layer learns a few numbers per category instead, here
two.

See also: :doc:`/guide/own_layers`; :doc:`/guide/tables` and
:doc:`/guide/regression`.
"""

# %%
# The data are temperatures at 100 weather stations, generated: ten of each
# station for training, and ten for the test. A temperature depends on the
# season, and on the station's latitude and altitude. The table has the names of
# the stations only. The noise has a standard deviation of 2 degrees, which is
# the lowest error that a model can have.

import numpy as np
import pandas as pd
from keras import layers
from matplotlib import pyplot as plt
from sklearn.compose import make_column_transformer
from sklearn.metrics import root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from moonnet import HiddenLayers, KerasMoonRegressor

N_STATIONS = 100
rng = np.random.default_rng(0)
latitude = rng.uniform(-60, 60, N_STATIONS)  # degrees
altitude = rng.uniform(0, 3, N_STATIONS)  # km


def measure(n_samples):
    """Return seasons and stations, and temperatures."""
    stations = np.repeat(np.arange(N_STATIONS), n_samples)
    season = rng.uniform(0, 2 * np.pi, len(stations))
    X = pd.DataFrame(
        {
            "station": [f"S{station:02}" for station in stations],
            "sine": np.sin(season),
            "cosine": np.cos(season),
        }
    )
    north, height = latitude[stations], altitude[stations]
    mean = 28 - 0.35 * np.abs(north) - 6 * height
    y = mean - 0.25 * north * X["cosine"] + rng.normal(0, 2, len(stations))
    return X, y


X_train, y_train = measure(10)
X_test, y_test = measure(10)

# %%
# ``OrdinalEncoder`` numbers the stations, in the first column. The function
# takes that column of the input, ``inputs[:, 0]``, and puts the embedding in
# its place. The layers after it have the default sizes.


def embed(inputs, size=2):
    """Return the last hidden tensor."""
    station = layers.Embedding(N_STATIONS, size, name="station")(inputs[:, 0])
    x = layers.Concatenate()([station, inputs[:, 1:]])
    x = layers.Dense(50, activation="relu")(x)
    return layers.Dense(20, activation="relu")(x)


def make_model(encoder, **parameters):
    """Return a pipeline."""
    columns = make_column_transformer(
        (encoder, ["station"]), remainder="passthrough", sparse_threshold=0
    )
    return make_pipeline(
        columns, KerasMoonRegressor(learning_rate=0.003, **parameters)
    )


models = {"one-hot": make_model(OneHotEncoder())}
for size in [1, 2, 8]:
    models[f"embedding, {size}"] = make_model(
        OrdinalEncoder(), hidden_layers=HiddenLayers(embed, size=size)
    )

# %%
# Each model is trained with five random states. The table shows the errors on
# the test data, in degrees.

errors = {}
for name, model in models.items():
    errors[name] = []
    for seed in range(5):
        model[-1].set_params(random_state=seed)
        model.fit(X_train, y_train)
        error = root_mean_squared_error(y_test, model.predict(X_test))
        errors[name].append(error)
pd.DataFrame(errors).agg(["min", "median", "max"]).T.round(2).pipe(print)

# %%
# Two numbers per station have the lowest error in all five runs. One number is
# too few, because a station differs from others in two properties. Eight
# numbers do little better than one-hot encoding: ten temperatures per station
# are not enough to learn so many.
#
# The two numbers that the network has learned for each station tell where it
# lies, although the network was told neither latitude nor altitude.

model = models["embedding, 2"]
vectors = model[-1].model_.get_layer("station").get_weights()[0]
figure, axes = plt.subplots(
    1, 2, figsize=(9, 3.8), layout="constrained", sharey=True
)
for ax, values, label in [
    (axes[0], latitude, "latitude in degrees"),
    (axes[1], altitude, "altitude in km"),
]:
    points = ax.scatter(*vectors.T, c=values)
    figure.colorbar(points, ax=ax)
    ax.set(title=f"colour: {label}", xlabel="first number of a station")
label = axes[0].set_ylabel("second number")
