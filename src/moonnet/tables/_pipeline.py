"""The pipeline for tables: preprocessing by kind of column, then an ensemble of networks."""

from typing import Any, Literal

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_union
from sklearn.preprocessing import OneHotEncoder

from moonnet._classifier import KerasMoonClassifier
from moonnet._regressor import KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor
from moonnet.preprocessing import PiecewiseLinearEncoder, SmoothClipScaler
from moonnet.preprocessing._target_encoder import make_target_encoder
from moonnet.tables._columns import MAX_ONE_HOT, ColumnsOfKind, ColumnsToFloat, ColumnsToText

# A value in fewer rows than this is rare
MIN_FREQUENCY = 3
# Chosen on tables of benchmarks/accuracy.py, as are the bins
_SETTINGS = {
    "optimizer": "adam",
    "learning_rate": 3e-3,
    "l2": 1e-4,
    "epochs": 300,
    "n_iter_no_change": 20,
}
_N_FOLDS = 5
# In it, the ensemble's columns take half of the time and of the memory, and accuracy is the same
_DTYPE: Literal["float32"] = "float32"
_BINS_OF_CLASSIFIER: dict[str, Any] = {"n_bins": 4, "min_samples_per_number": 40}
_BINS_OF_REGRESSOR: dict[str, Any] = {"n_bins": 6, "min_samples_per_number": 60}
_NETWORKS = {"classifier": KerasMoonClassifier, "regressor": KerasMoonRegressor}
# Members of an ensemble by effort
_N_ESTIMATORS = {"default": 8, "high": 20}


def tabular_pipeline(
    estimator: Any,
    *,
    effort: str = "default",
    n_jobs: int | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> Pipeline:
    """Return an unfitted pipeline for a dataframe with columns of any kind, which ends with an ensemble of networks.

    The dtypes decide how columns are preprocessed:

    - numbers, booleans, dates and durations: missing values are replaced by the median and marked in a column of their
      own; then :class:`moonnet.preprocessing.SmoothClipScaler` scales them, and
      :class:`moonnet.preprocessing.PiecewiseLinearEncoder` adds their positions in 4 bins, for a regressor in 6, or in
      bins between all numbers if a column has at most 32 distinct ones and many samples of each: 40 on average, for a
      regressor 60;
    - text and categories of up to 30 distinct values: one column of 0 and 1 for each value. A missing value is one, and
      so are all values in fewer than 3 rows together, to which unknown values belong in predictions;
    - text and categories of more values: :class:`moonnet.preprocessing.CategoryTargetEncoder`.

    All columns become float32. A cross-validation with early stopping on each of five folds chooses the number of
    epochs; then the networks of the ensemble are trained on all samples.

    Parameters
    ----------
    estimator : {"classifier", "regressor"} or object
        What the members of the ensemble are: for ``"classifier"`` and ``"regressor"`` networks with settings that were
        chosen on real tables, or copies of an estimator, which are trained as it says, without cross-validation.

    effort : {"default", "high"}, default="default"
        Number of members: 8, or 20 for a slightly higher accuracy in more time.

    n_jobs : int, default=None
        Number of threads that train members: -1 uses all processors, and None means 1 unless in a
        :class:`joblib.parallel_config` context. The results are the same for any number.

    random_state : int, RandomState instance or None, default=None
        Pass an int for reproducible results.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
        Its steps are ``"columns"``, a :class:`~sklearn.compose.ColumnTransformer`, and ``"ensemble"``, a
        :class:`~moonnet.ensemble.DeepEnsembleClassifier` or :class:`~moonnet.ensemble.DeepEnsembleRegressor`. A search
        can set all their parameters, for example ``ensemble__estimator__hidden_layer_sizes``.

    Raises
    ------
    ValueError
        If a parameter is invalid.

    See Also
    --------
    moonnet.ensemble.DeepEnsembleClassifier : The ensemble alone, for numbers without gaps.
    moonnet.preprocessing.PiecewiseLinearEncoder : Encode numbers as positions within bins.

    Examples
    --------
    >>> import pandas as pd
    >>> from moonnet.tables import tabular_pipeline
    >>> table = pd.DataFrame({"age": [31, 58, None, 40] * 10, "city": ["Rome", "Oslo", "Rome", None] * 10})
    >>> bought = ["yes", "no", "yes", "no"] * 10
    >>> model = tabular_pipeline("classifier", random_state=0).fit(table, bought)
    >>> model.predict(pd.DataFrame({"age": [33], "city": ["Rome"]})).tolist()
    ['yes']
    """
    member = make_member(estimator)
    is_class = is_classifier(member)
    cv = _N_FOLDS if isinstance(estimator, str) else None
    floats, text = ("floats", ColumnsToFloat()), ("text", ColumnsToText())
    columns = ColumnTransformer(
        [
            ("numbers", Pipeline([floats, *number_steps(is_class=is_class)]), ColumnsOfKind("number")),
            ("categories", Pipeline([text, ("one hot", one_hot_encoder())]), ColumnsOfKind("category")),
            (
                "many categories",
                Pipeline([text, *many_categories_steps(random_state, is_class=is_class)]),
                ColumnsOfKind("many categories"),
            ),
        ]
    )
    return Pipeline([("columns", columns), ("ensemble", make_ensemble(member, effort, random_state, cv, n_jobs))])


def make_member(estimator: Any) -> Any:
    """Return the recommended network for ``"classifier"`` or ``"regressor"``, or the estimator itself."""
    if isinstance(estimator, str) and estimator in _NETWORKS:
        return _NETWORKS[estimator](**_SETTINGS)
    is_estimator = hasattr(estimator, "get_params") and not isinstance(estimator, type)
    if not is_estimator or not (is_classifier(estimator) or is_regressor(estimator)):
        raise ValueError(
            f"estimator must be 'classifier', 'regressor', or a classifier or regressor. Got {estimator!r} instead."
        )
    return estimator


def make_ensemble(
    member: Any, effort: str, random_state: Any, cv: int | None = _N_FOLDS, n_jobs: int | None = None
) -> Any:
    """Return an unfitted ensemble of this classifier or regressor."""
    if effort not in _N_ESTIMATORS:
        raise ValueError(f"effort must be one of {sorted(_N_ESTIMATORS)}. Got {effort!r} instead.")
    ensemble = DeepEnsembleClassifier if is_classifier(member) else DeepEnsembleRegressor
    return ensemble(member, _N_ESTIMATORS[effort], cv=cv, n_jobs=n_jobs, random_state=random_state)


def median_imputer(*, add_indicator: bool = False) -> SimpleImputer:
    """Return the transformer that replaces missing numbers, and if asked to, marks them in further columns."""
    return SimpleImputer(strategy="median", add_indicator=add_indicator, keep_empty_features=True)


def number_steps(*, is_class: bool) -> list[tuple[str, Any]]:
    """Return the steps that prepare numbers, NaN if missing; ``is_class`` says whether y holds classes."""
    bins = PiecewiseLinearEncoder(**(_BINS_OF_CLASSIFIER if is_class else _BINS_OF_REGRESSOR), dtype=_DTYPE)
    return [
        ("impute", median_imputer(add_indicator=True)),
        ("scale", make_union(SmoothClipScaler(dtype=_DTYPE), bins, verbose_feature_names_out=False)),
    ]


def one_hot_encoder() -> OneHotEncoder:
    """Return the encoder of categories with few values."""
    # A value not seen in training is treated as a rare one
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=MIN_FREQUENCY,
        max_categories=MAX_ONE_HOT,
        sparse_output=False,
        dtype=_DTYPE,
    )


def many_categories_steps(random_state: Any, *, is_class: bool) -> list[tuple[str, Any]]:
    """Return the steps that prepare categories with many values; ``is_class`` says whether y holds classes."""
    target_type = "auto" if is_class else "continuous"  # "auto" takes whole numbers for classes
    return [("target", make_target_encoder(target_type, random_state)), ("scale", SmoothClipScaler(dtype=_DTYPE))]
