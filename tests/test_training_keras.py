"""The import of Keras: output and errors. Each test imports it in a new process."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

FIT = """
from sklearn.datasets import make_moons
from sklearn.model_selection import cross_val_score
from moonnet import KerasMoonClassifier
X, y = make_moons(60, noise=0.2, random_state=0)
for parameters in ({}, {"dropout": 0.1}, {"optimizer": "adam", "learning_rate": 0.01}, {"hidden_layer_sizes": (3,)},
                   {"hidden_layer_sizes": (4,)}, {"hidden_layer_sizes": (5,)}, {"hidden_layer_sizes": (6,)}):
    clf = KerasMoonClassifier(epochs=2, **parameters).fit(X, y)
    clf.predict(X), clf.model_
cross_val_score(KerasMoonClassifier(epochs=2), X, y, cv=2, n_jobs=2)
"""


def run(program, **environment):
    """Run a program in a child process and return the completed process."""
    # Without the compilation cache of the tests, because JAX warns of entries that a killed process left incomplete
    left_out = {"TF_CPP_MIN_LOG_LEVEL", "JAX_COMPILATION_CACHE_DIR", "TF_XLA_FLAGS"}
    inherited = {name: value for name, value in os.environ.items() if name not in left_out}
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=inherited | environment,
    )


@pytest.mark.trains
def test_fit_and_the_worker_processes_of_a_search_write_nothing(engine_is_quiet):
    if not engine_is_quiet:
        pytest.skip("TensorFlow 2.20 logs each compilation")
    child = run(FIT)
    assert (child.returncode, child.stdout, child.stderr) == (0, "", "")


def test_log_of_tensorflow_is_shown_if_its_level_is_set():
    child = run("import moonnet.training._keras", KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="0")
    assert child.returncode == 0
    assert "cpu_feature_guard" in child.stderr


def test_stderr_of_other_libraries_is_shown_after_the_import():
    child = run(
        """
import os, sys
class Loader:
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            os.write(2, b"a warning of another library\\n")
        return None
sys.meta_path.insert(0, Loader())
import moonnet.training._keras
print("after", file=sys.stderr)
""",
        KERAS_BACKEND="tensorflow",
    )
    assert (child.returncode, child.stderr) == (0, "a warning of another library\nafter\n")


def test_all_stderr_is_shown_if_the_import_fails():
    child = run(
        """
import os, sys
class Loader:
    def find_spec(self, name, path=None, target=None):
        if name in ("tensorflow", "keras"):
            os.write(2, b"I0000 00:00:1700000000.000001 42 port.cc:153] what went on before\\n")
            raise ImportError("libmissing.so: cannot open shared object file")
sys.meta_path.insert(0, Loader())
import moonnet.training._keras
""",
        KERAS_BACKEND="tensorflow",
    )
    assert child.returncode == 1
    assert "what went on before" in child.stderr
    assert "libmissing.so" in child.stderr


@pytest.mark.trains
def test_fit_succeeds_if_stderr_is_closed():
    child = run(
        """
import os
os.close(2)
from sklearn.datasets import make_moons
from moonnet import KerasMoonClassifier
X, y = make_moons(60, random_state=0)
clf = KerasMoonClassifier(epochs=2, dropout=0.1).fit(X, y)
clf.predict(X), clf.model_
print(clf.n_iter_)
"""
    )
    assert (child.returncode, child.stdout) == (0, "2\n")


def test_unsupported_backend_raises():
    child = run(
        """
import keras
keras.backend.backend = lambda: "torch"
import moonnet.training.engines
"""
    )
    message = "RuntimeError: moonnet trains with Keras on jax or tensorflow, but Keras's backend is 'torch'"
    assert message in child.stderr


def test_pytorch_backend_raises_even_if_pytorch_is_not_installed():
    child = run(
        """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name=name)
sys.meta_path.insert(0, Missing())
import moonnet.training._keras
""",
        KERAS_BACKEND="torch",
    )
    assert "ImportError: Keras is configured to run on PyTorch, but moonnet trains on TensorFlow or JAX" in child.stderr


def test_command_without_jax_prints_the_error_without_traceback():
    child = run(
        "import sys; sys.modules['jax'] = None; from moonnet.command._cli import main; main([])", KERAS_BACKEND="jax"
    )
    assert child.returncode == 2
    assert "pip install 'moonnet[jax]'" in child.stderr
    assert "Traceback" not in child.stderr


def test_import_error_without_jax_names_the_extra():
    child = run("import sys; sys.modules['jax'] = None; import moonnet.training._keras", KERAS_BACKEND="jax")
    assert (
        "ImportError: Keras is configured to run on JAX, which is not installed: pip install 'moonnet[jax]'"
        in child.stderr
    )
