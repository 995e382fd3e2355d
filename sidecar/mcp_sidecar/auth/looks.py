"""As whom the gateway itself looks at servers that want to know: by a secret of its own, or by a token of their issuer.

No agent takes part in a look, so a server whose guard exchanges agents' tokens is looked at by client credentials at
the same issuer, for the same resource and scopes (mcp_core.auth.upstream).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import structlog

from mcp_core import methods
from mcp_core.auth import upstream
from mcp_core.auth.asks import AskEnd
from mcp_core.auth.config import AuthError
from mcp_core.auth.upstream import GivenTokens, Grant, GrantKind
from mcp_core.principal import NOBODY
from mcp_sidecar.auth.fetch import Fetcher
from mcp_sidecar.auth.provider import Providers
from mcp_sidecar.auth.secret import Secret, SecretError
from mcp_sidecar.auth.server_tokens import ServerTokens
from mcp_sidecar.auth.settings import AuthSettings

Header = tuple[str, str]
"""A header's name in lower case, and its value."""
_SECTION: Final = "upstream_token"


class LookCredentials:
    """Finds them. Takes a clock of Unix time in seconds."""

    def __init__(self, settings: AuthSettings, wall: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._wall = wall
        self._given = GivenTokens()

    async def find(self, server: str, policy: Mapping[str, Any]) -> Header | None:
        """Return the header with which a server is asked whose guard has this configuration.

        None where none is set, or to be had now: then it is looked at without, and says what it thinks of that.
        """
        if (known := self._settings.look_credentials.get(server)) is not None:
            name, secret = known
            try:
                return name, _plain(secret)
            except SecretError as error:
                structlog.get_logger().warning(
                    "a server is looked at without its secret", server=server, problem=str(error)
                )
                return None
        try:
            grant = upstream.read(policy.get(_SECTION))
        except AuthError:
            return None  # with such a configuration no guard starts
        return None if grant is None else await self._token(server, grant)

    async def _token(self, server: str, grant: Grant) -> Header | None:
        grant = replace(grant, kind=GrantKind.CLIENT_CREDENTIALS, actor=False)
        if grant.issuer not in self._settings.issuer_clients:
            return None
        now, key = self._wall(), grant.key(NOBODY)
        given = self._given.get(key, now=now)
        if given is not None and now < given.renew:
            return methods.AUTHORIZATION_HEADER, f"Bearer {given.token}"
        answer = await self._ask(grant, tuple(self._settings.issuers))
        if answer["state"] == AskEnd.SAID and (token := self._given.put(key, answer, now=now, latest=math.inf)):
            return methods.AUTHORIZATION_HEADER, f"Bearer {token}"
        if answer["state"] == AskEnd.REFUSED:
            structlog.get_logger().warning(
                "a server is looked at without a token: its issuer gives the gateway none",
                server=server,
                problem=answer.get("why"),
            )
        return None

    async def _ask(self, grant: Grant, allowed: Sequence[str]) -> dict[str, Any]:
        async with Fetcher(self._settings.issuer_networks) as fetcher:
            providers = Providers(fetcher, self._settings.issuer_clients)
            return await ServerTokens(providers, allowed).answer(grant.to_values())


def _plain(secret: Secret) -> str:
    """Return the value of a header. Raises SecretError for one that is none."""
    value = secret.read()
    if not value.isascii() or not value.isprintable():
        raise SecretError(f"{secret.kind}:{secret.where} holds what no header can")
    return value
