"""A program's description: plain values from which the same one is made."""

import json

import numpy as np
import pytest

from moonnet.losses._regression import SquaredError
from moonnet.networks import DenseStack
from moonnet.training import _optimizers, _program_spec
from moonnet.training._flat_state import StateLayout
from moonnet.training._program_description import OptimizerStart, ProgramDescription
from moonnet.training._training_step import build_step


@pytest.mark.parametrize("sizes", [(2, 3, 1), (2, 300, 60, 1)])  # with a flat state, and by layer
@pytest.mark.parametrize("optimizer", ["adagrad", "adafactor", "nadam"])
def test_description_survives_json(optimizer, sizes):
    spec = _program_spec.ProgramSpec(
        DenseStack(sizes, "relu"),
        SquaredError(),
        _optimizers.resolve_optimizer(optimizer, None)[0],
        batch_size=8,
        dropout=True,
        dtype="float32",
    )
    with spec.scope():
        step, description, _ = build_step(spec)
    values = json.loads(json.dumps(description.to_dict()))
    restored = ProgramDescription.from_dict(values)
    assert restored.to_dict() == description.to_dict()
    assert restored.layout == description.layout
    assert restored.loop_shapes("float32") == description.loop_shapes("float32")
    assert restored.loop_shapes("float32").state == [(tuple(v.shape), v.dtype) for v in step.variables]
    for array, expected in zip(restored.optimizer_start.values, description.optimizer_start.values, strict=True):
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("values", [None, [np.zeros(3), np.arange(2.0)]])
def test_optimizer_that_starts_with_various_numbers_has_no_plain_description(values):
    start = OptimizerStart(["float64", "float64"], None, values)
    layout = StateLayout.by_layer([])
    assert ProgramDescription(0, [], start, layout, 0, [], [], 1).to_dict() is None
