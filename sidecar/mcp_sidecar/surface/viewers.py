"""Who asks over HTTP as a person, and what each may do: the one place that knows, for the review API and for pages."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from starlette.requests import HTTPConnection

from mcp_core.principal import NOBODY, Principal


class Permission(StrEnum):
    """What somebody may do."""

    READ = "read"
    """See servers, items, versions, and the proof of the chain."""
    DECIDE = "decide"
    """Approve and reject."""


class ViewerRole(StrEnum):
    """What somebody is, from the least to the most."""

    VIEWER = "viewer"
    """Sees and uses what policies let them, and manages the servers that they own."""
    REVIEWER = "reviewer"
    """Sees all, and decides."""
    ADMINISTRATOR = "administrator"
    """As a reviewer."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who looks: what they may do here, and as whom they call servers (`principal`)."""

    name: str
    may: frozenset[Permission]
    principal: Principal = NOBODY

    def owns(self, owner: str) -> bool:
        """Return whether somebody is the owner that a server names: one of their groups, or they themselves."""
        if not owner or self.principal.name is None:
            return False
        return owner in self.principal.groups or (not self.principal.issuer and owner == self.principal.id)


ANYBODY: Final = Viewer("", frozenset())
"""Who shows no token: they see what policies open to everybody."""


READER: Final = frozenset({Permission.READ})
REVIEWER: Final = frozenset(Permission)
MAY: Final[Mapping[ViewerRole, frozenset[Permission]]] = {
    ViewerRole.VIEWER: frozenset(),
    ViewerRole.REVIEWER: REVIEWER,
    ViewerRole.ADMINISTRATOR: REVIEWER,
}
"""What a role may do with every server. Owners see all of their own (`Viewer.owns`)."""


class Viewers:
    """All who have a token. `reviewers` and `readers` map names to tokens, each of which is somebody's alone."""

    def __init__(self, reviewers: Mapping[str, bytes], readers: Mapping[str, bytes]) -> None:
        self._known = [
            (token, Viewer(name, may))
            for named, may in ((reviewers, REVIEWER), (readers, READER))
            for name, token in named.items()
        ]

    def __bool__(self) -> bool:
        return bool(self._known)

    def who(self, request: HTTPConnection) -> Viewer | None:
        """Return whose bearer token it is. Every token is compared, so that time does not tell which one came near."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        token = given.strip().encode("latin-1", "replace") if scheme.lower() == "bearer" else b""
        found = [viewer for known, viewer in self._known if hmac.compare_digest(known, token)]
        return found[0] if found else None
