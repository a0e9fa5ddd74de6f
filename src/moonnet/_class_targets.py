"""Labels to what the network is trained on, and the network's outputs back to labels and probabilities.

Two classes share one sigmoid unit, whose logit speaks for ``classes[1]``; more classes have a softmax unit each. Where
a sample may have several labels, each label has a sigmoid unit.
"""

import math
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any, Self

import numpy as np
from scipy import special
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array

from moonnet._base_targets import Balance, BaseTargets


@dataclass(frozen=True, eq=False)
class ClassTargets(BaseTargets):
    """The labels of a problem: how they become what the network is trained on, and its logits labels again."""

    classes: np.ndarray  # sorted; the columns' numbers where each sample may have several labels
    multilabel: bool = False

    @classmethod
    def of(cls, y: np.ndarray) -> Self:
        """Return the labels in y: one a sample, shape (n_samples,), or 0 and 1 for each, (n_samples, n_labels)."""
        if y.ndim == 2:
            known = cls(np.arange(y.shape[1]), multilabel=True)
            if y.shape[1] < 2 or not np.isin(y, (0, 1)).all():
                raise ValueError(f"y must hold one label a sample, or {known}. {_got(y)}")
            return known
        classes = _unique(y, "y")
        check_classification_targets(y)
        return cls._of_two_or_more(classes, "y")

    @classmethod
    def among(cls, classes: Any, name: str) -> Self:
        """Return the labels that the argument ``name`` lists, shape (n_classes,)."""
        values = check_array(classes, ensure_2d=False, ensure_min_samples=0, dtype=None, input_name=name)
        if values.ndim != 1 or (values.dtype.kind == "f" and (values != np.floor(values)).any()):
            raise ValueError(f"{name} must list labels, one after the other. Got {classes!r} instead.")
        return cls._of_two_or_more(_unique(values, name), name)

    @classmethod
    def _of_two_or_more(cls, classes: np.ndarray, name: str) -> Self:
        if len(classes) < 2:
            got = "one class" if len(classes) else "none"
            raise ValueError(f"{name} must hold at least 2 classes. Got {got} instead: {classes.tolist()}.")
        return cls(classes)

    def __str__(self) -> str:
        if self.multilabel:
            return f"a column of 0 and 1 for each of {len(self.classes)} labels"
        return f"one label a sample, of {self.classes.tolist()}"

    def equal(self, other: "ClassTargets") -> bool:
        """Return whether both are of one kind and hold the same labels."""
        return self.multilabel == other.multilabel and np.array_equal(self.classes, other.classes)

    def check(self, y: np.ndarray, name: str = "y", remedy: str = "") -> None:
        """Raise if y, the argument ``name``, holds other labels than these, or is of another kind.

        ``remedy`` is what to say besides where a single label is unknown.
        """
        if self.multilabel:
            fits = y.ndim == 2 and y.shape[1] == len(self.classes) and np.isin(y, (0, 1)).all()
        else:
            fits = y.ndim == 1 and set(_unique(y, name).tolist()) <= set(self.classes.tolist())
        if not fits:
            message = f"{name} must hold {self}. {_got(y)}"
            raise ValueError(message + remedy if y.ndim == 1 and not self.multilabel else message)

    def strata(self, y: np.ndarray) -> np.ndarray | None:
        """Return y, unless samples may have several labels."""
        return None if self.multilabel else y

    @property
    def n_outputs(self) -> int:
        """Units of the output layer."""
        return 1 if self._is_binary else len(self.classes)

    @property
    def loss(self) -> str:
        """The name of Keras's loss."""
        return "binary_crossentropy" if self.multilabel or self._is_binary else "categorical_crossentropy"

    @property
    def _is_binary(self) -> bool:
        return len(self.classes) == 2 and not self.multilabel

    def encode(self, y: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return 0 and 1: a column for two classes, one-hot rows for more, y itself for several labels a sample."""
        if self.multilabel:
            return y.astype(dtype)
        indices = np.searchsorted(self.classes, y)
        if self._is_binary:
            return indices[:, np.newaxis].astype(dtype)
        one_hot = np.zeros((len(y), len(self.classes)), dtype)
        one_hot[np.arange(len(y)), indices] = 1
        return one_hot

    def decode(self, logits: np.ndarray) -> np.ndarray:
        """Return what the network says: each row's most probable class, or 0 and 1 for each label.

        A sigmoid says yes where its probability exceeds 0.5.
        """
        if self.multilabel:
            return (special.expit(logits) > 0.5).astype(np.int64)
        if self._is_binary:
            return self.classes[(special.expit(logits[:, 0]) > 0.5).astype(np.intp)]
        return self.classes[logits.argmax(axis=1)]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the probability of each class or label, shape (n_samples, n_classes)."""
        if self.multilabel:
            return special.expit(logits)
        if self._is_binary:
            both = np.empty((len(logits), 2), logits.dtype)
            # expit(-z) rather than 1 - expit(z): exact where the second class is almost certain
            np.negative(logits, out=both[:, :1])
            both[:, 1:] = logits
            return special.expit(both, out=both)
        return special.softmax(logits, axis=1)

    def log_probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return logarithms of the probabilities, finite where the probabilities themselves underflow."""
        if self.multilabel:
            logarithms = special.log_expit(logits)
        elif self._is_binary:
            logarithms = special.log_expit(np.hstack([-logits, logits]))
        else:
            logarithms = special.log_softmax(logits, axis=1)
        # Near certainty a logarithm can tell what the probability, rounded to 1, cannot: let the two agree
        probabilities = self.probabilities(logits)
        return np.log(probabilities, out=logarithms, where=probabilities > 0.5)

    def losses(self, outputs: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        """Return each sample's cross-entropy in nats, the mean over its labels where there are several."""
        if self.loss == "binary_crossentropy":
            return (np.logaddexp(0, outputs) - encoded * outputs).mean(axis=1)
        return -(encoded * special.log_softmax(outputs, axis=1)).sum(axis=1)

    def metrics(self, outputs: np.ndarray, encoded: np.ndarray) -> dict[str, np.ndarray]:
        """Return the share of each sample's outputs that are right, 0 or 1 for a single label."""
        if self.loss == "binary_crossentropy":
            correct = ((outputs > 0) == (encoded > 0)).mean(axis=1)
        else:
            correct = outputs.argmax(axis=1) == encoded.argmax(axis=1)
        return {"accuracy": correct}

    def balance(self, y: np.ndarray, class_weight: dict | str | None) -> Balance | None:
        """Return what multiplies weights of samples by those of their classes; None where there are none."""
        return None if class_weight is None else partial(_balanced_by, class_weight, y, self)


def _unique(values: np.ndarray, name: str) -> np.ndarray:
    """Return the values sorted, each once."""
    try:
        return np.unique(values)
    except TypeError as error:  # of kinds that cannot be compared
        message = f"{name} must hold labels that can be sorted, all numbers or all strings, say: {error}."
        raise TypeError(message) from None


def _got(y: np.ndarray) -> str:
    return f"Got an array of shape {y.shape} with {_unique(y, 'y').tolist()[:10]}."


def _balanced_by(
    class_weight: dict | str, y: np.ndarray, labels: ClassTargets, sample_weight: np.ndarray
) -> np.ndarray:
    """Return each sample's weight times its class's, shape (n_samples,)."""
    weights = sample_weight * _by_class(y, labels, sample_weight, class_weight)
    if not (weights > 0).any():
        raise ValueError(
            f"The 'class_weight' parameter must leave a sample with a positive weight. Got {class_weight!r} instead."
        )
    return weights


def _by_class(y: np.ndarray, labels: ClassTargets, sample_weight: np.ndarray, class_weight: dict | str) -> np.ndarray:
    """Return the weight of each sample's class, shape (n_samples,)."""
    if labels.multilabel:
        if isinstance(class_weight, dict):
            raise ValueError(
                "The 'class_weight' parameter must be None or 'balanced' where samples may have several labels. "
                f"Got {class_weight!r} instead."
            )
        # As scikit-learn's compute_sample_weight has it
        return np.prod([_balanced(column, sample_weight) for column in y.T], axis=0)
    if isinstance(class_weight, dict):
        _check_class_weight(class_weight, labels.classes)
        weights = np.array([float(class_weight.get(label, 1.0)) for label in labels.classes.tolist()])
        return weights[np.searchsorted(labels.classes, y)]
    return _balanced(y, sample_weight)


def _balanced(y: np.ndarray, sample_weight: np.ndarray) -> np.ndarray:
    """Return weights that give each class the same total; a class without any weight has no share to balance."""
    counted = sample_weight > 0
    present = np.unique(y[counted])
    weights = compute_class_weight("balanced", classes=present, y=y[counted], sample_weight=sample_weight[counted])
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
