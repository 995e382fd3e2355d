"""One server file: read, held to the model and to what its fields mean together."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from kong_mcp.declare import nodes, secrets
from kong_mcp.declare.local import local_of, url_of
from kong_mcp.declare.local import problems as local_problems
from kong_mcp.declare.model import AUTH, RENAMED, SERVER_FILE, of_guard
from kong_mcp.declare.nodes import EMPTY, MAX_BYTES, NodeError, Scalar, compose
from kong_mcp.declare.problems import Problem, nearest
from kong_mcp.declare.rest import in_description
from kong_mcp.declare.short_forms import ShortFormError, expand
from kong_mcp.declare.values import line_of, read
from kong_mcp.servers import DevServer, ServerSpecError, server_of
from mcp_core.endpoint import announced_path, takes_messages
from mcp_core.passing import HIDDEN_HEADERS, Hidden
from mcp_core.servers import LifeCycle
from mcp_kong.settings import check_config
from mcp_kong.settings_error import SettingsError

_OF_GUARD: Final = re.compile(r"config\.(?P<where>[A-Za-z0-9_.\[\]]+?)(?:\.\*)?: (?P<text>.*)", re.DOTALL)
_TLS_ONLY: Final = "https"
DEFAULT_AUTH: Final = ({"name": "key-auth"},)
"""What deck/template.yaml asks callers for where a file says nothing else."""
_SHORT: Final = {"oauth": "auth", "pins": "trust"}
_RESERVED: Final = frozenset({"mcp-guard", "mcp-answers"})
_OF_MEMBERS: Final = (
    *("replicas", "tls", "health", "timeouts", "pins", "scan", "results", "arguments", "constraints", "repeat"),
    *("upstream_token", "query", "lists", "trust", "param_headers", "skills", "apps", "methods", "labels"),
)
"""Fields that say how one server is reached, or what is held against it: they stand in the files of members."""
_OF_VIRTUAL: Final = ("prefix", "budget", "flow")


@dataclass(frozen=True, slots=True)
class ServerFile:
    """A server file that can be used. `file` is its path as people are shown it; `values` what is written in it."""

    file: str
    node: nodes.Mapping
    values: dict[str, Any]
    server: DevServer

    @property
    def name(self) -> str:
        """The server's name."""
        return self.server.name

    @property
    def public_path(self) -> str:
        """Where agents find it."""
        return self.server.public_path

    @property
    def paths(self) -> tuple[str, str]:
        """Every path of the gateway that is this server's: the endpoint, and where messages of 2024-11-05 are taken."""
        return self.public_path, announced_path(self.public_path)

    @property
    def auth(self) -> tuple[str, ...]:
        """Names of Kong's plugins that ask who calls, as entities.document gives them to the service."""
        default = () if "oauth" in self.values else DEFAULT_AUTH
        return tuple(plugin["name"] for plugin in self.values.get("auth", default))

    @property
    def guard(self) -> Mapping[str, Any]:
        """What the guard is configured with, as it is written."""
        return self.server.policy or {}

    def line(self, where: str) -> int:
        """Return the line of a field, that of the short form where it stands for the field."""
        top = re.split(r"[.\[]", where, maxsplit=1)[0]
        return line_of(self.node, where if self.node.find(top) else _SHORT.get(top, where))

    def problem(self, where: str, text: str, *, warning: bool = False) -> Problem:
        """Return a problem with a field."""
        return Problem(self.file, self.line(where), where, text, warning)


def read_file(path: Path) -> tuple[ServerFile | None, list[Problem]]:
    """Return a server file, None where it cannot be used, and what is wrong with it."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None, [Problem(str(path), 1, "", "found no regular file; write one")]
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return None, [Problem(str(path), 1, "", f"cannot be read: {error.strerror}")]
    return read_text(raw, str(path))


def read_text(raw: bytes, file: str) -> tuple[ServerFile | None, list[Problem]]:
    """Return the server file that these bytes are, as `read_file` does."""
    try:
        node = compose(raw)
    except NodeError as error:
        return None, [Problem(file, error.line, "", str(error))]
    if isinstance(node, Scalar) and node.kind == "null":
        return None, [Problem(file, 1, "", EMPTY)]
    if not isinstance(node, nodes.Mapping):
        return None, [Problem(file, node.line, "", "found no mapping; write fields: name, replicas ...")]
    if node.find("_format_version") is not None:
        text = "found decK state; hand-written decK stands in a folder of its own, and is given to decK itself"
        return None, [Problem(file, node.line, "_format_version", text)]
    found = [Problem(file, line, where, text) for line, where, text in secrets.problems(node)]
    named = {problem.where for problem in found}

    def report(line: int, where: str, text: str) -> None:
        if where not in named:  # what was found may be a secret
            found.append(Problem(file, line, where, text))

    values = read(SERVER_FILE, node, "", report)
    if found:
        return None, sorted(found)
    try:
        values = expand(values)
        if "servers" in values:
            server = DevServer(values["name"], "http", "/mcp", (), of_guard(values), virtual=True)
        else:
            local = local_of(values)
            urls = values["replicas"] if local is None else [url_of(values["name"], local)]
            server = replace(server_of(values["name"], urls), policy=of_guard(values))
    except ShortFormError as error:
        return None, [Problem(file, line_of(node, error.field), error.field, str(error))]
    except ServerSpecError as error:
        return None, [Problem(file, line_of(node, "replicas"), "replicas", str(error))]
    mine = ServerFile(file, node, values, replace(server, path_of_agents=values.get("path")))
    found = sorted(_meaning(mine))
    return (None if any(not problem.warning for problem in found) else mine), found


def _meaning(mine: ServerFile) -> list[Problem]:
    """Return what is wrong with fields that are well-formed each."""
    held = (_virtual, _guard, _paths, _plugins, _credentials, _life)
    found = [problem for one in held for problem in one(mine)]
    found += [mine.problem(where, text) for where, text in local_problems(mine.values)]
    if not found:  # only then the description is looked for
        described = in_description(mine.file, mine.values)
        found += [mine.problem(where, text, warning=warning) for where, text, warning in described]
    return found if mine.server.virtual else [*found, *_tls(mine), *_health(mine)]


def _virtual(mine: ServerFile) -> Iterator[Problem]:
    virtual = mine.server.virtual
    for field in _OF_MEMBERS if virtual else _OF_VIRTUAL:
        if field in mine.values:
            beside = "servers; it is each member's own" if virtual else "replicas; it is for virtual servers"
            yield mine.problem(field, f"found it beside {beside}; remove it")
    if (budget := mine.values.get("budget")) is not None and "tokens" not in budget:
        yield mine.problem("budget", "found no tokens; write tokens: 8000")
    if (flow := mine.values.get("flow")) is not None and "mode" not in flow:
        yield mine.problem("flow", "found no mode; write mode: enforce")


def _life(mine: ServerFile) -> list[Problem]:
    successor = mine.values.get("successor")
    if successor == mine.name:
        return [mine.problem("successor", "found the server itself; name the one that takes its place, or remove it")]
    if successor and mine.values.get("life_cycle") != LifeCycle.DEPRECATED:
        text = "found it on a server that is not deprecated; write life_cycle: deprecated, or remove it"
        return [mine.problem("successor", text)]
    return []


def _guard(mine: ServerFile) -> list[Problem]:
    try:
        check_config(mine.guard)
    except SettingsError as error:
        match = _OF_GUARD.fullmatch(str(error))
        if match is None:
            return [mine.problem("", str(error))]
        first, dot, rest = match["where"].partition(".")
        return [mine.problem(f"{RENAMED.get(first, first)}{dot}{rest}", match["text"])]
    return []


_OF_THE_GATEWAY: Final = frozenset({"portal", "registry"})
"""First segments of paths that deck/portal.yaml and deck/registry.yaml give to routes of the gateway's own."""


def _paths(mine: ServerFile) -> list[Problem]:
    found = []
    if takes_messages(mine.public_path):
        text = "found the last segment `messages`, which takes what agents send; write another"
        found.append(mine.problem("path", text))
    first = mine.public_path.split("/")[1]
    if mine.values.get("path") and first in _OF_THE_GATEWAY:
        text = f"found the first segment `{first}`, under which the gateway's own pages are; write another"
        found.append(mine.problem("path", text))
    return found


def _tls(mine: ServerFile) -> list[Problem]:
    tls = mine.values.get("tls")
    if tls is None:
        return []
    if mine.server.protocol != _TLS_ONLY:
        return [mine.problem("tls", "found tls beside replicas of http; write https replicas, or remove tls")]
    found = []
    if ("cert" in tls) != ("key" in tls):
        found.append(mine.problem("tls", "found one of cert and key; write both, or neither"))
    if "cert" in tls and "client_certificate" in tls:
        found.append(mine.problem("tls.client_certificate", "found it beside cert and key; write one or the other"))
    if tls.get("verify") is False:
        useless = [name for name in ("ca", "verify_depth") if name in tls]
        text = "anyone on the way to the replicas can read and change what passes; remove it"
        found += [
            mine.problem(f"tls.{name}", f"found {name} beside verify: false, where it does nothing; remove one")
            for name in useless
        ] or [mine.problem("tls.verify", text, warning=True)]
    return found


def _plugins(mine: ServerFile) -> list[Problem]:
    found = []
    if mine.values.get("auth") and "oauth" in mine.values:
        text = "found auth beside oauth, where the subject of a token is who calls; remove one"
        found.append(mine.problem("auth", text))
    if mine.values.get("auth") == [] and "oauth" not in mine.values:
        text = "the list is empty, so nobody is asked who they are; write [key-auth] unless everyone may call"
        found.append(mine.problem("auth", text, warning=True))
    seen: set[str] = set()
    for kind in ("auth", "plugins"):
        for at, plugin in enumerate(mine.values.get(kind, ())):
            where = f"{kind}[{at}]"
            name, config = plugin.get("name", ""), plugin.get("config", {})
            if kind == "auth" and name and name not in AUTH:
                found.append(
                    mine.problem(where, f"found {name}, which asks nobody who they are; {nearest(name, AUTH)}")
                )
            if kind == "auth" and plugin.get("enabled") is False:
                found.append(mine.problem(f"{where}.enabled", "found false, so it asks nobody who they are; remove it"))
            if name in _RESERVED:
                found.append(mine.problem(where, f"found {name}, which every server gets by itself; remove it"))
            if name in seen:
                found.append(mine.problem(where, f"found {name} a second time; Kong takes a plugin once here"))
            seen.add(name)
            if not isinstance(config, dict):
                found.append(mine.problem(f"{where}.config", "found no mapping; write the plugin's fields"))
            elif config.get("anonymous"):
                text = "found anonymous, which lets in whoever fails to prove who they are; remove it"
                found.append(mine.problem(f"{where}.config.anonymous", text))
            elif config.get("hide_credentials") is False:
                text = "found false, which hands an agent's credential on to the server; write true"
                found.append(mine.problem(f"{where}.config.hide_credentials", text))
    return found


def _credentials(mine: ServerFile) -> list[Problem]:
    """Warn of a credential that request-transformer gives the server and that would not be it on every request."""
    hidden = Hidden(mine.guard.get("hide_headers", HIDDEN_HEADERS))
    usually = Hidden(HIDDEN_HEADERS)
    found = []
    for at, plugin in enumerate(mine.values.get("plugins", ())):
        if plugin.get("name") != "request-transformer":
            continue
        removed = set(_headers(plugin, "remove"))
        for name in (*_headers(plugin, "add"), *_headers(plugin, "append"), *_headers(plugin, "replace")):
            if hidden.hides(name):
                text = f"{name} reaches replicas on calls, not on lists: leave it out of hide_headers"
            elif usually.hides(name) and name not in removed:
                text = f"an agent's own {name} would pass: name it under remove.headers here too"
            else:
                continue
            found.append(mine.problem(f"plugins[{at}].config", text, warning=True))
    return found


def _headers(plugin: dict[str, Any], word: str) -> list[str]:
    """Return the names of the headers in one list of request-transformer's configuration, in lower case."""
    config = plugin.get("config")
    part = config.get(word) if isinstance(config, dict) else None
    headers = part.get("headers") if isinstance(part, dict) else None
    return [str(header).partition(":")[0].strip().lower() for header in headers] if isinstance(headers, list) else []


def _health(mine: ServerFile) -> list[Problem]:
    health = mine.values.get("health", {})
    if "interval" in health and "path" not in health:
        return [mine.problem("health.interval", "found no path beside it; write path: /healthz, or remove it")]
    useless = [name for name in ("path", "interval", "probes") if health.get(name)]
    if health.get("checks") is False and useless:
        return [
            mine.problem(f"health.{useless[0]}", "found it beside checks: false, where it does nothing; remove one")
        ]
    return []
