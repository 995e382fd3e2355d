"""The guard's word to the sidecar that a token names a key which this node does not have.

An issuer may sign with a key that it published a moment ago. The guard asks nobody; it sends such a request to the
sidecar instead of refusing it, once in a while, with this word in a header: the sidecar fetches the issuer's keys and
answers for the guard. The word is base64url of JSON, a dot, and base64url of an HMAC-SHA256 (RFC 2104).
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from mcp_core.auth.tokens import decode
from mcp_core.seal import derive

FORMAT: Final = 1
PATH: Final = "/issuers/wanted"
"""Where the sidecar takes it."""
SECONDS: Final = 30
"""How long the sidecar may believe it."""
_PURPOSE: Final = "kong-mcp wanted key"


@dataclass(frozen=True, slots=True)
class WantedKey:
    """A key that is not known, and the refusal that its token gets if it stays so: `challenge` is WWW-Authenticate."""

    issuer: str
    kid: str | None
    algorithm: str
    challenge: str
    body: str
    expires: int
    format: int = FORMAT


def sign(wanted: WantedKey, ring: Sequence[bytes]) -> str:
    """Return the value of the header. The first key signs."""
    said = base64.urlsafe_b64encode(json.dumps(asdict(wanted)).encode()).rstrip(b"=")
    mac = hmac.digest(derive(ring[0], _PURPOSE), said, "sha256")
    return f"{said.decode()}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def read(value: str, ring: Sequence[bytes], *, now: float) -> WantedKey | None:
    """Return what a guard said, or None for anything else: not signed by a key of the ring, expired, another format."""
    said, dot, mac = value.partition(".")
    given, raw = decode(mac), decode(said)
    if not dot or not value.isascii() or given is None or raw is None:
        return None
    good = [hmac.compare_digest(hmac.digest(derive(key, _PURPOSE), said.encode(), "sha256"), given) for key in ring]
    fields = json.loads(raw) if any(good) else {}
    if fields.get("format") != FORMAT or fields["expires"] < now:
        return None
    return WantedKey(**fields)
