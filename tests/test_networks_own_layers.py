import json
import pickle
import re

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.base import clone
from sklearn.datasets import make_moons

from helpers import run_python
from moonnet import HiddenLayers, KerasMoonClassifier, KerasMoonRegressor
from moonnet.networks import resolve_hidden_layers
from moonnet.networks._own_layers import _config_of_list, _network
from moonnet.training.engines import engine


def resolve(hidden_layers, n_features=6, n_outputs=2):
    return resolve_hidden_layers(hidden_layers, n_features, n_outputs, engine.scope(None, "float64"))


def dense(inputs, units=4, activation="relu"):
    return layers.Dense(units, activation=activation)(inputs)


def test_list_sequential_and_function_give_the_same_network():
    def same(inputs):
        return layers.Dropout(0.1)(layers.BatchNormalization()(layers.Dense(4)(inputs)))

    stack = [layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.1)]
    networks = [resolve(hidden) for hidden in (stack, keras.Sequential(stack), HiddenLayers(same))]
    assert len(set(networks)) == 1
    assert resolve([layers.Dense(5), *stack[1:]]) != networks[0]


def test_network_has_the_variables_of_the_model():
    network = resolve([layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.1)])
    shapes = {variable.path: (variable.shape, variable.trainable) for variable in network.variables}
    assert shapes == {
        "dense/kernel": ((6, 4), True),
        "dense/bias": ((4,), True),
        "batch_normalization/gamma": ((4,), True),
        "batch_normalization/beta": ((4,), True),
        "output/kernel": ((4, 2), True),
        "output/bias": ((2,), True),
        "batch_normalization/moving_mean": ((4,), False),
        "batch_normalization/moving_variance": ((4,), False),
        **{path: value for path, value in shapes.items() if path.endswith("seed_generator_state")},
    }
    assert len(shapes) == 9
    assert (network.n_features, network.n_outputs, network.n_layers, network.dtype) == (6, 2, 5, "float32")
    assert network.n_weights == sum(np.prod(shape) for shape, trainable in shapes.values() if trainable)


def test_network_does_not_depend_on_names_that_keras_has_given():
    stack = [layers.Dense(4), layers.Dropout(0.1)]
    network = resolve(stack)
    _network.cache_clear()
    layers.Dropout(0.1)  # takes the next name of a seed generator
    assert resolve(stack) == network


def test_equal_layers_are_resolved_once():
    _config_of_list.cache_clear()
    for _ in range(3):  # Keras numbers the layers differently each time
        resolve([layers.Dense(3), layers.Dense(2, name="last")])
    assert _config_of_list.cache_info().misses == 1


def test_layer_of_numpy_may_have_no_variables():
    network = resolve([layers.Dense(3), layers.LayerNormalization(center=False, scale=False, epsilon=0.5)])
    state = network.initial_state(np.random.default_rng(0), "float32")
    kernel, _, output, _ = state.arrays
    hidden = np.eye(2, 6, dtype="float32") @ kernel
    normalized = (hidden - hidden.mean(1, keepdims=True)) / np.sqrt(hidden.var(1, keepdims=True) + 0.5)
    predicted = network.raw_predictions(np.eye(2, 6, dtype="float32"), state)
    np.testing.assert_allclose(predicted, normalized @ output, rtol=1e-5)


def test_layers_are_not_built_and_can_be_used_again():
    stack = [layers.Dense(4), layers.BatchNormalization()]
    resolve(stack)
    assert not any(layer.built for layer in stack)
    assert resolve(stack, n_features=3).n_features == 3


def test_networks_of_equal_nested_layers_are_equal():
    def stack():
        inner = keras.Sequential([layers.Dense(4), layers.Dropout(0.1)])
        return [layers.Reshape((6, 1)), layers.Bidirectional(layers.LSTM(3)), inner, layers.Dense(2, name="mine_7")]

    def function(inputs):
        x = keras.Input((4,))
        model = keras.Model(x, layers.Dense(4)(x))
        return keras.ops.sin(model(model(layers.Dense(4)(inputs))))

    for make in (stack, lambda: HiddenLayers(function)):
        first, second = resolve(make()), resolve(make())
        assert first.config == second.config
        names = [layer["name"] for layer in json.loads(first.config)["layers"]]
        assert not any(re.search(r"_\d", name) for name in names if name != "mine_7")


def test_explicit_names_stay_and_keep_others_away():
    network = resolve([layers.Dense(4, name="conv1d"), layers.Reshape((4, 1)), layers.Conv1D(2, 2), layers.Flatten()])
    names = [layer["name"] for layer in json.loads(network.config)["layers"]]
    assert names == ["input", "conv1d", "reshape", "conv1d_1", "flatten"]


def test_layer_that_is_called_twice_is_applied_twice():
    def twice(inputs):
        layer = layers.Dense(6, use_bias=False)
        return layer(layer(inputs))

    network = resolve(HiddenLayers(twice))
    state = network.initial_state(np.random.default_rng(0), "float32")
    hidden, kernel, _ = state.trainable
    X = np.random.default_rng(1).normal(size=(5, 6)).astype("float32")
    np.testing.assert_allclose(network.raw_predictions(X, state), X @ hidden @ hidden @ kernel, rtol=1e-5, atol=1e-6)


@keras.saving.register_keras_serializable("test_networks")
class FromFunctions(layers.Layer):
    def build(self, shape):
        self.first = self.add_weight(
            shape=(shape[-1],), initializer=lambda shape, dtype: keras.ops.full(shape, 3, dtype)
        )
        self.second = self.add_weight(
            shape=(shape[-1],),
            initializer=lambda shape, dtype: keras.initializers.RandomNormal()(shape, dtype),
            trainable=False,
        )

    def call(self, inputs):
        return inputs * self.first + self.second


def test_functions_of_a_layer_make_its_variables():
    network = resolve([layers.Dense(4), FromFunctions()])
    states = [network.initial_state(np.random.default_rng(seed), "float32") for seed in (0, 0, 1)]
    for state in states:
        np.testing.assert_array_equal(state.trainable[2], [3, 3, 3, 3])
    np.testing.assert_array_equal(states[0].others[0], states[1].others[0])
    assert not np.isin(states[0].others[0], states[2].others[0]).any()
    lstm = resolve([layers.Reshape((6, 1)), layers.LSTM(2, bias_initializer="random_normal")])
    biases = [lstm.initial_state(np.random.default_rng(seed), "float32").trainable[2] for seed in (0, 1)]
    for bias in biases:
        np.testing.assert_array_equal(bias[2:4], 1)  # the forget gate starts open
    assert not np.isin(np.delete(biases[0], [2, 3]), biases[1]).any()


@pytest.mark.parametrize(
    ("hidden_layers", "mixes"),
    [
        (HiddenLayers(lambda inputs: keras.ops.sin(inputs) * inputs[:, :1]), False),
        (HiddenLayers(lambda inputs: inputs - keras.ops.mean(inputs, axis=0, keepdims=True)), True),
        ([layers.Dense(4), layers.Dropout(0.2), layers.LayerNormalization()], False),
        ([layers.Dense(4), layers.BatchNormalization()], True),
        ([layers.Dense(4, activity_regularizer="l2")], True),
        ([layers.TimeDistributed(layers.Dense(4)), layers.Flatten()], None),
    ],
)
def test_only_layers_that_mix_samples_need_batches_of_their_own_size(hidden_layers, mixes):
    if mixes is None:
        hidden_layers, mixes = [layers.Reshape((6, 1)), *hidden_layers], False
    assert resolve(hidden_layers).mixes_samples == mixes


@keras.saving.register_keras_serializable("test_networks")
class Registered(layers.Layer):
    def call(self, inputs):
        return 2 * inputs


@keras.saving.register_keras_serializable("test_networks")
class Forgetful(layers.Layer):
    def __init__(self, factor=1.0, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, inputs):
        return self.factor * inputs

    def get_config(self):
        return super().get_config()  # without the factor


class Unregistered(layers.Layer):
    def call(self, inputs):
        return inputs


def test_layer_of_ones_own_must_be_registered():
    assert resolve([layers.Dense(3), Registered()]).mixes_samples  # nobody knows
    with pytest.raises(ValueError, match=r"registered with Keras.*Got a Unregistered\. Decorate the class"):
        resolve([Unregistered()])


def unregistered(x):
    return x


def test_what_is_within_layers_must_be_registered():
    inner = keras.Sequential([layers.Dense(3), Unregistered()])
    function = HiddenLayers(lambda inputs: Unregistered()(layers.Dense(3)(inputs)))
    for hidden in ([inner], function, [layers.Reshape((6, 1)), layers.TimeDistributed(Unregistered())]):
        with pytest.raises(ValueError, match=r"Got the class Unregistered, which is not\. Decorate it with @keras"):
            resolve(hidden)
    with pytest.raises(ValueError, match=r"Got the function unregistered, which is not\. Decorate it with @keras"):
        resolve([layers.Dense(3, activation=unregistered)])


def test_layer_that_is_defined_again_is_the_new_one():
    X, y = make_moons(40, random_state=0)

    def fit(factor):
        @keras.saving.register_keras_serializable("test_networks", name="again")
        class Scaled(layers.Layer):
            def call(self, inputs):
                return factor * inputs

        hidden = [layers.Dense(3), Scaled()]
        return KerasMoonClassifier(hidden_layers=hidden, epochs=1, random_state=0).fit(X, y).decision_function(X)

    assert not np.allclose(fit(100.0), fit(1.0))


def test_pickle_of_a_fitted_list_can_be_fitted_to_other_features():
    X, y = make_moons(40, random_state=0)
    clf = KerasMoonClassifier(hidden_layers=[layers.Dense(3)], epochs=1).fit(X, y)
    assert pickle.loads(pickle.dumps(clf)).fit(X[:, :1], y).n_features_in_ == 1


def test_changed_function_drops_the_arguments_that_it_lacks():
    def narrow(inputs, size=2):
        return layers.Dense(size)(inputs)

    hidden = HiddenLayers(dense, units=8, activation="tanh").set_params(function=narrow, size=3)
    assert hidden.get_params() == {"function": narrow, "size": 3}


def test_numbers_of_numpy_are_numbers():
    assert resolve(HiddenLayers(dense, units=np.int64(3))) == resolve(HiddenLayers(dense, units=3))


ADAPTED = layers.Normalization()
ADAPTED.adapt(np.ones((3, 6)))
REPEATED = layers.Dense(3)
BUILT = layers.Dense(3)
BUILT.build((None, 6))
INPUTS = keras.Input((6,))


@pytest.mark.parametrize(
    ("hidden_layers", "error", "message"),
    [
        (layers.Dense(3), TypeError, "must be a list of Keras layers, an unbuilt keras.Sequential, or moonnet.Hidden"),
        (layers.Dense(3), TypeError, r"Got <Dense .* instead: write hidden_layers=\[\.\.\.\]"),
        (layers.Dense, TypeError, r"Got <class .*Dense'> instead: write hidden_layers=\[Dense\(\.\.\.\)\]"),
        (
            dense,
            TypeError,
            r"Got <function dense .* instead: write hidden_layers=HiddenLayers\(dense\), if dense returns",
        ),
        (64, TypeError, "Got 64 instead: numbers of units belong into hidden_layer_sizes"),
        (["relu"], TypeError, r"Got 'relu' in it instead: write keras.layers.Activation\("),
        ([keras.activations.relu], TypeError, r"Got <function relu .* in it instead: write keras.layers.Activation\("),
        ([64, 32], TypeError, "Got 64 in it instead: numbers of units belong into hidden_layer_sizes"),
        ([HiddenLayers(dense)], TypeError, "in it instead: pass it without a list"),
        ([[layers.Dense(3)]], TypeError, "in it instead: put all layers into one list"),
        ([keras.Input((6,)), layers.Dense(3)], TypeError, "must not contain an Input, because fit knows"),
        ([layers.InputLayer((6,)), layers.Dense(3)], TypeError, "must not contain an Input, because fit knows"),
        ([layers.Dense(3, name="output")], ValueError, "must not have the name 'output'"),
        ([layers.Dense(3, name="a"), layers.Dense(3, name="a")], ValueError, 'The name "a" is used 2 times'),
        ([Forgetful(factor=2.0)], ValueError, "get_config method of a Forgetful.*Got a copy without factor=2.0"),
        ([layers.Dense], TypeError, r"Got the class Dense: write Dense\(...\)"),
        ([BUILT], ValueError, "must contain unbuilt layers.*Got <Dense name=.*which is built"),
        ([layers.UnitNormalization(axis=0)], ValueError, "must predict each sample by itself.*axis=0"),
        ([layers.Normalization()], ValueError, "Normalization layer.*must have a mean and a variance"),
        (HiddenLayers(lambda x: layers.Normalization()(x)), ValueError, "Normalization layer.*must have a mean and"),
        ([keras.Sequential([layers.Normalization()])], ValueError, "Normalization layer.*must have a mean and"),
        (HiddenLayers(layers.Dense(3)), TypeError, "must be given a function.*pass layers as a list"),
        ([ADAPTED], ValueError, "which is built"),
        (
            keras.Sequential([keras.Input((6,)), layers.Dense(3)]),
            ValueError,
            "must be an unbuilt model, without keras.Input",
        ),
        (
            keras.Model(INPUTS, layers.Dense(2)(INPUTS)),
            TypeError,
            "must be a list of Keras layers.*list its hidden layers",
        ),
        ([layers.Dense(3), layers.Dense(2, activation="softmax")], ValueError, "must not include the output layer"),
        ([layers.Dense(3), layers.Softmax()], ValueError, "must not include the output layer"),
        ([layers.Dense(3), layers.Dense(1, activation="sigmoid")], ValueError, "must not include the output layer"),
        ([layers.Reshape((2, 3))], ValueError, r"Flatten.*Got the shape \(None, 2, 3\) from \[Reshape\]"),
        (
            [layers.Conv1D(3, 2)],
            ValueError,
            r"\[Conv1D\], cannot be applied to 6 features: .*expected min_ndim=3.*Begin with a keras.layers.Resh",
        ),
        # Keras quotes the line of a lambda in a warning, and so the message that is expected here: ^ tells them apart
        ([layers.Lambda(lambda x: x)], ValueError, "^The 'hidden_layers' .* not contain a lambda.*Got one in <Lambda"),
        (
            [layers.Dense(3, activation=lambda x: x)],
            ValueError,
            "^The 'hidden_layers' .* not contain a lambda.*Got one in <Dense",
        ),
        (
            [layers.TimeDistributed(layers.Lambda(lambda x: x))],
            ValueError,
            "^The 'hidden_layers' .* not contain a lambda.*Got one in <TimeD",
        ),
        (
            HiddenLayers(lambda x: layers.Lambda(lambda x: x)(x)),
            ValueError,
            "^The 'hidden_layers' .* not contain a lambda.*Got one in Hid",
        ),
        (
            HiddenLayers(lambda x: layers.Dense(3, activation=lambda x: x)(x)),
            ValueError,
            "^The 'hidden_layers' .* not contain a lambda.*Got one in Hid",
        ),
        (HiddenLayers(lambda inputs: keras.Input((3,))), ValueError, "lead from its single input"),
        (
            HiddenLayers(lambda inputs: layers.Concatenate()([inputs, keras.Input((3,))])),
            ValueError,
            "lead from its single input",
        ),
        (HiddenLayers(lambda inputs: [inputs, inputs]), TypeError, "must lead to one tensor"),
        (
            HiddenLayers(lambda inputs: None),
            TypeError,
            "must lead to one tensor, the last hidden one. Got None.*must return",
        ),
        (HiddenLayers(lambda inputs: {}["key"]), ValueError, "cannot be applied to 6 features: KeyError: 'key'"),
        (HiddenLayers(3), TypeError, "HiddenLayers must be given a function"),
        (HiddenLayers(layers.Dense), TypeError, "HiddenLayers must be given a function. Got <class .*pass layers as a"),
        (HiddenLayers(lambda: None), TypeError, "must take the input, a keras.KerasTensor, as its first argument"),
        (
            HiddenLayers(lambda *, units=3: None),
            TypeError,
            "must take the input, a keras.KerasTensor, as its first arg",
        ),
        (HiddenLayers(lambda meta, units=3: None), TypeError, "must take the input, a keras.KerasTensor, as its first"),
        (HiddenLayers("relu"), TypeError, "HiddenLayers must be given a function. Got 'relu'"),
        (
            HiddenLayers(lambda inputs, function=1: inputs),
            ValueError,
            "must not have an argument of the name",
        ),
        (HiddenLayers(lambda inputs: keras.Sequential([layers.Dense(2)])), TypeError, "Call it, and return its result"),
        (HiddenLayers(lambda inputs: BUILT(inputs)), ValueError, "built before, and would lose its weights"),
        ([REPEATED, REPEATED], ValueError, "must contain each layer once"),
        (HiddenLayers(dense, width=3), ValueError, "dense has units, activation. Got 'width'"),
    ],
)
def test_invalid_layers_raise(hidden_layers, error, message):
    with pytest.raises(error, match=re.compile(message, re.DOTALL)):
        resolve(hidden_layers)


@pytest.mark.parametrize(
    ("sizes", "answer"),
    [
        (
            dense,
            r"Got <function .* instead: write hidden_layers=HiddenLayers\(dense\), if dense returns the last hidden",
        ),
        (HiddenLayers(dense), r"instead: write hidden_layers=HiddenLayers\(dense\)\."),
        ([layers.Dense(3)], r"instead: write hidden_layers=\[\.\.\.\]"),
        (layers.Dense(3), r"instead: write hidden_layers=\[\.\.\.\]"),
        (keras.Sequential([layers.Dense(3)]), "instead: list its hidden layers, unbuilt, or make them in a function"),
    ],
    ids=["function", "HiddenLayers", "list", "layer", "model"],
)
def test_layers_in_place_of_sizes_are_explained(sizes, answer):
    for cls in (KerasMoonClassifier, KerasMoonRegressor):
        with pytest.raises(ValueError, match=f"'hidden_layer_sizes' parameter of {cls.__name__} must hold .*{answer}"):
            cls(sizes).fit(np.eye(4), [0, 1, 0, 1])


def test_activations_must_be_names():
    for activation in (keras.activations.relu, layers.ReLU, layers.ReLU()):
        with pytest.raises(
            ValueError, match=r"must be the name of .* Got <.* instead: put other activations into 'hid"
        ):
            KerasMoonClassifier(activation=activation).fit(np.eye(4), [0, 1, 0, 1])


def test_parameters_of_dense_layers_exclude_own_layers():
    X, y = make_moons(20, random_state=0)
    for parameter, value in {"hidden_layer_sizes": (3,), "activation": "tanh", "dropout": 0.1, "l2": 0.1}.items():
        clf = KerasMoonClassifier(hidden_layers=[layers.Dense(3)], **{parameter: value})
        with pytest.raises(ValueError, match=f"'hidden_layers' and {parameter!r} parameters exclude each other"):
            clf.fit(X, y)
    clf = KerasMoonClassifier(hidden_layers=HiddenLayers(dense), activation="tanh")
    with pytest.raises(ValueError, match="The argument of the function is 'hidden_layers__activation'"):
        clf.fit(X, y)
    default = KerasMoonClassifier([50, 20], hidden_layers=[layers.Dense(3)], epochs=1)
    assert default.fit(X, y).n_layers_ == 3


def test_arguments_of_a_function_are_parameters():
    hidden = HiddenLayers(dense, units=8)
    assert hidden.get_params() == {"function": dense, "units": 8, "activation": "relu"}
    assert repr(hidden) == "HiddenLayers(dense, units=8)"
    clf = KerasMoonClassifier(hidden_layers=hidden)
    assert clf.get_params()["hidden_layers__units"] == 8
    copied = clone(clf).set_params(hidden_layers__units=9, hidden_layers__activation="tanh")
    assert copied.hidden_layers.arguments == {"units": 9, "activation": "tanh"}
    assert hidden.arguments == {"units": 8}
    with pytest.raises(ValueError, match=r"dense has units, activation\. Got 'width'"):
        copied.set_params(hidden_layers__width=1)
    assert copied.hidden_layers.arguments == {"units": 9, "activation": "tanh"}


def test_clone_has_the_same_layers():
    clf = KerasMoonClassifier(hidden_layers=[layers.Dense(3)])
    assert clone(clf).hidden_layers == clf.hidden_layers


def test_fitted_pickle_holds_json_and_predicts_without_keras(tmp_path):
    X, y = make_moons(60, noise=0.2, random_state=0)
    clf = KerasMoonClassifier(
        hidden_layers=HiddenLayers(lambda inputs: layers.BatchNormalization()(layers.Dense(4)(inputs))),
        epochs=3,
        random_state=0,
    ).fit(X, y)
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(clf))
    np.save(tmp_path / "X.npy", X)
    program = """
import pickle, sys
from pathlib import Path
import numpy as np
folder = Path(sys.argv[1])
clf = pickle.loads((folder / "model.pickle").read_bytes())
np.save(folder / "probabilities.npy", clf.predict_proba(np.load(folder / "X.npy")))
print(clf.hidden_layers, sorted({"keras", "jax", "tensorflow", "torch"} & sys.modules.keys()))
"""
    assert run_python(program, str(tmp_path)).strip() == "HiddenLayers([Dense, BatchNormalization]) []"
    np.testing.assert_array_equal(np.load(tmp_path / "probabilities.npy"), clf.predict_proba(X))
    loaded = pickle.loads(path.read_bytes())
    assert json.loads(loaded.hidden_layers.function)["layers"]
    np.testing.assert_array_equal(clone(loaded).fit(X, y).predict_proba(X), clf.predict_proba(X))
    with pytest.raises(ValueError, match=r"was fitted to 2 features\. Got 1: set hidden_layers"):
        clone(loaded).fit(X[:, :1], y)
    with pytest.raises(ValueError, match="does not contain the function"):
        loaded.set_params(hidden_layers__units=3).fit(X, y)


def test_pickle_with_an_unknown_layer_says_so(tmp_path):
    X, y = make_moons(60, noise=0.2, random_state=0)
    clf = KerasMoonClassifier(hidden_layers=[layers.Dense(3), Registered()], epochs=1, random_state=0).fit(X, y)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(clf))
    program = """
import pickle, sys
from pathlib import Path
from sklearn.datasets import make_moons
clf = pickle.loads((Path(sys.argv[1]) / "model.pickle").read_bytes())
X, y = make_moons(60, noise=0.2, random_state=0)
for action in (lambda: clf.predict(X), lambda: clf.model_, lambda: clf.fit(X, y)):
    try:
        action()
    except ValueError as error:
        print(error)
"""
    expected = (
        "Every class and function in 'hidden_layers' must be registered with Keras in this process. Got the class "
        "Registered, which is not. Decorate it with @keras.saving.register_keras_serializable('my_package'), and "
        "import the module in which it is."
    )
    assert run_python(program, str(tmp_path)).splitlines() == [expected] * 3


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="the other engines need their own package")
def test_pickling_layers_does_not_import_tensorflow():
    program = """
import pickle, sys
from keras import layers
from moonnet import KerasMoonClassifier
clf = KerasMoonClassifier(hidden_layers=[layers.Dense(3), layers.BatchNormalization()], epochs=1)
pickle.loads(pickle.dumps(clf)).fit([[0], [1]], [0, 1]).model_
print("tensorflow" in sys.modules)
"""
    assert run_python(program).split() == ["False"]


def test_unfitted_pickle_holds_the_settings_of_layers():
    clf = KerasMoonClassifier(hidden_layers=[layers.Dense(3), layers.Dropout(0.25)])
    loaded = pickle.loads(pickle.dumps(clf))
    assert resolve(loaded.hidden_layers) == resolve(clf.hidden_layers)
    with_function = KerasMoonClassifier(hidden_layers=HiddenLayers(dense, units=3))
    assert pickle.loads(pickle.dumps(with_function)).hidden_layers.function is dense
