"""warm_start and partial_fit: training in parts is bit-for-bit identical to training at once."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_iris, make_friedman1, make_moons, make_multilabel_classification

from helpers import run_python
from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet._keras import keras
from moonnet.losses._regression import REGRESSION_LOSSES as LOSSES
from moonnet.training._optimizers import optimizer_classes

pytestmark = pytest.mark.trains


def state(estimator):
    """Return the fitted attributes as text, which is equal exactly if the attributes are."""
    learned = {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") or name in ("_checkpoint", "_trained_with")
    } | {"weights": estimator._state.trainable}
    with np.printoptions(threshold=10**9, floatmode="unique"):
        return repr(sorted(learned.items()))


CONFIGURATIONS = {
    "lecture": {},
    "adam, dropout, l2": {"optimizer": "adam", "dropout": 0.2, "l2": 1e-3},
    "no shuffling": {"shuffle": False, "optimizer": "lion"},
    "schedule": {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.02, 30, 0.8)},
    "moving average": {"optimizer": keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9)},
    **{name: {"optimizer": name} for name in ("schedulefreeadamw", "muon") if name in optimizer_classes()},
    "accumulated": {"optimizer": keras.optimizers.SGD(0.05, momentum=0.9, gradient_accumulation_steps=3)},
}
EARLY_STOPPING_PARAMETERS = {
    "rmsprop": {"learning_rate": 0.02},
    "average": {"optimizer": keras.optimizers.Adam(0.02, use_ema=True, ema_momentum=0.9), "n_iter_no_change": 8},
    "weights, dropout": {"class_weight": "balanced", "dropout": 0.1, "learning_rate": 0.05, "n_iter_no_change": 3},
}


ESTIMATORS = {
    **{name: KerasMoonClassifier(random_state=4, **parameters) for name, parameters in CONFIGURATIONS.items()},
    **{loss: KerasMoonRegressor(random_state=4, loss=loss, dropout=0.1, l2=1e-3) for loss in LOSSES},
    "quantiles": KerasMoonRegressor(random_state=4, loss="pinball", quantile=[0.1, 0.6, 0.9], dropout=0.1),
}


EARLY_STOPPING = {
    **{
        name: KerasMoonClassifier(random_state=4, early_stopping=True, **parameters)
        for name, parameters in EARLY_STOPPING_PARAMETERS.items()
    },
    **{
        name: KerasMoonRegressor(
            random_state=4, early_stopping=True, learning_rate=0.05, n_iter_no_change=3, **parameters
        )
        for name, parameters in {
            **{loss: {"loss": loss} for loss in LOSSES},
            "quantiles": {"loss": "pinball", "quantile": [0.2, 0.5, 0.9]},
            "scored": {"scoring": "neg_median_absolute_error"},
        }.items()
    },
}
REGRESSION_DATA = make_friedman1(160, noise=1, random_state=0)
MULTIOUTPUT_DATA = REGRESSION_DATA[0], np.abs(np.column_stack([REGRESSION_DATA[1], 1e4 - REGRESSION_DATA[1] ** 2]))


def samples_for(estimator, moons):
    """Return samples for a classifier or a regressor."""
    return moons if is_classifier(estimator) else REGRESSION_DATA


@pytest.mark.slow
@pytest.mark.parametrize("unfitted", ESTIMATORS.values(), ids=ESTIMATORS)
def test_60_epochs_and_40_more_equal_100_epochs(moons, unfitted):
    samples = samples_for(unfitted, moons)
    whole = clone(unfitted).fit(*samples)
    parts = clone(whole).set_params(epochs=60, warm_start=True).fit(*samples)
    resumed = pickle.loads(pickle.dumps(parts)).set_params(epochs=40)
    assert state(resumed.fit(*samples)) == state(whole)


@pytest.mark.parametrize("unfitted", EARLY_STOPPING.values(), ids=EARLY_STOPPING)
def test_early_stopping_resumes_from_any_epoch(moons, unfitted):
    samples = samples_for(unfitted, moons)
    whole = clone(unfitted).fit(*samples)
    scores = whole.history_.get("val_score", np.negative(whole.history_["val_loss"]))
    best = int(np.argmax(scores)) + 1
    assert 2 < best < whole.n_iter_ - 1 < 99
    assert whole.best_iteration_ == best
    for cut in (1, best - 1, best, best + 1, whole.n_iter_ - 1):
        parts = clone(whole).set_params(epochs=cut, warm_start=True).fit(*samples)
        resumed = pickle.loads(pickle.dumps(parts)).set_params(epochs=100 - cut)
        assert resumed.n_iter_ == cut
        assert state(resumed.fit(*samples)) == state(whole)


RESUME = """
import pickle, sys
with open(sys.argv[1], "rb") as file:
    problems = pickle.load(file)
for estimator, X, y in problems:
    estimator.set_params(epochs=40).fit(X, y)
    for _ in range(3):
        estimator.partial_fit(X[:70], y[:70])
with open(sys.argv[1], "wb") as file:
    pickle.dump([estimator for estimator, _, _ in problems], file)
"""


@pytest.mark.slow
def test_training_resumes_in_another_process(moons, tmp_path):
    path = tmp_path / "half.pickle"
    samples = {KerasMoonClassifier: moons, KerasMoonRegressor: MULTIOUTPUT_DATA}
    first_parts = [
        (network(dropout=0.1, epochs=60, warm_start=True, random_state=4).fit(X, y), X, y)
        for network, (X, y) in samples.items()
    ]
    path.write_bytes(pickle.dumps(first_parts))
    run_python(RESUME, str(path))
    for resumed, (network, (X, y)) in zip(pickle.loads(path.read_bytes()), samples.items(), strict=True):
        whole = network(dropout=0.1, random_state=4).fit(X, y)
        for _ in range(3):
            whole.partial_fit(X[:70], y[:70])
        assert state(resumed) == state(whole)


@pytest.mark.parametrize(
    "unfitted",
    [KerasMoonClassifier(random_state=4), *(KerasMoonRegressor(random_state=4, loss=loss) for loss in LOSSES)],
    ids=["classifier", *LOSSES],
)
def test_repeated_partial_fit_equals_fit(moons, unfitted):
    X, y = samples_for(unfitted, moons)
    estimator = clone(unfitted)
    for _ in range(10):
        estimator.partial_fit(X, y, **({"classes": [0, 1]} if is_classifier(unfitted) else {}))
    assert state(estimator) == state(clone(unfitted).set_params(epochs=10).fit(X, y))
    assert estimator.n_iter_ == len(estimator.history_["loss"]) == 10


def test_partial_fit_learns_from_chunks_of_different_sizes_and_classes(moons):
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    clf = KerasMoonClassifier(random_state=0)
    for _ in range(40):
        for start in range(0, 150, 37):  # sorted by class, so that no chunk has all classes
            clf.partial_fit(X[start : start + 37], names[start : start + 37], classes=np.unique(names))
    assert clf.classes_.tolist() == np.unique(names).tolist()
    assert clf.predict_proba(X[:1]).shape == (1, 3)
    assert clf.score(X, names) > 0.6


def test_multilabel_partial_fit_needs_no_classes():
    X, y = make_multilabel_classification(60, random_state=0)
    clf = KerasMoonClassifier(random_state=0, epochs=2).fit(X, y)
    parts = KerasMoonClassifier(random_state=0).partial_fit(X, y).partial_fit(X, y, classes=np.arange(5))
    assert state(parts) == state(clf)


def test_partial_fit_holds_out_no_samples_and_balances_each_chunk(moons):
    X, y = moons
    clf = KerasMoonClassifier(early_stopping=True, class_weight="balanced", random_state=0)
    clf.partial_fit(X, y, classes=[0, 1]).partial_fit(X[y == 1], y[y == 1]).partial_fit(X[50:], y[50:])
    assert set(clf.history_) == {"loss", "accuracy"}
    share = np.bincount(y[50:]) / len(y[50:])
    by_hand = KerasMoonClassifier(random_state=0).partial_fit(X, y, classes=[0, 1])
    by_hand.partial_fit(X[y == 1], y[y == 1]).partial_fit(X[50:], y[50:], sample_weight=0.5 / share[y[50:]])
    np.testing.assert_allclose(clf.coefs_[0], by_hand.coefs_[0], rtol=1e-9)


def test_fit_without_warm_start_trains_a_new_network(moons):
    clf = KerasMoonClassifier(random_state=4, epochs=5)
    clf.fit(*moons)
    first = state(clf)
    clf.partial_fit(*moons)
    assert state(clf) != first
    assert state(clf.fit(*moons)) == first


def test_changed_learning_rate_applies_and_the_optimizer_state_remains(moons):
    X, y = moons
    clf = KerasMoonClassifier(random_state=4, epochs=5, warm_start=True, optimizer="adam").fit(X, y)
    slow = pickle.loads(pickle.dumps(clf)).set_params(learning_rate=1e-30).fit(X, y)
    assert np.abs(slow.coefs_[0] - clf.coefs_[0]).max() < 1e-20
    iterations = [array for array in slow._checkpoint["optimizer_state"] if array.dtype.kind == "i"]
    assert iterations == [2 * 5 * 4]


def test_changed_optimizer_starts_with_a_new_state(moons):
    X, y = moons
    clf = KerasMoonClassifier(random_state=4, epochs=5, warm_start=True).fit(X, y)
    clf.set_params(optimizer="adam").fit(X, y)
    iterations = [array for array in clf._checkpoint["optimizer_state"] if array.dtype.kind == "i"]
    assert iterations == [5 * 4]
    assert clf.n_iter_ == 10


def test_learning_rate_set_by_a_callback_remains(moons):
    X, y = moons
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    parameters = {"callbacks": [halve], "random_state": 4, "learning_rate": 0.008}
    whole = KerasMoonClassifier(epochs=6, **parameters).fit(X, y)
    parts = KerasMoonClassifier(epochs=2, warm_start=True, **parameters).fit(X, y)
    assert state(parts.set_params(epochs=4).fit(X, y)) == state(whole)
    assert np.float32(0.008 / 2**6) in [array for array in whole._checkpoint["optimizer_state"] if array.ndim == 0]


def test_warm_start_keeps_the_dtype_of_the_network(moons):
    X, y = moons
    clf = KerasMoonClassifier(random_state=4, epochs=2, warm_start=True).fit(X.astype("float32"), y).fit(X, y)
    assert clf.coefs_[0].dtype == np.float32
    assert (clf.coefs_[0] == KerasMoonClassifier(random_state=4, epochs=4).fit(X.astype("float32"), y).coefs_[0]).all()


def test_epochs_without_validation_set_have_nan_in_the_history(moons):
    X, y = moons
    clf = KerasMoonClassifier(random_state=4, epochs=2, warm_start=True).fit(X, y)
    clf.set_params(early_stopping=True).fit(X, y)
    clf.set_params(early_stopping=False).fit(X, y)
    assert {len(values) for values in clf.history_.values()} == {6}
    assert np.isnan(clf.history_["val_loss"]).tolist() == [True, True, False, False, True, True]


def test_warm_start_resumes_after_early_stopping(moons):
    X, y = moons
    clf = KerasMoonClassifier(
        early_stopping=True, warm_start=True, n_iter_no_change=3, learning_rate=0.05, random_state=1
    ).fit(X, y)
    stopped = clf.n_iter_
    best = min(clf.history_["val_loss"])
    assert stopped < 100
    clf.fit(X, y)
    assert clf.n_iter_ > stopped + 3
    first = clone(clf).fit(X, y).coefs_[0]
    improved = min(clf.history_["val_loss"][stopped:]) < best
    assert (clf.coefs_[0] != first).any() == improved


def standardization(reg):
    """Return the center and the scale with which y is standardized."""
    return [reg._trained_with["targets"][name].tolist() for name in ("center", "scale")]


def test_partial_fit_keeps_the_standardization_of_the_first_chunk():
    X, y = MULTIOUTPUT_DATA
    reg = KerasMoonRegressor(random_state=0).partial_fit(X[:50], y[:50])
    first = standardization(reg)
    np.testing.assert_allclose(first, [y[:50].mean(axis=0), y[:50].std(axis=0)])
    slow = reg.set_params(learning_rate=1e-30).partial_fit(X[50:], 100 * y[50:] + 7)
    assert standardization(slow) == first
    np.testing.assert_allclose(slow.predict(X), reg.predict(X), rtol=1e-12)
    assert standardization(reg.fit(X, 100 * y)) != first  # a new network, without warm_start


def test_warm_start_learns_y_of_another_scale():
    X, y = REGRESSION_DATA
    reg = KerasMoonRegressor(random_state=0, warm_start=True, optimizer="adam", learning_rate=0.02).fit(X, y)
    assert reg.set_params(epochs=300).fit(X, 5 * y - 20).score(X, 5 * y - 20) > 0.9


def test_warm_start_learns_a_changed_quantile():
    X, y = REGRESSION_DATA
    reg = KerasMoonRegressor(
        (), loss="pinball", warm_start=True, random_state=0, optimizer="adam", learning_rate=0.01, batch_size=160
    ).fit(X, y)
    before = standardization(reg)
    for quantile in (0.9, 0.1):
        reg.set_params(quantile=quantile, epochs=500).fit(X, y)
        assert np.mean(y <= reg.predict(X)) == pytest.approx(quantile, abs=0.08)
        assert standardization(reg) == before
    as_loss = np.maximum(0.1 * (y - reg.predict(X)), -0.9 * (y - reg.predict(X))).mean()
    assert reg.history_["loss"][-1] == pytest.approx(as_loss, rel=0.1)


INVALID_CALLS = {
    "no classes": (
        {},
        lambda X, y: KerasMoonClassifier().partial_fit(X, y),
        r"classes must be given in the first call to partial_fit\. Got None",
    ),
    "one class": (
        {},
        lambda X, y: KerasMoonClassifier().partial_fit(X, y, classes=[1]),
        r"classes must contain at least 2 classes\. Got one class instead: \[1\]",
    ),
    "unknown label": (
        {},
        lambda X, y: KerasMoonClassifier().partial_fit(X, y + 1, classes=[0, 1]),
        r"y must contain one label per sample, from \[0, 1\]\. Got .* with the values \[1, 2\]",
    ),
    "classes in rows": (
        {},
        lambda X, y: KerasMoonClassifier().partial_fit(X, y, classes=[[0, 1], [2, 3]]),
        r"classes must be a one-dimensional list of discrete labels\. Got \[\[0, 1\]",
    ),
    "fractional classes": (
        {},
        lambda X, y: KerasMoonClassifier().partial_fit(X, y, classes=[0.5, 1.5]),
        r"classes must be a one-dimensional list of discrete labels\. Got \[0\.5, 1\.5\]",
    ),
    "NaN class": (
        {},
        lambda X, y: KerasMoonClassifier().partial_fit(X, y, classes=[0, 1, np.nan]),
        "Input classes contains NaN",
    ),
    "other classes of multilabel y": (
        {},
        lambda X, y: KerasMoonClassifier().partial_fit(X, np.tri(2, dtype=int)[y], classes=[7, 8]),
        r"classes must be \[0, 1\] or None\. Got \[7, 8\]",
    ),
    "labels of mixed types": (
        {},
        lambda X, y, clf: clf.partial_fit(X, np.where(y, "a", None).astype(object)),
        "y must contain labels that can be sorted",
    ),
    "other classes": (
        {},
        lambda X, y, clf: clf.partial_fit(X, y, classes=[0, 1, 2]),
        r"\[0, 1\] or None\. Got \[0, 1, 2\]",
    ),
    "unknown label in a later call": (
        {},
        lambda X, y, clf: clf.partial_fit(X, 2 * y),
        r"from \[0, 1\]\. Got .* with the values \[0, 2\]",
    ),
    "multilabel y": (
        {},
        lambda X, y, clf: clf.partial_fit(X, np.eye(2, dtype=int)[y]),
        r"Got an array of shape \(200, 2\)",
    ),
    "number of features": (
        {},
        lambda X, y, clf: clf.partial_fit(X[:, :1], y),
        "X has 1 features, but .* is expecting 2",
    ),
    "hidden layers": (
        {"hidden_layer_sizes": (5,)},
        lambda X, y, clf: clf.partial_fit(X, y),
        r"'hidden_layer_sizes' .* Got \(5,\) for a network with the hidden layers \(50, 20\)",
    ),
    "warm start with other classes": (
        {},
        lambda X, y, clf: clf.fit(X, y + 1),
        r"earlier fit.* \[0, 1\]\. Got .* from \[1, 2\]",
    ),
    "warm start with fewer features": (
        {},
        lambda X, y, clf: clf.fit(X[:, :1], y),
        "X has 1 features, but .* is expecting 2",
    ),
    "warm start with other hidden layers": (
        {"hidden_layer_sizes": 7},
        lambda X, y, clf: clf.fit(X, y),
        r"'hidden_layer_sizes' .* Got 7 for",
    ),
}


@pytest.mark.parametrize(("parameters", "call", "message"), INVALID_CALLS.values(), ids=INVALID_CALLS)
def test_invalid_resumption_of_a_classifier_raises_and_changes_nothing(moons, parameters, call, message):
    X, y = moons
    clf = KerasMoonClassifier(epochs=2, warm_start=True, random_state=0).fit(X, y)
    before = state(clf)
    arguments = (X, y) if call.__code__.co_argcount == 2 else (X, y, clf)
    clf.set_params(**parameters)
    with pytest.raises((ValueError, TypeError), match=message):
        call(*arguments)
    assert state(clf) == before


def test_failing_first_call_sets_no_fitted_attributes():
    X, y = make_moons(20, random_state=0)
    clf = KerasMoonClassifier()
    with pytest.raises(ValueError, match="one label per sample"):
        clf.partial_fit(X, y + 5, classes=[0, 1])
    assert vars(clf).keys() == vars(KerasMoonClassifier()).keys()


INVALID_REGRESSOR_CALLS = {
    "another loss": (
        {"loss": "huber"},
        lambda X, y, reg: reg.fit(X, y),
        r"'loss' parameter must not change when training is resumed: it must be 'poisson'\. Got 'huber'",
    ),
    "another loss in partial_fit": (
        {"loss": "pinball"},
        lambda X, y, reg: reg.partial_fit(X, y),
        "'loss' .* Got 'pinball'",
    ),
    "one output": ({}, lambda X, y, reg: reg.fit(X, y[:, 0]), r"y must contain 2 numbers per sample\. .* \(160,\)"),
    "three outputs": ({}, lambda X, y, reg: reg.partial_fit(X, y[:, [0, 1, 0]]), r"y must contain 2 .* \(160, 3\)"),
    "negative": (
        {},
        lambda X, y, reg: reg.fit(X, y - 100),
        r"y must not contain negative numbers for loss='poisson'\. Got -9",
    ),
    "NaN": ({}, lambda X, y, reg: reg.partial_fit(X, np.where(y > 9, np.nan, y)), "Input y contains NaN"),
    "infinite": ({}, lambda X, y, reg: reg.fit(X, np.where(y > 9, np.inf, y)), "Input y contains infinity"),
    "huge": ({}, lambda X, y, reg: reg.fit(X, y * 1e160), r"y must contain numbers of magnitude at most 1e\+150"),
    "strings": ({}, lambda X, y, reg: reg.fit(X, y.astype(str)), "y must contain numbers. Got .* of dtype <U32"),
    "objects": ({}, lambda X, y, reg: reg.fit(X, np.full(y.shape, "a", object)), "y must contain numbers"),
    "complex": ({}, lambda X, y, reg: reg.fit(X, y + 1j), "Complex data not supported"),
    "dates": ({}, lambda X, y, reg: reg.fit(X, y.astype("M8[s]")), "y must contain numbers"),
    "too few samples": ({}, lambda X, y, reg: reg.fit(X, y[1:]), r"inconsistent numbers of samples: \[160, 159\]"),
    "no y": ({}, lambda X, y, reg: reg.fit(X, None), "requires y to be passed"),
    "number of features": ({}, lambda X, y, reg: reg.fit(X[:, 1:], y), "X has 9 features, but .* is expecting 10"),
    "hidden layers": ({"hidden_layer_sizes": 7}, lambda X, y, reg: reg.fit(X, y), "'hidden_layer_sizes' .* Got 7 for"),
    "all weights 0": ({}, lambda X, y, reg: reg.fit(X, y, np.zeros(160)), "at least one non-zero"),
    "validation without y": ({}, lambda X, y, reg: reg.fit(X, y, X_val=X), "y_val must be given together with X_val"),
    "validation with one output": (
        {},
        lambda X, y, reg: reg.fit(X, y, X_val=X, y_val=y[:, 0]),
        r"y_val must contain 2 numbers per sample\. .* \(160,\)",
    ),
    "negative validation": ({}, lambda X, y, reg: reg.fit(X, y, X_val=X, y_val=-y), "y_val must not contain negative"),
    "quantile": ({"quantile": 1}, lambda X, y, reg: reg.fit(X, y), "'quantile' parameter .* Got 1 instead"),
    "unknown loss": (
        {"loss": "mse"},
        lambda X, y, reg: reg.fit(X, y),
        "Got 'mse', which is 'squared_error' here",
    ),
    "diverging": (
        {"optimizer": "sgd", "learning_rate": 1e30, "activation": "linear"},
        lambda X, y, reg: reg.fit(X, y),
        "lower learning_rate",
    ),
}


@pytest.mark.parametrize(
    ("parameters", "call", "message"), INVALID_REGRESSOR_CALLS.values(), ids=INVALID_REGRESSOR_CALLS
)
def test_invalid_resumption_of_a_regressor_raises_and_changes_nothing(parameters, call, message):
    X, y = MULTIOUTPUT_DATA
    reg = KerasMoonRegressor(loss="poisson", epochs=2, warm_start=True, random_state=0).fit(X, y)
    before, predicted = state(reg), reg.predict(X)
    reg.set_params(**parameters)
    with pytest.raises((ValueError, TypeError), match=message):
        call(X, y, reg)
    assert state(reg) == before
    assert (reg.predict(X) == predicted).all()
