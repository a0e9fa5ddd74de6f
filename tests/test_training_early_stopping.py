"""Early stopping beside scikit-learn's metrics, Keras's evaluate and the rule written out once more."""

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
from sklearn.metrics import accuracy_score, check_scoring, log_loss, recall_score, roc_auc_score

from moonnet import KerasMoonClassifier
from moonnet.training import _loop
from moonnet.training._validation_set import hold_out

pytestmark = pytest.mark.trains


def split_of(clf, y, multilabel=False):
    """Return what a fit of clf trains on and what it holds out."""
    seed = _loop.RandomStreams.spawn(clf.random_state).split_seed
    return hold_out(len(y), clf.validation_fraction, None if multilabel else y, seed)


@given(st.lists(st.integers(0, 4), min_size=4, max_size=60), st.floats(0.05, 0.6), st.integers(0, 2**32 - 1))
@settings(max_examples=300, deadline=None)
def test_the_parts_are_apart_whole_and_stratified(labels, fraction, seed):
    y = np.array(labels)
    classes, counts = np.unique(y, return_counts=True)
    several = classes[counts > 1]
    n_held_out = max(math.ceil(fraction * len(y)), len(several))
    assume(0 < len(several) <= counts[counts > 1].sum() - n_held_out)
    train, held_out = hold_out(len(y), fraction, y, seed)
    assert sorted([*train, *held_out]) == list(range(len(y)))
    assert set(y[train]) == set(y)
    assert n_held_out - len(several) <= len(held_out) <= n_held_out
    assert set(y[held_out]) <= set(several)
    split = counts[counts > 1].sum()
    for label in several:  # in proportion, but for the rounding and for one sample to train on
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
def test_too_few_samples_to_hold_some_out(y, fraction, message):
    X = np.arange(2.0 * len(y)).reshape(-1, 2)
    with pytest.raises(ValueError, match=message):
        KerasMoonClassifier(early_stopping=True, validation_fraction=fraction).fit(X, y)


def weights_by_epoch(clf, X, y, sample_weight=None):
    """Yield the weights after each epoch, by fits of so many epochs on the samples that clf trains on."""
    for epochs in range(1, clf.epochs + 1):
        shorter = clone(clf).set_params(early_stopping=False, epochs=epochs).fit(X, y, sample_weight)
        yield shorter


@pytest.mark.parametrize(
    "parameters",
    [{}, {"l2": 0.01}, {"class_weight": {"moon": 3.0}}, {"class_weight": "balanced", "optimizer": "adam"}],
    ids=repr,
)
def test_the_figures_are_scikit_learn_s_and_the_best_epoch_is_kept(parameters):
    X, y = make_moons(120, noise=0.3, random_state=3)
    y = np.where(y == 1, "moon", "crescent")
    weight = np.random.default_rng(0).uniform(0.2, 3, len(X))
    clf = KerasMoonClassifier(
        early_stopping=True,
        validation_fraction=0.25,
        epochs=12,
        learning_rate=0.03,
        random_state=5,
        n_iter_no_change=50,
        **parameters,
    ).fit(X, y, weight)
    train, held_out = split_of(clf, y)
    factor = {"moon": 1.0, "crescent": 1.0}
    if clf.class_weight == "balanced":
        factor = {label: weight.sum() / (2 * weight[y == label].sum()) for label in factor}
    elif clf.class_weight:
        factor |= clf.class_weight
    effective = weight * np.array([factor[label] for label in y])

    fits = weights_by_epoch(
        clone(clf).set_params(class_weight=None), X[train], y[train], sample_weight=effective[train]
    )
    val_losses = []
    for epoch, shorter in enumerate(fits):
        probabilities = shorter.predict_proba(X[held_out])
        loss = log_loss(y[held_out], probabilities, sample_weight=effective[held_out])
        loss += clf.l2 * sum((coef**2).sum() for coef in shorter.coefs_)
        accuracy = accuracy_score(y[held_out], shorter.predict(X[held_out]), sample_weight=effective[held_out])
        assert_allclose(clf.history_["val_loss"][epoch], loss, rtol=1e-9)
        assert_allclose(clf.history_["val_accuracy"][epoch], accuracy, rtol=1e-9)
        assert_allclose(clf.history_["loss"][epoch], shorter.history_["loss"][-1], rtol=1e-9)
        if loss < min(val_losses, default=math.inf):
            best = shorter
        val_losses.append(loss)
    assert np.argmin(val_losses) < clf.epochs - 1  # else the best epoch could be the last by chance
    for ours, theirs in zip(clf.coefs_ + clf.intercepts_, best.coefs_ + best.intercepts_, strict=True):
        assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def epochs_by_the_rule(losses, tol, n_iter_no_change):
    """Return when MLPClassifier would stop, with the loss for its (negative) score."""
    best, waited = math.inf, 0
    for epoch, loss in enumerate(losses, start=1):
        waited = waited + 1 if -loss < -best + tol else 0
        best = min(best, loss)
        if waited > n_iter_no_change:
            return epoch
    return len(losses)


@pytest.mark.parametrize(("tol", "n_iter_no_change"), [(1e-4, 10), (1e-2, 3), (0.0, 1), (0.1, 5)])
def test_it_stops_when_mlpclassifier_would(tol, n_iter_no_change):
    X, y = make_moons(150, noise=0.3, random_state=1)
    clf = KerasMoonClassifier(
        early_stopping=True, tol=tol, n_iter_no_change=n_iter_no_change, learning_rate=0.01, epochs=150, random_state=2
    ).fit(X, y)
    whole = clone(clf).set_params(n_iter_no_change=1000).fit(X, y)
    assert clf.n_iter_ == epochs_by_the_rule(whole.history_["val_loss"], tol, n_iter_no_change) < 150
    assert clf.history_["val_loss"] == whole.history_["val_loss"][: clf.n_iter_]


def test_keras_evaluates_to_the_same_for_every_kind_of_labels():
    moons, iris = make_moons(100, noise=0.2, random_state=0), load_iris(return_X_y=True)
    several = make_multilabel_classification(100, random_state=0)
    for X, y in (moons, iris, several):
        multilabel = y.ndim == 2
        clf = KerasMoonClassifier(
            early_stopping=True, epochs=1, l2=0.003, validation_fraction=0.3, learning_rate=0.003, random_state=0
        ).fit(X, y)
        _, held_out = split_of(clf, y, multilabel)
        target = y if multilabel or len(clf.classes_) == 2 else np.eye(3)[y]
        loss, accuracy = clf.model_.evaluate(X[held_out], target[held_out], verbose=0)
        assert_allclose(clf.history_["val_loss"], [loss], rtol=1e-5)
        assert_allclose(clf.history_["val_accuracy"], [accuracy], rtol=1e-6)


def test_the_moving_average_is_what_is_scored(keras):
    # What predicts when training ends is what early stopping has to judge
    X, y = make_moons(100, noise=0.2, random_state=0)
    optimizer = keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9)
    clf = KerasMoonClassifier(optimizer=optimizer, early_stopping=True, epochs=8, random_state=0).fit(X, y)
    train, held_out = split_of(clf, y)
    for epoch, shorter in enumerate(weights_by_epoch(clf, X[train], y[train])):
        assert_allclose(
            clf.history_["val_loss"][epoch], log_loss(y[held_out], shorter.predict_proba(X[held_out])), rtol=1e-9
        )


def test_a_rare_class_is_never_held_out_whole():
    y = np.r_[np.zeros(50), np.ones(2)]
    for seed in range(20):
        train, held_out = hold_out(len(y), 0.8, y, seed)
        assert set(y[train]) == {0, 1}
        assert len(train) + len(held_out) == 52


@pytest.mark.parametrize("scoring", ["loss", "roc_auc"])
def test_a_training_that_diverges_says_so_and_nothing_else(moons, scoring):
    X, y = moons
    clf = KerasMoonClassifier(
        optimizer="sgd",
        activation="linear",
        batch_size=256,
        learning_rate=1e30,
        early_stopping=True,
        scoring=scoring,
    )
    with pytest.raises(ValueError, match="non-finite"):
        clf.fit(1e60 * X, y)


def test_float32_is_kept(moons):
    X, y = moons
    clf = KerasMoonClassifier(early_stopping=True, epochs=3, random_state=0).fit(X.astype("float32"), y)
    assert {array.dtype.name for array in clf.coefs_ + clf.intercepts_} == {"float32"}


def test_a_class_of_one_sample_is_trained_on():
    X, y = load_iris(return_X_y=True)
    chosen = np.r_[0:100, 149]
    clf = KerasMoonClassifier(early_stopping=True, epochs=2, random_state=0).fit(X[chosen], y[chosen])
    assert clf.classes_.tolist() == [0, 1, 2]
    _, held_out = split_of(clf, y[chosen])
    assert 100 not in held_out


# A validation set of the caller's own


@pytest.fixture(scope="module")
def own_set():
    """Samples to train on and a validation set, with weights."""
    X, y = make_moons(160, noise=0.3, random_state=3)
    weight = np.random.default_rng(0).uniform(0.2, 3, 160)
    return (X[:100], y[:100], weight[:100]), (X[100:], y[100:], weight[100:])


def learned(clf):
    return [array.tobytes() for array in clf.coefs_ + clf.intercepts_]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_set_of_one_s_own_is_what_is_held_out(own_set, weighted, dtype):
    (X, y, weight), _ = own_set
    X = X.astype(dtype)
    weight = weight if weighted else None
    clf = KerasMoonClassifier(early_stopping=True, n_iter_no_change=3, learning_rate=0.01, random_state=0)
    held_out = clone(clf).fit(X, y, weight)
    train, rest = split_of(clf, y)
    own = clone(clf).fit(
        X[train],
        y[train],
        weight[train] if weighted else None,
        X_val=X[rest],
        y_val=y[rest],
        sample_weight_val=weight[rest] if weighted else None,
    )
    assert learned(own) == learned(held_out)
    assert own.n_iter_ == held_out.n_iter_ < 100
    for name, values in held_out.history_.items():
        assert_allclose(own.history_[name], values, rtol=1e-12 if dtype == "float64" else 1e-6)


def test_without_early_stopping_it_is_reported_and_changes_nothing(own_set):
    (X, y, weight), (X_val, y_val, weight_val) = own_set
    clf = KerasMoonClassifier(l2=0.003, class_weight={1: 3.0}, epochs=8, random_state=0)
    own = clone(clf).fit(X, y, weight, X_val=X_val, y_val=y_val, sample_weight_val=weight_val)
    assert learned(own) == learned(clf.fit(X, y, weight))
    assert own.history_["loss"] == clf.history_["loss"]
    for epochs in (1, 8):  # class_weight does not count
        shorter = clone(clf).set_params(epochs=epochs).fit(X, y, weight)
        loss = log_loss(y_val, shorter.predict_proba(X_val), sample_weight=weight_val)
        loss += clf.l2 * sum((coef**2).sum() for coef in shorter.coefs_)
        assert_allclose(own.history_["val_loss"][epochs - 1], loss, rtol=1e-9)
        accuracy = accuracy_score(y_val, shorter.predict(X_val), sample_weight=weight_val)
        assert_allclose(own.history_["val_accuracy"][epochs - 1], accuracy, rtol=1e-9)


def test_huge_weights_are_as_good_as_any_and_weight_0_is_absence(own_set):
    (X, y, _), (X_val, y_val, weight) = own_set
    clf = KerasMoonClassifier(early_stopping=True, scoring="roc_auc", epochs=3, random_state=0)
    weight = np.where(np.arange(60) % 3 == 0, 0, np.exp2(np.round(weight)))
    there = weight > 0
    fewer = clone(clf).fit(X, y, X_val=X_val[there], y_val=y_val[there], sample_weight_val=weight[there])
    huge = clone(clf).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight * 2.0**1020)
    assert huge.history_ == fewer.history_


def recall_at_0_4(estimator, X, y, sample_weight=None):
    """A scorer of the caller's."""
    return recall_score(y, estimator.predict_proba(X)[:, 1] > 0.4, sample_weight=sample_weight)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scoring", ["roc_auc", "neg_log_loss", recall_at_0_4])
def test_the_score_is_scikit_learn_s_and_the_best_epoch_is_kept(own_set, scoring, weighted):
    (X, y, _), (X_val, y_val, weight) = own_set
    options = {"sample_weight": weight} if weighted else {}
    clf = KerasMoonClassifier(
        early_stopping=True, scoring=scoring, tol=0, n_iter_no_change=4, learning_rate=0.01, random_state=0
    ).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight if weighted else None)
    scorer = check_scoring(clf, scoring)
    shorter = clone(clf).set_params(early_stopping=False)
    scores = [
        scorer(fitted, X_val, y_val, **options) for fitted in weights_by_epoch(shorter.set_params(epochs=12), X, y)
    ]
    n_epochs = min(12, clf.n_iter_)
    assert_allclose(clf.history_["val_score"][:n_epochs], scores[:n_epochs], rtol=1e-9)
    assert clf.n_iter_ == epochs_by_the_rule([-score for score in clf.history_["val_score"]], 0, 4)
    best = int(np.argmax(clf.history_["val_score"])) + 1
    assert learned(clf) == learned(shorter.set_params(epochs=best).fit(X, y))


def test_samples_held_out_can_be_scored_too(own_set):
    (X, y, weight), _ = own_set
    clf = KerasMoonClassifier(early_stopping=True, scoring="roc_auc", epochs=3, random_state=0).fit(X, y, weight)
    train, held_out = split_of(clf, y)
    for epoch, shorter in enumerate(weights_by_epoch(clf, X[train], y[train], weight[train])):
        score = roc_auc_score(y[held_out], shorter.predict_proba(X[held_out])[:, 1], sample_weight=weight[held_out])
        assert_allclose(clf.history_["val_score"][epoch], score)


def test_a_training_that_goes_on_has_the_network_before_it_to_beat(own_set):
    (X, y, _), (X_val, y_val, _) = own_set
    own = {"X_val": X_val, "y_val": y_val}
    clf = KerasMoonClassifier(early_stopping=True, scoring="accuracy", n_iter_no_change=50, epochs=20, random_state=0)
    whole = clone(clf).fit(X, y, **own)
    part = clone(clf).set_params(warm_start=True, epochs=12).fit(X, y, **own).set_params(epochs=8).fit(X, y, **own)
    assert learned(part) == learned(whole)
    assert part.history_ == whole.history_


@pytest.mark.parametrize("kind", ["sparse", "table", "strings", "several labels"])
def test_a_set_may_be_of_any_kind_that_fit_takes(own_set, kind):
    (X, y, _), (X_val, y_val, _) = own_set
    plain = KerasMoonClassifier(epochs=2, random_state=0).fit(X, y, X_val=X_val, y_val=y_val)
    if kind == "sparse":
        X_val = sparse.csr_array(X_val)
    elif kind == "table":
        X, X_val = (pd.DataFrame(part, columns=["a", "b"]) for part in (X, X_val))
    elif kind == "strings":
        y, y_val = (np.array(["no", "yes"])[part] for part in (y, y_val))
    else:
        y, y_val = np.column_stack([y, 1 - y]), sparse.csr_array(np.column_stack([y_val, 1 - y_val]))
    clf = KerasMoonClassifier(epochs=2, random_state=0, scoring="accuracy", early_stopping=True)
    clf.fit(X, y, X_val=X_val, y_val=y_val)
    if kind == "several labels":
        expected = log_loss(y_val.toarray()[:, 0], clf.predict_proba(X_val)[:, 0]) / 2
        expected += log_loss(y_val.toarray()[:, 1], clf.predict_proba(X_val)[:, 1]) / 2
        assert_allclose(clf.history_["val_loss"][np.argmax(clf.history_["val_score"])], expected, rtol=1e-9)
    else:
        assert_allclose(clf.history_["val_loss"], plain.history_["val_loss"], rtol=1e-9)


BAD_SETS = {
    "no labels": ({"X_val": np.eye(2)}, "y_val must be given together with X_val"),
    "no samples": ({"y_val": [0, 1]}, "X_val must be given together with y_val"),
    "weights alone": ({"sample_weight_val": [1, 1]}, "X_val must be given together with sample_weight_val"),
    "columns": ({"X_val": np.ones((2, 3)), "y_val": [0, 1]}, "In X_val: X has 3 features, but .* expecting 2"),
    "one row": ({"X_val": [1.0, 2.0], "y_val": [0, 1]}, "In X_val: Expected 2D array"),
    "empty": ({"X_val": np.ones((0, 2)), "y_val": []}, "In X_val: Found array with 0 sample"),
    "NaN": ({"X_val": [[1.0, np.nan]], "y_val": [0]}, "Input X_val contains NaN"),
    "text": ({"X_val": [["a", "b"]], "y_val": [0]}, "In X_val: could not convert string to float"),
    "unknown label": (
        {"X_val": np.eye(2), "y_val": [0, 7]},
        r"y_val must contain one label per sample, from \[0, 1\]\. Got .*7",
    ),
    "label of another kind": ({"X_val": np.eye(2), "y_val": ["a", "b"]}, r"y_val must contain one label per sample"),
    "NaN label": ({"X_val": np.eye(2), "y_val": [0, np.nan]}, "Input y_val contains NaN"),
    "columns of labels": ({"X_val": np.eye(2), "y_val": np.eye(2)}, "y_val must contain one label per sample"),
    "lengths": (
        {"X_val": np.eye(2), "y_val": [0]},
        "X_val and y_val must contain the same number of samples. Got 2 and 1",
    ),
    "weights": ({"X_val": np.eye(2), "y_val": [0, 1], "sample_weight_val": [-1, 1]}, "In sample_weight_val: Negative"),
    "no weight": (
        {"X_val": np.eye(2), "y_val": [0, 1], "sample_weight_val": [0, 0]},
        "In sample_weight_val: Sample weights must contain at least one non-zero number",
    ),
}


@pytest.mark.parametrize(("own", "message"), BAD_SETS.values(), ids=BAD_SETS)
def test_a_bad_set_is_told_and_nothing_is_lost(moons, own, message):
    clf = KerasMoonClassifier(epochs=1, random_state=0).fit(*moons)
    before = learned(clf), clf.history_
    with pytest.raises(ValueError, match=message):
        clf.fit(*moons, **own)
    assert (learned(clf), clf.history_) == before


def test_names_of_columns_must_be_those_of_fit(moons):
    X, y = moons
    with pytest.raises(ValueError, match="In X_val: The feature names should match"):
        KerasMoonClassifier(epochs=1).fit(
            pd.DataFrame(X, columns=["a", "b"]), y, X_val=pd.DataFrame(X, columns=["b", "a"]), y_val=y
        )


def test_an_unknown_scorer_is_told(moons):
    for clf in (KerasMoonClassifier(scoring="nope"), KerasMoonClassifier(scoring="nope", early_stopping=True)):
        with pytest.raises(ValueError, match=r"'scoring' .* must be 'loss', the name of a scorer .* Got 'nope'"):
            clf.fit(*moons)
    with pytest.raises(ValueError, match="'scoring' parameter"):
        KerasMoonClassifier(scoring=3).fit(*moons)


def nan_score(estimator, X, y):
    return float("nan")


def no_score(estimator, X, y):
    """Return nothing."""


def failing_score(estimator, X, y):
    raise OSError("the disk is full")


@pytest.mark.parametrize(
    ("scoring", "error", "message"),
    [
        (
            nan_score,
            ValueError,
            r"'scoring' .* must return a number for the validation set\. Got nan from <function nan_score",
        ),
        (
            no_score,
            ValueError,
            r"'scoring' .* must return a number for the validation set\. Got None from <function no_score",
        ),
        (failing_score, OSError, "the disk is full"),
        (roc_auc_score, ValueError, "looks like it is a metric function"),
    ],
)
def test_a_scorer_that_fails_is_told_and_nothing_is_lost(moons, scoring, error, message):
    clf = KerasMoonClassifier(epochs=1, random_state=0).fit(*moons)
    before = learned(clf), clf.history_
    with pytest.raises(error, match=message):
        clf.set_params(scoring=scoring, early_stopping=True).fit(*moons)
    assert (learned(clf), clf.history_) == before


def test_a_scorer_sees_arrays_where_fit_was_given_a_large_table():
    X, y = make_moons(40_000, noise=0.3, random_state=0)
    table = pd.DataFrame(X, columns=["a", "b"])
    clf = KerasMoonClassifier(epochs=1, batch_size=4000, early_stopping=True, scoring="accuracy", random_state=0)
    clf.fit(table, y)  # a warning about names would be an error here
    assert clf.feature_names_in_.tolist() == ["a", "b"]
    assert clf.history_["val_score"] == pytest.approx(clf.history_["val_accuracy"])


def test_partial_fit_holds_nothing_out(moons):
    clf = KerasMoonClassifier(early_stopping=True, scoring="roc_auc", random_state=0)
    assert set(clf.partial_fit(*moons, classes=[0, 1]).history_) == {"loss", "accuracy"}


def test_an_estimator_from_before_there_was_a_score_is_read(moons):
    clf = KerasMoonClassifier(epochs=1, random_state=0).fit(*moons)
    state = {name: value for name, value in clf.__getstate__().items() if name != "scoring"}
    old = KerasMoonClassifier.__new__(KerasMoonClassifier)
    old.__setstate__(state)
    assert old.get_params() == clf.get_params()
    assert (old.predict(moons[0]) == clf.predict(moons[0])).all()
