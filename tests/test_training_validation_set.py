"""The validation set, held out or given: splits, errors, and metrics compared with scikit-learn and Keras."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris, make_moons, make_multilabel_classification
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import accuracy_score, log_loss

from helpers import split_of, weight_bytes
from moonnet import KerasMoonClassifier
from moonnet.training._validation_set import hold_out

pytestmark = pytest.mark.trains


@given(st.lists(st.integers(0, 4), min_size=4, max_size=60), st.floats(0.05, 0.6), st.integers(0, 2**32 - 1))
@settings(max_examples=300, deadline=None)
def test_hold_out_is_disjoint_complete_and_stratified(labels, fraction, seed):
    y = np.array(labels)
    classes, counts = np.unique(y, return_counts=True)
    divisible_classes = classes[counts > 1]
    n_held_out = max(math.ceil(fraction * len(y)), len(divisible_classes))
    assume(0 < len(divisible_classes) <= counts[counts > 1].sum() - n_held_out)
    train, held_out = hold_out(len(y), fraction, y, seed)
    assert sorted([*train, *held_out]) == list(range(len(y)))
    assert set(y[train]) == set(y)
    assert n_held_out - len(divisible_classes) <= len(held_out) <= n_held_out
    assert set(y[held_out]) <= set(divisible_classes)
    split = counts[counts > 1].sum()
    for label in divisible_classes:  # proportional, except for rounding and the last training sample of a class
        expected = n_held_out * (y == label).sum() / split
        assert abs((y[held_out] == label).sum() - expected) < 1 + (label not in y[held_out]) + 1e-9
    assert (hold_out(len(y), fraction, y, seed)[1] == held_out).all()


@pytest.mark.parametrize(
    ("y", "fraction", "message"),
    [
        ([0, 1], 0.5, r"'validation_fraction' .* as there are classes\. Got 0\.5 with 2 samples"),
        ([0] * 5 + [1] * 5, 0.9, r"'validation_fraction' .* Got 0\.9 with 10 samples"),
    ],
)
def test_too_few_samples_for_a_validation_set_raise(y, fraction, message):
    X = np.arange(2.0 * len(y)).reshape(-1, 2)
    with pytest.raises(ValueError, match=message):
        KerasMoonClassifier(early_stopping=True, validation_fraction=fraction).fit(X, y)


def test_rare_class_is_never_held_out_entirely():
    y = np.r_[np.zeros(50), np.ones(2)]
    for seed in range(20):
        train, held_out = hold_out(len(y), 0.8, y, seed)
        assert set(y[train]) == {0, 1}
        assert len(train) + len(held_out) == 52


def test_only_sample_of_a_class_is_not_held_out():
    X, y = load_iris(return_X_y=True)
    chosen = np.r_[0:100, 149]
    clf = KerasMoonClassifier(early_stopping=True, epochs=2, random_state=0).fit(X[chosen], y[chosen])
    assert clf.classes_.tolist() == [0, 1, 2]
    _, held_out = split_of(clf, y[chosen])
    assert 100 not in held_out


def test_validation_metrics_match_keras_evaluate_for_every_type_of_target():
    moons, iris = make_moons(100, noise=0.2, random_state=0), load_iris(return_X_y=True)
    labels = make_multilabel_classification(100, random_state=0)
    for X, y in (moons, iris, labels):
        multilabel = y.ndim == 2
        clf = KerasMoonClassifier(
            early_stopping=True, epochs=1, l2=0.003, validation_fraction=0.3, learning_rate=0.003, random_state=0
        ).fit(X, y)
        _, held_out = split_of(clf, y, multilabel)
        target = y if multilabel or len(clf.classes_) == 2 else np.eye(3)[y]
        loss, accuracy = clf.model_.evaluate(X[held_out], target[held_out], verbose=0)
        assert_allclose(clf.history_["val_loss"], [loss], rtol=1e-5)
        assert_allclose(clf.history_["val_accuracy"], [accuracy], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weighted", [False, True])
def test_given_validation_set_acts_like_held_out_samples(train_and_validation_set, weighted, dtype):
    (X, y, weight), _ = train_and_validation_set
    X = X.astype(dtype)
    weight = weight if weighted else None
    clf = KerasMoonClassifier(early_stopping=True, n_iter_no_change=3, learning_rate=0.01, random_state=0)
    held_out = clone(clf).fit(X, y, weight)
    train, rest = split_of(clf, y)
    validated = clone(clf).fit(
        X[train],
        y[train],
        weight[train] if weighted else None,
        X_val=X[rest],
        y_val=y[rest],
        sample_weight_val=weight[rest] if weighted else None,
    )
    assert weight_bytes(validated) == weight_bytes(held_out)
    assert validated.n_iter_ == held_out.n_iter_ < 100
    for name, values in held_out.history_.items():
        assert_allclose(validated.history_[name], values, rtol=1e-12 if dtype == "float64" else 1e-6)


def test_without_early_stopping_a_validation_set_only_adds_metrics(train_and_validation_set):
    (X, y, weight), (X_val, y_val, weight_val) = train_and_validation_set
    clf = KerasMoonClassifier(l2=0.003, class_weight={1: 3.0}, epochs=8, random_state=0)
    validated = clone(clf).fit(X, y, weight, X_val=X_val, y_val=y_val, sample_weight_val=weight_val)
    assert weight_bytes(validated) == weight_bytes(clf.fit(X, y, weight))
    assert validated.history_["loss"] == clf.history_["loss"]
    for epochs in (1, 8):  # class_weight does not apply to X_val
        shorter = clone(clf).set_params(epochs=epochs).fit(X, y, weight)
        loss = log_loss(y_val, shorter.predict_proba(X_val), sample_weight=weight_val)
        loss += clf.l2 * sum((coef**2).sum() for coef in shorter.coefs_)
        assert_allclose(validated.history_["val_loss"][epochs - 1], loss, rtol=1e-9)
        accuracy = accuracy_score(y_val, shorter.predict(X_val), sample_weight=weight_val)
        assert_allclose(validated.history_["val_accuracy"][epochs - 1], accuracy, rtol=1e-9)


def test_only_ratios_of_validation_weights_matter_and_0_removes_a_sample(train_and_validation_set):
    (X, y, _), (X_val, y_val, weight) = train_and_validation_set
    clf = KerasMoonClassifier(early_stopping=True, scoring="roc_auc", epochs=3, random_state=0)
    weight = np.where(np.arange(60) % 3 == 0, 0, np.exp2(np.round(weight)))
    is_used = weight > 0
    fewer = clone(clf).fit(X, y, X_val=X_val[is_used], y_val=y_val[is_used], sample_weight_val=weight[is_used])
    huge = clone(clf).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight * 2.0**1020)
    assert huge.history_ == fewer.history_


@pytest.mark.parametrize("kind", ["sparse", "dataframe", "strings", "multilabel"])
def test_validation_set_may_have_any_input_type_of_fit(train_and_validation_set, kind):
    (X, y, _), (X_val, y_val, _) = train_and_validation_set
    plain = KerasMoonClassifier(epochs=2, random_state=0).fit(X, y, X_val=X_val, y_val=y_val)
    if kind == "sparse":
        X_val = sparse.csr_array(X_val)
    elif kind == "dataframe":
        X, X_val = (pd.DataFrame(part, columns=["a", "b"]) for part in (X, X_val))
    elif kind == "strings":
        y, y_val = (np.array(["no", "yes"])[part] for part in (y, y_val))
    else:
        y, y_val = np.column_stack([y, X[:, 0] > 0]), sparse.csr_array(np.column_stack([y_val, X_val[:, 0] > 0]))
    clf = KerasMoonClassifier(epochs=2, random_state=0, scoring="accuracy", early_stopping=True)
    clf.fit(X, y, X_val=X_val, y_val=y_val)
    if kind == "multilabel":
        expected = log_loss(y_val.toarray()[:, 0], clf.predict_proba(X_val)[:, 0]) / 2
        expected += log_loss(y_val.toarray()[:, 1], clf.predict_proba(X_val)[:, 1]) / 2
        assert_allclose(clf.history_["val_loss"][np.argmax(clf.history_["val_score"])], expected, rtol=1e-9)
    else:
        assert_allclose(clf.history_["val_loss"], plain.history_["val_loss"], rtol=1e-9)


INVALID_SETS = {
    "no labels": ({"X_val": np.eye(2)}, "y_val must be given together with X_val"),
    "no samples": ({"y_val": [0, 1]}, "X_val must be given together with y_val"),
    "weights alone": ({"sample_weight_val": [1, 1]}, "X_val must be given together with sample_weight_val"),
    "number of features": (
        {"X_val": np.ones((2, 3)), "y_val": [0, 1]},
        "In X_val: X has 3 features, but .* expecting 2",
    ),
    "1-D X_val": ({"X_val": [1.0, 2.0], "y_val": [0, 1]}, "In X_val: Expected 2D array"),
    "empty": ({"X_val": np.ones((0, 2)), "y_val": []}, "In X_val: Found array with 0 sample"),
    "NaN": ({"X_val": [[1.0, np.nan]], "y_val": [0]}, "Input X_val contains NaN"),
    "strings": ({"X_val": [["a", "b"]], "y_val": [0]}, "In X_val: could not convert string to float"),
    "unknown label": (
        {"X_val": np.eye(2), "y_val": [0, 7]},
        r"y_val must contain one label per sample, from \[0, 1\]\. Got .*7",
    ),
    "label of another type": ({"X_val": np.eye(2), "y_val": ["a", "b"]}, r"y_val must contain one label per sample"),
    "NaN label": ({"X_val": np.eye(2), "y_val": [0, np.nan]}, "Input y_val contains NaN"),
    "multilabel y_val": ({"X_val": np.eye(2), "y_val": np.eye(2)}, "y_val must contain one label per sample"),
    "different lengths": (
        {"X_val": np.eye(2), "y_val": [0]},
        "X_val and y_val must contain the same number of samples. Got 2 and 1",
    ),
    "negative weights": (
        {"X_val": np.eye(2), "y_val": [0, 1], "sample_weight_val": [-1, 1]},
        "In sample_weight_val: Negative",
    ),
    "all weights 0": (
        {"X_val": np.eye(2), "y_val": [0, 1], "sample_weight_val": [0, 0]},
        "In sample_weight_val: Sample weights must contain at least one non-zero number",
    ),
}


@pytest.mark.parametrize(("validation_set", "message"), INVALID_SETS.values(), ids=INVALID_SETS)
def test_invalid_validation_set_raises_and_changes_nothing(moons, validation_set, message):
    clf = KerasMoonClassifier(epochs=1, random_state=0).fit(*moons)
    before = weight_bytes(clf), clf.history_
    with pytest.raises(ValueError, match=message):
        clf.fit(*moons, **validation_set)
    assert (weight_bytes(clf), clf.history_) == before


def test_feature_names_must_match_those_of_fit(moons):
    X, y = moons
    with pytest.raises(ValueError, match="In X_val: The feature names should match"):
        KerasMoonClassifier(epochs=1).fit(
            pd.DataFrame(X, columns=["a", "b"]), y, X_val=pd.DataFrame(X, columns=["b", "a"]), y_val=y
        )


@pytest.mark.parametrize(
    ("names", "names_val", "message"),
    [
        (["a", "b"], None, "X_val does not have valid feature names, but KerasMoonClassifier was fitted with feature"),
        (None, ["a", "b"], "X_val has feature names, but KerasMoonClassifier was fitted without feature names"),
    ],
)
def test_warning_about_feature_names_of_x_val_names_it(moons, names, names_val, message):
    X, y = moons
    clf = KerasMoonClassifier(epochs=1, random_state=0)
    tables = [X if columns is None else pd.DataFrame(X, columns=columns) for columns in (names, names_val)]
    with pytest.warns(UserWarning, match=message) as warned:
        clf.fit(tables[0], y, X_val=tables[1], y_val=y)
    assert len(warned) == 1
    with pytest.warns(UserWarning, match=message), pytest.raises(ValueError, match="In X_val: X has 1 features"):
        clf.fit(tables[0], y, X_val=tables[1][["a"]] if names_val else X[:, :1], y_val=y)


def test_warning_about_a_column_vector_names_y_val(moons):
    X, y = moons
    with pytest.warns(DataConversionWarning, match=r"^A column-vector y_val was passed .* shape of y_val to") as warned:
        KerasMoonClassifier(epochs=1, random_state=0).fit(X, y, X_val=X, y_val=y[:, np.newaxis])
    assert len(warned) == 1


def test_partial_fit_holds_out_no_samples(moons):
    clf = KerasMoonClassifier(early_stopping=True, scoring="roc_auc", random_state=0)
    assert set(clf.partial_fit(*moons, classes=[0, 1]).history_) == {"loss", "accuracy"}
