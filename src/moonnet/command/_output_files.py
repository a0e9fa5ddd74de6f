"""Write files so that a failure leaves an earlier file as it was."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a new file, which replaces ``path`` if the block succeeds.

    The new file has the same name, so that its suffix decides the format, and the permissions of the old one. The block
    writes directly to what is not a regular file, such as /dev/stdout. Raises OSError with the name of the file.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    try:
        old = path.resolve()  # of a symbolic link, the file that it names
        old.parent.mkdir(parents=True, exist_ok=True)
        # In the same folder, because a file cannot be renamed across file systems
        with TemporaryDirectory(prefix=".moonnet-", dir=old.parent, ignore_cleanup_errors=True) as folder:
            new = Path(folder, old.name)
            yield new
            if old.exists():
                shutil.copymode(old, new)
            new.replace(old)
    except OSError as error:
        error.filename = str(path)
        raise
