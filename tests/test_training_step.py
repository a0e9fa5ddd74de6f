"""Training steps: what an optimizer starts from. What a step computes is tested in test_training_loop.py."""

import numpy as np
import pytest

from moonnet import KerasMoonClassifier
from moonnet._keras import keras
from moonnet.networks import DenseStack
from moonnet.training._records import RandomStreams

pytestmark = pytest.mark.trains


class Anchored(keras.optimizers.SGD):
    """Keeps twice the initial weights, and logarithms of numbers; starts so for kernels only, known by their path."""

    def build(self, variables):
        super().build(variables)
        self._anchors = self.add_optimizer_variables(variables, "anchor")
        self._logarithms = self.add_optimizer_variables(variables, "logarithm")
        for anchor, logarithm, variable in zip(self._anchors, self._logarithms, variables, strict=True):
            if variable.path.endswith("kernel"):
                self.assign(anchor, 2 * keras.ops.copy(variable))
                self.assign(logarithm, keras.ops.log1p(keras.ops.ones(variable.shape)))


def test_optimizer_starts_from_the_initial_weights_by_the_paths_of_the_model(moons):
    for seed in (0, 1):  # which share a program
        clf = KerasMoonClassifier((5,), optimizer=Anchored(0.01), epochs=2, random_state=seed).fit(*moons)
        weights = DenseStack((2, 5, 1), "relu").initial_state(RandomStreams.spawn(seed).weights, "float64").trainable
        state = clf._checkpoint["optimizer_state"][-8:]
        for index, array in enumerate(weights):
            is_kernel = array.ndim == 2
            np.testing.assert_array_equal(state[index], 2 * array if is_kernel else np.zeros_like(array))
            np.testing.assert_allclose(state[4 + index], np.log(2) * is_kernel, rtol=1e-6)
