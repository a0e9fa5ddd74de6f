"""Fixtures and hooks that the test files share."""

import json
import os
import re
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

# Processes and later runs share the compiled programs, which halves the time of a run. An engine reads these variables
# when it starts, so they are set before the imports. TensorFlow does not check which version compiled a program, so the
# folder's name contains the version.
PROGRAM_CACHE = Path(__file__).parent / ".programs"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(PROGRAM_CACHE / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault(
    "TF_XLA_FLAGS", f"--tf_xla_persistent_cache_directory={PROGRAM_CACHE / 'tensorflow'}-{version('tensorflow')}"
)
if os.environ.get("KERAS_BACKEND") == "jax":
    # Programs of Keras and of the tests compile in two thirds of the time; those of moonnet have their own level. Each
    # process compiles on one thread, because the processes of a run leave no processor idle.
    flags = "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}"
for library in ("OPENBLAS", "OMP"):  # for the same reason
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# ruff: noqa: E402
import matplotlib as mpl
import numpy as np
import pytest
import sklearn
from hypothesis import settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.image import imread
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.datasets import load_iris, make_moons

from moonnet import KerasMoonClassifier
from moonnet._sklearn_compat import HAS_CALLBACKS
from moonnet.command._cli import main
from moonnet.networks import _dense_stack

mpl.use("Agg")
settings.register_profile("moonnet", deadline=None)  # an example may take long on a busy machine
settings.load_profile("moonnet")


def pytest_collection_modifyitems(items):
    """Mark doctests like the tests of their module, and run slow tests first, so that all workers finish together."""
    for item in items:
        if item.name.startswith("moonnet.dask."):
            item.add_marker(pytest.mark.slow)
        if item.name.startswith("moonnet.plotting._film.") and not HAS_CALLBACKS:
            item.add_marker(pytest.mark.skip(reason="scikit-learn has callbacks from 1.9 on"))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(autouse=True)
def close_figures():
    """Close all figures before the test, because doctests leave some open, and after it."""
    plt.close("all")
    yield
    plt.close("all")


@pytest.fixture(scope="session", autouse=True)
def default_sigint_handler():
    """Install Python's SIGINT handler, also if the tests were started with SIGINT ignored, as in a background shell.

    Child processes, which other fixtures start, inherit that SIGINT is ignored.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def moons():
    """The training samples of the lecture's example."""
    return make_moons(200, noise=0.2, random_state=0)


@pytest.fixture(scope="session")
def fitted(moons):
    """The classifier of the lecture's example, fitted; shared, so tests must not change it."""
    return KerasMoonClassifier(random_state=0).fit(*moons)


@pytest.fixture(scope="session")
def train_and_validation_set():
    """A training set and a validation set: X, y and sample weights of each."""
    X, y = make_moons(160, noise=0.3, random_state=3)
    weight = np.random.default_rng(0).uniform(0.2, 3, 160)
    return (X[:100], y[:100], weight[:100]), (X[100:], y[100:], weight[100:])


@pytest.fixture(scope="session")
def split_of():
    """Return a function that returns the training and the held-out indices of a fit with early stopping."""
    from moonnet.training._loop import RandomStreams
    from moonnet.training._validation_set import hold_out

    def split(clf, y, multilabel=False):
        seed = RandomStreams.spawn(clf.random_state).split_seed
        return hold_out(len(y), clf.validation_fraction, None if multilabel else y, seed)

    return split


@pytest.fixture(scope="session")
def weight_bytes():
    """Return a function that returns the fitted weights as bytes, which are equal exactly if the weights are."""
    return lambda estimator: [array.tobytes() for array in estimator.coefs_ + estimator.intercepts_]


@pytest.fixture(scope="session")
def assert_samples_are_independent():
    """Return a function that asserts that a sample's prediction is the same alone, reordered, sparse and in chunks."""

    def assert_independent(predict, X, data, tolerance):
        expected = predict(X)
        order = np.array(data.draw(st.permutations(range(len(X)))))
        assert_allclose(predict(X[order]), expected[order], **tolerance)
        row = data.draw(st.integers(0, len(X) - 1))
        assert_allclose(predict(X[row : row + 1]), expected[row : row + 1], **tolerance)
        for sparse_kind in (sparse.csr_array, sparse.csc_matrix, sparse.coo_array):
            assert_allclose(predict(sparse_kind(X)), expected, **tolerance)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_dense_stack, "_CHUNK_BYTES", data.draw(st.integers(1, 2000)))
            assert_allclose(predict(X), expected, **tolerance)

    return assert_independent


@pytest.fixture(scope="session")
def keras():
    """The keras module, imported without TensorFlow's start-up log."""
    from moonnet._keras import keras  # not at the top, because the process that starts the workers needs none

    return keras


@pytest.fixture(scope="session")
def engine_is_quiet(keras):
    """Whether the engine writes no log of its own; TensorFlow 2.20 logs that it has compiled a program."""
    return keras.backend.backend() != "tensorflow" or not version("tensorflow").startswith("2.20")


@pytest.fixture(scope="session")
def assert_same_scores():
    """Return a function that asserts that two searches have bit-for-bit identical scores."""

    def scores(search):
        return {name: values for name, values in search.cv_results_.items() if "score" in name and "time" not in name}

    def check(search, other):
        assert search.best_params_ == other.best_params_
        for name, values in scores(search).items():
            assert np.array_equal(values, scores(other)[name]), name

    return check


@pytest.fixture
def routing():
    """Enable scikit-learn's metadata routing."""
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(scope="session")
def is_plain():
    """Return a function that checks whether a value consists only of arrays, numbers and strings."""

    def check(value):
        if isinstance(value, list | tuple):
            return all(map(check, value))
        if isinstance(value, dict):
            return all(isinstance(key, str) and check(item) for key, item in value.items())
        return value is None or isinstance(value, np.ndarray | int | float | str)

    return check


@pytest.fixture(scope="session")
def unpack_message():
    """Return a function that unpacks a message of the explorer as the page does: into its header and arrays by name."""

    def unpack(message: bytes) -> tuple[dict, dict[str, np.ndarray]]:
        begin = 4 + int.from_bytes(message[:4], "little")
        header, arrays = json.loads(message[4:begin]), {}
        for name, dtype, shape, offset in header["arrays"]:
            array = np.frombuffer(message, dtype, int(np.prod(shape)), begin + offset)
            arrays[name] = array.reshape(shape)
        return header, arrays

    return unpack


@pytest.fixture
def run_python():
    """Return a function that runs a program in a child process and returns its standard output."""

    def run(program: str, *arguments: str, timeout: float = 300, **environment: str) -> str:
        child = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=os.environ | environment,
        )
        assert child.returncode == 0, child.stderr
        return child.stdout

    return run


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium without background requests."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(argument)
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture
def iris_csv(tmp_path):
    """A CSV file of the iris data set."""
    iris = load_iris()
    samples = zip(iris.data.tolist(), iris.target_names[iris.target], strict=True)
    path = tmp_path / "iris.csv"
    path.write_text(
        "\n".join(["sl,sw,pl,pw,species", *(f"{','.join(map(str, x))},{label}" for x, label in samples), ""])
    )
    return path


@pytest.fixture
def assert_command_fails(capsys):
    """Return a function that runs the command and asserts that it fails and prints only this message, in one line."""

    def assert_fails(options, message):
        with pytest.raises(SystemExit) as exit_:
            main(options)
        out, err = capsys.readouterr()
        assert exit_.value.code == 2
        assert out == ""
        assert len(err.splitlines()) == 1
        assert re.match("moonnet( explore)?: error: ", err)
        assert message in err

    return assert_fails


@pytest.fixture
def assert_pictures_drawn():
    """Return a function that asserts that a folder contains exactly these files and that no picture is blank."""

    def assert_drawn(folder, names):
        assert sorted(path.name for path in folder.iterdir()) == sorted(names)
        for path in folder.glob("*.png"):
            image = imread(path)
            assert min(image.shape[:2]) > 400
            assert image.std() > 0.01

    return assert_drawn
