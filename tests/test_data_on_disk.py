"""Data that stay on disk and come in pieces: mapped files, dask arrays, Parquet and CSV files."""

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

pytestmark = pytest.mark.trains

ROWS_A_BLOCK = 300


@pytest.fixture(scope="module")
def samples():
    X, y = make_moons(1000, noise=0.2, random_state=0)
    return X.round(3), y  # few digits, which every version of pandas reads as they were written


@pytest.fixture(scope="module")
def expected(samples):
    """The network that the blocks make, as arrays in memory."""
    X, y = samples
    clf = KerasMoonClassifier(random_state=0)
    for start in range(0, len(X), ROWS_A_BLOCK):
        clf.partial_fit(X[start : start + ROWS_A_BLOCK], y[start : start + ROWS_A_BLOCK], classes=[0, 1])
    return clf


def assert_same_network(clf, other):
    for mine, others in zip(clf.coefs_ + clf.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        assert_array_equal(mine, others)
    assert clf.history_ == other.history_


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mapped_file_is_fitted_as_what_it_holds(samples, tmp_path, dtype):
    X, y = samples[0].astype(dtype), samples[1]
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    mapped = [np.load(tmp_path / name, mmap_mode="r") for name in ("X.npy", "y.npy")]
    clf = KerasMoonClassifier(epochs=5, random_state=0)
    in_memory = KerasMoonClassifier(epochs=5, random_state=0).fit(X, y)
    assert_same_network(clf.fit(*mapped), in_memory)
    assert_array_equal(clf.predict_proba(mapped[0]), in_memory.predict_proba(X))


def test_blocks_of_a_dask_array(samples, expected):
    X, y = (da.from_array(array, chunks=(ROWS_A_BLOCK, *array.shape[1:])) for array in samples)
    clf = KerasMoonClassifier(random_state=0)
    for X_block, y_block in zip(X.blocks, y.blocks, strict=True):
        clf.partial_fit(*dask.compute(X_block, y_block), classes=[0, 1])
    assert_same_network(clf, expected)


def test_batches_of_a_parquet_file(samples, expected, tmp_path):
    X, y = samples
    parquet.write_table(pa.table({"x": X[:, 0], "y": X[:, 1], "label": y}), tmp_path / "moons.parquet")
    clf = KerasMoonClassifier(random_state=0)
    for batch in parquet.ParquetFile(tmp_path / "moons.parquet", pre_buffer=False).iter_batches(ROWS_A_BLOCK):
        table = batch.to_pandas()
        clf.partial_fit(table[["x", "y"]], table["label"], classes=[0, 1])
    assert_same_network(clf, expected)
    with pytest.raises(ValueError, match="The feature names should match those that were passed during fit"):
        clf.partial_fit(table[["y", "x"]], table["label"])


def test_chunks_of_a_csv_file(samples, expected, tmp_path):
    X, y = samples
    pd.DataFrame({"x": X[:, 0], "y": X[:, 1], "label": y}).to_csv(tmp_path / "moons.csv", index=False)
    clf = KerasMoonClassifier(random_state=0)
    with pd.read_csv(tmp_path / "moons.csv", chunksize=ROWS_A_BLOCK) as chunks:
        for chunk in chunks:
            clf.partial_fit(chunk.drop(columns="label"), chunk["label"], classes=[0, 1])
    assert_same_network(clf, expected)


# Blocks that do not fit leave what was learned as it was


def test_columns_of_labels_are_not_taken_for_an_unknown_label(moons):
    clf = KerasMoonClassifier(epochs=1).fit(*moons)
    with pytest.raises(ValueError, match="y must contain one label per sample") as told:
        clf.partial_fit(np.zeros((3, 2)), np.eye(3))
    assert "Pass all labels" not in str(told.value)


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
def test_a_block_that_does_not_fit_is_told(samples, X, y, message):
    clf = KerasMoonClassifier(random_state=0).partial_fit(*samples, classes=[0, 1])
    before = clf.predict_proba(samples[0])
    with pytest.raises(ValueError, match=message):
        clf.partial_fit(X, y)
    assert_array_equal(clf.predict_proba(samples[0]), before)


def test_an_empty_partition_is_told(samples, expected):
    table = dd.from_pandas(pd.DataFrame(samples[0], columns=["x", "y"]), npartitions=4)
    none = table[table["x"] > 100]
    labels = none.map_partitions(lambda part: pd.Series(expected.predict(part.to_numpy())), meta=(None, int))
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\) \(shape=\(0, 2\)\)"):
        labels.compute()
