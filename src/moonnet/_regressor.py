"""KerasMoonRegressor: the network for numbers."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils import Tags

from moonnet._estimator import BaseKerasMoon
from moonnet._regression_losses import LOSSES
from moonnet._regression_targets import RegressionTargets
from moonnet._sklearn_compat import Interval, StrOptions


class KerasMoonRegressor(RegressorMixin, BaseKerasMoon):
    """A small Keras network, Dense 50-20-1 unless told otherwise, as a scikit-learn regressor.

    It predicts one number a sample, or several. y may be in any unit: training sees it standardised, and the learned
    network speaks y's own unit again, so that there is nothing to scale by hand. All else is as in
    :class:`KerasMoonClassifier`.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int or int, default=(50, 20)
        Units of each hidden Dense layer, each at least 1. An empty tuple leaves the output layer alone, which is
        linear regression.

    loss : {"squared_error", "absolute_error", "huber", "poisson", "pinball"}, default="squared_error"
        What is minimised. ``"squared_error"`` predicts means and ``"absolute_error"`` medians. ``"huber"`` is half the
        squared error up to one spread of y (see Notes), and linear beyond, so that outliers weigh less. ``"poisson"``
        predicts means of counts or rates, y of at least 0, with a log link. ``"pinball"`` predicts the ``quantile``.

    quantile : float, default=0.5
        Which quantile ``loss="pinball"`` predicts, in (0, 1). Not used by other losses.

    activation : str, default="relu"
        Name of a Keras activation for the hidden layers: ``"relu"``, ``"tanh"``, ``"sigmoid"``, ``"gelu"``, ... An
        unknown name raises an error that lists those known.

    dropout : float, default=0.0
        Rate of the Dropout after each hidden layer, in [0, 1).

    l2 : float, default=0.0
        Factor of the L2 penalty on all kernels, ``l2 * sum(kernel ** 2)``, beside the loss of the standardised y. The
        losses in ``history_`` contain the penalty, in the unit of the loss.

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

    early_stopping : bool, default=False
        Whether to score the network after each epoch on samples that it does not train on, stop when it gets no
        better, and keep the weights of the best epoch. These samples are fit's ``X_val`` and ``y_val``, or are held out
        of X and y.

    validation_fraction : float, default=0.1
        Share of the samples to hold out, in (0, 1). Not used where fit is given ``X_val``.

    scoring : str or callable, default="loss"
        What early stopping monitors. ``"loss"`` minimises the validation loss. The name of a scorer (``"r2"``,
        ``"neg_median_absolute_error"``, ...) or a callable ``scorer(estimator, X, y)`` maximises that score. X is an
        array or CSR, and where samples have weights, the scorer is given them as ``sample_weight``.

    n_iter_no_change : int, default=10
        Epochs that may pass without an improvement by ``tol`` on the best one, at least 1.

    tol : float, default=1e-4
        By how much the validation loss of the standardised y has to come below the best one, or the score above it, at
        least 0.

    callbacks : list of keras.callbacks.Callback or None, default=None
        Keras callbacks. They see a live, compiled Keras model with the network's weights and optimizer. Its weights are
        those of the standardised y, and its last layer, without weights, brings predictions into y's unit. Callbacks
        may change weights, optimizer and learning rate, and may stop the training. Each fit trains with copies, so that
        these here stay as they are. With early stopping, validation comes first: the weights kept are those that were
        scored, and the hooks of validation (``on_test_begin``, ...) are not called. Callbacks of scikit-learn go to
        :meth:`set_callbacks`.

    warm_start : bool, default=False
        Whether fit trains the network of an earlier fit further, for ``epochs`` more epochs, with the optimizer and the
        random streams as they were left: 60 epochs and then 40 give the same bits as 100 (callbacks begin anew in each
        fit). Layers, loss and columns of y must be the same, and y stays standardised as it was. Another optimizer
        begins afresh, also one whose learning rate becomes a schedule. ``quantile`` may change: earlier losses in
        ``history_`` are then those of another quantile.

    verbose : {0, 1, 2}, default=0
        0 prints nothing, 1 shows one progress bar for the fit (ten lines where the output is no terminal), 2 prints a
        line an epoch.

    random_state : int, RandomState instance or None, default=None
        Decides initial weights, order of the samples, dropout masks and which samples are held out. With an int, each
        fit gives the same bits, on one machine and one backend of Keras. None takes fresh entropy from the operating
        system: no global generator is used.

    Attributes
    ----------
    coefs_ : list of ndarray
        Kernel of each layer, shapes (n_features, n_units), (n_units, n_units), ... in the float type of X. With
        :attr:`intercepts_` they give predictions in y's unit (with ``loss="poisson"`` their logarithms).

    intercepts_ : list of ndarray
        Bias of each layer, shape (n_units,).

    history_ : dict of str to list of float
        ``"loss"`` of each epoch, in y's unit, or for ``"squared_error"`` and ``"huber"`` in its square: the mean over
        the epoch's batches while the weights were changing, weighted by the samples. With early stopping or ``X_val``
        also ``"val_loss"``: that of the validation set, after the epoch; NaN for epochs trained without. Where early
        stopping watches a score, it is ``"val_score"``. Fits that go on with a network add to its history.

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
    KerasMoonClassifier : The same network for classes.
    sklearn.neural_network.MLPRegressor : scikit-learn's own network.

    Notes
    -----
    Training runs on Keras's backend, TensorFlow or JAX (``KERAS_BACKEND``), on the CPU unless a ``keras.device`` scope
    names another device. On a GPU, bits may differ between fits.

    X in float32 is trained on and predicted in float32, everything else in float64. (Keras's Muon trains in float32
    alone; its weights are converted.)

    The weights of a batch are divided by their sum, so that weight 0 equals absence, and weight 2 a sample that stands
    there twice.

    y is standardised by the samples that are trained on, in the first call to ``partial_fit`` by those of that call:
    by mean and standard deviation for ``"squared_error"``; by the median and the distance of the quartiles (over 1.35,
    which for normally distributed numbers is the standard deviation) for ``"absolute_error"``, ``"huber"`` and
    ``"pinball"``, so that outliers count little here too; for ``"poisson"`` it is divided by its mean. Of several
    columns each is standardised by itself, and counts as much as the others: losses are means over the standardised
    columns, times the mean of their units.

    With several columns, losses therefore equal neither scikit-learn's metrics nor Keras's ``evaluate``, and
    ``model_`` weighs columns by their units if it is trained further; ``scoring`` monitors a metric of your own.

    Biases of hidden layers begin at random numbers, as in scikit-learn's networks. With Keras's zeros, a curve over a
    single feature is learned more slowly, because all hidden units have their kink at one point.

    All losses but ``"poisson"`` equal Keras's. ``"poisson"`` is half the Poisson deviance, as in scikit-learn, which
    Keras's loss differs from by a number that depends on y alone. ``model_`` is compiled with Keras's losses, in y's
    unit, and with those of :mod:`moonnet.losses` for ``"huber"`` and ``"pinball"``.

    In float32, predictions have float32's resolution in y's unit. Where that is too coarse for y's spread, ``fit``
    raises an error.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from moonnet import KerasMoonRegressor
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> model = make_pipeline(StandardScaler(), KerasMoonRegressor(random_state=0)).fit(X, y)
    >>> model.score(X, y) > 0.5
    True
    >>> model.predict(X[:3]).shape
    (3,)
    """

    _parameter_constraints: ClassVar[dict] = BaseKerasMoon._parameter_constraints | {
        "loss": [StrOptions(set(LOSSES))],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | int = (50, 20),
        *,
        loss: str = "squared_error",
        quantile: float = 0.5,
        activation: str = "relu",
        dropout: float = 0.0,
        l2: float = 0.0,
        optimizer: Any = "rmsprop",
        learning_rate: Any = None,
        batch_size: int = 50,
        epochs: int = 100,
        shuffle: bool = True,
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
        self.loss = loss
        self.quantile = quantile

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

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Finite numbers in any unit; for ``loss="poisson"`` of at least 0.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of at least 0, not all of them 0. None weighs each sample 1.

        X_val : array-like or sparse matrix of shape (n_val_samples, n_features), default=None
            A validation set of your own, in the columns of X. The network is scored on it after each epoch.
            ``history_`` holds the figures, and early stopping monitors them instead of holding samples out. In a
            pipeline, ``Pipeline(..., transform_input=["X_val"])`` transforms it as it does X.

        y_val : array-like of shape (n_val_samples,) or (n_val_samples, n_outputs), default=None
            Numbers of ``X_val``, in y's unit.

        sample_weight_val : array-like of shape (n_val_samples,), default=None
            Weights of ``X_val``, of at least 0, not all of them 0.

        Returns
        -------
        self : KerasMoonRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or an argument is not what is described here, or if training diverges to a loss or weights
            that are not finite. What an earlier fit learned stays as it was.

        TypeError
            If X, sample_weight or what validates has a type that cannot be numbers.

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

    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one epoch on these samples, with the network, optimizer and random streams as they were left.

        Nothing is held out, whatever ``early_stopping`` says. The samples of the first call tell how y is standardised:
        they should be many enough to show where it usually is, and how far it spreads.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            As in fit.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            As in fit.

        sample_weight : array-like of shape (n_samples,), default=None
            As in fit.

        Returns
        -------
        self : KerasMoonRegressor
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError, RuntimeError, ImportError
            As fit does.
        """
        return self._partial_fit(X, y, sample_weight, self._read_targets)

    def _read_targets(self, y: np.ndarray, known: RegressionTargets | None) -> RegressionTargets:
        if known is None:
            return RegressionTargets.of(y, self.loss, self.quantile)
        if self.loss != known.loss:
            raise ValueError(
                f"The 'loss' parameter must stay as it is while a training goes on, here {known.loss!r}. "
                f"Got {self.loss!r} instead."
            )
        known.check(y)
        return replace(known, quantile=self.quantile)

    @property
    def _targets(self) -> RegressionTargets:
        return RegressionTargets(**self._trained_with["targets"])

    def _network_attributes(self, targets: RegressionTargets, weights: list[np.ndarray]) -> dict[str, Any]:
        attributes = self._network(targets.in_own_unit(weights))
        # The output layer as well in the unit of the training, which goes on from these very bits
        attributes["_trained_with"] |= {"targets": dict(vars(targets)), "output_layer": weights[-2:]}
        return attributes

    @property
    def _training_weights(self) -> list[np.ndarray]:
        targets, output_layer = self._targets, self._trained_with["output_layer"]
        as_trained = [*self._weights[:-2], *output_layer]
        is_untouched = all(map(np.array_equal, targets.in_own_unit(as_trained)[-2:], self._weights[-2:]))
        return as_trained if is_untouched else targets.in_training_unit(self._weights)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return the number or numbers of each sample.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Finite numbers, in the columns of fit.

        Returns
        -------
        numbers : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            In y's unit, of the float type of X in fit.

        Raises
        ------
        ValueError
            If X is not such an array, or the estimator is not fitted (``NotFittedError``).
        """
        outputs = self._raw_predictions(X)
        return self._targets.decode(outputs)

    @property
    def model_(self) -> Any:
        """A new compiled ``keras.Sequential`` with the learned weights, in Keras's own float type.

        Each access makes another one, which is the caller's: to train it further or to save it, keep it first
        (``model = reg.model_``). The estimator stays as it is. The model predicts, and is trained, in y's own unit. Its
        optimizer is new, with the settings that the estimator's parameters have now.
        """
        return self._new_model()

    def __sklearn_tags__(self) -> Tags:
        """Return scikit-learn's tags: several numbers a sample are supported, and only positive ones with Poisson."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self.loss == "poisson"
        return tags
