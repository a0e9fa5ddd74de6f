"""The arrays that the page draws of a network: probabilities, decision boundary, activations, weights and samples."""

from typing import Any

import numpy as np

from moonnet.explore._datasets import PlaneDataset
from moonnet.networks import DenseStack, State
from moonnet.plotting._boundary import boundary_lines
from moonnet.targets import ClassTargets

RESOLUTION = 96  # grid points along each axis, for the probabilities
UNIT_RESOLUTION = 24  # grid points along each axis, for the activation of each unit


@np.errstate(over="ignore", invalid="ignore")  # training reports divergence
def compute_picture(
    data: PlaneDataset, network: DenseStack, state: State
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return metrics and sizes for the message's header, and the arrays to draw."""
    header, arrays = compute_plane(data, network, state)
    header |= {
        "layer_sizes": list(network.layer_sizes),
        "inputs": data.inputs.describe([axis.name for axis in data.axes]),
        "input_symbols": data.inputs.symbols,
        "unit_resolution": UNIT_RESOLUTION,
    }
    layers = network.layer_outputs(data.inputs(_grid(data, UNIT_RESOLUTION)), state)
    arrays |= {"units": _unit_images(layers), "weights": network.flatten(state)}
    return header, arrays


@np.errstate(over="ignore", invalid="ignore")
def compute_plane(
    data: PlaneDataset, network: DenseStack, state: State, resolution: int = RESOLUTION
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the part of ``compute_picture`` that is about the plane, with as many grid points along each axis."""
    labels = ClassTargets(data.classes)

    def logits(points: np.ndarray) -> np.ndarray:
        return network.raw_predictions(data.inputs(points), state)

    probability = labels.probabilities(logits(_grid(data, resolution)))
    lines = boundary_lines(probability.reshape(resolution, resolution, -1))
    is_correct, is_correct_test = (
        labels.decode(logits(X)) == y for X, y in ((data.X_train, data.y_train), (data.X_test, data.y_test))
    )
    header = {
        "accuracy": float(is_correct.mean()),
        "test_accuracy": float(is_correct_test.mean()),
        "resolution": resolution,
    }
    arrays = {
        # Two classes: of the second one, (resolution ** 2,); more classes: (resolution ** 2, n_classes)
        "probability": probability[:, 1] if len(labels.classes) == 2 else probability,
        "boundary": np.concatenate([np.zeros((0, 2)), *lines]).astype(np.float32),  # in grid steps
        "boundary_ends": np.cumsum([len(line) for line in lines]).astype(np.int32),
        "points": data.X_train.astype(np.float32),
        "labels": np.searchsorted(labels.classes, data.y_train).astype(np.uint8),
        "indices": data.indices.astype(np.int32),
        "wrong": (~is_correct).astype(np.uint8),
        "test_points": data.X_test.astype(np.float32),
        "test_labels": np.searchsorted(labels.classes, data.y_test).astype(np.uint8),
        "test_wrong": (~is_correct_test).astype(np.uint8),
    }
    return header, arrays


def _grid(data: PlaneDataset, resolution: int) -> np.ndarray:
    """Return the points of a grid over the plane, row by row from the bottom, shape (resolution ** 2, 2)."""
    x, y = (np.linspace(*axis.limits, resolution) for axis in data.axes)
    return np.column_stack([np.tile(x, resolution), np.repeat(y, resolution)])


def _unit_images(layers: list[np.ndarray]) -> np.ndarray:
    """Return the activation of each unit of some layers as bytes, shape (n_units, n_points).

    Zero is 128; each unit is scaled so that its largest absolute activation is 1 or 255. The outputs are logits.
    """
    images = []
    for layer in layers:
        largest = np.abs(layer).max(axis=0)
        scaled = layer / np.where(largest > 0, largest, 1)
        scaled = np.nan_to_num(scaled).clip(-1, 1)  # a diverging training overflows
        images.append((128.5 + 127 * scaled).astype(np.uint8).T)
    return np.concatenate(images)
