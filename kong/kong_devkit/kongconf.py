"""Reads a kong.conf and the KONG_* environment into what the devkit needs.

Source: kong/conf_loader (precedence, comments, lists) and kong/templates/kong_defaults.lua (Kong 3.9.1).
"""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kong_devkit.errors import ConfigError

_LOG = logging.getLogger("kong_devkit.conf")
BUNDLED: Final = (
    "key-auth",
    "acl",
    "ip-restriction",
    "correlation-id",
    "request-termination",
    "response-transformer",
    "file-log",
    "http-log",
)
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "crit": logging.CRITICAL,
    "alert": logging.CRITICAL,
    "emerg": logging.CRITICAL,
}
_KNOWN: Final = frozenset(
    {
        "prefix",
        "proxy_listen",
        "admin_listen",
        "declarative_config",
        "plugins",
        "pluginserver_names",
        "log_level",
        "devkit_pluginserver_timeout",
        "nginx_http_lua_socket_read_timeout",
        "error_default_type",
        "nginx_http_client_max_body_size",
        "database",
        "nginx_http_client_body_buffer_size",
        "upstream_keepalive_idle_timeout",
        "upstream_keepalive_pool_size",
    }
)


@dataclass(frozen=True, slots=True)
class PluginServer:
    """One entry of ``pluginserver_names``; ``start_command`` None means that someone else runs the process."""

    name: str
    socket: str
    start_command: str | None
    query_command: str


@dataclass(frozen=True, slots=True)
class KongConf:
    """The part of a kong.conf that the devkit follows; times in seconds, sizes in bytes (0: no limit)."""

    prefix: Path
    listen: tuple[str, int]
    admin: tuple[str, int] | None
    declarative: Path
    plugins: tuple[str, ...]
    servers: tuple[PluginServer, ...]
    log_level: int = logging.INFO
    plugin_timeout: float = 60.0
    error_default_type: str = "text/plain"
    max_body: int = 0
    body_buffer: int = 8192
    keepalive_idle: float = 60.0
    keepalive_pool: int = 512
    ignored: tuple[str, ...] = field(default=())


def load(path: Path, environment: Mapping[str, str], prefix: Path | None = None) -> KongConf:
    """Read a kong.conf; ``KONG_NAME`` in the environment wins over the file, ``prefix`` over both.

    Raises:
        ConfigError: a value is missing or cannot be read; the message names the key.
    """
    values = parse(_read(path))
    for name, text in environment.items():
        if name.startswith("KONG_"):
            values[name[5:].lower()] = text
    if prefix is not None:
        values["prefix"] = str(prefix)
    if values.get("database", "off") != "off":
        raise ConfigError("database: the devkit is DB-less; set 'database = off'")
    home = Path(values.get("prefix", "/usr/local/kong")).absolute()
    declarative = values.get("declarative_config")
    if not declarative:
        raise ConfigError("declarative_config: required; give the path of a decK or Kong YAML file")
    listen = _listen("proxy_listen", values.get("proxy_listen", "127.0.0.1:8000"))
    if listen is None:
        raise ConfigError("proxy_listen: must not be off")
    servers = tuple(_server(name, values, home) for name in _items(values.get("pluginserver_names", "")))
    known = _KNOWN | {
        f"pluginserver_{_key(s.name)}_{part}" for s in servers for part in ("socket", "start_cmd", "query_cmd")
    }
    return KongConf(
        prefix=home,
        listen=listen,
        admin=_listen("admin_listen", values.get("admin_listen", "off")),
        declarative=Path(declarative),
        plugins=tuple(_items(values.get("plugins", "bundled"))),
        servers=servers,
        log_level=_level(values.get("log_level", "notice")),
        plugin_timeout=_plugin_timeout(values),
        error_default_type=values.get("error_default_type", "text/plain"),
        max_body=_size("nginx_http_client_max_body_size", values.get("nginx_http_client_max_body_size", "0")),
        body_buffer=_size("nginx_http_client_body_buffer_size", values.get("nginx_http_client_body_buffer_size", "8k")),
        keepalive_idle=_number("upstream_keepalive_idle_timeout", values.get("upstream_keepalive_idle_timeout", "60")),
        keepalive_pool=int(_number("upstream_keepalive_pool_size", values.get("upstream_keepalive_pool_size", "512"))),
        ignored=tuple(sorted(name for name in values if name not in known)),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error}") from error


def parse(text: str) -> dict[str, str]:
    """``key = value`` lines; ``#`` starts a comment unless a backslash stands before it. A repeated key: the last wins.

    Raises:
        ConfigError: a line has no ``=``.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        bare = re.split(r"(?<!\\)#", line, maxsplit=1)[0].replace(r"\#", "#").strip()
        if not bare:
            continue
        name, equals, value = bare.partition("=")
        if not equals:
            raise ConfigError(f"line {number}: expected 'key = value', got {bare!r}")
        values[name.strip()] = value.strip()
    return values


def _items(text: str) -> list[str]:
    items = [part.strip() for part in text.split(",") if part.strip()]
    return [] if items == ["off"] else items


def _key(name: str) -> str:
    return name.lower().replace("-", "_")


def _server(name: str, values: Mapping[str, str], home: Path) -> PluginServer:
    lower = name.lower()
    key = f"pluginserver_{_key(name)}"
    query = values.get(f"{key}_query_cmd")
    if not query:
        raise ConfigError(f"{key}_query_cmd: required; give the command that prints the plugin's description as JSON")
    return PluginServer(
        lower, values.get(f"{key}_socket") or f"{home}/{lower}.socket", values.get(f"{key}_start_cmd"), query
    )


def _listen(key: str, text: str) -> tuple[str, int] | None:
    if text.strip() == "off":
        return None
    first = text.split(",", maxsplit=1)[0].split()
    host, colon, port = first[0].rpartition(":") if first else ("", "", "")
    if not colon or not port.isdigit():
        raise ConfigError(f"{key}: expected 'HOST:PORT' or 'off', got {text!r}")
    if {"ssl", "http2"} & set(first[1:]):
        raise ConfigError(f"{key}: the devkit speaks plain HTTP/1.1 only; give a listener without 'ssl' and 'http2'")
    return host.strip("[]"), int(port)


def _level(text: str) -> int:
    if text not in _LEVELS:
        raise ConfigError(f"log_level: expected one of {', '.join(_LEVELS)}, got {text!r}")
    return _LEVELS[text]


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"{key}: expected a number, got {text!r}") from error


def _plugin_timeout(values: Mapping[str, str]) -> float:
    """Kong waits lua_socket_read_timeout for a plugin server; the devkit's own key wins over that directive."""
    if "devkit_pluginserver_timeout" in values:
        return _number("devkit_pluginserver_timeout", values["devkit_pluginserver_timeout"])
    key = "nginx_http_lua_socket_read_timeout"
    match = re.fullmatch(r"(\d+)(ms|s|m)?", values.get(key, "60s"))
    if match is None:
        raise ConfigError(f"{key}: expected a time such as 500ms or 60s, got {values[key]!r}")
    return int(match[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}[match[2]]


def _size(key: str, text: str) -> int:
    match = re.fullmatch(r"(\d+)([kKmMgG]?)", text)
    if match is None:
        raise ConfigError(f"{key}: expected a size such as 8k or 10m, got {text!r}")
    return int(match[1]) * {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}[match[2].lower()]


def plugin_names(conf: KongConf) -> tuple[str, ...]:
    """The enabled plugins, with ``bundled`` replaced by those that the devkit has."""
    names: list[str] = []
    for name in conf.plugins:
        names.extend(BUNDLED if name == "bundled" else [name])
    return tuple(dict.fromkeys(names))


def decode_dump(name: str, output: str) -> dict[str, object]:
    """The first plugin of a ``query_cmd`` dump, with the dump's ``Protocol`` added.

    Raises:
        ConfigError: the output is not JSON of the agreed shape.
    """
    try:
        dump = json.loads(output)
    except ValueError as error:
        raise ConfigError(f"pluginserver_{_key(name)}_query_cmd: did not print JSON ({error})") from error
    plugins = dump.get("Plugins") if isinstance(dump, dict) else dump
    if not isinstance(plugins, list) or not plugins or not isinstance(plugins[0], dict) or not plugins[0].get("Name"):
        raise ConfigError(
            f"pluginserver_{_key(name)}_query_cmd: printed no plugin; expected {{'Plugins': [{{'Name': ...}}]}}"
        )
    protocol = dump.get("Protocol", "MsgPack:1") if isinstance(dump, dict) else "MsgPack:1"
    return {**plugins[0], "Protocol": protocol}
