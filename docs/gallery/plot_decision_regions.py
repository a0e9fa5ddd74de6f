"""
Decision regions
================

A classifier divides the plane of two features into decision regions, one or
more for each class. :class:`~moonnet.plotting.DecisionRegionDisplay` draws them
under the samples. It works with any scikit-learn classifier and with labels of
any type, and labels the axes with the column names of a dataframe.

See also: :class:`~moonnet.KerasMoonClassifier`; :doc:`/guide/plotting`.
"""

# %%
# Two classes
# -----------
#
# The line is the decision boundary, where both classes have probability 0.5.
# Rings mark misclassified samples, and the legend counts them.

from sklearn.datasets import load_iris, make_moons

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay

X, y = make_moons(200, noise=0.2, random_state=0)
clf = KerasMoonClassifier(random_state=0).fit(X, y)
display = DecisionRegionDisplay.from_estimator(clf, X, y)
print(f"{display.errors.sum()} of {len(X)} samples are misclassified")

# %%
# ``response_method="predict_proba"`` draws the probability of class 1, which
# rises from 0 to 1 across the boundary. ``errors_kw=False`` omits the rings.

display = DecisionRegionDisplay.from_estimator(
    clf, X, y, response_method="predict_proba", errors_kw=False
)

# %%
# Three classes
# -------------
#
# Three species of iris by the size of their petals. The dataframe's column
# names label the axes, and the legend shows the classes. ``aspect="auto"``
# makes the plot fill its axes; by default, a centimetre has the same length on
# both axes.

iris = load_iris(as_frame=True)
petals = iris.data[["petal length (cm)", "petal width (cm)"]]
species = iris.target_names[iris.target]
clf = KerasMoonClassifier(random_state=0).fit(petals, species)
display = DecisionRegionDisplay.from_estimator(
    clf, petals, species, aspect="auto", legend_kw={"title": "species"}
)

# %%
# With more than two classes, the probability surface shows the most likely
# class in its colour: the paler, the less likely.

display = DecisionRegionDisplay.from_estimator(
    clf,
    petals,
    species,
    response_method="predict_proba",
    aspect="auto",
    legend_kw={"title": "species"},
)
