"""
Animating training
==================

:class:`~moonnet.plotting.LearningFilm` is a scikit-learn callback. It stores
the weights of a network during training, and afterwards animates how the
decision regions developed.

See also: :meth:`~moonnet.KerasMoonClassifier.set_callbacks`;
:doc:`/guide/plotting` and :doc:`/guide/stopping_and_resuming`.
"""

# %%
# ``set_callbacks`` registers the film, and ``fit`` trains as usual. This film
# stores every fifth epoch. The animation shows the decision regions on the left
# and the loss up to that epoch on the right. Notebooks show it as a player.

from pathlib import Path
from tempfile import TemporaryDirectory

from matplotlib import pyplot as plt
from sklearn.datasets import make_moons

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay, LearningFilm

X, y = make_moons(200, noise=0.2, random_state=0)
film = LearningFilm(every=5)
clf = KerasMoonClassifier(learning_rate=0.005, random_state=0)
clf.set_callbacks(film).fit(X, y)
film.animate(clf, X, y, fps=5)

# %%
# The suffix of the file determines its format: GIF, MP4 or HTML.

with TemporaryDirectory() as folder:
    path = film.save(Path(folder, "learning.gif"), dpi=50)
    size = path.stat().st_size / 1024
print(f"{path.name}: {len(film.epochs)} epochs, {size:.0f} KiB")

# %%
# The film stores arrays: the kernels and biases of all layers for each recorded
# epoch. Assign them to the classifier to draw single epochs.

figure, axes = plt.subplots(
    2, 2, figsize=(8, 5.4), layout="constrained", sharex=True, sharey=True
)
for ax, epoch in zip(axes.flat, (5, 25, 50, 100), strict=True):
    clf.coefs_, clf.intercepts_ = film.weights[film.epochs.index(epoch)]
    DecisionRegionDisplay.from_estimator(clf, X, y, ax=ax, legend_kw=False)
    ax.set_title(f"epoch {epoch}")
    ax.label_outer()
