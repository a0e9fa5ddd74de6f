"""The classifier, KerasMoonClassifier."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags

from moonnet._estimator import BaseKerasMoon
from moonnet._sklearn_compat import StrOptions
from moonnet._unknown_keywords import explain_unknown_keywords
from moonnet.losses._cross_entropy import BinaryCrossEntropy, CategoricalCrossEntropy
from moonnet.losses._loss import Objective
from moonnet.losses._user_loss import UserClassificationLoss, check_classification_loss, loss_config, objects_of
from moonnet.networks import Network, State
from moonnet.targets import ClassTargets
from moonnet.targets._sample_weights import ClassWeighting, make_class_weighting
from moonnet.training._records import TrainingResult


@explain_unknown_keywords
class KerasMoonClassifier(ClassifierMixin, BaseKerasMoon):
    """Classifier that trains a small dense Keras network.

    By default, the network has two hidden layers with 50 and 20 units. Keras provides the model,
    the optimizer and the loss. A compiled loop runs many training steps at once, so that a fit of a few hundred samples
    takes milliseconds. Predictions use NumPy. A fitted estimator stores arrays and plain values, from which
    ``model_`` builds a Keras model on request.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int or int, default=(50, 20)
        Number of units in each hidden Dense layer, each at least 1. An empty tuple means no hidden layer, which makes
        the network a logistic regression.

    loss : keras.losses.Loss, default=None
        The loss to minimise instead of the cross-entropy, for example ``keras.losses.BinaryFocalCrossentropy()``. It
        must return a loss for each sample, of one-hot rows for three classes or more; its reduction has no effect.

    hidden_layers : list of keras.layers.Layer, keras.Sequential or HiddenLayers, default=None
        Layers of your own in place of ``hidden_layer_sizes``, ``activation``, ``dropout`` and ``l2``, which must then
        have their defaults: a list of unbuilt layers, an unbuilt ``keras.Sequential``, or
        :class:`~moonnet.HiddenLayers` with a function from the input to the last hidden tensor. The estimator adds the
        output layer. It trains copies of the layers, which keep their settings, regularizers and dtypes: float32 by
        default, whatever the dtype of X.

    activation : str, default="relu"
        Name of the Keras activation of the hidden layers: ``"relu"``, ``"tanh"``, ``"sigmoid"``, ``"gelu"``, ... The
        error message for an unknown name lists all supported names.

    dropout : float, default=0.0
        Dropout rate after each hidden layer, in [0, 1).

    l2 : float, default=0.0
        Factor of the L2 penalty on all kernels, as in ``keras.regularizers.L2``: ``l2 * sum(kernel ** 2)`` is added to
        the loss. As in Keras, the losses in ``history_`` include the penalty.

    optimizer : str or keras.optimizers.Optimizer, default="rmsprop"
        Name of a Keras optimizer, or an unbuilt instance. The settings of an instance are copied; the instance itself
        never changes.

    learning_rate : float or keras.optimizers.schedules.LearningRateSchedule, default=None
        Positive step size, or a schedule over steps. None uses the learning rate of the optimizer.

    batch_size : int, default=50
        Number of samples per step, at least 1. The last batch of an epoch may be smaller.

    epochs : int, default=100
        Number of passes over the training samples, at least 1.

    shuffle : bool, default=True
        Whether to shuffle the samples before each epoch.

    class_weight : dict, "balanced" or None, default=None
        Weight of each label, by which ``sample_weight`` is multiplied. Labels that are not in the dict have weight 1.
        A dict with all labels of y may contain others, which have no effect. ``"balanced"`` gives each class the same
        total weight. For multilabel y, only ``"balanced"`` is allowed; the weight of a sample is then the product of
        the weights of all its labels, as in :func:`sklearn.utils.class_weight.compute_sample_weight`.

    early_stopping : bool, default=False
        Whether to score the network on a validation set after each epoch, stop training when the score no longer
        improves, and use the weights of the best epoch. The validation set is ``X_val`` and ``y_val`` if fit receives
        them. Otherwise, it is held out from X and y.

    validation_fraction : float, default=0.1
        Fraction of the samples to hold out for early stopping, in (0, 1). The split is stratified by class, except for
        multilabel y. At least as many samples are held out as there are classes, and at least one sample of each class
        remains for training. Not used if fit receives ``X_val``.

    scoring : str, callable or None, default="loss"
        What early stopping monitors. ``"loss"`` minimises the validation loss. The name of a scorer (``"roc_auc"``,
        ``"f1_macro"``, ...) or a callable ``scorer(estimator, X, y)`` maximises that score; None maximises the accuracy
        that ``score`` returns. The scorer receives X as an array or in CSR format, and also ``sample_weight`` if
        samples or classes have weights.

    n_iter_no_change : int or inf, default=10
        Number of consecutive epochs without an improvement of ``tol`` that early stopping tolerates, at least 1. With
        ``numpy.inf``, training never stops early, and early stopping only selects the best epoch.

    tol : float, default=1e-4
        Smallest change that early stopping counts as an improvement, at least 0: a decrease of the validation loss (in
        nats) or an increase of the score.

    callbacks : list of keras.callbacks.Callback or None, default=None
        Keras callbacks. They receive a live, compiled Keras model with the network's weights and optimizer. They may
        change the weights, the optimizer and the learning rate, and they may stop training. Numbers that they add to
        the logs of an epoch appear in ``history_``. Each fit trains with shallow copies, which refer to the same
        objects: what a hook assigns to ``self`` is lost, and what it writes into a list, a file or a study remains.
        Clones share the instances. With early stopping, the network is scored before the callbacks run: the best
        weights are those that were scored, and the hooks of validation (``on_test_begin``, ...) are not called. For
        scikit-learn's callbacks, see :meth:`set_callbacks`.

    warm_start : bool, default=False
        Whether fit resumes the training of the previous fit for ``epochs`` more epochs, with the same weights,
        optimizer state and random streams: 60 epochs and then 40 are bit-for-bit identical to 100. The state of
        callbacks is not resumed. Layers and classes must not change. A different optimizer starts with a new state, and
        so does an optimizer whose learning rate changes from a number to a schedule.

    verbose : {0, 1, 2}, default=0
        Progress output: 0 prints nothing, 1 shows one progress bar per fit (ten lines if the output is not a terminal),
        2 prints one line per epoch.

    random_state : int, RandomState instance or None, default=None
        Controls the initial weights, the order of the samples, the dropout masks and the choice of held-out samples.
        With an int, repeated fits are bit-for-bit identical on one machine with one engine (TensorFlow, JAX or
        PyTorch). None draws a new seed from the operating system. NumPy's global generator is never used.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels. For multilabel y, the indices of its columns.

    coefs_ : list of ndarray
        Kernel of each layer, of shapes (n_features, n_units), (n_units, n_units) and so on. The
        dtype is float32 if X was float32 in fit, and otherwise float64. Each access returns a new list: to change the
        weights, assign a whole list. Not with ``hidden_layers``.

    intercepts_ : list of ndarray
        Bias of each layer, of shape (n_units,). To change biases, assign a whole list. Not with ``hidden_layers``.

    history_ : dict of str to list of float
        Loss and metrics of each epoch. ``"loss"`` (in nats, unless ``loss`` is another one) and ``"accuracy"`` (in [0,
        1]; for multilabel y, the fraction of correct labels) are weighted means over the samples of the epoch, computed
        while the weights change. With early stopping or ``X_val``, ``"val_loss"`` and ``"val_accuracy"`` are those of
        the validation set after the epoch; they are NaN for epochs without a validation set. ``"val_score"`` is the
        score that early stopping monitors, if ``scoring`` is not ``"loss"``. Further keys, such as ``"learning_rate"``,
        are numbers that callbacks add. Resumed fits append to this history.

    model_ : keras.Sequential, or keras.Model with ``hidden_layers``
        The fitted network as a compiled Keras model. Each access builds a new model, so assign it to a variable before
        you train or save it.

    n_iter_ : int
        Number of epochs trained, including those of earlier fits that were resumed.

    best_iteration_ : int or None
        Number of epochs after which early stopping found the best score. The network has the weights of that epoch.
        None if the last fit had no early stopping.

    best_validation_score_ : float or None
        Validation score of that epoch: that of ``scoring``, or with ``scoring="loss"`` the negative ``"val_loss"``.
        None if the last fit had no early stopping.

    loss_ : float
        Loss of the last epoch, ``history_["loss"][-1]``.

    n_layers_ : int
        Number of layers, including the input layer.

    n_outputs_ : int
        Number of units in the output layer.

    out_activation_ : str
        Keras activation of the output layer: ``"softmax"`` for more than two classes, otherwise ``"sigmoid"``.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only if all feature names of X are strings.

    See Also
    --------
    KerasMoonRegressor : The same network for numeric targets.
    HiddenLayers : Hidden layers that a function makes.
    moonnet.plotting.DecisionRegionDisplay : Plot the decision regions of a classifier.
    moonnet.plotting.TrainingCurveDisplay : Plot ``history_``.
    sklearn.neural_network.MLPClassifier : Multi-layer perceptron that is implemented in scikit-learn.

    Notes
    -----
    Keras's backend, TensorFlow, JAX or PyTorch, is the engine that trains; the environment variable ``KERAS_BACKEND``
    selects it. Training runs on the CPU unless a ``keras.device`` scope selects another device. On a GPU, fits with the
    same ``random_state`` are not always bit-for-bit identical.

    If X is float32, training and predictions use float32. For any other dtype, they use float64. Keras's Muon optimizer
    always trains in float32; its weights are then converted. Layers in ``hidden_layers`` have dtypes of their own.

    The loss of a batch is the weighted mean over its samples. A sample of weight 0 has no effect, and a sample of
    weight 2 counts like two equal samples in its batch. Batch normalization in ``hidden_layers`` leaves out samples of
    weight 0, and otherwise counts each sample once.

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
        "loss": "no_validation",  # losses._user_loss checks it with Keras
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | int = (50, 20),
        *,
        loss: Any = None,
        hidden_layers: Any = None,
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
        scoring: str | Callable[..., float] | None = "loss",
        n_iter_no_change: float = 10,
        tol: float = 1e-4,
        callbacks: Sequence[Any] | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            hidden_layers=hidden_layers,
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
        self.loss = loss
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
        """Train the network.

        With ``warm_start=True``, training resumes from the previous fit.

        Ctrl-C stops training with a warning. The estimator is then fitted with the epochs completed so far.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training samples of finite numbers: an array, a nested list, a pandas or polars DataFrame, or a SciPy sparse
            array or matrix. Only one block of a sparse X at a time is converted to a dense array.

        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels of at least two classes: numbers, strings or booleans. For multilabel classification, one column of
            0 and 1 per label, as an array or a sparse matrix.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, at least one of them positive. None gives each sample the weight 1.

        X_val : array-like or sparse matrix of shape (n_val_samples, n_features), default=None
            Validation samples with the same columns as X. The network is scored on them after each epoch: ``history_``
            stores the results, and early stopping monitors them instead of held-out samples. In a pipeline, use
            ``Pipeline(..., transform_input=["X_val"])`` so that ``X_val`` is transformed like X.

        y_val : array-like of shape (n_val_samples,) or (n_val_samples, n_labels), default=None
            Labels of ``X_val``, each of which must also occur in y.

        sample_weight_val : array-like of shape (n_val_samples,), default=None
            Non-negative weights of ``X_val``, at least one of them positive. ``class_weight`` has no effect on them.

        Returns
        -------
        self : KerasMoonClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or an argument is invalid, or if the loss or the weights become infinite or NaN. The results
            of an earlier fit are then unchanged, as after any other error.

        TypeError
            If X, sample_weight or the validation set cannot be converted to numbers, or if the labels in y cannot be
            sorted.

        RuntimeError
            If the process was forked from a process that had trained a network on TensorFlow or JAX.

        ImportError
            If Keras's backend is JAX and JAX is not installed.

        Warns
        -----
        UserWarning
            If Ctrl-C interrupted training, or if each row of y contains a single 1, as if y were one-hot encoded: y is
            then treated as multilabel.

        See Also
        --------
        partial_fit : Train for one epoch on a block of samples.
        moonnet.plotting.TrainingCurveDisplay : Plot ``history_``.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch on a block of samples.

        Each call resumes training with the weights, the optimizer state and the random streams of the previous call or
        fit. ``early_stopping`` has no effect: no samples are held out. ``class_weight="balanced"`` balances the
        samples of each call separately.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training samples, as in :meth:`fit`.

        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels, as in :meth:`fit`. Not every class needs to occur in each call.

        classes : array-like of shape (n_classes,), default=None
            All labels that may occur in y in any call. Required in the first call, unless y is multilabel.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights, as in :meth:`fit`.

        Returns
        -------
        self : KerasMoonClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            As in :meth:`fit`. Also if ``classes`` is missing in the first call or changes in a later one, or if y
            contains a label that is not in ``classes``.

        TypeError, RuntimeError, ImportError
            As in :meth:`fit`.

        See Also
        --------
        fit : Train for several epochs.
        """
        return self._partial_fit(X, y, sample_weight, partial(self._infer_partial_fit_targets, classes))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._loss_config()  # raises ValueError

    def _infer_targets(self, y: np.ndarray, previous: ClassTargets | None) -> ClassTargets:
        targets = ClassTargets.from_y(y)
        if previous is not None:
            self._check_same_loss()
        if previous is not None and not targets.equals(previous):
            raise ValueError(
                f"With warm_start=True, y must contain the same labels as in the earlier fit: {previous}. "
                f"Got {targets} instead."
            )
        return targets

    def _infer_partial_fit_targets(self, classes: Any, y: np.ndarray, previous: ClassTargets | None) -> ClassTargets:
        """Return the targets of all calls to partial_fit; ``classes`` is its argument, and y need not be complete."""
        from_classes = None if classes is None else ClassTargets.from_classes(classes, "classes")
        if previous is not None:
            self._check_same_loss()
            targets = previous
        elif y.ndim == 2:
            targets = ClassTargets.from_y(y)
        elif from_classes is not None:
            targets = from_classes
        else:
            raise ValueError("classes must be given in the first call to partial_fit. Got None instead.")
        if from_classes is not None and not np.array_equal(from_classes.classes, targets.classes):
            raise ValueError(f"classes must be {targets.classes.tolist()} or None. Got {classes!r} instead.")
        targets.check(y, remedy=" Pass all labels that may occur as classes in the first call to partial_fit.")
        return targets

    def _check_same_loss(self) -> None:
        """Raise ValueError if training resumes with another loss."""
        before = self._trained_with.get("loss")
        if before != self._loss_config():
            raise ValueError(
                f"The 'loss' parameter must not change when training is resumed: it must be {before}. "
                f"Got {self.loss!r} instead."
            )

    @property
    def _targets(self) -> ClassTargets:
        return ClassTargets(self.classes_, self._trained_with["multilabel"])

    def _class_weighting(self, y: np.ndarray, targets: ClassTargets) -> ClassWeighting | None:
        return make_class_weighting(self.class_weight, y, targets)

    def _objective(self, targets: ClassTargets) -> Objective:
        if self.loss is not None:
            check_classification_loss(self.loss, has_sigmoid_units=targets.has_sigmoid_units)
        return _objective_of(targets, self._loss_config())

    @property
    def _fitted_objective(self) -> Objective:
        return _objective_of(self._targets, self._trained_with.get("loss"))  # 0.1.0 had no such parameter

    def _prediction_attributes(self, network: Network, targets: ClassTargets, state: State) -> dict[str, Any]:
        attributes = super()._prediction_attributes(network, targets, state) | {"classes_": targets.classes}
        attributes["_trained_with"]["multilabel"] = targets.multilabel
        return attributes

    def _fitted_attributes(self, network: Network, targets: ClassTargets, result: TrainingResult) -> dict[str, Any]:
        attributes = super()._fitted_attributes(network, targets, result)
        attributes["_trained_with"]["loss"] = self._loss_config()
        return attributes

    def _loss_config(self) -> str | None:
        return None if self.loss is None else loss_config(self.loss)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the class of each sample, or its labels in a multilabel problem.

        With two classes, this is ``classes_[1]`` if its probability exceeds 0.5. With more classes, it is the most
        probable class. In a multilabel problem, it is every label whose probability exceeds 0.5.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples of finite numbers, with the same columns as in :meth:`fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Elements of ``classes_``. In a multilabel problem, integers 0 and 1 in one column per label.

        Raises
        ------
        ValueError
            If X contains anything but finite numbers, or has other columns than in :meth:`fit`.

        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        See Also
        --------
        predict_proba : Predict the probability of each class.
        """
        logits = self._raw_predictions(X)
        return self._targets.decode(logits)

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples of finite numbers, with the same columns as in :meth:`fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Probabilities in [0, 1], in the order of ``classes_``. Each row sums to 1, except in a multilabel problem.

        Raises
        ------
        ValueError
            If X contains anything but finite numbers, or has other columns than in :meth:`fit`.

        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        See Also
        --------
        predict_log_proba : Logarithms of these probabilities.
        decision_function : Logits of the output layer.
        """
        logits = self._raw_predictions(X)
        return self._targets.probabilities(logits)

    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Predict the natural logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples of finite numbers, with the same columns as in :meth:`fit`.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Numbers of at most 0, in the order of ``classes_``. They are finite even if a probability is rounded to 0.

        Raises
        ------
        ValueError
            If X contains anything but finite numbers, or has other columns than in :meth:`fit`.

        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        See Also
        --------
        predict_proba : Predict the probability of each class.
        """
        logits = self._raw_predictions(X)
        return self._targets.log_probabilities(logits)

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Compute the logits, which are the outputs before the final sigmoid or softmax.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples of finite numbers, with the same columns as in :meth:`fit`.

        Returns
        -------
        logits : ndarray of shape (n_samples,) or (n_samples, n_classes)
            With two classes, one number per sample, positive for ``classes_[1]``. Otherwise, one number per class or
            label.

        Raises
        ------
        ValueError
            If X contains anything but finite numbers, or has other columns than in :meth:`fit`.

        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        See Also
        --------
        predict_proba : Predict the probability of each class.
        """
        logits = self._raw_predictions(X)
        return logits[:, 0] if logits.shape[1] == 1 else logits

    @property
    def model_(self) -> Any:
        """The fitted network as a new, compiled Keras model in Keras's default float type.

        Each access builds another model, which does not affect the estimator. To train or save a model, assign it to a
        variable first: ``model = clf.model_``.

        The model predicts probabilities. For two classes, it has one output and trains on 0 and 1; for more classes, it
        trains on one-hot rows. Its optimizer is new and has the current settings of the estimator.

        See Also
        --------
        predict_proba : Predict with NumPy, without Keras.
        """
        return self._build_model()

    def __sklearn_tags__(self) -> Tags:
        """Declare that multilabel y is supported."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _objective_of(targets: ClassTargets, config: str | None) -> Objective:
    """Return what to minimise: a Keras loss, or the cross-entropy if there is none."""
    labels = BinaryCrossEntropy() if targets.has_sigmoid_units else CategoricalCrossEntropy()
    if config is None:
        return Objective(labels)
    return Objective(UserClassificationLoss(config, labels, objects_of(config)))
