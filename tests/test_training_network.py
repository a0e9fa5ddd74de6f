"""Optimizers, initial weights, and the Keras model that users get."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from moonnet.training import _network
from moonnet.training._keras import keras

pytestmark = pytest.mark.trains

SPEC = _network.NetworkSpec((2, 50, 20, 1), "relu", "binary_crossentropy")


def test_optimizer_classes_contain_those_of_keras():
    names = set(_network.optimizer_classes())
    assert {"sgd", "rmsprop", "adam", "adamw", "nadam", "adamax", "adagrad", "adadelta", "adafactor", "ftrl"} <= names
    assert {"lion", "lamb", "muon"} <= names
    assert not names & {"optimizer", "lossscaleoptimizer", "multioptimizer"}


@pytest.mark.parametrize("name", ["adam", "Adam", "ADAM"])
def test_name_of_an_optimizer_is_case_insensitive(name):
    expected = _network.resolve_optimizer(keras.optimizers.Adam(0.001), None)
    assert _network.resolve_optimizer(name, None) == expected
    assert hash(_network.resolve_optimizer(name, None)[0]) == hash(expected[0])


def test_numeric_learning_rate_is_not_part_of_the_spec():
    slow, slow_rate = _network.resolve_optimizer("sgd", 1e-4)
    fast, fast_rate = _network.resolve_optimizer(keras.optimizers.SGD(0.5), None)
    assert slow == fast
    assert (slow_rate, fast_rate) == (1e-4, 0.5)
    assert float(fast.build(fast_rate).learning_rate) == 0.5


def test_settings_and_schedules_are_part_of_the_spec():
    schedules = keras.optimizers.schedules
    specs = [
        _network.resolve_optimizer(*parameters)[0]
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
    assert _network.resolve_optimizer("sgd", schedules.CosineDecay(0.1, 10))[0] == specs[2]
    assert _network.resolve_optimizer("sgd", schedules.CosineDecay(0.1, 30))[0] == specs[5]


@pytest.mark.parametrize("name", sorted(set(_network.optimizer_classes()) - {"muon"}))  # which turns None into a list
def test_names_and_instances_of_optimizers_have_equal_specs(name):
    instance = _network.optimizer_classes()[name]()
    assert _network.resolve_optimizer(name, None) == _network.resolve_optimizer(instance, None)


def test_optimizer_instance_is_not_changed():
    optimizer = keras.optimizers.Adam(0.01)
    before = json.dumps(optimizer.get_config())
    spec, _ = _network.resolve_optimizer(optimizer, 0.5)
    assert spec.build(0.5) is not optimizer
    assert json.dumps(optimizer.get_config()) == before
    assert not optimizer.built


def test_invalid_optimizers_raise():
    built = keras.optimizers.SGD()
    built.build([keras.Variable(np.zeros(2))])
    for bad, message in [
        ("sdg", r"'optimizer' .*'adadelta'.*'sgd'.* Got 'sdg' instead"),
        (3, r"'optimizer' .* Got 3 instead"),
        (keras.optimizers.SGD, r"'optimizer' .* instance of keras\.optimizers\.Optimizer"),
        (built, r"'optimizer' .* unbuilt"),
    ]:
        with pytest.raises(ValueError, match=message):
            _network.resolve_optimizer(bad, None)


@pytest.mark.parametrize("bad", [0, -0.1, float("inf"), float("nan"), "fast", True, [0.1]])
def test_invalid_learning_rates_raise(bad):
    with pytest.raises(ValueError, match=r"'learning_rate' .* positive finite number .* Got .* instead"):
        _network.resolve_optimizer("adam", bad)


def test_settings_may_hold_numpy_arrays():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(np.array([5, 20]), np.array([0.1, 0.01, 0.001]))
    plain = keras.optimizers.schedules.PiecewiseConstantDecay([5, 20], [0.1, 0.01, 0.001])
    assert _network.resolve_optimizer("sgd", schedule) == _network.resolve_optimizer("sgd", plain)


def test_optimizer_that_cannot_be_rebuilt_from_its_settings_raises():
    optimizer = keras.optimizers.AdamW()
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    with pytest.raises(ValueError, match=r"'optimizer' .* exclude_from_weight_decay"):
        _network.resolve_optimizer(optimizer, None)

    class Demanding(keras.optimizers.SGD):
        def __init__(self, argument, **settings):
            super().__init__(**settings)

    spec, rate = _network.resolve_optimizer(Demanding(1), None)
    with pytest.raises(ValueError, match=r"'optimizer' .* from its settings\. Got a Demanding"):
        spec.build(rate)


def test_learning_rate_for_an_optimizer_with_inner_optimizers_raises():
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
    with pytest.raises(ValueError, match=r"'learning_rate' .* None for a LossScaleOptimizer"):
        _network.resolve_optimizer(scaled, 0.1)


def test_initial_weights_are_glorot_uniform():
    weights = _network.initial_weights((300, 200, 3), np.random.default_rng(0), "float32", random_biases=False)
    assert [array.shape for array in weights] == [(300, 200), (200,), (200, 3), (3,)]
    assert all(array.dtype == np.float32 for array in weights)
    assert not weights[1].any()
    theirs = keras.ops.convert_to_numpy(keras.initializers.GlorotUniform(seed=0)((300, 200)))
    assert_allclose(weights[0].std(), theirs.std(), rtol=0.01)
    assert_allclose(np.abs(weights[0]).max(), np.abs(theirs).max(), rtol=0.001)
    assert abs(weights[0].mean()) < 0.001


def test_random_biases_match_sklearn_except_for_the_output_layer():
    _, bias, _, output_bias = _network.initial_weights((1, 5000, 3), np.random.default_rng(0), "float64", True)
    bound = np.sqrt(6 / 5001)
    theirs = np.random.default_rng(0).uniform(-bound, bound, 5000)
    assert_allclose([np.abs(bias).max(), bias.std()], [bound, theirs.std()], rtol=0.02)
    assert not output_bias.any()


def user_model(l2=0.0, dropout=0.0):
    weights = _network.initial_weights(SPEC.layer_sizes, np.random.default_rng(0), "float64", random_biases=False)
    return _network.user_model(SPEC, weights, keras.optimizers.Adam(0.02), dropout, [l2] * 3, None)


def test_user_model_has_the_layers_of_the_lecture():
    model = user_model()
    assert model.name == "sequential"
    assert [layer.name for layer in model.layers] == ["dense", "dense_1", "dense_2"]
    assert [layer.count_params() for layer in model.layers] == [150, 1020, 21]
    assert [layer.activation.__name__ for layer in model.layers] == ["relu", "relu", "sigmoid"]
    assert all(variable.dtype == keras.config.floatx() for variable in model.weights)
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line))
    summary = "\n".join(lines)
    for expected in ("150", "1,020", "21", "Total params: 1,191 (4.65 KB)"):
        assert expected in summary


@pytest.mark.parametrize("floatx", ["bfloat16", "float16"])
def test_user_model_predicts_in_the_float_type_of_keras(floatx):
    X = np.random.default_rng(0).normal(size=(9, 2))
    expected = user_model().predict(X, verbose=0)
    before = keras.config.floatx(), keras.config.dtype_policy()
    try:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(floatx)
        model = user_model()
        assert {variable.dtype for variable in model.weights} == {floatx}
        assert_allclose(model.predict(X, verbose=0).astype("float32"), expected, atol=0.01)
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def test_user_model_has_the_penalty_the_dropout_and_the_learning_rate():
    model = user_model(l2=0.25, dropout=0.5)
    assert [layer.name for layer in model.layers] == ["dense", "dropout", "dense_1", "dropout_1", "dense_2"]
    assert model.layers[1].rate == 0.5
    penalty = 0.25 * sum(np.square(kernel).sum() for kernel in model.get_weights()[::2])
    assert_allclose(float(sum(model.losses)), penalty, rtol=1e-5)
    assert_allclose(float(model.optimizer.learning_rate), 0.02, rtol=1e-6)


def test_user_model_can_be_trained():
    model = user_model()
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = (X[:, 0] > 0).astype(float)
    losses = model.fit(X, y, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2
