"""
Comparing classifiers
=====================

``DecisionRegionDisplay`` takes any classifier of scikit-learn, and draws on the
axes it is given. So six classifiers stand side by side.
"""

# %%
# Half-moons. The samples drawn were held out, and the number in the corner is
# the accuracy on them. The networks and the support vectors draw smooth
# boundaries, neighbours and trees ragged ones, and logistic regression a
# straight line.

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
    """Fit the classifiers to some samples, and draw where the others lie."""
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
        ax.set_title(type(clf).__name__)
        accuracy = f"{clf.score(X_test, y_test):.2f}"
        ax.text(0.97, 0.04, accuracy, transform=ax.transAxes, ha="right")


compare(*make_moons(300, noise=0.25, random_state=0))

# %%
# A disc in a ring. No straight line can divide these.

compare(*make_circles(300, noise=0.15, factor=0.5, random_state=0))
