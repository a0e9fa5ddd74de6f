"""Imports without garbage collections, which run again afterwards."""

import gc

import pytest

from moonnet._heavy_imports import without_garbage_collection


@pytest.fixture(autouse=True)
def enabled():
    """Restore the collector's state."""
    was_enabled = gc.isenabled()
    yield
    gc.enable() if was_enabled else gc.disable()


@pytest.mark.parametrize("is_enabled", [True, False])
def test_collections_are_postponed_and_the_callers_setting_is_kept(is_enabled):
    gc.enable() if is_enabled else gc.disable()
    with without_garbage_collection():
        with without_garbage_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled() == is_enabled


def test_collections_run_again_after_an_error():
    gc.enable()
    with pytest.raises(ModuleNotFoundError), without_garbage_collection():
        import not_a_module  # noqa: F401
    assert gc.isenabled()
