"""The snapshot file of this node: written beside, synced and renamed, so that a guard reads the old one or the new.

Where the disk is full, room that was kept for it is given up, once. Where even that is not enough and something is to
close, the file is put aside: guards then refuse everything that names an item, until there is a file again.
"""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from mcp_core.pins.snapshot import FILE, Snapshot, read_file
from mcp_core.sealed_file import SealedFileError
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.surface.memory import Frozen

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_RESERVE: Final = 64 * 1024
"""Bytes that are kept beside twice the size of the file."""


class SnapshotWriter:
    """Writes one file. `release` is ours, for whoever looks at the file."""

    def __init__(self, path: str, keys: Sequence[bytes], release: str) -> None:
        self._path = Path(path)
        self._aside = self._path.with_name(f"{self._path.name}.aside")
        self._reserve = self._path.with_name(f"{self._path.name}.reserve")
        self._keys = keys
        self._release = release

    def write(self, frozen: Frozen, *, must_close: bool) -> None:
        """Have the file say what is known.

        Raises:
            StoreError: it cannot be written. Where something is to close, there is no file any more then.
        """
        content = FILE.seal(msgspec.msgpack.encode(frozen.snapshot(self._release).to_values()), self._keys)
        try:
            self._replace(content)
        except OSError as error:
            text = f"the snapshot {self._path} cannot be written: {error.strerror}"
            if must_close:
                text += f"; {self._put_aside()}"
            raise StoreError(text) from error
        self._keep_room(len(content))

    def read(self) -> Snapshot | None:
        """Return what the file said last, or None where there is none that can be believed."""
        for path in (self._path, self._aside):
            try:
                return read_file(path.read_bytes(), self._keys, msgspec.msgpack.decode)
            except FileNotFoundError:
                continue
            except (OSError, SealedFileError) as error:
                structlog.get_logger().warning("the last snapshot is not read", path=str(path), problem=str(error))
        return None

    def _replace(self, content: bytes) -> None:
        try:
            replace_file(self._path, content)
        except OSError as error:
            if error.errno not in _FULL or not self._reserve.exists():
                raise
            self._reserve.unlink()
            replace_file(self._path, content)
        self._aside.unlink(missing_ok=True)

    def _keep_room(self, size: int) -> None:
        wanted = 2 * size + _RESERVE
        try:
            if self._reserve.exists() and self._reserve.stat().st_size >= wanted:
                return
            replace_file(self._reserve, b"\0" * wanted)
        except OSError as error:
            structlog.get_logger().warning("no room is kept for the next snapshot", problem=error.strerror)

    def _put_aside(self) -> str:
        """Take the file away, and keep what it says for the next start. Returns what became of it."""
        try:
            self._path.replace(self._aside)
        except FileNotFoundError:
            pass
        except OSError as error:
            return f"nor can it be put aside ({error.strerror}): what it has open stays open for calls"
        return "it was put aside, so calls of everything are refused on this node until it can be written"


def replace_file(path: Path, content: bytes) -> None:
    """Put a file in the place of another in one step that outlives a power cut. Raises OSError."""
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    beside = Path(name)
    try:
        with open(number, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A new file may get the inode and size of one before it, and the kernel's clock ticks slowly: guards tell one
        # file from another by its time.
        now = time.time_ns()
        os.utime(beside, ns=(now, now))
        # Kong may run as another user than the sidecar, and nothing in it is secret.
        beside.chmod(0o644)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
