"""Flat state: the weights and the state of every optimizer have the same values flattened and by layer."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_moons

from moonnet import KerasMoonClassifier
from moonnet._keras import keras
from moonnet.training import _compiled_program, _program_state, _training_step
from moonnet.training._flat_state import StateLayout, is_elementwise

pytestmark = pytest.mark.trains

SHAPES = [(3, 4), (4,), (4, 2), (2,)]
ELEMENTWISE = ["SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax", "Nadam", "Ftrl", "Lion"]


def make_variables(shapes):
    return [
        keras.Variable(np.zeros(shape), dtype="float32", name=f"weight_{index}") for index, shape in enumerate(shapes)
    ]


def build_optimizer(make, shapes):
    weights, optimizer = make_variables(shapes), make()
    optimizer.build(weights)
    return weights, optimizer


OPTIMIZER_FACTORIES = {
    **{name: getattr(keras.optimizers, name) for name in ELEMENTWISE},
    "momentum": lambda: keras.optimizers.SGD(momentum=0.9, nesterov=True),
    "centered": lambda: keras.optimizers.RMSprop(momentum=0.9, centered=True),
    "amsgrad": lambda: keras.optimizers.Adam(amsgrad=True),
    "average": lambda: keras.optimizers.Adam(use_ema=True),
    "accumulation": lambda: keras.optimizers.Adam(gradient_accumulation_steps=2, use_ema=True),
}


@pytest.mark.parametrize("name", OPTIMIZER_FACTORIES)
def test_flatten_and_unflatten_are_inverse(name):
    by_layer, flat = (
        build_optimizer(OPTIMIZER_FACTORIES[name], SHAPES),
        build_optimizer(OPTIMIZER_FACTORIES[name], [(26,)]),
    )
    layout = StateLayout.flat(by_layer[0], [], by_layer[1], *flat)
    assert sorted(np.concatenate(layout.groups)) == list(range(len(layout.layer_shapes)))
    assert all(len(group) in (1, len(SHAPES)) for group in layout.groups)
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype("float32") for shape in layout.layer_shapes]
    values = layout.flatten(arrays, np)
    assert [value.shape for value in values] == layout.stored_shapes
    np.testing.assert_array_equal(values[0], np.concatenate([array.ravel() for array in arrays[:4]]))
    for first, second in zip(arrays, layout.unflatten(values, np), strict=True):
        np.testing.assert_array_equal(first, second)
    for first, second in zip(
        values, layout.flatten([keras.ops.convert_to_tensor(array) for array in arrays], keras.ops), strict=True
    ):
        np.testing.assert_array_equal(first, keras.ops.convert_to_numpy(second))
    # The weights alone
    assert len(layout.flatten(arrays[:4], np)) == 1
    assert len(layout.unflatten(values[:1], np)) == 4
    # Several states at once
    stacked = layout.unflatten([np.stack([value, value + 1]) for value in values], np, (2,))
    for first, second in zip(arrays, stacked, strict=True):
        np.testing.assert_array_equal(np.stack([first, first + 1]), second)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZER_FACTORIES)
def test_optimizer_step_on_flat_weights_equals_a_step_by_layer(name):
    (weights, optimizer), (flat_weights, flat_optimizer) = (
        build_optimizer(OPTIMIZER_FACTORIES[name], SHAPES),
        build_optimizer(OPTIMIZER_FACTORIES[name], [(26,)]),
    )
    layout = StateLayout.flat(weights, [], optimizer, flat_weights, flat_optimizer)
    rng = np.random.default_rng(1)
    for _ in range(3):
        gradients = [keras.ops.convert_to_tensor(rng.normal(size=shape).astype("float32")) for shape in SHAPES]
        optimizer.apply(gradients, weights)
        flat_optimizer.apply(layout.flatten(gradients, keras.ops), flat_weights)
    expected = layout.flatten([variable.numpy() for variable in (*weights, *optimizer.variables)], np)
    for value, variable in zip(expected, (*flat_weights, *flat_optimizer.variables), strict=True):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-6, atol=1e-7)


def test_layout_by_layer_leaves_each_array_unchanged():
    layout = StateLayout.by_layer(make_variables(SHAPES))
    arrays = [np.full(shape, index) for index, shape in enumerate(SHAPES)]
    for first, second in zip(arrays, layout.flatten(arrays, np), strict=True):
        np.testing.assert_array_equal(first, second)


def test_is_elementwise_only_for_known_elementwise_optimizers():
    optimizers = keras.optimizers
    assert all(is_elementwise(getattr(optimizers, name)()) for name in ELEMENTWISE)
    for optimizer in (optimizers.Lamb(), optimizers.Adafactor(), optimizers.Muon(), optimizers.Adam(clipnorm=1.0)):
        assert not is_elementwise(optimizer)

    class OwnAdam(optimizers.Adam):
        """An optimizer of unknown behaviour."""

    assert not is_elementwise(OwnAdam())


@pytest.mark.parametrize("parameters", [{}, {"optimizer": "adam", "l2": 1e-3, "dropout": 0.2}])
def test_training_is_the_same_with_flat_state_and_by_layer(monkeypatch, parameters):
    X, y = make_moons(60, noise=0.2, random_state=0)
    clf = KerasMoonClassifier((6, 5), epochs=4, batch_size=20, random_state=0, **parameters)
    n_vectors = []
    run = _program_state.ProgramState.run
    monkeypatch.setattr(
        _program_state.ProgramState, "run", lambda self, *b: n_vectors.append(len(self._stored_state)) or run(self, *b)
    )
    flat = clone(clf).fit(X, y)
    monkeypatch.setattr(_compiled_program, "_programs", {})
    monkeypatch.setattr(_training_step, "_MAX_FLAT_WEIGHTS", 0)
    by_layer = clone(clf).fit(X, y)
    assert n_vectors[0] < n_vectors[1]
    for first, second in zip(flat.coefs_ + flat.intercepts_, by_layer.coefs_ + by_layer.intercepts_, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(flat.history_["loss"], by_layer.history_["loss"], rtol=1e-12)
    # A fit by layer resumes with a flat state, and the reverse
    resumed = clone(clf).set_params(warm_start=True, epochs=2).fit(X, y)
    monkeypatch.setattr(_training_step, "_MAX_FLAT_WEIGHTS", 2**14)
    monkeypatch.setattr(_compiled_program, "_programs", {})
    resumed.fit(X, y)
    np.testing.assert_allclose(resumed.coefs_[0], flat.coefs_[0], rtol=1e-12, atol=1e-14)
