"""
The lecture's figure
====================

moonnet's network comes from a lecture, which ends with a figure of the decision
regions: the class predicted at each point of a grid, under the data.
:class:`~moonnet.plotting.DecisionRegionDisplay` draws that figure with
``style="lecture"``.

See also: :class:`~moonnet.KerasMoonClassifier`; :doc:`/lecture` and
:doc:`/guide/plotting`.
"""

# %%
# The lecture's data and network, with a random state.

from matplotlib import pyplot as plt
from sklearn.datasets import make_moons

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay

X, y = make_moons(200, noise=0.2, random_state=0)
clf = KerasMoonClassifier(random_state=0).fit(X, y)
print(f"{clf.model_.count_params()} parameters")
print(f"loss {clf.history_['loss'][-1]:.2f} after {clf.n_iter_} epochs")
print(f"class {clf.predict([[-2, 2]])[0]} at (-2, 2)")

# %%
# On the left, the lecture's figure: the classes as an image, with the data on
# top. On the right, moonnet's default style within the same limits: a smooth
# decision boundary, rings around misclassified samples, and a legend.

figure, axes = plt.subplots(
    1, 2, figsize=(10, 3.2), layout="constrained", sharey=True
)
lecture = DecisionRegionDisplay.from_estimator(
    clf, X, y, style="lecture", ax=axes[0]
)
default = DecisionRegionDisplay.from_estimator(
    clf, X, y, xlim=(-1.75, 2.5), ylim=(-1.25, 1.75), ax=axes[1]
)
for display in (lecture, default):
    display.ax_.set_title(f'style="{display.style}"')
