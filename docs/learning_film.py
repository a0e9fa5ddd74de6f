"""Film a training on the half-moons: write images/learning.gif, which the README and the site's first page show."""

from pathlib import Path

from sklearn.datasets import make_moons

from moonnet import KerasMoonClassifier
from moonnet.plotting import LearningFilm

X, y = make_moons(200, noise=0.2, random_state=0)
film = LearningFilm(every=2)
clf = KerasMoonClassifier(learning_rate=0.003, random_state=0).set_callbacks(film).fit(X, y)
film.animate(clf, X, y, fps=15).save(Path(__file__).parent / "images" / "learning.gif", dpi=80)
