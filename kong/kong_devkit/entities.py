"""Kong's entities as schema tables: what may stand in a declarative file and what it defaults to.

Only what the devkit carries out is listed; a field outside these tables is refused by name rather than ignored.
Source: kong/db/schema/entities/*.lua, kong/plugins/key-auth/daos.lua (Kong 3.9.1).
"""

import ipaddress
import re
from typing import Any, Final

_HOSTNAME = re.compile(r"^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$")


def _hostname(value: str) -> str | None:
    return None if is_ip(value) or _HOSTNAME.match(value) else f"invalid value: {value}"


def _upstream_name(value: str) -> str | None:
    if is_ip(value):
        return f"Invalid name ('{value}'); no ip addresses allowed"
    return None if _HOSTNAME.match(value) else f"Invalid name ('{value}'); must be a valid hostname"


def _target(value: str) -> str | None:
    host, port = split_target(value)
    good = 0 < port < 65536 and (is_ip(host) or _HOSTNAME.match(host))
    return None if good else f"Invalid target ('{value}'); not a valid hostname or ip address"


def _route_host(value: str) -> str | None:
    return None if _HOSTNAME.match(value) else "the devkit matches whole names without a port: use a real Kong"


def _route_path(value: str) -> str | None:
    if value.startswith("~"):
        try:
            re.compile(value[1:])
        except re.error as error:
            return f"invalid regex: '{value[1:]}' ({error})"
        return None
    return _path(value)


def _path(value: str) -> str | None:
    if not value.startswith("/"):
        return "should start with: /"
    if "//" in value:
        return "must not have empty segments"
    return None


def is_ip(text: str) -> bool:
    """Whether the text is an IPv4 or a (bracketed) IPv6 address."""
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def split_target(target: str) -> tuple[str, int]:
    """``host:port`` of a target; one without a port that can be read has port 0."""
    host, _, port = target.rpartition(":")
    return host, int(port) if port.isdigit() else 0


def _record(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "record", "fields": list(fields), **more}


def _only(value: Any, reason: str) -> dict[str, Any]:
    """A field that may be written, with the one value that the devkit has."""
    kind = "boolean" if isinstance(value, bool) else "string"
    return {"type": kind, "default": value, "eq": value, "err": f"{reason}: use a real Kong"}


_TEXT: Final[dict[str, Any]] = {"type": "string"}
_NAME: Final[dict[str, Any]] = {"type": "string", "required": True}
_TAGS: Final[dict[str, Any]] = {"tags": {"type": "set", "elements": _TEXT}}
_TIMEOUT: Final = {"type": "integer", "between": [1, 2**31 - 2], "default": 60000}
_ON: Final = {"type": "boolean", "required": True, "default": True}

SERVICE: Final = _record(
    {"name": _NAME},
    {"retries": {"type": "integer", "default": 5, "between": [0, 32767]}},
    {"protocol": _only("http", "the devkit proxies plain http only")},
    {"host": {"type": "string", "required": True, "custom": _hostname}},
    {"port": {"type": "integer", "between": [0, 65535], "required": True, "default": 80}},
    {"path": {"type": "string", "custom": _path}},
    {"connect_timeout": _TIMEOUT},
    {"write_timeout": _TIMEOUT},
    {"read_timeout": _TIMEOUT},
    _TAGS,
)

ROUTE: Final = _record(
    {"name": _NAME},
    {
        "protocols": {
            "type": "set",
            "required": True,
            "elements": {"type": "string", "one_of": ["http", "https"]},
            "default": ["http", "https"],
            "custom": lambda found: None if "http" in found else "the devkit speaks plain http only: use a real Kong",
        }
    },
    {"methods": {"type": "set", "elements": {"type": "string", "match": "^[A-Z]+$"}}},
    {"hosts": {"type": "array", "elements": {"type": "string", "custom": _route_host}}},
    {"paths": {"type": "array", "elements": {"type": "string", "custom": _route_path}}},
    {"strip_path": {"type": "boolean", "required": True, "default": True}},
    {"preserve_host": _only(value=False, reason="the devkit sends the upstream its own host")},
    {"request_buffering": _only(value=True, reason="the devkit reads a request whole")},
    {"response_buffering": _ON},
    _TAGS,
)

CONSUMER: Final = _record({"username": _NAME}, {"custom_id": _TEXT}, _TAGS)
KEY: Final = _record({"key": _NAME}, _TAGS)
PLUGIN: Final = _record({"name": _NAME}, {"config": {"type": "json"}}, {"enabled": _ON}, _TAGS)

TARGET: Final = _record(
    {"target": {"type": "string", "required": True, "custom": _target}},
    {"weight": {"type": "integer", "default": 100, "between": [0, 65535]}},
    _TAGS,
)

_SECONDS: Final = {"type": "number", "between": [0, 65535]}
_INTERVAL: Final = {"interval": {**_SECONDS, "default": 0}}
_LIMIT: Final = {"type": "integer", "between": [0, 255], "default": 0}
_FAILURES: Final = ({"tcp_failures": _LIMIT}, {"timeouts": _LIMIT}, {"http_failures": _LIMIT})


def _statuses(*default: int) -> dict[str, Any]:
    element = {"type": "integer", "between": [100, 999]}
    return {"http_statuses": {"type": "array", "elements": element, "default": list(default)}}


_ACTIVE: Final = _record(
    {"type": _only("http", "the devkit probes http only")},
    {"timeout": {**_SECONDS, "default": 1}},
    {"concurrency": {"type": "integer", "default": 10, "between": [1, 2**31]}},
    {"http_path": {"type": "string", "default": "/", "custom": _path}},
    {"https_verify_certificate": {"type": "boolean", "default": True}},
    {"healthy": _record(_INTERVAL, _statuses(200, 302), {"successes": _LIMIT}, required=True)},
    {"unhealthy": _record(_INTERVAL, _statuses(429, 404, 500, 501, 502, 503, 504, 505), *_FAILURES, required=True)},
    required=True,
)
_PASSIVE: Final = _record(
    {"type": {"type": "string", "default": "http", "one_of": ["http", "https"]}},
    {"healthy": _record(_statuses(*range(200, 209), 226, *range(300, 309)), {"successes": _LIMIT}, required=True)},
    {"unhealthy": _record(_statuses(429, 500, 503), *_FAILURES, required=True)},
    required=True,
)

UPSTREAM: Final = _record(
    {"name": {"type": "string", "required": True, "custom": _upstream_name}},
    {
        "algorithm": {
            "type": "string",
            "default": "round-robin",
            "one_of": ["consistent-hashing", "least-connections", "round-robin"],
        }
    },
    {"hash_on": {"type": "string", "default": "none", "one_of": ["none", "header"]}},
    {"hash_on_header": _TEXT},
    {"hash_fallback": _only("none", "the devkit hashes on one header only")},
    {"slots": {"type": "integer", "default": 10000, "between": [10, 65536]}},
    {"healthchecks": _record({"active": _ACTIVE}, {"passive": _PASSIVE}, required=True)},
    _TAGS,
)

TABLES: Final = {
    "services": SERVICE,
    "routes": ROUTE,
    "consumers": CONSUMER,
    "keyauth_credentials": KEY,
    "plugins": PLUGIN,
    "upstreams": UPSTREAM,
    "targets": TARGET,
}

TOP: Final = ("services", "consumers", "plugins", "upstreams")
"""What stands by itself; all else stands within its parent."""
CHILDREN: Final = {
    "services": {"routes": "service", "plugins": "service"},
    "routes": {"plugins": "route"},
    "consumers": {"keyauth_credentials": "consumer"},
    "upstreams": {"targets": "upstream"},
}

# The field by which an entity is named in error messages and references.
NAMES: Final = {
    "services": "name",
    "routes": "name",
    "consumers": "username",
    "keyauth_credentials": "key",
    "plugins": "name",
    "upstreams": "name",
    "targets": "target",
}
