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
    y: np.ndarray, classes: np.ndarray, sample_weight: np.ndarray, class_weight: dict | str | None
) -> np.ndarray:
    """Return each sample's weight times its class's, shape (n_samples,)."""
    if class_weight is None:
        return sample_weight
    if isinstance(class_weight, dict):
        _check_class_weight(class_weight, classes)
        by_class = np.array([class_weight.get(label, 1.0) for label in classes.tolist()])
        return sample_weight * by_class[np.searchsorted(classes, y)].astype(sample_weight.dtype)
    # "balanced": a class without any weight has no share to balance
    counted = sample_weight > 0
    present = np.unique(y[counted])
    by_class = compute_class_weight(
        class_weight, classes=present, y=y[counted], sample_weight=sample_weight[counted]
    ).astype(sample_weight.dtype)
    weights = np.zeros_like(sample_weight)
    weights[counted] = sample_weight[counted] * by_class[np.searchsorted(present, y[counted])]
    return weights


def _check_class_weight(class_weight: dict, classes: np.ndarray) -> None:
    labels = classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    if unknown:
        raise ValueError(
            f"The 'class_weight' parameter must name labels that y holds, here {labels}. Got {unknown} beside them."
        )
    for label, weight in class_weight.items():
        if not isinstance(weight, Real) or not 0 <= float(weight) < math.inf:
            raise ValueError(
                f"The 'class_weight' parameter must map labels to finite numbers of at least 0. Got {weight!r} "
                f"for label {label!r} instead."
            )
