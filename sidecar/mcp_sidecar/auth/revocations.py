"""The list of who is cut off, on this node: followed in the store, written where the node's guards read it.

`kong-mcp revoke` writes to the same file, also while no sidecar runs; a lock beside it keeps the two apart, and of two
words on one subject the later one counts.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import msgspec
import structlog

from mcp_core.auth import revoked
from mcp_core.auth.revoked import Revoked, Word
from mcp_core.sealed_file import SealedFileError
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.store import Store
from mcp_sidecar.surface.snapshots import replace_file

REVOKED_VARIABLE = "KONG_MCP_REVOKED"
"""Environment variable with the path of this node's list: guards read what the sidecar and `kong-mcp revoke` write."""


class RevokedFile:
    """One file. `release` is ours, for whoever looks at it."""

    def __init__(self, path: str, ring: Sequence[bytes], release: str) -> None:
        self._path = Path(path)
        self._ring = ring
        self._release = release

    def read(self) -> Revoked:
        """Return what the file says; nothing where there is none. Raises SealedFileError and OSError."""
        try:
            return revoked.read_file(self._path.read_bytes(), self._ring, msgspec.msgpack.decode)
        except FileNotFoundError:
            return Revoked()

    def add(self, words: Iterable[Word], now: float) -> Revoked:
        """Have the file hold these words too, and return what it says then.

        Raises SealedFileError and OSError; the file is what it was then.
        """
        with self._locked():
            known = self.read()
            news = [known.add(word) for word in words]
            if any(news) or not self._path.exists():
                known.forget(now)
                packed = msgspec.msgpack.encode(revoked.to_values(self._release, known))
                replace_file(self._path, revoked.FILE.seal(packed, self._ring))
            return known

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._path.with_name(f"{self._path.name}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class RevocationKeeper:
    """Keeps one node's list. Without a store there is only what was written on this node."""

    def __init__(self, file: RevokedFile, store: str | None, interval: float, hear: Callable[[Revoked], None]) -> None:
        """`interval` is in seconds; `hear` is told of the list each time."""
        self._hear = hear
        self._file = file
        self._store = store
        self._interval = interval
        self._seq = 0
        self._opened: Store | None = None
        self._problem = ""

    async def run(self) -> None:
        """Keep the list, for ever."""
        try:
            while True:
                known = await anyio.to_thread.run_sync(self.follow)
                if known is not None:
                    self._hear(known)
                await anyio.sleep(self._interval)
        finally:
            if self._opened is not None:
                self._opened.close()

    def follow(self) -> Revoked | None:
        """Write what the store says anew, and return the list; None where there is none.

        What cannot be read or written is told once, and tried again.
        """
        problem, known = "", None
        try:
            seq, words = self._news()
            known = self._file.add(words, time.time())
            self._seq = seq
        except (StoreError, SealedFileError, OSError, ValueError) as error:
            problem = str(error)
            with suppress(SealedFileError, OSError):
                # Guards let nothing pass before there is a list: that of this node is better than none.
                known = self._file.add((), time.time())
        if problem and problem != self._problem:
            structlog.get_logger().warning("revocations are not followed", problem=problem)
        self._problem = problem
        return known

    def _news(self) -> tuple[int, list[Word]]:
        if self._store is None:
            return 0, []
        if self._opened is None:
            self._opened = Store(self._store)
        return self._opened.revocations(self._seq)
