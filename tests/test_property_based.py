"""What holds whatever the data: each property over hundreds of cases that hypothesis makes up."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.datasets import make_blobs, make_multilabel_classification
from sklearn.utils.validation import validate_data

from moonnet import KerasMoonClassifier, KerasMoonRegressor, _numpy_forward

pytestmark = [
    pytest.mark.slow,
    pytest.mark.trains,
    pytest.mark.filterwarnings("ignore:The number of unique classes is greater than 50%:UserWarning"),
]
hundreds = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))

# One small architecture with batches of one size, so that a handful of programs serves every case
NETWORK = KerasMoonClassifier((5, 4), epochs=2, batch_size=16, random_state=0)


def network(**parameters):
    return KerasMoonClassifier(**(NETWORK.get_params() | parameters))


def blobs(n_classes, n_samples=24):
    return make_blobs(n_samples, n_features=3, centers=n_classes, random_state=1)


@pytest.fixture(scope="module")
def several_networks():
    """Networks for two classes, for three, and for several labels a sample, in both float types."""
    X, y = make_multilabel_classification(40, n_features=3, n_classes=3, random_state=0)
    fits = [network(epochs=20).fit(X, y)]
    for n_classes in (2, 3):
        X, y = blobs(n_classes)
        fits += [network(epochs=20).fit(X.astype(dtype), y) for dtype in ("float32", "float64")]
    return fits


LABELS = st.one_of(
    st.lists(st.integers(-(2**62), 2**62), min_size=2, max_size=3, unique=True),
    st.lists(st.text(max_size=5).filter(lambda text: "\0" not in text), min_size=2, max_size=3, unique=True),
    st.permutations([False, True]),
    st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=3, unique=True),
)


@hundreds
@given(LABELS, st.booleans(), st.randoms(use_true_random=False))
def test_labels_come_back_as_they_went_in(labels, as_objects, random):
    X, numbers = blobs(len(labels))
    ordered = sorted(labels)
    y = np.array([ordered[number] for number in numbers], dtype=object if as_objects else None)
    assume(len(np.unique(y)) == len(labels))
    if as_objects and not isinstance(labels[0], str):
        y = y.astype(np.array(labels).dtype)  # scikit-learn takes objects for labels where they are strings
    order = list(range(len(y)))
    random.shuffle(order)
    clf = network().fit(X[order], y[order])
    expected = network().fit(X[order], numbers[order])
    assert clf.classes_.tolist() == ordered
    assert clf.classes_.dtype == y.dtype
    assert (clf.coefs_[0] == expected.coefs_[0]).all()
    assert clf.predict(X).tolist() == [ordered[number] for number in expected.predict(X)]
    assert clf.predict(X).dtype == y.dtype


ROWS = arrays(float, st.tuples(st.integers(1, 40), st.just(3)), elements=st.floats(-50, 50, width=32))


@hundreds
@given(ROWS, st.integers(0, 4), st.data())
def test_a_prediction_depends_on_its_row_alone(several_networks, X, which, data):
    clf = several_networks[which]
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if clf.coefs_[0].dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-13}
    expected = clf.decision_function(X)
    order = np.array(data.draw(st.permutations(range(len(X)))))
    assert_allclose(clf.decision_function(X[order]), expected[order], **tolerance)
    row = data.draw(st.integers(0, len(X) - 1))
    assert_allclose(clf.decision_function(X[row : row + 1]), expected[row : row + 1], **tolerance)
    for sparse_kind in (sparse.csr_array, sparse.csc_matrix, sparse.coo_array):
        assert_allclose(clf.decision_function(sparse_kind(X)), expected, **tolerance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_numpy_forward, "_CHUNK_BYTES", data.draw(st.integers(1, 2000)))
        assert_allclose(clf.decision_function(X), expected, **tolerance)


@hundreds
@given(ROWS, st.integers(0, 4))
def test_probabilities_logits_and_labels_agree(several_networks, X, which):
    clf = several_networks[which]
    probabilities, logits, predicted = clf.predict_proba(X), clf.decision_function(X), clf.predict(X)
    assert probabilities.dtype == logits.dtype == clf.coefs_[0].dtype
    assert probabilities.shape == (len(X), len(clf.classes_))
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    small = 1e-6 if probabilities.dtype == np.float32 else 1e-12
    assert_allclose(np.exp(clf.predict_log_proba(X)), probabilities, rtol=10 * small, atol=small)
    if clf.coefs_[-1].shape[1] > 1 and predicted.ndim == 2:  # several labels
        assert (predicted == (probabilities > 0.5)).all()
        assert_allclose(probabilities, 1 / (1 + np.exp(-logits)), rtol=10 * small, atol=small)
        return
    assert_allclose(probabilities.sum(axis=1), 1, rtol=10 * small)
    if len(clf.classes_) == 2:
        assert logits.shape == (len(X),)
        assert (predicted == clf.classes_[(probabilities[:, 1] > 0.5).astype(int)]).all()
        assert ((logits > small) <= (predicted == clf.classes_[1])).all()
        assert_allclose(probabilities[:, 1], 1 / (1 + np.exp(-logits)), rtol=10 * small, atol=small)
    else:
        assert (predicted == clf.classes_[logits.argmax(axis=1)]).all()
        assert (predicted == clf.classes_[probabilities.argmax(axis=1)]).all()


@hundreds
@given(st.lists(st.integers(0, 3), min_size=12, max_size=24), st.sampled_from([2, 3]), st.booleans())
def test_weight_0_is_absence_and_weight_2_is_repetition(weights, n_classes, as_sparse):
    X, y = blobs(n_classes)
    X, y, weight = X[: len(weights)], y[: len(weights)], np.array(weights, float)
    assume(len(np.unique(y[weight > 0])) == n_classes)
    # In the order of the file, and in one batch, so that repetition changes nothing but the samples
    clf = network(shuffle=False, batch_size=128, epochs=5)
    kind = sparse.csr_array if as_sparse else np.array
    weighted = copy.deepcopy(clf).fit(kind(X), y, sample_weight=weight)
    rows = np.repeat(np.arange(len(y)), weights)
    repeated = copy.deepcopy(clf).fit(kind(X[rows]), y[rows])
    for ours, theirs in zip(
        weighted.coefs_ + weighted.intercepts_, repeated.coefs_ + repeated.intercepts_, strict=True
    ):
        assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)
    present = weight > 0
    absent = copy.deepcopy(clf).fit(X[present], y[present], sample_weight=weight[present])
    if not as_sparse:
        assert all((a == b).all() for a, b in zip(weighted.coefs_, absent.coefs_, strict=True))


OWN_TYPE = "moonnet._classifier.KerasMoonClassifier"


@hundreds
@given(LABELS, st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(["float32", "float64"]))
def test_what_was_kept_predicts_the_same_bits(labels, seed, early_stopping, dtype):
    X, numbers = blobs(len(labels))
    y = np.array(sorted(labels))[numbers]
    assume(len(np.unique(y)) == len(labels))
    clf = network(random_state=seed, early_stopping=early_stopping, epochs=1).fit(X.astype(dtype), y)
    for kept in (
        pickle.loads(pickle.dumps(clf)),
        skops.io.loads(skops.io.dumps(clf), trusted=[OWN_TYPE]),
    ):
        assert kept.predict_proba(X).tobytes() == clf.predict_proba(X).tobytes()
        assert kept.predict(X).tolist() == clf.predict(X).tolist()
        assert kept.history_ == clf.history_
        assert kept.get_params() == clf.get_params()
        assert kept._checkpoint["streams"] == clf._checkpoint["streams"]


UTF8 = st.characters(codec="utf-8", exclude_characters="\0")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.just(object()),
    st.dates(),
)
SHAPES = st.lists(st.integers(0, 5), max_size=3).map(tuple)
ARRAYS = st.one_of(
    SHAPES.flatmap(lambda shape: arrays(float, shape, elements=st.floats())),
    SHAPES.flatmap(lambda shape: arrays(complex, shape, elements=st.complex_numbers())),
    SHAPES.flatmap(lambda shape: arrays(object, shape, elements=SCALARS)),
    # pandas keeps strings in UTF-8, and NumPy drops NULs at the end
    SHAPES.flatmap(lambda shape: arrays("U3", shape, elements=st.text(UTF8, max_size=3))),
    SHAPES.flatmap(lambda shape: arrays("M8[D]", shape)),
    SHAPES.flatmap(lambda shape: arrays("m8[s]", shape)),
    SHAPES.flatmap(lambda shape: arrays([("a", float), ("b", "U2")], shape)),
    SHAPES.flatmap(lambda shape: arrays(int, shape, elements=st.integers(-3, 3))),
)
ANYTHING = st.one_of(
    SCALARS,
    ARRAYS,
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    ARRAYS.filter(lambda array: array.ndim == 2 and array.dtype.kind in "fi").map(sparse.csr_array),
    ARRAYS.filter(lambda array: array.ndim == 2 and array.dtype.kind not in "MmV").map(pd.DataFrame),
    ARRAYS.filter(lambda array: array.ndim == 1 and array.dtype.kind not in "MmV").map(pd.Series),
    st.just(range(24)),
    st.sets(st.integers(0, 3)),
    st.builds(iter, st.just([1, 2])),
)
GOOD_X, GOOD_Y = blobs(2)


REGRESSORS = {
    f"regressor {loss}": KerasMoonRegressor((5, 4), loss=loss, epochs=2, batch_size=16, random_state=0)
    for loss in ("squared_error", "poisson")
}


@pytest.fixture(scope="module", params=[NETWORK, *REGRESSORS.values()], ids=["classifier", *REGRESSORS])
def learned(request):
    """A network that has learned; each test changes a copy of it."""
    return clone(request.param).fit(GOOD_X, GOOD_Y)


@settings(hundreds, max_examples=300)
@given(st.sampled_from(["X", "y", "sample_weight", "classes", "predict"]), ANYTHING, st.booleans())
def test_bad_data_are_told_by_valueerror_or_typeerror_and_nothing_is_lost(learned, where, value, partly):
    assume(where != "classes" or is_classifier(learned))
    estimator = network() if where == "classes" else copy.copy(learned)
    before = dict(vars(estimator))
    arguments = {"X": GOOD_X, "y": GOOD_Y, where: value}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if where == "predict":
                estimator.predict(value)
            elif where == "classes" or partly:
                estimator.partial_fit(**arguments)
            else:
                estimator.fit(**arguments)
    except (ValueError, TypeError) as error:
        message = str(error)
    else:
        message = None
    if message is None:  # what was made up is good data
        predict = estimator.predict_proba if is_classifier(estimator) else estimator.predict
        assert np.isfinite(predict(np.zeros((2, estimator.n_features_in_)))).all()
    else:
        assert message
        assert vars(estimator).keys() == before.keys()
        assert all(vars(estimator)[name] is value for name, value in before.items())


PARAMETERS = KerasMoonClassifier().get_params() | KerasMoonRegressor().get_params()


@settings(hundreds, max_examples=300)
@given(st.sampled_from(sorted(PARAMETERS)), ANYTHING)
def test_bad_parameters_are_told_by_name_and_nothing_is_lost(learned, name, value):
    assume(name in learned.get_params())
    estimator = copy.copy(learned).set_params(**{name: value})
    before = dict(vars(estimator))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(GOOD_X, GOOD_Y)
    except (ValueError, TypeError) as error:
        message = str(error)
    else:
        return
    assert f"'{name}'" in message or message.startswith("Training diverged")  # a penalty of 1e300, say
    assert all(vars(estimator)[name] is value for name, value in before.items())


@pytest.fixture(scope="module")
def fitted():
    return network().fit(*blobs(2))


@hundreds
@given(
    X=arrays(
        st.sampled_from([np.float64, np.float32, np.int64, np.dtype(">f8"), np.bool_]),
        st.sampled_from([(2, 3), (1, 3), (0, 3), (2, 2), (2, 0), (3,), (1, 3, 1)]),
        elements=st.sampled_from([0, 1]),
    ),
    broken=st.sampled_from([None, np.nan, np.inf, -np.inf]),
    kind=st.sampled_from([np.asarray, np.asfortranarray, np.ma.asarray, list, pd.DataFrame, sparse.csr_array]),
)
def test_what_needs_no_check_is_what_scikit_learn_would_return_as_it_is(fitted, X, broken, kind):
    clf = fitted
    if broken is not None and X.dtype.kind == "f" and X.size:
        X.flat[-1] = broken
    try:
        X = kind(X)
    except (TypeError, ValueError):  # no such thing of these dimensions
        assume(False)
    if clf._needs_no_check(X):
        assert validate_data(clf, X, accept_sparse="csr", reset=False, dtype=np.float64) is X
        assert clf.predict(X).shape == (len(X),)
    else:
        assert kind in (np.ma.asarray, list, pd.DataFrame, sparse.csr_array) or (
            X.dtype != np.float64 or X.shape[1:] != (3,) or len(X) == 0 or not np.isfinite(X).all()
        )


def test_columns_with_names_are_always_checked():
    X, y = blobs(2)
    clf = network().fit(pd.DataFrame(X, columns=["a", "b", "c"]), y)
    assert not clf._needs_no_check(X)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        clf.predict(X)
