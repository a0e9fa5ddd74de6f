"""Write the pickle of this version, which later versions must be able to load. Run it before each release.

The pickle is a dict of problem names to (fitted estimator, X, y, predicted probabilities).
"""

import pickle
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris, make_moons, make_multilabel_classification

from moonnet import KerasMoonClassifier, __version__

IRIS = load_iris()
PROBLEMS = {
    "moons": make_moons(60, noise=0.2, random_state=0),
    "strings": (IRIS.data, IRIS.target_names[IRIS.target]),
    "several labels": make_multilabel_classification(60, n_features=8, n_classes=3, random_state=0),
}


def main() -> None:
    fitted = {}
    for name, (X, y) in PROBLEMS.items():
        clf = KerasMoonClassifier((12, 6), warm_start=True, epochs=200, dropout=0.01, random_state=0).fit(X, y)
        fitted[name] = (clf, X, np.asarray(y), clf.predict_proba(X))
    path = Path(__file__).with_name(f"moonnet-{__version__}.pickle")
    path.write_bytes(pickle.dumps(fitted, protocol=5))
    print(f"wrote {path.name}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
