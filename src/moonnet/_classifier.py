"""KerasMoonClassifier: scikit-learn's contract around a Keras network; the arithmetic lives elsewhere."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

import copy
import functools
import math
import operator
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d, validate_data

from moonnet import _forward, _targets
from moonnet._sklearn import InternalsMixin, Interval, Options, StrOptions, check_sample_weight, with_callbacks

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
    y: np.ndarray  # labels
    weight: np.ndarray
    weighted: bool  # whether there are weights that a scorer should know of


class KerasMoonClassifier(InternalsMixin, ClassifierMixin, BaseEstimator):
    """A small Keras network, Dense 50-20-1 unless told otherwise, as a scikit-learn classifier.

    A real Keras model, optimizer and loss train in one compiled loop over many steps, so that a fit of a few hundred
    samples takes milliseconds; predictions are NumPy. The fitted estimator holds arrays only, and its Keras model is
    there on request as ``model_``.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int or int, default=(50, 20)
        Units of each hidden Dense layer, each at least 1. An empty tuple leaves the output layer alone, which is
        logistic regression.

    activation : str, default="relu"
        Name of a Keras activation for the hidden layers: ``"relu"``, ``"tanh"``, ``"sigmoid"``, ``"gelu"``, ... An
        unknown name raises an error that lists those known.

    dropout : float, default=0.0
        Rate of the Dropout after each hidden layer, in [0, 1).

    l2 : float, default=0.0
        Factor of the L2 penalty on all kernels, as ``keras.regularizers.L2`` counts it: ``l2 * sum(kernel ** 2)``.
        The losses in ``history_`` contain the penalty, as in Keras.

    optimizer : str or keras.optimizers.Optimizer, default="rmsprop"
        Name of a Keras optimizer, in lower case, or an unbuilt instance, whose settings are read and which is never
        changed.

    learning_rate : float or keras.optimizers.schedules.LearningRateSchedule, default=None
        Positive step size, or a schedule over steps. None leaves the optimizer's own.

    batch_size : int, default=50
        Samples in a step, at least 1. The last batch of an epoch may be smaller.

    epochs : int, default=100
        How often the samples are gone through, at least 1.

    shuffle : bool, default=True
        Whether to draw a new order of the samples for each epoch.

    class_weight : dict, "balanced" or None, default=None
        Weights by label, which multiply ``sample_weight``; labels left out have weight 1. ``"balanced"`` gives each
        class the same total weight. Where samples may have several labels, it multiplies the weights of all labels,
        and a dict is not possible.

    early_stopping : bool, default=False
        Whether to score the network after each epoch on samples that it does not train on, stop when it gets no
        better, and keep the weights of the best epoch. These samples are fit's ``X_val`` and ``y_val``, or are held out
        of X and y.

    validation_fraction : float, default=0.1
        Share of the samples to hold out, in (0, 1), stratified by class (unless samples may have several labels). At
        least as many samples are held out as there are classes, and one sample of each class is left to train on.
        Not used where fit is given ``X_val``.

    scoring : str or callable, default="loss"
        What early stopping monitors. ``"loss"`` minimises the validation loss. The name of a scorer (``"roc_auc"``,
        ``"f1_macro"``, ...) or a callable ``scorer(estimator, X, y)`` maximises that score. X is an array or CSR, and
        where samples or classes have weights, the scorer is given them as ``sample_weight``.

    n_iter_no_change : int, default=10
        Epochs that may pass without an improvement by ``tol`` on the best one, at least 1.

    tol : float, default=1e-4
        By how much the validation loss, in nats, has to come below the best one, or the score above it, at least 0.

    callbacks : list of keras.callbacks.Callback or None, default=None
        Keras callbacks. They see a live, compiled Keras model with the network's weights and optimizer, may change
        these and the learning rate, and may stop the training. Each fit trains with copies, so that these here stay as
        they are. With early stopping, validation comes first: the weights kept are those that were scored, and the
        hooks of validation (``on_test_begin``, ...) are not called. Callbacks of scikit-learn go to
        :meth:`set_callbacks`.

    warm_start : bool, default=False
        Whether fit trains the network of an earlier fit further, for ``epochs`` more epochs, with the optimizer and the
        random streams as they were left: 60 epochs and then 40 give the same bits as 100 (callbacks begin anew in each
        fit). Layers and classes must be the same. Another optimizer begins afresh, also one whose learning rate becomes
        a schedule.

    verbose : {0, 1, 2}, default=0
        0 prints nothing, 1 shows one progress bar for the fit (ten lines where the output is no terminal), 2 prints a
        line an epoch.

    random_state : int, RandomState instance or None, default=None
        Decides initial weights, order of the samples, dropout masks and which samples are held out. With an int, each
        fit gives the same bits, on one machine and one backend of Keras. None takes fresh entropy from the operating
        system: no global generator is used.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted. Where samples may have several labels, the numbers of y's columns.

    coefs_ : list of ndarray
        Kernel of each layer, shapes (n_features, n_units), (n_units, n_units), ... in the float type of X.

    intercepts_ : list of ndarray
        Bias of each layer, shape (n_units,).

    history_ : dict of str to list of float
        ``"loss"`` (nats) and ``"accuracy"`` (a share in [0, 1]) of each epoch: means over the epoch's batches while
        the weights were changing, weighted by the samples. With early stopping or ``X_val`` also ``"val_loss"`` and
        ``"val_accuracy"``: those of the validation set, after the epoch; NaN for epochs trained without. Where early
        stopping watches a score, it is ``"val_score"``. Fits that go on with a network add to its history. Where
        samples may have several labels, accuracy counts labels.

    model_ : keras.Sequential
        The learned network as a new, compiled Keras model at each access: keep it before training or saving it.

    n_iter_ : int
        Epochs run, those of earlier fits included where a training went on.

    n_features_in_ : int
        Columns of X in fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X had names that are all strings.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : scikit-learn's own network.

    Notes
    -----
    Training runs on Keras's backend, TensorFlow or JAX (``KERAS_BACKEND``), on the CPU unless a ``keras.device`` scope
    names another device. On a GPU, bits may differ between fits.

    X in float32 is trained on and predicted in float32, everything else in float64. (Keras's Muon trains in float32
    alone; its weights are converted.)

    The weights of a batch are divided by their sum, so that weight 0 equals absence, and weight 2 a sample that stands
    there twice.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from moonnet import KerasMoonClassifier
    >>> X, y = make_moons(200, noise=0.2, random_state=0)
    >>> clf = KerasMoonClassifier(random_state=0).fit(X, y)
    >>> clf.score(X, y) > 0.85
    True
    >>> clf.predict([[-2.0, 2.0]])
    array([0])
    >>> clf.predict_proba(X[:3]).shape
    (3, 2)
    """

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
        "class_weight": [dict, StrOptions({"balanced"}), None],
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
        hidden_layer_sizes: Sequence[int] | int = (50, 20),
        *,
        activation: str = "relu",
        dropout: float = 0.0,
        l2: float = 0.0,
        optimizer: Any = "rmsprop",
        learning_rate: Any = None,
        batch_size: int = 50,
        epochs: int = 100,
        shuffle: bool = True,
        class_weight: dict | str | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        scoring: str | Callable[..., float] = "loss",
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        callbacks: Sequence[Any] | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
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
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

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
        """Train a new network, or with ``warm_start`` an earlier one further.

        Ctrl-C ends the training with a warning, and the estimator is what the epochs until then made of it.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Finite numbers: an array, a nested list, a pandas or polars DataFrame, a SciPy sparse array or matrix, of
            which never more than a block is made dense.

        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels of at least two classes: numbers, strings or booleans. Or a column of 0 and 1 for each label, where
            samples may have several; also as a sparse matrix.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of at least 0, not all of them 0. None weighs each sample 1.

        X_val : array-like or sparse matrix of shape (n_val_samples, n_features), default=None
            A validation set of your own, in the columns of X. The network is scored on it after each epoch.
            ``history_`` holds the figures, and early stopping monitors them instead of holding samples out. In a
            pipeline, ``Pipeline(..., transform_input=["X_val"])`` transforms it as it does X.

        y_val : array-like of shape (n_val_samples,) or (n_val_samples, n_labels), default=None
            Labels of ``X_val``. Each must occur in y; some of y may be missing.

        sample_weight_val : array-like of shape (n_val_samples,), default=None
            Weights of ``X_val``, of at least 0, not all of them 0. ``class_weight`` does not count here.

        Returns
        -------
        self : KerasMoonClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or an argument is not what is described here, or if training diverges to a loss or weights
            that are not finite. What an earlier fit learned stays as it was.

        TypeError
            If X, sample_weight or what validates has a type that cannot be numbers, or y labels that cannot be sorted.

        RuntimeError
            In a process that was forked from one that has trained, or if Keras's backend is PyTorch.

        ImportError
            If Keras's backend is JAX, which is not installed.

        Warns
        -----
        UserWarning
            If the training was interrupted by Ctrl-C.
        """
        interrupted = self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self._warn_if(interrupted)

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch on these samples, with the network, optimizer and random streams as they were left.

        Nothing is held out, whatever ``early_stopping`` says, and ``class_weight="balanced"`` balances the samples of
        this call.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            As in fit.

        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            As in fit, but not every class need be there.

        classes : array-like of shape (n_classes,), default=None
            All labels that y will hold in any call: required in the first, unless y has a column for each label.

        sample_weight : array-like of shape (n_samples,), default=None
            As in fit.

        Returns
        -------
        self : KerasMoonClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            As fit does; or if ``classes`` is missing in the first call or another one later, or if y holds other
            labels.

        TypeError, RuntimeError, ImportError
            As fit does.
        """
        interrupted = self._partial_fit(X, y, classes, sample_weight)
        return self._warn_if(interrupted)

    def _warn_if(self, interrupted: bool) -> Self:
        """Warn the caller of fit or partial_fit if Ctrl-C ended the training.

        This comes last, so that the fitted attributes stay where warnings are errors.
        """
        if interrupted:
            warnings.warn(f"Training interrupted by user after {self.n_iter_} epochs.", stacklevel=3)
        return self

    @_all_or_nothing
    @with_callbacks
    def _fit(self, X: Any, y: Any, sample_weight: Any, validation_set: tuple[Any, Any, Any]) -> bool:
        self._check_parameters()
        fit_arguments = _fit_arguments(X, y, sample_weight)
        previous = self._previous() if self.warm_start else None
        X, y = self._check_data(X, y, previous)
        labels = _targets.Labels.of(y)
        if previous is not None and not labels.equal(self._labels):
            raise ValueError(
                f"y must hold the labels of the earlier fit, which warm_start goes on with: {self._labels}. "
                f"Got {labels} instead."
            )
        validation = self._check_validation_set(*validation_set, labels, X.dtype)
        early_stopping = bool(self.early_stopping)
        return self._train(X, y, labels, int(self.epochs), early_stopping, validation, previous, fit_arguments)

    @_all_or_nothing
    @with_callbacks
    def _partial_fit(self, X: Any, y: Any, classes: Any, sample_weight: Any) -> bool:
        self._check_parameters()
        fit_arguments = _fit_arguments(X, y, sample_weight)
        previous = self._previous()
        X, y = self._check_data(X, y, previous)
        announced = None if classes is None else _targets.Labels.among(classes, "classes")
        if previous is not None:
            labels = self._labels
        elif y.ndim == 2:
            labels = _targets.Labels.of(y)
        elif announced is not None:
            labels = announced
        else:
            raise ValueError("classes must be given in the first call to partial_fit. Got None instead.")
        if announced is not None and not np.array_equal(announced.classes, labels.classes):
            raise ValueError(f"classes must be {labels.classes.tolist()} or None. Got {classes!r} instead.")
        labels.check(y, remedy=" Every class that a block may hold must be among the classes of the first call.")
        return self._train(X, y, labels, 1, False, None, previous, fit_arguments)

    def _check_parameters(self) -> None:
        self._validate_params()
        self._hidden_units()
        if self.activation not in _forward.ACTIVATIONS:
            raise ValueError(
                f"The 'activation' parameter of KerasMoonClassifier must be one of {sorted(_forward.ACTIVATIONS)}. "
                f"Got {self.activation!r} instead."
            )
        if isinstance(self.scoring, str) and self.scoring != "loss":
            from sklearn.metrics import get_scorer_names

            if self.scoring not in get_scorer_names():
                raise ValueError(
                    "The 'scoring' parameter of KerasMoonClassifier must be 'loss', the name of a scorer (see "
                    f"sklearn.metrics.get_scorer_names) or a callable. Got {self.scoring!r} instead."
                )

    def _check_data(self, X: Any, y: Any, previous: Any) -> tuple[Any, np.ndarray]:
        """Return X as an array or CSR, y as an array; a training that goes on does so in its own float type."""
        dtype = (np.float64, np.float32) if previous is None else self.coefs_[0].dtype
        X, y = validate_data(self, X, y, accept_sparse="csr", multi_output=True, dtype=dtype, reset=previous is None)
        return X, _dense_labels(y)

    def _check_validation_set(
        self, X: Any, y: Any, sample_weight: Any, labels: _targets.Labels, dtype: np.dtype
    ) -> _Validation | None:
        """Return the caller's validation set, of the columns and labels that are trained on; None if there is none."""
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
            y = _dense_labels(check_array(y, accept_sparse="csr", ensure_2d=False, dtype=None, input_name="y_val"))
            labels.check(y, "y_val")
        if array.shape[0] != len(y):
            raise ValueError(f"X_val and y_val must hold as many samples. Got {array.shape[0]} and {len(y)}.")
        with _naming("sample_weight_val"):
            return _Validation(*_counted(array, y, labels, sample_weight, None), sample_weight is not None)

    def _train(
        self,
        X: Any,
        y: np.ndarray,
        labels: _targets.Labels,
        epochs: int,
        early_stopping: bool,
        validation: _Validation | None,
        previous: Any,
        fit_arguments: dict[str, Any],
    ) -> bool:
        """Train on checked X and y and set the fitted attributes; return whether Ctrl-C ended the training.

        ``fit_arguments`` are the caller's, as scikit-learn's callbacks get them.
        """
        sample_weight = fit_arguments["metadata"].get("sample_weight")
        weighted = sample_weight is not None or self.class_weight is not None
        X, y, weight = _counted(X, y, labels, sample_weight, self.class_weight)
        layer_sizes = (X.shape[1], *self._hidden_units(), labels.n_outputs)
        if previous is not None and layer_sizes != self._layer_sizes:
            raise ValueError(
                "The 'hidden_layer_sizes' parameter must stay as it is while a training goes on. "
                f"Got {self.hidden_layer_sizes!r} for a network of {self._layer_sizes[1:-1]}."
            )

        from moonnet.training import _callbacks, _loop, _network, _program, _progress, _validation, engines

        engines.check_not_forked()
        optimizer, learning_rate = _network.resolve_optimizer(self.optimizer, self.learning_rate)
        if previous is None:
            streams = _loop.Streams.spawn(_entropy(self.random_state))
        else:
            streams = _loop.Streams.resume(previous.checkpoint["streams"])
        if validation is None and early_stopping:
            train, held_out = _validation.hold_out(y, self.validation_fraction, not labels.multilabel, streams.split)
            validation = _Validation(X[held_out], y[held_out], weight[held_out], weighted)
            X, y, weight = X[train], y[train], weight[train]
        samples = _loop.Samples(X, labels.encode(y, X.dtype), weight)
        observers: list[Any] = []
        if validation is not None:
            observers.append(self._validation_observer(validation, labels, early_stopping, previous))
        if self.callbacks:
            observers.append(_callbacks.KerasCallbacks(self.callbacks))
        tasks = []
        if (context := self._callback_context(epochs)) is not None:
            arguments = {"estimator": self, **fit_arguments}
            tasks.append(_callbacks.FitTasks(context, arguments, lambda result: self._attributes(labels, result)))
        spec = _program.ProgramSpec(
            _network.NetworkSpec(layer_sizes, self.activation, labels.loss),
            optimizer,
            _loop.batch_rows(int(self.batch_size), len(samples.y)),
            dropout=self.dropout > 0,
            dtype=optimizer.training_dtype(X.dtype.name),
        )
        result = _loop.train(
            spec,
            samples,
            _loop.Hyperparameters(learning_rate, self.l2, self.dropout, epochs, self.shuffle),
            streams,
            previous,
            [*observers, *tasks, *_progress.progress(self.verbose)],
        )
        for name, value in self._attributes(labels, result).items():
            setattr(self, name, value)
        for task in tasks:
            task.fit_ends()
        return result.interrupted

    def _validation_observer(
        self, validation: _Validation, labels: _targets.Labels, early_stopping: bool, previous: Any
    ) -> Any:
        """Return the observer that scores each epoch's network, and stops early if that is wanted."""
        from moonnet.training import _loop, _validation

        X, y, weight, _ = validation
        samples = _loop.Samples(X, labels.encode(y, X.dtype), weight)
        if not early_stopping:
            return _validation.Validation(samples, labels, self.activation)
        score = None if self.scoring == "loss" else self._score_of_weights(validation, labels)
        return _validation.EarlyStopping(
            samples,
            labels,
            self.activation,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            score=score,
            previous=previous,
        )

    def _score_of_weights(self, validation: _Validation, labels: _targets.Labels) -> Callable[[list[Any]], float]:
        """Return a function that scores an epoch's weights on the validation set, as the parameter ``scoring`` says."""
        from sklearn.metrics import check_scoring

        scorer = check_scoring(self, scoring=self.scoring)
        options = {"sample_weight": validation.weight} if validation.weighted else {}
        estimator = copy.copy(self)
        estimator.__dict__.pop("feature_names_in_", None)  # the set is an array by now

        def score(weights: list[np.ndarray]) -> float:
            estimator.__dict__.update(self._network_attributes(labels, weights))
            value = scorer(estimator, validation.X, validation.y, **options)
            if not isinstance(value, Real) or math.isnan(value):
                raise ValueError(
                    "The 'scoring' parameter of KerasMoonClassifier must give a number for the validation set. "
                    f"Got {value!r} from {self.scoring!r} instead."
                )
            return float(value)

        return score

    def _attributes(self, labels: _targets.Labels, result: Any) -> dict[str, Any]:
        """Return what fit leaves on the estimator: arrays and plain values."""
        return self._network_attributes(labels, result.weights) | {
            "history_": result.history,
            "n_iter_": len(result.history["loss"]),
            "_checkpoint": result.checkpoint,
        }

    def _network_attributes(self, labels: _targets.Labels, weights: list[np.ndarray]) -> dict[str, Any]:
        """Return what it takes to predict."""
        return {
            "classes_": labels.classes,
            "coefs_": weights[::2],
            "intercepts_": weights[1::2],
            # What describes this network, whatever set_params says later
            "_trained_with": {
                "activation": self.activation,
                "l2": float(self.l2),
                "dropout": float(self.dropout),
                "multilabel": labels.multilabel,
            },
        }

    def _previous(self) -> Any:
        """Return what an earlier fit learned, in the form that training goes on from; None if there was none."""
        if not hasattr(self, "coefs_"):
            return None
        from moonnet.training import _loop

        return _loop.TrainingResult(self._weights, self.history_, self._checkpoint)

    @property
    def _weights(self) -> list[np.ndarray]:
        """Kernel and bias of each layer."""
        return [array for layer in zip(self.coefs_, self.intercepts_, strict=True) for array in layer]

    @property
    def _layer_sizes(self) -> tuple[int, ...]:
        """Features, units of each layer, outputs."""
        return (self.n_features_in_, *(len(intercept) for intercept in self.intercepts_))

    @property
    def _labels(self) -> _targets.Labels:
        """The labels that were learned."""
        return _targets.Labels(self.classes_, self._trained_with["multilabel"])

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return the most probable label of each sample, or all labels that it has.

        With two classes that is ``classes_[1]`` where its probability exceeds 0.5. Where samples may have several
        labels, it is each whose probability exceeds 0.5.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Finite numbers, in the columns of fit.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Elements of ``classes_``; or integers 0 and 1, a column for each label.

        Raises
        ------
        ValueError
            If X is not such an array, or the estimator is not fitted (``NotFittedError``).
        """
        logits = self._logits(X)
        return self._labels.decode(logits)

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Finite numbers, in the columns of fit.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In [0, 1], in the order of ``classes_``; each row sums to 1, unless samples may have several labels.

        Raises
        ------
        ValueError
            If X is not such an array, or the estimator is not fitted (``NotFittedError``).
        """
        logits = self._logits(X)
        return self._labels.probabilities(logits)

    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Return the natural logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Finite numbers, in the columns of fit.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            At most 0, in the order of ``classes_``; finite also where the probability itself rounds to 0.

        Raises
        ------
        ValueError
            If X is not such an array, or the estimator is not fitted (``NotFittedError``).
        """
        logits = self._logits(X)
        return self._labels.log_probabilities(logits)

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Return the logits: the output layer before its sigmoid or softmax.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Finite numbers, in the columns of fit.

        Returns
        -------
        logits : ndarray of shape (n_samples,) or (n_samples, n_classes)
            With two classes one number a sample, positive for ``classes_[1]``; else one for each class or label.

        Raises
        ------
        ValueError
            If X is not such an array, or the estimator is not fitted (``NotFittedError``).
        """
        logits = self._logits(X)
        return logits[:, 0] if logits.shape[1] == 1 else logits

    @property
    def model_(self) -> Any:
        """A new compiled ``keras.Sequential`` with the learned weights, in Keras's own float type.

        Each access makes another one, which is the caller's: to train it further or to save it, keep it first
        (``model = clf.model_``). The estimator stays as it is. The model says probabilities and is trained on 0 and 1
        for two classes, in one column, and on one-hot rows for more. Its optimizer is new, with the settings that the
        estimator's parameters have now.
        """
        check_is_fitted(self)
        from moonnet.training import _network, engines

        engines.check_not_forked()
        engines.engine.check_not_traced("make model_")
        optimizer, learning_rate = _network.resolve_optimizer(self.optimizer, self.learning_rate)
        return _network.user_model(
            _network.NetworkSpec(self._layer_sizes, self._trained_with["activation"], self._labels.loss),
            self._weights,
            optimizer.build(learning_rate),
            self._trained_with["l2"],
            self._trained_with["dropout"],
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take on the state of a pickle, which may be older than the parameter ``scoring``."""
        super().__setstate__({"scoring": "loss"} | state)

    def __sklearn_tags__(self) -> Tags:
        """Return scikit-learn's tags: sparse X and several labels are supported."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = True
        return tags

    def _hidden_units(self) -> tuple[int, ...]:
        """Return hidden_layer_sizes as a tuple of int, checked."""
        sizes: Any = self.hidden_layer_sizes
        try:
            units = tuple(operator.index(size) for size in ([sizes] if isinstance(sizes, Integral) else sizes))
        except TypeError:
            units = (0,)
        if any(unit < 1 for unit in units):
            raise ValueError(
                "The 'hidden_layer_sizes' parameter of KerasMoonClassifier must hold integers of at least 1. "
                f"Got {sizes!r} instead."
            )
        return units

    def _logits(self, X: ArrayLike) -> np.ndarray:
        """Return the output layer before its activation, shape (n_samples, n_outputs)."""
        check_is_fitted(self, "coefs_")
        if not self._needs_no_check(X):
            X = validate_data(self, X, accept_sparse="csr", reset=False, dtype=self.coefs_[0].dtype)
        return _forward.logits(X, self.coefs_, self.intercepts_, self._trained_with["activation"])

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


def _dense_labels(y: Any) -> np.ndarray:
    """Return an array with a row for each label of a sample, or of one dimension."""
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


def _counted(
    X: Any, y: np.ndarray, labels: _targets.Labels, sample_weight: Any, class_weight: dict | str | None
) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return the samples that count, and their weights: weight 0 equals absence, also in the order of samples."""
    if sample_weight is None and class_weight is None:
        return X, y, np.broadcast_to(X.dtype.type(1), len(y))  # which takes no memory
    checked = check_sample_weight(sample_weight, X)
    weight = _targets.effective_weights(y, labels, checked, class_weight, X.dtype)
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
