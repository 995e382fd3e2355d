"""Loads a declarative file (format 3.0, each entity within its parent) into one checked snapshot.

Source: kong/db/schema/others/declarative_config.lua and the entity schemas (Kong 3.9.1). Identifiers are derived from
names, so the same file gives the same ids at every load, as in Kong; the derivation is our own.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from kong_devkit.entities import CHILDREN, NAMES, TABLES, TOP
from kong_devkit.errors import ConfigError, SchemaError, unreadable
from kong_devkit.schema import UNKNOWN, Problems, validate

_ENTITIES: Final = uuid.UUID("fd02801f-0957-4a15-a55a-c8d9606f30b5")
Entity = dict[str, Any]


@dataclass(slots=True)
class Snapshot:
    """All entities of one file, by kind; each names its parent, if it has one, as ``{"id": ...}``."""

    entities: dict[str, list[Entity]] = field(default_factory=lambda: {kind: [] for kind in TABLES})

    def by_id(self, kind: str) -> dict[str, Entity]:
        """Entities of a kind by id."""
        return {entity["id"]: entity for entity in self.entities[kind]}


def load(path: Path) -> Snapshot:
    """Read and check a declarative file.

    Raises:
        ConfigError: the file cannot be read, or an entity does not fit; the message names entity and field.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"declarative_config: cannot read {path}: {unreadable(error)}") from error
    return parse(text)


def parse(text: str) -> Snapshot:
    """Check a declarative document, YAML or JSON.

    Raises:
        ConfigError: see ``load``.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"declarative_config: not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError("declarative_config: expected a mapping with _format_version and entities")
    version = document.pop("_format_version", None)
    if version != "3.0":
        raise ConfigError(f"_format_version: expected '3.0', got {version!r}")
    problems: Problems = []
    snapshot = Snapshot()
    for key, items in document.items():
        if key in TOP:
            _collect(snapshot, key, items, {}, key, problems)
        else:
            problems.append((str(key), UNKNOWN))
    _unique(snapshot, problems)
    if problems:
        raise SchemaError(problems)
    return snapshot


def _collect(
    snapshot: Snapshot, kind: str, items: Any, parent: Mapping[str, Any], path: str, problems: Problems
) -> None:
    if items is None:
        return
    if not isinstance(items, list):
        problems.append((path, "expected an array"))
        return
    children = CHILDREN.get(kind, {})
    for index, item in enumerate(items, 1):
        where = f"{path}[{index}]"
        if not isinstance(item, dict):
            problems.append((where, "expected a record"))
            continue
        label = item.get(NAMES[kind])
        if isinstance(label, str) and kind != "keyauth_credentials":
            where = f"{path}[{label}]"
        entity = _entity(kind, {key: one for key, one in item.items() if key not in children}, parent, where, problems)
        snapshot.entities[kind].append(entity)
        for child, foreign in children.items():
            _collect(snapshot, child, item.get(child), {foreign: {"id": entity["id"]}}, f"{where}.{child}", problems)


def _entity(kind: str, own: Entity, parent: Mapping[str, Any], where: str, problems: Problems) -> Entity:
    try:
        entity: Entity = validate(TABLES[kind], own)
    except SchemaError as error:
        problems.extend((f"{where}.{path}", message) for path, message in error.problems)
        entity = dict(own)
    else:
        problems.extend((where, problem) for problem in _extra(kind, entity))
    # The names of plugins and targets are their parents' own; all others are everybody's.
    scope = [one["id"] for one in parent.values()] if kind in {"plugins", "targets"} else []
    name = ":".join([*scope, str(entity.get(NAMES[kind]))])
    return {**entity, **parent, "id": str(uuid.uuid5(uuid.uuid5(_ENTITIES, kind), name))}


def _extra(kind: str, entity: Entity) -> list[str]:
    if kind == "routes" and not any(entity.get(name) for name in ("methods", "hosts", "paths")):
        return ["must set one of 'methods', 'hosts', 'paths' when 'protocols' is 'http'"]
    if kind == "upstreams" and entity["hash_on"] == "header" and not entity.get("hash_on_header"):
        return ["hash_on_header: required field missing"]
    return []


def _unique(snapshot: Snapshot, problems: Problems) -> None:
    for kind, found in snapshot.entities.items():
        seen: set[str] = set()
        for entity in found:
            if entity["id"] in seen:
                label = "key" if kind == "keyauth_credentials" else entity.get(NAMES[kind])
                problems.append((f"{kind}[{label}]", "uniqueness violation: another entry has the same name and scope"))
            seen.add(entity["id"])
