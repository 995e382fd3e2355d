"""What the supervisor keeps of one worker: its process, its two sockets, and how busy it is."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from time import monotonic

from kong_pluginserver import control
from kong_pluginserver.registry import Registry


class WorkerHandle:
    """A worker as its supervisor sees it.

    Attributes:
        pid: its process.
        pidfd: readable once the process has ended.
        connections: the supervisor's copies of those it serves, by token, as far as it has told.
        beat: monotonic time of its last sign of life.
        frozen: it gave no sign of life for too long.
    """

    def __init__(self, pid: int, control_end: socket.socket, ask: socket.socket) -> None:
        control_end.setblocking(False)
        ask.setblocking(False)
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.control = control_end
        self.ask = ask
        self.connections: dict[int, socket.socket] = {}
        self.beat = monotonic()
        self.frozen = False
        self._input = b""
        self._output = b""
        self._unsent: list[bytes] = []

    def give(self, token: int, peer: socket.socket) -> bool:
        """Hand a connection over, keeping a copy; False if the worker does not take it."""
        try:
            socket.send_fds(self.control, [control.CONNECTION + control.NUMBER.pack(token)], [peer.fileno()])
        except OSError:
            return False
        self.connections[token] = peer
        return True

    def tell(self, message: bytes) -> None:
        """Send a control message, later if the worker is not reading."""
        self._unsent.append(message)
        self.flush()

    def flush(self) -> None:
        """Send what is left over."""
        with contextlib.suppress(OSError):
            while self._unsent:
                self.control.send(self._unsent[0])
                del self._unsent[0]
            while self._output:
                self._output = self._output[self.ask.send(self._output) :]

    def listen(self) -> bool:
        """Take the worker's control messages; False once it has closed its end."""
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    message = self.control.recv(control.LARGEST_PACKET)
                except ConnectionError:
                    return False
                if not message:
                    return False
                self.beat = monotonic()
                if message[:1] == control.ENDED:
                    for (token,) in control.NUMBER.iter_unpack(message[1:]):
                        self.connections.pop(token).close()
        return True

    def answer(self, registry: Registry) -> list[int] | None:
        """Answer what the worker asks; return the ids that others must forget, None once it has closed its end."""
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    received = self.ask.recv(65536)
                except ConnectionError:
                    return None
                if not received:
                    return None
                self._input += received
        forgotten: list[int] = []
        while len(self._input) >= control.HEAD.size:
            length, number = control.HEAD.unpack_from(self._input)
            end = control.HEAD.size + length
            if len(self._input) < end:
                break
            body, self._input = self._input[control.HEAD.size : end], self._input[end:]
            reply = _reply(registry, body, forgotten)
            self._output += control.HEAD.pack(len(reply), number) + reply
        self.flush()
        return forgotten

    def kill(self) -> None:
        """End the process at once."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def close(self) -> int:
        """Reap the ended process, give back its descriptors, and return its wait status."""
        for one in (self.control, self.ask):
            one.close()
        os.close(self.pidfd)
        return os.waitpid(self.pid, 0)[1]


def _reply(registry: Registry, body: bytes, forgotten: list[int]) -> bytes:
    kind, rest = body[:1], body[1:]
    if kind == control.REGISTER:
        return control.NUMBER.pack(registry.add(*control.unpack_instance(rest)))
    instance_id: int = control.NUMBER.unpack(rest)[0]
    if kind == control.FORGOTTEN:
        registry.remove(instance_id)
        forgotten.append(instance_id)
        return b""
    found = registry.get(instance_id)
    return control.pack_instance(*found) if found else b""
