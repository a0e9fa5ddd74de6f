"""The arrays that the page draws match the estimator and Keras's layers."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import map_coordinates
from sklearn.metrics import r2_score, root_mean_squared_error

from moonnet import KerasMoonClassifier
from moonnet.explore._datasets import apply_edits, load_dataset
from moonnet.explore._picture import RESOLUTION, UNIT_RESOLUTION, compute_picture
from moonnet.explore._settings import Settings
from moonnet.explore._user_tables import ArrayTable
from moonnet.networks import DenseStack, State
from moonnet.targets import ClassTargets

NETWORK = {"hidden_layer_sizes": [5, 4], "epochs": 15, "n_samples": 60, "learning_rate": 0.01}


def make_picture(**values):
    """Return the data, the fitted estimator, and the header and arrays of its picture."""
    settings = Settings.from_json({**NETWORK, **values})
    data = apply_edits(load_dataset(settings.dataset, None), settings)
    estimator = settings.regressor() if data.is_regression else settings.classifier()
    classifier = estimator.fit(data.inputs(data.X_train), data.y_train)
    return data, classifier, *compute_picture(data, [classifier._targets], classifier._network, [classifier._state])


@pytest.fixture(scope="module", params=["moons", "blobs"])
def picture(request):
    """Pictures of two and of three classes; shared, so tests must not change them."""
    values = {"moons": {"drawn": [[0, 0, 1], [0.5, 2, 0]], "erased": [1]}, "blobs": {"activation": "tanh"}}
    return make_picture(data=request.param, **values[request.param])


def grid(data, resolution):
    """Return the points of the grid over the plane, row by row from the bottom."""
    (left, right), (lower, upper) = (axis.limits for axis in data.axes)
    return np.array(
        [[x, y] for y in np.linspace(lower, upper, resolution) for x in np.linspace(left, right, resolution)]
    )


def test_probabilities_are_identical_to_predict_proba(picture):
    data, classifier, header, arrays = picture
    assert header["resolution"] == RESOLUTION
    expected = classifier.predict_proba(grid(data, RESOLUTION))
    if len(classifier.classes_) == 2:
        expected = expected[:, 1]
    assert arrays["probability"].dtype == np.float64
    assert_array_equal(arrays["probability"], expected)
    assert arrays["probability"].max() > 0.8  # the network has learned something


def as_unit_images(layers):
    """Scale the values of each unit to bytes: 128 is zero, and the largest absolute value is 127 away from it."""
    values = np.concatenate(layers, axis=1).T.astype(float)
    largest = np.abs(values).max(axis=1, keepdims=True)
    return 128 + 127 * np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)


def test_unit_images_match_hand_written_forward_pass(picture):
    data, classifier, header, arrays = picture
    assert header["unit_resolution"] == UNIT_RESOLUTION
    layers = [grid(data, UNIT_RESOLUTION)]
    for coef, intercept in zip(classifier.coefs_[:-1], classifier.intercepts_[:-1], strict=True):
        z = layers[-1] @ coef + intercept
        layers.append(np.tanh(z) if classifier.activation == "tanh" else np.maximum(z, 0))
    layers.append(layers[-1] @ classifier.coefs_[-1] + classifier.intercepts_[-1])
    sizes = [2, 5, 4, 1 if len(classifier.classes_) == 2 else 3]
    assert header["layer_sizes"] == sizes
    assert arrays["units"].shape == (sum(sizes), UNIT_RESOLUTION**2)
    assert_allclose(arrays["units"], as_unit_images(layers), atol=0.51)


def test_unit_images_match_keras_layers(picture, keras):
    data, classifier, _, arrays = picture
    X = grid(data, UNIT_RESOLUTION)
    model = classifier.model_
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    layers, values = [X], X
    for layer in dense:
        if layer is dense[-1]:
            layer.activation = keras.activations.linear  # unit images show logits
        values = np.asarray(layer(values))
        layers.append(values)
    assert_allclose(arrays["units"], as_unit_images(layers), atol=0.6)


def test_zero_unit_is_grey_and_constant_probability_has_no_boundary():
    settings = Settings()
    data = apply_edits(load_dataset(settings.dataset, None), settings)
    weights = [np.zeros((2, 3)), np.array([0.0, -1, 2]), np.zeros((3, 1)), np.zeros(1)]
    _, arrays = compute_picture(data, [ClassTargets(data.classes)], DenseStack((2, 3, 1), "relu"), [State(weights)])
    units = arrays["units"][2:]
    assert (units[[0, 1, 3]] == 128).all()
    assert (units[2] == 255).all()
    # A constant probability has no boundary
    assert (arrays["probability"] == 0.5).all()
    assert arrays["boundary"].shape == (0, 2)
    assert arrays["boundary_ends"].shape == (0,)


@pytest.mark.parametrize("size", [1e160, 1e300])
def test_compute_picture_of_diverged_network_does_not_warn(size):
    settings = Settings()
    data = apply_edits(load_dataset(settings.dataset, None), settings)
    weights = [np.array([[size, -size], [-size, size]]), np.zeros(2), np.full((2, 2), size), np.zeros(2)]
    weights += [np.array([[size], [-size]]), np.zeros(1)]
    header, arrays = compute_picture(
        data, [ClassTargets(data.classes)], DenseStack((2, 2, 2, 1), "linear"), [State(weights)]
    )
    assert arrays["units"].min() >= 1
    assert np.isin(arrays["units"][2:4], (1, 255)).any(axis=1).all()  # the first layer does not overflow
    assert 0 <= header["accuracy"] <= 1


def test_two_largest_probabilities_are_equal_along_boundary(picture):
    _, classifier, _, arrays = picture
    probability = arrays["probability"]
    if len(classifier.classes_) == 2:
        probability = np.column_stack([1 - probability, probability])
    planes = probability.reshape(RESOLUTION, RESOLUTION, -1)
    x, y = arrays["boundary"].T
    assert len(x) > 50
    assert ((x % 1 == 0) | (y % 1 == 0)).all()  # on grid lines, where interpolation is linear
    interpolated = np.stack([map_coordinates(plane, [y, x], order=1) for plane in np.moveaxis(planes, -1, 0)])
    ranked = np.sort(interpolated, axis=0)
    if len(classifier.classes_) == 2:
        assert_allclose(ranked[-1], ranked[-2], atol=1e-5)
    else:  # where three classes meet, the second largest is not linear between two grid points
        assert np.quantile(ranked[-1] - ranked[-2], 0.9) < 1e-5
        assert (ranked[-1] - ranked[-2]).max() < 0.05
    ends = arrays["boundary_ends"]
    assert (np.diff(ends) > 1).all()
    assert ends[-1] == len(x)
    # Consecutive points of a line are at most one grid step apart
    steps = np.abs(np.diff(arrays["boundary"], axis=0)).max(axis=1)
    assert (np.delete(steps, ends[:-1] - 1) <= 1).all()


def test_boundary_separates_neighbours_of_different_classes(picture):
    data, classifier, _, arrays = picture
    labels = classifier.predict(grid(data, RESOLUTION)).reshape(RESOLUTION, RESOLUTION)
    rows, columns = np.nonzero(labels[:, :-1] != labels[:, 1:])
    x, y = arrays["boundary"].T
    assert len(rows) > 20
    for row, column in zip(rows, columns, strict=True):
        assert ((y == row) & (column <= x) & (x <= column + 1)).any()


def test_weights_are_kernel_and_bias_of_each_layer(picture):
    _, classifier, _, arrays = picture
    layers = zip(classifier.coefs_, classifier.intercepts_, strict=True)
    assert arrays["weights"].tobytes() == b"".join(array.tobytes() for layer in layers for array in layer)


def test_wrong_samples_and_accuracies_match_classifier(picture):
    data, classifier, header, arrays = picture
    held_out = data.X_test, data.y_test
    assert arrays["wrong"].tolist() == (classifier.predict(data.X_train) != data.y_train).tolist()
    assert arrays["test_wrong"].tolist() == (classifier.predict(held_out[0]) != held_out[1]).tolist()
    assert header["accuracy"] == classifier.score(data.X_train, data.y_train)
    assert header["test_accuracy"] == classifier.score(*held_out)
    assert 0 < arrays["wrong"].sum() + arrays["test_wrong"].sum() < len(arrays["wrong"])


def test_samples_have_class_and_index(picture):
    data, _, _, arrays = picture
    assert_allclose(arrays["points"], data.X_train, rtol=1e-6)
    assert arrays["labels"].tolist() == data.y_train.tolist()
    assert arrays["indices"].tolist() == data.indices.tolist()
    assert_allclose(arrays["test_points"], data.X_test, rtol=1e-6)
    assert arrays["test_labels"].tolist() == data.y_test.tolist()


def test_string_labels_become_class_indices():
    data, *_ = make_picture()
    named = data._replace(
        y_train=np.array(["no", "yes"])[data.y_train],
        y_test=np.array(["no", "yes"])[data.y_test],
        classes=np.array(["no", "yes"]),
    )
    classifier = KerasMoonClassifier([3], epochs=1, random_state=0).fit(named.X_train, named.y_train)
    _, arrays = compute_picture(named, [classifier._targets], classifier._network, [classifier._state])
    assert arrays["labels"].tolist() == data.y_train.tolist()
    assert arrays["test_labels"].tolist() == data.y_test.tolist()
    assert arrays["wrong"].tolist() == (classifier.predict(named.X_train) != named.y_train).tolist()


@pytest.mark.parametrize("activation", ["sigmoid", "softplus"])
def test_picture_without_hidden_layers_or_with_positive_activation(activation):
    for sizes in ([], [3]):
        data, classifier, header, arrays = make_picture(hidden_layer_sizes=sizes, activation=activation, epochs=1)
        assert header["layer_sizes"] == [2, *sizes, 1]
        assert_array_equal(arrays["probability"], classifier.predict_proba(grid(data, RESOLUTION))[:, 1])
        assert (arrays["units"][2:-1] > 128).all()


def test_picture_of_network_with_derived_inputs():
    names = ["x2", "x1^2", "x1*x2"]
    data, _, header, arrays = make_picture(data="xor", inputs=names)
    classifier = KerasMoonClassifier([5, 4], epochs=15, learning_rate=0.01, random_state=0)

    def derive(points):
        x, y = points.T
        return np.column_stack([y, x**2, x * y])

    classifier.fit(derive(data.X_train), data.y_train)
    probability = classifier.predict_proba(derive(grid(data, RESOLUTION)))[:, 1]
    assert_array_equal(arrays["probability"], probability)
    assert header["test_accuracy"] == classifier.score(derive(data.X_test), data.y_test)
    assert header["layer_sizes"] == [3, 5, 4, 1]
    assert header["inputs"] == ["y", "x squared", "x times y"]
    assert_allclose(arrays["units"][:3], as_unit_images([derive(grid(data, UNIT_RESOLUTION))]), atol=0.51)
    assert_allclose(arrays["points"], data.X_train, rtol=1e-6)  # on the plane


# Numbers

NUMBERS = {
    "curve": {"data": "sine", "drawn": [[0.5, 2, 0]], "erased": [1]},
    "quantile": {"data": "fan", "loss": "pinball", "quantile": 0.9, "n_samples": 400, "epochs": 60},
    "band": {"data": "fan", "loss": "pinball", "quantile": [0.1, 0.5, 0.9], "n_samples": 400, "epochs": 60},
    "quantiles of a surface": {"data": "plane", "loss": "pinball", "quantile": [0.2, 0.8]},
    "counts": {"data": "counts", "loss": "poisson"},
    "surface": {"data": "gaussians", "activation": "tanh"},
}


@pytest.fixture(scope="module", params=NUMBERS)
def number_picture(request):
    """Pictures of curves and a surface; shared, so tests must not change them."""
    return make_picture(**NUMBERS[request.param])


def test_predictions_of_numbers_are_those_of_the_regressor(number_picture):
    data, regressor, header, arrays = number_picture
    if len(data.features) == 1:
        X = np.linspace(*data.features[0].limits, len(arrays["prediction"]))[:, np.newaxis]
        assert len(X) > 300
    else:
        X = grid(data, RESOLUTION)
    # Toy problems have coordinates of scale 1
    assert_array_equal(arrays["prediction"], regressor.predict(X))
    assert header["quantiles"] == (list(regressor.quantiles_) if regressor.loss == "pinball" else [])
    n_quantiles = max(1, len(header["quantiles"]))
    assert header["layer_sizes"] == [X.shape[1], 5, 4, n_quantiles]
    assert ("band" in arrays) == (n_quantiles > 1)
    if n_quantiles > 1:
        assert_array_equal(arrays["band"], regressor.predict_quantiles(X)[:, [0, -1]])


def test_scores_of_numbers_match_scikit_learn(number_picture):
    data, regressor, header, _ = number_picture
    for prefix, X, y in (("", data.X_train, data.y_train), ("test_", data.X_test, data.y_test)):
        predicted = regressor.predict(X)
        assert header[f"{prefix}r2"] == pytest.approx(r2_score(y, predicted))
        assert header[f"{prefix}rmse"] == pytest.approx(root_mean_squared_error(y, predicted))
        assert (f"{prefix}below" in header) == (len(header["quantiles"]) == 1)
        assert (f"{prefix}within" in header) == (len(header["quantiles"]) > 1)
        if len(header["quantiles"]) == 1:
            assert header[f"{prefix}below"] == (y <= predicted).mean()
            assert 0.8 < header[f"{prefix}below"] < 1
        elif header["quantiles"]:
            low, *_, high = regressor.predict_quantiles(X).T
            assert header[f"{prefix}within"] == ((low <= y) & (y <= high)).mean()
            assert 0.4 < header[f"{prefix}within"] < 0.95


def test_points_of_numbers_are_on_the_plane_with_values(number_picture):
    data, _, _, arrays = number_picture
    for prefix, X, y in (("", data.X_train, data.y_train), ("test_", data.X_test, data.y_test)):
        assert_allclose(arrays[f"{prefix}values"], y, rtol=1e-6)
        expected = np.column_stack([X, y]) if X.shape[1] == 1 else X
        assert_allclose(arrays[f"{prefix}points"], expected, rtol=1e-6)
    assert arrays["indices"].tolist() == data.indices.tolist()
    assert not {"boundary", "labels", "wrong"} & arrays.keys()


def test_unit_images_of_a_curve_are_the_same_in_each_row():
    data, regressor, header, arrays = make_picture(**NUMBERS["curve"])
    X = np.linspace(*data.features[0].limits, UNIT_RESOLUTION)[:, np.newaxis]
    hidden = [X]
    for coef, intercept in zip(regressor.coefs_[:-1], regressor.intercepts_[:-1], strict=True):
        hidden.append(np.maximum(hidden[-1] @ coef + intercept, 0))
    standardised = (regressor.predict(X) - regressor._targets.center) / regressor._targets.scale
    images = arrays["units"].reshape(sum(header["layer_sizes"]), UNIT_RESOLUTION, UNIT_RESOLUTION)
    expected = as_unit_images([*hidden, standardised[:, np.newaxis]])
    for row in range(UNIT_RESOLUTION):
        assert_allclose(images[:, row], expected, atol=0.51)


def test_numbers_of_a_table_are_coordinates_in_the_picture():
    rng = np.random.default_rng(0)
    X = rng.normal(50, 20, (80, 1))
    y = 1e6 + 3000 * X[:, 0]
    settings = Settings.from_json({**NETWORK, "data": "own", "epochs": 60, "batch_size": 10})
    data = apply_edits(load_dataset(settings.dataset, ArrayTable(X, y)), settings)
    regressor = settings.regressor().fit(data.X_train, data.y_train)
    header, arrays = compute_picture(data, [regressor._targets], regressor._network, [regressor._state])
    assert_allclose(arrays["values"], (data.y_train - y.mean()) / y.std(), rtol=1e-6)
    assert_allclose(arrays["prediction"].mean(), 0, atol=0.5)
    assert header["test_rmse"] == pytest.approx(root_mean_squared_error(data.y_test, regressor.predict(data.X_test)))
    assert header["test_r2"] == pytest.approx(regressor.score(data.X_test, data.y_test))


@pytest.mark.parametrize("name", ["sine", "saddle", "counts"])
def test_compute_picture_of_diverged_regressor_does_not_warn(name):
    loss = "poisson" if name == "counts" else "squared_error"
    data, regressor, *_ = make_picture(data=name, loss=loss)
    state = State([array * 1e120 for array in regressor._state.trainable])
    header, arrays = compute_picture(data, [regressor._targets], regressor._network, [state])
    assert header["test_r2"] is None
    assert header["rmse"] is None
    assert not np.isfinite(arrays["prediction"]).all()
    json.dumps(header, allow_nan=False)
