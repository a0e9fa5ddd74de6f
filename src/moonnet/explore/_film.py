"""The film of a training: the state of each network after each epoch."""

from dataclasses import dataclass

from moonnet.networks import State


@dataclass(frozen=True, eq=False)
class Film:
    """The recorded states of the networks, and those that the training resulted in."""

    # Of each network: the initial state, and those after each epoch that is a multiple of stride
    states: list[list[State]]
    n_epochs_of_each: list[int]
    final: list[State]
    history: dict[str, list[float]]  # also of the held-out samples; of several networks the mean
    stride: int = 1  # always for a single network

    @property
    def n_epochs(self) -> int:
        """The number of epochs of the network that was trained for longest."""
        return max(self.n_epochs_of_each)

    @property
    def final_epoch(self) -> int:
        """The epoch of the result: with early stopping, the best one; of several networks, the last one."""
        if len(self.states) > 1:
            return self.n_epochs
        is_final = [state.equals(self.final[0]) for state in self.states[0]]
        return self.n_epochs - is_final[::-1].index(True)

    def states_at(self, epoch: int) -> list[State]:
        """Return the state of each network after an epoch, or after the last one before it that is stored.

        Of several networks, one whose training has ended is the result.
        """
        if len(self.states) == 1:
            return [self.states[0][epoch]]
        return [
            states[epoch // self.stride] if epoch < n_epochs else final
            for states, n_epochs, final in zip(self.states, self.n_epochs_of_each, self.final, strict=True)
        ]
