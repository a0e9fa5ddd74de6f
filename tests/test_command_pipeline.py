"""The pipeline for a CSV file: the encoding of columns, and saving and loading the model."""

import zipfile

import numpy as np
import pandas as pd
import pytest
import skops.io
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.command._columns import Column, infer_columns
from moonnet.command._pipeline import load_model, make_model, read_samples, save_model
from moonnet.command._read_csv import read_table

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


def test_columns_are_encoded_by_kind(model, frame):
    encoded = pd.DataFrame(model[0].transform(frame), columns=model[0].get_feature_names_out())
    a = frame["a"].fillna(frame["a"].median())
    assert_allclose(encoded["number__a"], (a - a.mean()) / a.std(ddof=0))
    indicator = encoded["number__missingindicator_a"]
    assert (np.sign(indicator) == np.where(frame["a"].isna(), 1, -1)).all()
    days = (np.arange(N) - np.arange(N).mean()) / np.arange(N).std()
    assert_allclose(encoded["date ISO8601__iso"], days)
    assert_allclose(encoded["date %d.%m.%Y__day"], days)
    assert encoded["category__kind_red"].tolist() == (frame["kind"] == "red").astype(float).tolist()
    rare = encoded["category__kind_infrequent_sklearn"]  # two values that occur once, and two missing ones
    assert rare.sum() == 4
    assert encoded.shape == (N, 7)


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


@pytest.mark.parametrize("kind", [KerasMoonClassifier, KerasMoonRegressor])
def test_loaded_model_predicts_the_same(model, frame, kind, tmp_path):
    fitted = make_model(COLUMNS, kind((5,), epochs=2, random_state=0)).fit(frame, np.arange(N) % 3)
    save_model(fitted, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    assert (loaded.predict(frame) == fitted.predict(frame)).all()
    assert loaded.feature_names_in_.tolist() == fitted.feature_names_in_.tolist()


def alarm(X):
    raise AssertionError("code of an untrusted file")


def test_load_model_rejects_untrusted_types(tmp_path):
    path = tmp_path / "untrusted.skops"
    columns = FunctionTransformer(alarm)
    skops.io.dump(Pipeline([("columns", columns), ("network", LogisticRegression())]), path)
    with pytest.raises(ValueError, match=r"untrusted\.skops contains types .* not trust: \S*alarm\. Not loaded\.$"):
        load_model(path)


def test_load_model_rejects_other_files(tmp_path, labels):
    path = tmp_path / "model.skops"
    other = make_pipeline(StandardScaler(), LogisticRegression()).fit(np.arange(N)[:, None], labels)
    skops.io.dump(other, path)
    with pytest.raises(ValueError, match="expected a pipeline with the steps 'columns' and 'network'"):
        load_model(path)
    skops.io.dump(make_model(COLUMNS, KerasMoonClassifier()), path)
    with pytest.raises(ValueError, match="not fitted yet"):
        load_model(path)
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"model\.skops is not a model saved by moonnet --csv"):
        load_model(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "another archive")
    with pytest.raises(ValueError, match=r"model\.skops is not a model saved by moonnet --csv"):
        load_model(path)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "nowhere.skops")


def test_read_samples_drops_rows_without_target(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,id,y\n1,x1,1\n-,x2,2\n3,x3,\n" + "".join(f"{i},x{i},{i % 2}\n" for i in range(4, 30)))
    table = read_table(path)
    target, columns = infer_columns(table, "y", None, None, month_first=False)
    X, y = read_samples(table, target, columns)
    assert list(X) == ["a"]
    assert X["a"].isna().tolist() == [False, True] + [False] * 26
    assert y.dtype == np.int64
    assert y.tolist() == [1, 2, *(i % 2 for i in range(4, 30))]


def test_read_samples_raises_on_overflowing_numbers(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,y\n" + "".join(f"{i}e300,{i % 2}\n" for i in range(30)) + "1e400,1\n")
    table = read_table(path)
    with pytest.raises(ValueError, match=r"data\.csv .* float64"):
        read_samples(table, *infer_columns(table, "y", None, None, month_first=False))
