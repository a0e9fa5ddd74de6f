"""The page in a notebook."""

from __future__ import annotations  # so that help() shows ArrayLike by its name

import inspect
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import ArrayLike

try:
    import anywidget
    import traitlets
except ImportError as error:
    raise ImportError("moonnet.explore.Explorer needs anywidget: pip install 'moonnet[explore]'") from error

from moonnet.explore._session import Session
from moonnet.explore._user_tables import ArrayTable

_PAGE = Path(__file__).parent / "page"


class Explorer(anywidget.AnyWidget):
    """A page in a notebook on which a network learns as its settings move.

    The page shows what a :class:`~moonnet.KerasMoonClassifier` does to the plane: its probabilities and boundary, the
    activation of each unit, loss and accuracy by epoch. Each movement of a setting trains the network anew. It runs in
    Jupyter, and wherever else anywidget does. ``python -m moonnet explore`` opens the same page in a browser.

    Parameters
    ----------
    X : array-like or dataframe of shape (n_samples, n_features), default=None
        Finite numbers, at least two columns. More than two are seen on their principal plane, or two of them on their
        own. The network learns the two coordinates. None begins with half-moons.

    y : array-like of shape (n_samples,), default=None
        Labels of 2 to 10 classes, each at least four times. Given if and only if X is.

    Attributes
    ----------
    settings : dict
        The settings on the page that differ from their defaults. Set it to change the page.

    Raises
    ------
    ValueError
        If X or y is not what is described here.

    TypeError
        If y holds labels that cannot be sorted.

    ImportError
        If the extra ``explore`` is not installed.

    See Also
    --------
    moonnet.plotting.DecisionRegionDisplay : A picture of a fitted classifier.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from moonnet.explore import Explorer
    >>> X, y = load_iris(return_X_y=True)
    >>> explorer = Explorer(X, y)
    >>> explorer  # doctest: +SKIP
    """

    __signature__: ClassVar[inspect.Signature]  # for help(): traitlets hides it behind a __new__ of anything
    _esm = _PAGE / "explorer.js"
    _css = _PAGE / "explorer.css"
    settings = traitlets.Dict().tag(sync=True)
    # Begins when a page asks for something. The class has it, since close() also runs where __init__ has failed.
    _session: Session | None = None

    def __init__(self, X: ArrayLike | None = None, y: ArrayLike | None = None) -> None:
        if (X is None) != (y is None):
            raise ValueError(f"X and y must be given together. Got {'X' if y is None else 'y'} alone.")
        own = None if X is None else ArrayTable(X, y)
        super().__init__(settings={} if own is None else {"data": "own"})
        self._own = own
        self.on_msg(self._take_request)

    @property
    def estimator_(self) -> Any:
        """The fitted estimator on the page.

        A :class:`~moonnet.KerasMoonClassifier`. For X of your own it is a pipeline that ends in one, and takes the
        columns of X on whose plane the network learned. None before the page has trained a network.
        """
        return None if self._session is None else self._session.estimator

    def close(self) -> None:
        """End the training under way and remove the widget."""
        if self._session is not None:
            self._session.close()
        super().close()

    def _send_answer(self, kind: str, answer: bytes) -> None:
        self.send({"kind": kind}, [answer])

    def _take_request(self, widget: Any, request: Any, buffers: Any) -> None:
        if self._session is None:
            self._session = Session(self._send_answer, self._own)
        self._session.receive(request)


Explorer.__signature__ = inspect.Signature(list(inspect.signature(Explorer.__init__).parameters.values())[1:])
