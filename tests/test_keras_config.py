"""Keras's configuration, known before Keras is imported."""

import json
import os

import pytest

from helpers import run_python

COMPARE = """
import sys
from moonnet._keras_config import keras_backend, keras_epsilon, keras_floatx
before = keras_backend(), keras_floatx(), keras_epsilon()
assert "keras" not in sys.modules
import keras
after = keras.config.backend(), keras.config.floatx(), keras.config.epsilon()
assert before == after == (keras_backend(), keras_floatx(), keras_epsilon()), (before, after)
keras.config.set_floatx("float16")
keras.config.set_epsilon(1e-2)
assert (keras_floatx(), keras_epsilon()) == ("float16", 1e-2)
print(before)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "environment", "expected"),
    [
        (None, {"KERAS_BACKEND": "jax"}, ("jax", "float32", 1e-7)),
        (
            json.dumps({"backend": "jax", "floatx": "float64", "epsilon": 1e-5}),
            {"KERAS_BACKEND": ""},
            ("jax", "float64", 1e-5),
        ),
        ("no JSON", {"KERAS_BACKEND": "jax"}, ("jax", "float32", 1e-7)),
    ],
)
def test_configuration_is_that_of_keras(tmp_path, content, environment, expected):
    if content is not None:
        (tmp_path / "keras.json").write_text(content)
    assert run_python(COMPARE, KERAS_HOME=str(tmp_path), **environment) == f"{expected}\n"


NO_HOME = """
import os, pwd
def fail(uid):
    raise KeyError(uid)
pwd.getpwuid = fail
os.environ.pop("HOME", None)
os.environ.pop("KERAS_HOME", None)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "getuid"), reason="has no entry of the user that could be missing")
def test_user_without_a_home_has_the_configuration_of_keras():
    assert run_python(f"{NO_HOME}{COMPARE}", KERAS_BACKEND="jax").startswith("('jax', ")
