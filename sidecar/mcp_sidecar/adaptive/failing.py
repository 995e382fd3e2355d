"""What an agent hears of a member that failed while it was asked: which one it was, and always with one status.

Errors of the gateway speak of "the server", which on a virtual server could be any of its members. A member's own
errors are left as they are, but for those that it sends with a status of 5xx: by that it says itself that it failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from mcp_core.outcome import INTERNAL_ERROR, UNAVAILABLE
from mcp_core.reasons import Ending
from mcp_sidecar.lane.fetched import Failed

STATUS: Final = 503
"""Of whatever a member does not answer. Whether it may have run stands in the error."""
LONGEST: Final = 4096
"""Bytes of a text in which an error of the gateway's is looked for."""
WITHHELD: Final = "The server's answer was withheld"
"""How the gateway begins an error in the place of an answer (surface.unreadable, mcp-answers' law.lua)."""
_IN_TEXT: Final = WITHHELD.encode()
_FAILED: Final = frozenset({Ending.WITHHELD, Ending.REPLACED, Ending.UNAVAILABLE, Ending.BROKEN, Ending.TIMEOUT})
"""How requests end that the member is to blame for."""


def speaks_of_failure(text: bytes) -> bool:
    """Return whether a JSON text may hold an error of the gateway's about its server."""
    return len(text) <= LONGEST and _IN_TEXT in text


def name_member(member: str, message: Mapping[str, Any], *, failed: bool) -> bool:
    """Have the error of a message say which member it is of, in place. Returns whether it was changed.

    `failed` says that its status was 5xx; without it only what the gateway says of a withheld answer is changed.
    """
    error = message.get("error")
    said = error.get("message") if isinstance(error, dict) else None
    if not isinstance(error, dict) or not isinstance(said, str):
        return False
    if not failed and not (error.get("code") == INTERNAL_ERROR and said.startswith(WITHHELD)):
        return False
    error["message"] = _named(member, said)
    if failed:
        error["code"] = UNAVAILABLE
    return True


def failed_member(member: str, failed: Failed) -> Failed:
    """Return a failure that says which member it is of, where it is a member's."""
    if failed.outcome not in _FAILED:
        return failed
    refusal = failed.refusal
    status = STATUS if refusal.http_status() >= 500 else refusal.http_status()
    return replace(failed, refusal=replace(refusal, message=_named(member, refusal.message), status=status))


def _named(member: str, said: str) -> str:
    return f"The server {member} behind this one failed; the others do not. {said}"
