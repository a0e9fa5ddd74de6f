"""The command on CSV files: the output printed, the files written, and errors for unsuitable files."""

import gzip
import re
import runpy
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from helpers import PICTURES, TABLES, assert_command_fails, assert_pictures_drawn
from moonnet import KerasMoonRegressor
from moonnet.command import _train_csv
from moonnet.command._cli import main
from moonnet.command._dataset import Dataset
from moonnet.command._model_file import load_model
from moonnet.command._train_and_report import _print_history, _values_text
from moonnet.tables._read_csv import read_table
from moonnet.tables._text_columns import infer_target

MODEL = ["model.py", "model.skops"]
N = 100


def numeric_frame():
    """Return two columns of numbers whose sum determines the class."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(N, 2)).round(3), columns=["a", "b"])
    return frame.assign(y=np.where(frame["a"] + frame["b"] > 0, "yes", "no"))


def test_classification_prints_scores_and_writes_files(tmp_path, iris_csv, capsys):
    out = tmp_path / "out"
    assert main(["--csv", str(iris_csv), "--target", "species", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "112 training samples, 38 held-out samples; features: sl, sw, pl, pw" in printed
    assert float(re.search(r"cross-validation on the training samples: accuracy (0\.\d+)", printed)[1]) > 0.9
    assert_pictures_drawn(out, [*PICTURES, *MODEL, "held_out.png"])
    for name in [*PICTURES, *MODEL, "held_out.png"]:
        assert f"wrote {out / name}" in printed


def test_features_option_selects_two_features(tmp_path, iris_csv):
    out = tmp_path / "out"
    options = ["--csv", str(iris_csv), "--target", "species", "--features", "pw", "sl", "--epochs", "5"]
    assert main([*options, "--out", str(out)]) == 0
    assert_pictures_drawn(out, [*PICTURES, *MODEL, "held_out.png"])
    assert load_model(out / "model.skops").feature_names_in_.tolist() == ["pw", "sl"]


def test_features_option_with_one_feature_draws_no_decision_regions(tmp_path, iris_csv):
    out = tmp_path / "out"
    options = ["--csv", str(iris_csv), "--target", "species", "--features", "pl", "--epochs", "1"]
    assert main([*options, "--out", str(out)]) == 0
    assert_pictures_drawn(out, ["data.png", "training.png", *MODEL, "held_out.png"])


def test_regression_prints_scores_and_writes_files(tmp_path, iris_csv, capsys):
    out = tmp_path / "out"
    assert main(["--csv", str(iris_csv), "--target", "pw", "--out", str(out), "--epochs", "30"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^pw +target: numbers, 22 distinct$", printed, re.MULTILINE)
    folds = re.findall(r"^fold \d: lowest validation loss 0\.\d+ after \d+ of 30 epochs$", printed, re.MULTILINE)
    assert len(folds) == 5
    assert re.search(r"^The ensemble has 8 such networks, trained on all .* for \d+ epochs\.$", printed, re.MULTILINE)
    assert float(re.search(r"held-out samples: mean absolute error 0\.\d+, R2 (0\.\d+)", printed)[1]) > 0.8
    assert float(re.search(r"cross-validation on the training samples: R2 (0\.\d+)", printed)[1]) > 0.8
    assert re.search(
        r"Prediction for the held-out sample \(.*, (setosa|versicolor|virginica)\): \d\.\d+ \(actual value \d", printed
    )
    assert_pictures_drawn(out, ["training.png", "regression.png", "held_out.png", *MODEL])


def test_values_of_a_sample_are_printed_with_their_gaps():
    x = pd.DataFrame({"age": [np.nan], "size": [1.23456], "city": pd.Series([None], dtype="str"), "kind": ["a"]})
    dataset = Dataset(x, np.zeros(1), x, np.zeros(1), list(x), x)
    assert _values_text(dataset, x) == "(missing, 1.235, missing, a)"


@pytest.fixture
def skip_pictures(monkeypatch):
    """Draw no pictures."""
    monkeypatch.setattr(_train_csv, "save_pictures", lambda *arguments: None)


@pytest.mark.usefixtures("skip_pictures")
def test_class_of_four_rows_is_kept_with_fewer_folds(tmp_path, capsys):
    options = ["--csv", str(TABLES / "target_rare.csv"), "--target", "ok", "--epochs", "2", "--out", str(tmp_path)]
    assert main(options) == 0
    assert "\n3-fold cross-validation on the training samples: accuracy" in capsys.readouterr().out
    assert load_model(tmp_path / "model.skops").classes_.tolist() == ["maybe", "no", "yes"]


@pytest.mark.usefixtures("skip_pictures")
def test_class_of_fewer_rows_is_left_out(tmp_path, capsys):
    frame = pd.read_csv(TABLES / "target_rare.csv").replace({"ok": {"maybe": "no"}})
    frame.loc[[0, 2], "ok"] = "unsure"
    frame.to_csv(tmp_path / "rare.csv", index=False)
    options = ["--csv", str(tmp_path / "rare.csv"), "--target", "ok", "--epochs", "2", "--out", str(tmp_path)]
    assert main(options) == 0
    printed = capsys.readouterr().out
    assert "\ncolumn 'ok': classes of fewer than 4 rows are left out, with 2 of 200 rows: 'unsure'\n" in printed
    assert "\nok      target: 3 classes; rare classes left out\n" in printed
    assert "148 training samples, 50 held-out samples" in printed
    y, y_held_out = split_as_the_command(frame[frame["ok"] != "unsure"], "ok")
    majority = y.mode()[0]
    for name, labels in (("training", y), ("held-out", y_held_out)):
        share = (labels == majority).mean()
        assert re.search(rf"^{name} samples: .* \(majority class {majority}: {share:.4f}\)$", printed, re.MULTILINE)
    assert load_model(tmp_path / "model.skops").classes_.tolist() == ["no", "yes"]
    assert "'ok': ['', 'unsure']" in (tmp_path / "model.py").read_text()


def test_rows_without_a_class_are_not_counted_beside_rare_classes(tmp_path):
    cells = [*["1"] * 15, *["2"] * 15, *["3"] * 2, *["?"] * 3, *[""] * 4]
    (tmp_path / "rare.csv").write_text("x,y\n" + "".join(f"1,{cell}\n" for cell in cells))
    table = read_table(tmp_path / "rare.csv")
    target = _train_csv._leave_out_rare_classes(table, infer_target(table, "y", None))
    assert target.missing_markers == ["?", "3"]
    assert table.notes == ["column 'y': classes of fewer than 4 rows are left out, with 2 of 32 rows: '3'"]


def split_as_the_command(frame, target, stratify=True):
    """Return the training and the held-out targets."""
    return train_test_split(frame[target], test_size=0.25, stratify=frame[target] if stratify else None, random_state=0)


@pytest.mark.usefixtures("skip_pictures")
@pytest.mark.parametrize(("n_rows", "n_fits"), [(996, 78), (1000, 13)])
def test_model_is_trained_once_and_in_folds_if_few_rows_are_held_out(n_rows, n_fits, tmp_path, capsys, monkeypatch):
    fits, fit = [], KerasMoonRegressor.fit

    def count(self, X, y, **options):
        fits.append(len(X))
        return fit(self, X, y, **options)

    monkeypatch.setattr(KerasMoonRegressor, "fit", count)
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(n_rows, 3)).round(3), columns=["a", "b", "y"])
    frame.to_csv(tmp_path / "table.csv", index=False)
    options = ["--csv", str(tmp_path / "table.csv"), "--target", "y", "--epochs", "1", "--out", str(tmp_path / "out")]
    assert main(options) == 0
    assert len(fits) == n_fits
    printed = capsys.readouterr().out
    assert ("cross-validation" in printed) == (n_fits > 13)
    y, y_held_out = split_as_the_command(frame, "y", stratify=False)
    error, mean = (y_held_out - y.mean()).abs().mean(), y.mean()
    score = 1 - ((y_held_out - mean) ** 2).mean() / y_held_out.var(ddof=0)
    assert re.search(rf"^held-out samples: .*\(mean {mean:.4g}: {error:.4g}, R2 {score:.4f}\)$", printed, re.MULTILINE)


def csv_with_missing_cells():
    frame = numeric_frame().assign(empty=None)
    frame.loc[::5, "a"] = None
    frame.loc[:2, "y"] = ""
    return frame.to_csv(index=False, na_rep="n/a").encode()


def csv_with_text():
    frame = numeric_frame().assign(color=["red", "blue"] * (N // 2), name=[f"n{i}" for i in range(N)], always="x")
    return frame.to_csv().encode()  # with an index


def csv_with_dates():
    frame = numeric_frame().assign(day=pd.date_range("2020-01-01", periods=N).strftime("%d/%m/%Y"), open="01/02/2003")
    frame.loc[0, "open"] = "03/04/2003"
    return frame.to_csv(index=False).encode()


def csv_with_huge_integers():
    frame = numeric_frame().assign(key=[str(2**60 + 3 * i) for i in range(N)])
    return frame.assign(y=np.where(frame["y"] == "yes", str(2**60), str(2**60 + 1))).to_csv(index=False).encode()


def csv_with_line_breaks():
    return numeric_frame().assign(note=["one\ntwo", 'a "quote", and more'] * (N // 2)).to_csv(index=False).encode()


MESSY = {
    "missing.csv": (
        csv_with_missing_cells,
        [
            r"a +number, 20 treated as missing \('n/a'\) +missing values replaced",
            r"empty +empty, 'n/a' in 100 rows +dropped",
            r"y .*; 3 rows without target",
        ],
    ),
    "text.csv": (
        csv_with_text,
        [
            r"color +category, 2 values +one-hot",
            r"Unnamed: 0 +row number +dropped",
            r"name +text, different in each row +dropped",
            r"always +constant, 'x' +dropped",
        ],
    ),
    "dates.csv": (
        csv_with_dates,
        ["day +date, day/month/year +days", r"open +date, day/month/year \(ambiguous: .*--month-first"],
    ),
    "semicolons.csv": (
        lambda: numeric_frame().to_csv(index=False, sep=";", decimal=",").encode(),
        ["a +number +scaled"],
    ),
    "latin.csv": (
        lambda: numeric_frame().rename(columns={"a": "größe"}).to_csv(index=False).encode("latin-1"),
        [r"latin\.csv is not encoded in UTF-8; reading it as cp1252$", "^größe +number"],
    ),
    "zipped.csv.gz": (lambda: gzip.compress(numeric_frame().to_csv(index=False).encode()), ["^a +number"]),
    "huge.csv": (csv_with_huge_integers, ["key +identifier, unique in each row", f", class ({2**60}|{2**60 + 1})$"]),
    "duplicate.csv": (
        lambda: (
            numeric_frame().assign(c=1.5)[["a", "b", "c", "y"]].to_csv(index=False).replace("b,c", "b,a", 1).encode()
        ),
        [r"duplicate\.csv has 2 columns named 'a'; they are renamed to a, a\.1", r"^a\.1 +constant, '1\.5' +dropped"],
    ),
    "breaks.csv": (csv_with_line_breaks, ["note +category, 2 values", '(one two)|(a "quote")']),
}


@pytest.mark.parametrize("name", MESSY)
def test_messy_files_are_cleaned_and_reported(name, tmp_path, capsys):
    make, patterns = MESSY[name]
    (tmp_path / name).write_bytes(make())
    assert main(["--csv", str(tmp_path / name), "--target", "y", "--epochs", "20", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    for pattern in patterns:
        assert re.search(pattern, printed, re.MULTILINE), pattern
    assert float(re.search(r"held-out samples: loss [\d.]+, accuracy ([\d.]+)", printed)[1]) > 0.7
    assert_pictures_drawn(tmp_path / "out", [*PICTURES, "held_out.png", *MODEL])


UNSUITABLE = {
    "one.csv": (
        numeric_frame().assign(y="yes").to_csv(index=False),
        "'y' must have at least two classes. Got only 'yes'",
    ),
    "empty.csv": ("", "empty.csv is empty. Expected a line of column names"),
    "header.csv": ("a,b,y\n", "header.csv contains column names but no rows"),
    "keys.csv": (
        pd.DataFrame({"k": range(N), "y": numeric_frame()["y"]}).to_csv(index=False),
        "must have a column to predict 'y' from. Got k (row number)",
    ),
    "rare.csv": (
        numeric_frame().assign(y=["yes"] * 98 + ["no", "maybe"]).to_csv(index=False),
        "which together have at least half of the rows. Got 3 classes, 2 of them with fewer rows.",
    ),
    "names.csv": (
        numeric_frame().assign(y=[f"row {i}" for i in range(N - 8)] + ["yes", "no"] * 4).to_csv(index=False),
        "which together have at least half of the rows. Got 94 classes, 92 of them with fewer rows.",
    ),
    "few.csv": (
        numeric_frame()[["a", "b"]].assign(y=numeric_frame()["a"])[:19].to_csv(index=False),
        "must have at least 20 rows to train on",
    ),
    "gaps.csv": (
        numeric_frame().assign(y=["yes", "no"] * 9 + ["no"] + [None] * (N - 19)).to_csv(index=False),
        "'y' must have a value in at least 20 rows. Got 19",
    ),
}


@pytest.mark.parametrize("name", UNSUITABLE)
def test_unsuitable_files_are_reported_in_one_line(name, tmp_path, capsys):
    content, message = UNSUITABLE[name]
    (tmp_path / name).write_text(content)
    options = ["--csv", str(tmp_path / name), "--target", "y", "--out", str(tmp_path / "out")]
    assert_command_fails(options, message, capsys)
    assert not (tmp_path / "out").exists()


def make_mixed_frame(task):
    frame = numeric_frame().rename(columns={"a": "größe"})
    frame["größe"] = ["-", *frame["größe"][1:].astype(str).str.replace(".", ",")]
    frame["b"] = frame["b"].astype(str).str.replace(".", ",")
    frame["color"] = ["red", "it's\nblue", None, "green"] * (N // 4)
    frame["day"] = pd.date_range("2020-01-01", periods=N).strftime("%m/%d/%Y")
    frame["id"] = np.arange(N) * 7
    frame["city"] = [f"city {index % 40} " for index in range(N)]  # many categories, with a space at the end
    frame["price"] = [f"{1000 + 37 * index:,},50 €".replace(",", ".", 1) for index in range(N)]
    frame["open"] = pd.date_range("2020-01-01", periods=N, freq="37min").strftime("%H:%M")
    if task == "regression":
        frame["y"] = numeric_frame()["a"].astype(str).str.replace(".", ",")
    frame.loc[5, "y"] = None
    return frame


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_saved_model_and_script_give_identical_predictions(task, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_mixed_frame(task).to_csv("a table.csv", index=False, sep=";", encoding="cp1252")
    assert main(["--csv", "a table.csv", "--target", "y", "--epochs", "3", "--hidden", "9", "--out", "out"]) == 0
    new = make_mixed_frame(task).drop(columns="y").sample(frac=0.5, random_state=0)[::-1]
    new.to_csv("new.csv", index=False)  # with decimal commas, also in the predictions
    assert main(["--csv", "new.csv", "--model", "out/model.skops"]) == 0
    added = "columns prediction, probability_no, probability_yes" if task == "classification" else "column prediction"
    assert capsys.readouterr().out.endswith(
        f"wrote predictions.csv: {N // 2} rows of new.csv, with the {added} added\n"
    )

    predictions = pd.read_csv("predictions.csv", dtype=str)
    assert predictions["id"].tolist() == new["id"].astype(str).tolist()
    model = load_model(tmp_path / "out/model.skops")
    X = new.assign(**{name: pd.to_numeric(new[name].str.replace(",", "."), errors="coerce") for name in ["größe", "b"]})
    X["color"] = X["color"].fillna(np.nan)  # scikit-learn distinguishes None from NaN
    X["city"] = X["city"].str.strip()
    assert predictions["prediction"].str.replace(",", ".").tolist() == [str(label) for label in model.predict(X)]
    if task == "classification":
        expected = [str(probability) for probability in model.predict_proba(X)[:, 1]]
        assert predictions["probability_yes"].str.replace(",", ".").tolist() == expected

    before = (tmp_path / "predictions.csv").read_bytes()
    (tmp_path / "out/model.skops").unlink()
    if task == "classification":
        command = [sys.executable, "out/model.py"]
        child = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert child.returncode == 0, child.stderr
        printed = child.stdout
    else:
        runpy.run_path("out/model.py")
        printed = capsys.readouterr().out
    assert float(re.fullmatch(r"score on the held-out samples: (.*)\n", printed)[1]) < 1
    assert main(["--csv", "new.csv", "--model", "out/model.skops"]) == 0
    assert (tmp_path / "predictions.csv").read_bytes() == before


@pytest.mark.parametrize(("n_epochs", "printed"), [(3, [3]), (25, [10, 20, 25]), (8000, range(800, 8001, 800))])
def test_history_of_many_epochs_is_printed_in_few_lines(n_epochs, printed, capsys):
    _print_history({"loss": [0.5] * n_epochs})
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [int(re.search(r"epoch +(\d+)/", line)[1]) for line in lines] == list(printed)
