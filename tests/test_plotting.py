"""Properties of all plots."""

import pytest
from matplotlib import pyplot as plt
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

from moonnet import KerasMoonClassifier
from moonnet._sklearn_compat import HAS_CALLBACKS
from moonnet.plotting import (
    DecisionRegionDisplay,
    LearningFilm,
    TrainingCurveDisplay,
    plot_data,
    plot_learning_curve,
    plot_search,
    plot_validation_curve,
)


def draw_film(fitted, X, y):
    callback = LearningFilm()
    clf = KerasMoonClassifier(epochs=2, random_state=0).set_callbacks(callback).fit(X, y)
    return callback.animate(clf, X, y, grid_resolution=32).figure_


PLOTS = {
    "regions": lambda fitted, X, y: DecisionRegionDisplay.from_estimator(fitted, X, y).figure_,
    "probability": lambda fitted, X, y: (
        DecisionRegionDisplay.from_estimator(fitted, X, y, response_method="predict_proba").figure_
    ),
    "curves": lambda fitted, X, y: TrainingCurveDisplay.from_estimator(fitted).figure_,
    "data": lambda fitted, X, y: plot_data(X, y).figure,
    "search": lambda fitted, X, y: plot_search(GridSearchCV(SVC(), {"C": [1, 2], "gamma": [1, 2]}).fit(X, y)).figure,
    "learning": lambda fitted, X, y: plot_learning_curve(SVC(), X, y, n_seeds=3).figure_,
    "validation": lambda fitted, X, y: plot_validation_curve(SVC(), X, y, "C", [0.1, 1], n_seeds=3).figure_,
} | ({"film": draw_film} if HAS_CALLBACKS else {})


@pytest.mark.parametrize("plot", PLOTS)
def test_plot_makes_one_unclipped_figure_with_the_same_pixels_each_time(fitted, moons, plot):
    pixels = []
    for _ in range(2):
        figure = PLOTS[plot](fitted, *moons)
        assert plt.get_fignums() == [figure.number]
        figure.canvas.draw()
        pixels.append(bytes(figure.canvas.buffer_rgba()))
        drawn, paper = figure.get_tightbbox(), figure.bbox_inches
        assert drawn.x0 >= -0.01
        assert drawn.y0 >= -0.01
        assert drawn.x1 <= paper.width + 0.01
        assert drawn.y1 <= paper.height + 0.01
        plt.close(figure)
        assert plt.get_fignums() == []
    assert pixels[0] == pixels[1]
