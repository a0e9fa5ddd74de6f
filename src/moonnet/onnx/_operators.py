"""ONNX operators as functions, and the numeric inputs and outputs of skl2onnx's operators."""

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx.algebra import onnx_ops
from skl2onnx.common import data_types as types

NUMERIC_TYPES = types.FloatTensorType, types.DoubleTensorType, types.Int64TensorType, types.BooleanTensorType


class Operators:
    """The operators of one ONNX opset as functions; Python numbers among their inputs become constants of ``dtype``."""

    def __init__(self, dtype: type, opset: int) -> None:
        self.dtype = dtype
        self.opset = opset

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operator = getattr(onnx_ops, f"Onnx{name}")

        def node(*inputs: Any, **attributes: Any) -> Any:
            constants = (np.array([value], self.dtype) if isinstance(value, int | float) else value for value in inputs)
            return operator(*constants, **{"op_version": self.opset} | attributes)

        return node

    def to_float(self, values: Any) -> Any:
        """Return numbers or booleans as ``dtype``."""
        return self.Cast(values, to=TensorProto.DOUBLE if self.dtype is np.float64 else TensorProto.FLOAT)


def check_inputs(operator: Any) -> None:
    """Raise if the declared inputs of a graph are not numbers, or not the columns that the estimator was fitted to."""
    estimator, inputs = operator.raw_operator, operator.inputs
    name = type(estimator).__name__
    for variable in inputs:
        if not isinstance(variable.type, NUMERIC_TYPES):
            raise TypeError(
                f"The ONNX inputs of {name} must be float32, float64, int64 or boolean. "
                f"Got {type(variable.type).__name__} for the input {variable.raw_name!r} instead."
            )
    n_columns = [(*variable.type.shape, None, None)[1] for variable in inputs]
    if None not in n_columns and np.sum(n_columns) != estimator.n_features_in_:
        raise ValueError(
            f"{name} was fitted with {estimator.n_features_in_} features. "
            f"Got ONNX inputs with {np.sum(n_columns)} columns instead. If they come from an encoder, convert with "
            "moonnet.onnx.to_onnx, which knows more encoders than skl2onnx.to_onnx."
        )


def compute_dtype(operator: Any) -> type:
    """Return the dtype in which the graph computes."""
    is_double = any(isinstance(variable.type, types.DoubleTensorType) for variable in operator.inputs)
    return np.float64 if is_double else np.float32


def numeric_type(dtype: type) -> Any:
    """Return skl2onnx's type of arrays of this dtype."""
    return types.DoubleTensorType if dtype is np.float64 else types.FloatTensorType


def output_type(operator: Any, *sizes: int) -> Any:
    """Return skl2onnx's type of an array of numbers, shape (n_samples, *sizes)."""
    return numeric_type(compute_dtype(operator))([operator.inputs[0].get_first_dimension(), *sizes])


def operators_and_input(operator: Any, container: Any) -> tuple[Operators, Any]:
    """Return the operators of the graph's opset and dtype, and the inputs as one array."""
    op = Operators(compute_dtype(operator), container.target_opset)
    columns = [op.to_float(variable) for variable in operator.inputs]
    return op, op.Concat(*columns, axis=1) if len(columns) > 1 else columns[0]
