"""Measure how long a new process takes to its first result on JAX, with and without the programs of earlier processes.

Scripts from nothing to the lecture's fit are compared with plain Keras and MLPClassifier. The other jobs are the
command, the explorer and a worker process of joblib. All run in turn.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import results
from explorer import serve_explorer
from subprocesses import run_python, run_python_json
from websockets.sync.client import connect

FIT = """
from sklearn.datasets import make_moons
X, y = make_moons(200, noise=0.2, random_state=0)
"""
MOONNET = f"""{FIT}
from moonnet import KerasMoonClassifier
assert KerasMoonClassifier(random_state=0).fit(X, y).score(X, y) > 0.8
"""
KERAS = f"""{FIT}
import keras
model = keras.Sequential([
    keras.Input((2,)),
    keras.layers.Dense(50, activation="relu"),
    keras.layers.Dense(20, activation="relu"),
    keras.layers.Dense(1, activation="sigmoid"),
])
model.compile("rmsprop", "binary_crossentropy", metrics=["accuracy"])
model.fit(X, y, batch_size=50, epochs=100, verbose=0)
"""
SKLEARN = f"""{FIT}
from sklearn.neural_network import MLPClassifier
assert MLPClassifier((50, 20), max_iter=100, batch_size=50, random_state=0).fit(X, y).score(X, y) > 0.8
"""
# Prints the seconds until two new workers have fitted a network each
WORKERS = f"""{FIT}
import json, time
from joblib import Parallel, delayed
from moonnet import KerasMoonClassifier
started = time.perf_counter()
Parallel(n_jobs=2)(delayed(KerasMoonClassifier(random_state=seed).fit)(X, y) for seed in range(2))
print(json.dumps(time.perf_counter() - started))
"""


def script(code: str, folder: str) -> float:
    """Return the seconds of a script."""
    started = time.perf_counter()
    run_python("-W", "ignore", "-c", code, backend="jax", MOONNET_CACHE=folder)
    return time.perf_counter() - started


def workers(folder: str) -> float:
    """Return the seconds until two new workers of joblib have fitted a network each."""
    return run_python_json("-c", WORKERS, backend="jax", MOONNET_CACHE=folder)


def command(folder: str) -> float:
    """Return the seconds until the command prints the accuracy of the fitted network."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "moonnet", "--out", out],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"KERAS_BACKEND": "jax", "MOONNET_CACHE": folder, "PYTHONUNBUFFERED": "1"},
        )
        with process:
            for line in process.stdout:
                if line.startswith("held-out samples"):
                    seconds = time.perf_counter() - started
    return seconds


def explorer(folder: str) -> float:
    """Return the seconds until the explorer sends the first picture to its page."""
    started = time.perf_counter()
    with serve_explorer("jax", MOONNET_CACHE=folder) as address:
        host, token, _ = address.removeprefix("http://").split("/")
        socket = f"ws://{host}/{token}/socket"
        with connect(socket, origin=f"http://{host}", max_size=None, compression=None) as page:
            page.send(json.dumps({"kind": "train", "id": 1, "settings": {}}))
            while b'"picture"' not in page.recv(timeout=60)[:2000]:
                pass
            return time.perf_counter() - started


# How a job finds the programs of earlier processes
FOLDERS = {"with programs on disk": "kept", "with an empty folder": "empty", "without": "off"}


def jobs() -> dict[str, tuple[Callable[[str], float], str]]:
    """Return what is measured by name: a function of a folder, and which folder."""
    measured: dict[str, tuple[Callable[[str], float], str]] = {
        "script, MLPClassifier": (lambda folder: script(SKLEARN, folder), "off"),
        "script, Keras": (lambda folder: script(KERAS, folder), "off"),
    }
    functions = {"script": lambda folder: script(MOONNET, folder), "command": command}
    functions |= {"explorer": explorer, "two workers": workers}
    for (name, function), (how, folder) in itertools.product(functions.items(), FOLDERS.items()):
        measured[f"{name}, {how}"] = function, folder
    return measured


def main() -> None:
    """Run all jobs in turn, print the medians and record them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {name: [] for name in jobs()}
    with tempfile.TemporaryDirectory() as kept:
        for round_number in range(rounds + 1):
            for name, (measure, folder) in jobs().items():
                with tempfile.TemporaryDirectory() as empty:
                    measured = measure({"kept": kept, "empty": empty, "off": "off"}[folder])
                if round_number:  # the first round fills the folder
                    seconds[name].append(measured)
        with tempfile.TemporaryDirectory() as folder:
            script(MOONNET, folder)
            sizes = {
                path.name.split(".")[-2]: path.stat().st_size for path in Path(folder).glob(f"moonnet-{'?' * 32}.*")
            }
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        times = median / medians["script, MLPClassifier"]
        print(f"{name:40}{median:8.2f} s {min(seconds[name]):8.2f} to {max(seconds[name]):.2f}{times:8.2f}")
    print(f"bytes on disk: {sizes}")
    results.write("first_result", {"rounds": rounds, "seconds": medians, "bytes": sizes})


if __name__ == "__main__":
    main()
