"""Tokens for servers, asked of their issuers: by exchange of the agent's (RFC 8693), or for the gateway itself.

Nothing is kept here: guards keep what they are given, in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from mcp_core.auth.asks import AskEnd
from mcp_core.auth.bearer import MAX_TOKEN
from mcp_core.auth.upstream import GrantKind
from mcp_sidecar.auth.fetch import FetchError
from mcp_sidecar.auth.provider import Providers

UNSAID_SECONDS: Final = 60.0
"""How long a token is used whose issuer does not say (RFC 6749, section 5.1)."""
_ENDPOINT: Final = "token_endpoint"
_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a type
_TYPES: Final = frozenset({_ACCESS_TOKEN, "urn:ietf:params:oauth:token-type:jwt"})
_OURS: Final = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_request"})
"""Errors (RFC 6749, section 5.2) that the operator must mend: no agent is to blame."""
_MOST_SECONDS: Final = 86_400.0


class ServerTokens:
    """Asks issuers for tokens. `allowed` are those that this sidecar knows: no guard can send a token elsewhere."""

    def __init__(self, providers: Providers, allowed: Sequence[str]) -> None:
        self._providers = providers
        self._allowed = frozenset(allowed)

    async def answer(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a question of the kind asks.Ask.TOKEN."""
        issuer = str(values.get("issuer"))
        try:
            fields = _target(values)
            if values.get("grant") == GrantKind.EXCHANGE:
                fields |= await self._exchange(values, issuer)
            else:
                fields["grant_type"] = GrantKind.CLIENT_CREDENTIALS.value
            return await self._ask(issuer, fields)
        except FetchError as error:
            structlog.get_logger().warning("no token for a server", issuer=issuer, problem=str(error))
            return {"state": AskEnd.UNAVAILABLE}

    async def _exchange(self, values: Mapping[str, Any], issuer: str) -> dict[str, str]:
        """RFC 8693, section 2.1. The chain of actors in the agent's token is the issuer's to keep (section 4.1)."""
        subject = str(values.get("subject") or "")
        if not subject:
            raise FetchError("there is no token to exchange: an exchange needs the guard's section auth")
        fields = {
            "grant_type": _EXCHANGE,
            "subject_token": subject,
            "subject_token_type": _ACCESS_TOKEN,
            "requested_token_type": _ACCESS_TOKEN,
        }
        if values.get("actor"):
            own = await self._ask(issuer, {"grant_type": GrantKind.CLIENT_CREDENTIALS.value})
            if own["state"] != AskEnd.SAID:
                raise FetchError("the issuer gives the gateway no token of its own, to be named as who acts")
            fields |= {"actor_token": own["token"], "actor_token_type": _ACCESS_TOKEN}
        return fields

    async def _ask(self, issuer: str, fields: Mapping[str, str]) -> dict[str, Any]:
        if issuer not in self._allowed:
            raise FetchError(f"{issuer} is none of MCP_SIDECAR_ISSUERS")
        status, said = await self._providers.ask(issuer, _ENDPOINT, fields)
        said = said if isinstance(said, dict) else {}
        if status != 200:
            error = str(said.get("error", ""))[:64]
            if status in (400, 403) and error and error not in _OURS:
                return {"state": AskEnd.REFUSED, "why": error}
            raise FetchError(f"its {_ENDPOINT} answers with status {status} {error!a}")
        token, kind, seconds = said.get("access_token"), said.get("token_type"), said.get("expires_in", UNSAID_SECONDS)
        if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN or not token.isascii() or " " in token:
            raise FetchError(f"its {_ENDPOINT} gives no token that a header could hold")
        if not token.isprintable() or not isinstance(kind, str) or kind.lower() != "bearer":
            raise FetchError(f"its {_ENDPOINT} gives a token of another type than Bearer")
        if said.get("issued_token_type", _ACCESS_TOKEN) not in _TYPES:
            raise FetchError(f"its {_ENDPOINT} gives a token that is no access token")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds <= 0:
            raise FetchError(f"its {_ENDPOINT} gives a token with no time ahead")
        return {"state": AskEnd.SAID, "token": token, "seconds": min(float(seconds), _MOST_SECONDS)}


def _target(values: Mapping[str, Any]) -> dict[str, str]:
    """Return whom the token is for (RFC 8707; RFC 8693, section 2.1), and its scopes."""
    fields = {name: str(values[name]) for name in ("resource", "audience") if values.get(name)}
    scopes = values.get("scopes")
    if isinstance(scopes, list) and scopes:
        fields["scope"] = " ".join(map(str, scopes))
    return fields
