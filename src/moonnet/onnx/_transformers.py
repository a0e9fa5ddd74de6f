"""Converters of the transformers of ``moonnet.preprocessing`` and ``moonnet.tables``."""

from typing import Any

import numpy as np
from skl2onnx.common.data_types import StringTensorType
from sklearn.utils.validation import check_is_fitted

from moonnet.onnx._activations import clip
from moonnet.onnx._operators import Operators, check_inputs, operators_and_input, output_type
from moonnet.preprocessing._scaling import SATURATED


def set_number_types(operator: Any) -> None:
    """Check the inputs of skl2onnx's operator, and declare its output."""
    check_is_fitted(operator.raw_operator)
    check_inputs(operator)
    operator.outputs[0].type = output_type(operator, len(operator.raw_operator.get_feature_names_out()))


def convert_smooth_clip_scaler(scope: Any, operator: Any, container: Any) -> None:
    """Add the scaling to skl2onnx's graph."""
    scaler = operator.raw_operator
    op, numbers = operators_and_input(operator, container)
    factor, center, divisor = scaler._factor_center_and_divisor(op.dtype)
    ratio = op.Div(op.Sub(op.Mul(numbers, factor), center), divisor)
    ratio = op.Div(ratio, float(scaler.max_absolute_value))
    ratio = clip(op, ratio, -SATURATED, SATURATED)
    scaled = op.Div(ratio, op.Sqrt(op.Add(op.Mul(ratio, ratio), 1)))
    op.Mul(scaled, float(scaler.max_absolute_value), output_names=operator.outputs[:1]).add_to(scope, container)


def convert_piecewise_linear_encoder(scope: Any, operator: Any, container: Any) -> None:
    """Add the encoding to skl2onnx's graph."""
    op, numbers = operators_and_input(operator, container)
    bins = operator.raw_operator._bins(op.dtype)
    columns = op.Gather(numbers, bins.column, axis=1)
    if (bins.factor != 1).any():
        columns = op.Mul(columns, bins.factor)
    position = op.Div(op.Sub(columns, bins.start), bins.width)
    op.Min(op.Max(position, bins.lowest), bins.highest, output_names=operator.outputs[:1]).add_to(scope, container)


def convert_date_encoder(scope: Any, operator: Any, container: Any) -> None:
    """Add the bounds of dates to skl2onnx's graph, whose input are days since 1970-01-01."""
    op, days = operators_and_input(operator, container)
    days = clip(op, days, *operator.raw_operator.bounds())
    op.Identity(days, output_names=operator.outputs[:1]).add_to(scope, container)


def convert_to_numbers(scope: Any, operator: Any, container: Any) -> None:
    """Pass numbers on in skl2onnx's graph, in place of a transformer that parses them."""
    op, numbers = operators_and_input(operator, container)
    op.Identity(numbers, output_names=operator.outputs[:1]).add_to(scope, container)


def set_text_types(operator: Any) -> None:
    """Check that the inputs of skl2onnx's operator are text, and declare its output."""
    check_is_fitted(operator.raw_operator)
    for variable in operator.inputs:
        if not isinstance(variable.type, StringTensorType):
            raise TypeError(
                f"The ONNX inputs of {type(operator.raw_operator).__name__} must be text. "
                f"Got {type(variable.type).__name__} for the input {variable.raw_name!r} instead."
            )
    shape = [operator.inputs[0].get_first_dimension(), operator.raw_operator.n_features_in_]
    operator.outputs[0].type = StringTensorType(shape)


def convert_to_text(scope: Any, operator: Any, container: Any) -> None:
    """Pass text on in skl2onnx's graph."""
    op = Operators(np.float32, container.target_opset)
    text = op.Concat(*operator.inputs, axis=1) if len(operator.inputs) > 1 else operator.inputs[0]
    op.Identity(text, output_names=operator.outputs[:1]).add_to(scope, container)
