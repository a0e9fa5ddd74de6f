"""Converters for transformers of scikit-learn that skl2onnx 1.20 converts in part only.

skl2onnx leaves out SimpleImputer's indicators and float64, OneHotEncoder's unknown and infrequent categories,
TargetEncoder's several classes and float64, and StandardScaler's float64 for several inputs.
"""

import warnings
from numbers import Real
from typing import Any

import numpy as np
from skl2onnx.common import data_types as types
from sklearn.preprocessing import OneHotEncoder

from moonnet.onnx._operators import Operators, check_inputs, numeric_type, operators_and_input, output_type

# A category that no column has
_UNKNOWN_TEXT = "\0"


def set_imputer_types(operator: Any) -> None:
    """Check the inputs of skl2onnx's operator for a SimpleImputer of numbers, and declare its output."""
    check_inputs(operator)
    imputer = operator.raw_operator
    operator.outputs[0].type = output_type(operator, len(_kept_columns(imputer)) + len(_marked_columns(imputer)))


def convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    """Add the imputation of numbers, and the indicators of missing values, to skl2onnx's graph."""
    imputer = operator.raw_operator
    op, numbers = operators_and_input(operator, container)
    value = imputer.missing_values
    is_missing = op.Equal(numbers, float(value)) if isinstance(value, Real) and value == value else op.IsNaN(numbers)
    with np.errstate(over="ignore"):
        statistics: np.ndarray = np.asarray(imputer.statistics_, op.dtype)
    for number in imputer.statistics_[np.isinf(statistics)][:1]:
        raise ValueError(
            f"dtype must be float64 for SimpleImputer's replacement {number:g}, which float32 cannot hold. "
            "Got float32 instead."
        )
    columns = op.Gather(op.Where(is_missing, statistics, numbers), _kept_columns(imputer), axis=1)
    marked = _marked_columns(imputer)
    if len(marked):
        columns = op.Concat(columns, op.to_float(op.Gather(is_missing, marked, axis=1)), axis=1)
    op.Identity(columns, output_names=operator.outputs[:1]).add_to(scope, container)


def _kept_columns(imputer: Any) -> np.ndarray:
    """Return the positions of the columns that the imputer does not drop."""
    return np.flatnonzero(imputer.keep_empty_features | ~np.isnan(np.asarray(imputer.statistics_, float)))


def _marked_columns(imputer: Any) -> np.ndarray:
    """Return the positions of the columns whose missing values get an indicator."""
    return imputer.indicator_.features_ if imputer.add_indicator else np.array([], np.int64)


def convert_scaler(scope: Any, operator: Any, container: Any) -> None:
    """Add the scaling by mean and standard deviation to skl2onnx's graph."""
    scaler = operator.raw_operator
    op, numbers = operators_and_input(operator, container)
    if scaler.with_mean:
        numbers = op.Sub(numbers, scaler.mean_.astype(op.dtype))
    if scaler.with_std:
        numbers = op.Div(numbers, scaler.scale_.astype(op.dtype))
    op.Identity(numbers, output_names=operator.outputs[:1]).add_to(scope, container)


def parse_category_encoder(scope: Any, encoder: Any, inputs: list, custom_parsers: Any = None, *, dtype: type) -> list:
    """Add an operator for an encoder of categories to skl2onnx's topology, and return its output of numbers."""
    operator = scope.declare_local_operator(f"Sklearn{type(encoder).__name__}", encoder)
    operator.inputs = inputs
    operator.outputs.append(scope.declare_local_variable("variable", numeric_type(dtype)()))
    return operator.outputs


def set_category_encoder_types(operator: Any, dtype: type) -> None:
    """Declare the output of skl2onnx's operator for an encoder of categories."""
    n_columns = len(operator.raw_operator.get_feature_names_out())
    operator.outputs[0].type = numeric_type(dtype)([operator.inputs[0].get_first_dimension(), n_columns])


def convert_category_encoder(scope: Any, operator: Any, container: Any, dtype: type) -> None:
    """Add a OneHotEncoder or TargetEncoder to skl2onnx's graph: a table of rows for each column."""
    op = Operators(dtype, container.target_opset)
    encoder = operator.raw_operator
    columns = [
        (variable, index)
        for variable in operator.inputs
        for index in range(variable.get_second_dimension() or encoder.n_features_in_)
    ]
    encoded = []
    for (variable, index), categories, rows in zip(
        columns, encoder.categories_, _encoded_categories(encoder), strict=True
    ):
        column = op.Gather(variable, np.array([index]), axis=1)
        rows = rows.astype(dtype)
        if isinstance(variable.type, types.StringTensorType):
            positions = op.LabelEncoder(
                column,
                keys_strings=[str(category) for category in categories],
                values_int64s=list(range(len(categories))),
                default_int64=len(categories),
                op_version=2,
            )
            encoded.append(op.Gather(rows, op.Reshape(positions, np.array([-1])), axis=0))
        else:
            column, numbers = op.to_float(column), categories.astype(dtype)
            is_category = op.Equal(column, numbers)
            if np.isnan(numbers[-1]):
                is_category = op.Or(is_category, op.And(op.IsNaN(column), np.isnan(numbers)))
            encoded.append(op.Add(op.MatMul(op.to_float(is_category), rows[:-1] - rows[-1]), rows[-1]))
    result = op.Concat(*encoded, axis=1) if len(encoded) > 1 else encoded[0]
    op.Identity(result, output_names=operator.outputs[:1]).add_to(scope, container)


def _encoded_categories(encoder: Any) -> list[np.ndarray]:
    """Return for each column an array with a row for each category and, at the end, for unknown categories.

    The rows are those of the encoder's own transform. OneHotEncoder may refuse unknown categories, whose row is then 0.
    """
    knows_unknown = getattr(encoder, "handle_unknown", None) != "error"
    n_rows = max(map(len, encoder.categories_)) + 1
    X = np.empty((n_rows, len(encoder.categories_)), object)
    for index, categories in enumerate(encoder.categories_):
        is_text = categories.dtype.kind not in "biuf"
        unknown = (_UNKNOWN_TEXT if is_text else np.nanmax(categories) + 1) if knows_unknown else categories[0]
        X[:, index] = [*categories.tolist(), *[unknown] * (n_rows - len(categories))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of unknown categories, and of feature names that an array lacks
        encoded = encoder.transform(X)
    encoded = encoded.toarray() if hasattr(encoded, "toarray") else np.asarray(encoded)
    tables = []
    for index, categories in enumerate(encoder.categories_):
        n_columns = _n_output_columns(encoder, index)
        rows, encoded = encoded[: len(categories) + 1, :n_columns].copy(), encoded[:, n_columns:]
        if not knows_unknown:
            rows[-1] = 0
        tables.append(rows)
    return tables


def _n_output_columns(encoder: Any, index: int) -> int:
    """Return the number of columns in which the encoder encodes a column."""
    if not isinstance(encoder, OneHotEncoder):
        return len(encoder.encodings_) // len(encoder.categories_)
    n_columns = len(encoder.categories_[index])
    infrequent = getattr(encoder, "infrequent_categories_", None)
    if infrequent is not None and infrequent[index] is not None:
        n_columns -= len(infrequent[index]) - 1
    return n_columns - (encoder.drop_idx_ is not None and encoder.drop_idx_[index] is not None)
