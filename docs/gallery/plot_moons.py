"""
Decision regions of the half-moons
==================================

The lecture's network on the lecture's data: which class it gives to each point of the plane.
"""

from sklearn.datasets import make_moons

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay

X, y = make_moons(200, noise=0.2, random_state=0)
clf = KerasMoonClassifier(random_state=0).fit(X, y)
print(f"accuracy {clf.score(X, y):.2f}")

# %%
# The regions take the colours of the samples that lie in them.

DecisionRegionDisplay.from_estimator(clf, X, y)
