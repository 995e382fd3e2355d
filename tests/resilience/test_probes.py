"""Replicas that do not speak MCP any more get no calls, and get them again when they do, whatever HTTP says of them."""

import contextlib

import httpx
import pytest

from resilience.conftest import gateway
from servers.launch import wait_for
from servers.moody_server import MoodyServer, call

pytestmark = [pytest.mark.long, pytest.mark.slow]
ILL = ("hangs", "page", "errors", "other-id")
ALIVE = ("asks-who", "busy")
IN_A_ROW = 8


@pytest.fixture(scope="module")
def running(kind):
    """Servers of two replicas, named by the mood that the second one gets, and one of a single replica."""
    with contextlib.ExitStack() as stack:
        names = [*ILL, *ALIVE, "alone"]
        servers = {name: [MoodyServer() for _ in range(1 if name == "alone" else 2)] for name in names}
        for replica in [one for several in servers.values() for one in several]:
            stack.callback(replica.close)
        yield stack.enter_context(gateway(kind, servers, probes=True))


def answers(client, running, server, count=1):
    """Call a tool so often; return what came: the port of the replica, or what went wrong."""
    came = []
    for _ in range(count):
        try:
            answer = client.post(running.url(server), timeout=0.5, **call("note", "x"))
            body = answer.json()
            came.append(body["result"]["content"][0]["text"] if "result" in body else f"error {answer.status_code}")
        except (httpx.HTTPError, ValueError) as error:
            came.append(type(error).__name__)
    return came


@pytest.mark.requirement("LIVE-001")
def test_replicas_that_are_ill_in_any_way_go_out_of_rotation_and_come_back(running):
    with running.client("bob") as client:
        for name in ILL:
            running.servers[name][1].mood = name
        for name in ILL:
            well = str(running.servers[name][0].port)
            wait_for(
                lambda name=name, well=well: set(answers(client, running, name, IN_A_ROW)) == {well},
                lambda name=name: f"{name}: {answers(client, running, name, IN_A_ROW)}",
            )
        for name in ILL:
            running.servers[name][1].mood = "well"
        for name in ILL:
            back = str(running.servers[name][1].port)
            wait_for(
                lambda name=name, back=back: back in answers(client, running, name, 2),
                lambda name=name: f"{name}: {answers(client, running, name, IN_A_ROW)}",
            )


@pytest.mark.requirement("LIVE-002")
def test_what_wants_to_know_who_asks_or_has_much_to_do_is_never_called_dead(running):
    with running.client("bob") as client:
        for name in ALIVE:
            replica = running.servers[name][1]
            replica.mood = name
            probed = replica.asked.count("server/discover")
            # Two more findings would have taken it out; who says when to come back is asked that often no more.
            more = 3 if name == "asks-who" else 1
            wait_for(
                lambda r=replica, p=probed, m=more: r.asked.count("server/discover") >= p + m,
                lambda: "it is not probed",
            )
            replica.calls_only = True
            seen = answers(client, running, name, IN_A_ROW)
            assert set(seen) - {str(running.servers[name][0].port)}, seen
            replica.mood = "well"


@pytest.mark.requirement("LIVE-003")
def test_a_server_without_a_replica_that_is_well_is_refused_at_once_with_why_and_when(running):
    (replica,) = running.servers["alone"]
    with running.client("bob") as client:
        replica.mood = "hangs"

        def refused():
            with contextlib.suppress(httpx.ReadTimeout):
                answer = client.post(running.url("alone"), timeout=2, **call("note", "x", id_=7))
                return answer if answer.status_code == 503 else None

        answer = wait_for(refused, lambda: "calls still go to a server that hangs")
        error = answer.json()
        assert (error["id"], error["error"]["data"]) == (7, {"reason": "no-replica"})
        assert int(answer.headers["retry-after"]) >= 1
        executed = list(replica.executed)
        assert refused().json()["error"]["data"] == {"reason": "no-replica"}
        assert replica.executed == executed
        others = answers(client, running, "page", IN_A_ROW)
        assert all(other.isdigit() for other in others), others
        replica.mood = "well"
        wait_for(lambda: answers(client, running, "alone") == [str(replica.port)], lambda: "it does not come back")
