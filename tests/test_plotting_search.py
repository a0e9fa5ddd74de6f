"""plot_search: cells, the frame of the best candidate, metrics, keyword arguments and errors."""

import warnings

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from moonnet.plotting import plot_search

GRID = {"svc__C": [10.0, 0.1, 1.0], "svc__gamma": [0.01, 1], "svc__kernel": ["rbf", "linear"]}


@pytest.fixture(scope="module")
def search(moons):
    return GridSearchCV(make_pipeline(StandardScaler(), SVC()), GRID, scoring="balanced_accuracy").fit(*moons)


def test_cells_show_the_highest_mean_scores(search):
    ax = plot_search(search, x="C", y="svc__gamma")
    table = ax.images[0].get_array()
    results = search.cv_results_
    for row, gamma in enumerate([0.01, 1]):
        for column, C in enumerate([0.1, 1.0, 10.0]):
            scores = [
                score
                for params, score in zip(results["params"], results["mean_test_score"], strict=True)
                if (params["svc__C"], params["svc__gamma"]) == (C, gamma)
            ]
            assert len(scores) == 2
            assert table[row, column] == max(scores)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.1", "1", "10"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0.01", "1"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == (
        "C",
        "gamma",
        "highest score over kernel; the frame marks the best candidate",
    )
    assert [text.get_text() for text in ax.texts] == [f"{score:.3f}" for score in table.ravel()]
    assert ax.figure.axes[1].get_ylabel() == "mean test balanced accuracy"


def labels_of_framed_cell(ax):
    """Return the x and y labels of the framed cell."""
    (frame,) = ax.patches
    column, row = (int(corner + 0.5) for corner in frame.get_xy())
    return ax.get_xticklabels()[column].get_text(), ax.get_yticklabels()[row].get_text()


@pytest.mark.parametrize("refit", [True, lambda results: 3])
def test_frame_marks_the_selected_candidate(moons, refit):
    search = GridSearchCV(SVC(), {"C": [1, 100], "gamma": [0.1, 10]}, refit=refit).fit(*moons)
    best = search.best_params_
    assert labels_of_framed_cell(plot_search(search)) == (str(best["C"]), str(best["gamma"]))
    assert labels_of_framed_cell(plot_search(search, "C", "gamma", metric="score"))


def test_halving_search_shows_the_last_round_of_each_candidate(moons):
    grid = {"max_iter": [1, 2, 3], "C": [0.1, 1.0]}
    search = HalvingGridSearchCV(LogisticRegression(), grid, min_resources=20, random_state=0)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        search.fit(*moons)
    ax = plot_search(search, "C", "max_iter")
    results = search.cv_results_
    rounds = zip(results["params"], results["mean_test_score"], strict=True)
    last = {(params["max_iter"], params["C"]): score for params, score in rounds}
    table = ax.images[0].get_array()
    for (iterations, C), score in last.items():
        assert table[iterations - 1, [0.1, 1.0].index(C)] == score
    assert labels_of_framed_cell(ax) == (f"{search.best_params_['C']:g}", str(search.best_params_["max_iter"]))


def test_equal_values_of_different_types_share_a_column(moons):
    grids = [{"C": [1, 2], "gamma": [1.0]}, {"C": [1.0, np.float64(2)], "gamma": [2]}]
    ax = plot_search(GridSearchCV(SVC(), grids).fit(*moons))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2"]


def test_scores_are_legible_on_their_cells(search):
    ax = plot_search(search, "C", "gamma")
    for text, score in zip(ax.texts, ax.images[0].get_array().ravel(), strict=True):
        contrast = np.abs(
            np.dot([0.2126, 0.7152, 0.0722], ax.images[0].to_rgba(score)[:3]) - (text.get_color() == "white")
        )
        assert contrast > 0.5


def test_axes_default_to_the_two_varied_parameters(moons):
    search = GridSearchCV(SVC(), {"C": [1, 2], "gamma": ["scale", "auto"], "kernel": ["rbf"]}).fit(*moons)
    ax = plot_search(search)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("C", "gamma", "the frame marks the best candidate")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["scale", "auto"]
    assert (plot_search(search, y="C").get_xlabel(), plot_search(search, x="gamma").get_ylabel()) == ("gamma", "C")


def test_cells_without_a_candidate_are_blank(moons):
    search = RandomizedSearchCV(SVC(), {"C": [1, 2, 3], "gamma": [1, 2, 3]}, n_iter=4, random_state=0).fit(*moons)
    ax = plot_search(search)
    assert np.isfinite(np.ma.filled(ax.images[0].get_array(), np.nan)).sum() == 4
    assert len(ax.texts) == 4


def test_metric_parameter_selects_one_of_several_metrics(moons):
    search = GridSearchCV(SVC(), {"C": [1, 2], "gamma": [1, 2]}, scoring=["f1", "accuracy"], refit="f1").fit(*moons)
    best = plot_search(search).images[0].get_array().max()
    assert best == search.cv_results_["mean_test_f1"].max()
    assert plot_search(search, metric="accuracy").figure.axes[1].get_ylabel() == "mean test accuracy"
    with pytest.raises(ValueError, match=r"metric must be one of \['accuracy', 'f1'\]\. Got 'recall'"):
        plot_search(search, metric="recall")
    undecided = GridSearchCV(SVC(), {"C": [1, 2], "gamma": [1, 2]}, scoring=["f1", "accuracy"], refit=False).fit(*moons)
    with pytest.raises(ValueError, match=r"metric must be one of \['accuracy', 'f1'\]\. Got None"):
        plot_search(undecided)


def test_given_axes_and_keyword_arguments_are_used(search):
    left, right = mpl.figure.Figure().subplots(1, 2)
    current = plt.figure()
    ax = plot_search(search, "C", "gamma", ax=right, image_kw={"cmap": "cividis"}, text_kw=False, colorbar_kw=False)
    assert ax is right
    assert not left.has_data()
    assert right.figure.axes == [left, right]
    assert right.images[0].get_cmap().name == "cividis"
    assert list(right.texts) == []
    assert plt.gcf() is current
    assert plot_search(search, "C", "gamma", text_kw={"color": "red"}).texts[0].get_color() == "red"


def test_errors_name_the_parameter_and_the_value(search, moons):
    for arguments, message in [
        (("depth", "C"), r"x must name one of the searched parameters .* Got 'depth'"),
        (("C", "C"), r"x and y must be two different parameters\. Got x='C' and y='C'"),
        ((), r"x and y must name two .* It varied 3: \['C', 'gamma', 'kernel'\]\. Got x=None and y=None"),
    ]:
        with pytest.raises(ValueError, match=message):
            plot_search(search, *arguments)
    with pytest.raises(
        ValueError, match=r"search must be fitted and have cv_results_\. Got an instance of LogisticRegression"
    ):
        plot_search(LogisticRegression().fit(*moons))
    with pytest.raises(ValueError, match=r"It varied 1: \['C'\]\. Got .* use plot_validation_curve"):
        plot_search(GridSearchCV(SVC(), {"C": [1, 2]}).fit(*moons))
