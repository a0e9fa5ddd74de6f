"""What one open page asks for, answered on a thread of its own; the newest request wins."""

import base64
import csv
import io
import json
import logging
import math
import threading
import time
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from sklearn.pipeline import make_pipeline

from moonnet import KerasMoonClassifier
from moonnet.explore._datasets import Data, OwnTable, Samples, edited, samples_of
from moonnet.explore._picture import picture
from moonnet.explore._protocol import NewestOfEachKind, packed
from moonnet.explore._python_script import script
from moonnet.explore._settings import Origin, Settings, controls
from moonnet.explore._user_tables import MOST_BYTES, CsvTable

# Fits that cost more, as _cost counts, send pictures during the training, each so many seconds. Only these can be
# stopped. The lecture's fit costs a fifth of it.
_MOST_COST_AT_ONCE = 1.6e8
_SECONDS_BETWEEN_PICTURES = 0.1
# The film is recorded when the page has asked for nothing else for so long: until then the processor is the browser's
_SECONDS_OF_REST = 0.15

# Requests that end what is under way
_NEW_NETWORKS = "train", "upload"

_log = logging.getLogger("moonnet.explore")
# Architectures compiled so far; used for the page's status only
_compiled: set[tuple] = set()


class _Fitted(NamedTuple):
    """The network on the page."""

    request_id: int  # of the request that it was trained for
    settings: Settings
    data: Data
    classifier: KerasMoonClassifier
    weights: list[list[np.ndarray]]  # of each epoch, the initial ones first; empty until they are recorded


class Session:
    """One page's requests and what they led to.

    ``send`` is called with an answer's box and the packed answer, on the session's thread, and for invalid requests on
    the caller's. The box is the answer's kind, for files with their name: of those in a box, only the newest counts.
    """

    def __init__(self, send: Callable[[str, bytes], None], own: OwnTable | None = None) -> None:
        self._send = send
        self._own = own
        self._requests = NewestOfEachKind()
        self._samples: tuple[Origin, OwnTable | None, Samples] | None = None
        self._fitted: _Fitted | None = None
        self._interrupted: dict[str, Any] | None = None  # the request of a training that a newer request has ended
        self._answers = {
            "hello": self._hello,
            "train": self._train,
            "frame": self._frame,
            "script": self._script,
            "file": self._file,
            "upload": self._upload,
        }
        self._work_on = {**self._answers, "record": self._record_shown}
        self._thread = threading.Thread(target=self._work, name="moonnet-explorer", daemon=True)
        self._thread.start()

    def receive(self, message: Any) -> None:
        """Take a request: a dict, or its JSON text. Invalid requests are answered with a problem, on this thread."""
        try:
            if isinstance(message, str | bytes):
                message = json.loads(message)
            if not isinstance(message, dict) or message.get("kind") not in self._answers:
                raise ValueError(f"A request must have a kind: {', '.join(self._answers)}.")
            request_id = message.get("id", 0)
            if type(request_id) is not int or not 0 <= request_id < 2**53:
                raise ValueError("A request's id must be a whole number.")
        except (ValueError, TypeError, RecursionError) as error:
            self._problem(0, f"Invalid request: {error}")
        else:
            self._requests.put(_box(message), {**message, "id": request_id})

    def close(self) -> None:
        """Stop what is under way, and wait until it has stopped: a program that is being compiled takes seconds."""
        self._requests.close()
        self._thread.join()

    @property
    def estimator(self) -> Any:
        """The fitted estimator on the page, with what comes before the network where there is something; or None."""
        fitted = self._fitted  # once, for the session's thread may replace it
        if fitted is None:
            return None
        prepare = fitted.data.samples.prepare
        return fitted.classifier if prepare is None else make_pipeline(prepare, fitted.classifier)

    def _work(self) -> None:
        self._answer(0, "busy", what="Keras is starting")
        try:
            import moonnet.training._loop  # noqa: F401
        except (ImportError, RuntimeError, ValueError) as error:  # which each training then raises, too
            self._problem(0, str(error))
        while (request := self._requests.take()) is not None:
            try:
                self._work_on[request["kind"]](request)
            except (ValueError, OSError, ImportError, RuntimeError, MemoryError) as error:
                self._problem(request["id"], str(error))
                self._resume(request)
            except Exception:  # noqa: BLE001 - the page goes on, whatever one request led to
                _log.exception("The explorer could not answer %s", request["kind"])
                self._problem(request["id"], "Internal error. The terminal has the details.")
                self._resume(request)

    def _resume(self, failed: dict[str, Any]) -> None:
        """Take up again what a request ended that then failed."""
        if failed["kind"] not in _NEW_NETWORKS or self._requests.holds(*_NEW_NETWORKS):
            return
        if self._interrupted is not None:
            self._requests.put("train", self._interrupted)
        elif self._fitted is not None and not self._fitted.weights:
            self._requests.put("record", {"kind": "record", "id": self._fitted.request_id})

    def _answer(self, request_id: int, kind: str, arrays: dict[str, np.ndarray] | None = None, **header: Any) -> None:
        self._send(
            _box({"kind": kind, "format": header.get("name")}),
            packed({"kind": kind, "id": request_id, **header}, arrays),
        )

    def _problem(self, request_id: int, message: str) -> None:
        self._answer(request_id, "problem", message=message[:1000])

    def _hello(self, request: dict[str, Any]) -> None:
        """Tell the page what it may ask for."""
        described = {"controls": controls(), "most_bytes": MOST_BYTES, **self._own_described()}
        self._answer(request["id"], "controls", **described)

    def _own_described(self) -> dict[str, Any]:
        """Return what a page needs to know of the user's own table."""
        if self._own is None:
            return {"own": None}
        features = [(target, self._own.features(target)) for target in self._own.targets]
        return {"own": {"name": self._own.name, "features": features}}

    def _upload(self, request: dict[str, Any]) -> None:
        """Take a CSV file as the user's own table."""
        name, content = request.get("name"), request.get("content")
        if not isinstance(name, str) or not isinstance(content, str):
            raise ValueError("A file must have a name and a content.")
        try:
            decoded = base64.b64decode(content, validate=True)
        except ValueError:
            raise ValueError("A file's content must be in Base64.") from None
        table = CsvTable.of_bytes(name, decoded)
        self._own = table
        self._answer(request["id"], "table", **self._own_described())

    def _train(self, request: dict[str, Any]) -> None:
        """Train a network as the page wants it, and show it; its epochs are recorded later."""
        from moonnet.training._loop import compiled_batch_size

        request_id, settings = request["id"], Settings.read(request.get("settings"))
        data = edited(self._samples_of(settings.origin), settings)
        self._interrupted = None
        if self._fitted is not None:  # whose film nobody sees any more
            self._fitted = self._fitted._replace(weights=[])
        architecture = (
            settings.hidden_layer_sizes,
            settings.activation,
            settings.optimizer,
            settings.dropout > 0,
            compiled_batch_size(settings.batch_size, len(data.y)),
            len(data.samples.classes),
        )
        takes_long = settings.early_stopping or _cost(settings, data) > _MOST_COST_AT_ONCE
        if architecture not in _compiled or takes_long:
            self._answer(request_id, "busy", what="training" if architecture in _compiled else "compiling")
        _compiled.add(architecture)
        if takes_long:
            if not self._record(request_id, settings, data, is_shown=False):
                self._interrupted = request
        else:
            classifier = settings.classifier().fit(data.X, data.y)
            self._fitted = _Fitted(request_id, settings, data, classifier, [])
            history = _as_json(classifier.history_)
            self._show(request_id, settings, data, classifier._weights, history=history, final=True)
            self._requests.put("record", {"kind": "record", "id": request_id})

    def _record_shown(self, request: dict[str, Any]) -> None:
        """Record the epochs of the network on the page, when the page has nothing else to ask for."""
        if not self._requests.waits_for(_SECONDS_OF_REST):
            fitted = self._current()
            self._record(fitted.request_id, fitted.settings, fitted.data, is_shown=True)
        elif not self._requests.holds(*_NEW_NETWORKS):
            self._requests.put("record", request)

    def _record(self, request_id: int, settings: Settings, data: Data, *, is_shown: bool) -> bool:
        """Train a network and keep the weights of each epoch; send pictures during the training unless ``is_shown``.

        Return False if a newer request has ended the training.
        """
        from moonnet.explore._recorder import Recorder

        shown_at = time.monotonic()

        def should_continue(recorder: Recorder) -> bool:
            nonlocal shown_at
            if self._requests.holds(*_NEW_NETWORKS):
                return False
            if not is_shown and time.monotonic() - shown_at > _SECONDS_BETWEEN_PICTURES:
                self._show(
                    request_id, settings, data, recorder.weights[-1], history=_as_json(recorder.history), final=False
                )
                shown_at = time.monotonic()
            return True

        recorder = Recorder(data, settings.activation, should_continue)
        classifier = settings.classifier()._fit(data.X, data.y, observers=[recorder])
        if self._requests.holds(*_NEW_NETWORKS):
            return False
        self._fitted = _Fitted(request_id, settings, data, classifier, recorder.weights)
        if not is_shown:
            self._show(request_id, settings, data, classifier._weights, history=_as_json(recorder.history), final=True)
        # With early stopping, the network is that of the best epoch
        of_epochs = [all(map(np.array_equal, weights, classifier._weights)) for weights in recorder.weights]
        n_epochs = len(recorder.weights) - 1
        self._answer(
            request_id,
            "film",
            history=_as_json(recorder.history),
            epochs=n_epochs,
            final_epoch=n_epochs - of_epochs[::-1].index(True),
        )
        return True

    def _show(
        self,
        request_id: int,
        settings: Settings,
        data: Data,
        weights: list[np.ndarray],
        kind: str = "picture",
        **header: Any,
    ) -> None:
        """Send a picture of a network with these weights."""
        figures, arrays = picture(data, weights, settings.activation)
        axes = [axis._asdict() for axis in data.samples.axes]
        classes = list(map(str, data.samples.classes.tolist()))
        self._answer(request_id, kind, arrays, axes=axes, classes=classes, note=data.samples.note, **figures, **header)

    def _frame(self, request: dict[str, Any]) -> None:
        """Show the network as it was after an epoch."""
        fitted, epoch = self._current(), request.get("epoch")
        if not fitted.weights:
            raise ValueError("The network's epochs are not recorded yet.")
        if type(epoch) is not int or not 0 <= epoch < len(fitted.weights):
            raise ValueError(f"epoch must be a whole number from 0 to {len(fitted.weights) - 1}.")
        weights = fitted.weights[epoch]
        self._show(request["id"], fitted.settings, fitted.data, weights, kind="frame", epoch=epoch)

    def _script(self, request: dict[str, Any]) -> None:
        """Send the script that trains the network again."""
        from moonnet.training._keras import keras

        fitted = self._current()
        text = script(fitted.settings, fitted.data.samples, keras.backend.backend())
        self._answer(request["id"], "script", text=text)

    def _file(self, request: dict[str, Any]) -> None:
        """Send the network or its samples as a file."""
        makers = {"skops": self._as_skops, "keras": self._as_keras, "csv": self._as_csv}
        ending = request.get("format")
        if not isinstance(ending, str) or ending not in makers:
            raise ValueError(f"format must be one of {', '.join(makers)}.")
        fitted = self._current()
        content = makers[ending](fitted)
        stem = Path(self._own.name).stem if self._own and fitted.settings.data == "own" else fitted.settings.data
        name = f"{stem}.{ending}"
        self._answer(request["id"], "file", {"content": np.frombuffer(content, np.uint8)}, name=name)

    def _as_skops(self, fitted: _Fitted) -> bytes:
        try:
            import skops.io
        except ImportError as error:
            raise ImportError("A skops file needs skops: pip install 'moonnet[explore]'") from error

        return skops.io.dumps(self.estimator, compression=zipfile.ZIP_DEFLATED)

    def _as_keras(self, fitted: _Fitted) -> bytes:
        with TemporaryDirectory() as folder:
            path, model = Path(folder, "network.keras"), fitted.classifier.model_
            model.optimizer.build(model.trainable_variables)  # or Keras warns of what it misses when it loads the file
            model.save(path)
            return path.read_bytes()

    def _as_csv(self, fitted: _Fitted) -> bytes:
        samples = fitted.data.samples
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow([*(axis.name for axis in samples.axes), "class", "held_out"])
        for X, y, held_out in ((fitted.data.X, fitted.data.y, 0), (samples.X_test, samples.y_test, 1)):
            points = X * [axis.scale for axis in samples.axes] + [axis.offset for axis in samples.axes]
            rows.writerows([*point, label, held_out] for point, label in zip(points.tolist(), y.tolist(), strict=True))
        return text.getvalue().encode()

    def _current(self) -> _Fitted:
        if self._fitted is None:
            raise ValueError("There is no network yet.")
        return self._fitted

    def _samples_of(self, origin: Origin) -> Samples:
        """Return the samples; those asked for last are kept."""
        if self._samples is None or self._samples[0] != origin or self._samples[1] is not self._own:
            self._samples = origin, self._own, samples_of(origin, self._own)
        return self._samples[2]


def _box(request: dict[str, Any]) -> str:
    """Return the kind of which only the newest request counts: files of different formats do not replace each other."""
    return f"file {request.get('format')}" if request["kind"] == "file" else request["kind"]


def _cost(settings: Settings, data: Data) -> float:
    """Return how long a fit takes, in products of a weight and a sample; each step takes some thousands more."""
    sizes = [2, *settings.hidden_layer_sizes, len(data.samples.classes)]
    n_weights = sum((inputs + 1) * units for inputs, units in pairwise(sizes))
    batch_size = min(settings.batch_size, len(data.y))
    steps = settings.epochs * math.ceil(len(data.y) / batch_size)
    return steps * (20_000 + batch_size * n_weights)


def _as_json(history: dict[str, list[float]]) -> dict[str, list[float | None]]:
    return {name: _finite(values) for name, values in history.items()}


def _finite(values: list[float]) -> list[float | None]:
    """Replace numbers that are not finite by None."""
    return [value if math.isfinite(value) else None for value in values]
