"""The recording of a training, of one network or of all members of an ensemble."""

from collections.abc import Callable
from typing import Any

from moonnet.explore._datasets import PlaneDataset
from moonnet.explore._film import Film
from moonnet.explore._members import Ensemble, Network, TrainingInterruptedError, fit_observed, mean_history, members_of
from moonnet.explore._recorder import Recorder
from moonnet.networks import State


class Recording:
    """The recorders of all networks in a training.

    The training ends early once ``is_interrupted`` returns True. ``watch`` is called with the recording after each
    epoch of a network. The members of an ensemble call both on several threads. With a ``stride``, not all of their
    states are stored.
    """

    def __init__(
        self,
        data: PlaneDataset,
        is_interrupted: Callable[[], bool],
        watch: Callable[["Recording"], None] = lambda recording: None,
        stride: int = 1,
    ) -> None:
        self._data = data
        self._is_interrupted = is_interrupted
        self._watch = watch
        self._stride = stride
        self._recorders: dict[int, Recorder] = {}  # by the id of the network's estimator

    def fit(self, estimator: Network | Ensemble) -> Film | None:
        """Fit an estimator and return the film of its training; None if it was interrupted."""
        try:
            fit_observed(estimator, self._data.inputs(self._data.X_train), self._data.y_train, self._make_recorder)
            if self._is_interrupted():
                return None
            members = members_of(estimator)
            recorders = [self._recorders[id(member)] for member in members]
        except TrainingInterruptedError:
            return None
        finally:
            self._recorders = {}  # they refer to the recording: without this, it would wait for the garbage collector
        return Film(
            [recorder.states for recorder in recorders],
            [member.n_iter_ for member in members],
            [member._state for member in members],
            mean_history([recorder.history for recorder in recorders]),
            self._stride,
        )

    @property
    def network(self) -> Any:
        """The architecture of the networks in training."""
        return self._begun()[0].network

    @property
    def latest(self) -> tuple[list[Any], list[State]]:
        """The targets and the latest state of each network whose training has begun."""
        begun = self._begun()
        return [recorder.targets for recorder in begun], [recorder.states[-1] for recorder in begun]

    @property
    def history(self) -> dict[str, list[float]]:
        """The mean history of the networks that have completed an epoch."""
        # Copies, because other threads add to them
        return mean_history([dict(recorder.history) for recorder in self._begun() if recorder.history])

    def _make_recorder(self, member: Network, targets: Any) -> Recorder:
        if self._is_interrupted():
            raise TrainingInterruptedError
        recorder = Recorder(self._data, targets, self._should_continue, self._stride)
        self._recorders[id(member)] = recorder
        return recorder

    def _should_continue(self, recorder: Recorder) -> bool:
        if self._is_interrupted():
            return False
        self._watch(self)
        return True

    def _begun(self) -> list[Recorder]:
        return [recorder for recorder in list(self._recorders.values()) if recorder.states]
