"""TrainingCurveDisplay: lines, axes, best epochs, keyword arguments and errors."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, GradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleClassifier
from moonnet.plotting import TrainingCurveDisplay
from moonnet.plotting._curves import unwrap_estimator

HISTORY = {
    "loss": [3.0, 2.0, 1.0],
    "val_loss": [3.0, 1.0, 2.0],
    "accuracy": [0.5, 0.6, 0.7],
    "val_accuracy": [0.5, 0.4, 0.3],
}


def test_lines_plot_the_history(fitted):
    display = TrainingCurveDisplay.from_estimator(fitted)
    assert [ax.get_ylabel() for ax in display.ax_] == ["loss", "accuracy"]
    for name in ("loss", "accuracy"):
        (line,) = display.lines_[name]
        assert_allclose(line.get_xdata(), np.arange(1, 101))
        assert_allclose(line.get_ydata(), fitted.history_[name])
    best = 1 + np.argmin(fitted.history_["loss"])
    assert display.best_epochs == [best]
    assert [mark.get_xdata()[0] for mark in display.best_] == [best] * 2
    assert display.best_[0].get_label() == f"lowest training loss: epoch {best}"


def test_validation_metrics_have_own_lines_and_determine_the_best_epoch():
    display = TrainingCurveDisplay(histories=[HISTORY]).plot()
    assert {name: line.get_ydata().tolist() for name, (line,) in display.lines_.items()} == HISTORY
    assert display.best_epochs == [2]
    labels = [text.get_text() for text in display.ax_[0].get_legend().get_texts()]
    assert labels == ["training", "validation", "lowest validation loss: epoch 2"]
    training, validation = display.lines_["loss"][0], display.lines_["val_loss"][0]
    assert training.get_color() != validation.get_color()
    assert training.get_linestyle() != validation.get_linestyle()


def test_epochs_before_a_backup_and_numbers_of_callbacks_are_not_drawn():
    nan = float("nan")
    history = HISTORY | {"loss": [nan, nan, 1.0], "learning_rate": [nan, 0.1, nan]}
    display = TrainingCurveDisplay(histories=[history]).plot()
    assert set(display.lines_) == set(HISTORY)
    assert display.best_epochs == [2]
    assert TrainingCurveDisplay(histories=[{"loss": [nan, 2.0, 3.0], "learning_rate": [0.1] * 3}]).best_epochs == [2]


def test_score_has_its_own_axes_and_determines_the_best_epoch(moons):
    X, y = moons
    clf = KerasMoonClassifier(early_stopping=True, scoring="roc_auc", epochs=5, random_state=0)
    clf.fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
    display = TrainingCurveDisplay.from_estimator(clf)
    assert [ax.get_ylabel() for ax in display.ax_] == ["loss", "accuracy", "score"]
    assert_allclose(display.lines_["val_score"][0].get_ydata(), clf.history_["val_score"])
    assert display.best_epochs == [1 + np.argmax(clf.history_["val_score"])]


def test_cv_results_are_drawn_as_a_line_per_fold_and_their_mean(moons):
    clf = KerasMoonClassifier(epochs=6, early_stopping=True, n_iter_no_change=2, random_state=0)
    results = cross_validate(make_pipeline(StandardScaler(), clf), *moons, cv=3, return_estimator=True)
    display = TrainingCurveDisplay.from_cv_results(results)
    histories = [pipeline[-1].history_ for pipeline in results["estimator"]]
    shortest = min(len(history["loss"]) for history in histories)
    for name, (*folds, mean) in display.lines_.items():
        for line, history in zip(folds, histories, strict=True):
            assert_allclose(line.get_ydata(), history[name])
        assert_allclose(mean.get_ydata(), sum(np.array(history[name][:shortest]) for history in histories) / 3)
        assert mean.get_label().endswith("mean of 3")
    assert len(display.ax_[0].get_legend().get_texts()) == 3


def test_mean_line_ends_with_the_shortest_history():
    display = TrainingCurveDisplay(histories=[{"loss": [4.0, 2.0]}, {"loss": [2.0, 2.0, 0.0]}]).plot()
    assert display.lines_["loss"][-1].get_ydata().tolist() == [3.0, 2.0]
    assert display.best_epochs == [2, 3]
    assert [mark.get_xdata()[0] for mark in display.best_] == [2, 3]
    assert [mark.get_label() for mark in display.best_] == ["lowest training loss: epochs 2 to 3", "_"]
    assert len(display.ax_) == 1


def test_history_of_mlpclassifier_in_a_pipeline_and_search_is_drawn(moons):
    X, y = moons
    search = GridSearchCV(
        make_pipeline(StandardScaler(), MLPClassifier(max_iter=50, early_stopping=True, tol=1, random_state=0)),
        {"mlpclassifier__alpha": [1e-4]},
    ).fit(X, y)
    network = search.best_estimator_[-1]
    display = TrainingCurveDisplay.from_estimator(search)
    assert display.lines_["loss"][0].get_ydata().tolist() == network.loss_curve_
    assert display.lines_["val_accuracy"][0].get_ydata().tolist() == network.validation_scores_
    assert display.best_epochs == [1 + np.argmax(network.validation_scores_)]


def test_loss_and_score_of_a_regressor_have_separate_axes():
    X = np.random.default_rng(0).normal(size=(100, 2))
    reg = KerasMoonRegressor(epochs=5, early_stopping=True, random_state=0).fit(X, X[:, 0])
    display = TrainingCurveDisplay.from_estimator(reg)
    assert [ax.get_ylabel() for ax in display.ax_] == ["loss"]
    assert display.lines_["val_loss"][0].get_ydata().tolist() == reg.history_["val_loss"]
    mlp = MLPRegressor(max_iter=50, early_stopping=True, tol=1, random_state=0).fit(X, X[:, 0])
    display = TrainingCurveDisplay.from_estimator(mlp)
    assert [ax.get_ylabel() for ax in display.ax_] == ["loss", "score"]
    assert display.lines_["val_score"][0].get_ydata().tolist() == mlp.validation_scores_


def test_network_in_a_transformed_target_regressor_is_found():
    X = np.random.default_rng(0).normal(size=(100, 2))
    network = KerasMoonRegressor(epochs=3, random_state=0)
    model = TransformedTargetRegressor(make_pipeline(StandardScaler(), network), func=np.log, inverse_func=np.exp)
    display = TrainingCurveDisplay.from_estimator(model.fit(X, np.exp(X[:, 0])))
    assert display.lines_["loss"][0].get_ydata().tolist() == model.regressor_[-1].history_["loss"]


def test_folds_or_members_of_an_ensemble_are_drawn(moons):
    network = KerasMoonClassifier((5,), epochs=2)
    ensemble = DeepEnsembleClassifier(network, 2, cv=3, random_state=0).fit(*moons)
    *folds, mean = TrainingCurveDisplay.from_estimator(ensemble).lines_["val_loss"]
    assert [line.get_ydata().tolist() for line in folds] == [run["val_loss"] for run in ensemble.fold_histories_]
    assert mean.get_label().endswith("mean of 3")
    for member in (network, make_pipeline(StandardScaler(), network)):
        ensemble = DeepEnsembleClassifier(member, 2, random_state=0).fit(*moons)
        losses = [unwrap_estimator(fitted).history_["loss"] for fitted in ensemble.estimators_]
        lines = TrainingCurveDisplay.from_estimator(ensemble).lines_["loss"]
        assert [line.get_ydata().tolist() for line in lines[:2]] == losses


def test_only_the_given_axes_are_drawn_on():
    left, right = mpl.figure.Figure().subplots(1, 2)
    current = plt.figure()
    display = TrainingCurveDisplay(histories=[HISTORY]).plot(right, metrics="loss", best_kw={"color": "red"})
    assert list(display.ax_) == [right]
    assert not left.has_data()
    assert plt.gcf() is current
    assert current.axes == []
    assert display.best_[0].get_color() == "red"
    undecorated = TrainingCurveDisplay(histories=[HISTORY]).plot(
        [left, right], best_kw=False, legend_kw=False, line_kw={"linestyle": ":"}
    )
    assert undecorated.best_ == []
    assert left.get_legend() is None
    assert undecorated.lines_["loss"][0].get_linestyle() == ":"


def test_matplotlib_aliases_override_the_defaults():
    histories = [HISTORY, HISTORY]
    display = TrainingCurveDisplay(histories=histories).plot(line_kw={"lw": 5, "c": "red", "alpha": 1})
    assert {line.get_linewidth() for lines in display.lines_.values() for line in lines} == {5}
    assert {line.get_color() for lines in display.lines_.values() for line in lines} == {"red"}
    assert {line.get_alpha() for lines in display.lines_.values() for line in lines} == {1}


def test_missing_metrics_are_omitted_and_an_empty_history_raises():
    display = TrainingCurveDisplay(histories=[{"accuracy": [0.5, 0.9, 0.7], "val_loss": [np.nan] * 3}]).plot()
    assert list(display.lines_) == ["accuracy"]
    assert display.best_[0].get_label() == "highest training accuracy: epoch 2"
    assert display.best_epochs == [2]
    for histories in ([], [{}], [{"loss": []}]):
        with pytest.raises(ValueError, match="histories must contain values of loss, accuracy or score by epoch"):
            TrainingCurveDisplay(histories=histories).plot()


def test_histories_must_be_a_list_of_dicts():
    for histories in (HISTORY, [HISTORY["loss"]]):
        with pytest.raises(ValueError, match=r"histories must be a list with a dict for each training run\. Got "):
            TrainingCurveDisplay(histories=histories).plot()
    assert plt.get_fignums() == []


def test_single_epoch_is_drawn_with_a_marker():
    display = TrainingCurveDisplay(histories=[{"loss": [0.5]}]).plot()
    assert display.lines_["loss"][0].get_marker() == "."


def test_errors_name_the_parameter_and_the_value(moons):
    with pytest.raises(NotFittedError):
        TrainingCurveDisplay.from_estimator(KerasMoonClassifier())
    for other in (
        LogisticRegression(),
        RandomForestClassifier(2),
        GradientBoostingClassifier(n_estimators=2),
        make_pipeline(StandardScaler(), BaggingClassifier(n_estimators=2)),
    ):
        message = (
            rf"estimator must have the attribute history_ or loss_curve_, or be an .* Got {type(other).__name__}\("
        )
        with pytest.raises(ValueError, match=message):
            TrainingCurveDisplay.from_estimator(other.fit(*moons))
    with pytest.raises(ValueError, match=r"return_estimator=True\. Got only \['test_score'\]"):
        TrainingCurveDisplay.from_cv_results({"test_score": [1.0]})
    with pytest.raises(ValueError, match=r"Got an instance of dict instead\. .* to from_cv_results"):
        TrainingCurveDisplay.from_estimator({"estimator": []})
    display = TrainingCurveDisplay(histories=[HISTORY])
    with pytest.raises(ValueError, match=r"metrics must be among \['loss', 'accuracy'\]\. Got \['recall'\]"):
        display.plot(metrics="recall")
    with pytest.raises(ValueError, match=r"ax must contain one axes for each of the metrics \['loss', 'accuracy'\]"):
        display.plot(ax=plt.figure().subplots())
