"""
Quantile regression: prediction intervals
=========================================

With ``loss="pinball"`` and several numbers in ``quantile``, one
:class:`~moonnet.KerasMoonRegressor` predicts the median and the bounds of the
interval that contains nine of ten samples.

See also: :class:`~moonnet.plotting.RegressionDisplay`;
:doc:`/guide/regression`.
"""

# %%
# The data are generated: the number of bicycles rented in an hour. Few are
# rented at night and most after work. The higher the number, the more it
# varies.

import numpy as np
from keras.optimizers.schedules import CosineDecay
from sklearn.metrics import d2_pinball_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonRegressor
from moonnet.plotting import RegressionDisplay, TrainingCurveDisplay

rng = np.random.default_rng(0)
X = rng.uniform(0, 24, (2000, 1))
morning = 400 * np.exp(-((X[:, 0] - 8) ** 2) / 3)
noon = 150 * np.exp(-((X[:, 0] - 13) ** 2) / 20)
evening = 600 * np.exp(-((X[:, 0] - 17.5) ** 2) / 5)
y = (30 + morning + noon + evening) * rng.gamma(9, 1 / 9, 2000)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# %%
# X needs scaling, as for any network; y does not. The network has an output for
# each quantile, and its predictions are sorted, so that quantiles never cross.
# The learning rate falls to 0: with a constant one, the quantiles would move up
# and down until the last step. A display draws the band from the lowest
# quantile to the highest one.

n_steps = 200 * 30  # 200 epochs of 1500 samples in batches of 50
network = KerasMoonRegressor(
    loss="pinball",
    quantile=[0.05, 0.5, 0.95],
    learning_rate=CosineDecay(0.01, n_steps),
    epochs=200,
    random_state=0,
)
model = make_pipeline(StandardScaler(), network).fit(X_train, y_train)

display = RegressionDisplay.from_estimator(model, X_test, y_test, xlim=(0, 24))
_ = display.ax_.set(
    xlabel="hour of the day", ylabel="bicycles rented in an hour"
)

# %%
# The fraction of held-out samples below each predicted quantile is close to the
# quantile. A pipeline has no ``predict_quantiles``, so the scaler is applied
# first.

scaler, network = model
predicted = network.predict_quantiles(scaler.transform(X_test))
for q, column in zip(network.quantiles_, predicted.T, strict=True):
    score = d2_pinball_score(y_test, column, alpha=q)
    below = np.mean(y_test < column)
    print(f"quantile {q:4}: {below:3.0%} of samples below, D2 {score:.2f}")

inside = np.mean((predicted[:, 0] <= y_test) & (y_test <= predicted[:, -1]))
print(f"{inside:.0%} of samples are in the band")

# %%
# The loss is the mean over the quantiles, in the unit of y, bicycles.

_ = TrainingCurveDisplay.from_estimator(model)
