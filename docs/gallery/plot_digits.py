"""
Ten classes
===========

Handwritten digits: 64 features, the grey values of eight by eight pixels, and
ten classes. The network gets a softmax unit for each class, and all else stays
as it is.
"""

# %%
# A row for each digit, a column for each prediction; the digits were held out.

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
# The plane of the first two principal components, with the digits held out
# where they lie. A plane shows little of 64 dimensions: digits lie over one
# another that the network tells apart, and some have no region in this plane.

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
print(f"with a region: {display.classes[np.unique(display.response)]}")

# sphinx_gallery_thumbnail_number = 2
