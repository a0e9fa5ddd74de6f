"""What a page draws of a network: its probabilities and boundary over the plane, its units and its weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from moonnet import _numpy_forward
from moonnet._class_targets import ClassTargets
from moonnet.explore._datasets import Data
from moonnet.plotting._boundary import boundary_lines

RESOLUTION = 96  # points of the grid along each axis, for the probabilities
UNIT_RESOLUTION = 24  # and for the activation of each unit


@np.errstate(over="ignore", invalid="ignore")  # training reports divergence
def picture(data: Data, weights: Sequence[np.ndarray], activation: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return figures and arrays: what the network does to the plane, and how it does on the samples.

    ``weights`` are kernel and bias of each layer.
    """
    samples, labels = data.samples, ClassTargets(data.samples.classes)
    coefs, intercepts = weights[::2], weights[1::2]

    def logits(X: np.ndarray) -> np.ndarray:
        return _numpy_forward.raw_predictions(X, coefs, intercepts, activation)

    grid = _grid(data, RESOLUTION)
    probability = labels.probabilities(logits(grid))
    is_right, is_right_held_out = (
        labels.decode(logits(X)) == y for X, y in ((data.X, data.y), (samples.X_test, samples.y_test))
    )
    lines = boundary_lines(probability.reshape(RESOLUTION, RESOLUTION, -1))
    figures = {
        "accuracy": float(is_right.mean()),
        "test_accuracy": float(is_right_held_out.mean()),
        "layer_sizes": [len(coefs[0]), *map(len, intercepts)],
        "resolution": RESOLUTION,
        "unit_resolution": UNIT_RESOLUTION,
    }
    arrays = {
        # Of the second class where there are two, (resolution ** 2,); else of each, (resolution ** 2, n_classes)
        "probability": probability[:, 1] if len(labels.classes) == 2 else probability,
        "boundary": np.concatenate([np.zeros((0, 2)), *lines]).astype(np.float32),  # in steps of the grid
        "boundary_ends": np.cumsum([len(line) for line in lines]).astype(np.int32),
        "units": _unit_pictures(_grid(data, UNIT_RESOLUTION), coefs, intercepts, activation),
        "weights": np.concatenate([array.ravel() for array in weights]),
        "points": data.X.astype(np.float32),
        "labels": np.searchsorted(labels.classes, data.y).astype(np.uint8),
        "indices": data.indices.astype(np.int32),
        "wrong": (~is_right).astype(np.uint8),
        "test_points": samples.X_test.astype(np.float32),
        "test_class_targets": np.searchsorted(labels.classes, samples.y_test).astype(np.uint8),
        "test_wrong": (~is_right_held_out).astype(np.uint8),
    }
    return figures, arrays


def _grid(data: Data, resolution: int) -> np.ndarray:
    """Return the points of a grid over the plane, row by row from below, shape (resolution ** 2, 2)."""
    x, y = (np.linspace(*axis.limits, resolution) for axis in data.samples.axes)
    return np.column_stack([np.tile(x, resolution), np.repeat(y, resolution)])


def _unit_pictures(
    X: np.ndarray, coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray], activation: str
) -> np.ndarray:
    """Return each unit's activation over the grid as bytes (n_units, n_points), layer by layer, the inputs first.

    128 is zero, and the farthest from it is 1 or 255. The outputs are logits.
    """
    activate = _numpy_forward.ACTIVATIONS[activation]
    values, layers = X, [X]
    for index, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        values = values @ coef + intercept
        if index < len(coefs) - 1:
            activate(values)
        layers.append(values)
    pictures = []
    for layer in layers:
        largest = np.abs(layer).max(axis=0)
        scaled = layer / np.where(largest > 0, largest, 1)
        scaled = np.nan_to_num(scaled).clip(-1, 1)  # where a unit overflows, as in a training that diverges
        pictures.append((128.5 + 127 * scaled).astype(np.uint8).T)
    return np.concatenate(pictures)
