"""
Quantile regression: prediction intervals
=========================================

With ``loss="pinball"``, :class:`~moonnet.KerasMoonRegressor` predicts a
quantile. One network predicts the median, and two more predict the bounds of
the interval that contains 90 % of the samples.

See also: :class:`~moonnet.plotting.RegressionDisplay`;
:doc:`/guide/regression`.
"""

# %%
# The data are generated: the number of bicycles rented in an hour. Few are
# rented at night and most after work. The higher the number, the more it
# varies.

import numpy as np
from sklearn.base import clone
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
# X needs scaling, as for any network; y does not. The three fits share one
# compiled program, because the quantile is an argument of the program.

network = KerasMoonRegressor(
    loss="pinball", learning_rate=0.005, epochs=200, random_state=0
)
quantiles = {
    q: make_pipeline(StandardScaler(), clone(network).set_params(quantile=q))
    for q in (0.05, 0.5, 0.95)
}
for model in quantiles.values():
    model.fit(X_train, y_train)

display = RegressionDisplay.from_estimator(
    quantiles[0.5], X_test, y_test, xlim=(0, 24), line_kw={"label": "median"}
)
(grid,) = display.grid
low, high = (quantiles[q].predict(grid[:, np.newaxis]) for q in (0.05, 0.95))
ax = display.ax_
ax.fill_between(grid, low, high, alpha=0.25, label="nine of ten")
ax.set(xlabel="hour of the day", ylabel="bicycles rented in an hour")
_ = ax.legend()

# %%
# The fraction of held-out samples below each predicted quantile is close to the
# quantile.

for q, model in quantiles.items():
    predicted = model.predict(X_test)
    score = d2_pinball_score(y_test, predicted, alpha=q)
    below = np.mean(y_test < predicted)
    print(f"quantile {q:4}: {below:3.0%} of samples below, D2 {score:.2f}")

# %%
# The loss is in the unit of y, bicycles.

_ = TrainingCurveDisplay.from_estimator(quantiles[0.95])
