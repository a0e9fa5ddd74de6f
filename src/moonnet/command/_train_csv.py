"""The mode ``--csv FILE --target COLUMN``: train on a CSV file and save the model."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.command._columns import Column, Target, format_columns, infer_columns
from moonnet.command._dataset import Dataset
from moonnet.command._model_file import save_model
from moonnet.command._output_files import replacing
from moonnet.command._pipeline import make_model, read_samples
from moonnet.command._python_script import pipeline_code, training_script
from moonnet.command._read_csv import Table, read_table
from moonnet.command._terminal import echo
from moonnet.command._train_and_report import (
    N_FOLDS,
    make_network,
    make_output_folder,
    save_pictures,
    train_and_report,
)

MIN_ROWS = 4 * N_FOLDS
# Three quarters of the rows of each class must be enough for the folds of the cross-validation
MIN_ROWS_PER_CLASS = 2 * N_FOLDS


def train_csv(options: argparse.Namespace) -> None:
    """Train a pipeline on a CSV file; save it with the pictures and a Python script that trains it again."""
    table = read_table(options.csv)
    if len(table.text) < MIN_ROWS:
        raise ValueError(f"{table.path} must have at least {MIN_ROWS} rows to train on. Got {len(table.text)}.")
    target, columns = infer_columns(
        table, options.target, options.features, options.task, month_first=options.month_first
    )
    dataset = _split(*read_samples(table, target, columns), target, options.seed)
    network = make_network(KerasMoonRegressor if target.is_regression else KerasMoonClassifier, options)
    model = make_model([column for column in columns if column.kind], network)
    folder = make_output_folder(options)

    _print_table(table, target, columns)
    echo(f"\nThe model is this scikit-learn pipeline:\n\n{pipeline_code(model, shorten=True)}")
    train_and_report(dataset, model, network, n_epochs=options.epochs)
    path = folder / "model.skops"
    save_model(model, path)  # first, because the pictures may fail or be interrupted
    echo(f"wrote {path}: the trained pipeline, which predicts other files with --model")
    _write_script(training_script(model, table, target, columns, seed=options.seed, path=path), folder / "model.py")
    save_pictures(dataset, model, folder)


def _split(X: Any, y: np.ndarray, target: Target, seed: int) -> Dataset:
    """Hold out a quarter of the samples, with the same share of each class."""
    if len(y) < MIN_ROWS:
        raise ValueError(f"column {target.name!r} must have a value in at least {MIN_ROWS} rows. Got {len(y)}.")
    if not target.is_regression:
        _check_classes(y, target.name)
    stratify = None if target.is_regression else y
    X, X_held_out, y, y_held_out = train_test_split(X, y, test_size=0.25, stratify=stratify, random_state=seed)
    return Dataset(X, y, X_held_out, y_held_out, list(X.columns), X_held_out[:1], target.is_regression, target.name)


def _check_classes(y: np.ndarray, name: str) -> None:
    """Raise ValueError unless there are at least two classes, each with enough samples."""
    labels, counts = np.unique(y, return_counts=True)
    if len(labels) < 2:
        raise ValueError(f"column {name!r} must have at least two classes. Got only {str(labels[0])!r}.")
    if counts.min() < MIN_ROWS_PER_CLASS:
        rarest = str(labels[counts.argmin()])
        hint = " To predict numbers, add --task regression." if y.dtype.kind in "iuf" else ""
        raise ValueError(
            f"column {name!r} must have at least {MIN_ROWS_PER_CLASS} rows of each class for {N_FOLDS}-fold "
            f"cross-validation. Got {len(labels)} classes, with {rarest!r} in {counts.min()} of the rows.{hint}"
        )


def _print_table(table: Table, target: Target, columns: list[Column]) -> None:
    echo(f"{table.path}: {len(table.text)} rows, {table.text.shape[1]} columns")
    for line in [*table.notes, "", *format_columns(target, columns)]:
        echo(line)


def _write_script(script: str, path: Path) -> None:
    with replacing(path) as new_file:
        new_file.write_text(script, encoding="utf-8")
    echo(f"wrote {path}: the Python script that trains this pipeline again")
