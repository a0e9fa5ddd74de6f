"""Write the Python script that reads the CSV file, trains the pipeline and saves it, as the command did."""

import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import indent

from sklearn.pipeline import Pipeline

from moonnet.tables._python_code import estimator_code, literal_code, script
from moonnet.tables._read_csv import Table
from moonnet.tables._text_columns import Column, Target
from moonnet.tables._text_pipeline import dtypes_of, make_number_encoder, missing_markers_of


def pipeline_code(model: Pipeline, *, shorten: bool = False) -> str:
    """Return the code of the unfitted pipeline; ``shorten`` abbreviates long lists of columns."""
    list_code = reprlib.repr if shorten else literal_code
    transformers = "".join(
        f"        (\n            {name!r},\n{indent(f'{estimator_code(encoder)},', ' ' * 12)}\n"
        f"{indent(f'{list_code(names)},', ' ' * 12)}\n        ),\n"
        for name, encoder, names in model["columns"].transformers
    )
    return (
        f"columns = ColumnTransformer(\n    [\n{transformers}    ]\n)\n"
        f"network = {estimator_code(model['ensemble'].estimator)}\n"
        f"ensemble = {estimator_code(model['ensemble'], estimator='network')}\n"
        "model = Pipeline([('columns', columns), ('ensemble', ensemble)])\n"
    )


def training_script(
    model: Pipeline, table: Table, target: Target, columns: Sequence[Column], *, seed: int, path: Path
) -> str:
    """Return a script that trains the pipeline and saves it to this path."""
    code = f"""\
{samples_code(table, target, columns)}
# The same split as that of the command
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.25, stratify={None if target.is_regression else "y"}, random_state={seed}
)

{pipeline_code(model)}
model.fit(X_train, y_train)
print("score on the held-out samples:", model.score(X_test, y_test))
skops.io.dump(model, {str(path)!r}, compression=zipfile.ZIP_DEFLATED)"""
    docstring = f'''\
"""Train the pipeline in {path.name} again and save it.

Run this script in the folder where the command moonnet was run. The weights are bit-for-bit identical.
"""

'''
    return script(code, docstring)


def samples_code(table: Table, target: Target, columns: Sequence[Column]) -> str:
    """Return code that reads X and y of the rows with a target; numbers that pandas does not read stay text."""
    dtypes = dtypes_of(target, columns)
    groups = {f"{dtype}_columns": [name for name in dtypes if dtypes[name] == dtype] for dtype in set(dtypes.values())}
    y = f"table[target].astype({target.dtype!r}).to_numpy()"
    if target.number_format:
        y = f"{estimator_code(make_number_encoder(target.number_format))}.fit_transform(table[[target]]).ravel()"
    lists = "\n".join(f"{group} = {literal_code(names)}" for group, names in sorted(groups.items()))
    parts = [f"dict.fromkeys({group}, {group.removesuffix('_columns')!r})" for group in sorted(groups)]
    return f"""\
# The target, and the columns to read, by dtype
target = {target.name!r}
{lists}
dtypes = {" | ".join(parts)}
{_reading_code(table, dtypes, missing_markers_of(target, columns))}
# Rows without a target cannot be used for training
table = table.dropna(subset=[target])
X, y = table.drop(columns=target), {y}"""


def _reading_code(table: Table, dtypes: Mapping[str, str], missing: Mapping[str, Sequence[str]]) -> str:
    """Return code that reads the columns in ``dtypes`` into a dataframe ``table``, as Table.read does."""
    options = {name: literal_code(value) for name, value in table.options.items()}
    # Only empty cells are missing, and in some columns other cells, too
    others = {name: cells for name, cells in table.na_values(dtypes, missing).items() if cells != [""]}
    options["na_values"] = "dict.fromkeys(dtypes, [''])" + (f" | {literal_code(others)}" if others else "")
    arguments = [repr(str(table.path)), "usecols=list(dtypes)", "dtype=dtypes"]
    arguments += [f"{name}={value}" for name, value in options.items()]
    code = "table = pd.read_csv(\n" + indent("".join(f"{argument},\n" for argument in arguments), "    ") + ")"
    padded = [name for name in dtypes if dtypes[name] == "str" and name in table.padded]
    if not padded:
        return code
    return (
        f"{code}\n# Cells without the spaces around them\npadded = {literal_code(padded)}\n"
        "table[padded] = table[padded].apply(lambda cells: cells.str.strip())"
    )
