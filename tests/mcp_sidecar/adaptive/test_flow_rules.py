"""Flow rules on a virtual server: what is refused after what was read, in both eras, and when a person is asked."""

import json

import anyio
import pytest

from mcp_core.adaptive.flow import FlowRules, ReadLabel
from mcp_core.outcome import Reject
from mcp_core.reasons import Ending, Reason
from mcp_core.virtual import BudgetMode, ListBudget
from mcp_sidecar.adaptive import consent
from mcp_sidecar.adaptive.consent import ASK_SECONDS, KEY, Consents
from mcp_sidecar.adaptive.flow_gate import FlowGate
from mcp_sidecar.adaptive.flows import Flows
from mcp_sidecar.adaptive.relay import dumped
from mcp_sidecar.adaptive.serving import Serving
from mcp_sidecar.adaptive.sessions import AgentSaid, new_id
from mcp_sidecar.lane.fetched import Failed, Said, Whole
from mcp_sidecar.logs import Line

FLOW = {
    "mode": "enforce",
    "labels": [
        {"server": "weather", "tools": ["read_web"], "reads": ["untrusted"]},
        {"server": "weather", "tools": ["read_mail"], "reads": ["private"]},
        {"server": "weather", "tools": ["send_mail"], "writes": ["external"]},
    ],
}
MODERN = {"method": "tools/call", "era": "modern", "version": "2026-07-28"}
CAPABLE = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}
SESSION = new_id(AgentSaid("2025-11-25", {"elicitation": {}}, {}))
MUTE = new_id(AgentSaid("2025-11-25", {}, {}))


class Desk:
    """A virtual server, used by agents. `all` are those of its sidecar, `line` is the log line of the last request."""

    def __init__(self, all_, call, flow, budget):
        self.all = all_
        self.line = None
        self._call = lambda body, **said: call(body, flow=FlowRules.from_json(flow), budget=budget, **said)

    async def used(self, name, arguments=None, *, meta=None, params=None, answer=None, at=None, **changes):
        """Return what an agent hears that calls a tool, or asks what `params` and `method` say.

        `answer` is what it answers when it is asked something, at the sidecar whose virtual servers `at` are.
        """
        said = {"name": name, "arguments": arguments or {}, **({"_meta": meta} if meta else {}), **(params or {})}
        era = {**MODERN, **changes}
        asked = self._call(dumped({"jsonrpc": "2.0", "id": 7, "method": era["method"], "params": said}), **era)
        self.line = Line(0.0)
        self.line.outcome = "passed"
        found = await Serving(self.all, asked, asked.claims.terms.virtual, self.line).answer()
        if isinstance(found, Reject):
            return found
        if isinstance(found, tuple):
            return json.loads(found[2])["result"]
        texts = []
        async with found.answer() as parts:
            async for part in parts:
                if isinstance(part, Failed):
                    return part.refusal
                if answer is not None and isinstance(part, Said) and b"elicitation/create" in part.text:
                    await self._answer({"id": json.loads(part.text)["id"], **answer}, at or self.all)
                elif isinstance(part, Whole | Said):
                    texts.append(part.text)
        return json.loads(texts[-1])["result"]

    async def _answer(self, answer, at):
        back = self._call(dumped({"jsonrpc": "2.0", **answer}), **legacy(SESSION), method="", id=None)
        status, _, _ = await Serving(at, back, back.claims.terms.virtual, Line(0.0)).answer()
        assert status == 202


@pytest.fixture
def agent(desk, call, memory, called):
    """Do work with a virtual server: `work(desk)`."""
    assert called == []

    def agent(work, *, flow=FLOW, memory=memory, wall=None, budget=None):
        async def run():
            async with desk(memory) as all_:
                if wall is not None:
                    all_.gate = FlowGate(Flows(memory, wall), Consents([b"k" * 32]), wall)
                return await work(Desk(all_, call, flow, budget))

        return anyio.run(run)

    return agent


def legacy(session=MUTE):
    return {"era": "legacy", "version": "2025-11-25", "session": session}


def is_closed(heard):
    return isinstance(heard, Reject) and heard.reason is Reason.FLOW and "writes outside" in heard.message


ERAS = [MODERN, legacy()]


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


YES = {"action": "accept", "content": {"allow": True}}
NO = [
    {"action": "decline"},
    {"action": "cancel"},
    {"action": "accept"},
    {"action": "accept", "content": {"allow": "true"}},
    {"action": "accept", "content": {"allow": False}},
    "accept",
    None,
]


async def tainted(desk, **era):
    await desk.used("read_web", **era)
    await desk.used("read_mail", **era)


@pytest.mark.requirement("FLOW-105")
def test_a_person_lets_one_call_pass_on_the_stream_of_a_session(agent, called):
    era = legacy(SESSION)

    async def work(desk):
        await tainted(desk, **era)
        heard = await desk.used("send_mail", {"to": "x"}, answer={"result": YES}, **era)
        assert heard["content"][0]["text"] == "done"
        assert is_closed(await desk.used("send_mail", {"to": "x"}, answer={"result": {"action": "decline"}}, **era))

    agent(work)
    assert [one["name"] for one in called] == ["read_web", "read_mail", "send_mail"]


@pytest.mark.requirement("FLOW-105")
@pytest.mark.parametrize("answer", [*({"result": one} for one in NO), {"error": {"code": -1, "message": "no"}}])
def test_no_answer_but_a_plain_yes_lets_a_call_of_a_session_pass(agent, called, answer):
    era = legacy(SESSION)

    async def work(desk):
        await tainted(desk, **era)
        assert is_closed(await desk.used("send_mail", answer=answer, **era))

    agent(work)
    assert len(called) == 2


@pytest.mark.requirement("FLOW-105")
@pytest.mark.parametrize(("answer", "passes"), [(YES, True), ({"action": "decline"}, False)])
def test_another_sidecar_may_hear_the_answer(agent, desk, memory, monkeypatch, answer, passes):
    monkeypatch.setattr(consent, "POLL_SECONDS", 0.01)
    era = legacy(SESSION)

    async def work(here):
        await tainted(here, **era)
        async with desk(memory) as there:
            said = await here.used("send_mail", answer={"result": answer}, at=there, **era)
        assert is_closed(said) is not passes

    agent(work)


@pytest.mark.requirement("FLOW-105")
def test_a_person_lets_one_call_pass_in_the_modern_era(agent, called):
    async def work(desk):
        await tainted(desk)
        asked = await desk.used("send_mail", {"to": "x"}, meta=CAPABLE)
        assert asked["resultType"] == "input_required"
        assert '"to": "x"' in asked["inputRequests"][KEY]["params"]["message"]
        back = {"requestState": asked["requestState"], "inputResponses": {KEY: YES}}
        heard = await desk.used("send_mail", {"to": "x"}, meta=CAPABLE, params=back)
        assert heard["content"][0]["text"] == "done"
        # It is for that call alone, and its caller.
        assert is_closed(await desk.used("send_mail", {"to": "y"}, meta=CAPABLE, params=back))
        assert is_closed(await desk.used("unknown", {"to": "x"}, meta=CAPABLE, params=back))
        await tainted(desk, principal="bob")
        assert is_closed(await desk.used("send_mail", {"to": "x"}, meta=CAPABLE, params=back, principal="bob"))

    agent(work)
    sent = [one for one in called if one["name"] == "send_mail"]
    assert len(sent) == 1
    assert not sent[0].keys() & {"requestState", "inputResponses"}


@pytest.mark.requirement("FLOW-105")
@pytest.mark.parametrize("answers", [*({KEY: one} for one in NO), {}, {"other": YES}, "yes"])
def test_no_answer_but_a_plain_yes_lets_a_call_of_the_modern_era_pass(agent, called, answers):
    async def work(desk):
        await tainted(desk)
        asked = await desk.used("send_mail", meta=CAPABLE)
        back = {"requestState": asked["requestState"], "inputResponses": answers}
        assert is_closed(await desk.used("send_mail", meta=CAPABLE, params=back))

    agent(work)
    assert len(called) == 2


@pytest.mark.requirement("FLOW-105")
def test_a_yes_that_comes_too_late_or_is_made_up_is_none(agent, called):
    now = [1_000.0]

    async def work(desk):
        await tainted(desk)
        asked = await desk.used("send_mail", meta=CAPABLE)
        back = {"requestState": "made.up", "inputResponses": {KEY: YES}}
        assert is_closed(await desk.used("send_mail", meta=CAPABLE, params=back))
        now[0] += ASK_SECONDS + 1
        back["requestState"] = asked["requestState"]
        assert is_closed(await desk.used("send_mail", meta=CAPABLE, params=back))

    agent(work, wall=lambda: now[0])
    assert len(called) == 2


@pytest.mark.requirement("FLOW-105")
@pytest.mark.parametrize(
    ("flow", "meta", "era"),
    [
        (FLOW, None, MODERN),
        (FLOW, {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"url": {}}}}, MODERN),
        ({**FLOW, "ask": False}, CAPABLE, MODERN),
        ({**FLOW, "ask": False}, None, legacy(SESSION)),
        (FLOW, None, legacy(MUTE)),
    ],
)
def test_nobody_is_asked_who_cannot_be_or_shall_not_be(agent, flow, meta, era):
    async def work(desk):
        await tainted(desk, **era)
        assert is_closed(await desk.used("send_mail", meta=meta, **era))

    agent(work, flow=flow)
