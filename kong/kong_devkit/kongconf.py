"""Reads a kong.conf and the KONG_* environment into what the devkit needs.

Source: kong/conf_loader (precedence, comments, lists) and kong/templates/kong_defaults.lua (Kong 3.9.1).
"""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kong_devkit.errors import ConfigError, unreadable

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
_MAX_BODY: Final = "nginx_http_client_max_body_size"
_BODY_BUFFER: Final = "nginx_http_client_body_buffer_size"
_PLUGIN_TIMEOUT: Final = "nginx_http_lua_socket_read_timeout"
_KNOWN: Final = frozenset(
    {
        *("prefix", "proxy_listen", "admin_listen", "database", "declarative_config", "plugins", "pluginserver_names"),
        *("log_level", _MAX_BODY, _BODY_BUFFER, _PLUGIN_TIMEOUT),
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
    log_level: int
    plugin_timeout: float
    max_body: int
    body_buffer: int
    ignored: tuple[str, ...]


def load(path: Path, environment: Mapping[str, str]) -> KongConf:
    """Read a kong.conf; ``KONG_NAME`` in the environment wins over the file.

    Raises:
        ConfigError: a value is missing or cannot be read; the message names the key.
    """
    values = parse(_read(path))
    values |= {name[5:].lower(): text for name, text in environment.items() if name.startswith("KONG_")}
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
    level = values.get("log_level", "notice")
    if level not in _LEVELS:
        raise ConfigError(f"log_level: expected one of {', '.join(_LEVELS)}, got {level!r}")
    return KongConf(
        prefix=home,
        listen=listen,
        admin=_listen("admin_listen", values.get("admin_listen", "off")),
        declarative=Path(declarative),
        plugins=tuple(_items(values.get("plugins", "bundled"))),
        servers=servers,
        log_level=_LEVELS[level],
        plugin_timeout=_number(_PLUGIN_TIMEOUT, values.get(_PLUGIN_TIMEOUT, "60s"), {"ms": 0.001, "s": 1}),
        max_body=int(_number(_MAX_BODY, values.get(_MAX_BODY, "0"), {"": 1, "k": 1024, "m": 1024**2})),
        body_buffer=int(_number(_BODY_BUFFER, values.get(_BODY_BUFFER, "8k"), {"": 1, "k": 1024, "m": 1024**2})),
        ignored=tuple(sorted(name for name in values if name not in known)),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration file {path}: {unreadable(error)}") from error


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


def _number(key: str, text: str, units: Mapping[str, float]) -> float:
    match = re.fullmatch(r"(\d+)([a-z]*)", text.lower())
    if match is None or match[2] not in units:
        raise ConfigError(f"{key}: expected a number and one of {', '.join(filter(None, units))}, got {text!r}")
    return int(match[1]) * units[match[2]]


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
