"""Early stopping: end the training when the validation score stops improving, and use the best epoch's weights."""

import math
from collections.abc import Callable

from moonnet.networks import State
from moonnet.training._loop import Training
from moonnet.training._records import BestEpoch, Samples, TrainingResult
from moonnet.training._validation_set import ValidationObserver


class EarlyStopping(ValidationObserver):
    """Stops the training when the validation score stops improving, and selects the weights of the best epoch.

    The rule is that of scikit-learn's MLPClassifier: training stops when the score has not improved by at least ``tol``
    for more than ``n_iter_no_change`` consecutive epochs. The score is the result of ``score`` for an epoch's state,
    or the negative validation loss if ``score`` is None.
    """

    def __init__(
        self,
        samples: Samples,
        tol: float,
        n_iter_no_change: float,
        score: Callable[[State], float] | None,
        previous: TrainingResult | None,
    ) -> None:
        super().__init__(samples)
        self._tol = tol
        self._n_iter_no_change = n_iter_no_change
        self._score = score
        # A loss is minimized, a score is maximized
        self._monitored_metric, self._sign = ("val_loss", -1) if score is None else ("val_score", 1)
        self._previous = previous
        self._best_score = -math.inf
        self._no_improvement_count = 0

    def train_begin(self, training: Training) -> None:
        """Restore the state of a training that resumes; the network so far is the one to improve on."""
        super().train_begin(training)
        if self._score is None:
            self._tol *= training.settings.loss_scale
        if self._previous is None:
            return
        for value in self._previous.history.get(self._monitored_metric, []):
            if math.isnan(value):  # an epoch without validation
                self._best_score, self._no_improvement_count = -math.inf, 0
            else:
                self._update_no_improvement_count(self._sign * value)
        if self._no_improvement_count > self._n_iter_no_change:  # the previous fit had stopped early
            self._no_improvement_count = 0
        (metrics,) = self._evaluate(self._previous.state.stack())
        self._best_score = self._sign * self._with_score(metrics, self._previous.state)[self._monitored_metric]
        best_epoch = training.first_epoch if self._previous.best_epoch is None else self._previous.best_epoch
        training.best = BestEpoch(self._previous.state, best_epoch, self._best_score)

    def epochs_per_block(self) -> float:
        """Return after how many epochs the training can stop at the earliest."""
        return self._n_iter_no_change - self._no_improvement_count + 1

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Score the network, store its state if it is the best, and stop if the score no longer improves."""
        super().epoch_end(epoch, logs)
        score = self._sign * logs[self._monitored_metric]
        if score > self._best_score or self._training.best is None:
            self._training.best = BestEpoch(self._epoch_state(epoch), epoch + 1, score)
        self._update_no_improvement_count(score)
        if self._no_improvement_count > self._n_iter_no_change:
            self._training.stopped = True

    def _epoch_metrics(self, epoch: int) -> dict[str, float]:
        """Return the validation metrics of an epoch of the last block, including the score."""
        metrics = super()._epoch_metrics(epoch)
        return metrics if self._score is None else self._with_score(metrics, self._epoch_state(epoch))

    def _with_score(self, metrics: dict[str, float], state: State) -> dict[str, float]:
        """Return the validation metrics of a network, including the score."""
        if self._score is None:
            return metrics
        # The training raises an error if the network diverges
        return metrics | {"val_score": self._score(state) if math.isfinite(metrics["val_loss"]) else -math.inf}

    def _update_no_improvement_count(self, score: float) -> None:
        has_improved = score >= self._best_score + self._tol  # False if the score is NaN
        self._no_improvement_count = 0 if has_improved else self._no_improvement_count + 1
        if score > self._best_score:
            self._best_score = score
