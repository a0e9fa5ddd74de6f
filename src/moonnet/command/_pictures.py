"""The pictures of a problem: its data, the training, what was learned, and how that does on samples held out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, PredictionErrorDisplay

from moonnet.plotting import DecisionRegionDisplay, RegressionDisplay, TrainingCurveDisplay, plot_data

PICTURES = ("data.png", "training.png", "regression.png", "decision_regions.png", "held_out.png")
# Held-out samples on which it is measured which columns matter
_MOST_MEASURED = 300
# A column of numbers with fewer values than this is drawn only where there is no other
_ENOUGH_VALUES = 10


@dataclass
class Problem:
    """What is to be learned: samples to train on, and samples held out."""

    X: Any  # (n_samples, n_features), an array or a dataframe
    y: np.ndarray  # (n_samples,)
    X_held_out: Any
    y_held_out: np.ndarray
    feature_names: list[str]
    probe: Any  # (1, n_features), the sample whose prediction is printed
    is_regression: bool = False
    target: str = "y"

    @property
    def is_table(self) -> bool:
        """Whether the samples are rows of a dataframe."""
        return hasattr(self.X, "columns")


def draw(problem: Problem, model: Any, out: Path) -> Iterator[Path]:
    """Draw what there is to see of a fitted model; yield the files."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    def save(figure: Any, name: str) -> Path:
        figure.savefig(out / name, dpi=150, bbox_inches="tight")
        return out / name

    def new_figure(width: float = 6.4, height: float = 4.8) -> Any:
        # Compressed, so that a colour bar is as tall as axes of equal units
        return Figure(figsize=(width, height), layout="compressed")

    for name in PICTURES:  # which an earlier run may have drawn of other data
        (out / name).unlink(missing_ok=True)
    with mpl.rc_context({"text.parse_math": False}):  # names may hold dollar signs
        X, features = _seen(problem, model)
        if features and not problem.is_regression:
            figure = new_figure()
            _draw_data(X, problem.y, features, problem.feature_names, figure.subplots())
            yield save(figure, "data.png")
        figure = new_figure(4.8 if problem.is_regression else 9.6, 3.6)
        TrainingCurveDisplay.from_estimator(model, ax=figure.subplots(1, 1 if problem.is_regression else 2))
        yield save(figure, "training.png")
        if features and problem.is_regression:
            figure = new_figure()
            _draw_regression(model, X, problem.y, features, problem.target, figure.subplots())
            yield save(figure, "regression.png")
        elif len(features) > 1:
            figure = new_figure()
            _draw_regions(model, X, problem.y, features, problem.feature_names, figure.subplots())
            yield save(figure, "decision_regions.png")
        if problem.is_table:
            figure = new_figure()
            _draw_held_out(problem, model, figure.subplots())
            yield save(figure, "held_out.png")


def _seen(problem: Problem, model: Any) -> tuple[Any, Any]:
    """Return the samples to draw, and their columns of numbers in the picture: none, one or two, or "pca" for all."""
    if not problem.is_table:
        return problem.X, (0, 1)
    numbers = list(problem.X.select_dtypes("number"))
    if len(numbers) == problem.X.shape[1] > 2 and not problem.is_regression:
        return problem.X.fillna(problem.X.median()).fillna(0), "pca"
    return problem.X, tuple(_telling(problem, model, numbers) if len(numbers) > 2 else numbers)


def _telling(problem: Problem, model: Any, names: list[str]) -> list[str]:
    """Return the two of these columns without which the model does worst, in their order."""
    from sklearn.inspection import permutation_importance  # which --help need not wait for

    samples = min(_MOST_MEASURED, len(problem.X_held_out))
    importance = permutation_importance(
        model, problem.X_held_out, problem.y_held_out, max_samples=samples, n_repeats=5, random_state=0
    )
    loss = dict(zip(problem.X.columns, importance.importances_mean, strict=True))
    many = {name: problem.X[name].nunique() >= _ENOUGH_VALUES for name in names}  # few are lines in the picture
    first_two = sorted(names, key=lambda name: (many[name], loss[name]))[-2:]
    return [name for name in names if name in first_two]


def _draw_data(X: Any, y: np.ndarray, features: Any, names: list[str], ax: Any) -> None:
    """Scatter the samples: one feature against the class, two in the plane, more in their principal plane."""
    if len(features) == 1:
        classes, numbers = np.unique(y, return_inverse=True)
        plot_data(np.column_stack([X[features[0]], numbers]), y, ax=ax, aspect="auto")
        ax.set_yticks(range(len(classes)), [str(label) for label in classes])
        ax.set(xlabel=features[0], ylabel="class")
    else:
        plot_data(X, y, features=features, ax=ax)
        _name_axes(ax, features, names)
    ax.set_title("data")


def _draw_regions(model: Any, X: Any, y: np.ndarray, features: Any, names: list[str], ax: Any) -> None:
    display = DecisionRegionDisplay.from_estimator(model, X, y, features=features, ax=ax)
    ax.set_title("decision regions" + (f"\n{display.title}" if display.title else ""), fontsize="medium")
    _name_axes(ax, features, names)


def _draw_regression(model: Any, X: Any, y: np.ndarray, features: Any, target: str, ax: Any) -> None:
    """Draw the curve over one feature, or the surface over two."""
    import pandas as pd

    display = RegressionDisplay.from_estimator(model, X, pd.Series(y, name=target), features=features, ax=ax)
    ax.set_title("regression" + (f"\n{display.title}" if display.title else ""), fontsize="medium")


def _name_axes(ax: Any, features: Any, names: list[str]) -> None:
    """Name the axes of a pair of columns; those of principal components have names."""
    if features != "pca":
        ax.set(**dict(zip(("xlabel", "ylabel"), names if features == (0, 1) else features, strict=True)))


def _draw_held_out(problem: Problem, model: Any, ax: Any) -> None:
    """Draw predictions against the truth, for samples held out."""
    from matplotlib.ticker import MaxNLocator

    if problem.is_regression:
        PredictionErrorDisplay.from_estimator(
            model, problem.X_held_out, problem.y_held_out, kind="actual_vs_predicted", ax=ax
        )
        ax.set(xlabel=f"{problem.target}, predicted", ylabel=f"{problem.target}, actual")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(6))
    else:
        ConfusionMatrixDisplay.from_estimator(
            model, problem.X_held_out, problem.y_held_out, ax=ax, colorbar=False, cmap="Blues", xticks_rotation=45
        )
    ax.set_title(f"{len(problem.y_held_out)} samples held out")
