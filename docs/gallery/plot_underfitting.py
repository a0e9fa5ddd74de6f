"""
Effect of width and L2: from underfitting to overfitting
========================================================

A network with few units is too simple for the half-moons, and one with many
units also learns their noise. The L2 penalty makes a wide network simpler
again.

See also: :func:`~moonnet.plotting.plot_validation_curve` and
:class:`~moonnet.plotting.DecisionRegionDisplay`;
:ref:`sphx_glr_auto_gallery_plot_samples_and_epochs.py`;
:ref:`sphx_glr_auto_gallery_plot_learning_rate.py`.
"""

# %%
# The network has one hidden layer with 1 to 512 units, and trains on 100
# half-moons for 1000 epochs. Each point is the mean of ten fits, and the band
# is their standard deviation. Each fit has another random state, which draws
# the split into training and test samples and the initial weights.
#
# The wider the network, the lower its loss on the training samples. The loss on
# the test samples is lowest with 64 units. Narrower networks underfit: both
# losses are high and similar. Wider ones overfit: the two losses move apart,
# and that of the test samples depends on the random state.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_diabetes, make_moons
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.plotting import DecisionRegionDisplay, plot_validation_curve

X, y = make_moons(200, noise=0.3, random_state=0)
options = {"n_seeds": 10, "scoring": "neg_log_loss"}
widths = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
network = KerasMoonClassifier(epochs=1000, random_state=0)
display = plot_validation_curve(
    network, X, y, "hidden_layer_sizes", widths, **options
)

# %%
# Three of these networks with their training samples: one unit draws a straight
# boundary, and 512 units bend it around single samples. There, the probability
# jumps from one class to the other: the network is certain nearly everywhere.

X_train, _, y_train, _ = train_test_split(X, y, test_size=0.5, random_state=0)


def draw_regions(param_name, values):
    """Draw the probabilities of three networks over the training samples."""
    _, axes = plt.subplots(
        1, 3, figsize=(9.6, 2.8), layout="constrained", sharex=True, sharey=True
    )
    style = {"scatter_kw": {"s": 12}, "colorbar_kw": False, "legend_kw": False}
    for ax, value in zip(axes, values, strict=True):
        network.set_params(**{param_name: value}).fit(X_train, y_train)
        DecisionRegionDisplay.from_estimator(
            network,
            X_train,
            y_train,
            response_method="predict_proba",
            ax=ax,
            **style,
        )
        ax.set_title(f"{param_name}={value}")
        ax.label_outer()


draw_regions("hidden_layer_sizes", [1, 32, 512])

# %%
# The L2 penalty runs the same way backwards, here for the default network with
# 50 and 20 units. With a small penalty it overfits, with a large one it
# underfits, and in between the test loss is lowest. At 0.1, the network
# predicts the same probability for all samples.

network.set_params(hidden_layer_sizes=(50, 20))
display = plot_validation_curve(
    network, X, y, "l2", np.logspace(-5, -1, 9), **options
)

# %%

draw_regions("l2", [0.0001, 0.003, 0.03])

# %%
# On a real table, the penalty decides whether the network is of any use. The
# diabetes data set has ten features and much noise. After 300 epochs without a
# noticeable penalty, the network explains 97 % of the variance of 221 training
# samples, and almost nothing of that of the test samples. With the best
# penalty, it explains almost half of the latter.

X, y = load_diabetes(return_X_y=True)
model = make_pipeline(StandardScaler(), KerasMoonRegressor(epochs=300))
display = plot_validation_curve(
    model, X, y, "kerasmoonregressor__l2", np.logspace(-4, 0, 9), n_seeds=10
)

# sphinx_gallery_thumbnail_number = 3
