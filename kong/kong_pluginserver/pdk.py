"""The `kong` object that phases get: the PDK as kong-pdk writes it, `kong.request.get_headers()` and so on.

It is one tree of functions per process, made once. A call belongs to the event that is running, which the hub knows.
Values are returned, errors raised (kong-pdk's `--no-lua-style`). The methods are those of methods.METHODS.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import Any, NoReturn

from kong_pluginserver import wire
from kong_pluginserver.errors import Exited, PDKError, Stop, UnknownMethodError
from kong_pluginserver.hub import Hub
from kong_pluginserver.methods import EXIT, METHODS, Reader, Sender, exit_arguments


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
    return wire.frame(EXIT.encode()) + wire.frame(exit_arguments(status, body, headers))


def build(hub: Hub, read_body: Reader) -> Namespace:
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
        if path == EXIT:
            method: Callable[..., Any] = _exit(running)
        else:
            method = _method(running, path, send, read_body if path == "kong.request.get_raw_body" else read)
        method.__name__ = method.__qualname__ = path
        _put(kong, path, method)
    return kong


def _method(running: Callable[[], Any], path: str, send: Sender, read: Reader) -> Callable[..., Any]:
    head = wire.frame(path.encode())
    try:
        fixed = head + wire.frame(send())
    except TypeError:
        fixed = b""

    def call(*args: Any) -> Any:
        request = fixed if fixed and not args else head + wire.frame(send(*args))
        connection = running()
        try:
            return read(connection.exchange(request))
        except Stop as stop:
            connection.stop = stop
            raise

    return call


def _exit(running: Callable[[], Any]) -> Callable[..., NoReturn]:
    def leave(status: int, body: Any = None, headers: dict[str, Any] | None = None) -> NoReturn:
        connection = running()
        if connection.over:
            raise Exited
        if not connection.can_exit:
            raise PDKError("kong.response.exit is not possible in this phase")
        connection.send(exit_frames(status, body, headers))
        connection.over = True
        raise Exited

    return leave


def _put(kong: Namespace, path: str, method: Callable[..., Any]) -> None:
    *parents, name = path.split(".")[1:]
    at = kong
    for depth, parent in enumerate(parents):
        if parent not in at.__dict__:
            at.__dict__[parent] = Namespace(".".join(["kong", *parents[: depth + 1]]))
        at = at.__dict__[parent]
    at.__dict__[name] = method
