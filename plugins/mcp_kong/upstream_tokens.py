"""The token that a server gets in place of the agent's: kept here, asked of the sidecar."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Final

from mcp_core.auth.asks import Ask, AskEnd
from mcp_core.auth.upstream import RETRY_SECONDS, GivenTokens, Grant, GrantKind
from mcp_core.outcome import FORBIDDEN, UNAVAILABLE, Reject, RejectKind, RequestId
from mcp_core.principal import NOBODY, Principal
from mcp_core.reasons import Reason
from mcp_kong.asks import Sidecar
from mcp_kong.pdk import Kong

_REFUSED: Final = "The issuer of this server's tokens gives none for you: its operator must allow it there."
_UNASKED: Final = (
    "The issuer of this server's tokens cannot be asked at present, so the server was not called. Try again."
)


@cache
def _given_in_this_process() -> GivenTokens:
    return GivenTokens()


class UpstreamTokens:
    """Tokens for one server."""

    def __init__(self, grant: Grant, sidecar: Sidecar, wall: Callable[[], float]) -> None:
        """Take a clock of Unix time in seconds."""
        self._grant = grant
        self._sidecar = sidecar
        self._wall = wall
        self._given = _given_in_this_process()

    def find(
        self, kong: Kong, principal: Callable[[], Principal], brought: tuple[str, float] | None, id_: RequestId | None
    ) -> str | Reject:
        """Return the value of Authorization with which the server is called for a principal, or why it is not.

        `brought` is the agent's token, and the Unix time until which it holds.
        """
        now, exchange = self._wall(), self._grant.kind is GrantKind.EXCHANGE
        key = self._grant.key(principal() if exchange else NOBODY)
        given = self._given.get(key, now=now)
        if given is not None and now < given.renew:
            return f"Bearer {given.token}"
        if given is not None:
            given.renew = now + RETRY_SECONDS  # whoever comes meanwhile uses this one
        question = {"ask": Ask.TOKEN, **self._grant.to_values()}
        if exchange:
            question["subject"] = brought[0] if brought else ""
        answer = self._sidecar.ask(kong, question, key)
        latest = brought[1] if brought and exchange else math.inf
        if answer["state"] == AskEnd.SAID and (token := self._given.put(key, answer, now=now, latest=latest)):
            return f"Bearer {token}"
        if answer["state"] == AskEnd.REFUSED:
            self._given.drop(key)
            return Reject(FORBIDDEN, _REFUSED, Reason.SERVER_TOKEN_REFUSED, id=id_, status=403, kind=RejectKind.POLICY)
        if given is not None:
            return f"Bearer {given.token}"
        headers = {"Retry-After": "1", "Cache-Control": "no-store"}
        return Reject(UNAVAILABLE, _UNASKED, Reason.SERVER_TOKEN_NOT_ASKED, id=id_, status=503, headers=headers)
