"""What a fit shows while it trains: one bar, or lines."""

import time
from importlib.util import find_spec
from typing import Any

from moonnet.training._loop import Observer, Training

# Lines that stand for the bar where the output is no terminal
_N_LINES = 10


def progress(verbose: int) -> list[Observer]:
    """Return what shows a training: nothing for 0, a bar for 1, lines for 2."""
    if verbose == 0:
        return []
    if verbose == 2:
        return [Lines()]
    from rich.console import Console

    console = Console(highlight=False)
    # rich draws in a notebook by means of ipywidgets
    live = find_spec("ipywidgets") is not None if console.is_jupyter else console.is_terminal
    return [Bar(console)] if live else [Lines(_N_LINES)]


class Lines(Observer):
    """Prints a line an epoch, or a few lines spread evenly over the training, with the time left."""

    def __init__(self, n_lines: int | None = None) -> None:
        self._n_lines = n_lines

    def train_begin(self, training: Training) -> None:
        """Learn how long it will be."""
        self._first_epoch, self._n_epochs = training.first_epoch, training.hyperparameters.epochs
        self._started = time.monotonic()
        self._waiting = ""

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Print the epoch's figures, or keep them in case that it was the last."""
        done, now = epoch + 1 - self._first_epoch, time.monotonic()
        if done == 1:
            self._first_ended = now
        line = f"Epoch {epoch + 1}/{self._first_epoch + self._n_epochs} - {_figures(logs)}"
        if (
            self._n_lines is None
            or done * self._n_lines // self._n_epochs > (done - 1) * self._n_lines // self._n_epochs
        ):
            # Without the first epoch, which may have compiled a program
            an_epoch = (now - self._first_ended) / (done - 1) if done > 1 else now - self._started
            seconds_left = an_epoch * (self._n_epochs - done)
            print(line if self._n_lines is None else f"{line} - {seconds_left:.0f} s left", flush=True)
            line = ""
        self._waiting = line

    def train_end(self) -> None:
        """Print the last epoch's figures, where the training ended early."""
        if self._waiting:
            print(f"{self._waiting} - 0 s left", flush=True)


class Bar(Observer):
    """Shows one live bar for the whole fit: epoch, figures of the last one, time left and in the end time taken."""

    def __init__(self, console: Any) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("Epoch"),
            MofNCompleteColumn(),
            BarColumn(bar_width=16),
            TextColumn("{task.description}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=console,
        )

    def train_begin(self, training: Training) -> None:
        """Draw the empty bar."""
        first, n_epochs = training.first_epoch, training.hyperparameters.epochs
        self._task = self._bar.add_task("", total=first + n_epochs, completed=first)
        self._bar.start()

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Move the bar on; it is drawn ten times a second."""
        self._bar.update(
            self._task, completed=epoch + 1, description=_figures(logs).replace(" - val_loss", "\nval_loss")
        )

    def close(self) -> None:
        """Draw the bar for the last time, and give the terminal back."""
        self._bar.stop()


def _figures(logs: dict[str, float]) -> str:
    return " - ".join(f"{name}: {shortened(value)}" for name, value in logs.items())


def shortened(figure: float) -> str:
    """Return a figure with four decimals, or a power of ten where these would be none or too many, as Keras does."""
    return f"{figure:.4f}" if figure == 0 or 1e-3 < abs(figure) < 1e5 else f"{figure:.4e}"
