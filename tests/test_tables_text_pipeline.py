"""The pipeline for a CSV file: the encoding of columns."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.model_selection import train_test_split

from helpers import TABLES
from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.command._model_file import load_model, save_model
from moonnet.tables._read_csv import read_table
from moonnet.tables._text_columns import Column, infer_columns
from moonnet.tables._text_pipeline import make_model, read_samples

N = 60
COLUMNS = [
    Column("a", "number", "", ""),
    Column("kind", "category", "", ""),
    Column("day", "date", "", "", "%d.%m.%Y"),
    Column("iso", "date", "", "", "ISO8601"),
]
RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def frame():
    days = pd.date_range("2020-01-01", periods=N)
    frame = pd.DataFrame(
        {
            "iso": days.astype(str),
            "a": np.where(np.arange(N) % 7, RANDOM.normal(size=N), np.nan),
            "day": days.strftime("%d.%m.%Y"),
            "kind": [*["red"] * 30, *["blue"] * 26, "rare", "odd", None, None],
        }
    )
    return frame.assign(unused="x")


@pytest.fixture(scope="module")
def labels():
    return np.array(["no", "yes"])[RANDOM.permutation(N) % 2]


@pytest.fixture(scope="module")
def model(frame, labels):
    return make_model(COLUMNS, KerasMoonClassifier((5,), epochs=2, random_state=0)).fit(frame, labels)


def smooth_clip(values, scale=None):
    """Return what SmoothClipScaler makes of a column."""
    first, median, third = np.percentile(np.asarray(values, float), [25, 50, 75])
    z = (np.asarray(values, float) - median) / (scale or third - first)
    return z / np.sqrt(1 + (z / 3) ** 2)


def test_columns_are_encoded_by_kind(model, frame):
    encoded = pd.DataFrame(model[0].transform(frame), columns=model[0].get_feature_names_out())
    a = frame["a"].fillna(frame["a"].median())
    assert_allclose(encoded["number__a"], smooth_clip(a))
    # Three quarters of the indicators are equal, so that half of the range is the scale
    assert_allclose(encoded["number__missingindicator_a"], smooth_clip(frame["a"].isna(), scale=0.5))
    assert_allclose(encoded["date ISO8601__iso"], smooth_clip(np.arange(N)))
    assert_allclose(encoded["date %d.%m.%Y__day"], smooth_clip(np.arange(N)))
    assert encoded["category__kind_red"].tolist() == (frame["kind"] == "red").astype(float).tolist()
    rare = encoded["category__kind_infrequent_sklearn"]  # two values that occur once, and two missing ones
    assert rare.sum() == 4
    bins = [name for name in encoded if "_bin" in name]
    assert len(bins) == 3 * 4 + 1  # four of each number and date, and one of the indicator
    assert encoded.shape == (N, 7 + len(bins))


def test_predict_finds_columns_by_name_and_accepts_new_values(model, frame):
    expected = model.predict_proba(frame)
    shuffled = frame[["kind", "day", "a", "iso"]]
    assert (model.predict_proba(shuffled) == expected).all()
    new = model.predict_proba(frame.assign(kind="new"))
    assert (new == model.predict_proba(frame.assign(kind="rare"))).all()
    for name in ("a", "kind", "day", "iso"):
        missing = pd.Series([np.nan] * N, dtype="float64" if name == "a" else "str")
        assert np.isfinite(model.predict_proba(frame.assign(**{name: missing}))).all()
    with pytest.raises(ValueError, match=r"columns are missing: {'a'}"):
        model.predict(frame.drop(columns="a"))


def test_fit_accepts_empty_column(frame, labels):
    model = make_model(COLUMNS, KerasMoonClassifier((5,), epochs=1)).fit(frame.assign(a=np.nan, iso=None), labels)
    assert np.isfinite(model.predict_proba(frame)).all()


def test_read_samples_drops_rows_without_target(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,id,y\n1,x1,1\n-,x2,2\n3,x3,\n" + "".join(f"{i},x{i},{i % 2}\n" for i in range(4, 30)))
    table = read_table(path)
    path.unlink()  # the file is read once
    target, columns = infer_columns(table, "y", None, None, month_first=False)
    X, y = read_samples(table, target, columns)
    assert list(X) == ["a"]
    assert X["a"].isna().tolist() == [False, True] + [False] * 26
    assert y.dtype == np.int64
    assert y.tolist() == [1, 2, *(i % 2 for i in range(4, 30))]


@pytest.mark.parametrize(
    ("name", "target", "column", "values"),
    [
        ("target_none", "disorder", "disorder", ["None", "None", "Apnea"]),
        ("de_mix2", "klasse", "umsatz", [1584, 2856, 518]),
        ("de_thousands_and_decimals", "m2_price", "m2_price", [5897, 1818, 3643]),
        ("de_thousands_and_decimals", "m2_price", "surface", [25.5, 143.5, 56.5]),
        ("target_space", "ok", "ok", ["no", "no", "yes"]),
        ("space_header", "m2_price", "construction_year", [1953, 1992, 1937]),
        ("mark_q", "survived", "age", [29, 2, 30]),
        ("year_series", "Population", "Year", [1867, 1868, 1869]),
        ("sep_line", "m2_price", "m2_price", [5897, 1818, 3643]),
    ],
)
def test_read_samples_reads_values_of_real_tables(name, target, column, values):
    table = read_table(TABLES / f"{name}.csv")
    X, y = read_samples(table, *infer_columns(table, target, None, None, month_first=False))
    assert (y if column == target else X[column]).tolist()[:3] == values


def test_read_samples_raises_on_overflowing_numbers(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,y\n" + "".join(f"{i}e300,{i % 2}\n" for i in range(30)) + "1e400,1\n")
    table = read_table(path)
    with pytest.raises(ValueError, match=r"data\.csv .* float64"):
        read_samples(table, *infer_columns(table, "y", None, None, month_first=False))


def test_many_categories_are_learned(tmp_path):
    table = read_table(TABLES / "many_categories.csv")
    target, columns = infer_columns(table, "emissions", None, None, month_first=False)
    X, X_test, y, y_test = train_test_split(*read_samples(table, target, columns), random_state=0)
    model = make_model(columns, KerasMoonRegressor(random_state=0)).fit(X, y)
    assert model.score(X_test, y_test) > 0.99  # one-hot encoded, with half of the countries grouped: 0.36
    again = clone(model).fit(X, y)
    assert (again.predict(X_test) == model.predict(X_test)).all()
    save_model(model, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    assert (loaded.predict(X_test) == model.predict(X_test)).all()
    unknown = pd.DataFrame({"country": ["Atlantis", None], "year": [2000, 2001]})
    assert np.isfinite(loaded.predict(unknown)).all()


@pytest.mark.parametrize("labels", [["no", "yes"], ["a", "b", "c"], [0, 1]])
def test_many_categories_are_encoded_by_class(labels):
    kind = np.repeat([f"k{index:02}" for index in range(40)], 5)
    y = np.array(labels)[np.repeat(np.arange(40), 5) % len(labels)]
    column = Column("kind", "category", "", "", has_many_values=True)
    model = make_model([column], KerasMoonClassifier((5,), epochs=2, random_state=0)).fit(
        pd.DataFrame({"kind": kind}), y
    )
    assert model[0].transform(pd.DataFrame({"kind": kind})).shape == (200, 1 if len(labels) == 2 else 3)


def test_dates_beside_an_open_end_are_learned():
    table = read_table(TABLES / "date9999_iso.csv")
    target, columns = infer_columns(table, "y", ["valid_to"], None, month_first=False)
    X, y = read_samples(table, target, columns)
    model = make_model(columns, KerasMoonClassifier(random_state=0)).fit(X, y)
    assert model.score(X, y) > 0.85  # at most 0.93, since nothing tells the open ends apart; 0.55 if they set the scale
