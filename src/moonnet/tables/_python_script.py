"""Write the Python script that reads the CSV file, trains the pipeline and saves it, as the command did."""

import reprlib
from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from pprint import pformat
from textwrap import indent
from typing import Any

from sklearn.pipeline import FeatureUnion, Pipeline

from moonnet.tables._read_csv import Table
from moonnet.tables._text_columns import Column, Target
from moonnet.tables._text_pipeline import dtypes_of, make_number_encoder, missing_markers_of

SCRIPT_TEMPLATE = '''\
"""Train the pipeline in {name} again and save it.

Run this script in the folder where the command moonnet was run. The weights are bit-for-bit identical.
"""

import zipfile

import pandas as pd
import skops.io
{imports}

# The target, and the columns that the pipeline uses, by dtype
target = {target!r}
{columns}
dtypes = {dtypes}
{reading}
# Rows without a target cannot be used for training
table = table.dropna(subset=[target])
X, y = table.drop(columns=target), {y}
# The same split as that of the command
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.25, stratify={stratify}, random_state={seed}
)

{model}
model.fit(X_train, y_train)
print("score on the held-out samples:", model.score(X_test, y_test))
skops.io.dump(model, {path!r}, compression=zipfile.ZIP_DEFLATED)
'''
_MAX_LINE = 100
# The names that a script may import, by module
IMPORTS = {
    "sklearn.compose": ["ColumnTransformer"],
    "sklearn.impute": ["SimpleImputer"],
    "sklearn.model_selection": ["KFold", "train_test_split"],
    "sklearn.pipeline": ["Pipeline", "make_pipeline", "make_union"],
    "sklearn.preprocessing": ["OneHotEncoder"],
    "moonnet": ["KerasMoonClassifier", "KerasMoonRegressor"],
    "moonnet.ensemble": ["DeepEnsembleClassifier", "DeepEnsembleRegressor"],
    "moonnet.preprocessing": [
        "CategoryTargetEncoder",
        "DateEncoder",
        "NumberEncoder",
        "PiecewiseLinearEncoder",
        "SmoothClipScaler",
    ],
}


def pipeline_code(model: Pipeline, *, shorten: bool = False) -> str:
    """Return the code of the unfitted pipeline; ``shorten`` abbreviates long lists of columns."""
    list_code = reprlib.repr if shorten else _literal_code
    transformers = "".join(
        f"        (\n            {name!r},\n{indent(f'{_estimator_code(encoder)},', ' ' * 12)}\n"
        f"{indent(f'{list_code(names)},', ' ' * 12)}\n        ),\n"
        for name, encoder, names in model["columns"].transformers
    )
    return (
        f"columns = ColumnTransformer(\n    [\n{transformers}    ]\n)\n"
        f"network = {_estimator_code(model['ensemble'].estimator)}\n"
        f"ensemble = {_estimator_code(model['ensemble'], estimator='network')}\n"
        "model = Pipeline([('columns', columns), ('ensemble', ensemble)])\n"
    )


def training_script(
    model: Pipeline, table: Table, target: Target, columns: Sequence[Column], *, seed: int, path: Path
) -> str:
    """Return a script that trains the pipeline and saves it to this path."""
    dtypes = dtypes_of(target, columns)
    groups = {f"{dtype}_columns": [name for name in dtypes if dtypes[name] == dtype] for dtype in set(dtypes.values())}
    y_code = f"table[target].astype({target.dtype!r})"
    if target.number_format:
        y_code = f"{make_number_encoder(target.number_format)!r}.fit_transform(table[[target]]).ravel()"
    model_code = pipeline_code(model)
    used = {
        module: [name for name in names if f"{name}(" in SCRIPT_TEMPLATE + model_code + y_code]
        for module, names in IMPORTS.items()
    }
    imports = "\n".join(f"from {module} import {', '.join(names)}" for module, names in used.items() if names)
    return SCRIPT_TEMPLATE.format(
        name=path.name,
        imports=imports.replace("from moonnet", "\nfrom moonnet", 1),
        target=target.name,
        columns="\n".join(f"{group} = {_literal_code(names)}" for group, names in sorted(groups.items())),
        dtypes=" | ".join(f"dict.fromkeys({group}, {group.removesuffix('_columns')!r})" for group in sorted(groups)),
        reading=reading_code(table, dtypes, missing_markers_of(target, columns)),
        y=y_code,
        stratify=None if target.is_regression else "y",
        seed=seed,
        model=model_code,
        path=str(path),
    )


def reading_code(table: Table, dtypes: Mapping[str, str], missing: Mapping[str, Sequence[str]]) -> str:
    """Return code that reads the columns in ``dtypes`` into a dataframe ``table``, as Table.read does."""
    options = {name: _literal_code(value) for name, value in table.options.items()}
    # Only empty cells are missing, and in some columns other cells, too
    others = {name: cells for name, cells in table.na_values(dtypes, missing).items() if cells != [""]}
    options["na_values"] = "dict.fromkeys(dtypes, [''])" + (f" | {_literal_code(others)}" if others else "")
    arguments = [repr(str(table.path)), "usecols=list(dtypes)", "dtype=dtypes"]
    arguments += [f"{name}={value}" for name, value in options.items()]
    code = "table = pd.read_csv(\n" + indent("".join(f"{argument},\n" for argument in arguments), "    ") + ")"
    padded = [name for name in dtypes if dtypes[name] == "str" and name in table.padded]
    if not padded:
        return code
    return (
        f"{code}\n# Cells without the spaces around them\npadded = {_literal_code(padded)}\n"
        "table[padded] = table[padded].apply(lambda cells: cells.str.strip())"
    )


def _estimator_code(estimator: Any, /, **names: str) -> str:
    """Return the code that makes an unfitted estimator; ``names`` are variables that hold some of its parameters."""
    if isinstance(estimator, Pipeline):
        return _call_code("make_pipeline", [_estimator_code(step) for _, step in estimator.steps])
    if isinstance(estimator, FeatureUnion):
        parts = [_estimator_code(part) for _, part in estimator.transformer_list]
        return _call_code("make_union", [*parts, f"verbose_feature_names_out={estimator.verbose_feature_names_out}"])
    # scikit-learn's repr shortens long parameters
    defaults = {name: parameter.default for name, parameter in signature(type(estimator)).parameters.items()}
    parameters = estimator.get_params(deep=False).items()
    changed = [
        f"{name}={names.get(name, repr(value))}" for name, value in parameters if repr(value) != repr(defaults[name])
    ]
    name, code = type(estimator).__name__, ", ".join(changed)
    return f"{name}({code})" if len(name + code) < _MAX_LINE else _call_code(name, changed)


def _call_code(function: str, arguments: Sequence[str]) -> str:
    """Return the code of a call with each argument on a line of its own."""
    return f"{function}(\n" + "".join(indent(f"{argument},", "    ") + "\n" for argument in arguments) + ")"


def _literal_code(value: Any) -> str:
    """Return the code of a literal, on several lines if it is long."""
    return pformat(value, width=100, compact=True, sort_dicts=False)
