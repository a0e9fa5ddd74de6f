"""Measure the memory and speed of training on 2 GB of data that stay on disk, by file format.

Each format is measured in a new process, which first fits a small network, so that TensorFlow is imported and a program
compiled. The file is evicted from the page cache before it is read. Memory is the peak growth of anonymous memory.
Pages of a mapped file are reported separately, because the system can reclaim them.
"""

import argparse
import importlib
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import results
from subprocesses import run_python_json

N_FEATURES = 20
BLOCK_SIZE = 100_000
FEATURE_NAMES = [f"x{number}" for number in range(N_FEATURES)]


def generate_blocks(n_samples: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Generate the data block by block: samples of two classes that a plane separates."""
    for number, start in enumerate(range(0, n_samples, BLOCK_SIZE)):
        X = np.random.default_rng(number).normal(size=(min(BLOCK_SIZE, n_samples - start), N_FEATURES))
        yield X, (X[:, :5].sum(axis=1) > 0).astype(int)


def write_files(folder: Path, n_samples: int) -> None:
    """Write the data in each format."""
    import h5py
    import pyarrow as pa
    from pyarrow import csv, parquet

    X_file = np.lib.format.open_memmap(folder / "X.npy", "w+", float, (n_samples, N_FEATURES))
    y_file = np.lib.format.open_memmap(folder / "y.npy", "w+", int, (n_samples,))
    schema = pa.schema([*((name, pa.float64()) for name in FEATURE_NAMES), ("label", pa.int64())])
    with (
        h5py.File(folder / "data.h5", "w") as h5,
        parquet.ParquetWriter(folder / "data.parquet", schema) as parquet_writer,
        csv.CSVWriter(folder / "data.csv", schema) as csv_writer,
    ):
        X_dataset = h5.create_dataset("X", (n_samples, N_FEATURES), float)
        y_dataset = h5.create_dataset("y", (n_samples,), int)
        for number, (X, y) in enumerate(generate_blocks(n_samples)):
            rows = slice(number * BLOCK_SIZE, number * BLOCK_SIZE + len(X))
            X_file[rows], y_file[rows] = X_dataset[rows], y_dataset[rows] = X, y
            table = pa.table([*X.T, y], schema=schema)
            parquet_writer.write_table(table)
            csv_writer.write_table(table)


def make_classifier():
    from moonnet import KerasMoonClassifier

    return KerasMoonClassifier(batch_size=256, epochs=1, random_state=0)


def train_on_memmap(folder: Path):
    X, y = np.load(folder / "X.npy", mmap_mode="r"), np.load(folder / "y.npy", mmap_mode="r")
    return make_classifier().fit(X, y)


def train_on_dask(folder: Path):
    import dask
    import h5py
    from dask import array as da

    h5 = h5py.File(folder / "data.h5")
    X = da.from_array(h5["X"], chunks=(BLOCK_SIZE, N_FEATURES))
    y = da.from_array(h5["y"], chunks=BLOCK_SIZE)
    clf = make_classifier()
    for X_block, y_block in zip(X.blocks, y.blocks, strict=True):
        clf.partial_fit(*dask.compute(X_block, y_block), classes=[0, 1])
    return clf


def train_on_parquet(folder: Path):
    from pyarrow.parquet import ParquetFile

    clf = make_classifier()
    for batch in ParquetFile(folder / "data.parquet", pre_buffer=False).iter_batches(BLOCK_SIZE):
        table = batch.to_pandas()
        clf.partial_fit(table[FEATURE_NAMES], table["label"], classes=[0, 1])
    return clf


def train_on_csv(folder: Path):
    import pandas as pd

    clf = make_classifier()
    for chunk in pd.read_csv(folder / "data.csv", chunksize=BLOCK_SIZE):
        clf.partial_fit(chunk[FEATURE_NAMES], chunk["label"], classes=[0, 1])
    return clf


# By format: the file, the function that trains on it, and the modules that this function needs
FORMATS: dict[str, tuple[str, Callable, list[str]]] = {
    "NumPy file, memory-mapped": ("X.npy", train_on_memmap, []),
    "HDF5, as a Dask array": ("data.h5", train_on_dask, ["dask.array", "h5py"]),
    "Parquet": ("data.parquet", train_on_parquet, ["pandas", "pyarrow.parquet"]),
    "CSV": ("data.csv", train_on_csv, ["pandas"]),
}


class PeakMemory(threading.Thread):
    """Samples this process's memory every 10 ms and stores the peak."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._stopped = threading.Event()
        self._megabytes = self.current()
        self.start()

    @staticmethod
    def current() -> dict[str, float]:
        """Return the megabytes of anonymous memory and of mapped files."""
        status = Path("/proc/self/status").read_text()
        return {name: int(status.partition(f"{name}:")[2].split()[0]) / 1e3 for name in ("RssAnon", "RssFile")}

    def run(self) -> None:
        """Sample until stopped."""
        while not self._stopped.wait(0.01):
            self._megabytes = {name: max(value, self._megabytes[name]) for name, value in self.current().items()}

    def stop(self) -> dict[str, float]:
        """Stop, and return the peak."""
        self._stopped.set()
        self.join()
        return self._megabytes


def evict_from_page_cache(path: Path) -> None:
    """Write a file to disk and drop its pages from memory."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Return the seconds of training on one format, and its peak memory beyond that of a small fit before it."""
    file, train, modules = FORMATS[name]
    X, y = next(generate_blocks(1000))
    make_classifier().fit(X, y)
    evict_from_page_cache(folder / file)
    before = PeakMemory.current()
    peak_memory = PeakMemory()
    for module in modules:
        importlib.import_module(module)
    started = time.perf_counter()
    clf = train(folder)
    seconds = time.perf_counter() - started
    peak = peak_memory.stop()
    X, y = next(generate_blocks(BLOCK_SIZE))
    if hasattr(clf, "feature_names_in_"):
        import pandas as pd

        X = pd.DataFrame(X, columns=FEATURE_NAMES)
    assert clf.score(X, y) > 0.97
    return {"seconds": seconds, "megabytes": {kind: peak[kind] - before[kind] for kind in before}}


def measure_prediction_rate() -> float:
    """Return the samples per second of predict_proba on data in memory, the median of five calls."""
    X, y = next(generate_blocks(BLOCK_SIZE))
    clf = make_classifier().fit(X, y)
    X = np.tile(X, (10, 1))
    rates = []
    for _ in range(5):
        started = time.perf_counter()
        clf.predict_proba(X)
        rates.append(len(X) / (time.perf_counter() - started))
    return statistics.median(rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=12_500_000, help="the default of 12.5 million takes 2 GB")
    parser.add_argument("--folder", help="a folder with 12 GB of free space (default: the system's temporary folder)")
    parser.add_argument("--one", nargs=2, metavar=("FORMAT", "FOLDER"), help="measure one format and print JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one[0], Path(options.one[1]))))
        return
    formats = {}
    print(f"{'':<32}{'file':>9}{'samples per second':>20}{'memory':>12}{'mapped files':>15}")
    with tempfile.TemporaryDirectory(dir=options.folder) as path:
        folder = Path(path)
        write_files(folder, options.samples)
        for name, (file, *_) in FORMATS.items():
            measured = run_python_json(__file__, "--one", name, path)
            measured["gigabytes"] = (folder / file).stat().st_size / 1e9
            formats[name] = measured
            rate, memory = options.samples / measured["seconds"], measured["megabytes"]
            print(
                f"{name:<32}{measured['gigabytes']:>6.2f} GB{rate:>20,.0f}{memory['RssAnon']:>9.0f} MB"
                f"{memory['RssFile']:>12.0f} MB",
                flush=True,
            )
    results.write(
        "data_on_disk",
        {"samples": options.samples, "formats": formats, "predicted samples per second": measure_prediction_rate()},
        ("moonnet", "tensorflow", "numpy", "dask", "pyarrow", "pandas"),
    )


if __name__ == "__main__":
    main()
