"""Measure calibration and the coverage of intervals on real tables: of a network, of ensembles, and of MAPIE.

Each method is fitted on two thirds of a table and judged on the last third, for each of the three folds, twice with
other folds. Networks have the lecture's defaults. Times are processor seconds, because the machine is shared; each is
divided by that of a single network in the same fold. All programs are compiled before.
"""

import argparse
import logging
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np
import results
from accuracy import encode_table
from accuracy_tables import load
from mapie.classification import SplitConformalClassifier
from mapie.regression import ConformalizedQuantileRegressor, CrossConformalRegressor, SplitConformalRegressor
from mapie_quantile import Quantile
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_classification, make_friedman1, make_moons
from sklearn.ensemble import BaggingClassifier, BaggingRegressor, VotingClassifier, VotingRegressor
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor

PACKAGES = ("moonnet", "keras", "jax", "scikit-learn", "numpy", "pandas", "mapie")
# Chosen before the first measurement: two, three and four classes; the smallest table has 442 rows
CLASSES = ("churn", "contraceptive", "credit", "german", "OJ", "phoneme", "pima", "vehicle")
NUMBERS = ("airfoil", "ames", "boston", "concrete", "diabetes", "houses", "saratoga", "wage")
N_FOLDS, N_REPEATS = 3, 2
N_BINS = 15  # of the expected calibration error
N_MEMBERS, CONFIDENCE = 5, 0.9
COST_ROUNDS = 25
Z = statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
CONFORMAL_SHARE = 0.25  # of the training rows, which conformalize the intervals instead of training the network


def around_tables(estimator: Any) -> Any:
    """Return a pipeline that also encodes the table."""
    return make_pipeline(encode_table(), estimator)


# Classification: each method returns a model with predict_proba, fitted

NETWORK = KerasMoonClassifier(random_state=0)
CALIBRATED = {
    "network": NETWORK,
    "sigmoid": CalibratedClassifierCV(NETWORK, method="sigmoid", cv=5),
    "isotonic": CalibratedClassifierCV(NETWORK, method="isotonic", cv=5),
    "temperature": CalibratedClassifierCV(NETWORK, method="temperature", cv=5),
    "bagging": BaggingClassifier(NETWORK, N_MEMBERS, random_state=0),
    "deep ensemble": DeepEnsembleClassifier(n_estimators=N_MEMBERS, random_state=0),
}


def calibration(probabilities: np.ndarray, indices: np.ndarray) -> dict[str, float]:
    """Return log loss, Brier score (0 to 1) and expected calibration error of the predicted class."""
    probabilities = probabilities.astype(float)
    rows = np.arange(len(indices))
    one_hot = np.eye(probabilities.shape[1])[indices]
    confidence, is_right = probabilities.max(axis=1), probabilities.argmax(axis=1) == indices
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    gaps = [abs(np.sum(is_right[bins == index] - confidence[bins == index])) for index in range(N_BINS)]
    return {
        "log loss": -np.mean(np.log(np.clip(probabilities[rows, indices], 1e-15, 1))),
        "Brier": np.mean(np.sum((probabilities - one_hot) ** 2, axis=1)) / 2,
        "ECE": sum(gaps) / len(indices),
        "error": 1 - is_right.mean(),
    }


def measure_classes(name: str) -> dict[str, Any]:
    """Return the figures of each method on a table of classes."""
    X, y = load(name)
    labels, y = np.unique(y, return_inverse=True)
    figures: dict[str, dict[str, list[float]]] = {}
    folds = RepeatedStratifiedKFold(n_splits=N_FOLDS, n_repeats=N_REPEATS, random_state=0)
    for train, test in warmed_up(folds.split(X, y)):
        X_train, y_train = X.iloc[train], y[train]
        alone = 0.0
        for method, model in CALIBRATED.items():
            model, seconds = timed(around_tables(clone(model)).fit, X_train, y_train)
            alone = seconds if method == "network" else alone
            scores = calibration(model.predict_proba(X.iloc[test]), y[test])
            record(figures, method, scores | {"fits": seconds / alone})
        model, seconds = timed(conformal_sets, X_train, y_train)
        _, sets = model.predict_set(X.iloc[test])
        is_member = sets[np.arange(len(test)), y[test], 0]
        record(figures, "split conformal", {"coverage": is_member.mean(), "set size": sets[..., 0].sum(axis=1).mean()})
        record(figures, "split conformal", {"fits": seconds / alone})
    return {"rows": len(X), "classes": len(labels), "methods": means(figures)}


def conformal_sets(X: Any, y: Any) -> Any:
    """Return MAPIE's sets of classes around a network."""
    X_fit, X_rest, y_fit, y_rest = train_test_split(X, y, test_size=CONFORMAL_SHARE, stratify=y, random_state=0)
    model = SplitConformalClassifier(around_tables(NETWORK), confidence_level=CONFIDENCE, prefit=False, random_state=0)
    return model.fit(X_fit, y_fit).conformalize(X_rest, y_rest)


# Regression: each method returns a function from X to the lower and upper limits

REGRESSOR = KerasMoonRegressor(random_state=0)


def of_members(ensemble: Any) -> Callable[..., Any]:
    """Return a method that takes the spread of the members for a normal distribution."""

    def fit(X: Any, y: Any) -> Callable[[Any], np.ndarray]:
        model = around_tables(clone(ensemble)).fit(X, y)

        def limits(X: Any) -> np.ndarray:
            encoded = model[:-1].transform(X)
            members = [member.predict(encoded) for member in model[-1].estimators_]
            return np.mean(members, axis=0)[:, None] + Z * np.std(members, axis=0, ddof=1)[:, None] * [-1, 1]

        return limits

    return fit


def split_conformal(X: Any, y: Any) -> Callable[[Any], np.ndarray]:
    """Fit MAPIE's split conformal regressor."""
    X_fit, X_rest, y_fit, y_rest = train_test_split(X, y, test_size=CONFORMAL_SHARE, random_state=0)
    model = SplitConformalRegressor(around_tables(REGRESSOR), confidence_level=CONFIDENCE, prefit=False)
    model.fit(X_fit, y_fit).conformalize(X_rest, y_rest)
    return lambda X: model.predict_interval(X)[1][..., 0]


def cross_conformal(X: Any, y: Any) -> Callable[[Any], np.ndarray]:
    """Fit MAPIE's cross conformal regressor (CV+)."""
    model = CrossConformalRegressor(around_tables(REGRESSOR), confidence_level=CONFIDENCE, cv=5, random_state=0)
    model.fit_conformalize(X, y)
    return lambda X: model.predict_interval(X)[1][..., 0]


def fit_quantiles(X: Any, y: Any) -> Any:
    """Return a network for the lower limit, the median and the upper limit."""
    levels = [(1 - CONFIDENCE) / 2, 0.5, (1 + CONFIDENCE) / 2]
    return around_tables(clone(REGRESSOR).set_params(loss="pinball", quantile=levels)).fit(X, y)


def quantiles(pipeline: Any, X: Any) -> np.ndarray:
    """Return all quantiles of each row."""
    return pipeline[-1].predict_quantiles(pipeline[:-1].transform(X))


def quantile_network(X: Any, y: Any) -> Callable[[Any], np.ndarray]:
    """Fit a network for both limits."""
    pipeline = fit_quantiles(X, y)
    return lambda X: quantiles(pipeline, X)[:, [0, -1]]


def conformalized_quantiles(X: Any, y: Any) -> Callable[[Any], np.ndarray]:
    """Fit a network for quantiles, and MAPIE's correction of them."""
    X_fit, X_rest, y_fit, y_rest = train_test_split(X, y, test_size=CONFORMAL_SHARE, random_state=0)
    pipeline = fit_quantiles(X_fit, y_fit)
    networks = [Quantile(partial(quantiles, pipeline), index) for index in (0, 2, 1)]  # the order that MAPIE asks for
    model = ConformalizedQuantileRegressor(networks, confidence_level=CONFIDENCE, prefit=True)
    model.conformalize(X_rest, y_rest)
    return lambda X: model.predict_interval(X)[1][..., 0]


INTERVALS = {
    "deep ensemble": of_members(DeepEnsembleRegressor(n_estimators=N_MEMBERS, random_state=0)),
    "bagging": of_members(BaggingRegressor(REGRESSOR, N_MEMBERS, random_state=0)),
    "quantile network": quantile_network,
    "split conformal": split_conformal,
    "cross conformal": cross_conformal,
    "conformalized quantiles": conformalized_quantiles,
}


def measure_numbers(name: str) -> dict[str, Any]:
    """Return the figures of each method on a table of numbers."""
    X, y = load(name)
    figures: dict[str, dict[str, list[float]]] = {}
    folds = RepeatedKFold(n_splits=N_FOLDS, n_repeats=N_REPEATS, random_state=0)
    for train, test in warmed_up(folds.split(X)):
        X_train, y_train, y_test = X.iloc[train], y.iloc[train], y.iloc[test].to_numpy()
        _, alone = timed(around_tables(clone(REGRESSOR)).fit, X_train, y_train)
        for method, fit in INTERVALS.items():
            limits, seconds = timed(fit, X_train, y_train)
            low, high = limits(X.iloc[test]).T
            is_inside = (y_test >= low) & (y_test <= high)
            scores = {"coverage": is_inside.mean(), "width": np.mean(high - low) / y.std()}
            record(figures, method, scores | {"fits": seconds / alone})
    return {"rows": len(X), "methods": means(figures)}


# The cost of ensembles around a network, without a table to encode


def measure_cost() -> dict[str, Any]:
    """Return the processor seconds of a single network, and those of each ensemble relative to it, interleaved."""
    moons, iris = make_moons(200, noise=0.2, random_state=0), load_iris(return_X_y=True)
    classes = {
        "bagging": BaggingClassifier(NETWORK, N_MEMBERS, random_state=0),
        "voting": VotingClassifier(members(NETWORK), voting="soft"),
        "deep ensemble": DeepEnsembleClassifier(n_estimators=N_MEMBERS, random_state=0),
    }
    numbers = {
        "bagging": BaggingRegressor(REGRESSOR, N_MEMBERS, random_state=0),
        "voting": VotingRegressor(members(REGRESSOR)),
        "deep ensemble": DeepEnsembleRegressor(n_estimators=N_MEMBERS, random_state=0),
    }
    jobs = {
        "moons": (moons, NETWORK, classes),
        "iris": (iris, NETWORK, classes),
        "friedman1": (make_friedman1(500, random_state=0), REGRESSOR, numbers),
        "made classes": (make_classification(2000, 20, random_state=0), NETWORK, classes),
    }
    figures = {}
    for name, ((X, y), network, ensembles) in jobs.items():
        seconds: dict[str, list[float]] = {}
        for _ in range(COST_ROUNDS + 1):  # in the first, programs compile
            for method, model in ({"network": network} | ensembles).items():
                seconds.setdefault(method, []).append(timed(clone(model).fit, X, y)[1])
        alone = np.array(seconds.pop("network")[1:])
        fits = {method: float(np.median(values[1:] / alone)) for method, values in seconds.items()}
        figures[name] = {"shape": list(X.shape), "seconds": float(np.median(alone)), "fits": fits}
        print(name, figures[name], flush=True)
    return figures


def members(network: Any) -> list[tuple[str, Any]]:
    """Return the members of a voting ensemble, which differ in their random states."""
    return [(str(seed), clone(network).set_params(random_state=seed)) for seed in range(N_MEMBERS)]


def warmed_up(folds: Iterator[tuple[np.ndarray, np.ndarray]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the first fold twice: ``record`` leaves out the first time, in which programs compile."""
    global is_warm
    is_warm = False
    first = next(folds)
    yield first
    is_warm = True
    yield first
    yield from folds


is_warm = False


def record(figures: dict[str, dict[str, list[float]]], method: str, scores: dict[str, float]) -> None:
    for metric, value in scores.items():
        if is_warm:
            figures.setdefault(method, {}).setdefault(metric, []).append(float(value))


def means(figures: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, float]]:
    """Return the mean of each score over the folds, and the median cost in fits."""
    return {
        method: {
            metric: statistics.median(values) if metric == "fits" else statistics.mean(values)
            for metric, values in scores.items()
        }
        for method, scores in figures.items()
    }


def timed(fit: Callable[[Any, Any], Any], X: Any, y: Any) -> tuple[Any, float]:
    """Return the result of a fit, and its processor seconds."""
    start = time.process_time()
    return fit(X, y), time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tables", nargs="*", help="only these, without a record")
    tables = parser.parse_args().tables
    warnings.filterwarnings("ignore", message="Found unknown categories")
    logging.disable(logging.INFO)  # MAPIE's
    content: dict[str, Any] = {"splits": N_FOLDS * N_REPEATS, "cost rounds": COST_ROUNDS, "classes": {}, "numbers": {}}
    for task, names, measure in (("classes", CLASSES, measure_classes), ("numbers", NUMBERS, measure_numbers)):
        for name in names:
            if not tables or name in tables:
                content[task][name] = measure(name)
                print(name)
                for method, scores in content[task][name]["methods"].items():
                    print(f"  {method:24}", *(f"{metric} {value:.3f}" for metric, value in scores.items()), flush=True)
    if not tables:
        content["cost"] = measure_cost()
        results.write("uncertainty", content, PACKAGES)


if __name__ == "__main__":
    main()
