"""The pictures drawn for each kind of data; test_command_train_csv.py checks the files."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline

from helpers import TABLES
from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.command._dataset import Dataset
from moonnet.command._pictures import _dates_as_days, _features_to_draw, _finish, draw_pictures
from moonnet.command._train_and_report import save_pictures
from moonnet.plotting._fonts import _BOXES, MissingFontWarning
from moonnet.tables._text_columns import Column
from moonnet.tables._text_pipeline import make_model

N = 60
RANDOM = np.random.default_rng(0)
NUMBERS = pd.DataFrame(RANDOM.normal(size=(N, 4)), columns=["price in US$", "cost in A$", "_x", "d"])
KIND = pd.Series(["p", "q", "r"] * (N // 3), dtype="str", name="kind")


class Network(LogisticRegression):
    """A classifier with the history that the training curves need."""

    history_ = {"loss": [2.0, 1.0], "accuracy": [0.5, 0.6]}  # noqa: RUF012


class Regression(LinearRegression):
    history_ = {"loss": [2.0, 1.0]}  # noqa: RUF012


def fit_on_columns(columns, network, X, y):
    """Return a pipeline with the preprocessing of these columns, fitted; the network is faster than an ensemble."""
    member = KerasMoonRegressor() if isinstance(network, Regression) else KerasMoonClassifier()
    return Pipeline([("columns", make_model(columns, member)[0]), ("network", network)]).fit(X, y)


def make_dataset_and_model(X, y, network):
    columns = [Column(name, "number" if X[name].dtype.kind in "fi" else "category", "", "") for name in X]
    is_regression = isinstance(network, Regression)
    dataset = Dataset(X, y, X[:20], y[:20], list(X), X[:1], is_regression, "price in $")
    return dataset, fit_on_columns(columns, network, X, y)


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


DAYS = pd.date_range("2023-01-01", periods=N).strftime("%d.%m.%Y").to_series(index=range(N), name="day")


def make_dataset_and_model_of_dates(X, y, network):
    formats = {"day": "%d.%m.%Y", "time": "%H:%M"}
    columns = [Column(name, "date", "", "", formats[name]) for name in X if name in formats]
    columns += [Column(name, "number", "", "") for name in X if name not in formats]
    is_regression = isinstance(network, Regression)
    dataset = Dataset(X, y, X[:20], y[:20], list(X), X[:1], is_regression, "price")
    return dataset, fit_on_columns(columns, network, X, y)


@pytest.fixture
def figures(monkeypatch):
    """Return the figures that are saved, by the name of the file."""
    saved = {}

    def savefig(figure, path, **options):
        path.touch()
        saved[path.name] = figure

    monkeypatch.setattr(Figure, "savefig", savefig)
    return saved


def test_curve_over_a_date(tmp_path, figures):
    y = np.sin(np.arange(N) / 10)
    dataset, model = make_dataset_and_model_of_dates(DAYS.to_frame(), y, Regression())
    names = [path.name for path in draw_pictures(dataset, model, tmp_path)]
    assert names == ["training.png", "regression.png", "held_out.png"]
    ax = figures["regression.png"].axes[0]
    curve = ax.lines[0]
    first, last = model.predict(DAYS.iloc[[0, -1]].to_frame())
    days = pd.to_datetime(["2023-01-01", "2023-03-01"]).to_numpy().astype("datetime64[D]").astype(float)
    assert np.interp(days, *curve.get_data()) == pytest.approx([first, last], abs=1e-3)
    assert isinstance(ax.xaxis.get_major_formatter(), ConciseDateFormatter)
    assert ax.get_xlabel() == "day"
    figures["regression.png"].canvas.draw()
    assert "Feb" in [label.get_text() for label in ax.get_xticklabels()]


def test_dates_of_a_classification_are_drawn(tmp_path, figures):
    X = DAYS.to_frame().join(NUMBERS[["d"]])
    dataset, model = make_dataset_and_model_of_dates(X, np.where(np.arange(N) % 20 > 10, "late", "early"), Network())
    assert [path.name for path in draw_pictures(dataset, model, tmp_path)] == [
        "data.png",
        "training.png",
        "decision_regions.png",
        "held_out.png",
    ]
    for name in ("data.png", "decision_regions.png"):
        ax = figures[name].axes[0]
        assert isinstance(ax.xaxis.get_major_formatter(), ConciseDateFormatter)
        assert not isinstance(ax.yaxis.get_major_formatter(), ConciseDateFormatter)
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("day", "d")


def test_date_that_is_not_drawn_is_held_at_its_median(tmp_path, figures):
    X = DAYS.sample(frac=1, random_state=0, ignore_index=True).to_frame().join(NUMBERS[["_x", "d"]])
    dataset, model = make_dataset_and_model_of_dates(X, (X["_x"] + 2 * X["d"]).to_numpy(), Regression())
    assert list(draw_pictures(dataset, model, tmp_path))
    ax = figures["regression.png"].axes[0]
    assert ax.get_title() in ("regression\nday = 2023-01-30", "regression\nday = 2023-01-31")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("_x", "d")


@pytest.mark.parametrize(("others", "title"), [(["d"], "regression"), (["_x", "d"], "regression\ntime = 12:00")])
def test_times_of_day_are_drawn_without_a_date(others, title, tmp_path, figures):
    times = pd.Series([f"{12 + index % 3 - 1}:00" for index in range(N)], name="time")
    X = times.to_frame().join(NUMBERS[others])
    dataset, model = make_dataset_and_model_of_dates(X, X["d"].to_numpy(), Regression())
    assert list(draw_pictures(dataset, model, tmp_path))
    ax = figures["regression.png"].axes[0]
    assert ax.get_title() == title
    if len(others) == 1:
        figures["regression.png"].canvas.draw()
        assert "12:00" in [label.get_text() for label in ax.get_xticklabels()]
        assert not ax.xaxis.get_major_formatter().get_offset()


def test_days_beyond_the_calendar_remain_numbers():
    figure = Figure()
    figure.subplots().set_xlim(0, 3_000_000)
    _finish(figure, "regression", ("day",), {"day": False})
    assert figure.axes[0].get_xlabel() == "day, days since 1970-01-01"
    figure.canvas.draw()


@pytest.mark.parametrize("network", [Network(), Regression()])
def test_titles_tell_how_many_samples_are_drawn(network, tmp_path, figures):
    n = 2500
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(n, 2)), columns=["a", "b"])
    y = np.where(X["a"] > 0, "yes", "no").astype(object)
    y[[7, 8]] = "rare"
    y = X["a"].to_numpy() if isinstance(network, Regression) else y
    dataset, model = make_dataset_and_model(X, y, network)
    dataset.X_test, dataset.y_test = X[:1200], y[:1200]
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    assert list(draw_pictures(dataset, model, tmp_path))
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    titles = {name: figure.axes[0].get_title() for name, figure in figures.items()}
    if isinstance(network, Regression):
        assert titles["regression.png"] == "regression, 1,000 of 2,500 training samples"
        assert titles["held_out.png"] == "1,000 of 1,200 held-out samples"
        assert len(figures["held_out.png"].axes[0].collections[0].get_offsets()) == 1000
    else:
        assert titles["held_out.png"] == "1,200 held-out samples"
        for name, kind in (("data.png", "data"), ("decision_regions.png", "decision regions")):
            assert re.fullmatch(rf"{kind}, (1,000|99\d) of 2,500 training samples", titles[name])
            legend = figures[name].axes[0].get_legend()
            assert [text.get_text() for text in legend.get_texts()][:3] == ["no", "rare", "yes"]


@pytest.mark.parametrize("network", [Network(), Regression()])
def test_titles_do_not_count_samples_that_lack_a_drawn_feature(network, tmp_path, figures):
    X = NUMBERS[["d", "_x"]].join(KIND)
    X.loc[:9, "d"] = None
    X.loc[5:14, "_x"] = None
    y = NUMBERS["d"].to_numpy() if isinstance(network, Regression) else CLASSES
    dataset, model = make_dataset_and_model(X, y, network)
    assert list(draw_pictures(dataset, model, tmp_path))
    name = "regression" if isinstance(network, Regression) else "decision_regions"
    axes = figures[f"{name}.png"].axes[0]
    first_line = axes.get_title().splitlines()[0]
    assert first_line == f"{name.replace('_', ' ')}, 45 of 60 training samples"


def test_dates_beyond_the_bounds_are_drawn_as_they_are_predicted():
    X = pd.DataFrame({"day": ["2020-01-01", "2020-01-05", "2020-01-10", "9999-12-31"] * 3, "a": np.arange(12.0)})
    y = np.array([0, 0, 1, 1] * 3)
    columns = [
        Column("day", "date", "", "", date_format="ISO8601", date_bounds=(None, "2020-01-12")),
        Column("a", "number", "", ""),
    ]
    model = fit_on_columns(columns, LogisticRegression(), X, y)
    _, of_days, _ = _dates_as_days(Dataset(X, y, X, y, ["day", "a"], X[:1]), model)
    days = [18273.0, 18400.0]  # 2020-01-12, and a later one
    drawn = of_days.predict_proba(pd.DataFrame({"day": days, "a": [0.0, 0.0]}))
    later = pd.DataFrame({"day": ["2020-01-12", "2020-05-18"], "a": [0.0, 0.0]})
    np.testing.assert_array_equal(drawn, model.predict_proba(later))
    np.testing.assert_array_equal(drawn[0], drawn[1])
