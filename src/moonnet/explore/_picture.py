"""The arrays that the page draws of a network: predictions, decision boundary, activations, weights and samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from moonnet.explore._class_picture import class_picture
from moonnet.explore._datasets import PlaneDataset
from moonnet.explore._number_picture import CURVE_RESOLUTION, number_picture
from moonnet.networks import DenseStack, State

RESOLUTION = 96  # grid points along each axis of the plane
UNIT_RESOLUTION = 24  # grid points along each axis, for the activation of each unit

# Training reports divergence
_ignoring_divergence = np.errstate(divide="ignore", over="ignore", invalid="ignore")


@_ignoring_divergence
def compute_picture(
    data: PlaneDataset, targets: Sequence[Any], network: DenseStack, states: Sequence[State]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return scores and sizes for the message's header, and the arrays to draw.

    Each member of an ensemble has a state; units and weights are those of the first one. ``targets`` are those of their
    trainings: they turn the outputs of the networks into predictions.
    """
    header, arrays = compute_plane(data, targets, network, states)
    header |= {
        "layer_sizes": list(network.layer_sizes),
        "inputs": data.inputs.describe([axis.name for axis in data.axes]),
        "input_symbols": data.inputs.symbols,
        "unit_resolution": UNIT_RESOLUTION,
    }
    images = _unit_images(network.layer_outputs(data.inputs(_grid(data, UNIT_RESOLUTION)), states[0]))
    if data.is_curve:  # the same in each row of the plane
        images = np.tile(images, UNIT_RESOLUTION)
    arrays |= {"units": images, "weights": network.flatten(states[0])}
    return header, arrays


@_ignoring_divergence
def compute_plane(
    data: PlaneDataset,
    targets: Sequence[Any],
    network: DenseStack,
    states: Sequence[State],
    resolution: int = RESOLUTION,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the part of ``compute_picture`` that is about the plane, with as many grid points along each axis."""

    def outputs(points: np.ndarray) -> list[np.ndarray]:
        inputs = data.inputs(points)
        return [network.raw_predictions(inputs, state) for state in states]

    grid = _grid(data, CURVE_RESOLUTION if data.is_curve else resolution)
    if data.is_regression:
        scores, arrays = number_picture(data, targets, outputs, grid)
    else:
        scores, arrays = class_picture(data, targets[0], outputs, grid)
    arrays |= {
        "points": _points(data, data.X_train, arrays.get("values")),
        "indices": data.indices.astype(np.int32),
        "test_points": _points(data, data.X_test, arrays.get("test_values")),
    }
    return {**scores, "resolution": resolution, "n_members": len(states)}, arrays


def _points(data: PlaneDataset, X: np.ndarray, values: np.ndarray | None) -> np.ndarray:
    """Return the places of samples on the plane, shape (n_samples, 2)."""
    return (np.column_stack([X, values]) if data.is_curve and values is not None else X).astype(np.float32)


def _grid(data: PlaneDataset, resolution: int) -> np.ndarray:
    """Return a grid of the features, shape (resolution ** n_features, n_features), row by row from the bottom."""
    if data.is_curve:
        return np.linspace(*data.features[0].limits, resolution)[:, np.newaxis]
    x, y = (np.linspace(*axis.limits, resolution) for axis in data.features)
    return np.column_stack([np.tile(x, resolution), np.repeat(y, resolution)])


def _unit_images(layers: list[np.ndarray]) -> np.ndarray:
    """Return the activation of each unit of some layers as bytes, shape (n_units, n_points).

    Zero is 128; each unit is scaled so that its largest absolute activation is 1 or 255. The outputs are logits, or
    standardised numbers.
    """
    images = []
    for layer in layers:
        largest = np.abs(layer).max(axis=0)
        scaled = layer / np.where(largest > 0, largest, 1)
        scaled = np.nan_to_num(scaled).clip(-1, 1)  # a diverging training overflows
        images.append((128.5 + 127 * scaled).astype(np.uint8).T)
    return np.concatenate(images)
