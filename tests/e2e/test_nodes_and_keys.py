"""Sessions of the legacy era outlive the node that opened them, and a change of keys."""

import json

import pytest

from e2e.harness import another_node, call, start
from e2e.test_sessions import initialize, whoami
from kong_mcp.dev import fresh_keys

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def first(kind):
    with start(kind, {"team": 2}) as running:
        yield running


def replicas_of(node, sessions):
    """Return which replica answers each session at a node, or the status of the refusal."""
    with node.client("bob") as client:
        return [whoami(client, node.url("team"), headers) for headers in sessions]


@pytest.mark.requirement("E2E-019")
def test_a_node_with_the_new_key_in_front_opens_what_the_old_one_sealed(first):
    old, new = first.dev.settings.keys, fresh_keys()
    sessions, opened = [], []
    # Chance says which replica opens one: of eight sessions all are one's in one run of a hundred.
    while len(sessions) < 8 or (len(set(opened)) == 1 and len(sessions) < 60):
        with first.client("bob") as client:
            sessions.append(initialize(client, first.url("team")))
        opened += replicas_of(first, sessions[-1:])
    assert set(opened) == {"team-1", "team-2"}
    with another_node(first, f"{new},{old}") as rotated:
        assert replicas_of(rotated, sessions) == opened
        with rotated.client("bob") as client:
            renewed = [initialize(client, rotated.url("team")) for _ in range(4)]
        # Until every node has the new key, what is sealed with it opens only where it is known.
        assert replicas_of(first, renewed) == [404] * 4
    with another_node(first, f"{old},{new}") as prepared:
        assert replicas_of(prepared, renewed + sessions) == replicas_of(prepared, renewed) + opened


@pytest.mark.requirement("E2E-019")
def test_a_node_without_the_key_opens_nothing(first):
    with first.client("bob") as client:
        headers = initialize(client, first.url("team"))
    before = first.executed("team")
    with another_node(first, fresh_keys()) as stranger, stranger.client("bob") as client:
        answer = client.post(stranger.url("team"), json=call("good"), headers=headers)
        assert (answer.status_code, json.loads(answer.text)["error"]["code"]) == (404, -32001)
    assert first.executed("team") == before
