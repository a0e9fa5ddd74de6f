"""
Comparing classifiers
=====================

This example compares the decision regions of six scikit-learn classifiers on
two data sets. :class:`~moonnet.plotting.DecisionRegionDisplay` draws any fitted
classifier, on given axes.

See also: :class:`~moonnet.KerasMoonClassifier`; :doc:`/guide/plotting`.
"""

# %%
# Half-moons: the figure shows held-out samples, and in the corner the accuracy
# on them. The boundaries of the networks and of the support vector machine are
# smooth, those of nearest neighbours and of the random forest are ragged, and
# that of logistic regression is a straight line.

from matplotlib import pyplot as plt
from sklearn.datasets import make_circles, make_moons
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay

classifiers = [
    KerasMoonClassifier(learning_rate=0.005, random_state=0),
    MLPClassifier((50, 20), max_iter=2000, random_state=0),
    SVC(),
    KNeighborsClassifier(),
    RandomForestClassifier(random_state=0),
    LogisticRegression(),
]


def compare(X, y):
    """Fit the classifiers, and draw their regions with held-out samples."""
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.4, random_state=0
    )
    _, axes = plt.subplots(
        2, 3, figsize=(9.6, 6), layout="constrained", sharex=True, sharey=True
    )
    for ax, clf in zip(axes.flat, classifiers, strict=True):
        clf.fit(X_train, y_train)
        DecisionRegionDisplay.from_estimator(
            clf, X_test, y_test, aspect="auto", legend_kw=False, ax=ax
        )
        accuracy = clf.score(X_test, y_test)
        ax.set_title(f"{type(clf).__name__}: {accuracy:.2f}", fontsize="medium")
        ax.label_outer()


compare(*make_moons(300, noise=0.25, random_state=0))

# %%
# A disc inside a ring: no straight line can separate these classes.

compare(*make_circles(300, noise=0.15, factor=0.5, random_state=0))
