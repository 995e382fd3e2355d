"""One worker process: it gets connections from the supervisor and serves them until it is told to drain."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from time import monotonic
from typing import Final

from kong_pluginserver import control, log, whole
from kong_pluginserver.bodies import body_reader
from kong_pluginserver.connection import Connection
from kong_pluginserver.hub import Hub
from kong_pluginserver.instances import Instances
from kong_pluginserver.loader import LoadedPlugin
from kong_pluginserver.pdk import build
from kong_pluginserver.service import Service
from kong_pluginserver.settings import Settings
from kong_pluginserver.states import ConnectionState

_BEAT: Final = 0.5
_HALF_CLOSED: Final = 0.5
_FRAME_MARGIN: Final = 1024 * 1024
_MOST_LOGGED: Final = 256


class Worker:
    """The process behind one pair of sockets to the supervisor (see control)."""

    def __init__(
        self, control_end: socket.socket, ask: socket.socket, plugins: dict[str, LoadedPlugin], settings: Settings
    ) -> None:
        self._control = control_end
        self._settings = settings
        self._hub: Hub[Connection] = Hub(settings.tick, self._on_tick, self._on_batch, self._between_events)
        self._between = [
            (plugin.name, plugin.between_events) for plugin in plugins.values() if plugin.between_events is not None
        ]
        self._logged: set[tuple[str, str]] = set()
        self._instances = Instances(plugins, control.SupervisorLink(ask))
        read_body = body_reader(settings.max_body)
        kong = build(self._hub, read_body)
        carried = whole.build(self._hub, read_body, kong.local_socket)
        self._service = Service(plugins, self._instances, kong, carried, settings.deadline)
        self._next_beat = 0.0
        self._asked_to_drain = self._draining = False
        self._drain_until = 0.0
        self._half_closed: Connection | None = None

    def run(self) -> None:
        """Serve until drained."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        self._control.setblocking(False)
        self._hub.watch(self._control.fileno(), self._on_control)
        self._hub.arm()
        self._hub.run()

    def _on_sigterm(self, _signal: int, _frame: object) -> None:
        self._asked_to_drain = True

    def _on_control(self) -> None:
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(self._control, 64, 1, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                message, descriptors = b"", []
            if not message:
                # The supervisor is gone; without it this worker would never get work or an end.
                self._hub.unwatch(self._control.fileno())
                self._drain()
                return
            if descriptors:
                self._add(descriptors[0], control.NUMBER.unpack(message[1:])[0])
            elif message[:1] == control.FORGET:
                self._instances.forget(control.NUMBER.unpack(message[1:])[0])
            elif message[:1] == control.DRAIN:
                self._drain()

    def _add(self, descriptor: int, token: int) -> None:
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)
        settings = self._settings
        connection = Connection(self._hub, peer, token, settings.max_body + _FRAME_MARGIN, settings.upload)
        self._hub.add(connection, self._service.serve)

    def _drain(self) -> None:
        if self._draining:
            return
        self._draining = True
        self._drain_until = monotonic() + self._settings.drain
        self._half_close_next()

    def _half_close_next(self) -> None:
        """Half close one idle connection, and the next when Kong has closed that one too.

        Kong may take a connection out of its pool before it has seen its end. An event that finds no answer there is
        tried again, on an instance that is started anew; but a start that finds none fails its request. Therefore all
        other connections are served meanwhile, starts too.
        """
        self._service.send_verdicts()
        now = monotonic()
        last = self._half_closed
        if last is not None and self._hub.connections.get(last.fd) is last and now < last.deadline:
            return
        self._half_closed = None
        for connection in list(self._hub.connections.values()):
            if connection.state is ConnectionState.IDLE and not connection.has_input():
                connection.half_close(_HALF_CLOSED)
                self._half_closed = connection
                return

    def _between_events(self) -> None:
        for name, work in self._between:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - the edge of a plugin's code: it may end in anything
                cause = log.cause(error)
                if (name, cause["at"]) not in self._logged and len(self._logged) < _MOST_LOGGED:
                    self._logged.add((name, cause["at"]))
                    log.line("error", "between_events_failed", plugin=name, **cause)

    def _on_tick(self, now: float) -> None:
        self._service.send_verdicts()
        if self._asked_to_drain:
            self._drain()
        if now >= self._next_beat:
            self._next_beat = now + _BEAT
            self._tell(control.BEAT)
        if self._draining:
            left = len(self._hub.connections)
            if left and now >= self._drain_until:
                log.line("warning", "drain_cut_short", connections=left)
            self._hub.stopped = not left or now >= self._drain_until

    def _on_batch(self) -> None:
        self._service.send_verdicts()
        if self._draining:
            self._half_close_next()
        ended = self._service.ended
        while ended:
            tokens = ended[: control.MOST_TOKENS]
            if not self._tell(control.ENDED + b"".join(map(control.NUMBER.pack, tokens))):
                return
            del ended[: len(tokens)]

    def _tell(self, message: bytes) -> bool:
        with contextlib.suppress(OSError):
            self._control.send(message)
            return True
        return False


def start(control_end: socket.socket, ask: socket.socket, plugins: dict[str, LoadedPlugin], settings: Settings) -> None:
    """Be a worker in this freshly forked process; never returns."""
    status = 1
    try:
        Worker(control_end, ask, plugins, settings).run()
        status = 0
    except BaseException as error:  # noqa: BLE001 - the outermost edge of the process: the forked copy must go no further
        log.line("error", "worker_failed", **log.cause(error))
    finally:
        os._exit(status)
