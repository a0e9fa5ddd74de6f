"""The common base of both estimators: scikit-learn's interface around the training of a Keras network."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

import copy
import functools
import math
import operator
import sys
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from moonnet import _numpy_forward
from moonnet._base_targets import OUTPUT_ACTIVATIONS, BaseTargets
from moonnet._sample_weights import ClassWeighting, drop_zero_weights
from moonnet._sklearn_compat import (
    InternalsMixin,
    Interval,
    Options,
    check_n_features,
    get_feature_names,
    with_callbacks,
)
from moonnet._unknown_keywords import explain

# Up to this number of elements, X is checked here, because scikit-learn's checks take longer than predicting a row.
# scikit-learn checks a larger X, with less memory.
_MAX_FAST_CHECK_SIZE = 2**16


_INTERRUPTED = "Training interrupted by user"


@contextmanager
def raise_on_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt where a fit would only warn that Ctrl-C ended it, as for one of several fits."""
    if threading.current_thread() is not threading.main_thread():
        yield  # which is never interrupted; filters of warnings belong to all threads
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=_INTERRUPTED)
        try:
            yield
        except UserWarning as warning:
            if not str(warning).startswith(_INTERRUPTED):
                raise
            raise KeyboardInterrupt from None


def restore_on_error(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a method so that it restores the estimator's attributes if it raises."""

    @functools.wraps(method)
    def wrapper(self: Any, *arguments: Any, **options: Any) -> Any:
        before = self.__dict__.copy()
        try:
            return method(self, *arguments, **options)
        except BaseException:
            self.__dict__ = before
            raise

    return wrapper


class _ValidationSet(NamedTuple):
    """Samples on which the network is scored after each epoch."""

    X: Any  # an array or CSR, in the dtype of training
    y: np.ndarray  # not encoded
    weight: np.ndarray
    has_weights: bool  # whether a scorer receives the weights


# From the checked y, and the targets of the fit that is resumed or None, to the targets
InferTargets = Callable[[np.ndarray, Any], BaseTargets]


class BaseKerasMoon(InternalsMixin, BaseEstimator, ABC):
    """A small Keras network as a scikit-learn estimator; subclasses define the targets."""

    # "no_validation": training._network checks these with Keras
    _parameter_constraints: ClassVar[dict] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [str],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left")],
        "optimizer": "no_validation",
        "learning_rate": "no_validation",
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "scoring": [str, callable, None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "tol": [Interval(Real, 0, None, closed="left")],
        "callbacks": [list, tuple, None],
        "warm_start": ["boolean"],
        "verbose": [Options(Integral, {0, 1, 2})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        hidden_layer_sizes: Sequence[int] | int,
        activation: str,
        dropout: float,
        l2: float,
        optimizer: Any,
        learning_rate: Any,
        batch_size: int,
        epochs: int,
        shuffle: bool,
        early_stopping: bool,
        validation_fraction: float,
        scoring: str | Callable[..., float] | None,
        n_iter_no_change: float,
        tol: float,
        callbacks: Sequence[Any] | None,
        warm_start: bool,
        verbose: int,
        random_state: int | np.random.RandomState | None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.l2 = l2
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @restore_on_error
    def set_params(self, **params: Any) -> Self:
        """Set parameters of the estimator.

        Parameters
        ----------
        **params : dict
            Parameters and their new values. They are checked in ``fit``.

        Returns
        -------
        self : estimator instance
            The estimator.

        Raises
        ------
        ValueError
            If the estimator has no such parameter. No parameter is then changed.
        """
        try:
            return super().set_params(**params)
        except (AttributeError, ValueError):
            unknown = self._unknown_parameters(params)
            if explanation := explain(type(self), unknown):
                raise ValueError(f"Invalid parameter {unknown[0]!r} for estimator {self}. {explanation}") from None
            raise

    def _unknown_parameters(self, params: dict[str, Any]) -> list[str]:
        """Return the names that are neither parameters nor parameters of a parameter's value."""
        own = self.get_params(deep=False)
        unknown = []
        for name in params:
            parameter, _, nested = name.partition("__")
            value = params.get(parameter, own.get(parameter))
            if parameter not in own or (nested and not hasattr(value, "set_params")):
                unknown.append(name)
        return unknown

    # Targets, defined by subclasses

    @abstractmethod
    def _infer_targets(self, y: np.ndarray, previous: Any) -> BaseTargets:
        """Return the targets of y; ``previous`` are those of the fit that is resumed, or None. Raises ValueError."""

    @property
    @abstractmethod
    def _targets(self) -> BaseTargets:
        """The targets of the fitted network."""

    def _class_weighting(self, y: np.ndarray, targets: Any) -> ClassWeighting | None:
        """Return the function that applies class weights to sample weights; None without class weights."""
        return None

    # Training

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        validation_set: tuple[Any, Any, Any] = (None, None, None),
        observers: Sequence[Any] = (),
    ) -> Self:
        """Train for all epochs; ``observers`` are instances of ``training._loop.Observer``."""
        interrupted = self._check_and_train(
            X,
            y,
            sample_weight,
            self._infer_targets,
            epochs=self.epochs,
            resume=self.warm_start,
            early_stopping=self.early_stopping,
            validation_set=validation_set,
            observers=observers,
        )
        return self._warn_if_interrupted(interrupted)

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, infer_targets: InferTargets) -> Self:
        """Train for one epoch on all samples."""
        interrupted = self._check_and_train(X, y, sample_weight, infer_targets, epochs=1, resume=True)
        return self._warn_if_interrupted(interrupted)

    def _warn_if_interrupted(self, interrupted: bool) -> Self:
        """Warn the caller of fit or partial_fit if Ctrl-C ended training.

        This comes last, so that the estimator is fitted even if warnings are errors.
        """
        if interrupted:
            warnings.warn(f"{_INTERRUPTED} after {self.n_iter_} epochs.", stacklevel=5)
        return self

    @restore_on_error
    @with_callbacks
    def _check_and_train(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        infer_targets: InferTargets,
        *,
        epochs: int,
        resume: bool,
        early_stopping: bool = False,
        validation_set: tuple[Any, Any, Any] = (None, None, None),
        observers: Sequence[Any] = (),
    ) -> bool:
        """Check parameters and arguments, train, and return whether Ctrl-C ended training."""
        self._check_parameters()
        fit_arguments = _fit_arguments(X, y, sample_weight)
        previous = self._previous_result() if resume else None
        X, y = self._check_data(X, y, previous)
        targets = infer_targets(y, None if previous is None else self._targets)
        validation = self._check_validation_set(*validation_set, targets, X.dtype)
        return self._train(
            X, y, targets, int(epochs), bool(early_stopping), validation, previous, fit_arguments, observers
        )

    def _check_parameters(self) -> None:
        name = type(self).__name__
        self._validate_params()
        self._check_hidden_layer_sizes()
        if self.activation not in _numpy_forward.ACTIVATIONS:
            keras_name = {"logistic": "sigmoid", "identity": "linear"}.get(self.activation)  # of MLPClassifier's
            raise ValueError(
                f"The 'activation' parameter of {name} must be one of {sorted(_numpy_forward.ACTIVATIONS)}. "
                f"Got {self.activation!r} instead." + (f" Keras calls it {keras_name!r}." if keras_name else "")
            )
        if isinstance(self.scoring, str) and self.scoring != "loss":
            from sklearn.metrics import get_scorer_names

            if self.scoring not in get_scorer_names():
                raise ValueError(
                    f"The 'scoring' parameter of {name} must be 'loss', the name of a scorer (see "
                    f"sklearn.metrics.get_scorer_names), a callable or None. Got {self.scoring!r} instead."
                )

    def _check_data(self, X: Any, y: Any, previous: Any) -> tuple[Any, np.ndarray]:
        """Return X as an array or CSR, and y as an array; a resumed training keeps its dtype."""
        dtype = (np.float64, np.float32) if previous is None else self.coefs_[0].dtype
        X, y = validate_data(self, X, y, accept_sparse="csr", multi_output=True, dtype=dtype, reset=previous is None)
        return X, ravel_single_column(y, "y")

    def _check_validation_set(
        self, X: Any, y: Any, sample_weight: Any, targets: BaseTargets, dtype: np.dtype
    ) -> _ValidationSet | None:
        """Return the validation set that was passed to fit, or None; its columns and targets must be those of fit."""
        arguments = {"X_val": X, "y_val": y, "sample_weight_val": sample_weight}
        given = [name for name, value in arguments.items() if value is not None]
        if not given:
            return None
        for name in ("X_val", "y_val"):
            if arguments[name] is None:
                raise ValueError(f"{name} must be given together with {given[0]}. Got None instead.")
        with name_in_errors("X_val"):
            array = check_array(X, accept_sparse="csr", dtype=dtype, input_name="X_val")
            self._check_columns_of_x_val(X, array)
        with name_in_errors("y_val"):
            checked = check_array(y, accept_sparse="csr", ensure_2d=False, dtype=None, input_name="y_val")
            y = ravel_single_column(checked, "y_val")
            targets.check(y, "y_val")
        if array.shape[0] != len(y):
            raise ValueError(
                f"X_val and y_val must contain the same number of samples. Got {array.shape[0]} and {len(y)}."
            )
        with name_in_errors("sample_weight_val"):
            return _ValidationSet(*drop_zero_weights(array, y, sample_weight, None), sample_weight is not None)

    def _check_columns_of_x_val(self, X: Any, array: Any) -> None:
        """Raise ValueError if X, of which ``array`` holds the numbers, has other columns than X of fit."""
        has_names = get_feature_names(X) is not None
        if has_names == hasattr(self, "feature_names_in_"):
            validate_data(self, X, reset=False, skip_check_array=True)
            return
        warnings.warn(  # as validate_data does, which calls every argument X
            f"X_val {'has' if has_names else 'does not have valid'} feature names, but {type(self).__name__} was "
            f"fitted {'without' if has_names else 'with'} feature names",
            stacklevel=2,
        )
        check_n_features(self, array, reset=False)

    def _train(
        self,
        X: Any,
        y: np.ndarray,
        targets: BaseTargets,
        epochs: int,
        early_stopping: bool,
        validation_set: _ValidationSet | None,
        previous: Any,
        fit_arguments: dict[str, Any],
        observers: Sequence[Any],
    ) -> bool:
        """Train on checked X and y, set the fitted attributes, and return whether Ctrl-C ended training.

        ``fit_arguments`` are passed to scikit-learn's callbacks. ``observers`` run after validation
        and Keras callbacks.
        """
        sample_weight = fit_arguments["metadata"].get("sample_weight")
        class_weighting = self._class_weighting(y, targets)
        X, y, weight = drop_zero_weights(X, y, sample_weight, class_weighting)
        layer_sizes = self._check_layer_sizes(X, targets, previous)

        from moonnet.training import _keras_callbacks, _loop, _network, _progress, engines

        engines.check_not_forked()
        optimizer, learning_rate = _network.resolve_optimizer(self.optimizer, self.learning_rate)
        streams = self._random_streams(previous)
        if validation_set is None and early_stopping:
            has_weights = sample_weight is not None or class_weighting is not None
            X, y, weight, validation_set = self._hold_out(X, y, weight, has_weights, targets, streams.split_seed)
        if previous is None:
            targets = targets.fit(y, weight, X.dtype)
        samples = _loop.Samples(X, targets.encode(y, X.dtype), weight)
        validation_observers, keras_callbacks = [], []
        if validation_set is not None:
            validation_observers = [self._make_validation_observer(validation_set, targets, early_stopping, previous)]
        if self.callbacks:
            keras_callbacks = [_keras_callbacks.KerasCallbacks(self.callbacks, targets)]
        sklearn_callbacks = self._make_sklearn_callbacks(epochs, targets, fit_arguments)
        progress = _progress.progress(self.verbose)
        result = _loop.train(
            self._program_spec(layer_sizes, optimizer, samples, targets),
            samples,
            self._hyperparameters(learning_rate, epochs, targets),
            streams,
            previous,
            [*validation_observers, *keras_callbacks, *observers, *sklearn_callbacks, *progress],
        )
        for name, value in self._fitted_attributes(targets, result).items():
            setattr(self, name, value)
        for observer in sklearn_callbacks:
            observer.end_fit_task()
        return result.interrupted

    def _check_layer_sizes(self, X: Any, targets: BaseTargets, previous: Any) -> tuple[int, ...]:
        """Return the layer sizes of the network to train; a resumed training must not change them."""
        layer_sizes = (X.shape[1], *self._check_hidden_layer_sizes(), targets.n_outputs)
        if previous is not None and layer_sizes != self._layer_sizes:
            raise ValueError(
                "The 'hidden_layer_sizes' parameter must not change when training is resumed. "
                f"Got {self.hidden_layer_sizes!r} for a network with the hidden layers {self._layer_sizes[1:-1]}."
            )
        return layer_sizes

    def _random_streams(self, previous: Any) -> Any:
        """Return new random streams, or those of the training that is resumed."""
        from moonnet.training import _loop

        if previous is None:
            return _loop.RandomStreams.spawn(_entropy(self.random_state))
        return _loop.RandomStreams.resume(previous.checkpoint["streams"])

    def _hold_out(
        self, X: Any, y: np.ndarray, weight: np.ndarray, has_weights: bool, targets: BaseTargets, seed: int
    ) -> tuple[Any, np.ndarray, np.ndarray, _ValidationSet]:
        """Return X, y and the weights of the samples to train on, and the held-out samples."""
        from moonnet.training import _validation_set

        train, held_out = _validation_set.hold_out(len(y), self.validation_fraction, targets.stratify_labels(y), seed)
        validation_set = _ValidationSet(X[held_out], y[held_out], weight[held_out], has_weights)
        return X[train], y[train], weight[train], validation_set

    def _program_spec(self, layer_sizes: tuple[int, ...], optimizer: Any, samples: Any, targets: BaseTargets) -> Any:
        """Return everything that determines the compiled program."""
        from moonnet.training import _compiled_program, _loop, _network

        return _compiled_program.ProgramSpec(
            _network.NetworkSpec(layer_sizes, self.activation, targets.loss),
            optimizer,
            _loop.compiled_batch_size(int(self.batch_size), len(samples.y)),
            dropout=self.dropout > 0,
            dtype=optimizer.training_dtype(samples.X.dtype.name),
        )

    def _hyperparameters(self, learning_rate: float | None, epochs: int, targets: BaseTargets) -> Any:
        """Return the settings that the compiled program receives at run time."""
        from moonnet.training import _loop

        return _loop.Hyperparameters(
            learning_rate,
            self.l2,
            self.dropout,
            epochs,
            self.shuffle,
            targets.loss_parameter,
            targets.loss_scale,
            targets.random_biases,
        )

    def _make_sklearn_callbacks(self, epochs: int, targets: BaseTargets, fit_arguments: dict[str, Any]) -> list[Any]:
        """Return the observer that runs scikit-learn's callbacks, in a list that is empty without callbacks."""
        from moonnet.training import _sklearn_callbacks

        context = self._callback_context(epochs)
        if context is None:
            return []
        arguments = {"estimator": self, **fit_arguments}
        return [
            _sklearn_callbacks.SklearnCallbacks(
                context, arguments, lambda result: self._fitted_attributes(targets, result)
            )
        ]

    def _make_validation_observer(
        self, validation_set: _ValidationSet, targets: BaseTargets, early_stopping: bool, previous: Any
    ) -> Any:
        """Return the observer that scores the network after each epoch, and stops training if requested."""
        from moonnet.training import _early_stopping, _loop, _validation_set

        X, y, weight, _ = validation_set
        samples = _loop.Samples(X, targets.encode(y, X.dtype), weight)
        if not early_stopping:
            return _validation_set.ValidationObserver(samples, targets, self.activation)
        score = None if self.scoring == "loss" else self._make_score_function(validation_set, targets)
        return _early_stopping.EarlyStopping(
            samples,
            targets,
            self.activation,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            score=score,
            previous=previous,
        )

    def _make_score_function(
        self, validation_set: _ValidationSet, targets: BaseTargets
    ) -> Callable[[list[Any]], float]:
        """Return a function that scores weights on the validation set with the scorer of ``scoring``."""
        from sklearn.metrics import check_scoring

        scorer = check_scoring(self, scoring=self.scoring)
        X, y, weight, has_weights = validation_set
        options = {"sample_weight": weight} if has_weights else {}
        estimator = copy.copy(self)
        estimator.__dict__.pop("feature_names_in_", None)  # X of the validation set is an array
        # For errors: most scores are undefined for a single sample, and some without samples of each class
        absent_labels = targets.describe_absent_labels(y)
        described_set = f"the validation set of {len(y)} sample{'s' * (len(y) > 1)}{absent_labels}"
        remedy = ""
        if absent_labels or len(y) == 1:
            samples = "samples of every label" if absent_labels else "more samples"
            remedy = f" Pass X_val and y_val with {samples}, or use scoring='loss'."

        def score(weights: list[np.ndarray]) -> float:
            estimator.__dict__.update(self._prediction_attributes(targets, weights))
            try:
                value = scorer(estimator, X, y, **options)
            except Exception as error:
                if absent_labels and isinstance(error, ValueError):  # instead of a remedy for callers of the metric
                    raise ValueError(
                        f"The 'scoring' parameter of {type(self).__name__}, {self.scoring!r}, failed for "
                        f"{described_set}.{remedy}"
                    ) from error
                error.add_note(f"This was raised by the 'scoring' parameter, {self.scoring!r}, for {described_set}.")
                raise
            if not isinstance(value, Real) or math.isnan(value):
                raise ValueError(
                    f"The 'scoring' parameter of {type(self).__name__} must return a number for {described_set}. "
                    f"Got {value!r} from {self.scoring!r} instead.{remedy}"
                )
            return float(value)

        return score

    # The fitted network

    def _fitted_attributes(self, targets: Any, result: Any) -> dict[str, Any]:
        """Return all attributes that fit sets: arrays and plain values."""
        return self._prediction_attributes(targets, result.weights) | {
            "history_": result.history,
            "n_iter_": len(result.history["loss"]),
            "best_iteration_": result.best_epoch,
            "best_validation_score_": result.best_score,
            "_checkpoint": result.checkpoint,
        }

    def _prediction_attributes(self, targets: Any, weights: list[np.ndarray]) -> dict[str, Any]:
        """Return the fitted attributes that predictions need."""
        return {
            "coefs_": weights[::2],
            "intercepts_": weights[1::2],
            # Parameters as they were in fit: set_params may change them later
            "_trained_with": {
                "activation": self.activation,
                "l2": float(self.l2),
                "dropout": float(self.dropout),
            },
        }

    def _drop_optimizer_state(self) -> None:
        """Keep only what predictions need, and the random state: training resumes with a new optimizer."""
        self._checkpoint: Any = self._checkpoint | {"weights": None, "optimizer_state": []}

    def _previous_result(self) -> Any:
        """Return the result of the previous fit, from which training resumes; None if there was no fit."""
        if not hasattr(self, "coefs_"):
            return None
        from moonnet.training import _loop

        return _loop.TrainingResult(
            self._training_weights, self.history_, self._checkpoint, self.best_iteration_, self.best_validation_score_
        )

    @property
    def loss_(self) -> float:
        """Training loss of the last epoch: ``history_["loss"][-1]``, NaN if there was none."""
        return self.history_["loss"][-1] if self.n_iter_ else math.nan

    @property
    def n_layers_(self) -> int:
        """Number of layers, including the input layer."""
        return len(self._layer_sizes)

    @property
    def n_outputs_(self) -> int:
        """Number of units in the output layer."""
        return self._layer_sizes[-1]

    @property
    def out_activation_(self) -> str:
        """Name of the Keras activation of the output layer."""
        return OUTPUT_ACTIVATIONS.get(self._targets.loss, "linear")

    @property
    def _weights(self) -> list[np.ndarray]:
        """Kernel and bias of each layer, in the unit of y."""
        return [array for layer in zip(self.coefs_, self.intercepts_, strict=True) for array in layer]

    @property
    def _training_weights(self) -> list[np.ndarray]:
        """Kernel and bias of each layer, as training resumes with them."""
        return self._weights

    @property
    def _layer_sizes(self) -> tuple[int, ...]:
        """Numbers of features, of units in each hidden layer, and of outputs."""
        return (self.n_features_in_, *(len(intercept) for intercept in self.intercepts_))

    def _check_hidden_layer_sizes(self) -> tuple[int, ...]:
        """Return hidden_layer_sizes as a tuple of int."""
        sizes: Any = self.hidden_layer_sizes
        try:
            units = tuple(operator.index(size) for size in ([sizes] if isinstance(sizes, Integral) else sizes))
        except TypeError:
            units = (0,)
        if any(unit < 1 for unit in units):
            raise ValueError(
                f"The 'hidden_layer_sizes' parameter of {type(self).__name__} must hold integers of at least 1. "
                f"Got {sizes!r} instead."
            )
        return units

    def _build_model(self) -> Any:
        """Return a new Keras model with the fitted weights."""
        check_is_fitted(self)
        from moonnet.training import _network, engines

        engines.check_not_forked()
        engines.engine.check_not_traced("make model_")
        optimizer, learning_rate = _network.resolve_optimizer(self.optimizer, self.learning_rate)
        targets, trained_with = self._targets, self._trained_with
        return _network.user_model(
            _network.NetworkSpec(self._layer_sizes, trained_with["activation"], targets.loss),
            self._weights,
            optimizer.build(learning_rate),
            trained_with["dropout"],
            targets.l2_factors(trained_with["l2"], len(self.coefs_)),
            targets.model_loss_parameter,
        )

    def _raw_predictions(self, X: ArrayLike) -> np.ndarray:
        """Return the outputs before the last activation, shape (n_samples, n_outputs)."""
        check_is_fitted(self, "coefs_")
        if not self._is_already_valid(X):
            X = validate_data(self, X, accept_sparse="csr", reset=False, dtype=self.coefs_[0].dtype)
        return _numpy_forward.raw_predictions(X, self.coefs_, self.intercepts_, self._trained_with["activation"])

    def _is_already_valid(self, X: Any) -> bool:
        """Return whether scikit-learn's checks would return X unchanged."""
        return (
            type(X) is np.ndarray
            and X.dtype == self.coefs_[0].dtype
            and X.ndim == 2
            and 0 < X.size <= _MAX_FAST_CHECK_SIZE
            and X.shape[1] == self.n_features_in_
            and not hasattr(self, "feature_names_in_")
            and bool(np.isfinite(X).all())
        )

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted estimator with the same parameters, and with the same callbacks instead of deep copies.

        A callback may refer to what must not be copied, such as the trial of a study.
        """
        template = copy.copy(self)
        template.callbacks = template.optimizer = None
        cloned = super(BaseKerasMoon, template).__sklearn_clone__()
        settings = self._optimizer_settings()
        optimizer = clone(self.optimizer, safe=False) if settings is None else _make_optimizer(*settings)
        # A subclass may fix parameters in its __init__
        parameters = {"callbacks": copy.copy(self.callbacks), "optimizer": optimizer}
        return cloned.set_params(
            **{name: parameters[name] for name in parameters.keys() & cloned.get_params(deep=False)}
        )

    def __copy__(self) -> Self:
        """Return an estimator with the same attributes.

        scikit-learn makes such a copy for its callbacks after each epoch, which must not create an optimizer.
        """
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle, with the class and the settings of an optimizer in place of the instance.

        Keras saves an instance like a model, for which it imports TensorFlow on JAX.
        """
        state = super().__getstate__()
        settings = self._optimizer_settings()
        if settings is not None:
            state |= {"optimizer": None, "_optimizer_settings": settings}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state of a pickle, also of one from before ``scoring`` and the best epoch were stored."""
        state = {"scoring": "loss"} | state
        if "_optimizer_settings" in state:
            state["optimizer"] = _make_optimizer(*state.pop("_optimizer_settings"))
        super().__setstate__(state)
        if "history_" in state and "best_iteration_" not in state:
            self.best_iteration_, self.best_validation_score_ = self._find_best_epoch()

    def _optimizer_settings(self) -> tuple[Any, dict[str, Any]] | None:
        """Return the class and the settings of an optimizer instance; None if the optimizer is copied otherwise."""
        if "keras" not in sys.modules or isinstance(self.optimizer, str):
            return None
        from moonnet.training import _network

        return _network.class_and_settings_to_pickle(self.optimizer)

    def _find_best_epoch(self) -> tuple[int | None, float | None]:
        """Return the best epoch and its score according to ``history_``; None unless all epochs had early stopping."""
        metric, sign = ("val_loss", -1) if self.scoring == "loss" else ("val_score", 1)
        scores = sign * np.array(self.history_.get(metric, [math.nan]))
        if not self.early_stopping or np.isnan(scores).any():
            return None, None
        best = int(scores.argmax())
        return best + 1, float(scores[best])

    def __sklearn_tags__(self) -> Tags:
        """Declare that sparse X is supported."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _make_optimizer(cls: Any, settings: dict[str, Any]) -> Any:
    """Return a new optimizer of a class of Keras."""
    return cls.from_config(dict(settings))


def ravel_single_column(y: Any, name: str) -> np.ndarray:
    """Return y, the argument ``name``, as a dense array; warn if it has a single column, and return that column."""
    if sparse.issparse(y):
        y = y.toarray()
    if y.ndim != 2 or y.shape[1] != 1:
        return y
    warnings.warn(  # as column_or_1d does, which calls every argument y
        f"A column-vector {name} was passed when a 1d array was expected. Please change the shape of {name} to "
        "(n_samples,), for example using ravel().",
        DataConversionWarning,
        stacklevel=2,
    )
    return y.ravel()


@contextmanager
def name_in_errors(argument: str) -> Iterator[None]:
    """Add the name of the argument to errors that do not mention it."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if argument in str(error):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"In {argument}: {error}") from error


def _fit_arguments(X: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
    """Return the arguments of fit as scikit-learn passes them to callbacks."""
    return {"X": X, "y": y, "metadata": {} if sample_weight is None else {"sample_weight": sample_weight}}


def _entropy(random_state: int | np.random.RandomState | None) -> Any:
    """Return the seed of all random streams; None means fresh entropy and not NumPy's global generator."""
    if isinstance(random_state, np.random.RandomState):
        return random_state.randint(2**32, size=4, dtype=np.uint32)
    return random_state
