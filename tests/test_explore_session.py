"""A session answers the newest request of its page and reports invalid requests."""

import base64
import gc
import gzip
import io
import json
import queue
import threading
import time
import weakref
from contextlib import contextmanager

import keras
import numpy as np
import pandas as pd
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris

from helpers import LONG, SMALL, run_python, unpack_message
from moonnet import KerasMoonClassifier
from moonnet.explore import _session
from moonnet.explore._datasets import apply_edits, load_dataset
from moonnet.explore._inputs import INPUTS
from moonnet.explore._picture import compute_picture, compute_plane
from moonnet.explore._session import Session
from moonnet.explore._settings import OPTIMIZERS, Settings, describe_controls
from moonnet.explore._trained_network import TrainedNetwork, unfitted
from moonnet.explore._user_tables import ArrayTable

IRIS = load_iris()
IRIS_NAMES = ["sepal length", "sepal width", "petal length", "petal width"]
IRIS_CSV = (
    pd.DataFrame(IRIS.data, columns=IRIS_NAMES).assign(kind=IRIS.target_names[IRIS.target]).to_csv(index=False).encode()
)


IRIS_KIND = {"name": "kind", "features": IRIS_NAMES, "is_regression": False}
IRIS_NUMBERS = [
    {"name": name, "features": [other for other in IRIS_NAMES if other != name], "is_regression": True}
    for name in IRIS_NAMES
]


class Page:
    """A page that sends requests and stores the answers."""

    def __init__(self, table=None):
        self._answered = threading.Condition()
        self._last_id = 0
        self.answers = []
        self.session = Session(self._receive_answer, table)

    def _receive_answer(self, kind, message):
        header, arrays = unpack_message(message)
        assert header["kind"] == kind.partition(" ")[0]
        with self._answered:
            self.answers.append((header, arrays))
            self._answered.notify_all()

    def send(self, kind, **request):
        """Send a request and return its id."""
        self._last_id += 1
        self.session.receive({"kind": kind, "id": self._last_id, **request})
        return self._last_id

    def find_answers(self, kind, request_id):
        """Return the answers of this kind to a request."""
        return [answer for answer in self.answers if (answer[0]["kind"], answer[0]["id"]) == (kind, request_id)]

    def wait(self, kind, request_id, **expected):
        """Wait for the first answer of this kind and with these values; fail if a problem is reported instead."""

        def answers():
            problems = self.find_answers("problem", request_id) if kind != "problem" else []
            assert not problems, problems[0][0]["message"]
            return [
                answer
                for answer in self.find_answers(kind, request_id)
                if all(answer[0][name] == value for name, value in expected.items())
            ]

        with self._answered:
            assert self._answered.wait_for(answers, 60), f"no {kind} came"
            return answers()[0]

    def ask(self, kind, answer, **request):
        """Send a request and return its first answer of the kind ``answer``."""
        return self.wait(answer, self.send(kind, **request))

    def train(self, **settings):
        """Train a network, wait for its film, and return its picture."""
        request_id = self.send("train", settings={**SMALL, **settings})
        self.wait("film", request_id)
        return self.wait("picture", request_id, final=True)

    def upload(self, content, name="data.csv"):
        return self.ask("upload", "table", name=name, content=base64.b64encode(content).decode())

    def get_problem(self, request):
        """Send a request unchanged and return the message of the problem that is reported."""
        n_before = len(self.answers)
        self.session.receive(request)
        with self._answered:
            assert self._answered.wait_for(lambda: len(self.answers) > n_before, 60)
        header, _ = self.answers[-1]
        assert header["kind"] == "problem"
        return header["message"]


@pytest.fixture
def open_page():
    """Return a function that opens a page, which is closed after the test."""
    pages = []

    def open_one(table=None):
        pages.append(Page(table))
        return pages[-1]

    yield open_one
    for page in pages:
        page.session.close()
        assert not page.session._thread.is_alive()


@pytest.fixture
def page(open_page):
    return open_page()


def expected(table=None, **values):
    """Return the data for the settings, and an estimator fitted on them."""
    settings = Settings.from_json({**SMALL, **values})
    data = apply_edits(load_dataset(settings.dataset, table), settings)
    estimator = settings.regressor() if data.is_regression else settings.classifier()
    return data, estimator.fit(data.inputs(data.X_train), data.y_train)


def flat_weights(estimator):
    """Return the weights of a network in one array, as a page receives them."""
    return np.concatenate([array.ravel() for array in estimator._state.trainable])


# Training


def test_hello_is_answered_with_controls_and_table(page, open_page):
    header, _ = page.ask("hello", "controls")
    assert header["controls"] == json.loads(json.dumps(describe_controls()))
    assert header["max_bytes"] == 4 * 2**20
    assert header["table"] is None
    for name, rate in header["learning_rates"].items():
        assert np.float32(rate) == np.float32(keras.optimizers.get(name).learning_rate)
    assert header["learning_rates"].keys() == set(OPTIMIZERS)
    header, _ = open_page(ArrayTable(IRIS.data, IRIS.target)).ask("hello", "controls")
    assert header["table"] == {
        "name": "X",
        "targets": [{"name": "y", "features": ["0", "1", "2", "3"], "is_regression": False}],
    }


@pytest.mark.parametrize("values", [{}, {"data": "blobs", "drawn": [[0.5, 0, 2]], "erased": [7], "random_state": 3}])
def test_train_is_answered_with_picture_of_fitted_network_and_film(page, values):
    header, arrays = page.train(**values)
    data, classifier = expected(**values)
    assert_array_equal(arrays["weights"], flat_weights(classifier))
    figures, drawn = compute_picture(data, [classifier._targets], classifier._network, [classifier._state])
    for name, array in drawn.items():
        assert_array_equal(arrays[name], array)
    assert {name: header[name] for name in figures} == figures
    assert header["history"] == classifier.history_
    assert header["classes"] == list(map(str, classifier.classes_.tolist()))
    assert [axis["name"] for axis in header["axes"]] == ["x", "y"]
    assert page.session.estimator.predict(data.X_train).tolist() == classifier.predict(data.X_train).tolist()

    film, _ = page.find_answers("film", header["id"])[0]
    assert film["epochs"] == 6
    assert film["history"].keys() == {"loss", "accuracy", "test_loss", "test_accuracy"}
    assert film["history"]["loss"] == classifier.history_["loss"]
    for epoch in (6, 2):
        _, classifier = expected(**{**values, "epochs": epoch})
        frame, arrays = page.ask("frame", "frame", epoch=epoch)
        assert_array_equal(arrays["weights"], flat_weights(classifier))
        assert frame["epoch"] == epoch
        assert frame["test_accuracy"] == film["history"]["test_accuracy"][epoch - 1]
    page.ask("frame", "frame", epoch=0)


REGRESSIONS = {
    "curve": {"data": "sine", "drawn": [[0.5, -2, 0]], "erased": [7], "loss": "pinball", "quantile": 0.9},
    "surface": {"data": "saddle", "loss": "huber", "erased": [3]},
    "band": {"data": "fan", "loss": "pinball", "quantile": [0.05, 0.5, 0.95]},
    "counts": {"data": "counts", "loss": "poisson", "early_stopping": True},
}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_train_on_numbers_is_answered_with_picture_of_fitted_network_and_film(page, name):
    values = REGRESSIONS[name]
    header, arrays = page.train(**values)
    data, regressor = expected(**values)
    assert_array_equal(arrays["weights"], flat_weights(regressor))
    figures, drawn = compute_picture(data, [regressor._targets], regressor._network, [regressor._state])
    for key, array in drawn.items():
        assert_array_equal(arrays[key], array)
    assert {key: header[key] for key in figures} == figures
    assert header["picture"] == ("surface" if name == "surface" else "curve")
    assert header["classes"] == []
    assert header["target"]["name"] == ("z" if name == "surface" else "y")
    assert header["target"]["is_negative"] == (name != "counts")
    assert header["features"] == (["x", "y"] if name == "surface" else ["x"])
    assert [axis["name"] for axis in header["axes"]] == ["x", "y"]
    assert header["history"]["loss"] == regressor.history_["loss"]
    assert page.session.estimator.predict(data.X_test).tolist() == regressor.predict(data.X_test).tolist()

    film, _ = page.find_answers("film", header["id"])[0]
    assert film["history"].keys() == {"loss", "test_loss"}
    assert film["history"]["loss"] == regressor.history_["loss"]
    if name != "counts":  # early stopping
        _, shorter = expected(**{**values, "epochs": 2})
        frame, arrays = page.ask("frame", "frame", epoch=2)
        assert_array_equal(arrays["weights"], flat_weights(shorter))
        assert frame["test_r2"] == pytest.approx(shorter.score(data.X_test, data.y_test))
    page.ask("frame", "frame", epoch=0)


def test_long_training_on_numbers_sends_intermediate_pictures(page, monkeypatch):
    monkeypatch.setattr(_session, "_SECONDS_BETWEEN_PICTURES", 0)
    monkeypatch.setattr(_session, "_MAX_COST_WITHOUT_PROGRESS", 10)
    header, _ = page.train(data="line", epochs=3)
    shown = page.find_answers("picture", header["id"])
    assert [picture["final"] for picture, _ in shown] == [False] * 3 + [True]
    for epoch, (early, drawn) in enumerate(shown[:-1], start=1):
        data, regressor = expected(data="line", epochs=epoch)
        assert_array_equal(drawn["weights"], flat_weights(regressor))
        assert early["test_r2"] == pytest.approx(regressor.score(data.X_test, data.y_test))
        assert early["history"]["test_loss"][-1] == pytest.approx(early["test_rmse"] ** 2)


@pytest.mark.parametrize("data", ["blobs", "sine"])
def test_ensemble_is_trained_and_recorded(page, data):
    values = {"data": data, "n_estimators": 3}
    header, arrays = page.train(**values)
    settings = Settings.from_json({**SMALL, **values})
    samples = apply_edits(load_dataset(settings.dataset, None), settings)
    trained = TrainedNetwork(0, settings, samples, unfitted(settings, samples), None)
    trained.predictor.fit(samples.inputs(samples.X_train), samples.y_train)
    figures, drawn = compute_picture(samples, trained.targets, trained.architecture, trained.states)
    assert {name: header[name] for name in figures} == figures
    for name, array in drawn.items():
        assert_array_equal(arrays[name], array)
    assert header["history"] == trained.history
    assert_array_equal(arrays["weights"], flat_weights(trained.members[0]))  # of the first member
    assert page.session.estimator.n_estimators == 3
    frame, arrays = page.ask("frame", "frame", epoch=6)
    assert {name: frame[name] for name in figures} == figures
    first, _ = page.ask("frame", "frame", epoch=0)
    assert first["n_members"] == 3

    request_id = page.send("seeds", network=header["id"], seeds=[0, 1])
    page.wait("seed", request_id, seed=1)
    same, other = (answer for answer, _ in page.find_answers("seed", request_id))
    score = "test_accuracy" if data == "blobs" else "test_rmse"
    assert same[score] == header[score]
    assert other["n_members"] == 3
    assert other["member_test_scores"] != same["member_test_scores"]


def test_film_of_one_network_stores_each_epoch_and_that_of_a_large_ensemble_is_bounded():
    largest = {"hidden_layer_sizes": [64] * 6, "epochs": 1000, "data": "blobs", "inputs": list(INPUTS)}
    for values, expected in ((largest, 1), ({**largest, "n_estimators": 10}, 9), ({"n_estimators": 10}, 1)):
        settings = Settings.from_json(values)
        data = apply_edits(load_dataset(settings.dataset, None), settings)
        assert _session._film_stride(settings, data) == expected


def test_long_training_of_ensemble_sends_pictures_of_all_members_and_is_interrupted(page, monkeypatch):
    monkeypatch.setattr(_session, "_SECONDS_BETWEEN_PICTURES", 0)
    older = page.send("train", settings={**LONG, "n_estimators": 2})
    page.wait("picture", older, final=False, n_members=2)
    header, _ = page.train(n_estimators=2)
    assert header["n_members"] == 2
    assert not page.find_answers("film", older)


def test_new_architecture_is_answered_with_busy_picture_and_film(page):
    # No other test trains this architecture, so it must be compiled
    request_id = page.send("train", settings={**SMALL, "hidden_layer_sizes": [3, 2, 3], "activation": "silu"})
    page.wait("film", request_id)
    assert [answer["kind"] for answer, _ in page.answers if answer["id"] == request_id] == ["busy", "picture", "film"]
    header, _ = page.train(hidden_layer_sizes=[3, 2, 3], activation="silu", random_state=1)
    assert not page.find_answers("busy", header["id"])


def test_newer_train_request_cancels_older_training(page, monkeypatch):
    monkeypatch.setattr(_session, "_SECONDS_BETWEEN_PICTURES", 0)
    older = page.send("train", settings=LONG)
    page.wait("picture", older, final=False)
    dropped = page.send("train", settings={"epochs": "so many"})
    newer = page.send("train", settings=SMALL)
    n_shown = len(page.find_answers("picture", older))
    _, arrays = page.wait("picture", newer, final=True)
    page.wait("film", newer)
    assert_array_equal(arrays["weights"], flat_weights(expected()[1]))
    assert len(page.find_answers("picture", older)) <= n_shown + 1  # one may have been on its way
    assert not page.find_answers("film", older)
    assert not any(header["final"] for header, _ in page.find_answers("picture", older))
    assert len(page.find_answers("problem", dropped)) <= 1


def test_only_newest_waiting_request_is_answered(page, monkeypatch):
    begun, may_continue = threading.Event(), threading.Event()
    answer = page.session._handle_hello

    def slow(request):
        begun.set()
        assert may_continue.wait(60)
        answer(request)

    monkeypatch.setattr(page.session, "_handle_hello", slow)
    page.send("hello")
    assert begun.wait(60)
    requests = [page.send("train", settings={**SMALL, "random_state": index}) for index in range(50)]
    may_continue.set()
    page.wait("film", requests[-1])
    assert not any(answer["id"] in requests[:-1] for answer, _ in page.answers)
    _, arrays = page.wait("picture", requests[-1])
    assert_array_equal(arrays["weights"], flat_weights(expected(random_state=49)[1]))


def test_waiting_request_is_answered_before_film_is_recorded(page, monkeypatch):
    monkeypatch.setattr(_session, "_IDLE_SECONDS_BEFORE_RECORDING", 1000)
    older = page.send("train", settings=SMALL)
    page.wait("picture", older)
    newer = page.send("script")
    page.wait("script", newer)
    assert not page.find_answers("film", older)
    message = page.get_problem({"kind": "frame", "epoch": 0})
    assert message == "The epochs of this network have not been recorded yet."


def test_long_training_sends_intermediate_pictures(page, monkeypatch):
    monkeypatch.setattr(_session, "_SECONDS_BETWEEN_PICTURES", 0)
    monkeypatch.setattr(_session, "_MAX_COST_WITHOUT_PROGRESS", 10)
    header, arrays = page.train(epochs=8)
    shown = page.find_answers("picture", header["id"])
    assert [picture["final"] for picture, _ in shown] == [False] * 8 + [True]
    for epoch, (early, drawn) in enumerate(shown[:-1], start=1):
        assert {len(values) for values in early["history"].values()} == {epoch}
        if epoch in (1, 5):
            assert_array_equal(drawn["weights"], flat_weights(expected(epochs=epoch)[1]))
    _, classifier = expected(epochs=8)
    assert_array_equal(arrays["weights"], flat_weights(classifier))
    assert header["history"]["accuracy"] == classifier.history_["accuracy"]


def test_early_stopping_sends_picture_of_best_epoch(page):
    values = {"early_stopping": True, "epochs": 300, "learning_rate": 0.05, "noise": 0.5}
    header, arrays = page.train(**values)
    _, classifier = expected(**values)
    assert 10 < classifier.n_iter_ < 300
    assert_array_equal(arrays["weights"], flat_weights(classifier))
    film, _ = page.wait("film", header["id"])
    assert film["epochs"] == classifier.n_iter_
    best = int(np.argmin(classifier.history_["val_loss"])) + 1
    assert film["final_epoch"] == best < film["epochs"]
    _, arrays = page.ask("frame", "frame", epoch=best)
    assert_array_equal(arrays["weights"], flat_weights(classifier))
    _, arrays = page.ask("frame", "frame", epoch=film["epochs"])  # the weights after the last epoch
    assert not np.array_equal(arrays["weights"], flat_weights(classifier))


def test_history_is_sent_with_none_for_nan_and_infinity():
    history = {"loss": [1.5, float("nan"), float("inf"), 0.0], "accuracy": []}
    assert _session._as_json(history) == {"loss": [1.5, None, None, 0.0], "accuracy": []}


def test_diverging_training_is_reported_and_session_continues(page):
    diverging = {"optimizer": "sgd", "learning_rate": 10, "hidden_layer_sizes": [64] * 6, "data": "xor", "epochs": 50}
    request_id = page.send("train", settings={**SMALL, **diverging, "activation": "softplus"})
    header, _ = page.wait("problem", request_id)
    assert "lower learning_rate" in header["message"]
    page.train()


def test_close_ends_training(open_page):
    page = open_page()
    page.wait("picture", page.send("train", settings=LONG), final=False)
    begun = time.monotonic()
    page.session.close()
    assert not page.session._thread.is_alive()
    assert time.monotonic() - begun < 5  # seconds; the whole training takes minutes


@pytest.fixture
def without_garbage_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_garbage_collector")
@pytest.mark.parametrize("waits_for", ["film", "picture"])
def test_closed_session_is_freed_at_once(waits_for):
    page = Page()
    page.upload(IRIS_CSV)
    page.get_problem({"kind": "train", "settings": {"noise": 7}})
    settings = {**(SMALL if waits_for == "film" else LONG), "data": "own", "batch_size": 1}
    page.wait(waits_for, page.send("train", settings=settings))
    session = page.session
    session.close()
    alive = weakref.ref(session), weakref.ref(session._thread)
    del session, page.session
    assert [reference() for reference in alive] == [None, None]


@pytest.mark.usefixtures("without_garbage_collector")
def test_close_frees_film_and_table_and_keeps_estimator(page):
    class Table(ArrayTable):  # an attribute for weak references
        pass

    page.session._table = Table(IRIS.data, IRIS.target)
    _, arrays = page.train(data="own")
    film = [weakref.ref(array) for array in page.session._network.film.states[0][0].trainable]
    table = weakref.ref(page.session._table)
    page.send("upload", name="a.csv", content="")
    page.session.close()
    page.send("hello")
    assert [reference() for reference in (*film, table)] == [None] * len([*film, table])
    assert_array_equal(flat_weights(page.session.estimator[-1]), arrays["weights"])


def test_requests_and_answers_that_wait_are_bounded(page, monkeypatch):
    page.train()
    sent = set()
    monkeypatch.setattr(page.session, "_send", lambda key, message: sent.add(key))
    queued = []
    monkeypatch.setattr(page.session._requests, "put", lambda key, message: queued.append((key, message)))
    for name in ("a", "b"):
        page.session._table = ArrayTable(IRIS.data, IRIS.target)
        page.session._table.name = f"{name}.csv"
        for file_format in ("skops", "keras", "csv", "exe", "skops ", f"{name}.csv", ["csv"], 5, None):
            page.send("file", format=file_format)
    assert {key for key, _ in queued} == {"file skops", "file keras", "file csv"}
    for _, message in queued:
        if message["format"] == "csv":
            page.session._handle_file(message)
    assert sent == {"problem", "file csv"}


def test_pictures_are_computed_in_their_context(monkeypatch):
    events = []

    @contextmanager
    def context():
        events.append("begin")
        yield
        events.append("end")

    answers = queue.SimpleQueue()
    session = Session(lambda kind, answer: answers.put(kind), picture_context=context)
    original = _session.compute_picture
    monkeypatch.setattr(_session, "compute_picture", lambda *given: events.append("picture") or original(*given))
    session.receive({"kind": "train", "id": 1, "settings": SMALL})
    while answers.get(timeout=60) != "picture":
        pass
    session.close()
    assert events == ["begin", "picture", "end"]


def test_estimator_is_none_before_first_training(page):
    assert page.session.estimator is None


# Other seeds


def seed_answers(page, request_id):
    return page.find_answers("seed", request_id)


def test_seeds_are_answered_with_pictures_of_networks_that_differ_in_their_seed_alone(page):
    values = {"data": "blobs", "random_state": 4, "inputs": ["x1", "x2", "x1^2"]}
    header, main = page.train(**values)
    request_id = page.send("seeds", network=header["id"], seeds=[4, 5, 0])
    page.wait("seed", request_id, seed=0)
    answers = seed_answers(page, request_id)
    assert [answer["seed"] for answer, _ in answers] == [4, 5, 0]
    for answer, arrays in answers:
        data, classifier = expected(**values, network_random_state=answer["seed"])
        assert_array_equal(arrays["points"], main["points"])  # the samples stay the same
        figures, drawn = compute_plane(data, [classifier._targets], classifier._network, [classifier._state], 48)
        assert answer["network"] == header["id"]
        assert {name: answer[name] for name in figures} == figures
        for name, array in drawn.items():
            assert_array_equal(arrays[name], array)
    assert answers[0][0]["test_accuracy"] == header["test_accuracy"]
    assert len({answer["test_accuracy"] for answer, _ in answers}) > 1


def test_network_seed_leaves_samples_as_they_are(page):
    _, first = page.train(random_state=2)
    _, second = page.train(random_state=2, network_random_state=7)
    assert_array_equal(first["points"], second["points"])
    assert_array_equal(first["test_points"], second["test_points"])
    assert not np.array_equal(first["weights"], second["weights"])
    assert_array_equal(second["weights"], flat_weights(expected(random_state=2, network_random_state=7)[1]))
    assert "random_state=7" in page.ask("script", "script")[0]["text"]


def pause_training(page, monkeypatch):
    """Let the session wait when it next looks for newer requests; return an event of this, and one to continue."""
    begun, may_continue = threading.Event(), threading.Event()
    wait_for_message = page.session._requests.wait_for_message

    def wait(seconds):
        begun.set()
        assert may_continue.wait(60)
        return wait_for_message(seconds)

    monkeypatch.setattr(page.session._requests, "wait_for_message", wait)
    return begun, may_continue


def test_newer_request_interrupts_seeds(page, monkeypatch):
    header, _ = page.train()
    begun, may_continue = pause_training(page, monkeypatch)
    older = page.send("seeds", network=header["id"], seeds=[1, 2])
    assert begun.wait(60)  # in the first epoch of the first seed
    newer = page.send("train", settings={**SMALL, "noise": 0.3})
    may_continue.set()
    page.wait("film", newer)
    page.ask("hello", "controls")
    assert not seed_answers(page, older)  # nor does it continue: another network is on the page


def test_interrupted_seed_is_trained_again_after_other_requests(page, monkeypatch):
    header, _ = page.train()
    begun, may_continue = pause_training(page, monkeypatch)
    older = page.send("seeds", network=header["id"], seeds=[1, 2])
    assert begun.wait(60)
    frame, failed = page.send("frame", epoch=2), page.send("train", settings={"noise": 7})
    may_continue.set()
    page.wait("seed", older, seed=2)
    assert [answer["seed"] for answer, _ in seed_answers(page, older)] == [1, 2]
    order = [answer["kind"] for answer, _ in page.answers if answer["id"] in (older, frame, failed)]
    assert order == ["frame", "problem", "seed", "seed"]


def test_diverging_seed_is_reported_and_others_are_trained(page, monkeypatch):
    header, _ = page.train()
    fit = KerasMoonClassifier._fit

    def fit_or_diverge(classifier, *arguments, **options):
        if classifier.random_state == 1:
            raise ValueError("The loss is NaN.")
        return fit(classifier, *arguments, **options)

    monkeypatch.setattr(KerasMoonClassifier, "_fit", fit_or_diverge)
    request_id = page.send("seeds", network=header["id"], seeds=[1, 2])
    page.wait("seed", request_id, seed=2)
    (first, _), (second, _) = seed_answers(page, request_id)
    assert first["problem"] == "The loss is NaN."
    assert "problem" not in second


@pytest.mark.parametrize("seeds", [None, [], [1.0], [-1], [10_000], [True], list(range(10)), "1", {"1": 1}])
def test_invalid_seeds_are_reported(page, seeds):
    header, _ = page.train()
    message = page.get_problem({"kind": "seeds", "network": header["id"], "seeds": seeds})
    assert message == "seeds must be a list of 1 to 9 whole numbers from 0 to 9999."


# Invalid requests


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("{", "Invalid request: Expecting property name"),
        ("", "Invalid request: Expecting value"),
        (b"\xff\xfe\xfd", "Invalid request: "),
        ("[" * 100_000, "Invalid request: maximum recursion depth"),
        ('{"a":' * 100_000, "Invalid request: maximum recursion depth"),
        ("1" * 5000, "Invalid request: Exceeds the limit"),
        ("[]", r"A request must have a kind: hello, train, .*upload\."),
        (None, "must have a kind"),
        (7, "must have a kind"),
        ("{}", "must have a kind"),
        ({"kind": "fly"}, "must have a kind"),
        ({"kind": ["train"]}, "Invalid request: "),
        ({"kind": {}}, "Invalid request: "),
        ('{"kind": NaN}', "must have a kind"),
        ({"kind": "hello", "id": -1}, "A request's id must be a whole number"),
        ({"kind": "hello", "id": 2**53}, "id must be a whole number"),
        ({"kind": "hello", "id": 1.0}, "id must be a whole number"),
        ({"kind": "hello", "id": True}, "id must be a whole number"),
        ({"kind": "hello", "id": "1"}, "id must be a whole number"),
        ({"kind": "hello", "id": None}, "id must be a whole number"),
        ('{"kind": "hello", "id": NaN}', "id must be a whole number"),
        ({"kind": "train"}, "settings must be an object. Got None instead"),
        ('{"kind": "train", "settings": {"noise": NaN}}', r"noise must be a number from 0 to 1\. Got nan instead"),
        ('{"kind": "train", "settings": {"l2": -Infinity}}', "l2 must be"),
        ('{"kind": "train", "settings": {"l2": 1e999}}', "l2 must be"),
        ('{"kind": "train", "settings": {"epochs": 1' + "0" * 400 + "}}", "epochs must be"),
        ({"kind": "train", "settings": {"data": "own"}}, "No table is open"),
        ({"kind": "train", "settings": {"drawn": [[0, 0, 5]]}}, "drawn must contain points of classes 0 to 1"),
        ({"kind": "train", "settings": {"data": "sine", "drawn": [[0, 0, 1]]}}, "points of classes 0 to 0"),
        (
            {"kind": "train", "settings": {"data": "plane", "drawn": [[0, 0, 0]]}},
            "drawn must be empty for numbers over",
        ),
        ({"kind": "train", "settings": {"data": "sine", "loss": "poisson"}}, "y must not contain negative numbers"),
        ({"kind": "frame", "epoch": 0}, r"No network has been trained yet\."),
        ({"kind": "seeds", "seeds": [1]}, r"No network has been trained yet\."),
        ({"kind": "script"}, r"No network has been trained yet\."),
        ({"kind": "file", "format": "skops"}, r"No network has been trained yet\."),
        ({"kind": "file", "format": "exe"}, r"format must be one of skops, keras, csv\."),
        ({"kind": "file", "format": ["csv"]}, "format must be"),
        ({"kind": "file"}, "format must be"),
        ({"kind": "upload"}, "A file must have a name and a content"),
        ({"kind": "upload", "name": "a.csv", "content": 5}, "must have a name and a content"),
        ({"kind": "upload", "name": ["a"], "content": "YQ=="}, "must have a name and a content"),
        ({"kind": "upload", "name": "a.csv", "content": "YQ="}, "A file's content must be in Base64"),
        ({"kind": "upload", "name": "a.csv", "content": "Y Q=="}, "A file's content must be in Base64"),
        ({"kind": "upload", "name": "a.csv", "content": "größe"}, "A file's content must be in Base64"),
        ({"kind": "upload", "name": "a.csv", "content": ""}, r"^a\.csv is empty"),
        ({"kind": "upload", "name": "\ud800\0", "content": "YQ=="}, "contains column names but no rows"),
    ],
)
def test_invalid_request_is_reported_and_session_continues(page, request_, message):
    page.wait("busy", 0, what="Starting Keras")
    with pytest.raises(ValueError, match=message):
        raise ValueError(page.get_problem(request_))
    page.ask("hello", "controls")  # the session continues


@pytest.mark.parametrize("epoch", [-1, 7, 1.0, True, None, "1", 10**30])
def test_frame_request_for_missing_epoch_is_reported(page, epoch):
    page.train()
    assert page.get_problem({"kind": "frame", "epoch": epoch}) == "epoch must be a whole number from 0 to 6."


def test_problem_has_id_of_its_request_and_limited_length(page):
    request_id = page.send("train", settings={"x" * 10_000: 1})
    header, _ = page.wait("problem", request_id)
    assert len(header["message"]) <= 1000


def test_unexpected_error_is_logged_and_session_continues(page, monkeypatch, caplog):
    def raise_error(*arguments):
        raise ZeroDivisionError("by nobody")

    with monkeypatch.context() as patch:
        patch.setattr(_session, "load_dataset", raise_error)
        assert page.ask("train", "problem", settings=SMALL)[0]["message"].startswith("Internal error")
    assert "The explorer could not answer train" in caplog.text
    assert "by nobody" in caplog.text
    page.train()


# Uploads, scripts and downloads


def test_uploaded_table_can_be_trained_on_and_replaced(page):
    header, _ = page.upload(IRIS_CSV, name="C:\\iris.csv")
    assert header["table"] == {"name": "iris.csv", "targets": [*IRIS_NUMBERS, IRIS_KIND]}
    header, _ = page.train(data="own", features=["petal width", "petal length"])
    assert [axis["name"] for axis in header["axes"]] == ["petal width", "petal length"]
    assert header["classes"] == ["setosa", "versicolor", "virginica"]
    assert page.ask("hello", "controls")[0]["table"]["name"] == "iris.csv"

    # A new file replaces the table, although the settings are the same
    page.upload(IRIS_CSV.replace(b"setosa", b"iris s."), name="iris.csv")
    header, _ = page.train(data="own", features=["petal width", "petal length"])
    assert header["classes"] == ["iris s.", "versicolor", "virginica"]


def test_unsuitable_upload_keeps_previous_table(page):
    page.upload(IRIS_CSV)
    message = page.get_problem({"kind": "upload", "name": "b.csv", "content": base64.b64encode(b"a,b\n1,1\n").decode()})
    assert message.startswith("b.csv must have a column of 2 to 10 classes")
    content = base64.b64encode(b"a,kind\n" + b"1,x\n1,y\n" * 4).decode()
    message = page.get_problem({"kind": "upload", "name": "b.csv", "content": content})
    assert message == "b.csv must have at least two numeric columns besides the target. Got none."
    page.train(data="own")


ROWS = b"1,2,x\n2,3,y\n3,1,x\n4,7,y\n" * 4
HOSTILE_FILES = {
    "wide.csv": b",".join([b"gene"] * 16_000) + b"\n" + b",".join([b"1.5"] * 16_000),
    "names in lines.csv": b'"a\nb",' + b",".join([b"c"] * 400) + b"\n" + b",".join([b"1"] * 401),
    "long name.csv": b'"' + b"x" * 200_000 + b'",b,kind\n' + ROWS,
    "long cell.csv": b"a,b,kind\n" + ROWS + b"1,2," + b"x" * 200_000,
    "long number.csv": b"a,b,kind\n" + ROWS + b"1" * 100_000 + b",2,x\n",
    "long label.csv": b"a,b,kind\n" + ROWS.replace(b"x", b"7" * 5000),
    "tabs.csv": b"a,b,kind\n" + (b"\t" * 16_000 + b",1,x\n") * 20 + ROWS,
    "spaces.csv": b"a,b,kind\n" + (b"1" + b" " * 16_000 + b"2,1,x\n") * 20 + ROWS,
    "quotes.csv": b'"' * 3_000_000,
    "lines.csv": b"\n" * 3_000_000,
    "zeros.csv": bytes(3_000_000),
    "bytes.csv": bytes(range(256)) * 1000,
    "label.csv": b"a,b,kind\n" + ROWS.replace(b"x", b"--1"),
    "infinite.csv": b"a,b,kind\n" + ROWS + b"1e999,1,x\n",
    "subnormal.csv": b"a,b,kind\n" + ROWS.replace(b"1,", b"5e-324,"),
    "script.csv": b"<script>alert(1)</script>,b,kind\n" + ROWS.replace(b"x", b"</script>\x1b[31m"),
    "broken.tar": b"a,b,kind\n" + ROWS,
    "broken.zip": b"PK\3\4" + ROWS,
    "broken.csv.gz": b"\x1f\x8b" + ROWS,
    "large.csv.gz": gzip.compress(b"1,2\n" * 10**7, 1),
    "../../etc/passwd": ROWS,
    "": b"a,b,kind\n" + ROWS,
}


def test_hostile_files_end_in_a_picture_or_one_clear_line(page, open_page):
    other = open_page()
    other.ask("hello", "controls")
    for name, content in HOSTILE_FILES.items():
        upload = page.send("upload", name=name, content=base64.b64encode(content).decode())
        train = page.send("train", settings={**SMALL, "data": "own", "features": None})
        other.ask("hello", "controls")  # while the file is read
        with page._answered:
            assert page._answered.wait_for(
                lambda request_id=train: (
                    page.find_answers("problem", request_id) or page.find_answers("picture", request_id)
                ),
                10,
            ), name
        assert page.find_answers("table", upload) or page.find_answers("problem", upload), name
        for header, _ in page.find_answers("problem", upload) + page.find_answers("problem", train):
            assert "Internal error" not in header["message"], name
            assert len(header["message"].splitlines()) == 1
            assert len(header["message"]) <= 1000


SCRIPTS = {
    "moons": {"drawn": [[0.1, 1 / 3, 1], [-0.5, 0.25, 0]], "erased": [3, 39], "learning_rate": 0.003, "l2": 1e-4},
    "blobs": {"data": "blobs", "dropout": 0.2, "optimizer": "adam", "activation": "tanh"},
    "spirals": {"data": "spirals", "noise": 0.05, "random_state": 4},
    "xor": {"data": "xor", "early_stopping": True},
    "circles": {"data": "circles", "batch_size": 7},
    "two columns": {"data": "own", "features": ["petal width", "sepal length"], "drawn": [[0, 0, 2]], "erased": [5]},
    "derived inputs": {"data": "xor", "inputs": ["x1", "x1*x2", "sin x2"], "drawn": [[1, -1, 0]]},
    "derived inputs of columns": {"data": "own", "features": ["petal width", "sepal length"], "inputs": ["x1^2", "x2"]},
    "ensemble": {"n_estimators": 3, "inputs": ["x1", "x2", "x1^2"], "network_random_state": 2},
    "ensemble of a curve": {"data": "sine", "n_estimators": 2, "early_stopping": True},
    "ensemble of a table": {"data": "own", "n_estimators": 2},
    "principal plane": {"data": "own", "random_state": 7},
    "sine": {"data": "sine", "drawn": [[1 / 3, 2, 0], [-0.5, 0.25, 0]], "erased": [3, 39], "learning_rate": 0.01},
    "step": {"data": "step", "loss": "pinball", "quantile": 0.25, "dropout": 0.2},
    "line": {"data": "line", "loss": "absolute_error", "activation": "tanh"},
    "fan": {"data": "fan", "loss": "pinball", "quantile": [0.05, 0.5, 0.95]},
    "counts": {"data": "counts", "loss": "poisson", "early_stopping": True},
    "plane": {"data": "plane", "erased": [3, 39]},
    "gaussians": {"data": "gaussians", "loss": "huber", "l2": 0.001},
    "saddle": {"data": "saddle", "random_state": 4},
    "one column": {"data": "own", "target": "petal length", "features": ["sepal width"], "drawn": [[0.5, -1, 0]]},
    "numbers of a principal plane": {"data": "own", "target": "petal width", "loss": "poisson"},
}
# Runs each script as a user would, and prints the weights of the network
RUN_SCRIPTS = """\
import os, runpy, sys
os.chdir(sys.argv[1])
for name in sys.argv[2:]:
    left = runpy.run_path(name + ".py")
    network = left["network"]
    network = getattr(network, "steps", [(None, network)])[-1][1]
    members = getattr(network, "estimators_", [network])
    print(name + ":", *(array.tobytes().hex() for member in members for array in member._state.trainable))
    if "model" in left:
        seen = left["preprocessor"].transform(left["X"])
        assert (left["model"].predict(left["X"]) == left["network"].predict(seen)).all()
"""


@pytest.mark.trains
@pytest.mark.slow
def test_script_trains_identical_network_in_another_process(page, tmp_path):
    with_gaps = IRIS_CSV.replace(b"\n5.1,", b"\n,").replace(b",0.2,", b",,").replace(b",versicolor\n", b",\n", 3)
    (tmp_path / "iris.csv").write_bytes(with_gaps)
    page.upload(with_gaps, name="iris.csv")
    shown = {}
    for name, values in SCRIPTS.items():
        header, arrays = page.train(**values)
        states = page.session._network.states
        assert arrays["weights"].tobytes() == b"".join(array.tobytes() for array in states[0].trainable)
        shown[name] = header, b"".join(array.tobytes() for state in states for array in state.trainable)
        is_table = values.get("data") == "own"
        assert ("missing values in " in header["note"]) == (is_table and name != "one column")
        has_classes = is_table and "target" not in values
        assert header["note"].startswith("3 of 150 rows without a target left out; missing ") == has_classes
        script, _ = page.ask("script", "script")
        assert f'os.environ["KERAS_BACKEND"] = "{keras.backend.backend()}"' in script["text"]
        (tmp_path / f"{name}.py").write_text(script["text"])
    output = run_python(RUN_SCRIPTS, str(tmp_path), *SCRIPTS)
    for name, (header, weights) in shown.items():
        if header["target"] is None:
            scores = f"training accuracy {header['accuracy']:.3f}\nheld-out accuracy {header['test_accuracy']:.3f}\n"
        else:
            scores = f"training R2 {header['r2']:.3f}\nheld-out R2 {header['test_r2']:.3f}\n"
            scores += f"held-out RMSE {header['test_rmse']:.4g}\n"
        before, _, after = output.partition(f"\n{name}: ")
        assert f"{before}\n".endswith(scores)
        assert bytes.fromhex(after.partition("\n")[0]) == weights, name


@pytest.fixture
def trained_pages(open_page):
    """Two pages with trained networks: one of a toy data set, and one of a table with four columns."""
    pages = open_page(), open_page(ArrayTable(IRIS.data, IRIS.target_names[IRIS.target]))
    pages[0].train()
    pages[1].train(data="own", epochs=30, learning_rate=0.03)
    return pages


@pytest.mark.slow
def test_skops_file_contains_estimator(trained_pages):
    for page, X in zip(trained_pages, (np.random.default_rng(0).normal(size=(50, 2)), IRIS.data), strict=True):
        header, arrays = page.ask("file", "file", format="skops")
        content = arrays["content"].tobytes()
        untrusted = skops.io.get_untrusted_types(data=content)
        imputer_types = ["numpy.dtype"] if page is trained_pages[1] else []
        assert untrusted == ["moonnet._classifier.KerasMoonClassifier", *imputer_types]
        loaded = skops.io.loads(content, trusted=untrusted)
        assert_array_equal(loaded.predict_proba(X), page.session.estimator.predict_proba(X))
        assert header["name"] == ("moons.skops" if page is trained_pages[0] else "X.skops")
    assert isinstance(trained_pages[0].session.estimator, KerasMoonClassifier)
    assert loaded.score(IRIS.data, IRIS.target_names[IRIS.target]) > 0.8


@pytest.mark.slow
def test_keras_file_contains_network(trained_pages, tmp_path):
    for page in trained_pages:
        header, arrays = page.ask("file", "file", format="keras")
        path = tmp_path / header["name"]
        path.write_bytes(arrays["content"].tobytes())
        model = keras.saving.load_model(path)
        classifier = page.session._network.predictor
        X = np.random.default_rng(0).normal(size=(50, 2))
        probabilities = keras.ops.convert_to_numpy(model(X))
        theirs = classifier.predict_proba(X)
        assert_allclose(probabilities, theirs[:, 1:] if len(classifier.classes_) == 2 else theirs, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("data", ["moons", "blobs", "saddle"])
def test_files_of_ensemble(page, tmp_path, data):
    page.train(data=data, n_estimators=3, inputs=["x1", "x2", "x1*x2"])
    ensemble, X = page.session.estimator, np.random.default_rng(0).normal(size=(50, 2))
    predict = "predict" if data == "saddle" else "predict_proba"
    theirs = getattr(ensemble, predict)(X)
    _, arrays = page.ask("file", "file", format="skops")
    content = arrays["content"].tobytes()
    untrusted = skops.io.get_untrusted_types(data=content)
    kind = "Regressor" if data == "saddle" else "Classifier"
    assert untrusted == [f"moonnet._{kind.lower()}.KerasMoon{kind}", f"moonnet.ensemble.DeepEnsemble{kind}"]
    assert_array_equal(getattr(skops.io.loads(content, trusted=untrusted), predict)(X), theirs)
    _, arrays = page.ask("file", "file", format="keras")
    (tmp_path / "moons.keras").write_bytes(arrays["content"].tobytes())
    outputs = keras.ops.convert_to_numpy(keras.saving.load_model(tmp_path / "moons.keras")(ensemble[0].transform(X)))
    if data != "blobs":
        outputs, theirs = outputs[:, 0], theirs if data == "saddle" else theirs[:, 1]
    assert_allclose(outputs, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_files_of_regressor(open_page, tmp_path):
    page = open_page(ArrayTable(IRIS.data[:, :3], pd.Series(IRIS.data[:, 3], name="width")))
    page.train(data="own", epochs=30, learning_rate=0.03)
    _, arrays = page.ask("file", "file", format="skops")
    content = arrays["content"].tobytes()
    untrusted = skops.io.get_untrusted_types(data=content)
    assert untrusted == ["moonnet._regressor.KerasMoonRegressor", "numpy.dtype"]
    loaded = skops.io.loads(content, trusted=untrusted)
    assert_array_equal(loaded.predict(IRIS.data[:, :3]), page.session.estimator.predict(IRIS.data[:, :3]))
    assert loaded.score(IRIS.data[:, :3], IRIS.data[:, 3]) > 0.8

    _, arrays = page.ask("file", "file", format="keras")
    (tmp_path / "X.keras").write_bytes(arrays["content"].tobytes())
    model = keras.saving.load_model(tmp_path / "X.keras")
    X = np.random.default_rng(0).normal(size=(50, 2))
    assert_allclose(
        keras.ops.convert_to_numpy(model(X))[:, 0], page.session._network.predictor.predict(X), rtol=1e-5, atol=1e-5
    )

    _, arrays = page.ask("file", "file", format="csv")
    read = pd.read_csv(io.BytesIO(arrays["content"].tobytes()))
    assert list(read)[2:] == ["width", "held_out"]
    assert sorted(read["width"]) == sorted(IRIS.data[:, 3])
    page.train(data="own", features=["1"], drawn=[[0, 1, 0]])
    _, arrays = page.ask("file", "file", format="csv")
    read = pd.read_csv(io.BytesIO(arrays["content"].tobytes()))
    assert list(read) == ["1", "width", "held_out"]
    drawn = [IRIS.data[:, 3].mean() + IRIS.data[:, 3].std()]
    assert_allclose(sorted(read["width"]), sorted([*IRIS.data[:, 3], *drawn]))


def test_csv_file_contains_samples(page):
    page.train(drawn=[[0.5, 0.25, 1]], erased=[0])
    header, arrays = page.ask("file", "file", format="csv")
    assert header["name"] == "moons-samples.csv"
    read = pd.read_csv(io.BytesIO(arrays["content"].tobytes()))
    assert list(read) == ["x", "y", "class", "held_out"]
    data, _ = expected(drawn=[[0.5, 0.25, 1]], erased=[0])
    assert_allclose(read[["x", "y"]], np.concatenate([data.X_train, data.X_test]), rtol=1e-12)
    assert read["class"].tolist() == [*data.y_train, *data.y_test]
    assert read["held_out"].tolist() == [0] * 40 + [1] * 40


def test_csv_file_of_two_columns_has_original_units(page):
    page.upload(IRIS_CSV, name="iris.csv.txt")
    page.train(data="own", features=["petal width", "sepal length"])
    header, arrays = page.ask("file", "file", format="csv")
    assert header["name"] == "iris-samples.csv"  # the uploaded file keeps its name for itself
    read = pd.read_csv(io.BytesIO(arrays["content"].tobytes()))
    assert list(read) == ["petal width", "sepal length", "class", "held_out"]
    assert read["held_out"].sum() == 38
    samples = sorted(zip(read["petal width"].round(6), read["sepal length"].round(6), read["class"], strict=True))
    kinds = IRIS.target_names[IRIS.target]
    assert samples == sorted(zip(IRIS.data[:, 3], IRIS.data[:, 0], kinds, strict=True))


def test_failed_request_does_not_cancel_training(page):
    values = {"epochs": 400, "batch_size": 1}
    request_id = page.send("train", settings={**SMALL, **values})
    page.wait("picture", request_id)  # an intermediate picture
    page.wait("problem", page.send("upload", name="b.csv", content="AAAA"))
    page.wait("problem", page.send("train", settings={"noise": 7}))
    film, _ = page.wait("film", request_id)
    assert film["epochs"] == 400
    page.wait("problem", page.send("train", settings={"noise": 7}))
    page.ask("frame", "frame", epoch=400)
