"""Keras callbacks, compared with Model.fit of Keras."""

import copy
import csv
import io
import json
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose
from packaging.version import Version
from sklearn.base import clone
from sklearn.datasets import load_iris, make_moons, make_multilabel_classification
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet._keras import keras
from moonnet.networks import DenseStack
from moonnet.training import _program_state
from moonnet.training._records import RandomStreams

pytestmark = pytest.mark.trains

X32, Y = make_moons(110, noise=0.25, random_state=2)
X32 = X32.astype("float32")


def classifier(**parameters):
    defaults = {"hidden_layer_sizes": (9, 5), "batch_size": 40, "epochs": 12, "shuffle": False, "random_state": 3}
    return KerasMoonClassifier(**(defaults | parameters))


def fitted_by_keras(clf, callbacks):
    """Return the model and the history of Model.fit, with the initial weights of clf and without shuffling."""
    sizes = (2, *clf.hidden_layer_sizes, 1)
    model = keras.Sequential([keras.Input((2,))])
    for units in clf.hidden_layer_sizes:
        model.add(keras.layers.Dense(units, activation=clf.activation))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    streams = RandomStreams.spawn(clf.random_state)
    model.set_weights(DenseStack(sizes, clf.activation).initial_state(streams.weights, "float32").trainable)
    optimizer = keras.optimizers.get({"class_name": clf.optimizer, "config": {"learning_rate": clf.learning_rate}})
    model.compile(optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    history = model.fit(
        X32, Y, batch_size=clf.batch_size, epochs=clf.epochs, shuffle=False, verbose=0, callbacks=callbacks
    )
    return model, history.history


class Recorder(keras.callbacks.Callback):
    """Records the arguments of each hook and the state of the model."""

    def __init__(self, records):
        super().__init__()
        self.records = records

    def _record(self, hook, number, logs):
        self.records.append(
            {
                "hook": hook,
                "number": number,
                "logs": dict(logs or {}),
                "rate": float(np.asarray(self.model.optimizer.learning_rate.numpy())),
                "iterations": int(self.model.optimizer.iterations.numpy()),
                "outputs": keras.ops.convert_to_numpy(self.model(X32[:5]))[:, 0],
                "params": dict(self.params),
            }
        )

    def on_train_begin(self, logs=None):
        self._record("train begin", None, logs)

    def on_epoch_begin(self, epoch, logs=None):
        self._record("epoch begin", epoch, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._record("epoch end", epoch, logs)

    def on_train_end(self, logs=None):
        self._record("train end", None, logs)


class StepRecorder(Recorder):
    def on_train_batch_begin(self, batch, logs=None):
        self._record("batch begin", batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        self._record("batch end", batch, logs)


def recorded(kind=Recorder):
    records = []
    return records, kind(records)


CALLBACK_SETS = {
    "none": list,
    "plateau": lambda: [keras.callbacks.ReduceLROnPlateau("loss", factor=0.3, patience=0, min_delta=0.03)],
    "schedule": lambda: [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * (0.5 if epoch > 4 else 1))],
    "stopping": lambda: [keras.callbacks.EarlyStopping("loss", min_delta=0.02, patience=1, start_from_epoch=2)],
    "restoring": lambda: [keras.callbacks.EarlyStopping("accuracy", patience=2, restore_best_weights=True)],
    "lambdas": lambda: [keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)],
    "nan": lambda: [keras.callbacks.TerminateOnNaN()],
    "changing": lambda: [WeightChanger()],
    "all": lambda: [
        keras.callbacks.TerminateOnNaN(),
        WeightChanger(),
        CALLBACK_SETS["plateau"]()[0],
        CALLBACK_SETS["restoring"]()[0],
    ],
}


class WeightChanger(keras.callbacks.Callback):
    """Changes the weights at the beginning of training, within an epoch and after an epoch."""

    def on_train_begin(self, logs=None):
        self.model.layers[0].kernel.assign(2 * self.model.layers[0].kernel)

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            self.model.layers[-1].bias.assign_add([0.05])

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 3:
            self.model.set_weights([0.9 * weight for weight in self.model.get_weights()])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recorder", "make"),
    [
        (Recorder, CALLBACK_SETS["stopping"]),
        (Recorder, CALLBACK_SETS["plateau"]),
        *((StepRecorder, make) for make in CALLBACK_SETS.values()),
    ],
    ids=["stopping", "plateau", *(f"{name}, steps" for name in CALLBACK_SETS)],
)
def test_callbacks_act_as_in_model_fit(make, recorder):
    theirs, their_recorder = recorded(recorder)
    clf = classifier(learning_rate=0.03, optimizer="adam", callbacks=[])
    model, history = fitted_by_keras(clf, [*make(), their_recorder])
    ours, our_recorder = recorded(recorder)
    clf.set_params(callbacks=[*make(), our_recorder]).fit(X32, Y)

    assert [(record["hook"], record["number"]) for record in ours] == [
        (record["hook"], record["number"]) for record in theirs
    ]
    for mine, yours in zip(ours, theirs, strict=True):
        context = f"{mine['hook']} {mine['number']}"
        assert mine["logs"].keys() == yours["logs"].keys(), context
        for name, value in mine["logs"].items():
            assert_allclose(value, yours["logs"][name], rtol=2e-4, atol=1e-6, err_msg=context)
        assert_allclose(mine["rate"], yours["rate"], rtol=1e-6, err_msg=context)
        assert_allclose(mine["outputs"], yours["outputs"], rtol=2e-3, atol=1e-5, err_msg=context)
        assert mine["iterations"] == yours["iterations"], context
        assert {name: mine["params"][name] for name in ("epochs", "steps")} == {"epochs": 12, "steps": 3}
    assert clf.n_iter_ == len(history["loss"])
    assert_allclose(clf.history_["loss"], history["loss"], rtol=2e-4)
    assert_allclose(clf.predict_proba(X32)[:, 1], model.predict(X32, verbose=0)[:, 0], rtol=2e-3, atol=1e-5)


def test_live_model_has_the_current_weights(moons):
    weights = []

    class Inspector(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            weights.append(self.model.get_weights())

    clf = KerasMoonClassifier(epochs=5, random_state=0, callbacks=[Inspector()]).fit(*moons)
    for epochs in (1, 3, 5):
        expected = KerasMoonClassifier(epochs=epochs, random_state=0).fit(*moons)
        assert all(
            (a == b.astype("float32")).all() for a, b in zip(weights[epochs - 1][::2], expected.coefs_, strict=True)
        )
    assert [layer.name for layer in clf.model_.layers] == ["dense", "dense_1", "dense_2"]


def test_restored_weights_equal_those_of_a_shorter_fit(moons):
    stop = keras.callbacks.EarlyStopping("loss", baseline=0.0, patience=7, restore_best_weights=True)
    clf = KerasMoonClassifier(random_state=0, learning_rate=0.05, epochs=60, callbacks=[stop]).fit(*moons)
    best = int(np.argmin(clf.history_["loss"])) + 1
    shorter = KerasMoonClassifier(random_state=0, learning_rate=0.05, epochs=best).fit(*moons)
    assert clf.coefs_[0].dtype == np.float64
    assert all((a == b.astype("float32")).all() for a, b in zip(clf.coefs_, shorter.coefs_, strict=True))


def test_callbacks_that_only_read_leave_the_result_unchanged(moons, fitted):
    nothing = [keras.callbacks.LambdaCallback(), keras.callbacks.TerminateOnNaN()]
    clf = KerasMoonClassifier(random_state=0, callbacks=nothing).fit(*moons)
    assert clf.history_ == fitted.history_
    assert all((a == b).all() for a, b in zip(clf.coefs_, fitted.coefs_, strict=True))


def test_live_model_has_the_hyperparameters_of_the_training(moons):
    configurations = []

    class Inspector(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            configurations.append(
                (
                    [layer.get_config() for layer in self.model.layers],
                    self.model.optimizer.get_config(),
                    self.model.evaluate(*moons, verbose=0),
                )
            )

    optimizer = keras.optimizers.Adam(0.02, beta_1=0.8)
    KerasMoonClassifier(epochs=1, l2=0.5, dropout=0.25, optimizer=optimizer, callbacks=[Inspector()]).fit(*moons)
    layers, settings, (loss, accuracy) = configurations[0]
    assert [layer["name"] for layer in layers] == ["dense", "dropout", "dense_1", "dropout_1", "dense_2"]
    assert layers[0]["kernel_regularizer"]["config"]["l2"] == 0.5
    assert layers[1]["rate"] == 0.25
    assert settings["beta_1"] == 0.8
    assert settings["learning_rate"] == pytest.approx(0.02)
    assert loss > 1
    assert 0 <= accuracy <= 1


def test_only_callbacks_with_batch_hooks_need_a_block_per_step(monkeypatch, tmp_path):
    blocks = []
    run = _program_state.ProgramState.run
    monkeypatch.setattr(
        _program_state.ProgramState, "run", lambda self, X, *rest: blocks.append(len(X)) or run(self, X, *rest)
    )
    for callbacks, expected in [
        ([], [36]),
        ([keras.callbacks.EarlyStopping("loss"), keras.callbacks.LambdaCallback()], [3] * 12),
        ([keras.callbacks.ModelCheckpoint(tmp_path / "last.keras")], [3] * 12),
        ([keras.callbacks.ModelCheckpoint(tmp_path / "last.keras", save_freq=30)], [1] * 36),
        ([keras.callbacks.BackupAndRestore(tmp_path / "backup")], [3] * 12),
        ([keras.callbacks.BackupAndRestore(tmp_path / "backup", save_freq=30)], [1] * 36),
        ([keras.callbacks.TerminateOnNaN()], [1] * 36),
        ([keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: None)], [1] * 36),
    ]:
        blocks.clear()
        classifier(callbacks=callbacks).fit(X32, Y)
        assert blocks == expected


def test_fit_does_not_change_the_callbacks_parameter(moons):
    stop = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=0.02, restore_best_weights=True)
    plateau = keras.callbacks.ReduceLROnPlateau("loss", patience=0, min_delta=0.02)
    before = [vars(callback).copy() for callback in (stop, plateau)]
    callbacks = [stop, plateau]
    clf = KerasMoonClassifier(epochs=30, random_state=0, callbacks=callbacks)
    first = clf.fit(*moons).history_
    assert clf.fit(*moons).history_ == first
    assert clone(clf).fit(*moons).history_ == first
    assert 1 < len(first["loss"]) < 30
    search = GridSearchCV(clf, {"l2": [0.0, 0.01]}, cv=2, error_score="raise").fit(*moons)
    assert search.best_estimator_.n_iter_ < 30
    assert clf.callbacks is callbacks
    assert callbacks == [stop, plateau]
    assert [vars(callback) for callback in callbacks] == before


@pytest.mark.skipif(Version(keras.__version__) < Version("3.15"), reason="EarlyStopping does not reset the best value")
def test_callbacks_used_in_model_fit_can_be_used_again(moons):
    X, y = moons
    stop = keras.callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True)
    expected = KerasMoonClassifier(epochs=6, random_state=0, callbacks=[stop]).fit(X, y)
    model = expected.model_
    model.fit(X, y, epochs=2, verbose=0, callbacks=[stop])
    clf = KerasMoonClassifier(epochs=6, random_state=0, callbacks=[stop]).fit(X, y)
    assert clf.history_ == expected.history_
    assert stop.model is model


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer:UserWarning")  # model_ has a new one
def test_keras_loads_checkpoints_with_the_same_predictions(moons, tmp_path):
    X, y = moons
    save = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch:02d}.keras")
    weights = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.weights.h5", save_weights_only=True, save_best_only=True, monitor="val_loss"
    )
    clf = KerasMoonClassifier(
        epochs=4, random_state=0, early_stopping=True, n_iter_no_change=9, callbacks=[save, weights]
    ).fit(X, y)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(f"{epoch:02d}.keras" for epoch in range(1, 5)),
        "best.weights.h5",
    ]
    best = int(np.argmin(clf.history_["val_loss"])) + 1
    loaded = keras.saving.load_model(tmp_path / f"{best:02d}.keras")
    assert_allclose(loaded.predict(X, verbose=0)[:, 0], clf.predict_proba(X)[:, 1], rtol=1e-4, atol=1e-6)
    assert int(loaded.optimizer.iterations.numpy()) == best * 4
    model = clf.model_
    model.load_weights(tmp_path / "best.weights.h5")
    assert_allclose(model.predict(X, verbose=0)[:, 0], clf.predict_proba(X)[:, 1], rtol=1e-4, atol=1e-6)


def test_csv_logger_writes_the_metrics_of_the_history(moons, tmp_path):
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 0.001 * (epoch + 1))
    clf = KerasMoonClassifier(epochs=3, random_state=0, early_stopping=True, callbacks=[scheduler, log]).fit(*moons)
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx([0.001, 0.002, 0.003])
    for name, values in clf.history_.items():
        assert [float(row[name]) for row in rows] == values
    assert set(clf.history_) == {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}


class TrainEndRecorder(keras.callbacks.Callback):
    """Records the predictions at the end of training, and multiplies the weights by a factor."""

    def __init__(self, seen, factor=1.0):
        super().__init__()
        self.seen, self.factor = seen, factor

    def on_train_end(self, logs=None):
        self.seen.append(self.model.predict(X32, verbose=0)[:, 0])
        if self.factor != 1:
            self.model.set_weights([self.factor * weight for weight in self.model.get_weights()])


@pytest.mark.parametrize("early_stopping", [False, True])
def test_on_train_end_gets_the_final_weights_and_may_change_them(early_stopping):
    seen = []
    optimizer = keras.optimizers.Adam(0.05, use_ema=True, ema_momentum=0.9)
    parameters = {"early_stopping": early_stopping, "optimizer": optimizer, "shuffle": True, "epochs": 40}
    clf = classifier(callbacks=[TrainEndRecorder(seen)], **parameters).fit(X32, Y)
    assert_allclose(seen[0], clf.predict_proba(X32)[:, 1], rtol=1e-4, atol=1e-6)
    assert clf.history_ == classifier(**parameters).fit(X32, Y).history_
    assert (clf.coefs_[0] == classifier(**parameters).fit(X32, Y).coefs_[0]).all()
    halved = classifier(callbacks=[TrainEndRecorder(seen, 0.5)], **parameters).fit(X32, Y)
    for ours, theirs in zip(halved.coefs_ + halved.intercepts_, clf.coefs_ + clf.intercepts_, strict=True):
        assert_allclose(ours, 0.5 * theirs, rtol=1e-6)


def test_callbacks_maximize_accuracy_for_every_type_of_target():
    moons, iris = make_moons(60, random_state=0), load_iris(return_X_y=True)
    for X, y in (moons, iris, make_multilabel_classification(60, random_state=0)):
        callbacks = [
            keras.callbacks.EarlyStopping("val_accuracy", patience=2),
            keras.callbacks.ReduceLROnPlateau("accuracy", patience=1),
        ]
        clf = KerasMoonClassifier(
            early_stopping=True, n_iter_no_change=99, callbacks=callbacks, epochs=40, random_state=0
        ).fit(X, y)
        # Keras compares in float32, in which sums in a different order are still equal
        best = int(np.argmax(np.float32(clf.history_["val_accuracy"])))
        assert clf.n_iter_ == min(40, best + 3)


def test_hooks_of_a_model_checkpoint_subclass_are_called(moons, tmp_path):
    calls = []

    class Checkpoint(keras.callbacks.ModelCheckpoint):
        def on_epoch_begin(self, epoch, logs=None):
            calls.append("epoch")

        def on_train_batch_end(self, batch, logs=None):
            calls.append("batch")

    KerasMoonClassifier(epochs=1, callbacks=[Checkpoint(tmp_path / "last.weights.h5", save_weights_only=True)]).fit(
        *moons
    )
    assert calls == ["epoch"] + 4 * ["batch"]
    assert (tmp_path / "last.weights.h5").exists()


class Reader(keras.callbacks.Callback):
    """Refers to objects of every kind that cannot be copied or whose copy would be useless."""

    def __init__(self):
        super().__init__()
        self.flags, self.losses, self.array = {"stop": False}, [], np.zeros(10**6)
        self.lock, self.seen = threading.Lock(), []
        self.hook = self.method

    def method(self):
        return self

    def on_epoch_end(self, epoch, logs=None):
        self.epoch = epoch
        self.losses.append(logs["loss"])
        self.seen.append((self.array, self.lock, self.hook() is self))
        self.flags["stop"] = epoch == 2
        self.model.stop_training = self.flags["stop"]


@pytest.mark.parametrize("again", [lambda clf: clf, clone, lambda clf: clone(make_pipeline(StandardScaler(), clf))[-1]])
def test_callbacks_see_the_objects_that_they_were_given(moons, again):
    reader = Reader()
    array, lock = reader.array, reader.lock
    clf = again(KerasMoonClassifier(epochs=9, random_state=0, callbacks=[reader])).fit(*moons)
    assert clf.callbacks == [reader]
    assert clf.n_iter_ == 3
    assert reader.flags == {"stop": True}
    assert reader.losses == clf.history_["loss"]
    assert all(seen[0] is array and seen[1] is lock and seen[2] for seen in reader.seen)
    assert not hasattr(reader, "epoch")
    assert reader.model is None
    reader.losses.clear()
    assert clf.fit(*moons).history_["loss"] == reader.losses


def test_searches_use_the_given_callbacks(moons):
    reader = Reader()  # neither its lock nor anything else of it can be copied
    search = GridSearchCV(
        KerasMoonClassifier(epochs=9, callbacks=[reader]), {"l2": [0.0, 0.1]}, cv=2, error_score="raise"
    ).fit(*moons)
    assert len(reader.losses) == 5 * 3  # four fits, and one on all samples, each of which stops after 3 epochs
    assert search.best_estimator_.callbacks is not search.estimator.callbacks


def test_clone_of_a_subclass_keeps_the_callbacks_that_it_creates():
    class Patient(KerasMoonClassifier):
        def __init__(self, patience=3):
            super().__init__(callbacks=[keras.callbacks.EarlyStopping("loss", patience=patience)])
            self.patience = patience

    clf = Patient(5)
    assert clone(clf).callbacks[0].patience == 5
    assert clone(clf).callbacks[0] is not clf.callbacks[0]


def test_assignments_to_a_callback_reach_a_fit_in_progress(moons):
    class StopButton(keras.callbacks.Callback):
        pressed = False

        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = self.pressed

    button, is_training, is_pressed = StopButton(), threading.Event(), threading.Event()

    def press():
        assert is_training.wait(60)
        button.pressed = True
        is_pressed.set()

    def wait(epoch):
        if epoch == 4:
            is_training.set()
            assert is_pressed.wait(60)

    waiter = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: wait(epoch))
    thread = threading.Thread(target=press)
    thread.start()
    clf = KerasMoonClassifier(epochs=50, random_state=0, callbacks=[waiter, button]).fit(*moons)
    thread.join()
    assert clf.n_iter_ == 5


def test_callbacks_that_refer_to_each_other_do_so_during_fit(moons):
    seen = []

    class Follower(keras.callbacks.Callback):
        def __init__(self, leader):
            super().__init__()
            self.leader, self.leaders, self.hidden = leader, [leader, None], keras.callbacks.LambdaCallback()

        def set_model(self, model):
            super().set_model(model)
            self.hidden.set_model(model)

        def on_epoch_end(self, epoch, logs=None):
            seen.append((self.leader.wait, self.leaders[0] is self.leader, self.hidden.model is self.model))

    leader = keras.callbacks.EarlyStopping("loss", min_delta=1, patience=3)
    follower = Follower(leader)
    clf = KerasMoonClassifier(epochs=9, random_state=0, callbacks=[leader, follower]).fit(*moons)
    assert clf.n_iter_ == 4  # the first epoch improves on nothing
    assert seen == [(0, True, True), (1, True, True), (2, True, True), (3, True, True)]
    assert leader.wait == 0
    assert follower.hidden.model is None


def test_pickles_contain_no_model(moons):
    callbacks = [keras.callbacks.EarlyStopping("loss", restore_best_weights=True), keras.callbacks.LambdaCallback()]
    clf = KerasMoonClassifier(epochs=3, random_state=0, callbacks=callbacks)
    n_bytes = len(pickle.dumps(clf))
    clf.fit(*moons)
    assert len(pickle.dumps(clf.set_params())) < n_bytes + 40_000
    assert len(pickle.dumps(clf.callbacks)) == len(pickle.dumps(callbacks)) < 2000
    restored = pickle.loads(pickle.dumps(clf))
    assert restored.fit(*moons).history_ == clf.history_


def test_fits_on_threads_with_the_same_callbacks_are_independent(moons):
    stop = keras.callbacks.EarlyStopping("loss", patience=2, min_delta=0.02, restore_best_weights=True)
    fits = [KerasMoonClassifier(epochs=40, random_state=seed, callbacks=[stop]) for seed in range(3)]
    expected = [clone(clf).fit(*moons).history_ for clf in fits]
    with ThreadPoolExecutor(2) as pool:
        assert [clf.history_ for clf in pool.map(lambda clf: clf.fit(*moons), fits)] == expected


def test_hooks_that_a_callback_assigns_to_itself_are_called(moons):
    steps = []

    class Late(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.on_batch_end = lambda batch, logs: steps.append((epoch, batch))

    KerasMoonClassifier(epochs=2, callbacks=[Late()]).fit(*moons)
    assert steps == [(1, 0), (1, 1), (1, 2), (1, 3)]


def test_hooks_that_a_callback_assigns_before_the_first_epoch_change_the_training(moons):
    class Freezer(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.on_epoch_begin = lambda epoch, logs: self.model.optimizer.learning_rate.assign(0.0)

    frozen = KerasMoonClassifier(epochs=2, random_state=0, callbacks=[Freezer()]).fit(*moons)
    assert frozen.history_["loss"] == pytest.approx([frozen.history_["loss"][0]] * 2)


@pytest.fixture
def dtype_policy():
    """Keras's function that sets its dtype policy, for the duration of a test."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16", "float64"])
def test_dtype_policies_do_not_change_the_training(moons, policy, dtype_policy):
    def fit(estimator):
        callbacks = [
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.ReduceLROnPlateau("loss", patience=0, min_delta=0.05),
            keras.callbacks.EarlyStopping("loss", patience=1, min_delta=0.02, restore_best_weights=True),
        ]
        return clone(estimator).set_params(epochs=9, random_state=0, callbacks=callbacks).fit(*moons)

    estimators = KerasMoonClassifier(), KerasMoonRegressor(dropout=0.1, l2=0.01)
    expected = list(map(fit, estimators))
    dtype_policy(policy)
    for estimator, by_default in zip(estimators, expected, strict=True):
        fitted = fit(estimator)
        assert fitted.history_ == by_default.history_
        assert (fitted.coefs_[0] == by_default.coefs_[0]).all()


def test_numbers_that_callbacks_add_to_the_logs_enter_the_history(moons, capsys):
    class Adder(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs |= {
                "epoch": epoch,
                "numpy": np.float32(0.5),
                "tensor": keras.ops.convert_to_tensor(2.0),
                "rate": self.model.optimizer.learning_rate,
            }
            if epoch == 1:
                logs["once"] = 7
            logs |= {"text": "3", "flag": True, "array": np.zeros(3), "nothing": None, "numpy text": np.str_("3")}
            logs["loss"] = -1.0

    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: [0.01, 2.0**-12, 0.5][epoch])
    clf = KerasMoonClassifier(epochs=3, warm_start=True, verbose=2, random_state=0, callbacks=[schedule, Adder()])
    history = clf.fit(*moons).history_
    assert list(history) == ["loss", "accuracy", "learning_rate", "epoch", "numpy", "tensor", "rate", "once"]
    assert history["learning_rate"] == history["rate"] == pytest.approx([0.01, 2.0**-12, 0.5], rel=1e-6)
    assert history["epoch"] == [0, 1, 2]
    assert history["numpy"] == [0.5] * 3
    assert history["tensor"] == [2] * 3
    assert repr(history["once"]) == "[nan, 7.0, nan]"
    assert min(history["loss"]) > 0
    assert {type(value) for values in history.values() for value in values} == {float}
    assert "Epoch 2/3 - loss: 0." in (output := capsys.readouterr().out)
    assert " - learning_rate: 2.4414e-04 - epoch: 1.0000" in output
    clf.set_params(callbacks=None, epochs=1, verbose=0).fit(*moons)
    assert np.isnan(clf.history_["learning_rate"][3])
    assert clf.history_["epoch"][:3] == [0, 1, 2]


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_tqdm_shows_epochs_and_batches(moons, verbose):
    from tqdm.keras import TqdmCallback

    output = io.StringIO()
    bar = TqdmCallback(verbose=verbose, file=output)
    clf = KerasMoonClassifier(epochs=3, random_state=0, callbacks=[bar]).fit(*moons)
    assert bar.epoch_bar.n == bar.epoch_bar.total == 3
    assert bar.epoch_bar.disable  # the bar is closed
    last = output.getvalue().splitlines()[-1]
    assert "100%" in last
    assert last.endswith(f" accuracy={clf.history_['accuracy'][-1]:.3g}, loss={clf.loss_:.3g}]")
    if verbose == 2:  # a bar for the batches of each epoch, which a slow machine draws more than once
        assert output.getvalue().count("4.00/4.00") >= 3
    assert ("batch" in output.getvalue()) == (verbose > 0)


@pytest.mark.slow
@pytest.mark.parametrize("frequency", ["epoch", "batch"])
def test_tensorboard_gets_the_history(moons, frequency, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    class Raising(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError

    board = keras.callbacks.TensorBoard(tmp_path, update_freq=frequency)
    clf = KerasMoonClassifier(epochs=3, random_state=0, callbacks=[board, Raising()])
    with pytest.raises(RuntimeError):
        clf.fit(*moons)
    for path in (tmp_path / "train").iterdir():
        path.unlink()
    clf.set_params(callbacks=[board], early_stopping=True).fit(*moons)
    for folder, prefix in ("train", ""), ("validation", "val_"):
        accumulator = EventAccumulator(str(tmp_path / folder), {"tensors": 0})
        accumulator.Reload()
        for name in "loss", "accuracy":
            values = [make_ndarray(event.tensor_proto) for event in accumulator.Tensors(f"epoch_{name}")]
            assert_allclose(values, clf.history_[prefix + name], rtol=1e-6)
    assert board._prev_summary_state == []


class Crash(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 4:
            raise RuntimeError("power failure")


@pytest.mark.parametrize("n_epochs_before", [0, 3])
def test_fit_resumes_from_a_backup_of_keras(n_epochs_before, tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    parameters = {"optimizer": "adam", "learning_rate": 0.03, "shuffle": True, "epochs": 8}
    expected = classifier(**parameters).fit(X32, Y)

    def new_process():
        clf = classifier(**parameters, warm_start=True)
        if n_epochs_before:
            clf.set_params(epochs=n_epochs_before).fit(X32, Y)
        return clf.set_params(epochs=8 - n_epochs_before)

    with pytest.raises(RuntimeError, match="power failure"):
        new_process().set_params(callbacks=[backup, Crash()]).fit(X32, Y)
    numbers = []
    counter = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: numbers.append(epoch))
    clf = new_process().set_params(callbacks=[backup, counter]).fit(X32, Y)
    assert numbers == [4, 5, 6, 7]
    assert clf.n_iter_ == 8
    # Bit for bit, because Keras stores float32
    assert clf.history_["loss"][4:] == expected.history_["loss"][4:]
    assert np.isnan(clf.history_["loss"][n_epochs_before:4]).all()
    assert all((a == b).all() for a, b in zip(clf.coefs_, expected.coefs_, strict=True))
    assert not (tmp_path / "backup").exists()
    # The backup is gone, so that the training starts anew
    again = classifier(**parameters, callbacks=[backup]).fit(X32, Y)
    assert again.history_ == expected.history_


def test_backup_of_a_longer_training_is_restored_without_training(tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
    clf = classifier(epochs=4, callbacks=[backup]).fit(X32, Y)
    assert json.loads((tmp_path / "backup" / "training_metadata.json").read_text())["epoch"] == 4
    again = classifier(epochs=3, verbose=2, callbacks=[backup]).fit(X32, Y)
    assert again.n_iter_ == 4
    assert np.isnan(again.loss_)
    assert (again.predict_proba(X32) == clf.predict_proba(X32)).all()


def test_live_model_has_the_history(moons):
    histories = []

    class Inspector(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            histories.append(self.model.history.history)

    clf = KerasMoonClassifier(epochs=3, early_stopping=True, callbacks=[Inspector()]).fit(*moons)
    assert histories == [clf.history_]


class Recompiler(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.compile("sgd", loss="binary_crossentropy")


class ScheduleSetter(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)


@pytest.mark.parametrize("callback", [Recompiler(), ScheduleSetter()])
def test_recompiling_the_live_model_raises(moons, callback):
    with pytest.raises(ValueError, match=r"'callbacks' .* changed one of these in on_epoch_begin"):
        KerasMoonClassifier(epochs=3, callbacks=[callback]).fit(*moons)


def test_epoch_numbers_continue_with_warm_start(moons):
    numbers = []

    class Inspector(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            numbers.append((epoch, self.params["epochs"]))

    clf = KerasMoonClassifier(epochs=2, warm_start=True, callbacks=[Inspector()]).fit(*moons).fit(*moons)
    clf.partial_fit(*moons)
    assert numbers == [(0, 2), (1, 2), (2, 4), (3, 4), (4, 5)]


def test_error_in_a_callback_is_raised_and_the_earlier_fit_remains(moons):
    class Raising(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError("the disk is on fire")

    clf = KerasMoonClassifier(epochs=5, random_state=0).fit(*moons)
    before = copy.deepcopy(vars(clf))
    clf.set_params(callbacks=[Raising()])
    with pytest.raises(RuntimeError, match="the disk is on fire"):
        clf.fit(*moons)
    assert (clf.coefs_[0] == before["_state"].trainable[0]).all()
    assert clf.history_ == before["history_"]
    expected = clone(clf).set_params(callbacks=None).fit(*moons)
    assert clf.set_params(callbacks=None).fit(*moons).history_ == expected.history_


def test_setting_the_learning_rate_of_a_schedule_raises(moons):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 10, 0.9)
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1)
    clf = KerasMoonClassifier(learning_rate=schedule, callbacks=[scheduler])
    with pytest.raises(TypeError, match="learning rate is not settable"):
        clf.fit(*moons)


def test_divergence_raises_despite_terminate_on_nan(moons):
    X, y = moons
    clf = KerasMoonClassifier(optimizer="sgd", activation="linear", callbacks=[keras.callbacks.TerminateOnNaN()])
    with pytest.raises(ValueError, match=r"non-finite loss or non-finite weights within \d+ epochs"):
        clf.fit(1e100 * X, y)


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ("EarlyStopping", r"'callbacks' parameter .* Got 'EarlyStopping'"),
        (
            keras.callbacks.EarlyStopping(),
            r"'callbacks' parameter .*Callback\. Got <.* instead: a list may hold a single",
        ),
        ([keras.callbacks.EarlyStopping], r"Got a list with the class EarlyStopping: write EarlyStopping\(\.\.\.\)"),
        ([print], r"'callbacks' .* with set_callbacks"),
    ],
)
def test_invalid_callbacks_raise(moons, callbacks, message):
    with pytest.raises(ValueError, match=message):
        KerasMoonClassifier(callbacks=callbacks).fit(*moons)
