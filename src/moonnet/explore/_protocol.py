"""How Python talks to the page: a header and arrays in one piece; and where requests wait, the newest of each kind."""

import json
import threading
from typing import Any

import numpy as np

_ALIGNMENT = 8  # bytes, so that the page may look at arrays where they lie


def packed(header: dict[str, Any], arrays: dict[str, np.ndarray] | None = None) -> bytes:
    """Return a header and arrays in one piece.

    The length of the header (4 bytes, little-endian), the header as JSON, and the arrays one after the other. The
    header lists them by name, type, shape and where they begin, counted from the end of the header. Header and arrays
    are padded to multiples of 8 bytes.
    """
    listed, pieces, offset = [], [], 0
    for name, array in (arrays or {}).items():
        content = np.ascontiguousarray(array).tobytes()
        listed.append([name, array.dtype.name, array.shape, offset])
        pieces.append(content + bytes(-len(content) % _ALIGNMENT))
        offset += len(pieces[-1])
    text = json.dumps({**header, "arrays": listed}, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 4) % _ALIGNMENT)
    return b"".join([len(text).to_bytes(4, "little"), text, *pieces])


class NewestOfEachKind:
    """A box for a thread to wait at, which holds the newest message of each kind."""

    def __init__(self) -> None:
        self._messages: dict[str, Any] = {}
        self._changed = threading.Condition()
        self._closed = False

    def put(self, kind: str, message: Any) -> None:
        """Put a message in, behind those of other kinds; an older one of its kind is dropped."""
        with self._changed:
            self._messages.pop(kind, None)
            self._messages[kind] = message
            self._changed.notify()

    def close(self) -> None:
        """Wake who waits, for the last time."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self) -> Any:
        """Wait for a message and return the one that has been there longest; None when the box is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._messages or self._closed)
            return None if self._closed else self._messages.pop(next(iter(self._messages)))

    def waits_for(self, seconds: float) -> bool:
        """Wait so long for a message; return whether one came, or the box is closed."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._messages or self._closed, seconds))

    def holds(self, *kinds: str) -> bool:
        """Return whether a message of one of the kinds waits, or the box is closed."""
        with self._changed:
            return self._closed or any(kind in self._messages for kind in kinds)
