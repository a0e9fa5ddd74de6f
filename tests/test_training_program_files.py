"""Programs on disk: a new process trains without Keras and gets the same bits, whatever is in the folder."""

import gzip
import json
import shutil
import threading

import pytest

import helpers
from moonnet._keras_config import keras_backend

pytestmark = [
    pytest.mark.skipif(keras_backend() != "jax", reason="specific to JAX"),
    pytest.mark.slow,
]

# Fits one network each, and prints a digest of all that a fit leaves, and which libraries were imported
FIT = """
import hashlib, json, pickle, sys, threading
import numpy as np
from sklearn.datasets import make_moons
from moonnet import KerasMoonClassifier, KerasMoonRegressor

X, y = make_moons(30, noise=0.2, random_state=0)
options = {"hidden_layer_sizes": (4, 3), "epochs": 3, "batch_size": 10, "random_state": 0}

def digest(estimator):
    checkpoint = estimator._checkpoint
    arrays = [*estimator._state.arrays, *checkpoint["optimizer_state"], *(checkpoint["weights"] or [])]
    text = json.dumps([estimator.history_, checkpoint["streams"], checkpoint["learning_rate"], checkpoint["optimizer"]])
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays) + text.encode()).hexdigest()[:16]

def fit(dtype="float64", cls=KerasMoonClassifier, **parameters):
    return cls(**options | parameters).fit(X.astype(dtype), y)

def jobs(names):
    for name in names:
        for dtype in ("float32", "float64"):
            yield f"{name} {dtype}", lambda: fit(dtype, optimizer=name)
    yield "resumed", lambda: fit(warm_start=True).set_params(epochs=2).fit(X, y)
    yield "partial_fit", lambda: KerasMoonClassifier(**options).partial_fit(X, y, classes=[0, 1]).partial_fit(X, y)
    yield "early stopping", lambda: fit(early_stopping=True, dropout=0.3, l2=0.01, learning_rate=0.01)
    yield "regressor", lambda: fit(cls=KerasMoonRegressor, loss="pinball", quantile=[0.1, 0.5, 0.9])
    yield "verbose", lambda: fit(verbose=0, class_weight="balanced", activation="gelu")

def print_results(names):
    print(json.dumps({name: digest(job()) for name, job in jobs(names)} | {"keras": "keras" in sys.modules}))
"""
# Without the optimizer whose weights Keras changes at the end
NAMES = """
from moonnet.training._optimizers import default_settings
names = sorted(set(default_settings()) - {"schedulefreeadamw"})
"""


def run_python(program, folder, **environment):
    """Return the output of a process that stores programs in a folder, and in no cache of JAX's own."""
    return helpers.run_python(program, MOONNET_CACHE=str(folder), JAX_COMPILATION_CACHE_DIR="", **environment)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The results of a first process, and the folder that it has filled."""
    folder = tmp_path_factory.mktemp("programs")
    return json.loads(run_python(f"{FIT}{NAMES}print_results(names)", folder)), folder


def test_second_process_trains_without_keras_to_the_same_bits(first):
    expected, folder = first  # of a process that has found no files
    results = json.loads(run_python(f"{FIT}{NAMES}print_results(names)", folder))
    assert (expected["keras"], results["keras"]) == (True, False)
    assert results == expected | {"keras": False}
    digests = json.loads(run_python(f"{FIT}print(json.dumps([digest(fit()), digest(fit('float32'))]))", "off"))
    assert digests == [expected["rmsprop float64"], expected["rmsprop float32"]]


def test_program_without_compiled_code_is_compiled_again_to_the_same_bits(first, tmp_path):
    expected, folder = first
    copy = shutil.copytree(folder, tmp_path / "copy")
    copy.chmod(0o700)
    compiled = sorted(copy.glob("*.compiled.gz"))
    for index, path in enumerate(compiled):
        if index % 2:
            path.unlink()  # as on another processor
        else:
            path.write_bytes(gzip.compress(b"code for another compiler"))
    results = json.loads(run_python(f"{FIT}print_results(['adam', 'ftrl'])", copy))
    assert not results.pop("keras")
    assert results == {name: expected[name] for name in results}
    written = [
        path for path in compiled if path.exists() and b"another compiler" not in gzip.decompress(path.read_bytes())
    ]
    assert len(written) >= len(results) // 2


@pytest.mark.parametrize("name", ["json", "stablehlo"])
def test_file_of_another_program_is_ignored_and_replaced(first, tmp_path, name):
    expected, folder = first
    copy = shutil.copytree(folder, tmp_path / "copy")
    copy.chmod(0o700)
    for path in copy.glob("*.compiled.gz"):
        path.unlink()
    paths = sorted(copy.glob(f"moonnet-{'?' * 32}.{name}.gz"))
    contents = [path.read_bytes() for path in paths]
    others = [*contents[1:], contents[0]]
    for path, content in zip(paths, others, strict=True):
        path.write_bytes(content)
    assert run_python(f"{FIT}print(digest(fit()))", copy) == expected["rmsprop float64"] + "\n"
    assert sum(path.read_bytes() != content for path, content in zip(paths, others, strict=True)) == 1


def test_what_needs_keras_imports_it_at_that_moment(first, tmp_path):
    _, folder = first
    program = f"""{FIT}
clf = fit(optimizer="adam")
again = pickle.loads(pickle.dumps(clf))
again.set_params(warm_start=True).fit(X, y).predict_proba(X)
assert "keras" not in sys.modules
try:
    fit(optimizer="adamm")
except ValueError as error:
    message = str(error)
assert "one of ['adadelta', " in message and "Got 'adamm' instead." in message, message
model = clf.model_
np.testing.assert_allclose(model.predict(X, verbose=0).ravel(), clf.predict_proba(X)[:, 1], rtol=1e-5)
import keras
assert digest(fit(optimizer=keras.optimizers.Adam())) == digest(clf)
fit(optimizer="schedulefreeadamw" if hasattr(keras.optimizers, "ScheduleFreeAdamW") else "adam")
fit(learning_rate=keras.optimizers.schedules.CosineDecay(0.1, 10), callbacks=[keras.callbacks.Callback()])
options.pop("hidden_layer_sizes")
fit(hidden_layers=[keras.layers.Dense(3)])
"""
    run_python(program, folder)


@pytest.mark.parametrize("importing", ["import keras", "pass"])  # if not by the user, then by a fit that compiles
def test_keras_imported_later_with_another_backend_is_an_error(first, importing):
    _, folder = first
    program = f"""{FIT}
import os
fit(optimizer="adam")
os.environ["KERAS_BACKEND"] = "numpy"
{importing}
try:
    fit(optimizer="adam", batch_size=9)
except RuntimeError as error:
    print(error)
"""
    message = run_python(program, folder)
    assert message.startswith("moonnet has trained with Keras on jax, but Keras was imported afterwards with")


def test_processes_fill_the_folder_at_once(tmp_path):
    program, folder = f"{FIT}print(digest(fit(optimizer='sgd')))", tmp_path / "new"
    results: list[str] = []
    with_keras = f"import keras\n{program}"  # which later processes do not need, although these import it first
    threads = [threading.Thread(target=lambda: results.append(run_python(with_keras, folder))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2
    assert len(set(results)) == 1
    run_python(f"{program}; assert 'keras' not in sys.modules", folder)


def test_files_are_small_and_contain_the_program_as_json(first):
    _, folder = first
    sizes = {}
    for path in folder.glob(f"moonnet-{'?' * 32}.*"):
        key, name = path.name.split(".", 1)
        sizes.setdefault(key, {})[name.removesuffix(".gz").rpartition(".")[2]] = path.stat().st_size
    for size in sizes.values():
        assert size["json"] + size["stablehlo"] < 30_000
        assert sum(size.values()) < 300_000
    path = next(folder.glob("*.json.gz"))
    assert "program" in json.loads(gzip.decompress(path.read_bytes()))


def test_without_flatbuffers_nothing_is_stored_of_a_program(tmp_path):
    program = f"import sys\nsys.modules['flatbuffers'] = None\n{FIT}fit()"  # JAX cannot export without it
    run_python(program, tmp_path)
    assert [path.name for path in tmp_path.glob(f"moonnet-{'?' * 32}.*")] == []
