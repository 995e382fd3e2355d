"""Reading an audit log: is it whole, and where is what one looks for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mcp_core.telemetry.chain import ChainProof, LogHead, prove
from mcp_core.telemetry.ocsf import terms
from mcp_sidecar.telemetry.audit_index import indexed, newest_of, term_hash
from mcp_sidecar.telemetry.audit_log import HEADS, first_seq, lines_of, segments, signed_text


class HeadError(ValueError):
    """A signed head cannot be believed; the message says which, and why."""


def verify(folder: Path, keys: Sequence[str]) -> ChainProof:
    """Follow the chain of a log. `keys` are the public keys (hexadecimal) whose signatures count.

    Raises:
        HeadError: a head is not signed by one of them, or two of them name one line with two hashes.
    """
    return prove(lines_of(folder), signed_heads(folder, keys))


def signed_heads(folder: Path, keys: Sequence[str]) -> dict[int, str]:
    """Return hash by number of all heads. Raises HeadError."""
    believed = {key: Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)) for key in keys}
    found: dict[int, str] = {}
    path = folder / HEADS
    for number, line in enumerate(path.read_bytes().splitlines() if path.exists() else (), 1):
        try:
            told = json.loads(line)
            head, at = LogHead(int(told["seq"]), str(told["hash"])), int(told["at"])
            believed[told["key"]].verify(bytes.fromhex(told["signature"]), signed_text(head, at))
        except KeyError:
            raise HeadError(f"{HEADS}:{number}: signed by a key that is not among those given") from None
        except (ValueError, TypeError, InvalidSignature):
            raise HeadError(f"{HEADS}:{number}: the signature does not hold") from None
        if found.setdefault(head.seq, head.hash) != head.hash:
            raise HeadError(f"{HEADS}:{number}: another head names line {head.seq} with another hash")
    return found


def search(
    folder: Path, wanted: Mapping[str, Sequence[str]], since: int = 0, after: int = 0
) -> Iterator[dict[str, Any]]:
    """Yield lines, oldest first: `{"seq", "previous", "event"}`, of which each term has one of its values.

    `since` is Unix milliseconds; `after` the number of a line. Segments that cannot hold them are not read.
    """
    found = segments(folder)
    for number, path in enumerate(found):
        if number + 1 < len(found) and first_seq(found[number + 1]) <= after + 1:
            continue
        newest = newest_of(path)
        if newest is not None and newest < since:
            continue
        if not all(any(indexed(path, [term_hash(name, value)]) for value in values) for name, values in wanted.items()):
            continue
        yield from _matching(path, wanted, since, after)


def _matching(path: Path, wanted: Mapping[str, Sequence[str]], since: int, after: int) -> Iterator[dict[str, Any]]:
    # A line is only read as JSON when it holds, as bytes, one value of each term.
    needles = [[json.dumps(value, ensure_ascii=False).encode() for value in values] for values in wanted.values()]
    with path.open("rb") as file:
        for line in file:
            if not all(any(value in line for value in values) for values in needles):
                continue
            told = json.loads(line)
            if told["seq"] <= after or told["event"]["time"] < since:
                continue
            known = dict(terms(told["event"]))
            if all(known.get(name) in values for name, values in wanted.items()):
                yield told
