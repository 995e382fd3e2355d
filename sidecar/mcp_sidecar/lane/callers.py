"""Who may use the inspect lane: only the guard, whose signed context fits this very request."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import anyio
from starlette.types import Receive, Scope

from mcp_core import methods
from mcp_core.claims import Claims, ClaimSigner, Disbelief, FindTerms, Target
from mcp_core.headers import Headers
from mcp_core.outcome import FORBIDDEN, INTERNAL_ERROR, UNAVAILABLE, Reject
from mcp_core.reasons import Reason
from mcp_sidecar.lane.filtering import Tally

MAX_BODY: Final = 16 * 1024 * 1024
"""Bytes of a request body: the most that a guard can be set to let through."""
BODY_SECONDS: Final = 30.0
"""How long a body may take to arrive: Kong has all of it before it sends, and the context would have expired."""

UNSIGNED: Final = Reject(FORBIDDEN, "Forbidden", Reason.UNSIGNED, status=403, headers={"Connection": "close"})
"""All that anybody else hears."""


OTHER_RELEASE: Final = Reject(
    INTERNAL_ERROR,
    "The gateway's guard and sidecar are of releases that do not read each other: its operator must bring them to one.",
    Reason.OTHER_RELEASE,
    status=502,
    headers={"Connection": "close"},
)
"""What agents hear where a guard has signed what this sidecar does not read."""


POLICY_NOT_READ: Final = Reject(
    UNAVAILABLE,
    "The gateway's sidecar cannot read this server's policy, so it answers no lists. The gateway's operator must give "
    "plugin server and sidecar one folder, KONG_MCP_POLICIES.",
    Reason.POLICY_NOT_READ,
)
"""What agents hear where a guard has signed the name of a policy that is not on this node."""
_SIGNED: Final = {Disbelief.OTHER_RELEASE: OTHER_RELEASE, Disbelief.TERMS_MISSING: POLICY_NOT_READ}


@dataclass(frozen=True, slots=True)
class Call:
    """A request of the guard: what it claims, of whom it is asked, and its headers and exact body."""

    claims: Claims
    target: Target
    view: Tally
    headers: Headers
    body: bytes


def headers_of(scope: Scope) -> Headers:
    """Return the request's headers as mcp_core takes them."""
    headers: dict[str, str | list[str]] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        known = headers.get(name)
        if known is None:
            headers[name] = value
        else:
            headers[name] = [*([known] if isinstance(known, str) else known), value]
    return headers


class Callers:
    """Tells the guard's requests from all others."""

    def __init__(self, keys: Sequence[bytes], find: FindTerms = lambda _digest: None) -> None:
        self._signer = ClaimSigner(keys)
        self._find = find

    async def read(self, scope: Scope, receive: Receive, headers: Headers) -> Call | Reject:
        """Read the whole request and return it, or what else is answered; its reason is a word for the log."""
        signed = headers.get(methods.CONTEXT_HEADER)
        if not isinstance(signed, str):
            return _unsigned(Reason.NO_CONTEXT)
        said = self._signer.verify(signed, now=time.time(), find=self._find)
        if isinstance(said, Disbelief):
            return _SIGNED.get(said) or _unsigned(Reason.CONTEXT_NOT_BELIEVED)
        claims, target = said
        if target.server != scope["path_params"]["server"] or claims.http_method != scope["method"]:
            return _unsigned(Reason.CONTEXT_OF_ANOTHER_REQUEST)
        with anyio.move_on_after(BODY_SECONDS):
            body = await _read_body(receive)
            if body is None:
                return _unsigned(Reason.BODY_TOO_LARGE)
            if not claims.is_for(body):
                return _unsigned(Reason.CONTEXT_OF_ANOTHER_BODY)
            return Call(claims, target, Tally(claims.terms.view), headers, body)
        return _unsigned(Reason.BODY_TOO_SLOW)


def _unsigned(why: Reason) -> Reject:
    return replace(UNSIGNED, reason=why)


async def _read_body(receive: Receive) -> bytes | None:
    """Return the body, as far as it came, or None where it is too large."""
    pieces = []
    size = 0
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > MAX_BODY:
            return None
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return b"".join(pieces)
