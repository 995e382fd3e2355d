"""Each part of a node is restarted while agents call: what Kong can hold, it holds."""

import shutil

import pytest

from resilience.rolling import roll
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
        seen = roll(replica, agents=3, more=20)
    for step, kinds in seen.items():
        assert kinds["calls"].keys() == {"ok"}, (step, kinds)
        assert kinds["lists"].keys() == {"ok"}, (step, kinds)
