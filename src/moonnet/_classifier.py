"""KerasMoonClassifier: scikit-learn's contract around a Keras network; the arithmetic lives elsewhere."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

import operator
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from moonnet import _forward, _targets


class KerasMoonClassifier(ClassifierMixin, BaseEstimator):
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
        class the same total weight.

    verbose : {0, 1, 2}, default=0
        0 prints nothing, 1 shows one progress bar for the fit, 2 prints a line an epoch.

    random_state : int, RandomState instance or None, default=None
        Decides initial weights, order of the samples and dropout masks. With an int, each fit gives the same bits.
        None takes fresh entropy from the operating system, so that no global generator is used.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.

    coefs_ : list of ndarray
        Kernel of each layer, shapes (n_features, n_units), (n_units, n_units), ... in the float type of X.

    intercepts_ : list of ndarray
        Bias of each layer, shape (n_units,).

    history_ : dict of str to list of float
        ``"loss"`` (nats) and ``"accuracy"`` (a share in [0, 1]) of each epoch: means over the epoch's batches while
        the weights were changing, weighted by the samples.

    model_ : keras.Sequential
        The learned network as a new, compiled Keras model at each access: keep it before training or saving it.

    n_iter_ : int
        Epochs run.

    n_features_in_ : int
        Columns of X in fit.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X had names that are all strings.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : scikit-learn's own network.

    Notes
    -----
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
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train a new network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers: an array, a nested list, a pandas or polars DataFrame.

        y : array-like of shape (n_samples,)
            Labels of at least two classes: numbers, strings or booleans.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of at least 0, not all of them 0. None weighs each sample 1.

        Returns
        -------
        self : KerasMoonClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X, y or sample_weight is not what is described here, or if training diverges to a loss or
            weights that are not finite. What an earlier fit learned stays as it was.

        TypeError
            If X or sample_weight has a type that cannot be numbers, or y labels that cannot be sorted.
        """
        before = self.__dict__.copy()
        try:
            return self._fit(X, y, sample_weight)
        except BaseException:
            self.__dict__ = before
            raise

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> Self:
        self._validate_params()
        hidden = self._hidden_units()
        if self.activation not in _forward.ACTIVATIONS:
            raise ValueError(
                f"The 'activation' parameter of KerasMoonClassifier must be one of {sorted(_forward.ACTIVATIONS)}. "
                f"Got {self.activation!r} instead."
            )
        X, y = validate_data(self, X, y, dtype=(np.float64, np.float32))
        classes = _classes(y)
        sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        weight = _targets.effective_weights(y, classes, sample_weight, self.class_weight, X.dtype)
        counted = weight > 0
        if not counted.all():  # weight 0 equals absence, in the order of the samples too
            X, y, weight = X[counted], y[counted], weight[counted]
        n_outputs, loss = _targets.output_layer(classes)

        from moonnet import _network, _progress, _training

        optimizer, learning_rate = _network.resolve_optimizer(self.optimizer, self.learning_rate)
        spec = _training.ProgramSpec(
            _network.NetworkSpec((X.shape[1], *hidden, n_outputs), self.activation, loss),
            optimizer,
            _training.batch_rows(int(self.batch_size), len(X)),
            dropout=self.dropout > 0,
            dtype=optimizer.training_dtype(X.dtype.name),
        )
        weights, self.history_ = _training.train(
            spec,
            X,
            _targets.encode(y, classes, X.dtype),
            weight,
            _training.Hyperparameters(learning_rate, self.l2, self.dropout, int(self.epochs), self.shuffle),
            _training.Streams.spawn(_entropy(self.random_state)),
            watch=_progress.progress(self.verbose, int(self.epochs)),
        )
        self.classes_ = classes
        self.coefs_, self.intercepts_ = weights[::2], weights[1::2]
        self.n_iter_ = len(self.history_["loss"])
        # What describes this network, whatever set_params says later
        self._trained_with: dict[str, Any] = {
            "activation": self.activation,
            "l2": float(self.l2),
            "dropout": float(self.dropout),
        }
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return the most probable label of each sample.

        With two classes that is ``classes_[1]`` where its probability exceeds 0.5.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers, in the columns of fit.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Elements of ``classes_``.

        Raises
        ------
        ValueError
            If X is not such an array, or the estimator is not fitted (``NotFittedError``).
        """
        logits = self._logits(X)
        return _targets.decode(logits, self.classes_)

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers, in the columns of fit.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In [0, 1], in the order of ``classes_``; each row sums to 1.

        Raises
        ------
        ValueError
            If X is not such an array, or the estimator is not fitted (``NotFittedError``).
        """
        return _targets.probabilities(self._logits(X))

    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Return the natural logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
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
        return _targets.log_probabilities(self._logits(X))

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Return the logits: the output layer before its sigmoid or softmax.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers, in the columns of fit.

        Returns
        -------
        logits : ndarray of shape (n_samples,) or (n_samples, n_classes)
            With two classes one number a sample, positive for ``classes_[1]``; else one for each class.

        Raises
        ------
        ValueError
            If X is not such an array, or the estimator is not fitted (``NotFittedError``).
        """
        logits = self._logits(X)
        return logits[:, 0] if len(self.classes_) == 2 else logits

    @property
    def model_(self) -> Any:
        """A new compiled ``keras.Sequential`` with the learned weights, in Keras's own float type.

        Each access makes another one, which is the caller's: to train it further or to save it, keep it first
        (``model = clf.model_``). The estimator stays as it is. The model says probabilities and is trained on 0 and 1
        for two classes, in one column, and on one-hot rows for more. Its optimizer is new, with the settings that the
        estimator's parameters have now.
        """
        check_is_fitted(self)
        from moonnet import _network

        optimizer, learning_rate = _network.resolve_optimizer(self.optimizer, self.learning_rate)
        _, loss = _targets.output_layer(self.classes_)
        layer_sizes = (self.n_features_in_, *(len(intercept) for intercept in self.intercepts_))
        return _network.user_model(
            _network.NetworkSpec(layer_sizes, self._trained_with["activation"], loss),
            [array for layer in zip(self.coefs_, self.intercepts_, strict=True) for array in layer],
            optimizer.build(learning_rate),
            self._trained_with["l2"],
            self._trained_with["dropout"],
        )

    def _get_fitted_attr_html(self, doc_link: str = "") -> Any:
        """Show in a notebook what was learned, less model_: scikit-learn would build it just to look at it."""
        shown = BaseEstimator()
        vars(shown).update(vars(self))
        attributes = shown._get_fitted_attr_html(doc_link)
        attributes.estimator_class = type(self)
        return attributes

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
        check_is_fitted(self)
        samples = validate_data(self, X, reset=False, dtype=self.coefs_[0].dtype)
        return _forward.logits(samples, self.coefs_, self.intercepts_, self._trained_with["activation"])


def _classes(y: np.ndarray) -> np.ndarray:
    """Return the labels in y, sorted; there must be two at least."""
    try:
        check_classification_targets(y)
        classes = np.unique(y)
    except TypeError as error:  # labels of kinds that cannot be compared
        raise TypeError(f"y must hold labels that can be sorted, all numbers or all strings, say: {error}.") from None
    if len(classes) < 2:
        raise ValueError(f"y must hold at least 2 classes. Got one class instead: {classes.tolist()[0]!r}.")
    return classes


def _entropy(random_state: int | np.random.RandomState | None) -> Any:
    """Return the seed of all a fit's randomness; None stands for fresh entropy, not for NumPy's global generator."""
    if isinstance(random_state, np.random.RandomState):
        return random_state.randint(2**32, size=4, dtype=np.uint32)
    return random_state
