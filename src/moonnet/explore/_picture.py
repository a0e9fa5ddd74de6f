"""The arrays that the page draws of a network: predictions, decision boundary, activations, weights and samples."""

from collections.abc import Callable
from typing import Any

import numpy as np

from moonnet.explore._datasets import PlaneDataset
from moonnet.explore._number_picture import CURVE_RESOLUTION, number_picture
from moonnet.networks import DenseStack, State
from moonnet.plotting._boundary import boundary_lines
from moonnet.targets import ClassTargets, NumberTargets

RESOLUTION = 96  # grid points along each axis of the plane
UNIT_RESOLUTION = 24  # grid points along each axis, for the activation of each unit

# Training reports divergence
_ignoring_divergence = np.errstate(divide="ignore", over="ignore", invalid="ignore")


@_ignoring_divergence
def compute_picture(
    data: PlaneDataset, targets: ClassTargets | NumberTargets, network: DenseStack, state: State
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return scores and sizes for the message's header, and the arrays to draw.

    ``targets`` are those of the training: they turn the outputs of the network into predictions.
    """
    header, arrays = compute_plane(data, targets, network, state)
    header |= {
        "layer_sizes": list(network.layer_sizes),
        "inputs": data.inputs.describe([axis.name for axis in data.axes]),
        "input_symbols": data.inputs.symbols,
        "unit_resolution": UNIT_RESOLUTION,
    }
    images = _unit_images(network.layer_outputs(data.inputs(_grid(data, UNIT_RESOLUTION)), state))
    if data.is_curve:  # the same in each row of the plane
        images = np.tile(images, UNIT_RESOLUTION)
    arrays |= {"units": images, "weights": network.flatten(state)}
    return header, arrays


@_ignoring_divergence
def compute_plane(
    data: PlaneDataset,
    targets: ClassTargets | NumberTargets,
    network: DenseStack,
    state: State,
    resolution: int = RESOLUTION,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the part of ``compute_picture`` that is about the plane, with as many grid points along each axis."""

    def outputs(points: np.ndarray) -> np.ndarray:
        return network.raw_predictions(data.inputs(points), state)

    grid = _grid(data, CURVE_RESOLUTION if data.is_curve else resolution)
    if isinstance(targets, NumberTargets):
        scores, arrays = number_picture(data, targets, outputs, grid)
    else:
        scores, arrays = _class_picture(data, targets, outputs, grid)
    arrays |= {
        "points": _points(data, data.X_train, arrays.get("values")),
        "indices": data.indices.astype(np.int32),
        "test_points": _points(data, data.X_test, arrays.get("test_values")),
    }
    return {**scores, "resolution": resolution}, arrays


def _class_picture(
    data: PlaneDataset, labels: ClassTargets, logits: Callable[[np.ndarray], np.ndarray], grid: np.ndarray
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return accuracies for the header, the decision regions on a square grid, and the labels."""
    probability = labels.probabilities(logits(grid))
    resolution = int(np.sqrt(len(grid)))
    lines = boundary_lines(probability.reshape(resolution, resolution, -1))
    is_correct, is_correct_test = (
        labels.decode(logits(X)) == y for X, y in ((data.X_train, data.y_train), (data.X_test, data.y_test))
    )
    scores = {"accuracy": float(is_correct.mean()), "test_accuracy": float(is_correct_test.mean())}
    arrays = {
        # Two classes: of the second one, (resolution ** 2,); more classes: (resolution ** 2, n_classes)
        "probability": probability[:, 1] if len(labels.classes) == 2 else probability,
        "boundary": np.concatenate([np.zeros((0, 2)), *lines]).astype(np.float32),  # in grid steps
        "boundary_ends": np.cumsum([len(line) for line in lines]).astype(np.int32),
        "labels": np.searchsorted(labels.classes, data.y_train).astype(np.uint8),
        "wrong": (~is_correct).astype(np.uint8),
        "test_labels": np.searchsorted(labels.classes, data.y_test).astype(np.uint8),
        "test_wrong": (~is_correct_test).astype(np.uint8),
    }
    return scores, arrays


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
