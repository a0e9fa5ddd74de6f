"""The inference of column kinds, and the table of columns that is printed."""

import numpy as np
import pandas as pd
import pytest

from helpers import TABLES
from moonnet.tables._read_csv import read_table
from moonnet.tables._text_columns import format_columns, infer_columns

N = 60


@pytest.fixture
def table_of(tmp_path):
    def table_of(**columns):
        path = tmp_path / "data.csv"
        pd.DataFrame({"y": ["a", "b"] * (N // 2)} | columns).to_csv(path, index=False)
        return read_table(path)

    return table_of


@pytest.fixture
def infer(table_of):
    def infer(cells, name="x", month_first=False, features=None):
        table = table_of(other=np.arange(N) % 7 / 2, **{name: cells})
        _, columns = infer_columns(table, "y", features, None, month_first=month_first)
        return next(column for column in columns if column.name == name)

    return infer


def dates(form, start="2023-12-25"):
    return pd.date_range(start, periods=N).strftime(form)


RANDOM = np.random.default_rng(0)
FRACTIONS = RANDOM.normal(size=N).round(3)


@pytest.mark.parametrize(
    ("cells", "kind", "content"),
    [
        (FRACTIONS, "number", "number"),
        (np.arange(N) ** 2 + 1000, "number", "number"),  # all different, but not an identifier
        (np.arange(N) % 3, "number", "number"),
        (["red", "blue"] * (N // 2), "category", "category, 2 values"),
        ([True, False] * (N // 2), "category", "category, 2 values"),
        (["01067", "99999", "12345"] * (N // 3), "category", "category, 3 values"),
        (["red", "blue", *["green"] * (N - 2)], "category", "category, 3 values, 2 of them rare, in 3.3% of the rows"),
        (["red", None] * (N // 2), "category", f"category, 1 value, {N // 2} missing"),
        ([str(10**17 + i % 2) for i in range(N)], "category", "category, 2 values"),  # identical as floats
        (dates("%Y-%m-%d"), "date", "date, year-month-day"),
        ([None, *dates("%Y-%m-%dT%H:%M:%S.5Z")[1:]], "date", "date, year-month-day, 1 missing"),
        (dates("%d.%m.%Y"), "date", "date, day.month.year"),
        (dates("%d/%m/%y"), "date", "date, day/month/year"),
        (dates("%m/%d/%Y"), "date", "date, month/day/year"),
        (dates("%m/%d/%Y %I:%M %p"), "date", "date, month/day/year hour:minute AM/PM"),
        (dates("%Y-%m-%d %H:%M UTC"), "date", "date, year-month-day hour:minute zone"),
        (dates("%d %b %Y"), "date", "date, day month year"),
        (dates("%B %d, %Y"), "date", "date, month day, year"),
        (["01.02.2003", "03.04.2003"] * (N // 2), "date", "date, day.month.year"),
        (["2003/02/01", "2003/04/03"] * (N // 2), "date", "date, year/month/day"),
        (["12:30", "1:15"] * (N // 2), "date", "time of day, hour:minute"),
        (["12:30:01", "-"] * (N // 2), "date", f"time of day, hour:minute:second, {N // 2} treated as missing ('-')"),
        (["12:30 AM", "1:15 pm"] * (N // 2), "date", "time of day, hour:minute AM/PM"),
        (["75:30", "1:15"] * (N // 2), "category", "category, 2 values"),
        (
            ["9999-12-31", "2003-02-01"] * (N // 2),
            "date",
            f"date, year-month-day, {N // 2} after 2003-02-02 treated as that day",
        ),
        (["2003-02-01"] * (N - 1) + ["2012-02-01"], "date", "date, year-month-day"),
        (
            ["0001-01-01", *dates("%Y-%m-%d", "2003-01-01")[1:]],
            "date",
            "date, year-month-day, 1 before 2002-12-04 treated as that day",
        ),
        (["12.10.1492", "31.12.9999"] * (N // 2), "date", "date, day.month.year"),
        (["None", "NULL"] * (N // 2), "", f"empty, 'None' in {N} rows"),
        (["2003-02-01", "yesterday"] * (N // 2), "category", "category, 2 values"),
        (["2003-02-30", "2003-02-01"] * (N // 2), "category", "category, 2 values"),
        ([None] * N, "", "empty"),
        ([5] * N, "", "constant, '5'"),
        (range(N), "", "row number"),
        (range(N, 0, -1), "", "row number"),
        (range(1900, 1900 + N), "number", "number"),
        ([f"k{i}" for i in range(N)], "", "text, different in each row"),
        ([str(10**17 + 3 * i) for i in range(N)], "", "identifier, unique in each row"),
        ([f"text {i // 1.5}" for i in range(N)], "", "text, 40 distinct values in 60 rows"),
    ],
)
def test_infer_columns_detects_kind(infer, cells, kind, content):
    column = infer(cells)
    assert (column.kind, column.content) == (kind, content)
    assert (column.preprocessing == "dropped") == (kind == "")


@pytest.mark.parametrize("name", ["id", "ID", "PassengerId", "customer_id", "Order No.", "key"])
def test_distinct_integers_named_like_an_identifier_are_dropped(infer, name):
    assert infer(np.arange(N) * 3, name).content == "identifier, unique in each row"
    assert infer(np.arange(N) % 20, name).kind == "number"


@pytest.mark.parametrize("name", ["Year", "day", "time (s)", "age in weeks", "t"])
def test_times_are_not_row_numbers(infer, name):
    assert infer(range(N), name).kind == "number"


@pytest.mark.parametrize("name", ["paid", "income", "Grid", "valid", "nose"])
def test_distinct_integers_with_another_name_are_numbers(infer, name):
    assert infer(np.arange(N) * 3, name).kind == "number"


def test_unnamed_index_column_is_dropped(tmp_path):
    pd.DataFrame({"a": FRACTIONS, "y": ["a", "b"] * (N // 2)}).to_csv(tmp_path / "data.csv")
    _, columns = infer_columns(read_table(tmp_path / "data.csv"), "y", None, None, month_first=False)
    assert [(column.name, column.kind) for column in columns] == [("Unnamed: 0", ""), ("a", "number")]


@pytest.mark.parametrize(("form", "month_first", "expected"), [("/", False, "%d/%m/%Y"), ("-", True, "%m-%d-%Y")])
def test_ambiguous_dates_are_reported(infer, form, month_first, expected):
    column = infer(
        [form.join(day) for day in [("01", "02", "2003"), ("03", "04", "2003")]] * (N // 2), "d", month_first
    )
    assert column.date_format == expected
    assert "--month-first" in column.content


def test_month_first_does_not_affect_unambiguous_dates(infer):
    column = infer(dates("%d/%m/%Y"), month_first=True)
    assert column.date_format == "%d/%m/%Y"
    assert "--month-first" not in column.content


def test_rare_text_cells_among_numbers_are_missing_values(infer):
    column = infer(["-", "inf", *FRACTIONS[2:].astype(str)])
    assert column.kind == "number"
    assert column.missing_markers == ["-", "inf"]
    assert column.content == "number, 2 treated as missing ('-', 'inf')"
    assert infer(["x", "1.5", "2.5"] * (N // 3)).kind == "category"


@pytest.mark.parametrize("marker", ["?", "NA", "n/a", "-", "None", "NULL", "k.A.", "#DIV/0!"])
def test_known_marker_among_numbers_is_a_missing_value_at_any_share(infer, marker):
    column = infer([marker, "1.5", "2.5"] * (N // 3))
    assert (column.kind, column.missing_markers) == ("number", [marker])
    assert column.content == f"number, {N // 3} treated as missing ({marker!r})"
    assert infer([marker, "yes"] * (N // 2)).content == "category, 2 values"
    assert infer([marker, "1"] * (N // 2)).content == "category, 2 values"


@pytest.mark.parametrize(
    ("cell", "unit"),
    [("${}", "$"), ("€ {}", "€"), ("{} %", "%"), ("{}.5 kg", "kg"), ("EUR {}", "EUR"), ("{} m²", "m²")],
)
def test_numbers_with_one_unit_are_numbers(infer, cell, unit):
    column = infer([*(cell.format(number) for number in range(100, 100 + N - 1)), "unbekannt"])
    assert column.kind == "number"
    assert column.content == f"number in {unit}, 1 treated as missing ('unbekannt')"
    assert column.number_format.unit == unit


def test_numbers_without_the_unit_are_counted(infer, table_of):
    cells = [*(f"{number} %" for number in range(100, 100 + N - 2)), "0.5", "0.7"]
    assert infer(cells).content == "number in %, 2 without %"
    target, _ = infer_columns(table_of(x=FRACTIONS, t=pd.Series(cells)), "t", None, None, month_first=False)
    assert target.content == f"target: numbers in %, 2 without %, {N} distinct"


def test_numbers_with_several_units_are_told(infer):
    cells = [f"{number} {unit}" for number in range(100, 100 + N // 2) for unit in ("kg", "lb")]
    assert infer(cells).content == "numbers with different units, such as 'kg' and 'lb'"
    assert infer(["10K", "500"] * (N // 2)).kind == "category"  # not 10


@pytest.mark.parametrize(
    ("thousands", "decimal"), [(".", ","), (",", "."), (" ", ","), ("\u00a0", ","), ("\u202f", ","), ("'", ".")]
)
def test_separators_between_thousands_are_read(infer, thousands, decimal):
    cells = [
        f"{number:,}.5".replace(".", "d").replace(",", thousands).replace("d", decimal)
        for number in range(980, 980 + N)
    ]
    column = infer(cells)
    assert (column.kind, column.content) == ("number", "number")


def test_columns_in_features_are_not_dropped(infer):
    assert infer(range(N), features=["x"]).kind == "number"
    assert infer([f"k{i}" for i in range(N)], features=["x"]).kind == "category"


TARGETS = [
    (["a", "b"], False, "str", "2 classes"),
    ([1, 2, 10], False, "int64", "3 classes"),
    (["01", "1"], False, "str", "2 classes"),
    (["100000000000000001", "100000000000000002"], False, "int64", "2 classes"),
    (["1" * 20, "2" * 20], False, "str", "2 classes"),
    ([f"{i}.0" for i in range(20)], False, "str", "20 classes"),
    (range(20), False, "int64", "20 classes"),
    (range(21), True, "float64", "numbers, 21 distinct"),
    ([0.5, 1.5], True, "float64", "numbers, 2 distinct"),
    ([1, 2, None], False, "int64", "2 classes; 20 rows without target dropped"),
    (
        ["-", *np.arange(29) / 2],
        True,
        "float64",
        "numbers, 29 distinct; 2 rows without target dropped ('-' treated as missing)",
    ),
    (["-", *range(15)], False, "int64", "15 classes; 4 rows without target dropped ('-' treated as missing)"),
    (["x", *range(15)], False, "str", "16 classes"),
    (["None", "yes", "no"], False, "str", "3 classes"),
    (["--1", "1"], False, "str", "2 classes"),
    (["\u0661", "\u0662"], False, "str", "2 classes"),
    (["9" * 5000, "8" * 5000], False, "str", "2 classes"),
]


@pytest.mark.parametrize(("cells", "is_regression", "dtype", "content"), TARGETS)
def test_task_is_inferred_from_target(table_of, cells, is_regression, dtype, content):
    repeated = [cells[i % len(cells)] for i in range(N)]
    table = table_of(x=FRACTIONS, t=pd.Series(repeated, dtype=object))
    target, _ = infer_columns(table, "t", None, None, month_first=False)
    assert (target.is_regression, target.dtype, target.content) == (is_regression, dtype, f"target: {content}")


def test_task_argument_overrides_inferred_task(table_of):
    table = table_of(x=FRACTIONS, t=np.arange(N) % 3)
    for task, expected in [("regression", True), ("classification", False)]:
        assert infer_columns(table, "t", None, task, month_first=False)[0].is_regression == expected
    with pytest.raises(ValueError, match=r"column 'y' of .* must contain only numbers for a regression. Got 'a'"):
        infer_columns(table, "y", None, "regression", month_first=False)


@pytest.mark.parametrize(
    ("target", "features", "message"),
    [
        ("z", None, "has no column 'z'. Its columns are y, x, e"),
        ("y", ["w"], "has no column 'w'"),
        ("y", ["x", "y"], "--features must not contain the target 'y'"),
        ("y", ["x", "x"], "--features must name each column once. Got x, x"),
        ("e", None, "column 'e' of .* must contain the target. All its cells are empty"),
        ("y", ["e"], r"must have a column to predict 'y' from. Got e \(empty\)\.$"),
    ],
)
def test_infer_columns_raises_on_unsuitable_columns(table_of, target, features, message):
    with pytest.raises(ValueError, match=message):
        infer_columns(table_of(x=FRACTIONS, e=[None] * N), target, features, None, month_first=False)


def test_infer_columns_without_information_suggests_features(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("id,y\n" + "".join(f"{i},{i % 2}\n" for i in range(N)))
    with pytest.raises(
        ValueError, match=r"Got id \(row number\)\. To use a column nevertheless, name it with --features"
    ):
        infer_columns(read_table(path), "y", None, None, month_first=False)
    path.write_text("y\n" + "0\n1\n" * N)
    with pytest.raises(ValueError, match=r"must have a column to predict 'y' from\. Got no other column\.$"):
        infer_columns(read_table(path), "y", None, None, month_first=False)


def test_target_with_duplicate_name_raises(tmp_path):
    (tmp_path / "data.csv").write_text("a,b,a\n1,2,3\n")
    with pytest.raises(ValueError, match=r"has several columns named 'a'. Rename them"):
        infer_columns(read_table(tmp_path / "data.csv"), "a", None, None, month_first=False)


COLUMNS_OF_TABLES = {
    "target_none": ("disorder", ["disorder  target: 3 classes"]),
    "date9999_iso": (
        "y",
        [
            ("valid_to  date, year-month-day, 9 after 2024-08-26 treated as that day  days since 1970-01-01, scaled"),
        ],
    ),
    "de_mix2": ("klasse", ["umsatz  number             scaled"]),
    "de_thousands_and_decimals": ("m2_price", ["surface            number                         scaled"]),
    "target_space": ("ok", ["ok      target: 2 classes"]),
    "space_header": ("m2_price", ["surface            number                         scaled"]),
    "many_categories": ("emissions", ["country    category, 60 values            target encoded, scaled"]),
    "mark_q": (
        "survived",
        [
            "age       number, 77 treated as missing ('?')  missing values replaced by the median, scaled",
        ],
    ),
    "year_series": ("Population", ["Year        number                         scaled"]),
    "index_gap": ("Horsepower", ["Unnamed: 0        index, unique in each row     dropped"]),
    "sep_line": ("m2_price", ["m2_price           target: numbers, 196 distinct"]),
}


@pytest.mark.parametrize("name", COLUMNS_OF_TABLES)
def test_columns_of_real_tables(name):
    target, lines = COLUMNS_OF_TABLES[name]
    table = read_table(TABLES / f"{name}.csv")
    printed = format_columns(*infer_columns(table, target, None, None, month_first=False))
    assert set(lines) <= set(printed)
    assert table.notes == (["column 'umsatz' is ambiguous: '1.584' is read as 1584"] if name == "de_mix2" else [])


def test_format_columns_returns_one_line_per_column(table_of):
    target, columns = infer_columns(table_of(x=FRACTIONS, k=range(N)), "y", None, None, month_first=False)
    assert format_columns(target, columns) == [
        "column  content            preprocessing",
        "x       number             scaled",
        "k       row number         dropped",
        "y       target: 2 classes",
    ]


def test_format_columns_groups_similar_columns_of_wide_table(table_of):
    many = {f"x{i}": FRACTIONS + i for i in range(50)} | {"k": range(N), "kind": ["p", "q", "r"] * (N // 3)}
    lines = format_columns(*infer_columns(table_of(**many), "y", None, None, month_first=False))
    assert len(lines) == 5
    assert "x0, x1, ... x49" in lines[1]
    assert "50 columns: number" in lines[1]
