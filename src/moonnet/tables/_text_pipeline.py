"""Make the pipeline that is trained on a CSV file, and read its samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, make_pipeline

from moonnet.preprocessing import DateEncoder, NumberEncoder
from moonnet.tables._number_format import NumberFormat
from moonnet.tables._pipeline import make_ensemble, many_categories_steps, number_steps, one_hot_encoder
from moonnet.tables._read_csv import Table
from moonnet.tables._text_columns import Column, Target


def make_model(columns: Sequence[Column], member: Any, effort: str = "default", seed: int = 0) -> Pipeline:
    """Return an unfitted pipeline that preprocesses these columns of a dataframe and trains an ensemble of networks."""
    groups: dict[str, list[Column]] = {}
    for column in columns:
        groups.setdefault(_group_name(column), []).append(column)
    transformers = [
        (name, _make_encoder(group[0], seed, is_class=is_classifier(member)), [column.name for column in group])
        for name, group in groups.items()
    ]
    return Pipeline([("columns", ColumnTransformer(transformers)), ("ensemble", make_ensemble(member, effort, seed))])


def _group_name(column: Column) -> str:
    """Return the name of the columns with the same encoder."""
    if column.has_many_values:
        return "many categories"
    if column.number_format is None:
        bounds = [f"{word} {day}" for word, day in zip(("from", "to"), column.date_bounds, strict=True) if day]
        return " ".join(filter(None, [column.kind, column.date_format, *bounds]))
    unit = column.number_format.unit
    return f"number{unit and f' in {unit}'} like 1{column.number_format.thousands}000{column.number_format.decimal}5"


def _make_encoder(column: Column, seed: int, *, is_class: bool) -> Any:
    if column.has_many_values:
        return make_pipeline(*(step for _, step in many_categories_steps(seed, is_class=is_class)))
    if column.kind == "category":
        return one_hot_encoder()
    steps = [step for _, step in number_steps(is_class=is_class)]
    if column.kind == "date":
        return make_pipeline(
            DateEncoder(column.date_format, earliest=column.date_bounds[0], latest=column.date_bounds[1]), *steps
        )
    return make_pipeline(
        *steps if column.number_format is None else [make_number_encoder(column.number_format), *steps]
    )


def make_number_encoder(number_format: NumberFormat) -> NumberEncoder:
    """Return the transformer of numbers that pandas.read_csv does not read."""
    return NumberEncoder(number_format.unit, decimal=number_format.decimal, thousands=number_format.thousands)


def read_samples(table: Table, target: Target, columns: Sequence[Column]) -> tuple[pd.DataFrame, np.ndarray]:
    """Return X and y of the rows with a target. Raises ValueError if a number is too large."""
    rows = table.read(dtypes_of(target, columns), missing_markers_of(target, columns)).dropna(subset=[target.name])
    formats = {column.name: column.number_format for column in columns} | {target.name: target.number_format}
    for name, number_format in formats.items():
        if number_format:
            rows[name] = make_number_encoder(number_format).fit_transform(rows[[name]])[:, 0]
    X, y = rows.drop(columns=target.name), rows[target.name].astype(target.dtype).to_numpy()
    for name, values in rows.select_dtypes("number").items():
        if np.isinf(values).any():
            raise ValueError(f"column {name!r} of {table.path} must contain numbers that fit into a float64.")
    return X, y


def dtypes_of(target: Target, columns: Sequence[Column]) -> dict[str, str]:
    """Return the dtypes for pandas.read_csv; class labels are read as text, because cells may be empty."""
    are_numbers = {
        column.name: column.kind == "number" and not column.number_format for column in columns if column.kind
    }
    are_numbers[target.name] = target.is_regression and not target.number_format
    return {name: "float64" if is_number else "str" for name, is_number in are_numbers.items()}


def missing_markers_of(target: Target, columns: Sequence[Column]) -> dict[str, list[str]]:
    """Return the cells that stand for missing values, by column."""
    return {column.name: column.missing_markers for column in columns} | {target.name: target.missing_markers}
