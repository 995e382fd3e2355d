"""The file of a snapshot on a disk that is full."""

from __future__ import annotations

import errno

import pytest

from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.surface import snapshots
from mcp_sidecar.surface.memory import Memory
from mcp_sidecar.surface.snapshots import SnapshotWriter

KEY = b"k" * 32


def _full(_path, _content):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.requirement("SIDE-060")
def test_room_is_kept_for_the_next_snapshot_and_given_up_for_it(tmp_path, monkeypatch):
    memory = Memory(1.0, tells_guards=True)
    path = tmp_path / "snapshot"
    writer = SnapshotWriter(str(path), [KEY], "1")
    writer.write(memory.freeze(), must_close=False)
    reserve = tmp_path / "snapshot.reserve"
    assert reserve.stat().st_size > 2 * path.stat().st_size
    before = path.stat().st_ino, path.stat().st_mtime_ns
    real = snapshots.replace_file

    def full_while_room_is_kept(to, content):
        if to == reserve or reserve.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        real(to, content)

    monkeypatch.setattr(snapshots, "replace_file", full_while_room_is_kept)
    writer.write(memory.freeze(), must_close=True)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) != before
    assert not reserve.exists()


@pytest.mark.requirement("SIDE-060")
def test_a_file_that_was_put_aside_still_tells_the_next_start_what_was_known(tmp_path, monkeypatch):
    memory = Memory(1.0, tells_guards=True)
    path = tmp_path / "snapshot"
    writer = SnapshotWriter(str(path), [KEY], "1")
    writer.write(memory.freeze(), must_close=False)
    monkeypatch.setattr(snapshots, "replace_file", _full)
    with pytest.raises(StoreError, match="refused on this node"):
        writer.write(memory.freeze(), must_close=True)
    assert not path.exists()
    assert writer.read() is not None
    with pytest.raises(StoreError, match="refused on this node"):
        writer.write(memory.freeze(), must_close=True)
