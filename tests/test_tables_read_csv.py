"""CSV files in common dialects are read correctly; others raise an error that explains why."""

import bz2
import csv
import gzip
import lzma
import os
import tarfile
import threading
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moonnet.tables._read_csv import read_table
from moonnet.tables._text_columns import infer_columns
from moonnet.tables._text_pipeline import make_number_encoder


@pytest.fixture
def read(tmp_path):
    def read(content, name="data.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return read_table(path)

    return read


def rows(table):
    return table.text.astype(object).where(table.text.notna(), None).to_numpy().tolist()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_inferred(read, delimiter):
    lines = ["name,size;of|it", "a 1", '"x,y;z|\tw" 2']
    table = read("\n".join(line.replace(" ", delimiter) for line in ["first second", *lines[1:]]))
    assert table.options["sep"] == delimiter
    assert list(table.text) == ["first", "second"]
    assert rows(table) == [["a", "1"], ["x,y;z|\tw", "2"]]


def test_decimal_comma_is_not_a_delimiter(read):
    table = read("a;b;c\n1,5;2,25;x\n-3,0;4,5e3;y\n")
    assert table.options["sep"] == ";"
    assert table.read({"a": "float64", "b": "float64"}).to_numpy().tolist() == [[1.5, 2.25], [-3, 4500]]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('a,b\n"1,234",2\n"2,345,678.5",3\n', [1234, 2345678.5]),
        ('a,b\n"1,2",2\n"23,45",3\n', [1.2, 23.45]),  # quoted, but without thousands
        ("a;b\n1.234,5;2\n2,5;3\n", [1234.5, 2.5]),
        ("a\tb\n1,234\t2.5\n2\t3.5\n", [1234, 2]),
        ("a;b\n1,234;2\n2,5;3\n", [1.234, 2.5]),
    ],
)
def test_thousands_separators_are_distinguished_from_decimal_signs(read, content, expected):
    table = read(content)
    assert table.is_number(table.text["a"]).all()
    assert table.read({"a": "float64"})["a"].tolist() == expected


@pytest.mark.parametrize("cell", ["1", "-1.5", "+.5", "2.", "1e-3", " 7 "])
def test_number_formats_are_recognized(read, cell):
    table = read(f'a,b\n"{cell}",x\n')
    assert table.is_number(table.text["a"]).all()
    assert table.read({"a": "float64"})["a"].tolist() == [float(cell)]


@pytest.mark.parametrize("cell", ["0x10", "1_000", "inf", "-", "1 2", "1.2.3", ".", "\u0661\u0662", "12:30", "1" * 65])
def test_cells_that_resemble_numbers_are_text(read, cell):
    table = read(f'a,b\n"{cell}",1.5\n"x",2.5\n')
    assert not table.is_number(table.text["a"]).any()


def test_encodings_other_than_utf_8_are_reported(read):
    content = "größe,y\n1,weiß\n"
    for encoding in ("utf-8", "utf-8-sig"):
        table = read(content, encoding=encoding)
        assert list(table.text) == ["größe", "y"]
        assert table.notes == []
    table = read(content, encoding="latin-1")
    assert rows(table) == [["1", "weiß"]]
    assert list(table.text) == ["größe", "y"]
    assert table.notes[0].endswith("data.csv is not encoded in UTF-8; reading it as cp1252")
    table = read("Preis €,y\n1,Müller€s\n", encoding="cp1252")
    assert list(table.text) == ["Preis €", "y"]
    assert rows(table) == [["1", "Müller€s"]]
    table = read("gr\x81\xf6\xdfe,y\n1,2\n", encoding="latin-1")  # contains a byte that is undefined in Windows-1252
    assert list(table.text) == ["gr\x81\xf6\xdfe", "y"]
    assert table.notes[0].endswith("reading it as Latin-1")


def test_unicode_text_saved_by_excel_is_read(read):
    table = read("größe\ty\n1\tweiß\n", encoding="utf-16")
    assert rows(table) == [["1", "weiß"]]
    assert table.notes[0].endswith("reading it as utf-16")


@pytest.mark.parametrize(("suffix", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_compressed_files_are_read(read, suffix, compress):
    assert rows(read(compress(b"a;b\n1;x\n"), f"data.csv.{suffix}")) == [["1", "x"]]
    with pytest.raises(ValueError, match="is not a CSV file that pandas can read"):
        read(b"a;b\n1;x\n", f"plain.csv.{suffix}")


def test_file_in_tar_archive_is_read(tmp_path):
    (tmp_path / "data.csv").write_text("a;b\n1;x\n")
    with tarfile.open(tmp_path / "data.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "data.csv", "data.csv")
    assert rows(read_table(tmp_path / "data.tar.gz")) == [["1", "x"]]
    for content in (b"", b"a;b\n1;x\n", (tmp_path / "data.tar.gz").read_bytes()[:100]):
        (tmp_path / "broken.tar").write_bytes(content)
        with pytest.raises(ValueError, match="is not a CSV file that pandas can read"):
            read_table(tmp_path / "broken.tar")


def test_file_in_zip_archive_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("data.csv", "a;b\n1;x\n")
    assert rows(read_table(tmp_path / "data.zip")) == [["1", "x"]]


def test_quoted_line_breaks_and_delimiters_stay_within_their_cell(read):
    table = read('a,"b\nc"\n1,"two\nlines, and a ""quote"""\n\n2,x\n')
    assert list(table.text) == ["a", "b\nc"]
    assert rows(table) == [["1", 'two\nlines, and a "quote"'], ["2", "x"]]


def test_missing_cells_are_nan_and_other_cells_are_unchanged(read):
    table = read("a,b\nNA,x\n,n/a\n01,y\n12345678901234567890,z\n")
    # Text such as NA may be the code of Namibia; columns of numbers treat it as missing (test_command_columns.py)
    assert rows(table) == [["NA", "x"], [None, "n/a"], ["01", "y"], ["12345678901234567890", "z"]]
    assert table.raw_cells()["a"].tolist() == ["NA", "", "01", "12345678901234567890"]


def test_missing_markers_apply_to_their_column_only(read):
    table = read("a,b\n-,-\n1,\n")
    frame = table.read({"a": "float64", "b": "str"}, {"a": ["-"]})
    assert frame["a"].isna().tolist() == [True, False]
    assert frame["b"].isna().tolist() == [False, True]


def test_duplicate_names_are_changed_and_reported(read):
    table = read("a,b,a\n1,2,3\n")
    assert list(table.text) == ["a", "b", "a.1"]
    assert table.duplicates == {"a"}
    assert table.notes[0].endswith("has 2 columns named 'a'; they are renamed to a, a.1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("a,b\n", "contains column names but no rows"),
        ("a,b\n1,2,3\n4,5,6\n", "has 2 column names, but more cells in each row"),
        ("sep=;\na\n1;2\n4;5\n", "has 1 column name, but more cells in each row"),
        ("a,b\n1,2\n4,5,6\n", "can read: .*Expected 2 fields in line 3, saw 3"),
        ('a,b\n1,"2\n', "can read: .*EOF inside string"),
        (bytes(range(256)) * 4, "can read: it contains bytes that are not text"),
    ],
)
def test_files_that_are_not_csv_raise(read, content, message):
    with pytest.raises(ValueError, match=rf"data\.csv .*{message}"):
        read(content)


def test_missing_and_truncated_files_raise(read, tmp_path):
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(ValueError, match="can read: Compressed file ended"):
        read(gzip.compress(b"a,b\n1,2\n" * 1000)[:-12], "data.csv.gz")


def test_file_is_read_once(read, monkeypatch):
    table = read("a,b\n1,x\n2,y\n")
    table.path.write_text("b,a\nz,3\n")
    assert table.read({"a": "float64", "b": "str"})["a"].tolist() == [1, 2]
    assert table.raw_cells()["b"].tolist() == ["x", "y"]
    table.path.unlink()
    assert table.read({"a": "float64"})["a"].tolist() == [1, 2]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("a;b\n1,5;x\n",))
    writer.start()
    table = read_table(tmp_path / "pipe")
    writer.join()
    assert table.read({"a": "float64"})["a"].tolist() == [1.5]


LONG = "long " * 40_000  # csv.reader refuses more than 131,072 characters


@pytest.mark.parametrize("delimiter", [";"])
def test_long_lines_and_cells_are_read(read, delimiter):
    wide = read("\n".join(delimiter.join([f"{name}{index}" for index in range(16_000)]) for name in ("gene ", "")))
    assert wide.text.shape == (1, 16_000)
    assert wide.options["sep"] == delimiter
    table = read(f"a{delimiter}b\n{LONG}{delimiter}1\nshort{delimiter}2\n")
    assert table.text.shape == (2, 2)
    assert table.text["a"].str.len().tolist() == [len(LONG) - 1, 5]
    assert table.read({"b": "float64"})["b"].tolist() == [1, 2]


def test_long_name_of_column_raises(read):
    with pytest.raises(ValueError, match=r"data\.csv must start with a line of column names: field larger than"):
        read(f"a,{LONG}\n1,2\n")


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiter_line_of_excel_is_read(read, first, encoding):
    table = read(f"{first}\r\nä,b;c\r\n1,5;2\r\n", encoding=encoding)
    assert table.text.to_dict("list") == {"ä,b": ["1,5"], "c": ["2"]}
    assert table.read({"c": "float64"})["c"].tolist() == [2]


def test_spaces_around_names_and_cells_are_removed(read):
    table = read('a , b,b \n1 , x,y \n 2,"  ",- \n')
    assert list(table.text) == ["a", "b", "b.1"]
    assert table.duplicates == {"b"}
    assert rows(table) == [["1", "x", "y"], ["2", None, "-"]]
    frame = table.read({"a": "float64", "b": "str", "b.1": "str"}, {"b.1": ["-"]})
    assert frame["a"].tolist() == [1, 2]
    assert frame["b"].fillna("").tolist() == ["x", ""]
    assert frame["b.1"].fillna("").tolist() == ["y", ""]
    assert table.raw_cells()["b.1"].tolist() == ["y ", "- "]  # predictions are added to unchanged cells


@pytest.mark.parametrize(
    ("content", "first", "is_ambiguous"),
    [
        ("a;b\n1.584;2\n850;3\n", 1.584, True),  # too few to tell
        ("a;b\n1.584;2\n5.25;3\n", 1.584, False),
        ("a;b\n1.584;2,5\n850;3\n", 1584, False),
        ("a;b\n1.584;2.5\n850;3\n", 1.584, True),
        ("a;b\n1.584;2.5\n5850;3\n", 1.584, False),
        ("a;b\n1.584.000;2\n850;3\n", 1584000, False),
        ("a;b\n0.584;2\n1.584;3\n", 0.584, False),
        ("a,b\n1.584,2\n5.123,3\n", 1.584, False),
        ("a;b\n850;1\n" + "".join(f"{n}.{n}0;{n}\n" for n in range(11, 30)), 850, True),
    ],
)
def test_point_before_three_digits_is_a_separator_if_the_file_shows_it(read, content, first, is_ambiguous):
    table = read(content)
    numbers = make_number_encoder(table.number_format("a")).fit_transform(table.text[["a"]])[:, 0]
    assert numbers[0] == first
    assert (numbers[1] == 11110) == (first == 850)
    assert any(note.startswith("column 'a' is ambiguous: ") for note in table.notes) == is_ambiguous


def test_columns_may_differ_in_their_decimal_sign(read):
    table = read("lat;price\n52.51234;1.200,5\n48.1371;900,25\n")
    assert [table.number_format(name).decimal for name in table.text] == [".", ","]
    assert table.is_number(table.text["lat"]).all()
    assert not table.pandas_reads_numbers("lat")  # it would take the point for a separator


HOSTILE_CELLS = [
    "\t" * 200_000,
    " " * 200_000,
    "1" * 200_000,
    "1," * 100_000,
    "-" * 200_000,
    "a" + "-" * 200_000,
    "$ " * 100_000,
]


@pytest.mark.parametrize("cell", HOSTILE_CELLS, ids=[cell[:2] for cell in HOSTILE_CELLS])
def test_long_cells_are_text(read, cell):
    # Patterns that take quadratic time would take minutes
    rows = [f'"{cell}x{index}";{index}.5;{index % 2}' for index in range(20)]
    table = read("\n".join(["a;b;y", *rows]))
    _, columns = infer_columns(table, "y", None, None, month_first=False)
    assert [(column.kind, column.content) for column in columns] == [
        ("", "text, different in each row"),
        ("number", "number"),
    ]


TEXTS = st.text(st.characters(codec="latin-1", exclude_categories=["Cc", "Cs"]), min_size=1).map(lambda s: f"t{s}t")
COLUMNS = st.lists(st.sampled_from(["number", "text", "whole"]), min_size=2, max_size=4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kinds=COLUMNS, n_rows=st.integers(1, 6))
def test_files_written_by_pandas_are_read_correctly(data, kinds, n_rows, tmp_path):
    values = {
        # With a fraction, because integers do not show the decimal sign
        "number": st.floats(-1e9, 1e9, allow_nan=False).map(lambda value: value + 0.015625),
        "text": TEXTS,
        "whole": st.integers(-(2**53), 2**53).map(float),
    }
    frame = pd.DataFrame(
        {
            f"{kind} {index}": data.draw(st.lists(values[kind], min_size=n_rows, max_size=n_rows))
            for index, kind in enumerate(kinds)
        }
    )
    frame.iloc[data.draw(st.integers(0, n_rows - 1)), data.draw(st.integers(0, len(kinds) - 1))] = np.nan
    delimiter = data.draw(st.sampled_from(",;\t|"))
    decimal = data.draw(st.sampled_from([".", ","]) if delimiter == ";" else st.just("."))
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "latin-1"]))
    path = tmp_path / f"data.csv{data.draw(st.sampled_from(['', '.gz', '.bz2', '.xz', '.zip']))}"
    frame.to_csv(path, index=False, sep=delimiter, decimal=decimal, encoding=encoding, quoting=csv.QUOTE_MINIMAL)
    table = read_table(path)
    assert list(table.text) == list(frame)
    types = {name: "str" if name.startswith("text") else "float64" for name in frame}
    for name, column in table.read(types).items():
        if types[name] == "str":
            assert (
                column.astype(object).where(column.notna(), None).tolist()
                == frame[name].astype(object).where(frame[name].notna(), None).tolist()
            )
        else:
            np.testing.assert_allclose(column, frame[name].astype(float), rtol=1e-14)  # pandas 2 rounds
