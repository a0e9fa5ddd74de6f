"""Imports: predicting loads no heavy library, and the error for a missing extra names the extra."""

import pickle

import pytest

from helpers import run_python

PREDICT = """
import pickle, sys
import moonnet
import moonnet.explore
import moonnet.plotting
import moonnet.preprocessing
with open(sys.argv[1], "rb") as file:
    clf, X, expected = pickle.load(file)
assert (clf.predict_proba(X) == expected).all()
clf.predict(X), clf.predict_log_proba(X), clf.decision_function(X), clf.score(X, clf.predict(X))
repr(clf), clf._repr_html_()
# pandas is not listed because scikit-learn imports it if it is installed; test_main.py runs the command without it
heavy = {"tensorflow", "jax", "keras", "matplotlib", "h5py", "skops", "anywidget", "websockets"}
print(sorted({name.partition(".")[0] for name in sys.modules} & heavy))
"""


@pytest.mark.slow
def test_importing_and_predicting_load_no_heavy_library(fitted, moons, tmp_path):
    X, _ = moons
    path = tmp_path / "fitted.pickle"
    path.write_bytes(pickle.dumps((fitted, X, fitted.predict_proba(X))))
    assert run_python(PREDICT, str(path)) == "[]\n"


# Module -> its missing dependency, and the error
MISSING = {
    "moonnet.command._model_file": ("skops", "--csv needs skops: pip install 'moonnet[csv]'"),
    "moonnet.explore._server": ("websockets", "moonnet explore needs websockets: pip install 'moonnet[explore]'"),
    "moonnet.explore._widget": (
        "anywidget",
        "moonnet.explore.Explorer needs anywidget: pip install 'moonnet[explore]'",
    ),
    "moonnet.onnx": ("skl2onnx", "moonnet.onnx needs skl2onnx: pip install 'moonnet[onnx]'"),
    "moonnet.dask": ("distributed", "moonnet.dask needs Dask: pip install 'moonnet[dask]'"),
}
IMPORT_WITHOUT = """
import importlib, sys
for argument in sys.argv[1:]:
    module, missing = argument.split(":")
    sys.modules[missing] = None
    try:
        importlib.import_module(module)
    except ImportError as error:
        print(error)
    del sys.modules[missing]
"""


@pytest.mark.slow
def test_import_error_of_a_module_without_its_extra_names_the_extra():
    arguments = [f"{module}:{missing}" for module, (missing, _) in MISSING.items()]
    assert run_python(IMPORT_WITHOUT, *arguments).splitlines() == [message for _, message in MISSING.values()]
