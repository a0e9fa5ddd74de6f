"""The film of a training: the state of each network after each epoch."""

from dataclasses import dataclass

from moonnet.networks import State


@dataclass(frozen=True, eq=False)
class Film:
    """The recorded states of the networks, and those that the training resulted in."""

    states: list[list[State]]  # of each network: after each epoch, the initial one first
    final: list[State]
    history: dict[str, list[float]]  # also of the held-out samples; of several networks the mean

    @property
    def n_epochs(self) -> int:
        """The number of epochs of the network that was trained for longest."""
        return max(map(len, self.states)) - 1

    @property
    def final_epoch(self) -> int:
        """The epoch of the result: with early stopping, the best one; of several networks, the last one."""
        if len(self.states) > 1:
            return self.n_epochs
        is_final = [state.equals(self.final[0]) for state in self.states[0]]
        return self.n_epochs - is_final[::-1].index(True)

    def states_at(self, epoch: int) -> list[State]:
        """Return the state of each network after an epoch; of several, one whose training has ended is the result."""
        if len(self.states) == 1:
            return [self.states[0][epoch]]
        return [
            states[epoch] if epoch < len(states) - 1 else final
            for states, final in zip(self.states, self.final, strict=True)
        ]
