"""What the sidecar keeps of inspected requests until Kong tells of them."""

import pytest

from mcp_core.methods import Lane
from mcp_core.reasons import Ending, Reason
from mcp_core.record import MOST_TEXT, Hop, Record, RefusedBecause
from mcp_core.telemetry.visit import read
from mcp_sidecar.telemetry.heard import MOST, Heard
from servers.kong_records import NOW, SAID, logged

LONG = "n" * 8192
SAW = Record(
    Hop.SIDECAR, Ending.WITHHELD, "notes", name=LONG, refused=RefusedBecause(Reason.DENIED_ITEM, LONG, name=LONG)
)


@pytest.mark.requirement("TEL-102")
def test_texts_that_agents_make_long_are_kept_short():
    heard = Heard(MOST)
    heard.put("a" * 32, SAW)
    visit, _ = read(logged(said={**SAID, "lane": Lane.INSPECT}), NOW)
    found = heard.joined(visit).record
    assert (found.outcome, found.reason, found.name) == (Ending.WITHHELD, Reason.DENIED_ITEM, "good")
    assert found.refused.name == found.refused.detail == "n" * MOST_TEXT
    assert LONG not in repr(vars(heard))


@pytest.mark.requirement("TEL-102")
def test_where_no_collector_runs_nothing_is_kept():
    heard = Heard(0)
    for number in range(3):
        heard.put(f"{number:032x}", SAW)
    assert not heard._kept
