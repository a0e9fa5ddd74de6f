import pytest

from moonnet._table import read_problem


@pytest.fixture
def write(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "data.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_numeric_columns_are_features_and_the_target_keeps_its_labels(write):
    path = write('width,name,height,kind\n1.5,"a, b",2,cat\n-3e2,c,4,dog\n')
    X, y, names = read_problem(path, "kind", None)
    assert names == ["width", "height"]
    assert X.tolist() == [[1.5, 2], [-300, 4]]
    assert y.tolist() == ["cat", "dog"]


def test_named_columns_keep_their_order_and_whole_numbers_sort_as_numbers(write):
    path = write("a;b;c\r\n1;2;10\r\n3;4;9\r\n\r\n", encoding="utf-8-sig")
    X, y, names = read_problem(path, "c", ["b", "a"])
    assert names == ["b", "a"]
    assert X.tolist() == [[2, 1], [4, 3]]
    assert y.tolist() == [10, 9]


@pytest.mark.parametrize("labels", [["01", "1"], ["11", "1_1"], ["1" * 20, "2"], ["-0", "0"]])
def test_labels_that_are_no_plain_whole_numbers_stay_apart(write, labels):
    _, y, _ = read_problem(write(f"x,y\n1,{labels[0]}\n2,{labels[1]}\n"), "y", None)
    assert y.tolist() == labels


def test_an_index_without_a_name_is_no_feature(write):
    X, _, names = read_problem(write(",x,y\n0,5,a\n1,6,b\n"), "y", None)
    assert names == ["x"]
    assert X.tolist() == [[5], [6]]


@pytest.mark.parametrize(
    ("text", "target", "features", "message"),
    [
        ("", "y", None, "is empty"),
        ("x,y\n", "y", None, "holds column names and no sample"),
        ("x,x\n1,2\n", "x", None, "names a column twice: x, x"),
        ("x,y\n1,2\n3\n", "y", None, r"sample 2: expected 2 cells\. Got 1"),
        ("x,y\n1,2\n", "z", None, r"has no column 'z'\. It has: x, y"),
        ("x,y\n1,2\n", "y", ["w"], r"has no column 'w'\. It has: x, y"),
        ("x,y\n1,2\n", "y", ["x", "y"], "must not name the target 'y'"),
        ("x,y\na,2\n", "y", None, "no column of numbers beside 'y'"),
        ("x,y\n1,a\nb,a\n", "y", ["x"], r"sample 2: column 'x' must hold a finite number\. Got 'b'"),
        ("x,y\n1,a\n,b\n3,a\n", "y", None, r"sample 2: column 'x' must hold a finite number\. Got ''"),
        ("x,y\n1,a\n2,b\nn/a,b\n", "y", None, r"sample 3: column 'x' must hold a finite number\. Got 'n/a'"),
        ("x,y\n1,a\n", "y", ["x", "x"], r"--features must name each column once\. Got x, x"),
        ("x,y\n1,a\ninf,b\n", "y", ["x"], r"Got 'inf'"),
        ("x,y\n1,a\n2,\n", "y", None, r"sample 2: column 'y' must hold a label\. Got an empty cell"),
    ],
)
def test_a_file_that_will_not_do_says_why(write, text, target, features, message):
    with pytest.raises(ValueError, match=message):
        read_problem(write(text), target, features)


def test_a_file_in_another_encoding_says_so(tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes("größe,y\n1,2\n".encode("latin-1"))
    with pytest.raises(ValueError, match="not a CSV file in UTF-8"):
        read_problem(path, "y", None)
