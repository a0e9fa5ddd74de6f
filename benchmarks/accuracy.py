"""Measure how accurate the networks are on real tables, beside the models that a user would try instead.

Each method is fitted on two thirds of a table and judged on the last third, for each of the three folds, on one
processor core. A method that compiles is fitted twice, and the second fit is timed: a shape compiles once. Times are
processor seconds, because the machine is shared.

Finished fits are kept in ``benchmarks/.accuracy``, so that a run that was cut goes on where it ended. Several processes
may share that folder, each with tables and a core of its own. The record is written when no fit is missing.
"""

import argparse
import hashlib
import json
import os
import pickle
import re
import statistics
import time
import warnings
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np
import pandas as pd
import results
from accuracy_tables import CLASSIFICATION, PARTS, REGRESSION, load
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.compose import make_column_selector as columns_of
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import log_loss, r2_score, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.tables import tabular_pipeline

CACHE = Path(__file__).parent / ".accuracy"
LOOKS = results.FOLDER / "accuracy_looks.json"
PACKAGES = ("moonnet", "keras", "jax", "scikit-learn", "numpy", "pandas", "pytabkit", "torch")
N_FOLDS = 3
BASELINE = "HistGradientBoosting"
METRICS = {"log loss": CLASSIFICATION, "error": CLASSIFICATION, "1 - AUC": CLASSIFICATION, "RMSE": REGRESSION}
# A ratio beyond these counts as the bound: on a table that one method solves, a single row would decide the mean
RATIO_BOUNDS = (0.1, 10)


# The methods. Each gets the table in the form that its documentation asks for, and the defaults of its authors.


def encode_table() -> ColumnTransformer:
    """Return what methods need that accept only numbers: gaps filled, standardised numbers, a column per category."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    categories = OneHotEncoder(
        handle_unknown="infrequent_if_exist", sparse_output=False, min_frequency=2, drop="if_binary"
    )
    return ColumnTransformer(
        [
            ("numbers", numbers, columns_of(dtype_include="number")),
            ("categories", categories, columns_of(dtype_include="category")),
        ]
    )


def make_linear(is_classifier: bool) -> Any:
    return make_pipeline(
        encode_table(), LogisticRegression(max_iter=2000) if is_classifier else RidgeCV(np.logspace(-3, 4, 15))
    )


def make_forest(is_classifier: bool) -> Any:
    forest = RandomForestClassifier if is_classifier else RandomForestRegressor
    return make_pipeline(encode_table(), forest(random_state=0))


def make_boosting(is_classifier: bool, **parameters: Any) -> Any:
    """Return scikit-learn's gradient boosting, which takes gaps and categories as they are."""
    boosting = HistGradientBoostingClassifier if is_classifier else HistGradientBoostingRegressor
    return boosting(random_state=0, **parameters)


def make_mlp(is_classifier: bool, **parameters: Any) -> Any:
    """Return scikit-learn's network; the regressor gets a standardised target, which it needs and does not make."""
    if is_classifier:
        return make_pipeline(encode_table(), MLPClassifier(random_state=0, **parameters))
    network = MLPRegressor(random_state=0, **parameters)
    return make_pipeline(encode_table(), TransformedTargetRegressor(network, transformer=StandardScaler()))


def make_real_mlp(is_classifier: bool, variant: str) -> Any:
    """Return pytabkit's network, which encodes categories, and accepts no gaps in numbers."""
    import pytabkit
    import torch

    torch.set_num_threads(1)
    network = getattr(pytabkit, f"RealMLP_{variant}_{'Classifier' if is_classifier else 'Regressor'}")
    filled = ColumnTransformer(
        [("numbers", SimpleImputer(), columns_of(dtype_include="number"))],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    return make_pipeline(filled, network(device="cpu", n_threads=1, random_state=0, verbosity=0))


def make_moonnet(is_classifier: bool) -> Any:
    network = KerasMoonClassifier if is_classifier else KerasMoonRegressor
    return make_pipeline(encode_table(), network(random_state=0))


def make_tabular_pipeline(is_classifier: bool, **parameters: Any) -> Any:
    return tabular_pipeline("classifier" if is_classifier else "regressor", random_state=0, **parameters)


MOONNET = {
    "moonnet, lecture's defaults": make_moonnet,
    "moonnet, tabular_pipeline": make_tabular_pipeline,
    "moonnet, tabular_pipeline, high effort": partial(make_tabular_pipeline, effort="high"),
}
RECIPES = list(MOONNET)[1:]  # chosen on some of the tables
METHODS: dict[str, Callable[[bool], Any]] = {
    "linear model": make_linear,
    "random forest": make_forest,
    BASELINE: make_boosting,
    f"{BASELINE}, early stopping": partial(make_boosting, early_stopping=True, max_iter=500),
    "MLP": make_mlp,
    "MLP, early stopping": partial(make_mlp, early_stopping=True),
    "RealMLP-TD-S": partial(make_real_mlp, variant="TD_S"),
    "RealMLP-TD": partial(make_real_mlp, variant="TD"),
    **MOONNET,
}


# Measuring


def time_fit(model: Any, X: pd.DataFrame, y: np.ndarray) -> tuple[float, Any]:
    """Return the processor seconds of a fit, and the fitted model."""
    model = clone(model)
    started = time.process_time()
    model.fit(X, y)
    return time.process_time() - started, model


def measure(method: str, table: str, fold: int) -> dict[str, float]:
    """Return the scores of a method on a fold that it has not seen, and its processor seconds."""
    X, y = load(table)
    is_classifier = table in CLASSIFICATION
    splitter = (StratifiedKFold if is_classifier else KFold)(N_FOLDS, shuffle=True, random_state=0)
    train, test = list(splitter.split(X, y))[fold]
    X_train, y_train, X_test, y_test = X.iloc[train], y.iloc[train].to_numpy(), X.iloc[test], y.iloc[test].to_numpy()
    model = METHODS[method](is_classifier)
    seconds, fitted = time_fit(model, X_train, y_train)
    measured = {"first fit": seconds}
    if method in MOONNET:
        seconds, fitted = time_fit(model, X_train, y_train)
    started = time.process_time()
    predictions = fitted.predict_proba(X_test) if is_classifier else fitted.predict(X_test)
    measured |= {"fit": seconds, "predict": time.process_time() - started}
    if not is_classifier:
        return measured | {"RMSE": max(0.0, 1 - r2_score(y_test, np.ravel(predictions))) ** 0.5}
    return measured | class_scores(y_test, np.asarray(predictions, float), np.unique(y))


def class_scores(y: np.ndarray, probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return log loss, error and 1 - AUC: for more than two classes, the mean of each class against the rest."""
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)  # float32 rounds the sum
    scores = probabilities[:, 1] if len(labels) == 2 else probabilities
    auc = roc_auc_score(y, scores, multi_class="ovr", labels=labels)
    return {
        "log loss": log_loss(y, probabilities, labels=labels),
        "error": float(np.mean(labels[probabilities.argmax(axis=1)] != y)),
        "1 - AUC": 1 - float(auc),
    }


def measure_speed(rounds: int) -> dict[str, dict[str, float]]:
    """Return seconds and file sizes for 1,000 samples of 20 features, the methods taking turns."""
    X, y = make_classification(11_000, 20, n_informative=8, random_state=0)
    X = pd.DataFrame(X).add_prefix("column ")
    X_train, y_train, X_test = X.iloc[:1000], y[:1000], X.iloc[1000:]
    models = {method: make(True) for method, make in METHODS.items()}
    seconds: dict[str, dict[str, list[float]]] = {
        method: {"fit": [], "predict": [], "preprocess": []} for method in METHODS
    }
    sizes = {}
    for turn in range(rounds + 1):  # the first one warms up
        for method, model in models.items():
            if method.startswith("RealMLP") and turn > 1:
                continue
            fit_seconds, fitted = time_fit(model, X_train, y_train)
            started = time.process_time()
            fitted.predict_proba(X_test)
            predict_seconds = time.process_time() - started
            sizes[method] = len(pickle.dumps(fitted))
            if turn:
                seconds[method]["fit"].append(fit_seconds)
                seconds[method]["predict"].append(predict_seconds)
                if hasattr(model, "steps"):
                    started = time.process_time()
                    clone(model[:-1]).fit_transform(X_train, y_train)
                    seconds[method]["preprocess"].append(time.process_time() - started)
    return {
        method: {name: statistics.median(values) for name, values in measured.items() if values}
        | {"bytes": sizes[method]}
        for method, measured in seconds.items()
    }


# The cache


@cache
def fingerprint(method: str, table: str) -> str:
    """Return what tells a method with other parameters apart, so that the cache does not mix them."""
    model = METHODS[method](table in CLASSIFICATION)
    return hashlib.sha256(describe_model(model).encode()).hexdigest()[:12]


def describe_model(model: Any) -> str:
    """Return the parameters of an unfitted model in a line, the same in each process."""
    without_addresses = re.sub(r" object at 0x[0-9a-f]+", "", model.__repr__(N_CHAR_MAX=10**6))
    return " ".join(without_addresses.split())


def read_rows(folder: Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Return the finished fits of the methods as they are now."""
    rows = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            key = (row["method"], row["table"], row["fold"])
            if row["method"] in METHODS and row["fingerprint"] == fingerprint(row["method"], row["table"]):
                rows[key] = row
    return rows


def note_look(table: str, method: str) -> None:
    """Add a recipe of moonnet to the list of those that were judged by the reported tables, if it is not in it."""
    if table not in PARTS["reported"] or method not in RECIPES:
        return
    looks = json.loads(LOOKS.read_text()) if LOOKS.exists() else {}
    seen = looks.setdefault("reported", [])
    task = "classes" if table in CLASSIFICATION else "numbers"
    recipe = {"method": method, "task": task, "model": describe_model(METHODS[method](table in CLASSIFICATION))}
    if all(look | recipe != look for look in seen):
        seen.append({"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M}"} | recipe)
        LOOKS.write_text(json.dumps(looks, indent=1) + "\n")


def run(wanted: Iterable[tuple[str, str, int]], folder: Path) -> None:
    """Measure what is wanted and not in the cache, and add it to the file of this process."""
    done = read_rows(folder)
    folder.mkdir(exist_ok=True)
    with (folder / f"{os.getpid()}.jsonl").open("a") as file:
        for method, table, fold in wanted:
            if (method, table, fold) in done:
                continue
            row = {"method": method, "table": table, "fold": fold, "fingerprint": fingerprint(method, table)}
            note_look(table, method)
            row |= measure(method, table, fold)
            print(json.dumps(row), file=file, flush=True)
            print(f"{table:<14}{fold:<3}{method:<40}{row['fit']:8.2f} s", flush=True)


# Summaries


def summarise(scores: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return mean rank and mean ratio to gradient boosting of each method, with an interval over tables.

    ``scores`` has a row for each table and a column for each method. The mean is geometric, and the interval holds 90%
    of the means of tables drawn with replacement.
    """
    ranks = scores.rank(axis=1).mean()
    baseline = scores[BASELINE]
    logs = np.log(scores.div(baseline, axis=0).clip(*RATIO_BOUNDS)).to_numpy()
    draws = np.random.default_rng(0).integers(0, len(scores), (10_000, len(scores)))
    low, high = np.exp(np.quantile(logs[draws].mean(axis=1), [0.05, 0.95], axis=0))
    return {
        method: {"rank": ranks[method], "ratio": ratio, "low": low[index], "high": high[index]}
        for index, (method, ratio) in enumerate(zip(scores, np.exp(logs.mean(axis=0)), strict=True))
    }


def describe(table: str) -> dict[str, Any]:
    """Return the size and the kinds of columns of a table."""
    X, y = load(table)
    return {
        "rows": len(X),
        "numbers": X.select_dtypes("number").shape[1],
        "categories": X.select_dtypes("category").shape[1],
        "classes": y.nunique() if table in CLASSIFICATION else None,
    }


def record(rows: dict[tuple[str, str, int], dict[str, Any]], rounds: int) -> None:
    """Write the record: scores of each table, means over the folds, and summaries of each part."""
    frame = pd.DataFrame(rows.values())
    scores = {
        metric: frame.pivot_table(index="table", columns="method", values=metric)[list(METHODS)] for metric in METRICS
    }
    seconds = frame.groupby("method")[["fit", "predict"]].median().loc[list(METHODS)]
    parts = {
        part: {
            metric: summarise(table_scores.loc[[name for name in tables if name in METRICS[metric]]])
            for metric, table_scores in scores.items()
        }
        for part, tables in PARTS.items()
    }
    figures = {
        "folds": N_FOLDS,
        "tables": {part: {name: describe(name) for name in tables} for part, tables in PARTS.items()},
        "summary": parts,
        "seconds": seconds.to_dict("index"),
        "scores": {metric: table_scores.to_dict("index") for metric, table_scores in scores.items()},
        "1,000 x 20": measure_speed(rounds),
    }
    results.write("accuracy", figures, PACKAGES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="names, or a part: 'chosen with' or 'reported'")
    parser.add_argument("--methods", nargs="*", metavar="METHOD", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--core", type=int, default=0, help="the processor core to run on (Linux)")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of finished fits")
    parser.add_argument("--rounds", type=int, default=7, help="fits of each method for the times of 1,000 samples")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    warnings.simplefilter("ignore")  # of methods that have not converged
    every = [name for tables in PARTS.values() for name in tables]
    named = [name for given in options.tables for name in PARTS.get(given, (given,))] or every
    for name in named:
        if name not in every:
            parser.error(f"unknown table {name!r}; must be one of {', '.join(every)}, or one of {', '.join(PARTS)}")
    run(
        [(method, name, fold) for fold in range(N_FOLDS) for name in named for method in options.methods],
        options.cache,
    )
    rows = read_rows(options.cache)
    missing = len(METHODS) * len(every) * N_FOLDS - len(rows)
    if missing:
        print(f"{missing} fits are missing, so that no record is written.")
    else:
        record(rows, options.rounds)


if __name__ == "__main__":
    main()
