"""Run measurements in child processes, for another engine or for imports, compilation and memory."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

FOLDER = Path(__file__).parent
BACKENDS = ("tensorflow", "jax")  # Keras loads one per process
ENVIRONMENT = {"MOONNET_CACHE": "off"}  # what is measured does not depend on earlier processes


def run_python(*arguments: Any, backend: str = "tensorflow", **environment: str) -> str:
    """Run Python in this folder with a Keras backend, and return its standard output."""
    child = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=FOLDER,
        env=os.environ | ENVIRONMENT | {"KERAS_BACKEND": backend} | environment,
    )
    assert child.returncode == 0, child.stderr
    return child.stdout


def run_python_json(*arguments: Any, backend: str = "tensorflow", **environment: str) -> Any:
    """Run Python in this folder and return its last line of output, parsed as JSON."""
    return json.loads(run_python(*arguments, backend=backend, **environment).splitlines()[-1])


class Worker:
    """A child process that measures on request: a script of this folder that calls ``serve``."""

    def __init__(self, script: str, *arguments: str, backend: str) -> None:
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed on leaving)
        self._process = subprocess.Popen(
            [sys.executable, script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            cwd=FOLDER,
            env=os.environ | ENVIRONMENT | {"KERAS_BACKEND": backend},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # closes its standard input, which ends it
        self._stderr.close()

    def measure(self, *request: Any) -> Any:
        """Call the script's function with these arguments in the child process, and return its result."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self._process.wait()
            self._stderr.seek(0)
            raise RuntimeError(f"The child process ended before it answered {request}:\n{self._stderr.read()}")
        return json.loads(answer)


def serve(function: Callable[..., Any]) -> None:
    """Answer the requests of a ``Worker`` until standard input is closed; other output goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(function(*json.loads(line))), file=answers, flush=True)
