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
from kong_devkit.kongconf import KongConf
from kong_devkit.pluginconn import PluginSocket
from kong_devkit.plugins import BUILTINS, Builtin
from kong_devkit.router import Router
from kong_devkit.schema import Field, Problems, check_table, validate

_SEQUENCE: Final = itertools.count(1)
_WORKSPACE: Final = "0dc6f45b-8f8d-40d2-a504-473544ee190b"
Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plugin:
    """An enabled plugin; exactly one of builtin and external is set."""

    name: str
    priority: int
    field: Field
    builtin: Builtin | None = None
    external: ExternalPlugin | None = None


def load_plugins(conf: KongConf) -> dict[str, Plugin]:
    """Find every plugin that ``plugins`` enables, asking the plugin servers for theirs.

    Raises:
        ConfigError: a plugin is neither built in nor served, or describes itself badly.
    """
    found = {name: Plugin(name, one.priority, one.config, builtin=one) for name, one in BUILTINS.items()}
    for server in conf.servers:
        info = processes.query(server)
        name = str(info["Name"])
        if info.get("Phases") != ["access"]:
            raise ConfigError(f"plugin {name}: the devkit runs the access phase only: use a real Kong")
        external = ExternalPlugin(name, PluginSocket(server.socket, conf.plugin_timeout))
        field = check_table(info.get("Schema"), name)
        found[name] = Plugin(name, int(info.get("Priority") or 0), field, external=external)
    enabled = {}
    for name in itertools.chain.from_iterable(BUILTINS if plugin == "bundled" else [plugin] for plugin in conf.plugins):
        if name not in found:
            raise ConfigError(
                f"plugins: the devkit has no plugin '{name}' and no plugin server offers it; "
                f"built in are {', '.join(BUILTINS)}: use a real Kong"
            )
        enabled[name] = found[name]
    return enabled


class Runtime:
    """An immutable view of one snapshot, but for the balancers' state.

    Raises:
        ConfigError: a plugin entry names an unknown plugin or its config does not fit the plugin's schema.
    """

    def __init__(self, snapshot: Snapshot, plugins: Mapping[str, Plugin], before: "Runtime | None" = None) -> None:
        self.entities = snapshot.entities
        self.router = Router(self.entities["routes"], snapshot.by_id("services"))
        self.consumers = snapshot.by_id("consumers")
        self.usernames = {consumer["username"]: consumer for consumer in self.consumers.values()}
        self.keys = {
            credential["key"]: {**credential, "consumer_id": credential["consumer"]["id"]}
            for credential in self.entities["keyauth_credentials"]
        }
        self._ordered = sorted(plugins.values(), key=lambda plugin: (plugin.priority, plugin.name), reverse=True)
        self._configs = _configs(snapshot, plugins)
        self.balancers = {
            upstream["name"]: Balancer(upstream, self.targets(upstream["name"]) or ())
            for upstream in self.entities["upstreams"]
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
        return [target for target in self.entities["targets"] if target["upstream"]["id"] in ids] if ids else None

    def force(self, upstream: str, target: str, *, healthy: bool) -> bool:
        """Have an upstream take a target for healthy or not. Returns whether there is such a target."""
        balancer = self.balancers.get(upstream)
        found = [one for one in balancer.addresses if f"{one.host}:{one.port}" == target] if balancer else []
        for address in found:
            self.health[upstream].force(address, healthy=healthy)
        return bool(found)

    def plugins_for(self, exchange: Exchange) -> Iterator[tuple[Plugin, Config]]:
        """The plugins of a request in order, each as its route, else its service, else everybody has it."""
        holders = [one["id"] for one in (exchange.route, exchange.service) if one]
        for plugin in self._ordered:
            configs = self._configs.get(plugin.name, {})
            config = next((configs[holder] for holder in (*holders, "") if holder in configs), None)
            if config is not None:
                yield plugin, config


def _configs(snapshot: Snapshot, plugins: Mapping[str, Plugin]) -> dict[str, dict[str, Config]]:
    """Return configurations by plugin and by the id of the route or service that has it, "" for all."""
    problems: Problems = []
    found: dict[str, dict[str, Config]] = {}
    for entity in snapshot.entities["plugins"]:
        where = f"plugins[{entity['name']}]"
        plugin = plugins.get(entity["name"])
        if plugin is None:
            what = "not enabled; add it to the 'plugins' configuration property, or use a real Kong for it"
            problems.append((f"{where}.name", f"plugin '{entity['name']}' {what}"))
            continue
        try:
            config = validate({"required": True, **plugin.field}, entity.get("config") or {}, "config")
        except SchemaError as error:
            problems.extend((f"{where}.{path}", message) for path, message in error.problems)
            continue
        if not entity["enabled"]:
            continue
        config = vault.resolve(plugin.field, config, os.environ)
        scope = {name: entity[name]["id"] for name in ("route", "service") if name in entity}
        config |= {f"{name}_id": value for name, value in scope.items()}
        key = ":".join(["plugins", plugin.name, scope.get("route", ""), scope.get("service", ""), "", "", _WORKSPACE])
        config |= {"__plugin_id": entity["id"], "__ws_id": _WORKSPACE, "__seq__": next(_SEQUENCE), "__key__": key}
        found.setdefault(plugin.name, {})[next(iter(scope.values()), "")] = config
    if problems:
        raise SchemaError(problems)
    return found
