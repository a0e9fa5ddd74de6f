import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from sklearn.utils.class_weight import compute_sample_weight

from moonnet._base_targets import effective_weights
from moonnet._class_targets import ClassTargets
from moonnet.training._keras import keras

labels = st.one_of(
    st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=30),
    st.lists(st.text(max_size=4).filter(lambda text: "\0" not in text), min_size=2, max_size=30),
    st.lists(st.booleans(), min_size=2, max_size=30),
)


@given(labels)
@pytest.mark.filterwarnings("ignore:The number of unique classes is greater:UserWarning")
def test_encoded_labels_decode_to_themselves(values):
    y = np.array(values)
    assume(len(set(values)) > 1)
    known = ClassTargets.of(y)
    encoded = known.encode(y, np.dtype("float64"))
    assert encoded.shape == (len(y), known.n_outputs)
    assert known.decode(encoded - 0.5).tolist() == values


@given(arrays(float, st.tuples(st.integers(1, 20), st.sampled_from([1, 3, 4])), elements=st.floats(-800, 800)))
def test_probabilities_agree_with_their_logarithms_and_labels(logits):
    classes = np.arange(max(2, logits.shape[1]))
    known = ClassTargets(classes)
    probabilities = known.probabilities(logits)
    assert probabilities.shape == (len(logits), len(classes))
    assert (probabilities >= 0).all()
    assert (probabilities <= 1).all()
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert np.isfinite(known.log_probabilities(logits)).all()
    assert_allclose(np.exp(known.log_probabilities(logits)), probabilities, atol=1e-12)
    predicted = known.decode(logits)
    assert (probabilities[np.arange(len(logits)), predicted] == probabilities.max(axis=1)).all()


def test_two_classes_split_at_one_half():
    known = ClassTargets(np.array(["no", "yes"]))
    assert known.decode(np.array([[-1e-3], [0.0], [1e-3]])).tolist() == ["no", "no", "yes"]


def effective(y, sample_weight, class_weight, dtype="float64"):
    return effective_weights(sample_weight, ClassTargets(np.unique(y)).balance(y, class_weight), np.dtype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_classes_agree_with_their_probabilities_next_to_one_half(dtype):
    labels = ClassTargets(np.array([0, 1]))
    positive = np.geomspace(np.finfo(dtype).tiny, 1, 100_001, dtype=dtype)
    logits = np.concatenate([-positive, positive])[:, np.newaxis]
    with np.errstate(all="raise"):
        probabilities = labels.probabilities(logits)
    assert probabilities.dtype == dtype
    assert (labels.decode(logits) == probabilities.argmax(axis=1)).all()


@given(st.data())
def test_class_weights_are_scikit_learn_s_up_to_scale(data):
    y = np.array(data.draw(st.lists(st.integers(0, 3), min_size=4, max_size=40)))
    classes = np.unique(y)
    assume(len(classes) > 1)
    chosen = data.draw(st.sampled_from(["balanced", {int(classes[0]): 2.5}, None]))
    ones = np.ones(len(y))
    weights, theirs = effective(y, ones, chosen), compute_sample_weight(chosen, y)
    assert 1 <= weights.max() < 2
    assert_allclose(weights / weights.max(), theirs / theirs.max())
    assert (ones == 1).all()


def test_balanced_classes_carry_equal_weight_and_skip_those_without_any():
    y = np.array([0, 0, 0, 1, 1, 2])
    weights = effective(y, np.array([1.0, 2.0, 1.0, 3.0, 1.0, 0.0]), "balanced")
    assert weights[:3].sum() == pytest.approx(weights[3:5].sum())
    assert weights[5] == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-310, 1e-40, 1.0, 1e38, 1e308])
def test_the_scale_of_weights_is_free(scale, dtype):
    y = np.array([0, 1, 1, 0])
    weights = effective(y, scale * np.array([1.0, 0.5, 0.25, 0.0]), {0: 1e300, 1: 1e300}, dtype)
    assert weights.dtype == dtype
    assert_allclose(weights / weights.max(), [1, 0.5, 0.25, 0], rtol=1e-6)
    assert (effective(y, np.ones(4), None, dtype) == 1).all()


def test_a_weight_that_compiled_code_takes_for_0_is_0():
    weights = effective(np.array([0, 1, 1]), np.array([1.0, 1e-37, 1e-39]), None, "float32")
    assert weights[1] > 0
    assert weights[2] == 0


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({"b": 1.0, "z": 2.0}, r"'class_weight' .* \['a', 'b'\]\. Got the unknown \['z'\]"),
        ({"a": -1.0}, r"'class_weight' .* at least 0\. Got -1\.0 for label 'a'"),
        ({"a": float("nan")}, r"Got nan for label 'a'"),
        ({"a": "heavy"}, r"Got 'heavy' for label 'a'"),
    ],
)
def test_bad_class_weights_are_named(class_weight, message):
    y = np.array(["a", "b", "a"])
    with pytest.raises(ValueError, match=message):
        effective(y, np.ones(3), class_weight)


def test_several_labels_are_columns_of_0_and_1():
    y = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0]])
    known = ClassTargets.of(y)
    assert known.multilabel
    assert known.classes.tolist() == [0, 1, 2]
    assert (known.n_outputs, known.loss) == (3, "binary_crossentropy")
    assert (known.decode(known.encode(y, np.dtype(float)) - 0.5) == y).all()
    logits = np.array([[0.0, 2.0, -1000.0]])
    assert_allclose(known.probabilities(logits), [[0.5, 1 / (1 + np.exp(-2)), 0]])
    assert_allclose(known.log_probabilities(logits), [[np.log(0.5), -np.log1p(np.exp(-2)), -1000]])


@pytest.mark.trains
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="Keras computes some in float32 there")
@pytest.mark.parametrize(("n_outputs", "name"), [(1, "binary"), (3, "categorical"), (3, "several")])
def test_losses_and_correct_samples_are_keras_s(n_outputs, name):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 5, (30, n_outputs))
    y = rng.integers(0, 2, (30, n_outputs)) if name != "categorical" else np.eye(3, dtype=int)[rng.integers(0, 3, 30)]
    known = ClassTargets(np.arange(max(2, n_outputs)), multilabel=name == "several")
    encoded = y.astype(float)
    if name == "categorical":
        theirs = keras.losses.CategoricalCrossentropy(from_logits=True, reduction="none", dtype="float64")
        correct = keras.metrics.categorical_accuracy(encoded, logits)
    else:
        theirs = keras.losses.BinaryCrossentropy(from_logits=True, reduction="none", dtype="float64")
        correct = keras.metrics.binary_accuracy(encoded, 1 / (1 + np.exp(-logits)))
    assert_allclose(known.losses(logits, encoded), theirs(encoded, logits).numpy(), rtol=1e-9)
    assert_allclose(known.metrics(logits, encoded)["accuracy"], np.asarray(correct).reshape(30, -1).mean(axis=1))


def test_balanced_labels_multiply_as_in_scikit_learn():
    y = np.random.default_rng(0).integers(0, 2, (40, 3))
    weights = effective_weights(np.ones(40), ClassTargets.of(y).balance(y, "balanced"), np.dtype(float))
    theirs = compute_sample_weight("balanced", y)
    assert_allclose(weights / weights.max(), theirs / theirs.max())


def test_a_dict_of_weights_cannot_name_several_labels():
    y = np.array([[0, 1], [1, 1]])
    with pytest.raises(ValueError, match=r"'class_weight' .* None or 'balanced' .* Got \{0: 2\.0\}"):
        effective_weights(np.ones(2), ClassTargets.of(y).balance(y, {0: 2.0}), np.dtype(float))


@pytest.mark.parametrize(
    ("known", "y", "message"),
    [
        (ClassTargets(np.array(["a", "b"])), np.array(["a", "c"]), r"of \['a', 'b'\]\. Got .* with \['a', 'c'\]"),
        (ClassTargets(np.array([0, 1])), np.array([[0, 1]]), r"one label a sample.* shape \(1, 2\)"),
        (ClassTargets(np.arange(2), True), np.array([0, 1]), r"each of 2 labels.* shape \(2,\)"),
        (ClassTargets(np.arange(2), True), np.array([[0, 1, 1]]), r"each of 2 labels.* shape \(1, 3\)"),
        (ClassTargets(np.arange(2), True), np.array([[0, 2]]), r"each of 2 labels.* with \[0, 2\]"),
    ],
)
def test_labels_that_were_not_to_come_are_named(known, y, message):
    with pytest.raises(ValueError, match=message):
        known.check(y)


def test_labels_that_were_to_come_are_fine():
    ClassTargets(np.array(["a", "b"])).check(np.array(["b", "b"]))
    ClassTargets(np.arange(2), True).check(np.array([[0, 1], [0, 0]]))
