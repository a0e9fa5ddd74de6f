"""Processes of their own, where an engine, imports, compilation or memory are what is measured."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

FOLDER = Path(__file__).parent
BACKENDS = ("tensorflow", "jax")  # Keras's, one for a process


def run_python(*arguments: Any, backend: str = "tensorflow") -> str:
    """Run Python in this folder, with Keras on a backend, and return what it printed."""
    child = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=FOLDER,
        env=os.environ | {"KERAS_BACKEND": backend},
    )
    assert child.returncode == 0, child.stderr
    return child.stdout


def figures_of(*arguments: Any, backend: str = "tensorflow") -> Any:
    """Run Python in this folder and return the figures that it printed as JSON in its last line."""
    return json.loads(run_python(*arguments, backend=backend).splitlines()[-1])


class Worker:
    """A process that measures on demand: a script of this folder that calls ``serve`` for these arguments."""

    def __init__(self, script: str, *arguments: str, backend: str) -> None:
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed on leaving)
        self._process = subprocess.Popen(
            [sys.executable, script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            cwd=FOLDER,
            env=os.environ | {"KERAS_BACKEND": backend},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # closes what it reads, which ends it
        self._stderr.close()

    def measure(self, *request: Any) -> Any:
        """Return what the script's function returns of the request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self._process.wait()
            self._stderr.seek(0)
            raise RuntimeError(f"The process that was to measure {request} ended:\n{self._stderr.read()}")
        return json.loads(answer)


def serve(function: Callable[..., Any]) -> None:
    """Answer a worker's requests until there are no more. What else is printed goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(function(*json.loads(line))), file=answers, flush=True)
