"""A heat map of the scores of a hyperparameter search."""

from numbers import Real
from typing import Any

import numpy as np

from moonnet.plotting._axes import to_kwargs
from moonnet.plotting._checks import check_options
from moonnet.plotting._fonts import axes_texts, make_drawable
from moonnet.plotting._hyperparameters import label_categories, short_name, value_key

# Largest number of cells that are annotated with their scores by default
_MAX_ANNOTATED_CELLS = 100


def plot_search(
    search: Any,
    x: str | None = None,
    y: str | None = None,
    *,
    metric: str | None = None,
    ax: Any = None,
    image_kw: dict[str, Any] | None = None,
    text_kw: dict[str, Any] | bool | None = None,
    colorbar_kw: dict[str, Any] | bool | None = None,
) -> Any:
    """Draw a heat map of a fitted search's mean test scores over two hyperparameters.

    A frame marks the best candidate: the one that the search selected (``best_params_``). If the search selected none,
    or if ``metric`` is given, it marks the candidate with the highest score.

    Each ``..._kw`` parameter is a dict of keyword arguments that override the defaults. False omits the scores in the
    cells (``text_kw``) or the colour bar.

    Parameters
    ----------
    search : fitted search
        ``GridSearchCV``, ``RandomizedSearchCV`` or another search with ``cv_results_``.

    x, y : str, default=None
        Hyperparameters along the axes, with or without the prefix of a pipeline step. They are required unless the
        search varied exactly two. If it varied further ones, a cell shows the highest score over these, and the title
        names them.

    metric : str, default=None
        Metric to draw if the search has several. None is the metric by which the search selected its best candidate.

    ax : matplotlib.axes.Axes, default=None
        Axes to draw on. If None, a new figure is created.

    image_kw : dict, default=None
        Keyword arguments for ``Axes.imshow``.

    text_kw : dict or False, default=None
        Keyword arguments for ``Axes.text`` for the scores in the cells. None annotates up to 100 cells.

    colorbar_kw : dict or False, default=None
        Keyword arguments for ``Figure.colorbar``.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes with the heat map.

    Raises
    ------
    ValueError
        If the search is not fitted, ``metric`` is not one of its metrics, ``x`` or ``y`` is not one of its
        hyperparameters, or they are required but missing, or if another parameter has an invalid value.

    See Also
    --------
    TrainingCurveDisplay : Training curves of the best estimator.
    sklearn.model_selection.GridSearchCV : Exhaustive search over a grid of hyperparameters.
    plot_validation_curve : Scores over one hyperparameter.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklearn.model_selection import GridSearchCV
    >>> from moonnet import KerasMoonClassifier
    >>> from moonnet.plotting import plot_search
    >>> X, y = make_moons(200, noise=0.2, random_state=0)
    >>> grid = {"learning_rate": [0.001, 0.01], "l2": [0, 0.001, 0.01]}
    >>> search = GridSearchCV(KerasMoonClassifier(epochs=20, random_state=0), grid).fit(X, y)
    >>> ax = plot_search(search, x="learning_rate", y="l2")
    >>> ax.images[0].get_array().shape
    (3, 2)
    """
    from matplotlib import pyplot as plt
    from matplotlib.patches import Rectangle

    check_options(ax=ax, image_kw=image_kw, text_kw=text_kw, colorbar_kw=colorbar_kw)
    if not hasattr(search, "cv_results_"):
        raise ValueError(
            f"search must be fitted and have cv_results_. Got an instance of {type(search).__name__} instead."
        )
    scores, score_name = _mean_test_scores(search, metric)
    candidates, scores = _drop_earlier_rounds(search, scores)
    is_selected = metric is None and hasattr(search, "best_params_")
    best = search.best_params_ if is_selected else candidates[np.argmax(np.nan_to_num(scores, nan=-np.inf))]
    parameters = _distinct_values(candidates)
    x, y = _choose_parameters(parameters, x, y)
    columns, rows = parameters[x], parameters[y]
    table = _tabulate_scores(candidates, scores, parameters, x, y)
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    image = ax.imshow(table, **({"cmap": "viridis", "aspect": "auto", "origin": "lower"} | (image_kw or {})))
    label_categories(ax.xaxis, list(columns.values()))
    label_categories(ax.yaxis, list(rows.values()))
    ax.set(xlabel=short_name(x), ylabel=short_name(y))
    others = [short_name(name) for name, values in parameters.items() if len(values) > 1 and name not in (x, y)]
    maximum = f"highest score over {', '.join(others)}; " if others else ""
    ax.set_title(f"{maximum}the frame marks the best candidate", fontsize="medium", wrap=True)
    if text_kw is not False and (text_kw is not None or table.size <= _MAX_ANNOTATED_CELLS):
        _annotate_cells(ax, image, table, to_kwargs(text_kw))
    if x in best and y in best:
        row, column = _find_cell(best, parameters, x, y)
        ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=2.5))
    if colorbar_kw is not False:
        ax.figure.colorbar(image, ax=ax, **({"label": score_name, "format": "%.3f"} | to_kwargs(colorbar_kw)))
    make_drawable([*axes_texts(ax), *ax.get_xticklabels(), *ax.get_yticklabels()])
    return ax


def _tabulate_scores(
    candidates: list[dict[str, Any]], scores: np.ndarray, parameters: dict[str, dict[Any, Any]], x: str, y: str
) -> np.ndarray:
    """Return the highest score of each pair of values, shape (n_rows, n_columns); NaN for one without a candidate."""
    table = np.full((len(parameters[y]), len(parameters[x])), np.nan)
    for candidate, score in zip(candidates, scores, strict=True):
        if x in candidate and y in candidate:
            cell = _find_cell(candidate, parameters, x, y)
            table[cell] = np.fmax(table[cell], score)
    return table


def _find_cell(candidate: dict[str, Any], parameters: dict[str, dict[Any, Any]], x: str, y: str) -> tuple[int, ...]:
    """Return the row and the column of a candidate that has both parameters."""
    return tuple(list(parameters[name]).index(value_key(candidate[name])) for name in (y, x))


def _annotate_cells(ax: Any, image: Any, table: np.ndarray, kwargs: dict[str, Any]) -> None:
    """Write the score into each cell, in white on a dark cell."""
    for (row, column), score in np.ndenumerate(table):
        if np.isfinite(score):
            red, green, blue, _ = image.to_rgba(score)
            is_dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5  # luminance by ITU-R BT.709
            defaults = {"color": "white" if is_dark else "black", "ha": "center", "va": "center"}
            ax.text(column, row, f"{score:.3f}", **(defaults | kwargs))


def _mean_test_scores(search: Any, metric: str | None) -> tuple[np.ndarray, str]:
    """Return the mean test score of each candidate, and the label of the score."""
    results = search.cv_results_
    metrics = [name.removeprefix("mean_test_") for name in results if name.startswith("mean_test_")]
    if metric is None:
        metric = next((name for name in (search.refit, "score") if name in metrics), None)
    if metric is None or metric not in metrics:
        raise ValueError(f"metric must be one of {sorted(metrics)}. Got {metric!r} instead.")
    name = metric if metric != "score" else search.scoring if isinstance(search.scoring, str) else "score"
    return results[f"mean_test_{metric}"], f"mean test {name.replace('_', ' ')}"


def _drop_earlier_rounds(search: Any, scores: np.ndarray) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Return the candidates and their scores; of a halving search, each candidate only with its last round."""
    candidates = search.cv_results_["params"]
    if "iter" not in search.cv_results_:
        return candidates, scores
    last = {}
    for candidate, score in zip(candidates, scores, strict=True):  # in the order of the rounds
        parameters = {name: value for name, value in candidate.items() if name != search.resource}
        last[repr(parameters)] = parameters, score
    return [parameters for parameters, _ in last.values()], np.array([score for _, score in last.values()])


def _choose_parameters(parameters: dict[str, dict[Any, Any]], x: str | None, y: str | None) -> tuple[str, str]:
    """Return the full names of the parameters along the axes."""
    names = [None if name is None else _full_name(axis, name, list(parameters)) for axis, name in (("x", x), ("y", y))]
    varied = [name for name, values in parameters.items() if len(values) > 1]
    free = [name for name in varied if name not in names]
    if names.count(None) > 0 and names.count(None) != len(free):
        remedy = " For the scores over a single parameter, use plot_validation_curve." if len(varied) == 1 else ""
        raise ValueError(
            "x and y must name two searched parameters unless the search varied exactly two. "
            f"It varied {len(varied)}: {list(map(short_name, varied))}. Got x={x!r} and y={y!r} instead.{remedy}"
        )
    first, second = (free.pop(0) if name is None else name for name in names)
    if first == second:
        raise ValueError(f"x and y must be two different parameters. Got x={x!r} and y={y!r} instead.")
    return first, second


def _full_name(axis: str, name: str, searched: list[str]) -> str:
    """Return the full name of a parameter, which may lack the prefix of its step."""
    matches = [name] if name in searched else [full_name for full_name in searched if short_name(full_name) == name]
    if len(matches) != 1:
        raise ValueError(f"{axis} must name one of the searched parameters {searched}. Got {name!r} instead.")
    return matches[0]


def _distinct_values(candidates: list[dict[str, Any]]) -> dict[str, dict[Any, Any]]:
    """Return the distinct values of each parameter by their keys; numbers are sorted."""
    parameters: dict[str, dict[Any, Any]] = {}
    for candidate in candidates:
        for name, value in candidate.items():
            parameters.setdefault(name, {})[value_key(value)] = value
    for name, values in parameters.items():
        if all(isinstance(value, Real) for value in values.values()):
            parameters[name] = dict(sorted(values.items(), key=lambda item: item[1]))
    return parameters
