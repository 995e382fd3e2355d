"""The audit log's chain: each line holds the hash of the one before it, and signed heads say how far it went.

A line is `{"seq":N,"previous":"HASH","event":{...}}`; its hash is the SHA-256 of its bytes without the line end. A head
is a line of its own file: what was the last line at a time, signed. So a line that is changed, taken out, moved or put
in breaks the chain, and an end that is cut off is short of the last head. Of lines that are no longer kept the head
remains that the first one kept continues.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

GENESIS: Final = "0" * 64
"""What the first line holds as the hash before it."""
_LINE: Final = re.compile(rb'\{"seq":([0-9]{1,18}),"previous":"([0-9a-f]{64})","event":\{')


class LogHead(NamedTuple):
    """A place in the chain: the number of a line, and its hash."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


START: Final = LogHead(0, GENESIS)


def link(head: LogHead, event: str) -> tuple[bytes, LogHead]:
    """Return an event's line behind a head, without its end, and the head that it makes. `event` is JSON text."""
    line = f'{{"seq":{head.seq + 1},"previous":"{head.hash}","event":{event}}}'.encode()
    return line, LogHead(head.seq + 1, hashlib.sha256(line).hexdigest())


def head_of(line: bytes) -> tuple[LogHead, str] | None:
    """Return the head that a line makes, and the hash before it; None for what is no line of a chain."""
    match = _LINE.match(line)
    if match is None:
        return None
    return LogHead(int(match[1]), hashlib.sha256(line).hexdigest()), match[2].decode()


@dataclass(frozen=True, slots=True)
class ChainProof:
    """What was checked: `lines` that hold, from `first` to `last`, and the first thing that does not, if any."""

    lines: int
    first: int
    last: LogHead
    problem: str | None = None


def prove(lines: Iterable[bytes], signed: Mapping[int, str]) -> ChainProof:
    """Follow a chain. `signed` are the hashes by number that heads, whose signatures are good, vouch for."""
    count, first, last = 0, 0, START
    for line in lines:
        found = head_of(line)
        if found is None:
            return ChainProof(count, first, last, f"behind line {last.seq} stands what is no line of the log")
        head, previous = found
        if not count:
            first = head.seq
            if head.seq > 1 and signed.get(head.seq - 1) != previous:
                text = f"line {head.seq - 1} and those before it are gone, and no signed head says that they were there"
                return ChainProof(count, first, last, text)
            last = LogHead(head.seq - 1, previous)
            if head.seq == 1 and previous != GENESIS:
                return ChainProof(count, first, last, "line 1 is not the beginning of a chain")
        if head.seq != last.seq + 1:
            return ChainProof(
                count, first, last, f"line {last.seq + 1} is missing: line {head.seq} follows line {last.seq}"
            )
        if previous != last.hash:
            return ChainProof(
                count, first, last, f"line {last.seq} was changed: line {head.seq} holds another hash of it"
            )
        if head.seq in signed and signed[head.seq] != head.hash:
            return ChainProof(
                count, first, last, f"line {head.seq} is not the one of its signed head: the log was written anew"
            )
        count, last = count + 1, head
    newest = max(signed, default=0)
    if newest > last.seq:
        return ChainProof(
            count, first, last, f"line {last.seq + 1} is missing: a signed head says that there were {newest}"
        )
    return ChainProof(count, first, last)
