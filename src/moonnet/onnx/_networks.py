"""Converters of both estimators."""

from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx.algebra.onnx_operator import OnnxOperator
from skl2onnx.common import data_types as types
from sklearn.utils.validation import check_is_fitted

from moonnet._regressor import KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleRegressor
from moonnet.losses._quantiles import Quantiles
from moonnet.onnx._layers import check_network, raw_outputs
from moonnet.onnx._operators import Operators, check_inputs, operators_and_input, output_type
from moonnet.targets import NumberTargets


def onnx_labels(clf: Any) -> np.ndarray:
    """Return the classes as int64 or strings, the types that ONNX supports."""
    classes = clf.classes_
    if all(isinstance(label, str) for label in classes):
        return classes.astype(str)
    integers = classes.astype(np.int64) if classes.dtype.kind in "biuf" else None
    if integers is None or (integers != classes).any():
        raise ValueError(
            f"Labels must be integers or strings for the conversion to ONNX. Got {classes.tolist()} instead."
        )
    return integers


def set_classifier_types(operator: Any) -> None:
    """Check the inputs of skl2onnx's operator, and declare its outputs."""
    clf = operator.raw_operator
    check_is_fitted(clf, "_state")
    check_network(clf)
    check_inputs(operator)
    declare_label_outputs(operator, is_multilabel=clf._targets.multilabel)


def declare_label_outputs(operator: Any, *, is_multilabel: bool) -> None:
    """Declare the outputs of skl2onnx's operator for a classifier: labels and probabilities."""
    clf = operator.raw_operator
    n_samples, n_classes = operator.inputs[0].get_first_dimension(), len(clf.classes_)
    labels, probabilities = operator.outputs
    if is_multilabel:
        labels.type = types.Int64TensorType([n_samples, n_classes])
    else:
        has_strings = onnx_labels(clf).dtype.kind == "U"
        labels.type = (types.StringTensorType if has_strings else types.Int64TensorType)([n_samples])
    probabilities.type = output_type(operator, n_classes)


def parse_regressor(scope: Any, model: Any, inputs: list[Any], custom_parsers: Any = None) -> list[Any]:
    """Return skl2onnx's variables for the outputs of a regressor: predictions, and several quantiles if it has them."""
    check_is_fitted(model)
    operator = scope.declare_local_operator(f"Moonnet{type(model).__name__}", model)
    operator.inputs = inputs
    for name in ["variable", "quantiles"][: 1 + has_several_quantiles(model)]:
        operator.outputs.append(scope.declare_local_variable(name, types.guess_tensor_type(inputs[0].type)))
    return list(operator.outputs)


def has_several_quantiles(model: Any) -> bool:
    """Return whether a fitted regressor, or the members of a deep ensemble, predict several quantiles."""
    while isinstance(model, DeepEnsembleRegressor):
        model = model.estimators_[0]
    return isinstance(model, KerasMoonRegressor) and model._targets.loss.outputs_per_target > 1


def set_regressor_types(operator: Any) -> None:
    """Check the inputs of skl2onnx's operator, and declare its outputs."""
    reg = operator.raw_operator
    check_is_fitted(reg, "_state")
    check_network(reg)
    check_inputs(operator)
    targets = reg._targets
    n_targets, n_quantiles = len(targets.center), targets.loss.outputs_per_target
    shapes = (n_targets,), ((n_quantiles,) if targets.one_column else (n_targets, n_quantiles))
    for output, shape in zip(operator.outputs, shapes, strict=False):
        output.type = output_type(operator, *shape)


def _raw_predictions(scope: Any, operator: Any, container: Any) -> tuple[Operators, Any]:
    """Return the graph's operators, and the outputs before the last activation."""

    def add(value: Any) -> Any:
        if not isinstance(value, OnnxOperator):  # it is in the graph already
            return value
        value.add_to(scope, container)
        ((name, _),) = value.outputs
        return name

    estimator = operator.raw_operator
    op, X = operators_and_input(operator, container)
    return op, add(raw_outputs(op, estimator._network, estimator._state_in_unit(), add(X), add))


def convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Add the network to skl2onnx's graph."""
    clf = operator.raw_operator
    op, logits = _raw_predictions(scope, operator, container)
    if not clf._targets.has_sigmoid_units:
        probabilities = op.Softmax(logits, axis=1)
        labels = op.Gather(onnx_labels(clf), op.ArgMax(logits, axis=1, keepdims=0))
    else:
        probabilities = op.Sigmoid(logits)
        labels = op.Cast(op.Greater(probabilities, 0.5), to=TensorProto.INT64)
        if not clf._targets.multilabel:
            probabilities = op.Concat(op.Sigmoid(op.Neg(logits)), probabilities, axis=1)
            labels = op.Gather(onnx_labels(clf), op.Reshape(labels, np.array([-1])))
            logits = op.Concat(op.Neg(logits), logits, axis=1)
    if container.get_options(clf, {"raw_scores": False})["raw_scores"]:
        probabilities = logits
    for output, values in zip(operator.outputs, (labels, probabilities), strict=True):
        op.Identity(values, output_names=[output]).add_to(scope, container)


def convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Add the network to skl2onnx's graph."""
    op, numbers = _raw_predictions(scope, operator, container)
    targets = operator.raw_operator._targets
    if targets.loss.has_log_link:
        numbers = op.Exp(numbers)
    values = [numbers]
    if isinstance(targets.loss, Quantiles):
        values = _predictions_and_quantiles(op, numbers, targets, targets.loss)
    # Other converters declare one output for a regressor among their estimators
    for output, value in zip(operator.outputs, values, strict=False):
        op.Identity(value, output_names=[output]).add_to(scope, container)


def _predictions_and_quantiles(op: Operators, outputs: Any, targets: NumberTargets, loss: Quantiles) -> list[Any]:
    """Return the middle one of several quantiles, and all of them."""
    n_targets, n_quantiles = len(targets.center), len(loss.levels)
    by_target = op.Reshape(outputs, np.array([-1, n_targets, n_quantiles]))
    ascending = op.TopK(by_target, np.array([n_quantiles]), axis=-1, largest=0)[0]
    predictions = op.Gather(ascending, np.array(loss.middle), axis=2)
    shape = [-1, n_quantiles] if targets.one_column else [-1, n_targets, n_quantiles]
    return [predictions, op.Reshape(ascending, np.array(shape))]
