"""The weight of each sample in training: ``sample_weight`` times ``class_weight``."""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from moonnet._sklearn_compat import check_sample_weight
from moonnet.targets import ClassTargets

# Multiplies sample weights by class weights; both of shape (n_samples,)
ClassWeighting = Callable[[np.ndarray], np.ndarray]

# Relative to the largest sample weight; the balanced weight of a class whose samples have smaller ones could overflow
_MIN_BALANCED_WEIGHT = 1e-290


def drop_zero_weights(
    X: Any, y: np.ndarray, sample_weight: Any, class_weighting: ClassWeighting | None
) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return the samples with positive weights, and these weights: a sample of weight 0 is as good as absent."""
    if sample_weight is None and class_weighting is None:
        return X, y, np.broadcast_to(X.dtype.type(1), len(y))  # which takes no memory
    weight = effective_weights(check_sample_weight(sample_weight, X), class_weighting, X.dtype)
    positive = weight > 0
    return (X, y, weight) if positive.all() else (X[positive], y[positive], weight[positive])


def effective_weights(sample_weight: np.ndarray, class_weighting: ClassWeighting | None, dtype: Any) -> np.ndarray:
    """Return the weight of each sample, shape (n_samples,), scaled so that the largest is in [1, 2).

    The weights of a batch are divided by their sum, so their scale is arbitrary. This scale neither overflows nor
    underflows in ``dtype``, and since it is a power of two, it changes no bit of the mantissa.
    """
    weights = np.ldexp(sample_weight, -np.frexp(sample_weight.max())[1])
    if class_weighting is not None:
        weights = class_weighting(weights)
    weights = np.ldexp(weights, 1 - np.frexp(weights.max())[1]).astype(dtype)
    weights[weights < np.finfo(dtype).tiny] = 0  # compiled code treats subnormal numbers as 0
    return weights


def make_class_weighting(
    class_weight: dict | str | None, y: np.ndarray, targets: ClassTargets
) -> ClassWeighting | None:
    """Return the function that applies ``class_weight`` to sample weights; None without class weights."""
    if class_weight is None:
        return None

    def apply(sample_weight: np.ndarray) -> np.ndarray:
        weights = sample_weight * _class_weight_of_samples(class_weight, y, targets, sample_weight)
        if not (weights > 0).any():
            raise ValueError(
                "The 'class_weight' parameter must give at least one sample a positive weight. "
                f"Got {class_weight!r} instead."
            )
        return weights

    return apply


def _class_weight_of_samples(
    class_weight: dict | str, y: np.ndarray, targets: ClassTargets, sample_weight: np.ndarray
) -> np.ndarray:
    """Return the class weight of each sample, shape (n_samples,)."""
    if targets.multilabel:
        if isinstance(class_weight, dict):
            raise ValueError(
                "The 'class_weight' parameter must be None or 'balanced' for multilabel y. "
                f"Got {class_weight!r} instead."
            )
        weights = np.ones(len(y))  # the products of scikit-learn's compute_sample_weight, up to a power of two
        for column in y.T:
            weights *= _balanced_weights(column, sample_weight)
            weights = np.ldexp(weights, -np.frexp(weights.max())[1])  # as in effective_weights
        return weights
    if isinstance(class_weight, dict):
        _check_class_weight(class_weight, targets.classes)
        weights = np.array([float(class_weight.get(label, 1.0)) for label in targets.classes.tolist()])
        return weights[np.searchsorted(targets.classes, y)]
    return _balanced_weights(y, sample_weight)


def _balanced_weights(y: np.ndarray, sample_weight: np.ndarray) -> np.ndarray:
    """Return weights that give the same total weight to each class with a sample of positive weight.

    The largest of ``sample_weight`` is in [0.5, 1).
    """
    positive = sample_weight > _MIN_BALANCED_WEIGHT
    present = np.unique(y[positive])
    weights = compute_class_weight("balanced", classes=present, y=y[positive], sample_weight=sample_weight[positive])
    return np.where(positive, weights[np.searchsorted(present, y).clip(max=len(present) - 1)], 0.0)


def _check_class_weight(class_weight: dict, classes: np.ndarray) -> None:
    """Raise ValueError unless all weights are valid, and all keys are labels.

    As in scikit-learn, keys beyond the labels are allowed if each label has its own: y may be a part of the data.
    """
    labels = classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    missing = [label for label in labels if label not in class_weight]
    if unknown and missing:
        raise ValueError(
            f"The 'class_weight' parameter must only contain labels of y, which are {labels}, or contain all of them. "
            f"Got the unknown labels {unknown}, and no weight for {missing}."
        )
    for label, weight in class_weight.items():
        if not isinstance(weight, Real) or not 0 <= float(weight) < math.inf:
            raise ValueError(
                "The 'class_weight' parameter must map labels to finite, non-negative numbers. "
                f"Got {weight!r} for the label {label!r} instead."
            )
