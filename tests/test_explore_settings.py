"""Settings accept values within bounds and reject all others with an error message."""

import inspect
import json
import math
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.explore._inputs import INPUTS
from moonnet.explore._settings import (
    ACTIVATIONS,
    DATA,
    OPTIMIZERS,
    DatasetSettings,
    Settings,
    describe_controls,
)
from moonnet.losses._regression import REGRESSION_LOSSES
from moonnet.networks._activations import ACTIVATIONS as KNOWN_ACTIVATIONS

ESTIMATOR_PARAMETERS = [
    "hidden_layer_sizes",
    "activation",
    "dropout",
    "l2",
    "optimizer",
    "learning_rate",
    "batch_size",
    "epochs",
    "early_stopping",
    "random_state",
]
NOT_A_NUMBER = [None, True, "5", [5], {}, math.nan, math.inf, -math.inf, 10**400, -(10**400)]
# For each setting: the expectation in its error message, accepted values, and rejected values besides NOT_A_NUMBER
NUMBERS = {
    "n_samples": ("a whole number from 20 to 1000", [20, 1000], [19, 1001, 50.0]),
    "noise": ("a number from 0 to 1", [0, 0.005, 1], [-1e-9, 1.001]),
    "random_state": ("a whole number from 0 to 9999", [0, 9999], [-1, 10_000, 0.5]),
    "network_random_state": ("a whole number from 0 to 9999 or null", [0, 9999], [-1, 10_000, 0.5]),
    "n_estimators": ("a whole number from 1 to 10", [1, 10], [0, 11, 1.5]),
    "dropout": ("a number from 0 to 0.95", [0, 0.95], [-0.1, 0.96]),
    "l2": ("a number from 0 to 1", [0, 1e-300, 1], [-1e-300, 2]),
    "learning_rate": ("a number from 1e-06 to 10 or null", [1e-6, 10], [0, 9e-7, 10.01]),
    "batch_size": ("a whole number from 1 to 1000", [1, 1000], [0, 1001, 1.0]),
    "epochs": ("a whole number from 1 to 1000", [1, 1000], [0, 1001, 1.5]),
}
OPTIONAL = "learning_rate", "network_random_state"
LAYERS = "a list of at most 6 whole numbers from 1 to 64"
POINTS = r"a list of at most 1000 points \[x, y, class index\]"
INDICES = "a list of at most 3000 different sample indices"
OTHERS = {
    "data": ("one of moons, circles, .*own", list(DATA), ["Moons", "", None, 1, ["moons"], {"moons": 1}]),
    "activation": ("one of relu, tanh", list(ACTIVATIONS), ["exponential", None, 0, [], {}]),
    "optimizer": ("one of rmsprop, adam", list(OPTIMIZERS), ["SGD", None, 0, [], {}]),
    "quantile": (
        "a number from 0.01 to 0.99, or a list of 2 to 9 such numbers in ascending order",
        [0.01, 0.5, 0.99, [0.05, 0.95], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]],
        [
            *NOT_A_NUMBER,
            *(0, 0.001, 1, [], [0.5], [0.5, 0.5], [0.9, 0.1], [0, 0.5], [0.5, True], ["0.1", 0.5], {"0.1": 0.5}),
            [round(0.05 * index, 2) for index in range(1, 11)],
        ],
    ),
    "loss": ("one of squared_error, absolute_error", list(REGRESSION_LOSSES), ["mse", "", None, 0, []]),
    "early_stopping": ("true or false", [True, False], [0, 1, None, "true", []]),
    "hidden_layer_sizes": (
        LAYERS,
        [[], [1], [64] * 6],
        [None, 5, "5", [0], [65], [True], [5.0], [[5]], [math.nan], [10**400], [4] * 7, {"0": 5}],
    ),
    "inputs": (
        r"a list of different names, at least one, of x1, x2, x1\^2, .*sin x2",
        [["x1", "x2"], ["x1*x2"], list(INPUTS)],
        [None, [], "x1", ["x3"], ["x1", "x1"], [["x1"]], [1], [None], {"x1": 1}, [*INPUTS, "x1"]],
    ),
    "target": ("a column name or null", [None, "", "species"], [0, True, ["a"], {}, math.nan]),
    "features": (
        "a list of one or two different column names, or null",
        [None, ["a", "b"], ["a"]],
        ["ab", [], ["a", "a"], ["a", "b", "c"], ["a", 1], [None, "a"], {}, [["a"], ["b"]]],
    ),
    "drawn": (
        POINTS,
        [[], [[0, 0.5, 9]], [[1e30, -1e30, 0]] * 1000],
        [
            *(None, [0, 0, 0], {"0": [0, 0, 0]}, [[0, 0, 0]] * 1001, [[0, 0]], [[0, 0, 0, 0]]),
            *([[0, 0, 10]], [[0, 0, -1]], [[0, 0, 0.0]], [[0, 0, True]], [[0, 0, 10**400]]),
            *([[math.nan, 0, 0]], [[0, math.inf, 0]], [[1.1e30, 0, 0]], [["0", 0, 0]], [[10**400, 0, 0]]),
        ],
    ),
    "erased": (
        INDICES,
        [[], [0, 999_999], list(range(3000))],
        [None, 3, [-1], [10**6], [1, 1], [1.0], [True], [math.nan], [10**400], [[1]], list(range(3001)), "12"],
    ),
}
CASES = {
    **{
        name: (
            expected,
            accepted,
            rejected + [value for value in NOT_A_NUMBER if name not in OPTIONAL or value is not None],
        )
        for name, (expected, accepted, rejected) in NUMBERS.items()
    },
    **OTHERS,
}


def through_json(value):
    """Convert a value to JSON and back, as on its way from the page."""
    return json.loads(json.dumps(value))


def tuples_to_lists(value):
    return [tuples_to_lists(item) for item in value] if isinstance(value, list | tuple) else value


def test_each_setting_has_a_case():
    assert CASES.keys() == {setting.name for setting in fields(Settings)}


@pytest.mark.parametrize("name", CASES)
def test_from_json_accepts_values_within_bounds(name):
    for value in CASES[name][1]:
        read = getattr(Settings.from_json(through_json({name: value})), name)
        assert tuples_to_lists(read) == value
        assert hash(read) is not None  # immutable, so that settings can be stored and compared
    if name in ("noise", "dropout", "l2", "learning_rate"):
        assert type(getattr(Settings.from_json({name: CASES[name][1][-1]}), name)) is float


@pytest.mark.parametrize("name", CASES)
def test_from_json_rejects_values_out_of_bounds(name):
    expected, _, rejected = CASES[name]
    for value in rejected:
        value = through_json(value)
        with pytest.raises(ValueError, match=rf"^{name} must be {expected}.*\. Got .+ instead\.$") as raised:
            Settings.from_json({name: value})
        if not isinstance(value, list | dict | int) or isinstance(value, bool):
            assert f"Got {value!r} instead." in str(raised.value)
        assert len(str(raised.value)) < 400  # also for a long value


def test_inputs_are_stored_in_a_fixed_order():
    assert Settings.from_json({"inputs": ["sin x1", "x2", "x1"]}).inputs == ("x1", "x2", "sin x1")


@pytest.mark.parametrize("name", OPTIONAL)
def test_some_settings_may_be_null(name):
    assert getattr(Settings.from_json({name: None}), name) is None


def test_network_random_state_is_the_seed_of_the_training_alone():
    chosen = Settings.from_json({"random_state": 3, "network_random_state": 8})
    assert chosen.dataset == Settings.from_json({"random_state": 3}).dataset
    assert chosen.classifier().random_state == 8
    assert Settings.from_json({"network_random_state": 0}).classifier().random_state == 0
    assert Settings.from_json({"random_state": 3}).classifier().random_state == 3


@pytest.mark.parametrize("values", [None, [], "moons", 3, math.nan, [["data", "moons"]]])
def test_from_json_rejects_other_types_than_objects(values):
    with pytest.raises(ValueError, match=r"^settings must be an object\. Got .+ instead\.$"):
        Settings.from_json(values)


def test_from_json_rejects_unknown_settings():
    with pytest.raises(ValueError, match=r"^settings must be among data, n_samples, .*erased\. Got 'shuffle' instead"):
        Settings.from_json({"epochs": 3, "shuffle": False, "warm_start": True})
    for name in ("from_json", "dataset", "__class__", "x" * 10_000):
        with pytest.raises(ValueError, match=r"Got '.{4,40}' instead"):
            Settings.from_json({name: 1})


def test_from_json_of_empty_object_gives_defaults():
    assert Settings.from_json({}) == Settings()


def test_defaults_match_estimator_except_for_random_state():
    estimator_defaults = KerasMoonClassifier().get_params()
    assert {name: estimator_defaults[name] for name in ESTIMATOR_PARAMETERS} == {
        **{name: getattr(Settings(), name) for name in ESTIMATOR_PARAMETERS},
        "random_state": None,
    }
    assert Settings().random_state == 0  # so that a reloaded page shows the same network
    assert Settings().classifier().get_params() == {**estimator_defaults, "random_state": 0}


def test_classifier_has_parameters_from_settings():
    chosen = {
        "hidden_layer_sizes": [3, 2],
        "activation": "tanh",
        "dropout": 0.25,
        "l2": 1e-3,
        "optimizer": "adam",
        "learning_rate": 0.01,
        "batch_size": 7,
        "epochs": 11,
        "early_stopping": True,
        "random_state": 5,
    }
    assert list(chosen) == ESTIMATOR_PARAMETERS
    classifier = Settings.from_json({**chosen, "data": "xor", "n_samples": 30}).classifier()
    changed = {**chosen, "hidden_layer_sizes": (3, 2)}
    assert classifier.get_params() == {**KerasMoonClassifier().get_params(), **changed}


def test_regressor_has_its_defaults_and_parameters_from_settings():
    assert Settings().regressor().get_params() == {**KerasMoonRegressor().get_params(), "random_state": 0}
    chosen = {"loss": "pinball", "quantile": 0.9, "activation": "tanh", "epochs": 7, "random_state": 3}
    regressor = Settings.from_json({**chosen, "data": "sine"}).regressor()
    assert regressor.get_params() == {**KerasMoonRegressor().get_params(), **chosen}
    assert Settings.from_json({**chosen, "loss": "huber"}).regressor().quantile == 0.5  # not used
    several = Settings.from_json({**chosen, "quantile": [0.1, 0.5, 0.8]})
    assert several.regressor().quantile == several.quantiles == (0.1, 0.5, 0.8)
    assert Settings.from_json(chosen).quantiles == (0.9,)
    assert Settings().quantiles == ()
    classifier = Settings.from_json(chosen).classifier()
    assert classifier.loss == KerasMoonClassifier().loss


def test_dataset_settings_are_those_that_determine_samples():
    read = Settings.from_json({"data": "own", "features": ["b", "a"], "target": "y", "erased": [3, 1], "epochs": 7})
    assert read.dataset == DatasetSettings("own", 200, 0.2, 0, "y", ("b", "a"))
    assert read.erased == (1, 3)


def test_activations_and_optimizers_exist_in_keras(keras):
    assert set(ACTIVATIONS) <= set(KNOWN_ACTIVATIONS)
    for name in ACTIVATIONS:
        assert callable(keras.activations.get(name))
    for name in OPTIMIZERS:
        assert isinstance(keras.optimizers.get(name), keras.optimizers.Optimizer)


def test_controls_are_json_and_offer_only_accepted_values():
    sent = json.loads(json.dumps(describe_controls(), allow_nan=False))
    assert [control["name"] for control in sent] == [setting.name for setting in fields(Settings)]
    by_name = {control["name"]: control for control in sent}
    for name, control in by_name.items():
        assert Settings.from_json({name: control["default"]}) == Settings()
        values = [value for group in control.get("groups", {}).values() for value in group]
        for value in [*control.get("values", []), *control.get("bands", []), *values]:
            assert tuples_to_lists(getattr(Settings.from_json({name: value}), name)) == value, name
        if control.get("kind") == "number":
            values = [value for value in control["values"] if value is not None]
            assert values == sorted(set(values))
            assert control["default"] in control["values"]
    for value in by_name["random_state"]["bounds"]:
        Settings.from_json({"random_state": value})
    for value in by_name["inputs"]["symbols"]:
        Settings.from_json({"inputs": [value]})
    layers = by_name["hidden_layer_sizes"]
    Settings.from_json({"hidden_layer_sizes": [layers["max_units"]] * layers["max_layers"]})
    for sizes in ([1] * (layers["max_layers"] + 1), [layers["max_units"] + 1]):
        with pytest.raises(ValueError, match="hidden_layer_sizes must be"):
            Settings.from_json({"hidden_layer_sizes": sizes})


def test_controls_are_documented_in_the_words_of_the_page():
    docs = {control["name"]: control["doc"] for control in describe_controls()}
    shown = docs.keys() - {"drawn", "erased"}
    for name in shown:
        assert len(docs[name]) > 20, name
        assert docs[name].endswith("."), name
    # Parameters that the page does not have
    for name in inspect.signature(KerasMoonClassifier).parameters.keys() - shown - {"loss"}:
        assert name not in " ".join(docs.values()), name
    classifier = KerasMoonClassifier()
    assert (classifier.validation_fraction, classifier.n_iter_no_change, classifier.scoring) == (0.1, 10, "loss")
    assert "a tenth of the training samples" in docs["early_stopping"]
    assert "loss has not improved for 10 epochs" in docs["early_stopping"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(0, 100) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([setting.name for setting in fields(Settings)])


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(JSON | st.dictionaries(NAMES, JSON, max_size=4) | st.dictionaries(NAMES, st.lists(JSON), max_size=2))
def test_from_json_returns_settings_or_raises_value_error(values):
    try:
        read = Settings.from_json(values)
    except ValueError:
        return
    assert read.classifier()
    assert read.regressor()
    assert Settings.from_json(through_json({name: getattr(read, name) for name in values})) == read


ACCEPTED = {
    "n_samples": st.integers(20, 1000),
    "noise": st.floats(0, 1),
    "loss": st.sampled_from(list(REGRESSION_LOSSES)),
    "quantile": st.floats(0.01, 0.99)
    | st.lists(st.floats(0.01, 0.99), min_size=2, max_size=9, unique=True).map(sorted),
    "learning_rate": st.none() | st.floats(1e-6, 10),
    "dropout": st.floats(0, 0.95),
    "hidden_layer_sizes": st.lists(st.integers(1, 64), max_size=6),
    "erased": st.lists(st.integers(0, 999), unique=True, max_size=20),
    "drawn": st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2), st.integers(0, 9)).map(list), max_size=5),
}


@given(st.fixed_dictionaries({}, optional=ACCEPTED))
def test_estimator_accepts_settings_within_bounds(values):
    read = Settings.from_json(through_json(values))
    for name, value in values.items():
        assert tuples_to_lists(getattr(read, name)) == (sorted(value) if name == "erased" else value)
    read.classifier()._check_parameters()
    read.regressor()._check_parameters()


def test_page_learns_what_losses_need():
    (loss,) = (control for control in describe_controls() if control["name"] == "loss")
    assert loss["refuse_negative"] == ["poisson"]
    assert loss["with_quantiles"] == ["pinball"]
