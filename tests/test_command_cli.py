"""Errors while the command runs are reported in one line each."""

import pytest

FAILING = [
    (["--csv", "{iris}", "--model", "nowhere.skops"], "nowhere.skops: No such file or directory"),
    (["--csv", "{iris}", "--model", "{iris}"], "iris.csv is not a model saved by moonnet --csv"),
    (["--csv", "{iris}", "--model", "x", "--out", "{iris}"], "--out must differ from the file to predict"),
    (["--csv", "{iris}", "--model", "{iris}.skops", "--out", "{iris}.skops"], "--out must differ from the model. Got"),
    (["--csv", "nowhere.csv", "--target", "y"], "nowhere.csv: No such file or directory"),
    (["--csv", "{iris}", "--target", "kind"], "has no column 'kind'"),
    (["--csv", "{iris}", "--target", "species", "--task", "regression"], "must contain only numbers for a regression"),
    (
        ["--csv", "{names}", "--target", "y", "--task", "classification"],
        "Got 30 classes, 30 of them in fewer rows. To predict numbers, add --task regression.",
    ),
    (["--out", "{iris}"], "iris.csv: File exists"),
    (["--csv", "{iris}", "--target", "species", "--out", "{iris}"], "iris.csv: File exists"),
]


@pytest.mark.parametrize(
    ("options", "message"), FAILING, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_error_is_reported_in_one_line(options, message, iris_csv, assert_command_fails):
    model = iris_csv.with_name("iris.csv.skops")
    model.write_text("a model")
    names = iris_csv.with_name("names.csv")
    names.write_text("a,y\n" + "".join(f"{i}.5,{i}\n" for i in range(30)))
    assert_command_fails([option.format(iris=iris_csv, names=names) for option in options], message)
    assert model.read_text() == "a model"
