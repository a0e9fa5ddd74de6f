"""The mode ``explore``: serve the explorer's page."""

import argparse
import asyncio
import signal


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
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, so that temporary files are deleted
    try:
        asyncio.run(explore(own, options.port, open_browser=not options.no_browser))
    except KeyboardInterrupt:
        print("\nThe explorer has stopped.")
