"""What stands beside a full segment of the audit log, so that a search need not read it in vain.

    audit-000000000001.index    what its lines can be found by: sorted 8-byte hashes of terms
    audit-000000000001.newest   {"format": 1, "newest": TIME}: the greatest time of its events, in Unix milliseconds

Lines stand in the order in which Kong told of them; their times are those of the requests, so a record that Kong held
stands behind newer ones. A segment is as new as its newest line, wherever that stands. What is missing (releases up to
0.2 wrote no times), or cannot be read, excludes nothing: the segment is read.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcp_core.telemetry.chain import LogHead, head_of
from mcp_core.telemetry.ocsf import terms

_FORMAT: Final = 1


def term_hash(name: str, value: str) -> int:
    """Return what an index has for a term."""
    return int.from_bytes(hashlib.blake2b(f"{name}={value}".encode(), digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a full segment holds: where the chain is at its end, its newest event's time, and hashes of its terms."""

    head: LogHead | None
    newest: int
    hashes: frozenset[int]

    def write(self, segment: Path) -> None:
        """Write it beside the segment, the index last. Raises OSError."""
        _replace(segment.with_suffix(".newest"), _newest_text(self.newest))
        _replace(segment.with_suffix(".index"), array("Q", sorted(self.hashes)).tobytes())


def is_closed(segment: Path) -> bool:
    """Return whether a segment has its index."""
    return segment.with_suffix(".index").exists()


def contents(segment: Path) -> Contents:
    """Read a full segment. Raises OSError, and ValueError where a line is none."""
    found: set[int] = set()
    head: LogHead | None = None
    newest = 0
    with segment.open("rb") as file:
        for line in file:
            told = head_of(line.rstrip(b"\n"))
            head = None if told is None else told[0]
            event = json.loads(line)["event"]
            newest = max(newest, int(event["time"]))
            found.update(term_hash(name, value) for name, value in terms(event))
    return Contents(head, newest, frozenset(found))


def reopen(segment: Path) -> None:
    """Take away what stands beside a segment whose lines are no longer those."""
    for suffix in (".index", ".newest"):
        segment.with_suffix(suffix).unlink(missing_ok=True)


def newest_of(segment: Path) -> int | None:
    """Return the greatest time of a segment's events (Unix milliseconds); None where that is not known."""
    try:
        told = json.loads(segment.with_suffix(".newest").read_bytes())
        return int(told["newest"]) if told["format"] == _FORMAT else None
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def newest_read(segment: Path) -> int:
    """Return the same of a full segment, read where it is not known, and kept then. Raises OSError, ValueError."""
    known = newest_of(segment)
    if known is None:
        with segment.open("rb") as file:
            known = max((int(json.loads(line)["event"]["time"]) for line in file), default=0)
        _replace(segment.with_suffix(".newest"), _newest_text(known))
    return known


def indexed(segment: Path, wanted: Iterable[int]) -> bool:
    """Return whether a segment may hold lines with all these terms. One without an index may."""
    try:
        index = segment.with_suffix(".index").open("rb")
    except FileNotFoundError:
        return True
    with index:
        count = os.fstat(index.fileno()).st_size // 8
        return all(_found(index.fileno(), count, one) for one in wanted)


def _found(file: int, count: int, wanted: int) -> bool:
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        here = int.from_bytes(os.pread(file, 8, middle * 8), "little")
        if here == wanted:
            return True
        low, high = (middle + 1, high) if here < wanted else (low, middle)
    return False


def _newest_text(newest: int) -> bytes:
    return json.dumps({"format": _FORMAT, "newest": newest}).encode() + b"\n"


def _replace(path: Path, data: bytes) -> None:
    scratch = path.with_name(f"{path.name}.new")
    scratch.write_bytes(data)
    scratch.replace(path)
