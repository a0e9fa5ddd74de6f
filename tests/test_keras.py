"""The import of Keras: standard error and errors. A module in place of Keras makes most child processes fast."""

import os
import subprocess
import sys

import pytest

from moonnet import _keras
from moonnet.training import engines

FIT = """
import sys
from joblib.externals.loky import get_reusable_executor
from sklearn.datasets import make_moons
from moonnet import KerasMoonClassifier
X, y = make_moons(60, noise=0.2, random_state=0)
for n_units in range(int(sys.argv[1]), 9):
    clf = KerasMoonClassifier((n_units,), epochs=2, dropout=0.1 * (n_units > 7)).fit(X, y)
    clf.predict(X), clf.model_
get_reusable_executor(max_workers=1).submit(clf.fit, X, y).result()
"""


def run(arguments, **environment):
    """Run Python in a child process and return the completed process."""
    # Without the compilation cache of the tests, because JAX warns of entries that a killed process left incomplete
    left_out = {"TF_CPP_MIN_LOG_LEVEL", "JAX_COMPILATION_CACHE_DIR", "TF_XLA_FLAGS"}
    inherited = {name: value for name, value in os.environ.items() if name not in left_out}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=300,
        check=False,
        env=inherited | environment,
    )


@pytest.mark.slow
@pytest.mark.trains
def test_fit_and_a_worker_process_write_nothing(engine_is_quiet):
    if not engine_is_quiet:
        pytest.skip("TensorFlow 2.20 logs each compilation")
    # TensorFlow warns after five programs of the same function
    child = run(["-c", FIT, "3" if _keras.keras.backend.backend() == "tensorflow" else "7"])
    assert (child.returncode, child.stdout, child.stderr) == (0, "", "")


@pytest.fixture
def import_keras(tmp_path):
    """Return a function that imports a program as Keras, by the module _keras alone, in a child process."""

    def import_(program, before="", after="", **environment):
        (tmp_path / "keras.py").write_text(program)
        script = tmp_path / "script.py"
        script.write_text(f"{before}\nimport runpy\nrunpy.run_path({_keras.__file__!r})\n{after}")
        return run([str(script)], **{"KERAS_BACKEND": "tensorflow", **environment})

    return import_


WRITE_LOG = r"""
import os
os.write(2, b'''WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795996569.914993    8641 port.cc:153] oneDNN custom operations are on.
another library: \xff
E0000 00:00:1795996569.914993    8641 port.cc:154] an error
WARNING: All log messages
''')
"""
OTHER_LINES = [
    "another library: \udcff",
    "E0000 00:00:1795996569.914993    8641 port.cc:154] an error",
    "WARNING: All log messages",
]


def test_start_up_log_is_dropped_and_other_lines_arrive_in_order(import_keras):
    child = import_keras(WRITE_LOG, after="import sys; print('after', file=sys.stderr)")
    assert (child.returncode, child.stderr.splitlines()) == (0, [*OTHER_LINES, "after"])


@pytest.mark.parametrize(
    ("before", "environment"),
    [("", {"TF_CPP_MIN_LOG_LEVEL": "0"}), ("import sys; sys.modules['tensorflow'] = None", {}), ("", {"PATH": ""})],
    ids=["level", "TensorFlow imported", "without grep"],
)
def test_start_up_log_is_shown(import_keras, before, environment):
    child = import_keras(WRITE_LOG, before, **environment)
    assert child.returncode == 0
    assert child.stderr.count("\n") == 5


def test_last_words_before_an_abort_and_before_an_error_arrive(import_keras):
    abort = WRITE_LOG + "os.write(2, b'F0000 the processor lacks AVX\\n'); os.abort()"
    child = import_keras(abort)
    assert child.returncode < 0
    assert child.stderr.splitlines() == [*OTHER_LINES, "F0000 the processor lacks AVX"]
    child = import_keras(WRITE_LOG + "raise ImportError('libmissing.so: cannot open shared object file')")
    assert child.returncode == 1
    assert child.stderr.splitlines()[:3] == OTHER_LINES
    assert "libmissing.so" in child.stderr


def test_processes_started_meanwhile_keep_their_stderr(import_keras):
    write_later = "import os, sys; sys.stdin.read(); os.write(2, b'from a child, after the import\\n')"
    start = f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {write_later!r}], stdin=-1)"
    end = "import keras; keras.child.communicate(); print('exit status', keras.child.returncode)"
    child = import_keras(start, after=end)
    assert (child.returncode, child.stdout, child.stderr) == (0, "exit status 0\n", "from a child, after the import\n")


def test_keras_is_imported_if_stderr_is_closed(import_keras):
    child = import_keras("", before="import os; os.close(2)", after="print('imported')")
    assert (child.returncode, child.stdout) == (0, "imported\n")


def test_unsupported_backend_raises():
    message = "moonnet trains with Keras on jax, tensorflow or torch, but Keras's backend is 'numpy'"
    with pytest.raises(RuntimeError, match=message):
        engines._load_engine("numpy")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("jax", "pip install 'moonnet[jax]', or set KERAS_BACKEND to what is installed: 'tensorflow'"),
        ("tensorflow", "pip install tensorflow, or set KERAS_BACKEND to what is installed: 'jax'"),
        ("torch", "pip install 'moonnet[torch]', or set KERAS_BACKEND to what is installed: 'jax' or 'tensorflow'"),
    ],
)
def test_missing_backend_raises(import_keras, missing, message):
    child = import_keras(f"raise ModuleNotFoundError('No module', name={missing!r})", KERAS_BACKEND=missing)
    assert f"ImportError: Keras is configured to run on {missing}, which is not installed: {message}" in child.stderr


@pytest.mark.slow
def test_command_without_jax_prints_the_error_without_traceback():
    program = "import sys; sys.modules['jax'] = None; from moonnet.command._cli import main; main([])"
    child = run(["-c", program], KERAS_BACKEND="jax")
    assert child.returncode == 2
    assert "pip install 'moonnet[jax]'" in child.stderr
    assert "Traceback" not in child.stderr
