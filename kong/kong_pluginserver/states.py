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


class State(StrEnum):
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


TABLE: Final[dict[State, dict[Step, State]]] = {
    State.IDLE: {
        Step.BEGIN: State.RUNNING,
        Step.TEAR: State.TORN,
        Step.HALF_CLOSE: State.CLOSING,
        Step.CLOSE: State.CLOSED,
    },
    State.RUNNING: {
        Step.STOP: State.STOPPED,
        Step.SEND_END: State.ENDED,
        Step.FINISH: State.IDLE,
        Step.TEAR: State.TORN,
        Step.CLOSE: State.CLOSED,
    },
    State.STOPPED: {
        Step.STOP: State.STOPPED,
        Step.SEND_END: State.ENDED,
        Step.FINISH: State.IDLE,
        Step.TEAR: State.TORN,
        Step.CLOSE: State.CLOSED,
    },
    State.ENDED: {
        Step.STOP: State.ENDED,
        Step.FINISH: State.IDLE,
        Step.HALF_CLOSE: State.CLOSING,
        Step.CLOSE: State.CLOSED,
    },
    State.TORN: {Step.STOP: State.TORN, Step.FINISH: State.TORN, Step.TEAR: State.TORN, Step.CLOSE: State.CLOSED},
    State.CLOSING: {Step.FINISH: State.CLOSING, Step.TEAR: State.TORN, Step.CLOSE: State.CLOSED},
    State.CLOSED: {},
}


def after(state: State, step: Step) -> State:
    """Return the state that a step leads to.

    Raises:
        NotPossibleError: it cannot happen in this state.
    """
    try:
        return TABLE[state][step]
    except KeyError:
        raise NotPossibleError(f"{step} while {state}") from None
