"""kong.service and kong.service.request: where the request goes and what it says there.

Source: kong/pdk/service*.lua.
"""

from typing import Any, Final

from kong_devkit.exchange import Exchange, PdkError, header_value
from kong_devkit.pdk.table import ACCESS, EARLY, pdk
from kong_devkit.uri import encode_query, escape

_METHODS: Final = frozenset(
    {
        "GET",
        "HEAD",
        "PUT",
        "POST",
        "DELETE",
        "OPTIONS",
        "MKCOL",
        "COPY",
        "MOVE",
        "PROPFIND",
        "PROPPATCH",
        "LOCK",
        "UNLOCK",
        "PATCH",
        "TRACE",
    }
)


@pdk("service.set_upstream", "String", "Bool", ACCESS)
def _set_upstream(exchange: Exchange, name: str) -> bool | None:
    if name not in exchange.runtime.balancers:
        return None  # Kong answers nil and a message; the message does not travel
    exchange.upstream.host = name
    return True


@pdk("service.set_target", "Target", "Empty", EARLY)
def _set_target(exchange: Exchange, host: str, port: int) -> None:
    if not 0 <= port <= 65535:
        raise PdkError(f"port must be an integer between 0 and 65535: given {port}")
    exchange.upstream.host, exchange.upstream.port = host, port
    exchange.upstream.host_header = host


@pdk("service.request.set_scheme", "String", "Empty", EARLY)
def _set_scheme(exchange: Exchange, scheme: str) -> None:
    if scheme not in {"http", "https"}:
        raise PdkError(f"invalid scheme: {scheme}")
    exchange.upstream.scheme = scheme


@pdk("service.request.set_path", "String", "Empty", EARLY)
def _set_path(exchange: Exchange, path: str) -> None:
    if not path.startswith("/"):
        raise PdkError("path must start with /")
    exchange.upstream.uri = escape(path)


@pdk("service.request.set_raw_query", "String", "Empty", EARLY)
def _set_raw_query(exchange: Exchange, query: str) -> None:
    exchange.query = query


@pdk("service.request.set_query", "Struct", "Empty", EARLY)
def _set_query(exchange: Exchange, arguments: dict[str, Any]) -> None:
    exchange.query = encode_query(arguments)


@pdk("service.request.set_method", "String", "Empty", EARLY)
def _set_method(exchange: Exchange, method: str) -> None:
    if method not in _METHODS:
        raise PdkError(f"invalid method: {method}")
    exchange.method = method


@pdk("service.request.set_header", "KV", "Empty", EARLY)
def _set_header(exchange: Exchange, name: str, value: Any) -> None:
    exchange.set_header(name, value)


@pdk("service.request.add_header", "KV", "Empty", EARLY)
def _add_header(exchange: Exchange, name: str, value: Any) -> None:
    checked = header_value(value)
    if name.lower() == "host":
        exchange.upstream.host_header = str(value)
    exchange.headers.add(name, checked)


@pdk("service.request.clear_header", "String", "Empty", EARLY)
def _clear_header(exchange: Exchange, name: str) -> None:
    exchange.headers.remove(name)


@pdk("service.request.set_headers", "Struct", "Empty", EARLY)
def _set_headers(exchange: Exchange, headers: dict[str, Any]) -> None:
    for value in headers.values():
        header_value(value)  # all are checked before the first is set
    for name, value in headers.items():
        exchange.set_header(name, value)


@pdk("service.request.set_raw_body", "ByteString", "Empty", EARLY)
async def _set_raw_body(exchange: Exchange, body: str) -> None:
    await exchange.body.read()
    exchange.body.replace(body.encode("utf-8", "surrogateescape"))
