"""The states of a connection from Kong, and what leads from one to another: one table.

Pure: no I/O. Kong uses a connection for one event at a time, and for the next when the last is over.

    IDLE --BEGIN--> RUNNING --SEND_END--> ENDED --FINISH--> IDLE
                      | STOP                 | HALF_CLOSE
                      v                      v
                    STOPPED --SEND_END--> ENDED        CLOSING, and at the end CLOSED

Whatever else happens in a state is not possible, and an error of ours: NotPossibleError, before anything is sent.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from kong_pluginserver.errors import NotPossibleError


class ConnectionState(StrEnum):
    """Where a connection is."""

    IDLE = "idle"
    """No event is in flight."""
    RUNNING = "running"
    """An event, in which PDK calls may be made."""
    STOPPED = "stopped"
    """An event in which a PDK call ended with a Stop: no other may be made, though its plugin may have swallowed it."""
    ENDED = "ended"
    """The end of the event has been sent; Kong may still owe replies."""
    TORN = "torn"
    """A frame was sent in part only, so nothing that follows would be understood."""
    CLOSING = "closing"
    """Half closed: what Kong still sends is not served."""
    CLOSED = "closed"


class Step(StrEnum):
    """What happens to a connection."""

    BEGIN = "begin"
    STOP = "stop"
    SEND_END = "send end"
    FINISH = "finish"
    TEAR = "tear"
    HALF_CLOSE = "half close"
    CLOSE = "close"


TABLE: Final[dict[ConnectionState, dict[Step, ConnectionState]]] = {
    ConnectionState.IDLE: {
        Step.BEGIN: ConnectionState.RUNNING,
        Step.TEAR: ConnectionState.TORN,
        Step.HALF_CLOSE: ConnectionState.CLOSING,
        Step.CLOSE: ConnectionState.CLOSED,
    },
    ConnectionState.RUNNING: {
        Step.STOP: ConnectionState.STOPPED,
        Step.SEND_END: ConnectionState.ENDED,
        Step.FINISH: ConnectionState.IDLE,
        Step.TEAR: ConnectionState.TORN,
        Step.CLOSE: ConnectionState.CLOSED,
    },
    ConnectionState.STOPPED: {
        Step.STOP: ConnectionState.STOPPED,
        Step.SEND_END: ConnectionState.ENDED,
        Step.FINISH: ConnectionState.IDLE,
        Step.TEAR: ConnectionState.TORN,
        Step.CLOSE: ConnectionState.CLOSED,
    },
    ConnectionState.ENDED: {
        Step.STOP: ConnectionState.ENDED,
        Step.FINISH: ConnectionState.IDLE,
        Step.HALF_CLOSE: ConnectionState.CLOSING,
        Step.CLOSE: ConnectionState.CLOSED,
    },
    ConnectionState.TORN: {
        Step.STOP: ConnectionState.TORN,
        Step.FINISH: ConnectionState.TORN,
        Step.TEAR: ConnectionState.TORN,
        Step.CLOSE: ConnectionState.CLOSED,
    },
    ConnectionState.CLOSING: {
        Step.FINISH: ConnectionState.CLOSING,
        Step.TEAR: ConnectionState.TORN,
        Step.CLOSE: ConnectionState.CLOSED,
    },
    ConnectionState.CLOSED: {},
}


def after(state: ConnectionState, step: Step) -> ConnectionState:
    """Return the state that a step leads to.

    Raises:
        NotPossibleError: it cannot happen in this state.
    """
    try:
        return TABLE[state][step]
    except KeyError:
        raise NotPossibleError(f"{step} while {state}") from None
