"""What an engine has to offer: all that differs between Keras's backends when a network is trained."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

# From the state and a row of each of a block's arrays to the next state and some figures
Step = Callable[[list[Any], list[Any]], tuple[list[Any], list[Any]]]


class Engine(ABC):
    """A backend of Keras, as training needs it. Arrays are the backend's own, unless a type says otherwise."""

    @abstractmethod
    def device(self) -> Any:
        """Return the device of the caller's ``keras.device`` scope, else the CPU; equal devices compare equal.

        Raises ValueError where there is no such device.
        """

    @abstractmethod
    def scope(self, device: Any, widest: str) -> AbstractContextManager[Any]:
        """Return a context on a device, with floats up to ``widest``, apart from what the caller has set or traces.

        Programs are built and run in it.
        """

    @abstractmethod
    def check_not_traced(self, what: str) -> None:
        """Raise RuntimeError if Keras cannot do ``what`` because the caller is tracing a function."""

    @abstractmethod
    def initial_values(self, build: Callable[[], Sequence[Any]]) -> list[np.ndarray]:
        """Return the values of the Keras variables that ``build`` makes, without compiling a program for each."""

    @abstractmethod
    def activation(self, name: str) -> Any:
        """Return what a Keras layer takes for the activation of this name, in the precision of its inputs."""

    @abstractmethod
    def constant(self, dtype: str, value: float) -> float:
        """Return a number of an optimizer's settings, such that Keras's optimizers compute with it in ``dtype``."""

    @abstractmethod
    def gradients(self, function: Callable[[list[Any]], tuple[Any, Any]], arrays: list[Any]) -> tuple[list[Any], Any]:
        """Return the gradients of ``function`` by each array, and its auxiliary result.

        ``function`` takes the arrays and returns a scalar and the auxiliary result.
        """

    @abstractmethod
    def apply(self, optimizer: Any, gradients: list[Any], trained: Sequence[Any], state: list[Any]) -> list[Any]:
        """Return the state after a step of a Keras optimizer; state is its trained variables', then its own."""

    @abstractmethod
    def loop(
        self, step: Step, n_figures: int, n_steps: Any, block: list[Any], variables: Sequence[Any], state: list[Any]
    ) -> tuple[Any, list[Any]]:
        """Run ``step`` on the first ``n_steps`` rows of the block's arrays; return the figures and the last state.

        The figures become an array (rows of a block, n_figures). ``variables`` are Keras's, whose values are the state.
        """

    @abstractmethod
    def compile(self, function: Callable[..., Any], specs: Sequence[Any], device: Any) -> Callable[..., Any]:
        """Return a function compiled for nested lists of (shape, dtype); it takes NumPy's arrays as well."""

    @abstractmethod
    def read(self, variable: Any) -> np.ndarray:
        """Return the value of a Keras variable."""

    @abstractmethod
    def write(self, variable: Any, value: np.ndarray) -> None:
        """Change the value of a Keras variable, to one of its own shape and dtype."""
