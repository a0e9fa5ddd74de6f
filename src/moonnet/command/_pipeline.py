"""The pipeline that learns from a table of mixed columns: made, saved and loaded; and the samples it takes."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

try:
    import skops.io
except ImportError as error:
    raise ImportError("--csv needs skops: pip install 'moonnet[csv]'") from error

from moonnet.command._columns import Column, Target
from moonnet.command._read_csv import Table
from moonnet.preprocessing import DateEncoder

# What a model of ours holds beside the types that skops knows
TRUSTED = {
    "moonnet._classifier.KerasMoonClassifier",
    "moonnet._regressor.KerasMoonRegressor",
    "moonnet.preprocessing.DateEncoder",
    "numpy.dtype",
}


def make_model(columns: Sequence[Column], network: Any) -> Pipeline:
    """Return a pipeline that takes a dataframe of these columns."""
    branches: dict[tuple[str, str], list[str]] = {}
    for column in columns:
        branches.setdefault((column.kind, column.date_format), []).append(column.name)
    transformers = [(" ".join(branch).strip(), _encoder(*branch), names) for branch, names in branches.items()]
    return Pipeline([("columns", ColumnTransformer(transformers)), ("network", network)])


def _encoder(kind: str, date_format: str) -> Any:
    if kind == "category":
        # A value that training has not seen is taken for a rare one
        return OneHotEncoder(
            handle_unknown="infrequent_if_exist", min_frequency=3, max_categories=30, sparse_output=False
        )
    impute = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    numbers = impute, StandardScaler()
    return make_pipeline(*numbers) if kind == "number" else make_pipeline(DateEncoder(date_format), *numbers)


def read_samples(table: Table, target: Target, columns: Sequence[Column]) -> tuple[pd.DataFrame, np.ndarray]:
    """Return X and y of the rows that have a target."""
    rows = table.read(types_of(target, columns), marks_of(target, columns)).dropna(subset=[target.name])
    X, y = rows.drop(columns=target.name), rows[target.name].astype(target.dtype).to_numpy()
    for name, values in rows.select_dtypes("number").items():
        if np.isinf(values).any():
            raise ValueError(f"column {name!r} of {table.path} must hold numbers that fit a float64.")
    return X, y


def types_of(target: Target, columns: Sequence[Column]) -> dict[str, str]:
    """Return as what pandas reads each column; a target of classes is text first, since cells may be empty."""
    types = {column.name: "float64" if column.kind == "number" else "str" for column in columns if column.kind}
    return types | {target.name: "float64" if target.is_regression else "str"}


def marks_of(target: Target, columns: Sequence[Column]) -> dict[str, list[str]]:
    """Return the cells that stand for missing values in a column."""
    marks = {column.name: column.marks for column in columns} | {target.name: target.marks}
    return {name: cells for name, cells in marks.items() if cells}


def save_model(model: Pipeline, path: Path) -> None:
    """Write a fitted pipeline to a file that holds no code."""
    skops.io.dump(model, path, compression=zipfile.ZIP_DEFLATED)


def load_model(path: Path) -> Pipeline:
    """Return the pipeline of a file. Of a file that holds other types than ours, nothing is run.

    Raises OSError, or ValueError where it is no model of ours.
    """
    try:
        untrusted = skops.io.get_untrusted_types(file=path)
        strange = sorted(set(untrusted) - TRUSTED)
        if not strange:
            return _checked(skops.io.load(path, trusted=untrusted))
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - skops raises what a file of another kind leads to
        raise ValueError(f"{path} is not a model that moonnet --csv saved: {error}") from None
    raise ValueError(f"{path} is not loaded: it holds types that moonnet does not trust: {', '.join(strange)}.")


def _checked(model: Any) -> Pipeline:
    steps = model.named_steps if isinstance(model, Pipeline) else {}
    if list(steps) != ["columns", "network"] or not isinstance(steps["columns"], ColumnTransformer):
        raise ValueError("expected a pipeline of columns and a network")
    check_is_fitted(model)
    return model
