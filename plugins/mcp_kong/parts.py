"""Parts of what the guard reads from Kong and tells it, each a function of its arguments."""

from __future__ import annotations

from typing import Final

from mcp_core import headers as http
from mcp_core import methods
from mcp_core.decide import Admitted
from mcp_core.methods import Era
from mcp_core.outcome import INTERNAL_ERROR, INVALID_REQUEST, UNAVAILABLE, Reject
from mcp_core.reasons import Reason
from mcp_kong.pdk import Kong
from mcp_kong.policies import POLICIES_VARIABLE

UNWRITTEN: Final = Reject(
    UNAVAILABLE,
    "The gateway cannot hand this server's policy to its sidecar, so it answers no lists. The gateway's operator must "
    f"give plugin server and sidecar one folder, {POLICIES_VARIABLE}, that the plugin server may write.",
    Reason.POLICY_NOT_WRITTEN,
)

REFUSAL: Final = (
    503,
    {"Content-Type": "application/json", "Retry-After": "1"},
    Reject(
        UNAVAILABLE, "The gateway could not check this request, so it went no further. Try again.", Reason.FAILED
    ).body(),
)
"""What the plugin server answers when the guard fails: (status, headers, body)."""

UNREADABLE: Final = (
    400,
    {"Content-Type": "application/json"},
    Reject(
        INVALID_REQUEST, "Send headers, path and query as UTF-8: a part of this request is no text.", Reason.TEXT
    ).body(),
)
"""What it answers where something that the agent sent is not UTF-8, which no part of the guard ever gets to see."""


def body(kong: Kong, known: bytes | None = None) -> bytes:
    """Return the body of a request: what is known of it, or else Kong is asked."""
    body = kong.request.get_raw_body() if known is None else known
    if body is None:
        return b""
    return body.encode() if isinstance(body, str) else body


def cleared(names: list[str]) -> dict[str, str | list[str]]:
    """Return changes for Kong that take headers off: set to no values at all, one is cleared (lua-nginx-module)."""
    return {name: [] for name in names}


def truth(admitted: Admitted) -> dict[str, str]:
    """Return the headers that tell Kong, its other plugins and the next hop what this request is."""
    truth = {}
    if admitted.method:
        truth[methods.METHOD_HEADER] = http.encode_value(admitted.method)
    if admitted.name is not None and (admitted.era is Era.LEGACY or admitted.method in methods.NAME_HEADER_METHODS):
        truth[methods.NAME_HEADER] = http.encode_value(admitted.name)
    truth.update(admitted.trace)
    if admitted.session is not None:
        truth[methods.SESSION_HEADER] = admitted.session.upstream
        truth[methods.AFFINITY_HEADER] = admitted.session.affinity
    return truth


def missing(upstream: str, admitted: Admitted) -> Reject:
    """Return the refusal of a request whose upstream Kong does not know."""
    text = "This server is not available: the gateway's operator must add its upstream to the configuration."
    return Reject(INTERNAL_ERROR, text, Reason.UPSTREAM_MISSING, id=admitted.id, status=503, detail=upstream)
