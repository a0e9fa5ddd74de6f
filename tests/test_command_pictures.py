"""The pictures drawn for each kind of data; test_command_train_csv.py checks the files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from sklearn.linear_model import LinearRegression, LogisticRegression

from moonnet.command._columns import Column
from moonnet.command._dataset import Dataset
from moonnet.command._pictures import _features_to_draw, draw_pictures
from moonnet.command._pipeline import make_model
from moonnet.command._train_and_report import save_pictures
from moonnet.plotting._fonts import _BOXES, MissingFontWarning

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


TABLES = Path(__file__).parent / "data" / "tables"
LETTERS = pd.read_csv(TABLES / "letters.csv").iloc[::5]


@pytest.mark.parametrize("names", ["letters", "long names"])
def test_many_classes_and_long_names_leave_the_pictures_their_size(names, tmp_path, monkeypatch):
    sizes = {}

    def measure(figure, path, **options):
        path.touch()
        figure.draw_without_rendering()
        boxes = [ax.get_window_extent() for ax in figure.axes]
        sizes[path.name] = min(min(box.width, box.height) for box in boxes) / figure.dpi

    monkeypatch.setattr(Figure, "savefig", measure)
    y = LETTERS["letter"].to_numpy(dtype=str)
    if names == "long names":
        y = np.array([f"a class whose name has fifty characters, number {n}" for n in (17, 18, 19)])[y.argsort() % 3]
    list(draw_pictures(*make_dataset_and_model(LETTERS[["x", "y"]], y, Network()), tmp_path))
    assert len(sizes) == 4
    assert min(size for name, size in sizes.items() if "training" not in name) > 2.9


def test_characters_that_no_font_has_give_one_warning(tmp_path, monkeypatch):
    fonts = [font for font in fontManager.ttflist if font.name.startswith("DejaVu") or font.name == _BOXES]
    monkeypatch.setattr(fontManager, "ttflist", fonts)
    table = pd.read_csv(TABLES / "cjk.csv")
    drawing = draw_pictures(
        *make_dataset_and_model(table.iloc[:, :2], table["标签"].to_numpy(str), Network()), tmp_path
    )
    with pytest.warns(MissingFontWarning, match="'否度是温'") as caught:
        assert len(list(drawing)) == 4
    assert len(caught) == 1
