"""What the modules of the explorer's page compute, in the JavaScript engine of Chromium but without a browser."""

import json
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from py_mini_racer import MiniRacer

from moonnet.explore._bundle import bundle


@cache
def load(name):
    """Return an engine in which a module of the page, and what it imports, are declared."""
    engine = MiniRacer()
    engine.eval(bundle(name))
    return engine


def evaluate(name, expression, *arguments):
    """Return the value of a JavaScript expression of ``args`` in a module of the page; numbers are floats."""
    value = load(name).eval(f"JSON.stringify(((...args) => {expression})(...{json.dumps(arguments)}))")
    return json.loads(value, parse_int=float)


# ---- scales.js

TICKS = {
    (-1.75, 2.75): [-1, 0, 1, 2],
    (0.58, 1): [0.6, 0.7, 0.8, 0.9, 1],
    (1699999000, 1700001000): [1699999000, 1699999500, 1700000000, 1700000500, 1700001000],
    (1 - 2**-53, 1 + 2**-52): [1, 1 + 2**-52],
    (-1.7e308, 1.7e308): [-1e308, 0, 1e308],
    (0, 1e-310): [0, 2e-311, 4e-311, 6e-311, 8e-311, 1e-310],
    (0, 5e-324): [],
    (1, 1): [],
    (1, 0): [],
}


@pytest.mark.parametrize("limits", TICKS, ids=str)
def test_ticks_are_round_numbers_between_limits(limits):
    assert evaluate("scales.js", "ticks(...args, 5)", *limits) == TICKS[limits]


def test_tick_labels_have_exponents_where_these_are_shorter():
    assert evaluate("scales.js", "tickLabels(args)", -2e-5, 0, 2e-5) == ["-2e-5", "0", "2e-5"]
    assert evaluate("scales.js", "tickLabels(args)", 0, 1e4, 3e4) == ["0", "10000", "30000"]
    assert evaluate("scales.js", "tickLabels(args)", -1e308, 0, 1e308) == ["-1e308", "0", "1e308"]
    assert evaluate("scales.js", "tickLabels(args)", -1, 0, 2.5) == ["-1", "0", "2.5"]


magnitudes = st.floats(-320, 307).map(lambda exponent: 10**exponent)
lowers = st.just(0) | magnitudes | magnitudes.map(lambda magnitude: -magnitude)
ranges = st.tuples(lowers, magnitudes).map(lambda drawn: (drawn[0], drawn[0] + drawn[1]))
ranges_of_rounding_errors = lowers.map(lambda lower: (lower, lower + abs(lower) * 2**-50))


@given(ranges | ranges_of_rounding_errors)
@example((1e9 - 0.03, 1e9 + 0.03))
@example((2.0**53, 2.0**53 + 40))
@example((1e300, 1e300 * (1 + 2**-50)))
@example((-5e-324, 3e-323))
@example((-1.7e308, 1.7e308))
def test_ticks_and_coordinates_of_any_range(limits):
    n_ticks, (lower, upper) = 5, limits
    coordinate = max(lower, min(upper, lower / 1.5 + upper / 3))
    values, labels, rounded = evaluate(
        "scales.js",
        "[ticks(...args[0], args[1]), tickLabels(ticks(...args[0], args[1])), roundCoordinate(args[2], args[0])]",
        limits,
        n_ticks,
        coordinate,
    )
    assert len(values) <= n_ticks + 2
    assert values == sorted(set(values))
    tolerance = 5e-9 * (upper / n_ticks - lower / n_ticks)
    assert all(lower - tolerance <= value <= upper + tolerance for value in values)
    assert [float(label) for label in labels] == values
    if lower < upper:
        assert lower <= rounded <= upper
        assert abs(rounded - coordinate) <= max(upper / 100 - lower / 100, 1e-100)


def test_coordinates_are_rounded_to_a_thousandth_of_the_range():
    assert evaluate("scales.js", "roundCoordinate(0.1234567, [-1.75, 2.75])") == 0.123
    assert evaluate("scales.js", "roundCoordinate(123.4567, [0, 1000])") == 123
    assert evaluate("scales.js", "roundCoordinate(7, [-1.75, 2.75])") == 2.75


def test_slider_shows_nearest_value():
    values = [None, 0.001, 0.01, 0.1]  # of the learning rate
    assert evaluate("scales.js", "args[1].map((value) => nearestIndex(args[0], value))", values, values) == [0, 1, 2, 3]
    assert evaluate("scales.js", "[0.02, 0.9, 0].map((value) => nearestIndex(args[0], value))", values) == [2, 3, 1]


# ---- formats.js


def test_numbers_are_formatted():
    assert evaluate("formats.js", "[0.925, 1, 0.33333].map(formatPercent)") == ["92.5 %", "100.0 %", "33.3 %"]
    numbers = evaluate("formats.js", "[null, 0, 0.001, 1e-4, 2.5e-7, 200].map(formatNumber)")
    assert numbers == ["None", "0", "0.001", "1e\N{MINUS SIGN}4", "2.5e\N{MINUS SIGN}7", "200"]
    assert evaluate("formats.js", "[0.4, 12.3, 999, 1499].map(formatDuration)") == ["0 ms", "12 ms", "999 ms", "1.5 s"]


# ---- colors.js

PALETTE = "{ shades: args[0], positive: args[1], negative: args[2] }"


def as_rgba(pixels):
    return np.array(pixels, np.uint32).view(np.uint8).reshape(-1, 4)


def test_color_map_mixes_two_colors():
    assert evaluate("colors.js", "rgbOfHex('#0f6fb5')") == [0x0F, 0x6F, 0xB5]
    start, end = [255, 255, 255], [0x0F, 0x6F, 0xB5]
    found = as_rgba(evaluate("colors.js", "[...colorMap(...args)]", start, end, 0.12, 0.62))
    shares = np.linspace(0.12, 0.62, 256)[:, np.newaxis]
    expected = np.array(start) + shares * (np.array(end) - np.array(start))
    assert_allclose(found[:, :3], expected, atol=0.5 + 1e-9)
    assert_array_equal(found[:, 3], 255)


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_shade_of_probabilities_is_that_of_the_likeliest_class(n_classes):
    probability = np.random.default_rng(0).dirichlet(np.ones(n_classes), 50)
    probability[:2] = np.eye(n_classes)[:2]  # certain
    probability[2] = 1 / n_classes  # undecided
    shades = np.arange(256 * n_classes).reshape(n_classes, 256)  # each pixel tells its class and shade
    found = evaluate(
        "colors.js",
        f"args[4].map((_, index) => probabilityColor({{ probability: args[3] }}, "
        f"{{ classes: [...Array(args[5])] }}, index, {PALETTE}))",
        shades.tolist(),
        [],
        [],
        (probability[:, 1] if n_classes == 2 else probability.ravel()).tolist(),
        [0] * len(probability),
        n_classes,
    )
    label, shade = np.divmod(found, 256)
    assert_array_equal(label, probability.argmax(axis=1))
    lead = (probability.max(axis=1) - 1 / n_classes) / (1 - 1 / n_classes)
    assert_allclose(shade, 255 * lead, atol=0.5 + 1e-9)
    assert_array_equal(shade[:3], [255, 255, 0])


def test_shade_is_transparent_without_disagreement_and_never_hides_the_plane():
    found = as_rgba(evaluate("colors.js", "[...opacityMap(...args)]", [22, 25, 29], 0.5))
    assert_array_equal(found[:, :3], np.tile([22, 25, 29], (256, 1)))
    assert_allclose(found[:, 3], 0.5 * np.arange(256), atol=0.5)
    shades = evaluate(
        "colors.js", "args[0].map((share) => shadeColor(share, { shading: args[1] }))", [0, 0.5, 1, 3], [*range(256)]
    )
    assert shades == [0, 128, 255, 255]


def test_color_of_activation_has_its_sign_and_size():
    colors = evaluate(
        "colors.js",
        f"[0, 1, 64, 127, 128, 129, 192, 255].map((byte) => activationColor(byte, {PALETTE}))",
        [],
        list(range(256)),
        [-value for value in range(256)],
    )
    assert colors == [-255, -254, -128, -2, 0, 2, 128, 254]


LIMITS = st.tuples(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6)).map(lambda drawn: (drawn[0], drawn[0] + drawn[1]))


@given(LIMITS, st.floats(-0.5, 1.5))
def test_color_of_number_is_its_place_between_the_limits(limits, share):
    lower, upper = limits
    value = lower + share * (upper - lower)
    color = evaluate(
        "colors.js",
        "numberColor(args[0], args[1], { positive: args[2], negative: args[2].map((pixel) => -pixel) })",
        value,
        limits,
        list(range(256)),
    )
    assert color == pytest.approx(np.clip(255 * (2 * share - 1), -255, 255), abs=0.52)


def test_undefined_number_has_the_color_of_the_plane():
    assert evaluate("colors.js", "numberColor(NaN, [0, 1], { positive: [1], negative: [2] })") == 2


def test_pixel_is_written_for_css():
    assert evaluate("colors.js", "cssOfPixel(colorMap(rgbOfHex('#0f6fb5'), rgbOfHex('#ffffff'), 0, 1)[0])") == "#0f6fb5"
    assert evaluate("colors.js", "cssOfPixel(0xff000102)") == "#020100"


# ---- score_texts.js


def test_scores_of_classes_and_numbers_are_texts():
    classes = {"target": None, "n_members": 1, "accuracy": 0.95, "test_accuracy": 0.925}
    assert evaluate("score_texts.js", "mainScore(args[0])", classes) == {"name": "held-out accuracy", "text": "92.5 %"}
    assert evaluate("score_texts.js", "otherScores(args[0])", classes) == ["training accuracy 95.0 %"]
    numbers = {"target": {}, "n_members": 1, "r2": 0.91234, "test_r2": -0.5, "rmse": 1234.5, "test_rmse": None}
    assert evaluate("score_texts.js", "mainScore(args[0])", numbers) == {
        "name": "held-out R²",
        "text": "\N{MINUS SIGN}0.500",
    }
    lines = ["training R² 0.912", "RMSE 1230 training, \N{EN DASH} held-out"]
    assert evaluate("score_texts.js", "otherScores(args[0])", numbers) == lines
    below = "below the line: 90.0 % training, 88.0 % held-out"
    assert evaluate("score_texts.js", "otherScores(args[0])", {**numbers, "below": 0.9, "test_below": 0.88})[2] == below
    within = "in the band: 90.0 % training, 88.0 % held-out"
    found = evaluate("score_texts.js", "otherScores(args[0])", {**numbers, "within": 0.9, "test_within": 0.88})
    assert found == [*lines, within]


def test_scores_far_from_one_have_few_digits():
    scores = evaluate("formats.js", "[0.98765, -12.3456, -123456, null].map(formatScore)")
    assert scores == ["0.988", "\N{MINUS SIGN}12.346", "\N{MINUS SIGN}123000", "\N{EN DASH}"]
    assert evaluate("formats.js", "[0.0012345, 98765, null].map(formatSignificant)") == [
        "0.00123",
        "98800",
        "\N{EN DASH}",
    ]


# ---- legend.js


def test_legend_names_the_line_and_the_band_of_a_curve():
    def entries(quantiles):
        return evaluate("legend.js", "curveEntries({ quantiles: args[0] }, {}).map(({ text }) => text)", quantiles)

    assert entries([]) == ["prediction"]
    assert entries([0.9]) == ["quantile 0.9"]
    assert entries([0.05, 0.5, 0.95]) == ["middle quantile", "quantiles 0.05 to 0.95"]


def test_legend_names_the_marks_of_members():
    def entries(picture, n_members=5, quantiles=()):
        header = {"picture": picture, "n_members": n_members, "quantiles": list(quantiles)}
        return evaluate("legend.js", "memberEntries(args[0], {}).map(({ text }) => text)", header)

    assert entries("regions", 1) == entries("curve", 1) == entries("surface", 1) == []
    assert entries("regions") == ["members", "members disagree"]
    assert entries("surface") == ["members disagree"]
    assert entries("curve", quantiles=[0.5]) == ["members", "two standard deviations"]
    assert entries("curve", quantiles=[0.1, 0.9]) == ["members"]  # the band is that of the quantiles


def test_scores_of_members_are_the_lowest_and_the_highest():
    def lines(header):
        return evaluate("score_texts.js", "otherScores(args[0])", header)

    of_classes = {"target": None, "accuracy": 0.9, "n_members": 3, "member_test_scores": [0.9, 0.875, 0.95]}
    assert lines(of_classes) == ["training accuracy 90.0 %", "3 members: held-out 87.5 % to 95.0 %"]
    assert lines({**of_classes, "n_members": 1}) == ["training accuracy 90.0 %"]
    of_numbers = {"target": {}, "r2": 0.5, "rmse": 2, "test_rmse": 3, "n_members": 2}
    of_numbers["member_test_scores"] = [None, 0.25]
    assert lines(of_numbers)[1] == "2 members: held-out 0.250 to 0.250"
    assert lines({**of_numbers, "member_test_scores": [None, None]})[1] == "2 members: held-out \N{EN DASH}"


# ---- task.js

DESCRIPTIONS = [{"name": "data", "curves": ["sine"], "surfaces": ["plane"]}]
TABLE = {
    "targets": [
        {"name": "price", "features": ["size"], "is_regression": True},
        {"name": "weight", "features": ["size", "price"], "is_regression": True},
        {"name": "kind", "features": ["size", "price"], "is_regression": False},
    ]
}


@pytest.mark.parametrize(
    ("values", "table", "expected"),
    [
        ({"data": "moons"}, None, [False, False]),
        ({"data": "sine"}, None, [True, True]),
        ({"data": "plane"}, TABLE, [True, False]),
        ({"data": "own"}, None, [False, False]),
        ({"data": "own"}, TABLE, [False, False]),
        ({"data": "own", "target": "unknown"}, TABLE, [False, False]),
        ({"data": "own", "target": "price"}, TABLE, [True, True]),
        ({"data": "own", "target": "weight"}, TABLE, [True, False]),
        ({"data": "own", "target": "weight", "features": ["size"]}, TABLE, [True, True]),
        ({"data": "own", "target": "kind", "features": ["size"]}, TABLE, [False, False]),
    ],
)
def test_task_follows_from_data_and_target(values, table, expected):
    page = "{ value: (name) => args[0][name], table: args[1], descriptions: args[2] }"
    found = evaluate("task.js", f"[predictsNumbers({page}), hasOneFeature({page})]", values, table, DESCRIPTIONS)
    assert found == expected


# ---- plane_picture.js


def test_key_of_a_surface_takes_space_from_the_plane():
    widths = [
        evaluate("plane_picture.js", "planeRectangle({ picture: args[0] }, 600, 500).width", picture)
        for picture in ("regions", "curve", "surface")
    ]
    assert widths == [542, 542, 542 - 72]


@given(st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_coordinates_of_plane_are_those_of_pixels(shares):
    limits = np.array([[-1.75, 2.75], [30.0, 40.0]])
    point = limits[:, 0] + shares * (limits[:, 1] - limits[:, 0])
    pixel, back = evaluate(
        "plane_picture.js",
        "((scale, [x, y]) => [[scale.toX(x), scale.toY(y)], [scale.fromX(scale.toX(x)), scale.fromY(scale.toY(y))]])"
        "(planeScale({ axes: args[0].map((limits) => ({ limits })) }, "
        "planeRectangle({ picture: 'regions' }, 600, 500)), args[1])",
        limits.tolist(),
        point.tolist(),
    )
    width, height = 600 - 46 - 12, 500 - 10 - 38
    assert_allclose(pixel, [46 + shares[0] * width, 10 + (1 - shares[1]) * height])
    assert_allclose(back, point, atol=1e-12)


# ---- unit_pictures.js


def test_chart_of_a_unit_is_a_row_of_its_image():
    bytes_ = np.random.default_rng(0).integers(1, 256, (3, 24, 24))
    bytes_[:] = bytes_[:, :1]  # the same in each row
    for unit in range(3):
        found = evaluate(
            "unit_pictures.js", "chartValues(Uint8Array.from(args[0]), args[1], 24)", bytes_.ravel().tolist(), unit
        )
        assert_allclose(found, (bytes_[unit, 0] - 128) / 127)
        assert np.abs(found).max() <= 1


# ---- network_layout.js


@given(
    st.tuples(st.integers(1, 7), st.lists(st.integers(1, 64), max_size=6)).map(lambda sizes: [sizes[0], *sizes[1], 1]),
    st.floats(300, 2000),
    st.floats(150, 800),
    st.sampled_from([0, 44]),
)
def test_tiles_of_units_neither_overlap_nor_leave_canvas(layer_sizes, width, height, margin):
    layers = evaluate("network_layout.js", "networkLayout(...args)", layer_sizes, width, height, margin)
    assert list(map(len, layers)) == layer_sizes
    assert len({tile["x"] for tile in layers[0]}) == 1  # so that a name fits beside each input
    tiles = np.array([[tile["x"], tile["y"], tile["size"]] for layer in layers for tile in layer])
    (size,) = set(tiles[:, 2])
    assert size <= 42
    corners = tiles[:, :2]
    apart = np.abs(corners[:, np.newaxis] - corners).max(axis=2)
    assert apart[~np.eye(len(corners), dtype=bool)].min() >= size
    if size > 1:  # otherwise the canvas is too small for any tile
        assert (corners >= [margin - 1e-9, -1e-9]).all()
        assert (corners + size <= [width + 1e-9, height + 1e-9]).all()
    ends = [[tile["x"] for tile in layer] for layer in layers]
    assert all(max(left) < min(right) for left, right in pairwise(ends))


# ---- seeds.js


def test_block_of_nine_seeds_contains_the_seed():
    def block(*arguments):
        return evaluate("seeds.js", "seedBlock(...args)", *arguments, 9999)

    assert block(0, 0) == block(0, 8) == list(range(9))
    assert block(0, 9) == block(0, 17) == list(range(9, 18))
    assert block(5, 5) == block(5, 13) == list(range(5, 14))
    assert block(9996, 1) == [9996, 9997, 9998, 9999, 0, 1, 2, 3, 4]


@given(st.integers(0, 9999), st.integers(0, 9999))
def test_seeds_of_a_block_share_it_unless_seeds_run_out(first, seed):
    seeds = evaluate("seeds.js", "seedBlock(...args)", first, seed, 9999)
    assert seed in seeds
    assert len({seed % 10 for seed in seeds}) == 9  # answers about them do not replace each other
    assert all(0 <= seed <= 9999 for seed in seeds)
