"""The command, run as a user runs it where that matters, and in this process where it does not."""

import gzip
import re
import runpy
import socket
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from sklearn.datasets import load_iris

from moonnet.__main__ import main
from moonnet.command._pipeline import load_model

PICTURES = ["data.png", "training.png", "decision_regions.png"]
MODEL = ["model.py", "model.skops"]
N = 100


def measured():
    """Return a table of numbers whose sum says the class."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(N, 2)).round(3), columns=["a", "b"])
    return frame.assign(y=np.where(frame["a"] + frame["b"] > 0, "yes", "no"))


@pytest.fixture
def iris_csv(tmp_path):
    iris = load_iris()
    frame = pd.DataFrame(iris.data, columns=["sl", "sw", "pl", "pw"])
    frame.assign(species=iris.target_names[iris.target]).to_csv(tmp_path / "iris.csv", index=False)
    return tmp_path / "iris.csv"


def assert_drawn(folder, names):
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    for name in set(names) - set(MODEL):
        image = imread(folder / name)
        assert min(image.shape[:2]) > 400
        assert image.std() > 0.01


@pytest.mark.slow
@pytest.mark.trains
def test_the_lecture_from_end_to_end(tmp_path, engine_is_quiet):
    out = tmp_path / "pictures" / "here"
    child = subprocess.run(
        [sys.executable, "-m", "moonnet", "--out", str(out)], capture_output=True, text=True, timeout=300, check=False
    )
    assert child.returncode == 0
    assert child.stderr == "" or not engine_is_quiet
    assert "Total params: 1,191 (4.65 KB)" in child.stdout
    epochs = re.findall(r"^epoch +(\d+)/100: loss 0\.\d{4}, accuracy 0\.\d{4}$", child.stdout, re.MULTILINE)
    assert [int(epoch) for epoch in epochs] == list(range(10, 101, 10))
    for pattern in (
        r"training loss 0\.\d+, accuracy 0\.(8|9)\d+",
        r"held-out loss 0\.\d+, accuracy 0\.(8|9)\d+",
        r"cross-validated accuracy 0\.(8|9)\d+",
        r"At \(-2, 2\) the probability of class 1 is \d(\.\d+)?e-\d+: class 0",
        r"First fit.*: \d+\.\d\d m?s\n",
    ):
        assert re.search(pattern, child.stdout), pattern
    assert_drawn(out, PICTURES)


WITHOUT_PANDAS = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pandas":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
from moonnet.__main__ import main
assert main(["--samples", "20", "--epochs", "1"]) == 0
print("----")
main(["--csv", "any.csv", "--target", "y"])
"""


@pytest.mark.slow
def test_without_pandas_half_moons_are_learned_and_files_name_the_extra(tmp_path):
    command = [sys.executable, "-c", WITHOUT_PANDAS]
    child = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert child.returncode == 2, child.stderr
    assert child.stdout.endswith("----\n")
    assert child.stderr.endswith("moonnet: error: --csv needs pandas: pip install 'moonnet[csv]'\n")


@pytest.mark.slow
def test_options_reach_the_network(tmp_path, capsys):
    options = ["--samples", "40", "--noise", "0.1", "--epochs", "13", "--batch-size", "8", "--hidden", "6", "5", "4"]
    assert main([*options, "--seed", "3", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "40 samples to train on" in out
    assert "Total params: 82 " in out  # 18 + 35 + 24 + 5
    assert re.findall(r"epoch +(\d+)/13", out) == ["10", "13"]


def test_a_file_of_the_user_s_own(tmp_path, iris_csv, capsys):
    out = tmp_path / "out"
    assert main(["--csv", str(iris_csv), "--target", "species", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "112 samples to train on, 38 held out, features sl, sw, pl, pw" in printed
    assert float(re.search(r"cross-validated accuracy (0\.\d+)", printed)[1]) > 0.9
    assert_drawn(out, [*PICTURES, *MODEL, "held_out.png"])
    for name in [*PICTURES, *MODEL, "held_out.png"]:
        assert f"wrote {out / name}" in printed


def test_two_features_of_the_user_s_own_are_drawn_as_regions(tmp_path, iris_csv):
    out = tmp_path / "out"
    options = ["--csv", str(iris_csv), "--target", "species", "--features", "pw", "sl", "--epochs", "5"]
    assert main([*options, "--out", str(out)]) == 0
    assert_drawn(out, [*PICTURES, *MODEL, "held_out.png"])
    assert load_model(out / "model.skops").feature_names_in_.tolist() == ["pw", "sl"]


def test_one_feature_will_do(tmp_path, iris_csv):
    out = tmp_path / "out"
    options = ["--csv", str(iris_csv), "--target", "species", "--features", "pl", "--epochs", "1"]
    assert main([*options, "--out", str(out)]) == 0
    assert_drawn(out, ["data.png", "training.png", *MODEL, "held_out.png"])


def test_numbers_are_a_regression(tmp_path, iris_csv, capsys):
    out = tmp_path / "out"
    assert main(["--csv", str(iris_csv), "--target", "pw", "--out", str(out), "--epochs", "30"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^pw +target: numbers, 22 different$", printed, re.MULTILINE)
    assert re.search(r"^epoch   30/30: loss \d\.\d{4}$", printed, re.MULTILINE)
    assert float(re.search(r"held-out mean absolute error 0\.\d+, R2 (0\.\d+)", printed)[1]) > 0.8
    assert float(re.search(r"cross-validated R2 (0\.\d+)", printed)[1]) > 0.8
    assert re.search(r"At \(.*, setosa|versicolor|virginica\), held out, the prediction is \d\.\d+, the truth", printed)
    assert_drawn(out, ["training.png", "regression.png", "held_out.png", *MODEL])


def missing():
    frame = measured().assign(empty=None)
    frame.loc[::5, "a"] = None
    frame.loc[:2, "y"] = None
    return frame.to_csv(index=False, na_rep="n/a").encode()


def text():
    frame = measured().assign(color=["red", "blue"] * (N // 2), name=[f"n{i}" for i in range(N)], always="x")
    return frame.to_csv().encode()  # with an index


def with_dates():
    frame = measured().assign(day=pd.date_range("2020-01-01", periods=N).strftime("%d/%m/%Y"), open="01/02/2003")
    frame.loc[0, "open"] = "03/04/2003"
    return frame.to_csv(index=False).encode()


def huge_integers():
    frame = measured().assign(key=[str(2**60 + 3 * i) for i in range(N)])
    return frame.assign(y=np.where(frame["y"] == "yes", str(2**60), str(2**60 + 1))).to_csv(index=False).encode()


def line_breaks():
    return measured().assign(note=["one\ntwo", 'a "quote", and more'] * (N // 2)).to_csv(index=False).encode()


LEARNED = {
    "missing.csv": (missing, [r"a +number, 20 missing +median", r"empty +empty +left out", r"y .*; 3 rows without it"]),
    "text.csv": (
        text,
        [
            r"color +category, 2 values +one-hot",
            r"Unnamed: 0 +row number +left out",
            r"name +key, each row its own +left out",
            r"always +always 'x' +left out",
        ],
    ),
    "dates.csv": (
        with_dates,
        ["day +date, day/month/year +days", r"open +date, day/month/year \(a guess: .*--month-first"],
    ),
    "semicolons.csv": (lambda: measured().to_csv(index=False, sep=";", decimal=",").encode(), ["a +number +stand"]),
    "bom.csv": (lambda: measured().to_csv(index=False).encode("utf-8-sig"), ["^a +number"]),
    "latin.csv": (
        lambda: measured().rename(columns={"a": "größe"}).to_csv(index=False).encode("latin-1"),
        [r"latin\.csv is not in UTF-8: read as cp1252$", "^größe +number"],
    ),
    "zipped.csv.gz": (lambda: gzip.compress(measured().to_csv(index=False).encode()), ["^a +number"]),
    "huge.csv": (huge_integers, ["key +key, each row its own", f"of class ({2**60}|{2**60 + 1})$"]),
    "duplicate.csv": (
        lambda: measured().assign(c=1.5)[["a", "b", "c", "y"]].to_csv(index=False).replace("b,c", "b,a", 1).encode(),
        [r"duplicate\.csv has 2 columns called 'a': here they are a, a\.1", r"^a\.1 +always '1\.5' +left out"],
    ),
    "breaks.csv": (line_breaks, ["note +category, 2 values", '(one two)|(a "quote")']),
}


@pytest.mark.parametrize("name", LEARNED)
def test_messy_files_end_in_pictures(name, tmp_path, capsys):
    make, patterns = LEARNED[name]
    (tmp_path / name).write_bytes(make())
    assert main(["--csv", str(tmp_path / name), "--target", "y", "--epochs", "20", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    for pattern in patterns:
        assert re.search(pattern, printed, re.MULTILINE), pattern
    assert float(re.search(r"held-out loss [\d.]+, accuracy ([\d.]+)", printed)[1]) > 0.7
    assert_drawn(tmp_path / "out", [*PICTURES, "held_out.png", *MODEL])


REFUSED = {
    "one.csv": (measured().assign(y="yes").to_csv(index=False), "'y' must hold at least two classes. Got 'yes' alone"),
    "empty.csv": ("", "empty.csv is empty. Expected a line of column names"),
    "header.csv": ("a,b,y\n", "header.csv holds column names and no sample"),
    "keys.csv": (
        pd.DataFrame({"k": range(N), "y": measured()["y"]}).to_csv(index=False),
        "has no column beside 'y' to predict from. Got k (row number)",
    ),
    "rare.csv": (
        measured().replace({"y": {"no": None}}).fillna({"y": "rare"})[:20].to_csv(index=False),
        "must hold each class at least 10 times, to be cross-validated. Got 2 classes, 'yes' of them 8 times",
    ),
    "few.csv": (
        measured()[["a", "b"]].assign(y=measured()["a"])[:19].to_csv(index=False),
        "must hold at least 20 rows",
    ),
    "gaps.csv": (
        measured().assign(y=["yes"] * 19 + [None] * (N - 19)).to_csv(index=False),
        "'y' must be filled in at least 20 rows. Got 19",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_files_end_in_one_line(name, tmp_path, capsys):
    content, message = REFUSED[name]
    (tmp_path / name).write_text(content)
    assert_one_line(["--csv", str(tmp_path / name), "--target", "y", "--out", str(tmp_path / "out")], message, capsys)
    assert not (tmp_path / "out").exists()


def mixed_table(task):
    frame = measured().rename(columns={"a": "größe"})
    frame["größe"] = ["-", *frame["größe"][1:].astype(str).str.replace(".", ",")]
    frame["b"] = frame["b"].astype(str).str.replace(".", ",")
    frame["color"] = ["red", "it's\nblue", None, "green"] * (N // 4)
    frame["day"] = pd.date_range("2020-01-01", periods=N).strftime("%m/%d/%Y")
    frame["id"] = np.arange(N) * 7
    if task == "regression":
        frame["y"] = measured()["a"].astype(str).str.replace(".", ",")
    frame.loc[5, "y"] = None
    return frame


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_model_and_its_code_predict_the_same_bits(task, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    mixed_table(task).to_csv("a table.csv", index=False, sep=";", encoding="latin-1")
    assert main(["--csv", "a table.csv", "--target", "y", "--epochs", "3", "--hidden", "9", "--out", "out"]) == 0
    new = mixed_table(task).drop(columns="y").sample(frac=0.5, random_state=0)[::-1]
    new.to_csv("new.csv", index=False)  # with decimal commas, as the predictions then are
    assert main(["--csv", "new.csv", "--model", "out/model.skops"]) == 0
    names = ", ".join(["prediction"] + (["probability_no", "probability_yes"] if task == "classification" else []))
    assert capsys.readouterr().out.endswith(f"wrote predictions.csv: {N // 2} rows of new.csv, with {names}\n")

    predictions = pd.read_csv("predictions.csv", dtype=str)
    assert predictions["id"].tolist() == new["id"].astype(str).tolist()
    model = load_model(tmp_path / "out/model.skops")
    X = new.assign(**{name: pd.to_numeric(new[name].str.replace(",", "."), errors="coerce") for name in ["größe", "b"]})
    X["color"] = X["color"].fillna(np.nan)  # None is another value, to scikit-learn
    assert predictions["prediction"].str.replace(",", ".").tolist() == [str(label) for label in model.predict(X)]
    if task == "classification":
        expected = model.predict_proba(X)[:, 1].tolist()
        assert predictions["probability_yes"].str.replace(",", ".").map(float).tolist() == expected

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
    assert float(re.fullmatch(r"score on samples held out: (.*)\n", printed)[1]) < 1
    assert main(["--csv", "new.csv", "--model", "out/model.skops"]) == 0
    assert (tmp_path / "predictions.csv").read_bytes() == before


BAD = [
    (["--samples", "0"], r"argument --samples: must be an integer of at least 20\. Got '0'"),
    (["--samples", "many"], "Got 'many'"),
    (["--noise", "-1"], "argument --noise: must be a finite number"),
    (["--noise", "nan"], "argument --noise"),
    (["--epochs", "1.5"], "argument --epochs"),
    (["--batch-size", "0"], "argument --batch-size"),
    (["--hidden", "5", "0"], "argument --hidden"),
    (["--seed", "-1"], "argument --seed"),
    (["--seed", "4294967295"], r"argument --seed: must be an integer from 0 to 4294967294\. Got"),
    (["--optimise"], "unrecognized arguments: --optimise"),
    (["--target", "y"], "--target goes with a CSV file: give --csv FILE too"),
    (["--model", "y"], "--model goes with a CSV file: give --csv FILE too"),
    (["--month-first"], "--month-first goes with a CSV file"),
    (["--csv", "x.csv"], "--csv needs --target COLUMN, the column to learn, or --model FILE"),
    (["--csv", "{iris}", "--target", "species", "--samples", "50"], "--samples goes with half-moons"),
    (["--csv", "{iris}", "--model", "x", "--epochs", "5"], "--epochs goes with training, and --model is trained"),
    (["--csv", "{iris}", "--model", "x", "--target", "y"], "--target goes with training"),
    (["--csv", "{iris}", "--model", "nowhere.skops"], r"nowhere\.skops: No such file or directory"),
    (["--csv", "{iris}", "--model", "{iris}"], r"iris\.csv is not a model that moonnet --csv saved"),
    (["--csv", "{iris}", "--model", "x", "--out", "{iris}"], "--out must not be the file that is predicted"),
    (["--csv", "nowhere.csv", "--target", "y"], r"nowhere\.csv: No such file or directory"),
    (["--csv", "{iris}", "--target", "kind"], "has no column 'kind'"),
    (["--csv", "{iris}", "--target", "species", "--task", "regression"], "must hold numbers for a regression"),
    (["--csv", "{iris}", "--target", "sl", "--task", "classification"], "must hold each class at least 10 times"),
    (["--out", "{iris}"], r"iris\.csv: File exists"),
    (["explore", "--target", "y"], "--target goes with a CSV file: give --csv FILE too"),
    (["explore", "--port", "65536"], r"argument --port: must be an integer from 1024 to 65535\. Got '65536'"),
    (["explore", "--csv", "nowhere.csv"], r"nowhere\.csv: No such file or directory"),
    (["explore", "--csv", "{iris}", "--target", "kind"], "has no column 'kind'"),
    (["explore", "--noise", "0.3"], "unrecognized arguments: --noise"),
    (["--csv", "{iris}", "--target", "species", "--out", "{iris}"], r"iris\.csv: File exists"),
]


def assert_one_line(options, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(options)
    out, err = capsys.readouterr()
    assert exit_.value.code == 2
    assert out == ""
    assert len(err.splitlines()) == 1
    assert re.match("moonnet( explore)?: error: ", err)
    assert message in err


@pytest.mark.parametrize(
    ("options", "message"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_bad_options_are_one_line_and_status_2(options, message, iris_csv, capsys):
    assert_one_line([option.format(iris=iris_csv) for option in options], message.replace("\\", ""), capsys)


def test_the_explorer_names_a_port_that_is_taken(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_one_line(
            ["explore", "--port", str(port), "--no-browser"], f"--port must be one to listen on. Got {port}", capsys
        )
