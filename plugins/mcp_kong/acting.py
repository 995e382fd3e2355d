"""For whom the sidecar acts at a member of a virtual server: the guard's own judgement of its signed word.

A principal gets here what it would get at the member's own route, and nobody else gets anything. Who would be asked for
a credential there must be known here in the same way: a consumer by Kong, the subject of a token by the member's own
issuers, scopes and revocations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from mcp_core import methods
from mcp_core.acting import ActingSigner
from mcp_core.headers import Headers
from mcp_core.outcome import FORBIDDEN, Reject
from mcp_core.principal import CONSUMER, NOBODY, Principal
from mcp_core.reasons import Reason
from mcp_core.virtual import Virtual, VirtualError, read_config
from mcp_kong.pdk import Kong
from mcp_kong.proofs import of_consumer
from mcp_kong.tokens import Tokens


class Deputies(StrEnum):
    """Who may act for others on a route."""

    NOBODY = "nobody"
    FOR_KNOWN = "for-known"
    """The sidecar, for who is known as this server's own route would know them."""
    FOR_ANYONE = "for-anyone"
    """The sidecar, for a server that asks nobody who they are: so nobody is known to it."""


def read_virtual(config: Mapping[str, Any]) -> tuple[Deputies, Virtual | None]:
    """Read who may act for others on a route, and what makes its server a virtual one. Raises VirtualError."""
    return _deputies(config), read_config(config)


def _deputies(config: Mapping[str, Any]) -> Deputies:
    word = config.get("deputies") or Deputies.NOBODY.value
    if word not in list(Deputies):
        raise VirtualError(f"deputies: write one of {', '.join(Deputies)}")
    if word != Deputies.NOBODY and config.get("members"):
        raise VirtualError("deputies: a virtual server is no member of another one; name its members there")
    return Deputies(word)


_UNSIGNED: Final = Reject(FORBIDDEN, "Forbidden", Reason.UNSIGNED, status=403)
"""All that is heard by whoever is not the sidecar."""
_UNKNOWN: Final = Reject(
    FORBIDDEN,
    "This server does not know who calls: it takes other credentials than the virtual server does.",
    Reason.PRINCIPAL_UNKNOWN,
    status=403,
)
_ANOTHERS_TOKEN: Final = Reject(FORBIDDEN, _UNKNOWN.message, Reason.TOKEN_ISSUER, status=403)
_REVOKED: Final = Reject(FORBIDDEN, "What the caller was granted was revoked.", Reason.TOKEN_REVOKED, status=403)
_TOO_NARROW: Final = Reject(FORBIDDEN, "The caller's scopes do not suffice here.", Reason.TOKEN_SCOPE, status=403)


class ActingCallers:
    """Tells for whom the sidecar asks, on the route of one guarded server that is for it alone."""

    def __init__(self, server: str, deputies: Deputies, keys: Sequence[bytes], tokens: Tokens | None) -> None:
        self._server = server
        self._deputies = deputies
        self._signer = ActingSigner(keys)
        self._tokens = tokens

    def principal(self, kong: Kong, headers: Headers, http_method: str, body: bytes, now: float) -> Principal | Reject:
        """Return for whom a request is, or why it goes no further."""
        said = self._signer.verify(headers.get(methods.ACTING_HEADER), self._server, http_method, body, now=now)
        if said is None:
            return _UNSIGNED
        if self._tokens is not None:
            return self._tokens.acted_for(said.principal) or _refused(self._tokens, said.principal)
        if self._deputies is Deputies.FOR_ANYONE:
            return NOBODY
        if said.principal.kind != CONSUMER:
            return _UNKNOWN
        return _consumer(kong, said.principal.id)


def without_word(headers: Headers) -> Headers:
    """Return the headers of a request as its principal would have sent them."""
    return {name: value for name, value in headers.items() if name != methods.ACTING_HEADER}


def _refused(tokens: Tokens, principal: Principal) -> Reject:
    if not tokens.knows(principal):
        return _ANOTHERS_TOKEN
    if tokens.has_cut(principal):
        return _REVOKED
    return tokens.too_far(principal) or _TOO_NARROW


def _consumer(kong: Kong, name: str) -> Principal | Reject:
    """Return a consumer as Kong knows it now, and have Kong's other plugins know it too: limits count for it."""
    id_ = name.removeprefix("id:")
    consumer = kong.client.load_consumer(id_, id_ == name)
    if not consumer:
        return _UNKNOWN
    kong.client.authenticate(consumer, None)
    return of_consumer(consumer)
