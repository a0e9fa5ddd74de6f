"""scikit-learn's private names, and stand-ins for what older versions lack.

The other modules take it from here, so that a release which moves a name breaks one place.
"""

import inspect
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import sklearn
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    HAS_CALLBACKS = True
except ModuleNotFoundError as error:  # before 1.9
    if error.name != "sklearn.callback":
        raise
    HAS_CALLBACKS = False

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's."""

        def set_callbacks(self, *callbacks: Any) -> Self:
            """Raise NotImplementedError, unless there is nothing to set: scikit-learn has callbacks from 1.9 on."""
            if callbacks:
                check_has_callbacks("set_callbacks")
            return self

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method as it is."""
        return method


__all__ = [
    "HAS_CALLBACKS",
    "InternalsMixin",
    "Interval",
    "Options",
    "StrOptions",
    "boundary_display",
    "check_has_callbacks",
    "check_sample_weight",
    "safe_indexing",
    "with_callbacks",
]


def check_has_callbacks(what: str) -> None:
    """Raise NotImplementedError, naming what needs them and what else shows a training, if there are no callbacks."""
    if not HAS_CALLBACKS:
        raise NotImplementedError(
            f"{what} needs the callbacks that scikit-learn has from 1.9 on. Got scikit-learn {sklearn.__version__}. "
            "history_ and TrainingCurveDisplay show a training too, and Keras's callbacks (the parameter 'callbacks') "
            "watch it."
        )


def check_sample_weight(sample_weight: ArrayLike | None, X: Any) -> np.ndarray:
    """Return the weights, float64 of shape (n_samples,); raise ValueError for wrong ones, or if all are 0."""
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not np.isfinite(weight).all():  # scikit-learn 1.7 lets a single number be anything
        raise ValueError(f"sample_weight must hold finite numbers. Got {sample_weight!r} instead.")
    if not weight.any():  # scikit-learn checks this itself from 1.9 on
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weight


def boundary_display(*, n_classes: int, **options: Any) -> Any:
    """Return a DecisionBoundaryDisplay, which wants the number of classes from 1.9 on."""
    from sklearn.inspection import DecisionBoundaryDisplay

    if "n_classes" in inspect.signature(DecisionBoundaryDisplay).parameters:
        options["n_classes"] = n_classes
    return DecisionBoundaryDisplay(**options)


class InternalsMixin(CallbackSupportMixin):
    """Methods of an estimator that use or replace what scikit-learn keeps to itself."""

    def _callback_context(self, epochs: int) -> Any:
        """Return the context in which scikit-learn's callbacks follow a fit; None without callbacks."""
        if not getattr(self, "_skl_callbacks", None):
            return None
        check_has_callbacks("An estimator with callbacks")  # a pickle may hold callbacks
        return self._init_callback_context(max_subtasks=epochs)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle, without that of scikit-learn's callbacks during a fit."""
        transient = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")
        return {name: value for name, value in super().__getstate__().items() if name not in transient}

    def _get_fitted_attr_html(self, doc_link: str = "") -> Any:
        """Return the fitted attributes for a notebook, without model_, which scikit-learn would build to show it.

        scikit-learn calls this from 1.9 on.
        """
        plain = BaseEstimator()
        vars(plain).update(vars(self))
        attributes = plain._get_fitted_attr_html(doc_link)
        attributes.estimator_class = type(self)
        return attributes
