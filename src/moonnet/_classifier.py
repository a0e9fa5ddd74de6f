"""KerasMoonClassifier: the network for labels."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags

from moonnet._base_targets import Balance
from moonnet._class_targets import ClassTargets
from moonnet._estimator import BaseKerasMoon
from moonnet._sklearn_compat import StrOptions


class KerasMoonClassifier(ClassifierMixin, BaseKerasMoon):
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

    _parameter_constraints: ClassVar[dict] = BaseKerasMoon._parameter_constraints | {
        "class_weight": [dict, StrOptions({"balanced"}), None],
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
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            dropout=dropout,
            l2=l2,
            optimizer=optimizer,
            learning_rate=learning_rate,
            batch_size=batch_size,
            epochs=epochs,
            shuffle=shuffle,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            scoring=scoring,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            callbacks=callbacks,
            warm_start=warm_start,
            verbose=verbose,
            random_state=random_state,
        )
        self.class_weight = class_weight

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
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

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
        return self._partial_fit(X, y, sample_weight, partial(self._announced_labels, classes))

    def _read_targets(self, y: np.ndarray, known: ClassTargets | None) -> ClassTargets:
        labels = ClassTargets.of(y)
        if known is not None and not labels.equal(known):
            raise ValueError(
                f"y must hold the labels of the earlier fit, which warm_start goes on with: {known}. "
                f"Got {labels} instead."
            )
        return labels

    def _announced_labels(self, classes: Any, y: np.ndarray, known: ClassTargets | None) -> ClassTargets:
        """Return the labels that blocks of samples hold together, of which y is one; ``classes`` lists them."""
        announced = None if classes is None else ClassTargets.among(classes, "classes")
        if known is not None:
            labels = known
        elif y.ndim == 2:
            labels = ClassTargets.of(y)
        elif announced is not None:
            labels = announced
        else:
            raise ValueError("classes must be given in the first call to partial_fit. Got None instead.")
        if announced is not None and not np.array_equal(announced.classes, labels.classes):
            raise ValueError(f"classes must be {labels.classes.tolist()} or None. Got {classes!r} instead.")
        labels.check(y, remedy=" Every class that a block may hold must be among the classes of the first call.")
        return labels

    @property
    def _targets(self) -> ClassTargets:
        return ClassTargets(self.classes_, self._trained_with["multilabel"])

    def _balance(self, y: np.ndarray, targets: ClassTargets) -> Balance | None:
        return targets.balance(y, self.class_weight)

    def _network_attributes(self, targets: ClassTargets, weights: list[np.ndarray]) -> dict[str, Any]:
        attributes = self._network(weights) | {"classes_": targets.classes}
        attributes["_trained_with"]["multilabel"] = targets.multilabel
        return attributes

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
        logits = self._raw_predictions(X)
        return self._targets.decode(logits)

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
        logits = self._raw_predictions(X)
        return self._targets.probabilities(logits)

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
        logits = self._raw_predictions(X)
        return self._targets.log_probabilities(logits)

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
        logits = self._raw_predictions(X)
        return logits[:, 0] if logits.shape[1] == 1 else logits

    @property
    def model_(self) -> Any:
        """A new compiled ``keras.Sequential`` with the learned weights, in Keras's own float type.

        Each access makes another one, which is the caller's: to train it further or to save it, keep it first
        (``model = clf.model_``). The estimator stays as it is. The model says probabilities and is trained on 0 and 1
        for two classes, in one column, and on one-hot rows for more. Its optimizer is new, with the settings that the
        estimator's parameters have now.
        """
        return self._new_model()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take on the state of a pickle, which may be older than the parameter ``scoring``."""
        super().__setstate__({"scoring": "loss"} | state)

    def __sklearn_tags__(self) -> Tags:
        """Return scikit-learn's tags: several labels are supported."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
