"""The snapshot file of this node: written beside, synced and renamed, so that a guard reads the old one or the new."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mcp_core.pins.snapshot import seal
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.store import Store


class SnapshotWriter:
    """Writes one file. `release` is ours, for whoever looks at the file."""

    def __init__(self, path: str, keys: Sequence[bytes], release: str) -> None:
        self._path = Path(path)
        self._keys = keys
        self._release = release

    def write(self, store: Store) -> None:
        """Have the file say what the store says. Raises StoreError, of the disk too."""
        snapshot = store.snapshot(self._release)
        try:
            replace_file(self._path, seal(msgspec.msgpack.encode(snapshot.to_values()), self._keys))
        except OSError as error:
            raise StoreError(f"the snapshot {self._path} cannot be written: {error.strerror}") from error


def replace_file(path: Path, content: bytes) -> None:
    """Put a file in the place of another in one step that outlives a power cut. Raises OSError."""
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    beside = Path(name)
    try:
        with open(number, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
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
