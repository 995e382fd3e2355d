"""What a worker does with a connection: calls in, events run, and every failure turned into an answer that refuses.

Why a failed event is answered and never just dropped: Kong takes a connection that closes without an answer for a dead
plugin server, starts the instance anew and sends the event again, without end. That path is used on purpose for one
case only, an instance id that nobody knows.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from typing import Any, Final

from kong_pluginserver import description, log, rpc, whole
from kong_pluginserver.connection import Connection
from kong_pluginserver.errors import (
    DeadlineExceeded,
    Exited,
    MalformedFrame,
    NotCarried,
    NotText,
    OutOfStep,
    PeerVanished,
    Stop,
)
from kong_pluginserver.instances import Instance, Instances
from kong_pluginserver.loader import DEFAULT_REFUSAL, LoadedPlugin, Refusal
from kong_pluginserver.pdk import Namespace
from kong_pluginserver.recent import Recent
from kong_pluginserver.states import ConnectionState

# Kong raises an error for kong.response.exit in these, which the client would not see: nothing can be refused there.
_NO_EXIT: Final = frozenset({"certificate", "log"})
_END_SECONDS: Final = 2.0
_MOMENT: Final = 0.5
# For the replies that Kong owes when an event is over: it may still be reading a slow client's body, for a PDK call
# that took too long or that nobody waited for; nginx gives the client 60 s.
_LINGER: Final = 60.0
_SENT_TOGETHER: Final = 65536
"""Bytes of a verdict that a socket takes whole, where nothing else waits in it."""
# By digest. A cause that is forgotten is logged again; none goes unlogged.
_MOST_CAUSES: Final = 4096
_UNCONFIRMED: Final = (
    "Kong knows no upstream of this name, and the plugin does not wait to be told: its requests stay with the service "
    "of their route. Add the upstream to Kong's configuration."
)


class Service:
    """Serves connections. `kong` is the PDK of Kong's events, `carried` that of events in one frame.

    Attributes:
        ended: tokens of the connections that have ended, for the supervisor to be told.
    """

    def __init__(
        self,
        plugins: dict[str, LoadedPlugin],
        instances: Instances,
        kong: Namespace,
        carried: Namespace,
        deadline: float,
    ) -> None:
        self.ended: list[int] = []
        self._plugins = plugins
        self._instances = instances
        self._kong = kong
        self._carried = carried
        self._deadline = deadline
        self._verdicts: list[tuple[Connection, bytes]] = []
        self._logged: Recent[bytes, bool] = Recent(_MOST_CAUSES)
        self._marks = {name: plugin.mark for name, plugin in plugins.items()}

    def serve(self, connection: Connection) -> None:
        """Serve one connection until it ends. Nothing is ever raised: this is the edge."""
        try:
            while self._exchange(connection):
                pass
        except (PeerVanished, MalformedFrame, OutOfStep) as error:
            log.line("warning", "connection_lost", **log.cause(error))
        except DeadlineExceeded:
            pass  # an idle connection, told to end
        except Exception as error:  # noqa: BLE001 - the outermost edge of a connection
            log.line("error", "connection_failed", **log.cause(error))
        finally:
            connection.close()
            self.ended.append(connection.token)

    def _exchange(self, connection: Connection) -> bool:
        data = connection.next_call()
        if data is None:
            return False
        if connection.state is ConnectionState.CLOSING:
            _read_what_is_sent(connection)
            return False
        call = rpc.parse_call(data)
        if call.command == rpc.EVENT:
            return self._event(connection, call)
        if call.command == rpc.WHOLE:
            return self._whole_event(connection, call)
        if call.command == rpc.START:
            return self._start(connection, call)
        if call.command == rpc.CLOSE:
            self._instances.close(call.instance_id)
            connection.send(rpc.returned(call.sequence, rpc.status("", call.instance_id, 0)))
        elif call.command == rpc.STATUS:
            name = self._instances.name(call.instance_id)
            connection.send(rpc.returned(call.sequence, rpc.status(name or "", call.instance_id if name else 0, 0)))
        elif call.command == rpc.GET_NAMES:
            connection.send(rpc.returned(call.sequence, rpc.names(list(self._plugins))))
        else:
            connection.send(rpc.returned(call.sequence, self._info(call.name)))
        return True

    def _info(self, name: str) -> bytes:
        plugin = self._plugins.get(name)
        if plugin is None:
            return b""
        return rpc.info(name, plugin.phases, plugin.version, plugin.priority, plugin.info()["Schema"])

    def _start(self, connection: Connection, call: rpc.RpcCall) -> bool:
        connection.begin(self._deadline, can_exit=False)
        try:
            description.check(call.name, self._marks[call.name], call.config)
            instance_id = self._instances.start(call.name, call.config)
        except BaseException as error:  # noqa: BLE001 - a plugin's constructor may end in anything, SystemExit too
            # The protocol has no way to say no to a start. Kong logs a closed connection and answers 500, once for
            # each request and without trying again, so that a repaired configuration or environment works at once.
            connection.finish()
            self._log_once(call, error)
            return False
        connection.finish()
        connection.send(rpc.returned(call.sequence, rpc.status(call.name, instance_id, int(time.time()))))
        return True

    def _log_once(self, call: rpc.RpcCall, error: BaseException) -> None:
        cause = {"plugin": call.name[:100], **log.cause(error)}
        if isinstance(error, KeyError) and call.name not in self._plugins:
            cause["error"] = "no plugin of this name"
        # Another description is wrong for every configuration alike: one line says it.
        strange = isinstance(error, description.StrangeDescriptionError)
        if self._first(repr(cause).encode() + (b"" if strange else call.config)):
            log.line("error", "instance_not_started", **cause)

    def _first(self, what: bytes) -> bool:
        """Say whether this has not been logged yet, as far as that is remembered; from now on it has."""
        key = hashlib.sha256(what).digest()
        if self._logged.use(key):
            return False
        self._logged.keep(key, True)
        return True

    def _event(self, connection: Connection, call: rpc.RpcCall) -> bool:
        instance: Instance | None = None
        connection.begin(self._deadline, can_exit=call.name not in _NO_EXIT)
        try:
            instance = self._instances.get(call.instance_id)
            if instance is None:
                connection.finish()
                log.line("info", "unknown_instance", instance=call.instance_id)
                return False
            _run(connection, instance, call.name, self._kong)
            connection.send_end(rpc.event_end(call.sequence))
        except BaseException as error:  # noqa: BLE001 - the outermost edge of a phase: whatever it was, it refuses
            connection.allow_any_time()
            return self._failed(connection, call, instance, error)
        return self._settle(connection, call, instance, logged=False, answered=False)

    def _whole_event(self, connection: Connection, call: rpc.RpcCall) -> bool:
        """Answer an event that came in one frame: with a verdict, or with a refusal, but always with one frame."""
        event = whole.WholeEvent(call.config)
        instance: Instance | None = None
        connection.begin(self._deadline, can_exit=event.phase not in _NO_EXIT)
        connection.whole = event
        try:
            instance = self._instances.get(event.instance_id)
            said = _verdict(connection, instance, event, self._carried)
            frame = whole.answer(call.sequence, said)
        except BaseException as error:  # noqa: BLE001 - the outermost edge of a phase: whatever it was, it refuses
            connection.allow_any_time()
            _log_failure(call._replace(name=event.phase), instance, error, refused=True)
            frame = whole.answer(call.sequence, {"do": [], "exit": _refusal(instance, error).members})
        connection.whole = None
        connection.finish()
        if len(frame) <= _SENT_TOGETHER:
            self._verdicts.append((connection, frame))
            return True
        connection.allow(_END_SECONDS)
        connection.send(frame)
        connection.allow_any_time()
        return True

    def send_verdicts(self) -> None:
        """Send what events in one frame have come to since this was called last: to be called after each batch.

        Nothing else is in the way of such a frame, so it fits the socket. Were each sent at once, each would wake Kong,
        which takes the processor from the events behind it.
        """
        verdicts = self._verdicts
        for connection, frame in verdicts:
            connection.send_or_close(frame)
        verdicts.clear()

    def _failed(
        self, connection: Connection, call: rpc.RpcCall, instance: Instance | None, error: BaseException
    ) -> bool:
        exited = isinstance(error, Exited)
        if not exited:
            _log_failure(call, instance, error, refused=connection.can_exit)
        if connection.state is ConnectionState.TORN or isinstance(error, PeerVanished):
            return False
        if connection.state is not ConnectionState.ENDED:
            connection.allow(_END_SECONDS)
            if connection.can_exit:
                connection.send_end(_refusal(instance, error).frames)
            else:
                connection.send_end(rpc.event_end(call.sequence))
        answered = connection.can_exit
        if connection.ledger.broken:
            if answered:
                _let_answer_be_read(connection)
            return False
        return self._settle(connection, call, instance, logged=not exited, answered=answered) and not answered

    def _settle(
        self, connection: Connection, call: rpc.RpcCall, instance: Instance | None, *, logged: bool, answered: bool
    ) -> bool:
        """Read what Kong owes once the end of the event has been sent; False if the connection is of no use any more.

        Kong answers every call that came before the end, or it has abandoned the event, which has failed then. Where
        the end is an answer to the client (`answered`), Kong comes to read it whatever is wrong with its replies; a
        pass is worth nothing then, and the connection is closed under it.
        """
        settled = True
        if connection.ledger.pending:
            connection.allow(_LINGER)
            try:
                connection.settle()
            except Stop as error:
                settled = False
                connection.allow_any_time()
                if not logged:
                    _log_failure(call, instance, error, refused=False)
                if answered and connection.ledger.broken:
                    _let_answer_be_read(connection)
        connection.finish()
        if connection.ledger.unconfirmed:
            self._log_unconfirmed(connection, call, instance)
        return settled

    def _log_unconfirmed(self, connection: Connection, call: rpc.RpcCall, instance: Instance | None) -> None:
        for method, argument in connection.ledger.unconfirmed:
            if self._first(repr((call.instance_id, method, argument)).encode()):
                log.line(
                    "error",
                    "call_not_confirmed",
                    plugin=instance.plugin.name if instance else None,
                    instance=call.instance_id,
                    call=method,
                    argument=argument[:200],
                    meaning=_UNCONFIRMED,
                )


def _verdict(
    connection: Connection, instance: Instance | None, event: whole.WholeEvent, kong: Namespace
) -> dict[str, Any]:
    """Run the phase of an event that came in one frame, and return what is to be answered.

    Raises:
        BaseException: whatever the plugin raises, or why the event is over.
    """
    if instance is None:
        return whole.START_ANEW
    try:
        instance.phases[event.phase](kong)
        connection.check_phase()
        event.check()
    except NotCarried:
        return whole.ASK_LONG
    except Exited:
        connection.check_phase()
    return event.verdict()


def _refusal(instance: Instance | None, error: BaseException) -> Refusal:
    if instance is None:
        return DEFAULT_REFUSAL
    return instance.plugin.unreadable if isinstance(error, NotText) else instance.plugin.refusal


def _log_failure(call: rpc.RpcCall, instance: Instance | None, error: BaseException, *, refused: bool) -> None:
    known: dict[str, Any] = {"plugin": instance.plugin.name if instance else None, "phase": call.name[:20]}
    log.line("error", "event_refused" if refused else "event_failed", **known, **log.cause(error))


def _let_answer_be_read(connection: Connection) -> None:
    """Wait, at most `_LINGER` seconds, until Kong has read the answer that was sent.

    Were the connection closed before Kong has written what it owes, it would fail on that and not read the answer.
    """
    connection.half_close(_LINGER)
    with contextlib.suppress(PeerVanished, DeadlineExceeded):
        connection.linger()


def _read_what_is_sent(connection: Connection) -> None:
    """Read, for a moment, what Kong still sends on a connection that was half closed.

    Kong took it out of its pool just then, and asks again elsewhere when it finds no answer; were the connection closed
    between the two writes of its call, the second would fail, and the request with it.
    """
    connection.allow(_MOMENT)
    with contextlib.suppress(PeerVanished, DeadlineExceeded):
        connection.linger()


def _run(connection: Connection, instance: Instance, phase: str, kong: Namespace) -> None:
    run = instance.phases[phase]
    connection.begin_phase(instance.plugin.prefetch.get(phase, ()), instance.plugin.unawaited)
    run(kong)
    connection.check_phase()
