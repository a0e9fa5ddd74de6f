"""
Handwritten digits: confusion matrix, mistakes and weights
==========================================================

The data set has ten classes and 64 features, the grey values of 8 x 8 pixels.
For more than two classes, :class:`~moonnet.KerasMoonClassifier` uses one
softmax unit per class; nothing else changes.

See also: :class:`~moonnet.plotting.DecisionRegionDisplay`;
:doc:`/guide/classification` and :doc:`/guide/plotting`;
:ref:`sphx_glr_auto_gallery_plot_convolution.py`, whose layers know images.
"""

# %%
# The confusion matrix of held-out digits: rows are true digits, columns are
# predictions.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, test_size=0.5, stratify=y, random_state=0
)
clf = KerasMoonClassifier(epochs=40, random_state=0).fit(X_train, y_train)
print(f"test accuracy {clf.score(X_test, y_test):.3f}")
figure, ax = plt.subplots(figsize=(5.6, 5), layout="constrained")
display = ConfusionMatrixDisplay.from_estimator(
    clf, X_test, y_test, colorbar=False, ax=ax
)

# %%
# The most frequent mistake is an 8 that is taken for a 1. These digits are
# wrong: what they are, what the network takes them for, and the probability of
# that. Those of which it is most certain come first. Some of the 6s are easy to
# read for a person, and most of the 8s are not.

predicted = clf.predict(X_test)
certainty = clf.predict_proba(X_test).max(axis=1)
wrong = np.flatnonzero(predicted != y_test)
wrong = wrong[np.argsort(-certainty[wrong])]
print(f"{len(wrong)} of {len(y_test)} digits are wrong")
figure, axes = plt.subplots(3, 6, figsize=(7, 4.8), layout="constrained")
for ax in axes.flat:
    ax.set_axis_off()
for ax, index in zip(axes.flat, wrong, strict=False):
    ax.imshow(X_test[index].reshape(8, 8), cmap="gray_r")
    ax.set_title(
        f"{y_test[index]} as {predicted[index]}\n{certainty[index]:.0%}",
        size=10,
    )

# %%
# ``coefs_[0]`` has the shape (64, 50): a column holds the weights of a unit of
# the first layer, and has the shape of an image. Ink on a blue pixel increases
# the unit's value, and ink on a red one reduces it. Each picture below is one
# of the first thirty units.


def draw_weights(clf):
    """Draw the weights of thirty units of the first layer as images."""
    weights = clf.coefs_[0].T.reshape(-1, 8, 8)
    limit = abs(weights).max()
    _, axes = plt.subplots(3, 10, figsize=(7, 2.3), layout="constrained")
    for ax, image in zip(axes.flat, weights, strict=False):
        ax.imshow(image, cmap="RdBu", vmin=-limit, vmax=limit)
        ax.set_axis_off()


draw_weights(clf)

# %%
# They look like noise, because the random initial weights are still in them.
# Pixels that are white in all digits, such as the upper left one, have no
# gradient, and keep their initial weights.
#
# An L2 penalty removes what the loss does not need. The edges turn white, some
# units are not used at all, and in others, neighbouring pixels have weights of
# the same sign. The test accuracy is about the same.

penalised = KerasMoonClassifier(epochs=200, l2=0.005, random_state=0)
penalised.fit(X_train, y_train)
print(f"test accuracy {penalised.score(X_test, y_test):.3f}")
draw_weights(penalised)

# %%
# ``features="pca"`` draws the decision regions on the plane of the first two
# principal components, here with the held-out digits as text. A plane shows
# little of 64 dimensions: digits overlap that the network distinguishes, and
# some digits have no region in this plane.

figure, ax = plt.subplots(figsize=(7, 5.6), layout="constrained")
display = DecisionRegionDisplay.from_estimator(
    clf,
    X_test,
    y_test,
    features="pca",
    errors_kw=False,
    legend_kw=False,
    scatter_kw={"s": 0},
    ax=ax,
)
for point, digit in zip(display.X, display.y, strict=True):
    ax.text(*point, str(digit), size=8, ha="center", va="center")
print(f"digits with a region: {display.classes[np.unique(display.response)]}")

# sphinx_gallery_thumbnail_number = 4
