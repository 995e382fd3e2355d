"""The audit log's files: segments of a chain of lines, what a full one is found by beside it, and the signed heads.

    audit-000000000001.jsonl   lines 1 to 50,000; the file of the newest ones grows
    audit-000000000001.index   and .newest: see audit_index
    heads.jsonl                {"seq", "hash", "at", "key", "signature"}: Ed25519 over `kong-mcp audit SEQ:HASH AT`

What is written is on the disk before Kong hears that it was taken. Whether a batch counts is decided by the store's
transaction, which holds the head too: what stands behind that head in a file was never acknowledged and is cut off.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mcp_core.pins.canonical import canonical
from mcp_core.telemetry.chain import START, LogHead, head_of, link
from mcp_sidecar.telemetry.audit_index import contents, is_closed, newest_of, newest_read, reopen

SEGMENT_LINES: Final = 50_000
HEADS: Final = "heads.jsonl"
_PREFIX: Final = "audit-"
_SEED: Final = b"kong-mcp audit heads, format 1"


def signing_key(secret: bytes) -> Ed25519PrivateKey:
    """Return the key that signs heads, made of the first key of the gateway's ring."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.blake2b(_SEED, key=secret[:64], digest_size=32).digest())


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public half in hexadecimal: whoever has it can check heads, and sign none."""
    return key.public_key().public_bytes_raw().hex()


def signed_text(head: LogHead, at: int) -> bytes:
    """Return what is signed of a head. `at` is Unix milliseconds."""
    return f"kong-mcp audit {head} {at}".encode()


def segments(folder: Path) -> list[Path]:
    """Return the files of lines, oldest first."""
    return sorted(folder.glob(f"{_PREFIX}*.jsonl"))


def first_seq(segment: Path) -> int:
    """Return the number of a segment's first line."""
    return int(segment.stem.removeprefix(_PREFIX))


class AuditLog:
    """One collector's log in a folder of its own. Every call blocks, and may raise OSError; nothing is half written."""

    def __init__(self, folder: Path, key: Ed25519PrivateKey, lines: int = SEGMENT_LINES) -> None:
        self._folder = folder
        self._key = key
        self._lines = lines
        folder.mkdir(parents=True, exist_ok=True)
        self.head = self._last()
        self._signed = START.seq

    def append(self, events: Sequence[dict[str, Any]]) -> LogHead:
        """Write events behind the head, to the disk. Raises OSError, and then none of them is there."""
        before, head = self.head, self.head
        parts: dict[Path, list[bytes]] = {}
        for event in events:
            path = self._segment(head.seq + 1)
            line, head = link(head, canonical(event))
            parts.setdefault(path, []).append(line + b"\n")
        try:
            for path, lines in parts.items():
                _write(path, b"".join(lines))
        except OSError:
            self.cut_back(before)
            raise
        self.head = head
        return head

    def cut_back(self, head: LogHead) -> int:
        """Take off the lines behind a head, which nobody was told of; returns how many."""
        gone = max(self._last().seq - head.seq, 0)
        for path in reversed(segments(self._folder)):
            if first_seq(path) > head.seq:
                path.unlink()
                reopen(path)
            else:
                _truncate(path, head.seq - first_seq(path) + 1)
                break
        self.head = head
        return gone

    def sign(self, now: int) -> None:
        """Say, signed, how far the chain goes, where it goes further than the last head said."""
        for path in segments(self._folder)[:-1]:
            self._close(path, now)
        if self.head.seq > self._signed:
            self._sign(self.head, now)

    def forget(self, before: int) -> int:
        """Remove the first segments of which all lines are older than that (Unix milliseconds); returns how many."""
        gone = 0
        for path in segments(self._folder)[:-1]:
            if newest_read(path) >= before:
                break
            path.unlink()
            reopen(path)
            gone += 1
        return gone

    def date(self) -> None:
        """Note how new one full segment is of which an earlier release did not: one a call, for each is read whole."""
        for path in segments(self._folder)[:-1]:
            if newest_of(path) is None:
                newest_read(path)
                return

    def _sign(self, head: LogHead, now: int) -> None:
        signature = self._key.sign(signed_text(head, now)).hex()
        told = {"seq": head.seq, "hash": head.hash, "at": now, "key": public_text(self._key), "signature": signature}
        _write(self._folder / HEADS, json.dumps(told).encode() + b"\n")
        self._signed = max(head.seq, self._signed)

    def _close(self, path: Path, now: int) -> None:
        """Give a full segment its index, and sign its end: it may be the last that is known of it one day."""
        if is_closed(path):
            return
        found = contents(path)
        if found.head is not None:
            self._sign(found.head, now)
        found.write(path)

    def _segment(self, seq: int) -> Path:
        first = seq - (seq - 1) % self._lines
        return self._folder / f"{_PREFIX}{first:012}.jsonl"

    def _last(self) -> LogHead:
        found = segments(self._folder)
        if not found:
            return START
        last = None
        with found[-1].open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    last = line
        told = None if last is None else head_of(last.rstrip(b"\n"))
        return START if told is None else told[0]


def lines_of(folder: Path) -> Iterator[bytes]:
    """Yield all lines of a log, oldest first, without their ends."""
    for path in segments(folder):
        with path.open("rb") as file:
            for line in file:
                yield line.rstrip(b"\n")


def _write(path: Path, data: bytes) -> None:
    """Add to a file, to the disk; what could not be written whole is taken off again."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(file).st_size
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)
        except OSError:
            os.ftruncate(file, size)
            raise
    finally:
        os.close(file)


def _truncate(path: Path, lines: int) -> None:
    """Keep so many lines of a file."""
    size = 0
    with path.open("rb") as file:
        for _ in range(lines):
            line = file.readline()
            if not line.endswith(b"\n"):
                break
            size += len(line)
    if size < path.stat().st_size:
        os.truncate(path, size)
        reopen(path)
