"""Text in characters that matplotlib's default font lacks, and with dollar signs."""

import warnings

import numpy as np
import pandas as pd
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import fontManager
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from helpers import TABLES
from moonnet.plotting import DecisionRegionDisplay, RegressionDisplay, plot_data
from moonnet.plotting._fonts import _BOXES, MissingFontWarning

TABLE = pd.read_csv(TABLES / "cjk.csv")
X, Y = TABLE[["温度", "Größe 😀"]], TABLE["标签"].to_numpy()
CHARACTERS = set("温度否是")


@pytest.fixture
def default_fonts(monkeypatch):
    """matplotlib's default fonts alone, whichever this machine has."""
    fonts = [font for font in fontManager.ttflist if font.name.startswith("DejaVu") or font.name == _BOXES]
    monkeypatch.setattr(fontManager, "ttflist", fonts)


@pytest.fixture
def chinese_font(default_fonts, tmp_path):
    """The name of an installed font that has only these characters, each drawn as a square."""
    pen = TTGlyphPen(None)
    for move, point in ((pen.moveTo, (0, 0)), (pen.lineTo, (0, 700)), (pen.lineTo, (700, 700)), (pen.lineTo, (700, 0))):
        move(point)
    pen.closePath()
    square, glyphs = pen.glyph(), [".notdef", *(f"uni{ord(character):04X}" for character in sorted(CHARACTERS))]
    font = FontBuilder(1000)
    font.setupGlyphOrder(glyphs)
    font.setupCharacterMap({int(name[3:], 16): name for name in glyphs[1:]})
    font.setupGlyf(dict.fromkeys(glyphs, square))
    font.setupHorizontalMetrics(dict.fromkeys(glyphs, (800, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    font.setupOS2(sTypoAscender=800)
    font.setupPost()
    font.save(tmp_path / "squares.ttf")
    fontManager.addfont(tmp_path / "squares.ttf")
    return "Squares"


def draw(ax):
    """Draw a figure, and return the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ax.figure.canvas.draw()
    return caught


def test_installed_font_with_the_characters_is_used(chinese_font):
    regions = DecisionRegionDisplay.from_estimator(LogisticRegression().fit(X, Y), X, Y)
    for text in (regions.ax_.xaxis.label, *regions.legend_.get_texts()[:2]):
        assert text.get_fontfamily()[1:] == [chinese_font]
    for text in (regions.ax_.yaxis.label, regions.legend_.get_title()):  # has ß, ö and 😀, which DejaVu Sans has
        assert chinese_font not in text.get_fontfamily()
    assert draw(regions.ax_) == []
    curve = RegressionDisplay.from_estimator(LinearRegression().fit(X[["温度"]], X["温度"]), X[["温度"]], X["温度"])
    assert chinese_font in curve.ax_.yaxis.label.get_fontfamily()
    assert draw(curve.ax_) == []


def test_characters_without_a_font_give_one_warning(default_fonts):
    with pytest.warns(MissingFontWarning, match=r"has the characters '否度是温'.* Install .* Noto Sans CJK") as caught:
        ax = plot_data(X, Y)
    assert len(caught) == 1
    assert caught[0].message.characters == CHARACTERS
    if _BOXES in fontManager.get_font_names():  # before matplotlib 3.11, each character warns when it is drawn
        assert draw(ax) == []


def test_fonts_of_other_texts_do_not_change(default_fonts):
    plain = pd.DataFrame(X.to_numpy(), columns=["width", "Größe"])
    display = DecisionRegionDisplay.from_estimator(DummyClassifier().fit(plain, Y == "是"), plain, np.array(Y == "是"))
    family = display.ax_.yaxis.label.get_fontfamily()
    assert family == display.ax_.xaxis.label.get_fontfamily()
    assert _BOXES not in family


def test_dollar_signs_that_enclose_no_formula_are_drawn():
    X = pd.DataFrame(np.eye(4)[:, :2], columns=["net_$ of_$", "$x_1$"])
    y = np.array(["$5_$10", ">$10", "$5_$10", ">$10"])
    displays = [
        DecisionRegionDisplay.from_estimator(DummyClassifier().fit(X, y), X, y, response_method="predict_proba"),
        RegressionDisplay.from_estimator(LinearRegression().fit(X, [1.0, 2.0, 3.0, 4.0]), X),
    ]
    for ax in (*(display.ax_ for display in displays), plot_data(X, y)):
        ax.figure.canvas.draw()
        assert (ax.xaxis.label.get_text(), ax.xaxis.label.get_parse_math()) == ("net_$ of_$", False)
        assert ax.yaxis.label.get_parse_math()
