"""Class weights and sample weights, combined and scaled for training."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.utils.class_weight import compute_sample_weight

from moonnet.targets import ClassTargets
from moonnet.targets._sample_weights import effective_weights, make_class_weighting


def combine_weights(y, sample_weight, class_weight, dtype="float64"):
    targets = ClassTargets.from_y(y) if y.ndim == 2 else ClassTargets(np.unique(y))
    return effective_weights(sample_weight, make_class_weighting(class_weight, y, targets), np.dtype(dtype))


@given(st.data())
def test_class_weights_match_sklearn_up_to_scale(data):
    y = np.array(data.draw(st.lists(st.integers(0, 3), min_size=4, max_size=40)))
    classes = np.unique(y)
    assume(len(classes) > 1)
    chosen = data.draw(st.sampled_from(["balanced", {int(classes[0]): 2.5}, None]))
    ones = np.ones(len(y))
    weights, theirs = combine_weights(y, ones, chosen), compute_sample_weight(chosen, y)
    assert 1 <= weights.max() < 2
    assert_allclose(weights / weights.max(), theirs / theirs.max())
    assert (ones == 1).all()


def test_balanced_ignores_classes_whose_samples_all_have_weight_0():
    y = np.array([0, 0, 0, 1, 1, 2])
    weights = combine_weights(y, np.array([1.0, 2.0, 1.0, 3.0, 1.0, 0.0]), "balanced")
    assert weights[:3].sum() == pytest.approx(weights[3:5].sum())
    assert weights[5] == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-310, 1e-40, 1.0, 1e38, 1e308])
def test_scale_of_sample_weights_has_no_effect(scale, dtype):
    y = np.array([0, 1, 1, 0])
    weights = combine_weights(y, scale * np.array([1.0, 0.5, 0.25, 0.0]), {0: 1e300, 1: 1e300}, dtype)
    assert weights.dtype == dtype
    assert_allclose(weights / weights.max(), [1, 0.5, 0.25, 0], rtol=1e-6)
    assert (combine_weights(y, np.ones(4), None, dtype) == 1).all()


def test_subnormal_weights_become_0():
    weights = combine_weights(np.array([0, 1, 1]), np.array([1.0, 1e-37, 1e-39]), None, "float32")
    assert weights[1] > 0
    assert weights[2] == 0


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        (
            {"b": 1.0, "z": 2.0},
            r"'class_weight' .* \['a', 'b'\], or .* Got the unknown labels \['z'\], and no weight for \['a'\]",
        ),
        ({"a": 1.0, "b": 1.0, "z": -1.0}, r"'class_weight' .* non-negative numbers\. Got -1\.0 for the label 'z'"),
        ({"a": -1.0}, r"'class_weight' .* non-negative numbers\. Got -1\.0 for the label 'a'"),
        ({"a": float("nan")}, r"Got nan for the label 'a'"),
        ({"a": "heavy"}, r"Got 'heavy' for the label 'a'"),
    ],
)
def test_invalid_class_weight_raises(class_weight, message):
    y = np.array(["a", "b", "a"])
    with pytest.raises(ValueError, match=message):
        combine_weights(y, np.ones(3), class_weight)


def test_class_weight_may_contain_labels_that_y_lacks_if_it_contains_all_labels_of_y():
    y, class_weight = np.array(["a", "b", "a"]), {"a": 1.0, "b": 4.0, "z": 9.0}
    weights, theirs = combine_weights(y, np.ones(3), class_weight), compute_sample_weight(class_weight, y)
    assert_allclose(weights / weights.max(), theirs / theirs.max())


def test_balanced_weights_of_many_labels_do_not_underflow():
    y = (np.random.default_rng(0).random((40, 3000)) < 0.1).astype(int)
    logs = np.log([compute_sample_weight("balanced", column) for column in y.T]).sum(axis=0)
    assert logs.max() < np.log(5e-324)  # so that all products of weights underflow
    weights = combine_weights(y, np.ones(40), "balanced")
    assert_allclose(np.log(weights / weights.max()), logs - logs.max(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("tiny", [1e-308, 5e-324])
def test_balanced_weights_of_a_class_with_tiny_sample_weights_do_not_overflow(tiny):
    weights = combine_weights(np.array([0, 0, 1, 1]), np.array([1.0, 1.0, tiny, tiny]), "balanced")
    assert weights.tolist() == [1, 1, 0, 0]


def test_balanced_multilabel_weights_match_sklearn():
    y = np.random.default_rng(0).integers(0, 2, (40, 3))
    weights = combine_weights(y, np.ones(40), "balanced")
    theirs = compute_sample_weight("balanced", y)
    assert_allclose(weights / weights.max(), theirs / theirs.max())


def test_class_weight_dict_for_multilabel_targets_raises():
    y = np.array([[0, 1], [1, 1]])
    with pytest.raises(ValueError, match=r"'class_weight' .* None or 'balanced' .* Got \{0: 2\.0\}"):
        combine_weights(y, np.ones(2), {0: 2.0})
