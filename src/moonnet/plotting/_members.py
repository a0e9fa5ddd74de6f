"""The members of an ensemble: what each predicts on a grid, how far they disagree, and their lines in a picture."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier, is_regressor
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.pipeline import Pipeline

from moonnet.plotting._axes import to_kwargs
from moonnet.plotting._boundary import boundary_lines

# Largest standard deviation that probabilities, which lie in [0, 1], can have
_MAX_SPREAD = 0.5
_SPREAD_NAME = "standard deviation\nof the members' probabilities"
# The shade, and its opacity for the largest spread
_SHADE, _OPACITY = 0.15, 0.6
# Members of these decide between some of the classes only
_PART_OF_CLASSES = OneVsRestClassifier, OneVsOneClassifier, OutputCodeClassifier


def innermost(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return the last step of a pipeline or the best estimator of a search, and X as that estimator takes it."""
    while True:
        if isinstance(estimator, Pipeline):
            X = estimator[:-1].transform(X) if len(estimator) > 1 else X
            estimator = estimator[-1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return estimator, X


def member_scores(estimator: Any, X: Any) -> np.ndarray:
    """Return the probability of each class of the ensemble by each member, shape (n_members, n_samples, n_classes).

    A member without ``predict_proba`` gives its predicted class 1 and the others 0.
    """
    ensemble, X = innermost(estimator, X)
    members = _members(ensemble, X, is_classifier, "classifier")
    if isinstance(ensemble, _PART_OF_CLASSES):
        raise _members_error(ensemble, "which each predict all classes")
    classes = ensemble.classes_.tolist()
    # Most ensembles of scikit-learn fit their members to indices of the classes
    has_labels = {label for member, _ in members for label in member.classes_.tolist()} == set(classes)
    scores = np.zeros((len(members), np.shape(X)[0], len(classes)))
    for values, (member, columns) in zip(scores, members, strict=True):
        own = member.classes_.tolist()
        indices = [classes.index(label) if has_labels else int(label) for label in own]
        if hasattr(member, "predict_proba"):
            values[:, indices] = member.predict_proba(columns)
        else:
            predicted = member.predict(columns).tolist()
            values[np.arange(len(values)), [indices[own.index(label)] for label in predicted]] = 1
    return scores


def member_predictions(estimator: Any, X: Any) -> np.ndarray:
    """Return the prediction of each member for each sample, shape (n_members, n_samples)."""
    ensemble, X = innermost(estimator, X)
    members = _members(ensemble, X, is_regressor, "regressor")
    return np.stack([np.ravel(member.predict(columns)) for member, columns in members])


def _members(ensemble: Any, X: Any, is_kind: Any, kind: str) -> list[tuple[Any, Any]]:
    """Return the members of an ensemble, each with X as it takes it."""
    members = getattr(ensemble, "estimators_", ())
    # Those of gradient boosting, an array of two dimensions, predict what the ones before them have left
    is_boosting = isinstance(members, np.ndarray) and members.ndim > 1
    if is_boosting or len(members) == 0 or not all(map(is_kind, members)):
        raise _members_error(ensemble, f"each a {kind}")
    if hasattr(ensemble, "named_estimators_"):  # a VotingClassifier, for example, passes X to its members as it is
        return [(member, X) for member in members]
    X = X if sparse.issparse(X) else np.asarray(X)
    features = getattr(ensemble, "estimators_features_", [slice(None)] * len(members))
    return [(member, X[:, columns]) for member, columns in zip(members, features, strict=True)]


def _members_error(ensemble: Any, what: str) -> ValueError:
    return ValueError(
        "members must be False unless the estimator is an ensemble with fitted members in estimators_, "
        f"{what}. Got {ensemble!r} instead."
    )


def class_spread(scores: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the members' probabilities, the largest of any class.

    ``scores`` have the shape (n_members, ..., n_classes).
    """
    return scores.std(axis=0).max(axis=-1)


def draw_curves(ax: Any, x: np.ndarray, curves: np.ndarray, kwargs: dict[str, Any]) -> Any:
    """Draw the curve of each member (n_members, n_points) as a thin line; return the artist."""
    return _draw_lines(
        ax, [np.column_stack([x, curve]) for curve in curves], len(curves), {"zorder": 1.5, "colors": "0.3"} | kwargs
    )


def draw_members(
    ax: Any,
    scores: np.ndarray | None,
    xx0: np.ndarray,
    xx1: np.ndarray,
    member_kw: dict[str, Any] | bool | None,
    spread_kw: dict[str, Any] | bool | None,
) -> tuple[Any, Any]:
    """Draw the shading and the members' boundaries, unless one of the last two is False; return the artists or None."""
    if scores is None:
        return None, None
    spread = None if spread_kw is False else _draw_spread(ax, class_spread(scores), xx0, xx1, to_kwargs(spread_kw))
    lines = None if member_kw is False else _draw_boundaries(ax, scores, xx0, xx1, to_kwargs(member_kw))
    return spread, lines


def _draw_boundaries(ax: Any, scores: np.ndarray, xx0: np.ndarray, xx1: np.ndarray, kwargs: dict[str, Any]) -> Any:
    """Draw the decision boundary of each member as a thin line; return the artist."""
    lines = [line for member in scores for line in boundary_lines(member, xx0, xx1)]
    return _draw_lines(ax, lines, len(scores), {"zorder": 0} | kwargs)


def _draw_lines(ax: Any, lines: list[np.ndarray], n_members: int, kwargs: dict[str, Any]) -> Any:
    """Draw thin lines, the fainter the more members there are; return the artist."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.collections import LineCollection

    defaults: dict[str, Any] = {"colors": "black", "linewidth": 0.8}
    label = "1 member" if n_members == 1 else f"each of {n_members} members"
    defaults |= {"alpha": np.clip(2 / np.sqrt(n_members), 0.2, 0.8), "label": label}
    kwargs = normalize_kwargs(kwargs, LineCollection)
    return ax.add_collection(LineCollection(lines, **(defaults | kwargs)), autolim=False)


def _draw_spread(ax: Any, spread: np.ndarray, xx0: np.ndarray, xx1: np.ndarray, kwargs: dict[str, Any]) -> Any:
    """Shade the plane, the darker the further the members disagree; return the artist."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.collections import QuadMesh
    from matplotlib.colors import LinearSegmentedColormap

    kwargs = normalize_kwargs(kwargs, QuadMesh)
    shade = LinearSegmentedColormap.from_list("spread", [(_SHADE,) * 3 + (opacity,) for opacity in (0, _OPACITY)])
    defaults = {"cmap": shade, "shading": "nearest", "rasterized": True, "zorder": -0.5}
    if "norm" not in kwargs:
        defaults |= {"vmin": 0, "vmax": _MAX_SPREAD}
    return ax.pcolormesh(xx0, xx1, spread, **(defaults | kwargs))


def draw_spread_colorbar(ax: Any, spread: Any, kwargs: dict[str, Any]) -> Any:
    """Draw the colour bar of the shading, as it looks on white; return it."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap

    # Not translucent, because the edges of its colours would overlap
    rgba = spread.cmap(np.linspace(0, 1, 256))
    opacity = rgba[:, 3:] * (1 if spread.get_alpha() is None else spread.get_alpha())
    shades = ScalarMappable(spread.norm, ListedColormap(opacity * rgba[:, :3] + 1 - opacity))
    return ax.figure.colorbar(shades, ax=ax, **({"label": _SPREAD_NAME} | kwargs))
