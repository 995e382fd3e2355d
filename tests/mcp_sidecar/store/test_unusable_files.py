"""A file that cannot be a store, or no longer takes what is written: which one, and what to do."""

import contextlib
import resource

import pytest

from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.store import Store


@contextlib.contextmanager
def files_no_larger_than(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def refused(path):
    with pytest.raises(StoreError) as refusal:
        Store(str(path), migrate=True)
    assert str(refusal.value).startswith(f"the store {path} cannot be used: ")
    return str(refusal.value)


@pytest.mark.requirement("STORE-024")
def test_a_disk_that_takes_no_more_is_named_with_what_to_do(tmp_path):
    with files_no_larger_than(16 * 1024):
        said = refused(tmp_path / "store.db")
    assert f"make room on the disk of {tmp_path}" in said
    assert "ulimit -f" in said


@pytest.mark.requirement("STORE-024")
def test_a_store_that_is_full_is_named_too(tmp_path):
    store = Store(str(tmp_path / "store.db"), migrate=True)
    with contextlib.closing(store), files_no_larger_than(4096), pytest.raises(StoreError, match="make room on"):
        store.take_lease("look", "a" * 100_000, 1, 1, None)


@pytest.mark.requirement("STORE-024")
def test_a_path_that_can_be_no_store_is_told_with_what_to_do(tmp_path):
    assert f"make the folder {tmp_path}/none" in refused(tmp_path / "none" / "store.db")
    assert "it is a folder: name a file in it" in refused(tmp_path)
    (tmp_path / "notes.txt").write_text("no database\n" * 100)
    assert "name the file of a store" in refused(tmp_path / "notes.txt")
