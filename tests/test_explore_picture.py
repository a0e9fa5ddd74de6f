"""What the page draws is what the estimator says and Keras's layers compute."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import map_coordinates

from moonnet import KerasMoonClassifier
from moonnet.explore._datasets import apply_edits, load_dataset
from moonnet.explore._picture import RESOLUTION, UNIT_RESOLUTION, compute_picture
from moonnet.explore._settings import Settings

NETWORK = {"hidden_layer_sizes": [5, 4], "epochs": 15, "n_samples": 60, "learning_rate": 0.01}


def made(**values):
    """Return the data, the fitted classifier and its picture."""
    settings = Settings.from_json({**NETWORK, **values})
    data = apply_edits(load_dataset(settings.dataset, None), settings)
    classifier = settings.classifier().fit(data.X, data.y)
    return data, classifier, *compute_picture(data, classifier._weights, settings.activation)


@pytest.fixture(scope="module", params=["moons", "blobs"])
def drawn(request):
    """Two classes and three; shared, so not to be changed."""
    values = {"moons": {"drawn": [[0, 0, 1], [0.5, 2, 0]], "erased": [1]}, "blobs": {"activation": "tanh"}}
    return made(data=request.param, **values[request.param])


def grid(data, resolution):
    """Return the points of the plane's grid, row by row from below."""
    (left, right), (lower, upper) = (axis.limits for axis in data.dataset.axes)
    return np.array(
        [[x, y] for y in np.linspace(lower, upper, resolution) for x in np.linspace(left, right, resolution)]
    )


def test_probabilities_are_the_estimator_s_to_the_last_bit(drawn):
    data, classifier, figures, arrays = drawn
    assert figures["resolution"] == RESOLUTION
    expected = classifier.predict_proba(grid(data, RESOLUTION))
    if len(classifier.classes_) == 2:
        expected = expected[:, 1]
    assert arrays["probability"].dtype == np.float64
    assert_array_equal(arrays["probability"], expected)
    assert arrays["probability"].max() > 0.8  # and the network has learned something to be seen


def as_pictures(layers):
    """Return layers' values as bytes: 128 is zero, and a unit's largest absolute value 127 away from it."""
    values = np.concatenate(layers, axis=1).T.astype(float)
    largest = np.abs(values).max(axis=1, keepdims=True)
    return 128 + 127 * np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)


def test_pictures_of_units_are_a_forward_pass_by_hand(drawn):
    data, classifier, figures, arrays = drawn
    assert figures["unit_resolution"] == UNIT_RESOLUTION
    layers = [grid(data, UNIT_RESOLUTION)]
    for coef, intercept in zip(classifier.coefs_[:-1], classifier.intercepts_[:-1], strict=True):
        z = layers[-1] @ coef + intercept
        layers.append(np.tanh(z) if classifier.activation == "tanh" else np.maximum(z, 0))
    layers.append(layers[-1] @ classifier.coefs_[-1] + classifier.intercepts_[-1])
    sizes = [2, 5, 4, 1 if len(classifier.classes_) == 2 else 3]
    assert figures["layer_sizes"] == sizes
    assert arrays["units"].shape == (sum(sizes), UNIT_RESOLUTION**2)
    assert_allclose(arrays["units"], as_pictures(layers), atol=0.51)


def test_pictures_of_units_are_what_keras_layers_say(drawn, keras):
    data, classifier, _, arrays = drawn
    X = grid(data, UNIT_RESOLUTION)
    model = classifier.model_
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    layers, values = [X], X
    for layer in dense:
        if layer is dense[-1]:
            layer.activation = keras.activations.linear  # pictures show logits
        values = np.asarray(layer(values))
        layers.append(values)
    assert_allclose(arrays["units"], as_pictures(layers), atol=0.6)


def test_a_unit_that_is_zero_everywhere_is_grey():
    settings = Settings()
    data = apply_edits(load_dataset(settings.dataset, None), settings)
    weights = [np.zeros((2, 3)), np.array([0.0, -1, 2]), np.zeros((3, 1)), np.zeros(1)]
    _, arrays = compute_picture(data, weights, "relu")
    units = arrays["units"][2:]
    assert (units[[0, 1, 3]] == 128).all()
    assert (units[2] == 255).all()
    # And with the same probability everywhere there is no boundary
    assert (arrays["probability"] == 0.5).all()
    assert arrays["boundary"].shape == (0, 2)
    assert arrays["boundary_ends"].shape == (0,)


@pytest.mark.parametrize("size", [1e160, 1e300])
def test_a_network_that_diverges_is_drawn_without_a_warning(size):
    settings = Settings()
    data = apply_edits(load_dataset(settings.dataset, None), settings)
    weights = [np.array([[size, -size], [-size, size]]), np.zeros(2), np.full((2, 2), size), np.zeros(2)]
    weights += [np.array([[size], [-size]]), np.zeros(1)]
    figures, arrays = compute_picture(data, weights, "linear")
    assert arrays["units"].min() >= 1
    assert np.isin(arrays["units"][2:4], (1, 255)).any(axis=1).all()  # the first layer can be told
    assert 0 <= figures["accuracy"] <= 1


def test_the_two_most_probable_classes_are_equally_so_along_the_boundary(drawn):
    _, classifier, _, arrays = drawn
    probability = arrays["probability"]
    if len(classifier.classes_) == 2:
        probability = np.column_stack([1 - probability, probability])
    planes = probability.reshape(RESOLUTION, RESOLUTION, -1)
    x, y = arrays["boundary"].T
    assert len(x) > 50
    assert ((x % 1 == 0) | (y % 1 == 0)).all()  # where a line crosses the grid's, so that what follows is linear
    there = np.stack([map_coordinates(plane, [y, x], order=1) for plane in np.moveaxis(planes, -1, 0)])
    ranked = np.sort(there, axis=0)
    if len(classifier.classes_) == 2:
        assert_allclose(ranked[-1], ranked[-2], atol=1e-5)
    else:  # where three meet, the best of the others is not linear between two points
        assert np.quantile(ranked[-1] - ranked[-2], 0.9) < 1e-5
        assert (ranked[-1] - ranked[-2]).max() < 0.05
    ends = arrays["boundary_ends"]
    assert (np.diff(ends) > 1).all()
    assert ends[-1] == len(x)
    # Within a line each point is beside the one before
    steps = np.abs(np.diff(arrays["boundary"], axis=0)).max(axis=1)
    assert (np.delete(steps, ends[:-1] - 1) <= 1).all()


def test_between_classes_lies_a_boundary(drawn):
    data, classifier, _, arrays = drawn
    labels = classifier.predict(grid(data, RESOLUTION)).reshape(RESOLUTION, RESOLUTION)
    rows, columns = np.nonzero(labels[:, :-1] != labels[:, 1:])
    x, y = arrays["boundary"].T
    assert len(rows) > 20
    for row, column in zip(rows, columns, strict=True):
        assert ((y == row) & (column <= x) & (x <= column + 1)).any()


def test_weights_are_kernels_and_biases_layer_by_layer(drawn):
    _, classifier, _, arrays = drawn
    layers = zip(classifier.coefs_, classifier.intercepts_, strict=True)
    assert arrays["weights"].tobytes() == b"".join(array.tobytes() for layer in layers for array in layer)


def test_wrong_samples_are_those_that_the_estimator_gets_wrong(drawn):
    data, classifier, figures, arrays = drawn
    held_out = data.dataset.X_test, data.dataset.y_test
    assert arrays["wrong"].tolist() == (classifier.predict(data.X) != data.y).tolist()
    assert arrays["test_wrong"].tolist() == (classifier.predict(held_out[0]) != held_out[1]).tolist()
    assert figures["accuracy"] == classifier.score(data.X, data.y)
    assert figures["test_accuracy"] == classifier.score(*held_out)
    assert 0 < arrays["wrong"].sum() + arrays["test_wrong"].sum() < len(arrays["wrong"])


def test_samples_are_sent_with_class_and_index(drawn):
    data, _, _, arrays = drawn
    assert_allclose(arrays["points"], data.X, rtol=1e-6)
    assert arrays["labels"].tolist() == data.y.tolist()
    assert arrays["indices"].tolist() == data.indices.tolist()
    assert_allclose(arrays["test_points"], data.dataset.X_test, rtol=1e-6)
    assert arrays["test_labels"].tolist() == data.dataset.y_test.tolist()


def test_labels_that_are_no_indices_are_sent_as_indices():
    data, *_ = made()
    named = data._replace(
        y=np.array(["no", "yes"])[data.y],
        dataset=data.dataset._replace(
            classes=np.array(["no", "yes"]), y_test=np.array(["no", "yes"])[data.dataset.y_test]
        ),
    )
    classifier = KerasMoonClassifier([3], epochs=1, random_state=0).fit(named.X, named.y)
    _, arrays = compute_picture(named, classifier._weights, "relu")
    assert arrays["labels"].tolist() == data.y.tolist()
    assert arrays["test_labels"].tolist() == data.dataset.y_test.tolist()
    assert arrays["wrong"].tolist() == (classifier.predict(named.X) != named.y).tolist()


@pytest.mark.parametrize("activation", ["sigmoid", "softplus"])
def test_a_network_without_hidden_layers_and_one_that_is_never_zero(activation):
    for sizes in ([], [3]):
        data, classifier, figures, arrays = made(hidden_layer_sizes=sizes, activation=activation, epochs=1)
        assert figures["layer_sizes"] == [2, *sizes, 1]
        assert_array_equal(arrays["probability"], classifier.predict_proba(grid(data, RESOLUTION))[:, 1])
        assert (arrays["units"][2:-1] > 128).all()
