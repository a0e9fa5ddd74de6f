import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from moonnet.targets import ClassTargets

labels = st.one_of(
    st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=30),
    st.lists(st.text(max_size=4).filter(lambda text: "\0" not in text), min_size=2, max_size=30),
    st.lists(st.booleans(), min_size=2, max_size=30),
)


@given(labels)
@pytest.mark.filterwarnings("ignore:The number of unique classes is greater:UserWarning")
def test_decode_inverts_encode(values):
    y = np.array(values)
    assume(len(set(values)) > 1)
    targets = ClassTargets.from_y(y)
    encoded = targets.encode(y, np.dtype("float64"))
    assert encoded.shape == (len(y), targets.n_outputs)
    assert targets.decode(encoded - 0.5).tolist() == values


@given(arrays(float, st.tuples(st.integers(1, 20), st.sampled_from([1, 3, 4])), elements=st.floats(-800, 800)))
def test_probabilities_match_log_probabilities_and_decoded_labels(logits):
    classes = np.arange(max(2, logits.shape[1]))
    targets = ClassTargets(classes)
    probabilities = targets.probabilities(logits)
    assert probabilities.shape == (len(logits), len(classes))
    assert (probabilities >= 0).all()
    assert (probabilities <= 1).all()
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert np.isfinite(targets.log_probabilities(logits)).all()
    assert_allclose(np.exp(targets.log_probabilities(logits)), probabilities, atol=1e-12)
    predicted = targets.decode(logits)
    assert (probabilities[np.arange(len(logits)), predicted] == probabilities.max(axis=1)).all()


def test_decode_of_binary_logit_zero_gives_first_class():
    targets = ClassTargets(np.array(["no", "yes"]))
    assert targets.decode(np.array([[-1e-3], [0.0], [1e-3]])).tolist() == ["no", "no", "yes"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_decode_matches_probabilities_for_logits_near_zero(dtype):
    targets = ClassTargets(np.array([0, 1]))
    positive = np.geomspace(np.finfo(dtype).tiny, 1, 100_001, dtype=dtype)
    logits = np.concatenate([-positive, positive])[:, np.newaxis]
    with np.errstate(all="raise"):
        probabilities = targets.probabilities(logits)
    assert probabilities.dtype == dtype
    assert (targets.decode(logits) == probabilities.argmax(axis=1)).all()


def test_multilabel_targets_are_encoded_as_binary_columns():
    y = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0]])
    targets = ClassTargets.from_y(y)
    assert targets.multilabel
    assert targets.classes.tolist() == [0, 1, 2]
    assert (targets.n_outputs, targets.has_sigmoid_units) == (3, True)
    assert (targets.decode(targets.encode(y, np.dtype(float)) - 0.5) == y).all()
    logits = np.array([[0.0, 2.0, -1000.0]])
    assert_allclose(targets.probabilities(logits), [[0.5, 1 / (1 + np.exp(-2)), 0]])
    assert_allclose(targets.log_probabilities(logits), [[np.log(0.5), -np.log1p(np.exp(-2)), -1000]])


@pytest.mark.parametrize(
    ("targets", "y", "message"),
    [
        (
            ClassTargets(np.array(["a", "b"])),
            np.array(["a", "c"]),
            r"from \['a', 'b'\]\. Got .* with the values \['a', 'c'\]",
        ),
        (ClassTargets(np.array([0, 1])), np.array([[0, 1]]), r"one label per sample.* shape \(1, 2\)"),
        (ClassTargets(np.arange(2), True), np.array([0, 1]), r"each of 2 labels.* shape \(2,\)"),
        (ClassTargets(np.arange(2), True), np.array([[0, 1, 1]]), r"each of 2 labels.* shape \(1, 3\)"),
        (ClassTargets(np.arange(2), True), np.array([[0, 2]]), r"each of 2 labels.* with the values \[0, 2\]"),
    ],
)
def test_check_rejects_unknown_labels_and_wrong_shapes(targets, y, message):
    with pytest.raises(ValueError, match=message):
        targets.check(y)


def test_check_accepts_known_labels():
    ClassTargets(np.array(["a", "b"])).check(np.array(["b", "b"]))
    ClassTargets(np.arange(2), True).check(np.array([[0, 1], [0, 0]]))


ONE_HOT = np.eye(3)[np.arange(12) % 3]


@pytest.mark.parametrize("y", [ONE_HOT, ONE_HOT.astype(bool), np.eye(2, dtype=int)[[0, 1, 1]]])
def test_one_hot_rows_warn_that_they_become_labels(y):
    with pytest.warns(UserWarning, match=r"as if y were one-hot encoded\. It is treated as multilabel: .*idxmax"):
        targets = ClassTargets.from_y(y)
    assert targets.multilabel


@pytest.mark.parametrize("y", [ONE_HOT[:3], np.vstack([ONE_HOT, [1, 1, 0]]), np.vstack([ONE_HOT, [0, 0, 0]])])
def test_rows_that_are_not_one_hot_or_few_do_not_warn(y):
    assert ClassTargets.from_y(y).multilabel  # pytest turns warnings into errors
