"""
Effect of learning rate, optimizer and batch size
=================================================

These three decide how far the network gets in a given number of epochs. Each
optimizer has a range of learning rates in which it works.

See also: :func:`~moonnet.plotting.plot_validation_curve` and
:func:`~moonnet.plotting.plot_search`;
:ref:`sphx_glr_auto_gallery_plot_samples_and_epochs.py`;
:ref:`sphx_glr_auto_gallery_plot_underfitting.py`.
"""

# %%
# Each point is the mean of ten fits of 100 epochs, and the band is their
# standard deviation. Each fit has another random state, which draws the split
# into training and test samples, the initial weights and the order of the
# samples.
#
# At low rates, the network hardly learns: its loss stays near 0.69, that of a
# guess. Adam and RMSprop reach their lowest test loss at 0.003, and plain
# gradient descent (``"sgd"``) needs a hundred times that. At higher rates, Adam
# and RMSprop overfit within the 100 epochs: the loss of the training samples is
# lower still, that of the test samples is higher, and it depends on the random
# state. At a rate of 1, the training suffers, too: the steps are too large.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV, ShuffleSplit

from moonnet import KerasMoonClassifier
from moonnet.plotting import plot_search, plot_validation_curve

X, y = make_moons(400, noise=0.3, random_state=0)
rates = np.logspace(-5, 0, 11)
options = {"n_seeds": 10, "scoring": "neg_log_loss"}
figure, axes = plt.subplots(
    1, 3, figsize=(9.6, 3.4), layout="constrained", sharey=True
)
for ax, optimizer in zip(axes, ["sgd", "adam", "rmsprop"], strict=True):
    network = KerasMoonClassifier(optimizer=optimizer)
    plot_validation_curve(
        network, X, y, "learning_rate", rates, ax=ax, **options
    )
    ax.set_title(optimizer)
    ax.label_outer()

# %%
# With larger batches, an epoch has fewer steps. After 100 epochs, the network
# has not learned as much: both losses are higher. In batches of 5, it has begun
# to overfit.

sizes = [5, 10, 20, 50, 100, 200]
display = plot_validation_curve(
    KerasMoonClassifier(), X, y, "batch_size", sizes, **options
)

# %%
# Fewer steps can be longer. A search over both shows it: the best learning rate
# increases with the batch size, from 0.001 in batches of 5 to 0.01 in batches
# of 200. Each cell is a mean over five splits.

grid = {
    "batch_size": sizes,
    "learning_rate": [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1],
}
splits = ShuffleSplit(5, test_size=0.5, random_state=0)
search = GridSearchCV(
    KerasMoonClassifier(random_state=0), grid, cv=splits, scoring="neg_log_loss"
).fit(X, y)
ax = plot_search(search, x="learning_rate", y="batch_size")
