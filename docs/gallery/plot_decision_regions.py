"""
Decision regions
================

A classifier divides the plane of two features into regions, one or more for
each class. ``DecisionRegionDisplay`` draws them under the data. It takes any
classifier of scikit-learn and labels of any kind, and names the axes as a
dataframe names its columns.
"""

# %%
# Half-moons
# ----------
#
# Two features, two classes. The line is the boundary, where both classes have
# probability 0.5. A ring marks a sample on the wrong side of it, and the legend
# counts them.

from sklearn.datasets import load_iris, make_moons

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay

X, y = make_moons(200, noise=0.2, random_state=0)
clf = KerasMoonClassifier(random_state=0).fit(X, y)
display = DecisionRegionDisplay.from_estimator(clf, X, y)
print(f"{display.errors.sum()} of {len(X)} samples are misclassified")

# %%
# The probability of class 1 passes from 0 to 1 across the boundary.
# ``errors_kw=False`` leaves the rings out.

display = DecisionRegionDisplay.from_estimator(
    clf, X, y, response_method="predict_proba", errors_kw=False
)

# %%
# Flowers
# -------
#
# Three species of iris by the size of their petals. The axes have the names of
# the dataframe's columns, the legend has the labels. ``aspect="auto"`` lets the
# picture fill its room; without it, a centimetre is as long on both axes.

iris = load_iris(as_frame=True)
petals = iris.data[["petal length (cm)", "petal width (cm)"]]
species = iris.target_names[iris.target]
clf = KerasMoonClassifier(random_state=0).fit(petals, species)
display = DecisionRegionDisplay.from_estimator(
    clf, petals, species, aspect="auto", legend_kw={"title": "species"}
)

# %%
# With more than two classes, the surface shows the likeliest class in its
# colour: the paler, the less likely.

display = DecisionRegionDisplay.from_estimator(
    clf,
    petals,
    species,
    response_method="predict_proba",
    aspect="auto",
    legend_kw={"title": "species"},
)
