"""The geometry of decision boundaries: scores on a grid, and the lines between the classes."""

from collections.abc import Callable
from typing import Any

import numpy as np


def boundary_lines(
    scores: np.ndarray, xx0: np.ndarray | None = None, xx1: np.ndarray | None = None
) -> list[np.ndarray]:
    """Return the lines along which a class's score equals the highest of the others, each of shape (n_points, 2).

    ``scores`` (n_rows, n_columns, n_classes) belong to a grid with the coordinates ``xx0`` and ``xx1``. Without
    coordinates, the lines are in units of columns and rows.
    """
    from contourpy import contour_generator

    n_classes = scores.shape[-1]
    if n_classes < 2:
        return []
    second, highest = np.moveaxis(np.partition(scores, -2, axis=-1)[..., -2:], -1, 0)
    predicted = scores.argmax(axis=-1)
    lines = []
    for index in range(n_classes - 1):  # the other classes' boundaries contain that of the last class
        margin = scores[..., index] - np.where(predicted == index, second, highest)
        lines += contour_generator(xx0, xx1, margin).lines(0)
    return lines


def score_boundary(
    estimator: Any, inverse_transform: Callable[[np.ndarray], Any], grid: np.ndarray, response: np.ndarray
) -> np.ndarray:
    """Return scores of shape (n_rows, n_columns, n_classes), highest for the predicted class and exact at the boundary.

    Only grid points next to another class affect the position of the boundary. The classifier scores these points;
    all others get 1 for the predicted class and 0 for the rest.
    """
    n_classes = len(estimator.classes_)
    scores = np.eye(n_classes)[response]
    at_boundary = _find_boundary(response)
    if not at_boundary.any():
        return scores
    samples = inverse_transform(grid[at_boundary.ravel()])
    for method in ("predict_proba", "decision_function"):
        if hasattr(estimator, method):
            values = np.asarray(getattr(estimator, method)(samples))
            if values.ndim == 1:
                values = np.column_stack([-values, values])
            if values.shape[1] == n_classes:
                consistent = _match_predictions(values, response[at_boundary])
                if consistent is not None:
                    scores[at_boundary] = consistent
                    return scores
    return scores


def _find_boundary(response: np.ndarray) -> np.ndarray:
    """Return a mask of the grid points with a neighbour of another class in their row or column."""
    at_boundary = np.zeros(response.shape, dtype=bool)
    for classes, mask in ((response, at_boundary), (response.T, at_boundary.T)):
        changes = classes[1:] != classes[:-1]
        mask[1:] |= changes
        mask[:-1] |= changes
    return at_boundary


def _match_predictions(scores: np.ndarray, response: np.ndarray) -> np.ndarray | None:
    """Return scores that are highest for the predicted class, or None if no threshold yields these predictions."""
    if (scores.argmax(axis=1) == response).all():
        return scores
    if scores.shape[1] == 2:  # may have any threshold, as those of FixedThresholdClassifier
        highest_negative, lowest_positive = scores[response == 0, 1].max(), scores[response == 1, 1].min()
        if highest_negative < lowest_positive:
            margin = scores[:, 1] - (highest_negative + lowest_positive) / 2
            return np.column_stack([-margin, margin])
    return None
