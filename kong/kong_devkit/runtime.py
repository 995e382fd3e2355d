"""What one declarative file becomes: routes, plugin configurations, balancers and credentials, ready to serve requests.

Source: kong/runloop/plugins_iterator.lua (scopes, what a plugin's config carries) (Kong 3.9.1).
"""

import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kong_devkit import processes, vault
from kong_devkit.balancer import Balancer
from kong_devkit.declarative import Snapshot
from kong_devkit.errors import ConfigError, SchemaError
from kong_devkit.exchange import Exchange
from kong_devkit.health import HealthChecker
from kong_devkit.instances import ExternalPlugin
from kong_devkit.kongconf import KongConf, plugin_names
from kong_devkit.pluginconn import PluginSocket
from kong_devkit.plugins import BUILTINS, Builtin
from kong_devkit.router import Router
from kong_devkit.schema import Field, Problems, check_table, validate

_SEQUENCE: Final = itertools.count(1)
_WORKSPACE: Final = "0dc6f45b-8f8d-40d2-a504-473544ee190b"
_PHASES: Final = frozenset({"certificate", "rewrite", "access", "response", "preread", "log"})
_PROTOCOLS: Final = frozenset({"http", "https", "grpc", "grpcs"})
Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plugin:
    """An enabled plugin; exactly one of builtin and external is set."""

    name: str
    priority: int
    field: Field
    phases: frozenset[str]
    builtin: Builtin | None = None
    external: ExternalPlugin | None = None


def load_plugins(conf: KongConf) -> dict[str, Plugin]:
    """Find every plugin that ``plugins`` enables, asking the plugin servers for theirs.

    Raises:
        ConfigError: a plugin is neither built in nor served, or describes itself badly.
    """
    found = {}
    for name, builtin in BUILTINS.items():
        phases = frozenset({"access"} if builtin.log is None else {"access", "log"})
        found[name] = Plugin(name, builtin.priority, builtin.config, phases, builtin=builtin)
    for server in conf.servers:
        info = processes.query(server)
        name = str(info["Name"])
        phases = frozenset(info.get("Phases") or [])
        if phases - _PHASES:
            raise ConfigError(f"plugin {name}: unknown phases {', '.join(sorted(phases - _PHASES))}")
        external = ExternalPlugin(name, PluginSocket(server.socket, conf.plugin_timeout))
        field = check_table(info.get("Schema"), name)
        found[name] = Plugin(name, int(info.get("Priority") or 0), field, phases, external=external)
    enabled = {}
    for name in plugin_names(conf):
        if name not in found:
            raise ConfigError(
                f"plugins: the devkit has no plugin '{name}' and no plugin server offers it; "
                f"built in are {', '.join(BUILTINS)}"
            )
        enabled[name] = found[name]
    return enabled


class Runtime:
    """An immutable view of one snapshot, but for the balancers' state.

    Raises:
        SchemaError: a plugin entry names an unknown plugin or its config does not fit the plugin's schema.
    """

    def __init__(self, snapshot: Snapshot, plugins: Mapping[str, Plugin], before: "Runtime | None" = None) -> None:
        services = snapshot.by_id("services")
        self.router = Router(snapshot.entities["routes"], services)
        self.consumers = snapshot.by_id("consumers")
        self.usernames = {one["username"]: one for one in self.consumers.values() if one.get("username")}
        self.keys = {
            one["key"]: {**one, "consumer_id": one["consumer"]["id"]}
            for one in snapshot.entities["keyauth_credentials"]
            if one.get("consumer")
        }
        self.groups: dict[str, list[str]] = {}
        for one in snapshot.entities["acls"]:
            self.groups.setdefault(one["consumer"]["id"], []).append(one["group"])
        self._ordered = sorted(plugins.values(), key=lambda one: (one.priority, one.name), reverse=True)
        self._configs = _configs(snapshot, plugins)
        self.entities = snapshot.entities
        targets = snapshot.entities["targets"]
        self.balancers = {
            one["name"]: Balancer(one, [t for t in targets if t["upstream"]["id"] == one["id"]])
            for one in snapshot.entities["upstreams"]
        }
        old: Mapping[str, HealthChecker] = before.health if before else {}
        self.health: dict[str, HealthChecker] = {
            name: HealthChecker(one, old.get(name)) for name, one in self.balancers.items()
        }

    def start(self) -> None:
        """Begin active health checks."""
        for checker in self.health.values():
            checker.start()

    async def stop(self) -> None:
        """End active health checks."""
        for checker in self.health.values():
            await checker.stop()

    def targets(self, upstream: str) -> list[dict[str, Any]] | None:
        """Return the targets of the upstream of a name, or None where there is none."""
        ids = [one["id"] for one in self.entities["upstreams"] if one["name"] == upstream]
        return [one for one in self.entities["targets"] if one["upstream"]["id"] in ids] if ids else None

    def force(self, upstream: str, target: str, *, healthy: bool) -> bool:
        """Have an upstream take a target for healthy or not. Returns whether there is such a target."""
        balancer = self.balancers.get(upstream)
        found = [one for one in balancer.addresses if f"{one.host}:{one.port}" == target] if balancer else []
        for address in found:
            self.health[upstream].force(address, healthy=healthy)
        return bool(found)

    def plugins_for(self, exchange: Exchange) -> Iterator[tuple[Plugin, Config]]:
        """The plugins of a request in order, each looked up at its turn, so that consumers found on the way count."""
        for plugin in self._ordered:
            config = _most_specific(self._configs.get(plugin.name, {}), exchange)
            if config is not None:
                yield plugin, config

    def global_plugins(self) -> Iterator[tuple[Plugin, Config]]:
        """The plugins that are set for every request."""
        for plugin in self._ordered:
            config = self._configs.get(plugin.name, {}).get(("", "", ""))
            if config is not None:
                yield plugin, config


Scope = tuple[str, str, str]


def _most_specific(configs: Mapping[Scope, Config], exchange: Exchange) -> Config | None:
    if not configs:
        return None
    route = exchange.route["id"] if exchange.route else ""
    service = exchange.service["id"] if exchange.service else ""
    consumer = (exchange.consumer or {}).get("id") or ""
    scopes = (
        (route, service, consumer),
        (route, "", consumer),
        ("", service, consumer),
        (route, service, ""),
        ("", "", consumer),
        (route, "", ""),
        ("", service, ""),
        ("", "", ""),
    )
    return next((configs[scope] for scope in scopes if scope in configs), None)


def _configs(snapshot: Snapshot, plugins: Mapping[str, Plugin]) -> dict[str, dict[Scope, Config]]:
    problems: Problems = []
    found: dict[str, dict[Scope, Config]] = {}
    for entity in snapshot.entities["plugins"]:
        scope = {name: (entity.get(name) or {}).get("id", "") for name in ("route", "service", "consumer")}
        where = f"plugins[{entity['name']}]"
        plugin = plugins.get(entity["name"])
        if plugin is None:
            problems.append(
                (
                    f"{where}.name",
                    f"plugin '{entity['name']}' not enabled; add it to the 'plugins' configuration property",
                )
            )
            continue
        config = _checked(plugin, entity, where, problems)
        if config is None or not entity["enabled"] or not _PROTOCOLS & set(entity["protocols"]):
            continue
        for name, value in scope.items():
            if value:
                config[f"{name}_id"] = value
        if entity.get("instance_name"):
            config["plugin_instance_name"] = entity["instance_name"]
        key = (scope["route"], scope["service"], scope["consumer"])
        config["__plugin_id"], config["__ws_id"], config["__seq__"] = entity["id"], _WORKSPACE, next(_SEQUENCE)
        config["__key__"] = ":".join(["plugins", plugin.name, *key, "", _WORKSPACE])
        found.setdefault(plugin.name, {})[key] = config
    if problems:
        raise SchemaError(problems)
    return found


def _checked(plugin: Plugin, entity: Mapping[str, Any], where: str, problems: Problems) -> dict[str, Any] | None:
    try:
        config: dict[str, Any] = validate({"required": True, **plugin.field}, entity.get("config") or {}, "config")
    except SchemaError as error:
        problems.extend((f"{where}.{path}", message) for path, message in error.problems)
        return None
    message = plugin.builtin.check(config) if plugin.builtin else None
    if message is not None:
        problems.append((where, message))
        return None
    resolved: dict[str, Any] = vault.resolve(plugin.field, config, os.environ)
    return resolved
