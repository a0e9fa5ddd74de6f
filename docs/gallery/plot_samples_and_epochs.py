"""
Effect of the number of samples and epochs
==========================================

How long should a network train, and would more samples help? Both questions
need scores on samples that the network has not seen, and more than one fit:
another random state gives another answer.

See also: :func:`~moonnet.plotting.plot_validation_curve` and
:func:`~moonnet.plotting.plot_learning_curve`;
:ref:`sphx_glr_auto_gallery_plot_learning_rate.py`;
:ref:`sphx_glr_auto_gallery_plot_underfitting.py`.
"""

# %%
# Each point of a curve is the mean of ten fits, and the band is their standard
# deviation. Each fit has another random state, which draws the split into
# training and test samples (half and half), the initial weights and the order
# of the samples.
#
# Up to 300 epochs, the loss falls on training and test samples. After that, it
# still falls on the training samples, but rises on the test samples: the
# network overfits. Its test accuracy hardly changes. The loss rises because the
# network becomes too certain of its mistakes.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_breast_cancer, make_moons
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier
from moonnet.plotting import plot_learning_curve, plot_validation_curve

X, y = make_moons(400, noise=0.3, random_state=0)
epochs = [1, 3, 10, 30, 100, 300, 1000]
figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.6), layout="constrained")
for ax, scoring in zip(axes, ["neg_log_loss", "accuracy"], strict=True):
    network = KerasMoonClassifier()
    options = {"n_seeds": 10, "scoring": scoring, "ax": ax}
    plot_validation_curve(network, X, y, "epochs", epochs, **options)

# %%
# On a real table, the same happens sooner. The breast-cancer data set has 30
# features, by which 284 training samples are easily told apart: after 100
# epochs, their loss is almost zero, and that of the test samples has doubled
# since epoch 30. ``early_stopping=True`` stops in time.

X, y = load_breast_cancer(return_X_y=True)
model = make_pipeline(StandardScaler(), KerasMoonClassifier())
display = plot_validation_curve(
    model,
    X,
    y,
    "kerasmoonclassifier__epochs",
    [1, 3, 10, 30, 100, 300],
    n_seeds=10,
    scoring="neg_log_loss",
)

# %%
# Now the number of training samples varies, and the test samples are always 500
# half-moons. With 500 epochs, on the right, the network learns few samples by
# heart: they are classified correctly, and a quarter of the test samples are
# not. With more samples, the two scores approach each other, and the bands
# become narrower.
#
# An epoch of fewer samples has fewer steps. This is why the same 100 epochs, on
# the left, are too few for 50 to 200 samples, and enough for 500: their test
# score is close to that of 500 epochs.

X, y = make_moons(1000, noise=0.3, random_state=0)
sizes = [10, 20, 50, 100, 200, 500]
figure, axes = plt.subplots(
    1, 2, figsize=(9.6, 3.6), layout="constrained", sharey=True
)
displays = {}
for ax, n_epochs in zip(axes, [100, 500], strict=True):
    network = KerasMoonClassifier(epochs=n_epochs)
    displays[n_epochs] = plot_learning_curve(
        network, X, y, train_sizes=sizes, n_seeds=10, ax=ax
    )
    ax.set_title(f"{n_epochs} epochs")
    ax.label_outer()

# %%
# Do the samples or the network cause the spread? The figures below compare the
# ten test scores above, of 200 samples and 100 epochs, with thirty scores on a
# single split. There, only the initial weights and the order of the samples
# differ. Most of the spread comes from the samples.

X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=200, test_size=500, random_state=0
)
scores = [
    KerasMoonClassifier(random_state=seed)
    .fit(X_train, y_train)
    .score(X_test, y_test)
    for seed in range(30)
]
spread = displays[100].test_scores[sizes.index(200)].std()
print(f"samples and network differ: standard deviation {spread:.3f}")
print(f"only the network differs:   standard deviation {np.std(scores):.3f}")
