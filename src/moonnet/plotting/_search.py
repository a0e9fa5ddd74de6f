"""A search's scores over two of its parameters."""

from numbers import Real
from typing import Any

import numpy as np

from moonnet.plotting._scatter import arguments

# A heat map of more cells than these is read by its colours alone
_MOST_NUMBERS = 100
# More labels than these along the lower axis are slanted
_MOST_LEVEL = 6


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
    """Draw a fitted search's mean test score over two parameters as a heat map, the best candidate's cell framed.

    The best is that which the search chose; where it chose none, or by another metric, that of the highest score.

    Each ``..._kw`` holds arguments that win over the defaults here; False leaves that part out.

    Parameters
    ----------
    search : fitted search
        ``GridSearchCV``, ``RandomizedSearchCV``, or another with ``cv_results_``.

    x, y : str, default=None
        Parameters along the axes, in full or without the prefix of a pipeline's step. None takes those that the search
        varied, where these are two, the first of them along x. Over other parameters that it varied, a cell shows the
        best score, as the title says.

    metric : str, default=None
        Which of several metrics. None takes the one that the search chose its best candidate by.

    ax : matplotlib.axes.Axes, default=None
        The axes to draw on. None makes a new figure.

    image_kw : dict, default=None
        Arguments of ``Axes.imshow``.

    text_kw : dict or False, default=None
        Arguments of ``Axes.text`` for the scores in the cells, which are written in up to 100 of them.

    colorbar_kw : dict or False, default=None
        Arguments of ``Figure.colorbar``.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes, drawn on.

    Raises
    ------
    ValueError
        If the search is not fitted, a parameter is not among those searched, or it cannot be told which two to draw.

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

    if not hasattr(search, "cv_results_"):
        raise ValueError(f"search must be fitted and have cv_results_. Got an instance of {type(search).__name__}.")
    scores, score_name = _scores(search, metric)
    chosen = metric is None and hasattr(search, "best_params_")
    candidates, scores = _last_scores(search, scores)
    best = search.best_params_ if chosen else candidates[np.argmax(np.nan_to_num(scores, nan=-np.inf))]
    x, y = _two_parameters(candidates, x, y)
    columns, rows = _values(candidates, x), _values(candidates, y)
    table = np.full((len(rows), len(columns)), np.nan)
    for candidate, score in zip(candidates, scores, strict=True):
        if x in candidate and y in candidate:
            cell = list(rows).index(_key(candidate[y])), list(columns).index(_key(candidate[x]))
            table[cell] = np.fmax(table[cell], score)

    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    image = ax.imshow(table, **({"cmap": "viridis", "aspect": "auto", "origin": "lower"} | (image_kw or {})))
    slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if len(columns) > _MOST_LEVEL else {}
    ax.set_xticks(range(len(columns)), [_text(value) for value in columns.values()], **slanted)
    ax.set_yticks(range(len(rows)), [_text(value) for value in rows.values()])
    ax.set(xlabel=_short(x), ylabel=_short(y))
    others = [name for name in _varied(candidates) if name not in (x, y)]
    over = f"best over {', '.join(map(_short, others))}; " if others else ""
    ax.set_title(f"{over}the best candidate is framed", fontsize="medium", wrap=True)
    if text_kw is not False and (text_kw is not None or table.size <= _MOST_NUMBERS):
        for (row, column), score in np.ndenumerate(table):
            if np.isfinite(score):
                red, green, blue, _ = image.to_rgba(score)
                # Luminance by ITU-R BT.709
                dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5
                look = {"color": "white" if dark else "black", "ha": "center", "va": "center"}
                ax.text(column, row, f"{score:.3f}", **(look | arguments(text_kw)))
    if x in best and y in best:
        row, column = (list(values).index(_key(best[name])) for values, name in ((rows, y), (columns, x)))
        ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=2.5))
    if colorbar_kw is not False:
        ax.figure.colorbar(image, ax=ax, **({"label": score_name, "format": "%.3f"} | arguments(colorbar_kw)))
    return ax


def _scores(search: Any, metric: str | None) -> tuple[np.ndarray, str]:
    """Return each candidate's mean test score, and what to call it."""
    results = search.cv_results_
    known = [name.removeprefix("mean_test_") for name in results if name.startswith("mean_test_")]
    if metric is None:
        metric = next((name for name in (search.refit, "score") if name in known), None)
    if metric is None or metric not in known:
        raise ValueError(f"metric must be one of {sorted(known)}. Got {metric!r} instead.")
    name = metric if metric != "score" else search.scoring if isinstance(search.scoring, str) else "score"
    return results[f"mean_test_{metric}"], f"mean test {name.replace('_', ' ')}"


def _last_scores(search: Any, scores: np.ndarray) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Return the candidates and their scores: of a halving search each once, by the most resources it was given."""
    candidates = search.cv_results_["params"]
    if "iter" not in search.cv_results_:
        return candidates, scores
    last = {}
    for candidate, score in zip(candidates, scores, strict=True):  # in the order of the iterations
        parameters = {name: value for name, value in candidate.items() if name != search.resource}
        last[repr(parameters)] = parameters, score
    return [parameters for parameters, _ in last.values()], np.array([score for _, score in last.values()])


def _two_parameters(candidates: list[dict[str, Any]], x: str | None, y: str | None) -> tuple[str, str]:
    """Return the full names of the parameters along the axes."""
    known = list(dict.fromkeys(name for candidate in candidates for name in candidate))
    given = [None if name is None else _full_name(parameter, name, known) for parameter, name in (("x", x), ("y", y))]
    free = [name for name in _varied(candidates) if name not in given]
    if given.count(None) > 0 and given.count(None) != len(free):
        varied = [_short(name) for name in _varied(candidates)]
        raise ValueError(
            f"x and y must name the two parameters to draw, since the search varied {len(varied)} of them, {varied}. "
            f"Got x={x!r} and y={y!r}."
        )
    first, second = (free.pop(0) if name is None else name for name in given)
    if first == second:
        raise ValueError(f"x and y must be two different parameters. Got x={x!r} and y={y!r}.")
    return first, second


def _full_name(parameter: str, name: str, known: list[str]) -> str:
    """Return a parameter's full name, given with or without prefix."""
    found = [name] if name in known else [each for each in known if _short(each) == name]
    if len(found) != 1:
        raise ValueError(f"{parameter} must name one of the parameters searched, {known}. Got {name!r} instead.")
    return found[0]


def _varied(candidates: list[dict[str, Any]]) -> list[str]:
    """Return the parameters with more than one value."""
    names = dict.fromkeys(name for candidate in candidates for name in candidate)
    return [name for name in names if len(_values(candidates, name)) > 1]


def _values(candidates: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return a parameter's values by their text: numbers in order, others as they came."""
    values = {_key(candidate[name]): candidate[name] for candidate in candidates if name in candidate}
    if all(isinstance(value, Real) for value in values.values()):
        return dict(sorted(values.items(), key=lambda item: item[1]))
    return values


def _key(value: Any) -> Any:
    """Return what tells a value from others, whether it can be hashed or not; 1, 1.0 and NumPy's 1.0 are the same."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else repr(value)


def _short(name: str) -> str:
    """Return a parameter's name without the prefix of a step."""
    return name.rpartition("__")[2]


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
