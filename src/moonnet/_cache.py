"""A folder of files that can be computed again, which only the user can write.

It saves time and is never needed: if a file cannot be read or written, for whatever reason, nothing else happens.
"""

import gzip
import io
import os
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

# Without the least recently used files, the folder keeps within both
MAX_FILES = 600
MAX_BYTES = 50_000_000
_PREFIX = "moonnet-"  # of the files; others in a folder that the user names are not touched
_START_OF_NAME = 10  # in a gzip file


def is_available() -> bool:
    """Return whether files can be read."""
    return _folder() is not None


def read(name: str) -> bytes | None:
    """Return the content of a file; None if there is none, or if it is damaged."""
    folder = _folder()
    if folder is None:
        return None
    path = folder / f"{_PREFIX}{name}.gz"
    try:
        compressed = path.read_bytes()
        content = gzip.decompress(compressed)  # which checks it
    except (OSError, EOFError, zlib.error):
        return None
    if compressed[_START_OF_NAME:].partition(b"\0")[0] != name.encode():  # a renamed file
        return None
    with suppress(OSError):
        os.utime(path)  # so that it is not the least recently used one
    return content or None  # gzip takes an empty file for one without content


def write(contents: Mapping[str, bytes]) -> None:
    """Write files by name, each one whole or not at all."""
    folder = _folder()
    if folder is None:
        return
    with suppress(OSError):
        for name, content in contents.items():
            handle, path = tempfile.mkstemp(prefix=_PREFIX, dir=folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_compressed(name, content))
                Path(path).replace(folder / f"{_PREFIX}{name}.gz")
            except BaseException:
                with suppress(OSError):  # which must not hide an interruption
                    Path(path).unlink()
                raise
        _remove_oldest(folder)


def _compressed(name: str, content: bytes) -> bytes:
    """Return a gzip file that contains its name."""
    buffer = io.BytesIO()
    with gzip.GzipFile(name, "wb", compresslevel=1, fileobj=buffer, mtime=0) as file:
        file.write(content)
    return buffer.getvalue()


def _folder() -> Path | None:
    """Return the folder, which exists; None if there is none, or if others can write to it."""
    setting = os.environ.get("MOONNET_CACHE")
    try:
        path = Path(setting).expanduser() if setting else _default_folder()
        if not path.is_absolute():  # such as "off", or below "~" for a user without a home
            return None
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except (OSError, RuntimeError, ImportError):
        return None
    is_private = not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)
    return path if is_private else None


def _default_folder() -> Path:
    """Return the folder for moonnet's files in the user's cache."""
    import platformdirs  # of the extra jax

    return platformdirs.user_cache_path("moonnet")


def _remove_oldest(folder: Path) -> None:
    """Remove the least recently used files, also what killed processes have left."""
    files = sorted(_files(folder), reverse=True)
    n_bytes = 0
    for index, (_, size, path) in enumerate(files):
        n_bytes += size
        if index >= MAX_FILES or n_bytes > MAX_BYTES:
            with suppress(OSError):  # another process was faster
                Path(path).unlink()


def _files(folder: Path) -> Iterator[tuple[int, int, str]]:
    """Yield of each file of moonnet when it was last used, its size and its path."""
    for entry in os.scandir(folder):
        if not entry.name.startswith(_PREFIX):
            continue
        with suppress(OSError):
            status = entry.stat()
            yield status.st_mtime_ns, status.st_size, entry.path
