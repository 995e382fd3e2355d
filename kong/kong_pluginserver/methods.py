"""Every PDK method of the plugin protocol: one table, method name -> (how arguments are sent, how the reply is read).

Pure but for get_raw_body, see bodies. The names are Kong's own dotted ones.

Reply shapes. Kong drops the second value of `nil, err`, so nil and "" are the same empty frame: `maybe` readers give
None for it, the others their type's zero. `confirmed` raises PDKError unless Kong says true: `set_upstream` of an
upstream that does not exist must never look like success.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from kong_pluginserver import wire
from kong_pluginserver.bodies import body_reader
from kong_pluginserver.errors import PDKError
from kong_pluginserver.messages import AUTHENTICATE, CAPTURES, CONSUMER, CREDENTIAL, MEMORY, ROUTE, SERVICE
from kong_pluginserver.settings import Settings
from kong_pluginserver.values import decode_struct, decode_value, encode_list, encode_struct, encode_value
from kong_pluginserver.wire import Message

Sender: TypeAlias = Callable[..., bytes]
Reader: TypeAlias = Callable[[bytes], Any]

EXIT: Final = "kong.response.exit"
# Kong's own default of 100 would hide the headers after the hundredth from a plugin; 1000 is the most that it takes.
_MOST: Final = 1000


def _no_arguments() -> bytes:
    return b""


def _string(value: str | bytes) -> bytes:
    return wire.chunk(1, wire.as_bytes(value))


def _number(value: int) -> bytes:
    return wire.integer(1, value)


def _at_most(value: int | None = None) -> bytes:
    return wire.integer(1, _MOST if value is None else value)


def _flag(value: bool | None = False) -> bytes:  # noqa: FBT001, FBT002 - the PDK's own signature is positional
    return wire.integer(1, bool(value))


def _pair(key: str, value: Any, *_options: Any) -> bytes:
    return wire.chunk(1, wire.as_bytes(key)) + (b"" if value is None else wire.chunk(2, encode_value(value)))


def _words(*values: Any) -> bytes:
    return encode_list([str(value).encode(errors="backslashreplace") for value in values])


def _table(values: dict[str, Any]) -> bytes:
    return encode_struct(values)


def _target(host: str, port: int) -> bytes:
    return wire.chunk(1, wire.as_bytes(host)) + wire.integer(2, port)


def _consumer_spec(consumer_id: str, search_by_username: bool | None = False) -> bytes:  # noqa: FBT001, FBT002 - as above
    return wire.chunk(1, wire.as_bytes(consumer_id)) + wire.integer(2, bool(search_by_username))


def _authenticate(consumer: dict[str, Any] | None, credential: dict[str, Any] | None) -> bytes:
    return wire.encode(AUTHENTICATE, {"consumer": consumer, "credential": credential})


def exit_parts(
    status: int, body: Any = None, headers: dict[str, Any] | None = None
) -> tuple[int, str | bytes | bytearray | None, dict[str, Any]]:
    """Return status, body and headers of an answer: text and bytes as they are, anything else as JSON.

    Raises:
        PDKError: the status is none that Kong would send.
        TypeError: the body is no JSON.
    """
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        raise PDKError("the status of kong.response.exit must be an integer from 100 to 599")
    sent = dict(headers or {})
    if body is not None and not isinstance(body, (str, bytes, bytearray)):
        body = json.dumps(body, separators=(",", ":"))
        if not any(name.lower() in {"content-type", "content_type"} for name in sent):
            sent["Content-Type"] = "application/json; charset=utf-8"
    return status, body, sent


def exit_arguments(status: int, body: Any = None, headers: dict[str, Any] | None = None) -> bytes:
    """Return the arguments of kong.response.exit, see exit_parts.

    Raises:
        PDKError: the status is none that Kong would send.
        TypeError: the body is no JSON, or a header has a type that Kong does not know.
    """
    status, body, sent = exit_parts(status, body, headers)
    out = wire.integer(1, status)
    if body:
        out += wire.chunk(2, wire.as_bytes(body))
    return out + wire.chunk(3, encode_struct(sent)) if sent else out


def _nothing(_data: bytes) -> None:
    return None


def _ignored(_data: bytes) -> None:
    # Typed as String in the protocol, but never there.
    return None


def _one(data: bytes) -> int | bytes | None:
    for number, value in wire.scan(data):
        if number == 1:
            return value
    return None


def _text(data: bytes) -> str:
    return wire.text(_one(data) or b"")


def _maybe_text(data: bytes) -> str | None:
    return _text(data) or None


def _integer(data: bytes) -> int:
    return wire.signed(_one(data) or 0)


def _maybe_integer(data: bytes) -> int | None:
    return _integer(data) or None


def _real(data: bytes) -> float:
    value = _one(data)
    return 0.0 if value is None else wire.double(value)


def truth(data: bytes) -> bool:
    """Return a Bool reply.

    Raises:
        MalformedFrame: it is none.
    """
    return bool(_integer(data))


def _confirmed(data: bytes) -> bool:
    if not truth(data):
        raise PDKError("Kong did not confirm the call")
    return True


def _payload(data: bytes) -> bytes:
    return wire.raw(_one(data) or b"")


def _message(table: Message) -> Reader:
    def read(data: bytes) -> dict[str, Any] | None:
        return wire.decode(table, data) if data else None

    return read


def _captures(data: bytes) -> dict[str, Any]:
    return wire.decode(CAPTURES, data)


METHODS: Final[dict[str, tuple[Sender, Reader]]] = {
    "kong.client.get_ip": (_no_arguments, _text),
    "kong.client.get_forwarded_ip": (_no_arguments, _text),
    "kong.client.get_port": (_no_arguments, _integer),
    "kong.client.get_forwarded_port": (_no_arguments, _integer),
    "kong.client.get_credential": (_no_arguments, _message(CREDENTIAL)),
    "kong.client.load_consumer": (_consumer_spec, _message(CONSUMER)),
    "kong.client.get_consumer": (_no_arguments, _message(CONSUMER)),
    "kong.client.authenticate": (_authenticate, _nothing),
    "kong.client.get_protocol": (_flag, _maybe_text),
    "kong.ctx.shared.set": (_pair, _nothing),
    "kong.ctx.shared.get": (_string, decode_value),
    "kong.ip.is_trusted": (_string, truth),
    "kong.log.alert": (_words, _nothing),
    "kong.log.crit": (_words, _nothing),
    "kong.log.err": (_words, _nothing),
    "kong.log.warn": (_words, _nothing),
    "kong.log.notice": (_words, _nothing),
    "kong.log.info": (_words, _nothing),
    "kong.log.debug": (_words, _nothing),
    "kong.log.set_serialize_value": (_pair, _nothing),
    "kong.log.serialize": (_no_arguments, _text),
    "kong.nginx.get_var": (_string, _maybe_text),
    "kong.nginx.get_tls1_version_str": (_no_arguments, _maybe_text),
    "kong.nginx.set_ctx": (_pair, _ignored),
    "kong.nginx.get_ctx": (_string, decode_value),
    "kong.nginx.req_start_time": (_no_arguments, _real),
    "kong.nginx.get_subsystem": (_no_arguments, _text),
    "kong.node.get_id": (_no_arguments, _text),
    "kong.node.get_memory_stats": (_no_arguments, _message(MEMORY)),
    "kong.request.get_scheme": (_no_arguments, _text),
    "kong.request.get_host": (_no_arguments, _text),
    "kong.request.get_port": (_no_arguments, _integer),
    "kong.request.get_forwarded_scheme": (_no_arguments, _text),
    "kong.request.get_forwarded_host": (_no_arguments, _text),
    "kong.request.get_forwarded_port": (_no_arguments, _integer),
    "kong.request.get_http_version": (_no_arguments, _real),
    "kong.request.get_method": (_no_arguments, _text),
    "kong.request.get_path": (_no_arguments, _text),
    "kong.request.get_path_with_query": (_no_arguments, _text),
    "kong.request.get_raw_query": (_no_arguments, _text),
    "kong.request.get_query_arg": (_string, _maybe_text),
    "kong.request.get_query": (_at_most, decode_struct),
    "kong.request.get_header": (_string, _maybe_text),
    "kong.request.get_headers": (_at_most, decode_struct),
    "kong.request.get_raw_body": (_no_arguments, body_reader(Settings.max_body)),
    "kong.request.get_uri_captures": (_no_arguments, _captures),
    "kong.response.get_status": (_no_arguments, _integer),
    "kong.response.get_header": (_string, _maybe_text),
    "kong.response.get_headers": (_at_most, decode_struct),
    "kong.response.get_source": (_no_arguments, _text),
    "kong.response.set_status": (_number, _nothing),
    "kong.response.set_header": (_pair, _nothing),
    "kong.response.add_header": (_pair, _nothing),
    "kong.response.clear_header": (_string, _nothing),
    "kong.response.set_headers": (_table, _nothing),
    EXIT: (exit_arguments, _nothing),
    "kong.router.get_route": (_no_arguments, _message(ROUTE)),
    "kong.router.get_service": (_no_arguments, _message(SERVICE)),
    "kong.service.set_upstream": (_string, _confirmed),
    "kong.service.set_target": (_target, _nothing),
    "kong.service.request.set_scheme": (_string, _nothing),
    "kong.service.request.set_path": (_string, _nothing),
    "kong.service.request.set_raw_query": (_string, _nothing),
    "kong.service.request.set_method": (_string, _nothing),
    "kong.service.request.set_query": (_table, _nothing),
    "kong.service.request.set_header": (_pair, _nothing),
    "kong.service.request.add_header": (_pair, _nothing),
    "kong.service.request.clear_header": (_string, _nothing),
    "kong.service.request.set_headers": (_table, _nothing),
    "kong.service.request.set_raw_body": (_string, _nothing),
    "kong.service.response.get_status": (_no_arguments, _maybe_integer),
    "kong.service.response.get_header": (_string, _maybe_text),
    "kong.service.response.get_headers": (_at_most, decode_struct),
    "kong.service.response.get_raw_body": (_no_arguments, _payload),
}
SILENT: Final = frozenset(path for path, (_, read) in METHODS.items() if read is _nothing) - {EXIT}
"""The methods whose reply is Empty: nothing is learned from it but that Kong went on."""
CONFIRMED: Final = frozenset(path for path, (_, read) in METHODS.items() if read is _confirmed)
"""The methods that Kong confirms with true."""
READING: Final = frozenset(METHODS) - SILENT - CONFIRMED - {EXIT, "kong.nginx.set_ctx"}
"""The methods that ask Kong something and change nothing."""
MAYBE: Final = frozenset(path for path, (_, read) in METHODS.items() if read is _maybe_text)
"""The methods that give text or, for an empty one, None."""
