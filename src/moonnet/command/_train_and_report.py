"""Train and evaluate a model, print each step with its time, and save the pictures."""

import argparse
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import log_loss, mean_absolute_error
from sklearn.model_selection import check_cv

from moonnet._estimator import raise_on_interrupt
from moonnet._sklearn_compat import safe_indexing
from moonnet.command._dataset import Dataset
from moonnet.command._pictures import PICTURES, draw_pictures
from moonnet.command._terminal import echo

_N_FOLDS = 5
# With fewer held-out samples, the standard error of an accuracy may exceed 0.03, and cross-validation tells more
_ENOUGH_HELD_OUT = 250
_MAX_FEATURES_PRINTED = 8
_MAX_VALUES_PRINTED = 4


def make_output_folder(options: argparse.Namespace) -> Path:
    """Create the folder for pictures and models."""
    folder = Path("moonnet-lecture") if options.out is None else options.out
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def network_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of a network that the options set."""
    hidden = None if options.hidden is None else tuple(options.hidden)
    values = {"hidden_layer_sizes": hidden, "epochs": options.epochs, "batch_size": options.batch_size}
    return {name: value for name, value in values.items() if value is not None}


def train_and_report(dataset: Dataset, model: Any) -> None:
    """Train the model, a network or a pipeline that ends with an ensemble; evaluate it and predict one sample."""
    _print_samples(dataset)
    with _print_time("Importing the engine"):
        import moonnet.training._loop  # noqa: F401
    with _print_time("The first fit, with imports and compilation,"), raise_on_interrupt():
        model.fit(dataset.X_train, dataset.y_train)
    echo()
    if dataset.is_dataframe:
        _print_ensemble(model[-1])
    else:
        _print_history(model.history_)
    echo()
    _evaluate(dataset, model)
    with _print_time("One prediction"):
        echo(_prediction_text(dataset, model))
    if not dataset.is_dataframe:
        echo()
        with _print_time("Making a Keras model"):  # which may import Keras, so it comes last
            model.model_.summary()
        echo()


def save_pictures(dataset: Dataset, model: Any, folder: Path) -> None:
    """Draw the fitted model and print the names of the files."""
    others = {folder / name for name in PICTURES}
    with _print_time("Drawing the pictures"):
        for path in draw_pictures(dataset, model, folder):
            others.discard(path)
            echo(f"wrote {path}")
    for path in sorted(others):
        if path.exists():  # of an earlier run or of the user
            echo(f"left {path} unchanged: this run has no such picture")


def _print_samples(dataset: Dataset) -> None:
    names = dataset.feature_names
    features = ", ".join(names[:_MAX_FEATURES_PRINTED])
    if len(names) > _MAX_FEATURES_PRINTED:
        features += f" and {len(names) - _MAX_FEATURES_PRINTED} more"
    echo(f"{len(dataset.X_train)} training samples, {len(dataset.X_test)} held-out samples; features: {features}")
    label = f"target {dataset.y_train[0]:.4g}" if dataset.is_regression else f"class {dataset.y_train[0]}"
    echo(f"First training sample: {_values_text(dataset, dataset.X_train[:1])}, {label}\n")


def _print_ensemble(ensemble: Any) -> None:
    """Print the layers of an ensemble's networks, and how the number of epochs was chosen."""
    network = ensemble.estimators_[0]._network
    layers = " - ".join(map(str, network.layer_sizes))
    echo(f"Networks with layers of {layers} units ({network.n_weights:,} weights), each trained on the other folds:")
    for fold, history in enumerate(ensemble.fold_histories_, start=1):
        losses = history["val_loss"]
        best = int(np.argmin(losses))
        echo(f"fold {fold}: lowest validation loss {losses[best]:.4g} after {best + 1} of {len(losses)} epochs")
    epochs = f"{ensemble.epochs_} epoch{'s' * (ensemble.epochs_ > 1)}"
    echo(f"The ensemble has {len(ensemble.estimators_)} such networks, trained on all training samples for {epochs}.")


def _print_history(history: dict[str, list[float]]) -> None:
    """Print every tenth epoch and the last one, of many epochs ten or so."""
    from moonnet.training._progress import format_value

    echo("Training history (means over the batches of an epoch, while the weights change):")
    n_epochs = len(history["loss"])
    step = 10 * math.ceil(n_epochs / 100)
    for epoch in sorted({*range(step, n_epochs + 1, step), n_epochs}):
        metrics = ", ".join(f"{name} {format_value(values[epoch - 1])}" for name, values in history.items())
        echo(f"epoch {epoch:4d}/{n_epochs}: {metrics}")


def _evaluate(dataset: Dataset, model: Any) -> None:
    constant = "the mean of the target" if dataset.is_regression else "the majority class"
    echo(f"Evaluation of the trained model, compared with always predicting {constant}:")
    baseline = DummyRegressor() if dataset.is_regression else DummyClassifier()  # of the most frequent class
    baseline.fit(dataset.X_train, dataset.y_train)
    with _print_time("Evaluation"):
        for name, X, y in (
            ("training", dataset.X_train, dataset.y_train),
            ("held-out", dataset.X_test, dataset.y_test),
        ):
            echo(f"{name} samples: {_metrics_text(dataset, model, X, y)} ({_baseline_text(dataset, baseline, X, y)})")
    if len(dataset.y_test) < _ENOUGH_HELD_OUT:
        with _print_time("Cross-validation"):
            _cross_validate(dataset, model)


def _metrics_text(dataset: Dataset, model: Any, X: Any, y: np.ndarray) -> str:
    score = model.score(X, y)
    if dataset.is_regression:
        return f"mean absolute error {mean_absolute_error(y, model.predict(X)):.4g}, R2 {score:.4f}"
    return f"loss {log_loss(y, model.predict_proba(X), labels=model.classes_):.4f}, accuracy {score:.4f}"


def _baseline_text(dataset: Dataset, baseline: Any, X: Any, y: np.ndarray) -> str:
    """Return the scores of a model that always predicts the mean or the majority class."""
    constant, score = baseline.predict(X[:1])[0], baseline.score(X, y)
    if dataset.is_regression:
        return f"mean {constant:.4g}: {mean_absolute_error(y, baseline.predict(X)):.4g}, R2 {score:.4f}"
    return f"majority class {constant}: {score:.4f}"


def _cross_validate(dataset: Dataset, model: Any) -> None:
    """Print the score of a cross-validation, with as many folds as the rarest class has samples."""
    rarest = _N_FOLDS if dataset.is_regression else np.unique(dataset.y_train, return_counts=True)[1].min()
    folds = check_cv(min(_N_FOLDS, rarest), dataset.y_train, classifier=not dataset.is_regression)
    scores = []
    for train, test in folds.split(dataset.X_train, dataset.y_train):
        with raise_on_interrupt():
            fitted = clone(model).fit(safe_indexing(dataset.X_train, train), dataset.y_train[train])
        scores.append(fitted.score(safe_indexing(dataset.X_train, test), dataset.y_train[test]))
    echo(
        f"{len(scores)}-fold cross-validation on the training samples: {'R2' if dataset.is_regression else 'accuracy'} "
        f"{np.mean(scores):.4f} (standard deviation {np.std(scores):.4f})"
    )


def _prediction_text(dataset: Dataset, model: Any) -> str:
    """Return what the model predicts for the example, as a sentence."""
    kind = "the held-out sample" if dataset.is_dataframe else "the point"
    prefix = f"Prediction for {kind} {_values_text(dataset, dataset.X_example)}:"
    if dataset.is_regression:
        return f"{prefix} {model.predict(dataset.X_example)[0]:.4g} (actual value {dataset.y_test[0]:.4g})"
    probabilities = model.predict_proba(dataset.X_example)[0]
    predicted = probabilities.argmax()
    reported = 1 if len(model.classes_) == 2 else predicted
    return (
        f"{prefix} class {model.classes_[predicted]} "
        f"(probability of class {model.classes_[reported]}: {probabilities[reported]:.3g})"
    )


def _values_text(dataset: Dataset, x: Any) -> str:
    """Return the first values of a sample of shape (1, n_features), in parentheses."""
    values = np.asarray(x)[0, :_MAX_VALUES_PRINTED]
    more = ", ..." if len(dataset.feature_names) > _MAX_VALUES_PRINTED else ""
    return f"({', '.join(map(_value_text, values))}{more})"


def _value_text(value: Any) -> str:
    if value is None or value != value:  # NaN
        return "missing"
    return f"{value:.4g}" if isinstance(value, float) else shorten(str(value), 30)


@contextmanager
def _print_time(step: str) -> Iterator[None]:
    """Print how long the block took."""
    started = time.perf_counter()
    yield
    seconds = time.perf_counter() - started
    echo(f"{step} took {seconds:.2f} s" if seconds >= 1 else f"{step} took {1000 * seconds:.2f} ms")
