"""The members of an ensemble, or the only network: how they are trained and observed together, and their history."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor

Network = KerasMoonClassifier | KerasMoonRegressor
Ensemble = DeepEnsembleClassifier | DeepEnsembleRegressor


class TrainingInterruptedError(Exception):
    """Raised instead of making an observer, so that no further member is trained."""


def members_of(estimator: Network | Ensemble) -> list[Network]:
    """Return the fitted networks."""
    return estimator.estimators_ if isinstance(estimator, Ensemble) else [estimator]


def fit_observed(
    estimator: Network | Ensemble, X: np.ndarray, y: np.ndarray, make_observer: Callable[[Network, Any], Any]
) -> None:
    """Fit an estimator; ``make_observer`` returns an observer for each network and its targets.

    The members of an ensemble call it on several threads. It may raise TrainingInterruptedError.
    """

    def fit(network: Network, X: np.ndarray, y: np.ndarray) -> None:
        network._fit(X, y, make_observers=[lambda targets: make_observer(network, targets)])

    if isinstance(estimator, Ensemble):
        estimator._fit(X, y, {}, fit)
    else:
        fit(estimator, X, y)


def mean_history(histories: Sequence[dict[str, list[float]]]) -> dict[str, list[float]]:
    """Return the mean of each metric by epoch, over the networks that were trained for so many epochs."""
    if len(histories) == 1:
        return histories[0]
    names = max(histories, key=len)
    return {name: _mean_by_epoch([history[name] for history in histories if name in history]) for name in names}


def _mean_by_epoch(curves: Sequence[list[float]]) -> list[float]:
    curves = [curve.copy() for curve in curves]  # other threads may add epochs
    n_epochs = np.array(list(map(len, curves)))
    is_trained = np.arange(n_epochs.max()) < n_epochs[:, np.newaxis]
    values = np.zeros(is_trained.shape)
    values[is_trained] = np.concatenate(curves)
    return (values.sum(axis=0) / is_trained.sum(axis=0)).tolist()
