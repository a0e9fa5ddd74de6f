"""Failures outside of moonnet: signals, killed processes, full disks, many threads; and many fits in one process."""

import gc
import math
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import psutil
import pytest
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from sklearn.base import clone
from sklearn.datasets import make_moons
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, cross_val_score

from helpers import weight_bytes
from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet._keras import keras
from moonnet._sklearn_compat import HAS_CALLBACKS
from moonnet.training import _compiled_program, _program_spec, _program_state

pytestmark = [pytest.mark.slow, pytest.mark.trains]


@pytest.fixture
def start_python():
    """Return a function that starts a program in a child process; child processes are killed after the test."""
    children = []

    def start(program, *arguments):
        child = subprocess.Popen(
            [sys.executable, "-u", "-c", program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()


INTERRUPTED = """
import sys, warnings
from sklearn.datasets import make_moons
from moonnet import KerasMoonClassifier
from moonnet.training import _compiled_program
X, y = make_moons(200, noise=0.2, random_state=0)
for verbose in (0, 1):
    clf = KerasMoonClassifier(epochs=10**7, verbose=verbose, random_state=0)
    KerasMoonClassifier(epochs=1).fit(X, y)
    print("ready", flush=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(X, y)
    print("warnings:", [str(warning.message) for warning in caught])
    n = clf.n_iter_
    assert n == len(clf.history_["loss"])
    whole = KerasMoonClassifier(epochs=n, random_state=0).fit(X, y)
    same = all((a == b).all() for a, b in zip(clf.coefs_ + clf.intercepts_, whole.coefs_ + whole.intercepts_))
    print("equal to an uninterrupted fit:", same, clf.score(X, y) > 0.8)
    clf.set_params(warm_start=True, verbose=0, epochs=2).fit(X, y)
    print("resumes:", clf.n_iter_ == n + 2)
"""


def test_sigint_ends_fit_and_keeps_the_completed_epochs(start_python):
    child = start_python(INTERRUPTED)
    watchdog = threading.Timer(240, child.kill)
    watchdog.start()
    for _ in range(2):
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.7)
        child.send_signal(signal.SIGINT)
        warning = next((line for line in child.stdout if not line.startswith("Epoch")), "")
        assert "'Training interrupted by user after " in warning
        assert warning.endswith(" epochs.']\n")
        assert child.stdout.readline() == "equal to an uninterrupted fit: True True\n"
        assert child.stdout.readline() == "resumes: True\n"
    assert child.wait() == 0, child.stderr.read()
    watchdog.cancel()


def test_keyboard_interrupt_in_a_callback_ends_fit(moons):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 4:
                raise KeyboardInterrupt

    clf = KerasMoonClassifier(random_state=0, callbacks=[Interrupt()])
    with pytest.warns(UserWarning, match=r"Training interrupted by user after 5 epochs\."):
        clf.fit(*moons)
    assert clf.history_ == KerasMoonClassifier(random_state=0, epochs=5).fit(*moons).history_


class InterruptEpoch(keras.callbacks.Callback):
    """Interrupts the middle of an epoch, by a signal or by an exception."""

    def __init__(self, epoch, by_signal):
        super().__init__()
        self.epoch, self.by_signal, self.now = epoch, by_signal, -1

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.now, batch) == (self.epoch, 1):
            if not self.by_signal:
                raise KeyboardInterrupt
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("by_signal", [True, False])
@pytest.mark.parametrize("epoch", [0, 3])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("network", [KerasMoonClassifier, KerasMoonRegressor])
def test_interrupted_epoch_is_undone(moons, network, epoch, by_signal, early_stopping):
    parameters = {"dropout": 0.1, "early_stopping": early_stopping, "random_state": 0, "warm_start": True}
    estimator = network(callbacks=[InterruptEpoch(epoch, by_signal)], epochs=8, **parameters)
    with pytest.warns(UserWarning, match=f"Training interrupted by user after {epoch} epochs"):
        estimator.fit(*moons)
    assert estimator.n_iter_ == len(estimator.history_["loss"]) == epoch
    assert math.isnan(estimator.loss_) == (epoch == 0)
    assert estimator.predict(moons[0]).shape == (200,)
    estimator.set_params(callbacks=None, epochs=5 - epoch).fit(*moons)
    whole = network(epochs=5, **parameters).fit(*moons)
    assert estimator.history_["loss"] == whole.history_["loss"]
    if not early_stopping or epoch:  # otherwise the untrained network is the first best one
        assert (estimator.coefs_[0] == whole.coefs_[0]).all()


def test_interrupted_epoch_of_several_blocks_is_undone(moons, monkeypatch):
    monkeypatch.setattr(_compiled_program, "_programs", {})
    monkeypatch.setattr(_program_spec, "_MAX_STEPS", 2)  # an epoch of four steps takes two blocks
    run, blocks = _program_state.ProgramState.run, []

    def interrupting_run(self, *block):
        blocks.append(1)
        if len(blocks) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return run(self, *block)

    clf = KerasMoonClassifier(epochs=8, random_state=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_program_state.ProgramState, "run", interrupting_run)
        with pytest.warns(UserWarning, match="after 2 epochs"):
            clf.fit(*moons)
    assert len(blocks) == 5
    assert (clf.coefs_[0] == KerasMoonClassifier(epochs=2, random_state=0).fit(*moons).coefs_[0]).all()
    monkeypatch.setattr(_compiled_program, "_programs", {})


def test_completed_epochs_remain_if_the_interruption_warning_is_an_error(moons):
    clf = KerasMoonClassifier(callbacks=[InterruptEpoch(2, True)], epochs=8, random_state=0)
    with pytest.raises(UserWarning, match="after 2 epochs"):
        clf.fit(*moons)
    assert clf.n_iter_ == 2


def test_fit_leaves_a_sigint_handler_of_the_caller_in_place(moons):
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append("interrupted"))
    try:
        interrupt = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: os.kill(os.getpid(), signal.SIGINT) if epoch == 1 else None
        )
        clf = KerasMoonClassifier(epochs=4, callbacks=[interrupt]).fit(*moons)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == ["interrupted"]
    assert clf.n_iter_ == 4


# Before the training, an interrupt may hit a function that Python calls during garbage collection
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("n_interrupts", "is_compiled"), [(4, False), (196, True)])
def test_interrupts_at_random_moments_leave_the_next_fit_and_the_handler_as_they_were(
    monkeypatch, n_interrupts, is_compiled
):
    X, y = make_moons(60, noise=0.2, random_state=0)
    rng, outcomes = random.Random(0), Counter()
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    monkeypatch.setattr(_program_spec, "_MAX_STEPS", 6)  # three epochs a block

    def fit():
        return KerasMoonClassifier((4,), epochs=30, dropout=0.1, random_state=0).fit(X, y)

    def timed_fit():
        start = time.perf_counter()
        return fit(), time.perf_counter() - start

    def interrupted_fit(seconds):
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            try:
                fit()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:  # before the training; TensorFlow compiles in the first block
            return "exception"
        except UserWarning:  # an error in tests
            return "warning"
        return "none"

    def clear_cache():
        if not is_compiled:
            monkeypatch.setattr(_compiled_program, "_programs", {})

    try:
        expected = weight_bytes(fit())
        clear_cache()
        _, seconds = timed_fit()
        while outcomes["exception"] + outcomes["warning"] < n_interrupts:
            clear_cache()
            outcomes[interrupted_fit(rng.uniform(1e-6, seconds))] += 1
            assert outcomes["none"] < 10 * n_interrupts  # a fit may end before the interrupt
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
            clf, duration = timed_fit()
            assert weight_bytes(clf) == expected
            seconds = min(seconds, duration) if is_compiled else seconds
    finally:
        signal.signal(signal.SIGALRM, before)
        monkeypatch.setattr(_compiled_program, "_programs", {})


def test_diverging_candidate_gets_error_score_and_the_search_continues(moons):
    X, y = moons
    network = KerasMoonClassifier(optimizer="sgd", activation="linear", epochs=30, random_state=0)
    search = GridSearchCV(network, {"learning_rate": [0.01, 1e30]}, cv=2, error_score=-1.0)
    with pytest.warns(FitFailedWarning, match="2 fits failed out of a total of 4") as caught:
        search.fit(X, y)
    # Keras may also issue a deprecation warning
    assert any("lower learning_rate" in str(w.message) for w in caught if w.category is FitFailedWarning)
    assert search.cv_results_["mean_test_score"][1] == -1.0
    assert search.best_params_ == {"learning_rate": 0.01}


def kill_process(epoch, logs=None):
    if epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)


def test_killed_worker_raises_and_the_parent_process_can_fit_again(moons):
    X, y = moons
    killer = keras.callbacks.LambdaCallback(on_epoch_end=kill_process)
    network = KerasMoonClassifier(epochs=4, random_state=0, callbacks=[killer])
    try:
        with pytest.raises(TerminatedWorkerError, match="terminated"):
            GridSearchCV(network, {"l2": [0.0, 0.1]}, cv=2, n_jobs=2).fit(X, y)
        harmless = clone(network).set_params(callbacks=None)
        assert harmless.fit(X, y).score(X, y) > 0.7
        again = GridSearchCV(harmless, {"l2": [0.0, 0.1]}, cv=2, n_jobs=2).fit(X, y)
        alone = GridSearchCV(harmless, {"l2": [0.0, 0.1]}, cv=2).fit(X, y)
        assert (again.cv_results_["mean_test_score"] == alone.cv_results_["mean_test_score"]).all()
    finally:
        get_reusable_executor().shutdown(wait=True)


CHECKPOINTED = """
import os, pickle, sys
from sklearn.datasets import make_moons
from moonnet import KerasMoonClassifier
from moonnet.training import _compiled_program

class Checkpoint:
    def setup(self, estimator, context): pass
    def teardown(self, estimator, context): pass
    def on_fit_task_begin(self, estimator, context): pass
    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        fitted_estimator.set_callbacks()
        with open(sys.argv[1] + ".new", "wb") as file:
            pickle.dump(fitted_estimator, file)
        os.replace(sys.argv[1] + ".new", sys.argv[1])

X, y = make_moons(200, noise=0.2, random_state=0)
print("ready")
KerasMoonClassifier(epochs=10**6, dropout=0.1, random_state=0).set_callbacks(Checkpoint()).fit(X, y)
"""


@pytest.mark.skipif(not HAS_CALLBACKS, reason="scikit-learn has callbacks from 1.9 on")
def test_killed_fit_resumes_from_its_last_checkpoint(start_python, moons, tmp_path):
    X, y = moons
    path = tmp_path / "checkpoint.pickle"
    child = start_python(CHECKPOINTED, str(path))
    assert child.stdout.readline() == "ready\n"
    deadline = time.monotonic() + 120
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    child.kill()
    child.wait()
    clf = pickle.loads(path.read_bytes())
    n_epochs = clf.n_iter_
    assert n_epochs > 0
    clf.set_params(warm_start=True, epochs=25).fit(X, y)
    whole = KerasMoonClassifier(epochs=n_epochs + 25, dropout=0.1, random_state=0).fit(X, y)
    assert clf.history_ == whole.history_
    assert all((a == b).all() for a, b in zip(clf.coefs_, whole.coefs_, strict=True))


@pytest.mark.parametrize("network", [KerasMoonClassifier, KerasMoonRegressor])
def test_fits_and_predictions_in_eight_threads_equal_those_in_one(network):
    X, y = make_moons(120, noise=0.2, random_state=0)
    seeds = range(8)

    def predict(estimator):
        return (estimator.predict_proba if network is KerasMoonClassifier else estimator.predict)(X).tobytes()

    def fit(seed):
        estimator = network((6, 4), epochs=10, random_state=seed, early_stopping=seed % 2 == 0)
        estimator.fit(X, y).partial_fit(X[:50], y[:50])
        return estimator.coefs_[0].tobytes() + predict(estimator)

    expected = [fit(seed) for seed in seeds]
    shared = network((6, 4), epochs=3, random_state=0).fit(X, y)
    expected_of_shared = predict(shared)
    barrier, results, errors = threading.Barrier(8), [None] * 8, []

    def work(seed):
        try:
            barrier.wait()
            for _ in range(3):
                results[seed] = fit(seed)
                assert results[seed] == expected[seed]
                assert predict(shared) == expected_of_shared
        except BaseException as error:  # noqa: BLE001 - pytest does not see errors of a thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in seeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert results == expected


FULL_DISK = """
import os, sys
from sklearn.datasets import make_moons
from moonnet import KerasMoonClassifier
from moonnet.training import _compiled_program
from moonnet._keras import keras
X, y = make_moons(200, noise=0.2, random_state=0)
clf = KerasMoonClassifier(epochs=3, random_state=0).fit(X, y)
before, history = [coef.copy() for coef in clf.coefs_], clf.history_
clf.set_params(callbacks=[keras.callbacks.ModelCheckpoint(sys.argv[1] + "/{epoch:03d}.keras")], epochs=50)
try:
    clf.fit(X, y)
except OSError as error:
    print(error)
saved = sorted(os.listdir(sys.argv[1]))
print("saved before the disk was full:", 0 < len(saved) < 50)
assert all((a == b).all() for a, b in zip(before, clf.coefs_)) and clf.history_ is history
print(keras.saving.load_model(sys.argv[1] + "/001.keras", compile=False).count_params(), "parameters in the first")
print("fits again:", clf.set_params(callbacks=None).fit(X, y).score(X, y) > 0.8)
"""


def test_full_disk_in_model_checkpoint_raises_and_keeps_the_earlier_fit(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    # A file system of 256 kB, in a mount namespace that ends with the child process
    mount = 'mount -t tmpfs -o size=256k tmpfs "$0" && exec "$1" -c "$2" "$0"'
    namespace = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    possible = subprocess.run(
        [*namespace, "sh", "-c", 'mount -t tmpfs -o size=256k tmpfs "$0"', str(disk)], capture_output=True, check=False
    )
    if possible.returncode != 0:
        pytest.skip(f"cannot mount a file system: {possible.stderr.decode().strip()}")
    child = subprocess.run(
        [*namespace, "sh", "-c", mount, str(disk), sys.executable, FULL_DISK],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    first, *rest = child.stdout.splitlines()
    assert "No space left on device" in first
    assert rest == ["saved before the disk was full: True", "1191 parameters in the first", "fits again: True"]


def test_fit_inside_a_callback_is_independent(moons):
    X, y = moons
    inner = []

    class Nested(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            inner.append(KerasMoonClassifier(epochs=3, random_state=1).fit(X, y).coefs_[0])

    outer = KerasMoonClassifier(epochs=3, random_state=0, callbacks=[Nested()]).fit(X, y)
    assert (outer.coefs_[0] == KerasMoonClassifier(epochs=3, random_state=0).fit(X, y).coefs_[0]).all()
    assert all((coef == inner[0]).all() for coef in inner)


def test_predictions_do_not_change_while_a_search_runs_in_a_thread(moons):
    X, y = moons
    scores = []
    thread = threading.Thread(
        target=lambda: scores.append(cross_val_score(KerasMoonClassifier(epochs=20, random_state=0), X, y, cv=3))
    )
    clf = KerasMoonClassifier(epochs=3, random_state=0).fit(X, y)
    expected = clf.predict_proba(X)
    thread.start()
    while thread.is_alive():
        assert (clf.predict_proba(X) == expected).all()
    thread.join()
    assert (scores[0] == cross_val_score(KerasMoonClassifier(epochs=20, random_state=0), X, y, cv=3)).all()


def test_memory_stays_flat_over_many_fits(moons):
    networks = [
        KerasMoonClassifier((7,), epochs=1, early_stopping=True),
        KerasMoonRegressor((7,), epochs=1),
        KerasMoonClassifier((7,), epochs=1, callbacks=[keras.callbacks.TerminateOnNaN()]),
    ]
    growth = []
    for n_fits in (40, 100, 100):  # the first round compiles the programs
        gc.collect()
        before = psutil.Process().memory_info().rss / 1e6
        for number in range(n_fits):
            clone(networks[0 if number % 10 else 2]).fit(*moons)
            clone(networks[1]).fit(*moons).partial_fit(*moons)
        gc.collect()
        growth.append(psutil.Process().memory_info().rss / 1e6 - before)
    # A leak would show in every round; the allocator grows only now and then
    assert min(growth[1:]) < 3, growth
