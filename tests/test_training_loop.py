"""Training, compared with a plain training loop in Keras, and the sharing of compiled programs."""

import gc
import threading
import tracemalloc
import weakref
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from packaging.version import Version
from scipy import sparse, special
from scipy.stats import norm
from sklearn.base import clone
from sklearn.datasets import load_iris, make_moons, make_multilabel_classification
from sklearn.model_selection import GridSearchCV, KFold

from helpers import weight_bytes
from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet._keras import keras
from moonnet.losses._regression import REGRESSION_LOSSES as LOSSES
from moonnet.networks import DenseStack
from moonnet.training import _compiled_program, _keras_models, _loop, _optimizers, _program_spec, _program_state
from moonnet.training._records import RandomStreams
from moonnet.training.engines import engine

BACKEND = keras.backend.backend()
if BACKEND == "jax":
    import jax
elif BACKEND == "torch":
    import torch
else:
    import tensorflow as tf

pytestmark = pytest.mark.trains

KERAS_OPTIMIZERS = [
    getattr(keras.optimizers, name)
    for name in (
        *("SGD", "RMSprop", "Adam", "AdamW", "Nadam", "Adamax", "Adagrad", "Adadelta", "Adafactor", "Ftrl", "Lion"),
        *("Lamb", "Muon", "ScheduleFreeAdamW"),
    )
    if hasattr(keras.optimizers, name)  # some are newer than the oldest supported Keras
]
QUANTILE = 0.8
SCHEDULE = keras.optimizers.schedules.ExponentialDecay(0.02, decay_steps=3, decay_rate=0.9)


def train_with_keras(clf, X, y, weight, loss):
    """Return the weights and losses of a plain Keras loop with clf's initial weights and order of samples.

    y are the encoded targets, shape (n_samples, n_outputs).
    """
    dtype = X.dtype.name
    streams = RandomStreams.spawn(clf.random_state)
    sizes = (X.shape[1], *clf.hidden_layer_sizes, y.shape[1])
    network = DenseStack(sizes, clf.activation, random_biases=loss in LOSSES)
    weights = network.initial_state(streams.weights, dtype).trainable
    with KERAS_STEP.precision(dtype):
        regularizer = KERAS_STEP.regularizer(clf.l2) if clf.l2 else None
        model = keras.Sequential([keras.Input((X.shape[1],), dtype=dtype)])
        for index, units in enumerate(sizes[1:]):
            activation = KERAS_STEP.activation(clf.activation) if index < len(sizes) - 2 else None
            model.add(KERAS_STEP.dense(units, activation=activation, kernel_regularizer=regularizer, dtype=dtype))
        model.set_weights(weights)
        optimizer = clf.optimizer
        if isinstance(optimizer, str):
            optimizer = {cls.__name__.lower(): cls for cls in KERAS_OPTIMIZERS}[optimizer]()
        settings = optimizer.get_config()
        if clf.learning_rate is not None:
            settings["learning_rate"] = clf.learning_rate
        # On TensorFlow Keras rounds them to float32 (test_adam_in_float64_matches_its_formula)
        settings = _optimizers._with_constants(settings, partial(engine.constant, dtype))
        optimizer = type(optimizer).from_config(settings)
        optimizer.build(model.trainable_variables)
        step = KERAS_STEP(model, optimizer, loss, dtype)
        history = []
        for _ in range(clf.epochs):
            order = streams.order.permutation(len(X)) if clf.shuffle else np.arange(len(X))
            batches = np.split(order, range(clf.batch_size, len(X), clf.batch_size))
            totals = [weight[rows].sum() for rows in batches]
            losses = [float(step(X[rows], y[rows], weight[rows])) for rows in batches]
            history.append(np.average(losses, weights=totals))
        step.end()
        optimizer.finalize_variable_values(model.trainable_variables)
        return model.get_weights(), history


class L2Formula(keras.regularizers.Regularizer):
    """The documented formula, with the factor rounded to float32 as in Keras."""

    def __init__(self, factor):
        self._factor = float(np.float32(factor))

    def __call__(self, kernel):
        return self._factor * keras.ops.sum(keras.ops.square(kernel))


class TensorFlowStep:
    """A training step that updates the variables of a model in place."""

    tolerance = 1e-9
    dense = keras.layers.Dense
    precision = staticmethod(nullcontext)
    activation = staticmethod(str)
    # Older versions compute in float32
    regularizer = keras.regularizers.L2 if Version(keras.__version__) >= Version("3.14") else L2Formula

    def __init__(self, model, optimizer, loss, dtype):
        options = {"reduction": "none", "dtype": dtype}
        poisson = keras.losses.Poisson(**options)
        loss_of_each = {
            "categorical": keras.losses.CategoricalCrossentropy(from_logits=True, **options),
            "binary": keras.losses.BinaryCrossentropy(from_logits=True, **options),
            "squared_error": keras.losses.MeanSquaredError(**options),
            "absolute_error": keras.losses.MeanAbsoluteError(**options),
            "huber": keras.losses.Huber(**options),
            "poisson": lambda y, z: poisson(y, tf.exp(z)),
            "pinball": lambda y, z: tf.reduce_mean(
                tf.where(y > z, QUANTILE * (y - z), (1 - QUANTILE) * (z - y)), axis=1
            ),
        }[loss]

        @tf.function
        def step(X, y, weight):
            with tf.GradientTape() as tape:
                each = loss_of_each(y, model(X, training=True))
                loss = tf.reduce_sum(weight * each) / tf.reduce_sum(weight) + sum(model.losses)
                scaled = optimizer.scale_loss(loss)
            optimizer.apply(tape.gradient(scaled, model.trainable_variables), model.trainable_variables)
            return loss

        self._step = step

    def __call__(self, *batch):
        return self._step(*map(tf.constant, batch))

    def end(self):
        """Do nothing: the variables are up to date."""


class JaxStep:
    """A training step on the values of a model's variables; formulas replace what Keras computes in float32."""

    @staticmethod
    def precision(dtype):
        return jax.enable_x64(dtype == "float64")

    @staticmethod
    def activation(name):
        return jax.numpy.tanh if name == "tanh" else name

    tolerance = 1e-9
    dense = keras.layers.Dense
    regularizer = L2Formula

    def __init__(self, model, optimizer, loss, dtype):
        jnp = jax.numpy
        formula = {
            "categorical": lambda y, z: -(y * jax.nn.log_softmax(z)).sum(axis=1),
            "binary": lambda y, z: (jnp.logaddexp(0, z) - y * z).mean(axis=1),
            "squared_error": lambda y, z: ((y - z) ** 2).mean(axis=1),
            "absolute_error": lambda y, z: jnp.abs(y - z).mean(axis=1),
            "huber": lambda y, z: jnp.where(abs(y - z) < 1, (y - z) ** 2 / 2, abs(y - z) - 0.5).mean(axis=1),
            "poisson": lambda y, z: (jnp.exp(z) - y * z).mean(axis=1),
            "pinball": lambda y, z: jnp.where(y > z, QUANTILE * (y - z), (1 - QUANTILE) * (z - y)).mean(axis=1),
        }[loss]
        self._variables = [*model.trainable_variables, *optimizer.variables]
        self._values = [variable.value for variable in self._variables]
        n_weights = len(model.trainable_variables)

        def loss_of(weights, own, X, y, weight):
            z, _, penalties = model.stateless_call(weights, [], X, training=True, return_losses=True)
            loss = (weight * formula(y, z)).sum() / weight.sum() + sum(penalties)
            with keras.StatelessScope(zip(optimizer.variables, own, strict=True)):
                return optimizer.scale_loss(loss), loss

        @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})  # it runs for a few steps only
        def step(values, *batch):
            weights, own = values[:n_weights], values[n_weights:]
            gradients, loss = jax.grad(loss_of, has_aux=True)(weights, own, *batch)
            weights, own = optimizer.stateless_apply(own, gradients, weights)
            return [*weights, *own], loss

        self._step = step

    def __call__(self, *batch):
        self._values, loss = self._step(self._values, *batch)
        return loss

    def end(self):
        for variable, value in zip(self._variables, self._values, strict=True):
            variable.assign(value)


class TorchDense(keras.layers.Dense):
    """Without the conversion of float64 to float32 in Keras's matrix products on PyTorch."""

    def call(self, inputs):
        return self.activation(torch.matmul(inputs, self.kernel.value) + self.bias.value)


class TorchStep:
    """A training step that updates the variables of a model in place, with PyTorch's formulas."""

    # Keras's optimizers for PyTorch round some of their settings to float32 (see test_training_engines.py)
    tolerance = 1e-6
    dense = TorchDense
    precision = staticmethod(nullcontext)
    activation = staticmethod(str)
    regularizer = L2Formula

    def __init__(self, model, optimizer, loss, dtype):
        functional = torch.nn.functional
        self._formula = {
            "categorical": lambda y, z: functional.cross_entropy(z, y, reduction="none"),
            "binary": lambda y, z: functional.binary_cross_entropy_with_logits(z, y, reduction="none").mean(1),
            "squared_error": lambda y, z: functional.mse_loss(z, y, reduction="none").mean(1),
            "absolute_error": lambda y, z: functional.l1_loss(z, y, reduction="none").mean(1),
            "huber": lambda y, z: functional.huber_loss(z, y, reduction="none").mean(1),
            "poisson": lambda y, z: functional.poisson_nll_loss(z, y, reduction="none").mean(1),
            "pinball": lambda y, z: torch.where(y > z, QUANTILE * (y - z), (1 - QUANTILE) * (z - y)).mean(1),
        }[loss]
        self._model, self._optimizer = model, optimizer

    def __call__(self, *batch):
        X, y, weight = map(torch.from_numpy, batch)
        each = self._formula(y, self._model(X, training=True))
        loss = (weight * each).sum() / weight.sum() + sum(self._model.losses)
        variables = self._model.trainable_variables
        gradients = torch.autograd.grad(self._optimizer.scale_loss(loss), [variable.value for variable in variables])
        with torch.no_grad():
            self._optimizer.apply(gradients, variables)
        return loss.detach()

    def end(self):
        """Do nothing: the variables are up to date."""


KERAS_STEP = {"tensorflow": TensorFlowStep, "jax": JaxStep, "torch": TorchStep}[BACKEND]


def assert_same_as_keras_loop(clf, X, y, sample_weight=None):
    if y.ndim == 2:
        targets = y
    else:
        classes, indices = np.unique(y, return_inverse=True)
        targets = indices[:, None] if len(classes) == 2 else np.eye(len(classes))[indices]
    weight = np.ones(len(X), X.dtype) if sample_weight is None else sample_weight.astype(X.dtype)
    if clf.class_weight == "balanced":
        totals = np.array([weight[indices == index].sum() for index in range(len(classes))])
        weight = weight * (weight.sum() / (len(classes) * totals))[indices]
    elif clf.class_weight:
        weight = weight * np.array([clf.class_weight.get(label, 1.0) for label in y], X.dtype)

    loss = "categorical" if y.ndim == 1 and targets.shape[1] > 1 else "binary"
    expected, losses = train_with_keras(clf, X, targets.astype(X.dtype), weight.astype(X.dtype), loss)
    clf.fit(X, y, sample_weight=sample_weight)
    assert_same_weights_and_losses(
        clf, X, expected, losses, rtol=KERAS_STEP.tolerance if X.dtype == np.float64 else 1e-4
    )


def assert_same_weights_and_losses(clf, X, expected, losses, rtol):
    assert_allclose(clf.history_["loss"], losses, rtol=rtol)
    for ours, theirs in zip(clf.coefs_ + clf.intercepts_, expected[::2] + expected[1::2], strict=True):
        assert ours.dtype == X.dtype
        assert_allclose(ours, theirs, rtol=rtol, atol=rtol * np.abs(theirs).max())


def ragged_moons():
    """Two batches and a ragged third one of 17 samples."""
    return make_moons(67, noise=0.2, random_state=1)


def classifier(**parameters):
    defaults = {"hidden_layer_sizes": (7, 5), "batch_size": 25, "epochs": 12, "random_state": 3, "activation": "tanh"}
    return KerasMoonClassifier(**(defaults | parameters))


MOMENTUM = keras.optimizers.SGD(0.05, momentum=0.9)
# Beside the learning rate, no parameter reaches the optimizer, so each one needs only one optimizer
PARAMETERS = {
    "rmsprop": {},
    "adam": {"optimizer": "adam"},
    "momentum": {"optimizer": MOMENTUM},
    "l2": {"l2": 0.01},
    "balanced": {"class_weight": "balanced"},
    "class weight": {"class_weight": {1: 3.0}},
    "no shuffling": {"shuffle": False},
    "learning rate": {"learning_rate": 0.004},
    "learning rate of momentum": {"optimizer": MOMENTUM, "learning_rate": 0.004},
    "one hidden layer": {"hidden_layer_sizes": (9,), "activation": "relu"},
}


@pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=PARAMETERS)
def test_training_equals_a_keras_loop(parameters):
    assert_same_as_keras_loop(classifier(**parameters), *ragged_moons())


@pytest.mark.slow
def test_training_in_float32_equals_a_keras_loop():
    X, y = ragged_moons()
    assert_same_as_keras_loop(classifier(l2=0.01, class_weight="balanced"), X.astype("float32"), y)


def test_training_with_weights_and_penalty_equals_a_keras_loop():
    X, y = load_iris(return_X_y=True)
    weight = np.random.default_rng(0).uniform(0.1, 3, len(X))
    y = np.array(["setosa", "versicolor", "virginica"])[y]
    clf = classifier(optimizer="adam", l2=0.001, class_weight="balanced", batch_size=40)
    assert_same_as_keras_loop(clf, X, y, sample_weight=weight)


def test_multilabel_training_equals_a_keras_loop():
    X, y = make_multilabel_classification(67, n_features=4, n_classes=3, random_state=0)
    weight = np.random.default_rng(0).uniform(0.1, 3, len(X))
    assert_same_as_keras_loop(classifier(optimizer="adam"), X, y, sample_weight=weight)


def center_and_scale(loss, y, weight):
    """Return the center and the scale by which a training standardizes y (n_samples, n_outputs)."""
    if loss == "poisson":
        return 0.0, np.average(y, axis=0, weights=weight)
    if loss == "squared_error":
        mean = np.average(y, axis=0, weights=weight)
        return mean, np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight))
    quartiles = []
    for column in y.T:
        order = column.argsort()
        reached = weight[order].cumsum() / weight.sum()
        quartiles.append([column[order][reached >= share][0] for share in (0.25, 0.5, 0.75)])
    low, median, high = np.transpose(quartiles)
    return median, (high - low) / (2 * norm.ppf(0.75))


@pytest.mark.parametrize(
    ("n_outputs", "dtype"), [(1, "float64"), (3, "float64"), pytest.param(3, "float32", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("loss", LOSSES)
def test_regression_equals_a_keras_loop_with_losses_in_the_unit_of_y(loss, n_outputs, dtype):
    rng = np.random.default_rng(1)
    X, weight = rng.normal(size=(67, 3)).astype(dtype), rng.uniform(0.1, 3, 67)
    signal = X[:, :1] ** 2 + 0.3 * rng.normal(size=(67, n_outputs))
    if loss == "poisson":
        y = rng.poisson(40 * signal.clip(0, 3)).astype(float)
    else:
        y = 1e4 * signal * [1, 0.01, 30][:n_outputs] + 1e5
    center, scale = center_and_scale(loss, y, weight)
    reg = KerasMoonRegressor(
        (7, 5), loss=loss, quantile=QUANTILE, batch_size=25, epochs=12, random_state=3, activation="tanh", l2=0.01
    )
    encoded = ((y - center) / scale).astype(dtype)
    expected, losses = train_with_keras(reg, X, encoded, weight.astype(dtype), loss)
    if loss == "poisson":
        # scikit-learn's Poisson deviance is 0 if predictions equal y
        losses += np.average((special.xlogy(encoded, encoded) - encoded).mean(axis=1), weights=weight)
        expected[-1] = expected[-1] + np.log(scale)
    else:
        expected[-2:] = expected[-2] * scale, expected[-1] * scale + center
    unit = np.mean(scale if loss in ("absolute_error", "pinball", "poisson") else scale**2)
    reg.fit(X, y if n_outputs > 1 else y[:, 0], sample_weight=weight)
    # Keras adds 1e-7 before it takes a Poisson loss's logarithm
    rtol = 1e-4 if dtype == "float32" else 1e-6 if loss == "poisson" else KERAS_STEP.tolerance
    assert_same_weights_and_losses(reg, X, expected, unit * np.array(losses), rtol)


def test_adam_in_float64_matches_its_formula():
    """Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, with Keras's epsilon outside of the root."""
    X, y = make_moons(60, noise=0.2, random_state=1)
    streams = RandomStreams.spawn(3)
    W, b, V, c = DenseStack((2, 7, 1), "relu").initial_state(streams.weights, "float64").trainable
    weights = [W, b, V, c]
    first, second = [np.zeros_like(array) for array in weights], [np.zeros_like(array) for array in weights]
    rate, beta_1, beta_2, epsilon = (
        float(np.float32(0.01)),
        0.9,
        0.999,
        1e-7,
    )  # Keras stores the learning rate in float32
    for t in range(1, 41):
        W, b, V, c = weights
        hidden = np.tanh(X @ W + b)
        error = (1 / (1 + np.exp(-(hidden @ V + c))) - y[:, None]) / len(X)
        below = error @ V.T * (1 - hidden**2)
        gradients = [X.T @ below, below.sum(axis=0), hidden.T @ error, error.sum(axis=0)]
        for index, gradient in enumerate(gradients):
            first[index] = beta_1 * first[index] + (1 - beta_1) * gradient
            second[index] = beta_2 * second[index] + (1 - beta_2) * gradient**2
            corrected = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
            weights[index] = weights[index] - corrected * first[index] / (np.sqrt(second[index]) + epsilon)
    clf = classifier(hidden_layer_sizes=(7,), optimizer="adam", learning_rate=0.01, batch_size=60, epochs=40).fit(X, y)
    for ours, expected in zip(clf.coefs_ + clf.intercepts_, weights[::2] + weights[1::2], strict=True):
        assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.csc_matrix])
def test_sparse_and_dense_training_are_equal(kind):
    X, y = ragged_moons()
    dense = classifier().fit(X, y)
    other = classifier().fit(kind(X), y)
    assert other.coefs_[0].dtype == X.dtype
    assert all((a == b).all() for a, b in zip(dense.coefs_, other.coefs_, strict=True))
    assert_allclose(other.predict_proba(kind(X)), dense.predict_proba(X), rtol=1e-5)


def test_sparse_training_takes_little_memory():
    X = sparse.random_array((20_000, 2_000), density=1e-3, format="csr", rng=np.random.default_rng(0))
    y = np.arange(20_000) % 2
    clf = KerasMoonClassifier((4,), epochs=1)
    clf.fit(X[:100], y[:100])  # compile before measuring
    tracemalloc.start()
    clf.fit(X, y)
    clf.predict(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000 * 2_000 * 8 / 5  # 320 MB dense, and blocks of 8 MB


OPTIMIZERS_WITH_SETTINGS = [
    keras.optimizers.SGD(SCHEDULE),
    keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True, clipnorm=0.1),
    keras.optimizers.Adam(amsgrad=True, global_clipnorm=0.5),
    keras.optimizers.AdamW(weight_decay=0.1),
    keras.optimizers.RMSprop(centered=True, momentum=0.5),
    keras.optimizers.Adam(use_ema=True, ema_momentum=0.9),
    keras.optimizers.Adam(use_ema=True, ema_overwrite_frequency=5),
    keras.optimizers.Adam(gradient_accumulation_steps=3),
    keras.optimizers.Adam(loss_scale_factor=8.0),
    keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.003), initial_scale=64.0),
]


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS_WITH_SETTINGS, ids=lambda optimizer: optimizer.name)
def test_optimizers_with_settings_equal_a_keras_loop(optimizer):
    assert_same_as_keras_loop(classifier(optimizer=optimizer, epochs=6), *ragged_moons())


@pytest.mark.slow
@pytest.mark.parametrize("name", _optimizers.optimizer_classes())
def test_every_optimizer_equals_a_keras_loop(name):
    if (name, BACKEND) == ("schedulefreeadamw", "torch"):
        pytest.skip("eager Keras updates with the new momentum in place of the old one, as on TensorFlow")
    X, y = ragged_moons()
    clf = KerasMoonClassifier(optimizer=name, epochs=6, random_state=3)
    if name == "muon":  # it supports float32 only
        X = X.astype("float32")
    elif name == "adafactor":  # on JAX Keras rounds its means to float32, which shows in a larger network
        clf = classifier(optimizer=name, epochs=6)
    assert_same_as_keras_loop(clf, X, y)


def test_muon_accepts_float64():
    X, y = ragged_moons()
    double = classifier(optimizer="muon", epochs=6).fit(X, y)
    single = classifier(optimizer="muon", epochs=6).fit(X.astype("float32"), y)
    assert double.coefs_[0].dtype == np.float64
    assert all((a == b).all() for a, b in zip(double.coefs_, single.coefs_, strict=True))


def test_learning_rate_schedule_equals_a_keras_loop():
    assert_same_as_keras_loop(classifier(optimizer="sgd", learning_rate=SCHEDULE), *ragged_moons())


class HalvingSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that Keras cannot restore from its settings, because its class is not registered."""

    def __init__(self, step):
        self.step = step

    def __call__(self, step):
        return keras.ops.where(step < self.step, 0.1, 0.05)

    def get_config(self):
        return {"step": self.step}


def test_user_defined_schedule_works_and_is_cloned():
    X, y = ragged_moons()
    first, second = (classifier(optimizer="sgd", learning_rate=HalvingSchedule(step)) for step in (3, 30))
    assert_same_as_keras_loop(first, X, y)
    assert_same_as_keras_loop(second, X, y)
    assert (clone(first).fit(X, y).coefs_[0] == first.coefs_[0]).all()
    assert first.coefs_[0].tolist() != second.coefs_[0].tolist()


def test_number_of_steps_per_block_does_not_change_the_result(monkeypatch):
    X, y = ragged_moons()
    clf = classifier(dropout=0.3)
    whole = clone(clf).fit(X, y)
    monkeypatch.setattr(_compiled_program, "_programs", {})
    monkeypatch.setattr(_program_spec, "_MAX_STEPS", 2)
    cut = clone(clf).fit(X, y)
    monkeypatch.setattr(_compiled_program, "_programs", {})
    monkeypatch.undo()
    observed = clone(clf).set_params(verbose=2).fit(X, y)
    for other in (cut, observed):
        assert other.history_ == whole.history_
        assert all((a == b).all() for a, b in zip(whole.coefs_, other.coefs_, strict=True))


def test_dropout_drops_the_rate_and_keeps_the_mean():
    rate = keras.Variable(0.3, dtype="float32")
    model = _keras_models.training_model(
        DenseStack((1, 40_000, 1), "linear"), "float32", (rate, keras.random.SeedGenerator(5))
    )
    layer = model.get_layer("dropout")
    values = keras.ops.convert_to_numpy(layer(np.ones((2, 40_000)), training=True))
    assert set(np.unique(values)) == {0.0, 1 / (1 - np.float32(0.3))}
    assert values.mean() == pytest.approx(1, abs=0.02)
    assert (values[0] != values[1]).any()
    assert (keras.ops.convert_to_numpy(layer(np.ones((2, 5)), training=False)) == 1).all()


@pytest.fixture
def compiled_specs(monkeypatch):
    """Empty the cache of programs; return a list to which the spec of each compiled program is added."""
    specs = []
    compile_program = _compiled_program.compile_program

    def counted(spec):
        specs.append(spec)
        return compile_program(spec)

    monkeypatch.setattr(_compiled_program, "_programs", {})
    monkeypatch.setattr(_compiled_program, "compile_program", counted)
    return specs


def search(grid, n_samples=203):
    X, y = make_moons(n_samples, noise=0.2, random_state=1)
    cv = KFold(5)  # folds of 162 and of 163 samples
    return GridSearchCV(KerasMoonClassifier(epochs=2, random_state=0), grid, cv=cv, error_score="raise").fit(X, y)


NUMERIC_GRID = {"learning_rate": [None, 0.01], "l2": [0.0, 0.01], "class_weight": [None, "balanced", {0: 2.0}]}


def test_search_over_numbers_compiles_one_program_and_one_for_dropout(compiled_specs):
    search(NUMERIC_GRID | {"dropout": [0.0, 0.1, 0.5]})
    assert [spec.dropout for spec in compiled_specs] == [False, True]


def test_search_over_three_architectures_compiles_three_programs(compiled_specs):
    search({"hidden_layer_sizes": [(5,), (6,), (5, 4)], "learning_rate": [None, 0.01]})
    assert len(compiled_specs) == 3


def test_instances_of_an_optimizer_share_a_program(compiled_specs):
    search({"optimizer": ["adam", "Adam", keras.optimizers.Adam(0.1), keras.optimizers.Adam(0.2)]})
    assert len(compiled_specs) == 1
    search({"optimizer": [keras.optimizers.Adam(beta_1=0.8)]})
    assert len(compiled_specs) == 2


def test_cache_evicts_the_least_recently_used_program(compiled_specs, monkeypatch):
    monkeypatch.setattr(_compiled_program, "_MAX_PROGRAMS", 2)
    X, y = make_moons(20, random_state=0)
    for units in (2, 3, 2, 4, 2, 3):
        KerasMoonClassifier((units,), epochs=1).fit(X, y)
    assert [spec.network.layer_sizes[1] for spec in compiled_specs] == [2, 3, 4, 3]
    assert len(_compiled_program._programs) == 2


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}, {"verbose": 2}], ids=repr)
def test_nothing_holds_the_state_and_the_block_of_a_training_after_it(monkeypatch, parameters):
    states = weakref.WeakSet()
    build = _program_state.ProgramState.__init__
    monkeypatch.setattr(_program_state.ProgramState, "__init__", lambda self, p: states.add(self) or build(self, p))
    clf = KerasMoonClassifier(epochs=3, **parameters).fit(*make_moons(20, random_state=0))
    gc.collect()
    assert list(states) == []
    assert clf.n_iter_ == 3


def test_optimizers_with_inner_optimizers_share_a_program(compiled_specs):
    X, y = make_moons(20, random_state=0)
    for _ in range(2):
        scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
        KerasMoonClassifier(optimizer=scaled, epochs=1).fit(X, y)
    assert len(compiled_specs) == 1


def test_floatx_affects_neither_a_fit_nor_later_ones():
    X, y = make_moons(30, random_state=0)
    fit = KerasMoonClassifier((3,), optimizer="nadam", epochs=3, random_state=0).fit
    before = fit(X, y).coefs_[0]
    try:
        keras.config.set_floatx("float64")
        other = fit(X, y).coefs_[0]
        fit(X.astype("float32"), y)
    finally:
        keras.config.set_floatx("float32")
    assert (fit(X, y).coefs_[0] == before).all()
    assert (other == before).all()


def run_on_threads(n_threads, work):
    """Call ``work`` at the same time on several threads; return the results and the errors."""
    results, barrier = [], threading.Barrier(n_threads)

    def run():
        barrier.wait()
        try:
            results.append(work())
        except ValueError as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"early_stopping": True, "dropout": 0.1},
        {"optimizer": keras.optimizers.Adam(0.01, use_ema=True), "early_stopping": True},
    ],
    ids=["plain", "early stopping", "moving average"],
)
def test_concurrent_fits_share_a_program_and_give_the_same_bits(compiled_specs, monkeypatch, parameters):
    X, y = make_moons(60, noise=0.2, random_state=0)
    clfs = [KerasMoonClassifier(epochs=40, random_state=seed, **parameters) for seed in range(6)]
    expected = [weight_bytes(clone(clf).fit(X, y)) for clf in clfs]
    running, most = 0, 0
    run = _compiled_program.CompiledProgram.run

    def counting_run(self, *arguments):
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return run(self, *arguments)
        finally:
            running -= 1

    monkeypatch.setattr(_compiled_program.CompiledProgram, "run", counting_run)
    results = run_on_threads(3, lambda: [weight_bytes(clone(clf).fit(X, y)) for clf in clfs for _ in range(3)])
    assert results == [[bits for bits in expected for _ in range(3)]] * 3
    assert most > 1
    assert len(compiled_specs) == 1


def test_threads_wait_for_the_compilation_of_a_program_that_they_share(compiled_specs):
    X, y = make_moons(60, noise=0.2, random_state=0)
    first, *others = run_on_threads(3, lambda: weight_bytes(KerasMoonClassifier(epochs=2, random_state=0).fit(X, y)))
    assert others == [first, first]
    assert len(compiled_specs) == 1


def test_error_in_compilation_reaches_each_thread_that_waits(monkeypatch):
    X, y = make_moons(60, noise=0.2, random_state=0)
    attempts = []

    def fail(spec):
        attempts.append(spec)
        raise ValueError(f"attempt {len(attempts)}")

    monkeypatch.setattr(_compiled_program, "_programs", {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_compiled_program, "compile_program", fail)
        errors = run_on_threads(3, lambda: KerasMoonClassifier(epochs=2, random_state=0).fit(X, y))
    assert sorted(map(str, errors)) == ["attempt 1", "attempt 2", "attempt 3"]
    assert KerasMoonClassifier(epochs=2, random_state=0).fit(X, y).n_iter_ == 2
    assert _compiled_program._compilation_locks == {}


def test_fit_in_a_callback_shares_the_program_of_the_outer_fit(compiled_specs):
    X, y = make_moons(60, noise=0.2, random_state=0)
    inner = []

    def fit(epoch, logs):
        inner.append(KerasMoonClassifier(epochs=4, random_state=1).fit(X, y))

    callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=fit)]
    outer = KerasMoonClassifier(epochs=4, random_state=0, callbacks=callbacks).fit(X, y)
    assert weight_bytes(outer) == weight_bytes(KerasMoonClassifier(epochs=4, random_state=0).fit(X, y))
    expected = weight_bytes(KerasMoonClassifier(epochs=4, random_state=1).fit(X, y))
    assert [weight_bytes(clf) for clf in inner] == [expected] * 4
    assert len(compiled_specs) == 1


def test_compiled_batch_size_is_limited_for_few_samples():
    assert _loop.compiled_batch_size(50, 10) == 50
    assert _loop.compiled_batch_size(256, 3) == 256
    assert _loop.compiled_batch_size(100_000, 300) == 512
    assert _loop.compiled_batch_size(400, 300) == 400
    assert_same_as_keras_loop(classifier(batch_size=100_000), *make_moons(300, noise=0.2, random_state=0))
