"""Tables of the user: how they are read and preprocessed, and the generated code that does the same."""

import gzip
import io
import zipfile

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from helpers import TABLES, run_code
from moonnet.explore._datasets import apply_edits, load_dataset
from moonnet.explore._settings import Settings
from moonnet.explore._user_tables import MAX_FILE_BYTES, ArrayTable, CsvTable

IRIS = load_iris()
NAMES = [name.removesuffix(" (cm)") for name in IRIS.feature_names]
KINDS = IRIS.target_names[IRIS.target]
INDEX_GAP_FEATURES = ["Miles_per_Gallon", "Cylinders", "Displacement", "Horsepower", "Weight_in_lbs", "Acceleration"]
NORMAL = np.random.default_rng(1).normal(size=30)
NUMBERS = IRIS.data[:, 2]
FRAME = pd.DataFrame(IRIS.data, columns=NAMES).assign(kind=KINDS)


@pytest.fixture
def make_table(tmp_path):
    """Return a function that writes a CSV file and opens it."""

    def make(content, name="data.csv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return CsvTable(path, **options)

    return make


def make_csv(*rows, n_times=4):
    """Return the content of a CSV file: the row of names, and the other rows ``n_times``."""
    return "\n".join([rows[0], *rows[1:] * n_times]) + "\n"


def load(table, **values):
    return load_dataset(Settings.from_json({"data": "own", **values}).dataset, table)


# Arrays and data frames


@pytest.mark.parametrize(
    ("X", "names"),
    [
        (IRIS.data, ["0", "1", "2", "3"]),
        (IRIS.data.tolist(), ["0", "1", "2", "3"]),
        (FRAME[NAMES], NAMES),
        (pd.DataFrame(IRIS.data), ["0", "1", "2", "3"]),
        (pl.DataFrame(IRIS.data, schema=NAMES), NAMES),
    ],
    ids=["array", "list", "pandas", "pandas without names", "polars"],
)
def test_array_table_reads_arrays_and_data_frames(X, names):
    table = ArrayTable(X, KINDS)
    assert table.targets == ["y"]
    assert table.features("y") == names
    for columns in ([0, 1, 2, 3], [3, 1], [0, 1]):
        chosen = [names[index] for index in columns]
        selected, y = table.read("y", chosen)
        assert_array_equal(selected, IRIS.data[:, columns])
        assert_array_equal(y, KINDS)
        variables = run_code(table.code("y", chosen), X=X, y=KINDS)
        assert_array_equal(variables["X"], selected)
        assert type(variables["X"]) is type(selected)
        assert_array_equal(variables["y"], y)


def test_array_table_takes_target_name_from_series():
    assert ArrayTable(IRIS.data, FRAME["kind"]).targets == ["kind"]
    assert ArrayTable(IRIS.data, pl.Series("sort", KINDS)).targets == ["sort"]
    assert ArrayTable(IRIS.data, pd.Series(KINDS)).targets == ["y"]


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (IRIS.data[:, :1], KINDS, r"^X must have at least two columns that are not empty\. Got \['0'\] instead\."),
        (IRIS.data[:, :0], NUMBERS, r"0 feature\(s\)"),
        (IRIS.data * np.nan, NUMBERS, r"^X must have at least one column that is not empty\. Got \[\] instead\."),
        (IRIS.data, np.where(NUMBERS > 2, np.inf, NUMBERS), "y must contain finite numbers"),
        (IRIS.data[:7], NUMBERS[:7], r"^y must contain at least 8 numbers\. Got 7\."),
        (IRIS.data, KINDS[:-1], r"inconsistent numbers of samples: \[150, 149\]"),
        (IRIS.data, np.arange(150) % 11, r"y must contain labels of 2 to 10 classes\. Got 11 classes instead\."),
        (IRIS.data, np.zeros(150), "Got 1 classes"),
        (IRIS.data, np.array(["a"] * 75 + [1] * 75, dtype=object), "labels that can be sorted"),
        (np.where(IRIS.data > 7, np.inf, IRIS.data), KINDS, "X contains infinity"),
        (
            FRAME.assign(**dict.fromkeys(NAMES[1:], np.nan))[NAMES],
            KINDS,
            r"X must have at least two columns that are not empty\. Got \['sepal length'\] instead\.",
        ),
        (FRAME, KINDS, r"X must have columns of numbers\. Got the column 'kind': leave it out"),
        (IRIS.data, IRIS.data, "y should be a 1d array"),
        (FRAME[[NAMES[0], NAMES[0]]], KINDS, "unique column names"),
        (
            pd.DataFrame(IRIS.data[:, :2], columns=[0, "0"]),
            KINDS,
            r"X must have unique column names\. Got \['0'",
        ),
    ],
)
def test_array_table_rejects_invalid_data(X, y, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ArrayTable(X, y)


@pytest.mark.parametrize(
    "y",
    [
        np.where(IRIS.target == 2, np.nan, IRIS.target),
        np.where(IRIS.target == 2, None, KINDS),
        np.where(IRIS.target == 2, np.nan, KINDS.astype(object)),
        ["a"] * 50 + ["b"] * 50 + [float("nan")] * 50,
        [[0]] * 50 + [[1]] * 50 + [[None]] * 50,
        pd.Series([*"ab" * 50, *[pd.NA] * 50], dtype="string"),
        pd.Series([0, 1] * 50 + [pd.NA] * 50, dtype="Int64"),
        pd.Series([True, False] * 50 + [None] * 50, dtype="boolean"),
        pd.Series([*"ab" * 50, *[None] * 50], dtype="category"),
        pl.Series([*"ab" * 50, *[None] * 50]),
        pl.Series([0, 1] * 50 + [None] * 50),
        pl.Series([0.0, 1.0] * 50 + [float("nan")] * 50),
    ],
    ids=[
        "floats",
        "None among objects",
        "NaN among objects",
        "list",
        "column",
        "pandas strings",
        "pandas integers",
        "pandas booleans",
        "pandas categories",
        "polars strings",
        "polars integers",
        "polars floats",
    ],
)
def test_array_table_rejects_missing_labels(y):
    with pytest.raises(ValueError, match=r"^y must have no missing values\. Got 50 among 150 labels: leave these"):
        ArrayTable(IRIS.data, y)


# CSV files


def test_csv_table_reads_iris(make_table):
    table = make_table(FRAME.to_csv(index=False))
    assert table.name == "data.csv"
    assert table.targets == [*NAMES, "kind"]  # the default is the last
    assert [table.is_regression(name) for name in table.targets] == [True] * 4 + [False]
    assert table.features("kind") == NAMES
    X, y = table.read("kind", NAMES)
    assert_array_equal(X, IRIS.data)
    assert y.tolist() == KINDS.tolist()


def test_csv_table_reads_decimal_commas_and_missing_cells(make_table):
    table = make_table(make_csv("größe;b;c", "1,5;2;ja", ";3;ja", "2,5;4,25;nein", "7;NA;nein"))
    assert table.targets[-1] == "c"
    assert table.features("c") == ["größe", "b"]
    X, y = table.read("c", ["b", "größe"])
    assert_array_equal(X, [[2, 1.5], [3, np.nan], [4.25, 2.5], [np.nan, 7]] * 4)
    assert y.tolist() == ["ja", "ja", "nein", "nein"] * 4


def test_csv_table_reads_rare_text_among_numbers_as_missing(make_table):
    rows = [f"{index}.5,{index % 7},{'ab'[index % 2]}" for index in range(40)]
    table = make_table("\n".join(["first,second,kind", "-,3,a", *rows]))
    assert table.features("kind") == ["first", "second"]
    X, y = table.read("kind", ["first", "second"])
    assert_array_equal(X, [[np.nan, 3], *([index + 0.5, index % 7] for index in range(40))])
    assert y.tolist() == ["a", *["a", "b"] * 20]


def test_csv_table_leaves_out_rows_without_a_target(make_table):
    table = make_table(make_csv("a,b,kind", "1,2,x", "3,,", "2,3,y", ",1,x"), target="kind")
    X, y = table.read("kind", ["a", "b"])
    assert_array_equal(X, [[1, 2], [2, 3], [np.nan, 1]] * 4)
    assert y.tolist() == ["x", "y", "x"] * 4
    assert load(table).note == (
        "4 of 16 rows without a target left out; missing values in 4 of 12 rows replaced by the median"
    )
    assert_array_equal(run_code(table.code("kind", ["a", "b"]))["X"], X)


def test_column_without_a_number_is_no_feature(make_table):
    """A column may contain numbers only in rows without a target, and others for another target."""
    table = make_table(make_csv("a,b,c,d,e,kind,sort", "1,2,,NA,,x,", "2,3,,?,,y,u", "3,5,,,7,,v"))
    assert table.features("kind") == ["a", "b"]
    assert table.features("sort") == ["a", "b", "e"]
    X = pd.DataFrame({"a": NORMAL, "b": np.full(30, np.nan), "c": -NORMAL})
    assert ArrayTable(X, NORMAL > 0).features("y") == ["a", "c"]
    assert ArrayTable(X.to_numpy(), NORMAL > 0).features("y") == ["0", "2"]
    assert_array_equal(ArrayTable(X, NORMAL > 0).read("y", ["c", "a"])[0], X[["c", "a"]])


def test_csv_table_reads_integer_labels_unchanged(make_table):
    table = make_table(make_csv("a,b,n", "1,2.5,10", "2,3.5,9", "3,1.5,-1", "1,1.5,9"), target="n")
    _, y = table.read("n", ["a", "b"])
    assert y.tolist() == [10, 9, -1, 9] * 4
    assert y.dtype == np.int64
    table = make_table(make_csv("a,b,n", "1,2.5,01", "2,3.5,1"))
    assert table.read("n", ["a", "b"])[1].tolist() == ["01", "1"] * 4


def test_csv_table_uses_last_class_column_as_default_target(make_table):
    content = make_csv("colour,size,weight,kind,doors", "red,1.5,3.5,x,2", "blue,2,4,y,4", "red,3,7.5,y,2", n_times=5)
    # Whole numbers of few distinct values are classes, as for the command
    assert make_table(content).targets == ["size", "weight", "colour", "kind", "doors"]
    content = make_csv("colour,size,weight,kind", "red,1.5,3.5,x", "blue,2,4,y", "red,3,7.5,y", n_times=5)
    assert make_table(content).targets == ["size", "weight", "colour", "kind"]
    assert make_table(content, target="colour").targets == ["size", "weight", "kind", "colour"]
    assert make_table(content, target="size").targets == ["weight", "colour", "kind", "size"]
    assert make_table(content).features("size") == ["weight"]  # one is enough for numbers
    assert make_table(content).features("colour") == ["size", "weight"]
    table = make_table(content)
    assert_array_equal(np.unique(load(table).y_train), ["x", "y"])
    assert_array_equal(np.unique(load(table, target="colour").y_train), ["blue", "red"])


def test_csv_table_renames_duplicate_features_and_rejects_such_targets(make_table):
    table = make_table(make_csv("a,a,b,kind,same,same", "1,2.5,3,x,u,u", "2,3,4.5,y,v,v"))
    assert not {"a", "same"} & set(table.targets)
    X, _ = table.read("kind", ["a", "a.1"])
    assert np.asarray(X)[:2].tolist() == [[1, 2.5], [2, 3]]
    assert_array_equal(run_code(table.code("kind", ["a.1", "b"]))["X"][:2], [[2.5, 3], [3, 4.5]])
    with pytest.raises(ValueError, match=r"data\.csv has several columns named 'same'"):
        make_table(make_csv("a,b,same,same", "1,2,x,x", "2,3,y,y"), target="same")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("a,b\n", "no rows"),
        (
            "\n".join(["a,b", *(f"{index},{index * 1.5}" for index in range(7))]),
            r"must have a column of 2 to 10 classes with at least 4 samples each, or of numbers\. Its columns are a, b",
        ),
        (
            "\n".join(["a,b", *(f"{index * 1.5},u{index}" for index in range(30))]),
            r"must have at least one numeric column besides the target\. Got a\.",
        ),
        (make_csv("a,kind", "1,x", "2,y", n_times=3), "must have a column of 2 to 10 classes"),
        (make_csv(",".join(f"c{index}" for index in range(201)), ",".join(["1"] * 201)), "at most 200 columns"),
    ],
)
def test_csv_table_rejects_unsuitable_files(make_table, content, message):
    with pytest.raises(ValueError, match=rf"data\.csv .*{message}"):
        make_table(content)
    with pytest.raises(ValueError, match=rf"^mine\.csv .*{message}"):
        CsvTable.from_bytes("mine.csv", content.encode())


def test_csv_table_rejects_unknown_target(make_table):
    with pytest.raises(ValueError, match=r"data\.csv has no column 'sort'\. Its columns are sepal length"):
        make_table(FRAME.to_csv(index=False), target="sort")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"target": "sort"}, r"target must be one of .*kind\. Got 'sort' instead\."),
        ({"features": ["sepal length", "kind"]}, r"features must be two of sepal length, .*Got sepal length, kind"),
        ({"features": ["a", "b"]}, r"Got a, b instead\."),
    ],
)
def test_load_dataset_rejects_unknown_columns(make_table, values, message):
    with pytest.raises(ValueError, match=message):
        load(make_table(FRAME.to_csv(index=False)), **values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            make_csv("a,c", "1,x", "2,y"),
            r"data\.csv must have at least two numeric columns besides the target\. Got a\.",
        ),
        (make_csv("a,b,c", "1,u,x", "2,v,y"), r"must have at least two numeric columns besides the target\. Got a\."),
        (
            make_csv("a,b,c", "1e999,2,x", "2,3,y"),
            r"data\.csv (must contain numbers that fit into a float64|contains values that pandas cannot read)",
        ),
    ],
)
def test_load_dataset_rejects_unusable_rows(make_table, content, message):
    with pytest.raises(ValueError, match=message):
        load(make_table(content))


def test_load_dataset_rejects_rare_classes(make_table):
    table = make_table(make_csv("a,b,c", "1,3,x", "2,4,y", "3,1,", n_times=3), target="c")
    with pytest.raises(ValueError, match=r"^c must .* at least 4 samples each\. Got 2 classes, the smallest with 3"):
        load(table)


# Numbers to predict


@pytest.mark.parametrize(
    ("y", "is_regression"),
    [
        (NUMBERS, True),
        (NUMBERS.astype(np.float32), True),
        (np.arange(150), True),
        (np.arange(150.0) % 21, True),  # more than 20 distinct
        (np.arange(150) % 3, False),
        (np.arange(150.0) % 3, False),
        (np.arange(150) % 2 == 0, False),
        (KINDS, False),
    ],
)
def test_numbers_and_labels_are_distinguished_as_by_the_command(y, is_regression, make_table):
    assert ArrayTable(IRIS.data, y).is_regression("y") == is_regression
    table = make_table(FRAME.assign(target=y).to_csv(index=False), target="target")
    assert table.is_regression("target") == is_regression


@pytest.mark.parametrize("features", [["petal length"], ["petal length", "sepal width"], None])
def test_table_of_numbers_is_split_and_standardised(features, make_table):
    rows = FRAME.drop(columns=["kind", "petal width"])
    y = 1000 + 50 * IRIS.data[:, 3]
    table = make_table(rows.assign(price=y).to_csv(index=False), target="price")
    dataset = load(table, features=features)
    columns = rows[features or list(rows)]
    X_train, X_test, y_train, y_test = train_test_split(columns, y, test_size=0.25, random_state=0)
    assert_array_equal(dataset.y_train, y_train)
    assert_array_equal(dataset.y_test, y_test)
    scaler = StandardScaler().fit(X_train)
    if features is not None:
        assert_allclose(dataset.X_test, scaler.transform(X_test), atol=1e-12)
        assert [axis.name for axis in dataset.features] == features
    assert dataset.is_curve == (features == ["petal length"])
    assert [axis.name for axis in dataset.axes][-1] == ("price" if dataset.is_curve else dataset.features[1].name)
    coordinates = (y - dataset.target.offset) / dataset.target.scale
    assert dataset.target.name == "price"
    assert (coordinates.mean(), coordinates.std()) == pytest.approx((0, 1))
    assert dataset.target.limits[0] < coordinates.min() < coordinates.max() < dataset.target.limits[1]
    drawn = [[0.5, -1, 0]] if dataset.is_curve else []
    settings = Settings.from_json({"data": "own", "features": features, "drawn": drawn, "erased": [3]})
    edited = apply_edits(dataset, settings)
    variables = run_code(edited.code)
    for name in ("X_train", "y_train", "X_test", "y_test"):
        assert variables[name].tobytes() == getattr(edited, name).tobytes(), name
    if drawn:
        assert edited.X_train[-1].tolist() == [0.5]
        assert edited.y_train[-1] == pytest.approx(y.mean() - y.std())


def test_single_numeric_column_is_a_feature_of_numbers(make_table):
    rows = [f"{index / 3:.2f},{index**2 / 7:.2f},{'ab'[index % 2]}" for index in range(40)]
    table = make_table("\n".join(["a,b,kind", *rows]))
    assert table.targets == ["a", "b", "kind"]
    dataset = load(table, target="b")
    assert dataset.is_curve
    assert [axis.name for axis in dataset.axes] == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "values", "message"),
    [
        (make_csv("a,b", "1,1.5", "2,1.5"), {}, r"^b must have at least 8 numbers, which must differ\. Got 8, 1 of"),
        (make_csv("a,b", "1,1.5", "2,2.5", n_times=3), {}, r"^b must have at least 8 numbers, .*Got 6, 2 of them"),
        (make_csv("a,b", "1,1.5", "2,2.5"), {"features": ["b"]}, r"^features must be one or two of a\. Got b instead"),
        (make_csv("a,b", "1,1e-320", "2,2e-320"), {}, r"^b of data\.csv must contain numbers that can be standardised"),
        (make_csv("a,b", "1,1.5e300", "2,-1e300"), {}, r"^b of data\.csv must contain numbers that can be standard"),
    ],
)
def test_unsuitable_numbers_are_rejected(content, values, message, make_table):
    with pytest.raises(ValueError, match=message):
        load(make_table(content, target="b"), **values)


def test_one_feature_is_too_few_for_classes(make_table):
    with pytest.raises(ValueError, match=r"^features must be two of sepal length, .* Got sepal width instead\."):
        load(make_table(FRAME.to_csv(index=False)), features=["sepal width"])


def test_target_of_numbers_may_have_a_unit(make_table):
    rows = [f"{index / 2:.1f};{1000 + 37 * index} €".replace(".", ",") for index in range(40)]
    table = make_table("\n".join(["size;price", *rows]), target="price")
    dataset = load(table)
    assert sorted([*dataset.y_train, *dataset.y_test]) == [1000 + 37 * index for index in range(40)]
    assert_array_equal(run_code(dataset.code)["y_train"], dataset.y_train)


# Real tables


@pytest.mark.parametrize(
    ("name", "target", "features", "counts"),
    [
        ("target_none", "disorder", ["a", "b"], {"None": 144, "Apnea": 35, "Insomnia": 21}),
        ("target_space", "ok", ["a", "b"], {"no": 101, "yes": 99}),
        ("de_mix2", "klasse", ["umsatz", "x"], {"high": 152, "low": 148}),
        ("sep_line", "floor", ["m2_price", "construction_year", "surface", "no_rooms"], None),
        ("space_header", "floor", ["m2_price", "construction_year", "surface", "no_rooms"], None),
        ("index_gap", "Origin", INDEX_GAP_FEATURES, None),
        ("mark_q", "sex", ["age", "survived"], None),
    ],
)
def test_real_tables_are_read_as_by_the_command(name, target, features, counts, monkeypatch):
    monkeypatch.chdir(TABLES)
    table = CsvTable.from_bytes(f"{name}.csv", (TABLES / f"{name}.csv").read_bytes())
    assert target in table.targets
    assert table.features(target) == features
    X, y = table.read(target, features)
    assert counts is None or pd.Series(y).value_counts().to_dict() == counts
    variables = run_code(table.code(target, features))
    assert variables["X"].to_numpy().tobytes() == X.to_numpy().tobytes()
    assert variables["y"].tolist() == y.tolist()
    dataset = load(table, target=target)
    assert len(dataset.y_train) > 100
    assert ("column 'umsatz' is ambiguous: '1.584' is read as 1584" in dataset.note) == (name == "de_mix2")


def test_numbers_with_units_and_separators_are_features():
    rows = [f"{1000 + 37 * index:,} €;{index},5 %;{'ab'[index % 2]}".replace(",", ".", 1) for index in range(40)]
    table = CsvTable.from_bytes("units.csv", "\n".join(["price;share;kind", *rows]).encode())
    assert table.features("kind") == ["price", "share"]
    X, _ = table.read("kind", ["price", "share"])
    assert X.to_numpy().tolist() == [[1000 + 37 * index, index + 0.5] for index in range(40)]


# Uploaded files


def test_from_bytes_reads_file_and_shortens_its_name():
    content = FRAME.to_csv(index=False).encode()
    for name, expected in (
        ("iris.csv", "iris.csv"),
        ("/etc/../iris.csv", "iris.csv"),
        ("C:\\data\\iris.csv", "iris.csv"),
        ("x" * 300 + ".csv", "x" * 100),
    ):
        table = CsvTable.from_bytes(name, content)
        assert table.name == expected
        assert_array_equal(table.read("kind", NAMES)[0], IRIS.data)
        assert f"pd.read_csv(\n    {expected!r},\n" in table.code("kind", NAMES)


def test_from_bytes_writes_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    table = CsvTable.from_bytes("iris.csv", FRAME.to_csv(index=False).encode())
    assert_array_equal(table.read("kind", NAMES)[0], IRIS.data)
    with pytest.raises(ValueError, match="is empty"):
        CsvTable.from_bytes("iris.csv", b"")
    assert not list(tmp_path.iterdir())


def zip_of(content, compression):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("data.csv", content)
    return file.getvalue()


SMALL = make_csv("a,b,kind", "1,2,x", "2,3,y").encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.csv.gz", gzip.compress(SMALL)),
        ("data.zip", zip_of(SMALL, zipfile.ZIP_DEFLATED)),
        ("data.zip", zip_of(SMALL, zipfile.ZIP_STORED)),
    ],
    ids=["gz", "zip", "uncompressed zip"],  # archives contain the time
)
def test_from_bytes_reads_compressed_files(name, content):
    X, y = CsvTable.from_bytes(name, content).read("kind", ["a", "b"])
    assert X.to_numpy().tolist() == [[1, 2], [2, 3]] * 4
    assert y.tolist() == ["x", "y"] * 4


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.csv.gz", gzip.compress(b"0" * 10**7), "must be at most 4 MB"),
        ("data.zip", zip_of(b"0" * 10**7, zipfile.ZIP_DEFLATED), "must be at most 4 MB"),
        ("data.csv", gzip.compress(SMALL, mtime=0), "is not a CSV file"),
        ("data.csv", zip_of(SMALL, zipfile.ZIP_STORED), "is not a CSV file"),
        ("data.zip", SMALL, "is not a CSV file"),
        ("data.tar", SMALL, "is not a CSV file"),
    ],
    ids=["large gz", "large zip", "gz named csv", "zip named csv", "csv named zip", "csv named tar"],
)
def test_from_bytes_rejects_archives(name, content, message):
    with pytest.raises(ValueError, match=f"^{name} {message}"):
        CsvTable.from_bytes(name, content)


def test_from_bytes_rejects_too_large_file():
    with pytest.raises(ValueError, match=r"^data\.csv must be at most 4 MB\. Got 4\.1 MB\.$"):
        CsvTable.from_bytes("data.csv", bytes(MAX_FILE_BYTES + 10**5))


@pytest.mark.parametrize("begin", ["", "\n", " \r\n \n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_from_bytes_rejects_too_many_columns_in_first_line(begin, delimiter):
    content = begin + delimiter.join(["a"] * 500_000) + "\n"
    with pytest.raises(ValueError, match=r"^data\.csv must have at most 200 columns\. Got 500000\."):
        CsvTable.from_bytes("data.csv", content.encode())


@pytest.mark.parametrize("name", ['"two\nlines"', '"' + "long\n" * 500 + '"'])
def test_from_bytes_counts_columns_after_a_line_break_in_a_name(name):
    content = f"{name}{',a' * 299}\n{'1,' * 299}2\n"
    with pytest.raises(ValueError, match=r"^data\.csv must have at most 200 columns\. Got 300\."):
        CsvTable.from_bytes("data.csv", content.encode())


def test_from_bytes_reads_carriage_return_line_ends():
    table = CsvTable.from_bytes(
        "old.csv", make_csv("a,b,kind", "1,2,x", "2,3,y", n_times=300).replace("\n", "\r").encode()
    )
    assert table.features("kind") == ["a", "b"]


def test_from_bytes_errors_name_the_uploaded_file():
    with pytest.raises(
        ValueError, match=r"^mine\.csv must have at least two numeric columns besides the target\. Got a\."
    ):
        CsvTable.from_bytes("mine.csv", make_csv("a,kind", "1.5,x", "2,y").encode())
    table = CsvTable.from_bytes("mine.csv", make_csv("a,b,kind", "1e999,2,x", "2,3,y").encode())
    with pytest.raises(
        ValueError,
        match=r"^(column 'a' of mine\.csv must contain numbers that fit|mine\.csv contains values that pandas cannot)",
    ):
        load(table)


# Preprocessing to two features


@pytest.mark.parametrize("is_csv", [True, False])
def test_two_columns_are_standardised_by_training_samples(make_table, is_csv):
    table = make_table(FRAME.to_csv(index=False)) if is_csv else ArrayTable(FRAME[NAMES], KINDS)
    dataset = load(table, features=["petal width", "sepal length"], random_state=3)
    X = FRAME[["petal width", "sepal length"]].to_numpy()
    X_train, X_test, y_train, y_test = train_test_split(X, KINDS, test_size=0.25, stratify=KINDS, random_state=3)
    mean, std = X_train.mean(axis=0), X_train.std(axis=0)
    assert_allclose(dataset.X_train, (X_train - mean) / std, rtol=1e-12)
    assert_allclose(dataset.X_test, (X_test - mean) / std, rtol=1e-12)
    assert dataset.y_train.tolist() == y_train.tolist()
    assert dataset.y_test.tolist() == y_test.tolist()
    assert [axis.name for axis in dataset.axes] == ["petal width", "sepal length"]
    # The axes show the original units
    assert_allclose([axis.scale for axis in dataset.axes], std)
    assert_allclose([axis.offset for axis in dataset.axes], mean)
    assert_within_axes(dataset)


@pytest.mark.parametrize("is_csv", [True, False])
def test_all_columns_are_projected_on_two_principal_components(make_table, is_csv):
    table = make_table(FRAME.to_csv(index=False)) if is_csv else ArrayTable(IRIS.data, KINDS)
    dataset = load(table, random_state=1)
    X_train, X_test, y_train, _ = train_test_split(IRIS.data, KINDS, test_size=0.25, stratify=KINDS, random_state=1)
    scaler = StandardScaler().fit(X_train)
    components = PCA(2, svd_solver="full").fit(scaler.transform(X_train))
    assert_allclose(dataset.X_train, components.transform(scaler.transform(X_train)), atol=1e-12)
    assert_allclose(dataset.X_test, components.transform(scaler.transform(X_test)), atol=1e-12)
    assert dataset.y_train.tolist() == y_train.tolist()
    shares = components.explained_variance_ratio_
    assert [axis.name for axis in dataset.axes] == [
        f"principal component {index + 1} ({shares[index]:.0%} of the variance)" for index in range(2)
    ]
    selected = pd.DataFrame(X_test, columns=NAMES) if is_csv else X_test  # CSV tables are data frames
    assert_array_equal(dataset.preprocessor.transform(selected), dataset.X_test)
    assert_within_axes(dataset)


def assert_within_axes(dataset):
    X = np.concatenate([dataset.X_train, dataset.X_test])
    for axis, values in zip(dataset.axes, X.T, strict=True):
        assert axis.limits[0] < values.min() < values.max() < axis.limits[1]


GAPS = FRAME[NAMES].mask(np.random.default_rng(0).uniform(size=IRIS.data.shape) < 0.1)
KINDS_OF_TABLES = {
    "csv": None,
    "array": GAPS.to_numpy(),
    "pandas": GAPS,
    "nullable pandas": GAPS.astype("Float64"),
    "polars": pl.DataFrame([pl.Series(name, GAPS[name].to_numpy(), nan_to_null=True) for name in NAMES]),
    "list of rows": GAPS.to_numpy().tolist(),
}


@pytest.mark.parametrize("X", KINDS_OF_TABLES.values(), ids=KINDS_OF_TABLES)
def test_gaps_are_filled_with_the_median_of_the_training_samples(make_table, tmp_path, monkeypatch, X):
    is_csv = X is None
    table = make_table(GAPS.assign(kind=KINDS).to_csv(index=False)) if is_csv else ArrayTable(X, KINDS)
    names = ["2", "1"] if isinstance(X, np.ndarray | list) else [NAMES[2], NAMES[1]]
    monkeypatch.chdir(tmp_path)
    for columns in ([2, 1], [0, 1, 2, 3]):
        dataset = load(table, features=names if len(columns) == 2 else None, random_state=2)
        seen = GAPS.to_numpy()[:, columns]
        split = train_test_split(seen, KINDS, test_size=0.25, stratify=KINDS, random_state=2)
        assert all(np.isnan(part).any() for part in split[:2])
        median = np.nanmedian(split[0], axis=0)
        X_train, X_test = (np.where(np.isnan(part), median, part) for part in split[:2])
        mean, std = X_train.mean(axis=0), X_train.std(axis=0)
        X_train, X_test = (X_train - mean) / std, (X_test - mean) / std
        if len(columns) > 2:
            components = PCA(2, svd_solver="full").fit(X_train)
            X_train, X_test = components.transform(X_train), components.transform(X_test)
        assert_allclose(dataset.X_train, X_train, atol=1e-12)
        assert_allclose(dataset.X_test, X_test, atol=1e-12)
        n_incomplete = np.isnan(seen).any(axis=1).sum()
        assert dataset.note == f"missing values in {n_incomplete} of 150 rows replaced by the median"
        variables = run_code(dataset.code, **({} if is_csv else {"X": X, "y": KINDS}))
        assert variables["X_train"].tobytes() == dataset.X_train.tobytes()
        assert variables["X_test"].tobytes() == dataset.X_test.tobytes()
        with_gaps = variables["X"][:20]
        expected = dataset.preprocessor.transform(with_gaps)
        assert_array_equal(variables["preprocessor"].transform(with_gaps), expected)
        assert np.isfinite(expected).all()


# Two rows, and seeds for which both are held out or one is among the training samples
ROWS = [0, 60]
TRAIN_INDICES = [train_test_split(np.arange(150), stratify=KINDS, random_state=seed)[0] for seed in range(60)]
BOTH_HELD_OUT = next(seed for seed, train in enumerate(TRAIN_INDICES) if not np.isin(ROWS, train).any())
ONE_HELD_OUT = next(seed for seed, train in enumerate(TRAIN_INDICES) if np.isin(ROWS, train).sum() == 1)
RARE = FRAME[NAMES].assign(rare=pd.Series([1000.0, 1001.0], ROWS))


def make_rare_table(make_table, names, *, is_csv):
    return make_table(RARE[names].assign(kind=KINDS).to_csv(index=False)) if is_csv else ArrayTable(RARE[names], KINDS)


@pytest.mark.parametrize("is_csv", [True, False])
def test_features_without_a_number_among_the_training_samples_are_rejected(make_table, is_csv):
    message = r"^features must be columns with a number among the training samples\. Got rare without one: choose other"
    table = make_rare_table(make_table, [NAMES[0], "rare", NAMES[1]], is_csv=is_csv)
    chosen = ["rare", NAMES[0]]
    with pytest.raises(ValueError, match=message):
        load(table, features=chosen, random_state=BOTH_HELD_OUT)
    dataset = load(table, features=chosen, random_state=ONE_HELD_OUT)
    assert dataset.axes[0].offset in (1000, 1001)
    assert dataset.note == "missing values in 148 of 150 rows replaced by the median"
    # With one column left
    with pytest.raises(ValueError, match=message):
        load(make_rare_table(make_table, chosen, is_csv=is_csv), random_state=BOTH_HELD_OUT)


@pytest.mark.parametrize("n_others", [2, 3])
@pytest.mark.parametrize("is_csv", [True, False])
def test_features_without_a_number_among_the_training_samples_are_left_out_of_all(
    make_table, tmp_path, monkeypatch, is_csv, n_others
):
    monkeypatch.chdir(tmp_path)
    others = NAMES[:n_others]
    X = RARE[[others[0], "rare", *others[1:]]]
    expected = load(ArrayTable(RARE[others], KINDS), random_state=BOTH_HELD_OUT)
    dataset = load(make_rare_table(make_table, list(X), is_csv=is_csv), random_state=BOTH_HELD_OUT)
    assert dataset.note == "left out for lack of a number among the training samples: rare"
    assert dataset.axes == expected.axes
    variables = run_code(dataset.code, **({} if is_csv else {"X": X, "y": KINDS}))
    for name in ("X_train", "y_train", "X_test", "y_test"):
        assert_array_equal(getattr(dataset, name), getattr(expected, name))
        assert_array_equal(variables[name], getattr(expected, name))
    assert_array_equal(variables["preprocessor"].transform(X[others]), expected.preprocessor.transform(X[others]))
    assert dataset.preprocessor.feature_names_in_.tolist() == others


def test_class_only_in_rows_with_gaps_is_kept(make_table):
    assert load(make_table(make_csv("a,b,c", "1,2.5,x", "2,3,y", "3,,z"))).classes.tolist() == ["x", "y", "z"]


def test_long_table_is_subsampled():
    X = np.random.default_rng(0).normal(size=(5000, 2))
    dataset = load(ArrayTable(X, X[:, 0] > 1))
    assert (len(dataset.X_train), len(dataset.X_test)) == (3000, 1000)
    assert dataset.y_train.mean() == pytest.approx((X[:, 0] > 1).mean(), abs=1e-3)


# Generated code


@pytest.mark.parametrize("features", [None, ["b", "a"]])
@pytest.mark.parametrize("as_upload", [True, False])
def test_code_of_csv_table_recreates_samples(make_table, tmp_path, monkeypatch, features, as_upload):
    rng = np.random.default_rng(0)
    rows = [
        f"{a:.3f};{b:.12g};{c:.1f};{'ja' if a > 0 else 'nein'};{index % 3}".replace(".", ",")
        for index, (a, b, c) in enumerate(rng.normal(size=(120, 3)))
    ]
    rows[3] = "-" + rows[3][rows[3].index(";") :]
    rows[5] = rows[5][: rows[5].index(";") + 1] + ";1,5;ja;0"
    content = "\n".join(["a;b;c;answer;n", *rows])
    table = CsvTable.from_bytes("data.csv", content.encode()) if as_upload else make_table(content)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text(content)
    for target in ("answer", "n"):
        label = table.read(target, ["a", "b"])[1][0]
        chosen = Settings.from_json(
            {
                "data": "own",
                "target": target,
                "features": features,
                "random_state": 5,
                "drawn": [[0.125, 1 / 3, 1], [-0.5, 0.7, 0]],
                "erased": [2, 30],
            }
        )
        data = apply_edits(load_dataset(chosen.dataset, table), chosen)
        names = run_code(data.code)
        assert names["X_train"].tobytes() == data.X_train.tobytes()
        assert names["X_test"].tobytes() == data.X_test.tobytes()
        assert names["y_train"].tolist() == data.y_train.tolist()
        assert names["y_test"].tolist() == data.y_test.tolist()
        assert isinstance(label, str if target == "answer" else np.int64)
        assert names["y_train"].dtype == data.y_train.dtype
        assert_array_equal(names["preprocessor"].transform(names["X"]), data.preprocessor.transform(names["X"]))


def test_code_of_csv_table_quotes_column_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "'); import os; os.remove('data.csv'); ('"
    content = pd.DataFrame({name: [1.5, 2, 3, 4] * 3, 'b"\n': [1, 2.5, 4, 3] * 3, "k'": ["x'", 'y"'] * 6})
    content.to_csv("data.csv", index=False)
    table = CsvTable.from_bytes("data.csv", (tmp_path / "data.csv").read_bytes())
    names = run_code(load(table).code)
    assert names["X"].to_numpy().tolist() == content.iloc[:, :2].to_numpy().tolist()
    assert names["y"].tolist() == content["k'"].tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


@pytest.mark.parametrize("container", [np.asarray, pd.Series])
def test_numbers_of_dtype_object_are_numbers(container):
    y = IRIS.data[:, 0] / 3
    assert ArrayTable(IRIS.data, container(y.astype(object))).is_regression("y")
    assert not ArrayTable(IRIS.data, container(IRIS.target.astype(object))).is_regression("y")
