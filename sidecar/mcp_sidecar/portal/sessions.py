"""Who is signed in: a sealed cookie, worth something until it expires or its owner signs out, and made by no guess.

A session is made at sign-in alone, with an id of its own, so that none can be put under somebody before. It is sealed
(Fernet: AES-CBC and HMAC-SHA256), because it may hold the credential with which its owner's tools are tried. What
somebody may do is looked up at each request; only a one-time link says the role itself, and it is in the session then.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from mcp_core.principal import Principal
from mcp_core.seal import derive

FORMAT: Final = 1
SECONDS: Final = 8 * 3600
"""How long somebody stays signed in: a day's work."""
_MOST: Final = 100_000
"""Sessions that were ended by hand and are remembered until they would have expired."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who is signed in. `credential` is what an agent of theirs sends: header name to value.

    `role` is what a one-time link said, None where settings say it.
    """

    id: str
    principal: Principal
    shown: str
    credential: Mapping[str, str] = field(default_factory=dict, repr=False)
    role: str | None = None


class PortalSessions:
    """Makes, reads and ends sessions, and makes what their forms are known by."""

    def __init__(self, keys: Sequence[bytes], seconds: float = SECONDS) -> None:
        derived = [base64.urlsafe_b64encode(derive(key, "kong-mcp portal session")) for key in keys]
        self._sealer = MultiFernet([Fernet(key) for key in derived])
        self._forms = derive(keys[0], "kong-mcp portal form")
        self._seconds = seconds
        self._ended: dict[str, float] = {}

    def begin(
        self,
        principal: Principal,
        shown: str,
        credential: Mapping[str, str] | None = None,
        role: str | None = None,
    ) -> str:
        """Return the cookie's value of a new session."""
        fields = {
            "format": FORMAT,
            "id": secrets.token_urlsafe(18),
            "who": [principal.kind, principal.id, principal.issuer, sorted(principal.groups), sorted(principal.scopes)],
            "shown": shown,
            "credential": dict(credential or {}),
            "role": role,
        }
        return self._sealer.encrypt(json.dumps(fields).encode()).decode()

    def read(self, cookie: str) -> SignedIn | None:
        """Return the session of a cookie, or None for what was not made here, expired or was ended."""
        try:
            raw = self._sealer.decrypt(cookie.encode("ascii", "replace"), ttl=int(self._seconds))
        except InvalidToken:
            return None
        fields = json.loads(raw)
        if fields.get("format") != FORMAT or fields["id"] in self._ended:
            return None
        kind, id_, issuer, groups, scopes = fields["who"]
        principal = Principal(kind, id_, issuer, frozenset(groups), frozenset(scopes))
        return SignedIn(fields["id"], principal, fields["shown"], fields["credential"], fields["role"])

    def end(self, session: SignedIn) -> None:
        """Let a session count no more on this node; its cookie is taken away besides."""
        now = time.monotonic()
        self._ended = {id_: until for id_, until in self._ended.items() if until > now}
        if len(self._ended) >= _MOST:
            self._ended.pop(next(iter(self._ended)))
        self._ended[session.id] = now + self._seconds

    def form_token(self, session: SignedIn) -> str:
        """Return what every form of a session carries, and nobody else can know."""
        return base64.urlsafe_b64encode(hmac.digest(self._forms, session.id.encode(), "sha256")).rstrip(b"=").decode()
