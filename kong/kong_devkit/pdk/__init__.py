"""The PDK as plugin servers see it: one table from method name to message types, phases and function.

Source: kong/include/kong/pluginsocket.proto and kong/pdk (Kong 3.9.1). What Kong refuses in a phase raises PdkError
here
and ends the request with a 500, as there.
"""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from kong_devkit import wire
from kong_devkit.exchange import Exchange, PdkError
from kong_devkit.pdk import client, misc, request, response, service
from kong_devkit.pdk.table import TABLE

__all__ = ["TABLE", "call", "client", "misc", "request", "response", "service"]

_SCALARS = frozenset({"Bool", "Int", "Number", "String", "ByteString"})


async def call(exchange: Exchange, name: str, arguments: bytes) -> bytes:
    """Answer one PDK call frame.

    Raises:
        PdkError: unknown method, wrong phase or bad arguments.
        PluginExit: the plugin ends the request.
        wire.WireError: the argument bytes are malformed.
    """
    method = TABLE.get(name)
    if method is None:
        raise PdkError(f'method "{name}" not found')
    if exchange.phase not in method.phases:
        allowed = ", ".join(sorted(method.phases))
        raise PdkError(f"{name}: function cannot be called in {exchange.phase} phase (only in: {allowed})")
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
    if kind == "Empty":
        return ()
    if kind in _SCALARS:
        return (message["v"],)
    if kind == "KV":
        return message["k"], wire.from_value(message.get("v"))
    if kind == "Struct":
        return (wire.from_struct(message),)
    if kind == "ListValue":
        return tuple(wire.from_value(one) for one in message["values"])
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
