"""Functions and constants that test files share. The functions import what conftest.py does not load in any case."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st
from matplotlib.image import imread
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.datasets import load_iris

from moonnet.networks import _dense_stack

TABLES = Path(__file__).parent / "data" / "tables"
PICTURES = ["data.png", "training.png", "decision_regions.png"]  # of a classifier of two features
SMALL = {"hidden_layer_sizes": [4], "n_samples": 40, "batch_size": 16, "epochs": 6}  # settings of the explorer
# A million steps take minutes, unless the training is cancelled
LONG = {"hidden_layer_sizes": [4], "n_samples": 1000, "batch_size": 1, "epochs": 1000}


def weight_bytes(estimator):
    """Return the fitted weights as bytes, which are equal exactly if the weights are."""
    return [array.tobytes() for array in estimator.coefs_ + estimator.intercepts_]


def split_of(clf, y, multilabel=False):
    """Return the training and the held-out indices of a fit with early stopping."""
    from moonnet.training._loop import RandomStreams
    from moonnet.training._validation_set import hold_out

    seed = RandomStreams.spawn(clf.random_state).split_seed
    return hold_out(len(y), clf.validation_fraction, None if multilabel else y, seed)


def is_plain(value):
    """Return whether a value consists only of arrays, numbers and strings."""
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
    return value is None or isinstance(value, np.ndarray | int | float | str)


def assert_same_scores(search, other):
    """Assert that two searches have bit-for-bit identical scores."""

    def scores(search):
        return {name: values for name, values in search.cv_results_.items() if "score" in name and "time" not in name}

    assert search.best_params_ == other.best_params_
    for name, values in scores(search).items():
        assert np.array_equal(values, scores(other)[name]), name


def assert_samples_are_independent(predict, X, data, tolerance):
    """Assert that a sample's prediction is the same alone, reordered, sparse and in chunks."""
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


def run_python(program: str, *arguments: str, timeout: float = 300, **environment: str) -> str:
    """Run a program in a child process and return its standard output."""
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


def run_code(code, **names):
    """Run generated code with the imports that it needs and return its variables."""
    from moonnet.tables._python_code import imports_code

    exec(compile(f"{imports_code(code)}\n{code}", "script", "exec"), names)
    return names


def run_onnx(graph, inputs):
    """Return the outputs of an ONNX graph for a dict of input arrays."""
    import onnxruntime

    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def free_port():
    """Return the number of a port that no program uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def write_iris_csv(path):
    """Write the iris data set to a CSV file and return the file's path."""
    iris = load_iris()
    frame = pd.DataFrame(iris.data, columns=["sl", "sw", "pl", "pw"]).assign(species=iris.target_names[iris.target])
    frame.to_csv(path, index=False)
    return path


def unpack_message(message: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Unpack a message of the explorer as the page does: into its header and arrays by name."""
    begin = 4 + int.from_bytes(message[:4], "little")
    header, arrays = json.loads(message[4:begin]), {}
    for name, dtype, shape, offset in header["arrays"]:
        array = np.frombuffer(message, dtype, int(np.prod(shape)), begin + offset)
        arrays[name] = array.reshape(shape)
    return header, arrays


def assert_command_fails(options, message, capsys):
    """Assert that the command fails with these options and prints only this message, in one line."""
    from moonnet.command._cli import main

    with pytest.raises(SystemExit) as exit_:
        main(options)
    out, err = capsys.readouterr()
    assert exit_.value.code == 2
    assert out == ""
    assert len(err.splitlines()) == 1
    assert re.match("moonnet( explore)?: error: ", err)
    assert message in err


def assert_pictures_drawn(folder, names):
    """Assert that a folder contains exactly these files and that no picture is blank."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    for path in folder.glob("*.png"):
        image = imread(path)
        assert min(image.shape[:2]) > 400
        assert image.std() > 0.01
