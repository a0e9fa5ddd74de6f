"""Labels of hyperparameters' values on an axis."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression

from moonnet.plotting._hyperparameters import label_categories


def square(x):
    return x * x


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (0.1 + 0.2, "0.3"),
        (np.float64(1e-7), "1e-07"),
        (True, "True"),
        (None, "None"),
        ((50, 20), "(50, 20)"),
        (square, "square"),
        (object(), "object"),
        (LogisticRegression(C=2), "LogisticRegression(C=2)"),
        (tuple(range(100)), "(0, 1, 2, 3, 4, 5, 6, 7, 8, 9…"),
        ("x" * 30, "x" * 30),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_have_short_labels(value, label):
    _, ax = plt.subplots()
    label_categories(ax.xaxis, [value, "other"])
    assert [text.get_text() for text in ax.get_xticklabels()] == [label, "other"]


def test_only_labels_that_need_much_width_are_rotated():
    _, ax = plt.subplots()
    for values, angle in (("abc", 0), ("abcdefg", 45), (["a" * 29, "b" * 29], 45)):
        label_categories(ax.xaxis, list(values))
        label_categories(ax.yaxis, list(values))
        assert {text.get_rotation() for text in ax.get_xticklabels()} == {angle}
        assert {text.get_rotation() for text in ax.get_yticklabels()} == {0}
