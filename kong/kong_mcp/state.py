"""The declarative file of a local gateway, made of the same decK files that a team would deploy.

The template for a server is filled in, then rendered together with the shared file: what is tried locally is what
runs in production, but for authentication, which a local gateway has only when it is given consumers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from kong_devkit.render import render
from kong_devkit.render_text import write_yaml
from kong_mcp.servers import DevServer, default_path
from mcp_core.auth.metadata import path_of
from mcp_core.endpoint import announced_path
from mcp_kong.settings import read_auth

PROBED: Final = "kong-mcp-probed"
"""The tag of upstreams whose replicas the sidecar probes."""
SUCCESSES: Final = 3
"""Checks of Kong's, each 2 s apart, that bring back a target of which the sidecar says nothing any more."""
COLLECTOR_FILE: Final = "collector.yaml"
COLLECTOR_CONFIG: Final = "mcp-collector"
LOG_PLUGIN: Final = "http-log"
"""How Kong tells the sidecar's collector of requests where mcp-answers does not run."""
ANSWERS_PLUGIN: Final = "mcp-answers"
_AUTH_PLUGIN: Final = "key-auth"
_CLOSED: Final = "closed"


@dataclass(frozen=True, slots=True)
class Consumer:
    """An agent's identity: name, API key, and groups."""

    name: str
    key: str
    groups: tuple[str, ...] = ()


def write_state(
    folder: Path,
    deck: Path,
    servers: Sequence[DevServer],
    policy: Mapping[str, Any],
    consumers: Sequence[Consumer],
    environment: Mapping[str, str],
    *,
    shared: Sequence[str] = ("shared.yaml",),
    records: Path | None = None,
) -> Path:
    """Write `folder`/kong.yaml, which Kong and the devkit load, and return its path.

    `deck` holds template.yaml and the `shared` files; `environment` the variables that they name. `policy` is for the
    servers that have none of their own. `records` is where a line of JSON is written of each request.
    """
    template = (deck / "template.yaml").read_text(encoding="utf-8")
    files = [deck / name for name in shared]
    for server in servers:
        own = policy if server.policy is None else server.policy
        document = fill_template(template, server, own, authenticate=bool(consumers))
        if COLLECTOR_FILE in shared:
            plugin = {"name": LOG_PLUGIN, "_config": COLLECTOR_CONFIG}
            document["services"][0].setdefault("plugins", []).append(plugin)
        files.append(_write(folder / f"server-{server.name}.yaml", document))
    if consumers:
        document = {"_format_version": "3.0", "consumers": [_consumer(consumer) for consumer in consumers]}
        files.append(_write(folder / "consumers.yaml", document))
    state = render(files, environment)
    telling = [one for service in state["services"] for one in service.get("plugins", ()) if one["name"] == LOG_PLUGIN]
    if records is not None:
        state["plugins"] = [*state.get("plugins", ()), _records(records)]
        for plugin in telling:  # what it leaves out, file-log would not have either
            del plugin["config"]["custom_fields_by_lua"]
    elif telling and tell_by_answers(state.get("plugins", ()), telling[0]["config"]):
        for service in state["services"]:
            if "plugins" in service:
                service["plugins"] = [one for one in service["plugins"] if one["name"] != LOG_PLUGIN]
    return _write(folder / "kong.yaml", state)


def tell_by_answers(plugins: Iterable[dict[str, Any]], config: Mapping[str, Any]) -> bool:
    """Have mcp-answers tell the collector, where it is among the plugins and runs for all services; say whether.

    `config` is that of the http-log that would tell it else (deck/collector.yaml), at several times the price.
    """
    for plugin in plugins:
        if plugin["name"] == ANSWERS_PLUGIN and not plugin.keys() & {"service", "route", "consumer", "consumer_group"}:
            token = config["headers"]["Authorization"].removeprefix("Bearer ")
            same = {name: config[name] for name in ("http_endpoint", "timeout", "queue")}
            plugin.setdefault("config", {})["collector"] = {**same, "token": token}
            return True
    return False


def let_probes_decide(upstream: dict[str, Any]) -> None:
    """Have the sidecar probe an upstream's replicas, and Kong's own check wait for longer than it keeps silent.

    Kong brings a target back after so many of its own checks, in a row since the sidecar last said that it is ill.
    """
    upstream["tags"] = [*upstream.get("tags", ()), PROBED]
    active = upstream.setdefault("healthchecks", {}).setdefault("active", {})
    active.setdefault("healthy", {})["successes"] = SUCCESSES


def _records(path: Path) -> dict[str, Any]:
    """Return the plugin that writes requests down, without credentials of those that no guard ever sees."""
    credentials = ("cookie", "apikey", "api-key", "x-api-key", "x-auth-token", "x-access-token")
    nothing = {f"request.headers.{name}": "return nil" for name in credentials}
    return {"name": "file-log", "config": {"path": str(path), "reopen": True, "custom_fields_by_lua": nothing}}


def fill_template(template: str, server: DevServer, policy: Mapping[str, Any], *, authenticate: bool) -> dict[str, Any]:
    """Return deck/template.yaml with one server's name, endpoint, replicas and policy in it."""
    document: dict[str, Any] = json.loads(_as_json(template).replace("NAME", server.name))
    (service,) = document["services"]
    service["path"], service["protocol"] = server.path, server.protocol
    if not authenticate:
        service["plugins"] = [plugin for plugin in service.get("plugins", ()) if plugin["name"] != _AUTH_PLUGIN]
    _move(service, server)
    guard = document["_plugin_configs"][f"mcp-guard-{server.name}"]
    guard.pop("tools")
    own_query = {"query": dict(server.query)} if server.query else {}
    guard.update({"path": server.path, "scheme": server.protocol, **policy, **own_query})
    if server.virtual:
        # The sidecar answers for it: there is nothing that the guard could open.
        guard.update({"upstream": _CLOSED, "session_upstream": _CLOSED, "members": list(server.members)})
        document["upstreams"] = []
    if server.acted:
        known = bool(service.get("plugins")) or bool(policy.get("auth"))
        document["services"].append(_acting(service, server, known=known))
    if resource := (policy.get("auth") or {}).get("resource"):
        service["routes"].append(_metadata_route(server.name, resource))
        document["services"] += _facade(service, server.name, policy)
    for upstream in document["upstreams"]:
        upstream["targets"] = [{"target": target} for target in server.targets]
        upstream["healthchecks"] = {"active": {"type": server.protocol}}
        if server.probed:
            let_probes_decide(upstream)
    return document


def acting_service(name: str) -> str:
    """Return the name of the service at which the sidecar asks a member for others."""
    return f"acting-{name}"


def _acting(service: Mapping[str, Any], server: DevServer, *, known: bool) -> dict[str, Any]:
    """Return the sidecar's way to a member of virtual servers: the member's own guard, on a route for nobody else.

    No credential comes there, so Kong's auth plugins stay away; `known` says whether agents need one.
    """
    deputies = {"deputies": "for-known" if known else "for-anyone"}
    guard = {"name": "mcp-guard", "_config": f"mcp-guard-{server.name}"}
    name = acting_service(server.name)
    # No server is called -, so no path of the internal route is meant.
    way = {"hosts": ["mcp-internal"], "paths": [f"~/-/{server.name}/mcp$"]}
    routes = [
        {"name": called, **way, "methods": allowed, "plugins": [{**guard, "config": dict(deputies)}]}
        for called, allowed in ((name, ["POST"]), (f"{name}-stream", ["GET", "DELETE"]))
    ]
    return {"name": name, "path": service["path"], "protocol": service["protocol"], "routes": routes}


def _metadata_route(name: str, resource: str) -> dict[str, Any]:
    """Return the route at which the guard tells clients who issues tokens for a server."""
    return {
        "name": f"mcp-{name}-metadata",
        "paths": [f"~{re.escape(path_of(resource))}$"],
        "methods": ["GET", "OPTIONS"],
        "plugins": [{"name": "mcp-guard", "_config": f"mcp-guard-{name}"}],
    }


def token_service(name: str) -> str:
    """Return the name of the service at which a server's agents get tokens of its provider: what is no MCP server's."""
    return f"login-{name}"


def _facade(service: dict[str, Any], name: str, policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give a server's routes what the gateway answers for a provider; return the service of its token endpoint."""
    if (auth := read_auth(policy)) is None or auth.facade is None:
        return []
    facade = auth.facade[1]
    plugins = [{"name": "mcp-guard", "_config": f"mcp-guard-{name}"}]
    own = {"paths": [f"~{re.escape(path)}$" for path in facade.paths], "methods": ["GET", "POST", "OPTIONS"]}
    service["routes"].append({"name": f"login-{name}-asked", **own, "plugins": plugins})
    where = urlsplit(facade.token_endpoint)
    token = {"name": f"login-{name}-token", "paths": [f"~{re.escape(facade.token_path)}$"], "methods": ["POST"]}
    return [
        {
            "name": token_service(name),
            "protocol": where.scheme,
            "host": where.hostname,
            "port": where.port or (443 if where.scheme == "https" else 80),
            "path": where.path,
            "retries": 0,  # a code counts once
            **({"tls_verify": True} if where.scheme == "https" else {}),
            "routes": [{**token, "plugins": plugins}],
        }
    ]


@cache
def _as_json(template: str) -> str:
    """Return a template as JSON, which is read again for each of a thousand servers."""
    return json.dumps(yaml.safe_load(template))


def _move(service: dict[str, Any], server: DevServer) -> None:
    """Put what agents reach at the path that the server's file names."""
    default = default_path(server.name)
    moved = {default: server.public_path, announced_path(default): announced_path(server.public_path)}
    for route in service["routes"]:
        route["paths"] = [_moved(path, moved) for path in route["paths"]]


def _moved(regex: str, moved: Mapping[str, str]) -> str:
    """Return the expression of a route's path for where the path is now."""
    path = regex.removeprefix("~").removesuffix("$").removesuffix("/?")
    # Of what a public path is made of, only the dot means something to a regular expression.
    return regex.replace(path, moved[path].replace(".", r"\.")) if path in moved else regex


def _consumer(consumer: Consumer) -> dict[str, Any]:
    return {
        "username": consumer.name,
        "tags": [f"group:{group}" for group in consumer.groups],
        "keyauth_credentials": [{"key": consumer.key}],
    }


def _write(path: Path, document: Mapping[str, Any]) -> Path:
    path.touch(mode=0o600)
    path.write_text(write_yaml(document), encoding="utf-8")
    return path
