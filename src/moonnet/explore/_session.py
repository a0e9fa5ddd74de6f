"""One open page: its requests, answered on a thread of the page's own; a newer request replaces an older one."""

import atexit
import base64
import json
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from moonnet.explore._datasets import PlaneDataset, UserTable, apply_edits, load_dataset
from moonnet.explore._members import TrainingInterruptedError, fit_observed
from moonnet.explore._picture import compute_picture, compute_plane
from moonnet.explore._protocol import LatestMessageQueue, pack_message
from moonnet.explore._settings import MAX_SEED, OPTIMIZERS, DatasetSettings, Settings, describe_controls
from moonnet.explore._trained_network import FILE_FORMATS, TrainedNetwork, to_script, unfitted
from moonnet.explore._user_tables import MAX_FILE_BYTES, CsvTable
from moonnet.networks import DenseStack, State

# Fits whose _training_cost is larger send pictures during the training, and can be interrupted. The lecture's fit has a
# fifth of this cost.
_MAX_COST_WITHOUT_PROGRESS = 1.6e8
_SECONDS_BETWEEN_PICTURES = 0.1
# The epochs are recorded once the page has been idle for this long, to leave the processor to the browser until then
_IDLE_SECONDS_BEFORE_RECORDING = 0.15

# Of the weights in a film, for which an ensemble stores fewer epochs; the largest film of one network has 22 million
_MAX_FILM_WEIGHTS = 25_000_000

_SEED_RESOLUTION = 48  # grid points along each axis of the small planes of other seeds
_MAX_SEEDS = 9

# Requests that a page sends
_PAGE_KINDS = "hello", "train", "frame", "seeds", "script", "file", "upload"
# Requests that interrupt a training or recording
_INTERRUPTING_KINDS = "train", "upload"

_log = logging.getLogger("moonnet.explore")
# Architectures compiled so far in this process, for the page's status only
_compiled_architectures: set[tuple] = set()


class Session:
    """The requests of one page, and the network that it shows.

    ``send`` is called with a queue key and a packed answer: on the session's thread, or for invalid requests on the
    caller's. Of answers with the same key, only the latest needs to reach the page. ``picture_context`` returns a
    context in which pictures are computed.
    """

    def __init__(
        self,
        send: Callable[[str, bytes], None],
        table: UserTable | None = None,
        picture_context: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self._send = send
        self._table = table
        self._picture_context = picture_context
        self._requests = LatestMessageQueue()
        self._loaded: tuple[DatasetSettings, UserTable | None, PlaneDataset] | None = None
        self._network: TrainedNetwork | None = None
        self._interrupted_request: dict[str, Any] | None = None  # a training that a newer request interrupted
        self._thread = threading.Thread(target=self._run, name="moonnet-explorer", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # a thread that runs JAX when the interpreter ends aborts the process

    def receive(self, message: Any) -> None:
        """Queue a request, given as a dict or its JSON text. Answer invalid requests at once, on this thread."""
        try:
            if isinstance(message, str | bytes):
                message = json.loads(message)
            if not isinstance(message, dict) or message.get("kind") not in _PAGE_KINDS:
                raise ValueError(f"A request must have a kind: {', '.join(_PAGE_KINDS)}.")
            if message["kind"] == "file" and message.get("format") not in tuple(FILE_FORMATS):
                raise ValueError(f"format must be one of {', '.join(FILE_FORMATS)}.")
            request_id = message.get("id", 0)
            if type(request_id) is not int or not 0 <= request_id < 2**53:
                raise ValueError("A request's id must be a whole number.")
        except (ValueError, TypeError, RecursionError) as error:
            self._send_problem(0, f"Invalid request: {error}")
        else:
            self._requests.put(_queue_key(message), {**message, "id": request_id})

    def close(self) -> None:
        """Stop the training and wait for the thread to end, which takes seconds if a program is being compiled.

        The estimator remains; the film and the table are freed.
        """
        self._requests.close()
        self._thread.join()
        atexit.unregister(self.close)
        self._table = self._loaded = self._interrupted_request = None
        self._free_film()

    @property
    def estimator(self) -> Any:
        """The fitted estimator on the page; None before the first training."""
        network = self._network  # read once: the session's thread may replace it
        return None if network is None else network.estimator

    # ---- the thread

    def _run(self) -> None:
        self._send_answer(0, "busy", what="Starting Keras")
        try:
            import moonnet.training._loop  # noqa: F401
        except (ImportError, RuntimeError, ValueError) as error:  # each training then raises it, too
            self._send_problem(0, str(error))
        while (request := self._requests.get()) is not None:
            try:
                # Not a dictionary of bound methods: with that, a closed session would wait for the garbage collector
                getattr(self, f"_handle_{request['kind']}")(request)
            except (ValueError, OSError, ImportError, RuntimeError, MemoryError) as error:
                self._send_problem(request["id"], str(error))
                self._resume_interrupted(request)
            except Exception:  # noqa: BLE001 - the page must survive any error
                _log.exception("The explorer could not answer %s", request["kind"])
                self._send_problem(request["id"], "Internal error. See the terminal for details.")
                self._resume_interrupted(request)

    def _resume_interrupted(self, failed: dict[str, Any]) -> None:
        """Queue again the training or recording that the failed request interrupted."""
        if failed["kind"] not in _INTERRUPTING_KINDS or self._requests.contains(*_INTERRUPTING_KINDS):
            return
        if self._interrupted_request is not None:
            self._requests.put("train", self._interrupted_request)
        elif self._network is not None and self._network.film is None:
            self._requests.put("record", {"kind": "record", "id": self._network.request_id})

    def _send_answer(
        self, request_id: int, kind: str, arrays: dict[str, np.ndarray] | None = None, **header: Any
    ) -> None:
        answer = {"kind": kind, "id": request_id, **header}
        self._send(_queue_key(answer), pack_message(answer, arrays))

    def _send_problem(self, request_id: int, message: str) -> None:
        self._send_answer(request_id, "problem", message=" ".join(message[:1000].split()))

    # ---- training

    def _handle_train(self, request: dict[str, Any]) -> None:
        """Train a network with the page's settings and send its picture; its epochs are recorded later."""
        request_id, settings = request["id"], Settings.from_json(request.get("settings"))
        data = apply_edits(self._load_dataset(settings.dataset), settings)
        self._interrupted_request = None
        self._free_film()
        architecture = _architecture(settings, data)
        is_compiled = architecture in _compiled_architectures
        takes_long = settings.early_stopping or _training_cost(settings, data) > _MAX_COST_WITHOUT_PROGRESS
        if not is_compiled or takes_long:
            self._send_answer(request_id, "busy", what="Training" if is_compiled else "Compiling")
        _compiled_architectures.add(architecture)
        if takes_long:
            if not self._train_recorded(request_id, settings, data, sends_pictures=True):
                self._interrupted_request = request
        else:
            predictor = unfitted(settings, data).fit(data.inputs(data.X_train), data.y_train)
            self._network = TrainedNetwork(request_id, settings, data, predictor, None)
            self._send_trained(self._network, self._network.history)
            self._requests.put("record", {"kind": "record", "id": request_id})

    def _handle_record(self, request: dict[str, Any]) -> None:
        """Record the epochs of the network on the page once the page is idle."""
        if not self._requests.wait_for_message(_IDLE_SECONDS_BEFORE_RECORDING):
            network = self._trained_network()
            self._train_recorded(network.request_id, network.settings, network.data, sends_pictures=False)
        elif not self._requests.contains(*_INTERRUPTING_KINDS):
            self._requests.put("record", request)

    def _train_recorded(self, request_id: int, settings: Settings, data: PlaneDataset, *, sends_pictures: bool) -> bool:
        """Train a network, recording each epoch; return False if a newer request interrupted it."""
        from moonnet.explore._recording import Recording

        last_sent = time.monotonic()
        is_sending = threading.Lock()  # the members of an ensemble train on several threads

        def is_interrupted() -> bool:
            return self._requests.contains(*_INTERRUPTING_KINDS)

        def send_picture(recording: Recording) -> None:
            nonlocal last_sent
            if not sends_pictures or not is_sending.acquire(blocking=False):
                return
            try:
                if time.monotonic() - last_sent > _SECONDS_BETWEEN_PICTURES:
                    header = {"history": _as_json(recording.history), "final": False}
                    targets, states = recording.latest
                    self._send_picture("picture", request_id, data, targets, recording.network, states, **header)
                    last_sent = time.monotonic()
            finally:
                is_sending.release()

        predictor = unfitted(settings, data)
        film = Recording(data, is_interrupted, send_picture, _film_stride(settings, data)).fit(predictor)
        if film is None:
            return False
        self._network = TrainedNetwork(request_id, settings, data, predictor, film)
        if sends_pictures:
            self._send_trained(self._network, film.history)
        history = _as_json(film.history)
        self._send_answer(request_id, "film", history=history, epochs=film.n_epochs, final_epoch=film.final_epoch)
        return True

    def _send_trained(self, network: TrainedNetwork, history: dict[str, list[float]]) -> None:
        """Send the picture of a trained network."""
        trained = network.data, network.targets, network.architecture, network.states
        self._send_picture("picture", network.request_id, *trained, history=_as_json(history), final=True)

    def _send_picture(
        self,
        kind: str,
        request_id: int,
        data: PlaneDataset,
        targets: list[Any],
        network: DenseStack,
        states: list[State],
        **header: Any,
    ) -> None:
        """Send the picture of a network in this state, or of an ensemble with a state for each member."""
        with self._picture_context():
            computed, arrays = compute_picture(data, targets, network, states)
        self._send_answer(request_id, kind, arrays, **_describe_samples(data), **computed, **header)

    def _free_film(self) -> None:
        """Free the memory of a recording that the page no longer shows."""
        if self._network is not None:
            self._network = self._network._replace(film=None)

    def _load_dataset(self, settings: DatasetSettings) -> PlaneDataset:
        """Return the samples; those of the last call are cached."""
        if self._loaded is None or self._loaded[0] != settings or self._loaded[1] is not self._table:
            self._loaded = settings, self._table, load_dataset(settings, self._table)
        return self._loaded[2]

    # ---- requests about the trained network

    def _trained_network(self) -> TrainedNetwork:
        if self._network is None:
            raise ValueError("No network has been trained yet.")
        return self._network

    def _handle_frame(self, request: dict[str, Any]) -> None:
        """Send the picture of the network after an epoch."""
        network, epoch = self._trained_network(), request.get("epoch")
        film = network.film
        if film is None:
            raise ValueError("The epochs of this network have not been recorded yet.")
        if type(epoch) is not int or not 0 <= epoch <= film.n_epochs:
            raise ValueError(f"epoch must be a whole number from 0 to {film.n_epochs}.")
        shown = network.data, network.targets, network.architecture, film.states_at(epoch)
        self._send_picture("frame", request["id"], *shown, epoch=epoch)

    def _handle_seeds(self, request: dict[str, Any]) -> None:
        """Train networks like the one on the page with other seeds, one for each call, and send their pictures.

        Any newer request interrupts the training, which is repeated once that request is answered.
        """
        network = self._trained_network()
        seeds: Any = request.get("seeds")
        if not _is_list_of_seeds(seeds):
            raise ValueError(f"seeds must be a list of 1 to {_MAX_SEEDS} whole numbers from 0 to {MAX_SEED}.")
        if request.get("network") != network.request_id:
            return  # another network is on the page now
        answer = {"network": network.request_id, "seed": seeds[0]}
        try:
            other = self._train_with_seed(network, seeds[0])
        except ValueError as error:  # this training diverged; those of other seeds may not
            self._send_answer(request["id"], "seed", **answer, problem=str(error))
        else:
            if other is None:
                self._requests.put_again("seeds", request)
                return
            shown = other.data, other.targets, other.architecture, other.states
            with self._picture_context():
                header, arrays = compute_plane(*shown, _SEED_RESOLUTION)
            self._send_answer(request["id"], "seed", arrays, **answer, **header)
        if len(seeds) > 1:
            self._requests.put_again("seeds", {**request, "seeds": seeds[1:]})

    def _train_with_seed(self, network: TrainedNetwork, seed: int) -> TrainedNetwork | None:
        """Train a network like this one with another seed; return None if any newer request interrupts it."""
        from moonnet.explore._interruption import Interruption

        def make_observer(*_: Any) -> Interruption:
            if not self._is_idle():
                raise TrainingInterruptedError
            return Interruption(self._is_idle)

        settings, data = replace(network.settings, network_random_state=seed), network.data
        predictor = unfitted(settings, data)
        try:
            fit_observed(predictor, data.inputs(data.X_train), data.y_train, make_observer)
        except TrainingInterruptedError:
            return None
        return network._replace(settings=settings, predictor=predictor, film=None) if self._is_idle() else None

    def _is_idle(self) -> bool:
        return not self._requests.wait_for_message(0)

    def _handle_script(self, request: dict[str, Any]) -> None:
        """Send the Python script that trains the network again."""
        self._send_answer(request["id"], "script", text=to_script(self._trained_network()))

    def _handle_file(self, request: dict[str, Any]) -> None:
        """Send the network or its samples as a file."""
        network, file_format = self._trained_network(), request["format"]
        content = FILE_FORMATS[file_format](network)
        data = network.settings.data
        stem = Path(self._table.name).stem.removesuffix(".csv") if self._table and data == "own" else data
        ending = "-samples.csv" if file_format == "csv" else f".{file_format}"  # the table may be the file stem.csv
        arrays = {"content": np.frombuffer(content, np.uint8)}
        self._send_answer(request["id"], "file", arrays, format=file_format, name=f"{stem}{ending}")

    # ---- requests about the page

    def _handle_hello(self, request: dict[str, Any]) -> None:
        """Send the descriptions of the controls, the largest file size and the open table."""
        self._send_answer(
            request["id"],
            "controls",
            controls=describe_controls(),
            learning_rates=_default_learning_rates(),
            max_bytes=MAX_FILE_BYTES,
            table=self._describe_table(),
        )

    def _handle_upload(self, request: dict[str, Any]) -> None:
        """Open a CSV file that the page sends."""
        name, content = request.get("name"), request.get("content")
        if not isinstance(name, str) or not isinstance(content, str):
            raise ValueError("A file must have a name and a content.")
        try:
            decoded = base64.b64decode(content, validate=True)
        except ValueError:
            raise ValueError("A file's content must be in Base64.") from None
        self._table = CsvTable.from_bytes(name, decoded)
        self._send_answer(request["id"], "table", table=self._describe_table())

    def _describe_table(self) -> dict[str, Any] | None:
        """Return the name of the open table, and for each target its features and whether it contains numbers."""
        table = self._table
        if table is None:
            return None
        targets = [
            {"name": target, "features": table.features(target), "is_regression": table.is_regression(target)}
            for target in table.targets
        ]
        return {"name": table.name, "targets": targets}


def _queue_key(message: dict[str, Any]) -> str:
    """Return the key under which a newer message replaces an older one: the kind, for files also the format.

    For a seed also its last digit, by which nine consecutive ones differ.
    """
    kind = message["kind"]
    if kind == "seed":
        return f"seed {message['seed'] % 10}"
    return f"file {message.get('format')}" if kind == "file" else kind


def _is_list_of_seeds(value: Any) -> bool:
    is_short_list = isinstance(value, list) and 0 < len(value) <= _MAX_SEEDS
    return is_short_list and all(type(seed) is int and 0 <= seed <= MAX_SEED for seed in value)


def _describe_samples(data: PlaneDataset) -> dict[str, Any]:
    """Return what the page needs to know about the samples to draw them."""
    target = None
    if data.target is not None:
        target = {**data.target._asdict(), "is_negative": bool((data.y_train < 0).any())}
    return {
        "picture": "regions" if target is None else "curve" if data.is_curve else "surface",
        "axes": [axis._asdict() for axis in data.axes],
        "features": [axis.name for axis in data.features],
        "target": target,
        "classes": list(map(str, data.classes.tolist())),
        "note": data.note,
    }


def _default_learning_rates() -> dict[str, float]:
    """Return Keras's default of each optimizer on the page."""
    from moonnet.training._optimizers import default_settings

    defaults = default_settings()
    return {name: defaults[name][1]["learning_rate"] for name in OPTIMIZERS}


def _architecture(settings: Settings, data: PlaneDataset) -> tuple:
    """Return what decides whether a compiled program can be used again."""
    from moonnet.training._loop import compiled_batch_size

    return (
        len(data.inputs.names),
        settings.hidden_layer_sizes,
        settings.activation,
        settings.optimizer,
        settings.dropout > 0,
        compiled_batch_size(settings.batch_size, len(data.y_train)),
        (settings.loss, len(settings.quantiles)) if data.is_regression else len(data.classes),
    )


def _network(settings: Settings, data: PlaneDataset) -> DenseStack:
    """Return the architecture of the networks, but with two outputs for two classes."""
    n_outputs = max(1, len(settings.quantiles)) if data.is_regression else len(data.classes)
    return DenseStack((len(data.inputs.names), *settings.hidden_layer_sizes, n_outputs), settings.activation)


def _training_cost(settings: Settings, data: PlaneDataset) -> float:
    """Return the cost of a fit in multiplications of a weight by a sample; the overhead of a step counts as 20,000.

    The members of an ensemble train on as many threads as there are processors.
    """
    batch_size = min(settings.batch_size, len(data.y_train))
    n_steps = settings.epochs * math.ceil(len(data.y_train) / batch_size)
    n_rounds = math.ceil(settings.n_estimators / (os.cpu_count() or 1))
    return n_rounds * n_steps * (20_000 + batch_size * _network(settings, data).n_weights)


def _film_stride(settings: Settings, data: PlaneDataset) -> int:
    """Return every how many epochs the film of a training stores the weights."""
    n_weights = settings.n_estimators * settings.epochs * _network(settings, data).n_weights
    return math.ceil(n_weights / _MAX_FILM_WEIGHTS)


def _as_json(history: dict[str, list[float]]) -> dict[str, list[float | None]]:
    """Return the history with None for infinite and NaN values."""
    return {name: [value if math.isfinite(value) else None for value in values] for name, values in history.items()}
