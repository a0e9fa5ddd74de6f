"""Properties of the classifier, and input checks of both estimators, in hundreds of cases drawn by hypothesis."""

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

from helpers import assert_samples_are_independent
from moonnet import KerasMoonClassifier, KerasMoonRegressor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.trains,
    pytest.mark.filterwarnings("ignore:The number of unique classes is greater than 50%:UserWarning"),
]
many_examples = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))

# One small architecture and one batch size, so that few programs are compiled for all cases
NETWORK = KerasMoonClassifier((5, 4), epochs=2, batch_size=16, random_state=0)


def make_classifier(**parameters):
    return KerasMoonClassifier(**(NETWORK.get_params() | parameters))


def blobs(n_classes, n_samples=24):
    return make_blobs(n_samples, n_features=3, centers=n_classes, random_state=1)


@pytest.fixture(scope="module")
def fitted_classifiers():
    """Classifiers fitted on multilabel targets, on two classes and on three, the latter two in both float types."""
    X, y = make_multilabel_classification(40, n_features=3, n_classes=3, random_state=0)
    fits = [make_classifier(epochs=20).fit(X, y)]
    for n_classes in (2, 3):
        X, y = blobs(n_classes)
        fits += [make_classifier(epochs=20).fit(X.astype(dtype), y) for dtype in ("float32", "float64")]
    return fits


LABELS = st.one_of(
    st.lists(st.integers(-(2**62), 2**62), min_size=2, max_size=3, unique=True),
    st.lists(st.text(max_size=5).filter(lambda text: "\0" not in text), min_size=2, max_size=3, unique=True),
    st.permutations([False, True]),
    st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=3, unique=True),
)


@many_examples
@given(LABELS, st.booleans(), st.randoms(use_true_random=False))
def test_predict_returns_labels_with_the_values_and_dtype_of_y(labels, as_objects, random):
    X, indices = blobs(len(labels))
    ordered = sorted(labels)
    y = np.array([ordered[index] for index in indices], dtype=object if as_objects else None)
    assume(len(np.unique(y)) == len(labels))
    if as_objects and not isinstance(labels[0], str):
        y = y.astype(np.array(labels).dtype)  # scikit-learn accepts labels of dtype object only if they are strings
    order = list(range(len(y)))
    random.shuffle(order)
    clf = make_classifier().fit(X[order], y[order])
    expected = make_classifier().fit(X[order], indices[order])
    assert clf.classes_.tolist() == ordered
    assert clf.classes_.dtype == y.dtype
    assert (clf.coefs_[0] == expected.coefs_[0]).all()
    assert clf.predict(X).tolist() == [ordered[index] for index in expected.predict(X)]
    assert clf.predict(X).dtype == y.dtype


ROWS = arrays(float, st.tuples(st.integers(1, 40), st.just(3)), elements=st.floats(-50, 50, width=32))


@many_examples
@given(ROWS, st.integers(0, 4), st.data())
def test_prediction_of_a_sample_does_not_depend_on_other_samples(fitted_classifiers, X, which, data):
    clf = fitted_classifiers[which]
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if clf.coefs_[0].dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-13}
    assert_samples_are_independent(clf.decision_function, X, data, tolerance)


@many_examples
@given(ROWS, st.integers(0, 4))
def test_probabilities_logits_and_labels_are_consistent(fitted_classifiers, X, which):
    clf = fitted_classifiers[which]
    probabilities, logits, predicted = clf.predict_proba(X), clf.decision_function(X), clf.predict(X)
    assert probabilities.dtype == logits.dtype == clf.coefs_[0].dtype
    assert probabilities.shape == (len(X), len(clf.classes_))
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    small = 1e-6 if probabilities.dtype == np.float32 else 1e-12
    assert_allclose(np.exp(clf.predict_log_proba(X)), probabilities, rtol=10 * small, atol=small)
    if clf.coefs_[-1].shape[1] > 1 and predicted.ndim == 2:  # multilabel
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


@many_examples
@given(st.lists(st.integers(0, 3), min_size=12, max_size=24), st.sampled_from([2, 3]), st.booleans())
def test_integer_sample_weights_equal_omitted_and_repeated_samples(weights, n_classes, as_sparse):
    X, y = blobs(n_classes)
    X, y, weight = X[: len(weights)], y[: len(weights)], np.array(weights, float)
    assume(len(np.unique(y[weight > 0])) == n_classes)
    # Without shuffling and in a single batch, so that repetition changes nothing but the samples
    clf = make_classifier(shuffle=False, batch_size=128, epochs=5)
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


@many_examples
@given(LABELS, st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(["float32", "float64"]))
def test_restored_classifier_predicts_identically(labels, seed, early_stopping, dtype):
    X, indices = blobs(len(labels))
    y = np.array(sorted(labels))[indices]
    assume(len(np.unique(y)) == len(labels))
    clf = make_classifier(random_state=seed, early_stopping=early_stopping, epochs=1).fit(X.astype(dtype), y)
    for restored in (
        pickle.loads(pickle.dumps(clf)),
        skops.io.loads(skops.io.dumps(clf), trusted=[OWN_TYPE]),
    ):
        assert restored.predict_proba(X).tobytes() == clf.predict_proba(X).tobytes()
        assert restored.predict(X).tolist() == clf.predict(X).tolist()
        assert restored.history_ == clf.history_
        assert restored.get_params() == clf.get_params()
        assert restored._checkpoint["streams"] == clf._checkpoint["streams"]


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
    # pandas stores strings in UTF-8, and NumPy drops trailing NULs
    SHAPES.flatmap(lambda shape: arrays("U3", shape, elements=st.text(UTF8, max_size=3))),
    SHAPES.flatmap(lambda shape: arrays("M8[D]", shape)),
    SHAPES.flatmap(lambda shape: arrays("m8[s]", shape)),
    SHAPES.flatmap(lambda shape: arrays([("a", float), ("b", "U2")], shape)),
    SHAPES.flatmap(lambda shape: arrays(int, shape, elements=st.integers(-3, 3))),
)
ARBITRARY_VALUES = st.one_of(
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


REGRESSOR = KerasMoonRegressor((5, 4), epochs=2, batch_size=16, random_state=0)


@pytest.fixture(scope="module", params=[NETWORK, REGRESSOR], ids=["classifier", "regressor"])
def fitted_estimator(request):
    """A fitted estimator; each test changes a copy of it."""
    return clone(request.param).fit(GOOD_X, GOOD_Y)


@settings(many_examples, max_examples=150)
@given(st.sampled_from(["X", "y", "sample_weight", "classes", "predict"]), ARBITRARY_VALUES, st.booleans())
def test_invalid_data_raise_and_leave_the_estimator_unchanged(fitted_estimator, where, value, use_partial_fit):
    assume(where != "classes" or is_classifier(fitted_estimator))
    estimator = make_classifier() if where == "classes" else copy.copy(fitted_estimator)
    before = dict(vars(estimator))
    arguments = {"X": GOOD_X, "y": GOOD_Y, where: value}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if where == "predict":
                estimator.predict(value)
            elif where == "classes" or use_partial_fit:
                estimator.partial_fit(**arguments)
            else:
                estimator.fit(**arguments)
    except (ValueError, TypeError) as error:
        message = str(error)
    else:
        message = None
    if message is None:  # the value is valid
        predict = estimator.predict_proba if is_classifier(estimator) else estimator.predict
        assert np.isfinite(predict(np.zeros((2, estimator.n_features_in_)))).all()
    else:
        assert message
        assert vars(estimator).keys() == before.keys()
        assert all(vars(estimator)[name] is value for name, value in before.items())


PARAMETERS = KerasMoonClassifier().get_params() | KerasMoonRegressor().get_params()


@settings(many_examples, max_examples=150)
@given(st.sampled_from(sorted(PARAMETERS)), ARBITRARY_VALUES)
def test_invalid_parameter_is_named_and_the_estimator_unchanged(fitted_estimator, name, value):
    assume(name in fitted_estimator.get_params())
    estimator = copy.copy(fitted_estimator).set_params(**{name: value})
    before = dict(vars(estimator))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(GOOD_X, GOOD_Y)
    except (ValueError, TypeError) as error:
        message = str(error)
    else:
        return
    assert f"'{name}'" in message or message.startswith("Training diverged")  # for example because of l2=1e300
    assert all(vars(estimator)[name] is value for name, value in before.items())


@pytest.fixture(scope="module")
def fitted_classifier():
    return make_classifier().fit(*blobs(2))


@many_examples
@given(
    X=arrays(
        st.sampled_from([np.float64, np.float32, np.int64, np.dtype(">f8"), np.bool_]),
        st.sampled_from([(2, 3), (1, 3), (0, 3), (2, 2), (2, 0), (3,), (1, 3, 1)]),
        elements=st.sampled_from([0, 1]),
    ),
    non_finite=st.sampled_from([None, np.nan, np.inf, -np.inf]),
    kind=st.sampled_from([np.asarray, np.asfortranarray, np.ma.asarray, list, pd.DataFrame, sparse.csr_array]),
)
def test_check_is_skipped_only_if_sklearn_would_return_x_unchanged(fitted_classifier, X, non_finite, kind):
    clf = fitted_classifier
    if non_finite is not None and X.dtype.kind == "f" and X.size:
        X.flat[-1] = non_finite
    try:
        X = kind(X)
    except (TypeError, ValueError):  # the container does not support this shape
        assume(False)
    if clf._is_already_valid(X):
        assert validate_data(clf, X, accept_sparse="csr", reset=False, dtype=np.float64) is X
        assert clf.predict(X).shape == (len(X),)
    else:
        assert kind in (np.ma.asarray, list, pd.DataFrame, sparse.csr_array) or (
            X.dtype != np.float64 or X.shape[1:] != (3,) or len(X) == 0 or not np.isfinite(X).all()
        )


def test_check_is_not_skipped_if_fitted_with_feature_names():
    X, y = blobs(2)
    clf = make_classifier().fit(pd.DataFrame(X, columns=["a", "b", "c"]), y)
    assert not clf._is_already_valid(X)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        clf.predict(X)
