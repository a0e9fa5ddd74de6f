"""The forward pass in NumPy, compared with Keras's own."""

import json
import pickle
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from helpers import run_python
from moonnet._keras import keras
from moonnet.networks import ACTIVATIONS, _forward_pass
from moonnet.networks._forward_pass import forward_pass

BACKEND = keras.backend.backend()
layers, ops = keras.layers, keras.ops
X = np.random.default_rng(0).normal(size=(5, 4))
X[:, 3] = [0, 2, 1, 4.9, 3]  # indices of an embedding


def precision(dtype):
    """Return a context in which Keras computes in the dtype, on JAX too."""
    if BACKEND != "jax" or dtype == "float32":
        return nullcontext()
    import jax

    return jax.enable_x64(True)


def set_random_weights(model, rng):
    """Set weights of both signs, and variances of around 1."""
    model.set_weights(
        [
            rng.uniform(0.3, 3, v.shape) if v.name == "moving_variance" else rng.normal(size=v.shape)
            for v in model.weights
        ]
    )


def arrays_of(model, prefix=""):
    """Return the arrays of each layer."""
    arrays = {}
    for layer in model.layers:
        path = prefix + layer.name
        if hasattr(layer, "layers"):
            arrays |= arrays_of(layer, f"{path}/")
        else:
            arrays[path] = {v.name: np.array(v) for v in layer.variables}
    return arrays


def predict(model, X):
    """Return Keras's outputs; on JAX, compiled as one program, because each operation by itself is compiled as well."""
    if BACKEND == "jax":
        import jax

        compiled = jax.jit(lambda *arguments: model.stateless_call(*arguments, training=False)[0])
        variables = [[v.value for v in group] for group in (model.trainable_variables, model.non_trainable_variables)]
        return jax.tree.map(np.asarray, compiled(*variables, X))
    return keras.tree.map_structure(keras.ops.convert_to_numpy, model(X, training=False))


def assert_equals_keras(model, expected, X, tolerance, message=""):
    """Assert that the pass of the model's configuration, also after a trip through JSON, computes these outputs."""
    arrays = arrays_of(model)
    for config in (model.get_config(), json.loads(model.to_json())["config"]):
        predicted = forward_pass(config)(X, arrays)
        assert not np.shares_memory(predicted, X)
        assert_allclose(predicted, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max(), err_msg=message)
    return predicted


def dense(x, dtype, units=3, **settings):
    return layers.Dense(units, dtype=dtype, **settings)(x)


def called_twice(x, dtype):
    layer = layers.Dense(4, "relu", dtype=dtype)
    return layers.Subtract(dtype=dtype)([layer(layer(x)), layer(x)])


def nested(x, dtype):
    inner_input = keras.Input((4,), dtype=dtype)
    inner = keras.Model(inner_input, layers.ReLU(dtype=dtype)(dense(inner_input, dtype, 4)))
    block = keras.Sequential([layers.Dense(4, dtype=dtype), layers.Dropout(0.5, dtype=dtype), inner], name="block")
    return inner(block(x)) + inner(x)


def nested_output(x, dtype):
    inner_input = keras.Input((4,), dtype=dtype)
    innermost = keras.Model(inner_input, dense(inner_input, dtype, 4))
    inner = keras.Model(inner_input, innermost(innermost(inner_input)))
    return inner(inner(x))


def shared_value(x, dtype):
    x = dense(x, dtype, 4)
    same = layers.Identity(dtype=dtype)(layers.Reshape((2, 2), dtype=dtype)(x))
    normalized = layers.BatchNormalization(dtype=dtype)(same)
    return layers.Add(dtype=dtype)([layers.Activation("exponential", dtype=dtype)(same), same, normalized])


def grid(x, dtype):
    return layers.Reshape((2, -1), dtype=dtype)(x)


# Name -> the head of a network, from the input and a dtype. Slopes have few digits, because TensorFlow rounds them
HEADS = {
    "dense": dense,
    "dense without bias": lambda x, dtype: dense(x, dtype, use_bias=False, activation="elu"),
    "dense of 3 dimensions": lambda x, dtype: dense(grid(x, dtype), dtype, activation="relu"),
    "dense softmax": lambda x, dtype: dense(x, dtype, activation="softmax"),
    "activation of the input": lambda x, dtype: layers.Activation("sigmoid", dtype=dtype)(x),
    "relu": lambda x, dtype: layers.ReLU(dtype=dtype)(x),
    "relu max": lambda x, dtype: layers.ReLU(0.5, dtype=dtype)(x),
    "relu 6": lambda x, dtype: layers.ReLU(6, 0.25, dtype=dtype)(8 * x),
    "relu slope": lambda x, dtype: layers.ReLU(negative_slope=0.25, dtype=dtype)(x),
    "relu all": lambda x, dtype: layers.ReLU(1.5, 0.25, 0.5, dtype=dtype)(x),
    "relu threshold": lambda x, dtype: layers.ReLU(threshold=0.5, dtype=dtype)(x),
    "leaky relu": lambda x, dtype: layers.LeakyReLU(0.25, dtype=dtype)(x),
    "leaky relu steep": lambda x, dtype: layers.LeakyReLU(1.5, dtype=dtype)(x),
    "elu": lambda x, dtype: layers.ELU(0.7, dtype=dtype)(x),
    "prelu": lambda x, dtype: layers.PReLU(dtype=dtype)(x),
    "prelu shared": lambda x, dtype: layers.PReLU(shared_axes=[1], dtype=dtype)(grid(x, dtype)),
    "softmax": lambda x, dtype: layers.Softmax(dtype=dtype)(x),
    "softmax of an axis": lambda x, dtype: layers.Softmax(axis=2, dtype=dtype)(grid(x, dtype)),
    "batch normalization": lambda x, dtype: layers.BatchNormalization(dtype=dtype)(x),
    "batch normalization plain": lambda x, dtype: layers.BatchNormalization(
        axis=2, center=False, scale=False, epsilon=0.1, trainable=False, dtype=dtype
    )(grid(x, dtype)),
    "layer normalization": lambda x, dtype: layers.LayerNormalization(dtype=dtype)(x),
    "layer normalization plain": lambda x, dtype: layers.LayerNormalization(
        axis=[2], center=False, scale=False, epsilon=0.1, dtype=dtype
    )(grid(x, dtype)),
    "dropouts": lambda x, dtype: layers.SpatialDropout1D(0.5, dtype=dtype)(
        grid(
            layers.Dropout(0.5, dtype=dtype)(
                layers.GaussianNoise(0.5, dtype=dtype)(
                    layers.GaussianDropout(0.5, dtype=dtype)(layers.AlphaDropout(0.5, dtype=dtype)(x))
                )
            ),
            dtype,
        )
    ),
    "activity": lambda x, dtype: layers.ActivityRegularization(l2=0.1, dtype=dtype)(x),
    "add": lambda x, dtype: layers.Add(dtype=dtype)([x, dense(x, dtype, 4), x]),
    "subtract": lambda x, dtype: layers.Subtract(dtype=dtype)([x, dense(x, dtype, 1)]),
    "multiply": lambda x, dtype: layers.Multiply(dtype=dtype)([x, dense(x, dtype, 4)]),
    "average": lambda x, dtype: layers.Average(dtype=dtype)([x, x, dense(x, dtype, 4)]),
    "maximum": lambda x, dtype: layers.Maximum(dtype=dtype)([x, dense(x, dtype, 4)]),
    "minimum": lambda x, dtype: layers.Minimum(dtype=dtype)([x, dense(x, dtype, 4)]),
    "concatenate": lambda x, dtype: layers.Concatenate(dtype=dtype)([x, dense(x, dtype), x]),
    "concatenate axis": lambda x, dtype: layers.Concatenate(axis=1, dtype=dtype)([grid(x, dtype), grid(x, dtype)]),
    "reshape": lambda x, dtype: layers.Reshape((2, 1, 2), dtype=dtype)(x),
    "flatten": lambda x, dtype: layers.Flatten(dtype=dtype)(layers.Permute((2, 1), dtype=dtype)(grid(x, dtype))),
    "repeat": lambda x, dtype: layers.RepeatVector(3, dtype=dtype)(x),
    "rescaling": lambda x, dtype: layers.Rescaling(0.125, -1, dtype=dtype)(x),
    "normalization": lambda x, dtype: layers.Normalization(mean=[0.5, 1, 2, 3], variance=[0.25, 1, 2, 5], dtype=dtype)(
        x
    ),
    "normalization of all": lambda x, dtype: layers.Normalization(axis=None, mean=0.5, variance=3.0, dtype=dtype)(x),
    "embedding of a column": lambda x, dtype: layers.Embedding(5, 2, dtype=dtype)(x[:, 3]),
    "embedding of columns": lambda x, dtype: layers.Flatten(dtype=dtype)(
        layers.Embedding(5, 2, dtype=dtype)(ops.cast(x[:, 3:], "int32"))
    ),
    "called twice": called_twice,
    "nested models": nested,
    "shared value": shared_value,
    "input": lambda x, dtype: layers.Identity(dtype=dtype)(x),
    "items": lambda x, dtype: ops.concatenate([x[:, 1:3], x[..., None, -1], x[:, ::2]], axis=-1),
    "arithmetic": lambda x, dtype: (2 - 0.5 * x) * x / 3 + x * np.arange(4, dtype=dtype) - 1 / (x * x + 1) - (-x),
    "exact functions": lambda x, dtype: ops.exp(x) + ops.square(x) + abs(x),
    "functions": lambda x, dtype: ops.sin(x) + ops.cos(x) + ops.tanh(x),
    "activations": lambda x, dtype: (
        ops.maximum(ops.relu(x), ops.sigmoid(x)) * ops.minimum(ops.silu(x), ops.softplus(x))
    ),
    "function of activations": lambda x, dtype: keras.activations.relu(x, max_value=1),
    "power": lambda x, dtype: x**2 - x**3,
    "shapes": lambda x, dtype: ops.expand_dims(ops.reshape(x, (-1, 2, 2)), 1) * ops.expand_dims(grid(x, dtype), -1),
    "nested output": nested_output,
}


# Heads that Keras computes in float32 on JAX, even if their dtype is float64; on PyTorch, most are
IN_FLOAT32 = {
    *("batch normalization", "batch normalization plain", "functions", "layer normalization"),
    *("layer normalization plain", "shared value"),
}


@pytest.mark.trains
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_layer_equals_keras(dtype):
    with precision(dtype):
        inputs = keras.Input((4,), dtype=dtype)
        heads = {name: head(inputs, dtype) for name, head in HEADS.items()}
        model = keras.Model(inputs, heads)
        set_random_weights(model, np.random.default_rng(1))
        samples = X.astype(dtype)
        outputs = predict(model, samples)
        for name, head in heads.items():
            is_exact = BACKEND == "tensorflow" or (BACKEND == "jax" and name not in IN_FLOAT32)
            tolerance = 1e-12 if is_exact and dtype == "float64" else 2e-6
            predicted = assert_equals_keras(keras.Model(inputs, head), outputs[name], samples, tolerance, name)
            assert predicted.dtype == dtype


@pytest.mark.trains
def test_each_activation_that_is_called_as_a_function_equals_keras():
    inputs = keras.Input((4,))
    heads = {}
    for name in [*ACTIVATIONS, "softmax"]:
        if name not in {"hard_silu", "hard_swish", "mish"}:  # which Keras does not apply to its tensors
            heads[name] = keras.activations.get(name)(inputs)
    model = keras.Model(inputs, heads)
    samples = 3 * X.astype("float32")
    outputs = predict(model, samples)
    for name, head in heads.items():
        assert_equals_keras(keras.Model(inputs, head), outputs[name], samples, 2e-6, name)


def test_dtypes_of_layers_differ():
    with precision("float64"):
        inputs = keras.Input((4,))
        x = dense(inputs, "float64", 4)
        normalized = layers.LayerNormalization(dtype="float32")(x)  # which takes float64 as it is
        x = layers.Add(dtype="float64")([dense(x, "float32", 4), normalized, inputs])
        single = layers.Concatenate(dtype="float32")([x, layers.Rescaling(0.1, dtype="float64")(inputs)])
        model = keras.Model(inputs, {"single": single, "double": layers.LeakyReLU(0.25, dtype="float64")(x)})
        set_random_weights(model, np.random.default_rng(1))
        outputs = predict(model, X.astype("float32"))
        for name, head in model.output.items():
            predicted = assert_equals_keras(keras.Model(inputs, head), outputs[name], X, 2e-6, name)
            assert predicted.dtype == outputs[name].dtype == {"single": "float32", "double": "float64"}[name]


# Name -> a block of width 4, from two earlier values and settings
BLOCKS = {
    "activation": lambda x, y, s: layers.Activation(s.activation)(x),
    "add": lambda x, y, s: layers.Add()([x, y]),
    "average": lambda x, y, s: layers.Average()([x, y, x]),
    "batch normalization": lambda x, y, s: layers.BatchNormalization(center=s.flag, scale=s.other_flag)(x),
    "concatenate": lambda x, y, s: layers.Dense(4)(layers.Concatenate()([x, y])),
    "dense": lambda x, y, s: layers.Dense(4, s.activation, use_bias=s.flag)(x),
    "dropout": lambda x, y, s: layers.Dropout(s.rate)(x),
    "embedding": lambda x, y, s: layers.Embedding(6, 4)(ops.cast(s.inputs[:, 3], "int32")),
    "layer normalization": lambda x, y, s: layers.LayerNormalization(epsilon=0.1, center=s.flag, scale=s.other_flag)(x),
    "multiply": lambda x, y, s: x * layers.Activation("tanh")(y),
    "rescaling": lambda x, y, s: layers.Rescaling(s.rate, -0.5)(x),
    "reshape": lambda x, y, s: layers.Flatten()(layers.Dense(2, "relu")(layers.Reshape((2, 2))(x))),
    "sequential": lambda x, y, s: keras.Sequential([layers.Dense(4), layers.BatchNormalization(), layers.ReLU()])(x),
    "shared": lambda x, y, s: s.shared(x),
}
BLOCK = st.fixed_dictionaries(
    {
        "name": st.sampled_from(sorted(BLOCKS)),
        "ages": st.tuples(st.integers(1, 3), st.integers(1, 3)),  # how many blocks ago its values are computed
        "activation": st.sampled_from(["relu", "tanh", "sigmoid", "gelu", "softmax", "linear", "elu", "hard_silu"]),
        "rate": st.sampled_from([0.0, 0.3, 0.9]),
        "flag": st.booleans(),
        "other_flag": st.booleans(),
    }
)


def random_network(recipe):
    inputs = keras.Input((4,))
    shared = layers.Dense(4, "tanh")
    values = [inputs]
    for block in recipe:
        x, y = (values[-min(age, len(values))] for age in block["ages"])
        values.append(BLOCKS[block["name"]](x, y, SimpleNamespace(inputs=inputs, shared=shared, **block)))
    return keras.Model(inputs, values[-1])


@pytest.mark.slow
@pytest.mark.trains
@settings(max_examples=40, deadline=None)
@given(
    recipe=st.lists(BLOCK, min_size=1, max_size=7),
    seed=st.integers(0, 2**32 - 1),
    chunk_bytes=st.sampled_from([1, 2**18]),
)
def test_random_networks_equal_keras(recipe, seed, chunk_bytes):
    model = random_network(recipe)
    set_random_weights(model, np.random.default_rng(seed))
    samples = X.astype("float32")
    expected = ops.convert_to_numpy(model(samples, training=False))
    arrays = arrays_of(model)
    before = [values.copy() for layer in arrays.values() for values in layer.values()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_forward_pass, "_CHUNK_BYTES", chunk_bytes)
        predict_in_numpy = forward_pass(model.get_config())
        predicted = predict_in_numpy(samples, arrays)
    # A normalization enlarges what is left of differences that cancel out
    assert_allclose(predicted, expected, rtol=1e-4, atol=1e-4 * max(1, np.abs(expected).max()))
    assert np.array_equal(predict_in_numpy(samples, arrays), predict_in_numpy(samples, arrays))
    assert predict_in_numpy(samples[:0], arrays).shape == (0, 4)
    assert np.array_equal(samples, X.astype("float32"))
    after = [values for layer in arrays.values() for values in layer.values()]
    assert all(map(np.array_equal, before, after))


@keras.saving.register_keras_serializable(package="moonnet_tests")
class Dense(layers.Dense):
    """A user's layer of the name of one of Keras."""


@keras.saving.register_keras_serializable(package="moonnet_tests")
def twice(x):
    return 2 * x


def unchanged(x):
    return x


# Name -> a head that NumPy does not compute, from the input
UNKNOWN = {
    "mixed precision": lambda x: layers.Dense(2, dtype="mixed_float16")(x),
    "half precision": lambda x: layers.Dense(2, dtype="bfloat16")(x),
    "own layer": lambda x: Dense(2)(x),
    "own activation": lambda x: layers.Dense(2, twice)(x),
    "activation as a layer": lambda x: layers.Activation(layers.LeakyReLU())(x),
    "activation over the samples": lambda x: layers.Softmax(axis=0)(x),
    "activation that halves the units": lambda x: layers.Activation("glu")(x),
    "lambda": lambda x: layers.Lambda(unchanged)(x),
    "convolution": lambda x: layers.Conv1D(2, 2)(layers.Reshape((4, 1))(x)),
    "batch normalization of another axis": lambda x: layers.BatchNormalization(axis=1)(layers.Reshape((2, 2))(x)),
    "layer normalization of two axes": lambda x: layers.LayerNormalization(axis=[1, 2])(layers.Reshape((2, 2))(x)),
    "mask": lambda x: layers.Embedding(5, 2, mask_zero=True)(x),
    "masking": lambda x: layers.Masking()(layers.Reshape((2, 2))(x)),
    "dropout at prediction": lambda x: layers.Dropout(0.5)(x, training=True),
    "normalization without statistics": lambda x: layers.Normalization()(x),
    "normalization of a constant": lambda x: layers.Normalization(mean=0.0, variance=0.0, axis=None)(x),
    "inverse normalization": lambda x: layers.Normalization(mean=0.0, variance=1.0, axis=None, invert=True)(x),
    "rescaling by an array": lambda x: layers.Rescaling([1.0, 2.0, 3.0, 4.0])(x),
    "channels first": lambda x: layers.Flatten(data_format="channels_first")(layers.Reshape((2, 2))(x)),
    "sum of other dimensions": lambda x: layers.Add()([x, layers.Reshape((2, 4))(layers.Dense(8)(x))]),
    "part of the samples": lambda x: x[1:, :],
    "integers": lambda x: ops.cast(x, "int32") * 2,
    "constant of another dtype": lambda x: x * np.arange(4),
    "approximate activation": lambda x: ops.gelu(x),
    "power of a variable": lambda x: 2**x,
    "negative power": lambda x: x**-1,
    "reshaped samples": lambda x: ops.reshape(x, (-1, 2)),
    "operation": lambda x: ops.cumsum(x, axis=1),
    "nested": lambda x: keras.Sequential([layers.Dense(2), layers.GroupNormalization(2)])(x),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_forward_pass_of_what_numpy_does_not_compute_is_none(name):
    inputs = keras.Input((4,))
    assert forward_pass(keras.Model(inputs, UNKNOWN[name](inputs)).get_config()) is None


def change(config, keys, value):
    for key in keys[:-1]:
        config = config[key]
    config[keys[-1]] = value


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (["layers", 1, "config", "new_setting"], 1),
        (["layers", 1, "config", "quantization_config"], {}),
        (["layers", 1, "registered_name"], "other>Dense"),
        (["layers", 1, "module"], "other.layers"),
        (["layers", 1, "config", "dtype"], {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}),
        (["layers", 1, "inbound_nodes", 0, "kwargs", "new_argument"], 1),
        (["layers", 1, "inbound_nodes", 0, "args", 0, "config", "shape"], [None, 5]),
        (["layers", 1, "inbound_nodes", 0, "args", 0, "config", "dtype"], "int32"),
        (["layers", 0, "config", "batch_shape"], [8, 4]),
        (["layers", 0, "config", "batch_shape"], [None, 4, 1]),
        (["layers", 0, "config", "dtype"], "int32"),
        (["layers", 0, "config", "sparse"], True),
        (["layers", 2, "config", "renorm"], True),
        (["new_key"], 1),
        (["layers", 1, "config", "units"], object()),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, list) else "",
)
def test_forward_pass_of_a_configuration_with_something_unknown_is_none(keys, value):
    inputs = keras.Input((4,))
    config = keras.Model(inputs, layers.BatchNormalization()(layers.Dense(2)(inputs))).get_config()
    assert forward_pass(config) is not None
    change(config, keys, value)
    assert forward_pass(config) is None


def test_embedding_takes_negative_indices_and_refuses_others_out_of_range():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, layers.Embedding(3, 1, name="city")(inputs))
    table = np.arange(3, dtype="float32")[:, np.newaxis]
    predict_in_numpy = forward_pass(model.get_config())

    def look_up(row):
        return predict_in_numpy(np.array([row], "float32"), {"city": {"embeddings": table}}).ravel().tolist()

    assert look_up([2.9, -0.9]) == [2, 0]
    assert look_up([-1, -3]) == [2, 0]
    for index, text in ((3, "3"), (-4, "-4"), (1e20, "-"), (np.nan, "-")):
        message = rf"layer 'city' must be integers from 0 to 2, because its input_dim is 3\. Got {text}"
        with pytest.raises(ValueError, match=message):
            look_up([0, index])


PREDICT = """
import json, pickle, sys
from moonnet.networks._forward_pass import forward_pass
with open(sys.argv[1], "rb") as file:
    config, X, arrays, expected = pickle.load(file)
predict = pickle.loads(pickle.dumps(forward_pass(json.loads(config))))
assert (predict(X, arrays) == expected).all()
print(sorted({"keras", "tensorflow", "jax", "torch"} & {name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.slow
def test_forward_pass_imports_no_keras(tmp_path):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, nested(layers.Normalization(mean=0.5, variance=2.0, axis=None)(inputs), "float32"))
    arrays = arrays_of(model)
    path = tmp_path / "network.pickle"
    expected = forward_pass(model.get_config())(X, arrays)
    path.write_bytes(pickle.dumps((json.dumps(model.get_config()), X, arrays, expected)))
    assert run_python(PREDICT, str(path)) == "[]\n"
