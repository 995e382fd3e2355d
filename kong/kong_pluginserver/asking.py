"""One question to a process on this machine, by a Unix socket, while the worker serves other connections.

A question and its answer are each one frame: four bytes of length, most significant first, and as many bytes. Each
question has a connection of its own. Whoever asks by a key under which a question is in flight waits for that answer.
There is no second try here: no answer is None, and what that means is for the plugin to say.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from kong_pluginserver.connection import Connection
from kong_pluginserver.hub import Hub

LARGEST: Final = 256 * 1024
"""Bytes of an answer."""
MOST: Final = 256
"""Questions of one worker that are in flight at once: beyond, there is no answer."""
_HEAD: Final = 4
_CHUNK: Final = 65536


@dataclass(slots=True)
class _Flight:
    """A question on its way. `answer` is what its reader made of the answer, None as long as there is none."""

    answer: Any = None
    waiting: list[Connection] = field(default_factory=list)


class Asker:
    """Asks for the plugins of one worker; only code that runs on a connection may ask."""

    def __init__(self, hub: Hub[Connection]) -> None:
        self._hub = hub
        self._flights: dict[tuple[str, bytes], _Flight] = {}

    def ask(self, path: str, key: bytes, question: bytes, read: Callable[[bytes], Any], seconds: float) -> Any:
        """Return what `read` makes of the answer to a question, or None where none came in time.

        Args:
            path: of the socket.
            key: what is asked for: the same question in flight is not sent twice, and all get one answer.
            question: its bytes.
            read: called once with the bytes of the answer; what it raises reaches whoever sent the question.
            seconds: how long to wait, at most.
        """
        connection = self._hub.current
        if connection is None:
            return None
        flight = self._flights.get((path, key))
        if flight is not None:
            flight.waiting.append(connection)
            if not self._hub.park(seconds):
                flight.waiting.remove(connection)
            return flight.answer
        if len(self._flights) >= MOST:
            return None
        flight = self._flights[path, key] = _Flight()
        try:
            data = self._exchange(connection, path, question, seconds)
            flight.answer = None if data is None else read(data)
        finally:
            del self._flights[path, key]
            for one in flight.waiting:
                self._hub.wake(one)
        return flight.answer

    def _exchange(self, connection: Connection, path: str, question: bytes, seconds: float) -> bytes | None:
        until = monotonic() + seconds
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as peer:
            peer.setblocking(False)
            try:
                peer.connect(path)
                frame = len(question).to_bytes(_HEAD, "big") + question
                # A fresh socket has room for what a plugin asks; one that has none is of no use now.
                if peer.send(frame) != len(frame):
                    return None
                self._hub.watch(peer.fileno(), lambda: self._hub.wake(connection))
                try:
                    return self._read(peer, until)
                finally:
                    self._hub.unwatch(peer.fileno())
            except OSError:
                return None

    def _read(self, peer: socket.socket, until: float) -> bytes | None:
        received = bytearray()
        while True:
            left = until - monotonic()
            if left <= 0 or not self._hub.park(left):
                return None
            try:
                piece = peer.recv(_CHUNK)
            except BlockingIOError:
                continue
            received += piece
            size = int.from_bytes(received[:_HEAD], "big") if len(received) >= _HEAD else 0
            if not piece or size > LARGEST or len(received) > _HEAD + LARGEST:
                return None
            if len(received) >= _HEAD and len(received) == _HEAD + size:
                return bytes(received[_HEAD:])
