"""A server as the official registry describes one: server.json of 2025-12-11, and what the registry says of it.

https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json, and ServerResponse of the registry's API
of 2025-12-01. Texts are the team's own, from the server file: nothing that a server said of itself is in here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from mcp_core.scan.items import KIND_WORDS
from mcp_core.servers import LifeCycle
from mcp_sidecar.catalog.entry import CatalogEntry
from mcp_sidecar.catalog.known import ServerVersion
from mcp_sidecar.catalog.settings import CatalogSettings

SCHEMA: Final = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
CARD_SCHEMA: Final = "https://static.modelcontextprotocol.io/schemas/v2/server-card.schema.json"
"""Of SEP-2127, which is a draft."""
OFFICIAL: Final = "io.modelcontextprotocol.registry/official"
PROVIDED: Final = "io.modelcontextprotocol.registry/publisher-provided"
TRUST: Final = "kong-mcp/trust"
"""Where in `_meta` stands what the gateway knows and no registry asks for."""
DELETED: Final = "deleted"
MOST_TEXT: Final = 100
"""Characters of a title and of a description."""
MOST_MESSAGE: Final = 500

_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "key-auth": {"name": "apikey", "description": "Your key at the gateway", "isRequired": True, "isSecret": True},
    "basic-auth": {"name": "Authorization", "description": "Basic ...", "isRequired": True, "isSecret": True},
    "jwt": {"name": "Authorization", "description": "Bearer TOKEN", "isRequired": True, "isSecret": True},
}
"""Kong's plugin -> the header by which a client says who it is. With OAuth clients find that out by themselves."""
_FORGES: Final = re.compile(r"https://(github|gitlab)\.com/[^/\s]+/[^/\s]+")
_SITES: Final = ("website", "docs", "documentation", "home")


def registry_name(settings: CatalogSettings, name: str) -> str:
    """Return what a server is called in the registry."""
    return f"{settings.namespace}/{name}"


def server_json(entry: CatalogEntry, settings: CatalogSettings, version: str) -> dict[str, Any]:
    """Return the server.json of one version of a server."""
    record = entry.record
    document: dict[str, Any] = {
        "$schema": SCHEMA,
        "name": registry_name(settings, record.name),
        "title": cut(entry.title, MOST_TEXT),
        "description": cut(" ".join(record.description.split()) or entry.title, MOST_TEXT),
        "version": version,
    }
    source = record.links.get("source", "")
    if (forge := _FORGES.match(source)) is not None:
        document["repository"] = {"url": source, "source": forge[1]}
    if site := next((record.links[word] for word in _SITES if word in record.links), None):
        document["websiteUrl"] = site
    document["remotes"] = [remote(entry, settings)]
    if provided := _provided(entry):
        document["_meta"] = {PROVIDED: provided}
    return document


def remote(entry: CatalogEntry, settings: CatalogSettings) -> dict[str, Any]:
    """Return how a client reaches the server: by the gateway, and with which headers."""
    found: dict[str, Any] = {"type": "streamable-http", "url": f"{settings.public_url}{entry.record.path}"}
    headers = [_HEADERS[plugin] for plugin in entry.record.auth if plugin in _HEADERS]
    return {**found, "headers": headers} if headers else found


def _provided(entry: CatalogEntry) -> dict[str, Any]:
    record = entry.record
    said = {"owner": record.owner, "tags": list(record.tags), "links": dict(record.links)}
    return {word: value for word, value in said.items() if value}


def response(entry: CatalogEntry, settings: CatalogSettings, successor: str) -> dict[str, Any]:
    """Return what the registry answers of a server's version of today; `successor` is "" where there is none to see."""
    record = entry.record
    deprecated = record.life_cycle is LifeCycle.DEPRECATED
    official: dict[str, Any] = {
        "status": LifeCycle.DEPRECATED.value if deprecated else "active",
        "statusChangedAt": moment(entry.changed_at),
        "publishedAt": moment(min(entry.began_at, entry.updated_at)),
        "updatedAt": moment(entry.updated_at),
        "isLatest": True,
    }
    if deprecated and successor:
        official["statusMessage"] = cut(f"Use {registry_name(settings, successor)}", MOST_MESSAGE)
    return {"server": server_json(entry, settings, entry.version), "_meta": {OFFICIAL: official, TRUST: trust(entry)}}


def past(entry: CatalogEntry, settings: CatalogSettings, version: ServerVersion) -> dict[str, Any]:
    """Return what the registry answers of a version that the server had before: nobody can reach it any more."""
    return _deleted(entry, settings, version.version, version.at, "What the server offers has changed since")


def removed(entry: CatalogEntry, settings: CatalogSettings) -> dict[str, Any]:
    """Return what the registry answers of a server that is behind the gateway no more."""
    return _deleted(entry, settings, entry.version, entry.changed_at, "The server is behind this gateway no more")


def _deleted(entry: CatalogEntry, settings: CatalogSettings, version: str, at: int, why: str) -> dict[str, Any]:
    official = {
        "status": DELETED,
        "statusMessage": why,
        "statusChangedAt": moment(entry.updated_at),
        "publishedAt": moment(at),
        "updatedAt": moment(entry.updated_at),
        "isLatest": False,
    }
    document = server_json(entry, settings, version)
    del document["remotes"]
    return {"server": document, "_meta": {OFFICIAL: official}}


def trust(entry: CatalogEntry) -> dict[str, Any]:
    """Return what the gateway knows of a server that helps to trust it, as far as the viewer may see it."""
    record, look = entry.record, entry.look
    counts = {f"{word}": count for kind, word in KIND_WORDS.items() if (count := entry.count(kind))}
    return {
        "lifeCycle": record.life_cycle.value,
        "pins": record.pins.value,
        "trust": None if record.trust is None else record.trust.value,
        "owner": record.owner or None,
        "items": counts,
        "states": dict(sorted(entry.states.items())),
        "findings": dict(sorted(entry.rules.items())),
        "lastLook": {"at": moment(look.at), "outcome": look.outcome} if look.at else None,
    }


def card(entry: CatalogEntry, settings: CatalogSettings) -> dict[str, Any]:
    """Return the server card (SEP-2127, a draft): the same facts, without what the registry says."""
    document = server_json(entry, settings, entry.version)
    document.pop("_meta", None)
    return {**document, "$schema": CARD_SCHEMA}


def moment(milliseconds: int) -> str:
    """Return a time as RFC 3339 has it, to the millisecond: a client that asks for later ones misses none."""
    return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


def cut(text: str, most: int) -> str:
    """Return a text of at most so many characters; one that was longer says so by its last one."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}\u2026"
