"""The lecture's network served in each way: latencies, sizes of files, what a new process takes to its first answer.

Ways take turns within each round in one process; every answer is compared with the classifier's. Prints medians, and
leaves them in the documentation's folder.
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
from subprocesses import figures_of

ROWS = (1, 1_000, 100_000)
# Calls that are timed together
REPEATS = {1: 200, 1_000: 50, 100_000: 3}

# How a new process loads a file and answers; each defines ``answer`` of float64 samples
LOADERS = {
    "predict_proba": """
import joblib
answer = joblib.load(path).predict_proba
""",
    "ONNX, float32": """
import numpy, onnxruntime
session = onnxruntime.InferenceSession(path)
answer = lambda X: session.run(["probabilities"], {"X": X.astype(numpy.float32)})[0]
""",
    "ONNX, float64": """
import onnxruntime
session = onnxruntime.InferenceSession(path)
answer = lambda X: session.run(["probabilities"], {"X": X})[0]
""",
    "SavedModel": """
import tensorflow as tf
model = tf.saved_model.load(path)
answer = lambda X: model.serve(tf.constant(X, tf.float32)).numpy()
""",
    "Keras predict": """
import keras
model = keras.saving.load_model(path)
answer = lambda X: model.predict(X, verbose=0)
""",
}

NEW_PROCESS = """
import json, sys, time
started = time.perf_counter()
path = sys.argv[1]
{loader}
import numpy
answer(numpy.array([[-2.0, 2.0]]))
seconds = time.perf_counter() - started
resident = open("/proc/self/status").read().partition("VmRSS:")[2].split()[0]  # in kilobytes
print(json.dumps({{"seconds": seconds, "megabytes": int(resident) / 1e3}}))
"""


def write(folder: Path) -> tuple[Any, dict[str, Path]]:
    """Train the lecture's network; return it, and the file or folder of each way."""
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
    for way, samples in (("ONNX, float32", X.astype(np.float32)), ("ONNX, float64", X)):
        graph = skl2onnx.to_onnx(clf, samples, options={"zipmap": False})
        files[way].write_bytes(graph.SerializeToString())
    model = clf.model_
    model.export(files["SavedModel"], verbose=False)
    model.save(files["Keras predict"])
    return clf, files


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def loaded(loader: str, path: Path) -> Callable[[np.ndarray], np.ndarray]:
    names: dict[str, Any] = {"path": str(path)}
    exec(loader, names)
    return names["answer"]


def latencies(clf: Any, answers: dict[str, Callable], n_rows: int, rounds: int) -> dict[str, float]:
    """Return the median seconds of a call, the ways taking turns."""
    X = np.random.default_rng(0).uniform(-2, 2, (n_rows, 2))
    expected = clf.predict_proba(X)[:, -1]
    taken: dict[str, list[float]] = {way: [] for way in answers}
    for way, answer in answers.items():
        assert np.abs(answer(X)[:, -1] - expected).max() < 1e-5, way
    for _ in range(rounds):
        for way, answer in answers.items():
            repeats = REPEATS[n_rows] if way != "Keras predict" else max(1, REPEATS[n_rows] // 20)
            started = time.perf_counter()
            for _ in range(repeats):
                answer(X)
            taken[way].append((time.perf_counter() - started) / repeats)
    return {way: statistics.median(seconds) for way, seconds in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        clf, files = write(Path(name))
        answers = {way: loaded(loader, files[way]) for way, loader in LOADERS.items()}
        seconds = {n_rows: latencies(clf, answers, n_rows, options.rounds) for n_rows in ROWS}
        ways = {}
        for way, loader in LOADERS.items():
            started = [figures_of("-c", NEW_PROCESS.format(loader=loader), files[way]) for _ in range(5)]
            ways[way] = {
                "bytes": size(files[way]),
                "seconds": {str(n_rows): seconds[n_rows][way] for n_rows in ROWS},
                "new process": {what: statistics.median(each[what] for each in started) for what in started[0]},
            }
            print(f"{way:<24}{json.dumps(ways[way])}", flush=True)
    results.write("serving", {"ways": ways}, ("moonnet", "scikit-learn", "numpy", "onnxruntime", "tensorflow", "keras"))


if __name__ == "__main__":
    main()
