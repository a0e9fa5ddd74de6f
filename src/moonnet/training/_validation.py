"""Validation: samples to score each epoch on, early stopping, and the best epoch's weights."""

import math
from collections.abc import Callable

import numpy as np
from sklearn.model_selection import train_test_split

from moonnet import _numpy_forward
from moonnet._base_targets import BaseTargets
from moonnet.training._loop import Observer, Samples, Training, TrainingResult


def hold_out(n_samples: int, fraction: float, labels: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of samples to train on, and of those held out.

    By ``labels``, their classes are shared out in proportion, as far as that leaves one sample of each to train on.
    """
    candidates, strata, n_least = np.arange(n_samples), None, 1
    if labels is not None:
        classes, counts = np.unique(labels, return_counts=True)
        candidates = candidates[np.isin(labels, classes[counts > 1])]
        strata, n_least = labels[candidates], int((counts > 1).sum())
    n_held_out = max(math.ceil(fraction * n_samples), n_least)
    if not 0 < n_least <= len(candidates) - n_held_out:
        raise ValueError(
            "The 'validation_fraction' parameter must leave samples to train on and samples to hold out"
            + (", as many of each as there are classes" if labels is not None else "")
            + f". Got {fraction!r} with {n_samples} samples."
        )
    _, held_out = train_test_split(candidates, test_size=n_held_out, random_state=seed, stratify=strata)
    train = np.setdiff1d(np.arange(n_samples), held_out)
    if labels is not None:
        held, first = np.unique(labels[held_out], return_index=True)
        needed = held_out[first[~np.isin(held, labels[train])]]  # of a rare class, all of which happened to be held out
        train, held_out = np.union1d(train, needed), np.setdiff1d(held_out, needed)
    return train, held_out


class Validation(Observer):
    """Scores the network after each epoch on samples that it does not train on."""

    def __init__(self, samples: Samples, targets: BaseTargets, activation: str) -> None:
        self._samples = samples
        self._total_weight = samples.weight.sum()
        self._targets = targets
        self._activation = activation

    def train_begin(self, training: Training) -> None:
        """Take note of the training."""
        self._training = training

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Score the epoch's network."""
        self._weights = self._training.final_weights()
        figures = self._figures(self._weights)
        logs.update(figures)
        self._training.record(epoch, figures)

    def _figures(self, weights: list[np.ndarray]) -> dict[str, float]:
        """Return the mean loss, with the penalty, and the mean metrics, all weighted by the samples."""
        X, y, _ = self._samples
        with np.errstate(over="ignore", invalid="ignore"):  # what diverges is for the training to say
            outputs = _numpy_forward.raw_predictions(X, weights[::2], weights[1::2], self._activation)
            loss = self._mean(self._targets.losses(outputs, y))
            if l2 := self._training.hyperparameters.l2:
                loss += l2 * sum(float(np.square(kernel).sum()) for kernel in weights[::2])
            loss *= self._training.hyperparameters.loss_unit
            metrics = {f"val_{name}": self._mean(values) for name, values in self._targets.metrics(outputs, y).items()}
        return {"val_loss": loss, **metrics}

    def _mean(self, values: np.ndarray) -> float:
        return float(values @ self._samples.weight / self._total_weight)


class EarlyStopping(Validation):
    """Stops the training when the network gets no better, and keeps the weights of the best epoch.

    The rule is MLPClassifier's: it stops when the score has not come ``tol`` above the best for more than
    ``n_iter_no_change`` epochs. The score is the negative validation loss, or what ``score`` says of the weights.
    """

    def __init__(
        self,
        samples: Samples,
        targets: BaseTargets,
        activation: str,
        tol: float,
        n_iter_no_change: int,
        score: Callable[[list[np.ndarray]], float] | None,
        previous: TrainingResult | None,
    ) -> None:
        super().__init__(samples, targets, activation)
        self._tol = tol
        self._n_iter_no_change = n_iter_no_change
        self._score = score
        # Which of an epoch's figures is to rise, or to fall
        self._monitor, self._sign = ("val_loss", -1) if score is None else ("val_score", 1)
        self._previous = previous
        self._best = -math.inf
        self._waited = 0

    def train_begin(self, training: Training) -> None:
        """Begin with what is known of earlier epochs: the network that goes on is the one to beat."""
        super().train_begin(training)
        if self._score is None:
            self._tol *= training.hyperparameters.loss_unit
        if self._previous is None:
            return
        for value in self._previous.history.get(self._monitor, []):
            if math.isnan(value):  # an epoch without validation
                self._best, self._waited = -math.inf, 0
            else:
                self._count(self._sign * value)
        if self._waited > self._n_iter_no_change:  # that training had ended, and is wanted longer
            self._waited = 0
        self._best = self._sign * self._figures(self._previous.weights)[self._monitor]
        training.best_weights = self._previous.weights

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Score the epoch's network; keep it if it is the best, stop if none has been for long."""
        super().epoch_end(epoch, logs)
        score = self._sign * logs[self._monitor]
        if score > self._best or self._training.best_weights is None:
            self._training.best_weights = self._weights
        self._count(score)
        if self._waited > self._n_iter_no_change:
            self._training.stopped = True

    def _figures(self, weights: list[np.ndarray]) -> dict[str, float]:
        """Return the score as well."""
        figures = super()._figures(weights)
        if self._score is not None:  # what diverges is for the training to say
            figures["val_score"] = self._score(weights) if math.isfinite(figures["val_loss"]) else -math.inf
        return figures

    def _count(self, score: float) -> None:
        # A score that is no number is no improvement either
        self._waited = 0 if score >= self._best + self._tol else self._waited + 1
        if score > self._best:
            self._best = score
