"""Optimizers: names, settings and learning rates."""

import json

import numpy as np
import pytest

from moonnet._keras import keras
from moonnet.training import _optimizers

pytestmark = pytest.mark.trains


def test_optimizer_classes_contain_those_of_keras():
    names = set(_optimizers.optimizer_classes())
    assert {"sgd", "rmsprop", "adam", "adamw", "nadam", "adamax", "adagrad", "adadelta", "adafactor", "ftrl"} <= names
    assert {"lion", "lamb", "muon"} <= names
    assert not names & {"optimizer", "lossscaleoptimizer", "multioptimizer"}


@pytest.mark.parametrize("name", ["adam", "Adam", "ADAM"])
def test_name_of_an_optimizer_is_case_insensitive(name):
    expected = _optimizers.resolve_optimizer(keras.optimizers.Adam(0.001), None)
    assert _optimizers.resolve_optimizer(name, None) == expected
    assert hash(_optimizers.resolve_optimizer(name, None)[0]) == hash(expected[0])


def test_numeric_learning_rate_is_not_part_of_the_spec():
    slow, slow_rate = _optimizers.resolve_optimizer("sgd", 1e-4)
    fast, fast_rate = _optimizers.resolve_optimizer(keras.optimizers.SGD(0.5), None)
    assert slow == fast
    assert (slow_rate, fast_rate) == (1e-4, 0.5)
    assert float(fast.build(fast_rate).learning_rate) == 0.5


def test_settings_and_schedules_are_part_of_the_spec():
    schedules = keras.optimizers.schedules
    specs = [
        _optimizers.resolve_optimizer(*parameters)[0]
        for parameters in [
            ("sgd", None),
            (keras.optimizers.SGD(momentum=0.9), None),
            ("sgd", schedules.CosineDecay(0.1, 10)),
            ("sgd", schedules.CosineDecay(0.1, 20)),
            ("sgd", schedules.ExponentialDecay(0.1, 10, 0.9)),
            (keras.optimizers.SGD(schedules.CosineDecay(0.1, 30)), None),
            ("adam", None),
        ]
    ]
    assert len(set(specs)) == len(specs)
    assert _optimizers.resolve_optimizer("sgd", schedules.CosineDecay(0.1, 10))[0] == specs[2]
    assert _optimizers.resolve_optimizer("sgd", schedules.CosineDecay(0.1, 30))[0] == specs[5]


@pytest.mark.parametrize(
    "name", sorted(set(_optimizers.optimizer_classes()) - {"muon"})
)  # which turns None into a list
def test_names_and_instances_of_optimizers_have_equal_specs(name):
    instance = _optimizers.optimizer_classes()[name]()
    assert _optimizers.resolve_optimizer(name, None) == _optimizers.resolve_optimizer(instance, None)


def test_optimizer_instance_is_not_changed():
    optimizer = keras.optimizers.Adam(0.01)
    before = json.dumps(optimizer.get_config())
    spec, _ = _optimizers.resolve_optimizer(optimizer, 0.5)
    assert spec.build(0.5) is not optimizer
    assert json.dumps(optimizer.get_config()) == before
    assert not optimizer.built


def test_invalid_optimizers_raise():
    built = keras.optimizers.SGD()
    built.build([keras.Variable(np.zeros(2))])
    for bad, message in [
        ("sdg", r"'optimizer' .*'adadelta'.*'sgd'.* Got 'sdg' instead"),
        (keras.optimizers.Adam, r"'optimizer' .* Got the class Adam: write Adam\(\.\.\.\)"),
        (3, r"'optimizer' .* Got 3 instead"),
        (keras.optimizers.SGD, r"'optimizer' .* instance of keras\.optimizers\.Optimizer"),
        (built, r"'optimizer' .* unbuilt"),
    ]:
        with pytest.raises(ValueError, match=message):
            _optimizers.resolve_optimizer(bad, None)


@pytest.mark.parametrize("bad", [0, -0.1, float("inf"), float("nan"), "fast", True, [0.1]])
def test_invalid_learning_rates_raise(bad):
    with pytest.raises(ValueError, match=r"'learning_rate' .* positive finite number .* Got .* instead"):
        _optimizers.resolve_optimizer("adam", bad)


def test_settings_may_hold_numpy_arrays():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(np.array([5, 20]), np.array([0.1, 0.01, 0.001]))
    plain = keras.optimizers.schedules.PiecewiseConstantDecay([5, 20], [0.1, 0.01, 0.001])
    assert _optimizers.resolve_optimizer("sgd", schedule) == _optimizers.resolve_optimizer("sgd", plain)


def test_optimizer_that_cannot_be_rebuilt_from_its_settings_raises():
    optimizer = keras.optimizers.AdamW()
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    with pytest.raises(ValueError, match=r"'optimizer' .* exclude_from_weight_decay"):
        _optimizers.resolve_optimizer(optimizer, None)

    class Demanding(keras.optimizers.SGD):
        def __init__(self, argument, **settings):
            super().__init__(**settings)

    spec, rate = _optimizers.resolve_optimizer(Demanding(1), None)
    with pytest.raises(ValueError, match=r"'optimizer' .* from its settings\. Got a Demanding"):
        spec.build(rate)


def test_learning_rate_for_an_optimizer_with_inner_optimizers_raises():
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
    with pytest.raises(ValueError, match=r"'learning_rate' .* None for a LossScaleOptimizer"):
        _optimizers.resolve_optimizer(scaled, 0.1)
