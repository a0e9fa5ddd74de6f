"""Learning and validation curves over several seeds, each of which draws another split and another network."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone, is_classifier
from sklearn.model_selection import (
    LearningCurveDisplay,
    ShuffleSplit,
    ValidationCurveDisplay,
    learning_curve,
    validation_curve,
)

from moonnet.plotting._axes import to_kwargs
from moonnet.plotting._checks import check_integer, check_options
from moonnet.plotting._fonts import make_drawable
from moonnet.plotting._hyperparameters import is_number, label_categories, short_name, value_key

# Distance of training and test scores from the middle of a category, and half the width of their bars
_OFFSET, _HALF_WIDTH = 0.12, 0.1


def plot_learning_curve(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    train_sizes: ArrayLike = (0.1, 0.325, 0.55, 0.775, 1.0),
    n_seeds: int = 20,
    test_size: float = 0.5,
    scoring: str | Callable[..., float] | None = None,
    n_jobs: int | None = None,
    ax: Any = None,
    line_kw: dict[str, Any] | None = None,
    band_kw: dict[str, Any] | bool | None = None,
) -> LearningCurveDisplay:
    """Draw training and test score over the number of training samples, with their spread over seeds.

    Each seed draws another random split into training and test samples, and is the ``random_state`` of the estimator.
    The lines are means over the seeds, and the bands extend by one standard deviation to both sides.
    scikit-learn's :class:`~sklearn.model_selection.LearningCurveDisplay` draws the spread over splits alone, because
    it trains clones with the same ``random_state``.

    Parameters
    ----------
    estimator : estimator
        A classifier or regressor, or a pipeline. It is cloned for each fit. A seed sets every parameter
        ``random_state``, also those of the steps of a pipeline.

    X : array-like or sparse matrix of shape (n_samples, n_features)
        Samples.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.

    train_sizes : array-like of shape (n_sizes,), default=(0.1, 0.325, 0.55, 0.775, 1.0)
        Numbers of training samples, or fractions of the samples that are not test samples; at least two.

    n_seeds : int, default=20
        Number of seeds, at least 1: 0, 1, 2 and so on.

    test_size : float or int, default=0.5
        Fraction or number of test samples of each split.

    scoring : str, callable or None, default=None
        Score, as in :func:`~sklearn.model_selection.learning_curve`. None is the estimator's own. The sign of an error
        such as ``"neg_log_loss"`` is changed, so that it is drawn as a positive number.

    n_jobs : int, default=None
        Number of fits in parallel, as in :func:`~sklearn.model_selection.learning_curve`.

    ax : matplotlib.axes.Axes, default=None
        Axes to draw on. If None, a new figure is created.

    line_kw : dict, default=None
        Keyword arguments for ``Axes.plot`` for the means.

    band_kw : dict or False, default=None
        Keyword arguments for ``Axes.fill_between`` for the standard deviations. False omits them.

    Returns
    -------
    display : sklearn.model_selection.LearningCurveDisplay
        The display. ``train_scores`` and ``test_scores`` have the shape (n_sizes, n_seeds).

    Raises
    ------
    ValueError
        If ``train_sizes`` are not at least two different numbers, or if another parameter has an invalid value.

    See Also
    --------
    plot_validation_curve : Scores over a hyperparameter.
    TrainingCurveDisplay : Loss and accuracy by epoch.
    sklearn.model_selection.LearningCurveDisplay : Scores by the number of training samples.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from moonnet import KerasMoonClassifier
    >>> from moonnet.plotting import plot_learning_curve
    >>> X, y = make_moons(200, noise=0.2, random_state=0)
    >>> display = plot_learning_curve(KerasMoonClassifier(), X, y, train_sizes=[10, 30, 100], n_seeds=5)
    >>> display.test_scores.shape
    (3, 5)
    """
    check_options(ax=ax, line_kw=line_kw, band_kw=band_kw)
    _check_numbers("train_sizes", train_sizes)

    def scores_of_seed(seeded: Any, split: ShuffleSplit) -> tuple[Any, Any, Any]:
        return learning_curve(
            seeded, X, y, train_sizes=train_sizes, cv=split, scoring=scoring, n_jobs=n_jobs, error_score="raise"
        )

    results = _for_each_seed(estimator, scores_of_seed, n_seeds, test_size)
    display = LearningCurveDisplay(
        train_sizes=results[0][0],
        train_scores=np.hstack([result[1] for result in results]),
        test_scores=np.hstack([result[2] for result in results]),
    )
    return _draw(display, estimator, scoring, "training samples", ax, line_kw, band_kw)


def plot_validation_curve(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    param_name: str,
    param_range: Sequence[Any],
    *,
    n_seeds: int = 20,
    test_size: float = 0.5,
    scoring: str | Callable[..., float] | None = None,
    n_jobs: int | None = None,
    ax: Any = None,
    line_kw: dict[str, Any] | None = None,
    band_kw: dict[str, Any] | bool | None = None,
) -> ValidationCurveDisplay:
    """Draw training and test score over a hyperparameter, with their spread over seeds.

    Each seed draws another random split into training and test samples, and is the ``random_state`` of the estimator.
    The lines are means over the seeds, and the bands extend by one standard deviation to both sides.
    scikit-learn's :class:`~sklearn.model_selection.ValidationCurveDisplay` draws the spread over splits alone, because
    it trains clones with the same ``random_state``.

    Parameters
    ----------
    estimator : estimator
        A classifier or regressor, or a pipeline. It is cloned for each fit. A seed sets every parameter
        ``random_state``, also those of the steps of a pipeline.

    X : array-like or sparse matrix of shape (n_samples, n_features)
        Samples.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.

    param_name : str
        Hyperparameter. In a pipeline, its name begins with that of the step: ``"kerasmoonclassifier__epochs"``.

    param_range : sequence of shape (n_values,)
        Values of the hyperparameter: at least two, all different. If one of them is no number, as for activations or
        ``hidden_layer_sizes``, they are categories, drawn side by side in this order, with bars instead of bands.

    n_seeds : int, default=20
        Number of seeds, at least 1: 0, 1, 2 and so on.

    test_size : float or int, default=0.5
        Fraction or number of test samples of each split.

    scoring : str, callable or None, default=None
        Score, as in :func:`~sklearn.model_selection.validation_curve`. None is the estimator's own. The sign of an
        error such as ``"neg_log_loss"`` is changed, so that it is drawn as a positive number.

    n_jobs : int, default=None
        Number of fits in parallel, as in :func:`~sklearn.model_selection.validation_curve`.

    ax : matplotlib.axes.Axes, default=None
        Axes to draw on. If None, a new figure is created.

    line_kw : dict, default=None
        Keyword arguments for ``Axes.plot`` for the means.

    band_kw : dict or False, default=None
        Keyword arguments for ``Axes.fill_between`` for the standard deviations. False omits them.

    Returns
    -------
    display : sklearn.model_selection.ValidationCurveDisplay
        The display. ``train_scores`` and ``test_scores`` have the shape (n_values, n_seeds). ``param_range`` are the
        positions 0, 1, 2 and so on if a value is no number.

    Raises
    ------
    ValueError
        If the estimator has no such hyperparameter, if ``param_range`` are not at least two different values, or if
        another parameter has an invalid value.

    See Also
    --------
    plot_learning_curve : Scores over the number of training samples.
    plot_search : Scores of a search over two hyperparameters.
    sklearn.model_selection.ValidationCurveDisplay : Scores over one hyperparameter.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from moonnet import KerasMoonClassifier
    >>> from moonnet.plotting import plot_validation_curve
    >>> X, y = make_moons(200, noise=0.2, random_state=0)
    >>> display = plot_validation_curve(KerasMoonClassifier(), X, y, "epochs", [1, 10, 100], n_seeds=5)
    >>> display.test_scores.shape
    (3, 5)
    """
    check_options(ax=ax, line_kw=line_kw, band_kw=band_kw)
    values = _check_values(param_range)
    is_numeric = all(map(is_number, values))

    def scores_of_seed(seeded: Any, split: ShuffleSplit) -> tuple[Any, Any]:
        return validation_curve(
            seeded,
            X,
            y,
            param_name=param_name,
            param_range=values,
            cv=split,
            scoring=scoring,
            n_jobs=n_jobs,
            error_score="raise",
        )

    results = _for_each_seed(estimator, scores_of_seed, n_seeds, test_size)
    display = ValidationCurveDisplay(
        param_name=short_name(param_name),
        param_range=np.asarray(values if is_numeric else range(len(values))),
        train_scores=np.hstack([result[0] for result in results]),
        test_scores=np.hstack([result[1] for result in results]),
    )
    categories = None if is_numeric else values
    return _draw(display, estimator, scoring, display.param_name, ax, line_kw, band_kw, categories)


def _check_values(values: Any) -> list[Any]:
    """Return values of a hyperparameter as a list. Raises ValueError unless there are two or more, all different."""
    is_sequence = hasattr(values, "__len__") and not isinstance(values, str | bytes | Mapping)
    listed = list(values) if is_sequence else []
    if not 2 <= len(listed) == len(set(map(value_key, listed))):
        raise ValueError(f"param_range must contain at least two values, all different. Got {values!r} instead.")
    return listed


def _check_numbers(name: str, values: Any) -> None:
    """Raise ValueError unless the values are two or more numbers, all different, which an axis can show."""
    try:
        is_valid = 2 <= len(values) == len({float(value) for value in values})
    except (TypeError, ValueError):
        is_valid = False
    if not is_valid:
        raise ValueError(f"{name} must contain at least two numbers, all different. Got {values!r} instead.")


def _for_each_seed(
    estimator: Any, scores_of_seed: Callable[[Any, ShuffleSplit], tuple], n_seeds: int, test_size: float
) -> list[tuple]:
    """Return the scores for each seed, with which both the estimator and the split are drawn."""
    names = [name for name in estimator.get_params() if name.rpartition("__")[2] == "random_state"]
    return [
        scores_of_seed(
            clone(estimator).set_params(**dict.fromkeys(names, seed)),
            ShuffleSplit(1, test_size=test_size, random_state=seed),
        )
        for seed in range(check_integer("n_seeds", n_seeds, lowest=1))
    ]


def _draw(
    display: Any,
    estimator: Any,
    scoring: Any,
    xlabel: str,
    ax: Any,
    line_kw: dict[str, Any] | None,
    band_kw: dict[str, Any] | bool | None,
    categories: list[Any] | None = None,
) -> Any:
    """Draw both scores of the display over numbers, or over categories, and return it."""
    from matplotlib import pyplot as plt
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.collections import PolyCollection
    from matplotlib.lines import Line2D

    if ax is None:
        _, ax = plt.subplots(figsize=(5.6, 4), layout="constrained")
    line_kw = normalize_kwargs(line_kw or {}, Line2D)
    fill_kw = {"alpha": 0.25, "linewidth": 0} | normalize_kwargs(to_kwargs(band_kw), PolyCollection)
    has_bands = band_kw is not False
    display.plot(
        ax=ax,
        score_type="both",
        negate_score=isinstance(scoring, str) and scoring.startswith("neg_"),
        score_name=_score_name(estimator, scoring),
        std_display_style="fill_between" if has_bands and categories is None else None,
        line_kw=({"marker": "."} if categories is None else {"marker": "o", "linestyle": "none"}) | line_kw,
        fill_between_kw=fill_kw,
    )
    ax.set_xlabel(xlabel)
    ax.grid(alpha=0.3, axis="both" if categories is None else "y")
    if categories is not None:
        _separate_categories(display, categories, fill_kw if has_bands else None)
    return display


def _separate_categories(display: Any, categories: list[Any], fill_kw: dict[str, Any] | None) -> None:
    """Draw training and test scores beside each other, and the deviations as bars instead of bands, if at all."""
    ax = display.ax_
    display.fill_between_ = None if fill_kw is None else []
    for line, scores, offset in zip(
        display.lines_, (display.train_scores, display.test_scores), (-_OFFSET, _OFFSET), strict=True
    ):
        x, mean, deviation = line.get_xdata() + offset, line.get_ydata(), scores.std(axis=1)
        line.set_xdata(x)
        if fill_kw is None:
            continue
        has_color = not fill_kw.keys().isdisjoint(("color", "facecolor"))
        bar_kw = fill_kw if has_color else fill_kw | {"facecolor": line.get_color()}
        # NaN between the bars ends each of them
        edges = np.column_stack([x - _HALF_WIDTH, x + _HALF_WIDTH, np.full(len(x), np.nan)]).ravel()
        lower, upper = np.repeat(mean - deviation, 3), np.repeat(mean + deviation, 3)
        display.fill_between_.append(ax.fill_between(edges, lower, upper, **bar_kw))
    ax.set_xlim(-0.5, len(categories) - 0.5)
    label_categories(ax.xaxis, categories)
    make_drawable(ax.get_xticklabels())


def _score_name(estimator: Any, scoring: Any) -> str:
    """Return the name of the score in the figure."""
    if isinstance(scoring, str):
        return scoring.removeprefix("neg_").replace("_", " ")
    if scoring is not None:
        return "score"
    return "accuracy" if is_classifier(estimator) else "R²"
