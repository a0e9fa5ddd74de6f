"""Encoding of categories with many values by the mean of y."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn import config_context, get_config
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder
from sklearn.utils.validation import check_array

from moonnet._sklearn_compat import HAS_CALLBACKS
from moonnet.losses._regression import SquaredError
from moonnet.targets import ClassTargets, NumberTargets


class CategoryTargetEncoder(TargetEncoder):
    """Encode each category by the mean of y, or for classes by the share of each class.

    This is scikit-learn's :class:`~sklearn.preprocessing.TargetEncoder` with the same parameters and attributes. It
    differs in four points: y may be boolean with ``target_type="continuous"``; ``target_type="auto"`` means class
    labels, so numbers need ``"continuous"``; unsuitable y ends in the errors of moonnet's networks; and scikit-learn's
    metadata routing may be on.

    See Also
    --------
    sklearn.preprocessing.TargetEncoder : The parameters and attributes.
    moonnet.tables.tabular_pipeline : A pipeline that encodes categories of more than 30 values this way.

    Examples
    --------
    >>> import numpy as np
    >>> from moonnet.preprocessing import CategoryTargetEncoder
    >>> city, bought = np.array([["Rome"], ["Oslo"]] * 50), np.array([True, False] * 50)
    >>> encoder = CategoryTargetEncoder(target_type="continuous").fit(city, bought)
    >>> encoder.transform([["Rome"], ["Oslo"], ["Atlantis"]])
    array([[1. ],
           [0. ],
           [0.5]])
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Compute the mean of y of each category.

        In training, use :meth:`fit_transform`, which keeps a sample's own y out of its encoding.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Categories.

        y : array-like of shape (n_samples,)
            Class labels, or numbers with ``target_type="continuous"``.

        Returns
        -------
        self : CategoryTargetEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If y has several columns, contains NaN, has one class only or another length than X, or if a parameter is
            invalid.

        TypeError
            If labels cannot be sorted.

        See Also
        --------
        fit_transform : Encode the samples to train on.
        """
        return super().fit(X, self._checked_targets(y))

    def fit_transform(self, X: ArrayLike, y: ArrayLike, **params: Any) -> np.ndarray:
        """Compute the mean of y of each category, and encode each sample with the means over other folds.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Categories.

        y : array-like of shape (n_samples,)
            Class labels, or numbers with ``target_type="continuous"``.

        **params : dict
            Metadata for the splitter ``cv``, as in scikit-learn.

        Returns
        -------
        encoded : ndarray of shape (n_samples, n_features) or (n_samples, n_features * n_classes)
            Means.

        Raises
        ------
        ValueError
            If y has several columns, contains NaN, has one class only or another length than X, or if a parameter is
            invalid.

        TypeError
            If labels cannot be sorted.

        See Also
        --------
        fit : Compute the means only.
        """
        # Without metadata to route, because scikit-learn 1.9 raises a KeyError if there are no groups
        routes = bool(params) and get_config()["enable_metadata_routing"]
        with config_context(enable_metadata_routing=routes):
            return super().fit_transform(X, self._checked_targets(y), **params)

    def _checked_targets(self, y: Any) -> np.ndarray:
        """Return y as an array of shape (n_samples,); numbers as floats. Raises ValueError or TypeError."""
        if y is None:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")
        y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        if y.shape[1:] == (1,):
            y = y.ravel()
        if y.ndim != 1:
            raise ValueError(
                "y must be one column if a column of X has many categories, because the mean of y encodes them. "
                f"Got an array of shape {y.shape} instead. Wrap the pipeline in MultiOutputClassifier or "
                "MultiOutputRegressor of sklearn.multioutput, which trains it for each column of y."
            )
        if self.target_type != "continuous":
            ClassTargets.from_y(y)
            return y
        NumberTargets.from_y(y, SquaredError())
        return y.astype(np.float64)


def make_target_encoder(target_type: str, seed: int) -> CategoryTargetEncoder:
    """Return an encoder whose cross fitting is reproducible; from scikit-learn 1.9 on, the splitter takes the seed."""
    if HAS_CALLBACKS:
        return CategoryTargetEncoder(target_type=target_type, cv=KFold(5, shuffle=True, random_state=seed))
    return CategoryTargetEncoder(target_type=target_type, random_state=seed)
