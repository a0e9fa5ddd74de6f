"""Members of ensembles in the displays: what they predict, where their lines lie, and how far they disagree."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor
from moonnet.plotting import DecisionRegionDisplay, RegressionDisplay

IRIS = load_iris(as_frame=True)
FRAME = IRIS.data.iloc[:, 2:]
X, NUMBERS = FRAME.to_numpy(), IRIS.target.to_numpy()
NAMES = IRIS.target_names[IRIS.target]
PAIR = [("nb", GaussianNB()), ("linear", LogisticRegression())]
RANDOM_FEATURES = BaggingClassifier(LogisticRegression(), 4, max_features=0.5, random_state=0)
# Ensembles whose probabilities are the mean of their members'
ENSEMBLES = {
    "bagging": (BaggingClassifier(LogisticRegression(), 3, random_state=0), X, NAMES),
    "random features": (RANDOM_FEATURES, FRAME, NUMBERS + 1),
    "voting": (VotingClassifier(PAIR, voting="soft"), FRAME, NAMES),
    "forest": (RandomForestClassifier(4, max_depth=2, random_state=0), FRAME, NAMES),
    "labels": (DeepEnsembleClassifier(DecisionTreeClassifier(max_depth=2), 3, random_state=0), FRAME, NUMBERS + 1),
    "pipeline": (make_pipeline(StandardScaler(), RANDOM_FEATURES), FRAME, NAMES),
    "pipelines": (
        VotingClassifier([("a", make_pipeline(StandardScaler(), GaussianNB())), *PAIR], voting="soft"),
        FRAME,
        NAMES,
    ),
    "ensembles": (BaggingClassifier(RandomForestClassifier(2, max_depth=2), 3, random_state=0), X, NAMES),
    "search": (GridSearchCV(make_pipeline(StandardScaler(), VotingClassifier(PAIR, voting="soft")), {}), FRAME, NAMES),
}


@pytest.fixture(scope="module")
def bagging():
    """Return an ensemble for two of the classes."""
    return BaggingClassifier(LogisticRegression(), 3, random_state=0).fit(X[50:], NAMES[50:])


@pytest.mark.parametrize("problem", ENSEMBLES.values(), ids=ENSEMBLES)
@pytest.mark.filterwarnings("error")  # of names of features
def test_mean_of_the_members_is_the_prediction_of_the_ensemble(problem):
    ensemble, X, y = problem
    ensemble.fit(X, y)
    display = DecisionRegionDisplay.from_estimator(ensemble, X, members=True, grid_resolution=12)
    grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    grid = pd.DataFrame(grid, columns=X.columns) if hasattr(X, "columns") else grid
    expected = ensemble.predict_proba(grid).reshape(12, 12, 3)
    assert_allclose(display.member_scores.mean(axis=0), expected, atol=1e-12)
    assert np.ptp(display.member_scores, axis=0).max() > 0.01


@pytest.mark.trains
def test_networks_in_an_ensemble_are_drawn(moons):
    X, y = moons
    ensemble = DeepEnsembleClassifier(KerasMoonClassifier((9,), epochs=5), 2, random_state=0).fit(X, y)
    display = DecisionRegionDisplay.from_estimator(ensemble, X, y, members=True)
    grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    for scores, member in zip(display.member_scores, ensemble.estimators_, strict=True):
        assert_allclose(scores.reshape(-1, 2), member.predict_proba(grid))


def test_lines_lie_where_a_member_changes_its_prediction(bagging):
    display = DecisionRegionDisplay.from_estimator(bagging, X[50:], NAMES[50:], members=True)
    lines = [path.vertices for path in display.members_.get_paths()]
    assert len(lines) == 3
    for line, member in zip(lines, bagging.estimators_, strict=True):
        assert len(line) > 50
        assert_allclose(member.predict_proba(line)[:, 1], 0.5, atol=1e-3)
    assert (display.members_.get_linewidth() < display.boundary_.get_linewidth()).all()


def test_shading_is_the_standard_deviation_of_the_members_probabilities(bagging):
    display = DecisionRegionDisplay.from_estimator(bagging, X[50:], NAMES[50:], members=True, grid_resolution=20)
    grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    probabilities = [member.predict_proba(grid)[:, 1] for member in bagging.estimators_]
    assert_allclose(display.spread_.get_array().ravel(), np.std(probabilities, axis=0))
    assert display.spread_.get_clim() == (0, 0.5)
    assert_allclose(display.spread_.to_rgba([0.0, 0.5])[:, 3], [0, 0.6])
    assert display.colorbar_.ax.get_ylabel() == "standard deviation\nof the members' probabilities"
    assert_allclose(display.colorbar_.cmap([0.0, 1.0])[:, :3].mean(axis=1), [1, 1 - 0.6 * 0.85])
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts[-2:] == ["ensemble", "each of 3 members"]


def test_shading_of_several_classes_is_that_of_the_largest_disagreement():
    ensemble, _, _ = ENSEMBLES["bagging"]
    display = DecisionRegionDisplay.from_estimator(ensemble.fit(X, NAMES), X, members=True, grid_resolution=20)
    expected = display.member_scores.std(axis=0)
    assert_allclose(display.spread_.get_array(), np.maximum.reduce(np.moveaxis(expected, -1, 0)))


@pytest.mark.parametrize("labels", [NAMES, NUMBERS, NUMBERS + 1])
@pytest.mark.parametrize(
    "ensemble",
    [
        VotingClassifier([("a", Perceptron(random_state=0)), ("b", DecisionTreeClassifier(max_depth=2))]),
        BaggingClassifier(Perceptron(), 3, random_state=0),
        AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), n_estimators=3, random_state=0),
        StackingClassifier(PAIR),
    ],
    ids=["voting", "bagging", "boosting", "stacking"],
)
def test_members_of_other_ensembles_have_the_classes_of_the_ensemble(ensemble, labels):
    ensemble.fit(X, labels)
    display = DecisionRegionDisplay.from_estimator(ensemble, X, members=True, xlim=(1.2, 1.6), ylim=(0.1, 0.4))
    assert (display.member_scores.argmax(axis=-1) == 0).mean() > 0.6  # among the samples of the first class
    assert_allclose(display.member_scores.sum(axis=-1), 1)


def test_parts_can_be_left_out_or_styled(bagging):
    arguments = bagging, X[50:], NAMES[50:]
    plain = DecisionRegionDisplay.from_estimator(*arguments)
    assert plain.member_scores is plain.members_ is plain.spread_ is plain.colorbar_ is None
    none = DecisionRegionDisplay.from_estimator(*arguments, members=True, member_kw=False, spread_kw=False)
    assert none.members_ is none.spread_ is none.colorbar_ is None
    assert len(none.legend_.get_texts()) == len(plain.legend_.get_texts())
    no_boundary = none.plot(boundary_kw=False, colorbar_kw=False)
    assert no_boundary.legend_.get_texts()[-1].get_text() == "each of 3 members"
    assert no_boundary.spread_ is not None
    assert no_boundary.colorbar_ is None
    styled = none.plot(member_kw={"color": "red", "lw": 3}, spread_kw={"cmap": "Reds", "vmax": 0.2, "alpha": 0.5})
    assert mpl.colors.same_color(styled.members_.get_color()[0][:3], "red")
    assert styled.members_.get_linewidth() == [3]
    assert styled.spread_.get_clim() == (0, 0.2)
    surface = DecisionRegionDisplay.from_estimator(*arguments, members=True, response_method="predict_proba")
    assert surface.spread_ is None
    assert surface.members_ is not None
    assert surface.colorbar_.ax.get_ylabel() == "probability of class virginica"


def test_many_members_are_drawn_with_fainter_lines():
    alphas = []
    for n_members in (1, 5, 50):
        forest = RandomForestClassifier(n_members, max_depth=1, random_state=0).fit(X, NAMES)
        display = DecisionRegionDisplay.from_estimator(forest, X, members=True, grid_resolution=10)
        alphas.append(display.members_.get_alpha())
        assert display.members_.get_label() == ("1 member" if n_members == 1 else f"each of {n_members} members")
    assert alphas[1] > 2 * alphas[2] > 0


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (LogisticRegression(), r"members must be False unless .*, each a classifier\. Got LogisticRegression\(\)"),
        (make_pipeline(StandardScaler(), GaussianNB()), r"each a classifier\. Got GaussianNB\(\)"),
        (GradientBoostingClassifier(n_estimators=2), r"each a classifier\. Got GradientBoostingClassifier"),
        (OneVsRestClassifier(GaussianNB()), r"which each predict all classes\. Got OneVsRest"),
    ],
)
def test_estimators_without_members_raise(estimator, message):
    estimator.fit(X, NAMES)
    with pytest.raises(ValueError, match=message):
        DecisionRegionDisplay.from_estimator(estimator, X, NAMES, members=True)


LENGTH, WIDTH = FRAME.iloc[:, :1], X[:, 1]
# Ensembles whose predictions are the mean of their members'
REGRESSORS = {
    "bagging": BaggingRegressor(DecisionTreeRegressor(max_depth=2), 4, random_state=0),
    "random features": make_pipeline(
        FunctionTransformer(lambda X: np.column_stack([X, np.square(X)])),
        BaggingRegressor(LinearRegression(), 4, max_features=0.5, random_state=0),
    ),
    "voting": VotingRegressor([("tree", DecisionTreeRegressor(max_depth=2)), ("linear", LinearRegression())]),
    "forest": GridSearchCV(RandomForestRegressor(4, max_depth=2, random_state=0), {}),
    "deep": DeepEnsembleRegressor(DecisionTreeRegressor(max_depth=2, max_features=1, splitter="random"), 4),
}


@pytest.mark.parametrize("ensemble", REGRESSORS.values(), ids=REGRESSORS)
@pytest.mark.filterwarnings("error")  # of names of features
def test_mean_of_the_members_curves_is_the_curve_of_the_ensemble(ensemble):
    ensemble.fit(LENGTH, WIDTH)
    display = RegressionDisplay.from_estimator(ensemble, LENGTH, WIDTH, members=True, grid_resolution=50)
    assert_allclose(display.member_responses.mean(axis=0), display.response, rtol=1e-6)
    assert np.ptp(display.member_responses, axis=0).max() > 0.01
    for line, responses in zip(display.members_.get_segments(), display.member_responses, strict=True):
        assert_allclose(line, np.column_stack([display.grid[0], responses]))
    spread = display.member_responses.std(axis=0)
    assert_allclose(display.band, np.column_stack([display.response - 2 * spread, display.response + 2 * spread]))
    assert display.vlim_[0] < display.member_responses.min()
    assert display.vlim_[1] > display.member_responses.max()
    texts = [text.get_text() for text in display.legend_.get_texts()]
    n_members = len(display.member_responses)
    assert texts == ["data", "prediction", "±2 standard deviations\nof the members", f"each of {n_members} members"]


def test_curves_of_networks_are_those_of_the_members():
    network = KerasMoonRegressor((9,), epochs=2, loss="pinball", quantile=[0.1, 0.5, 0.9])
    ensemble = make_pipeline(StandardScaler(), BaggingRegressor(network, 2, random_state=0)).fit(LENGTH, 1e3 * WIDTH)
    display = RegressionDisplay.from_estimator(ensemble, LENGTH, members=True, grid_resolution=9)
    scaled = ensemble[0].transform(pd.DataFrame(display.grid[0], columns=LENGTH.columns))
    for responses, member in zip(display.member_responses, ensemble[-1].estimators_, strict=True):
        assert_allclose(responses, member.predict(scaled))


def test_curves_and_band_can_be_left_out_or_styled():
    forest = RandomForestRegressor(4, max_depth=2, random_state=0).fit(LENGTH, WIDTH)
    plain = RegressionDisplay.from_estimator(forest, LENGTH, WIDTH)
    assert plain.member_responses is plain.members_ is plain.band_ is plain.legend_ is None
    display = RegressionDisplay.from_estimator(forest, LENGTH, WIDTH, members=True, member_kw=False, band_kw=False)
    assert display.members_ is display.band_ is display.legend_ is None
    display.plot(member_kw={"color": "red", "lw": 3}, band_kw=False, legend_kw={"loc": "lower right"})
    assert mpl.colors.same_color(display.members_.get_color()[0][:3], "red")
    assert display.members_.get_linewidth() == [3]
    assert [text.get_text() for text in display.legend_.get_texts()][-1] == "each of 4 members"
    assert display.plot(legend_kw=False).legend_ is None
    for ax in (None, mpl.figure.Figure(layout="constrained").subplots()):
        display.plot(ax)
        display.figure_.draw_without_rendering()
        assert display.ax_.get_window_extent().width / display.figure_.dpi > 5
        assert display.legend_.get_window_extent().x1 <= display.figure_.bbox.x1


@pytest.mark.parametrize(
    ("estimator", "features", "message"),
    [
        (LinearRegression(), None, r"members must be False unless .*, each a regressor\. Got LinearRegression\(\)"),
        (GradientBoostingRegressor(n_estimators=2), None, r"each a regressor\. Got GradientBoostingRegressor"),
        (RandomForestRegressor(2), [0, 1], r"members must be False for two features, .*\. Got True"),
    ],
)
def test_members_of_regressors_raise(estimator, features, message):
    samples = LENGTH if features is None else FRAME
    estimator.fit(samples, WIDTH)
    with pytest.raises(ValueError, match=message):
        RegressionDisplay.from_estimator(estimator, samples, WIDTH, features=features, members=True)
