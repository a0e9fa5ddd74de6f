"""Training on data that stay on disk: memory-mapped files, Dask arrays, Parquet and CSV files."""

import dask
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from dask import array as da
from dask import dataframe as dd
from numpy.testing import assert_array_equal
from pyarrow import parquet
from sklearn.datasets import make_moons

from moonnet import KerasMoonClassifier

BLOCK_SIZE = 300


@pytest.fixture(scope="module")
def samples():
    X, y = make_moons(1000, noise=0.2, random_state=0)
    return X.round(3), y  # few digits, which every version of pandas reads exactly


@pytest.fixture(scope="module")
def expected(samples):
    """A classifier trained on the same blocks as arrays in memory."""
    X, y = samples
    clf = KerasMoonClassifier(random_state=0)
    for start in range(0, len(X), BLOCK_SIZE):
        clf.partial_fit(X[start : start + BLOCK_SIZE], y[start : start + BLOCK_SIZE], classes=[0, 1])
    return clf


def assert_same_network(clf, other):
    for mine, others in zip(clf.coefs_ + clf.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        assert_array_equal(mine, others)
    assert clf.history_ == other.history_


@pytest.mark.trains
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fit_on_memory_mapped_files_matches_arrays_in_memory(samples, tmp_path, dtype):
    X, y = samples[0].astype(dtype), samples[1]
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    mapped = [np.load(tmp_path / name, mmap_mode="r") for name in ("X.npy", "y.npy")]
    clf = KerasMoonClassifier(epochs=5, random_state=0)
    in_memory = KerasMoonClassifier(epochs=5, random_state=0).fit(X, y)
    assert_same_network(clf.fit(*mapped), in_memory)
    assert_array_equal(clf.predict_proba(mapped[0]), in_memory.predict_proba(X))


def test_partial_fit_on_dask_blocks_matches_arrays_in_memory(samples, expected):
    X, y = (da.from_array(array, chunks=(BLOCK_SIZE, *array.shape[1:])) for array in samples)
    clf = KerasMoonClassifier(random_state=0)
    for X_block, y_block in zip(X.blocks, y.blocks, strict=True):
        clf.partial_fit(*dask.compute(X_block, y_block), classes=[0, 1])
    assert_same_network(clf, expected)


def test_partial_fit_on_parquet_batches_matches_arrays_in_memory(samples, expected, tmp_path):
    X, y = samples
    parquet.write_table(pa.table({"x": X[:, 0], "y": X[:, 1], "label": y}), tmp_path / "moons.parquet")
    clf = KerasMoonClassifier(random_state=0)
    for batch in parquet.ParquetFile(tmp_path / "moons.parquet", pre_buffer=False).iter_batches(BLOCK_SIZE):
        table = batch.to_pandas()
        clf.partial_fit(table[["x", "y"]], table["label"], classes=[0, 1])
    assert_same_network(clf, expected)
    with pytest.raises(ValueError, match="The feature names should match those that were passed during fit"):
        clf.partial_fit(table[["y", "x"]], table["label"])


def test_partial_fit_on_csv_chunks_matches_arrays_in_memory(samples, expected, tmp_path):
    X, y = samples
    pd.DataFrame({"x": X[:, 0], "y": X[:, 1], "label": y}).to_csv(tmp_path / "moons.csv", index=False)
    clf = KerasMoonClassifier(random_state=0)
    with pd.read_csv(tmp_path / "moons.csv", chunksize=BLOCK_SIZE) as chunks:
        for chunk in chunks:
            clf.partial_fit(chunk.drop(columns="label"), chunk["label"], classes=[0, 1])
    assert_same_network(clf, expected)


# Invalid blocks leave the fitted network unchanged


def test_partial_fit_on_2d_labels_does_not_blame_unknown_labels(moons):
    clf = KerasMoonClassifier(epochs=1).fit(*moons)
    with pytest.raises(ValueError, match="y must contain one label per sample") as error:
        clf.partial_fit(np.zeros((3, 2)), np.eye(3))
    assert "Pass all labels" not in str(error.value)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((3, 3)), [0, 1, 0], "X has 3 features, but KerasMoonClassifier is expecting 2 features as input"),
        (
            np.zeros((3, 2)),
            [0, 1, 2],
            (
                r"y must contain one label per sample, from \[0, 1\]\. Got .* with the values \[0, 1, 2\] instead\. "
                "Pass all labels that may occur as classes in the first call to partial_fit"
            ),
        ),
        (np.zeros((0, 2)), [], r"Found array with 0 sample\(s\) \(shape=\(0, 2\)\) while a minimum of 1 is required"),
    ],
    ids=["columns", "classes", "empty"],
)
def test_partial_fit_on_invalid_block_raises_and_keeps_network(samples, X, y, message):
    clf = KerasMoonClassifier(random_state=0).partial_fit(*samples, classes=[0, 1])
    before = clf.predict_proba(samples[0])
    with pytest.raises(ValueError, match=message):
        clf.partial_fit(X, y)
    assert_array_equal(clf.predict_proba(samples[0]), before)


def test_predict_on_empty_dask_partition_raises(samples, expected):
    table = dd.from_pandas(pd.DataFrame(samples[0], columns=["x", "y"]), npartitions=4)
    empty = table[table["x"] > 100]
    labels = empty.map_partitions(lambda part: pd.Series(expected.predict(part.to_numpy())), meta=(None, int))
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\) \(shape=\(0, 2\)\)"):
        labels.compute()
