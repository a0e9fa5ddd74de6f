"""The Python script that trains the page's network again, to the last bit."""

from moonnet.explore._datasets import Samples, editing_code
from moonnet.explore._settings import Settings

_SCORES = """\
print(f"training accuracy {network.score(X_train, y_train):.3f}")
print(f"held-out accuracy {network.score(X_test, y_test):.3f}")"""


def script(settings: Settings, samples: Samples, backend: str) -> str:
    """Return the script; ``backend`` is Keras's, on which the bits depend."""
    imports = "\n".join(["import numpy as np", *samples.code.imports, "", "from moonnet import KerasMoonClassifier"])
    network = " ".join(repr(settings.classifier()).split())
    parts = [
        f'import os\n\nos.environ["KERAS_BACKEND"] = "{backend}"  # as on the page: the last bits depend on it',
        imports,
        samples.code.body,
        editing_code(samples, settings),
        f"network = {network}\nnetwork.fit(X_train, y_train)",
        _SCORES,
    ]
    if samples.prepare is not None:
        parts.append("model = make_pipeline(prepare, network)  # takes the columns as they are")
    return "\n\n".join(part for part in parts if part) + "\n"
