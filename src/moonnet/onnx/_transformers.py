"""Converters of the transformers of ``moonnet.preprocessing``."""

from typing import Any

from sklearn.utils.validation import check_is_fitted

from moonnet.onnx._activations import clip
from moonnet.onnx._operators import check_inputs, operators_and_input, output_type
from moonnet.preprocessing._scaling import SATURATED


def set_transformer_types(operator: Any) -> None:
    """Check the inputs of skl2onnx's operator, and declare its output."""
    check_is_fitted(operator.raw_operator)
    check_inputs(operator)
    operator.outputs[0].type = output_type(operator, len(operator.raw_operator.get_feature_names_out()))


def convert_smooth_clip_scaler(scope: Any, operator: Any, container: Any) -> None:
    """Add the scaling to skl2onnx's graph."""
    scaler = operator.raw_operator
    op, numbers = operators_and_input(operator, container)
    center, divisor = scaler._center_and_divisor(op.dtype)
    ratio = op.Div(op.Div(op.Sub(numbers, center), divisor), float(scaler.max_absolute_value))
    ratio = clip(op, ratio, -SATURATED, SATURATED)
    scaled = op.Div(ratio, op.Sqrt(op.Add(op.Mul(ratio, ratio), 1)))
    op.Mul(scaled, float(scaler.max_absolute_value), output_names=operator.outputs[:1]).add_to(scope, container)


def convert_piecewise_linear_encoder(scope: Any, operator: Any, container: Any) -> None:
    """Add the encoding to skl2onnx's graph."""
    op, numbers = operators_and_input(operator, container)
    bins = operator.raw_operator._bins(op.dtype)
    position = op.Div(op.Sub(op.Gather(numbers, bins.column, axis=1), bins.start), bins.width)
    op.Min(op.Max(position, bins.lowest), bins.highest, output_names=operator.outputs[:1]).add_to(scope, container)


def convert_date_encoder(scope: Any, operator: Any, container: Any) -> None:
    """Add the bounds of dates to skl2onnx's graph, whose input are days since 1970-01-01."""
    op, days = operators_and_input(operator, container)
    days = clip(op, days, *operator.raw_operator.bounds())
    op.Identity(days, output_names=operator.outputs[:1]).add_to(scope, container)


def convert_number_encoder(scope: Any, operator: Any, container: Any) -> None:
    """Pass numbers on in skl2onnx's graph."""
    op, numbers = operators_and_input(operator, container)
    op.Identity(numbers, output_names=operator.outputs[:1]).add_to(scope, container)
