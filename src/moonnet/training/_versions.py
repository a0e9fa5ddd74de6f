"""The versions that decide what a file on disk contains."""

import hashlib
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("losses", "networks", "training")  # those of moonnet whose code decides what is compiled


def versions() -> str | None:
    """Return the versions of Keras and moonnet; None if they are not known, as in an application without metadata."""
    try:
        # The version that is imported; it is not that of the metadata if a nightly build lies over a release
        keras = getattr(sys.modules.get("keras"), "__version__", None) or version("keras")
    except PackageNotFoundError:
        return None
    digest = _digest_of_code()
    return None if digest is None else f"keras-{keras}-moonnet-{digest}"


@cache
def _digest_of_code() -> str | None:
    """Return a digest of moonnet's code, which stands for the version: during development, it changes more often.

    None if there is no code to read, as in an archive or without sources.
    """
    digest, n_files = hashlib.sha256(), 0
    try:
        for package in _PACKAGES:
            for path in sorted((Path(__file__).parents[1] / package).rglob("*.py")):
                digest.update(path.read_bytes())
                n_files += 1
    except OSError:
        return None
    return digest.hexdigest()[:12] if n_files else None
