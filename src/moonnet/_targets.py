"""Labels to what the network is trained on, and the network's outputs back to labels and probabilities.

Two classes share one sigmoid unit, whose logit speaks for ``classes[1]``; more classes have a softmax unit each.
"""

import math
from numbers import Real

import numpy as np
from scipy import special
from sklearn.utils.class_weight import compute_class_weight


def output_layer(classes: np.ndarray) -> tuple[int, str]:
    """Return the number of output units and the name of Keras's loss."""
    if len(classes) == 2:
        return 1, "binary_crossentropy"
    return len(classes), "categorical_crossentropy"


def encode(y: np.ndarray, classes: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return 0 or 1 in one column for two classes, one-hot rows for more; shape (n_samples, n_outputs)."""
    indices = np.searchsorted(classes, y)
    if len(classes) == 2:
        return indices[:, np.newaxis].astype(dtype)
    one_hot = np.zeros((len(y), len(classes)), dtype)
    one_hot[np.arange(len(y)), indices] = 1
    return one_hot


def decode(logits: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return each row's label: ``classes[1]`` where its probability exceeds 0.5, or the most probable class."""
    if len(classes) == 2:
        return classes[(special.expit(logits[:, 0]) > 0.5).astype(np.intp)]
    return classes[logits.argmax(axis=1)]


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Return class probabilities, shape (n_samples, n_classes)."""
    if logits.shape[1] == 1:
        # expit(-z) rather than 1 - expit(z): exact where the second class is almost certain
        return special.expit(np.hstack([-logits, logits]))
    return special.softmax(logits, axis=1)


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """Return logarithms of class probabilities, finite where the probabilities themselves underflow."""
    if logits.shape[1] == 1:
        return special.log_expit(np.hstack([-logits, logits]))
    return special.log_softmax(logits, axis=1)


def effective_weights(
    y: np.ndarray, classes: np.ndarray, sample_weight: np.ndarray, class_weight: dict | str | None, dtype: np.dtype
) -> np.ndarray:
    """Return each sample's weight times its class's, shape (n_samples,), scaled to a largest one between 1 and 2.

    A batch divides its weights by their sum, so that their scale is free: this one neither overflows nor underflows in
    ``dtype``, and a power of two changes no bit. Weights too small beside the largest to be told from 0 are 0.
    """
    largest = sample_weight.max()
    weights = np.ldexp(sample_weight, -np.frexp(largest)[1]) * _by_class(y, classes, sample_weight, class_weight)
    if not (weights > 0).any():
        raise ValueError(
            f"The 'class_weight' parameter must leave a sample with a positive weight. Got {class_weight!r} instead."
        )
    weights = np.ldexp(weights, 1 - np.frexp(weights.max())[1]).astype(dtype)
    weights[weights < np.finfo(dtype).tiny] = 0  # subnormal numbers, which compiled code takes for 0
    return weights


def _by_class(
    y: np.ndarray, classes: np.ndarray, sample_weight: np.ndarray, class_weight: dict | str | None
) -> np.ndarray | float:
    """Return the weight of each sample's class, shape (n_samples,), or 1."""
    if class_weight is None:
        return 1.0
    if isinstance(class_weight, dict):
        _check_class_weight(class_weight, classes)
        weights = np.array([float(class_weight.get(label, 1.0)) for label in classes.tolist()])
        return weights[np.searchsorted(classes, y)]
    # "balanced": a class without any weight has no share to balance
    counted = sample_weight > 0
    present = np.unique(y[counted])
    weights = compute_class_weight(class_weight, classes=present, y=y[counted], sample_weight=sample_weight[counted])
    return np.where(counted, weights[np.searchsorted(present, y).clip(max=len(present) - 1)], 0.0)


def _check_class_weight(class_weight: dict, classes: np.ndarray) -> None:
    labels = classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    if unknown:
        raise ValueError(
            f"The 'class_weight' parameter must name labels that y holds, here {labels}. Got the unknown {unknown}."
        )
    for label, weight in class_weight.items():
        if not isinstance(weight, Real) or not 0 <= float(weight) < math.inf:
            raise ValueError(
                f"The 'class_weight' parameter must map labels to finite numbers of at least 0. Got {weight!r} "
                f"for label {label!r} instead."
            )
