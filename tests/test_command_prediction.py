"""A file that a model predicts: its rows come back with the predictions, and what was not as in training is said."""

import numpy as np
import pandas as pd
import pytest

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.command._columns import Column
from moonnet.command._pipeline import make_model
from moonnet.command._prediction import predict_table
from moonnet.command._read_csv import read_table

N = 60
RANDOM = np.random.default_rng(0)
TRAINING = pd.DataFrame(
    {
        "a": RANDOM.normal(size=N).round(3),
        "kind": ["red", "green", "blue"] * (N // 3),
        "day": pd.date_range("2020-01-01", periods=N).strftime("%d/%m/%Y"),
    }
)
COLUMNS = [
    Column("a", "number", "", ""),
    Column("kind", "category", "", ""),
    Column("day", "date", "", "", "%d/%m/%Y"),
]


def fit(network, y):
    return make_model(COLUMNS, network).fit(TRAINING, y)


@pytest.fixture(scope="module")
def model():
    return fit(KerasMoonClassifier((5,), epochs=20, random_state=0), np.where(TRAINING["a"] > 0, "up", "down"))


@pytest.fixture
def predict(tmp_path, model):
    def predict(text, model=model):
        path = tmp_path / "new.csv"
        path.write_text(text)
        return predict_table(model, read_table(path))

    return predict


def test_the_rows_come_back_with_what_the_pipeline_says_of_them(predict, model):
    lines = TRAINING.assign(id=[f"{10**18 + 3 * i}" for i in range(N)], note="two\nlines")
    lines = lines[["note", "day", "a", "kind", "id"]]
    predicted, notes = predict(lines.to_csv(index=False))
    assert list(predicted) == [*lines, "prediction", "probability_down", "probability_up"]
    assert predicted["id"].tolist() == lines["id"].tolist()
    assert predicted["note"].tolist() == lines["note"].tolist()
    assert predicted["prediction"].tolist() == model.predict(TRAINING).tolist()
    assert (predicted[["probability_down", "probability_up"]] == model.predict_proba(TRAINING)).all(axis=None)
    assert notes == ["columns that the model does not use: note, id"]


def test_a_regression_has_one_column(predict):
    regression = fit(KerasMoonRegressor((5,), epochs=2, random_state=0), TRAINING["a"] * 1000)
    predicted, notes = predict(TRAINING.to_csv(index=False), regression)
    assert list(predicted) == [*TRAINING, "prediction"]
    assert predicted["prediction"].tolist() == regression.predict(TRAINING).tolist()
    assert notes == []


def test_one_row_of_a_date_that_is_open_follows_the_model(predict, model):
    predicted, _ = predict("a,kind,day\n0.5,red,03/02/2020\n")
    expected = model.predict_proba(pd.DataFrame({"a": [0.5], "kind": ["red"], "day": ["03/02/2020"]}))
    assert predicted["probability_up"].tolist() == expected[:, 1].tolist()


def test_the_file_may_be_in_another_dialect(predict, model):
    predicted, _ = predict("kind;day;a\nred;03/02/2020;0,5\nblue;13/02/2020;-1,5\n")
    frame = pd.DataFrame({"a": [0.5, -1.5], "kind": ["red", "blue"], "day": ["03/02/2020", "13/02/2020"]})
    assert predicted["prediction"].tolist() == model.predict(frame).tolist()
    assert predicted["a"].tolist() == ["0,5", "-1,5"]


def test_missing_and_unknown_values_are_imputed_and_said(predict, model):
    predicted, notes = predict("a,kind,day\n,red,03/02/2020\nwhat,pink,soon\n1,NA,later\n2,pink,03/02/2020\n")
    assert notes == [
        "column 'a': 'what' is no number: taken as missing",
        "column 'kind': 'pink' (and 1 more) was not there in training: taken as a rare category",
        "column 'day': 'soon' (and 1 more) is no date in the format %d/%m/%Y: taken as missing",
        "3 of 4 rows have missing values, which are imputed",
    ]
    frame = pd.DataFrame(
        {
            "a": [np.nan, np.nan, 1, 2],
            "kind": pd.Series(["red", "pink", None, "pink"], dtype="str"),
            "day": pd.Series(["03/02/2020", None, None, "03/02/2020"], dtype="str"),
        }
    )
    assert (predicted[["probability_down", "probability_up"]] == model.predict_proba(frame)).all(axis=None)
    assert predicted["kind"].tolist() == ["red", "pink", "NA", "pink"]


def test_columns_without_a_value_are_imputed(predict):
    predicted, notes = predict("a,kind,day\n,,\n,,\n")
    assert predicted["probability_up"].notna().all()
    assert notes == ["2 of 2 rows have missing values, which are imputed"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,other\n1,2\n", r"new\.csv must have the columns of the model\. It lacks kind, day\. It has: a, other\."),
        (
            ",".join(f"column {i}" for i in range(100)) + "\n" + "1," * 99 + "1\n",
            r"It lacks a, kind, day\. It has: column 0, .{,300} \.\.\.\.$",
        ),
        ("a,kind,day\nx,red,03/02/2020\n", r"column 'a' of .*new\.csv must hold a number in each row\. Got 'x'"),
        ("a,kind,day\n1,red,2020-02-03\n", r"must hold a date in the format %d/%m/%Y in each row\. Got '2020-02-03'"),
        ("a,kind,day,prediction\n1,red,03/02/2020,x\n", "has columns of its own called prediction"),
    ],
)
def test_what_cannot_be_predicted_says_why(predict, text, message):
    with pytest.raises(ValueError, match=message):
        predict(text)
