"""_sklearn_compat: private names of scikit-learn, and differences between its versions."""

import ast
import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn

import moonnet
from moonnet import _sklearn_compat
from moonnet.plotting import LearningFilm

SOURCES = Path(moonnet.__file__).parent


def private_imports(path):
    """Yield the private names, and the names from private modules, that a file imports from scikit-learn."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "sklearn":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.partition(".")[0] == "sklearn"]
        else:
            continue
        yield from (name for name in names if "._" in name)


def private_attributes(path):
    """Yield the private attributes of scikit-learn's estimators and callbacks that a file uses."""
    private = re.compile("_skl_|_callback_fit|_init_callback|_get_fitted_attr")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and private.match(node.attr):
            yield node.attr


@pytest.mark.parametrize("find_private", [private_imports, private_attributes])
def test_private_sklearn_names_are_used_only_in_sklearn_compat(find_private):
    found = {path.relative_to(SOURCES).as_posix(): list(find_private(path)) for path in SOURCES.rglob("*.py")}
    assert {path for path, names in found.items() if names} == {"_sklearn_compat.py"}


@pytest.fixture
def compat_without_callbacks(monkeypatch):
    """The module _sklearn_compat as imported with a scikit-learn that has no callbacks."""
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    spec = importlib.util.spec_from_file_location("moonnet._sklearn_without_callbacks", _sklearn_compat.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_features_that_need_sklearn_callbacks_raise_without_them(compat_without_callbacks, monkeypatch):
    estimator = compat_without_callbacks.InternalsMixin()
    assert estimator.set_callbacks() is estimator
    assert estimator._callback_context(3) is None
    assert compat_without_callbacks.with_callbacks(print) is print
    estimator._skl_callbacks = [print]  # as loaded from a pickle
    message = (
        rf"set_callbacks needs scikit-learn 1\.9 or later, .* Got scikit-learn {re.escape(sklearn.__version__)}\. "
        "To follow training .* history_, TrainingCurveDisplay, or Keras's callbacks"
    )
    with pytest.raises(NotImplementedError, match=message):
        estimator.set_callbacks(print)
    monkeypatch.setattr(_sklearn_compat, "HAS_CALLBACKS", False)
    with pytest.raises(NotImplementedError, match="LearningFilm needs scikit-learn 1"):
        LearningFilm()
    with pytest.raises(NotImplementedError, match="An estimator with callbacks needs scikit-learn 1"):
        _sklearn_compat.InternalsMixin._callback_context(estimator, 3)


def test_boundary_display_gets_n_classes_only_if_it_accepts_them(monkeypatch):
    from sklearn import inspection

    class DisplayBefore19:
        def __init__(self, *, response):
            self.response = response

    class DisplayFrom19(DisplayBefore19):
        def __init__(self, *, n_classes, response):
            super().__init__(response=response)
            self.n_classes = n_classes

    monkeypatch.setattr(inspection, "DecisionBoundaryDisplay", DisplayBefore19)
    assert vars(_sklearn_compat.boundary_display(n_classes=3, response=1)) == {"response": 1}
    monkeypatch.setattr(inspection, "DecisionBoundaryDisplay", DisplayFrom19)
    assert vars(_sklearn_compat.boundary_display(n_classes=3, response=1)) == {"n_classes": 3, "response": 1}


def test_all_zero_sample_weights_raise_with_any_sklearn_version(monkeypatch):
    monkeypatch.setattr(_sklearn_compat, "_check_sample_weight", lambda weight, X, **options: np.asarray(weight, float))
    assert _sklearn_compat.check_sample_weight([0, 1], np.eye(2)).tolist() == [0, 1]
    with pytest.raises(ValueError, match="at least one non-zero number"):
        _sklearn_compat.check_sample_weight([0, 0], np.eye(2))


@pytest.mark.parametrize("number", [np.nan, np.inf, -1.0, 0.0])
def test_scalar_sample_weight_is_checked_like_an_array(number):
    with pytest.raises(ValueError, match=r"finite|NaN|infinity|[Nn]egative|non-zero"):
        _sklearn_compat.check_sample_weight(number, np.zeros((3, 1)))
    assert _sklearn_compat.check_sample_weight(2, np.zeros((3, 1))).tolist() == [2, 2, 2]
