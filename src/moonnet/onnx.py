"""Conversion of both estimators to ONNX.

Importing this module registers converters with skl2onnx. ``skl2onnx.to_onnx`` and ``skl2onnx.convert_sklearn`` then
convert a fitted ``KerasMoonClassifier`` or ``KerasMoonRegressor``, also as a step of a ``Pipeline`` or
``ColumnTransformer`` and as the best estimator of a search. This module needs the extra ``onnx``.

The graph computes in float64 if its input is declared as float64, and otherwise in float32.

The graph of a classifier has two outputs. The first contains the labels of ``predict``, of shape (n_samples,) or
(n_samples, n_labels); booleans become integers. The second contains the probabilities of ``predict_proba``, of shape
(n_samples, n_classes). Two options of skl2onnx change the second output:

- ``zipmap``, which is on by default, converts each row to a dictionary. ONNX Runtime supports this only in float32.
- ``raw_scores`` returns logits instead of probabilities, in two columns for two classes.

Probabilities below the rounding error of 1 may be 0.

The graph of a regressor has one output, the predictions of ``predict`` with shape (n_samples, n_outputs). In float32,
they have the resolution of float32 in the unit of y.

Importing raises ``ImportError`` if skl2onnx is not installed. The conversion raises

- ``ValueError`` if the declared input has another number of columns than X in fit, or if labels are neither integers
  nor strings;
- ``TypeError`` if the declared input is not numeric.

See also :class:`moonnet.KerasMoonClassifier` and :class:`moonnet.KerasMoonRegressor`.

>>> import numpy as np
>>> import onnxruntime
>>> import skl2onnx
>>> from sklearn.datasets import make_moons
>>> import moonnet.onnx
>>> X, y = make_moons(200, noise=0.2, random_state=0)
>>> clf = moonnet.KerasMoonClassifier(random_state=0).fit(X, y)
>>> graph = skl2onnx.to_onnx(clf, X, options={"zipmap": False})
>>> session = onnxruntime.InferenceSession(graph.SerializeToString())
>>> labels, probabilities = session.run(None, {"X": X})
>>> bool((labels == clf.predict(X)).all())
True
>>> bool(np.allclose(probabilities, clf.predict_proba(X), rtol=1e-10))
True
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from scipy import special
from sklearn.utils.validation import check_is_fitted

from moonnet._classifier import KerasMoonClassifier
from moonnet._estimator import BaseKerasMoon
from moonnet._numpy_forward import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE, SQRT_HALF
from moonnet._regressor import KerasMoonRegressor

try:
    from onnx import TensorProto
    from skl2onnx import update_registered_converter
    from skl2onnx.algebra import onnx_ops
    from skl2onnx.common import data_types as types
except ImportError as error:
    raise ImportError("moonnet.onnx needs skl2onnx: pip install 'moonnet[onnx]'") from error

_NUMERIC_TYPES = types.FloatTensorType, types.DoubleTensorType, types.Int64TensorType, types.BooleanTensorType


class _Operators:
    """The operators of one ONNX opset as functions; Python numbers among their inputs become constants of ``dtype``."""

    def __init__(self, dtype: type, opset: int) -> None:
        self.dtype = dtype
        self._opset = opset

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operator = getattr(onnx_ops, f"Onnx{name}")

        def node(*inputs: Any, **attributes: Any) -> Any:
            constants = (np.array([value], self.dtype) if isinstance(value, int | float) else value for value in inputs)
            return operator(*constants, op_version=self._opset, **attributes)

        return node


# Activations use only operators that ONNX Runtime implements in float64; Elu and Softplus are not among them.


def _clip(op: _Operators, z: Any, low: float, high: float) -> Any:
    return op.Min(op.Max(z, low), high)


def _elu(op: _Operators, z: Any, alpha: float = 1.0, scale: float = 1.0) -> Any:
    below = op.Mul(op.Sub(op.Exp(op.Min(z, 0)), 1), alpha)
    return op.Mul(op.Where(op.Greater(z, 0), z, below), scale)


def _erfc(op: _Operators, x: Any) -> Any:
    """Return the complementary error function of x >= 0."""
    if op.dtype == np.float32:
        return op.Sub(1, op.Erf(x))
    u = op.Sub(op.Div(4, op.Add(x, 2)), 1)
    highest, *others = _erfcx_coefficients()
    value = highest
    for coefficient in others:
        value = op.Add(op.Mul(u, value), coefficient)
    return op.Mul(op.Exp(op.Neg(op.Mul(x, x))), value)


@cache
def _erfcx_coefficients() -> list[float]:
    """Return the polynomial in u = 4 / (x + 2) - 1 for exp(x^2) erfc(x), x >= 0, highest power first."""
    in_u = Chebyshev.interpolate(
        lambda u: special.erfcx(np.where(u > -1, 4 / np.maximum(u + 1, 1e-300) - 2, np.inf)), 40
    )
    return in_u.convert(kind=Polynomial).coef[::-1].tolist()


def _gelu(op: _Operators, z: Any) -> Any:
    tail = op.Div(_erfc(op, op.Mul(op.Abs(z), SQRT_HALF)), 2)
    return op.Mul(z, op.Where(op.Greater(z, 0), op.Sub(1, tail), tail))


def _softplus(op: _Operators, z: Any) -> Any:
    return op.Add(op.Max(z, 0), op.Log(op.Add(op.Exp(op.Neg(op.Abs(z))), 1)))


def _silu(op: _Operators, z: Any) -> Any:
    # Many versions of ONNX Runtime fuse z * Sigmoid(z) into an operator that lacks float64
    return op.Div(z, op.Add(1, op.Exp(op.Neg(z))))


def _hard_sigmoid(op: _Operators, z: Any) -> Any:
    return op.Div(_clip(op, op.Add(z, 3), 0, 6), 6)


def _hard_silu(op: _Operators, z: Any) -> Any:
    return op.Mul(z, _hard_sigmoid(op, z))


def _sparse_plus(op: _Operators, z: Any) -> Any:
    root = op.Add(op.Max(z, -1), 1)
    return op.Where(op.Less(z, 1), op.Div(op.Mul(root, root), 4), z)


# Keras's name -> the activation as a function of (operators, z)
_ACTIVATIONS: dict[str, Callable[[_Operators, Any], Any]] = {
    "celu": _elu,
    "elu": _elu,
    "exponential": lambda op, z: op.Exp(z),
    "gelu": _gelu,
    "hard_shrink": lambda op, z: op.Where(op.Greater(op.Abs(z), 0.5), z, 0),
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": _hard_silu,
    "hard_swish": _hard_silu,
    "hard_tanh": lambda op, z: _clip(op, z, -1, 1),
    "leaky_relu": lambda op, z: op.Max(z, op.Mul(z, LEAKY_SLOPE)),
    "linear": lambda op, z: z,
    "log_sigmoid": lambda op, z: op.Neg(_softplus(op, op.Neg(z))),
    "mish": lambda op, z: op.Mul(z, op.Tanh(_softplus(op, z))),
    "relu": lambda op, z: op.Relu(z),
    "relu6": lambda op, z: _clip(op, z, 0, 6),
    "selu": partial(_elu, alpha=SELU_ALPHA, scale=SELU_SCALE),
    "sigmoid": lambda op, z: op.Sigmoid(z),
    "silu": _silu,
    "soft_shrink": lambda op, z: op.Sub(z, _clip(op, z, -0.5, 0.5)),
    "softplus": _softplus,
    "softsign": lambda op, z: op.Div(z, op.Add(op.Abs(z), 1)),
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": lambda op, z: _clip(op, op.Div(op.Add(z, 1), 2), 0, 1),
    "squareplus": lambda op, z: op.Div(op.Add(z, op.Sqrt(op.Add(op.Mul(z, z), 4))), 2),
    "swish": _silu,
    "tanh": lambda op, z: op.Tanh(z),
    "tanh_shrink": lambda op, z: op.Sub(z, op.Tanh(z)),
}


def _onnx_labels(clf: KerasMoonClassifier) -> np.ndarray:
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


def _check_inputs(estimator: BaseKerasMoon, inputs: list[Any]) -> None:
    """Raise if the declared inputs of a graph do not match the fitted estimator."""
    name = type(estimator).__name__
    check_is_fitted(estimator, "coefs_")
    for variable in inputs:
        if not isinstance(variable.type, _NUMERIC_TYPES):
            raise TypeError(
                f"The ONNX inputs of {name} must be float32, float64, int64 or boolean. "
                f"Got {type(variable.type).__name__} for the input {variable.raw_name!r} instead."
            )
    n_columns = [(*variable.type.shape, None, None)[1] for variable in inputs]
    if None not in n_columns and np.sum(n_columns) != estimator.n_features_in_:
        raise ValueError(
            f"{name} was fitted with {estimator.n_features_in_} features. "
            f"Got ONNX inputs with {np.sum(n_columns)} columns instead."
        )


def _set_classifier_types(operator: Any) -> None:
    """Check the inputs of skl2onnx's operator, and declare its outputs."""
    clf, inputs = operator.raw_operator, operator.inputs
    _check_inputs(clf, inputs)
    n_samples, n_classes = inputs[0].get_first_dimension(), len(clf.classes_)
    labels, probabilities = operator.outputs
    if clf._targets.multilabel:
        labels.type = types.Int64TensorType([n_samples, n_classes])
    else:
        has_strings = _onnx_labels(clf).dtype.kind == "U"
        labels.type = (types.StringTensorType if has_strings else types.Int64TensorType)([n_samples])
    probabilities.type = _output_type(inputs)([n_samples, n_classes])


def _set_regressor_types(operator: Any) -> None:
    """Check the inputs of skl2onnx's operator, and declare its output."""
    reg, inputs = operator.raw_operator, operator.inputs
    _check_inputs(reg, inputs)
    operator.outputs[0].type = _output_type(inputs)([inputs[0].get_first_dimension(), reg._targets.n_outputs])


def _output_type(inputs: list[Any]) -> Any:
    """Return skl2onnx's type of numeric outputs."""
    return types.DoubleTensorType if _compute_dtype(inputs) is np.float64 else types.FloatTensorType


def _compute_dtype(inputs: list[Any]) -> type:
    """Return the dtype in which the graph computes."""
    return np.float64 if any(isinstance(variable.type, types.DoubleTensorType) for variable in inputs) else np.float32


def _raw_predictions(operator: Any, op: _Operators) -> Any:
    """Return the outputs before the last activation."""
    estimator, dtype = operator.raw_operator, op.dtype
    to = TensorProto.DOUBLE if dtype is np.float64 else TensorProto.FLOAT
    columns = [op.Cast(variable, to=to) for variable in operator.inputs]
    values = op.Concat(*columns, axis=1) if len(columns) > 1 else columns[0]
    activate = _ACTIVATIONS[estimator._trained_with["activation"]]
    weights = [array.astype(dtype) for array in estimator._weights]
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        values = activate(op, op.Add(op.MatMul(values, kernel), bias))
    return op.Add(op.MatMul(values, weights[-2]), weights[-1])


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Add the network to skl2onnx's graph."""
    clf, op = operator.raw_operator, _Operators(_compute_dtype(operator.inputs), container.target_opset)
    logits = _raw_predictions(operator, op)
    if clf._targets.loss == "categorical_crossentropy":
        probabilities = op.Softmax(logits, axis=1)
        labels = op.Gather(_onnx_labels(clf), op.ArgMax(logits, axis=1, keepdims=0))
    else:
        probabilities = op.Sigmoid(logits)
        labels = op.Cast(op.Greater(probabilities, 0.5), to=TensorProto.INT64)
        if not clf._targets.multilabel:
            probabilities = op.Concat(op.Sigmoid(op.Neg(logits)), probabilities, axis=1)
            labels = op.Gather(_onnx_labels(clf), op.Reshape(labels, np.array([-1])))
            logits = op.Concat(op.Neg(logits), logits, axis=1)
    if container.get_options(clf, {"raw_scores": False})["raw_scores"]:
        probabilities = logits
    for output, values in zip(operator.outputs, (labels, probabilities), strict=True):
        op.Identity(values, output_names=[output]).add_to(scope, container)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Add the network to skl2onnx's graph."""
    op = _Operators(_compute_dtype(operator.inputs), container.target_opset)
    numbers = _raw_predictions(operator, op)
    if operator.raw_operator._targets.loss == "poisson":
        numbers = op.Exp(numbers)
    op.Identity(numbers, output_names=operator.outputs[:1]).add_to(scope, container)


update_registered_converter(
    KerasMoonClassifier,
    "MoonnetKerasMoonClassifier",
    _set_classifier_types,
    _convert_classifier,
    options={
        "zipmap": [True, False, "columns"],
        "output_class_labels": [False, True],
        "nocl": [False],
        "raw_scores": [False, True],
    },
)
update_registered_converter(KerasMoonRegressor, "MoonnetKerasMoonRegressor", _set_regressor_types, _convert_regressor)
