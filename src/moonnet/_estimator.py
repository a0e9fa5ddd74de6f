"""What both estimators share: scikit-learn's contract around a Keras network; the arithmetic lives elsewhere."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

import copy
import functools
import math
import operator
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d, validate_data

from moonnet import _numpy_forward
from moonnet._base_targets import Balance, BaseTargets, effective_weights
from moonnet._sklearn_compat import InternalsMixin, Interval, Options, check_sample_weight, with_callbacks

# Elements of X that are looked at here, for scikit-learn's checks take longer than to predict a row; more of them are
# left to scikit-learn, whose checks take little memory.
_MOST_UNCHECKED = 2**16


def _all_or_nothing(learns: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a method that learns: if it fails, all that the estimator had learned before stays as it was."""

    @functools.wraps(learns)
    def guarded(self: Any, *arguments: Any, **options: Any) -> Any:
        before = self.__dict__.copy()
        try:
            return learns(self, *arguments, **options)
        except BaseException:
            self.__dict__ = before
            raise

    return guarded


class _Validation(NamedTuple):
    """What a network is scored on after each epoch."""

    X: Any  # an array or CSR, in the float type of training
    y: np.ndarray  # as the user gives it
    weight: np.ndarray
    weighted: bool  # whether there are weights that a scorer should know of


# From the checked y, and what an earlier fit learned of it if the training goes on, to the targets
ReadTargets = Callable[[np.ndarray, Any], BaseTargets]


class BaseKerasMoon(InternalsMixin, BaseEstimator, ABC):
    """A small Keras network as a scikit-learn estimator; subclasses add what their targets mean."""

    # "no_validation": what only Keras can judge is judged where Keras is at hand, in _network.
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
        "scoring": [str, callable],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
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
        scoring: str | Callable[..., float],
        n_iter_no_change: int,
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

    # What a subclass says of its targets

    @abstractmethod
    def _read_targets(self, y: np.ndarray, known: Any) -> BaseTargets:
        """Return the targets in y; ``known`` are those of an earlier fit that goes on, or None. Raises ValueError."""

    @property
    @abstractmethod
    def _targets(self) -> BaseTargets:
        """The targets that were learned."""

    def _balance(self, y: np.ndarray, targets: Any) -> Balance | None:
        """Return what turns weights of samples into weights that respect their targets; None where nothing does."""
        return None

    @abstractmethod
    def _network_attributes(self, targets: Any, weights: list[np.ndarray]) -> dict[str, Any]:
        """Return what it takes to predict."""

    # Learning

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        validation_set: tuple[Any, Any, Any] = (None, None, None),
        observers: Sequence[Any] = (),
    ) -> Self:
        """Train for all epochs, on what is not held out; ``observers`` are those of ``training._loop``."""
        interrupted = self._learn(
            X,
            y,
            sample_weight,
            self._read_targets,
            epochs=self.epochs,
            goes_on=self.warm_start,
            early_stopping=self.early_stopping,
            validation_set=validation_set,
            observers=observers,
        )
        return self._warn_if(interrupted)

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, read_targets: ReadTargets) -> Self:
        """Train for one epoch, on everything."""
        interrupted = self._learn(X, y, sample_weight, read_targets, epochs=1, goes_on=True)
        return self._warn_if(interrupted)

    def _warn_if(self, interrupted: bool) -> Self:
        """Warn the caller of fit or partial_fit if Ctrl-C ended the training.

        This comes last, so that the fitted attributes stay where warnings are errors.
        """
        if interrupted:
            warnings.warn(f"Training interrupted by user after {self.n_iter_} epochs.", stacklevel=4)
        return self

    @_all_or_nothing
    @with_callbacks
    def _learn(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        read_targets: ReadTargets,
        *,
        epochs: int,
        goes_on: bool,
        early_stopping: bool = False,
        validation_set: tuple[Any, Any, Any] = (None, None, None),
        observers: Sequence[Any] = (),
    ) -> bool:
        """Check everything, train, and return whether Ctrl-C ended the training."""
        self._check_parameters()
        fit_arguments = _fit_arguments(X, y, sample_weight)
        previous = self._previous() if goes_on else None
        X, y = self._check_data(X, y, previous)
        targets = read_targets(y, None if previous is None else self._targets)
        validation = self._check_validation_set(*validation_set, targets, X.dtype)
        return self._train(
            X, y, targets, int(epochs), bool(early_stopping), validation, previous, fit_arguments, observers
        )

    def _check_parameters(self) -> None:
        name = type(self).__name__
        self._validate_params()
        self._hidden_units()
        if self.activation not in _numpy_forward.ACTIVATIONS:
            raise ValueError(
                f"The 'activation' parameter of {name} must be one of {sorted(_numpy_forward.ACTIVATIONS)}. "
                f"Got {self.activation!r} instead."
            )
        if isinstance(self.scoring, str) and self.scoring != "loss":
            from sklearn.metrics import get_scorer_names

            if self.scoring not in get_scorer_names():
                raise ValueError(
                    f"The 'scoring' parameter of {name} must be 'loss', the name of a scorer (see "
                    f"sklearn.metrics.get_scorer_names) or a callable. Got {self.scoring!r} instead."
                )

    def _check_data(self, X: Any, y: Any, previous: Any) -> tuple[Any, np.ndarray]:
        """Return X as an array or CSR, y as an array; a training that goes on does so in its own float type."""
        dtype = (np.float64, np.float32) if previous is None else self.coefs_[0].dtype
        X, y = validate_data(self, X, y, accept_sparse="csr", multi_output=True, dtype=dtype, reset=previous is None)
        return X, _one_column_or_several(y)

    def _check_validation_set(
        self, X: Any, y: Any, sample_weight: Any, targets: BaseTargets, dtype: np.dtype
    ) -> _Validation | None:
        """Return the caller's validation set, of the columns and targets that are trained on; None if there is none."""
        given = {"X_val": X, "y_val": y, "sample_weight_val": sample_weight}
        names = [name for name, value in given.items() if value is not None]
        if not names:
            return None
        for name in ("X_val", "y_val"):
            if given[name] is None:
                raise ValueError(f"{name} must be given together with {names[0]}. Got None instead.")
        with _naming("X_val"):
            array = check_array(X, accept_sparse="csr", dtype=dtype, input_name="X_val")
            validate_data(self, X, reset=False, skip_check_array=True)
        with _naming("y_val"):
            checked = check_array(y, accept_sparse="csr", ensure_2d=False, dtype=None, input_name="y_val")
            y = _one_column_or_several(checked)
            targets.check(y, "y_val")
        if array.shape[0] != len(y):
            raise ValueError(f"X_val and y_val must hold as many samples. Got {array.shape[0]} and {len(y)}.")
        with _naming("sample_weight_val"):
            return _Validation(*_counted(array, y, sample_weight, None), sample_weight is not None)

    def _train(
        self,
        X: Any,
        y: np.ndarray,
        targets: BaseTargets,
        epochs: int,
        early_stopping: bool,
        validation: _Validation | None,
        previous: Any,
        fit_arguments: dict[str, Any],
        more_observers: Sequence[Any],
    ) -> bool:
        """Train on checked X and y and set the fitted attributes; return whether Ctrl-C ended the training.

        ``fit_arguments`` are the caller's, as scikit-learn's callbacks get them. ``more_observers`` come after those
        that validate.
        """
        sample_weight, balance = fit_arguments["metadata"].get("sample_weight"), self._balance(y, targets)
        X, y, weight = _counted(X, y, sample_weight, balance)
        layer_sizes = (X.shape[1], *self._hidden_units(), targets.n_outputs)
        if previous is not None and layer_sizes != self._layer_sizes:
            raise ValueError(
                "The 'hidden_layer_sizes' parameter must stay as it is while a training goes on. "
                f"Got {self.hidden_layer_sizes!r} for a network of {self._layer_sizes[1:-1]}."
            )

        from moonnet.training import (
            _compiled_program,
            _keras_callbacks,
            _loop,
            _network,
            _progress,
            _sklearn_callbacks,
            _validation_set,
            engines,
        )

        engines.check_not_forked()
        optimizer, learning_rate = _network.resolve_optimizer(self.optimizer, self.learning_rate)
        if previous is None:
            streams = _loop.RandomStreams.spawn(_entropy(self.random_state))
        else:
            streams = _loop.RandomStreams.resume(previous.checkpoint["streams"])
        if validation is None and early_stopping:
            train, held_out = _validation_set.hold_out(
                len(y), self.validation_fraction, targets.strata(y), streams.split_seed
            )
            weighted = sample_weight is not None or balance is not None
            validation = _Validation(X[held_out], y[held_out], weight[held_out], weighted)
            X, y, weight = X[train], y[train], weight[train]
        if previous is None:
            targets = targets.fitted(y, weight, X.dtype)
        samples = _loop.Samples(X, targets.encode(y, X.dtype), weight)
        observers: list[Any] = []
        if validation is not None:
            observers.append(self._validation_observer(validation, targets, early_stopping, previous))
        if self.callbacks:
            observers.append(_keras_callbacks.KerasCallbacks(self.callbacks, targets))
        tasks = []
        if (context := self._callback_context(epochs)) is not None:
            arguments = {"estimator": self, **fit_arguments}
            tasks.append(
                _sklearn_callbacks.SklearnCallbacks(
                    context, arguments, lambda result: self._attributes(targets, result)
                )
            )
        spec = _compiled_program.ProgramSpec(
            _network.NetworkSpec(layer_sizes, self.activation, targets.loss),
            optimizer,
            _loop.compiled_batch_size(int(self.batch_size), len(samples.y)),
            dropout=self.dropout > 0,
            dtype=optimizer.training_dtype(X.dtype.name),
        )
        result = _loop.train(
            spec,
            samples,
            _loop.Hyperparameters(
                learning_rate,
                self.l2,
                self.dropout,
                epochs,
                self.shuffle,
                targets.loss_parameter,
                targets.loss_unit,
                targets.random_biases,
            ),
            streams,
            previous,
            [*observers, *more_observers, *tasks, *_progress.progress(self.verbose)],
        )
        for name, value in self._attributes(targets, result).items():
            setattr(self, name, value)
        for task in tasks:
            task.end_fit_task()
        return result.interrupted

    def _validation_observer(
        self, validation: _Validation, targets: BaseTargets, early_stopping: bool, previous: Any
    ) -> Any:
        """Return the observer that scores each epoch's network, and stops early if that is wanted."""
        from moonnet.training import _early_stopping, _loop, _validation_set

        X, y, weight, _ = validation
        samples = _loop.Samples(X, targets.encode(y, X.dtype), weight)
        if not early_stopping:
            return _validation_set.ValidationObserver(samples, targets, self.activation)
        score = None if self.scoring == "loss" else self._score_of_weights(validation, targets)
        return _early_stopping.EarlyStopping(
            samples,
            targets,
            self.activation,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            score=score,
            previous=previous,
        )

    def _score_of_weights(self, validation: _Validation, targets: BaseTargets) -> Callable[[list[Any]], float]:
        """Return a function that scores an epoch's weights on the validation set, as the parameter ``scoring`` says."""
        from sklearn.metrics import check_scoring

        scorer = check_scoring(self, scoring=self.scoring)
        options = {"sample_weight": validation.weight} if validation.weighted else {}
        estimator = copy.copy(self)
        estimator.__dict__.pop("feature_names_in_", None)  # the set is an array by now

        def score(weights: list[np.ndarray]) -> float:
            estimator.__dict__.update(self._network_attributes(targets, weights))
            try:
                value = scorer(estimator, validation.X, validation.y, **options)
            except Exception as error:
                error.add_note(f"This was raised by the 'scoring' parameter, {self.scoring!r}.")
                raise
            if not isinstance(value, Real) or math.isnan(value):
                raise ValueError(
                    f"The 'scoring' parameter of {type(self).__name__} must give a number for the validation set. "
                    f"Got {value!r} from {self.scoring!r} instead."
                )
            return float(value)

        return score

    def _attributes(self, targets: Any, result: Any) -> dict[str, Any]:
        """Return what fit leaves on the estimator: arrays and plain values."""
        return self._network_attributes(targets, result.weights) | {
            "history_": result.history,
            "n_iter_": len(result.history["loss"]),
            "_checkpoint": result.checkpoint,
        }

    def _previous(self) -> Any:
        """Return what an earlier fit learned, in the form that training goes on from; None if there was none."""
        if not hasattr(self, "coefs_"):
            return None
        from moonnet.training import _loop

        return _loop.TrainingResult(self._training_weights, self.history_, self._checkpoint)

    @property
    def _weights(self) -> list[np.ndarray]:
        """Kernel and bias of each layer."""
        return [array for layer in zip(self.coefs_, self.intercepts_, strict=True) for array in layer]

    @property
    def _training_weights(self) -> list[np.ndarray]:
        """The same, as training left them."""
        return self._weights

    @property
    def _layer_sizes(self) -> tuple[int, ...]:
        """Features, units of each layer, outputs."""
        return (self.n_features_in_, *(len(intercept) for intercept in self.intercepts_))

    def _hidden_units(self) -> tuple[int, ...]:
        """Return hidden_layer_sizes as a tuple of int, checked."""
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

    # The learned network

    def _network(self, weights: list[np.ndarray]) -> dict[str, Any]:
        """Return the attributes of a network with these weights: arrays, and what describes it."""
        return {
            "coefs_": weights[::2],
            "intercepts_": weights[1::2],
            # Whatever set_params says later
            "_trained_with": {
                "activation": self.activation,
                "l2": float(self.l2),
                "dropout": float(self.dropout),
            },
        }

    def _new_model(self) -> Any:
        """Return a new Keras model of the network."""
        check_is_fitted(self)
        from moonnet.training import _network, engines

        engines.check_not_forked()
        engines.engine.check_not_traced("make model_")
        optimizer, learning_rate = _network.resolve_optimizer(self.optimizer, self.learning_rate)
        targets, described = self._targets, self._trained_with
        return _network.user_model(
            _network.NetworkSpec(self._layer_sizes, described["activation"], targets.loss),
            self._weights,
            optimizer.build(learning_rate),
            described["dropout"],
            targets.penalties(described["l2"], len(self.coefs_)),
            targets.model_parameter,
        )

    def _raw_predictions(self, X: ArrayLike) -> np.ndarray:
        """Return the output layer before its activation, shape (n_samples, n_outputs)."""
        check_is_fitted(self, "coefs_")
        if not self._needs_no_check(X):
            X = validate_data(self, X, accept_sparse="csr", reset=False, dtype=self.coefs_[0].dtype)
        return _numpy_forward.raw_predictions(X, self.coefs_, self.intercepts_, self._trained_with["activation"])

    def _needs_no_check(self, X: Any) -> bool:
        """Return whether scikit-learn's checks would return X as it is."""
        return (
            type(X) is np.ndarray
            and X.dtype == self.coefs_[0].dtype
            and X.ndim == 2
            and 0 < X.size <= _MOST_UNCHECKED
            and X.shape[1] == self.n_features_in_
            and not hasattr(self, "feature_names_in_")
            and bool(np.isfinite(X).all())
        )

    def __sklearn_tags__(self) -> Tags:
        """Return scikit-learn's tags: sparse X is supported."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _one_column_or_several(y: Any) -> np.ndarray:
    """Return y as a dense array, of one dimension unless it has several columns."""
    if sparse.issparse(y):
        y = y.toarray()
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y


@contextmanager
def _naming(argument: str) -> Iterator[None]:
    """Let an error that does not name the argument do so."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if argument in str(error):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"In {argument}: {error}") from error


def _counted(X: Any, y: np.ndarray, sample_weight: Any, balance: Balance | None) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return the samples that count, and their weights: weight 0 equals absence, also in the order of samples."""
    if sample_weight is None and balance is None:
        return X, y, np.broadcast_to(X.dtype.type(1), len(y))  # which takes no memory
    weight = effective_weights(check_sample_weight(sample_weight, X), balance, X.dtype)
    counted = weight > 0
    return (X, y, weight) if counted.all() else (X[counted], y[counted], weight[counted])


def _fit_arguments(X: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
    """Return the arguments of fit in the form in which scikit-learn hands them to callbacks."""
    return {"X": X, "y": y, "metadata": {} if sample_weight is None else {"sample_weight": sample_weight}}


def _entropy(random_state: int | np.random.RandomState | None) -> Any:
    """Return the seed of all a fit's randomness; None stands for fresh entropy, not for NumPy's global generator."""
    if isinstance(random_state, np.random.RandomState):
        return random_state.randint(2**32, size=4, dtype=np.uint32)
    return random_state
