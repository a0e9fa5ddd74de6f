"""The regressor, KerasMoonRegressor."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if

from moonnet._estimator import BaseKerasMoon
from moonnet._sklearn_compat import HasMethods, StrOptions
from moonnet._unknown_keywords import explain_unknown_keywords, explain_unknown_keywords_of
from moonnet.losses._loss import Objective
from moonnet.losses._quantiles import Quantiles
from moonnet.losses._regression import LOSSES_OF_POSITIVE_NUMBERS, REGRESSION_LOSSES, RegressionLoss
from moonnet.losses._user_loss import check_regression_loss, loss_config, objects_of, regression_loss
from moonnet.networks import DenseStack, Network, State
from moonnet.targets import NumberTargets


def _has_quantiles(reg: KerasMoonRegressor) -> bool:
    """Return whether a regressor predicts quantiles. Raises AttributeError if not."""
    is_chosen = isinstance(reg.loss, str) and reg.loss == Quantiles.name
    is_fitted = hasattr(reg, "_trained_with")
    if (is_fitted and reg._targets.loss.quantiles) or (is_chosen and not is_fitted):
        return True
    raise AttributeError(
        "predict_quantiles needs loss='pinball', which predicts the numbers in the 'quantile' parameter. "
        f"Got loss={reg.loss!r}{', which has no effect before the next fit' if is_chosen else ' instead'}."
    )


@explain_unknown_keywords
class KerasMoonRegressor(RegressorMixin, BaseKerasMoon):
    """Regressor that trains a small dense Keras network.

    By default, the network has two hidden layers with 50 and 20 units. It predicts one number per sample, or several.
    y may be in any unit: training standardises y, and the fitted network predicts in the unit of y, so that you need
    not scale it yourself. Everything else is as in :class:`KerasMoonClassifier`.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int or int, default=(50, 20)
        Number of units in each hidden Dense layer, each at least 1. An empty tuple means no hidden layer, which makes
        the network a linear regression.

    loss : {"squared_error", "absolute_error", "huber", "poisson", "pinball"} or keras.losses.Loss, \
            default="squared_error"
        The loss to minimise. ``"squared_error"`` predicts means, and ``"absolute_error"`` medians. ``"huber"`` is half
        the squared error up to one spread of y (see Notes) and linear beyond, so that outliers have less influence.
        ``"poisson"`` predicts means of counts or rates with a log link, for y of at least 0. ``"pinball"`` predicts the
        ``quantile``, or several. A Keras loss applies to the standardised y, also in ``history_``; its reduction has no
        effect.

    quantile : float or array-like of float, default=0.5
        The quantile that ``loss="pinball"`` predicts, in (0, 1); or at least two in ascending order, which one network
        predicts together, with an output for each. :meth:`predict_quantiles` returns all of them, sorted, so that they
        never cross. :meth:`predict` returns the middle one; of an even number, the one of the two in the middle that is
        nearer to 0.5, or the lower one if both are as near. Not used by other losses.

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
        Factor of the L2 penalty on all kernels: ``l2 * sum(kernel ** 2)`` is added to the loss of the standardised y.
        The losses in ``history_`` include the penalty, in the unit of the loss.

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

    early_stopping : bool, default=False
        Whether to score the network on a validation set after each epoch, stop training when the score no longer
        improves, and use the weights of the best epoch. The validation set is ``X_val`` and ``y_val`` if fit receives
        them. Otherwise, it is held out from X and y.

    validation_fraction : float, default=0.1
        Fraction of the samples to hold out for early stopping, in (0, 1). Not used if fit receives ``X_val``.

    scoring : str, callable or None, default="loss"
        What early stopping monitors. ``"loss"`` minimises the validation loss. The name of a scorer (``"r2"``,
        ``"neg_median_absolute_error"``, ...) or a callable ``scorer(estimator, X, y)`` maximises that score; None
        maximises the R² that ``score`` returns. The scorer receives X as an array or in CSR format, and also
        ``sample_weight`` if samples have weights.

    n_iter_no_change : int or inf, default=10
        Number of consecutive epochs without an improvement of ``tol`` that early stopping tolerates, at least 1. With
        ``numpy.inf``, training never stops early, and early stopping only selects the best epoch.

    tol : float, default=1e-4
        Smallest change that early stopping counts as an improvement, at least 0: a decrease of the validation loss of
        the standardised y, or an increase of the score.

    callbacks : list of keras.callbacks.Callback or None, default=None
        Keras callbacks. They receive a live, compiled Keras model with the network's weights and optimizer. These
        weights are for the standardised y; a last layer without weights converts the predictions to the unit of y.
        Callbacks may change the weights, the optimizer and the learning rate, and they may stop training. Numbers that
        they add to the logs of an epoch appear in ``history_``. Each fit trains with shallow copies, which refer to the
        same objects: what a hook assigns to ``self`` is lost, and what it writes into a list, a file or a study
        remains. Clones share the instances. With early stopping, the network is scored before the callbacks run: the
        best weights are those that were scored, and the hooks of validation (``on_test_begin``, ...) are not called.
        For scikit-learn's callbacks, see :meth:`set_callbacks`.

    warm_start : bool, default=False
        Whether fit resumes the training of the previous fit for ``epochs`` more epochs, with the same weights,
        optimizer state and random streams: 60 epochs and then 40 are bit-for-bit identical to 100. The state of
        callbacks is not resumed. Layers, loss and columns of y must not change, and y is standardised as in the first
        fit. A different optimizer starts with a new state, and so does an optimizer whose learning rate changes from a
        number to a schedule. ``quantile`` may change, but not the number of quantiles; earlier losses in ``history_``
        are then those of another quantile.

    verbose : {0, 1, 2}, default=0
        Progress output: 0 prints nothing, 1 shows one progress bar per fit (ten lines if the output is not a terminal),
        2 prints one line per epoch.

    random_state : int, RandomState instance or None, default=None
        Controls the initial weights, the order of the samples, the dropout masks and the choice of held-out samples.
        With an int, repeated fits are bit-for-bit identical on one machine with one engine (TensorFlow, JAX or
        PyTorch). None draws a new seed from the operating system. NumPy's global generator is never used.

    Attributes
    ----------
    coefs_ : list of ndarray
        Kernel of each layer, of shapes (n_features, n_units), (n_units, n_units) and so on. The dtype is float32 if X
        was float32 in fit, and otherwise float64. With :attr:`intercepts_`, they give predictions in the unit of y
        (with ``loss="poisson"``, the logarithms of predictions). Each access returns a new list, in which the last
        kernel is read-only: to change the weights, assign a whole list. With several quantiles, the last kernel has a
        column for each, and the network's outputs become predictions when they are sorted. A network with
        ``hidden_layers`` has no ``coefs_``.

    intercepts_ : list of ndarray
        Bias of each layer, of shape (n_units,). To change biases, assign a whole list. Not with ``hidden_layers``.

    history_ : dict of str to list of float
        Loss of each epoch, in the unit of y, or in its square for ``"squared_error"`` and ``"huber"``; a Keras loss is
        that of the standardised y. ``"loss"`` is the weighted mean over the samples of the epoch, computed while the
        weights change. With early stopping or ``X_val``, ``"val_loss"`` is that of the validation set after the epoch;
        it is NaN for epochs without a validation set. With several quantiles, both are also means over the quantiles:
        ``"loss"`` of the network's outputs, ``"val_loss"`` of the predictions, which are sorted. ``"val_score"`` is the
        score that early stopping monitors, if ``scoring`` is not ``"loss"``. Further keys, such as
        ``"learning_rate"``, are numbers that callbacks add. Resumed fits append to this history.

    model_ : keras.Sequential, or keras.Model with ``hidden_layers``
        The fitted network as a compiled Keras model. Each access builds a new model, so assign it to a variable before
        you train or save it. With several quantiles, it predicts all of them: for each sample, or for each sample and
        output of y, along the last axis.

    quantiles_ : ndarray of shape (n_quantiles,)
        The quantiles that the network predicts, in ascending order. Only with ``loss="pinball"``.

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
        Number of units in the output layer: one for each column of y and each of several quantiles.

    out_activation_ : str
        Keras activation of the output layer: ``"exponential"`` with ``loss="poisson"``, otherwise ``"linear"``.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only if all feature names of X are strings.

    See Also
    --------
    KerasMoonClassifier : The same network for classes.
    moonnet.plotting.RegressionDisplay : Plot the predictions of a regressor.
    moonnet.plotting.TrainingCurveDisplay : Plot ``history_``.
    sklearn.neural_network.MLPRegressor : Multi-layer perceptron that is implemented in scikit-learn.

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

    y is standardised with statistics of the training samples; for ``partial_fit``, of those of the first call:

    - ``"squared_error"`` uses the mean and the standard deviation.
    - ``"absolute_error"``, ``"huber"`` and ``"pinball"`` use the median and the interquartile range, so that outliers
      have little influence here too. The range is divided by 1.35, which gives the standard deviation if y is normally
      distributed.
    - ``"poisson"`` divides y by its mean.

    If y has several columns, each is standardised separately, and all of them count equally: a loss is the mean over
    the standardised columns, times the mean of their units. Such losses therefore differ from scikit-learn's metrics
    and from Keras's ``evaluate``. If you train ``model_`` further, it weights columns by their units. Use ``scoring``
    to monitor a metric of your choice.

    The biases of hidden layers are initialised at random, as in scikit-learn's networks. With Keras's zeros, all hidden
    units have their kink at the same point, and a curve over a single feature is learned more slowly.

    All losses except ``"poisson"`` equal Keras's. ``"poisson"`` is half the Poisson deviance, as in scikit-learn, and
    differs from Keras's loss by a term that depends only on y. ``model_`` is compiled with Keras's losses in the unit
    of y; for ``"huber"`` and ``"pinball"``, with those of :mod:`moonnet.losses`.

    With several quantiles, the loss is the mean of their pinball losses. An output that training has left on the wrong
    side of another one for a sample is sorted only in predictions, which never makes this loss larger [1]_.
    ``score`` is the R² of :meth:`predict`, and so of the middle quantile.

    In float32, predictions have the resolution of float32 in the unit of y. ``fit`` raises an error if this is too
    coarse for the spread of y, or if y is so small or large that training would underflow or overflow.

    References
    ----------
    .. [1] Chernozhukov, Fernández-Val and Galichon, "Quantile and Probability Curves Without Crossing", 2010.

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

    Three quantiles from one network: the median, and an interval for nine of ten numbers.

    >>> X = StandardScaler().fit_transform(X)
    >>> reg = KerasMoonRegressor(loss="pinball", quantile=[0.05, 0.5, 0.95], random_state=0).fit(X, y)
    >>> low, median, high = reg.predict_quantiles(X).T
    >>> bool((low <= median).all() and (median <= high).all())
    True
    """

    _parameter_constraints: ClassVar[dict] = BaseKerasMoon._parameter_constraints | {
        "loss": [StrOptions(set(REGRESSION_LOSSES)), HasMethods(["call", "get_config"])],
        "quantile": "no_validation",  # _check_quantile says what a number or a sequence must be
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | int = (50, 20),
        *,
        hidden_layers: Any = None,
        loss: Any = "squared_error",
        quantile: ArrayLike = 0.5,
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
        """Train the network.

        With ``warm_start=True``, training resumes from the previous fit.

        Ctrl-C stops training with a warning. The estimator is then fitted with the epochs completed so far.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training samples of finite numbers: an array, a nested list, a pandas or polars DataFrame, or a SciPy sparse
            array or matrix. Only one block of a sparse X at a time is converted to a dense array.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Finite numbers in any unit; for ``loss="poisson"``, at least 0.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, at least one of them positive. None gives each sample the weight 1.

        X_val : array-like or sparse matrix of shape (n_val_samples, n_features), default=None
            Validation samples with the same columns as X. The network is scored on them after each epoch: ``history_``
            stores the results, and early stopping monitors them instead of held-out samples. In a pipeline, use
            ``Pipeline(..., transform_input=["X_val"])`` so that ``X_val`` is transformed like X.

        y_val : array-like of shape (n_val_samples,) or (n_val_samples, n_outputs), default=None
            Targets of ``X_val``, in the unit of y.

        sample_weight_val : array-like of shape (n_val_samples,), default=None
            Non-negative weights of ``X_val``, at least one of them positive.

        Returns
        -------
        self : KerasMoonRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or an argument is invalid, or if the loss or the weights become infinite or NaN. The results
            of an earlier fit are then unchanged, as after any other error.

        TypeError
            If X, sample_weight or the validation set cannot be converted to numbers.

        RuntimeError
            If the process was forked from a process that had trained a network on TensorFlow or JAX.

        ImportError
            If Keras's backend is JAX and JAX is not installed.

        Warns
        -----
        UserWarning
            If Ctrl-C interrupted training.

        See Also
        --------
        partial_fit : Train for one epoch on a block of samples.
        moonnet.plotting.TrainingCurveDisplay : Plot ``history_``.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one epoch on a block of samples.

        Each call resumes training with the weights, the optimizer state and the random streams of the previous call or
        fit. ``early_stopping`` has no effect: no samples are held out. The first call determines how y is standardised,
        so its samples should represent the centre and the spread of y.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training samples, as in :meth:`fit`.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets, as in :meth:`fit`.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights, as in :meth:`fit`.

        Returns
        -------
        self : KerasMoonRegressor
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError, RuntimeError, ImportError
            As in :meth:`fit`.

        See Also
        --------
        fit : Train for several epochs.
        """
        return self._partial_fit(X, y, sample_weight, self._infer_targets)

    # With biases of 0, all hidden units have their kink at the same point, but a curve over one feature needs kinks
    # across the whole range of the feature
    _random_biases: ClassVar[bool] = True

    def _infer_targets(self, y: np.ndarray, previous: NumberTargets | None) -> NumberTargets:
        if previous is None:
            return NumberTargets.from_y(y, self._regression_loss())
        loss = self._regression_loss()
        if loss.name != previous.loss.name:
            raise ValueError(
                "The 'loss' parameter must not change when training is resumed: it must be "
                f"{previous.loss.name!r}. Got {self.loss!r} instead."
            )
        n_before = len(previous.loss.quantiles)
        if len(loss.quantiles) != n_before:
            raise ValueError(
                "The 'quantile' parameter must not change in length when training is resumed: the network predicts "
                f"{n_before} quantile{'s' * (n_before > 1)}. Got {self.quantile!r} instead."
            )
        previous.check(y)
        return replace(previous, loss=loss)

    def _check_parameters(self) -> None:
        if isinstance(self.loss, str) and self.loss not in REGRESSION_LOSSES:
            name = _OTHER_NAMES.get(self.loss)
            raise ValueError(
                f"The 'loss' parameter of {type(self).__name__} must be one of {list(REGRESSION_LOSSES)}, or an "
                "instance of keras.losses.Loss. "
                f"Got {self.loss!r}{f', which is {name!r} here' if name else ' instead'}."
            )
        if inspect.isroutine(self.loss) or isinstance(self.loss, type):
            loss_config(self.loss)  # raises ValueError
        super()._check_parameters()
        self._check_quantile()
        if not isinstance(self.loss, str):
            check_regression_loss(self.loss)

    def _check_quantile(self) -> None:
        """Raise ValueError unless there is one quantile, or several in ascending order."""
        try:
            quantiles = np.asarray(self.quantile)
            quantiles = np.array(np.nan) if quantiles.dtype.kind in "SU" else quantiles.astype(np.float64)
        except (TypeError, ValueError):
            quantiles = np.array(np.nan)
        is_number = isinstance(self.quantile, Real)
        is_ascending = quantiles.ndim == 1 and len(quantiles) > 1 and (np.diff(quantiles) > 0).all()
        if not (is_number or is_ascending) or not ((quantiles > 0) & (quantiles < 1)).all():
            raise ValueError(
                f"The 'quantile' parameter of {type(self).__name__} must be a number in (0, 1), or a sequence of at "
                f"least two such numbers in ascending order, each once. Got {self.quantile!r} instead."
            )

    def _regression_loss(self) -> RegressionLoss:
        if isinstance(self.loss, str):
            return regression_loss(self.loss, self.quantile)
        config = loss_config(self.loss)
        return regression_loss(config, self.quantile, objects_of(config))

    @property
    def _targets(self) -> NumberTargets:
        loss = regression_loss(self._trained_with["loss"], self._trained_with["quantile"])
        return NumberTargets(loss, **self._trained_with["targets"])

    def _objective(self, targets: NumberTargets) -> Objective:
        loss, unit = targets.loss, _scalar_or_list(targets.scale)
        return Objective(
            loss,
            loss.parameter,
            loss.scale(targets.scale),
            model_parameter=loss.parameter_in_unit(unit),
            squared_output_unit=float(np.mean(np.square(targets.unit[0]))),
            rescaling=(unit, _scalar_or_list(targets.center)),
        )

    def _prediction_attributes(self, network: Network, targets: NumberTargets, state: State) -> dict[str, Any]:
        with np.errstate(over="ignore"):
            in_unit = network.rescale(state, *targets.unit)
        follows_x = network.compute_dtype("float64") == "float64"
        if follows_x and not in_unit.is_finite():
            raise ValueError(
                f"y must contain numbers that {state.dtype}, the dtype of X, can represent. Got numbers of about "
                f"{np.abs(targets.center).max() + targets.scale.max():g}. Pass X as float64, or change the unit of y."
            )
        attributes = super()._prediction_attributes(network, targets, state)
        standardisation = {"one_column": targets.one_column, "center": targets.center, "scale": targets.scale}
        attributes["_trained_with"] |= {
            "loss": targets.loss.name,
            "quantile": _scalar_or_list(np.array(targets.loss.quantiles or [0.5])),
            "targets": standardisation,
        }
        return attributes

    def _state_in_unit(self) -> State:
        trained = super()._state_in_unit()
        state = self._network.rescale(trained, *self._targets.unit)
        for array in self._network.output_layer(state.trainable):  # computed: to write into it would change nothing
            array.flags.writeable = False
        return state

    def _set_state_in_unit(self, state: State) -> None:
        super()._set_state_in_unit(_state_of_training(state, self._state, self._targets))

    def _attributes_of_version_0_1(self, coefs: Any, intercepts: Any, state: dict[str, Any]) -> dict[str, Any]:
        attributes = super()._attributes_of_version_0_1(coefs, intercepts, state)
        trained_with, in_unit = attributes["_trained_with"], attributes["_state"]
        targets, output_layer = trained_with["targets"], trained_with.pop("output_layer")
        trained_with |= {
            "loss": targets["loss_name"],
            "quantile": targets["quantile"],
            "targets": {name: targets[name] for name in ("one_column", "center", "scale")},
        }
        loss = REGRESSION_LOSSES[targets["loss_name"]].create(targets["quantile"])
        kernel, bias = output_layer
        trained = DenseStack.join([*coefs[:-1], kernel], [*intercepts[:-1], bias])
        attributes["_state"] = _state_of_training(in_unit, trained, NumberTargets(loss, **trained_with["targets"]))
        return attributes

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the target or targets of each sample.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples of finite numbers, with the same columns as in :meth:`fit`.

        Returns
        -------
        predictions : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions in the unit of y: float32 if X was float32 in fit, and otherwise float64. With several
            quantiles, those of the middle one.

        Raises
        ------
        ValueError
            If X contains anything but finite numbers, or has other columns than in :meth:`fit`.

        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        See Also
        --------
        predict_quantiles : Predict several quantiles.
        moonnet.plotting.RegressionDisplay : Plot predictions.
        """
        outputs = self._outputs(X)  # raises NotFittedError
        return self._targets.decode(outputs)

    @available_if(_has_quantiles)
    @explain_unknown_keywords_of
    def predict_quantiles(self, X: ArrayLike) -> np.ndarray:
        """Predict all quantiles of the target or targets of each sample.

        Only available with ``loss="pinball"``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples of finite numbers, with the same columns as in :meth:`fit`.

        Returns
        -------
        quantiles : ndarray of shape (n_samples, n_quantiles) or (n_samples, n_outputs, n_quantiles)
            Predictions in the unit of y, which ascend along the last axis: one for each number in ``quantile``. float32
            if X was float32 in fit, and otherwise float64.

        Raises
        ------
        ValueError
            If X contains anything but finite numbers, or has other columns than in :meth:`fit`.

        AttributeError
            If the loss is not ``"pinball"``.

        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        See Also
        --------
        predict : Predict the middle quantile.

        Notes
        -----
        scikit-learn's pipelines have no such method. Apply the other steps first:
        ``pipeline[-1].predict_quantiles(pipeline[:-1].transform(X))``.
        """
        outputs = self._outputs(X)  # raises NotFittedError
        return self._targets.decode_quantiles(outputs)

    def _outputs(self, X: ArrayLike) -> np.ndarray:
        """Return the outputs for X, in the dtype of predictions."""
        outputs = self._raw_predictions(X)
        if self._network.compute_dtype("float64") == "float32" and getattr(X, "dtype", None) != np.float32:
            outputs = outputs.astype(np.float64)  # of own layers: y's unit may need more digits than they have
        return outputs

    @property
    def quantiles_(self) -> np.ndarray:
        """The quantiles that :meth:`predict_quantiles` returns, shape (n_quantiles,); only with ``loss="pinball"``."""
        self._fitted_state()
        _has_quantiles(self)
        return np.array(self._targets.loss.quantiles)

    @property
    def model_(self) -> Any:
        """The fitted network as a new, compiled Keras model in Keras's default float type.

        Each access builds another model, which does not affect the estimator. To train or save a model, assign it to a
        variable first: ``model = reg.model_``.

        The model trains and predicts in the unit of y. Its optimizer is new and has the current settings of the
        estimator.

        See Also
        --------
        predict : Predict with NumPy, without Keras.
        moonnet.losses : Losses that must be imported before such a model is loaded from a file.
        """
        return self._build_model()

    def __sklearn_tags__(self) -> Tags:
        """Declare that y may have several columns, and that it must not be negative for the Poisson loss."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self.loss in LOSSES_OF_POSITIVE_NUMBERS
        return tags


# Names of losses in Keras, and in scikit-learn's gradient boosting
_OTHER_NAMES = {
    "mse": "squared_error",
    "mean_squared_error": "squared_error",
    "mae": "absolute_error",
    "mean_absolute_error": "absolute_error",
    "quantile": "pinball",
}


def _state_of_training(in_unit: State, trained: State, targets: NumberTargets) -> State:
    """Return the state of which ``in_unit`` is the one in the unit of y.

    Arrays that agree with those of the state ``trained`` are taken from it, because the conversion rounds.
    """
    factor, offset = targets.unit
    # Those of a file may have shapes whose product is huge
    shapes = {factor.shape, offset.shape, *(a.shape[-1:] for a in DenseStack.output_layer(in_unit.trainable))}
    if len(shapes) > 1:
        raise ValueError(f"expected a factor and an offset for each output. Got the shapes {sorted(shapes)}")
    converted = DenseStack.rescale(in_unit, 1 / factor, -offset / factor)
    if [array.shape for array in trained.trainable] != [array.shape for array in in_unit.trainable]:
        return converted
    before = DenseStack.rescale(trained, factor, offset)
    arrays = zip(in_unit.trainable, before.trainable, trained.trainable, converted.trainable, strict=True)
    return State([kept if np.array_equal(new, old) else changed for new, old, kept, changed in arrays])


def _scalar_or_list(values: np.ndarray) -> Any:
    """Return the value of a single output, or a list for several outputs."""
    return float(values[0]) if len(values) == 1 else values.tolist()
