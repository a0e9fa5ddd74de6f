"""
Ensembles: where members disagree
=================================

What would the network predict with another seed, or with other samples of the
same kind? The members of an ensemble answer this. The plots show the boundary
or the curve of each member as a thin line, and shade where they disagree.

See also: :class:`~moonnet.plotting.DecisionRegionDisplay`;
:class:`~moonnet.plotting.RegressionDisplay`; :doc:`/guide/uncertainty`.
"""

# %%
# On the left, the networks differ in their seeds only: in the initial weights
# and the order of the samples. On the right, each one also has samples of its
# own, drawn with replacement. There are only 60 samples, so that both matter.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_iris, make_moons
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor
from moonnet.plotting import DecisionRegionDisplay, RegressionDisplay

X, y = make_moons(60, noise=0.3, random_state=3)
network = KerasMoonClassifier(learning_rate=0.005)
ensembles = {
    "other seeds": DeepEnsembleClassifier(network, 5, random_state=0),
    "other seeds and samples": BaggingClassifier(network, 5, random_state=0),
}
limits = {"xlim": (-2, 3), "ylim": (-1.5, 2)}


def draw(ensembles, X, y):
    """Draw the members of two ensembles, side by side."""
    _, axes = plt.subplots(
        1, 2, figsize=(9, 3.6), layout="compressed", sharey=True
    )
    for ax, (title, ensemble) in zip(axes, ensembles.items(), strict=True):
        DecisionRegionDisplay.from_estimator(
            ensemble.fit(X, y),
            X,
            y,
            members=True,
            ax=ax,
            errors_kw=False,
            legend_kw=False,
            colorbar_kw=False if ax is axes[0] else None,
            **limits,
        )
        ax.set_title(title)
        ax.label_outer()


draw(ensembles, X, y)

# %%
# With ten times as many samples, the members agree on more of the plane. They
# still disagree where there are none.

draw(ensembles, *make_moons(600, noise=0.3, random_state=3))

# %%
# Any ensemble of scikit-learn whose members each predict the classes can be
# drawn, also as the last step of a pipeline. This one votes with three networks
# and a logistic regression. With three classes, the shading is the largest
# standard deviation of a class's probability.

iris = load_iris(as_frame=True)
petals = iris.data[["petal length (cm)", "petal width (cm)"]]
names = iris.target_names[iris.target]
members = [
    (f"network {seed}", KerasMoonClassifier(random_state=seed))
    for seed in range(3)
]
voting = VotingClassifier(
    [*members, ("linear", LogisticRegression())], voting="soft"
)
model = make_pipeline(StandardScaler(), voting).fit(petals, names)
_ = DecisionRegionDisplay.from_estimator(model, petals, names, members=True)

# %%
# For numbers, the thin lines are the members' curves. The band has two standard
# deviations of their predictions on each side. It is widest beyond the samples.
# In the gap, all members take nearly the same way: that they agree does not
# mean that they are right. Nor is the band an interval in which new samples
# lie, because the members do not know how large the noise is.

rng = np.random.default_rng(0)
X = np.concatenate([rng.uniform(-3, -0.5, (60, 1)), rng.uniform(1, 3, (60, 1))])
y = np.sin(2 * X[:, 0]) + 0.3 * rng.normal(size=120)
ensemble = DeepEnsembleRegressor(
    KerasMoonRegressor(learning_rate=0.005, epochs=200), 5, random_state=0
).fit(X, y)
_ = RegressionDisplay.from_estimator(ensemble, X, y, members=True, xlim=(-5, 5))

# %%
# Several quantiles of one network show the noise instead. Their band contains
# most samples. It does not show where there are none.

quantiles = KerasMoonRegressor(
    loss="pinball",
    quantile=[0.05, 0.5, 0.95],
    learning_rate=0.005,
    random_state=0,
).fit(X, y)
_ = RegressionDisplay.from_estimator(quantiles, X, y, xlim=(-5, 5))
