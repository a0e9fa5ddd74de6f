"""Early stopping, compared with scores of scikit-learn and with the stopping rule of MLPClassifier."""

import math

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import make_moons
from sklearn.metrics import accuracy_score, check_scoring, log_loss, recall_score, roc_auc_score

from moonnet import KerasMoonClassifier, KerasMoonRegressor

pytestmark = pytest.mark.trains


def fitted_by_epoch(clf, X, y, sample_weight=None):
    """Yield an estimator for each epoch, fitted for that number of epochs on the training samples of clf."""
    for epochs in range(1, clf.epochs + 1):
        yield clone(clf).set_params(early_stopping=False, epochs=epochs).fit(X, y, sample_weight)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"l2": 0.01}, {"class_weight": {"moon": 3.0}}, {"class_weight": "balanced", "optimizer": "adam"}],
    ids=repr,
)
def test_validation_metrics_match_sklearn_and_the_best_epoch_is_restored(parameters, split_of):
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

    fits = fitted_by_epoch(clone(clf).set_params(class_weight=None), X[train], y[train], sample_weight=effective[train])
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
    assert clf.best_iteration_ == best.n_iter_
    assert_allclose(clf.best_validation_score_, -min(val_losses), rtol=1e-9)
    assert clf.best_validation_score_ == -clf.history_["val_loss"][best.n_iter_ - 1]
    for ours, theirs in zip(clf.coefs_ + clf.intercepts_, best.coefs_ + best.intercepts_, strict=True):
        assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def n_epochs_of_mlpclassifier(losses, tol, n_iter_no_change):
    """Return the number of epochs after which MLPClassifier would stop, with the negative loss as its score."""
    best, no_improvement_count = math.inf, 0
    for epoch, loss in enumerate(losses, start=1):
        no_improvement_count = no_improvement_count + 1 if -loss < -best + tol else 0
        best = min(best, loss)
        if no_improvement_count > n_iter_no_change:
            return epoch
    return len(losses)


@pytest.mark.parametrize(("tol", "n_iter_no_change"), [(1e-4, 10), (1e-2, 3), (0.0, 1), (0.1, 5)])
def test_training_stops_at_the_same_epoch_as_mlpclassifier(tol, n_iter_no_change):
    X, y = make_moons(150, noise=0.3, random_state=1)
    clf = KerasMoonClassifier(
        early_stopping=True, tol=tol, n_iter_no_change=n_iter_no_change, learning_rate=0.01, epochs=150, random_state=2
    ).fit(X, y)
    whole = clone(clf).set_params(n_iter_no_change=1000).fit(X, y)
    assert clf.n_iter_ == n_epochs_of_mlpclassifier(whole.history_["val_loss"], tol, n_iter_no_change) < 150
    assert clf.history_["val_loss"] == whole.history_["val_loss"][: clf.n_iter_]


def test_early_stopping_scores_the_moving_average_of_the_weights(keras, split_of):
    # Early stopping must score the weights that predict after training, which are the averages
    X, y = make_moons(100, noise=0.2, random_state=0)
    optimizer = keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9)
    clf = KerasMoonClassifier(optimizer=optimizer, early_stopping=True, epochs=8, random_state=0).fit(X, y)
    train, held_out = split_of(clf, y)
    for epoch, shorter in enumerate(fitted_by_epoch(clf, X[train], y[train])):
        assert_allclose(
            clf.history_["val_loss"][epoch], log_loss(y[held_out], shorter.predict_proba(X[held_out])), rtol=1e-9
        )


@pytest.mark.parametrize("scoring", ["loss", "roc_auc"])
def test_divergence_with_early_stopping_raises(moons, scoring):
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


def test_early_stopping_preserves_float32(moons):
    X, y = moons
    clf = KerasMoonClassifier(early_stopping=True, epochs=3, random_state=0).fit(X.astype("float32"), y)
    assert {array.dtype.name for array in clf.coefs_ + clf.intercepts_} == {"float32"}


def recall_at_0_4(estimator, X, y, sample_weight=None):
    """A user-defined scorer."""
    return recall_score(y, estimator.predict_proba(X)[:, 1] > 0.4, sample_weight=sample_weight)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scoring", ["roc_auc", "neg_log_loss", recall_at_0_4])
def test_val_score_matches_sklearn_and_the_best_epoch_is_restored(
    train_and_validation_set, scoring, weighted, weight_bytes
):
    (X, y, _), (X_val, y_val, weight) = train_and_validation_set
    options = {"sample_weight": weight} if weighted else {}
    clf = KerasMoonClassifier(
        early_stopping=True, scoring=scoring, tol=0, n_iter_no_change=4, learning_rate=0.01, random_state=0
    ).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight if weighted else None)
    scorer = check_scoring(clf, scoring)
    shorter = clone(clf).set_params(early_stopping=False)
    scores = [
        scorer(fitted, X_val, y_val, **options) for fitted in fitted_by_epoch(shorter.set_params(epochs=12), X, y)
    ]
    n_epochs = min(12, clf.n_iter_)
    assert_allclose(clf.history_["val_score"][:n_epochs], scores[:n_epochs], rtol=1e-9)
    assert clf.n_iter_ == n_epochs_of_mlpclassifier([-score for score in clf.history_["val_score"]], 0, 4)
    best = int(np.argmax(clf.history_["val_score"])) + 1
    assert weight_bytes(clf) == weight_bytes(shorter.set_params(epochs=best).fit(X, y))
    assert clf.best_iteration_ == best
    assert clf.best_validation_score_ == scorer(clf, X_val, y_val, **options)


def test_held_out_samples_are_scored_with_their_weights(train_and_validation_set, split_of):
    (X, y, weight), _ = train_and_validation_set
    clf = KerasMoonClassifier(early_stopping=True, scoring="roc_auc", epochs=3, random_state=0).fit(X, y, weight)
    train, held_out = split_of(clf, y)
    for epoch, shorter in enumerate(fitted_by_epoch(clf, X[train], y[train], weight[train])):
        score = roc_auc_score(y[held_out], shorter.predict_proba(X[held_out])[:, 1], sample_weight=weight[held_out])
        assert_allclose(clf.history_["val_score"][epoch], score)


def test_resumed_training_remembers_the_best_score(train_and_validation_set, weight_bytes):
    (X, y, _), (X_val, y_val, _) = train_and_validation_set
    validation_set = {"X_val": X_val, "y_val": y_val}
    clf = KerasMoonClassifier(early_stopping=True, scoring="accuracy", n_iter_no_change=50, epochs=20, random_state=0)
    whole = clone(clf).fit(X, y, **validation_set)
    part = clone(clf).set_params(warm_start=True, epochs=12).fit(X, y, **validation_set)
    part.set_params(epochs=8).fit(X, y, **validation_set)
    assert weight_bytes(part) == weight_bytes(whole)
    assert part.history_ == whole.history_
    assert part.best_iteration_ == whole.best_iteration_ < 20
    assert part.best_validation_score_ == whole.best_validation_score_ == part.score(X_val, y_val)
    # The best network is compared with later ones on the validation set of the last fit
    part.set_params(epochs=1, tol=1).fit(X, y, X_val=X, y_val=y)
    assert part.best_iteration_ == (21 if part.history_["val_score"][-1] > whole.score(X, y) else whole.best_iteration_)
    assert part.best_validation_score_ == part.score(X, y)


@pytest.mark.parametrize("network", [KerasMoonClassifier, KerasMoonRegressor])
def test_best_epoch_is_known_only_after_early_stopping(moons, network):
    X, y = moons
    estimator = network(epochs=4, warm_start=True, learning_rate=0.01, random_state=0)

    def best_epoch(**parameters):
        estimator.set_params(**parameters).fit(X, y)
        return estimator.best_iteration_, estimator.best_validation_score_

    assert best_epoch() == (None, None)
    # The network before the fit, of epoch 4, is the first candidate
    number, score = best_epoch(early_stopping=True)
    losses = estimator.history_["val_loss"]
    assert (number, score) == (4 + int(np.argmin(losses[4:])) + 1, -min(losses[4:]))
    assert best_epoch(epochs=1, learning_rate=1.0)[0] == number  # which is far too large
    estimator.partial_fit(X, y)
    assert estimator.best_iteration_ is estimator.best_validation_score_ is None
    before = estimator.n_iter_
    assert best_epoch(epochs=3, learning_rate=1e-12)[0] in range(before, before + 4)
    assert best_epoch(warm_start=False, early_stopping=False) == (None, None)


def test_the_untrained_network_can_be_the_best(keras, moons):
    def interrupt(epoch, logs):
        raise KeyboardInterrupt

    callbacks = [keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)]
    clf = KerasMoonClassifier(early_stopping=True, warm_start=True, callbacks=callbacks, random_state=0)
    with pytest.warns(UserWarning, match="after 0 epochs"):
        clf.fit(*moons)
    clf.set_params(callbacks=None, epochs=1, optimizer="sgd", learning_rate=100.0).fit(*moons)
    assert (clf.best_iteration_, clf.n_iter_) == (0, 1)
    assert clf.fit(*moons).best_iteration_ == 0


def test_unknown_scorer_raises(moons):
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
            r"'scoring' .* a number for the validation set of 20 samples\. Got nan from <function nan_score .*d\.$",
        ),
        (
            no_score,
            ValueError,
            r"'scoring' .* a number for the validation set of 20 samples\. Got None from <function no_score",
        ),
        (failing_score, OSError, "the disk is full"),
        (roc_auc_score, ValueError, "looks like it is a metric function"),
    ],
)
def test_failing_scorer_raises_and_changes_nothing(moons, scoring, error, message, weight_bytes):
    clf = KerasMoonClassifier(epochs=1, random_state=0).fit(*moons)
    before = weight_bytes(clf), clf.history_
    with pytest.raises(error, match=message):
        clf.set_params(scoring=scoring, early_stopping=True).fit(*moons)
    assert (weight_bytes(clf), clf.history_) == before


@pytest.mark.parametrize(
    ("scoring", "y_val", "message"),
    [
        ("neg_log_loss", "ab", r"'neg_log_loss', failed for the validation set of 2 samples, .* label of \['c'\]"),
        ("roc_auc_ovr", "aab", r"'roc_auc_ovr', failed for the validation set of 3 samples, .* label of \['c'\]"),
        ("neg_log_loss", "b", r"failed for the validation set of 1 sample, in which no sample has .* \['a', 'c'\]"),
        (nan_score, "a", r"a number for the validation set of 1 sample, .* \['b', 'c'\]\. Got nan from <function nan"),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_score_that_needs_every_label_names_those_that_the_validation_set_lacks(moons, scoring, y_val, message):
    X, y = moons
    y = np.array(["a", "b", "c"])[np.arange(200) % 3]
    clf = KerasMoonClassifier(early_stopping=True, scoring=scoring, epochs=1, random_state=0)
    with pytest.raises(ValueError, match=message + r".* Pass X_val and y_val with samples of every label, or use"):
        clf.fit(X, y, X_val=X[: len(y_val)], y_val=list(y_val))


def test_only_sample_of_a_class_is_not_scored(moons):
    X, y = moons
    y = np.where(np.arange(200) == 7, 2, y)  # never held out
    clf = KerasMoonClassifier(early_stopping=True, scoring="neg_log_loss", epochs=1, random_state=0)
    with pytest.raises(ValueError, match=r"set of 20 samples, in which no sample has a label of \[2\]\. Pass X_val"):
        clf.fit(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize(
    ("estimator", "y", "y_val", "message"),
    [
        (
            KerasMoonClassifier(scoring="roc_auc"),
            np.arange(400).reshape(200, 2) // 3 % 2,
            [[0, 1], [1, 1], [0, 1]],
            r"of 3 samples, in which all samples or none have the labels \[1\]\. Got nan .* samples of every label",
        ),
        (
            KerasMoonRegressor(scoring="r2"),
            np.arange(200),
            [1],
            r"of 1 sample\. Got nan from 'r2' instead\. Pass X_val and y_val with more samples, or use scoring='loss'",
        ),
    ],
    ids=["multilabel", "regressor"],
)
def test_undefined_score_tells_what_the_validation_set_lacks(moons, estimator, y, y_val, message):
    X, _ = moons
    estimator = clone(estimator).set_params(early_stopping=True, epochs=1, random_state=0)
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, y, X_val=X[: len(y_val)], y_val=y_val)


@pytest.mark.parametrize(("estimator", "same"), [(KerasMoonClassifier, "accuracy"), (KerasMoonRegressor, "r2")])
def test_scoring_none_is_the_score_method_and_infinite_patience_never_stops(train_and_validation_set, estimator, same):
    (X, y, weight), (X_val, y_val, weight_val) = train_and_validation_set
    options = {"X_val": X_val, "y_val": y_val, "sample_weight_val": weight_val}
    model = estimator(early_stopping=True, scoring=None, n_iter_no_change=np.inf, tol=1.0, epochs=15, random_state=0)
    model.fit(X, y, weight, **options)
    named = clone(model).set_params(scoring=same).fit(X, y, weight, **options)
    assert model.history_ == named.history_
    assert model.n_iter_ == 15
    assert max(model.history_["val_score"]) == pytest.approx(model.score(X_val, y_val, weight_val))


def test_scorer_gets_arrays_if_fit_got_a_large_dataframe():
    X, y = make_moons(40_000, noise=0.3, random_state=0)
    table = pd.DataFrame(X, columns=["a", "b"])
    clf = KerasMoonClassifier(epochs=1, batch_size=4000, early_stopping=True, scoring="accuracy", random_state=0)
    clf.fit(table, y)  # pytest turns a warning about feature names into an error
    assert clf.feature_names_in_.tolist() == ["a", "b"]
    assert clf.history_["val_score"] == pytest.approx(clf.history_["val_accuracy"])


def test_pickle_without_the_scoring_parameter_loads(moons):
    clf = KerasMoonClassifier(epochs=1, random_state=0).fit(*moons)
    state = {name: value for name, value in clf.__getstate__().items() if name != "scoring"}
    old = KerasMoonClassifier.__new__(KerasMoonClassifier)
    old.__setstate__(state)
    assert old.get_params() == clf.get_params()
    assert (old.predict(moons[0]) == clf.predict(moons[0])).all()
