"""kong.response and kong.service.response.

Source: kong/pdk/response.lua, kong/pdk/service/response.lua (Kong 3.9.1).
"""

from typing import Any

from kong_devkit.exchange import Exchange, PdkError, PluginExit, header_value
from kong_devkit.headers import Headers, Value
from kong_devkit.pdk.table import LATE, LIVE, pdk


@pdk("response.exit", "ExitArgs", "Empty", LIVE)
def _exit(_exchange: Exchange, status: int, body: str, headers: dict[str, Any] | None) -> None:
    _status(status)
    checked = {name: header_value(value) for name, value in (headers or {}).items()}
    raise PluginExit(status, body.encode("utf-8", "surrogateescape"), checked)


def _status(status: int) -> None:
    if not 100 <= status <= 599:
        raise PdkError("code must be a number between 100 and 599")


def _outgoing(exchange: Exchange) -> Headers:
    return exchange.response_headers if exchange.phase == "response" else exchange.early


@pdk("response.get_status", "Empty", "Int", LATE)
def _get_status(exchange: Exchange) -> int:
    return exchange.response_status


@pdk("response.get_header", "String", "String", LATE)
def _get_header(exchange: Exchange, name: str) -> str | None:
    return exchange.response_headers.lookup(name)


@pdk("response.get_headers", "Int", "Struct", LATE)
def _get_headers(exchange: Exchange, most: int) -> dict[str, Value]:
    return _table(exchange, exchange.response_headers, most)


def _table(exchange: Exchange, headers: Headers, most: int) -> dict[str, Value]:
    if exchange.phase == "log":
        return headers.table()
    if not 1 <= most <= 1000:
        raise PdkError("max_headers must be >= 1 and <= 1000")
    return headers.table(most)


@pdk("response.get_source", "Empty", "String", LATE)
def _get_source(exchange: Exchange) -> str:
    return source(exchange)


def source(exchange: Exchange) -> str:
    """Where the response came from: error, exit or service."""
    if exchange.unexpected:
        return "error"
    if exchange.exited:
        return "exit"
    return "service" if exchange.proxied else "error"


@pdk("response.set_status", "Int", "Empty", LIVE)
def _set_status(exchange: Exchange, status: int) -> None:
    _status(status)
    exchange.response_status = status


@pdk("response.set_header", "KV", "Empty", LIVE)
def _set_header(exchange: Exchange, name: str, value: Any) -> None:
    checked = header_value(value)
    if name.lower().replace("_", "-") != "transfer-encoding":
        _outgoing(exchange).set(name, checked)


@pdk("response.add_header", "KV", "Empty", LIVE)
def _add_header(exchange: Exchange, name: str, value: Any) -> None:
    _outgoing(exchange).add(name, header_value(value))


@pdk("response.clear_header", "String", "Empty", LIVE)
def _clear_header(exchange: Exchange, name: str) -> None:
    _outgoing(exchange).remove(name)


@pdk("response.set_headers", "Struct", "Empty", LIVE)
def _set_headers(exchange: Exchange, headers: dict[str, Any]) -> None:
    checked = {name: header_value(value) for name, value in headers.items()}
    for name, value in checked.items():
        if name.lower().replace("_", "-") != "transfer-encoding":
            _outgoing(exchange).set(name, value)


@pdk("service.response.get_status", "Empty", "Int", frozenset({"response"}))
def _service_status(exchange: Exchange) -> int:
    return exchange.upstream_status


@pdk("service.response.get_header", "String", "String", frozenset({"response"}))
def _service_header(exchange: Exchange, name: str) -> str | None:
    return exchange.upstream_headers.lookup(name)


@pdk("service.response.get_headers", "Int", "Struct", frozenset({"response"}))
def _service_headers(exchange: Exchange, most: int) -> dict[str, Value]:
    return _table(exchange, exchange.upstream_headers, most)


@pdk("service.response.get_raw_body", "Empty", "ByteString", frozenset({"response"}))
def _service_body(exchange: Exchange) -> str:
    return (exchange.response_body or b"").decode("utf-8", "surrogateescape")
