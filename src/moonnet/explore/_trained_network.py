"""The trained network on the page, and the files that the page offers for download."""

import csv
import io
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from sklearn.pipeline import make_pipeline

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.explore._datasets import PlaneDataset
from moonnet.explore._settings import Settings
from moonnet.networks import State
from moonnet.tables._python_code import estimator_code, script

_ACCURACIES = """\
print(f"training accuracy {network.score(X_train, y_train):.3f}")
print(f"held-out accuracy {network.score(X_test, y_test):.3f}")"""
_ERRORS = """\
print(f"training R2 {network.score(X_train, y_train):.3f}")
print(f"held-out R2 {network.score(X_test, y_test):.3f}")
print(f"held-out RMSE {root_mean_squared_error(y_test, network.predict(X_test)):.4g}")"""


class TrainedNetwork(NamedTuple):
    """A fitted network with its data and, once recorded, the state after each epoch."""

    request_id: int  # of the page's request that led to it
    settings: Settings
    data: PlaneDataset
    predictor: KerasMoonClassifier | KerasMoonRegressor
    states: list[State]  # after each epoch, the initial ones first; empty until recorded

    @property
    def estimator(self) -> Any:
        """The network, or a pipeline that ends in it and takes coordinates on the plane or a table's columns."""
        transformers = [step for step in (self.data.preprocessor, self.data.inputs.transformer) if step is not None]
        return make_pipeline(*transformers, self.predictor) if transformers else self.predictor


def unfitted(settings: Settings, data: PlaneDataset) -> Any:
    """Return the unfitted classifier or regressor for the samples."""
    return settings.regressor() if data.is_regression else settings.classifier()


def to_script(network: TrainedNetwork) -> str:
    """Return the Python script that trains the network again, bit-for-bit identical."""
    estimator, transformer = unfitted(network.settings, network.data), network.data.inputs.transformer
    if transformer is not None:
        estimator = make_pipeline(transformer, estimator)
    scores = _ERRORS if network.data.is_regression else _ACCURACIES
    parts = [network.data.code, f"network = {estimator_code(estimator)}\nnetwork.fit(X_train, y_train)", scores]
    if network.data.preprocessor is not None:
        parts.append("model = make_pipeline(preprocessor, network)  # takes the original columns")
    return script("\n\n".join(parts))


def to_skops(network: TrainedNetwork) -> bytes:
    """Return the estimator as a skops file."""
    try:
        import skops.io
    except ImportError as error:
        raise ImportError("A skops file needs skops: pip install 'moonnet[explore]'") from error

    return skops.io.dumps(network.estimator, compression=zipfile.ZIP_DEFLATED)


def to_keras(network: TrainedNetwork) -> bytes:
    """Return the Keras model as a .keras file."""
    with TemporaryDirectory() as folder:
        path, model = Path(folder, "network.keras"), network.predictor.model_
        model.optimizer.build(model.trainable_variables)  # otherwise Keras warns when it loads the file
        model.save(path)
        return path.read_bytes()


def to_csv(network: TrainedNetwork) -> bytes:
    """Return the training and held-out samples as a CSV file, in the units of the axes."""
    data = network.data
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    target = "class" if data.target is None else data.target.name
    rows.writerow([*(axis.name for axis in data.features), target, "held_out"])
    for X, y, held_out in ((data.X_train, data.y_train, 0), (data.X_test, data.y_test, 1)):
        points = X * [axis.scale for axis in data.features] + [axis.offset for axis in data.features]
        rows.writerows([*point, label, held_out] for point, label in zip(points.tolist(), y.tolist(), strict=True))
    return text.getvalue().encode()


FILE_FORMATS = {"skops": to_skops, "keras": to_keras, "csv": to_csv}
