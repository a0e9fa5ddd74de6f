"""How loss, accuracy and score went from epoch to epoch."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from moonnet.plotting._scatter import arguments

# Each metric's names in a history, and how their lines look
_TRAINING = {"label": "training", "color": "tab:blue", "linestyle": "-"}
_VALIDATION = {"label": "validation", "color": "tab:orange", "linestyle": "--"}
_SERIES = {metric: {metric: _TRAINING, f"val_{metric}": _VALIDATION} for metric in ("loss", "accuracy", "score")}


class TrainingCurveDisplay:
    """Loss, accuracy and score by epoch, in training and validation, of one training or of several and their mean.

    The mean ends where the shortest training does.

    Make one with :meth:`from_estimator` or :meth:`from_cv_results`. The constructor only holds what is to be drawn.

    Parameters
    ----------
    histories : sequence of dict of str to array-like of float of shape (n_epochs,)
        One for each training: values an epoch of ``"loss"``, ``"accuracy"``, and with validation of ``"val_loss"``,
        ``"val_accuracy"`` and ``"val_score"``; some may be missing.

    Attributes
    ----------
    lines_ : dict of str to list of matplotlib.lines.Line2D
        The lines drawn for each name in the histories: one a training and, where there are several, their mean last.

    best_ : list of matplotlib.lines.Line2D
        The marks of the best epochs on all axes.

    ax_ : ndarray of matplotlib.axes.Axes of shape (n_metrics,)
        The axes drawn on.

    figure_ : matplotlib.figure.Figure
        The figure that holds them.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores by the number of samples.

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
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : fitted classifier, pipeline or search
            With a ``history_``, as :class:`~moonnet.KerasMoonClassifier` has it, or a ``loss_curve_``, as
            ``MLPClassifier`` has it. Of a pipeline the last step, of a search the best estimator is drawn.

        ax : matplotlib.axes.Axes or sequence of them, default=None
            The axes to draw on, one for each metric. None makes a new figure.

        **plot_options : dict
            Further arguments of :meth:`plot`.

        Returns
        -------
        display : TrainingCurveDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the estimator has no such attribute or is not fitted (``NotFittedError``).
        """
        return cls(histories=[_history(estimator)]).plot(ax=ax, **plot_options)

    @classmethod
    def from_cv_results(cls, cv_results: Mapping[str, Any], *, ax: Any = None, **plot_options: Any) -> Self:
        """Draw the training of each fold of a cross-validation, and their mean.

        Parameters
        ----------
        cv_results : dict
            What ``sklearn.model_selection.cross_validate`` returns with ``return_estimator=True``.

        ax : matplotlib.axes.Axes or sequence of them, default=None
            The axes to draw on, one for each metric. None makes a new figure.

        **plot_options : dict
            Further arguments of :meth:`plot`.

        Returns
        -------
        display : TrainingCurveDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the results hold no estimators, or these have no history.
        """
        if "estimator" not in cv_results:
            raise ValueError(
                "cv_results must hold the estimators, as cross_validate returns them with return_estimator=True. "
                f"Got {sorted(cv_results)} instead."
            )
        return cls(histories=[_history(estimator) for estimator in cv_results["estimator"]]).plot(ax=ax, **plot_options)

    @property
    def best_epochs(self) -> list[int]:
        """Each training's best epoch, from 1: by validation where there was some; by score, loss or else accuracy."""
        name, _ = self._judge()
        find = np.nanargmin if name.endswith("loss") else np.nanargmax
        return [int(find(history[name])) + 1 for history in self.histories]

    def plot(
        self,
        ax: Any = None,
        *,
        metrics: Sequence[str] | str | None = None,
        line_kw: dict[str, Any] | None = None,
        best_kw: dict[str, Any] | bool | None = None,
        legend_kw: dict[str, Any] | bool | None = None,
    ) -> Self:
        """Draw a panel for each metric.

        Each ``..._kw`` holds arguments that win over the defaults here.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or sequence of them, default=None
            The axes to draw on, one for each metric. None makes a new figure.

        metrics : str or sequence of str, default=None
            Which to draw of ``"loss"``, ``"accuracy"`` and ``"score"``. None draws those that there are.

        line_kw : dict, default=None
            Arguments of ``Axes.plot``.

        best_kw : dict or False, default=None
            Arguments of ``Axes.axvline`` for the marks of each training's best epoch. False draws none.

        legend_kw : dict or False, default=None
            Arguments of ``Axes.legend``. False draws none.

        Returns
        -------
        self : TrainingCurveDisplay
            The display, with ``ax_``, ``figure_`` and its artists set.

        Raises
        ------
        ValueError
            If the histories hold nothing to draw, a metric is not in them, or there are not as many axes as metrics.
        """
        from matplotlib import pyplot as plt
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.lines import Line2D

        if not self.histories or not any(self._has(name) for names in _SERIES.values() for name in names):
            raise ValueError(f"histories must hold loss, accuracy or score by epoch. Got {self.histories!r} instead.")
        known = [metric for metric, names in _SERIES.items() if any(map(self._has, names))]
        metrics = known if metrics is None else [metrics] if isinstance(metrics, str) else list(metrics)
        if not metrics or not set(metrics) <= set(known):
            raise ValueError(f"metrics must be among {known}. Got {metrics!r} instead.")
        if ax is None:
            _, ax = plt.subplots(1, len(metrics), figsize=(4.8 * len(metrics), 3.6), layout="constrained")
        self.ax_ = np.atleast_1d(ax)
        if self.ax_.shape != (len(metrics),):
            raise ValueError(f"ax must hold one axes for each of {metrics}. Got {ax!r} instead.")
        self.figure_ = self.ax_[0].figure
        self.lines_, self.best_ = {}, []
        for panel, metric in zip(self.ax_, metrics, strict=True):
            for name, look in _SERIES[metric].items():
                if self._has(name):
                    self.lines_[name] = self._draw(panel, name, look, normalize_kwargs(line_kw or {}, Line2D))
            if best_kw is not False:
                self.best_ += self._mark_best(panel, arguments(best_kw))
            panel.set(xlabel="epoch", ylabel=metric)
            panel.grid(alpha=0.3)
            if legend_kw is not False:
                panel.legend(**arguments(legend_kw))
        return self

    def _mark_best(self, ax: Any, options: dict[str, Any]) -> list[Any]:
        """Draw a line at each training's best epoch, one of them with a label for all; return the lines."""
        first, last = min(self.best_epochs), max(self.best_epochs)
        epochs = f"epoch {first}" if first == last else f"epochs {first} to {last}"
        look = {"color": "0.4", "linestyle": ":", "alpha": 1 if first == last else 0.5}
        labels = [f"{self._judge()[1]}: {epochs}"] + ["_"] * len(self.histories)
        return [
            ax.axvline(epoch, **(look | {"label": label} | options))
            for epoch, label in zip(sorted(set(self.best_epochs)), labels, strict=False)
        ]

    def _judge(self) -> tuple[str, str]:
        """Return the values that tell the best epoch, and what to call that epoch."""
        judges = {
            "val_score": "best",
            "val_loss": "best",
            "val_accuracy": "best",
            "loss": "lowest loss",
            "accuracy": "highest accuracy",
        }
        return next((name, called) for name, called in judges.items() if self._has(name))

    def _has(self, name: str) -> bool:
        """Return whether all trainings have values of that name."""
        return all(np.isfinite(history.get(name, [])).any() for history in self.histories)

    def _mean(self, name: str) -> np.ndarray:
        """Return the mean over the trainings, for the epochs that all of them reached."""
        values = [np.asarray(history[name], dtype=float) for history in self.histories]
        shortest = min(map(len, values))
        return np.mean([each[:shortest] for each in values], axis=0)

    def _draw(self, ax: Any, name: str, look: dict[str, Any], chosen: dict[str, Any]) -> list[Any]:
        """Draw a line a training and, where there are several, their mean; return the lines."""
        several = len(self.histories) > 1
        lines = []
        for history in self.histories:
            epochs = np.arange(1, 1 + len(history[name]))
            single = {"marker": "."} if len(epochs) == 1 else {}  # a line of one point is not seen
            thin = {"alpha": 0.35, "linewidth": 1, "label": "_"} if several else {}
            lines += ax.plot(epochs, history[name], **(look | single | thin | chosen))
        if several:
            mean = self._mean(name)
            label = f"{look['label']}, mean of {len(self.histories)}"
            lines += ax.plot(np.arange(1, 1 + len(mean)), mean, **(look | {"linewidth": 2, "label": label} | chosen))
        return lines


def innermost(estimator: Any) -> Any:
    """Return the estimator that learns in the end, within pipelines, searches and what transforms the target."""
    if isinstance(estimator, Pipeline):
        return innermost(estimator.steps[-1][1])
    for name in ("best_estimator_", "regressor_"):  # of a search, and of TransformedTargetRegressor
        if hasattr(estimator, name):
            return innermost(getattr(estimator, name))
    return estimator


def _history(estimator: Any) -> Mapping[str, Any]:
    """Return the values by epoch that a fitted estimator has kept."""
    if not hasattr(estimator, "fit"):
        raise ValueError(
            f"estimator must be a fitted estimator. Got an instance of {type(estimator).__name__} instead. "
            "(What cross_validate returns goes to from_cv_results.)"
        )
    check_is_fitted(estimator)
    network = innermost(estimator)
    if hasattr(network, "history_"):
        return network.history_
    if hasattr(network, "loss_curve_"):
        validated = getattr(network, "validation_scores_", None)
        score = "val_accuracy" if is_classifier(network) else "val_score"
        return {"loss": network.loss_curve_} | ({} if validated is None else {score: validated})
    raise ValueError(f"estimator must have a history_ or a loss_curve_. Got {network!r} instead.")
