"""The `kong` object that phases get: the PDK as kong-pdk writes it, `kong.request.get_headers()` and so on.

It is one tree of functions per process, made once. A call belongs to the event that is running, which the hub knows.
Values are returned, errors raised (kong-pdk's `--no-lua-style`). The methods are those of methods.METHODS.
Methods without a reply are not waited for: they leave with the next call that is, or with the end of the event.
One method is not Kong's: `kong.local_socket.ask`, see asking.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import Any, NoReturn, TypeAlias

from kong_pluginserver import wire
from kong_pluginserver.asking import Asker
from kong_pluginserver.connection import Connection
from kong_pluginserver.errors import Exited, PDKError, Stop, UnknownMethodError
from kong_pluginserver.hub import Hub
from kong_pluginserver.ledger import EMPTY_REPLY, UnawaitedReply
from kong_pluginserver.methods import (
    CONFIRMED,
    EXIT,
    METHODS,
    READING,
    SILENT,
    Reader,
    Sender,
    truth,
)
from kong_pluginserver.states import ConnectionState

Call: TypeAlias = Callable[[Connection, bytes, tuple[Any, ...]], Any]
"""How a method goes out: on which connection, its two frames, and what it was called with."""


class Namespace:
    """A part of the PDK such as `kong.request`; its methods are plain attributes."""

    def __init__(self, path: str) -> None:
        self.__dict__["_path"] = path

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse at once what the protocol does not have.

        Raises:
            UnknownMethodError: always; known names never come here.
        """
        raise UnknownMethodError(f"{self._path}.{name} is not in Kong's plugin protocol")

    def __repr__(self) -> str:
        return f"<{self._path}>"


def exit_frames(status: int, body: Any = None, headers: dict[str, Any] | None = None) -> bytes:
    """Return the two frames of kong.response.exit.

    Raises:
        PDKError: the status is none that Kong would send.
        TypeError: the body or a header is of a type that Kong does not know.
    """
    return request_frames(EXIT, status, body, headers)


def build(hub: Hub[Connection], read_body: Reader) -> Namespace:
    """Return the PDK whose calls go out on the connection that `hub` is running.

    Args:
        hub: knows the event that is running.
        read_body: reads get_raw_body's reply.
    """
    kong = Namespace("kong")
    thread = get_ident()

    def running() -> Any:
        connection = hub.current
        if connection is None or get_ident() != thread:
            raise PDKError("the PDK can only be called in a phase, on the thread that runs it")
        return connection

    for path, (send, read) in METHODS.items():
        call: Call
        if path == EXIT:
            method: Callable[..., Any] = _exit(running)
        else:
            if path in SILENT:
                call = _sent_later
            elif path in CONFIRMED:
                call = _confirmed(path, read)
            else:
                call = _asked(read, changes=path not in READING)
                if path == "kong.request.get_raw_body":
                    call = _uploaded(read_body)
                elif path == "kong.ctx.shared.get":  # what a plugin in Lua gives there may hold the body
                    call = _uploaded(read)
            method = _method(running, path, send, call)
        method.__name__ = method.__qualname__ = path
        add_method(kong, path, method)
    add_method(kong, "kong.local_socket.ask", Asker(hub).ask)
    return kong


def request_frames(path: str, *args: Any) -> bytes:
    """Return the two frames of one call.

    Raises:
        KeyError: the protocol has no such method.
        TypeError: the arguments are not those of the method.
    """
    return wire.frame(path.encode()) + wire.frame(METHODS[path][0](*args))


def _method(running: Callable[[], Any], path: str, send: Sender, call: Call) -> Callable[..., Any]:
    head = wire.frame(path.encode())
    try:
        fixed = head + wire.frame(send())
    except TypeError:
        fixed = b""

    def method(*args: Any) -> Any:
        request = fixed if fixed and not args else head + wire.frame(send(*args))
        connection = running()
        try:
            return call(connection, request, args)
        except Stop as stop:
            connection.fail(stop)
            raise

    return method


def _asked(read: Reader, *, changes: bool) -> Call:
    def call(connection: Connection, request: bytes, _args: tuple[Any, ...]) -> Any:
        return read(connection.ask(request, changes=changes))

    return call


def _uploaded(read: Reader) -> Call:
    def call(connection: Connection, request: bytes, _args: tuple[Any, ...]) -> Any:
        return read(connection.ask_for_upload(request))

    return call


def _confirmed(path: str, read: Reader) -> Call:
    def call(connection: Connection, request: bytes, args: tuple[Any, ...]) -> Any:
        if path not in connection.unawaited:
            return read(connection.ask(request, changes=True))
        connection.send_later(request, UnawaitedReply((path, str(args[0])), truth, connection.ledger.unconfirmed))
        return True

    return call


def _sent_later(connection: Connection, request: bytes, _args: tuple[Any, ...]) -> None:
    connection.send_later(request, EMPTY_REPLY)


def _exit(running: Callable[[], Any]) -> Callable[..., NoReturn]:
    def leave(status: int, body: Any = None, headers: dict[str, Any] | None = None) -> NoReturn:
        connection = running()
        if connection.state is ConnectionState.ENDED:
            raise Exited
        if not connection.can_exit:
            raise PDKError("kong.response.exit is not possible in this phase")
        frames = exit_frames(status, body, headers)
        try:
            connection.send_end(frames)
        except Stop as stop:
            connection.fail(stop)
            raise
        raise Exited

    return leave


def add_method(kong: Namespace, path: str, method: Callable[..., Any]) -> None:
    """Put a method into the tree of a PDK, at its dotted name."""
    *parents, name = path.split(".")[1:]
    at = kong
    for depth, parent in enumerate(parents):
        if parent not in at.__dict__:
            at.__dict__[parent] = Namespace(".".join(["kong", *parents[: depth + 1]]))
        at = at.__dict__[parent]
    at.__dict__[name] = method
