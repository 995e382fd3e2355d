"""The lock file: what servers offer, by digest, for teams that approve by pull request.

    format: 1
    servers:
      notes:
        tool:
          read: {digest: HEX, fields: {description: HEX, inputSchema: HEX, name: HEX}}

It holds the version of each item that was seen last, unless it was rejected. The digests by field say in a pull request
what changed; the digest of the whole is what is approved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from mcp_core.pins.canonical import field_digests
from mcp_core.pins.states import State
from mcp_core.scan import ItemKind
from mcp_core.scan.excerpt import escaped
from mcp_core.scan.items import KIND_WORDS
from mcp_sidecar.store.store import Store
from mcp_sidecar.store.values import ItemId, UnknownItemError
from mcp_sidecar.surface.review import item_kind

FORMAT: Final = 1
_HEADER: Final = (
    "# What MCP servers offer. Written by `kong-mcp surface lock`, approved with `kong-mcp surface approve --lock`.\n"
)
FIELD_HEX: Final = 16
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""A lock file of many servers is long: libyaml reads it ten times as fast."""


class LockError(ValueError):
    """The lock file cannot be used; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Locked:
    """One item of a lock file: its whole digest, and the beginnings of its members' digests."""

    digest: str
    fields: Mapping[str, str]


def of_store(store: Store, server: str | None) -> dict[ItemId, Locked]:
    """Return what a lock file of the store would hold, of one server or of all."""
    locked = {}
    for standing in store.standings(server):
        seen = standing.versions[0]
        if seen.state is not State.REJECTED:
            content = store.content(standing.id, seen.digest)[1]
            fields = {name: one[:FIELD_HEX] for name, one in sorted(field_digests(content).items())}
            locked[standing.id] = Locked(seen.digest, fields)
    return locked


def dump(locked: Mapping[ItemId, Locked]) -> str:
    """Return the text of a lock file."""
    servers: dict[str, dict[str, dict[str, Any]]] = {}
    for id_, one in sorted(locked.items(), key=lambda pair: (pair[0].server, pair[0].kind.value, pair[0].name)):
        kinds = servers.setdefault(id_.server, {})
        kinds.setdefault(KIND_WORDS[id_.kind], {})[id_.name] = {"digest": one.digest, "fields": dict(one.fields)}
    return _HEADER + yaml.safe_dump(
        {"format": FORMAT, "servers": servers}, sort_keys=False, allow_unicode=False, width=200
    )


def read(path: Path) -> dict[ItemId, Locked]:
    """Return the items of the lock file at a path. Raises LockError, whose message names it."""
    try:
        return load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LockError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise LockError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except LockError as error:
        raise LockError(f"{path}: {error}") from None


def load(text: str) -> dict[ItemId, Locked]:
    """Return the items of a lock file. Raises LockError."""
    try:
        value = yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        raise LockError(f"not YAML: {error}") from None
    if not isinstance(value, dict) or value.get("format") != FORMAT or not isinstance(value.get("servers"), dict):
        raise LockError(f"not a lock file of format {FORMAT}: write one with `kong-mcp surface lock`")
    return dict(_items(value["servers"]))


def _items(servers: Mapping[Any, Any]) -> Iterator[tuple[ItemId, Locked]]:
    for server, kinds in servers.items():
        for word, items in _mapping(kinds).items():
            for name, item in _mapping(items).items():
                digest = _mapping(item).get("digest")
                fields = _mapping(item.get("fields", {}))
                if not isinstance(server, str) or not isinstance(name, str) or not isinstance(digest, str):
                    raise LockError("servers and names are text, and every item has a digest")
                yield (
                    ItemId(server, _kind(word), name),
                    Locked(digest, {str(key): str(one) for key, one in fields.items()}),
                )


def _mapping(value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, dict):
        raise LockError("servers, kinds and items are maps")
    return value


def _kind(word: Any) -> ItemKind:
    try:
        return item_kind(str(word))
    except UnknownItemError as error:
        raise LockError(str(error)) from None


def differences(file: Mapping[ItemId, Locked], now: Mapping[ItemId, Locked]) -> list[str]:
    """Return a line for each item that differs between a file and what is seen now. Lines are ASCII."""
    lines = []
    for id_ in sorted(file.keys() | now.keys(), key=lambda item_id: (item_id.server, item_id.kind.value, item_id.name)):
        shown = f"{id_.server} {KIND_WORDS[id_.kind]} {escaped(id_.name)}"
        was, seen = file.get(id_), now.get(id_)
        if was is None and seen is not None:
            lines.append(f"+ {shown}: not in the file")
        elif seen is None:
            lines.append(f"- {shown}: in the file, but it was not seen or was rejected")
        elif was is not None and was.digest != seen.digest:
            names = sorted(
                one for one in was.fields.keys() | seen.fields.keys() if was.fields.get(one) != seen.fields.get(one)
            )
            lines.append(f"~ {shown}: {', '.join(map(escaped, sorted(names))) or 'it'} changed")
    return lines
