"""Where a server is, and the sidecar's signed word by which Kong's internal route opens the way to it.

The word says all that may happen: which request it is for, and where that request goes. Whoever reads it on the way can
send the same request to the same server for some seconds, and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_core import query
from mcp_core.seal import Signer

FORMAT: Final = "1"
"""The format of the word, with which it begins; it is signed too, in the purpose of the key."""
GOOD_SECONDS: Final = 15
"""How long a word holds: the time from the sidecar to Kong's plugin server, with room for a busy machine."""
SCHEMES: Final = ("http", "https")

_UPSTREAM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_PATH: Final = re.compile(r"/[!-~]{0,1023}")


class AddressError(ValueError):
    """A target cannot be used; the message names the part and what to write."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is: the Kong upstream of its replicas, how these are spoken to, and the path of its endpoint.

    `query` is what its endpoint is asked with, "" for nothing. It may be a secret: what is kept or shown leaves it out.
    """

    upstream: str
    scheme: str = "http"
    path: str = "/mcp"
    query: str = field(default="", repr=False)

    @classmethod
    def read(cls, upstream: Any, scheme: Any, path: Any, asked_with: Any = "") -> Address:
        """Return the target. Raises AddressError for what could be read as another one."""
        if not isinstance(upstream, str) or _UPSTREAM.fullmatch(upstream) is None:
            raise AddressError("upstream: write the name of a Kong upstream")
        if scheme not in SCHEMES:
            raise AddressError("scheme: write http or https")
        if not isinstance(path, str) or _PATH.fullmatch(path) is None or "?" in path or "#" in path:
            raise AddressError("path: write the path of the server's MCP endpoint, such as /mcp, without a query")
        if not isinstance(asked_with, str) or query.TEXT.fullmatch(asked_with) is None:
            raise AddressError("query: write NAME: VALUE")
        return cls(upstream, scheme, path, asked_with)

    @classmethod
    def from_json(cls, value: Any) -> Address | None:
        """Return the target that `to_json` or `to_wire` wrote, or None where there is none."""
        return cls.read(*value) if isinstance(value, list) and len(value) in (3, 4) else None

    def to_json(self) -> list[str]:
        """Return upstream, scheme and path: what may be kept."""
        return [self.upstream, self.scheme, self.path]

    def to_wire(self) -> list[str]:
        """Return that and, where there is one, the query: for what is signed, and read once."""
        return [*self.to_json(), self.query] if self.query else self.to_json()


@dataclass(frozen=True, slots=True)
class Errand:
    """One request of the sidecar: `asked` is its method and request target, `affinity` what Kong hashes for a replica.

    Its target's path is where it goes: that of the endpoint, or of the messages in 2024-11-05. `expires` is a Unix time
    in seconds.
    """

    target: Address
    asked: str
    affinity: str
    expires: int


class ErrandSigner:
    """Signs errands, and believes only what one of its keys signed, for the request at hand, and a moment ago."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._signer = Signer(keys, f"kong-mcp errand {FORMAT}")

    def sign(self, errand: Errand) -> str:
        """Return the header value: the format, a dot, and what Signer.sign gives."""
        fields = {"target": errand.target.to_wire(), "asked": errand.asked, "affinity": errand.affinity}
        return f"{FORMAT}.{self._signer.sign(json.dumps({**fields, 'expires': errand.expires}).encode())}"

    def verify(self, value: str, asked: str, *, now: float) -> Errand | None:
        """Return the errand of the request that was `asked`, or None. Fields that are not known here mean nothing."""
        form, _, signed = value.partition(".")
        raw = self._signer.open(signed) if form == FORMAT else None
        if raw is None:
            return None
        fields = json.loads(raw)
        target = Address.from_json(fields["target"])
        if target is None or fields["asked"] != asked or not now <= fields["expires"] <= now + 2 * GOOD_SECONDS:
            return None
        return Errand(target, asked, fields["affinity"], fields["expires"])
