"""A connection's life: the table of its states, and what the states mean to whoever holds the connection."""

from __future__ import annotations

import socket

import pytest

from kong_pluginserver.connection import Connection
from kong_pluginserver.errors import Exited, NotPossibleError, OutOfStep, PeerVanished
from kong_pluginserver.hub import Hub
from kong_pluginserver.ledger import EMPTY_REPLY
from kong_pluginserver.states import TABLE, ConnectionState, Step, after


@pytest.fixture
def kong_and_connection():
    kong, ours = socket.socketpair()
    kong.settimeout(5)
    hub: Hub[Connection] = Hub(1, print, print)
    connection = Connection(hub, ours, 1, 1024, 1.0)
    yield kong, connection
    for one in (kong, ours, hub):
        one.close()


def test_every_state_is_in_the_table_and_every_one_but_the_first_is_reached():
    assert set(TABLE) == set(ConnectionState)
    reached = {ConnectionState.IDLE}
    for _ in ConnectionState:
        reached |= {new for state in reached for new in TABLE[state].values()}
    assert reached == set(ConnectionState)


def test_every_life_can_be_closed_once():
    assert {state for state in ConnectionState if Step.CLOSE in TABLE[state]} == set(ConnectionState) - {
        ConnectionState.CLOSED
    }
    assert TABLE[ConnectionState.CLOSED] == {}


def test_what_was_torn_is_never_used_for_another_event():
    assert set(TABLE[ConnectionState.TORN].values()) == {ConnectionState.TORN, ConnectionState.CLOSED}


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (ConnectionState.IDLE, Step.SEND_END),
        (ConnectionState.IDLE, Step.FINISH),
        (ConnectionState.RUNNING, Step.BEGIN),
        (ConnectionState.RUNNING, Step.HALF_CLOSE),
        (ConnectionState.ENDED, Step.SEND_END),
        (ConnectionState.ENDED, Step.BEGIN),
        (ConnectionState.TORN, Step.SEND_END),
        (ConnectionState.CLOSING, Step.BEGIN),
        (ConnectionState.CLOSED, Step.CLOSE),
    ],
)
def test_what_a_state_does_not_have_is_an_error(state, step):
    with pytest.raises(NotPossibleError, match=f"^{step} while {state}$"):
        after(state, step)


def test_an_event_runs_from_idle_to_idle(kong_and_connection):
    kong, connection = kong_and_connection
    assert connection.state is ConnectionState.IDLE
    connection.begin(1.0, can_exit=True)
    assert connection.deadline > 0
    connection.send_end(b"end")
    assert (kong.recv(16), connection.state) == (b"end", ConnectionState.ENDED)
    connection.finish()
    assert (connection.state, connection.deadline) == (ConnectionState.IDLE, 0.0)


def test_after_the_end_a_call_is_not_sent(kong_and_connection):
    kong, connection = kong_and_connection
    connection.begin(1.0, can_exit=True)
    connection.send_end(b"end")
    with pytest.raises(Exited):
        connection.send_later(b"call", EMPTY_REPLY)
    with pytest.raises(NotPossibleError):
        connection.send_end(b"again")
    assert kong.recv(16) == b"end"


def test_a_stop_that_a_plugin_swallows_is_raised_again_and_the_end_can_still_be_sent(kong_and_connection):
    kong, connection = kong_and_connection
    connection.begin(1.0, can_exit=True)
    stop = OutOfStep("this one")
    connection.fail(stop)
    for again in (connection.check_phase, lambda: connection.ask(b"call")):
        with pytest.raises(OutOfStep) as found:
            again()
        assert found.value is stop
    connection.send_end(b"end")
    assert kong.recv(16) == b"end"


def test_nothing_follows_a_frame_that_was_sent_in_part(kong_and_connection):
    kong, connection = kong_and_connection
    connection.begin(1.0, can_exit=True)
    connection.state = after(connection.state, Step.TEAR)
    with pytest.raises(PeerVanished):
        connection.send_end(b"end")
    with pytest.raises(PeerVanished):
        connection.ask(b"call")
    kong.setblocking(False)
    with pytest.raises(BlockingIOError):
        kong.recv(16)


def test_a_new_deadline_counts_though_the_last_one_has_passed(kong_and_connection):
    _, connection = kong_and_connection
    connection.begin(1.0, can_exit=True)
    connection.expired = True
    connection.allow(1.0)
    connection.check_phase()
    connection.allow_any_time()
    assert connection.deadline == 0.0
