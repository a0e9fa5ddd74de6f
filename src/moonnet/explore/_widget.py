"""The notebook widget."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

import inspect
from typing import Any, ClassVar

from numpy.typing import ArrayLike

try:
    import anywidget
    import traitlets
except ImportError as error:
    raise ImportError("moonnet.explore.Explorer needs anywidget: pip install 'moonnet[explore]'") from error

from moonnet.explore._bundle import PAGE, bundle
from moonnet.explore._session import Session
from moonnet.explore._user_tables import ArrayTable


class Explorer(anywidget.AnyWidget):
    """Interactive notebook widget that trains a network again whenever a setting changes.

    The widget shows a :class:`~moonnet.KerasMoonClassifier` on a plane of two features: its probabilities and decision
    boundary, the activation of each unit, and loss and accuracy by epoch. For numbers, it shows a
    :class:`~moonnet.KerasMoonRegressor`: a curve over one feature, or a surface over two. It works in JupyterLab and in
    other frontends that support anywidget. ``python -m moonnet explore`` opens the same page in a browser.

    Parameters
    ----------
    X : array-like or dataframe of shape (n_samples, n_features), default=None
        Numbers, with at least two features that are not empty; one is enough to predict numbers. NaN and nulls are
        missing values, which are replaced by the median of the training samples. The network learns from two features,
        standardised, or from the first two principal components of all of them that have a number among the training
        samples, standardised before; these are the default for more than two features. If None, the page starts with
        half-moons.

    y : array-like of shape (n_samples,), default=None
        Labels of 2 to 10 classes, with at least four samples each, or numbers, without missing values. Fractions, or
        more than 20 distinct integers, are numbers to predict. Required if and only if X is given.

    Attributes
    ----------
    settings : dict
        The settings of the page that differ from their defaults, by name. Assign a dict to change the page.

    estimator_ : KerasMoonClassifier, KerasMoonRegressor, ensemble, Pipeline or None
        The fitted estimator on the page.

    Raises
    ------
    ValueError
        If X or y is invalid, for example because X contains infinite values or y missing ones, or if only one of them
        is given.

    TypeError
        If y contains labels that cannot be sorted.

    ImportError
        If the optional dependencies in ``moonnet[explore]`` are not installed.

    See Also
    --------
    moonnet.KerasMoonClassifier : The estimator that the page trains on classes.
    moonnet.KerasMoonRegressor : The estimator that the page trains on numbers.
    moonnet.plotting.DecisionRegionDisplay : Plot the decision regions of any fitted classifier.
    moonnet.plotting.TrainingCurveDisplay : Plot loss and metrics by epoch.
    moonnet.plotting.LearningFilm : Callback that records a film of a training.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from moonnet.explore import Explorer
    >>> X, y = load_iris(return_X_y=True)
    >>> explorer = Explorer(X, y)
    >>> explorer  # doctest: +SKIP
    """

    __signature__: ClassVar[inspect.Signature]  # for help(), which otherwise shows the arguments of traitlets' __new__
    _esm = bundle()
    _css = PAGE / "explorer.css"
    settings = traitlets.Dict().tag(sync=True)
    # Created at the page's first request. A class attribute, since close() also runs if __init__ has failed.
    _session: Session | None = None

    def __init__(self, X: ArrayLike | None = None, y: ArrayLike | None = None) -> None:
        if (X is None) != (y is None):
            raise ValueError(f"X and y must be given together. Got {'X' if y is None else 'y'} alone.")
        table = None if X is None else ArrayTable(X, y)
        super().__init__(settings={} if table is None else {"data": "own"})
        self._table = table
        self.on_msg(self._receive_request)

    @property
    def estimator_(self) -> Any:
        """The fitted estimator on the page.

        Returns
        -------
        estimator : KerasMoonClassifier, KerasMoonRegressor, ensemble, Pipeline or None
            The network, or an ensemble of several networks; if the samples are from X and y, a pipeline that ends in it
            and takes the columns of X that are used; with derived inputs, a pipeline that computes them. None until the
            page has trained a network.

        See Also
        --------
        moonnet.KerasMoonClassifier : The classifier and its fitted attributes.
        moonnet.KerasMoonRegressor : The regressor and its fitted attributes.
        moonnet.ensemble.DeepEnsembleClassifier : The ensemble and its fitted attributes.
        """
        return None if self._session is None else self._session.estimator

    def close(self) -> None:
        """Stop the training and remove the widget from the notebook.

        See Also
        --------
        Explorer : The widget.
        """
        if self._session is not None:
            self._session.close()
        super().close()

    def _send_answer(self, kind: str, answer: bytes) -> None:
        self.send({"kind": kind}, [answer])

    def _receive_request(self, widget: Any, request: Any, buffers: Any) -> None:
        if self._session is None:
            self._session = Session(self._send_answer, self._table)
        self._session.receive(request)


Explorer.__signature__ = inspect.Signature(list(inspect.signature(Explorer.__init__).parameters.values())[1:])
