"""The PDK as plugin servers see it: what our plugins call of it, each with its message types and its function.

All of it is called in the access phase, the only one in which the devkit asks a plugin server.
Source: kong/include/kong/pluginsocket.proto and kong/pdk (Kong 3.9.1). What Kong refuses raises PdkError here and ends
the request with a 500, as there; so does what the devkit does not have.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from kong_devkit import wire
from kong_devkit.exchange import Exchange, PdkError, PluginExit, header_value
from kong_devkit.headers import Value
from kong_devkit.uri import escape, normalize

_SCALARS: Final = frozenset({"Bool", "Int", "String", "ByteString"})


class Method(NamedTuple):
    """One PDK method: argument message, result message, and function of (exchange, *arguments)."""

    takes: str
    gives: str
    run: Callable[..., Any]


TABLE: Final[dict[str, Method]] = {}


def _pdk(name: str, takes: str, gives: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as ``kong.<name>``."""

    def register(run: Callable[..., Any]) -> Callable[..., Any]:
        TABLE[f"kong.{name}"] = Method(takes, gives, run)
        return run

    return register


async def call(exchange: Exchange, name: str, arguments: bytes) -> bytes:
    """Answer one PDK call frame.

    Raises:
        PdkError: a method that the devkit does not have, or bad arguments.
        PluginExit: the plugin ends the request.
        wire.WireError: the argument bytes are malformed.
    """
    method = TABLE.get(name)
    if method is None:
        raise PdkError(f"the devkit has no {name}: use a real Kong")
    result = method.run(exchange, *_unwrap(method.takes, wire.decode(method.takes, arguments)))
    if inspect.isawaitable(result):
        result = await result
    return _wrap(method.gives, result)


def bound(exchange: Exchange) -> Callable[[str, bytes], Awaitable[bytes]]:
    """``call`` for one exchange."""

    async def answer(name: str, arguments: bytes) -> bytes:
        return await call(exchange, name, arguments)

    return answer


def _unwrap(kind: str, message: wire.Message) -> tuple[Any, ...]:
    if kind == "KV":
        return message["k"], wire.from_value(message.get("v"))
    if kind == "Struct":
        return (wire.from_struct(message),)
    if kind == "ExitArgs":
        return message["status"], message["body"], wire.from_struct(message.get("headers"))
    if kind == "AuthenticateArgs":
        return message.get("consumer"), message.get("credential")
    return tuple(message.values())


def _wrap(kind: str, result: Any) -> bytes:
    if kind in _SCALARS:
        return wire.encode(kind, {"v": result})
    if kind == "Value":
        return wire.encode("Value", wire.to_value(result))
    if kind == "Struct":
        return wire.encode("Struct", wire.to_struct(result))
    return b"" if result is None else wire.encode(kind, result)


@_pdk("client.get_forwarded_ip", "Empty", "String")
def _ip(exchange: Exchange) -> str:
    # trusted_ips is empty, so no X-Forwarded-* header is believed.
    return exchange.remote[0]


@_pdk("client.get_consumer", "Empty", "Consumer")
def _consumer(exchange: Exchange) -> Mapping[str, Any] | None:
    return exchange.consumer


@_pdk("client.load_consumer", "ConsumerSpec", "Consumer")
def _load_consumer(exchange: Exchange, wanted: str, by_username: bool) -> Mapping[str, Any] | None:  # noqa: FBT001 - wire
    found = exchange.runtime.consumers.get(wanted)
    if found is None and by_username:
        found = exchange.runtime.usernames.get(wanted)
    if found is None and not by_username and "-" not in wanted:
        raise PdkError("cannot load a consumer with an id that is not a uuid")
    return found


@_pdk("client.authenticate", "AuthenticateArgs", "Empty")
def _authenticate(exchange: Exchange, consumer: dict[str, Any] | None, credential: dict[str, Any] | None) -> None:
    if consumer is None and credential is None:
        raise PdkError("either credential or consumer must be provided")
    exchange.consumer, exchange.credential = consumer, credential


@_pdk("ctx.shared.set", "KV", "Empty")
def _set_shared(exchange: Exchange, name: str, value: Any) -> None:
    if value is None:
        exchange.shared.pop(name, None)
    else:
        exchange.shared[name] = value


@_pdk("ctx.shared.get", "String", "Value")
def _get_shared(exchange: Exchange, name: str) -> Any:
    return exchange.shared.get(name)


@_pdk("log.set_serialize_value", "KV", "Empty")
def _set_serialize_value(exchange: Exchange, name: str, value: Any) -> None:
    exchange.serialize_values.append((name, value))


@_pdk("nginx.get_var", "String", "String")
def _get_var(exchange: Exchange, name: str) -> str | None:
    request, lower = exchange.request, name.lower()
    if lower.startswith("http_"):
        return exchange.headers.var(lower[5:])
    known = {
        "request": f"{request.method} {request.target} HTTP/{request.version / 10}",
        "kong_request_id": exchange.request_id,
        "ssl_client_raw_cert": None,  # nobody shows a certificate over plain HTTP
    }
    if lower not in known:
        raise PdkError(f"the devkit has no nginx variable {name}: use a real Kong")
    return known[lower]


@_pdk("request.get_method", "Empty", "String")
def _method(exchange: Exchange) -> str:
    return exchange.request.method


@_pdk("request.get_path", "Empty", "String")
def _path(exchange: Exchange) -> str:
    return normalize(exchange.request.path)


@_pdk("request.get_raw_query", "Empty", "String")
def _raw_query(exchange: Exchange) -> str:
    return exchange.query or ""


@_pdk("request.get_headers", "Int", "Struct")
def _headers(exchange: Exchange, most: int) -> dict[str, Value]:
    # A caller that leaves the number out sends 0, which Kong refuses as well.
    if not 1 <= most <= 1000:
        raise PdkError("max_headers must be >= 1 and <= 1000")
    return exchange.headers.table(most)


@_pdk("request.get_raw_body", "Empty", "RawBodyResult")
async def _raw_body(exchange: Exchange) -> dict[str, Any]:
    await exchange.body.read()
    file = exchange.body.in_file()
    return {"content": exchange.body.data} if file is None else {"body_filepath": str(file)}


@_pdk("response.exit", "ExitArgs", "Empty")
def _exit(_exchange: Exchange, status: int, body: str, headers: dict[str, Any] | None) -> None:
    if not 100 <= status <= 599:
        raise PdkError("code must be a number between 100 and 599")
    checked = {name: header_value(value) for name, value in (headers or {}).items()}
    raise PluginExit(status, body.encode("utf-8", "surrogateescape"), checked)


@_pdk("router.get_route", "Empty", "Route")
def _route(exchange: Exchange) -> Mapping[str, Any] | None:
    return exchange.route


@_pdk("service.set_upstream", "String", "Bool")
def _set_upstream(exchange: Exchange, name: str) -> bool | None:
    if name not in exchange.runtime.balancers:
        return None  # Kong answers nil and a message; the message does not travel
    exchange.upstream.host = name
    return True


@_pdk("service.request.set_scheme", "String", "Empty")
def _set_scheme(_exchange: Exchange, scheme: str) -> None:
    if scheme != "http":
        raise PdkError(f"the devkit proxies plain http only, not {scheme}: use a real Kong")


@_pdk("service.request.set_path", "String", "Empty")
def _set_path(exchange: Exchange, path: str) -> None:
    if not path.startswith("/"):
        raise PdkError("path must start with /")
    exchange.upstream.uri = escape(path)


@_pdk("service.request.set_raw_query", "String", "Empty")
def _set_raw_query(exchange: Exchange, query: str) -> None:
    exchange.query = query


@_pdk("service.request.set_headers", "Struct", "Empty")
def _set_headers(exchange: Exchange, headers: dict[str, Any]) -> None:
    if any(name.lower() == "host" for name in headers):
        raise PdkError("the devkit sends the upstream its own host: use a real Kong")
    checked = {name: header_value(value) for name, value in headers.items()}  # all before the first is set
    for name, value in checked.items():
        exchange.headers.set(name, value)


@_pdk("service.request.set_raw_body", "ByteString", "Empty")
async def _set_raw_body(exchange: Exchange, body: str) -> None:
    await exchange.body.read()
    exchange.body.replace(body.encode("utf-8", "surrogateescape"))
