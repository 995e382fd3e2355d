"""Loads a declarative file (format 3.0, nested or flat) into one checked snapshot.

Source: kong/db/schema/others/declarative_config.lua and the entity schemas (Kong 3.9.1). Identifiers are derived from
names, so the same file gives the same ids at every load, as in Kong; the derivation of plugin ids is our own.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from kong_devkit.entities import CHILDREN, NAMES, TABLES
from kong_devkit.errors import ConfigError, SchemaError
from kong_devkit.schema import Problems, validate

_ENTITIES: Final = uuid.UUID("fd02801f-0957-4a15-a55a-c8d9606f30b5")
Entity = dict[str, Any]


@dataclass(slots=True)
class Snapshot:
    """All entities of one file, by kind; references are ``{"id": ...}``."""

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
        raise ConfigError(f"declarative_config: cannot read {path}: {error}") from error
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
    version = str(document.get("_format_version", ""))
    if version not in {"3.0", "2.1", "1.1"}:
        raise ConfigError(f"_format_version: expected '3.0', got {version or 'nothing'!r}")
    problems: Problems = []
    snapshot = Snapshot()
    for key, items in document.items():
        if str(key).startswith("_"):
            continue
        if key not in TABLES:
            problems.append((str(key), "unknown field (the devkit has no such entity)"))
            continue
        _collect(snapshot, key, items, {}, str(key), problems)
    _link(snapshot, problems)
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
    for index, item in enumerate(items, 1):
        where = f"{path}[{index}]"
        if not isinstance(item, dict):
            problems.append((where, "expected a record"))
            continue
        own = {
            key: value
            for key, value in item.items()
            if key not in CHILDREN.get(kind, {}) and not str(key).startswith("_")
        }
        label = own.get(NAMES[kind])
        if isinstance(label, str) and kind != "keyauth_credentials":
            where = f"{path}[{label}]"
        entity = _entity(kind, own, parent, where, problems)
        snapshot.entities[kind].append(entity)
        for child, foreign in CHILDREN.get(kind, {}).items():
            _collect(
                snapshot,
                child,
                item.get(child),
                {**_inherited(kind, parent), foreign: {"id": entity["id"]}},
                f"{where}.{child}",
                problems,
            )


def _inherited(kind: str, parent: Mapping[str, Any]) -> dict[str, Any]:
    # A plugin nested in a route belongs to the route alone, not to the route's service as well.
    return dict(parent) if kind not in CHILDREN["services"] else {}


def _entity(kind: str, own: Entity, parent: Mapping[str, Any], where: str, problems: Problems) -> Entity:
    own = {
        **{
            k: {"id": v} if isinstance(v, str) and k in {"service", "route", "consumer", "upstream"} else v
            for k, v in own.items()
        },
        **parent,
    }
    if kind == "services" and isinstance(own.get("url"), str):
        own = {**_url(own.pop("url")), **own}
    try:
        entity: Entity = validate(TABLES[kind], own)
    except SchemaError as error:
        problems.extend((f"{where}.{path}", message) for path, message in error.problems)
        entity = own
    if kind == "plugins":
        entity.setdefault("config", {})
    for problem in _extra(kind, entity):
        problems.append((where, problem))
    if not isinstance(entity.get("id"), str):
        entity["id"] = str(uuid.uuid5(uuid.uuid5(_ENTITIES, kind), _key(kind, entity)))
    return entity


def _extra(kind: str, entity: Entity) -> list[str]:
    web = kind == "routes" and {"http", "https"} & set(entity.get("protocols") or [])
    if web and not any(entity.get(name) for name in ("methods", "hosts", "headers", "paths")):
        return ["must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http'"]
    if kind == "consumers" and not entity.get("username") and not entity.get("custom_id"):
        return ["at least one of these fields must be non-empty: 'custom_id', 'username'"]
    if kind == "upstreams":
        return [
            f"{pair}_{what}: required field missing"
            for pair in ("hash_on", "hash_fallback")
            for what in ("header", "query_arg", "uri_capture")
            if entity.get(pair) == what and not entity.get(f"{pair}_{what}")
        ]
    return []


def _url(url: str) -> Entity:
    parts = urlsplit(url)
    found: Entity = {
        "protocol": parts.scheme,
        "host": parts.hostname,
        "port": parts.port or (443 if parts.scheme == "https" else 80),
    }
    return {**found, "path": parts.path} if parts.path else found


def _key(kind: str, entity: Entity) -> str:
    name = entity.get(NAMES[kind]) or entity.get("custom_id")
    if kind == "plugins":
        scopes = [str((entity.get(scope) or {}).get("id", "")) for scope in ("route", "service", "consumer")]
        return ":".join([str(name), *scopes, str(entity.get("instance_name", ""))])
    if kind == "targets":
        return f"{(entity.get('upstream') or {}).get('id')}:{name}"
    if kind == "acls":
        return f"{(entity.get('consumer') or {}).get('id')}:{name}"
    if name is None:
        return str(sorted((key, str(value)) for key, value in entity.items()))
    return str(name)


_PARENTS: Final = {"service": "services", "route": "routes", "consumer": "consumers", "upstream": "upstreams"}


def _link(snapshot: Snapshot, problems: Problems) -> None:
    known = {
        kind: {**{e[NAMES[kind]]: e["id"] for e in found if e.get(NAMES[kind])}, **{e["id"]: e["id"] for e in found}}
        for kind, found in snapshot.entities.items()
    }
    for kind, found in snapshot.entities.items():
        for entity in found:
            for name, parent in _PARENTS.items():
                reference = entity.get(name)
                if not isinstance(reference, dict):
                    continue
                wanted = reference.get("id") or reference.get("name") or reference.get("username")
                target = known[parent].get(str(wanted))
                if target is None:
                    problems.append(
                        (
                            f"{kind}[{entity.get(NAMES[kind])}].{name}",
                            f"invalid reference '{name}: {wanted}' (no such entry in '{parent}')",
                        )
                    )
                else:
                    entity[name] = {"id": target}


def _unique(snapshot: Snapshot, problems: Problems) -> None:
    for kind, found in snapshot.entities.items():
        seen: set[str] = set()
        for entity in found:
            # The id of these is made from name and scope.
            scoped = kind in {"plugins", "targets", "acls"}
            own = str(entity["id"] if scoped else entity.get(NAMES[kind]) or entity["id"])
            if own in seen:
                label = "key" if kind == "keyauth_credentials" else entity.get(NAMES[kind])
                problems.append((f"{kind}[{label}]", "uniqueness violation: another entry has the same name and scope"))
            seen.add(own)
