"""An event in one frame: what the plugin will ask comes with it, and what it changes goes back with its verdict.

No part of Kong's protocol: a caller in Lua on this machine speaks it, on the same socket (mcp-guard by the short way,
see spec/decisions/295). A plugin knows no difference: its `kong` answers from the frame. What the frame does not hold
ends the event with the word that it must be asked in the long way, as Kong's own event.

The frame begins with four bytes that begin no RpcCall, rpc.WHOLE_MARK. Behind them are, each number of four bytes as
this machine has it:

    sequence number, instance id, size of the names
    the names, in lines: the phase, and then for each value a letter, a space and a name
      t what a PDK method gives, as text, or j the same as JSON: its name, and a space and its argument if it has one
      b the request body, or f the file that it is in, or e why there is none: without a space and a name
    the size of each value
    the values

The answer is one frame of JSON: {"format": 1, "sequence": that of the call, "do": [[method, argument...], ...]}, with
`exit` ([status, body, headers]) where that ends the request; or `ask` in place of `do`: "long" where the event must be
asked in the long way, "start" where nobody knows the instance. Whatever else comes, or nothing, is no verdict.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from threading import get_ident
from typing import Any, Final

import msgspec

from kong_pluginserver import wire
from kong_pluginserver.connection import Connection
from kong_pluginserver.errors import DeadlineExceeded, Exited, MalformedFrame, NotCarried, PDKError, Stop
from kong_pluginserver.hub import Hub
from kong_pluginserver.methods import EXIT, MAYBE, METHODS, exit_parts
from kong_pluginserver.pdk import Namespace, add_method

FORMAT: Final = 1
_HEAD: Final = struct.Struct("=II")
_HEAD_AT: Final = 8
_NAMES_AT: Final = 16
_BODIES: Final = {"b": 1, "f": 2, "e": 3}
"""The fields of get_raw_body's reply, by letter."""
WRITES: Final = frozenset(
    {
        "kong.ctx.shared.set",
        "kong.log.set_serialize_value",
        "kong.service.request.set_headers",
        "kong.service.request.set_path",
        "kong.service.request.set_raw_body",
        "kong.service.request.set_raw_query",
        "kong.service.request.set_scheme",
        "kong.service.set_upstream",
    }
)
"""The changes that whoever speaks this can make; the plugin is not told whether Kong made them."""
ASK_LONG: Final = {"ask": "long"}
START_ANEW: Final = {"ask": "start"}
_BODY: Final = "kong.request.get_raw_body"
_SHARE: Final = "kong.ctx.shared.set"
_encode: Final = msgspec.json.Encoder().encode


@lru_cache(64)
def _read_names(names: bytes) -> tuple[str, dict[str, tuple[str, int]], struct.Struct, int | None]:
    """Return the phase, the letter and place of each value by its name, their sizes' form, and the field of a body.

    Whoever speaks this has the same few lists of names for all its events.

    Raises:
        ValueError: a line is none.
    """
    phase, *lines = names.decode().split("\n")
    body = _BODIES[lines.pop()] if lines and lines[-1] in _BODIES else None
    places = {}
    for place, line in enumerate(lines):
        kind, blank, name = line.partition(" ")
        if kind not in ("t", "j") or not blank:
            raise ValueError("no name where one belongs")
        places[name] = kind, place
    return phase, places, struct.Struct(f"={len(lines) + (body is not None)}I"), body


class WholeEvent:
    """One event: what it brought, and what came of it so far.

    Attributes:
        instance_id: of the plugin.
        phase: to be run.
        body: the field of get_raw_body's reply that it would stand in, and what is in it; None where nothing says so.
        steps: the changes, in their order.
    """

    __slots__ = ("_at", "_data", "_ended", "_places", "_sizes", "_stop", "body", "instance_id", "phase", "steps")

    def __init__(self, data: bytes) -> None:
        """Read a frame. What was carried is looked at when it is asked for: others' bytes harm nobody.

        Raises:
            MalformedFrame: it is none.
        """
        self.steps: list[list[Any]] = []
        self._ended: list[Any] | None = None
        self._stop: Stop | None = None
        self._data = data
        try:
            self.instance_id, size = _HEAD.unpack_from(data, _HEAD_AT)
            self.phase, self._places, sizes, body = _read_names(data[_NAMES_AT : _NAMES_AT + size])
            self._sizes = sizes.unpack_from(data, _NAMES_AT + size)
        except (struct.error, ValueError):
            raise MalformedFrame("an event that breaks off, or has no names") from None
        self._at = _NAMES_AT + size + sizes.size
        if self._at + sum(self._sizes) != len(data):
            raise MalformedFrame("an event of another size than its values")
        self.body = None if body is None else (body, self._value(len(self._sizes) - 1))

    def _value(self, place: int) -> bytes:
        start = self._at + sum(self._sizes[:place])
        return self._data[start : start + self._sizes[place]]

    def read(self, name: str) -> Any:
        """Return what was carried under a name.

        Raises:
            NotCarried: nothing was.
            NotText: it is not UTF-8.
        """
        try:
            kind, place = self._places[name]
        except KeyError:
            raise self.stopped(NotCarried(name)) from None
        try:
            text = wire.text(self._value(place))
            return json.loads(text) if kind == "j" else text
        except Stop as stop:
            raise self.stopped(stop) from None
        except ValueError:
            raise self.stopped(MalformedFrame("no JSON where it belongs")) from None

    def stopped(self, stop: Stop) -> Stop:
        """Remember why the event is over, for a plugin may swallow it; returns what is to be raised."""
        self._stop = self._stop or stop
        return self._stop

    def end(self, status: int, body: Any, headers: Mapping[str, Any] | None) -> Stop:
        """End the request with an answer; returns what is to be raised."""
        self._ended = exit_members(status, body, headers)
        return self.stopped(Exited())

    def check(self) -> None:
        """Look whether the event is over, before a step of the plugin and once it has returned.

        Raises:
            Stop: why it is.
        """
        if self._stop is not None:
            raise self._stop

    def verdict(self) -> dict[str, Any]:
        """Return what came of the event."""
        said: dict[str, Any] = {"do": self.steps}
        return said if self._ended is None else {**said, "exit": self._ended}


def exit_members(status: int, body: Any, headers: Mapping[str, Any] | None) -> list[Any]:
    """Return the answer that ends a request, as a verdict has it.

    Raises:
        PDKError: the status is none that Kong would send.
        TypeError: the body is no JSON, or a header has a type that Kong does not know.
        UnicodeDecodeError: the body is no text.
    """
    code, said, named = exit_parts(status, body, dict(headers or {}))
    text = said.decode() if isinstance(said, (bytes, bytearray)) else said or ""
    return [code, text, _plain(named)]


def answer(sequence: int, said: Mapping[str, Any]) -> bytes:
    """Return the frame that answers a call.

    Its number is the last of it. LuaJIT keeps each text once, and takes of one of 128 bytes or more a few pieces for
    its hash, the last eight bytes among them. With the number elsewhere most verdicts had one hash, and nginx went
    through all that were not collected yet for each new one.

    Raises:
        TypeError: there is something in it that JSON does not have.
        UnicodeEncodeError: there is a text in it that is none.
    """
    told = {"format": FORMAT, **said, "sequence": sequence}
    return wire.frame(_encode(told))


def build(hub: Hub[Connection], read_body: Callable[[bytes], Any], local_socket: Namespace) -> Namespace:
    """Return the PDK that answers from the event that `hub` is running.

    Args:
        hub: knows that event.
        read_body: reads get_raw_body's reply.
        local_socket: the part of the PDK that is not Kong's.
    """
    kong = Namespace("kong")
    thread = get_ident()

    def running() -> WholeEvent:
        connection = hub.current
        if connection is None or connection.whole is None or get_ident() != thread:
            raise PDKError("the PDK can only be called in a phase, on the thread that runs it")
        if connection.expired:
            raise connection.whole.stopped(DeadlineExceeded())
        connection.whole.check()
        return connection.whole

    for path in METHODS:
        if path == EXIT:
            method: Callable[..., Any] = _exit(running)
        elif path == _BODY:
            method = _body(running, read_body)
        else:
            method = _changing(running, path) if path in WRITES else _reading(running, path)
        method.__name__ = method.__qualname__ = path
        add_method(kong, path, method)
    kong.__dict__["local_socket"] = local_socket
    return kong


def _reading(running: Callable[[], WholeEvent], path: str) -> Callable[..., Any]:
    maybe = path in MAYBE

    def method(*args: Any) -> Any:
        event = running()
        found = event.read(path if not args else " ".join([path, *map(str, args)]))
        return None if found == "" and maybe else found

    return method


def _body(running: Callable[[], WholeEvent], read_body: Callable[[bytes], Any]) -> Callable[[], Any]:
    def method() -> Any:
        event = running()
        if event.body is None:
            raise event.stopped(NotCarried(_BODY))
        field, content = event.body
        try:
            return content if field == _BODIES["b"] else read_body(wire.chunk(field, content))
        except Stop as stop:
            raise event.stopped(stop) from None

    return method


def _changing(running: Callable[[], WholeEvent], path: str) -> Callable[..., Any]:
    send = METHODS[path][0]

    def method(*args: Any) -> Any:
        event = running()
        if path == _SHARE and len(args) == 2 and type(args[0]) is type(args[1]) is str:
            event.steps.append([path, *args])  # what a guarded call leaves: nothing of it is to be changed
            return None
        send(*args)  # as the long way does, which takes the same arguments or none
        event.steps.append([path, *map(_plain, args)])
        return True if path == "kong.service.set_upstream" else None

    return method


def _exit(running: Callable[[], WholeEvent]) -> Callable[..., Any]:
    def leave(status: int, body: Any = None, headers: Mapping[str, Any] | None = None) -> Any:
        event = running()
        raise event.end(status, body, headers)

    return leave


def _plain(value: Any) -> Any:
    """Return a value as Lua gets it by Kong's protocol, which has neither nil nor false in a table; nil stands nowhere.

    Raises:
        PDKError: it is no value of JSON.
    """
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in _known(value)}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode()
    # JSON has neither NaN nor the infinities, of which the encoder would make nothing.
    if isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise PDKError(f"a verdict has no value of type {type(value).__name__}")


def _known(value: Mapping[Any, Any]) -> Iterator[tuple[Any, Any]]:
    return ((name, one) for name, one in value.items() if one is not None and one is not False)
