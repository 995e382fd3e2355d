"""Each part of a node is restarted while agents call: what Kong can hold, it holds."""

import shutil

import pytest

from resilience.rolling import roll
from resilience.shape import lost
from servers.launch import replicas

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not shutil.which("kong"), reason="there is no kong on the PATH"),
]


@pytest.mark.requirement("LIVE-111")
def test_a_rolling_restart_of_sidecars_plugin_server_and_kong_loses_no_call_that_kong_can_hold():
    with replicas("notes") as (replica,):
        seen, _ = roll(replica, agents=3, more=20, idle=20)
    for step, kinds in seen.items():
        for came in kinds.values():
            assert came["ok"] > 0
            assert lost(step, came, 3) == 0, (step, kinds)
