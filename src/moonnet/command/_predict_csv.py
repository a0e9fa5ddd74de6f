"""The mode ``--csv FILE --model FILE``: predict a CSV file with a saved pipeline."""

import argparse
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

from moonnet.command._model_file import load_model
from moonnet.command._output_files import replacing
from moonnet.command._terminal import echo
from moonnet.preprocessing import DateEncoder, NumberEncoder
from moonnet.preprocessing._dates import days_since_1970
from moonnet.tables._number_format import is_missing_marker
from moonnet.tables._read_csv import Table, read_table
from moonnet.tables._text_columns import shorten_cell
from moonnet.tables._text_pipeline import make_number_encoder

_MAX_MISSING_PRINTED = 20


def predict_csv(options: argparse.Namespace) -> None:
    """Write a copy of the CSV file with columns of predictions added."""
    path = Path("predictions.csv") if options.out is None else options.out
    for name, input_path in (("file to predict", options.csv), ("model", options.model)):
        if path.exists() and input_path.exists() and path.samefile(input_path):
            raise ValueError(f"--out must differ from the {name}. Got {path} for both.")
    table = read_table(options.csv)
    model = load_model(options.model)
    try:
        predicted, notes = predict_table(model, table)
    except (ValueError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - a crafted or damaged model may raise anything
        raise ValueError(f"{options.model} cannot predict {table.path}: {type(error).__name__}: {error}") from None
    for line in [*table.notes, *notes]:
        echo(line)
    with replacing(path) as new_file:
        table.write(predicted, new_file)
    encoding = "" if table.options["encoding"] == "utf-8-sig" else " in UTF-8"
    added = predicted.columns[table.text.shape[1] :]
    columns = f"{'column' if len(added) == 1 else 'columns'} {shorten(', '.join(added), 200, placeholder=' ...')}"
    echo(f"wrote {path}{encoding}: {len(predicted)} rows of {table.path}, with the {columns} added")


def predict_table(model: Pipeline, table: Table) -> tuple[pd.DataFrame, list[str]]:
    """Return the file's cells and the predictions, and notes about cells and columns that differ from training."""
    names = list(model.feature_names_in_)
    _check_columns(table, names)
    encoders = {name: encoder for _, encoder, columns in model["columns"].transformers_ for name in columns}
    missing, notes = {}, []
    for name in names:
        if _is_number_encoder(encoders[name]) and isinstance(encoders[name][0], NumberEncoder):
            table.settle_format(name, encoders[name][0].decimal, encoders[name][0].thousands)
        missing[name], column_notes = _unknown_cells(table, name, encoders[name])
        notes += column_notes
    X = _read_features(table, encoders, missing)
    n_missing = int(X.isna().any(axis=1).sum())
    if n_missing:
        notes.append(f"{n_missing} of {len(X)} rows have missing values, which are treated as in training")
    unused = [name for name in table.text if name not in names]
    if unused:
        notes.append(f"columns not used by the model: {shorten(', '.join(unused), 300, placeholder=' ...')}")
    return _add_predictions(table, model, X), notes


def _check_columns(table: Table, names: list[str]) -> None:
    missing = [name for name in names if name not in table.text]
    if missing:
        listed = ", ".join(missing[:_MAX_MISSING_PRINTED])
        if len(missing) > _MAX_MISSING_PRINTED:
            listed += f" and {len(missing) - _MAX_MISSING_PRINTED} more"
        raise ValueError(
            f"{table.path} must have all columns that the model uses. "
            f"Missing: {listed}. Its columns are {table.column_list}."
        )


def _read_features(table: Table, encoders: dict[str, Any], missing: dict[str, list[str]]) -> pd.DataFrame:
    """Return the columns that the model uses; numbers as floats, in whatever format this file has."""
    numbers = [name for name in encoders if _is_number_encoder(encoders[name])]
    as_text = [name for name in numbers if not table.pandas_reads_numbers(name)]
    dtypes = {name: "float64" if name in numbers and name not in as_text else "str" for name in encoders}
    X = table.read(dtypes, missing)
    for name in as_text:
        X[name] = make_number_encoder(table.number_format(name)).fit_transform(X[[name]])[:, 0]
    return X


def _is_number_encoder(encoder: Any) -> bool:
    return not isinstance(encoder, OneHotEncoder) and not isinstance(encoder[0], DateEncoder | TargetEncoder)


def _unknown_cells(table: Table, name: str, encoder: Any) -> tuple[list[str], list[str]]:
    """Return the cells of a column to treat as missing, and notes about those and about unknown categories."""
    cells = table.text[name].dropna()
    categories = encoder if isinstance(encoder, OneHotEncoder) else encoder[0]
    if isinstance(categories, OneHotEncoder | TargetEncoder):
        how = "a rare value" if isinstance(categories, OneHotEncoder) else "an average value"
        known = categories.categories_[list(categories.feature_names_in_).index(name)]
        unknown = cells[~cells.isin(known)]
        markers = unknown[is_missing_marker(unknown)]
        return markers.unique().tolist(), [
            *_notes(name, markers, "treated as missing"),
            *_notes(name, unknown.drop(markers.index), f"not seen in training, treated as {how}"),
        ]
    if _is_number_encoder(encoder):
        unit = encoder[0].unit if isinstance(encoder[0], NumberEncoder) else ""
        other_unit = table.number_format(name).unit not in ("", unit)
        unknown = cells if other_unit else cells[~table.is_number(cells)]
        kind = f"number in {unit}" if unit else "number"
        notes = _notes(name, cells[table.lacks_unit(cells, unit)], f"without a unit, read as {unit}") if unit else []
    else:
        days = days_since_1970(cells, encoder[0].format)
        unknown = cells[np.isnan(days)]
        kind = f"date in the format {encoder[0].format}"
        notes = _notes_on_cut_off_dates(name, cells, days, encoder[0])
    if len(unknown) == len(cells) and not is_missing_marker(cells).all():
        got = shorten_cell(unknown[~is_missing_marker(unknown)].iloc[0])
        raise ValueError(f"column {name!r} of {table.path} must contain a {kind} in each row. Got {got}.")
    return unknown.unique().tolist(), [*_notes(name, unknown, f"not a {kind}, treated as missing"), *notes]


def _notes_on_cut_off_dates(name: str, cells: "pd.Series[str]", days: np.ndarray, encoder: DateEncoder) -> list[str]:
    notes = []
    for sign, word, day in zip((-1, 1), ("before", "after"), encoder.bounds(), strict=True):
        if np.isfinite(day):
            date = encoder.earliest if sign < 0 else encoder.latest
            notes += _notes(name, cells[sign * (days - day) > 0], f"{word} {date}, treated as that day")
    return notes


def _notes(name: str, cells: "pd.Series[str]", problem: str) -> list[str]:
    """Return a note about the cells of a column, or none if there are no such cells."""
    more = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
    return [f"column {name!r}: {problem}: {shorten_cell(cells.iloc[0])}{more}"] if len(cells) else []


def _add_predictions(table: Table, model: Pipeline, X: pd.DataFrame) -> pd.DataFrame:
    """Return the file's cells and the predictions. Raises ValueError if the file has columns with their names."""
    predictions = {"prediction": model.predict(X)}
    if is_classifier(model):
        labels = [f"probability_{label}" for label in model.classes_]
        predictions |= dict(zip(labels, model.predict_proba(X).T, strict=True))
    cells = table.raw_cells()
    duplicates = [name for name in predictions if name in cells]
    if duplicates:
        raise ValueError(
            f"{table.path} must not have columns with the names of the predictions. "
            f"Rename {', '.join(duplicates)} in the file."
        )
    return pd.concat([cells, pd.DataFrame(predictions)], axis=1)
