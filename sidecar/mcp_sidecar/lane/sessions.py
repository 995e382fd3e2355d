"""The session ids of servers, sealed before an agent sees them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_core import methods
from mcp_core.claims import Claims, Target
from mcp_core.methods import Era
from mcp_core.outcome import Reject
from mcp_core.seal import NONCE_BYTES, Session, SessionSealer
from mcp_core.surface import unreadable

MAX_UPSTREAM_ID: Final = 4096
"""Characters of a server's session id: sealed, a third longer, it must still fit into the 8 KiB of a header."""

_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")


class Sessions:
    """Seals the session that a server opens for a principal."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._sealer = SessionSealer(keys, AESGCM, InvalidTag)

    def seal(
        self, claims: Claims, target: Target, ids: Sequence[str], *, now: float, hello: str | None = None
    ) -> str | Reject | None:
        """Return what the agent gets for `ids`, the values of Mcp-Session-Id on the answer to these.

        `hello` is what may open the session again.

        None where there is nothing to hand out: no id, a session that the agent already holds, or the modern era,
        which has none. A Reject where the id is not one that every hop carries unchanged.
        """
        if not ids or target.session is not None or target.era is Era.MODERN:
            return None
        if len(ids) > 1 or len(ids[0]) > MAX_UPSTREAM_ID or _VISIBLE.fullmatch(ids[0]) is None:
            length = f"at most {MAX_UPSTREAM_ID} visible ASCII characters"
            return unreadable(f"its {methods.SESSION_HEADER} is not one value of {length}")
        session = opened(claims, target, ids[0], now)
        if hello is not None and len(ids[0]) + len(hello) <= MAX_UPSTREAM_ID:
            session = replace(session, hello=hello)
        return self._sealer.seal(session, os.urandom(NONCE_BYTES), claims.format)


def opened(claims: Claims, target: Target, upstream: str, now: float) -> Session:
    """Return what a server opened for who asks: a session, or the endpoint of its messages."""
    return Session(target.server, claims.principal, upstream, target.affinity, int(now))
