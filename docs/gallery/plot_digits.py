"""
Multiclass classification: handwritten digits
=============================================

The data set has ten classes and 64 features, the grey values of 8 x 8 pixels.
For more than two classes, :class:`~moonnet.KerasMoonClassifier` uses one
softmax unit per class; nothing else changes.

See also: :class:`~moonnet.plotting.DecisionRegionDisplay`;
:doc:`/guide/classification` and :doc:`/guide/plotting`.
"""

# %%
# The confusion matrix of held-out digits: rows are true digits, columns are
# predictions.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, stratify=y, random_state=0
)
model = make_pipeline(
    MinMaxScaler(), KerasMoonClassifier(epochs=40, random_state=0)
).fit(X_train, y_train)
print(f"test accuracy {model.score(X_test, y_test):.3f}")
figure, ax = plt.subplots(figsize=(5.6, 5), layout="constrained")
display = ConfusionMatrixDisplay.from_estimator(
    model, X_test, y_test, colorbar=False, ax=ax
)

# %%
# ``features="pca"`` draws the decision regions on the plane of the first two
# principal components, here with the held-out digits as text. A plane shows
# little of 64 dimensions: digits overlap that the network distinguishes, and
# some digits have no region in this plane.

figure, ax = plt.subplots(figsize=(7, 5.6), layout="constrained")
display = DecisionRegionDisplay.from_estimator(
    model,
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

# sphinx_gallery_thumbnail_number = 2
