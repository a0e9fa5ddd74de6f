"""Converters of ensembles: moonnet's, and those of scikit-learn that skl2onnx 1.20 converts in part only.

skl2onnx leaves out the default parameters of VotingClassifier, the weights of VotingClassifier and VotingRegressor, and
the random features of BaggingClassifier and BaggingRegressor if each column is an input. ``parsers`` are skl2onnx's
``custom_parsers``, which it does not pass on to converters.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx._parse import _parse_sklearn
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common._registration import get_converter, get_shape_calculator
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from moonnet.onnx._networks import declare_label_outputs, has_several_quantiles, onnx_labels
from moonnet.onnx._operators import Operators, check_inputs, compute_dtype, operators_and_input, output_type


def set_classifier_types(operator: Any) -> None:
    """Check the inputs of skl2onnx's operator, and declare its outputs."""
    ensemble = operator.raw_operator
    check_is_fitted(ensemble)
    check_inputs(operator)
    declare_label_outputs(operator, is_multilabel=ensemble._is_multilabel)


def set_regressor_types(operator: Any) -> None:
    """Check the inputs of skl2onnx's operator, and declare its outputs."""
    ensemble = operator.raw_operator
    check_is_fitted(ensemble)
    check_inputs(operator)
    sample = np.zeros((1, ensemble.n_features_in_))
    shapes = [(np.size(ensemble.predict(sample)),)]
    if has_several_quantiles(ensemble):
        shapes.append(ensemble.predict_quantiles(sample).shape[1:])
    for output, shape in zip(operator.outputs, shapes, strict=False):
        output.type = output_type(operator, *shape)


def convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Add the members, their mean probabilities and the labels to skl2onnx's graph."""
    ensemble = operator.raw_operator
    op, members = _outputs_of_members(scope, operator, container)
    probabilities = _weighted_mean(op, [probabilities for _, probabilities in members])
    if ensemble._is_multilabel:
        labels = op.Cast(op.Greater(probabilities, 0.5), to=TensorProto.INT64)
        _add_outputs(scope, operator, container, op, (labels, probabilities))
    else:
        _add_label_outputs(scope, operator, container, op, probabilities)


def convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Add the members, the mean of their predictions and that of their quantiles to skl2onnx's graph."""
    op, members = _outputs_of_members(scope, operator, container)
    means = [_weighted_mean(op, values) for values in zip(*members, strict=True)]
    # Other converters declare one output for a regressor among their estimators
    _add_outputs(scope, operator, container, op, means[: len(operator.outputs)])


def set_sklearn_classifier_types(operator: Any) -> None:
    """Declare the outputs of skl2onnx's operator for an ensemble of scikit-learn."""
    check_is_fitted(operator.raw_operator)
    declare_label_outputs(operator, is_multilabel=False)


def set_voting_regressor_types(operator: Any) -> None:
    """Declare the output of skl2onnx's operator for a VotingRegressor."""
    check_is_fitted(operator.raw_operator)
    operator.outputs[0].type = output_type(operator, 1)


def set_calibrated_types(operator: Any) -> None:
    """Declare the outputs of skl2onnx's operator for a CalibratedClassifierCV; raise for what it converts wrongly."""
    calibrated = operator.raw_operator
    if calibrated.method != "sigmoid":
        raise ValueError(
            "The 'method' parameter of CalibratedClassifierCV must be 'sigmoid' for the conversion to ONNX: skl2onnx "
            f"makes steps of isotonic calibration, and lacks others. Got {calibrated.method!r} instead."
        )
    get_shape_calculator("SklearnCalibratedClassifierCV")(operator)


def convert_voting_classifier(scope: Any, operator: Any, container: Any, parsers: Any = None) -> None:
    """Add the members, their weighted mean and the labels; hard voting has shares of votes instead of probabilities."""
    ensemble = operator.raw_operator
    op = Operators(compute_dtype(operator), container.target_opset)
    members = [
        _class_probabilities(op, member, _outputs(scope, container, member, operator.inputs, parsers), ensemble)
        for member in ensemble.estimators_
    ]
    probabilities = _weighted_mean(op, members, _voting_weights(ensemble))
    _add_label_outputs(scope, operator, container, op, probabilities)


def convert_voting_regressor(scope: Any, operator: Any, container: Any, parsers: Any = None) -> None:
    """Add the members and their weighted mean to skl2onnx's graph."""
    ensemble = operator.raw_operator
    op = Operators(compute_dtype(operator), container.target_opset)
    outputs = [_outputs(scope, container, member, operator.inputs, parsers)[0] for member in ensemble.estimators_]
    members = [op.Reshape(output, np.array([-1, 1])) for output in outputs]
    _add_outputs(scope, operator, container, op, (_weighted_mean(op, members, _voting_weights(ensemble)),))


def convert_bagging_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Add the members with their features, their mean probabilities (or shares of votes) and the labels."""
    ensemble = operator.raw_operator
    op, columns = _columns_of_members(scope, operator, container)
    members = [
        _class_probabilities(op, member, _outputs(scope, container, member, inputs), ensemble)
        for member, inputs in zip(ensemble.estimators_, columns, strict=True)
    ]
    _add_label_outputs(scope, operator, container, op, _weighted_mean(op, members))


def convert_bagging_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Add the members with their features, and their mean, to skl2onnx's graph."""
    ensemble = operator.raw_operator
    op, columns = _columns_of_members(scope, operator, container)
    members = [
        _outputs(scope, container, member, inputs)[0]
        for member, inputs in zip(ensemble.estimators_, columns, strict=True)
    ]
    _add_outputs(scope, operator, container, op, (_weighted_mean(op, members),))


def _outputs_of_members(scope: Any, operator: Any, container: Any) -> tuple[Operators, list[list[Any]]]:
    """Return the graph's operators, and the outputs of each member."""
    ensemble = operator.raw_operator
    op, values = operators_and_input(operator, container)
    inputs = [_variable(scope, operator, container, op, values, ensemble.n_features_in_)]
    return op, [_outputs(scope, container, member, inputs) for member in ensemble.estimators_]


def _columns_of_members(scope: Any, operator: Any, container: Any) -> tuple[Operators, list[list[Any]]]:
    """Return the graph's operators, and for each bagged member a list of the variable of its features."""
    check_inputs(operator)
    op, values = operators_and_input(operator, container)
    selected = [np.asarray(features, np.int64) for features in operator.raw_operator.estimators_features_]
    variables: dict[bytes, Any] = {}
    for features in selected:
        if features.tobytes() not in variables:
            columns = op.Gather(values, features, axis=1)
            variables[features.tobytes()] = _variable(scope, operator, container, op, columns, len(features))
    return op, [[variables[features.tobytes()]] for features in selected]


def _variable(scope: Any, operator: Any, container: Any, op: Operators, values: Any, n_columns: int) -> Any:
    """Return a variable with these values, because skl2onnx's operators take nothing else."""
    variable = scope.declare_local_variable("columns", output_type(operator, n_columns))
    op.Identity(values, output_names=[variable]).add_to(scope, container)
    return variable


def _outputs(scope: Any, container: Any, member: Any, inputs: list[Any], parsers: Any = None) -> list[Any]:
    """Add a member, which may be a pipeline, to skl2onnx's topology; return its outputs, two for a classifier."""
    if is_classifier(member):
        for key, values in classifier_options(member).items():
            for options in (scope, container):
                options.add_options(key, values)
    return _parse_sklearn(scope, member, inputs, custom_parsers=parsers)


def classifier_options(clf: Any) -> dict[int, dict[str, bool]]:
    """Return skl2onnx's options for a fitted classifier: two arrays as outputs, labels and probabilities or scores."""
    while isinstance(clf, Pipeline) or hasattr(clf, "best_estimator_"):
        clf = clf[-1] if isinstance(clf, Pipeline) else clf.best_estimator_
    name = sklearn_operator_name_map.get(type(clf))
    known = (get_converter(name).get_allowed_options() if name else None) or {}
    options = {"zipmap": False}
    if not hasattr(clf, "predict_proba"):
        options["raw_scores"] = True  # without it, skl2onnx converts some linear models in float32 only
    return {id(clf): {key: value for key, value in options.items() if key in known}}


def _class_probabilities(op: Operators, member: Any, outputs: list[Any], ensemble: Any) -> Any:
    """Return a member's probabilities of the ensemble's classes; as a vote, 1 for its label and 0 for the others.

    The member's own classes are indices into those of the ensemble, of which it may lack some.
    """
    labels, probabilities = outputs
    n_classes = len(ensemble.classes_)
    if getattr(ensemble, "voting", None) == "hard" or not hasattr(member, "predict_proba"):
        return op.to_float(op.Equal(op.Reshape(labels, np.array([-1, 1])), np.arange(n_classes)))
    if len(member.classes_) == n_classes:
        return probabilities
    return op.MatMul(probabilities, np.eye(n_classes, dtype=op.dtype)[member.classes_.astype(int)])


def _voting_weights(ensemble: Any) -> list[float] | None:
    """Return the weight of each fitted member, or None if all are equal."""
    if ensemble.weights is None:
        return None
    pairs = zip(ensemble.estimators, ensemble.weights, strict=True)
    return [float(weight) for (_, member), weight in pairs if not isinstance(member, str)]


def _weighted_mean(op: Operators, members: Sequence[Any], weights: list[float] | None = None) -> Any:
    """Return the weighted mean of the members' values."""
    if weights is None:
        return op.Div(op.Sum(*members), len(members))
    terms = [op.Mul(values, weight) for values, weight in zip(members, weights, strict=True)]
    return op.Div(op.Sum(*terms), sum(weights))


def _add_label_outputs(scope: Any, operator: Any, container: Any, op: Operators, probabilities: Any) -> None:
    """Add the most probable label and the probabilities as the outputs of skl2onnx's operator."""
    labels = op.Gather(onnx_labels(operator.raw_operator), op.ArgMax(probabilities, axis=1, keepdims=0))
    _add_outputs(scope, operator, container, op, (labels, probabilities))


def _add_outputs(scope: Any, operator: Any, container: Any, op: Operators, values: Sequence[Any]) -> None:
    """Add the values as the outputs of skl2onnx's operator."""
    for output, value in zip(operator.outputs, values, strict=True):
        op.Identity(value, output_names=[output]).add_to(scope, container)
