"""The portal of a local gateway: what the sidecar is told, and the one-time links by which somebody comes in."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kong_mcp.state import Consumer
from mcp_core import one_time
from mcp_core.one_time import OneTime

LINKS_VARIABLE: Final = "MCP_SIDECAR_PORTAL_LINKS"
SHARED: Final = "portal.yaml"
"""The decK file with the portal's route."""
ADMINISTRATOR: Final = "administrator"
_VIEWER: Final = "viewer"


@dataclass(frozen=True, slots=True)
class PortalLink:
    """A link that signs somebody in once."""

    shown: str
    url: str


def portal_environment(folder: Path) -> dict[str, str]:
    """Return what the sidecar must be told beside the gateway's address."""
    return {LINKS_VARIABLE: str(folder / "links")}


def portal_links(folder: Path, port: int, consumers: Sequence[Consumer]) -> list[PortalLink]:
    """Make a link for an administrator, and one for each agent as a viewer."""
    first = consumers[0] if consumers else None
    people = [
        _person("you", ADMINISTRATOR, first),
        *(_person(consumer.name, _VIEWER, consumer) for consumer in consumers),
    ]
    return [
        PortalLink(
            f"{time.shown}, {time.role}",
            f"http://127.0.0.1:{port}/portal/enter?link={_write(folder / 'links', time)}",
        )
        for time in people
    ]


def _person(shown: str, role: str, consumer: Consumer | None) -> OneTime:
    if consumer is None:
        return OneTime(shown, role)
    return OneTime(shown, role, consumer.name, consumer.groups, {"apikey": consumer.key})


def _write(folder: Path, link: OneTime) -> str:
    """Write a link's file, and return its secret."""
    secret = secrets.token_urlsafe(24)
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / one_time.file_name(secret)
    path.touch(mode=0o600)
    path.write_text(one_time.write(link), encoding="utf-8")
    return secret
