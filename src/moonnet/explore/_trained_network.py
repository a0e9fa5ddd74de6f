"""The trained network on the page, and the files that the page offers for download."""

import csv
import io
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from sklearn.pipeline import make_pipeline

from moonnet.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor
from moonnet.explore._datasets import PlaneDataset
from moonnet.explore._film import Film
from moonnet.explore._members import Ensemble, Network, mean_history, members_of
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
    """A fitted network or ensemble with its data and, once recorded, its film."""

    request_id: int  # of the page's request that led to it
    settings: Settings
    data: PlaneDataset
    predictor: Network | Ensemble
    film: Film | None

    @property
    def members(self) -> list[Network]:
        """The networks: one, or those of an ensemble."""
        return members_of(self.predictor)

    @property
    def architecture(self) -> Any:
        """The architecture of the networks, a DenseStack."""
        return self.members[0]._network

    @property
    def targets(self) -> list[Any]:
        """The targets of each network's training, which differ if early stopping holds out different numbers."""
        return [member._targets for member in self.members]

    @property
    def states(self) -> list[State]:
        """The state of each network."""
        return [member._state for member in self.members]

    @property
    def history(self) -> dict[str, list[float]]:
        """The history of the training; of several networks the mean."""
        return mean_history([member.history_ for member in self.members])

    @property
    def estimator(self) -> Any:
        """The network, or a pipeline that ends in it and takes coordinates on the plane or a table's columns."""
        transformers = [step for step in (self.data.preprocessor, self.data.inputs.transformer) if step is not None]
        return make_pipeline(*transformers, self.predictor) if transformers else self.predictor


def unfitted(settings: Settings, data: PlaneDataset) -> Any:
    """Return the unfitted classifier or regressor for the samples: a network or, with more than one, their ensemble."""
    network = settings.regressor() if data.is_regression else settings.classifier()
    if settings.n_estimators == 1:
        return network
    ensemble = DeepEnsembleRegressor if data.is_regression else DeepEnsembleClassifier
    seed = network.random_state
    return ensemble(network.set_params(random_state=None), settings.n_estimators, n_jobs=-1, random_state=seed)


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
    """Return the Keras model as a .keras file; that of an ensemble has the mean of the members' outputs."""
    with TemporaryDirectory() as folder:
        path, models = Path(folder, "network.keras"), [member.model_ for member in network.members]
        for model in models:
            model.optimizer.build(model.trainable_variables)  # otherwise Keras warns when it loads the file
        (models[0] if len(models) == 1 else _average(models)).save(path)
        return path.read_bytes()


def _average(models: list[Any]) -> Any:
    """Return a Keras model with the mean of the outputs of some models."""
    from moonnet._keras import keras

    for index, model in enumerate(models):
        model.name = f"member_{index}"  # names must differ
    inputs = keras.Input(models[0].input_shape[1:])
    return keras.Model(inputs, keras.layers.average([model(inputs) for model in models]))


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
