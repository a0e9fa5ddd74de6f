"""Engines: equal training, no side effects on global state, devices and scopes of the caller, forked processes."""

import os
import pickle
import threading
import time
from contextlib import ExitStack
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import make_moons

from helpers import run_python, weight_bytes
from moonnet import KerasMoonClassifier
from moonnet._keras import keras
from moonnet.losses._cross_entropy import BinaryCrossEntropy
from moonnet.networks import DenseStack
from moonnet.networks._activations import ACTIVATIONS
from moonnet.training import _compiled_program, _optimizers, _program_spec
from moonnet.training._optimizers import optimizer_classes
from moonnet.training.engines import BlockNumbers, CompiledLoop, Loop, engine

pytestmark = [pytest.mark.slow, pytest.mark.trains]

BACKEND = keras.backend.backend()
on_jax = pytest.mark.skipif(BACKEND != "jax", reason="specific to JAX")
on_torch = pytest.mark.skipif(BACKEND != "torch", reason="specific to PyTorch")


def assert_close_weights(clf, other, rtol, message):
    for mine, yours in zip(clf.coefs_ + clf.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        assert_allclose(mine, yours, rtol=rtol, atol=rtol * np.abs(yours).max(), err_msg=message)


FIT_EACH = """
import pickle, sys
from sklearn.datasets import make_moons
from moonnet import KerasMoonClassifier
from moonnet._keras import keras
from moonnet.training._optimizers import optimizer_classes
X, y = make_moons(60, noise=0.2, random_state=0)
optimizers = {name: (name, "float64") for name in optimizer_classes()} | {"float32": ("rmsprop", "float32")}
optimizers["average"] = keras.optimizers.RMSprop(0.01, use_ema=True, ema_momentum=0.9), "float64"
fitted = {}
for name, (optimizer, dtype) in optimizers.items():
    clf = KerasMoonClassifier((5,), optimizer=optimizer, epochs=20, warm_start=True, random_state=0)
    clf.fit(X.astype(dtype), y)
    fitted[name] = clf, clf.predict_proba(X).tobytes()
with open(sys.argv[1], "wb") as file:
    pickle.dump(fitted, file)
"""


# On TensorFlow, Keras's update uses the new momentum in place of the old one, because variables are updated in place
DIFFERENT_IN_KERAS = {"schedulefreeadamw"}


@pytest.mark.skipif(BACKEND == "jax", reason="tested on the other engines, beside JAX")
def test_engines_agree_and_resume_from_pickles_of_each_other(tmp_path):
    path = tmp_path / "fitted.pickle"
    faster = "--xla_backend_optimization_level=0"  # compilation takes a third less time
    run_python(FIT_EACH, str(path), timeout=600, KERAS_BACKEND="jax", XLA_FLAGS=faster)
    theirs = pickle.loads(path.read_bytes())
    X, y = make_moons(60, noise=0.2, random_state=0)
    assert set(theirs) == {*optimizer_classes(), "float32", "average"}
    for name, (other, predictions) in theirs.items():
        assert other.predict_proba(X).tobytes() == predictions
        if name in DIFFERENT_IN_KERAS:
            continue
        rtol = 1e-3 if name in ("float32", "muon") else 1e-7  # Muon is trained in float32
        samples = X.astype(other.coefs_[0].dtype)
        ours = KerasMoonClassifier(**other.get_params()).fit(samples, y)
        assert_close_weights(ours, other, rtol, name)
        for clf in (ours, other):
            clf.set_params(epochs=5).fit(samples, y)
        assert_close_weights(ours, other, 10 * rtol, name)
        assert_allclose(other.history_["loss"], ours.history_["loss"], rtol=10 * rtol, err_msg=name)
        assert other._checkpoint["streams"] == ours._checkpoint["streams"]


def test_activations_and_their_gradients_have_the_precision_of_float64():
    """In one program for all, because each program takes a while to compile."""
    x, distance = np.linspace(-4, 4, 41) + 0.037, 1e-5  # where no activation has a kink
    functions = {name: keras.activations.get(engine.activation(name)) for name in ACTIVATIONS}

    n = len(functions)

    def step(numbers, state, row):
        def add_up(arrays):
            values = [function(array) for function, array in zip(functions.values(), arrays, strict=True)]
            return sum(keras.ops.sum(value) for value in values), values

        gradients, values = engine.gradients(add_up, state[:n])
        total = sum(map(keras.ops.sum, values))
        for variable, value in zip(variables, [*values, *gradients], strict=True):
            variable.assign(value)  # in which TensorFlow keeps the state
        return [*values, *gradients], [total]

    device = engine.device()
    with engine.scope(device, "float64"):
        variables = [keras.Variable(np.zeros_like(x), dtype="float64") for _ in range(2 * n)]
        numbers = (len(BlockNumbers._fields),), "float64"
        shapes = {"numbers": numbers, "block": [((1, 1), "float64")], "state": [(x.shape, "float64")] * 2 * n}
        loop = Loop(**shapes, n_recorded=0, step=step, n_metrics=1, max_epochs=1, variables=variables)
        _, _, results = engine.compile(loop, device).run(
            np.array(BlockNumbers(1, 1, 0, 0, 0), float), [np.zeros((1, 1))], [x] * 2 * n
        )
    values, gradients = results[:n], results[n:]
    for name, value, gradient in zip(functions, values, gradients, strict=True):
        expected, below, above = x.copy(), x - distance, x + distance
        for array in (expected, below, above):
            ACTIVATIONS[name](array)  # in place
        assert_allclose(np.asarray(value), expected, rtol=1e-12, atol=1e-13, err_msg=name)
        slope = (above - below) / (2 * distance)
        assert_allclose(np.asarray(gradient), slope, rtol=1e-8, atol=1e-9, err_msg=name)


FORKED = """
import multiprocessing, warnings
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import make_moons
from moonnet import KerasMoonClassifier
warnings.simplefilter("ignore")  # JAX warns about forks
X, y = make_moons(60, noise=0.2, random_state=0)
clf = KerasMoonClassifier((3,), epochs=2, random_state=0).fit(X, y)
expected = clf.predict_proba(X).tobytes()

def predict(_=None):
    return clf.predict_proba(X).tobytes() == expected

def error_of(work):
    try:
        work()
    except RuntimeError as error:
        return str(error)

def in_child(_=None):
    return [predict(), error_of(lambda: clone(clf).fit(X, y)), error_of(lambda: clf.model_)]

with multiprocessing.get_context("fork").Pool(1) as pool:
    results = pool.map_async(in_child, [0]).get(60)
results += Parallel(n_jobs=2, backend="multiprocessing", timeout=60)(delayed(in_child)() for _ in range(2))
for predicts, *errors in results:
    assert predicts
    for error in errors:
        assert "forked" in error and "'spawn'" in error and "'loky'" in error
print(len(results))
"""


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch survives it")
def test_forked_process_predicts_and_raises_in_fit(tmp_path):
    path = tmp_path / "forked.py"
    path.write_text(FORKED)
    assert run_python(f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')") == "3\n"


MAKE_TWO_DEVICES = {
    "jax": "",
    "tensorflow": """
import tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
""",
}
FIT_ON_DEVICES = """
import keras
from sklearn.datasets import make_moons
from moonnet import KerasMoonClassifier
from moonnet.networks._activations import ACTIVATIONS
from moonnet.training import _program_state
used = []
run = _program_state.ProgramState.run

def recorded(self, *block):
    metrics = run(self, *block)
    used.append(str(getattr(self._stored_state[0], "device", None)).lower().rpartition("_")[2][-1])
    return metrics

_program_state.ProgramState.run = recorded
X, y = make_moons(60, noise=0.2, random_state=0)
clf = KerasMoonClassifier((3,), epochs=2, random_state=0).fit(X, y)
with keras.device("cpu:1"):
    other = KerasMoonClassifier((3,), epochs=2, dropout=0.0, random_state=0).fit(X, y)
assert (clf.coefs_[0] == other.coefs_[0]).all()
print(used)
"""


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch has a single CPU")
def test_training_runs_on_the_device_set_by_keras_device():
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
    assert run_python(MAKE_TWO_DEVICES[BACKEND] + FIT_ON_DEVICES, XLA_FLAGS=flags) == "['0', '1']\n"


def test_unavailable_device_raises(moons):
    if BACKEND == "jax":
        import jax

        scope = jax.default_device("tpu")  # keras.device raises an error itself
    else:
        scope = keras.device("gpu:77")
    with scope, pytest.raises(ValueError, match=r"(?i)the device '.*(tpu|(gpu|cuda):77)'"):
        KerasMoonClassifier((3,), epochs=1).fit(*moons)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="specific to TensorFlow")
@pytest.mark.parametrize("strategy", ["OneDeviceStrategy", "MirroredStrategy"])
def test_fit_within_a_strategy_raises_also_if_its_program_is_compiled(moons, strategy):
    import tensorflow as tf

    clf = KerasMoonClassifier((3,), epochs=1).fit(*moons)
    with getattr(tf.distribute, strategy)("CPU:0" if strategy.startswith("One") else ["CPU:0"]).scope():
        with pytest.raises(
            ValueError, match=rf"outside of the scope.*Got the scope of a {strategy}\. Call fit outside"
        ):
            clf.fit(*moons)
        assert clf.predict(moons[0]).shape == (200,)
        assert clf.model_.count_params() == 13


FIT_WITHOUT_TENSORFLOW = """
import copy, pickle, sys
import keras
imported_by_keras = {name.partition(".")[0] for name in sys.modules}  # JAX, also on PyTorch
import numpy as np
from sklearn.base import clone
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV
from moonnet import KerasMoonClassifier
from keras import optimizers
from keras.callbacks import EarlyStopping, LambdaCallback
X, y = make_moons(60, noise=0.2, random_state=0)
callbacks = [EarlyStopping("loss"), LambdaCallback(on_train_batch_end=lambda batch, logs: None)]
schedule = optimizers.schedules.ExponentialDecay(0.01, 5, 0.9)
for parameters in (
    {"early_stopping": True},
    {"optimizer": optimizers.SGD(0.01), "callbacks": callbacks},
    {"optimizer": optimizers.SGD(schedule)},
    {"optimizer": optimizers.RMSprop(0.01, use_ema=True)},
):
    clf = KerasMoonClassifier((3,), epochs=2, random_state=0, **parameters)
    copies = [clone(clf), copy.deepcopy(clf)]
    if not clf.callbacks:  # a lambda cannot be pickled
        copies.append(pickle.loads(pickle.dumps(clf)))
    clf.fit(X, y).predict_proba(X)
    for other in copies:
        assert isinstance(other.optimizer, str) or other.optimizer is not clf.optimizer
        assert all(map(np.array_equal, other.fit(X, y).coefs_, clf.coefs_))
    GridSearchCV(clf, {"l2": [0.0, 0.1]}, cv=2).fit(X, y)
    clf.partial_fit(X, y)
    clf.model_.summary(print_fn=lambda line, **_: None)
print(sorted(({name.partition(".")[0] for name in sys.modules} - imported_by_keras) & {"jax", "tensorflow", "torch"}))
"""


@pytest.mark.skipif(BACKEND == "tensorflow", reason="TensorFlow imports JAX")
def test_process_imports_no_other_engine_and_does_not_warn():
    assert run_python(FIT_WITHOUT_TENSORFLOW, PYTHONWARNINGS="error") == "[]\n"


@pytest.fixture
def empty_program_cache(monkeypatch):
    """Empty the cache of compiled programs."""
    monkeypatch.setattr(_compiled_program, "_programs", {})


@cache
def recorded_compilations():
    """Return a list to which an item is added for each program that JAX compiles from now on."""
    import jax.monitoring

    events = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: events.append(event) if "backend_compile" in event else None
    )
    return events


@on_jax
def test_program_is_compiled_in_one_compilation(empty_program_cache, moons):
    before = len(recorded_compilations())
    KerasMoonClassifier((5, 4), epochs=1, dropout=0.1).fit(*moons)
    assert len(recorded_compilations()) == before + 1


@on_jax
@pytest.mark.parametrize("name", sorted(optimizer_classes()))
def test_preparing_a_program_compiles_nothing(monkeypatch, name):
    monkeypatch.setattr(type(engine), "compile", lambda *_: CompiledLoop(None))
    optimizer, _ = _optimizers.resolve_optimizer(name, None)
    dtype = optimizer.training_dtype("float64")
    network = DenseStack((2, 5, 4, 1), "relu")
    spec = _program_spec.ProgramSpec(network, BinaryCrossEntropy(), optimizer, 50, dropout=True, dtype=dtype)
    before = len(recorded_compilations())
    program = _compiled_program.compile_program(spec)
    program.initial_state(network.initial_state(np.random.default_rng(1), dtype), None, None)
    assert len(recorded_compilations()) == before


@on_jax
def test_fit_leaves_the_configuration_of_jax_unchanged(empty_program_cache, moons):
    import jax

    before = dict(jax.config.values), jax.numpy.zeros(2).dtype, jax.random.key(0).dtype
    KerasMoonClassifier((5,), epochs=2, dropout=0.1, early_stopping=True).fit(*moons)
    assert (dict(jax.config.values), jax.numpy.zeros(2).dtype, jax.random.key(0).dtype) == before


@on_jax
def test_default_dtypes_of_other_threads_do_not_change_during_fit(empty_program_cache, moons):
    import jax

    done, types = threading.Event(), set()

    def record_types():
        while not done.is_set():
            types.add((str(jax.numpy.asarray(1.5).dtype), jax.config.jax_enable_x64))

    thread = threading.Thread(target=record_types)
    thread.start()
    try:
        KerasMoonClassifier((5,), epochs=300).fit(*moons)
    finally:
        done.set()
        thread.join()
    assert types == {("float32", False)}


@on_jax
@pytest.mark.parametrize(
    ("parameters", "compiled_before"),
    [({"dropout": 0.1}, False), ({"dropout": 0.1}, True), ({"optimizer": "schedulefreeadamw"}, True)],
    ids=["compilation", "training", "averages"],
)
def test_fit_is_identical_within_transformations_and_scopes_of_jax(monkeypatch, moons, parameters, compiled_before):
    import jax

    if parameters.get("optimizer", "sgd") not in optimizer_classes():
        pytest.skip("this Keras does not have the optimizer")
    clf = KerasMoonClassifier((5, 4), epochs=3, random_state=0, **parameters)
    expected = weight_bytes(clf.fit(*moons))
    found = {}

    def fit(name):
        if not compiled_before:
            monkeypatch.setattr(_compiled_program, "_programs", {})
        found[name] = weight_bytes(clf.fit(*moons))

    def traced(name):
        def function(x):
            fit(name)
            return (x * x).sum()

        return function

    x = np.ones(3, "float32")
    jax.jit(traced("jit"))(x)
    jax.vmap(traced("vmap"))(x[:, None])
    jax.grad(traced("grad"))(x)
    scopes = {
        "disable_jit": [jax.disable_jit()],
        "checks": [jax.debug_nans(True), jax.debug_infs(True), jax.checking_leaks()],
        "settings": [
            jax.enable_x64(True),
            jax.default_prng_impl("rbg"),
            jax.numpy_dtype_promotion("strict"),
            jax.numpy_rank_promotion("raise"),
            jax.transfer_guard("disallow"),
            jax.default_matmul_precision("bfloat16"),
            jax.default_device(jax.devices("cpu")[0]),
        ],
    }
    for name, settings in scopes.items():
        with ExitStack() as stack:
            for setting in settings:
                stack.enter_context(setting)
            fit(name)
    assert [name for name, bits in found.items() if bits != expected] == []


@on_jax
def test_model_and_fit_with_callbacks_raise_while_jax_traces(moons):
    import jax

    clf = KerasMoonClassifier((5,), epochs=1).fit(*moons)
    nothing = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    observed = KerasMoonClassifier((5,), epochs=1, callbacks=[nothing])
    for what in (lambda: clf.model_, lambda: observed.fit(*moons)):

        @jax.jit
        def traced(x, what=what):
            what()
            return x

        with pytest.raises(RuntimeError, match="outside of that function"):
            traced(np.ones(2, "float32"))


@on_jax
def test_divergence_with_debug_nans_raises_the_error_of_moonnet(moons):
    import jax

    clf = KerasMoonClassifier(optimizer="sgd", activation="linear", learning_rate=1e30, epochs=20)
    with jax.debug_nans(True), pytest.raises(ValueError, match="lower learning_rate"):
        clf.fit(*moons)


COUNT_CACHE_HITS = """
import jax
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event.rpartition("/")[2]))
from sklearn.datasets import make_moons
from moonnet import KerasMoonClassifier
KerasMoonClassifier((5, 4), epochs=1).fit(*make_moons(60, random_state=0))
print(events.count("cache_hits") > 0, events.count("cache_misses"))
"""


@on_jax
def test_second_process_uses_the_compilation_cache_of_jax(empty_program_cache):
    KerasMoonClassifier((5, 4), epochs=1).fit(*make_moons(60, random_state=0))  # conftest.py sets the cache
    assert run_python(COUNT_CACHE_HITS) == "True 0\n"


@on_torch
@pytest.mark.parametrize("compiled_before", [False, True], ids=["recording", "training"])
def test_fit_is_identical_within_scopes_of_torch(monkeypatch, moons, compiled_before):
    import torch

    clf = KerasMoonClassifier((5, 4), epochs=3, dropout=0.1, random_state=0)
    expected = weight_bytes(clf.fit(*moons))
    scopes = {
        "no_grad": torch.no_grad(),
        "inference_mode": torch.inference_mode(),
        "autocast": torch.autocast("cpu", torch.bfloat16),
        "device": torch.device("meta"),
        "anomalies": torch.autograd.set_detect_anomaly(True),
        "interpreter": torch.jit.optimized_execution(True),
    }
    found = {}
    for name, scope in scopes.items():
        if not compiled_before:
            monkeypatch.setattr(_compiled_program, "_programs", {})
        with scope:
            found[name] = weight_bytes(clf.fit(*moons))
    torch.set_default_dtype(torch.float64)
    try:
        monkeypatch.setattr(_compiled_program, "_programs", {})
        found["dtype"] = weight_bytes(clf.fit(*moons))
    finally:
        torch.set_default_dtype(torch.float32)
    assert [name for name, bits in found.items() if bits != expected] == []


class AsksForValues(keras.optimizers.SGD):
    """Its steps depend on the value of a tensor, so that PyTorch cannot record them."""

    def update_step(self, gradient, variable, learning_rate):
        if keras.ops.convert_to_numpy(self.iterations) % 2 == 0:
            super().update_step(gradient, variable, learning_rate)


class ReadsValues(keras.optimizers.SGD):
    """PyTorch records its steps without an error, but with the first value of a tensor in place of the later ones."""

    def update_step(self, gradient, variable, learning_rate):
        number = float(self.iterations.value.detach().numpy())
        super().update_step(gradient * (1 + number), variable, learning_rate)


@on_torch
@pytest.mark.parametrize("cls", [AsksForValues, ReadsValues])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_that_cannot_be_recorded_run_as_they_are(monkeypatch, cls, dtype):
    from moonnet.training.engines import torch as module

    X, y = make_moons(60, noise=0.2, random_state=0)
    clf = KerasMoonClassifier((5,), optimizer=cls(0.1), epochs=2, batch_size=15, shuffle=False, random_state=0)
    record, is_recorded = module._record, []

    def noted(*loop, **options):
        recorded = record(*loop, **options)
        is_recorded.append(recorded[1])
        return recorded

    monkeypatch.setattr(module, "_record", noted)
    clf.fit(X.astype(dtype), y)
    assert is_recorded == [False]
    # The same steps one by one, with an optimizer that can be recorded
    rows = np.arange(60).reshape(4, 15)
    other = KerasMoonClassifier((5,), optimizer="sgd", learning_rate=0.1, batch_size=15, shuffle=False, random_state=0)
    for step in range(8):
        rate = {AsksForValues: (0.1, 1e-30)[step % 2], ReadsValues: 0.1 * (1 + step)}[cls]
        other.set_params(learning_rate=rate).partial_fit(X[rows[step % 4]].astype(dtype), y[rows[step % 4]], [0, 1])
    assert_close_weights(clf, other, 1e-5 if dtype == "float32" else 1e-7, cls.__name__)


@on_torch
@pytest.mark.parametrize("name", sorted(optimizer_classes()))
def test_recorded_steps_are_those_of_keras_bit_for_bit(monkeypatch, moons, name):
    from moonnet.training.engines import torch as module

    record, unrecorded = module._record, []

    def record_or_not(*loop, **options):
        step, is_recorded = record(*loop, **options)
        assert is_recorded
        with monkeypatch.context() as patch:
            patch.setattr(module, "make_fx", raise_runtime_error)
            return record(*loop, **options) if unrecorded else (step, is_recorded)

    def raise_runtime_error(step):
        raise RuntimeError

    monkeypatch.setattr(module, "_record", record_or_not)
    fitted = []
    for _ in range(2):
        monkeypatch.setattr(_compiled_program, "_programs", {})
        clf = KerasMoonClassifier((5,), optimizer=name, epochs=2, l2=0.01, dropout=0.1, random_state=0)
        fitted.append(weight_bytes(clf.fit(*moons)))
        unrecorded.append(True)
    assert fitted[0] == fitted[1]


@on_torch
def test_recorded_steps_run_without_the_interpreter_of_torch(monkeypatch, moons):
    import torch

    clf = KerasMoonClassifier((5,), epochs=2, random_state=0)
    expected = weight_bytes(clf.fit(*moons))
    monkeypatch.setattr(_compiled_program, "_programs", {})
    monkeypatch.delattr(torch.jit._trace, "_trace_impl")
    assert weight_bytes(clf.fit(*moons)) == expected


@on_torch
def test_threads_record_one_at_a_time(monkeypatch, moons):
    from moonnet.training.engines import torch as module

    record, running, most = module._record, [], []

    def slow_record(*loop, **options):
        running.append(1)
        most.append(len(running))
        time.sleep(0.05)
        recorded = record(*loop, **options)
        running.pop()
        return recorded

    monkeypatch.setattr(module, "_record", slow_record)
    monkeypatch.setattr(_compiled_program, "_programs", {})
    threads = [
        threading.Thread(target=KerasMoonClassifier((units,), epochs=1, random_state=0).fit, args=moons)
        for units in (3, 4, 5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]


class ReadsTheStep(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that falls after 30 steps, by the step as a NumPy array."""

    def __call__(self, step):
        return 0.01 if np.asarray(keras.ops.convert_to_numpy(step)) < 30 else 0.0001

    def get_config(self):
        return {}


class ComparesTheStep(ReadsTheStep):
    """The same within a graph."""

    def __call__(self, step):
        return keras.ops.where(step < 30, 0.01, 0.0001)


@on_torch
def test_schedule_that_reads_the_step_is_not_recorded(moons):
    clf = KerasMoonClassifier((5,), optimizer="sgd", learning_rate=ComparesTheStep(), epochs=12, random_state=0)
    expected = clf.fit(*moons).coefs_
    clf.set_params(learning_rate=ReadsTheStep())
    assert all(map(np.array_equal, clf.fit(*moons).coefs_, expected))


PRINT_WEIGHTS = """
import hashlib
from sklearn.datasets import make_moons
from keras import optimizers
from moonnet import KerasMoonClassifier
X, y = make_moons(300, noise=0.2, random_state=0)
for parameters in ({"optimizer": "lamb"}, {"optimizer": optimizers.Adam(global_clipnorm=0.1)}, {"l2": 0.01}):
    clf = KerasMoonClassifier((300, 300), batch_size=100, epochs=2, random_state=0, **parameters).fit(X, y)
    print(hashlib.sha256(b"".join(array.tobytes() for array in clf.coefs_)).hexdigest(), clf.history_["loss"])
"""


@on_torch
def test_weights_do_not_depend_on_the_number_of_threads():
    one, three = (run_python(PRINT_WEIGHTS, OMP_NUM_THREADS=number) for number in ("1", "3"))
    assert one == three


@on_torch
def test_loss_scale_optimizer_moves_to_another_engine(tmp_path):
    path = tmp_path / "clf.pickle"
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01))
    X, y = make_moons(60, noise=0.2, random_state=0)
    clf = KerasMoonClassifier((3,), optimizer=scaled, epochs=3, warm_start=True, random_state=0).fit(X, y)
    path.write_bytes(pickle.dumps(clf))
    program = f"import pickle; from sklearn.datasets import make_moons; clf = pickle.load(open({str(path)!r}, 'rb'))\n"
    program += "print(clf.fit(*make_moons(60, noise=0.2, random_state=0)).history_['loss'][-1])"
    assert float(run_python(program, KERAS_BACKEND="jax")) == pytest.approx(clf.fit(X, y).history_["loss"][-1])


@on_torch
def test_forked_process_trains(tmp_path):
    path = tmp_path / "forked.py"
    path.write_text(
        """
import multiprocessing
from sklearn.base import clone
from sklearn.datasets import make_moons
from moonnet import KerasMoonClassifier
X, y = make_moons(300, noise=0.2, random_state=0)
clfs = [KerasMoonClassifier(layers, epochs=2, random_state=0) for layers in ((5, 4), (300, 300))]
expected = [clf.fit(X, y).coefs_[1].tobytes() for clf in clfs]

def in_child(_):
    return [clone(clf).fit(X, y).coefs_[1].tobytes() for clf in clfs] == expected

with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.map_async(in_child, [0]).get(120))
"""
    )
    program = f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')"
    assert run_python(program, OMP_NUM_THREADS="2") == "[True]\n"


@on_torch
def test_fit_and_model_raise_while_torch_transforms_a_function(moons):
    import torch

    clf = KerasMoonClassifier((5,), epochs=1).fit(*moons)
    for what in (lambda: clf.model_, lambda: clf.fit(*moons)):

        def transformed(x, what=what):
            what()
            return (x * x).sum()

        for transform in (torch.func.grad, torch.func.vmap):
            with pytest.raises(RuntimeError, match=r"(?s)outside of that function"):
                transform(transformed)(torch.ones(2, 3))
