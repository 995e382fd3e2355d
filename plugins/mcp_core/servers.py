"""One record of a server, and the file that lists all of them: written by `kong-mcp deck render`, read by the sidecar.

The file is JSON with a format number first, one server a paragraph, so that people can read it and compare two of them.
It holds nothing secret: what servers need to be reached is in Kong. See `formats` for how releases read each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from mcp_core import jsonrpc
from mcp_core.errand import Address, AddressError
from mcp_core.formats import is_understood
from mcp_core.jsonrpc import Limits, NotStrictError
from mcp_core.pins.states import Pinning, Trust

FORMAT: Final = 1
LIMITS: Final = Limits(body=16 * 1024 * 1024, keys=1_000_000)
"""What one file may hold: some ten thousand servers."""


class ServersFileError(ValueError):
    """The file cannot be used; the message says what is wrong and what would mend it."""


class LifeCycle(StrEnum):
    """Where a server is in its life, as its team says."""

    PREVIEW = "preview"
    """It may change or go at any time."""
    ACTIVE = "active"
    DEPRECATED = "deprecated"
    """It still answers, and nobody should begin to use it."""


@dataclass(frozen=True, slots=True)
class McpServer:
    """One server behind the gateway, as its team declares it.

    `path` is where agents find it, `address` where the sidecar does; `replicas` are URLs. `verified` says whether the
    certificates of https replicas must be good; `trust` whose server it is, None where that is not said. `policy` is
    what its guard is configured with. `successor` names the server that takes the place of a deprecated one. `auth` are
    the names of the Kong plugins that ask who calls; `links` maps words to URLs. `version` is the team's own count, ""
    where it says none.
    """

    name: str
    path: str
    address: Address
    replicas: tuple[str, ...]
    title: str = ""
    owner: str = ""
    verified: bool = True
    pins: Pinning = Pinning.OFF
    trust: Trust | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    life_cycle: LifeCycle = LifeCycle.ACTIVE
    description: str = ""
    version: str = ""
    successor: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    auth: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "version": self.version,
            "owner": self.owner,
            "life_cycle": self.life_cycle.value,
            "successor": self.successor,
            "links": dict(self.links),
            "tags": list(self.tags),
            "auth": list(self.auth),
            "path": self.path,
            "address": self.address.to_json(),
            "replicas": list(self.replicas),
            "verified": self.verified,
            "pins": self.pins.value,
            "trust": None if self.trust is None else self.trust.value,
            "policy": self.policy,
        }

    @classmethod
    def from_json(cls, value: Any) -> McpServer:
        """Return the record that `to_json` wrote, whatever a later release says besides. Raises ServersFileError."""
        if not isinstance(value, dict) or not is_understood(value, _KNOWN):
            raise ServersFileError("a server that this release does not read")
        name = value.get("name")
        try:
            return cls(
                _text(value, "name"),
                _text(value, "path"),
                Address.read(*value["address"]),
                tuple(_text({"replica": replica}, "replica") for replica in value["replicas"]),
                _text(value, "title", ""),
                _text(value, "owner", ""),
                value.get("verified", True) is True,
                Pinning(value.get("pins", Pinning.OFF)),
                None if value.get("trust") is None else Trust(value["trust"]),
                dict(value.get("policy", {})),
                LifeCycle(_text(value, "life_cycle", LifeCycle.ACTIVE)),
                _text(value, "description", ""),
                _text(value, "version", ""),
                _text(value, "successor", ""),
                {word: _text({"link": url}, "link") for word, url in dict(value.get("links", {})).items()},
                tuple(_text({"tag": tag}, "tag") for tag in value.get("tags", ())),
                tuple(_text({"auth": one}, "auth") for one in value.get("auth", ())),
            )
        except (AddressError, KeyError, TypeError, ValueError) as error:
            raise ServersFileError(f"server {name!a}: {error}") from None


_KNOWN: Final = frozenset(
    {"name", "title", "owner", "life_cycle", "path", "address", "replicas", "verified", "pins", "trust", "policy"}
    | {"description", "version", "successor", "links", "tags", "auth"}
)


def _text(value: Mapping[str, Any], name: str, default: str | None = None) -> str:
    text = value.get(name, default)
    if not isinstance(text, str) or (default is None and not text):
        raise ServersFileError(f"{name} is not text")
    return text


def write_servers(servers: Iterable[McpServer]) -> str:
    """Return the text of a file that lists servers, sorted by name: the same servers give the same text."""
    listed = [server.to_json() for server in sorted(servers, key=lambda server: server.name)]
    return json.dumps({"format": FORMAT, "servers": listed}, indent=1, ensure_ascii=False) + "\n"


def read_servers(text: bytes) -> dict[str, McpServer]:
    """Return name -> server. Raises ServersFileError: a file is read whole, or not at all."""
    try:
        value = jsonrpc.load(text, LIMITS)
    except NotStrictError as error:
        raise ServersFileError(f"not strict JSON: {error}; have `kong-mcp deck render` write it anew") from None
    if not isinstance(value, dict) or value.get("format") != FORMAT or not is_understood(value, {"format", "servers"}):
        raise ServersFileError(f"not a list of servers of format {FORMAT}; have this release's `kong-mcp` write it")
    if not isinstance(value.get("servers"), list):
        raise ServersFileError("servers is no list; have `kong-mcp deck render` write it anew")
    servers: dict[str, McpServer] = {}
    for server in map(McpServer.from_json, value["servers"]):
        if server.name in servers:
            raise ServersFileError(f"server {server.name!a} stands there twice")
        servers[server.name] = server
    return servers
