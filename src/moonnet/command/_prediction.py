"""What a saved pipeline says of another file: its rows, with predictions beside them."""

from textwrap import shorten
from typing import Any

import pandas as pd
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from moonnet.command._read_csv import Table
from moonnet.preprocessing import DateEncoder


def predict_table(model: Pipeline, table: Table) -> tuple[pd.DataFrame, list[str]]:
    """Return the file's cells with the predictions beside them, and what is to be said of its columns."""
    names = list(model.feature_names_in_)
    lacking = [name for name in names if name not in table.text]
    if lacking:
        first = ", ".join(lacking[:20]) + (f" and {len(lacking) - 20} more" if len(lacking) > 20 else "")
        raise ValueError(f"{table.path} must have the columns of the model. It lacks {first}. It has: {table.names}.")
    encoders = {name: encoder for _, encoder, columns in model["columns"].transformers_ for name in columns}
    marks, notes = {}, []
    for name in names:
        marks[name], said = _unknown_cells(table, name, encoders[name])
        notes += said
    dtypes = {name: "float64" if _takes_numbers(encoders[name]) else "str" for name in names}
    X = table.read(dtypes, {name: cells for name, cells in marks.items() if cells})
    n_missing = int(X.isna().any(axis=1).sum())
    if n_missing:
        notes.append(f"{n_missing} of {len(X)} rows have missing values, which are imputed")
    ignored = [name for name in table.text if name not in names]
    if ignored:
        notes.append(f"columns that the model does not use: {shorten(', '.join(ignored), 300, placeholder=' ...')}")
    return _beside(table, _predictions(model, X)), notes


def _takes_numbers(encoder: Any) -> bool:
    return not isinstance(encoder, OneHotEncoder) and not isinstance(encoder[0], DateEncoder)


def _unknown_cells(table: Table, name: str, encoder: Any) -> tuple[list[str], list[str]]:
    """Return a column's cells that are to be taken as missing, and what is to be said of those that are new."""
    cells = table.text[name].dropna()
    if isinstance(encoder, OneHotEncoder):
        known = encoder.categories_[list(encoder.feature_names_in_).index(name)]
        new = cells[~cells.isin(known)]
        return [], _said(name, new, "was not there in training: taken as a rare category")
    if _takes_numbers(encoder):
        new, expected = cells[~table.is_number(cells)], "number"
    else:
        dates = pd.to_datetime(cells, format=encoder[0].format, utc=True, errors="coerce")
        new, expected = cells[dates.isna()], f"date in the format {encoder[0].format}"
    if len(new) and len(new) == len(cells):
        raise ValueError(f"column {name!r} of {table.path} must hold a {expected} in each row. Got {new.iloc[0]!r}.")
    return new.unique().tolist(), _said(name, new, f"is no {expected}: taken as missing")


def _said(name: str, cells: "pd.Series[str]", what: str) -> list[str]:
    others = f" (and {len(cells) - 1} more)" if len(cells) > 1 else ""
    return [f"column {name!r}: {cells.iloc[0]!r}{others} {what}"] if len(cells) else []


def _predictions(model: Pipeline, X: pd.DataFrame) -> pd.DataFrame:
    predictions = {"prediction": model.predict(X)}
    if is_classifier(model):
        labels = [f"probability_{label}" for label in model.classes_]
        predictions |= dict(zip(labels, model.predict_proba(X).T, strict=True))
    return pd.DataFrame(predictions)


def _beside(table: Table, predictions: pd.DataFrame) -> pd.DataFrame:
    cells = table.cells()
    taken = [name for name in predictions if name in cells]
    if taken:
        raise ValueError(f"{table.path} has columns of its own called {', '.join(taken)}. Rename them to predict it.")
    return pd.concat([cells, predictions], axis=1)
