"""Plots of data, of training, and of any fitted scikit-learn classifier or regressor.

matplotlib is imported only when something is drawn.
"""

from moonnet.plotting._curves import TrainingCurveDisplay
from moonnet.plotting._film import LearningFilm
from moonnet.plotting._regions import DecisionRegionDisplay
from moonnet.plotting._regression import RegressionDisplay
from moonnet.plotting._scatter import plot_data
from moonnet.plotting._search import plot_search
from moonnet.plotting._seeds import plot_learning_curve, plot_validation_curve

__all__ = [
    "DecisionRegionDisplay",
    "LearningFilm",
    "RegressionDisplay",
    "TrainingCurveDisplay",
    "plot_data",
    "plot_learning_curve",
    "plot_search",
    "plot_validation_curve",
]
