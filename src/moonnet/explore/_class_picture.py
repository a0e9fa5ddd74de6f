"""What the page draws of a network that predicts classes: decision regions, and what an ensemble's members think."""

from collections.abc import Callable
from typing import Any

import numpy as np

from moonnet.explore._datasets import PlaneDataset
from moonnet.plotting._boundary import boundary_lines
from moonnet.targets import ClassTargets


def class_picture(
    data: PlaneDataset, labels: ClassTargets, logits: Callable[[np.ndarray], list[np.ndarray]], grid: np.ndarray
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return accuracies for the header, the decision regions on a square grid, and the labels.

    ``logits`` returns those of each member of an ensemble, or of the only network.
    """
    of_members, probability = _probabilities(labels, logits(grid))
    test_logits = logits(data.X_test)
    is_correct = _decode(labels, logits(data.X_train)) == data.y_train
    is_correct_test = _decode(labels, test_logits) == data.y_test
    scores: dict[str, Any] = {"accuracy": float(is_correct.mean()), "test_accuracy": float(is_correct_test.mean())}
    arrays = {
        # Two classes: of the second one, (resolution ** 2,); more classes: (resolution ** 2, n_classes)
        "probability": probability[:, 1] if len(labels.classes) == 2 else probability,
        **_pack_lines("boundary", _boundary(probability)),
        "labels": np.searchsorted(labels.classes, data.y_train).astype(np.uint8),
        "wrong": (~is_correct).astype(np.uint8),
        "test_labels": np.searchsorted(labels.classes, data.y_test).astype(np.uint8),
        "test_wrong": (~is_correct_test).astype(np.uint8),
    }
    if len(of_members) > 1:
        scores["member_test_scores"] = [float((labels.decode(z) == data.y_test).mean()) for z in test_logits]
        arrays |= _pack_lines("member_boundary", [line for member in of_members for line in _boundary(member)])
        # The standard deviation of the members' probabilities, the largest one of any class: at most 0.5
        arrays["spread"] = np.std(of_members, axis=0).max(axis=1).astype(np.float32)
    return scores, arrays


def _probabilities(labels: ClassTargets, logits: list[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the probabilities of each member, and their mean as DeepEnsembleClassifier computes it, bit for bit."""
    first, *others = of_members = [labels.probabilities(member) for member in logits]
    return of_members, sum(others, start=first) / len(of_members) if others else first


def _decode(labels: ClassTargets, logits: list[np.ndarray]) -> np.ndarray:
    """Return the most probable class of each sample."""
    if len(logits) == 1:
        return labels.decode(logits[0])
    return labels.classes[_probabilities(labels, logits)[1].argmax(axis=1)]


def _boundary(probability: np.ndarray) -> list[np.ndarray]:
    """Return the lines of the decision boundary, in grid steps."""
    resolution = round(len(probability) ** 0.5)
    return boundary_lines(probability.reshape(resolution, resolution, -1))


def _pack_lines(name: str, lines: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Return lines as one array of points, and the index of each line's end."""
    return {
        name: np.concatenate([np.zeros((0, 2)), *lines]).astype(np.float32),
        f"{name}_ends": np.cumsum([len(line) for line in lines]).astype(np.int32),
    }
