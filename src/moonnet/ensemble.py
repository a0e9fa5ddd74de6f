"""Ensembles of networks that differ in their random numbers only, and predict with the mean."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from textwrap import shorten
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin, RegressorMixin, clone, is_classifier, is_regressor
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils import Tags, check_random_state, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, validate_data

from moonnet._classifier import KerasMoonClassifier
from moonnet._estimator import (
    BaseKerasMoon,
    ExplainingEstimator,
    explain_shapes,
    name_in_errors,
    raise_on_interrupt,
    ravel_single_column,
    restore_on_error,
)
from moonnet._regressor import KerasMoonRegressor
from moonnet._sklearn_compat import HasMethods, Interval, check_sample_weight
from moonnet._unknown_keywords import explain, explain_name, explain_unknown_keywords, explain_unknown_keywords_of
from moonnet.targets import ClassTargets


@explain_unknown_keywords
class _BaseDeepEnsemble(ExplainingEstimator):
    """Fits copies of an estimator with different random states on all samples."""

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict", "get_params"]), None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }
    _default: ClassVar[type]  # of ``estimator``

    def __init__(
        self,
        estimator: Any = None,
        n_estimators: int = 5,
        *,
        cv: Any = None,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.cv = cv
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _explain_keywords(
        self, unknown: Iterable[str], method: str, arguments: Sequence[Any], keywords: Mapping[str, Any]
    ) -> str:
        given = keywords.get("estimator", next(iter(arguments), None) if method == "__init__" else self.estimator)
        member = self._default() if given is None else given
        sentences = (self._explain_keyword(member, keyword, method) for keyword in sorted(unknown))
        return " ".join(dict.fromkeys(filter(None, sentences)))

    def _explain_keyword(self, member: Any, keyword: str, method: str) -> str:
        """Return what to use instead of an unknown keyword of a method; empty if this is not known."""
        own = explain_name(type(self), keyword, method)
        if own or not isinstance(member, BaseKerasMoon):
            return own
        prefix, _, parameter = keyword.partition("__")
        name = parameter if prefix == "estimator" else keyword
        ensemble, network = type(self).__name__, type(member).__name__
        if name in member.get_params():
            return (
                f"'{name}' is a parameter of the members: {ensemble}({network}({name}=...)), and then "
                f"'estimator__{name}' in set_params and in searches."
            )
        explanation = explain(type(member), [name], member.hidden_layers, method)
        if "the estimator's parameter" not in explanation:
            return explanation
        return f"{explanation} Pass the estimator as {ensemble}({network}(...))."

    def _member(self) -> Any:
        return self._default() if self.estimator is None else self.estimator

    @abstractmethod
    def _check_member(self, member: Any) -> None:
        """Raise ValueError if the estimator is of the wrong kind."""

    @restore_on_error
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train the members.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training samples of finite numbers.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels or numbers to predict; for multilabel classification one column of 0 and 1 per label.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights, which each member receives. None passes no weights.

        X_val : array-like or sparse matrix of shape (n_val_samples, n_features), default=None
            Validation samples with the same columns as X, which each member receives.

        y_val : array-like of shape (n_val_samples,) or (n_val_samples, n_outputs), default=None
            Labels or numbers to predict for ``X_val``.

        sample_weight_val : array-like of shape (n_val_samples,), default=None
            Weights of ``X_val``.

        Returns
        -------
        self : estimator instance
            The fitted ensemble.

        Raises
        ------
        ValueError
            If a parameter or an argument is invalid, or if the training of a member diverges.

        TypeError
            If X cannot be converted to numbers, or if the members do not take an argument that was passed.

        KeyboardInterrupt
            If Ctrl-C interrupts training, because members that were cut short would make another ensemble.

        See Also
        --------
        predict : Predict labels or numbers.
        """
        options = {
            "sample_weight": sample_weight,
            "X_val": X_val,
            "y_val": y_val,
            "sample_weight_val": sample_weight_val,
        }
        self._fit(X, y, {name: value for name, value in options.items() if value is not None})
        return self

    def _fit(self, X: Any, y: Any, options: dict[str, Any], fit_member: Callable[..., Any] | None = None) -> None:
        """Fit the members with further arguments of their fit.

        ``fit_member``, if given, fits each of them instead of its own fit: it takes a member, X and y.
        """
        self._validate_params()
        member = self._member()
        self._check_member(member)
        with explain_shapes(X, y):
            X, y = validate_data(self, X, y, accept_sparse="csr", multi_output=True, dtype=(np.float64, np.float32))
        y = ravel_single_column(y, "y")
        if "X_val" in options:
            with name_in_errors("X_val"):
                options["X_val"] = self._check(options["X_val"])
        # With None, the operating system provides the entropy
        entropy = np.random.SeedSequence().generate_state(1)[0] if self.random_state is None else self.random_state
        rng = check_random_state(entropy)
        self.epochs_: int | None = None
        self.fold_histories_: list[dict[str, list[float]]] = []
        if self.cv is not None:
            member = self._choose_epochs(member, X, y, options, rng)
        tasks = [(X, y, options)] * self.n_estimators
        self.estimators_ = self._fit_copies(member, tasks, rng, fit_member)
        if is_classifier(self):
            self.classes_ = self.estimators_[0].classes_
            self._is_multilabel = y.ndim == 2

    def _choose_epochs(self, member: Any, X: Any, y: np.ndarray, options: dict[str, Any], rng: Any) -> Any:
        """Return a member with the number of epochs that a cross-validation finds."""
        if not isinstance(member, BaseKerasMoon):
            raise self._cv_error("be None unless 'estimator' is one of moonnet's", f" with {member!r}")
        if options.keys() - {"sample_weight"}:
            raise self._cv_error("be None if a validation set is passed")
        weight = check_sample_weight(options.get("sample_weight"), X)
        tasks = []
        for train, left_out in self._folds(X, y, weight > 0, rng):
            fold = {"X_val": X[left_out], "y_val": y[left_out]}
            if "sample_weight" in options:
                fold |= {"sample_weight": weight[train], "sample_weight_val": weight[left_out]}
            tasks.append((X[train], y[train], fold))
        if not tasks:
            raise self._cv_error("have at least one fold")
        networks = self._fit_copies(clone(member).set_params(early_stopping=True), tasks, rng)
        self.fold_histories_ = [network.history_ for network in networks]
        self.epochs_ = max(1, round(float(np.median([network.best_iteration_ for network in networks]))))
        return clone(member).set_params(early_stopping=False, epochs=self.epochs_)

    def _cv_error(self, expected: str, got: str = "") -> ValueError:
        return ValueError(f"The 'cv' parameter of {type(self).__name__} must {expected}. Got {self.cv!r}{got} instead.")

    def _folds(
        self, X: Any, y: np.ndarray, is_present: np.ndarray, rng: np.random.RandomState
    ) -> list[tuple[np.ndarray, ...]]:
        """Return the indices of the samples to train on and of those left out, for each fold.

        Samples that are not present, because their weight is 0, are in no fold. But those of a class without any weight
        are in each training set, so that its network knows the class.
        """
        present, absent = np.flatnonzero(is_present), np.array([], np.intp)
        has_classes = is_classifier(self) and y.ndim == 1
        if has_classes:
            ClassTargets.from_y(y)
            absent = np.flatnonzero(~np.isin(y, y[present]))
        if isinstance(self.cv, Integral):
            folds = [(present[train], present[left_out]) for train, left_out in self._shuffled_folds(y[present], rng)]
            return [(np.concatenate([train, absent]), left_out) for train, left_out in folds]
        checked: list[tuple[np.ndarray, ...]] = []
        for fold in self.cv.split(X, y) if hasattr(self.cv, "split") else self.cv:
            train, left_out = (rows[is_present[rows]] for rows in self._fold_as_indices(fold, len(y)))
            if not len(train) or not len(left_out):
                got = f"{len(train)} and {len(left_out)}"
                raise self._fold_error("samples of positive weight to train on and to leave out", got)
            train = np.concatenate([train, absent])
            if has_classes and (len(np.unique(y[train])) < 2 or not np.isin(y[left_out], y[train]).all()):
                expected = "at least two classes to train on, among them all that are left out"
                raise self._fold_error(expected, " and ".join(str(np.unique(y[rows])) for rows in (train, left_out)))
            checked.append((train, left_out))
        return checked

    def _fold_as_indices(self, fold: Any, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices of the samples to train on and of those left out in a fold of the user."""
        try:
            train, left_out = (_as_indices(rows, n_samples) for rows in fold)
        except (TypeError, ValueError):
            expected = (
                "the samples to train on and those left out, as integers "
                f"from 0 to {n_samples - 1} or masks of {n_samples} booleans"
            )
            raise self._fold_error(expected, shorten(repr(fold), 200, placeholder=" ...")) from None
        for index in np.intersect1d(train, left_out)[:1]:
            raise self._fold_error("other samples to train on than those left out", f"sample {index} in both")
        return train, left_out

    def _fold_error(self, expected: str, got: str) -> ValueError:
        name = type(self).__name__
        return ValueError(f"Each fold of the 'cv' parameter of {name} must have {expected}. Got {got} instead.")

    def _shuffled_folds(self, y: np.ndarray, rng: np.random.RandomState) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the indices of the samples to train on and of those left out, for each fold."""
        candidates, largest = np.arange(len(y)), len(y)
        is_stratified = is_classifier(self) and y.ndim == 1
        if is_stratified:  # the only sample of a class is never left out
            _, classes, counts = np.unique(y, return_inverse=True, return_counts=True)
            candidates, largest = candidates[counts[classes] > 1], int(counts.max())
        n_folds = min(int(self.cv), largest)
        if n_folds < 2:
            raise ValueError(
                f"The 'cv' parameter of {type(self).__name__} (ensemble__cv of a pipeline for tables) must be None for "
                f"so few samples. Got {self.cv!r} with {len(y)} sample{'s' * (len(y) != 1)}"
                f"{' of as many classes' * is_stratified}."
            )
        splitter = (StratifiedKFold if is_stratified else KFold)(n_folds, shuffle=True, random_state=rng)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The least populated class")
            folds = [candidates[left_out] for _, left_out in splitter.split(candidates, y[candidates])]
        return [(np.setdiff1d(np.arange(len(y)), left_out), left_out) for left_out in folds]

    def _fit_copies(
        self,
        estimator: Any,
        tasks: list[tuple[Any, np.ndarray, dict[str, Any]]],
        rng: Any,
        fit_member: Callable[..., Any] | None = None,
    ) -> list[Any]:
        """Return fitted copies of an estimator, one for each tuple of X, y and further arguments of fit."""
        seeds = rng.randint(np.iinfo(np.int32).max, size=len(tasks)).tolist()
        copies = [_with_random_states(clone(estimator), seed) for seed in seeds]
        with raise_on_interrupt():  # an ensemble with members that were cut short would be another one
            # On threads, which share the compiled program
            fitted: list[Any] = Parallel(n_jobs=self.n_jobs, prefer="threads")(
                delayed(_fit_member)(copied, *task, fit_member) for copied, task in zip(copies, tasks, strict=True)
            )
        return fitted

    def _check(self, X: Any) -> Any:
        """Return X as an array or CSR of floats, with the columns of fit."""
        with explain_shapes(X):
            return validate_data(self, X, accept_sparse="csr", reset=False, dtype=(np.float64, np.float32))

    def _mean(self, method: str, X: Any) -> np.ndarray:
        """Return the mean of the members' predictions."""
        check_is_fitted(self)
        X = self._check(X)
        # In order, so that the last bit does not depend on n_jobs
        first, *others = self.estimators_
        total = getattr(first, method)(X)
        for member in others:
            total = total + getattr(member, method)(X)
        return total / len(self.estimators_)

    def __sklearn_tags__(self) -> Tags:
        """Declare what the members support."""
        tags = super().__sklearn_tags__()
        of_member = get_tags(self._member())
        tags.input_tags.sparse = of_member.input_tags.sparse
        tags.target_tags.multi_output = of_member.target_tags.multi_output
        tags.target_tags.positive_only = of_member.target_tags.positive_only
        return tags


@explain_unknown_keywords
class DeepEnsembleClassifier(ClassifierMixin, _BaseDeepEnsemble):
    """Ensemble of networks that differ in their random numbers only; probabilities are the mean of the members'.

    Each member trains on all samples with a random state of its own, and so with other initial weights, another order
    of the samples and, with early stopping, other held-out samples. This is a deep ensemble [1]_. Unlike
    :class:`sklearn.ensemble.BaggingClassifier`, it draws no samples, it passes sample weights to its members, and it
    supports several labels per sample.

    Parameters
    ----------
    estimator : object, default=None
        A classifier with ``predict_proba``. None is ``KerasMoonClassifier()``.

    n_estimators : int, default=5
        Number of members, at least 1.

    cv : int, cross-validation generator or iterable, default=None
        How the number of epochs is chosen. If given, a network is trained with early stopping on each fold, which is
        scored on the samples left out; then the members are trained on all samples for the median of the best epochs.
        An int is the number of folds, which are shuffled and, for a classification, stratified. An iterable yields for
        each fold the samples to train on and those left out, as indices or masks. This needs an ``estimator`` of
        moonnet. If None, the members are trained as ``estimator`` says.

    n_jobs : int, default=None
        Number of threads that train members: -1 uses all processors, and None means 1 unless in a
        :class:`joblib.parallel_config` context. The results are the same for any number.

    random_state : int, RandomState instance or None, default=None
        Determines the ``random_state`` of each member and of the estimators in it, which replaces the one of
        ``estimator``. Pass an int for reproducible results.

    Attributes
    ----------
    estimators_ : list of estimators
        The fitted members. Those of moonnet do not keep the state of their optimizer: ``partial_fit`` of a member
        continues with a new one.

    classes_ : ndarray of shape (n_classes,)
        Labels, sorted; of a multilabel problem the indices of the columns of y.

    epochs_ : int or None
        Number of epochs for which the members were trained, as chosen by cross-validation. None if ``cv`` is None.

    fold_histories_ : list of dict
        The ``history_`` of the network of each fold, also with losses of the samples left out. Empty if ``cv`` is None.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only if all feature names of X are strings.

    See Also
    --------
    DeepEnsembleRegressor : The same for numbers.
    moonnet.tables.tabular_pipeline : A pipeline that ends with an ensemble.
    sklearn.ensemble.BaggingClassifier : Members trained on random samples and features.

    References
    ----------
    .. [1] Lakshminarayanan, Pritzel and Blundell, "Simple and Scalable Predictive Uncertainty Estimation using Deep
       Ensembles", 2017.

    Examples
    --------
    >>> from moonnet.ensemble import DeepEnsembleClassifier
    >>> from sklearn.datasets import make_moons
    >>> X, y = make_moons(200, noise=0.2, random_state=0)
    >>> clf = DeepEnsembleClassifier(random_state=0).fit(X, y)
    >>> len(clf.estimators_)
    5
    >>> clf.predict_proba(X[:1]).shape
    (1, 2)
    """

    _default = KerasMoonClassifier

    def _check_member(self, member: Any) -> None:
        if not is_classifier(member) or not hasattr(member, "predict_proba"):
            raise ValueError(
                "The 'estimator' parameter of DeepEnsembleClassifier must be a classifier with predict_proba. "
                f"Got {member!r} instead."
            )

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Predict probabilities: the mean of the members' probabilities.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Probability of each class in the order of ``classes_``, or of each label.

        Raises
        ------
        ValueError
            If X contains NaN or infinity, or has other columns than X in ``fit``.

        sklearn.exceptions.NotFittedError
            If the ensemble is not fitted.

        See Also
        --------
        predict : Predict labels.
        """
        return self._mean("predict_proba", X)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the most probable class, or the labels with a probability of more than 0.5.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels, or 0 and 1 for each label of a multilabel problem.

        Raises
        ------
        ValueError
            If X contains NaN or infinity, or has other columns than X in ``fit``.

        sklearn.exceptions.NotFittedError
            If the ensemble is not fitted.

        See Also
        --------
        predict_proba : Predict probabilities.
        """
        probabilities = self.predict_proba(X)
        if self._is_multilabel:
            return (probabilities > 0.5).astype(np.int64)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Predict the natural logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Logarithms of the probabilities of ``predict_proba``: minus infinity if a probability is 0.

        Raises
        ------
        ValueError
            If X contains NaN or infinity, or has other columns than X in ``fit``.

        sklearn.exceptions.NotFittedError
            If the ensemble is not fitted.

        See Also
        --------
        predict_proba : Predict probabilities.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def __sklearn_tags__(self) -> Tags:
        """Declare whether multilabel y is supported."""
        tags = super().__sklearn_tags__()
        of_member = get_tags(self._member()).classifier_tags
        tags.classifier_tags.multi_label = of_member is not None and of_member.multi_label
        return tags


def _members_have_quantiles(ensemble: Any) -> bool:
    """Return whether the members predict quantiles. Raises AttributeError if not."""
    members = getattr(ensemble, "estimators_", None) or [ensemble._member()]
    return all(callable(member.predict_quantiles) for member in members)


@explain_unknown_keywords
class DeepEnsembleRegressor(RegressorMixin, _BaseDeepEnsemble):
    """Ensemble of networks that differ in their random numbers only; predictions are the mean of the members'.

    Each member trains on all samples with a random state of its own, and so with other initial weights, another order
    of the samples and, with early stopping, other held-out samples. This is a deep ensemble [1]_. Unlike
    :class:`sklearn.ensemble.BaggingRegressor`, it draws no samples, and it passes sample weights to its members.

    Parameters
    ----------
    estimator : object, default=None
        A regressor. None is ``KerasMoonRegressor()``.

    n_estimators : int, default=5
        Number of members, at least 1.

    cv : int, cross-validation generator or iterable, default=None
        How the number of epochs is chosen. If given, a network is trained with early stopping on each fold, which is
        scored on the samples left out; then the members are trained on all samples for the median of the best epochs.
        An int is the number of folds, which are shuffled and, for a classification, stratified. An iterable yields for
        each fold the samples to train on and those left out, as indices or masks. This needs an ``estimator`` of
        moonnet. If None, the members are trained as ``estimator`` says.

    n_jobs : int, default=None
        Number of threads that train members: -1 uses all processors, and None means 1 unless in a
        :class:`joblib.parallel_config` context. The results are the same for any number.

    random_state : int, RandomState instance or None, default=None
        Determines the ``random_state`` of each member and of the estimators in it, which replaces the one of
        ``estimator``. Pass an int for reproducible results.

    Attributes
    ----------
    estimators_ : list of estimators
        The fitted members. Those of moonnet do not keep the state of their optimizer: ``partial_fit`` of a member
        continues with a new one.

    quantiles_ : ndarray of shape (n_quantiles,)
        The quantiles that the members predict, in ascending order. Only if they predict quantiles.

    epochs_ : int or None
        Number of epochs for which the members were trained, as chosen by cross-validation. None if ``cv`` is None.

    fold_histories_ : list of dict
        The ``history_`` of the network of each fold, also with losses of the samples left out. Empty if ``cv`` is None.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only if all feature names of X are strings.

    See Also
    --------
    DeepEnsembleClassifier : The same for labels.
    moonnet.tables.tabular_pipeline : A pipeline that ends with an ensemble.
    sklearn.ensemble.BaggingRegressor : Members trained on random samples and features.

    References
    ----------
    .. [1] Lakshminarayanan, Pritzel and Blundell, "Simple and Scalable Predictive Uncertainty Estimation using Deep
       Ensembles", 2017.

    Examples
    --------
    >>> from moonnet.ensemble import DeepEnsembleRegressor
    >>> from sklearn.datasets import make_friedman1
    >>> X, y = make_friedman1(200, random_state=0)
    >>> reg = DeepEnsembleRegressor(random_state=0).fit(X, y)
    >>> reg.predict(X[:3]).shape
    (3,)
    """

    _default = KerasMoonRegressor

    def _check_member(self, member: Any) -> None:
        if not is_regressor(member):
            raise ValueError(
                f"The 'estimator' parameter of DeepEnsembleRegressor must be a regressor. Got {member!r} instead."
            )

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict numbers: the mean of the members' predictions.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        predictions : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions in the unit of y.

        Raises
        ------
        ValueError
            If X contains NaN or infinity, or has other columns than X in ``fit``.

        sklearn.exceptions.NotFittedError
            If the ensemble is not fitted.

        See Also
        --------
        fit : Train the members.
        """
        return self._mean("predict", X)

    @available_if(_members_have_quantiles)
    @explain_unknown_keywords_of
    def predict_quantiles(self, X: ArrayLike) -> np.ndarray:
        """Predict quantiles: the mean of those that the members predict.

        Only available if the members have this method, as :class:`~moonnet.KerasMoonRegressor` with ``loss="pinball"``
        has.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        quantiles : ndarray of shape (n_samples, n_quantiles) or (n_samples, n_outputs, n_quantiles)
            Quantiles in the unit of y, which ascend along the last axis.

        Raises
        ------
        ValueError
            If X contains NaN or infinity, or has other columns than X in ``fit``.

        AttributeError
            If the members do not predict quantiles.

        sklearn.exceptions.NotFittedError
            If the ensemble is not fitted.

        See Also
        --------
        predict : Predict the middle quantile.
        """
        return self._mean("predict_quantiles", X)

    @property
    def quantiles_(self) -> np.ndarray:
        """The quantiles that :meth:`predict_quantiles` returns; only if the members predict quantiles."""
        check_is_fitted(self)
        return self.estimators_[0].quantiles_


def _as_indices(rows: Any, n_samples: int) -> np.ndarray:
    """Return indices, or a mask, of samples as indices from 0. Raises ValueError."""
    rows = np.asarray(rows)
    if rows.shape == (n_samples,) and rows.dtype == bool:
        return np.flatnonzero(rows)
    is_valid = rows.ndim == 1 and (rows.dtype.kind in "iu" or not rows.size)
    if not is_valid or ((rows < -n_samples) | (rows >= n_samples)).any():
        raise ValueError
    rows = rows.astype(np.intp)
    return np.where(rows < 0, rows + n_samples, rows)


def _with_random_states(estimator: Any, seed: int) -> Any:
    """Return the estimator with random states that the seed determines, also those of nested estimators."""
    names = [name for name in estimator.get_params() if name.split("__")[-1] == "random_state"]
    names.sort(key=lambda name: (name.count("__"), name))
    others = check_random_state(seed).randint(np.iinfo(np.int32).max, size=len(names)).tolist()
    return estimator.set_params(**dict(zip(names, [seed, *others], strict=False)))


def _fit_member(member: Any, X: Any, y: Any, options: dict[str, Any], fit: Callable[..., Any] | None) -> Any:
    if fit is None:
        member.fit(X, y, **options)
    else:
        fit(member, X, y)
    if isinstance(member, BaseKerasMoon):
        member._drop_optimizer_state()
    return member
