"""Make the pipeline that is trained on a CSV file, and read its samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from moonnet.command._columns import Column, Target
from moonnet.command._read_csv import Table
from moonnet.preprocessing import DateEncoder


def make_model(columns: Sequence[Column], network: Any) -> Pipeline:
    """Return an unfitted pipeline that preprocesses these columns of a dataframe and trains the network."""
    groups: dict[tuple[str, str], list[str]] = {}
    for column in columns:
        groups.setdefault((column.kind, column.date_format), []).append(column.name)
    transformers = [(" ".join(group).strip(), _make_encoder(*group), names) for group, names in groups.items()]
    return Pipeline([("columns", ColumnTransformer(transformers)), ("network", network)])


def _make_encoder(kind: str, date_format: str) -> Any:
    if kind == "category":
        # A value not seen in training is treated as a rare one
        return OneHotEncoder(
            handle_unknown="infrequent_if_exist", min_frequency=3, max_categories=30, sparse_output=False
        )
    impute = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    steps = [impute, StandardScaler()]
    return make_pipeline(*steps) if kind == "number" else make_pipeline(DateEncoder(date_format), *steps)


def read_samples(table: Table, target: Target, columns: Sequence[Column]) -> tuple[pd.DataFrame, np.ndarray]:
    """Return X and y of the rows with a target. Raises ValueError if a number is too large."""
    rows = table.read(dtypes_of(target, columns), na_values_of(target, columns)).dropna(subset=[target.name])
    X, y = rows.drop(columns=target.name), rows[target.name].astype(target.dtype).to_numpy()
    for name, values in rows.select_dtypes("number").items():
        if np.isinf(values).any():
            raise ValueError(f"column {name!r} of {table.path} must contain numbers that fit into a float64.")
    return X, y


def dtypes_of(target: Target, columns: Sequence[Column]) -> dict[str, str]:
    """Return the dtypes for pandas.read_csv; class labels are read as text, because cells may be empty."""
    dtypes = {column.name: "float64" if column.kind == "number" else "str" for column in columns if column.kind}
    return dtypes | {target.name: "float64" if target.is_regression else "str"}


def na_values_of(target: Target, columns: Sequence[Column]) -> dict[str, list[str]]:
    """Return the ``na_values`` for pandas.read_csv: the cells that stand for missing values, by column."""
    markers = {column.name: column.missing_markers for column in columns} | {target.name: target.missing_markers}
    return {name: cells for name, cells in markers.items() if cells}
