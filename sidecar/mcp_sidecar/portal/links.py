"""One-time links: a file each, named by the SHA-256 of the link's secret, which goes when the link is used.

The folder holds no secret with which anybody could sign in, but for the keys of agents that `kong-mcp dev` put there, which
are its own.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mcp_core.principal import NOBODY, Principal, consumer

FORMAT: Final = 1
SECONDS: Final = 24 * 3600
"""How long a link that nobody used is good for."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Whom a link signs in: what they are called, as whom their agents call, and with which credential."""

    shown: str
    principal: Principal = NOBODY
    credential: Mapping[str, str] = field(default_factory=dict, repr=False)


def use(folder: str, token: str) -> Guest | None:
    """Return whom a link signs in, and use it up; None for one that is not good, or was used."""
    path = Path(folder) / _name(token)
    try:
        age = time.time() - path.stat().st_mtime
        text = path.read_bytes()
        # Of two that come at once, one finds the file gone.
        path.unlink()
    except OSError:
        return None
    if age > SECONDS:
        return None
    fields = json.loads(text)
    if fields.get("format") != FORMAT:
        return None
    name = fields.get("consumer")
    principal = NOBODY if name is None else consumer(name, fields.get("groups", ()))
    return Guest(fields["shown"], principal, fields.get("credential", {}))


def make(folder: str, guest: Guest) -> str:
    """Write a link, and return its secret."""
    token = secrets.token_urlsafe(24)
    fields = {
        "format": FORMAT,
        "shown": guest.shown,
        "consumer": None if guest.principal is NOBODY else guest.principal.id,
        "groups": sorted(guest.principal.groups),
        "credential": dict(guest.credential),
    }
    place = Path(folder)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = place / _name(token)
    path.touch(mode=0o600)
    path.write_text(json.dumps(fields), encoding="utf-8")
    return token


def _name(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
