"""The conversion of whole pipelines."""

from functools import partial
from typing import Any

import numpy as np
from skl2onnx import convert_sklearn
from skl2onnx._parse import _parse_sklearn
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common import data_types as types
from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, BaggingRegressor, VotingClassifier, VotingRegressor
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from moonnet.onnx import _ensembles
from moonnet.onnx import _sklearn_transformers as converters
from moonnet.onnx._operators import NUMERIC_TYPES, numeric_type
from moonnet.onnx._transformers import set_number_types
from moonnet.preprocessing import CategoryTargetEncoder
from moonnet.tables import ColumnsOfKind

# Those that pass columns on to others, or that encode each by itself
_TAKE_COLUMNS = (
    *(ColumnTransformer, FeatureUnion, Pipeline),
    *(GridSearchCV, RandomizedSearchCV),
    *(VotingClassifier, VotingRegressor),
    *(OneHotEncoder, OrdinalEncoder),
)


def to_onnx(
    model: Any, X: Any, *, dtype: Any = np.float64, target_opset: Any = None, options: dict | None = None
) -> Any:
    """Convert a fitted model to ONNX, also a pipeline for tables with numbers, text and missing values.

    The conversion is skl2onnx's, with converters of moonnet for :class:`sklearn.impute.SimpleImputer`,
    :class:`sklearn.preprocessing.OneHotEncoder`, :class:`sklearn.preprocessing.TargetEncoder`,
    :class:`sklearn.preprocessing.StandardScaler` and scikit-learn's bagging and voting ensembles, which
    ``skl2onnx.to_onnx`` converts in part only. Each column of a dataframe becomes an input of the graph, in the same
    order; skl2onnx changes names that are no identifiers, such as ``weight kg`` to ``weight_kg``.

    Parameters
    ----------
    model : estimator instance
        A fitted estimator or pipeline.

    X : array-like or dataframe of shape (n_samples, n_features)
        Samples, of which only the names and types of the columns matter. Columns of numbers, booleans and dates become
        inputs of ``dtype``, in which missing values are NaN, and dates are days since 1970-01-01. Columns of text and
        categories become text. The columns of a ``DateEncoder`` or ``NumberEncoder`` must be numbers.

    dtype : {numpy.float64, numpy.float32}, default=numpy.float64
        The dtype of numbers in the inputs, within the graph and in its outputs.

    target_opset : int, dict or None, default=None
        The version of ONNX, as in ``skl2onnx.to_onnx``. None is the newest one that skl2onnx supports.

    options : dict, default=None
        Options of converters, as in ``skl2onnx.to_onnx``. By default, the second output of a classifier is an array:
        the probabilities, or the scores of a classifier without ``predict_proba``, which has two columns of opposite
        sign for two classes.

    Returns
    -------
    graph : onnx.ModelProto
        The graph.

    Raises
    ------
    ValueError
        If ``dtype`` is another dtype, or if the model cannot be converted.

    TypeError
        If a column is text where the model needs numbers.

    See Also
    --------
    moonnet.tables.tabular_pipeline : A pipeline for tables, which this function converts as a whole.

    Notes
    -----
    Text has no missing values in ONNX. A missing value is an empty text for pipelines of
    :func:`moonnet.tables.tabular_pipeline`; for a ``OneHotEncoder`` that learnt None or NaN as a category, it is
    ``"None"`` or ``"nan"``. A ``SimpleImputer`` of text is not converted.

    The second output of a :class:`sklearn.ensemble.VotingClassifier` with ``voting="hard"``, which has no
    ``predict_proba``, contains each class's share of the votes.

    skl2onnx 1.20 converts a :class:`sklearn.calibration.CalibratedClassifierCV` correctly only with
    ``method="sigmoid"``: isotonic calibration would become steps where scikit-learn interpolates.

    Most estimators of scikit-learn take all columns as one input in ONNX. Inputs of numbers are joined for them.

    Some other transformers and estimators of scikit-learn, which skl2onnx converts, compute in float32 only.

    ONNX cannot raise errors: if a ``OneHotEncoder`` refuses unknown categories, the graph encodes them as zeros.

    Examples
    --------
    >>> import numpy as np
    >>> import onnxruntime
    >>> import pandas as pd
    >>> from moonnet.onnx import to_onnx
    >>> from moonnet.tables import tabular_pipeline
    >>> table = pd.DataFrame({"age": [31, 58, None, 40] * 10, "city": ["Rome", "Oslo", "Rome", None] * 10})
    >>> model = tabular_pipeline("classifier", random_state=0).fit(table, ["yes", "no"] * 20)
    >>> session = onnxruntime.InferenceSession(to_onnx(model, table).SerializeToString())
    >>> new = {"age": np.array([[58.0], [np.nan]]), "city": np.array([["Oslo"], ["Rome"]])}
    >>> labels, probabilities = session.run(None, new)
    >>> labels.tolist()
    ['no', 'yes']
    """
    dtype = np.dtype(dtype).type
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64. Got {dtype.__name__} instead.")
    if options is None and is_classifier(model):
        options = _ensembles.classifier_options(model)
    parse = partial(converters.parse_category_encoder, dtype=dtype)
    set_types = partial(converters.set_category_encoder_types, dtype=dtype)
    convert = partial(converters.convert_category_encoder, dtype=dtype)
    encoders = (OneHotEncoder, TargetEncoder, CategoryTargetEncoder)
    parsers = dict.fromkeys(_types_with_one_input(), _parse_merged) | dict.fromkeys(encoders, parse)
    return convert_sklearn(
        model,
        initial_types=_input_types(X, dtype),
        target_opset=target_opset,
        options=options,
        custom_parsers=parsers,
        custom_shape_calculators={
            SimpleImputer: converters.set_imputer_types,
            StandardScaler: set_number_types,
            **dict.fromkeys(encoders, set_types),
            **dict.fromkeys((BaggingClassifier, VotingClassifier), _ensembles.set_sklearn_classifier_types),
            BaggingRegressor: _ensembles.set_regressor_types,
            CalibratedClassifierCV: _ensembles.set_calibrated_types,
            VotingRegressor: _ensembles.set_voting_regressor_types,
        },
        custom_conversion_functions={
            SimpleImputer: converters.convert_imputer,
            StandardScaler: converters.convert_scaler,
            **dict.fromkeys(encoders, convert),
            BaggingClassifier: _ensembles.convert_bagging_classifier,
            BaggingRegressor: _ensembles.convert_bagging_regressor,
            VotingClassifier: partial(_ensembles.convert_voting_classifier, parsers=parsers),
            VotingRegressor: partial(_ensembles.convert_voting_regressor, parsers=parsers),
        },
    )


def _types_with_one_input() -> list[type]:
    """Return the estimators of scikit-learn that skl2onnx converts only if all columns are one input."""
    return [
        kind
        for kind in sklearn_operator_name_map
        if kind.__module__.startswith("sklearn.") and not issubclass(kind, _TAKE_COLUMNS)
    ]


def _parse_merged(scope: Any, model: Any, inputs: list[Any], custom_parsers: Any = None) -> list[Any]:
    """Merge several inputs of numbers into one, and return skl2onnx's variables for the outputs of an estimator."""
    if len(inputs) > 1 and all(isinstance(variable.type, NUMERIC_TYPES) for variable in inputs):
        operator = scope.declare_local_operator("SklearnConcat")
        operator.inputs = inputs
        inputs = [scope.declare_local_variable("columns", type(inputs[0].type)([None, None]))]
        operator.outputs.append(inputs[0])
    parsers = {kind: parser for kind, parser in custom_parsers.items() if kind is not type(model)}
    return _parse_sklearn(scope, model, inputs, custom_parsers=parsers)


def _input_types(X: Any, dtype: type) -> list[tuple[str, Any]]:
    """Return the names and skl2onnx's types of the graph's inputs."""
    number, text = numeric_type(dtype), types.StringTensorType
    X = X if hasattr(X, "columns") else np.asarray(X)
    are_numbers = set(ColumnsOfKind("number")(X))
    if hasattr(X, "columns"):
        has_names = all(isinstance(name, str) for name in X.columns)
        return [
            (str(name), (number if (name if has_names else index) in are_numbers else text)([None, 1]))
            for index, name in enumerate(X.columns)
        ]
    return [("X", (number if len(are_numbers) == X.shape[1] else text)([None, X.shape[1]]))]
