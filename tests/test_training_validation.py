"""Early stopping beside scikit-learn's metrics, Keras's evaluate and the rule written out once more."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import load_iris, make_moons, make_multilabel_classification
from sklearn.metrics import accuracy_score, log_loss

from moonnet import KerasMoonClassifier
from moonnet.training import _loop
from moonnet.training._validation import hold_out

pytestmark = pytest.mark.trains


def split_of(clf, y, multilabel=False):
    """Return what a fit of clf trains on and what it holds out."""
    return hold_out(y, clf.validation_fraction, not multilabel, _loop.Streams.spawn(clf.random_state).split)


@given(st.lists(st.integers(0, 4), min_size=4, max_size=60), st.floats(0.05, 0.6), st.integers(0, 2**32 - 1))
@settings(max_examples=300, deadline=None)
def test_the_parts_are_apart_whole_and_stratified(labels, fraction, seed):
    y = np.array(labels)
    classes, counts = np.unique(y, return_counts=True)
    several = classes[counts > 1]
    n_held_out = max(math.ceil(fraction * len(y)), len(several))
    assume(0 < len(several) <= counts[counts > 1].sum() - n_held_out)
    train, held_out = hold_out(y, fraction, True, seed)
    assert sorted([*train, *held_out]) == list(range(len(y)))
    assert set(y[train]) == set(y)
    assert n_held_out - len(several) <= len(held_out) <= n_held_out
    assert set(y[held_out]) <= set(several)
    split = counts[counts > 1].sum()
    for label in several:  # in proportion, but for the rounding and for one sample to train on
        expected = n_held_out * (y == label).sum() / split
        assert abs((y[held_out] == label).sum() - expected) < 1 + (label not in y[held_out]) + 1e-9
    assert (hold_out(y, fraction, True, seed)[1] == held_out).all()


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
        train, held_out = hold_out(y, 0.8, True, seed)
        assert set(y[train]) == {0, 1}
        assert len(train) + len(held_out) == 52


@pytest.mark.filterwarnings("error")
def test_a_training_that_diverges_says_so_and_nothing_else(moons):
    X, y = moons
    clf = KerasMoonClassifier(
        optimizer="sgd", activation="linear", batch_size=256, learning_rate=1e30, early_stopping=True
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
