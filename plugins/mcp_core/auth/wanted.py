"""The guard's word to the sidecar that a token names a key which this node does not have.

An issuer may sign with a key that it published a moment ago. The guard asks nobody; it sends such a request to the
sidecar instead of refusing it, once in a while, with this word in a header: the sidecar fetches the issuer's keys and
answers for the guard. The word is JSON that seal.Signer signed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from mcp_core.seal import Signer

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
    return Signer(ring, _PURPOSE).sign(json.dumps(asdict(wanted)).encode())


def read(value: str, ring: Sequence[bytes], *, now: float) -> WantedKey | None:
    """Return what a guard said, or None for anything else: not signed by a key of the ring, expired, another format."""
    said = Signer(ring, _PURPOSE).open(value)
    fields = {} if said is None else json.loads(said)
    if fields.get("format") != FORMAT or fields["expires"] < now:
        return None
    return WantedKey(**fields)
