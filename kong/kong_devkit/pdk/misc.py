"""kong.ctx, kong.log, kong.nginx and kong.node.

Source: plugin_servers/plugin.lua (exposed_api), kong/pdk (Kong 3.9.1).
"""

import json
import logging
import uuid
from collections.abc import Callable
from typing import Any, Final

from kong_devkit.exchange import Exchange
from kong_devkit.pdk.table import ANY, LIVE, pdk
from kong_devkit.serialize import serialize
from kong_devkit.uri import lua_text, parse_query

_LOG = logging.getLogger("kong_devkit.plugin")
_NODE: Final = str(uuid.uuid4())


@pdk("ctx.shared.set", "KV", "Empty", ANY)
def _set_shared(exchange: Exchange, name: str, value: Any) -> None:
    _put(exchange.shared, name, value)


@pdk("ctx.shared.get", "String", "Value", ANY)
def _get_shared(exchange: Exchange, name: str) -> Any:
    return exchange.shared.get(name)


@pdk("nginx.set_ctx", "KV", "String", ANY)
def _set_ctx(exchange: Exchange, name: str, value: Any) -> None:
    _put(exchange.nginx_ctx, name, value)


@pdk("nginx.get_ctx", "String", "Value", ANY)
def _get_ctx(exchange: Exchange, name: str) -> Any:
    if name in exchange.nginx_ctx:
        return exchange.nginx_ctx[name]
    known = {
        "authenticated_consumer": exchange.consumer,
        "authenticated_credential": exchange.credential,
        "request_id": exchange.request_id,
        "KONG_PROXIED": exchange.proxied or None,
    }
    return known.get(name)


def _put(table: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        table.pop(name, None)
    else:
        table[name] = value


def _logger(level: int) -> Callable[..., None]:
    def write(exchange: Exchange, *words: Any) -> None:
        name = exchange.plugin_memory.get("name", "plugin")
        _LOG.log(level, "[%s] %s", name, "".join("nil" if word is None else lua_text(word) for word in words))

    return write


for _name, _level in {
    "alert": logging.CRITICAL,
    "crit": logging.CRITICAL,
    "err": logging.ERROR,
    "warn": logging.WARNING,
    "notice": logging.INFO,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}.items():
    pdk(f"log.{_name}", "ListValue", "Empty", ANY)(_logger(_level))


@pdk("log.set_serialize_value", "KV", "Empty", ANY)
def _set_serialize_value(exchange: Exchange, name: str, value: Any) -> None:
    exchange.serialize_values.append((name, value))


@pdk("log.serialize", "Empty", "String", frozenset({"log"}))
def _serialize(exchange: Exchange) -> str:
    return json.dumps(serialize(exchange), ensure_ascii=False)


@pdk("nginx.get_var", "String", "String", LIVE)
def _get_var(exchange: Exchange, name: str) -> str | None:
    return variable(exchange, name)


def variable(exchange: Exchange, name: str) -> str | None:
    """The common nginx variables; None for one that is empty or not known here."""
    lower = name.lower()
    if lower.startswith("http_"):
        return exchange.headers.var(lower[5:])
    if lower.startswith("arg_"):
        value = parse_query(exchange.query or "").get(lower[4:])
        return value if isinstance(value, str) else None
    request, upstream = exchange.request, exchange.upstream
    known = {
        "remote_addr": exchange.remote[0],
        "remote_port": str(exchange.remote[1]),
        "server_addr": exchange.local[0],
        "server_port": str(exchange.local[1]),
        "server_protocol": f"HTTP/{request.version / 10}",
        "request": f"{request.method} {request.target} HTTP/{request.version / 10}",
        "request_method": exchange.method,
        "request_uri": request.target,
        "uri": request.uri,
        "args": exchange.query,
        "query_string": exchange.query,
        "is_args": "?" if exchange.query else "",
        "host": request.host,
        "scheme": "http",
        "content_type": exchange.headers.get("content-type"),
        "content_length": exchange.headers.get("content-length"),
        "request_length": str(request.size + (exchange.body.length or 0)),
        "kong_request_id": exchange.request_id,
        "upstream_host": upstream.host_header,
        "upstream_uri": upstream.uri,
        "upstream_scheme": upstream.scheme,
        "upstream_x_forwarded_prefix": exchange.forwarded_prefix,
        "status": str(exchange.response_status) if exchange.response_status else None,
    }
    return known.get(lower)


@pdk("nginx.get_tls1_version_str", "Empty", "String", LIVE)
def _tls(_exchange: Exchange) -> None:
    return None


@pdk("nginx.req_start_time", "Empty", "Number", ANY)
def _start_time(exchange: Exchange) -> float:
    return round(exchange.started, 3)


@pdk("nginx.get_subsystem", "Empty", "String", ANY)
def _subsystem(_exchange: Exchange) -> str:
    return "http"


@pdk("node.get_id", "Empty", "String", ANY)
def _node_id(_exchange: Exchange) -> str:
    return _NODE


@pdk("node.get_memory_stats", "Empty", "MemoryStats", ANY)
def _memory(_exchange: Exchange) -> dict[str, Any]:
    return {}
