"""
Imbalanced classes: class weights and decision threshold
========================================================

If one class is rare, a network that hardly ever predicts it still has a high
accuracy. Two remedies are ``class_weight="balanced"``, and a decision threshold
other than 0.5, which ``TunedThresholdClassifierCV`` finds.

See also: :class:`~moonnet.KerasMoonClassifier` and
:class:`~moonnet.plotting.DecisionRegionDisplay`; :doc:`/guide/classification`.
"""

# %%
# One sample in twenty belongs to class 1. Each row of a confusion matrix shows
# how the samples of one class are predicted, as fractions. Both remedies find
# more samples of the rare class, at the cost of more false positives.

from matplotlib import pyplot as plt
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    PrecisionRecallDisplay,
    balanced_accuracy_score,
    precision_score,
    recall_score,
)
from sklearn.model_selection import TunedThresholdClassifierCV, train_test_split

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay

X, y = make_classification(
    n_samples=4000,
    n_features=2,
    n_redundant=0,
    n_clusters_per_class=1,
    weights=[0.95],
    class_sep=1.2,
    flip_y=0,
    random_state=3,
)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, stratify=y, random_state=0
)
network = KerasMoonClassifier(epochs=40, random_state=0)
models = {
    "unweighted": network,
    "balanced weights": clone(network).set_params(class_weight="balanced"),
    "tuned threshold": TunedThresholdClassifierCV(
        network, scoring="balanced_accuracy", cv=3
    ),
}
figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.2), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    model.fit(X_train, y_train)
    predicted = model.predict(X_test)
    style = {
        "values_format": ".2f",
        "im_kw": {"vmin": 0, "vmax": 1},
        "colorbar": False,
    }
    ConfusionMatrixDisplay.from_predictions(
        y_test, predicted, normalize="true", ax=ax, **style
    )
    ax.set_title(name)
    ax.label_outer()
    score = balanced_accuracy_score(y_test, predicted)
    print(f"{name}: balanced accuracy {score:.3f}")

# %%
# Both remedies move the decision boundary towards the frequent class.

figure, axes = plt.subplots(
    1, 3, figsize=(9.6, 3.2), layout="constrained", sharex=True, sharey=True
)
for ax, (name, model) in zip(axes, models.items(), strict=True):
    style = {"scatter_kw": {"s": 12}, "errors_kw": False, "legend_kw": False}
    DecisionRegionDisplay.from_estimator(
        model, X_test, y_test, aspect="auto", ax=ax, **style
    )
    ax.set_title(name)

# %%
# Weights and thresholds choose a point on the precision-recall curve, and
# hardly change the curve. The tuned threshold has the curve of the unweighted
# network, because it uses that network.

figure, ax = plt.subplots(figsize=(5.6, 4.4), layout="constrained")
colors = ("tab:blue", "tab:orange", "white")
for (name, model), marker, color in zip(
    models.items(), "osD", colors, strict=True
):
    if name != "tuned threshold":
        style = {"name": name, "curve_kwargs": {"color": color}}
        PrecisionRecallDisplay.from_estimator(
            model, X_test, y_test, ax=ax, **style
        )
    predicted = model.predict(X_test)
    point = recall_score(y_test, predicted), precision_score(y_test, predicted)
    style = {"color": color, "markersize": 9, "markeredgecolor": "black"}
    ax.plot(*point, marker, label=f"predictions, {name}", **style)
legend = ax.legend(loc="lower left")

# sphinx_gallery_thumbnail_number = 3
