"""The generated code recreates the pipeline; test_command_train_csv.py runs the whole script."""

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder

from moonnet import KerasMoonClassifier
from moonnet.ensemble import DeepEnsembleClassifier
from moonnet.preprocessing import DateEncoder, PiecewiseLinearEncoder, SmoothClipScaler
from moonnet.tables._python_script import pipeline_code
from moonnet.tables._text_columns import Column
from moonnet.tables._text_pipeline import make_model

NEEDED = [
    *(ColumnTransformer, SimpleImputer, Pipeline, make_pipeline, make_union, OneHotEncoder),
    *(PiecewiseLinearEncoder, SmoothClipScaler, DateEncoder),
]


def test_pipeline_code_recreates_pipeline():
    names = [f"a column of numbers {i}" for i in range(100)]
    columns = [Column(name, "number", "", "") for name in names]
    columns += [Column("it's", "category", "", ""), Column('"d"', "date", "", "", "%d.%m.%Y")]
    model = make_model(columns, KerasMoonClassifier((7, 3) * 20, epochs=5, batch_size=9), "high", seed=4)
    scope = {kind.__name__: kind for kind in [*NEEDED, DeepEnsembleClassifier, KerasMoonClassifier]}
    exec(pipeline_code(model), scope)
    assert scope["model"].__repr__(N_CHAR_MAX=10**6) == model.__repr__(N_CHAR_MAX=10**6)
    assert scope["model"]["ensemble"].estimator.hidden_layer_sizes == (7, 3) * 20
    assert [names for _, _, names in scope["columns"].transformers] == [names, ["it's"], ['"d"']]
    shortened = pipeline_code(model, shorten=True)
    assert len(shortened) < 2000
    assert "'a column of numbers 0', " in shortened
