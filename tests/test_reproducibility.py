"""random_state determines the result, and fit changes no global state."""

import hashlib
import os
import random
import re

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.datasets import make_moons

from helpers import run_python
from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet._keras import keras
from moonnet.training import _compiled_program

pytestmark = [pytest.mark.slow, pytest.mark.trains]

FIT = """
import hashlib, os
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from sklearn.datasets import make_moons
from moonnet import KerasMoonClassifier, KerasMoonRegressor
X, y = make_moons(150, noise=0.2, random_state=0)
for network in (KerasMoonClassifier, KerasMoonRegressor):
    fitted = network(dropout=0.2, epochs=20, random_state=7).fit(X, y)
    print(hashlib.sha256(b"".join(array.tobytes() for array in fitted.coefs_ + fitted.intercepts_)).hexdigest())
"""


def fingerprint(fitted):
    """Return a hash of the fitted weights."""
    return hashlib.sha256(b"".join(array.tobytes() for array in fitted.coefs_ + fitted.intercepts_)).hexdigest()


def fit(random_state=7, dropout=0.0, network=KerasMoonClassifier):
    X, y = make_moons(150, noise=0.2, random_state=0)
    return network(dropout=dropout, epochs=20, random_state=random_state).fit(X, y)


RATES = [0.0, 0.2]
NETWORKS = [KerasMoonClassifier, KerasMoonRegressor]


def test_results_are_identical_in_another_process_on_one_core():
    expected = [fingerprint(fit(dropout=0.2, network=network)) for network in NETWORKS]
    # The process compiles its own programs, because results of a shared program would be identical anyway
    no_shared_cache = {"JAX_ENABLE_COMPILATION_CACHE": "false", "TF_XLA_FLAGS": ""}
    assert run_python(FIT, **no_shared_cache).split() == expected


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("rate", RATES)
def test_results_are_identical_in_a_second_fit_and_in_threads(rate, network):
    expected = fingerprint(fit(7, rate, network))
    assert fingerprint(fit(7, rate, network)) == expected
    from_threads = Parallel(n_jobs=3, backend="threading")(delayed(fit)(7, rate, network) for _ in range(6))
    assert {fingerprint(fitted) for fitted in from_threads} == {expected}


@pytest.mark.parametrize("network", NETWORKS)
def test_different_seeds_give_different_results(network):
    assert len({fingerprint(fit(seed, network=network)) for seed in (0, 1, 2, None, None)}) == 5


@pytest.mark.parametrize("network", NETWORKS)
def test_random_state_instance_advances_with_each_fit(network):
    first, second = (np.random.RandomState(3) for _ in range(2))
    assert fingerprint(fit(first, network=network)) == fingerprint(fit(second, network=network))
    assert fingerprint(fit(first, network=network)) != fingerprint(fit(np.random.RandomState(3), network=network))


@pytest.mark.parametrize("network", NETWORKS)
def test_dropout_does_not_change_initial_weights_or_sample_order(network):
    # A rate close to 0 gives almost the weights of no dropout, so that a search over dropout compares dropout only
    without, hardly_any = fit(dropout=0.0, network=network), fit(dropout=1e-12, network=network)
    assert np.abs(without.coefs_[1] - hardly_any.coefs_[1]).max() < 1e-6


def read_globals_of_tensorflow():
    import tensorflow as tf

    return {
        "generator": [tensor.numpy().tolist() for tensor in tf.random.get_global_generator().state],
        "seed": tf.random.uniform((3,)).numpy().tolist(),
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "determinism": tf.config.experimental.is_op_determinism_enabled()
        if hasattr(tf.config.experimental, "is_op_determinism_enabled")
        else None,
        "eager functions": tf.config.functions_run_eagerly(),
        "jit": tf.config.optimizer.get_jit(),
    }


def read_globals_of_jax():
    import jax

    return {"settings": dict(jax.config.values), "floats": jax.numpy.zeros(2).dtype}


def read_globals_of_torch():
    import torch

    return {
        "generator": torch.get_rng_state().tolist(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "determinism": torch.are_deterministic_algorithms_enabled(),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_anomaly_enabled()),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
        "interpreter": torch._C._get_graph_executor_optimize(),
    }


READ_GLOBALS = {"tensorflow": read_globals_of_tensorflow, "jax": read_globals_of_jax, "torch": read_globals_of_torch}


def test_fit_does_not_change_global_generators_or_settings():
    def read_globals():
        return {
            "python": random.getstate(),
            "numpy": [part.tolist() if isinstance(part, np.ndarray) else part for part in np.random.get_state()],  # noqa: NPY002
            "numpy errors": np.geterr(),
            "engine": READ_GLOBALS[keras.backend.backend()](),
            "keras": [keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format()],
            "keras policy": keras.config.dtype_policy().name,
            "keras seed": np.asarray(keras.random.uniform((3,))).tolist(),
            "environment": dict(os.environ),
        }

    keras.utils.set_random_seed(11)
    expected = read_globals()
    keras.utils.set_random_seed(11)
    fit(random_state=None, dropout=0.1)
    fit(random_state=0)
    fit(random_state=0, network=KerasMoonRegressor)
    assert read_globals() == expected


@pytest.fixture
def keras_settings():
    """Restore Keras's settings after the test."""
    settings = keras.config.floatx(), keras.config.dtype_policy(), keras.config.epsilon()
    yield
    for value, restore in zip(
        settings, (keras.config.set_floatx, keras.config.set_dtype_policy, keras.config.set_epsilon), strict=True
    ):
        restore(value)


@pytest.mark.parametrize(
    ("floatx", "policy", "dtype", "optimizer"),
    [
        ("bfloat16", "mixed_float16", "float64", keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01))),
        ("float64", "float64", "float32", "rmsprop"),
    ],
)
def test_settings_of_keras_do_not_change_results(monkeypatch, keras_settings, floatx, policy, dtype, optimizer):
    X, y = make_moons(60, noise=0.2, random_state=0)
    X = X.astype(dtype)
    network = KerasMoonClassifier((5,), epochs=2, optimizer=optimizer, random_state=0)

    def results():
        monkeypatch.setattr(_compiled_program, "_programs", {})
        network.fit(X, y)
        return fingerprint(network), network.predict_proba(X).tobytes(), network.history_

    expected = results()
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)
    keras.config.set_epsilon(0.1)
    assert results() == expected


def test_fit_does_not_advance_the_name_counters_of_keras():
    program = """
from moonnet.training import _compiled_program
from moonnet._keras import keras
from sklearn.datasets import make_moons
from moonnet import KerasMoonClassifier, KerasMoonRegressor
KerasMoonClassifier(epochs=1, dropout=0.1, l2=0.1).fit(*make_moons(20)).model_
KerasMoonRegressor(epochs=1, dropout=0.1, l2=0.1, loss="pinball").fit(*make_moons(20)).model_
model = keras.Sequential([keras.layers.Dense(2), keras.layers.Dropout(0.1)])
print(model.name, [layer.name for layer in model.layers], keras.optimizers.RMSprop().name, keras.optimizers.Adam().name)
"""
    names = re.fullmatch(r"sequential \['dense', 'dropout'\] (\w+) (\w+)\n", run_python(program)).groups()
    assert not any(re.search(r"\d", name) for name in names)  # Keras numbers names from the second object of a class on
