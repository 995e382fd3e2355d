"""Kong's stock image with the plugin server and two sidecars beside it: broken, restarted and rolled under load."""

import shutil
from collections import Counter

import pytest

from resilience.shape import AGENTS, RELOADS, Load, NoHistoryError, break_shape, last_release, lost, refused, unguarded
from servers.launch import replicas


@pytest.mark.requirement("SHIP-301")
def test_what_comes_past_a_guard_would_be_counted():
    with replicas("notes") as (replica,):
        load = Load(replica.url, 1)
        load.more(3)
        load.stop()
        table, past = load.table()["before"], unguarded(replica)
    assert (table["denied"]["open"] >= 3, table["lists"]["open"] >= 3) == (True, True)
    assert past >= table["calls"]["ok"] + table["denied"]["open"] * 2
    assert refused(Counter(ok=3, ReadTimeout=1)) == 0.25


@pytest.mark.requirement("SHIP-301")
def test_only_a_reload_may_cut_a_kept_connection_and_each_agents_once():
    assert lost(RELOADS[0], Counter(ok=9, ReadError=1, RemoteProtocolError=1), 2) == 0
    assert lost(RELOADS[0], Counter(ok=9, ReadError=3), 2) == 1
    assert lost("plugin server restarted", Counter(ok=9, ReadError=1), 2) == 1
    assert lost(RELOADS[0], Counter({"ok": 9, 502: 1, "ReadTimeout": 1}), 2) == 2


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.requirement("SHIP-301")
@pytest.mark.skipif(not shutil.which("kong"), reason="there is no kong on the PATH")
@pytest.mark.parametrize("kept", [True, False], ids=["systemd", "containers"])
def test_a_broken_node_opens_nothing_and_a_restarted_or_rolled_one_refuses_nothing_either(kept):
    try:
        with last_release():
            pass
    except NoHistoryError as error:
        pytest.skip(str(error))
    table, graceful, past = break_shape(kept=kept, calls=300, pause=0.05)
    assert past == 0
    assert not [step for step, kinds in table.items() if any(came["open"] for came in kinds.values())]
    for step in graceful:
        for kind in ("calls", "lists"):
            assert table[step][kind]["ok"] > 0
            assert lost(step, table[step][kind], AGENTS) == 0, (step, table[step])
