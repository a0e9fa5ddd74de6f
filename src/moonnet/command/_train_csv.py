"""The mode ``--csv FILE --target COLUMN``: train on a CSV file and save the model."""

import argparse
from dataclasses import replace
from textwrap import shorten
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from moonnet.command._dataset import Dataset
from moonnet.command._model_file import save_model
from moonnet.command._output_files import replacing
from moonnet.command._terminal import echo
from moonnet.command._train_and_report import make_output_folder, network_options, save_pictures, train_and_report
from moonnet.tables._pipeline import make_member
from moonnet.tables._python_script import pipeline_code, training_script
from moonnet.tables._read_csv import Table, read_table
from moonnet.tables._text_columns import Target, format_columns, infer_columns
from moonnet.tables._text_pipeline import make_model, read_samples

MIN_ROWS = 20
# One of them is held out, and the three others are enough for three folds of a cross-validation
MIN_ROWS_PER_CLASS = 4


def train_csv(options: argparse.Namespace) -> None:
    """Train a pipeline on a CSV file; save it with the pictures and a Python script that trains it again."""
    table = read_table(options.csv)
    if len(table.text) < MIN_ROWS:
        raise ValueError(f"{table.path} must have at least {MIN_ROWS} rows to train on. Got {len(table.text)}.")
    target, columns = infer_columns(
        table, options.target, options.features, options.task, month_first=options.month_first
    )
    target = _leave_out_rare_classes(table, target)
    dataset = _split(*read_samples(table, target, columns), target, options.seed)
    member = make_member("regressor" if target.is_regression else "classifier").set_params(**network_options(options))
    model = make_model([column for column in columns if column.kind], member, options.effort, options.seed)
    folder = make_output_folder(options)

    echo(f"{table.path}: {len(table.text)} rows, {table.text.shape[1]} columns")
    for line in [*table.notes, "", *format_columns(target, columns)]:
        echo(line)
    echo(f"\nThe model is this scikit-learn pipeline:\n\n{pipeline_code(model, shorten=True)}")
    train_and_report(dataset, model)
    path = folder / "model.skops"
    save_model(model, path)  # first, because the pictures may fail or be interrupted
    echo(f"wrote {path}: the trained pipeline, which predicts other files with --model")
    script = training_script(model, table, target, columns, seed=options.seed, path=path)
    with replacing(folder / "model.py") as new_file:
        new_file.write_text(script, encoding="utf-8")
    echo(f"wrote {folder / 'model.py'}: the Python script that trains this pipeline again")
    save_pictures(dataset, model, folder)


def _leave_out_rare_classes(table: Table, target: Target) -> Target:
    """Return the target with the classes of too few rows among its missing values, and note them in the table.

    Raises ValueError unless at least two classes and half of the rows are left.
    """
    if target.is_regression:
        return target
    cells = table.text[target.name].dropna()
    counts = cells[~cells.isin(target.missing_markers)].value_counts()
    if len(counts) < 2:
        raise ValueError(f"column {target.name!r} must have at least two classes. Got only {counts.index[0]!r}.")
    rare = counts[counts < MIN_ROWS_PER_CLASS]
    if len(counts) - len(rare) < 2 or rare.sum() > counts.sum() / 2:
        hint = " To predict numbers, add --task regression." if table.is_number(cells).all() else ""
        raise ValueError(
            f"column {target.name!r} must have at least two classes of at least {MIN_ROWS_PER_CLASS} rows, which "
            f"together have at least half of the rows. Got {len(counts)} classes, {len(rare)} of them with fewer "
            f"rows.{hint}"
        )
    content = target.content
    if len(rare):
        content += "; rare classes left out"
        listed = shorten(", ".join(map(repr, rare.index)), 100, placeholder=" ...")
        table.notes.append(
            f"column {target.name!r}: classes of fewer than {MIN_ROWS_PER_CLASS} rows are left out, "
            f"with {rare.sum()} of {counts.sum()} rows: {listed}"
        )
    return replace(target, content=content, missing_markers=[*target.missing_markers, *rare.index])


def _split(X: Any, y: np.ndarray, target: Target, seed: int) -> Dataset:
    """Hold out a quarter of the samples, with the same share of each class."""
    if len(y) < MIN_ROWS:
        raise ValueError(f"column {target.name!r} must have a value in at least {MIN_ROWS} rows. Got {len(y)}.")
    stratify = None if target.is_regression else y
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, stratify=stratify, random_state=seed)
    return Dataset(X_train, y_train, X_test, y_test, list(X.columns), X_test[:1], target.is_regression, target.name)
