"""Predictions for a CSV file: rows are copied, predictions are added, and differences from training are reported."""

import numpy as np
import pandas as pd
import pytest

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.command._predict_csv import predict_table
from moonnet.tables._number_format import NumberFormat
from moonnet.tables._read_csv import read_table
from moonnet.tables._text_columns import Column
from moonnet.tables._text_pipeline import make_model

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
        table = read_table(path)
        path.write_text("a,kind,day\n9,blue,01/01/2020\n")  # rewritten meanwhile: predictions stay beside their rows
        return predict_table(model, table)

    return predict


def test_classification_adds_prediction_and_probability_columns(predict, model):
    lines = TRAINING.assign(id=[f"{10**18 + 3 * i}" for i in range(N)], note="two\nlines")
    lines = lines[["note", "day", "a", "kind", "id"]]
    predicted, notes = predict(lines.to_csv(index=False))
    assert list(predicted) == [*lines, "prediction", "probability_down", "probability_up"]
    assert predicted["id"].tolist() == lines["id"].tolist()
    assert predicted["note"].tolist() == lines["note"].tolist()
    assert predicted["prediction"].tolist() == model.predict(TRAINING).tolist()
    assert (predicted[["probability_down", "probability_up"]] == model.predict_proba(TRAINING)).all(axis=None)
    assert notes == ["columns not used by the model: note, id"]


def test_regression_adds_prediction_column(predict):
    regression = fit(KerasMoonRegressor((5,), epochs=2, random_state=0), TRAINING["a"] * 1000)
    predicted, notes = predict(TRAINING.to_csv(index=False), regression)
    assert list(predicted) == [*TRAINING, "prediction"]
    assert predicted["prediction"].tolist() == regression.predict(TRAINING).tolist()
    assert notes == []


def test_ambiguous_date_is_read_in_training_format(predict, model):
    predicted, _ = predict("a,kind,day\n0.5,red,03/02/2020\n")
    expected = model.predict_proba(pd.DataFrame({"a": [0.5], "kind": ["red"], "day": ["03/02/2020"]}))
    assert predicted["probability_up"].tolist() == expected[:, 1].tolist()


def test_file_may_have_another_delimiter_and_decimal_sign(predict, model):
    predicted, _ = predict("kind;day;a\nred;03/02/2020;0,5\nblue;13/02/2020;-1,5\n")
    frame = pd.DataFrame({"a": [0.5, -1.5], "kind": ["red", "blue"], "day": ["03/02/2020", "13/02/2020"]})
    assert predicted["prediction"].tolist() == model.predict(frame).tolist()
    assert predicted["a"].tolist() == ["0,5", "-1,5"]


def test_ambiguous_numbers_are_read_as_in_training(tmp_path):
    numbers = np.arange(N) * 37 + 500
    y = np.where(numbers > 1000, "high", "low")
    column = Column("n", "number", "", "", number_format=NumberFormat(",", "."))
    model = make_model([column], KerasMoonClassifier((5,), random_state=0))
    model.fit(pd.DataFrame({"n": numbers.astype(float)}), y)
    (tmp_path / "new.csv").write_text("n;other\n1.584;2\n850;3\n")
    table = read_table(tmp_path / "new.csv")
    predicted, _ = predict_table(model, table)
    assert table.notes == ["column 'n' is ambiguous: '1.584' is read as 1584, as in training"]
    assert (
        predicted["probability_low"].tolist()
        == model.predict_proba(pd.DataFrame({"n": [1584.0, 850.0]}))[:, 1].tolist()
    )


@pytest.mark.parametrize("unit", ["kg", "lb", ""])
def test_unit_must_be_that_of_training(tmp_path, unit):
    column = Column("n", "number", "", "", number_format=NumberFormat(unit="kg"))
    y = np.where(np.arange(N) > 30, "high", "low")
    model = make_model([column], KerasMoonClassifier((5,), epochs=2, random_state=0)).fit(
        pd.DataFrame({"n": [f"{number} kg" for number in range(N)]}), y
    )
    (tmp_path / "new.csv").write_text(f"n;other\n15 {unit};2\n85,5 {unit};3\n")
    if unit == "lb":
        with pytest.raises(ValueError, match=r"'n' of .* must contain a number in kg in each row\. Got '15 lb'"):
            predict_table(model, read_table(tmp_path / "new.csv"))
    else:
        predicted, notes = predict_table(model, read_table(tmp_path / "new.csv"))
        without = [] if unit else ["column 'n': without a unit, read as kg: '15' and 1 more"]
        assert notes == [*without, "columns not used by the model: other"]
        expected = model.predict_proba(pd.DataFrame({"n": [15, 85.5]}))
        assert predicted["probability_low"].tolist() == expected[:, 1].tolist()


def test_dates_beyond_the_bounds_of_training_are_reported(tmp_path):
    column = Column("day", "date", "", "", "%d/%m/%Y", ("2020-01-10", "2020-02-20"))
    model = make_model([column], KerasMoonClassifier((5,), epochs=2, random_state=0))
    model.fit(TRAINING[["day"]], np.where(TRAINING["a"] > 0, "up", "down"))
    (tmp_path / "new.csv").write_text("day,other\n20/02/2020,1\n21/02/2020,2\n31/12/9999,3\n09/01/2020,4\n")
    predicted, notes = predict_table(model, read_table(tmp_path / "new.csv"))
    assert notes == [
        "column 'day': before 2020-01-10, treated as that day: '09/01/2020'",
        "column 'day': after 2020-02-20, treated as that day: '21/02/2020' and 1 more",
        "columns not used by the model: other",
    ]
    assert predicted["probability_up"].nunique() == 2


def test_missing_and_unknown_values_are_imputed_and_reported(predict, model):
    predicted, notes = predict("a,kind,day\n,red,03/02/2020\nwhat,pink,soon\n1,NA,later\n2,pink,03/02/2020\n")
    assert notes == [
        "column 'a': not a number, treated as missing: 'what'",
        "column 'kind': treated as missing: 'NA'",
        "column 'kind': not seen in training, treated as a rare value: 'pink' and 1 more",
        "column 'day': not a date in the format %d/%m/%Y, treated as missing: 'soon' and 1 more",
        "3 of 4 rows have missing values, which are treated as in training",
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


def test_empty_columns_are_imputed(predict):
    predicted, notes = predict("a,kind,day\n,,\n,,\n")
    assert predicted["probability_up"].notna().all()
    assert notes == ["2 of 2 rows have missing values, which are treated as in training"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a,other\n1,2\n",
            r"new\.csv must have all columns that the model uses\. Missing: kind, day\. Its columns are a, other\.",
        ),
        (
            ",".join(f"column {i}" for i in range(100)) + "\n" + "1," * 99 + "1\n",
            r"Missing: a, kind, day\. Its columns are column 0, .{,300} \.\.\.\.$",
        ),
        ("a,kind,day\nx,red,03/02/2020\n", r"column 'a' of .*new\.csv must contain a number in each row\. Got 'x'"),
        (
            "a,kind,day\n1,red,2020-02-03\n",
            r"must contain a date in the format %d/%m/%Y in each row\. Got '2020-02-03'",
        ),
        (
            "a,kind,day,prediction\n1,red,03/02/2020,x\n",
            r"must not have columns with the names of the predictions\. Rename prediction in the file",
        ),
    ],
)
def test_predict_table_raises_on_file_that_does_not_fit_model(predict, text, message):
    with pytest.raises(ValueError, match=message):
        predict(text)
