"""The mode ``explore``: serve the explorer's page."""

import argparse
import asyncio
import signal
from typing import Any


def run_explorer(options: argparse.Namespace) -> None:
    """Serve the explorer until Ctrl-C."""
    from moonnet.explore._datasets import load_dataset
    from moonnet.explore._server import explore
    from moonnet.explore._settings import Settings
    from moonnet.explore._user_tables import CsvTable

    own = None
    if options.csv is not None:
        own = CsvTable(options.csv, options.target)
        load_dataset(Settings(data="own").dataset, own)  # raises an error if the page could not train on the file
    for name in ("SIGTERM", "SIGHUP"):  # Windows lacks SIGHUP
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores SIGHUP
            signal.signal(number, _interrupt)
    try:
        asyncio.run(explore(own, options.port, open_browser=not options.no_browser))
    except KeyboardInterrupt:
        print("\nThe explorer has stopped.")


def _interrupt(number: int, frame: Any) -> None:
    """Raise KeyboardInterrupt, as Ctrl-C does, so that temporary files are deleted."""
    signal.signal(number, signal.SIG_IGN)  # a closed terminal sends SIGHUP more than once
    raise KeyboardInterrupt
