"""Training on 2 GB of data that stay on disk: memory beyond TensorFlow's own, and rows a second.

Each way has a process of its own, which fits a small network first, so that TensorFlow is there and a program compiled,
and reads a file that the system has let go of. What it needs is its anonymous memory; pages of a file that is mapped
are the system's, which takes them back when others need memory, and are shown apart.
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

import numpy as np
import results
from subprocesses import figures_of

N_FEATURES = 20
ROWS_A_BLOCK = 100_000
NAMES = [f"x{number}" for number in range(N_FEATURES)]


def blocks(n_rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Make the data, block by block: what to tell apart is on which side of a plane a sample lies."""
    for number, start in enumerate(range(0, n_rows, ROWS_A_BLOCK)):
        X = np.random.default_rng(number).normal(size=(min(ROWS_A_BLOCK, n_rows - start), N_FEATURES))
        yield X, (X[:, :5].sum(axis=1) > 0).astype(int)


def write(folder: Path, n_rows: int) -> None:
    """Write the data in each form."""
    import h5py
    import pyarrow as pa
    from pyarrow import csv, parquet

    X_file = np.lib.format.open_memmap(folder / "X.npy", "w+", float, (n_rows, N_FEATURES))
    y_file = np.lib.format.open_memmap(folder / "y.npy", "w+", int, (n_rows,))
    schema = pa.schema([*((name, pa.float64()) for name in NAMES), ("label", pa.int64())])
    with (
        h5py.File(folder / "data.h5", "w") as h5,
        parquet.ParquetWriter(folder / "data.parquet", schema) as to_parquet,
        csv.CSVWriter(folder / "data.csv", schema) as to_csv,
    ):
        X_set = h5.create_dataset("X", (n_rows, N_FEATURES), float)
        y_set = h5.create_dataset("y", (n_rows,), int)
        for number, (X, y) in enumerate(blocks(n_rows)):
            rows = slice(number * ROWS_A_BLOCK, number * ROWS_A_BLOCK + len(X))
            X_file[rows], y_file[rows] = X_set[rows], y_set[rows] = X, y
            table = pa.table([*X.T, y], schema=schema)
            to_parquet.write_table(table)
            to_csv.write_table(table)


def new_network():
    from moonnet import KerasMoonClassifier

    return KerasMoonClassifier(batch_size=256, epochs=1, random_state=0)


def from_memmap(folder: Path):
    X, y = np.load(folder / "X.npy", mmap_mode="r"), np.load(folder / "y.npy", mmap_mode="r")
    return new_network().fit(X, y)


def from_dask(folder: Path):
    import dask
    import h5py
    from dask import array as da

    h5 = h5py.File(folder / "data.h5")
    X = da.from_array(h5["X"], chunks=(ROWS_A_BLOCK, N_FEATURES))
    y = da.from_array(h5["y"], chunks=ROWS_A_BLOCK)
    clf = new_network()
    for X_block, y_block in zip(X.blocks, y.blocks, strict=True):
        clf.partial_fit(*dask.compute(X_block, y_block), classes=[0, 1])
    return clf


def from_parquet(folder: Path):
    from pyarrow.parquet import ParquetFile

    clf = new_network()
    for batch in ParquetFile(folder / "data.parquet", pre_buffer=False).iter_batches(ROWS_A_BLOCK):
        table = batch.to_pandas()
        clf.partial_fit(table[NAMES], table["label"], classes=[0, 1])
    return clf


def from_csv(folder: Path):
    import pandas as pd

    clf = new_network()
    for chunk in pd.read_csv(folder / "data.csv", chunksize=ROWS_A_BLOCK):
        clf.partial_fit(chunk[NAMES], chunk["label"], classes=[0, 1])
    return clf


# The file, what reads it, and the modules that this takes
WAYS: dict[str, tuple[str, Callable, list[str]]] = {
    "NumPy memmap": ("X.npy", from_memmap, []),
    "dask array of HDF5": ("data.h5", from_dask, ["dask.array", "h5py"]),
    "Parquet": ("data.parquet", from_parquet, ["pandas", "pyarrow.parquet"]),
    "CSV": ("data.csv", from_csv, ["pandas"]),
}


class Peak(threading.Thread):
    """Looks at this process's memory every 10 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._stopped = threading.Event()
        self._megabytes = self.now()
        self.start()

    @staticmethod
    def now() -> dict[str, float]:
        """Return megabytes of anonymous memory and of pages of files; Linux gives kilobytes."""
        status = Path("/proc/self/status").read_text()
        return {name: int(status.partition(f"{name}:")[2].split()[0]) / 1e3 for name in ("RssAnon", "RssFile")}

    def run(self) -> None:
        while not self._stopped.wait(0.01):
            self._megabytes = {name: max(value, self._megabytes[name]) for name, value in self.now().items()}

    def stop(self) -> dict[str, float]:
        self._stopped.set()
        self.join()
        return self._megabytes


def let_go(path: Path) -> None:
    """Have a file on its disk alone, and not in the system's memory."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(way: str, folder: Path) -> None:
    """Print what one way takes, beyond what a small fit has taken before."""
    file, read, modules = WAYS[way]
    X, y = next(blocks(1000))
    new_network().fit(X, y)
    let_go(folder / file)
    before = Peak.now()
    peak = Peak()
    for module in modules:
        importlib.import_module(module)
    started = time.perf_counter()
    clf = read(folder)
    seconds = time.perf_counter() - started
    after = peak.stop()
    X, y = next(blocks(ROWS_A_BLOCK))
    if hasattr(clf, "feature_names_in_"):
        import pandas as pd

        X = pd.DataFrame(X, columns=NAMES)
    assert clf.score(X, y) > 0.97
    print(json.dumps({"seconds": seconds, "megabytes": {name: after[name] - before[name] for name in before}}))


def prediction_rate() -> float:
    """Return the rows a second of predict_proba on samples like these in memory, the median of five calls."""
    X, y = next(blocks(ROWS_A_BLOCK))
    clf = new_network().fit(X, y)
    X = np.tile(X, (10, 1))
    rates = []
    for _ in range(5):
        started = time.perf_counter()
        clf.predict_proba(X)
        rates.append(len(X) / (time.perf_counter() - started))
    return statistics.median(rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=12_500_000, help="2 GB have 12.5 million, the default")
    parser.add_argument("--folder", help="where some 12 GB are free (default: the system's folder for temporary files)")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "FOLDER"), help="measure one way and print the figures")
    options = parser.parse_args()
    if options.one:
        measure(options.one[0], Path(options.one[1]))
        return
    ways = {}
    print(f"{'':<32}{'file':>9}{'rows a second':>16}{'memory':>12}{'mapped files':>15}")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        write(folder, options.rows)
        for way, (file, *_) in WAYS.items():
            figures = figures_of(__file__, "--one", way, name)
            figures["gigabytes"] = (folder / file).stat().st_size / 1e9
            ways[way] = figures
            rate, beyond = options.rows / figures["seconds"], figures["megabytes"]
            print(
                f"{way:<32}{figures['gigabytes']:>6.2f} GB{rate:>16,.0f}{beyond['RssAnon']:>9.0f} MB"
                f"{beyond['RssFile']:>12.0f} MB",
                flush=True,
            )
    results.write(
        "data_on_disk",
        {"rows": options.rows, "ways": ways, "predicted a second": prediction_rate()},
        ("moonnet", "tensorflow", "numpy", "dask", "pyarrow", "pandas"),
    )


if __name__ == "__main__":
    main()
