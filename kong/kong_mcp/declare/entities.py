"""What Kong gets for one server, as a decK document: deck/template.yaml filled in, and what else its file says.

The template is the one place for the shape of a server in Kong: what is written by hand and what is rendered agree.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final

from kong_mcp.declare.model import AUTH
from kong_mcp.declare.server_file import ServerFile
from kong_mcp.state import acting_service, fill_template, let_probes_decide, token_service

LEGEND: Final = """\
Each server NAME has
  _plugin_configs mcp-guard-NAME     its policy, as its server file has it
  service mcp-NAME                   what agents call; only mcp-guard opens it, as the upstream `closed` has no targets
  routes mcp-NAME, mcp-NAME-stream   POST, and all other methods: each with mcp-guard
  upstreams mcp-NAME, ...-sessions   the replicas: for single calls, and for sessions, which stay where they began
What is called mcp-internal is how the sidecar reaches replicas; no agent does."""

_INTERNAL: Final = "mcp-internal-"
_HIDING: Final = frozenset(
    {"basic-auth", "hmac-auth", "key-auth-enc", "ldap-auth", "ldap-auth-advanced", "oauth2", "oauth2-introspection"}
)
"""Plugins that hand an agent's credential on unless they are told to hide it, as deck/shared.yaml tells key-auth."""
_CHILDREN: Final = frozenset({"routes", "plugins", "targets", "keyauth_credentials", "acls"})
SECONDS: Final = 5
"""Between two questions for a health page, where its file says nothing else."""
_IDS: Final = uuid.UUID("6a1c1d52-52a1-5a33-8c0c-4f0b7a9f3c11")
"""Namespace of the ids of certificates, so that the same files give the same ids."""

Record = dict[str, Any]


def document(one: ServerFile, template: str, tags: Sequence[str]) -> Record:
    """Return the decK document of one server. `template` is the text of deck/template.yaml."""
    filled = fill_template(template, one.server, one.guard, authenticate=True)
    if one.server.protocol == "https":
        filled["services"] += [
            _internal(one.name, "", ["POST"], 1),
            _internal(one.name, "-stream", ["GET", "DELETE"], 0),
        ]
    for service in filled["services"]:
        if service["name"] == token_service(one.name):
            continue
        _reach(service, one)
        if service["name"] == acting_service(one.name):
            _let_act(service, one)
        elif not service["name"].startswith(_INTERNAL):
            _publish(service, one)
    for upstream in filled["upstreams"]:
        _check_health(upstream, one.values.get("health", {}), one.values.get("tls", {}), _client_certificate(one))
    filled |= _certificates(one)
    everything = [*tags, *one.values.get("tags", ())]
    return {
        kind: [tagged(entity, everything) for entity in entities] if isinstance(entities, list) else entities
        for kind, entities in filled.items()
    }


def _internal(name: str, which: str, methods: list[str], retries: int) -> Record:
    """Return the sidecar's way to one server, beside that to all: a service says whose certificates are good."""
    called = f"{_INTERNAL}{name}{which}"
    route = {
        "name": called,
        "hosts": ["mcp-internal"],
        "paths": [f"~/{name}(/|$)"],
        "methods": methods,
        "plugins": [{"name": "mcp-internal"}],
    }
    return {"name": called, "protocol": "https", "retries": retries, "routes": [route]}


def tagged(entity: Record, tags: Sequence[str]) -> Record:
    """Return a copy of an entity that has these tags first, and so has everything in it."""
    own = [tag for tag in entity.get("tags", ()) if tag not in tags]
    copy = {**entity, "tags": [*dict.fromkeys(tags), *own]}
    for kind in _CHILDREN & entity.keys():
        copy[kind] = [tagged(child, tags) for child in entity[kind]]
    return copy


def names(document: Record) -> Iterator[tuple[str, str]]:
    """Yield kind and name of what must be there once in a Kong: services, routes, upstreams, configurations."""
    for name in document.get("_plugin_configs", {}):
        yield "_plugin_configs", name
    for kind in ("services", "upstreams"):
        for entity in document.get(kind, ()):
            yield kind, entity["name"]
            for route in entity.get("routes", ()):
                yield "routes", route["name"]


def _reach(service: Record, one: ServerFile) -> None:
    """Say how the replicas are reached."""
    for name, value in one.values.get("timeouts", {}).items():
        service[f"{name}_timeout"] = value
    if one.server.protocol != "https":
        return
    tls = one.values.get("tls", {})
    service["tls_verify"] = tls.get("verify", True)
    if "verify_depth" in tls:
        service["tls_verify_depth"] = tls["verify_depth"]
    if "ca" in tls:
        service["ca_certificates"] = [_ca_id(ca) for ca in tls["ca"]]
    if (certificate := _client_certificate(one)) is not None:
        service["client_certificate"] = certificate


def _publish(service: Record, server: ServerFile) -> None:
    """Give what agents call the plugins that its file names."""
    by_template = {plugin["name"]: plugin for plugin in service.pop("plugins", ())}
    auth = server.values.get("auth", [] if "oauth" in server.values else [{"name": name} for name in by_template])
    plugins = [_auth(plugin, by_template.get(plugin["name"], {})) for plugin in auth]
    plugins += [_auth(plugin, by_template.get(plugin["name"], {})) for plugin in server.values.get("plugins", ())]
    if plugins:
        service["plugins"] = plugins


def _let_act(service: Record, server: ServerFile) -> None:
    """Give the sidecar's way to a member the plugins that its file names, without those that say who calls."""
    plugins = [plugin for plugin in server.values.get("plugins", ()) if plugin["name"] not in AUTH]
    if plugins:
        service["plugins"] = plugins
    asks = server.values.get("auth", ["key-auth"]) or "oauth" in server.values
    for route in service["routes"]:
        (guard,) = route["plugins"]
        guard["config"] = {"deputies": "for-known" if asks else "for-anyone"}


def _auth(plugin: Record, base: Record) -> Record:
    merged = {**base, **plugin}
    if plugin["name"] in _HIDING:
        merged["config"] = {"hide_credentials": True, **plugin.get("config", {})}
    return merged


def _client_certificate(server: ServerFile) -> str | None:
    """Return the id of the certificate that Kong shows the replicas."""
    tls = server.values.get("tls", {})
    return _id("certificate", server.name) if "cert" in tls else tls.get("client_certificate")


def _check_health(upstream: Record, health: Record, tls: Record, certificate: str | None) -> None:
    checks = upstream["healthchecks"]
    if certificate is not None:
        upstream["client_certificate"] = {"id": certificate}
    if "ca" in tls or tls.get("verify") is False:
        # A check knows no CA of a service and would call every replica ill. It says nothing that is secret.
        checks["active"]["https_verify_certificate"] = False
    if health.get("checks") is False:  # passive checks alone would take a replica away and never bring it back
        off = {"http_failures": 0, "tcp_failures": 0, "timeouts": 0}
        checks["active"] |= {"healthy": {"interval": 0}, "unhealthy": {"interval": 0}}
        checks["passive"] = {"unhealthy": off}
        return
    if "path" in health:
        often = {"interval": health.get("interval", SECONDS)}
        ill = {"http_statuses": list(range(500, 506)), "http_failures": 2, "tcp_failures": 2, "timeouts": 2}
        checks["active"] |= {
            "http_path": health["path"],
            "healthy": {**often, "http_statuses": [200, 204], "successes": 1},
            "unhealthy": {**often, **ill},
        }
    if health.get("probes"):
        let_probes_decide(upstream)


def _certificates(server: ServerFile) -> Record:
    tls = server.values.get("tls", {})
    made: Record = {}
    if "cert" in tls:
        made["certificates"] = [{"id": _id("certificate", server.name), "cert": tls["cert"], "key": tls["key"]}]
    if pems := [ca for ca in tls.get("ca", ()) if "\n" in ca]:
        made["ca_certificates"] = [{"id": _ca_id(pem), "cert": pem} for pem in pems]
    return made


def _ca_id(ca: str) -> str:
    """Return the id of a CA certificate: itself, or one that its text gives, as Kong takes each text once."""
    return _id("ca", "".join(ca.split())) if "\n" in ca else ca


def _id(kind: str, name: str) -> str:
    return str(uuid.uuid5(_IDS, f"{kind}/{name}"))
