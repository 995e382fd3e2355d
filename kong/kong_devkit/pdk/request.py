"""kong.request: what the client sent. Source: kong/pdk/request.py's counterpart, kong/pdk/request.lua (Kong 3.9.1)."""

from typing import Any

from kong_devkit.exchange import Exchange, PdkError
from kong_devkit.headers import Value
from kong_devkit.pdk.table import ANY, LIVE, pdk
from kong_devkit.uri import normalize, parse_query


@pdk("request.get_scheme", "Empty", "String", LIVE)
@pdk("request.get_forwarded_scheme", "Empty", "String", LIVE)
def _scheme(_exchange: Exchange) -> str:
    # trusted_ips is empty by default, so no X-Forwarded-* header is believed.
    return "http"


@pdk("request.get_host", "Empty", "String", LIVE)
@pdk("request.get_forwarded_host", "Empty", "String", LIVE)
def _host(exchange: Exchange) -> str:
    return exchange.request.host


@pdk("request.get_port", "Empty", "Int", LIVE)
@pdk("request.get_forwarded_port", "Empty", "Int", LIVE)
def _port(exchange: Exchange) -> int:
    return exchange.local[1]


@pdk("request.get_http_version", "Empty", "Number", LIVE)
def _version(exchange: Exchange) -> float:
    return exchange.request.version / 10


@pdk("request.get_method", "Empty", "String", LIVE)
def _method(exchange: Exchange) -> str:
    return exchange.method


@pdk("request.get_path", "Empty", "String", LIVE)
def _path(exchange: Exchange) -> str:
    return normalize(exchange.request.path)


@pdk("request.get_path_with_query", "Empty", "String", LIVE)
def _path_with_query(exchange: Exchange) -> str:
    return exchange.request.target


@pdk("request.get_raw_query", "Empty", "String", LIVE)
def _raw_query(exchange: Exchange) -> str:
    return exchange.query or ""


@pdk("request.get_query_arg", "String", "String", LIVE)
def _query_arg(exchange: Exchange, name: str) -> Any:
    value = parse_query(exchange.query or "").get(name)
    if isinstance(value, list):
        value = value[0]
    if value is True:
        raise PdkError("a boolean argument does not fit a String")
    return value


@pdk("request.get_query", "Int", "Struct", LIVE)
def _query(exchange: Exchange, most: int) -> dict[str, Any]:
    _between("max_args", most)
    return dict(parse_query(exchange.query or "", most))


@pdk("request.get_header", "String", "String", ANY)
def _header(exchange: Exchange, name: str) -> str | None:
    return exchange.headers.lookup(name)


@pdk("request.get_headers", "Int", "Struct", ANY)
def _headers(exchange: Exchange, most: int) -> dict[str, Value]:
    if exchange.phase == "log":
        return exchange.headers.table()
    _between("max_headers", most)
    return exchange.headers.table(most)


def _between(name: str, number: int) -> None:
    # A caller that leaves the number out sends 0, which Kong refuses as well.
    if not 1 <= number <= 1000:
        raise PdkError(f"{name} must be >= 1" if number < 1 else f"{name} must be <= 1000")


@pdk("request.get_raw_body", "Empty", "RawBodyResult", LIVE)
async def _raw_body(exchange: Exchange) -> dict[str, Any]:
    await exchange.body.read()
    if exchange.body.file is not None:
        return {"body_filepath": str(exchange.body.file)}
    return {"content": exchange.body.data or b""}


@pdk("request.get_uri_captures", "Empty", "UriCapturesResult", ANY)
def _captures(exchange: Exchange) -> dict[str, Any]:
    captures = exchange.match.captures if exchange.match else {}
    return {
        "unnamed": [text for key, text in captures.items() if isinstance(key, int)],
        "named": [{"key": key, "value": text} for key, text in captures.items() if isinstance(key, str)],
    }
