"""Kong's signed word that a request for a page came through it, and who asks where Kong's own plugins know that.

The word is for one request and some seconds: it names the method, the path, the query and the SHA-256 of the body, so
that who reads it on the way can send that very request again and nothing else. Its format stands first, signed too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mcp_core.principal import CONSUMER, NOBODY, Principal, consumer
from mcp_core.seal import Signer

FORMAT: Final = "1"
GOOD_SECONDS: Final = 30
"""How long a word holds: the time from Kong to the sidecar, with room for a busy machine."""
MAX_BODY: Final = 256 * 1024
"""Bytes of a form: the arguments of a tool that somebody tries are the longest of them."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked: `path` without its query, as it was sent on; `query` as it was sent; all of the body."""

    method: str
    path: str
    query: str
    body: bytes


class PageSigner:
    """Signs words about requests for pages, and believes only what one of its keys signed a moment ago."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._signer = Signer(keys, f"kong-mcp page {FORMAT}")

    def sign(self, page: Page, principal: Principal, *, now: float) -> str:
        """Return the header value: the format, a dot, and what Signer.sign gives."""
        fields = {
            "asked": _asked(page),
            "who": principal.id if principal.kind == CONSUMER else None,
            "groups": sorted(principal.groups),
            "expires": int(now) + GOOD_SECONDS,
        }
        return f"{FORMAT}.{self._signer.sign(json.dumps(fields).encode())}"

    def verify(self, value: str, page: Page, *, now: float) -> Principal | None:
        """Return who asks, NOBODY where Kong knows nobody, or None where Kong did not say so of this very request."""
        form, _, signed = value.partition(".")
        raw = self._signer.open(signed) if form == FORMAT else None
        if raw is None:
            return None
        fields = json.loads(raw)
        if fields["asked"] != _asked(page) or not now <= fields["expires"] <= now + 2 * GOOD_SECONDS:
            return None
        return NOBODY if fields["who"] is None else consumer(fields["who"], fields["groups"])


def _asked(page: Page) -> list[str]:
    return [page.method, page.path, page.query, hashlib.sha256(page.body).hexdigest()]
