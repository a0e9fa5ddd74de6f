"""Fixtures and hooks that the test files share."""

import os
import signal
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
os.environ.setdefault("MOONNET_CACHE", "off")  # what is tested is the way to a program, not one that was left
if os.environ.get("KERAS_BACKEND") == "jax":
    # Programs of Keras and of the tests compile in two thirds of the time; those of moonnet have their own level. Each
    # process compiles on one thread, because the processes of a run leave no processor idle.
    flags = "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
    if tuple(map(int, version("jax").split(".")[:2])) == (0, 10):
        flags += " --xla_cpu_use_fusion_emitters=false"  # programs compile in two thirds; `make test-floors` does not
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}"
for library in ("OPENBLAS", "OMP"):  # for the same reason
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# ruff: noqa: E402
import matplotlib as mpl
import numpy as np
import pytest
import sklearn
from hypothesis import settings
from matplotlib import pyplot as plt
from sklearn.datasets import make_moons

from moonnet import KerasMoonClassifier
from moonnet._sklearn_compat import HAS_CALLBACKS

pytest.register_assert_rewrite("helpers")  # its asserts then report their values, as those of test files do
from helpers import write_iris_csv

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
def keras():
    """The keras module, imported without TensorFlow's start-up log."""
    from moonnet._keras import keras  # not at the top, because the process that starts the workers needs none

    return keras


@pytest.fixture(scope="session")
def engine_is_quiet(keras):
    """Whether the engine writes no log of its own; TensorFlow 2.20 logs that it has compiled a program."""
    return keras.backend.backend() != "tensorflow" or not version("tensorflow").startswith("2.20")


@pytest.fixture
def routing():
    """Enable scikit-learn's metadata routing."""
    with sklearn.config_context(enable_metadata_routing=True):
        yield


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
    return write_iris_csv(tmp_path / "iris.csv")
