"""Write Python code: the imports that code needs, estimators and literals."""

import ast
from collections.abc import Sequence
from inspect import signature
from pprint import pformat
from textwrap import indent
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from moonnet._keras_config import keras_backend

_MAX_LINE = 100
# All that a script may import: the standard library, other packages, moonnet
_IMPORTS = """\
import zipfile

import numpy as np
import pandas as pd
import skops.io
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.datasets import make_blobs, make_circles, make_moons
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import KFold, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PolynomialFeatures, StandardScaler

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor
from moonnet.preprocessing import CategoryTargetEncoder, DateEncoder, NumberEncoder
from moonnet.preprocessing import PiecewiseLinearEncoder, SmoothClipScaler
"""


def script(code: str, docstring: str = "") -> str:
    """Return a script that runs this code on the engine of this process, because another one rounds differently."""
    return f"""\
{docstring}import os

os.environ["KERAS_BACKEND"] = "{keras_backend()}"  # another engine rounds differently

{imports_code(code)}

{code}
"""


def imports_code(code: str) -> str:
    """Return the imports of the names that the code uses."""
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    groups = []
    for group in _IMPORTS.split("\n\n"):
        statements = [node for node in ast.parse(group).body if isinstance(node, ast.Import | ast.ImportFrom)]
        for statement in statements:
            statement.names = [name for name in statement.names if (name.asname or name.name).split(".")[0] in used]
        groups.append("\n".join(ast.unparse(statement) for statement in statements if statement.names))
    return "\n\n".join(filter(None, groups))


def estimator_code(estimator: Any, /, **names: str) -> str:
    """Return the code that makes an unfitted estimator; ``names`` are variables that hold some of its parameters.

    Pipelines, unions and column transformers must be made by the functions that name their parts.
    """
    if isinstance(estimator, Pipeline):
        return _call_code("make_pipeline", [estimator_code(step) for _, step in estimator.steps])
    if isinstance(estimator, FeatureUnion):
        parts = [estimator_code(part) for _, part in estimator.transformer_list]
        return _call_code("make_union", [*parts, f"verbose_feature_names_out={estimator.verbose_feature_names_out}"])
    if isinstance(estimator, ColumnTransformer):
        parts = [f"({_value_code(part)}, {columns})" for _, part, columns in estimator.transformers]
        return _call_code("make_column_transformer", parts)
    # scikit-learn's repr shortens long parameters
    defaults = {name: parameter.default for name, parameter in signature(type(estimator)).parameters.items()}
    parameters = estimator.get_params(deep=False).items()
    changed = [
        f"{name}={names.get(name) or _value_code(value)}"
        for name, value in parameters
        if repr(value) != repr(defaults[name])
    ]
    name, code = type(estimator).__name__, ", ".join(changed)
    return f"{name}({code})" if len(name + code) < _MAX_LINE else _call_code(name, changed)


def _value_code(value: Any) -> str:
    """Return the code of a parameter: an estimator, a function of NumPy or a literal."""
    if isinstance(value, BaseEstimator):
        return estimator_code(value)
    return f"np.{value.__name__}" if isinstance(value, np.ufunc) else repr(value)


def literal_code(value: Any) -> str:
    """Return the code of a literal, on several lines if it is long."""
    return pformat(value, width=100, compact=True, sort_dicts=False)


def _call_code(function: str, arguments: Sequence[str]) -> str:
    """Return the code of a call with each argument on a line of its own."""
    return f"{function}(\n" + "".join(indent(f"{argument},", "    ") + "\n" for argument in arguments) + ")"
