"""Flow rules on a virtual server: what is refused after what was read, in both eras."""

import pytest

from mcp_core.adaptive.flow import ReadLabel
from mcp_core.outcome import Reject
from mcp_core.reasons import Ending, Reason
from mcp_core.virtual import BudgetMode, ListBudget
from mcp_sidecar.adaptive.sessions import AgentSaid, new_id

from flow_desk import ERAS, FLOW, is_closed, legacy, tainted  # isort: skip


@pytest.mark.requirement("FLOW-102")
@pytest.mark.parametrize("era", ERAS, ids=["modern", "legacy"])
@pytest.mark.parametrize("way_out", ["send_mail", "unknown"])
def test_who_has_read_both_may_not_write_outside_and_hears_why(agent, called, era, way_out):
    async def work(desk):
        for name in ("send_mail", "read_web", "send_mail", "read_mail"):
            assert not isinstance(await desk.used(name, **era), Reject)
        assert is_closed(await desk.used(way_out, **era))
        assert not isinstance(await desk.used("read_mail", **era), Reject)

    agent(work)
    assert [one["name"] for one in called] == ["send_mail", "read_web", "send_mail", "read_mail", "read_mail"]


@pytest.mark.requirement("FLOW-102")
def test_call_tool_is_judged_as_the_direct_call(agent, called):
    async def work(desk):
        await desk.used("read_web")
        await desk.used("read_mail")
        assert is_closed(await desk.used("call_tool", {"name": "send_mail", "arguments": {}}))
        assert not isinstance(await desk.used("call_tool", {"name": "read_mail", "arguments": {}}), Reject)

    agent(work, budget=ListBudget(1, BudgetMode.SEARCH))
    assert [one["name"] for one in called] == ["read_web", "read_mail", "read_mail"]


@pytest.mark.requirement("FLOW-102")
@pytest.mark.parametrize("permits", [[{"server": "weather", "tools": ["send_mail"], "consumers": ["alice"]}]])
def test_a_permit_lets_pass_what_it_names(agent, permits):
    async def work(desk):
        await desk.used("read_web")
        await desk.used("read_mail")
        assert not isinstance(await desk.used("send_mail"), Reject)
        assert is_closed(await desk.used("unknown"))
        await tainted(desk, principal="bob")
        assert is_closed(await desk.used("send_mail", principal="bob"))

    agent(work, flow={**FLOW, "permits": permits})


@pytest.mark.requirement("FLOW-102")
def test_monitor_mode_notes_and_lets_pass(agent):
    async def work(desk):
        await desk.used("read_web")
        await desk.used("read_mail")
        assert not isinstance(await desk.used("send_mail"), Reject)
        return desk.line.record()

    record = agent(work, flow={**FLOW, "mode": "monitor"})
    assert (record.outcome, record.reason) == (Ending.WOULD_REFUSE, Reason.FLOW)


@pytest.mark.requirement("FLOW-103")
def test_a_session_knows_what_was_read_in_it_and_another_does_not(agent):
    other = new_id(AgentSaid("2025-11-25", {}, {}))

    async def work(desk):
        await desk.used("read_web", **legacy())
        await desk.used("read_mail", **legacy())
        assert not isinstance(await desk.used("send_mail", **legacy(other)), Reject)
        assert is_closed(await desk.used("send_mail", **legacy()))
        # Without a session all that its principal read counts, in sessions too; that of others does not.
        assert is_closed(await desk.used("send_mail"))
        assert not isinstance(await desk.used("send_mail", principal="bob"), Reject)

    agent(work)


@pytest.mark.requirement("FLOW-103")
def test_without_sessions_what_was_read_counts_for_the_window(agent):
    now = [1_000.0]

    async def work(desk):
        await desk.used("read_web")
        now[0] += 59
        await desk.used("read_mail")
        assert is_closed(await desk.used("send_mail"))
        now[0] += 61
        assert not isinstance(await desk.used("send_mail"), Reject)

    agent(work, flow={**FLOW, "window": 60}, wall=lambda: now[0])


class Broken:
    """A memory of which one way fails."""

    def __init__(self, way):
        self.way = way

    def read_by(self, *_asked):
        if self.way == "read":
            raise OSError("no store")
        return frozenset({ReadLabel.PRIVATE})

    def note(self, *_asked):
        if self.way == "write":
            raise OSError("no store")


@pytest.mark.requirement("FLOW-104")
@pytest.mark.parametrize("memory", [None, Broken("read")])
def test_where_nobody_knows_what_was_read_nothing_is_written_outside(agent, called, memory):
    async def work(desk):
        heard = await desk.used("send_mail")
        assert isinstance(heard, Reject)
        assert heard.reason is Reason.FLOW_UNKNOWN
        assert "it is not known" in heard.message
        assert not isinstance(await desk.used("read_mail"), Reject)

    agent(work, memory=memory)
    assert [one["name"] for one in called] == ["read_mail"]


@pytest.mark.requirement("FLOW-104")
def test_what_cannot_be_written_down_is_not_read(agent, called):
    async def work(desk):
        heard = await desk.used("read_mail")
        assert (heard.reason, heard.http_status()) == (Reason.FLOW_UNKNOWN, 503)
        assert not isinstance(await desk.used("send_mail"), Reject)

    agent(work, memory=Broken("write"))
    assert [one["name"] for one in called] == ["send_mail"]


@pytest.mark.requirement("FLOW-114")
@pytest.mark.parametrize("memory", [None, Broken("read"), Broken("write")])
@pytest.mark.parametrize("way", ["rules", "server"])
def test_monitor_mode_lets_all_pass_while_the_store_is_away_and_notes_it(agent, called, memory, way):
    flow, more = ({**FLOW, "mode": "monitor"}, {}) if way == "rules" else (FLOW, {"enforce": False})

    async def work(desk):
        outcomes = []
        for name in ("read_mail", "send_mail", "unknown"):
            heard = await desk.used(name, **more)
            assert not isinstance(heard, Reject), name
            outcomes.append((desk.line.record().outcome, desk.line.record().reason))
        return outcomes

    outcomes = agent(work, flow=flow, memory=memory)
    assert len(called) == 3
    assert (Ending.WOULD_REFUSE, Reason.FLOW_UNKNOWN) in outcomes


@pytest.mark.requirement("FLOW-114")
def test_a_whole_output_is_read_in_monitor_mode_while_the_store_is_away(agent):
    memory, other = Broken(""), new_id(AgentSaid("2025-11-25", {}, {}))

    async def work(desk):
        said = await desk.used("read_mail", {"say": "word " * 1_000}, **legacy())
        memory.way = "write"
        reads = {**legacy(other), "method": "resources/read"}
        assert not isinstance(await desk.used("", params={"uri": said["content"][-1]["uri"]}, **reads), Reject)

    agent(work, flow={**FLOW, "mode": "monitor"}, budget=ListBudget(10_000, output=100), memory=memory)


@pytest.mark.requirement("VIRT-412")
@pytest.mark.requirement("FLOW-103")
@pytest.mark.parametrize("era", ERAS, ids=["modern", "legacy"])
def test_the_whole_of_a_cut_output_is_private_as_the_call_was(agent, era):
    other = {**era, "session": new_id(AgentSaid("2025-11-25", {}, {}))} if "session" in era else era

    async def work(desk):
        said = await desk.used("read_mail", {"say": "word " * 1_000}, **era)
        uri = said["content"][-1]["uri"]
        reads = {"params": {"uri": uri}, "method": "resources/read"}
        unknown = await desk.used("", principal="bob", **{**other, **reads})
        assert unknown.reason is Reason.DENIED_ITEM
        whole = await desk.used("", **{**other, **reads})
        assert whole["contents"] == [{"uri": uri, "mimeType": "text/plain", "text": "word " * 1_000}]
        await desk.used("read_web", **other)
        assert is_closed(await desk.used("send_mail", **other))

    agent(work, budget=ListBudget(10_000, output=100))
