"""What many tests share."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

# Programs that one process has compiled serve the others, and the next run: half of a run's time. An engine reads these
# when it starts, so they are set before the imports. TensorFlow does not check its version: the folder's name has it.
PROGRAMS = Path(__file__).parent / ".programs"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(PROGRAMS / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault(
    "TF_XLA_FLAGS", f"--tf_xla_persistent_cache_directory={PROGRAMS / 'tensorflow'}-{version('tensorflow')}"
)

# ruff: noqa: E402
import matplotlib as mpl
import numpy as np
import pytest
import sklearn
from matplotlib import pyplot as plt
from sklearn.datasets import make_moons

from moonnet import KerasMoonClassifier
from moonnet._sklearn_compat import HAS_CALLBACKS
from moonnet.training import _keras as door

mpl.use("Agg")


def pytest_collection_modifyitems(items):
    """Mark examples like the tests beside them, and put first what takes long, so that no worker ends alone with it."""
    for item in items:
        if item.name.startswith("moonnet.dask."):
            item.add_marker(pytest.mark.slow)
        if item.name.startswith("moonnet.plotting._film.") and not HAS_CALLBACKS:
            item.add_marker(pytest.mark.skip(reason="scikit-learn has callbacks from 1.9 on"))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(autouse=True)
def no_figure_is_left():
    """Begin without the figures that doctests leave, and leave none."""
    plt.close("all")
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def moons():
    """The lecture's data."""
    return make_moons(200, noise=0.2, random_state=0)


@pytest.fixture(scope="session")
def fitted(moons):
    """The lecture's network; shared, so not to be changed."""
    return KerasMoonClassifier(random_state=0).fit(*moons)


@pytest.fixture(scope="session")
def train_and_validation_set():
    """A training set and a validation set: X, y and sample weights of each."""
    X, y = make_moons(160, noise=0.3, random_state=3)
    weight = np.random.default_rng(0).uniform(0.2, 3, 160)
    return (X[:100], y[:100], weight[:100]), (X[100:], y[100:], weight[100:])


@pytest.fixture(scope="session")
def keras():
    """Keras, through the door that keeps TensorFlow's start-up log quiet."""
    return door.keras


@pytest.fixture(scope="session")
def engine_is_quiet():
    """Whether the engine writes no log of its own: TensorFlow 2.20 says that it has compiled."""
    return door.keras.backend.backend() != "tensorflow" or not version("tensorflow").startswith("2.20")


@pytest.fixture(scope="session")
def assert_same_scores():
    """Return a function that asserts that two searches have found the same, bit for bit."""

    def scores(search):
        return {name: values for name, values in search.cv_results_.items() if "score" in name and "time" not in name}

    def check(search, other):
        assert search.best_params_ == other.best_params_
        for name, values in scores(search).items():
            assert np.array_equal(values, scores(other)[name]), name

    return check


@pytest.fixture
def routing():
    """Let scikit-learn route metadata."""
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(scope="session")
def is_plain():
    """Return a function that says whether a value is made of arrays, numbers and strings alone."""

    def check(value):
        if isinstance(value, list | tuple):
            return all(map(check, value))
        if isinstance(value, dict):
            return all(isinstance(key, str) and check(item) for key, item in value.items())
        return value is None or isinstance(value, np.ndarray | int | float | str)

    return check


@pytest.fixture(scope="session")
def unpacked():
    """Return a function that reads a message of the explorer as its page does: the header, and the arrays by name."""

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
    """Return a function that runs a program in a child process and returns what it wrote on stdout."""

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
    """Headless Chromium, which looks up nothing on its own."""
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
