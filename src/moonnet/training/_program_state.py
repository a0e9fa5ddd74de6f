"""The state of one training, which a compiled program takes and returns in each block."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from moonnet.networks import State
from moonnet.training._compiled_program import CompiledProgram, compiled_program
from moonnet.training._program_spec import ProgramSpec
from moonnet.training._records import ProgramParameters
from moonnet.training.engines import BlockNumbers, engine


class ProgramState:
    """The network's state, optimizer state and hyperparameters of one training, and its blocks in a program."""

    def __init__(self, program: CompiledProgram) -> None:
        self._program = program
        self._layout = program.layout
        # New arrays for each training: after an interrupt, the engine may still read those of the previous one
        self._block = program.new_block()
        self._smaller_programs: dict[int, tuple[CompiledProgram, list[np.ndarray]]] = {}  # by batch size
        self._stored_state: list[Any] = []  # in the layout of the program, arrays of NumPy or of the engine
        self._state: list[np.ndarray] | None = None  # the same by layer; None until it is needed
        self._records: list[Any] = []  # the network's arrays at the end of each epoch of the last block

    @property
    def spec(self) -> ProgramSpec:
        """The spec of the program."""
        return self._program.spec

    @property
    def max_recorded_epochs(self) -> int:
        """How many epochs of a block can be recorded."""
        return self._program.description.max_recorded_epochs

    def load(
        self,
        network_state: State,
        optimizer_state: Sequence[np.ndarray] | None,
        parameters: ProgramParameters,
    ) -> None:
        """Start a training with these states and hyperparameters.

        With ``optimizer_state`` None, the optimizer starts afresh. With a learning rate of None, that of
        ``optimizer_state`` or of the compiled schedule applies.
        """
        # The L2 factor is rounded to float32, as in Keras's regularizers.L2
        with np.errstate(over="ignore"):  # the training raises an error if the network diverges
            self._l2 = float(np.float32(parameters.l2))
        self._parameters = parameters
        self.state = self._program.initial_state(network_state, optimizer_state, parameters.learning_rate)

    def is_compatible(self, optimizer_state: Sequence[np.ndarray]) -> bool:
        """Return whether an optimizer state has the array shapes of the program's optimizer."""
        return self._program.is_compatible(optimizer_state)

    def run(
        self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray, seeds: np.ndarray, n_recorded_epochs: int = 1
    ) -> np.ndarray:
        """Run a block of at most ``spec.steps_per_block`` steps.

        ``recorded_states`` then returns the network's state at the end of each of ``n_recorded_epochs`` parts of equal
        length, at most ``max_recorded_epochs``.

        A single step may have fewer samples than the batch size of the spec, for a network that needs no padding.

        X has shape (steps, batch_size, n_features), y (steps, batch_size, n_outputs), sample_weight (steps, batch_size)
        and the dropout seeds (steps, 2).

        Return an array of shape (steps, n_metrics): the loss of each step and, for a classifier, the total weight of
        the correctly classified samples.
        """
        n_steps, batch_size = X.shape[:2]
        program, arrays = self._program, self._block
        if batch_size < self.spec.batch_size:
            program, arrays = self._smaller(batch_size)
        samples, *dropout_seeds = arrays
        for columns, values in zip(program.spec.split_columns(samples), (X, y, sample_weight), strict=True):
            columns[:n_steps] = values.reshape(n_steps, -1)
        for array in dropout_seeds:
            array[:n_steps] = seeds
        numbers = BlockNumbers(
            n_steps,
            n_steps // n_recorded_epochs,
            self._l2,
            self._parameters.dropout,
            self._parameters.loss_parameter,
        )
        metrics, self._records, self._stored_state = program.run(numbers, arrays, self._stored_state)
        self._state = None
        return metrics[:n_steps]

    def _smaller(self, batch_size: int) -> tuple[CompiledProgram, list[np.ndarray]]:
        """Return the program for single steps of a smaller batch size, and its block."""
        if batch_size not in self._smaller_programs:
            program = compiled_program(replace(self.spec, batch_size=batch_size, max_steps=1))
            self._smaller_programs[batch_size] = program, program.new_block()
        return self._smaller_programs[batch_size]

    def snapshot(self) -> list[Any]:
        """Return the current state for ``restore``, without copying it from the device."""
        return self._stored_state

    def restore(self, snapshot: list[Any]) -> None:
        """Return to the state of a snapshot."""
        self._stored_state, self._state = snapshot, None

    @property
    def state(self) -> list[np.ndarray]:
        """The state of the training: the arrays of the network, trainable ones first, then those of the optimizer.

        Each change of the state creates a new list; a list that was returned is never modified.
        """
        if self._state is None:
            self._state = self._layout.unflatten([np.array(engine.to_numpy(value)) for value in self._stored_state], np)
        return self._state

    @state.setter
    def state(self, values: Sequence[np.ndarray]) -> None:
        self._state = list(values)
        self._stored_state = self._layout.flatten(values, np)

    @property
    def network_state(self) -> State:
        """The state of the network after the last step."""
        arrays = self._state
        if arrays is None:  # without the optimizer state, which may be large
            stored = self._stored_state[: self._program.description.n_stored_arrays]
            arrays = self._layout.unflatten([np.array(engine.to_numpy(value)) for value in stored], np)
        return self._program.network_state(arrays)

    @property
    def optimizer_state(self) -> list[np.ndarray]:
        """The values of the optimizer's variables."""
        return self.state[len(self._program.description.dtypes) :]

    @property
    def final_state(self) -> State:
        """The state of the network if the training ends now: for some optimizers with averages over its steps."""
        program = self._program
        return program.finalized_state(self._stored_state) if program.finalizes_weights else self.network_state

    def recorded_states(self, n_epochs: int) -> State:
        """Return the stacked states of the network at the end of each recorded epoch of the last block.

        The arrays are read-only views.
        """
        records = [engine.to_numpy(record)[:n_epochs] for record in self._records]
        return self._program.network_state(self._layout.unflatten(records, np, (n_epochs,)))
