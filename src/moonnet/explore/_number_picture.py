"""What the page draws of a network that predicts numbers: a curve over one feature, or a surface over two."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from moonnet.explore._datasets import Axis, PlaneDataset
from moonnet.targets import NumberTargets

CURVE_RESOLUTION = 384  # points along the feature


def number_picture(
    data: PlaneDataset,
    targets: Sequence[NumberTargets],
    outputs: Callable[[np.ndarray], list[np.ndarray]],
    grid: np.ndarray,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return scores for the header, and predictions and numbers as coordinates on the axis of the target.

    ``targets`` are those of each member of an ensemble, or of the only network, and ``outputs`` returns their outputs;
    ``grid`` contains the features of the points to predict.
    """
    axis = data.target
    assert axis is not None

    def predict_each(outputs: list[np.ndarray]) -> list[np.ndarray]:
        """Return the predictions of each network in the unit of the numbers."""
        return [own.decode(values) for own, values in zip(targets, outputs, strict=True)]

    def band(outputs: list[np.ndarray]) -> np.ndarray:
        """Return the lowest and the highest of several quantiles, shape (n_samples, 2)."""
        bands = [own.decode_quantiles(values)[:, [0, -1]] for own, values in zip(targets, outputs, strict=True)]
        return _coordinates(_mean(bands), axis)

    def predict(outputs: list[np.ndarray]) -> np.ndarray:
        return _coordinates(_mean(predict_each(outputs)), axis)

    on_grid, on_train, on_test = outputs(grid), outputs(data.X_train), outputs(data.X_test)
    y_train, y_test = _coordinates(data.y_train, axis), _coordinates(data.y_test, axis)
    predicted, predicted_test = predict(on_train), predict(on_test)
    quantiles = targets[0].loss.quantiles
    scores: dict[str, Any] = {
        "r2": _r2(y_train, predicted),
        "test_r2": _r2(y_test, predicted_test),
        "rmse": _rmse(y_train, predicted, axis),
        "test_rmse": _rmse(y_test, predicted_test, axis),
    }
    if len(quantiles) == 1:
        scores |= {"below": _share_below(y_train, predicted), "test_below": _share_below(y_test, predicted_test)}
    elif quantiles:
        scores |= {
            "within": _share_within(y_train, band(on_train)),
            "test_within": _share_within(y_test, band(on_test)),
        }
    # float32 has the range that the page can draw
    arrays = {
        "prediction": predict(on_grid),
        "values": y_train.astype(np.float32),
        "test_values": y_test.astype(np.float32),
    }
    if len(quantiles) > 1:
        arrays["band"] = band(on_grid)
    if len(on_grid) > 1:
        scores["member_test_scores"] = [_r2(y_test, _coordinates(own, axis)) for own in predict_each(on_test)]
        # The members one after the other, and the standard deviation over them at each grid point
        members = _coordinates(np.array(predict_each(on_grid)), axis)
        arrays |= {"member_prediction": members.ravel(), "spread": members.std(axis=0)}
    return {**scores, "quantiles": list(quantiles)}, arrays


def _mean(predictions: list[np.ndarray]) -> np.ndarray:
    """Return the mean as DeepEnsembleRegressor computes it, bit for bit."""
    first, *others = predictions
    return sum(others, start=first) / len(predictions) if others else first


def _coordinates(numbers: np.ndarray, axis: Axis) -> np.ndarray:
    return (numbers - axis.offset) / axis.scale


# By hand, because scikit-learn's functions reject the infinite predictions of a diverging training


def _r2(y: np.ndarray, predicted: np.ndarray) -> float | None:
    """Return the coefficient of determination; None if it is not finite."""
    residual, total = np.square(y - predicted).sum(), np.square(y - y.mean()).sum()
    return _finite(1 - residual / total) if total > 0 else None


def _rmse(y: np.ndarray, predicted: np.ndarray, axis: Axis) -> float | None:
    """Return the root mean squared error in the unit of the target; None if it is not finite."""
    return _finite(np.sqrt(np.square(y - predicted).mean()) * axis.scale)


def _share_below(y: np.ndarray, predicted: np.ndarray) -> float:
    return float((y <= predicted).mean())


def _share_within(y: np.ndarray, band: np.ndarray) -> float:
    return float(((band[:, 0] <= y) & (y <= band[:, 1])).mean())


def _finite(value: np.floating) -> float | None:
    return float(value) if math.isfinite(value) else None
