"""The command, run as a user runs it where that matters, and in this process where it does not."""

import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread
from sklearn.datasets import load_iris

from moonnet.__main__ import main

PICTURES = ["data.png", "training.png", "decision_regions.png"]


def write_csv(path, X, y, names):
    lines = [",".join(names), *(",".join(map(str, [*row, label])) for row, label in zip(X, y, strict=True))]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def iris_csv(tmp_path):
    X, y = load_iris(return_X_y=True)
    species = np.array(["setosa", "versicolor", "virginica"])[y]
    return write_csv(tmp_path / "iris.csv", X, species, ["sl", "sw", "pl", "pw", "species"])


def assert_drawn(folder, names):
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    for name in names:
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
    assert_drawn(out, PICTURES)


def test_two_features_of_the_user_s_own_are_drawn_as_regions(tmp_path, iris_csv):
    out = tmp_path / "out"
    options = ["--csv", str(iris_csv), "--target", "species", "--features", "pw", "sl", "--epochs", "5"]
    assert main([*options, "--out", str(out)]) == 0
    assert_drawn(out, PICTURES)


def test_one_feature_will_do(tmp_path, iris_csv):
    out = tmp_path / "out"
    options = ["--csv", str(iris_csv), "--target", "species", "--features", "pl", "--epochs", "1"]
    assert main([*options, "--out", str(out)]) == 0
    assert_drawn(out, PICTURES[:2])


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
    (["--target", "y"], "give --csv FILE too"),
    (["--csv", "x.csv"], "--csv needs --target"),
    (["--csv", "{iris}", "--target", "species", "--samples", "50"], "--samples and --noise describe half-moons"),
    (["--csv", "nowhere.csv", "--target", "y"], r"nowhere\.csv: No such file or directory"),
    (["--csv", "{iris}", "--target", "kind"], "has no column 'kind'"),
    (["--csv", "{iris}", "--target", "sl"], "must hold each class at least 10 times"),
    (["--csv", "{one}", "--target", "y"], "must hold at least two classes"),
    (["--out", "{iris}"], r"iris\.csv: File exists"),
]


@pytest.mark.parametrize(
    ("options", "message"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_bad_options_and_files_are_one_line_and_status_2(options, message, iris_csv, tmp_path, capsys):
    one = write_csv(tmp_path / "one.csv", [[1]] * 30, ["a"] * 30, ["x", "y"])
    with pytest.raises(SystemExit) as exit_:
        main([option.format(iris=iris_csv, one=one) for option in options])
    out, err = capsys.readouterr()
    assert exit_.value.code == 2
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("moonnet: error: ")
    assert re.search(message, err)
