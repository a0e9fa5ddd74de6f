"""Generated code: estimators and imports; other files run whole scripts."""

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures

from helpers import run_code
from moonnet import KerasMoonClassifier
from moonnet.ensemble import DeepEnsembleClassifier
from moonnet.tables import _python_code
from moonnet.tables._python_code import estimator_code, imports_code


def test_imports_are_those_of_the_names_used_in_groups():
    code = "table = pd.read_csv('PCA(np.array)')\nmodel = make_pipeline(SmoothClipScaler(), KerasMoonClassifier())\n"
    assert imports_code(f"{code}skops.io.dump(model, 'm', compression=zipfile.ZIP_DEFLATED)  # KFold(3)") == (
        "import zipfile\n\n"
        "import pandas as pd\nimport skops.io\nfrom sklearn.pipeline import make_pipeline\n\n"
        "from moonnet import KerasMoonClassifier\nfrom moonnet.preprocessing import SmoothClipScaler"
    )
    assert imports_code("model.zipfile = 'np' + path.pd") == ""


def test_each_import_exists_and_is_found():
    everything = {}
    exec(_python_code._IMPORTS, everything)
    for name in everything.keys() - {"__builtins__"}:
        imported = {}
        exec(imports_code(f"{name}(1)"), imported)
        assert imported.keys() - {"__builtins__"} == {name}
        assert imported[name] is everything[name]


@pytest.mark.parametrize(
    "estimator",
    [
        KerasMoonClassifier(tuple(range(1, 60)), learning_rate=0.1 + 0.2, activation="tanh"),
        make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), PCA(2, svd_solver="full")),
    ],
    ids=["network", "pipeline"],
)
def test_estimator_code_with_its_imports_recreates_estimator(estimator):
    again = run_code(f"again = {estimator_code(estimator)}")["again"]
    assert repr(again.get_params(deep=False)) == repr(estimator.get_params(deep=False))


def test_code_of_column_transformer_and_of_nested_estimators_recreates_them():
    transformer = make_column_transformer(
        ("passthrough", [0, 1]), (FunctionTransformer(np.sin), [1]), (PolynomialFeatures((2, 2)), [0, 1])
    )
    member = KerasMoonClassifier(tuple(range(1, 60)), epochs=3)  # scikit-learn's repr shortens it
    model = make_pipeline(transformer, DeepEnsembleClassifier(member, n_estimators=3, random_state=0))
    code = estimator_code(model)
    again = run_code(f"again = {code}")["again"]
    assert again.get_params().keys() == model.get_params().keys()
    assert estimator_code(again) == code
    assert again[-1].estimator.hidden_layer_sizes == member.hidden_layer_sizes
    X = np.random.default_rng(0).normal(size=(5, 2))
    assert np.array_equal(again[0].fit_transform(X), transformer.fit_transform(X))
