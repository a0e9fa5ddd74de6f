"""One thread for the matrix products of a picture, which are too small for several.

While other programs use the processor, several threads of BLAS wait for each other much longer than they compute.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController


class SingleBlasThread:
    """A context in which BLAS uses one thread in the whole process.

    Only one thread is in it at a time: of two, the second would restore the limit of the first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._controller = ThreadpoolController()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Enter the context."""
        with self._lock, self._controller.limit(limits=1, user_api="blas"):
            yield
