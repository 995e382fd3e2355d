"""What a node's guards are told of servers that cannot be asked now, as a small file that its sidecar writes.

It is sealed as the snapshot of pins is, with a magic and a purpose of its own; the packed values are

    {"format": 1, "version": TEXT, "closed": {SERVER: {"why": WORD, "until": UNIX TIME, "retry": SECONDS}}}

`until`, in seconds, ends each entry: a sidecar that went away closes nothing for long. For the same reason a file that
is missing, cut or of another release closes nothing: this is no matter of policy. Nothing in it is secret; the HMAC
keeps whoever can write to the folder from closing servers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_core.formats import is_understood
from mcp_core.health.breaker import Why
from mcp_core.outcome import UNAVAILABLE, Reject, RequestId
from mcp_core.pins.snapshot import SnapshotError, Unpack, seal, unseal
from mcp_core.reasons import Reason

FORMAT: Final = 1
MAGIC: Final = b"KMH1"
GOOD_SECONDS: Final = 10
"""How long an entry holds that nobody renews."""

_PURPOSE: Final = "kong-mcp health"
_MEMBERS: Final = frozenset({"format", "version", "closed"})
_WORDS: Final = {
    Why.NO_REPLICA: "No replica of this server is well.",
    Why.ERRORS: "This server did not answer most of its last requests.",
    Why.SLOWNESS: "This server answered most of its last requests far too slowly.",
}


@dataclass(frozen=True, slots=True)
class ClosedServer:
    """One server that is not to be asked: why, until which Unix time in seconds, and when agents may try again."""

    why: Why
    until: float
    retry: float = 5.0


def refusal(why: Why, wait: float, id_: RequestId | None = None) -> Reject:
    """Return what an agent hears at once in place of a place in a queue."""
    seconds = str(max(1, math.ceil(wait)))
    text = f"{_WORDS[why]} The request was not sent to it. Try again in {seconds} s."
    data = {"reason": why.value}
    return Reject(
        UNAVAILABLE,
        text,
        Reason.SERVER_UNWELL,
        id=id_,
        status=503,
        data=data,
        detail=why.value,
        headers={"Retry-After": seconds},
    )


def seal_values(packed: bytes, keys: Sequence[bytes]) -> bytes:
    """Return the file of packed values."""
    return seal(packed, keys, MAGIC, _PURPOSE)


def to_values(version: str, closed: Mapping[str, ClosedServer]) -> dict[str, Any]:
    """Return the values that MessagePack packs. `version` is the writer's release."""
    said = {server: {"why": one.why.value, "until": one.until, "retry": one.retry} for server, one in closed.items()}
    return {"format": FORMAT, "version": version, "closed": said}


def read_file(file: bytes, keys: Sequence[bytes], unpack: Unpack) -> dict[str, ClosedServer]:
    """Return which servers a file's bytes close. A reason that only another release knows closes all the same.

    Raises:
        SnapshotError: the file cannot be believed or read.
    """
    packed = unseal(file, keys, MAGIC, _PURPOSE)
    try:
        values = unpack(packed)
    except (ValueError, RecursionError):
        raise SnapshotError("it is not MessagePack") from None
    if not isinstance(values, Mapping) or values.get("format") != FORMAT or not is_understood(values, _MEMBERS):
        raise SnapshotError(f"it is not of format {FORMAT}, or asks for more: sidecar and guard differ in release")
    closed = values.get("closed")
    if not isinstance(closed, Mapping):
        raise SnapshotError("it does not say which servers are closed")
    return {str(server): _closed(one) for server, one in closed.items()}


def _closed(value: Any) -> ClosedServer:
    if not isinstance(value, Mapping):
        raise SnapshotError("a server is closed without a time")
    until, retry, why = value.get("until"), value.get("retry", 5.0), value.get("why")
    return ClosedServer(Why(why) if why in list(Why) else Why.NO_REPLICA, _seconds(until), _seconds(retry))


def _seconds(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise SnapshotError("a server is closed without a time")
    return float(value)
