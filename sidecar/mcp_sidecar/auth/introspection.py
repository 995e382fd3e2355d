"""Whose an opaque token is: asked of the issuers that the guard names, in its order (RFC 7662)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from mcp_core.auth.asks import AskEnd
from mcp_sidecar.auth.fetch import FetchError
from mcp_sidecar.auth.provider import Providers

_ENDPOINT: Final = "introspection_endpoint"
_MOST: Final = 16


class Introspector:
    """Asks issuers of tokens. `allowed` are those that this sidecar knows: no guard can send it elsewhere."""

    def __init__(self, providers: Providers, allowed: Sequence[str]) -> None:
        self._providers = providers
        self._allowed = frozenset(allowed)
        self._told: dict[str, str] = {}

    async def answer(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a question of the kind asks.Ask.INTROSPECT.

        An issuer that says that the token is active ends the asking. One that could not be asked leaves it open whose
        the token is, unless another one knows it.
        """
        issuers, token = values.get("issuers"), values.get("token")
        if not isinstance(issuers, list) or not isinstance(token, str) or len(issuers) > _MOST:
            return {"state": AskEnd.UNAVAILABLE, "why": "the question names no issuers and token"}
        state = AskEnd.REFUSED
        for issuer in issuers:
            try:
                claims = await self._ask(issuer, token)
            except FetchError as error:
                self._tell(issuer, str(error))
                state = AskEnd.UNAVAILABLE
                continue
            self._tell(issuer, "")
            if claims is not None:
                return {"state": AskEnd.SAID, "issuer": issuer, "claims": claims}
        return {"state": state}

    async def _ask(self, issuer: str, token: str) -> dict[str, Any] | None:
        """Return what an issuer says of a token, None where it is not active. Raises FetchError."""
        if issuer not in self._allowed:
            raise FetchError(f"{issuer} is none of MCP_SIDECAR_ISSUERS")
        status, said = await self._providers.ask(issuer, _ENDPOINT, {"token": token, "token_type_hint": "access_token"})
        if status != 200:
            raise FetchError(f"its {_ENDPOINT} answers with status {status}: does it know the gateway's client?")
        if not isinstance(said, dict) or not isinstance(said.get("active"), bool):
            raise FetchError(f"its {_ENDPOINT} does not say whether a token is active")
        return said if said["active"] else None

    def _tell(self, issuer: str, problem: str) -> None:
        """Write a problem once, however many tokens meet it."""
        if problem != self._told.get(issuer, ""):
            self._told[issuer] = problem
            if problem:
                structlog.get_logger().warning("issuer not asked of a token", issuer=issuer, problem=problem)
            else:
                structlog.get_logger().info("issuer asked of tokens again", issuer=issuer)
