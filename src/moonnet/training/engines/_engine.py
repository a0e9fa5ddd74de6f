"""The interface of engines: everything that differs between Keras backends in training."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

# A training step: (state, a row of each of the block's arrays) -> (new state, metrics)
Step = Callable[[list[Any], list[Any]], tuple[list[Any], list[Any]]]


class Engine(ABC):
    """A Keras backend for training. Arrays are those of the backend unless annotated otherwise."""

    @abstractmethod
    def device(self) -> Any:
        """Return the device of the caller's ``keras.device`` scope, else the CPU; equal devices compare equal.

        Raises ValueError if there is no such device, or within the scope of a strategy for several devices.
        """

    @abstractmethod
    def scope(self, device: Any, widest: str) -> AbstractContextManager[Any]:
        """Return the context in which programs are built and run.

        It selects a device (None: the default one), permits floats up to ``widest``, and is independent of the caller's
        settings and of a function that the caller traces.
        """

    @abstractmethod
    def check_not_traced(self, what: str) -> None:
        """Raise RuntimeError, which names the action ``what``, if the caller is tracing a function."""

    @abstractmethod
    def initial_values(self, build: Callable[[], Sequence[Any]]) -> list[np.ndarray]:
        """Return the values of the Keras variables that ``build`` creates, without compiling each operation."""

    @abstractmethod
    def activation(self, name: str) -> Any:
        """Return the activation to pass to a Keras layer, which must compute in the dtype of its inputs."""

    @abstractmethod
    def constant(self, dtype: str, value: float) -> float:
        """Return a float of an optimizer's settings in a form with which Keras computes in ``dtype``."""

    @abstractmethod
    def gradients(self, function: Callable[[list[Any]], tuple[Any, Any]], arrays: list[Any]) -> tuple[list[Any], Any]:
        """Return the gradients of ``function`` with respect to each array, and its auxiliary result.

        ``function`` takes the arrays and returns a scalar and the auxiliary result.
        """

    @abstractmethod
    def apply(self, optimizer: Any, gradients: list[Any], trained: Sequence[Any], state: list[Any]) -> list[Any]:
        """Return the state after an optimizer step; a state is the trained weights, then the optimizer's variables."""

    @abstractmethod
    def loop(
        self, step: Step, n_metrics: int, n_steps: Any, block: list[Any], variables: Sequence[Any], state: list[Any]
    ) -> tuple[Any, list[Any]]:
        """Run ``step`` on the first ``n_steps`` rows of the block's arrays; return the metrics and the final state.

        The metrics are an array of shape (rows of a block, n_metrics). The state has the values of the Keras
        ``variables``.
        """

    @abstractmethod
    def loop_over_epochs(
        self,
        step: Step,
        n_metrics: int,
        n_steps: Any,
        block: list[Any],
        variables: Sequence[Any],
        state: list[Any],
        steps_per_epoch: Any,
        max_epochs: int,
        n_recorded: int,
    ) -> tuple[Any, list[Any], list[Any]]:
        """Run ``loop``, and record the first ``n_recorded`` arrays of the state at the end of each epoch.

        Return the metrics, the records, each of shape (max_epochs, *shape of the array), and the final state. Rows of
        epochs that did not run are 0.
        """

    @abstractmethod
    def compile(
        self, function: Callable[..., Any], specs: Sequence[Any], device: Any, variables: Sequence[Any]
    ) -> Callable[..., Any]:
        """Compile a function for arguments with these nested lists of (shape, dtype); it accepts NumPy arrays too.

        Several threads may call the result at a time, although ``function`` may assign to the Keras ``variables``,
        whose values before a call must not matter.
        """

    @abstractmethod
    def read(self, variable: Any) -> np.ndarray:
        """Return the value of a Keras variable."""

    @abstractmethod
    def write(self, variable: Any, value: np.ndarray) -> None:
        """Assign a value of the same shape and dtype to a Keras variable."""
