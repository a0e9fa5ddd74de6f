"""Draw the pictures of a run: the data, the training curves, the fitted model and its held-out predictions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, PredictionErrorDisplay

from moonnet.command._dataset import Dataset
from moonnet.command._output_files import replacing
from moonnet.plotting import DecisionRegionDisplay, RegressionDisplay, TrainingCurveDisplay, plot_data
from moonnet.plotting._fonts import merged_font_warnings, use_fonts_with_glyphs
from moonnet.plotting._legend import shorten_label

PICTURES = ("data.png", "training.png", "regression.png", "decision_regions.png", "held_out.png")
# Held-out samples used to measure the importance of the features
_N_IMPORTANCE_SAMPLES = 300
# Features with fewer distinct values than this are drawn only if there are no others
_MIN_DISTINCT = 10
# Longer labels of a confusion matrix are shortened to this number of characters
_MAX_LABEL_WIDTH = 16


def draw_pictures(dataset: Dataset, model: Any, folder: Path) -> Iterator[Path]:
    """Draw the pictures that suit the data and the fitted model; yield their paths."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    def save(figure: Any, name: str) -> Path:
        use_fonts_with_glyphs(figure.findobj(Text))
        with replacing(folder / name) as path:
            figure.savefig(path, dpi=150, bbox_inches="tight")
        return folder / name

    def new_figure(width: float = 6.4, height: float = 4.8) -> Any:
        # With this layout, a colour bar is as tall as axes with an equal aspect
        return Figure(figsize=(width, height), layout="compressed")

    # Names may contain dollar signs
    with mpl.rc_context({"text.parse_math": False}), merged_font_warnings():
        X, features = _features_to_draw(dataset, model)
        if features and not dataset.is_regression:
            figure = new_figure()
            _draw_data(X, dataset.y, features, dataset.feature_names, figure.subplots())
            yield save(figure, "data.png")
        figure = new_figure(4.8 if dataset.is_regression else 9.6, 3.6)
        TrainingCurveDisplay.from_estimator(model, ax=figure.subplots(1, 1 if dataset.is_regression else 2))
        yield save(figure, "training.png")
        if features and dataset.is_regression:
            figure = new_figure()
            _draw_regression(model, X, dataset.y, features, dataset.target, figure.subplots())
            yield save(figure, "regression.png")
        elif len(features) > 1:
            figure = new_figure()
            _draw_regions(model, X, dataset.y, features, dataset.feature_names, figure.subplots())
            yield save(figure, "decision_regions.png")
        if dataset.is_dataframe:
            figure = new_figure()
            _draw_held_out(dataset, model, figure.subplots())
            yield save(figure, "held_out.png")


def _features_to_draw(dataset: Dataset, model: Any) -> tuple[Any, Any]:
    """Return the samples and the numeric features to draw: up to two of them, or "pca" for the principal components."""
    if not dataset.is_dataframe:
        return dataset.X, (0, 1)
    numbers = list(dataset.X.select_dtypes("number"))
    if len(numbers) == dataset.X.shape[1] > 2 and not dataset.is_regression:
        return dataset.X.fillna(dataset.X.median()).fillna(0), "pca"
    return dataset.X, tuple(_two_most_important(dataset, model, numbers) if len(numbers) > 2 else numbers)


def _two_most_important(dataset: Dataset, model: Any, names: list[str]) -> list[str]:
    """Return the two features with the largest permutation importance, in the order of ``names``."""
    from sklearn.inspection import permutation_importance  # slow to import

    n_samples = min(_N_IMPORTANCE_SAMPLES, len(dataset.X_held_out))
    result = permutation_importance(
        model, dataset.X_held_out, dataset.y_held_out, max_samples=n_samples, n_repeats=5, random_state=0
    )
    importances = dict(zip(dataset.X.columns, result.importances_mean, strict=True))
    # Few distinct values appear as mere lines in the picture
    has_many_values = {name: dataset.X[name].nunique() >= _MIN_DISTINCT for name in names}
    selected = sorted(names, key=lambda name: (has_many_values[name], importances[name]))[-2:]
    return [name for name in names if name in selected]


def _draw_data(X: Any, y: np.ndarray, features: Any, names: list[str], ax: Any) -> None:
    """Draw the samples: one feature against the class, two features, or the two first principal components."""
    if len(features) == 1:
        classes, class_indices = np.unique(y, return_inverse=True)
        plot_data(np.column_stack([X[features[0]], class_indices]), y, ax=ax, aspect="auto")
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
    """Draw the predictions as a curve over one feature, or as a surface over two."""
    import pandas as pd

    display = RegressionDisplay.from_estimator(model, X, pd.Series(y, name=target), features=features, ax=ax)
    ax.set_title("regression" + (f"\n{display.title}" if display.title else ""), fontsize="medium")


def _name_axes(ax: Any, features: Any, names: list[str]) -> None:
    """Label the axes with the features' names; axes of principal components are labelled already."""
    if features != "pca":
        ax.set(**dict(zip(("xlabel", "ylabel"), names if features == (0, 1) else features, strict=True)))


def _draw_held_out(dataset: Dataset, model: Any, ax: Any) -> None:
    """Draw the confusion matrix of the held-out samples, or their predicted and actual values."""
    from matplotlib.ticker import MaxNLocator

    if dataset.is_regression:
        PredictionErrorDisplay.from_estimator(
            model, dataset.X_held_out, dataset.y_held_out, kind="actual_vs_predicted", ax=ax
        )
        ax.set(xlabel=f"{dataset.target}, predicted", ylabel=f"{dataset.target}, actual")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(6))
    else:
        display = ConfusionMatrixDisplay.from_estimator(
            model, dataset.X_held_out, dataset.y_held_out, ax=ax, colorbar=False, cmap="Blues", xticks_rotation=45
        )
        labels = [shorten_label(str(label), _MAX_LABEL_WIDTH) for label in display.display_labels]
        ax.set(xticklabels=labels, yticklabels=labels)
    ax.set_title(f"{len(dataset.y_held_out)} held-out samples")
