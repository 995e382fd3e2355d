"""Server files as one decK state: every server, what all share, and the tags that keep a sync off everybody else's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from kong_devkit.errors import unreadable
from kong_mcp.declare import entities
from kong_mcp.declare.folder import Folder
from kong_mcp.declare.problems import Problem
from kong_mcp.declare.server_file import ServerFile
from kong_mcp.share import deck_folder
from kong_mcp.state import COLLECTOR_CONFIG, COLLECTOR_FILE, LOG_PLUGIN, tell_by_answers

FORMAT: Final = "3.0"
TAG: Final = "kong-mcp"
"""On everything of a state that has what all servers share."""
SERVERS_TAG: Final = "kong-mcp-servers"
"""On everything of a state that has servers alone, so that its sync leaves the shared entities where they are."""
_NAMED_BY: Final = {"consumers": "username", "certificates": "id", "ca_certificates": "id"}
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Record = dict[str, Any]


class SharedError(ValueError):
    """A file of what servers share cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class DeckState:
    """A decK state in parts. `about` is what is said above an entity, by kind and name."""

    tag: str
    defaults: Record = field(default_factory=dict)
    plugin_configs: Record = field(default_factory=dict)
    sections: dict[str, list[Record]] = field(default_factory=dict)
    about: dict[tuple[str, str], str] = field(default_factory=dict)


def server_tag(name: str) -> str:
    """Return the tag of everything that is one server's."""
    return f"kong-mcp-server-{name}"


def shared_files(*, answers: bool, registry: bool = False, portal: bool = False) -> list[Path]:
    """Return the files that come with the package: what all servers share, and what else is wanted."""
    wanted = {"shared.yaml": True, "answers.yaml": answers, "registry.yaml": registry, "portal.yaml": portal}
    return [deck_folder() / name for name, is_wanted in wanted.items() if is_wanted]


def template() -> str:
    """Return the text of deck/template.yaml."""
    return (deck_folder() / "template.yaml").read_text(encoding="utf-8")


def assemble(servers: Sequence[ServerFile], shared: Sequence[Path], tag: str, *, collector: bool = False) -> DeckState:
    """Return the state of servers that fit each other, and of what they share, sorted by name.

    With `collector` Kong tells the sidecar's collector of every request to them: mcp-answers does, where the state has
    it, else an http-log of each server.

    Raises:
        SharedError: a shared file is not decK state of format 3.0; or a server has an http-log beside the collector's.
    """
    state = DeckState(tag)
    for path in [*shared, *([deck_folder() / COLLECTOR_FILE] if collector else [])]:
        document = _read_shared(path)
        state.defaults.update((document.pop("_info", None) or {}).get("defaults") or {})
        _take(state, document, [tag])
    by_log = collector
    if collector and tell_by_answers(state.sections.get("plugins", ()), state.plugin_configs[COLLECTOR_CONFIG]):
        del state.plugin_configs[COLLECTOR_CONFIG]
        by_log = False
    shape = template()
    for one in sorted(servers, key=lambda server: server.name):
        document = entities.document(one, shape, [tag, server_tag(one.name)])
        document.pop("_format_version")
        if by_log:
            _collect(one, document, [tag, server_tag(one.name)])
        for kind, name in entities.names(document):
            state.about[kind, name] = _about(one)
        _take(state, document, [])
    for kind, found in state.sections.items():
        unique = {_name(kind, entity): entity for entity in found} if kind == "ca_certificates" else None
        state.sections[kind] = sorted(unique.values() if unique else found, key=lambda entity: _name(kind, entity))
    return state


def _collect(server: ServerFile, document: Record, tags: Sequence[str]) -> None:
    """Give what agents call of a server the plugin that tells the collector."""
    for service in document["services"]:
        if service["name"] == f"mcp-{server.name}":
            plugins = service.setdefault("plugins", [])
            if any(plugin["name"] == LOG_PLUGIN for plugin in plugins):
                where = f"{server.file}:{server.line('plugins')}"
                raise SharedError(
                    f"{where}: found {LOG_PLUGIN}, of which Kong runs one for each request, and without mcp-answers "
                    "--collector needs it; write another log plugin (tcp-log, file-log), or render without --collector"
                )
            plugins.append(entities.tagged({"name": LOG_PLUGIN, "_config": COLLECTOR_CONFIG}, tags))


def _take(state: DeckState, document: Record, tags: Sequence[str]) -> None:
    state.plugin_configs.update(document.pop("_plugin_configs", {}))
    for kind, found in document.items():
        state.sections.setdefault(kind, []).extend(entities.tagged(one, tags) if tags else one for one in found)


def _read_shared(path: Path) -> Record:
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise SharedError(f"{path}: cannot be read: {unreadable(error)}") from None
    except yaml.YAMLError as error:
        raise SharedError(f"{path}: cannot be read: {error}") from None
    if not isinstance(document, dict) or document.pop("_format_version", None) != FORMAT:
        raise SharedError(f'{path}: not decK state; it begins with _format_version: "{FORMAT}"')
    return document


def _name(kind: str, entity: Record) -> str:
    return str(entity.get(_NAMED_BY.get(kind, "name")))


def _about(server: ServerFile) -> str:
    title = server.values.get("title", server.name)
    owner = f", of {server.values['owner']}" if "owner" in server.values else ""
    return f"{title}{owner} ({Path(server.file).name})"


def entity_problems(folder: Folder) -> list[Problem]:
    """Return what is wrong with names that Kong would get twice: of a-sessions and the sessions of a, say."""
    shape = list(entities.names(yaml.load(template(), Loader=_LOADER)))  # noqa: S506 - a SafeLoader
    taken: dict[tuple[str, str], str] = {}
    found = []
    for path in shared_files(answers=True, portal=True):
        for key in entities.names(_read_shared(path)):
            taken[key] = "deck/shared.yaml"
    seen = set()
    for server in folder.servers:
        if server.name in seen:  # two servers of one name are a problem of their own
            continue
        seen.add(server.name)
        for kind, pattern in shape:
            name = pattern.replace("NAME", server.name)
            if (kind, name) in taken:
                text = (
                    f"Kong would get the {kind} entity {name} twice: {taken[kind, name]} has it too; write another name"
                )
                found.append(server.problem("name", text))
                break
            taken[kind, name] = server.name
    return found
