"""Encode labels for training, and decode the network's outputs to labels and probabilities.

Two classes share one sigmoid unit, whose logit belongs to ``classes[1]``. With more classes, each has a softmax unit.
In multilabel problems, each label has a sigmoid unit.
"""

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import special
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array

from moonnet.targets._base import BaseTargets


@dataclass(frozen=True, eq=False)
class ClassTargets(BaseTargets):
    """The labels of a classification problem."""

    classes: np.ndarray  # sorted; column indices of y if it is multilabel
    multilabel: bool = False

    @classmethod
    def from_y(cls, y: np.ndarray) -> Self:
        """Return the targets of y: one label per sample, shape (n_samples,), or 0 and 1, (n_samples, n_labels)."""
        if y.ndim == 2:
            targets = cls(np.arange(y.shape[1]), multilabel=True)
            if y.shape[1] < 2 or not np.isin(y, (0, 1)).all():
                raise ValueError(f"y must contain one label per sample, or {targets}. {_describe(y)}")
            # With few samples, each may have a single label by chance
            if len(y) > y.shape[1] and (y.astype(bool).sum(axis=1) == 1).all():
                warnings.warn(
                    "Each row of y contains a single 1, as if y were one-hot encoded. It is treated as multilabel: a "
                    "sample may get several labels or none. To predict one class per sample, pass one label per sample "
                    "instead: y.idxmax(axis=1) of a dataframe, or y.argmax(axis=1) of an array.",
                    stacklevel=2,
                )
            return targets
        classes = _unique(y, "y")
        check_classification_targets(y)
        return cls._from_unique(classes, "y")

    @classmethod
    def from_classes(cls, classes: Any, name: str) -> Self:
        """Return the targets for the labels in the argument ``name``, shape (n_classes,)."""
        values = check_array(classes, ensure_2d=False, ensure_min_samples=0, dtype=None, input_name=name)
        if values.ndim != 1 or (values.dtype.kind == "f" and (values != np.floor(values)).any()):
            raise ValueError(f"{name} must be a one-dimensional list of discrete labels. Got {classes!r} instead.")
        return cls._from_unique(_unique(values, name), name)

    @classmethod
    def _from_unique(cls, classes: np.ndarray, name: str) -> Self:
        if len(classes) < 2:
            n_classes = "one class" if len(classes) else "no class"
            raise ValueError(f"{name} must contain at least 2 classes. Got {n_classes} instead: {classes.tolist()}.")
        return cls(classes)

    def __str__(self) -> str:
        if self.multilabel:
            return f"one column of 0 and 1 for each of {len(self.classes)} labels"
        return f"one label per sample, from {self.classes.tolist()}"

    def equals(self, other: "ClassTargets") -> bool:
        """Return whether both have the same labels, and both or neither are multilabel."""
        return self.multilabel == other.multilabel and np.array_equal(self.classes, other.classes)

    def check(self, y: np.ndarray, name: str = "y", remedy: str = "") -> None:
        """Raise if y, the argument ``name``, contains other labels or has another number of columns.

        ``remedy`` is appended to the message about an unknown label.
        """
        if self.multilabel:
            is_valid = y.ndim == 2 and y.shape[1] == len(self.classes) and np.isin(y, (0, 1)).all()
        else:
            is_valid = y.ndim == 1 and set(_unique(y, name).tolist()) <= set(self.classes.tolist())
        if not is_valid:
            message = f"{name} must contain {self}. {_describe(y)}"
            raise ValueError(message + remedy if y.ndim == 1 and not self.multilabel else message)

    def stratify_labels(self, y: np.ndarray) -> np.ndarray | None:
        """Return y, or None if it is multilabel."""
        return None if self.multilabel else y

    def describe_absent_labels(self, y: np.ndarray) -> str:
        """Return the end of an error message about y, which lacks some labels; empty if it does not."""
        if self.multilabel:
            constant = self.classes[(y == y[0]).all(axis=0)][:10].tolist()
            return f", in which all samples or none have the labels {constant}" if constant else ""
        absent = self.classes[~np.isin(self.classes, y)][:10].tolist()
        return f", in which no sample has a label of {absent}" if absent else ""

    @property
    def n_outputs(self) -> int:
        """The number of units in the output layer."""
        return 1 if self.is_binary else len(self.classes)

    @property
    def has_sigmoid_units(self) -> bool:
        """Whether each output is the logit of a label of its own, and not one of several classes."""
        return self.multilabel or self.is_binary

    @property
    def is_binary(self) -> bool:
        """Whether there are two classes."""
        return len(self.classes) == 2 and not self.multilabel

    def encode(self, y: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return a column of 0 and 1 for two classes, one-hot rows for more, and multilabel y itself."""
        if self.multilabel:
            return y.astype(dtype)
        indices = np.searchsorted(self.classes, y)
        if self.is_binary:
            return indices[:, np.newaxis].astype(dtype)
        one_hot = np.zeros((len(y), len(self.classes)), dtype)
        one_hot[np.arange(len(y)), indices] = 1
        return one_hot

    def decode(self, logits: np.ndarray) -> np.ndarray:
        """Return the most probable class of each row, or 0 and 1 for each label of a multilabel problem.

        A sigmoid unit predicts its class or label if the probability exceeds 0.5.
        """
        if self.multilabel:
            return (special.expit(logits) > 0.5).astype(np.int64)
        if self.is_binary:
            return self.classes[(special.expit(logits[:, 0]) > 0.5).astype(np.intp)]
        return self.classes[logits.argmax(axis=1)]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the probability of each class or label, shape (n_samples, n_classes)."""
        if self.multilabel:
            return special.expit(logits)
        if self.is_binary:
            both = np.empty((len(logits), 2), logits.dtype)
            # expit(-z) is exact even if the second class is almost certain; 1 - expit(z) is not
            np.negative(logits, out=both[:, :1])
            both[:, 1:] = logits
            return special.expit(both, out=both)
        return special.softmax(logits, axis=1)

    def log_probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the logarithms of the probabilities, finite even if a probability underflows to 0."""
        if self.multilabel:
            log_probabilities = special.log_expit(logits)
        elif self.is_binary:
            log_probabilities = special.log_expit(np.hstack([-logits, logits]))
        else:
            log_probabilities = special.log_softmax(logits, axis=1)
        # Near certainty the logarithm resolves more than the probability, which is rounded to 1: make the two agree
        probabilities = self.probabilities(logits)
        return np.log(probabilities, out=log_probabilities, where=probabilities > 0.5)


def _unique(values: np.ndarray, name: str) -> np.ndarray:
    """Return the sorted unique values."""
    try:
        return np.unique(values)
    except TypeError as error:
        message = f"{name} must contain labels that can be sorted, such as only numbers or only strings: {error}."
        if any(value is None for value in values.ravel()):
            message += " Leave out the samples whose label is None."
        raise TypeError(message) from None


def _describe(y: np.ndarray) -> str:
    """Return the sentence of an error message that describes y."""
    return f"Got an array of shape {y.shape} with the values {_unique(y, 'y').tolist()[:10]} instead."
