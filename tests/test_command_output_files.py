"""A file is replaced only if it was written completely."""

import resource
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from moonnet.command._output_files import replacing


def test_new_and_existing_files_are_written(tmp_path):
    path = tmp_path / "new folder" / "result.txt"
    for content in ("first", "second"):
        with replacing(path) as new_file:
            assert new_file.name == path.name
            new_file.write_text(content)
        assert path.read_text() == content
    path.chmod(0o604)
    with replacing(path) as new_file:
        new_file.write_text("third")
    assert path.stat().st_mode & 0o777 == 0o604
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failure_leaves_the_earlier_file(error, tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("earlier")

    def write_half():
        with replacing(path) as new_file:
            new_file.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def small_files():
    """Let the system refuse to write more than 1 kB to a file, like a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


WRITERS = {"text": lambda path: path.write_text("x" * 2000), "picture": lambda path: plt.figure().savefig(path)}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.usefixtures("small_files")
def test_full_disk_leaves_the_earlier_file_and_the_error_names_it(name, tmp_path):
    path = tmp_path / "result.png"
    path.write_text("earlier")
    with pytest.raises(OSError, match="File too large") as caught, replacing(path) as new_file:
        WRITERS[name](new_file)
    assert caught.value.filename == str(path)
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_device_is_written_to_directly():
    with replacing(Path("/dev/null")) as new_file:
        assert new_file == Path("/dev/null")
    assert Path("/dev/null").is_char_device()


def test_file_that_a_symbolic_link_names_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    path, link = tmp_path / "folder" / "result.txt", tmp_path / "link.txt"
    path.write_text("earlier")
    link.symlink_to(path)
    with replacing(link) as new_file:
        new_file.write_text("new")
    assert link.is_symlink()
    assert path.read_text() == "new"
