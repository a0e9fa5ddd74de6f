"""Measure each method of deployment: latency, file size, and the start and memory of a new process.

The methods take turns within each round in one process, and their predictions are compared with the classifier's.
Prints medians and records them in ``docs/results``.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import results
from sklearn.datasets import make_moons
from subprocesses import run_python_json

REPEATS = {1: 200, 1_000: 50, 100_000: 3}  # calls that are timed together, by number of samples

# Code that loads a file and defines ``predict`` for float64 samples
LOADERS = {
    "predict_proba": """
import joblib
predict = joblib.load(path).predict_proba
""",
    "ONNX, float32": """
import numpy, onnxruntime
session = onnxruntime.InferenceSession(path)
predict = lambda X: session.run(["probabilities"], {"X": X.astype(numpy.float32)})[0]
""",
    "ONNX, float64": """
import onnxruntime
session = onnxruntime.InferenceSession(path)
predict = lambda X: session.run(["probabilities"], {"X": X})[0]
""",
    "SavedModel": """
import tensorflow as tf
model = tf.saved_model.load(path)
predict = lambda X: model.serve(tf.constant(X, tf.float32)).numpy()
""",
    "Keras model.predict": """
import keras
model = keras.saving.load_model(path)
predict = lambda X: model.predict(X, verbose=0)
""",
}

NEW_PROCESS = """
import json, sys, time
started = time.perf_counter()
path = sys.argv[1]
{loader}
import numpy
predict(numpy.array([[-2.0, 2.0]]))
seconds = time.perf_counter() - started
kilobytes = open("/proc/self/status").read().partition("VmRSS:")[2].split()[0]
print(json.dumps({{"seconds": seconds, "megabytes": int(kilobytes) / 1e3}}))
"""


def write_files(folder: Path) -> tuple[Any, dict[str, Path]]:
    """Train the lecture's network; return it, and the file or folder of each method."""
    import skl2onnx

    import moonnet.onnx

    X, y = make_moons(200, noise=0.2, random_state=0)
    clf = moonnet.KerasMoonClassifier(random_state=0).fit(X, y)
    files = dict(
        zip(
            LOADERS, (folder / name for name in ("joblib", "f32.onnx", "f64.onnx", "saved", "model.keras")), strict=True
        )
    )
    joblib.dump(clf, files["predict_proba"])
    for method, samples in (("ONNX, float32", X.astype(np.float32)), ("ONNX, float64", X)):
        graph = skl2onnx.to_onnx(clf, samples, options={"zipmap": False})
        files[method].write_bytes(graph.SerializeToString())
    model = clf.model_
    model.export(files["SavedModel"], verbose=False)
    model.save(files["Keras model.predict"])
    return clf, files


def size_of(path: Path) -> int:
    """Return the size of a file, or of all files in a folder, in bytes."""
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def load(loader: str, path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return the ``predict`` that a loader defines."""
    names: dict[str, Any] = {"path": str(path)}
    exec(loader, names)
    return names["predict"]


def measure_latencies(clf: Any, predictors: dict[str, Callable], n_samples: int, n_rounds: int) -> dict[str, float]:
    """Return the median seconds of a call of each method, the methods taking turns."""
    X = np.random.default_rng(0).uniform(-2, 2, (n_samples, 2))
    expected = clf.predict_proba(X)[:, -1]
    seconds: dict[str, list[float]] = {method: [] for method in predictors}
    for method, predict in predictors.items():
        assert np.abs(predict(X)[:, -1] - expected).max() < 1e-5, method
    for _ in range(n_rounds):
        for method, predict in predictors.items():
            repeats = REPEATS[n_samples] if method != "Keras model.predict" else max(1, REPEATS[n_samples] // 20)
            started = time.perf_counter()
            for _ in range(repeats):
                predict(X)
            seconds[method].append((time.perf_counter() - started) / repeats)
    return {method: statistics.median(values) for method, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clf, files = write_files(Path(folder))
        predictors = {method: load(loader, files[method]) for method, loader in LOADERS.items()}
        seconds = {n_samples: measure_latencies(clf, predictors, n_samples, options.rounds) for n_samples in REPEATS}
        methods = {}
        for method, loader in LOADERS.items():
            started = [run_python_json("-c", NEW_PROCESS.format(loader=loader), files[method]) for _ in range(5)]
            methods[method] = {
                "bytes": size_of(files[method]),
                "seconds": {str(n_samples): seconds[n_samples][method] for n_samples in REPEATS},
                "new process": {key: statistics.median(each[key] for each in started) for key in started[0]},
            }
            print(f"{method:<24}{json.dumps(methods[method])}", flush=True)
    packages = ("moonnet", "scikit-learn", "numpy", "onnxruntime", "tensorflow", "keras")
    results.write("serving", {"methods": methods}, packages)


if __name__ == "__main__":
    main()
