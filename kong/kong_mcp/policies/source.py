"""Where policies come from: a policy file of `kong-mcp dev`, decK files or rendered state, and server files.

Everything becomes the same: for each server the guard's configuration, checked as the guard checks it when it starts,
with the place of each field; and the consumers with their groups, where the files name them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from kong_mcp.declare.model import of_guard
from kong_mcp.policies.documents import Document, PolicySourceError, Step, read_document, steps
from kong_mcp.policy_file import GIVEN, OPEN_POLICY
from mcp_core.decide import GuardTerms
from mcp_core.pins.states import Pinning
from mcp_core.principal import UNKNOWN, Principal, consumer
from mcp_kong.inspection_settings import read_pins
from mcp_kong.proofs import GROUP_TAG
from mcp_kong.schema import GUARD_SCHEMA
from mcp_kong.settings import check_config
from mcp_kong.settings_error import SettingsError

PLUGIN: Final = "mcp-guard"
FIELDS: Final = frozenset(name for one in GUARD_SCHEMA for name in one) - GIVEN
"""Fields of the guard that a policy file may have."""

_SUFFIXES: Final = frozenset({".json", ".yaml", ".yml"})
_DECK: Final = frozenset(
    {"_format_version", "_plugin_configs", "_info", "consumers", "plugins", "routes", "services", "upstreams"}
)
_FIELD: Final = re.compile(r"[\w.\[\]]+")
_UNKNOWN: Final = re.compile(r"'(\w+)' is not known")

Origin = tuple[Document, tuple[Step, ...]]
"""A file, and the path in it below which fields of a configuration stand."""


def principal(name: str | None, groups: Sequence[str] | frozenset[str] = ()) -> Principal:
    """Return a consumer of Kong in some groups; without a name, whoever is in them."""
    return consumer(name, groups) if name else Principal(UNKNOWN, "", groups=frozenset(groups))


@dataclass(frozen=True)
class ServerPolicy:
    """What the guard of one server was told. `origins` are where its fields stand, the first that has one counts."""

    server: str
    config: Mapping[str, Any]
    origins: tuple[Origin, ...]

    @cached_property
    def guard(self) -> GuardTerms:
        """The configuration as the guard reads it. Raises PolicySourceError with the line that cannot be used."""
        try:
            return check_config(self.config)
        except SettingsError as error:
            text = str(error).removeprefix("config.")
            field, unknown = _FIELD.match(text), _UNKNOWN.search(text)
            keys = steps(field[0] if field else "") + steps(unknown[1] if unknown else "")
            document, prefix = self._origin(keys)
            raise document.error((*prefix, *keys), text) from None

    @cached_property
    def pinning(self) -> Pinning:
        """What pins do."""
        return read_pins(self.config)[0]

    def where(self, path: str) -> str:
        """Return FILE:LINE of a field of the configuration, or of the nearest above it."""
        keys = steps(path)
        document, prefix = self._origin(keys)
        return document.where((*prefix, *keys))

    def _origin(self, keys: Sequence[Step]) -> Origin:
        first = keys[:1]
        return next(
            (origin for origin in self.origins if origin[0].line((*origin[1], *first)) is not None), self.origins[0]
        )


@dataclass(frozen=True)
class Policies:
    """All policies of one state. `every` rules all servers, where a policy file was given.

    `consumers` maps the consumers that the files name to their groups.
    """

    servers: Mapping[str, ServerPolicy]
    every: ServerPolicy | None = None
    consumers: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def members(self) -> Mapping[str, frozenset[str]]:
        """The consumers of each group, as far as the files name them."""
        found: dict[str, set[str]] = {}
        for name, groups in self.consumers.items():
            for group in groups:
                found.setdefault(group, set()).add(name)
        return {group: frozenset(names) for group, names in found.items()}

    def of(self, server: str) -> ServerPolicy | None:
        """Return the policy of a server, or None where the files have none."""
        return self.servers.get(server, self.every)


OPEN: Final = Policies({}, ServerPolicy("", OPEN_POLICY, ((Document("no policy file", OPEN_POLICY, None), ()),)))
"""What `kong-mcp dev` does without a policy file: everybody may use everything."""


def read_policies(paths: Sequence[Path]) -> Policies:
    """Read files, and all YAML and JSON files below folders, as one state.

    Raises:
        PolicySourceError: with file and line.
    """
    servers: dict[str, list[ServerPolicy]] = {}
    every: ServerPolicy | None = None
    decks: list[Document] = []
    for path in paths:
        for file in _files(path):
            document = read_document(file)
            values = {} if document.values is None else document.values
            if not isinstance(values, dict):
                raise document.error((), 'write the guard\'s fields, for instance tools: {allow: ["read_*"]}')
            if _is_server_file(values):
                policy = read_server_file(document)
                servers.setdefault(policy.server, []).append(policy)
            elif _DECK & values.keys():
                decks.append(document)
            elif every is None:
                every = _read_policy_file(document, values)
            else:
                text = f"{every.origins[0][0].name} is a policy for all servers too: give one of them"
                raise document.error((), text)
    for policy in _read_decks(decks):
        servers.setdefault(policy.server, []).append(policy)
    policies = Policies(dict(_named(servers)), every, _consumers(decks))
    for known in (*policies.servers.values(), *(() if every is None else (every,))):
        known.guard  # noqa: B018 - what cannot be used is refused before anything is compared
    return policies


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    found = sorted(one for one in path.rglob("*") if one.suffix in _SUFFIXES and one.is_file())
    if not found:
        raise PolicySourceError(f"{path}: there is no .yaml, .yml or .json file in this folder")
    yield from found


def _read_policy_file(document: Document, values: Mapping[str, Any]) -> ServerPolicy:
    for name in values:
        if name not in FIELDS:
            raise document.error(
                (str(name),), f"{str(name)!a} is not a field of a policy; write one of {', '.join(sorted(FIELDS))}"
            )
    return ServerPolicy("", values, ((document, ()),))


def _is_server_file(values: Mapping[str, Any]) -> bool:
    return "name" in values and ("replicas" in values or "servers" in values)


def read_server_file(document: Document) -> ServerPolicy:
    """Return the policy in a server file: the fields of the guard stand in it beside the others."""
    name = document.values["name"]
    if not isinstance(name, str) or not name:
        raise document.error(("name",), "write the server's name, for instance name: weather")
    return ServerPolicy(name, of_guard(document.values), ((document, ()),))


def _named(servers: Mapping[str, Sequence[ServerPolicy]]) -> Iterator[tuple[str, ServerPolicy]]:
    """Give each policy the name it is asked by: NAME, and NAME@2 and so on for further ones of the same server."""
    for server, several in servers.items():
        different: list[ServerPolicy] = []
        for policy in several:
            if all(policy.config != other.config for other in different):
                different.append(policy)
        for number, policy in enumerate(different, 1):
            yield (server if number == 1 else f"{server}@{number}"), policy


def _read_decks(documents: Sequence[Document]) -> Iterator[ServerPolicy]:
    shared: dict[str, Origin] = {}
    for document in documents:
        for name in _mapping(document, ("_plugin_configs",)):
            shared[name] = document, ("_plugin_configs", name)
    for document in documents:
        for path, plugin in _plugins(document):
            if plugin.get("name") == PLUGIN and plugin.get("enabled") is not False:
                yield _guarded(document, path, plugin, shared)


def _guarded(
    document: Document, path: tuple[Step, ...], plugin: Mapping[str, Any], shared: Mapping[str, Origin]
) -> ServerPolicy:
    origins: list[Origin] = [(document, (*path, "config"))]
    config = _mapping(document, (*path, "config"))
    if (name := plugin.get("_config")) is not None:
        if name not in shared:
            text = (
                f"no file has _plugin_configs.{name}: give the files together, {document.name} and the one that has it"
            )
            raise document.error((*path, "_config"), text)
        origins.append(shared[name])
        config = _under(config, _mapping(*shared[name]))
    server = config.get("server")
    if not isinstance(server, str) or not server:
        raise document.error(path, "this mcp-guard names no server: write config.server")
    if len(origins) > 1 and document.line(origins[0][1]) is None:
        del origins[0]
    return ServerPolicy(server, {key: one for key, one in config.items() if key in FIELDS}, tuple(origins))


def _under(own: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with what is shared where it says nothing itself, at every depth, as decK does."""
    merged = dict(shared)
    for key, value in own.items():
        below = merged.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[key] = _under(value, below)
        elif value is not None:
            merged[key] = value
    return merged


def _plugins(document: Document) -> Iterator[tuple[tuple[Step, ...], Mapping[str, Any]]]:
    holders: list[tuple[Step, ...]] = [()]
    for kind in ("services", "routes"):
        for number, _ in enumerate(_entities(document, (kind,))):
            holders.append((kind, number))
            routes = _entities(document, (kind, number, "routes"))
            holders += [(kind, number, "routes", one) for one in range(len(routes))]
    for holder in holders:
        for number, plugin in enumerate(_entities(document, (*holder, "plugins"))):
            yield (*holder, "plugins", number), plugin


def _consumers(documents: Sequence[Document]) -> dict[str, frozenset[str]]:
    found = {}
    for document in documents:
        for entity in _entities(document, ("consumers",)):
            name, tags = entity.get("username"), entity.get("tags") or ()
            if isinstance(name, str) and isinstance(tags, list | tuple):
                groups = (
                    tag.removeprefix(GROUP_TAG) for tag in tags if isinstance(tag, str) and tag.startswith(GROUP_TAG)
                )
                found[name] = frozenset(groups)
    return found


def _at(document: Document, path: Sequence[Step]) -> Any:
    value = document.values
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
        else:
            return None
    return value


def _mapping(document: Document, path: Sequence[Step]) -> Mapping[str, Any]:
    value = _at(document, path)
    if value is not None and not isinstance(value, dict):
        raise document.error(path, f"{path[-1]} is a map of fields")
    return value or {}


def _entities(document: Document, path: Sequence[Step]) -> Sequence[Mapping[str, Any]]:
    value = _at(document, path)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise document.error(path, f"{path[-1]} is a list, one map of fields each")
    return value
