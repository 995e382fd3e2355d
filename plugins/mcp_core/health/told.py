"""What a node's guards are told of servers that cannot be asked now, as a small file that its sidecar writes.

It is a sealed file (see `sealed_file`), of the values

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

from mcp_core.health.breaker import Why
from mcp_core.outcome import UNAVAILABLE, Reject, RequestId
from mcp_core.reasons import Reason
from mcp_core.sealed_file import SealedFileError, SealedFormat, Unpack

FILE: Final = SealedFormat(b"KMH1", "kong-mcp health", 1, frozenset({"format", "version", "closed"}))
GOOD_SECONDS: Final = 10
"""How long an entry holds that nobody renews."""

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


def to_values(version: str, closed: Mapping[str, ClosedServer]) -> dict[str, Any]:
    """Return the values that MessagePack packs. `version` is the writer's release."""
    said = {
        server: {"why": closed_server.why.value, "until": closed_server.until, "retry": closed_server.retry}
        for server, closed_server in closed.items()
    }
    return {"format": FILE.number, "version": version, "closed": said}


def read_file(file: bytes, keys: Sequence[bytes], unpack: Unpack) -> dict[str, ClosedServer]:
    """Return which servers a file's bytes close. A reason that only another release knows closes all the same.

    Raises:
        SealedFileError: the file cannot be believed or read.
    """
    values = FILE.read(file, keys, unpack)
    closed = values.get("closed")
    if not isinstance(closed, Mapping):
        raise SealedFileError("it does not say which servers are closed")
    return {str(server): _closed(one) for server, one in closed.items()}


def _closed(value: Any) -> ClosedServer:
    if not isinstance(value, Mapping):
        raise SealedFileError("a server is closed without a time")
    until, retry, why = value.get("until"), value.get("retry", 5.0), value.get("why")
    return ClosedServer(Why(why) if why in list(Why) else Why.NO_REPLICA, _seconds(until), _seconds(retry))


def _seconds(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise SealedFileError("a server is closed without a time")
    return float(value)
