"""The user's own tables are seen as scikit-learn sees them, and the code that is sent reads the same."""

import gzip
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

from moonnet.explore._datasets import apply_edits, edits_code, load_dataset
from moonnet.explore._settings import Settings
from moonnet.explore._user_tables import MAX_FILE_BYTES, ArrayTable, CsvTable

IRIS = load_iris()
NAMES = [name.removesuffix(" (cm)") for name in IRIS.feature_names]
KINDS = IRIS.target_names[IRIS.target]
FRAME = pd.DataFrame(IRIS.data, columns=NAMES).assign(kind=KINDS)


@pytest.fixture
def table(tmp_path):
    """Return a function that makes a table of a file's content."""

    def make(content, name="data.csv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return CsvTable(path, **options)

    return make


def lines(*rows, n_times=4):
    """Return a file whose first line has the names, and whose others are there several times."""
    return "\n".join([rows[0], *rows[1:] * n_times]) + "\n"


def own(table, **values):
    return load_dataset(Settings.from_json({"data": "own", **values}).dataset, table)


def run(code, **names):
    """Return what code makes."""
    exec(compile("\n".join(["import numpy as np", *code.imports, code.body]), "script", "exec"), names)
    return names


# What a notebook gives


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
def test_arrays_and_frames(X, names):
    known = ArrayTable(X, KINDS)
    assert known.targets == ["y"]
    assert known.features("y") == names
    for columns in ([0, 1, 2, 3], [3, 1], [0, 1]):
        chosen = [names[index] for index in columns]
        taken, y = known.read("y", chosen)
        assert_array_equal(taken, IRIS.data[:, columns])
        assert_array_equal(y, KINDS)
        made = run(known.code("y", chosen), X=X, y=KINDS)
        assert_array_equal(made["X"], taken)
        assert type(made["X"]) is type(taken)
        assert_array_equal(made["y"], y)


def test_a_series_names_the_target():
    assert ArrayTable(IRIS.data, FRAME["kind"]).targets == ["kind"]
    assert ArrayTable(IRIS.data, pl.Series("sort", KINDS)).targets == ["sort"]
    assert ArrayTable(IRIS.data, pd.Series(KINDS)).targets == ["y"]


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (IRIS.data[:, :1], KINDS, r"1 feature\(s\)"),
        (IRIS.data, KINDS[:-1], r"inconsistent numbers of samples: \[150, 149\]"),
        (IRIS.data, np.arange(150), r"y must contain labels of 2 to 10 classes\. Got 150 classes instead\."),
        (IRIS.data, np.zeros(150), "Got 1 classes"),
        (IRIS.data, ["a"] * 75 + [None] * 75, "labels that can be sorted"),
        (np.where(IRIS.data > 7, np.nan, IRIS.data), KINDS, "X contains NaN"),
        (FRAME, KINDS, "could not convert string to float"),
        (IRIS.data, IRIS.data, "y should be a 1d array"),
        (FRAME[[NAMES[0], NAMES[0]]], KINDS, "unique column names"),
        (
            pd.DataFrame(IRIS.data[:, :2], columns=[0, "0"]),
            KINDS,
            r"X must have unique column names\. Got \['0'",
        ),
    ],
)
def test_arrays_that_will_not_do(X, y, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ArrayTable(X, y)


# What a file holds


def test_a_file_like_iris(table):
    known = table(FRAME.to_csv(index=False))
    assert known.name == "data.csv"
    assert known.targets == ["kind"]
    assert known.features("kind") == NAMES
    X, y = known.read("kind", NAMES)
    assert_array_equal(X, IRIS.data)
    assert y.tolist() == KINDS.tolist()


def test_semicolons_with_decimal_commas_and_missing_cells(table):
    known = table(lines("größe;b;c", "1,5;2;ja", ";3;ja", "2,5;4,25;nein", "7;NA;nein"))
    assert known.targets[-1] == "c"
    assert known.features("c") == ["größe", "b"]
    X, y = known.read("c", ["b", "größe"])
    assert np.asarray(X).tolist() == [[2, 1.5], [4.25, 2.5]] * 4
    assert y.tolist() == ["ja", "nein"] * 4


def test_marks_beside_numbers_are_missing(table):
    rows = [f"{index}.5,{index % 7},{'ab'[index % 2]}" for index in range(40)]
    known = table("\n".join(["first,second,kind", "-,3,a", *rows]))
    assert known.features("kind") == ["first", "second"]
    X, y = known.read("kind", ["first", "second"])
    assert np.asarray(X).tolist() == [[index + 0.5, index % 7] for index in range(40)]
    assert y.tolist() == ["a", "b"] * 20
    # Without that column, the row is there
    assert len(known.read("kind", ["second"])[0]) == 41


def test_whole_numbers_are_labels_as_they_are(table):
    known = table(lines("a,b,n", "1,2.5,10", "2,3.5,9", "3,1.5,-1", "1,1.5,9"), target="n")
    _, y = known.read("n", ["a", "b"])
    assert y.tolist() == [10, 9, -1, 9] * 4
    assert y.dtype == np.int64
    known = table(lines("a,b,n", "1,2.5,01", "2,3.5,1"))
    assert known.read("n", ["a", "b"])[1].tolist() == ["01", "1"] * 4


def test_columns_of_classes_may_be_learned_and_the_last_is_learned_unless_another_is_named(table):
    content = lines("colour,size,weight,kind", "red,1.5,3.5,x", "blue,2,4,y", "red,3,7.5,y", n_times=5)
    assert table(content).targets == ["colour", "size", "weight", "kind"]
    assert table(content, target="colour").targets == ["size", "weight", "kind", "colour"]
    assert table(content).features("colour") == ["size", "weight"]
    known = table(content)
    assert_array_equal(np.unique(own(known).y_train), ["x", "y"])
    assert_array_equal(np.unique(own(known, target="colour").y_train), ["blue", "red"])


def test_columns_of_one_name(table):
    known = table(lines("a,a,b,kind,same,same", "1,2.5,3,x,u,u", "2,3,4.5,y,v,v"))
    assert not {"a", "same"} & set(known.targets)
    X, _ = known.read("kind", ["a", "a.1"])
    assert np.asarray(X)[:2].tolist() == [[1, 2.5], [2, 3]]
    assert_array_equal(run(known.code("kind", ["a.1", "b"]))["X"][:2], [[2.5, 3], [3, 4.5]])
    with pytest.raises(ValueError, match=r"data\.csv has several columns named 'same'"):
        table(lines("a,b,same,same", "1,2,x,x", "2,3,y,y"), target="same")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("a,b\n", "no rows"),
        (
            "\n".join(["a,b", *(f"{index},{index * 1.5}" for index in range(30))]),
            r"must have a column of 2 to 10 classes with at least 4 samples each\. Its columns are a, b\.",
        ),
        (lines("a,kind", "1,x", "2,y", n_times=3), "must have a column of 2 to 10 classes"),
        (lines(",".join(f"c{index}" for index in range(201)), ",".join(["1"] * 201)), "at most 200 columns"),
    ],
)
def test_files_that_will_not_do(table, content, message):
    with pytest.raises(ValueError, match=rf"data\.csv .*{message}"):
        table(content)
    with pytest.raises(ValueError, match=rf"^mine\.csv .*{message}"):
        CsvTable.from_bytes("mine.csv", content.encode())


def test_a_target_that_is_not_there(table):
    with pytest.raises(ValueError, match=r"data\.csv has no column 'sort'\. Its columns are sepal length"):
        table(FRAME.to_csv(index=False), target="sort")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"target": "sort"}, r"target must be one of kind\. Got 'sort' instead\."),
        ({"features": ["sepal length", "kind"]}, r"features must be two of sepal length, .*Got sepal length, kind"),
        ({"features": ["a", "b"]}, r"Got a, b instead\."),
    ],
)
def test_columns_that_are_not_there(table, values, message):
    with pytest.raises(ValueError, match=message):
        own(table(FRAME.to_csv(index=False)), **values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            lines("a,b,c", "1,,x", "2,,y", "3,1,x"),
            r"without missing values\. Got 1 classes, the smallest with 4 samples\.",
        ),
        (lines("a,c", "1,x", "2,y"), r"data\.csv must have at least two numeric columns besides the target\. Got a\."),
        (lines("a,b,c", "1,u,x", "2,v,y"), r"must have at least two numeric columns besides the target\. Got a\."),
        (
            lines("a,b,c", "1e999,2,x", "2,3,y"),
            r"data\.csv (must contain numbers that fit a float64|contains values that pandas cannot read)",
        ),
    ],
)
def test_rows_that_cannot_be_learned_from(table, content, message):
    with pytest.raises(ValueError, match=message):
        own(table(content))


# What a page sends


def test_a_file_that_a_page_sends():
    content = FRAME.to_csv(index=False).encode()
    for name, expected in (
        ("iris.csv", "iris.csv"),
        ("/etc/../iris.csv", "iris.csv"),
        ("C:\\data\\iris.csv", "iris.csv"),
        ("x" * 300 + ".csv", "x" * 100),
    ):
        known = CsvTable.from_bytes(name, content)
        assert known.name == expected
        assert_array_equal(known.read("kind", NAMES)[0], IRIS.data)
        assert f"pd.read_csv(\n    {expected!r},\n" in known.code("kind", NAMES).body


def test_the_file_that_a_page_sent_goes_when_the_table_goes(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    known = CsvTable.from_bytes("iris.csv", FRAME.to_csv(index=False).encode())
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    del known
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="is empty"):
        CsvTable.from_bytes("iris.csv", b"")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "compressed"),
    [
        ("data.csv.gz", gzip.compress(b"0" * 10**7)),
        ("data.zip", None),
        ("data.csv", gzip.compress(lines("a,b,kind", "1,2,x", "2,3,y").encode(), mtime=0)),
    ],
    ids=["large", "zip", "small"],
)
def test_what_a_page_sends_is_never_decompressed(tmp_path, name, compressed):
    if compressed is None:
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("data.csv", "a,b,kind\n" + "1,2,x\n2,3,y\n" * 1000)
        compressed = (tmp_path / name).read_bytes()
    with pytest.raises(ValueError, match=f"^{name} "):
        CsvTable.from_bytes(name, compressed)


def test_a_file_that_is_too_large():
    with pytest.raises(ValueError, match=r"^data\.csv must be at most 4 MB\. Got 4\.1 MB\.$"):
        CsvTable.from_bytes("data.csv", bytes(MAX_FILE_BYTES + 10**5))


@pytest.mark.parametrize("begin", ["", "\n", " \r\n \n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_file_of_too_many_columns_is_not_read(begin, delimiter):
    content = begin + delimiter.join(["a"] * 500_000) + "\n"
    with pytest.raises(ValueError, match=r"^data\.csv must have at most 200 columns\. Its first line has more\."):
        CsvTable.from_bytes("data.csv", content.encode())


def test_lines_may_end_as_they_did_on_the_first_macintosh():
    known = CsvTable.from_bytes(
        "old.csv", lines("a,b,kind", "1,2,x", "2,3,y", n_times=300).replace("\n", "\r").encode()
    )
    assert known.features("kind") == ["a", "b"]


def test_what_is_wrong_with_a_file_names_it_as_the_user_does():
    with pytest.raises(
        ValueError, match=r"^mine\.csv must have at least two numeric columns besides the target\. Got a\."
    ):
        CsvTable.from_bytes("mine.csv", lines("a,kind", "1.5,x", "2,y").encode())
    known = CsvTable.from_bytes("mine.csv", lines("a,b,kind", "1e999,2,x", "2,3,y").encode())
    with pytest.raises(
        ValueError,
        match=r"^mine\.csv (must contain numbers that fit a float64|contains values that pandas cannot read)",
    ):
        own(known)


# The plane


@pytest.mark.parametrize("of_file", [True, False])
def test_two_columns_are_standardised_by_the_samples_to_train_on(table, of_file):
    known = table(FRAME.to_csv(index=False)) if of_file else ArrayTable(FRAME[NAMES], KINDS)
    made = own(known, features=["petal width", "sepal length"], random_state=3)
    X = FRAME[["petal width", "sepal length"]].to_numpy()
    X_train, X_test, y_train, y_test = train_test_split(X, KINDS, test_size=0.25, stratify=KINDS, random_state=3)
    mean, std = X_train.mean(axis=0), X_train.std(axis=0)
    assert_allclose(made.X_train, (X_train - mean) / std, rtol=1e-12)
    assert_allclose(made.X_test, (X_test - mean) / std, rtol=1e-12)
    assert made.y_train.tolist() == y_train.tolist()
    assert made.y_test.tolist() == y_test.tolist()
    assert [axis.name for axis in made.axes] == ["petal width", "sepal length"]
    # What a reader of the axes sees are the columns' own numbers
    assert_allclose([axis.scale for axis in made.axes], std)
    assert_allclose([axis.offset for axis in made.axes], mean)
    assert_within_axes(made)


@pytest.mark.parametrize("of_file", [True, False])
def test_all_columns_are_seen_on_their_principal_plane(table, of_file):
    known = table(FRAME.to_csv(index=False)) if of_file else ArrayTable(IRIS.data, KINDS)
    made = own(known, random_state=1)
    X_train, X_test, y_train, _ = train_test_split(IRIS.data, KINDS, test_size=0.25, stratify=KINDS, random_state=1)
    scaler = StandardScaler().fit(X_train)
    components = PCA(2, svd_solver="full").fit(scaler.transform(X_train))
    assert_allclose(made.X_train, components.transform(scaler.transform(X_train)), atol=1e-12)
    assert_allclose(made.X_test, components.transform(scaler.transform(X_test)), atol=1e-12)
    assert made.y_train.tolist() == y_train.tolist()
    shares = components.explained_variance_ratio_
    assert [axis.name for axis in made.axes] == [
        f"principal component {index + 1} ({shares[index]:.0%} of the variance)" for index in range(2)
    ]
    taken = pd.DataFrame(X_test, columns=NAMES) if of_file else X_test  # as a file's rows come
    assert_array_equal(made.preprocessor.transform(taken), made.X_test)
    assert_within_axes(made)


def assert_within_axes(made):
    X = np.concatenate([made.X_train, made.X_test])
    for axis, values in zip(made.axes, X.T, strict=True):
        assert axis.limits[0] < values.min() < values.max() < axis.limits[1]


def test_a_class_that_is_only_in_rows_with_gaps_is_left_out(table):
    assert own(table(lines("a,b,c", "1,2.5,x", "2,3,y", "3,,z"))).classes.tolist() == ["x", "y"]


def test_of_a_long_table_some_rows_are_taken():
    X = np.random.default_rng(0).normal(size=(5000, 2))
    made = own(ArrayTable(X, X[:, 0] > 1))
    assert (len(made.X_train), len(made.X_test)) == (3000, 1000)
    assert made.y_train.mean() == pytest.approx((X[:, 0] > 1).mean(), abs=1e-3)


# The code


@pytest.mark.parametrize("features", [None, ["b", "a"]])
@pytest.mark.parametrize("as_upload", [True, False])
def test_the_code_makes_the_same_samples(table, tmp_path, monkeypatch, features, as_upload):
    rng = np.random.default_rng(0)
    rows = [
        f"{a:.3f};{b:.12g};{c:.1f};{'ja' if a > 0 else 'nein'};{index % 3}".replace(".", ",")
        for index, (a, b, c) in enumerate(rng.normal(size=(120, 3)))
    ]
    rows[3] = "-" + rows[3][rows[3].index(";") :]
    rows[5] = rows[5][: rows[5].index(";") + 1] + ";1,5;ja;0"
    content = "\n".join(["a;b;c;answer;n", *rows])
    known = CsvTable.from_bytes("data.csv", content.encode()) if as_upload else table(content)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text(content)
    for target in ("answer", "n"):
        label = known.read(target, ["a", "b"])[1][0]
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
        made = load_dataset(chosen.dataset, known)
        data = apply_edits(made, chosen)
        names = run(made.code)
        exec(edits_code(made, chosen), names)
        assert names["X_train"].tobytes() == data.X.tobytes()
        assert names["X_test"].tobytes() == made.X_test.tobytes()
        assert names["y_train"].tolist() == data.y.tolist()
        assert names["y_test"].tolist() == made.y_test.tolist()
        assert isinstance(label, str if target == "answer" else np.int64)
        assert names["y_train"].dtype == data.y.dtype
        assert_array_equal(names["preprocessor"].transform(names["X"]), made.preprocessor.transform(names["X"]))


def test_names_with_quotes_are_text_in_the_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "'); import os; os.remove('data.csv'); ('"
    content = pd.DataFrame({name: [1.5, 2, 3, 4] * 3, 'b"\n': [1, 2.5, 4, 3] * 3, "k'": ["x'", 'y"'] * 6})
    content.to_csv("data.csv", index=False)
    known = CsvTable.from_bytes("data.csv", (tmp_path / "data.csv").read_bytes())
    names = run(own(known).code)
    assert names["X"].to_numpy().tolist() == content.iloc[:, :2].to_numpy().tolist()
    assert names["y"].tolist() == content["k'"].tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]
