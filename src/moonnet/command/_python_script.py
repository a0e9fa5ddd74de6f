"""The Python program that does to a table what the command did: reads it, trains the pipeline, saves that."""

import reprlib
from collections.abc import Sequence
from pathlib import Path
from pprint import pformat
from textwrap import indent
from typing import Any

from sklearn.pipeline import Pipeline

from moonnet.command._columns import Column, Target
from moonnet.command._pipeline import marks_of, types_of
from moonnet.command._read_csv import Table

PROGRAM = '''\
"""Train the model of {name} as moonnet did, and save it. Run this in the folder where moonnet ran."""

import zipfile

import pandas as pd
import skops.io
{imports}

target = {target!r}
{columns}
types = {types}
table = pd.read_csv(
    {file!r},
    usecols=list(types),
    dtype=types,
{options})
table = table.dropna(subset=[target])
X, y = table.drop(columns=target), table[target].astype({dtype!r})
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.25, stratify={stratify}, random_state={seed}
)

{model}
model.fit(X_train, y_train)
print("score on samples held out:", model.score(X_test, y_test))
skops.io.dump(model, {path!r}, compression=zipfile.ZIP_DEFLATED)
'''
# Where the names of a program are from
MODULES = {
    "sklearn.compose": ["ColumnTransformer"],
    "sklearn.impute": ["SimpleImputer"],
    "sklearn.model_selection": ["train_test_split"],
    "sklearn.pipeline": ["Pipeline", "make_pipeline"],
    "sklearn.preprocessing": ["OneHotEncoder", "StandardScaler"],
    "moonnet": ["KerasMoonClassifier", "KerasMoonRegressor"],
    "moonnet.preprocessing": ["DateEncoder"],
}


def model_code(model: Pipeline, *, to_read: bool = False) -> str:
    """Return the code that makes the pipeline, not fitted; ``to_read`` shortens long lists of columns."""
    listed = reprlib.repr if to_read else _literal
    branches = "".join(
        f"        (\n            {name!r},\n{indent(f'{_code(encoder)},', ' ' * 12)}\n"
        f"{indent(f'{listed(names)},', ' ' * 12)}\n        ),\n"
        for name, encoder, names in model["columns"].transformers
    )
    return (
        f"columns = ColumnTransformer(\n    [\n{branches}    ]\n)\n"
        f"model = Pipeline([('columns', columns), ('network', {_code(model['network'])})])\n"
    )


def training_code(
    model: Pipeline, table: Table, target: Target, columns: Sequence[Column], *, seed: int, path: Path
) -> str:
    """Return a program that trains the pipeline and saves it under this path."""
    types, marks = types_of(target, columns), marks_of(target, columns)
    names = {f"{kind}_columns": [name for name in types if types[name] == kind] for kind in set(types.values())}
    options = table.options | ({"na_values": marks} if marks else {})
    made = model_code(model)
    used = {module: [name for name in names if f"{name}(" in PROGRAM + made] for module, names in MODULES.items()}
    imports = "\n".join(f"from {module} import {', '.join(listed)}" for module, listed in used.items() if listed)
    return PROGRAM.format(
        name=path.name,
        imports=imports.replace("from moonnet", "\nfrom moonnet", 1),
        target=target.name,
        columns="\n".join(f"{name} = {_literal(listed)}" for name, listed in sorted(names.items())),
        types=" | ".join(f"dict.fromkeys({name}, {name.removesuffix('_columns')!r})" for name in sorted(names)),
        file=str(table.path),
        options="".join(f"    {name}={indent(_literal(value), '    ').strip()},\n" for name, value in options.items()),
        dtype=target.dtype,
        stratify=None if target.is_regression else "y",
        seed=seed,
        model=made,
        path=str(path),
    )


def _code(estimator: Any) -> str:
    """Return the code that makes an estimator."""
    if isinstance(estimator, Pipeline):
        steps = "".join(f"    {_code(step)},\n" for _, step in estimator.steps)
        return f"make_pipeline(\n{steps})"
    return " ".join(repr(estimator).split())


def _literal(value: Any) -> str:
    """Return the code of plain values, on several lines where it is long."""
    return pformat(value, width=100, compact=True, sort_dicts=False)
