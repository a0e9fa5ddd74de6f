"""The pictures drawn for each kind of data; test_command_train_csv.py checks the files."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.linear_model import LinearRegression, LogisticRegression

from moonnet.command._columns import Column
from moonnet.command._dataset import Dataset
from moonnet.command._pictures import _features_to_draw, draw_pictures
from moonnet.command._pipeline import make_model
from moonnet.command._train_and_report import save_pictures

N = 60
RANDOM = np.random.default_rng(0)
NUMBERS = pd.DataFrame(RANDOM.normal(size=(N, 4)), columns=["price in US$", "cost in A$", "_x", "d"])
KIND = pd.Series(["p", "q", "r"] * (N // 3), dtype="str", name="kind")


class Network(LogisticRegression):
    """A classifier with the history that the training curves need."""

    history_ = {"loss": [2.0, 1.0], "accuracy": [0.5, 0.6]}  # noqa: RUF012


class Regression(LinearRegression):
    history_ = {"loss": [2.0, 1.0]}  # noqa: RUF012


def make_dataset_and_model(X, y, network):
    columns = [Column(name, "number" if X[name].dtype.kind in "fi" else "category", "", "") for name in X]
    is_regression = isinstance(network, Regression)
    dataset = Dataset(X, y, X[:20], y[:20], list(X), X[:1], is_regression, "price in $")
    return dataset, make_model(columns, network).fit(X, y)


@pytest.fixture
def skip_rendering(monkeypatch):
    """Write empty picture files."""
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **options: path.touch())


CLASSES = np.where(NUMBERS["_x"] + 2 * NUMBERS["d"] > 0, "$y^$", "_no")
CASES = [
    (NUMBERS, "pca", True),  # only numbers
    (NUMBERS.join(KIND), ("_x", "d"), True),  # the two most important numbers
    (NUMBERS[["d", "_x"]], ("d", "_x"), True),
    (NUMBERS[["d"]].join(KIND), ("d",), False),
    (KIND.to_frame(), (), False),
    (NUMBERS.assign(d=NUMBERS["d"] > 0).astype({"d": int}).join(KIND), None, True),  # d has two values
]


@pytest.mark.parametrize(("X", "features", "has_regions"), CASES)
@pytest.mark.usefixtures("skip_rendering")
def test_draw_pictures_of_classification(X, features, has_regions, tmp_path):
    dataset, model = make_dataset_and_model(X, CLASSES, Network())
    drawn = _features_to_draw(dataset, model)[1]
    if features is None:
        assert "d" not in drawn
    else:
        assert drawn == features
    names = [path.name for path in draw_pictures(dataset, model, tmp_path)]
    expected = ["data.png"] * (features != ()) + ["training.png"] + ["decision_regions.png"] * has_regions
    assert names == [*expected, "held_out.png"]


@pytest.mark.parametrize(
    ("X", "features"),
    [
        (NUMBERS, ("_x", "d")),
        (NUMBERS.join(KIND), ("_x", "d")),
        (NUMBERS[["d"]].join(KIND), ("d",)),
        (KIND.to_frame(), ()),
    ],
)
@pytest.mark.usefixtures("skip_rendering")
def test_draw_pictures_of_regression(X, features, tmp_path):
    dataset, model = make_dataset_and_model(X, (NUMBERS["_x"] + 2 * NUMBERS["d"]).to_numpy(), Regression())
    assert _features_to_draw(dataset, model)[1] == features
    names = [path.name for path in draw_pictures(dataset, model, tmp_path)]
    assert names == ["training.png", *["regression.png"] * bool(features), "held_out.png"]


@pytest.mark.usefixtures("skip_rendering")
def test_pictures_of_others_are_left_and_named(tmp_path, capsys):
    (tmp_path / "regression.png").write_text("a picture of the user's own")
    save_pictures(*make_dataset_and_model(NUMBERS[["d", "_x"]], CLASSES, Network()), tmp_path)
    assert (tmp_path / "regression.png").read_text() == "a picture of the user's own"
    assert f"left {tmp_path / 'regression.png'} unchanged: this run has no such picture" in capsys.readouterr().out


@pytest.mark.slow
def test_draw_pictures_with_missing_numbers_and_dollar_signs(tmp_path):
    for X in (NUMBERS, NUMBERS[["d"]].join(KIND)):
        gaps = X.assign(d=X["d"].where(np.arange(N) % 3 > 0))
        for y, network in ((CLASSES, Network()), (NUMBERS["d"].to_numpy(), Regression())):
            assert list(draw_pictures(*make_dataset_and_model(gaps, y, network), tmp_path))
