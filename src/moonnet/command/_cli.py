"""The command's entry point: run what the options ask for, and report an error in one line."""

import argparse
import os
import sys
from collections.abc import Sequence

from moonnet.command._options import Mode, parse_options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser, options = parse_options(sys.argv[1:] if arguments is None else arguments)
    try:
        _run(options)
    except BrokenPipeError:  # the program that reads the output, such as head, has exited
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    except MemoryError as error:
        parser.error(f"not enough memory: {error}")
    except (ValueError, ImportError, RuntimeError) as error:  # the last two if an extra or the engine is missing
        parser.error(str(error))
    except KeyboardInterrupt:
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    """Run the mode that the options select; import only what it needs."""
    match options.mode:
        case Mode.LECTURE:
            from moonnet.command._lecture import run_lecture

            run_lecture(options)
        case Mode.TRAIN_CSV:
            import moonnet.command._read_csv  # first, because its error names the extra to install
            from moonnet.command._train_csv import train_csv

            train_csv(options)
        case Mode.PREDICT_CSV:
            import moonnet.command._read_csv  # noqa: F401
            from moonnet.command._predict_csv import predict_csv

            predict_csv(options)
        case Mode.EXPLORE:
            from moonnet.command._explorer import run_explorer

            run_explorer(options)
