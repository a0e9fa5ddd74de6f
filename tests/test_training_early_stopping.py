"""Early stopping, compared with scores of scikit-learn and with the stopping rule of MLPClassifier."""

import math
import os
import signal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import make_moons
from sklearn.metrics import accuracy_score, check_scoring, log_loss, recall_score, roc_auc_score

from helpers import split_of, weight_bytes
from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet._keras import keras as keras_module
from moonnet.training import _program_state

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
def test_validation_metrics_match_sklearn_and_the_best_epoch_is_restored(parameters):
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


def test_early_stopping_scores_the_moving_average_of_the_weights(keras):
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
def test_val_score_matches_sklearn_and_the_best_epoch_is_restored(train_and_validation_set, scoring, weighted):
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


def test_held_out_samples_are_scored_with_their_weights(train_and_validation_set):
    (X, y, weight), _ = train_and_validation_set
    clf = KerasMoonClassifier(early_stopping=True, scoring="roc_auc", epochs=3, random_state=0).fit(X, y, weight)
    train, held_out = split_of(clf, y)
    for epoch, shorter in enumerate(fitted_by_epoch(clf, X[train], y[train], weight[train])):
        score = roc_auc_score(y[held_out], shorter.predict_proba(X[held_out])[:, 1], sample_weight=weight[held_out])
        assert_allclose(clf.history_["val_score"][epoch], score)


def test_resumed_training_remembers_the_best_score(train_and_validation_set):
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
def test_failing_scorer_raises_and_changes_nothing(moons, scoring, error, message):
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


# A block of the compiled program holds several epochs if only validation follows them. A Keras callback, even one that
# does nothing, ends a block after each epoch, which must not change a bit.


def one_epoch_per_block(estimator):
    return clone(estimator).set_params(callbacks=[keras_module.callbacks.Callback()])


@pytest.fixture
def blocks(monkeypatch):
    """The list of the numbers of steps of each block that a program runs."""
    run, blocks = _program_state.ProgramState.run, []
    monkeypatch.setattr(_program_state.ProgramState, "run", lambda self, *b: blocks.append(len(b[0])) or run(self, *b))
    return blocks


def state_of(estimator):
    """Return everything that a fit has learned, arrays as bytes."""

    def plain(value):
        if isinstance(value, np.ndarray):
            return value.dtype, value.shape, value.tobytes()
        if isinstance(value, dict):
            return {name: plain(item) for name, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list) else value

    names = ("coefs_", "intercepts_", "history_", "_checkpoint", "best_iteration_", "best_validation_score_")
    return {name: plain(getattr(estimator, name)) for name in names}


def never_twice(estimator, X, y):
    """A scorer whose values are all different, so that the best epoch is the last one."""
    return float(np.abs(estimator.coefs_[0]).sum())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "dtype"),
    [
        (KerasMoonClassifier(), "float64"),
        (KerasMoonClassifier(n_iter_no_change=np.inf, dropout=0.2, l2=0.01), "float32"),
        (KerasMoonClassifier(n_iter_no_change=1, learning_rate=0.01), "float64"),
        (KerasMoonClassifier(n_iter_no_change=3, learning_rate=0.02, tol=0.0, batch_size=7), "float64"),
        (KerasMoonClassifier(optimizer="adam", activation="tanh", class_weight="balanced"), "float32"),
        (KerasMoonClassifier((256, 128), batch_size=100, epochs=8), "float32"),  # few epochs fit into a block
        (KerasMoonClassifier(scoring="neg_log_loss", learning_rate=0.01), "float64"),
        (KerasMoonClassifier(scoring=never_twice), "float64"),
        (KerasMoonRegressor(loss="huber", l2=0.001), "float64"),
        (KerasMoonRegressor(scoring="r2"), "float32"),
    ],
    ids=[
        "default",
        "never stops",
        "patience 1",
        "small batches",
        "adam",
        "large network",
        "scorer",
        "own scorer",
        "huber",
        "r2",
    ],
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_blocks_of_several_epochs_do_not_change_a_bit(moons, blocks, estimator, dtype, n_classes):
    X, y = moons[0].astype(dtype), np.arange(200) % 3 * moons[1] if n_classes == 3 else moons[1]
    estimator = clone(estimator).set_params(early_stopping=True, warm_start=True, random_state=0)
    other = one_epoch_per_block(estimator)
    n_blocks = [0, 0]
    for epochs in (5, 40):
        for index, fitted in enumerate([estimator, other]):
            del blocks[:]
            fitted.set_params(epochs=epochs).fit(X, y)
            n_blocks[index] += len(blocks)
        assert state_of(estimator) == state_of(other)
    assert n_blocks[0] < n_blocks[1]


@pytest.mark.parametrize("kind", ["multilabel", "weighted", "sparse", "large"])
def test_validation_of_blocks_of_several_epochs_does_not_change_a_bit(moons, blocks, kind):
    X, y = moons
    options = {"X_val": X[::3], "y_val": y[::3]}
    if kind == "multilabel":
        y = np.column_stack([y, X[:, 0] > 0, X[:, 1] > 0]).astype(int)
        options["y_val"] = y[::3]
    elif kind == "weighted":
        options["sample_weight_val"] = np.random.default_rng(0).uniform(0.1, 2, len(y[::3]))
    elif kind == "sparse":
        X, options["X_val"] = csr_array(X), csr_array(X[::3])
    else:
        options = {"X_val": np.tile(X, (20, 1)), "y_val": np.tile(y, 20)}
    clf = KerasMoonClassifier(epochs=70, random_state=0)
    expected = one_epoch_per_block(clf).fit(X, y, **options)
    assert len(blocks) == 70
    assert state_of(clf.fit(X, y, **options)) == state_of(expected)
    assert blocks[70:] == [80, 80, 80, 40]  # of 20 epochs and 10


def test_moving_averages_are_validated_after_each_epoch(blocks):
    X, y = make_moons(100, noise=0.2, random_state=0)
    optimizer = keras_module.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9)
    KerasMoonClassifier(optimizer=optimizer, early_stopping=True, epochs=6, random_state=0).fit(X, y)
    assert len(blocks) == 6


@settings(max_examples=30, deadline=None)
@given(
    scores=st.lists(st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0]), min_size=40, max_size=40),
    tol=st.sampled_from([0.0, 0.6]),
    n_iter_no_change=st.sampled_from([1, 2, 5, 30, np.inf]),
    is_resumed=st.booleans(),
)
def test_no_step_runs_after_the_epoch_that_stops_the_training(scores, tol, n_iter_no_change, is_resumed):
    X, y = make_moons(60, noise=0.2, random_state=0)
    n_scored, n_steps, run = 0, 0, _program_state.ProgramState.run

    def next_score(estimator, X, y):
        nonlocal n_scored
        n_scored += 1
        return scores[n_scored - 1 - (n_scored > first) * is_resumed]

    def counting_run(self, X, *arguments):
        nonlocal n_steps
        n_steps += len(X)
        return run(self, X, *arguments)

    clf = KerasMoonClassifier((3,), early_stopping=True, scoring=next_score, tol=tol, random_state=0, batch_size=20)
    clf.set_params(n_iter_no_change=n_iter_no_change, warm_start=True)
    first = n_epochs_of_mlpclassifier([-score for score in scores[:7]], tol, n_iter_no_change) if is_resumed else 40
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_program_state.ProgramState, "run", counting_run)
        clf.set_params(epochs=7 if is_resumed else 40).fit(X, y)
        assert clf.n_iter_ == n_epochs_of_mlpclassifier([-s for s in scores[: clf.epochs]], tol, n_iter_no_change)
    assert n_steps == 3 * clf.n_iter_


@pytest.mark.parametrize("learning_rate", [2.5, 1e3])
def test_divergence_within_a_block_names_its_epoch(moons, learning_rate, blocks):
    clf = KerasMoonClassifier((), optimizer="sgd", activation="linear", l2=1.0, learning_rate=learning_rate)
    clf.set_params(early_stopping=True, n_iter_no_change=1000, random_state=0)
    with pytest.raises(ValueError, match="Training diverged") as expected:
        one_epoch_per_block(clf).fit(*moons)
    n_epochs = len(blocks)
    with pytest.raises(ValueError, match=f"non-finite weights within {n_epochs} epochs") as error:
        clf.fit(*moons)
    assert n_epochs % 20 > 1
    assert len(blocks) - n_epochs == -(-n_epochs // 20)
    assert str(error.value) == str(expected.value)


@pytest.mark.parametrize("by_signal", [True, False])
def test_interrupt_within_a_block_keeps_the_epochs_that_were_scored(moons, by_signal, blocks):
    calls = []

    def interrupt(estimator, X, y):
        calls.append(1)
        if len(calls) == 5:
            if not by_signal:
                raise KeyboardInterrupt
            os.kill(os.getpid(), signal.SIGINT)
        return 1 / len(calls)

    clf = KerasMoonClassifier(early_stopping=True, scoring=interrupt, epochs=20, n_iter_no_change=30, random_state=0)
    clf.set_params(dropout=0.1, warm_start=True)
    states = []
    for interrupted in (clf, one_epoch_per_block(clf)):
        del calls[:], blocks[:]
        with pytest.warns(UserWarning, match=r"Training interrupted by user after 5 epochs\."):
            interrupted.fit(*moons)
        if not states:
            assert blocks == [80, 20]  # 20 epochs, and the first five of them again
        states.append([state_of(interrupted)])
        states[-1].append(state_of(interrupted.set_params(callbacks=None, epochs=15).fit(*moons)))
    assert str(states[0]) == str(states[1])  # NaN is not equal to itself
    without_interrupt = clone(clf).set_params(scoring="loss", epochs=20, callbacks=None).fit(*moons)
    assert clf.history_["loss"] == without_interrupt.history_["loss"]
