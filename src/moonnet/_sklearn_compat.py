"""Private names of scikit-learn, and replacements for features that older versions lack.

All other modules import them from here, so that a change in scikit-learn affects a single module.
"""

import inspect
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import sklearn
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in
from sklearn.utils.validation import _check_n_features as check_n_features
from sklearn.utils.validation import _check_sample_weight
from sklearn.utils.validation import _get_feature_names as get_feature_names

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    HAS_CALLBACKS = True
except ModuleNotFoundError as error:  # before 1.9
    if error.name != "sklearn.callback":
        raise
    HAS_CALLBACKS = False

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Replacement for scikit-learn's class."""

        def set_callbacks(self, *callbacks: Any) -> Self:
            """Raise NotImplementedError if there are callbacks: scikit-learn has supported them since 1.9."""
            if callbacks:
                check_has_callbacks("set_callbacks")
            return self

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method unchanged."""
        return method


__all__ = [
    "HAS_CALLBACKS",
    "HasMethods",
    "InternalsMixin",
    "Interval",
    "Options",
    "StrOptions",
    "boundary_display",
    "check_feature_names_in",
    "check_has_callbacks",
    "check_n_features",
    "check_sample_weight",
    "get_feature_names",
    "safe_indexing",
    "with_callbacks",
]


def check_has_callbacks(feature: str) -> None:
    """Raise NotImplementedError if scikit-learn has no callbacks; ``feature`` is what needs them."""
    if not HAS_CALLBACKS:
        raise NotImplementedError(
            f"{feature} needs scikit-learn 1.9 or later, which has callbacks. Got scikit-learn {sklearn.__version__}. "
            "To follow training without them, use history_, TrainingCurveDisplay, or Keras's callbacks (the parameter "
            "'callbacks')."
        )


def check_sample_weight(sample_weight: ArrayLike | None, X: Any) -> np.ndarray:
    """Return the weights as float64, shape (n_samples,); raise ValueError if they are invalid or all 0."""
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not np.isfinite(weight).all():  # scikit-learn 1.7 does not check a single number
        raise ValueError(f"sample_weight must contain finite numbers. Got {sample_weight!r} instead.")
    if not weight.any():  # scikit-learn has checked this since 1.9
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weight


def boundary_display(*, n_classes: int, **options: Any) -> Any:
    """Return a DecisionBoundaryDisplay, which has required the number of classes since 1.9."""
    from sklearn.inspection import DecisionBoundaryDisplay

    if "n_classes" in inspect.signature(DecisionBoundaryDisplay).parameters:
        options["n_classes"] = n_classes
    return DecisionBoundaryDisplay(**options)


class InternalsMixin(CallbackSupportMixin):
    """Methods of estimators that use or override private methods of scikit-learn."""

    def _callback_context(self, epochs: int) -> Any:
        """Return the context that runs scikit-learn's callbacks during fit; None without callbacks."""
        if not getattr(self, "_skl_callbacks", None):
            return None
        check_has_callbacks("An estimator with callbacks")  # which a pickle may contain
        return self._init_callback_context(max_subtasks=epochs)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle, without attributes that scikit-learn's callbacks set only during fit."""
        transient = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")
        return {name: value for name, value in super().__getstate__().items() if name not in transient}

    def _get_fitted_attr_html(self, doc_link: str = "") -> Any:
        """Return the fitted attributes for a notebook: of the properties the weights, and not ``model_``.

        scikit-learn has called this method since 1.9.
        """
        plain = BaseEstimator()
        weights = {name: getattr(self, name) for name in ("coefs_", "intercepts_") if hasattr(self, name)}
        vars(plain).update(vars(self) | weights)
        attributes = plain._get_fitted_attr_html(doc_link)
        attributes.estimator_class = type(self)
        return attributes
