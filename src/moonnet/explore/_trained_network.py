"""The trained network on the page, and the files that the page offers for download."""

import csv
import io
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from sklearn.pipeline import make_pipeline

from moonnet import KerasMoonClassifier
from moonnet.explore._datasets import EditedDataset
from moonnet.explore._settings import Settings
from moonnet.networks import State


class TrainedNetwork(NamedTuple):
    """A fitted classifier with its data and, once recorded, the state after each epoch."""

    request_id: int  # of the page's request that led to it
    settings: Settings
    data: EditedDataset
    classifier: KerasMoonClassifier
    states: list[State]  # after each epoch, the initial ones first; empty until recorded

    @property
    def estimator(self) -> Any:
        """The classifier or, for a table, the pipeline that ends in it and takes the table's columns."""
        preprocessor = self.data.dataset.preprocessor
        return self.classifier if preprocessor is None else make_pipeline(preprocessor, self.classifier)


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
        path, model = Path(folder, "network.keras"), network.classifier.model_
        model.optimizer.build(model.trainable_variables)  # otherwise Keras warns when it loads the file
        model.save(path)
        return path.read_bytes()


def to_csv(network: TrainedNetwork) -> bytes:
    """Return the training and held-out samples as a CSV file, in the units of the axes."""
    data, dataset = network.data, network.data.dataset
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([*(axis.name for axis in dataset.axes), "class", "held_out"])
    for X, y, held_out in ((data.X, data.y, 0), (dataset.X_test, dataset.y_test, 1)):
        points = X * [axis.scale for axis in dataset.axes] + [axis.offset for axis in dataset.axes]
        rows.writerows([*point, label, held_out] for point, label in zip(points.tolist(), y.tolist(), strict=True))
    return text.getvalue().encode()


FILE_FORMATS = {"skops": to_skops, "keras": to_keras, "csv": to_csv}
