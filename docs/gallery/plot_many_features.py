"""
More than two features
======================

A picture has two axes, and a wine thirteen features. ``DecisionRegionDisplay``
draws a plane through the space of the features: that of two features with the
others held, or that of the first two principal components.
"""

# %%
# Two features span this plane; the other eleven stay at their medians. A wine
# is drawn where it is seen on the plane, though it lies before or behind it, so
# its region need not have its colour. A ring would mark a wine that the network
# gets wrong with all its features.

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
# Another plane, another picture: proline at its lower and at its upper
# quartile. The titles say where the planes lie.

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
# The first two principal components of the standardised features span the plane
# in which the wines spread most. Nearly all of them lie in their own region
# here.

display = DecisionRegionDisplay.from_estimator(model, X, y, features="pca")

# sphinx_gallery_thumbnail_number = 3
