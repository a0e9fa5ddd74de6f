"""What a column is taken for, and what is said of it."""

import numpy as np
import pandas as pd
import pytest

from moonnet.command._columns import describe, report
from moonnet.command._read_csv import read_table

N = 60


@pytest.fixture
def table_of(tmp_path):
    def table_of(**columns):
        path = tmp_path / "data.csv"
        pd.DataFrame({"y": ["a", "b"] * (N // 2)} | columns).to_csv(path, index=False)
        return read_table(path)

    return table_of


@pytest.fixture
def kind_of(table_of):
    def kind_of(cells, name="x", month_first=False, features=None):
        table = table_of(other=np.arange(N) % 7 / 2, **{name: cells})
        _, columns = describe(table, "y", features, None, month_first=month_first)
        return next(column for column in columns if column.name == name)

    return kind_of


def dates(form, start="2023-12-25"):
    return pd.date_range(start, periods=N).strftime(form)


RANDOM = np.random.default_rng(0)
FRACTIONS = RANDOM.normal(size=N).round(3)


@pytest.mark.parametrize(
    ("cells", "kind", "what"),
    [
        (FRACTIONS, "number", "number"),
        (np.arange(N) ** 2 + 1000, "number", "number"),  # all different, and measured
        (np.arange(N) % 3, "number", "number"),
        (["red", "blue"] * (N // 2), "category", "category, 2 values"),
        ([True, False] * (N // 2), "category", "category, 2 values"),
        (["01067", "99999", "12345"] * (N // 3), "category", "category, 3 values"),
        (["red", None] * (N // 2), "category", f"category, 1 value, {N // 2} missing"),
        ([str(10**17 + i % 2) for i in range(N)], "category", "category, 2 values"),  # floats would take them for one
        (dates("%Y-%m-%d"), "date", "date, year-month-day"),
        ([None, *dates("%Y-%m-%dT%H:%M:%S.5Z")[1:]], "date", "date, year-month-day, 1 missing"),
        (dates("%d.%m.%Y"), "date", "date, day.month.year"),
        (dates("%d/%m/%y"), "date", "date, day/month/year"),
        (dates("%m/%d/%Y"), "date", "date, month/day/year"),
        (dates("%m/%d/%Y %I:%M %p"), "date", "date, month/day/year hour:minute AM/PM"),
        (dates("%d %b %Y"), "date", "date, day month year"),
        (dates("%B %d, %Y"), "date", "date, month day, year"),
        (["01.02.2003", "03.04.2003"] * (N // 2), "date", "date, day.month.year"),
        (["2003/02/01", "2003/04/03"] * (N // 2), "date", "date, year/month/day"),
        (["12:30", "1:15"] * (N // 2), "category", "category, 2 values"),
        (["2003-02-01", "yesterday"] * (N // 2), "category", "category, 2 values"),
        (["2003-02-30", "2003-02-01"] * (N // 2), "category", "category, 2 values"),
        ([None] * N, "", "empty"),
        ([5] * N, "", "always '5'"),
        (range(N), "", "row number"),
        (range(N, 0, -1), "", "row number"),
        ([f"k{i}" for i in range(N)], "", "key, each row its own"),
        ([str(10**17 + 3 * i) for i in range(N)], "", "key, each row its own"),
        ([f"text {i // 1.5}" for i in range(N)], "", "text, 40 values in 60 rows"),
    ],
)
def test_kinds(kind_of, cells, kind, what):
    column = kind_of(cells)
    assert (column.kind, column.what) == (kind, what)
    assert (column.how == "left out") == (kind == "")


@pytest.mark.parametrize("name", ["id", "ID", "PassengerId", "customer_id", "Order No.", "key"])
def test_whole_numbers_that_are_all_different_are_a_key_if_the_name_says_so(kind_of, name):
    assert kind_of(np.arange(N) * 3, name).what == "key, each row its own"
    assert kind_of(np.arange(N) % 20, name).kind == "number"


@pytest.mark.parametrize("name", ["paid", "income", "Grid", "valid", "nose"])
def test_and_a_measurement_otherwise(kind_of, name):
    assert kind_of(np.arange(N) * 3, name).kind == "number"


def test_an_index_without_a_name_is_left_out(tmp_path):
    pd.DataFrame({"a": FRACTIONS, "y": ["a", "b"] * (N // 2)}).to_csv(tmp_path / "data.csv")
    _, columns = describe(read_table(tmp_path / "data.csv"), "y", None, None, month_first=False)
    assert [(column.name, column.kind) for column in columns] == [("Unnamed: 0", ""), ("a", "number")]


@pytest.mark.parametrize(("form", "month_first", "expected"), [("/", False, "%d/%m/%Y"), ("-", True, "%m-%d-%Y")])
def test_where_day_and_month_are_open_the_guess_is_said(kind_of, form, month_first, expected):
    column = kind_of(
        [form.join(day) for day in [("01", "02", "2003"), ("03", "04", "2003")]] * (N // 2), "d", month_first
    )
    assert column.date_format == expected
    assert "--month-first" in column.what


def test_month_first_does_not_count_where_the_cells_decide(kind_of):
    column = kind_of(dates("%d/%m/%Y"), month_first=True)
    assert column.date_format == "%d/%m/%Y"
    assert "--month-first" not in column.what


def test_a_few_marks_between_numbers_are_missing_values(kind_of):
    column = kind_of(["-", "inf", *FRACTIONS[2:].astype(str)])
    assert column.kind == "number"
    assert column.marks == ["-", "inf"]
    assert column.what == "number, 2 taken as missing ('-', 'inf')"
    assert kind_of(["-", "1.5", "2.5"] * (N // 3)).kind == "category"


@pytest.mark.parametrize("cell", ["${}", "€ {}", "{} %", "{}.5 kg", "EUR {}"])
def test_numbers_with_signs_beside_them_are_left_out_and_told(kind_of, cell):
    column = kind_of([cell.format(number) for number in range(100, 100 + N)])
    assert column.kind == ""
    assert column.what == f"numbers with signs beside them, such as {cell.format(100)!r}"


def test_columns_that_are_named_are_not_left_out(kind_of):
    assert kind_of(range(N), features=["x"]).kind == "number"
    assert kind_of([f"k{i}" for i in range(N)], features=["x"]).kind == "category"


TARGETS = [
    (["a", "b"], False, "str", "classes, 2 different"),
    ([1, 2, 10], False, "int64", "classes, 3 different"),
    (["01", "1"], False, "str", "classes, 2 different"),
    (["100000000000000001", "100000000000000002"], False, "int64", "classes, 2 different"),
    (["1" * 20, "2" * 20], False, "str", "classes, 2 different"),
    ([f"{i}.0" for i in range(20)], False, "str", "classes, 20 different"),
    (range(20), False, "int64", "classes, 20 different"),
    (range(21), True, "float64", "numbers, 21 different"),
    ([0.5, 1.5], True, "float64", "numbers, 2 different"),
    ([1, 2, None], False, "int64", "classes, 2 different; 20 rows without it left out"),
    (["-", *np.arange(29) / 2], True, "float64", "numbers, 29 different; 2 rows without it left out"),
    (["-", *range(15)], False, "str", "classes, 16 different"),
]


@pytest.mark.parametrize(("cells", "is_regression", "dtype", "what"), TARGETS)
def test_a_target_says_whether_it_is_a_regression(table_of, cells, is_regression, dtype, what):
    repeated = [cells[i % len(cells)] for i in range(N)]
    table = table_of(x=FRACTIONS, t=pd.Series(repeated, dtype=object))
    target, _ = describe(table, "t", None, None, month_first=False)
    assert (target.is_regression, target.dtype, target.what) == (is_regression, dtype, f"target: {what}")


def test_the_task_may_be_given(table_of):
    table = table_of(x=FRACTIONS, t=np.arange(N) % 3)
    for task, expected in [("regression", True), ("classification", False)]:
        assert describe(table, "t", None, task, month_first=False)[0].is_regression == expected
    with pytest.raises(ValueError, match=r"column 'y' of .* must hold numbers for a regression. Got 'a' in it"):
        describe(table, "y", None, "regression", month_first=False)


@pytest.mark.parametrize(
    ("target", "features", "message"),
    [
        ("z", None, "has no column 'z'. It has: y, x, e"),
        ("y", ["w"], "has no column 'w'"),
        ("y", ["x", "y"], "--features must not name the target 'y'"),
        ("y", ["x", "x"], "--features must name each column once. Got x, x"),
        ("e", None, "column 'e' of .* must hold what to predict. All its cells are empty"),
        ("y", ["e"], r"has no column beside 'y' to predict from. Got e \(empty\)"),
    ],
)
def test_what_cannot_be_learned_says_why(table_of, target, features, message):
    with pytest.raises(ValueError, match=message):
        describe(table_of(x=FRACTIONS, e=[None] * N), target, features, None, month_first=False)


def test_a_name_that_is_there_twice_is_no_target(tmp_path):
    (tmp_path / "data.csv").write_text("a,b,a\n1,2,3\n")
    with pytest.raises(ValueError, match=r"has more than one column 'a'. Give each a name of its own"):
        describe(read_table(tmp_path / "data.csv"), "a", None, None, month_first=False)


def test_the_report_has_a_line_for_each_column(table_of):
    target, columns = describe(table_of(x=FRACTIONS, k=range(N)), "y", None, None, month_first=False)
    assert report(target, columns) == [
        "column  what it is                    what becomes of it",
        "x       number                        standardised",
        "k       row number                    left out",
        "y       target: classes, 2 different",
    ]


def test_the_report_on_many_columns_is_short(table_of):
    many = {f"x{i}": FRACTIONS + i for i in range(50)} | {"k": range(N), "kind": ["p", "q", "r"] * (N // 3)}
    lines = report(*describe(table_of(**many), "y", None, None, month_first=False))
    assert len(lines) == 5
    assert "x0, x1, ... x49" in lines[1]
    assert "50 columns: number" in lines[1]
