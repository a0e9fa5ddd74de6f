"""The messages between Python and the page: their binary format, and a queue that holds the latest of each kind."""

import json
import threading
from typing import Any

import numpy as np

_ALIGNMENT = 8  # bytes; the page reads arrays in place, without copying them


def pack_message(header: dict[str, Any], arrays: dict[str, np.ndarray] | None = None) -> bytes:
    """Return a header and arrays as one binary message.

    A message is the length of the header (4 bytes, little-endian), the header as JSON, and the arrays one after the
    other. The header lists the name, dtype, shape and offset of each array, counted from the end of the header. Header
    and arrays are padded to multiples of 8 bytes.
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


class LatestMessageQueue:
    """A thread-safe queue that holds only the latest message of each kind."""

    def __init__(self) -> None:
        self._messages: dict[str, Any] = {}
        self._changed = threading.Condition()
        self._closed = False

    def put(self, kind: str, message: Any) -> None:
        """Append a message; an older one of the same kind is dropped. A closed queue accepts none."""
        with self._changed:
            if not self._closed:
                self._messages.pop(kind, None)
                self._messages[kind] = message
                self._changed.notify()

    def put_again(self, kind: str, message: Any) -> None:
        """Append a message that was taken out, unless a newer one of its kind is queued."""
        with self._changed:
            if not self._closed and kind not in self._messages:
                self._messages[kind] = message
                self._changed.notify()

    def close(self) -> None:
        """Close the queue, drop its messages and wake all waiting threads."""
        with self._changed:
            self._closed = True
            self._messages.clear()
            self._changed.notify_all()

    def get(self) -> Any:
        """Wait for a message; return the one queued first, or None if the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._messages or self._closed)
            return None if self._closed else self._messages.pop(next(iter(self._messages)))

    def wait_for_message(self, seconds: float) -> bool:
        """Wait at most ``seconds``; return whether a message is queued or the queue is closed."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._messages or self._closed, seconds))

    def contains(self, *kinds: str) -> bool:
        """Return whether a message of one of the kinds is queued or the queue is closed."""
        with self._changed:
            return self._closed or any(kind in self._messages for kind in kinds)
