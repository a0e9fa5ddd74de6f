"""What a fit shows while it trains: nothing, one bar, or a line an epoch."""

from moonnet._keras import keras
from moonnet._training import Watch


def progress(verbose: int, epochs: int) -> Watch | None:
    """Return what shows each epoch as it ends, or None where nobody watches."""
    if verbose == 0:
        return None
    if verbose == 1:
        bar = keras.utils.Progbar(epochs, stateful_metrics=["loss", "accuracy"], unit_name="epoch")
        return lambda epoch, logs: bar.update(epoch + 1, list(logs.items()))

    def print_line(epoch: int, logs: dict[str, float]) -> None:
        figures = " - ".join(f"{name}: {value:.4f}" for name, value in logs.items())
        print(f"Epoch {epoch + 1}/{epochs} - {figures}", flush=True)

    return print_line
