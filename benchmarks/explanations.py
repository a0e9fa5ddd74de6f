"""Measure the time of scikit-learn's and SHAP's explanations of two pipelines on a table of 30 columns.

The models are a scaler with a single network, and ``tabular_pipeline`` with its ensemble of eight. Each explains its
predictions of the breast-cancer data as a dataframe. All measurements take turns in one process, on one core. Processor
time varies less on a busy machine than elapsed time.
"""

import argparse
import time
import warnings

import numpy as np
import results
from sklearn.datasets import load_breast_cancer
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from moonnet import KerasMoonClassifier
from moonnet.tables import tabular_pipeline

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import shap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="runs of each measurement")
    options = parser.parse_args()

    results.print_machine(("moonnet", "scikit-learn", "shap", "numpy"))
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    models = {
        "StandardScaler + network": make_pipeline(StandardScaler(), KerasMoonClassifier(epochs=30, random_state=0)),
        "tabular_pipeline": tabular_pipeline("classifier", random_state=0),
    }
    tools = {
        "permutation importance, 10 repeats, 143 rows": lambda model: permutation_importance(
            model, X_test, y_test, scoring="neg_log_loss", n_repeats=10, random_state=0
        ),
        "partial dependence, 1 column, 143 rows": lambda model: partial_dependence(model, X_test, ["worst area"]),
        "SHAP, 1 row, 100 background rows": lambda model: shap.Explainer(model.predict_proba, X_train[:100], seed=0)(
            X_test[:1], silent=True
        ),
    }
    seconds: dict[tuple[str, str], list[float]] = {(tool, name): [] for tool in tools for name in models}
    for model in models.values():
        model.fit(X_train, y_train)
    with threadpool_limits(1):
        for round_ in range(options.rounds + 1):
            for (tool, name), values in seconds.items():
                started = time.process_time()
                tools[tool](models[name])
                if round_ > 0:  # the first one compiles SHAP's functions, and warms caches
                    values.append(time.process_time() - started)
    print(f"{'':<46}" + "".join(f"{name:>26}" for name in models))
    for tool in tools:
        medians = [np.median(seconds[tool, name]) for name in models]
        print(f"{tool:<46}" + "".join(f"{median:>24.2f} s" for median in medians))


if __name__ == "__main__":
    main()
