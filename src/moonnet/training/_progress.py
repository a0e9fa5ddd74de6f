"""Progress output of a fit: a progress bar, or one line per epoch."""

import time
from importlib.util import find_spec
from typing import Any

from moonnet.training._loop import Observer, Training

# Lines that replace the bar if the output is not a terminal
_N_LINES = 10


def progress(verbose: int) -> list[Observer]:
    """Return the progress observers: none for 0, a bar for 1, a line per epoch for 2."""
    if verbose == 0:
        return []
    if verbose == 2:
        return [Lines()]
    from rich.console import Console

    console = Console(highlight=False)
    # In a notebook, rich needs ipywidgets to draw
    is_live = find_spec("ipywidgets") is not None if console.is_jupyter else console.is_terminal
    return [Bar(console)] if is_live else [Lines(_N_LINES)]


class Lines(Observer):
    """Prints one line per epoch, or ``n_lines`` evenly spaced lines with the remaining time."""

    def __init__(self, n_lines: int | None = None) -> None:
        self._n_lines = n_lines

    def train_begin(self, training: Training) -> None:
        """Store the number of epochs and start the clock."""
        self._first_epoch, self._last_epoch = training.first_epoch, training.last_epoch
        self._n_epochs = self._last_epoch - self._first_epoch
        self._start_time = time.monotonic()
        self._pending_line = ""

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Print the epoch's line, or store it in case the training stops after this epoch."""
        n_done, now = epoch + 1 - self._first_epoch, time.monotonic()
        if n_done == 1:
            self._first_epoch_end_time = now
        line = f"Epoch {epoch + 1}/{self._last_epoch} - {_format_logs(logs)}"
        if self._n_lines is None:
            print(line, flush=True)
        elif n_done * self._n_lines // self._n_epochs > (n_done - 1) * self._n_lines // self._n_epochs:
            # The first epoch may include the compilation of a program
            seconds_per_epoch = (
                (now - self._first_epoch_end_time) / (n_done - 1) if n_done > 1 else now - self._start_time
            )
            print(f"{line} - {seconds_per_epoch * (self._n_epochs - n_done):.0f} s left", flush=True)
            self._pending_line = ""
        else:
            self._pending_line = line

    def train_end(self) -> None:
        """Print the line of the last epoch if the training stopped early."""
        if self._pending_line:
            print(f"{self._pending_line} - 0 s left", flush=True)


class Bar(Observer):
    """Shows one progress bar for the whole fit: epoch, latest metrics and remaining time, in the end elapsed time."""

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
        self._task = self._bar.add_task("", total=training.last_epoch, completed=training.first_epoch)
        self._bar.start()

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Advance the bar; rich redraws it ten times per second."""
        self._bar.update(
            self._task, completed=epoch + 1, description=_format_logs(logs).replace(" - val_loss", "\nval_loss")
        )

    def close(self) -> None:
        """Draw the final bar and release the terminal."""
        self._bar.stop()


def _format_logs(logs: dict[str, float]) -> str:
    return " - ".join(f"{name}: {format_value(value)}" for name, value in logs.items())


def format_value(value: float) -> str:
    """Return a metric with four decimals; very small and very large values in scientific notation, as in Keras."""
    return f"{value:.4f}" if value == 0 or 1e-3 < abs(value) < 1e5 else f"{value:.4e}"
