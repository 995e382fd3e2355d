"""Sessions of official clients outlive the replicas that opened them, where the policy lets them be opened again."""

import pytest

from e2e.harness import start
from node.tools import node
from resilience.conftest import OPEN
from resilience.living import live
from servers.launch import wait_for

pytestmark = [pytest.mark.long, pytest.mark.slow]


@pytest.mark.requirement("LIVE-106")
def test_thirty_sessions_go_on_while_each_of_three_replicas_is_restarted(kind):
    policy = OPEN | {"repeat": {"sessions": "resume"}}
    with start(kind, {"team": 3}, policy) as running:

        def restart_all(seen):
            for replica in running.servers["team"]:
                replica.restart()
                done = seen.ok
                wait_for(lambda d=done: seen.ok > d + 60, lambda: f"{seen}", seconds=60)

        seen = live(running, "team", python=20, typescript=10 if node() else 0, pause=0.3, disturb=restart_all)
    assert seen.alive == (30 if node() else 20)
    assert not seen.lost
    assert seen.ok > 30


@pytest.mark.requirement("LIVE-106")
def test_without_the_policy_a_session_ends_with_its_replica(kind):
    with start(kind, {"team": 1}, OPEN) as running:
        seen = live(
            running, "team", python=1, typescript=0, pause=0.1, disturb=lambda _: running.servers["team"][0].restart()
        )
    assert seen.alive == 0
    assert seen.lost
