"""The door to TensorFlow and Keras: what is heard when it opens. Each test opens it in a process of its own."""

import os
import subprocess
import sys

FIT = """
from sklearn.datasets import make_moons
from moonnet import KerasMoonClassifier
X, y = make_moons(60, noise=0.2, random_state=0)
for parameters in ({}, {"dropout": 0.1}, {"optimizer": "adam", "learning_rate": 0.01}, {"hidden_layer_sizes": (3,)},
                   {"hidden_layer_sizes": (4,)}, {"hidden_layer_sizes": (5,)}, {"hidden_layer_sizes": (6,)}):
    clf = KerasMoonClassifier(epochs=2, **parameters).fit(X, y)
    clf.predict(X), clf.model_
"""


def run(program, **environment):
    inherited = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=inherited | environment,
    )


def test_a_silent_fit_writes_nothing_on_either_descriptor():
    child = run(FIT)
    assert (child.returncode, child.stdout, child.stderr) == (0, "", "")


def test_a_silent_fit_is_silent_in_the_children_of_a_search_too():
    child = run(
        """
from sklearn.datasets import make_moons
from sklearn.model_selection import cross_val_score
from moonnet import KerasMoonClassifier
X, y = make_moons(60, noise=0.2, random_state=0)
KerasMoonClassifier(epochs=2).fit(X, y)
cross_val_score(KerasMoonClassifier(epochs=2), X, y, n_jobs=2)
"""
    )
    assert (child.returncode, child.stdout, child.stderr) == (0, "", "")


def test_who_asks_for_the_log_gets_it():
    child = run("import moonnet._keras", TF_CPP_MIN_LOG_LEVEL="0")
    assert child.returncode == 0
    assert "InitializeLog" in child.stderr


def test_what_is_not_the_start_up_log_is_given_back():
    child = run(
        """
import os, sys
class Loader:
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            os.write(2, b"a warning of another library\\n")
        return None
sys.meta_path.insert(0, Loader())
import moonnet._keras
print("after", file=sys.stderr)
"""
    )
    assert (child.returncode, child.stderr) == (0, "a warning of another library\nafter\n")


def test_everything_is_given_back_when_the_import_fails():
    child = run(
        """
import os, sys
class Loader:
    def find_spec(self, name, path=None, target=None):
        if name in ("tensorflow", "keras"):
            os.write(2, b"I0000 00:00:1700000000.000001 42 port.cc:153] what went on before\\n")
            raise ImportError("libmissing.so: cannot open shared object file")
sys.meta_path.insert(0, Loader())
import moonnet._keras
"""
    )
    assert child.returncode == 1
    assert "what went on before" in child.stderr
    assert "libmissing.so" in child.stderr


def test_a_process_without_stderr_can_fit():
    child = run("import os; os.close(2)\n" + FIT + "\nprint('fitted')")
    assert (child.returncode, child.stdout) == (0, "fitted\n")


def test_another_backend_is_an_error_that_says_so():
    child = run(
        """
import keras
keras.backend.backend = lambda: "jax"
import moonnet._keras
"""
    )
    assert "RuntimeError: moonnet trains with Keras on TensorFlow, but Keras's backend is 'jax'" in child.stderr
