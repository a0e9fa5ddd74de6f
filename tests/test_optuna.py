"""Optuna prunes hopeless trials through its Keras callback."""

import copy

import optuna
import pytest
from optuna.trial import TrialState
from optuna_integration.keras import KerasPruningCallback
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier, KerasMoonRegressor

pytestmark = pytest.mark.trains


def create_study(storage):
    """Return a study that prunes a trial whose loss is above the median of earlier trials after its third epoch."""
    pruner = optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=2)
    study = optuna.create_study(storage=storage, pruner=pruner)
    for learning_rate in (0.005, 0.01, 1e-6, 0.02):
        study.enqueue_trial({"learning_rate": learning_rate})
    return study


@pytest.fixture
def storage(request, tmp_path):
    """The storage at a URL, in which {folder} is a new folder; None for Optuna's own in memory."""
    if request.param is None:
        yield None
        return
    storage = optuna.storages.RDBStorage(request.param.format(folder=tmp_path))
    yield storage
    storage.remove_session()
    storage.engine.dispose()  # Python 3.13 warns about a connection that is not closed


@pytest.mark.parametrize(
    ("storage", "network", "cloned"),
    [
        (None, KerasMoonClassifier, False),
        ("sqlite:///:memory:", KerasMoonRegressor, False),
        ("sqlite:///{folder}/study.db", KerasMoonClassifier, True),
    ],
    ids=["memory", "SQLite in memory", "SQLite file"],
    indirect=["storage"],
)
def test_hopeless_trials_are_pruned(moons, storage, network, cloned):
    study = create_study(storage)
    X_train, X_val, y_train, y_val = train_test_split(*moons, random_state=0)
    histories = {}

    def objective(trial):
        model = network(
            learning_rate=trial.suggest_float("learning_rate", 1e-7, 1e-1, log=True),
            epochs=8,
            random_state=0,
            callbacks=[KerasPruningCallback(trial, "val_loss")],
        )
        model = clone(model) if cloned else model
        histories[trial.number] = model.fit(X_train, y_train, X_val=X_val, y_val=y_val).history_["val_loss"]
        return histories[trial.number][-1]

    study.optimize(objective, n_trials=4)
    complete, pruned = TrialState.COMPLETE, TrialState.PRUNED
    assert [trial.state for trial in study.trials] == [complete, complete, pruned, complete]
    assert list(histories) == [0, 1, 3]
    for number, losses in histories.items():
        assert study.trials[number].intermediate_values == dict(enumerate(losses))
    alone = network(learning_rate=1e-6, epochs=3, random_state=0).fit(X_train, y_train, X_val=X_val, y_val=y_val)
    assert study.trials[2].intermediate_values == dict(enumerate(alone.history_["val_loss"]))
    assert study.best_value == min(losses[-1] for losses in histories.values())


def test_pruning_leaves_an_earlier_fit_unchanged(moons):
    class Pruning(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            return trial.last_step == 1

    study = optuna.create_study(pruner=Pruning())
    clf = KerasMoonClassifier(epochs=3, random_state=0).fit(*moons)
    for estimator in (clf, make_pipeline(StandardScaler(), clf)):
        clf.set_params(callbacks=[KerasPruningCallback(study.ask(), "loss")], random_state=1)
        before = copy.copy(vars(clf))
        with pytest.raises(optuna.TrialPruned, match="pruned at epoch 1") as error:
            estimator.fit(*moons)
        assert type(error.value) is optuna.TrialPruned
        assert vars(clf) == before
    assert len(clf.history_["loss"]) == 3
