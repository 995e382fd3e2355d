"""The sidecar's signed word for whom it acts: a request of its own to a member of a virtual server, for a principal.

The guard of the member decides over it as if the principal had sent it there. The word holds for one request (its
member, HTTP method and body) and for some seconds. Whoever reads it on the way can send that very request again for so
long, and nothing else. It goes from the sidecar to Kong: no agent and no server ever gets it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_core.formats import is_understood
from mcp_core.principal import Principal
from mcp_core.seal import Signer

FORMAT: Final = "1"
"""The format of the word, with which it begins; it is signed too, in the purpose of the key."""
GOOD_SECONDS: Final = 15
"""How long a word holds: the time from the sidecar to Kong's plugin server, with room for a busy machine."""
_KNOWN: Final = frozenset({"server", "by", "http", "body", "who", "expires"})


@dataclass(frozen=True, slots=True)
class Acting:
    """One request to the member `server` that the virtual server `by` makes for a principal.

    `body` is the SHA-256 of the request body in hex, `expires` a Unix time in seconds.
    """

    server: str
    by: str
    http_method: str
    body: str
    principal: Principal
    expires: int


def digest(body: bytes) -> str:
    """Return what the word says of a body."""
    return hashlib.sha256(body).hexdigest()


class ActingSigner:
    """Signs words, and believes only what one of its keys signed, for the request at hand, and a moment ago."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._signer = Signer(keys, f"kong-mcp acting {FORMAT}")

    def sign(self, acting: Acting) -> str:
        """Return the header value: the format, a dot, and what Signer.sign gives."""
        said = {
            "server": acting.server,
            "by": acting.by,
            "http": acting.http_method,
            "body": acting.body,
            "who": acting.principal.to_json(),
            "expires": acting.expires,
        }
        return f"{FORMAT}.{self._signer.sign(json.dumps(said).encode())}"

    def verify(self, value: Any, server: str, http_method: str, body: bytes, *, now: float) -> Acting | None:
        """Return for whom a request to a member is made, or None for whatever was not signed for it and just now."""
        form, _, signed = value.partition(".") if isinstance(value, str) else ("", "", "")
        raw = self._signer.open(signed) if form == FORMAT else None
        if raw is None:
            return None
        said = json.loads(raw)
        if not is_understood(said, _KNOWN):
            return None
        asked = (said["server"], said["http"], said["body"])
        if asked != (server, http_method, digest(body)) or not now <= said["expires"] <= now + 2 * GOOD_SECONDS:
            return None
        principal = Principal.from_json(said["who"])
        return Acting(server, said["by"], http_method, said["body"], principal, said["expires"])
