"""
Decision regions with more than two features
============================================

The wine data set has thirteen features, and a figure has two axes.
:class:`~moonnet.plotting.DecisionRegionDisplay` draws a plane through the
feature space: either two features with the others held at fixed values, or the
first two principal components.

See also: :class:`~moonnet.KerasMoonClassifier`; :doc:`/guide/plotting`.
"""

# %%
# This plane has two features as axes; the other eleven are held at their
# medians. The wines are projected onto the plane, so that a wine may lie in the
# region of another class although it is classified correctly. Rings would mark
# wines that are misclassified with all their features.

from matplotlib import pyplot as plt
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay

wine = load_wine(as_frame=True)
X, y = wine.data, wine.target_names[wine.target]
model = make_pipeline(
    StandardScaler(), KerasMoonClassifier(random_state=0)
).fit(X, y)
features = ("alcohol", "flavanoids")
display = DecisionRegionDisplay.from_estimator(
    model, X, y, features=features, aspect="auto"
)
print(f"{display.errors.sum()} of {len(X)} wines are misclassified")

# %%
# ``held`` moves the plane: here, proline is held at its lower and at its upper
# quartile. The titles show the held values.

figure, axes = plt.subplots(
    1, 2, figsize=(9.6, 4), layout="constrained", sharey=True
)
for ax, quantile in zip(axes, (0.25, 0.75), strict=True):
    held = {"proline": X["proline"].quantile(quantile)}
    DecisionRegionDisplay.from_estimator(
        model,
        X,
        y,
        features=features,
        held=held,
        aspect="auto",
        legend_kw=False,
        ax=ax,
    )
    ax.label_outer()

# %%
# ``features="pca"`` draws the plane of the first two principal components of
# the standardised features, along which the wines vary most. Nearly all wines
# lie in the region of their class here.

display = DecisionRegionDisplay.from_estimator(model, X, y, features="pca")

# sphinx_gallery_thumbnail_number = 3
