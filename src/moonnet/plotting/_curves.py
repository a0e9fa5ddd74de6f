"""Training curves: loss, accuracy and score by epoch."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from moonnet.plotting._axes import to_kwargs
from moonnet.plotting._checks import check_options, check_plot_options

# The series of each metric in a history, with the style of their lines
_TRAINING_STYLE = {"label": "training", "color": "tab:blue", "linestyle": "-"}
_VALIDATION_STYLE = {"label": "validation", "color": "tab:orange", "linestyle": "--"}
_SERIES = {
    metric: {metric: _TRAINING_STYLE, f"val_{metric}": _VALIDATION_STYLE} for metric in ("loss", "accuracy", "score")
}
# The series that determines the best epoch is the first of these in the history; with its name in the legend
_CRITERIA = {
    "val_score": "best validation score",
    "val_loss": "lowest validation loss",
    "val_accuracy": "highest validation accuracy",
    "loss": "lowest training loss",
    "accuracy": "highest training accuracy",
}


class TrainingCurveDisplay:
    """Training curves: loss, accuracy and score by epoch, for training and validation.

    For several training runs, such as the folds of a cross-validation or the members of an ensemble, each has a thin
    line and their mean a thick one. The mean ends at the last epoch of the shortest run.

    Create a display with :meth:`from_estimator` or :meth:`from_cv_results`. The constructor only stores what
    :meth:`plot` draws.

    Parameters
    ----------
    histories : sequence of dict of str to array-like of float of shape (n_epochs,)
        One dict per training run, with the values of each epoch under ``"loss"``, ``"accuracy"``, ``"val_loss"``,
        ``"val_accuracy"`` and ``"val_score"``. Each key is optional.

    Attributes
    ----------
    lines_ : dict of str to list of matplotlib.lines.Line2D
        The lines of each key in the histories, one per training run. With several runs, the mean is the last line.

    best_ : list of matplotlib.lines.Line2D
        Vertical lines at the best epochs, of all axes.

    ax_ : ndarray of matplotlib.axes.Axes of shape (n_metrics,)
        Axes of the plot, one per metric.

    figure_ : matplotlib.figure.Figure
        Figure that contains the axes.

    See Also
    --------
    LearningFilm : An animation of the loss and the predictions during training.
    plot_search : Scores of a hyperparameter search.
    plot_learning_curve : Scores over the number of training samples.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklearn.model_selection import cross_validate
    >>> from moonnet import KerasMoonClassifier
    >>> from moonnet.plotting import TrainingCurveDisplay
    >>> X, y = make_moons(200, noise=0.2, random_state=0)
    >>> clf = KerasMoonClassifier(random_state=0)
    >>> display = TrainingCurveDisplay.from_estimator(clf.fit(X, y))
    >>> display.best_epochs[0] > 90
    True
    >>> results = cross_validate(clf, X, y, return_estimator=True)
    >>> folds = TrainingCurveDisplay.from_cv_results(results)
    >>> len(folds.lines_["loss"])  # five folds and their mean
    6
    """

    def __init__(self, *, histories: Sequence[Mapping[str, Any]]) -> None:
        self.histories = histories

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, **plot_options: Any) -> Self:
        """Draw the training curves of a fitted estimator.

        Parameters
        ----------
        estimator : fitted classifier, regressor, pipeline or search
            An estimator with the attribute ``history_``, such as :class:`~moonnet.KerasMoonClassifier`, or
            ``loss_curve_``, such as ``MLPClassifier``, or an ensemble of them, whose folds or members are drawn. For
            a pipeline, this is its last step; for a search, its best estimator.

        ax : matplotlib.axes.Axes or sequence of them, default=None
            Axes to draw on, one per metric. If None, a new figure is created.

        **plot_options : dict
            Further keyword arguments for :meth:`plot`.

        Returns
        -------
        display : TrainingCurveDisplay
            The display with its plot.

        Raises
        ------
        ValueError
            If the estimator has neither attribute or is not fitted (``NotFittedError``).

        See Also
        --------
        TrainingCurveDisplay.from_cv_results : Draw the training curves of every fold of a cross-validation.
        TrainingCurveDisplay.plot : Draw the display again, for example with other metrics.
        """
        check_plot_options(cls.plot, plot_options)
        return cls(histories=_get_histories(estimator)).plot(ax=ax, **plot_options)

    @classmethod
    def from_cv_results(cls, cv_results: Mapping[str, Any], *, ax: Any = None, **plot_options: Any) -> Self:
        """Draw the training curves of every fold of a cross-validation, and their mean.

        Parameters
        ----------
        cv_results : dict
            Result of ``sklearn.model_selection.cross_validate`` with ``return_estimator=True``.

        ax : matplotlib.axes.Axes or sequence of them, default=None
            Axes to draw on, one per metric. If None, a new figure is created.

        **plot_options : dict
            Further keyword arguments for :meth:`plot`.

        Returns
        -------
        display : TrainingCurveDisplay
            The display with its plot.

        Raises
        ------
        ValueError
            If the results do not contain the fitted estimators, or if these have no history.

        See Also
        --------
        TrainingCurveDisplay.from_estimator : Draw the training curves of one estimator.
        sklearn.model_selection.cross_validate : Cross-validate an estimator.
        """
        check_plot_options(cls.plot, plot_options)
        if not hasattr(cv_results, "keys") or "estimator" not in cv_results:
            found = sorted(cv_results) if hasattr(cv_results, "keys") else cv_results
            raise ValueError(
                "cv_results must contain the fitted estimators: call cross_validate with return_estimator=True. "
                f"Got only {found!r} instead."
            )
        histories = [_get_history(estimator) for estimator in cv_results["estimator"]]
        return cls(histories=histories).plot(ax=ax, **plot_options)

    @property
    def best_epochs(self) -> list[int]:
        """Best epoch of each training run, counted from 1.

        The best epoch has the best validation score, else the lowest validation loss, the highest validation accuracy,
        the lowest training loss or the highest training accuracy: the first of these that all histories contain.

        See Also
        --------
        TrainingCurveDisplay.plot : Draw the training curves and mark the best epochs.
        """
        series, _ = self._best_epoch_criterion()
        find = np.nanargmin if series.endswith("loss") else np.nanargmax
        return [int(find(history[series])) + 1 for history in self.histories]

    def plot(
        self,
        ax: Any = None,
        *,
        metrics: Sequence[str] | str | None = None,
        line_kw: dict[str, Any] | None = None,
        best_kw: dict[str, Any] | bool | None = None,
        legend_kw: dict[str, Any] | bool | None = None,
    ) -> Self:
        """Draw the training curves, with one axes per metric.

        Each ``..._kw`` parameter is a dict of keyword arguments that override the defaults.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or sequence of them, default=None
            Axes to draw on, one per metric. If None, a new figure is created.

        metrics : str or sequence of str, default=None
            Metrics to draw, among ``"loss"``, ``"accuracy"`` and ``"score"``. None draws all that the histories
            contain.

        line_kw : dict, default=None
            Keyword arguments for ``Axes.plot``.

        best_kw : dict or False, default=None
            Keyword arguments for ``Axes.axvline`` for the lines at the best epochs. False omits them.

        legend_kw : dict or False, default=None
            Keyword arguments for ``Axes.legend``. False omits the legends.

        Returns
        -------
        self : TrainingCurveDisplay
            The display, with ``ax_``, ``figure_`` and its artists set.

        Raises
        ------
        ValueError
            If the histories contain no values, do not contain one of the metrics, if the number of axes differs from
            the number of metrics, or if another parameter has an invalid value.

        See Also
        --------
        TrainingCurveDisplay.from_estimator : Draw the training curves of a fitted estimator.
        TrainingCurveDisplay.from_cv_results : Draw the training curves of every fold of a cross-validation.
        """
        from matplotlib import pyplot as plt
        from matplotlib.axes import Axes
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.lines import Line2D

        check_options(line_kw=line_kw, best_kw=best_kw, legend_kw=legend_kw)
        metrics = self._choose_metrics(metrics)
        if ax is None:
            _, ax = plt.subplots(1, len(metrics), figsize=(4.8 * len(metrics), 3.6), layout="constrained")
        self.ax_ = np.atleast_1d(ax)
        if self.ax_.shape != (len(metrics),) or not all(isinstance(each, Axes) for each in self.ax_):
            raise ValueError(f"ax must contain one axes for each of the metrics {metrics}. Got {ax!r} instead.")
        self.figure_ = self.ax_[0].figure
        self.lines_, self.best_ = {}, []
        line_kw = normalize_kwargs(line_kw or {}, Line2D)
        for metric_ax, metric in zip(self.ax_, metrics, strict=True):
            for series, style in _SERIES[metric].items():
                if self._has_series(series):
                    self.lines_[series] = self._draw_lines(metric_ax, series, style, line_kw)
            if best_kw is not False:
                self.best_ += self._mark_best_epochs(metric_ax, to_kwargs(best_kw))
            metric_ax.set(xlabel="epoch", ylabel=metric)
            metric_ax.grid(alpha=0.3)
            if legend_kw is not False:
                metric_ax.legend(**to_kwargs(legend_kw))
        return self

    def _choose_metrics(self, metrics: Sequence[str] | str | None) -> list[str]:
        """Return the metrics to draw, all of them in the histories; None takes every one."""
        histories: Any = self.histories
        if isinstance(histories, Mapping) or not all(isinstance(history, Mapping) for history in histories):
            raise ValueError(f"histories must be a list with a dict for each training run. Got {histories!r} instead.")
        available = [metric for metric, names in _SERIES.items() if any(map(self._has_series, names))]
        if not self.histories or not available:
            raise ValueError(
                f"histories must contain values of loss, accuracy or score by epoch. Got {self.histories!r} instead."
            )
        chosen: Any = available if metrics is None else [metrics] if isinstance(metrics, str) else metrics
        if not isinstance(chosen, Sequence) or not chosen or any(metric not in available for metric in chosen):
            raise ValueError(f"metrics must be among {available}. Got {chosen!r} instead.")
        if len(set(chosen)) < len(chosen):
            raise ValueError(f"metrics must be distinct. Got {chosen!r} instead.")
        return list(chosen)

    def _mark_best_epochs(self, ax: Any, kwargs: dict[str, Any]) -> list[Any]:
        """Draw a vertical line at each best epoch, with one entry in the legend for all; return the lines."""
        first, last = min(self.best_epochs), max(self.best_epochs)
        epochs = f"epoch {first}" if first == last else f"epochs {first} to {last}"
        defaults = {"color": "0.4", "linestyle": ":", "alpha": 1 if first == last else 0.5}
        labels = [f"{self._best_epoch_criterion()[1]}: {epochs}"] + ["_"] * len(self.histories)
        return [
            ax.axvline(epoch, **(defaults | {"label": label} | kwargs))
            for epoch, label in zip(sorted(set(self.best_epochs)), labels, strict=False)
        ]

    def _best_epoch_criterion(self) -> tuple[str, str]:
        """Return the series that determines the best epoch, and its name in the legend."""
        return next((series, name) for series, name in _CRITERIA.items() if self._has_series(series))

    def _has_series(self, series: str) -> bool:
        """Return whether every history contains values of this series."""
        return all(np.isfinite(history.get(series, [])).any() for history in self.histories)

    def _draw_lines(self, ax: Any, series: str, style: dict[str, Any], kwargs: dict[str, Any]) -> list[Any]:
        """Draw a line per training run and, if there are several, their mean; return the lines."""
        runs = [np.asarray(history[series], dtype=float) for history in self.histories]
        thin = {"alpha": 0.35, "linewidth": 1, "label": "_"} if len(runs) > 1 else {}
        lines = []
        for values in runs:
            marker = {"marker": "."} if len(values) == 1 else {}  # a line of one point is invisible
            lines += ax.plot(np.arange(1, 1 + len(values)), values, **(style | marker | thin | kwargs))
        if len(runs) > 1:
            n_epochs = min(map(len, runs))
            mean = np.mean([values[:n_epochs] for values in runs], axis=0)
            thick = {"linewidth": 2, "label": f"{style['label']}, mean of {len(runs)}"}
            lines += ax.plot(np.arange(1, 1 + n_epochs), mean, **(style | thick | kwargs))
        return lines


def unwrap_estimator(estimator: Any) -> Any:
    """Return the final estimator inside pipelines, searches and TransformedTargetRegressor."""
    if isinstance(estimator, Pipeline):
        return unwrap_estimator(estimator.steps[-1][1])
    for name in ("best_estimator_", "regressor_"):
        if hasattr(estimator, name):
            return unwrap_estimator(getattr(estimator, name))
    return estimator


def _get_histories(estimator: Any) -> list[Mapping[str, Any]]:
    """Return the training history of a fitted estimator, or those of an ensemble's folds or members."""
    ensemble = unwrap_estimator(estimator)
    if getattr(ensemble, "fold_histories_", None):
        return ensemble.fold_histories_
    members = getattr(ensemble, "estimators_", None)
    # NumPy would take pipelines for sequences of their steps
    members = list(members.flat if isinstance(members, np.ndarray) else members or ())
    networks = map(unwrap_estimator, members)
    if any(hasattr(network, "history_") or hasattr(network, "loss_curve_") for network in networks):
        return list(map(_get_history, members))
    return [_get_history(estimator)]  # for an ensemble without networks, its error names the ensemble


def _get_history(estimator: Any) -> Mapping[str, Any]:
    """Return the training history of a fitted estimator."""
    if not hasattr(estimator, "fit"):
        raise ValueError(
            f"estimator must be a fitted estimator. Got an instance of {type(estimator).__name__} instead. "
            "(Pass the result of cross_validate to from_cv_results.)"
        )
    check_is_fitted(estimator)
    network = unwrap_estimator(estimator)
    if hasattr(network, "history_"):
        return network.history_
    if hasattr(network, "loss_curve_"):
        validation_scores = getattr(network, "validation_scores_", None)
        series = "val_accuracy" if is_classifier(network) else "val_score"
        return {"loss": network.loss_curve_} | ({} if validation_scores is None else {series: validation_scores})
    raise ValueError(
        "estimator must have the attribute history_ or loss_curve_, or be an ensemble of such estimators. "
        f"Got {estimator!r} instead."
    )
