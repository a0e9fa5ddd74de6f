"""The common base of both estimators: scikit-learn's interface around the training of a Keras network."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

import copy
import functools
import inspect
import math
import operator
import sys
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from moonnet._sklearn_compat import (
    InternalsMixin,
    Interval,
    Options,
    check_n_features,
    get_feature_names,
    with_callbacks,
)
from moonnet._unknown_keywords import explain
from moonnet.losses._loss import Objective
from moonnet.losses._user_loss import class_and_settings_of_loss, is_keras_loss
from moonnet.networks import (
    ACTIVATIONS,
    DenseStack,
    HiddenLayers,
    Network,
    State,
    function_and_arguments,
    layers_to_pickle,
    network_from_dict,
    remedy_for_layers,
    resolve_hidden_layers,
)
from moonnet.targets import BaseTargets
from moonnet.targets._sample_weights import ClassWeighting, drop_zero_weights
from moonnet.training._records import (
    Hyperparameters,
    LoopSettings,
    ProgramParameters,
    RandomStreams,
    Samples,
    TrainingResult,
)

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


# From the checked y, and the targets of the fit that is resumed or None, to the targets
InferTargets = Callable[[np.ndarray, Any], BaseTargets]


@dataclass(frozen=True, eq=False)
class _Task:
    """The arguments of fit or partial_fit, and what the method does with them."""

    X: Any
    y: Any
    sample_weight: Any
    infer_targets: InferTargets
    epochs: int
    resume: bool
    early_stopping: bool = False
    validation_set: tuple[Any, Any, Any] = (None, None, None)  # X_val, y_val, sample_weight_val
    # From the targets of the fit to observers, which run after validation and Keras callbacks
    make_observers: Sequence[Callable[[BaseTargets], Any]] = ()

    @property
    def fit_arguments(self) -> dict[str, Any]:
        """The arguments of fit as scikit-learn passes them to callbacks."""
        metadata = {} if self.sample_weight is None else {"sample_weight": self.sample_weight}
        return {"X": self.X, "y": self.y, "metadata": metadata}


@dataclass(frozen=True, eq=False)
class _WeightedSamples:
    """Checked samples of positive weight."""

    X: Any  # an array or CSR, in the dtype of training
    y: np.ndarray  # not encoded
    weight: np.ndarray
    has_weights: bool  # whether a scorer receives the weights

    def take(self, rows: np.ndarray) -> Self:
        """Return the samples of these rows."""
        return replace(self, X=self.X[rows], y=self.y[rows], weight=self.weight[rows])

    def encode(self, targets: BaseTargets) -> Samples:
        """Return the samples in the form that the network is trained on."""
        return Samples(self.X, targets.encode(self.y, self.X.dtype), self.weight)


@dataclass(frozen=True, eq=False)
class _Checked:
    """What a fit needs, after all checks."""

    training_set: _WeightedSamples
    validation_set: _WeightedSamples | None  # if it was passed
    targets: BaseTargets  # without statistics of y, unless training resumes
    network: Network
    previous: TrainingResult | None
    optimizer: Any  # training._optimizers.OptimizerSpec, whose module imports an engine
    learning_rate: float | None


@dataclass(frozen=True, eq=False)
class _Encoded:
    """What the network is trained on."""

    samples: Samples
    validation_set: _WeightedSamples | None  # passed or held out
    targets: BaseTargets
    streams: RandomStreams


class ExplainingEstimator(BaseEstimator, ABC):
    """Names what to use instead of unknown keywords; the decorator of the methods asks it, too."""

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
            if explanation := self._explain_keywords(unknown, "set_params", (), params):
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

    @abstractmethod
    def _explain_keywords(
        self, unknown: Iterable[str], method: str, arguments: Sequence[Any], keywords: Mapping[str, Any]
    ) -> str:
        """Return what to use instead of the unknown ones of a call's keywords; empty if this is not known."""


class BaseKerasMoon(InternalsMixin, ExplainingEstimator):
    """A small Keras network as a scikit-learn estimator; subclasses define the targets."""

    # "no_validation": training._optimizers checks these with Keras
    _parameter_constraints: ClassVar[dict] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "hidden_layers": "no_validation",
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
        hidden_layers: Any,
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
        self.hidden_layers = hidden_layers
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

    def _explain_keywords(
        self, unknown: Iterable[str], method: str, arguments: Sequence[Any], keywords: Mapping[str, Any]
    ) -> str:
        if method == "__init__":
            # The function may have been given as the other libraries have it
            given = [keywords.get(name) for name in ("hidden_layers", "model", "build_fn")]
            hidden_layers = next((value for value in (*given, *arguments) if value is not None), None)
        else:
            hidden_layers = keywords.get("hidden_layers", getattr(self, "hidden_layers", None))
        return explain(type(self), unknown, hidden_layers, method)

    loss: Any  # a parameter of each kind of estimator

    # Set by fit
    _network: Network
    _state: State
    _checkpoint: Any

    # What a kind of estimator adds

    _random_biases: ClassVar[bool] = False  # whether the hidden layers of a new network start with random biases

    @abstractmethod
    def _infer_targets(self, y: np.ndarray, previous: Any) -> BaseTargets:
        """Return the targets of y; ``previous`` are those of the fit that is resumed, or None. Raises ValueError."""

    @property
    @abstractmethod
    def _targets(self) -> BaseTargets:
        """The targets of the fitted network."""

    @abstractmethod
    def _objective(self, targets: Any) -> Objective:
        """Return what to minimise."""

    @property
    def _fitted_objective(self) -> Objective:
        """What the fitted network minimised."""
        return self._objective(self._targets)

    def _class_weighting(self, y: np.ndarray, targets: Any) -> ClassWeighting | None:
        """Return the function that applies class weights to sample weights; None without class weights."""
        return None

    # Training: check, encode, train, store

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        validation_set: tuple[Any, Any, Any] = (None, None, None),
        make_observers: Sequence[Callable[[Any], Any]] = (),
    ) -> Self:
        """Train for all epochs; ``make_observers`` make a ``training._loop.Observer`` each from the fitted targets."""
        task = _Task(
            X,
            y,
            sample_weight,
            self._infer_targets,
            epochs=self.epochs,
            resume=self.warm_start,
            early_stopping=self.early_stopping,
            validation_set=validation_set,
            make_observers=make_observers,
        )
        return self._warn_if_interrupted(self._run_task(task))

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, infer_targets: InferTargets) -> Self:
        """Train for one epoch on all samples."""
        task = _Task(X, y, sample_weight, infer_targets, epochs=1, resume=True)
        return self._warn_if_interrupted(self._run_task(task))

    def _warn_if_interrupted(self, interrupted: bool) -> Self:
        """Warn the caller of fit or partial_fit if Ctrl-C ended training.

        This comes last, so that the estimator is fitted even if warnings are errors.
        """
        if interrupted:
            warnings.warn(f"{_INTERRUPTED} after {self.n_iter_} epochs.", stacklevel=5)
        return self

    @restore_on_error
    @with_callbacks
    def _run_task(self, task: _Task) -> bool:
        """Check the parameters and the data, train, and return whether Ctrl-C ended training."""
        checked = self._check(task)
        encoded = self._encode(task, checked)
        result, sklearn_callbacks = self._train(task, checked, encoded)
        self._store(checked.network, encoded.targets, result)
        for observer in sklearn_callbacks:
            observer.end_fit_task()
        return result.interrupted

    def _check(self, task: _Task) -> _Checked:
        """Check the parameters and the arguments of fit."""
        self._check_parameters()
        previous = self._previous_result() if task.resume else None
        X, y = self._check_data(task.X, task.y, previous)
        targets = task.infer_targets(y, None if previous is None else self._targets)
        validation_set = self._check_validation_set(*task.validation_set, targets, X.dtype)
        class_weighting = self._class_weighting(y, targets)
        has_weights = task.sample_weight is not None or class_weighting is not None
        training_set = _WeightedSamples(*drop_zero_weights(X, y, task.sample_weight, class_weighting), has_weights)
        network = self._check_network(X.shape[1], targets, previous)
        network.check_samples(X)

        from moonnet.training import _optimizers, engines

        engines.check_usable()
        optimizer, learning_rate = _optimizers.resolve_optimizer(self.optimizer, self.learning_rate)
        return _Checked(training_set, validation_set, targets, network, previous, optimizer, learning_rate)

    def _encode(self, task: _Task, checked: _Checked) -> _Encoded:
        """Hold out samples if requested, and convert y to what the network is trained on."""
        training_set, validation_set, targets = checked.training_set, checked.validation_set, checked.targets
        if checked.previous is None:
            streams = RandomStreams.spawn(_entropy(self.random_state))
        else:
            streams = RandomStreams.resume(checked.previous.checkpoint["streams"])
        if validation_set is None and task.early_stopping:
            training_set, validation_set = self._hold_out(training_set, targets, streams.split_seed)
        if checked.previous is None:
            targets = targets.fit(training_set.y, training_set.weight, training_set.X.dtype)
        return _Encoded(training_set.encode(targets), validation_set, targets, streams)

    def _train(self, task: _Task, checked: _Checked, encoded: _Encoded) -> tuple[TrainingResult, list[Any]]:
        """Train the network; return the result, and the observer of scikit-learn's callbacks in a list if any."""
        from moonnet.training import _loop, _program_spec, _progress

        objective, samples = self._objective(encoded.targets), encoded.samples
        observers = []
        if encoded.validation_set is not None:
            observers.append(self._make_validation_observer(task, checked, encoded))
        if self.callbacks:
            from moonnet.training import _keras_callbacks

            observers.append(_keras_callbacks.KerasCallbacks(self.callbacks, objective))
        observers += [make(encoded.targets) for make in task.make_observers]
        sklearn_callbacks = self._make_sklearn_callbacks(task, checked.network, encoded.targets)
        may_pad = _program_spec.may_pad(checked.network, objective.loss)
        spec = _program_spec.ProgramSpec(
            checked.network,
            objective.loss,
            checked.optimizer,
            _loop.compiled_batch_size(int(self.batch_size), len(samples.y), may_pad=may_pad),
            dropout=self.dropout > 0,
            dtype=checked.optimizer.training_dtype(checked.network.compute_dtype(samples.X.dtype.name)),
        )
        result = _loop.train(
            spec,
            samples,
            Hyperparameters(
                ProgramParameters(checked.learning_rate, self.l2, self.dropout, objective.parameter),
                LoopSettings(int(task.epochs), self.shuffle, objective.scale),
            ),
            encoded.streams,
            checked.previous,
            [*observers, *sklearn_callbacks, *_progress.progress(self.verbose)],
        )
        return result, sklearn_callbacks

    def _store(self, network: Network, targets: BaseTargets, result: TrainingResult) -> None:
        """Set the fitted attributes."""
        for name, value in self._fitted_attributes(network, targets, result).items():
            setattr(self, name, value)

    def _check_parameters(self) -> None:
        name = type(self).__name__
        if remedy := remedy_for_layers(self.hidden_layer_sizes):  # a positional argument, as in SciKeras
            raise ValueError(
                f"The 'hidden_layer_sizes' parameter of {name} must hold integers of at least 1. "
                f"Got {self.hidden_layer_sizes!r} instead{remedy}."
            )
        if callable(self.activation):
            raise ValueError(
                f"The 'activation' parameter of {name} must be the name of a Keras activation. Got "
                f"{self.activation!r} instead: put other activations into 'hidden_layers'."
            )
        if not isinstance(self.callbacks, list | tuple | None):
            raise ValueError(
                f"The 'callbacks' parameter of {name} must be None or a list of instances of keras.callbacks.Callback. "
                f"Got {self.callbacks!r} instead: a list may hold a single callback."
            )
        self._validate_params()
        self._check_hidden_layer_sizes()
        if self.activation not in ACTIVATIONS:
            keras_name = {"logistic": "sigmoid", "identity": "linear"}.get(self.activation)  # of MLPClassifier's
            raise ValueError(
                f"The 'activation' parameter of {name} must be one of {sorted(ACTIVATIONS)}. "
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
        follows_x = previous is None or not isinstance(self._network, DenseStack)  # else the dtype of the first fit
        dtype = (np.float64, np.float32) if follows_x else self._state.dtype
        with explain_shapes(X, y):
            X, y = validate_data(
                self, X, y, accept_sparse="csr", multi_output=True, dtype=dtype, reset=previous is None
            )
        return X, ravel_single_column(y, "y")

    def _check_validation_set(
        self, X: Any, y: Any, sample_weight: Any, targets: BaseTargets, dtype: np.dtype
    ) -> _WeightedSamples | None:
        """Return the validation set that was passed to fit, or None; its columns and targets must be those of fit."""
        arguments = {"X_val": X, "y_val": y, "sample_weight_val": sample_weight}
        given = [name for name, value in arguments.items() if value is not None]
        if not given:
            return None
        for name in ("X_val", "y_val"):
            if arguments[name] is None:
                raise ValueError(f"{name} must be given together with {given[0]}. Got None instead.")
        with name_in_errors("X_val"), explain_shapes(X, y, suffix="_val"):
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
            return _WeightedSamples(*drop_zero_weights(array, y, sample_weight, None), sample_weight is not None)

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

    def _check_network(self, n_features: int, targets: BaseTargets, previous: TrainingResult | None) -> Network:
        """Return the network to train; a resumed training must not change its layers."""
        if self.hidden_layers is not None:
            return self._check_own_layers(n_features, targets, previous)
        layer_sizes = (n_features, *self._check_hidden_layer_sizes(), targets.n_outputs)
        if previous is not None and layer_sizes != getattr(self._network, "layer_sizes", None):
            raise ValueError(
                "The 'hidden_layer_sizes' parameter must not change when training is resumed. "
                f"Got {self.hidden_layer_sizes!r} for {self._network.describe()}."
            )
        return DenseStack(layer_sizes, self.activation, self._random_biases)

    def _check_own_layers(self, n_features: int, targets: BaseTargets, previous: TrainingResult | None) -> Network:
        """Return the network with the layers of ``hidden_layers``."""
        defaults = {p.name: p.default for p in inspect.signature(type(self)).parameters.values()}
        for name in ("hidden_layer_sizes", "activation", "dropout", "l2"):
            value, default = getattr(self, name), defaults.get(name, inspect.Parameter.empty)
            if default is not inspect.Parameter.empty and not np.array_equal(value, default):
                _, arguments = function_and_arguments(self.hidden_layers)
                remedy = f" The argument of the function is 'hidden_layers__{name}'." if name in arguments else ""
                raise ValueError(
                    f"The 'hidden_layers' and {name!r} parameters exclude each other: the layers have their own sizes, "
                    f"activations and regularization. Got {name}={value!r} together with hidden_layers.{remedy}"
                )
        from moonnet.training import engines

        engines.check_usable()
        scope = engines.engine.scope(None, "float64")
        network = resolve_hidden_layers(self.hidden_layers, n_features, targets.n_outputs, scope)
        if previous is not None and network.to_dict() != self._network.to_dict():
            raise ValueError(
                "The 'hidden_layers' parameter must not change when training is resumed. "
                f"Got other layers or settings, {network.describe()} instead of {self._network.describe()}."
            )
        return network

    def _hold_out(
        self, samples: _WeightedSamples, targets: BaseTargets, seed: int
    ) -> tuple[_WeightedSamples, _WeightedSamples]:
        """Return the samples to train on, and the held-out samples."""
        from moonnet.training import _validation_set

        labels = targets.stratify_labels(samples.y)
        train, held_out = _validation_set.hold_out(len(samples.y), self.validation_fraction, labels, seed)
        return samples.take(train), samples.take(held_out)

    def _make_sklearn_callbacks(self, task: _Task, network: Network, targets: BaseTargets) -> list[Any]:
        """Return the observer that runs scikit-learn's callbacks, in a list that is empty without callbacks."""
        from moonnet.training import _sklearn_callbacks

        context = self._callback_context(int(task.epochs))
        if context is None:
            return []
        attributes = partial(self._fitted_attributes, network, targets)
        return [_sklearn_callbacks.SklearnCallbacks(context, {"estimator": self, **task.fit_arguments}, attributes)]

    def _make_validation_observer(self, task: _Task, checked: _Checked, encoded: _Encoded) -> Any:
        """Return the observer that scores the network after each epoch, and stops training if requested."""
        from moonnet.training import _early_stopping, _validation_set

        validation_set: Any = encoded.validation_set
        samples = validation_set.encode(encoded.targets)
        if not task.early_stopping:
            return _validation_set.ValidationObserver(samples)
        score = None
        if self.scoring != "loss":
            score = self._make_score_function(validation_set, checked.network, encoded.targets)
        return _early_stopping.EarlyStopping(
            samples, tol=self.tol, n_iter_no_change=self.n_iter_no_change, score=score, previous=checked.previous
        )

    def _make_score_function(
        self, validation_set: _WeightedSamples, network: Network, targets: BaseTargets
    ) -> Callable[[State], float]:
        """Return a function that scores a state on the validation set with the scorer of ``scoring``."""
        from sklearn.metrics import check_scoring

        scorer = check_scoring(self, scoring=self.scoring)
        X, y = validation_set.X, validation_set.y
        options = {"sample_weight": validation_set.weight} if validation_set.has_weights else {}
        estimator = copy.copy(self)
        estimator.__dict__.pop("feature_names_in_", None)  # X of the validation set is an array
        # For errors: most scores are undefined for a single sample, and some without samples of each class
        absent_labels = targets.describe_absent_labels(y)
        described_set = f"the validation set of {len(y)} sample{'s' * (len(y) > 1)}{absent_labels}"
        remedy = ""
        if absent_labels or len(y) == 1:
            samples = "samples of every label" if absent_labels else "more samples"
            remedy = f" Pass X_val and y_val with {samples}, or use scoring='loss'."

        def score(state: State) -> float:
            estimator.__dict__.update(self._prediction_attributes(network, targets, state))
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

    def _fitted_attributes(self, network: Network, targets: Any, result: TrainingResult) -> dict[str, Any]:
        """Return all attributes that fit sets."""
        return self._prediction_attributes(network, targets, result.state) | {
            "history_": result.history,
            "n_iter_": len(result.history["loss"]),
            "best_iteration_": result.best_epoch,
            "best_validation_score_": result.best_score,
            "_checkpoint": result.checkpoint,
        }

    def _prediction_attributes(self, network: Network, targets: Any, state: State) -> dict[str, Any]:
        """Return the fitted attributes that predictions need."""
        # Parameters as they were in fit: set_params may change them later
        trained_with = {"l2": float(self.l2), "dropout": float(self.dropout)}
        return {"_network": network, "_state": state, "_trained_with": trained_with}

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Kernel of each layer, of shapes (n_features, n_units), (n_units, n_units) and so on.

        A network with ``hidden_layers`` has no such attribute: its arrays are those of ``model_``.
        """
        self._check_dense_stack("coefs_")
        return DenseStack.coefs(self._state_in_unit())

    @coefs_.setter
    def coefs_(self, coefs: Sequence[np.ndarray]) -> None:
        self._set_state_in_unit(DenseStack.join(coefs, self.intercepts_))

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Bias of each layer, of shape (n_units,).

        A network with ``hidden_layers`` has no such attribute: its arrays are those of ``model_``.
        """
        self._check_dense_stack("intercepts_")
        return DenseStack.intercepts(self._state_in_unit())

    @intercepts_.setter
    def intercepts_(self, intercepts: Sequence[np.ndarray]) -> None:
        self._set_state_in_unit(DenseStack.join(self.coefs_, intercepts))

    def _check_dense_stack(self, attribute: str) -> None:
        """Raise AttributeError if the network has no such attribute, because its layers are a user's own."""
        self._fitted_state()
        if not isinstance(self._network, DenseStack):
            raise AttributeError(
                f"A network with hidden_layers has no {attribute}, because its layers may have any arrays. See "
                "model_.layers."
            )

    def _state_in_unit(self) -> State:
        """Return the state of the network whose outputs are in the unit of y. Raises NotFittedError."""
        return self._fitted_state()

    def _fitted_state(self) -> State:
        """Return the state of the network as it was trained. Raises NotFittedError."""
        if not hasattr(self, "_state"):  # scikit-learn's check by itself takes longer
            check_is_fitted(self, "_state")
        return self._state

    def _set_state_in_unit(self, state: State) -> None:
        """Replace the weights by those of a network whose outputs are in the unit of y, whose layers may be smaller."""
        if not state.equals(self._state):  # then training resumes with these weights, not with those of the last step
            self._checkpoint = self._checkpoint | {"weights": None}
        assert isinstance(self._network, DenseStack)  # only its arrays can be set
        self._network, self._state = self._network.with_layers_of(state), state

    def _drop_optimizer_state(self) -> None:
        """Keep only what predictions need, and the random state: training resumes with a new optimizer."""
        self._checkpoint = self._checkpoint | {"weights": None, "optimizer_state": []}

    def _previous_result(self) -> TrainingResult | None:
        """Return the result of the previous fit, from which training resumes; None if there was no fit."""
        if not hasattr(self, "_state"):
            return None
        return TrainingResult(
            self._state, self.history_, self._checkpoint, self.best_iteration_, self.best_validation_score_
        )

    @property
    def loss_(self) -> float:
        """Training loss of the last epoch: ``history_["loss"][-1]``, NaN if there was none."""
        self._fitted_state()
        return self.history_["loss"][-1] if self.n_iter_ else math.nan

    @property
    def n_layers_(self) -> int:
        """Number of layers, including the input layer."""
        self._fitted_state()
        return self._network.n_layers

    @property
    def n_outputs_(self) -> int:
        """Number of units in the output layer."""
        self._fitted_state()
        return self._network.n_outputs

    @property
    def out_activation_(self) -> str:
        """Name of the Keras activation of the output layer."""
        self._fitted_state()
        return self._fitted_objective.loss.output_activation

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
        state = self._state_in_unit()
        from moonnet.training import _keras_models, _optimizers, engines

        engines.check_usable()
        engines.engine.check_not_traced("make model_")
        optimizer, learning_rate = _optimizers.resolve_optimizer(self.optimizer, self.learning_rate)
        objective = self._fitted_objective
        l2 = self._trained_with["l2"] * objective.scale
        return _keras_models.user_model(
            self._network,
            state,
            replace(objective, rescaling=None),  # the weights are those in the unit of y
            optimizer.build(learning_rate),
            _keras_models.Regularization(self._trained_with["dropout"], l2, l2 / objective.squared_output_unit),
        )

    def _raw_predictions(self, X: ArrayLike) -> np.ndarray:
        """Return the outputs before the last activation, shape (n_samples, n_outputs)."""
        state = self._fitted_state()
        if not self._is_already_valid(X):
            with explain_shapes(X):
                X = validate_data(self, X, accept_sparse="csr", reset=False, dtype=state.dtype)
        if self._network.predicts_in_numpy:
            return self._network.raw_predictions(X, state)
        from moonnet.training import _compiled_prediction

        return _compiled_prediction.raw_predictions(self._network, X, state)

    def _is_already_valid(self, X: Any) -> bool:
        """Return whether scikit-learn's checks would return X unchanged."""
        return (
            type(X) is np.ndarray
            and X.dtype == self._state.dtype
            and X.ndim == 2
            and 0 < X.size <= _MAX_FAST_CHECK_SIZE
            and X.shape[1] == self.n_features_in_
            and not hasattr(self, "feature_names_in_")
            and bool(np.isfinite(X).all())
        )

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted estimator with the same parameters, and with the same callbacks instead of deep copies.

        A callback may refer to what must not be copied, such as the trial of a study. Layers and a Keras loss are the
        same, too: they do not change.
        """
        template = copy.copy(self)
        template.callbacks = template.optimizer = template.hidden_layers = template.loss = None
        cloned = super(BaseKerasMoon, template).__sklearn_clone__()
        settings = self._optimizer_settings()
        # A subclass may fix parameters in its __init__
        parameters = {
            "callbacks": copy.copy(self.callbacks),
            "optimizer": clone(self.optimizer, safe=False) if settings is None else _make(*settings),
            "hidden_layers": _cloned_layers(self.hidden_layers),
            "loss": self.loss,
        }
        return cloned.set_params(
            **{name: parameters[name] for name in parameters.keys() & cloned.get_params(deep=False)}
        )

    def __dir__(self) -> list[str]:
        """Return the names of the attributes that the estimator has now, as scikit-learn does.

        It tries each one, but making ``model_`` takes time: completing a name and converting to ONNX need not do it.
        """
        is_fitted = hasattr(self, "_state")
        return [name for name in object.__dir__(self) if (is_fitted if name == "model_" else hasattr(self, name))]

    def __copy__(self) -> Self:
        """Return an estimator with the same attributes.

        scikit-learn makes such a copy for its callbacks after each epoch, which must not create an optimizer.
        """
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle: of a fitted network, arrays and plain values.

        The class and the settings of an optimizer or a loss replace the instance: Keras saves one like a model, for
        which it imports TensorFlow on JAX.
        """
        state = super().__getstate__()
        settings = self._optimizer_settings()
        if settings is not None:
            state |= {"optimizer": None, "_optimizer_settings": settings}
        if "keras" in sys.modules and is_keras_loss(self.loss):
            state |= {"loss": None, "_loss_settings": class_and_settings_of_loss(self.loss)}
        if self.hidden_layers is not None:
            state["hidden_layers"] = layers_to_pickle(self.hidden_layers, state.get("_network"))
        if "_state" in state:
            state |= {"_network": self._network.to_dict(), "_state": dict(vars(self._state))}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state of a pickle, also of one of version 0.1, which lacks some attributes."""
        state = {"scoring": "loss", "hidden_layers": None, "loss": None} | state
        for name in ("optimizer", "loss"):
            if f"_{name}_settings" in state:
                state[name] = _make(*state.pop(f"_{name}_settings"))
        if "coefs_" in state:
            state |= self._attributes_of_version_0_1(state.pop("coefs_"), state.pop("intercepts_"), state)
        elif "_state" in state:
            state |= {"_network": network_from_dict(state["_network"]), "_state": State(**state["_state"])}
        super().__setstate__(state)
        if "history_" in state and "best_iteration_" not in state:
            self.best_iteration_, self.best_validation_score_ = self._find_best_epoch()

    def _attributes_of_version_0_1(self, coefs: Any, intercepts: Any, state: dict[str, Any]) -> dict[str, Any]:
        """Return the attributes that have replaced those of a fitted network in a pickle of version 0.1."""
        trained_with, weights = dict(state["_trained_with"]), DenseStack.join(coefs, intercepts)
        network = DenseStack((), trained_with.pop("activation"), self._random_biases).with_layers_of(weights)
        return {"_network": network, "_state": weights, "_trained_with": trained_with}

    def _optimizer_settings(self) -> tuple[Any, dict[str, Any]] | None:
        """Return the class and the settings of an optimizer instance; None if the optimizer is copied otherwise."""
        if "keras" not in sys.modules or isinstance(self.optimizer, str):
            return None
        from moonnet.training import _optimizers

        return _optimizers.class_and_settings_to_pickle(self.optimizer)

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


def _cloned_layers(hidden_layers: Any) -> Any:
    """Return the parameter of a clone: with arguments of its own, which set_params changes."""
    return clone(hidden_layers) if isinstance(hidden_layers, HiddenLayers) else hidden_layers


def _make(cls: Any, settings: dict[str, Any]) -> Any:
    """Return a new optimizer or loss of a class of Keras."""
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
def explain_shapes(X: Any, y: Any = None, *, suffix: str = "") -> Iterator[None]:
    """Say in errors what to do with X or y of more than two dimensions, and with several inputs of a network.

    The suffix follows the names X and y.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        if isinstance(X, dict) or (y is not None and _are_several_inputs(X, y)):
            raise TypeError(
                f"X{suffix} must be a single array or dataframe. Got a {type(X).__name__} of {len(X)} inputs: pass "
                "their columns side by side, and take them apart in a function for HiddenLayers, as inputs[:, :3]."
            ) from error
        shape = _shape_of(X)
        if len(shape) > 2:
            images = f", or Reshape({(*shape[1:], 1)}) for images," if len(shape) == 3 else ""
            raise ValueError(
                f"X{suffix} must have the shape (n_samples, n_features). Got the shape {shape}: pass "
                f"X{suffix}.reshape(len(X{suffix}), -1). hidden_layers can begin with keras.layers.Reshape({shape[1:]})"
                f"{images} to undo this."
            ) from error
        shape = () if y is None else _shape_of(y)
        if len(shape) > 2:
            raise ValueError(
                f"y{suffix} must have the shape (n_samples,) or (n_samples, n_outputs). Got the shape {shape}."
            ) from error
        raise


def _are_several_inputs(X: Any, y: Any) -> bool:
    """Return whether X is a list of arrays, each of them with a row for each element of y."""
    if not isinstance(X, list | tuple) or not hasattr(y, "__len__") or len(X) == len(y):
        return False
    return all(hasattr(part, "shape") and len(part.shape) > 0 and part.shape[0] == len(y) for part in X)


def _shape_of(value: Any) -> tuple[int, ...]:
    """Return the shape of an array, a tensor or nested lists; empty if there is none."""
    try:
        return tuple(value.shape) if hasattr(value, "shape") else np.shape(value)
    except ValueError:  # of lists of different lengths
        return ()


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


def _entropy(random_state: int | np.random.RandomState | None) -> Any:
    """Return the seed of all random streams; None means fresh entropy and not NumPy's global generator."""
    if isinstance(random_state, np.random.RandomState):
        return random_state.randint(2**32, size=4, dtype=np.uint32)
    return random_state
