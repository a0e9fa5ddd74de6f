"""Legends of many classes and of long names, beside the plane and inside it."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose
from sklearn.neighbors import KNeighborsClassifier

from helpers import TABLES
from moonnet.plotting import DecisionRegionDisplay, plot_data
from moonnet.plotting._legend import shorten_label

LETTERS = pd.read_csv(TABLES / "letters.csv")
X, LETTER = LETTERS[["x", "y"]], LETTERS["letter"].to_numpy()
LONG_NAMES = np.array([f"a class whose name has fifty characters, number {n}" for n in (17, 18, 19)])
CLASSES = {
    "26 letters": LETTER,
    "names of 50 characters": LONG_NAMES[np.digitize(X["x"], [-2, 2])],
    "60 classes": np.array([f"class number {n}" for n in np.arange(len(X)) % 60]),
}


def plane_size(ax):
    """Return the smaller side of the plane in inches."""
    ax.figure.draw_without_rendering()
    box = ax.get_window_extent()
    return min(box.width, box.height) / ax.figure.dpi


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize("classes", CLASSES)
def test_plane_keeps_its_size(classes):
    y = CLASSES[classes]
    assert plane_size(plot_data(X, y)) > 4.1
    clf = KNeighborsClassifier(50).fit(X, y)
    given = Figure(figsize=(6.4, 4.8), layout="compressed").subplots()
    for ax, least in ((None, 4.1), (given, 3.3)):
        display = DecisionRegionDisplay.from_estimator(clf, X, y, ax=ax, grid_resolution=30)
        assert plane_size(display.ax_) > least
        legend, paper = display.legend_.get_window_extent(), display.figure_.bbox
        assert 0 <= legend.y0
        assert legend.x1 <= paper.x1


def test_every_letter_and_every_character_of_a_long_name_is_listed():
    assert legend_texts(plot_data(X, LETTER)) == sorted(set(LETTER))
    texts = legend_texts(plot_data(X, CLASSES["names of 50 characters"]))
    assert [text.replace("\n", " ") for text in texts] == LONG_NAMES.tolist()


def test_legend_tells_how_many_classes_it_leaves_out():
    y = CLASSES["60 classes"]
    *names, more = legend_texts(plot_data(X, y))
    assert more == f"{60 - len(names)} more"
    assert 20 < len(set(names)) == len(names)
    display = DecisionRegionDisplay.from_estimator(KNeighborsClassifier(50).fit(X, y), X, y, grid_resolution=30)
    assert legend_texts(display.ax_)[-1].replace("\n", " ") == display.errors_.get_label()


def testshorten_labeled_names_keep_their_beginning_and_end():
    assert shorten_label("setosa", 10) == "setosa"
    assert shorten_label("blood pressure, systolic", 11) == "blood…tolic"


@pytest.mark.parametrize("classes", CLASSES)
def test_legend_inside_the_plane_covers_less_than_a_third(classes):
    ax = plot_data(X, CLASSES[classes], ax=Figure().subplots())
    ax.figure.draw_without_rendering()
    legend, plane = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert legend.width * legend.height < plane.width * plane.height / 3


def test_markers_in_the_legend_stay_visible():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(20_000, 2))
    ax = plot_data(points, rng.integers(0, 2, 20_000))
    assert max(handle.get_sizes()[0] for handle in ax.collections) < 3
    assert min(handle.get_sizes()[0] for handle in ax.get_legend().legend_handles) == 25


def test_given_labels_and_columns_are_drawn():
    ax = plot_data(X, LETTER, legend_kw={"labels": [letter.lower() for letter in sorted(set(LETTER))], "ncol": 5})
    assert legend_texts(ax) == [chr(ord("a") + index) for index in range(26)]
    assert ax.get_legend()._ncols == 5
    titled = plot_data(X, LETTER, legend_kw={"title": "letter", "fontsize": 5}).get_legend()
    assert titled.get_title().get_text() == "letter"
    assert_allclose(titled.get_texts()[0].get_fontsize(), 5)
