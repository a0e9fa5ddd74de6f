"""The command's entry point: run what the options ask for, and report an error in one line."""

import argparse
import os
import sys
from collections.abc import Sequence

from moonnet.command._options import Mode, parse_options
from moonnet.command._terminal import plain_output

INTERRUPTED = 130  # the exit status of a program that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser, options = parse_options(sys.argv[1:] if arguments is None else arguments)
    try:
        with plain_output(parser.prog):
            _run(options)
    except BrokenPipeError:  # the program that reads the output, such as head, has exited
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - raised again if a user can do nothing about it
        if _is_interrupt(error):
            print(f"{parser.prog}: interrupted", file=sys.stderr)
            return INTERRUPTED
        parser.error(_describe(error))
    return 0


def _is_interrupt(error: BaseException | None) -> bool:
    """Return whether Ctrl-C caused the error; a library that it interrupts while being imported may raise another."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _describe(error: BaseException) -> str:
    """Return a message for errors that a user can do something about; raise others."""
    match error:
        case OSError(strerror=str(reason)):
            return reason if error.filename is None else f"{error.filename}: {reason}"
        case MemoryError():
            return f"not enough memory: {error}"
        case OSError() | ValueError() | ImportError() | RuntimeError():  # the last two: a missing extra or engine
            return str(error)
    raise error


def _run(options: argparse.Namespace) -> None:
    """Run the mode that the options select; import only what it needs."""
    match options.mode:
        case Mode.LECTURE:
            from moonnet.command._lecture import run_lecture

            run_lecture(options)
        case Mode.TRAIN_CSV:
            import moonnet.tables._read_csv  # first, because its error names the extra to install
            from moonnet.command._train_csv import train_csv

            train_csv(options)
        case Mode.PREDICT_CSV:
            import moonnet.tables._read_csv  # noqa: F401
            from moonnet.command._predict_csv import predict_csv

            predict_csv(options)
        case Mode.EXPLORE:
            from moonnet.command._explorer import run_explorer

            run_explorer(options)
