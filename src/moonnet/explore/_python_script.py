"""The Python script that trains the network on the page again, bit-for-bit identical."""

from moonnet.explore._datasets import Dataset, edits_code
from moonnet.explore._settings import Settings

_SCORES = """\
print(f"training accuracy {network.score(X_train, y_train):.3f}")
print(f"held-out accuracy {network.score(X_test, y_test):.3f}")"""


def make_script(settings: Settings, dataset: Dataset, backend: str) -> str:
    """Return the script; ``backend`` is the Keras backend, on which the exact results depend."""
    imports = "\n".join(["import numpy as np", *dataset.code.imports, "", "from moonnet import KerasMoonClassifier"])
    network = " ".join(repr(settings.classifier()).split())
    parts = [
        f'import os\n\nos.environ["KERAS_BACKEND"] = "{backend}"  # as on the page; another engine rounds differently',
        imports,
        dataset.code.body,
        edits_code(dataset, settings),
        f"network = {network}\nnetwork.fit(X_train, y_train)",
        _SCORES,
    ]
    if dataset.preprocessor is not None:
        parts.append("model = make_pipeline(preprocessor, network)  # takes the original columns")
    return "\n\n".join(part for part in parts if part) + "\n"
