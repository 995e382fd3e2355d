"""As whom a server is called: a token of its own, never the agent's (2026-07-28/basic/authorization, token handling).

By `exchange` (RFC 8693) it speaks of the agent's subject, by `client_credentials` (RFC 6749, section 4.4) of the
gateway. The guard keeps what it was given in memory, for each principal and server, and has it made anew in time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from mcp_core.auth.config import AuthError, flag, known_object, scope_words, url_problem
from mcp_core.principal import Principal

MOST: Final = 20_000
RETRY_SECONDS: Final = 5.0
"""How long a token that could not be made anew is used before that is tried again."""
_EARLY: Final = 0.75
"""The part of a token's time after which it is made anew."""
_KEYS: Final = {"grant", "issuer", "resource", "audience", "scopes", "actor"}


class GrantKind(StrEnum):
    """How the token is got."""

    EXCHANGE = "exchange"
    CLIENT_CREDENTIALS = "client_credentials"


@dataclass(frozen=True, slots=True)
class Grant:
    """What is asked of an issuer for one server. With `actor` an exchange names the gateway as who acts."""

    kind: GrantKind
    issuer: str
    resource: str = ""
    audience: str = ""
    scopes: tuple[str, ...] = ()
    actor: bool = False

    def to_values(self) -> dict[str, Any]:
        """Return the members of a question of the kind asks.Ask.TOKEN."""
        return {
            "grant": self.kind.value,
            "issuer": self.issuer,
            "resource": self.resource,
            "audience": self.audience,
            "scopes": list(self.scopes),
            "actor": self.actor,
        }

    def key(self, principal: Principal) -> bytes:
        """Return what a token is kept under: whatever it could differ by.

        Two tokens of one subject may have other scopes, come by another client, or through another actor.
        """
        said: list[Any] = [self.to_values()]
        if self.kind is GrantKind.EXCHANGE:
            said += [principal.kind, principal.issuer, principal.id, principal.client, sorted(principal.scopes)]
            said += [principal.via, principal.actors, sorted(principal.groups)]
        return hashlib.sha256(json.dumps(said).encode()).digest()


def read(value: Any) -> Grant | None:
    """Read the section `upstream_token` as Kong gives it; None where there is none.

    Raises:
        AuthError: naming the field that cannot be used.
    """
    where = "upstream_token"
    section = known_object(value, _KEYS, where)
    if not any(section.values()):
        return None
    kinds = [grant_kind.value for grant_kind in GrantKind]
    if section.get("grant") not in kinds:
        raise AuthError(f"{where}.grant: write one of {', '.join(kinds)}")
    issuer, resource, audience = (section.get(name) or "" for name in ("issuer", "resource", "audience"))
    if not isinstance(issuer, str) or url_problem(issuer) is not None:
        raise AuthError(f"{where}.issuer: write the issuer that gives the token, as MCP_SIDECAR_ISSUERS has it")
    if not isinstance(resource, str) or (resource and url_problem(resource) is not None):
        raise AuthError(f"{where}.resource: write the URL of the server, as its issuer knows it")
    if not isinstance(audience, str) or not (resource or audience):
        raise AuthError(
            f"{where}: say whom the token is for, by resource (a URL) or audience: it is to open nothing else"
        )
    kind, actor = GrantKind(section["grant"]), flag(section, "actor", where)
    if actor and kind is not GrantKind.EXCHANGE:
        raise AuthError(f"{where}.actor: who acts is said in an exchange alone")
    return Grant(kind, issuer, resource, audience, scope_words(section, "scopes", where), actor)


@dataclass(slots=True)
class Given:
    """A token that an issuer gave: good until `until`, to be made anew from `renew` on (Unix times in seconds)."""

    token: str = field(repr=False)
    until: float
    renew: float


class GivenTokens:
    """Tokens for servers in the memory of one process, the oldest given up first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._given: dict[bytes, Given] = {}

    def get(self, key: bytes, *, now: float) -> Given | None:
        """Return a token that is good now."""
        given = self._given.get(key)
        if given is not None and now >= given.until:
            del self._given[key]
            return None
        return given

    def put(self, key: bytes, answer: Mapping[str, Any], *, now: float, latest: float) -> str | None:
        """Keep what the sidecar answered, and return the token; None for an answer without one.

        It is used no longer than until `latest`, when that of the principal expires.
        """
        token, seconds = answer.get("token"), answer.get("seconds")
        if not isinstance(token, str) or not isinstance(seconds, int | float) or seconds <= 0:
            return None
        while len(self._given) >= self._most:
            del self._given[next(iter(self._given))]
        self._given[key] = Given(token, min(now + seconds, latest), now + seconds * _EARLY)
        return token

    def drop(self, key: bytes) -> None:
        """Forget a token."""
        self._given.pop(key, None)
