"""Converters of ensembles."""

from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx.algebra.onnx_operator import OnnxSubEstimator
from sklearn.utils.validation import check_is_fitted

from moonnet.onnx._networks import declare_label_outputs, onnx_labels
from moonnet.onnx._operators import Operators, check_inputs, operators_and_input, output_type


def set_classifier_types(operator: Any) -> None:
    """Check the inputs of skl2onnx's operator, and declare its outputs."""
    ensemble = operator.raw_operator
    check_is_fitted(ensemble)
    check_inputs(operator)
    declare_label_outputs(operator, is_multilabel=ensemble._is_multilabel)


def set_regressor_types(operator: Any) -> None:
    """Check the inputs of skl2onnx's operator, and declare its output."""
    ensemble = operator.raw_operator
    check_is_fitted(ensemble)
    check_inputs(operator)
    n_outputs = np.size(ensemble.predict(np.zeros((1, ensemble.n_features_in_))))
    operator.outputs[0].type = output_type(operator, n_outputs)


def convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Add the members, their mean probabilities and the labels to skl2onnx's graph."""
    ensemble = operator.raw_operator
    op, probabilities = _mean(operator, container, output=1, options={"zipmap": False})
    if ensemble._is_multilabel:
        labels = op.Cast(op.Greater(probabilities, 0.5), to=TensorProto.INT64)
    else:
        labels = op.Gather(onnx_labels(ensemble), op.ArgMax(probabilities, axis=1, keepdims=0))
    for output, values in zip(operator.outputs, (labels, probabilities), strict=True):
        op.Identity(values, output_names=[output]).add_to(scope, container)


def convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Add the members and their mean to skl2onnx's graph."""
    op, numbers = _mean(operator, container, output=0)
    op.Identity(numbers, output_names=operator.outputs[:1]).add_to(scope, container)


def _mean(operator: Any, container: Any, output: int, **options: Any) -> tuple[Operators, Any]:
    """Return the graph's operators, and the mean of an output of all members."""
    op, values = operators_and_input(operator, container)
    ensemble = operator.raw_operator
    types = [output_type(operator, ensemble.n_features_in_)]
    members = [
        OnnxSubEstimator(member, values, op_version=op.opset, input_types=types, **options)
        for member in ensemble.estimators_
    ]
    return op, op.Div(op.Sum(*(member[output] for member in members)), len(members))
