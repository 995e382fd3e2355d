"""Kong's entities as schema tables: what may stand in a declarative file and what it defaults to.

Only what the devkit carries out is listed; a field outside these tables is refused by name rather than ignored.
Source: kong/db/schema/entities/*.lua, kong/plugins/{key-auth,acl}/daos.lua (Kong 3.9.1).
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


def _route_path(value: str) -> str | None:
    if value.startswith("~"):
        try:
            re.compile(value[1:].replace("(?<", "(?P<"))
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
    """``host:port`` of a target; the port defaults to 8000, an unreadable one is 0."""
    if target.startswith("["):
        host, _, rest = target.partition("]")
        host, port = f"{host}]", rest.removeprefix(":")
    else:
        host, _, port = target.partition(":")
    if port == "":
        return host, 8000
    return host, int(port) if port.isdigit() else 0


def _enabled() -> dict[str, Any]:
    return {"type": "boolean", "required": True, "default": True}


def _record(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "record", "fields": list(fields), **more}


_TEXT: Final[dict[str, Any]] = {"type": "string"}
_TAGS: Final[dict[str, Any]] = {"tags": {"type": "set", "elements": _TEXT}}
_STAMPS: Final[list[dict[str, Any]]] = [
    {"id": {"type": "string", "uuid": True}},
    {"created_at": {"type": "number"}},
    {"updated_at": {"type": "number"}},
]
_PORT: Final = {"type": "integer", "between": [0, 65535]}
_TIMEOUT: Final = {"type": "integer", "between": [1, 2**31 - 2], "default": 60000}
_PROTOCOLS: Final = {
    "type": "set",
    "len_min": 1,
    "required": True,
    "elements": {
        "type": "string",
        "one_of": ["grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp", "ws", "wss"],
    },
}
_FOREIGN: Final = _record({"id": _TEXT}, {"name": _TEXT}, {"username": _TEXT})

SERVICE: Final = _record(
    *_STAMPS,
    {"name": _TEXT},
    {"retries": {"type": "integer", "default": 5, "between": [0, 32767]}},
    {
        "protocol": {
            "type": "string",
            "required": True,
            "default": "http",
            "one_of": ["http"],
            "err": "the devkit proxies plain http only",
        }
    },
    {"host": {"type": "string", "required": True, "custom": _hostname}},
    {"port": {**_PORT, "required": True, "default": 80}},
    {"path": {"type": "string", "custom": _path}},
    {"connect_timeout": _TIMEOUT},
    {"write_timeout": _TIMEOUT},
    {"read_timeout": _TIMEOUT},
    _TAGS,
    {"enabled": _enabled()},
)

ROUTE: Final = _record(
    *_STAMPS,
    {"name": _TEXT},
    {"protocols": {**_PROTOCOLS, "default": ["http", "https"]}},
    {"methods": {"type": "set", "elements": {"type": "string", "match": "^%u+$"}}},
    {"hosts": {"type": "array", "elements": _TEXT}},
    {"paths": {"type": "array", "elements": {"type": "string", "custom": _route_path}}},
    {"headers": {"type": "map", "keys": {"type": "string"}, "values": {"type": "array", "elements": _TEXT}}},
    {
        "https_redirect_status_code": {
            "type": "integer",
            "default": 426,
            "one_of": [426, 301, 302, 307, 308],
            "required": True,
        }
    },
    {"regex_priority": {"type": "integer", "default": 0}},
    {"strip_path": {"type": "boolean", "required": True, "default": True}},
    {
        "path_handling": {
            "type": "string",
            "default": "v0",
            "one_of": ["v0"],
            "err": "only v0 works under Kong's default router",
        }
    },
    {"preserve_host": {"type": "boolean", "required": True, "default": False}},
    {"request_buffering": {"type": "boolean", "required": True, "default": True}},
    {"response_buffering": {"type": "boolean", "required": True, "default": True}},
    _TAGS,
    {"service": _FOREIGN},
)

CONSUMER: Final = _record(*_STAMPS, {"username": _TEXT}, {"custom_id": _TEXT}, _TAGS)
KEY: Final = _record(
    *_STAMPS, {"key": {"type": "string", "required": True}}, {"ttl": {"type": "number"}}, _TAGS, {"consumer": _FOREIGN}
)
ACL: Final = _record(*_STAMPS, {"group": {"type": "string", "required": True}}, _TAGS, {"consumer": _FOREIGN})

PLUGIN: Final = _record(
    *_STAMPS,
    {"name": {"type": "string", "required": True}},
    {"instance_name": _TEXT},
    {"config": {"type": "json"}},
    {"enabled": _enabled()},
    {"protocols": {**_PROTOCOLS, "default": ["grpc", "grpcs", "http", "https"]}},
    _TAGS,
    {"route": _FOREIGN},
    {"service": _FOREIGN},
    {"consumer": _FOREIGN},
)

TARGET: Final = _record(
    *_STAMPS,
    {"target": {"type": "string", "required": True, "custom": _target}},
    {"weight": {"type": "integer", "default": 100, "between": [0, 65535]}},
    _TAGS,
    {"upstream": _FOREIGN},
)

_SECONDS: Final = {"type": "number", "between": [0, 65535]}
_BYTE: Final = {"type": "integer", "between": [0, 255], "default": 0}
_HASH: Final = {
    "type": "string",
    "default": "none",
    "one_of": ["none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture"],
}


def _statuses(*default: int) -> dict[str, Any]:
    return {"type": "array", "elements": {"type": "integer", "between": [100, 999]}, "default": list(default)}


_HEALTH: Final = _record(
    {"threshold": {"type": "number", "default": 0, "between": [0, 100]}},
    {
        "active": _record(
            {
                "type": {
                    "type": "string",
                    "default": "http",
                    "one_of": ["tcp", "http"],
                    "err": "the devkit probes tcp and http only",
                }
            },
            {"timeout": {**_SECONDS, "default": 1}},
            {"concurrency": {"type": "integer", "default": 10, "between": [1, 2**31]}},
            {"http_path": {"type": "string", "default": "/", "custom": _path}},
            {"https_sni": _TEXT},
            {"https_verify_certificate": {"type": "boolean", "default": True}},
            {"headers": {"type": "map", "keys": _TEXT, "values": {"type": "array", "elements": _TEXT}}},
            {
                "healthy": _record(
                    {"interval": {**_SECONDS, "default": 0}},
                    {"http_statuses": _statuses(200, 302)},
                    {"successes": _BYTE},
                    required=True,
                )
            },
            {
                "unhealthy": _record(
                    {"interval": {**_SECONDS, "default": 0}},
                    {"http_statuses": _statuses(429, 404, 500, 501, 502, 503, 504, 505)},
                    {"tcp_failures": _BYTE},
                    {"timeouts": _BYTE},
                    {"http_failures": _BYTE},
                    required=True,
                )
            },
            required=True,
        )
    },
    {
        "passive": _record(
            {"type": {"type": "string", "default": "http", "one_of": ["tcp", "http", "https", "grpc", "grpcs"]}},
            {
                "healthy": _record(
                    {"http_statuses": _statuses(*range(200, 209), 226, *range(300, 309))},
                    {"successes": _BYTE},
                    required=True,
                )
            },
            {
                "unhealthy": _record(
                    {"http_statuses": _statuses(429, 500, 503)},
                    {"tcp_failures": _BYTE},
                    {"timeouts": _BYTE},
                    {"http_failures": _BYTE},
                    required=True,
                )
            },
            required=True,
        )
    },
    required=True,
)

UPSTREAM: Final = _record(
    *_STAMPS,
    {"name": {"type": "string", "required": True, "custom": _upstream_name}},
    {
        "algorithm": {
            "type": "string",
            "default": "round-robin",
            "one_of": ["consistent-hashing", "least-connections", "round-robin"],
        }
    },
    {"hash_on": _HASH},
    {"hash_fallback": _HASH},
    {"hash_on_header": _TEXT},
    {"hash_fallback_header": _TEXT},
    {"hash_on_cookie": _TEXT},
    {"hash_on_cookie_path": {"type": "string", "default": "/", "custom": _path}},
    {"hash_on_query_arg": _TEXT},
    {"hash_fallback_query_arg": _TEXT},
    {"hash_on_uri_capture": _TEXT},
    {"hash_fallback_uri_capture": _TEXT},
    {"slots": {"type": "integer", "default": 10000, "between": [10, 65536]}},
    {"healthchecks": _HEALTH},
    {"host_header": _TEXT},
    {"use_srv_name": {"type": "boolean", "default": False}},
    _TAGS,
)

TABLES: Final = {
    "services": SERVICE,
    "routes": ROUTE,
    "consumers": CONSUMER,
    "plugins": PLUGIN,
    "upstreams": UPSTREAM,
    "targets": TARGET,
    "keyauth_credentials": KEY,
    "acls": ACL,
}

CHILDREN: Final = {
    "services": {"routes": "service", "plugins": "service"},
    "routes": {"plugins": "route"},
    "consumers": {"keyauth_credentials": "consumer", "acls": "consumer", "plugins": "consumer"},
    "upstreams": {"targets": "upstream"},
}

# The field by which an entity is named in error messages and references.
NAMES: Final = {
    "services": "name",
    "routes": "name",
    "consumers": "username",
    "plugins": "name",
    "upstreams": "name",
    "targets": "target",
    "keyauth_credentials": "key",
    "acls": "group",
}
