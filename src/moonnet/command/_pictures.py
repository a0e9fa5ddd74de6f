"""Draw the pictures of a run: the data, the training curves, the fitted model and its held-out predictions."""

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, PredictionErrorDisplay
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from moonnet._sklearn_compat import safe_indexing
from moonnet.command._dataset import Dataset
from moonnet.command._output_files import replacing
from moonnet.plotting import DecisionRegionDisplay, RegressionDisplay, TrainingCurveDisplay, plot_data
from moonnet.plotting._fonts import make_drawable, merged_font_warnings
from moonnet.plotting._legend import shorten_label
from moonnet.preprocessing import DateEncoder
from moonnet.preprocessing._dates import lacks_year

PICTURES = ("data.png", "training.png", "regression.png", "decision_regions.png", "held_out.png")
# More samples would cover each other
_MAX_DRAWN = 1000
# Held-out samples used to measure the importance of the features
_N_IMPORTANCE_SAMPLES = 300
# Features with fewer distinct values than this are drawn only if there are no others
_MIN_DISTINCT = 10
# Days since 1970-01-01 that matplotlib can write as dates, from the year 1 to 9999
_FIRST_DAY, _LAST_DAY = -719_000, 2_932_000
# Longer labels of a confusion matrix are shortened to this number of characters
_MAX_LABEL_WIDTH = 16


def draw_pictures(dataset: Dataset, model: Any, folder: Path) -> Iterator[Path]:
    """Draw the pictures that suit the data and the fitted model; yield their paths."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    def save(figure: Any, name: str) -> Path:
        make_drawable(figure.findobj(Text))
        with replacing(folder / name) as path:
            figure.savefig(path, dpi=150, bbox_inches="tight")
        return folder / name

    def new_figure(width: float = 6.4, height: float = 4.8) -> Any:
        # With this layout, a colour bar is as tall as axes with an equal aspect
        return Figure(figsize=(width, height), layout="compressed")

    # Names may contain dollar signs
    with mpl.rc_context({"text.parse_math": False}), merged_font_warnings():
        of_days, model_of_days, dates = _dates_as_days(dataset, model)
        X, features = _features_to_draw(of_days, model_of_days)
        X, y, shown = _drawn_samples(X, features, dataset)
        if features and not dataset.is_regression:
            figure = new_figure()
            _draw_data(X, y, features, dataset.feature_names, figure.subplots())
            _finish(figure, f"data{shown}", features, dates)
            yield save(figure, "data.png")
        figure = new_figure(4.8 if dataset.is_regression else 9.6, 3.6)
        TrainingCurveDisplay.from_estimator(model, ax=figure.subplots(1, 1 if dataset.is_regression else 2))
        yield save(figure, "training.png")
        if len(features) > 1 or (features and dataset.is_regression):
            figure = new_figure()
            held = _draw_model(dataset, model_of_days, X, y, features, dates, figure.subplots())
            kind = "regression" if dataset.is_regression else "decision regions"
            _finish(figure, f"{kind}{shown}{held}", features, dates)
            yield save(figure, f"{kind.replace(' ', '_')}.png")
        if dataset.is_dataframe:
            figure = new_figure()
            _draw_held_out(dataset, model, figure.subplots())
            yield save(figure, "held_out.png")


def _clip(days: Any, bounds: tuple[float, float]) -> np.ndarray:
    """Cut off days beyond the bounds, as the encoder does with dates."""
    return np.clip(np.asarray(days, float), *bounds)


def _dates_as_days(dataset: Dataset, model: Any) -> tuple[Dataset, Any, dict[str, bool]]:
    """Return the dataset and the model with dates as days since 1970-01-01, which can be drawn.

    Also return the names of these columns, and whether each is a time of day.
    """
    X_train, X_test, transformers = copy(dataset.X_train), copy(dataset.X_test), []
    dates: dict[str, bool] = {}
    for name, encoder, columns in model["columns"].transformers_ if dataset.is_dataframe else []:
        if isinstance(encoder, Pipeline) and isinstance(encoder[0], DateEncoder):
            for samples in (X_train, X_test):
                samples[columns] = encoder[0].transform(samples[columns])
            dates |= dict.fromkeys(columns, lacks_year(encoder[0].format))
            clip = FunctionTransformer(_clip, kw_args={"bounds": encoder[0].bounds()})
            encoder = Pipeline([("days", clip), *encoder.steps[1:]])
        transformers.append((name, encoder, columns))
    if not dates:
        return dataset, model, {}
    columns = copy(model["columns"])
    columns.transformers_ = transformers
    model = Pipeline([("columns", columns), *model.steps[1:]])
    return replace(dataset, X_train=X_train, X_test=X_test), model, dates


def _features_to_draw(dataset: Dataset, model: Any) -> tuple[Any, Any]:
    """Return the samples and the numeric features to draw: up to two of them, or "pca" for the principal components."""
    if not dataset.is_dataframe:
        return dataset.X_train, (0, 1)
    numbers = list(dataset.X_train.select_dtypes("number"))
    if len(numbers) == dataset.X_train.shape[1] > 2 and not dataset.is_regression:
        return dataset.X_train.fillna(dataset.X_train.median()).fillna(0), "pca"
    return dataset.X_train, tuple(_two_most_important(dataset, model, numbers) if len(numbers) > 2 else numbers)


def _two_most_important(dataset: Dataset, model: Any, names: list[str]) -> list[str]:
    """Return the two features with the largest permutation importance, in the order of ``names``."""
    from sklearn.inspection import permutation_importance  # slow to import

    n_samples = min(_N_IMPORTANCE_SAMPLES, len(dataset.X_test))
    result = permutation_importance(
        model, dataset.X_test, dataset.y_test, max_samples=n_samples, n_repeats=5, random_state=0
    )
    importances = dict(zip(dataset.X_train.columns, result.importances_mean, strict=True))
    # Few distinct values appear as mere lines in the picture
    has_many_values = {name: dataset.X_train[name].nunique() >= _MIN_DISTINCT for name in names}
    selected = sorted(names, key=lambda name: (has_many_values[name], importances[name]))[-2:]
    return [name for name in names if name in selected]


def _drawn_samples(X: Any, features: Any, dataset: Dataset) -> tuple[Any, np.ndarray, str]:
    """Return the training samples to draw, at least one of each class, and a clause of the title on their number."""
    y = dataset.y_train
    if len(y) > _MAX_DRAWN:
        first_rows = np.unique(y, return_index=True)[1][: 0 if dataset.is_regression else None]
        random_rows = np.random.default_rng(0).choice(len(y), _MAX_DRAWN - len(first_rows), replace=False)
        rows = np.union1d(first_rows, random_rows).astype(int)
        X, y = safe_indexing(X, rows), y[rows]
    # A sample that lacks a drawn feature has no place in the picture
    is_named = dataset.is_dataframe and features != "pca"
    n_drawn = int(X[list(features)].notna().all(axis=1).sum()) if is_named else len(y)
    clause = f", {n_drawn:,} of {len(dataset.y_train):,} training samples" if n_drawn < len(dataset.y_train) else ""
    return X, y, clause


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


def _draw_model(
    dataset: Dataset, model: Any, X: Any, y: np.ndarray, features: Any, dates: dict[str, bool], ax: Any
) -> str:
    """Draw decision regions, or the regression over one feature or two; return a line with the values of the others."""
    display_class: Any = DecisionRegionDisplay
    if dataset.is_regression:
        import pandas as pd

        display_class, y = RegressionDisplay, pd.Series(y, name=dataset.target)
    held, title = _held_date(X, features, dates)
    display = display_class.from_estimator(model, X, y, features=features, held=held, ax=ax)
    if not dataset.is_regression:
        _name_axes(ax, features, dataset.feature_names)
    line = title or display.title
    return f"\n{line}" if line else ""


def _held_date(X: Any, features: Any, dates: dict[str, bool]) -> tuple[dict[str, float] | None, str]:
    """Return the median of the only feature that is not drawn and a text of it, if that is a date."""
    others = [] if features in ("pca", (0, 1)) else [name for name in X if name not in features]
    if len(others) != 1 or others[0] not in dates:
        return None, ""
    day = float(np.nanquantile(X[others[0]], 0.5, method="nearest"))
    date, _, time = str(np.datetime64(round(day * 24 * 60), "m")).partition("T")
    text = time if dates[others[0]] else f"{date} {time}".removesuffix(" 00:00")
    return {others[0]: day}, f"{others[0]} = {text}"


def _finish(figure: Any, title: str, features: Any, dates: dict[str, bool]) -> None:
    """Set the title, and write days on the axes as dates or times."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, DateFormatter

    ax = figure.axes[0]
    ax.set_title(title, fontsize="medium")
    for axis, feature in zip((ax.xaxis, ax.yaxis), () if features == "pca" else features, strict=False):
        if feature not in dates:
            continue
        lower, upper = axis.get_view_interval()
        if _FIRST_DAY < lower and upper < _LAST_DAY:
            axis.set_major_locator(locator := AutoDateLocator())
            axis.set_major_formatter(DateFormatter("%H:%M") if dates[feature] else ConciseDateFormatter(locator))
        else:
            axis.set_label_text(f"{feature}, days since 1970-01-01")


def _name_axes(ax: Any, features: Any, names: list[str]) -> None:
    """Label the axes with the features' names; axes of principal components are labelled already."""
    if features != "pca":
        ax.set(**dict(zip(("xlabel", "ylabel"), names if features == (0, 1) else features, strict=True)))


def _draw_held_out(dataset: Dataset, model: Any, ax: Any) -> None:
    """Draw the confusion matrix of the held-out samples, or their predicted and actual values."""
    from matplotlib.ticker import MaxNLocator

    n_drawn = n_samples = len(dataset.y_test)
    if dataset.is_regression:
        n_drawn = min(n_samples, _MAX_DRAWN)
        PredictionErrorDisplay.from_estimator(
            model,
            dataset.X_test,
            dataset.y_test,
            kind="actual_vs_predicted",
            subsample=n_drawn,
            random_state=0,
            ax=ax,
        )
        ax.set(xlabel=f"{dataset.target}, predicted", ylabel=f"{dataset.target}, actual")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(6))
    else:
        display = ConfusionMatrixDisplay.from_estimator(
            model, dataset.X_test, dataset.y_test, ax=ax, colorbar=False, cmap="Blues", xticks_rotation=45
        )
        labels = [shorten_label(str(label), _MAX_LABEL_WIDTH) for label in display.display_labels]
        ax.set(xticklabels=labels, yticklabels=labels)
    ax.set_title(f"{n_drawn:,} of " * (n_drawn < n_samples) + f"{n_samples:,} held-out samples", fontsize="medium")
