"""scikit-learn's callbacks: each epoch is a task."""

import math
import pickle
import re
from functools import partial

import numpy as np
import pytest
import rich
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier
from moonnet._keras import keras

pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")
from sklearn.callback import ProgressBar, ScoringMonitor

pytestmark = pytest.mark.trains


class TaskRecorder:
    """A scikit-learn callback that records the tasks, and stops the fit or raises an error at a given epoch."""

    def __init__(self, stop_at=math.inf, raise_at=math.inf):
        self.stop_at, self.raise_at = stop_at, raise_at
        self.seen = []

    def setup(self, estimator, context):
        self.seen.append(("setup", context.task_name, context.max_subtasks))

    def teardown(self, estimator, context):
        self.seen.append(("teardown", context.task_name, None))

    def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
        self.seen.append(("begin", context.task_name, context.task_id))
        self.data = X, y, metadata

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        self.seen.append(("end", context.task_name, context.task_id))
        self.fitted = fitted_estimator
        if context.task_id == self.raise_at:
            raise RuntimeError("enough")
        return context.task_id >= self.stop_at


def test_each_epoch_is_a_task_and_hooks_get_the_arguments_of_fit(moons):
    X, y = moons
    weight = np.linspace(1, 2, 200)
    recorder = TaskRecorder()
    clf = KerasMoonClassifier(epochs=3, random_state=0).set_callbacks(recorder)
    clf.fit(X, y, sample_weight=weight)
    epochs = [(when, "epoch", number) for number in range(3) for when in ("begin", "end")]
    assert recorder.seen == [
        ("setup", "fit", 3),
        ("begin", "fit", 0),
        *epochs,
        ("end", "fit", 0),
        ("teardown", "fit", None),
    ]
    assert recorder.data[0] is X
    assert recorder.data[1] is y
    assert recorder.data[2] == {"sample_weight": weight}
    assert not [name for name in vars(clf) if "ctx" in name or "teardown" in name]


def test_estimator_of_an_epoch_equals_that_of_a_shorter_fit(moons):
    recorder = TaskRecorder(stop_at=4)
    clf = KerasMoonClassifier(random_state=0, dropout=0.1).set_callbacks(recorder).fit(*moons)
    shorter = KerasMoonClassifier(random_state=0, dropout=0.1, epochs=5).fit(*moons)
    assert clf.n_iter_ == 5
    for other in (clf, recorder.fitted, pickle.loads(pickle.dumps(recorder.fitted.set_callbacks()))):
        assert other.history_ == shorter.history_
        assert all((a == b).all() for a, b in zip(other.coefs_, shorter.coefs_, strict=True))
        assert other._checkpoint["streams"] == shorter._checkpoint["streams"]


def test_estimators_of_the_epochs_share_the_optimizer(moons):
    # Creating one for each epoch takes longer than the epoch
    recorder = TaskRecorder()
    clf = KerasMoonClassifier(epochs=1, optimizer=keras.optimizers.RMSprop()).set_callbacks(recorder).fit(*moons)
    assert recorder.fitted.optimizer is clf.optimizer


def test_failing_callback_leaves_no_fitted_attributes(moons):
    recorder = TaskRecorder(raise_at=2)
    clf = KerasMoonClassifier(random_state=0, epochs=5).set_callbacks(recorder)
    with pytest.raises(RuntimeError, match="enough"):
        clf.fit(*moons)
    assert recorder.seen[-1] == ("teardown", "fit", None)
    assert vars(clf).keys() == vars(KerasMoonClassifier().set_callbacks(recorder)).keys()


def unwrapped(network):
    return network


def in_pipeline(network):
    return make_pipeline(StandardScaler(), network)


def in_search(network, n_jobs=None):
    return GridSearchCV(network, {"l2": [0.0, 0.01]}, cv=2, n_jobs=n_jobs)


@pytest.mark.parametrize(
    "wrap", [unwrapped, in_pipeline, in_search, pytest.param(partial(in_search, n_jobs=2), marks=pytest.mark.slow)]
)
def test_scoring_monitor_scores_each_epoch(moons, wrap):
    X, y = moons
    monitor = ScoringMonitor(scoring="accuracy")
    network = KerasMoonClassifier(epochs=4, random_state=0).set_callbacks(monitor)
    wrap(network).fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 4 * (5 if isinstance(wrap(network), GridSearchCV) else 1)
    if wrap is unwrapped:
        expected = [
            accuracy_score(y, KerasMoonClassifier(epochs=epochs, random_state=0).fit(X, y).predict(X))
            for epochs in range(1, 5)
        ]
        assert [row["accuracy"] for row in rows] == expected
    assert all(0 <= row["accuracy"] <= 1 for row in rows)


@pytest.mark.parametrize("wrap", [unwrapped, in_pipeline, in_search])
def test_progress_bar_of_sklearn_shows_the_fit(moons, wrap, capsys):
    rich.reconfigure(width=200)  # an earlier test may have made rich's global console narrow
    estimator = wrap(KerasMoonClassifier(epochs=4, random_state=0))
    estimator.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*moons)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().out)
    assert "KerasMoonClassifier - fit" in text
    assert "100%" in text


def test_scoring_monitor_gets_the_feature_names(moons):
    import pandas as pd

    X, y = moons
    monitor = ScoringMonitor(scoring="accuracy")
    clf = KerasMoonClassifier(epochs=2).set_callbacks(monitor)
    clf.fit(pd.DataFrame(X, columns=["a", "b"]), y)  # pytest turns a warning about feature names into an error
    assert len(monitor.get_logs().data) == 2 + 1


def test_callbacks_of_keras_and_sklearn_can_be_combined(moons):
    X, y = load_iris(return_X_y=True)
    recorder = TaskRecorder()
    stop = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    clf = KerasMoonClassifier(epochs=3, early_stopping=True, callbacks=[stop], random_state=0).set_callbacks(recorder)
    clf.fit(X, y)
    assert ("end", "epoch", 2) in recorder.seen
    assert set(recorder.fitted.history_) == {"loss", "accuracy", "val_loss", "val_accuracy"}
