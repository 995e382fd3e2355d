"""The process that Kong starts: it accepts connections, spreads them over workers, and keeps the workers alive.

Why it hands connections over instead of letting the workers accept: on a shared socket one worker took every one of
Kong's pooled connections. The supervisor gives each to the worker that serves the fewest.

It never runs a plugin, so nothing a plugin does can hold it up. Laws: it never waits on a worker; a worker that ends is
replaced, at once the first time and ever later while it keeps ending; a worker that gives no sign of life for longer
than any event may take is killed. What is in flight on a worker that ends is tried again by Kong once, then refused.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from time import monotonic
from typing import Final

from kong_pluginserver import control, log, worker
from kong_pluginserver.closing import ClosingConnections
from kong_pluginserver.handle import WorkerHandle
from kong_pluginserver.listener import Listener
from kong_pluginserver.loader import DEFAULT_REFUSAL, LoadedPlugin
from kong_pluginserver.registry import Registry
from kong_pluginserver.settings import Settings

_TICK: Final = 0.25
_RETRY: Final = 0.01
_SILENCE: Final = 2.0
_FRESH: Final = 1.5
_STABLE: Final = 10.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
_KILL_AFTER: Final = 1.0


class Supervisor:
    """Serves `plugins` on `listener` until told to end, or, where that is wanted, until its parent is gone."""

    def __init__(self, plugins: dict[str, LoadedPlugin], listener: Listener, settings: Settings) -> None:
        self._plugins = plugins
        self._listener = listener
        self._settings = settings
        self._registry = Registry()
        self._handles: dict[int, WorkerHandle] = {}
        self._waiting: list[socket.socket] = []
        self._closing = ClosingConnections()
        self._refusal = _common_refusal(plugins)
        self._tokens = 0
        self._epoll = select.epoll()
        self._parent = os.getppid()
        self._told_to_end = False
        self._drain_until = 0.0
        self._crashes = 0
        self._last_crash = -_STABLE
        self._start_at: list[float] = [0.0] * settings.workers
        self._accepting = False

    def run(self) -> None:
        """Serve until everything is drained."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._epoll.register(reader.fileno(), select.EPOLLIN | select.EPOLLET)
        self._own = [reader, writer]
        self._start_due()
        compiled = sorted(name for name, plugin in self._plugins.items() if plugin.is_compiled)
        log.line("info", "serving", plugins=sorted(self._plugins), workers=self._settings.workers, compiled=compiled)
        while self._handles or not self._drain_until:
            events = self._epoll.poll(_RETRY if self._waiting else _TICK)
            for fd, _ in events:
                self._dispatch(fd)
            self._look_after()
        for peer in (*self._waiting, *self._closing.peers()):
            peer.close()
        signal.set_wakeup_fd(-1)
        log.line("info", "ended")

    def _on_signal(self, _signal: int, _frame: object) -> None:
        self._told_to_end = True

    def _orphaned(self) -> bool:
        return self._settings.end_with_parent and os.getppid() != self._parent

    def _dispatch(self, fd: int) -> None:
        if self._accepting and fd == self._listener.socket.fileno():
            self._accept()
            return
        for handle in list(self._handles.values()):
            if fd == handle.pidfd:
                self._reap(handle)
            elif fd == handle.control.fileno():
                if not handle.listen():
                    self._epoll.unregister(fd)
            elif fd == handle.ask.fileno():
                forgotten = handle.answer(self._registry)
                if forgotten is None:
                    self._epoll.unregister(fd)
                for instance_id in forgotten or []:
                    for other in self._handles.values():
                        if other is not handle:
                            other.tell(control.FORGET + control.NUMBER.pack(instance_id))

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while not self._waiting or self._drain_until:
                try:
                    peer, _ = self._listener.socket.accept()
                except BlockingIOError:
                    raise
                except OSError as error:
                    # Out of descriptors, most likely: what waits in the backlog is taken at the next look.
                    log.line("error", "accept_failed", **log.cause(error))
                    return
                self._hand_over(peer)

    def _hand_over(self, peer: socket.socket) -> None:
        now = monotonic()
        by_load = sorted(
            self._handles.values(),
            key=lambda worker_handle: (now - worker_handle.beat > _FRESH, len(worker_handle.connections)),
        )
        self._tokens = self._tokens + 1 & 0xFFFFFFFF
        if not any(handle.give(self._tokens, peer) for handle in by_load):
            self._waiting.append(peer)

    def _look_after(self) -> None:
        now = monotonic()
        self._closing.end(now)
        if not self._drain_until and (self._told_to_end or self._orphaned()):
            self._drain(now)
        if self._waiting and self._handles:
            waiting, self._waiting = self._waiting, []
            for peer in waiting:
                self._hand_over(peer)
        for handle in self._handles.values():
            handle.flush()
            if now - handle.beat > self._settings.deadline + _SILENCE:
                log.line("error", "worker_frozen", worker=handle.pid)
                handle.beat = now
                handle.frozen = True
                handle.kill()
            elif self._drain_until and now > self._drain_until:
                handle.kill()
        if not self._drain_until:
            self._start_due()
            self._listen(wanted=bool(self._handles) and not self._waiting)

    def _listen(self, *, wanted: bool) -> None:
        if wanted == self._accepting:
            return
        self._accepting = wanted
        if wanted:
            self._epoll.register(self._listener.socket.fileno(), select.EPOLLIN)
        else:
            self._epoll.unregister(self._listener.socket.fileno())

    def _start_due(self) -> None:
        now = monotonic()
        due = [at for at in self._start_at if at <= now]
        self._start_at = [at for at in self._start_at if at > now]
        for _ in due:
            self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ask, answer = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            # Another worker would not see the end of the supervisor while this one holds the supervisor's ends.
            signal.set_wakeup_fd(-1)
            self._epoll.close()
            self._listener.close()
            for handle in self._handles.values():
                for one in (handle.control, handle.ask, *handle.connections.values()):
                    one.close()
                os.close(handle.pidfd)
            for one in (ours, answer, *self._own, *self._waiting, *self._closing.peers()):
                one.close()
            worker.start(theirs, ask, self._plugins, self._settings)
        theirs.close()
        ask.close()
        handle = WorkerHandle(pid, ours, answer)
        self._handles[pid] = handle
        for fd in (handle.pidfd, ours.fileno(), answer.fileno()):
            self._epoll.register(fd, select.EPOLLIN)

    def _reap(self, handle: WorkerHandle) -> None:
        del self._handles[handle.pid]
        for fd in (handle.pidfd, handle.control.fileno(), handle.ask.fileno()):
            with contextlib.suppress(OSError):
                self._epoll.unregister(fd)
        status = handle.close()
        now = monotonic()
        self._crashes = self._crashes + 1 if now - self._last_crash < _STABLE else 1
        # Closing lets Kong try its events again, on another worker. What froze a worker, or crashes one after another,
        # would come back without end: that is refused.
        refused = not self._drain_until and (handle.frozen or self._crashes > 1)
        for peer in handle.connections.values():
            self._closing.add(peer, self._refusal if refused else b"", now)
        if self._drain_until:
            return
        self._last_crash = now
        pause = min(_FIRST_PAUSE * 2 ** (self._crashes - 2), _LONGEST_PAUSE) if self._crashes > 1 else 0.0
        self._start_at.append(now + pause)
        log.line(
            "error",
            "worker_ended",
            worker=handle.pid,
            status=os.waitstatus_to_exitcode(status),
            connections=len(handle.connections),
            refused=refused,
            replaced_in=pause,
        )

    def _drain(self, now: float) -> None:
        log.line("info", "draining", cause="signal" if self._told_to_end else "parent is gone")
        self._drain_until = now + self._settings.drain + _KILL_AFTER
        self._listener.unlink()
        if not self._listener.passed_on:  # else the next server finds what waits in the backlog
            self._accept()
        if self._accepting:
            self._epoll.unregister(self._listener.socket.fileno())
            self._accepting = False
        self._listener.close()
        for handle in self._handles.values():
            handle.tell(control.DRAIN)


def _common_refusal(plugins: dict[str, LoadedPlugin]) -> bytes:
    # Which plugin an event was for is known only to the worker that is gone.
    refusals = {plugin.refusal.frames for plugin in plugins.values()}
    return refusals.pop() if len(refusals) == 1 else DEFAULT_REFUSAL.frames
