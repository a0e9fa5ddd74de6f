"""The folder of files that can be computed again: whole, bounded, and without effect if anything is wrong."""

import os
import threading

import pytest

from moonnet import _cache


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that does not exist yet, named by the environment."""
    path = tmp_path / "new" / "folder"
    monkeypatch.setenv("MOONNET_CACHE", str(path))
    return path


def test_read_returns_what_write_was_given_and_the_folder_is_the_users_alone(folder):
    assert _cache.is_available()
    assert _cache.read("numbers") is None
    _cache.write({"numbers": b"\x00\x01" * 10})
    _cache.write({"numbers": b"\x02" * 30})
    assert _cache.read("numbers") == b"\x02" * 30
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600]


def test_renamed_file_is_ignored(folder):
    _cache.write({"numbers": b"1"})
    (folder / "moonnet-numbers.gz").rename(folder / "moonnet-others.gz")
    assert _cache.read("others") is None


def test_default_folder_is_that_of_the_user_cache(tmp_path, monkeypatch):
    monkeypatch.delenv("MOONNET_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    _cache.write({"numbers": b"1"})
    assert (tmp_path / "moonnet" / "moonnet-numbers.gz").exists()


@pytest.mark.parametrize("setting", ["off", "OFF", "0", "false", "relative/folder"])
def test_cache_can_be_switched_off(tmp_path, monkeypatch, setting):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("MOONNET_CACHE", setting)
    monkeypatch.chdir(tmp_path)
    _cache.write({"numbers": b"1"})
    assert not _cache.is_available()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"1", b"no gzip", slice(0, 20), slice(3, None), 12, 25])
def test_damaged_file_is_ignored_and_replaced(folder, damage):
    _cache.write({"numbers": bytes(range(256))})
    path = folder / "moonnet-numbers.gz"
    content = path.read_bytes()
    if isinstance(damage, slice):
        damage = content[damage]
    elif isinstance(damage, int):  # one bit
        damage = content[:damage] + bytes([content[damage] ^ 1]) + content[damage + 1 :]
    path.write_bytes(damage)
    assert _cache.read("numbers") is None
    _cache.write({"numbers": b"new"})
    assert _cache.read("numbers") == b"new"


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="has no permissions")
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720, 0o702])
def test_folder_that_others_can_write_is_not_used(folder, mode):
    _cache.write({"numbers": b"1"})
    folder.chmod(mode)
    assert _cache.read("numbers") is None
    _cache.write({"more": b"2"})
    assert [path.name for path in folder.iterdir()] == ["moonnet-numbers.gz"]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="has no owners")
def test_folder_of_another_user_is_not_used(folder, monkeypatch):
    _cache.write({"numbers": b"1"})
    other = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: other)
    assert _cache.read("numbers") is None


def test_what_cannot_be_written_is_not_written(folder, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    _cache.write({"numbers": b"1"})
    with monkeypatch.context() as patch:
        patch.setattr(_cache.gzip, "GzipFile", fail)
        _cache.write({"numbers": b"2"})
        _cache.write({"more": b"2"})
    assert [path.name for path in folder.iterdir()] == ["moonnet-numbers.gz"]
    assert _cache.read("numbers") == b"1"
    with monkeypatch.context() as patch:
        patch.setattr(_cache.tempfile, "mkstemp", fail)  # of a folder that can only be read
        patch.setattr(_cache.os, "utime", fail)
        _cache.write({"numbers": b"2"})
        assert _cache.read("numbers") == b"1"


@pytest.mark.parametrize("setting", ["file", "file/below"])
def test_folder_that_cannot_be_made_is_no_error(tmp_path, monkeypatch, setting):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MOONNET_CACHE", str(tmp_path / setting))
    _cache.write({"numbers": b"1"})
    assert _cache.read("numbers") is None
    assert not _cache.is_available()


def test_user_without_a_home_has_no_cache(tmp_path, monkeypatch):
    monkeypatch.delenv("MOONNET_CACHE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path.relative_to("/") / name)
    monkeypatch.chdir(tmp_path)
    assert not _cache.is_available()
    assert list(tmp_path.iterdir()) == []


def test_least_recently_used_files_are_removed(folder, monkeypatch):
    monkeypatch.setattr(_cache, "MAX_FILES", 3)
    for index in range(3):
        _cache.write({str(index): b"content"})
        os.utime(folder / f"moonnet-{index}.gz", (index, index))
    (folder / "moonnet-left-by-a-killed-process").touch()
    os.utime(folder / "moonnet-left-by-a-killed-process", (1, 1))
    assert _cache.read("0") == b"content"  # now it is the most recently used one
    _cache.write({"3": b"content"})
    assert {path.name for path in folder.iterdir()} == {f"moonnet-{name}.gz" for name in "023"}

    monkeypatch.setattr(_cache, "MAX_BYTES", 2 * (folder / "moonnet-3.gz").stat().st_size)
    _cache.write({"4": b"content"})
    assert {path.name for path in folder.iterdir()} == {f"moonnet-{name}.gz" for name in "34"}


def test_files_of_others_are_never_removed(folder, monkeypatch):
    folder.mkdir(mode=0o700, parents=True)
    (folder / "thesis.csv.gz").write_bytes(bytes(1000))
    os.utime(folder / "thesis.csv.gz", (1, 1))
    monkeypatch.setattr(_cache, "MAX_FILES", 1)
    monkeypatch.setattr(_cache, "MAX_BYTES", 500)
    for name in "ab":
        _cache.write({name: b"content"})
    assert {path.name for path in folder.iterdir()} == {"thesis.csv.gz", "moonnet-b.gz"}


def test_interruption_while_writing_is_raised_and_leaves_no_file(folder, monkeypatch):
    def interrupt(path, target):
        os.rename(path, target)  # noqa: PTH104 - as late as possible: the temporary file is no more
        raise KeyboardInterrupt

    monkeypatch.setattr(_cache.Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        _cache.write({"numbers": b"1"})
    assert [path.name for path in folder.iterdir()] == ["moonnet-numbers.gz"]


def test_files_are_whole_while_others_write_them(folder):
    contents, seen = [bytes([letter]) * 100_000 for letter in b"ab"], set()

    def write(content):
        for _ in range(30):
            _cache.write({"letters": content})

    threads = [threading.Thread(target=write, args=[content]) for content in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen.add(_cache.read("letters"))
    assert seen <= {None, *contents}
    assert [path.name for path in folder.iterdir()] == ["moonnet-letters.gz"]
