"""
A film of learning
==================

``LearningFilm`` is a callback of scikit-learn's kind. It keeps the weights of a
network while it learns, and shows afterwards how the decision regions came to
be.
"""

# %%
# The film is set on the classifier, and the classifier is fitted as ever. This
# one keeps every fifth epoch. The film has the regions on the left, the loss
# until then on the right. In a notebook, it shows itself as a player.

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
# The ending of the file's name says what is written: a GIF, an MP4, or a page
# of HTML.

with TemporaryDirectory() as folder:
    path = film.save(Path(folder, "learning.gif"), dpi=50)
    size = path.stat().st_size / 1024
print(f"{path.name}: {len(film.epochs)} epochs, {size:.0f} KiB")

# %%
# What the film has kept is arrays: for each of its epochs the kernels and
# biases of all layers. Put back into the classifier, they give single pictures.

figure, axes = plt.subplots(
    2, 2, figsize=(8, 5.4), layout="constrained", sharex=True, sharey=True
)
for ax, epoch in zip(axes.flat, (5, 25, 50, 100), strict=True):
    clf.coefs_, clf.intercepts_ = film.weights[film.epochs.index(epoch)]
    DecisionRegionDisplay.from_estimator(clf, X, y, ax=ax, legend_kw=False)
    ax.set_title(f"epoch {epoch}")
