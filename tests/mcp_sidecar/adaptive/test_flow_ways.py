"""Every way from an agent of a virtual server to a member meets the flow rules, not calls alone."""

import json
import re
import threading
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from mcp_core import methods
from mcp_core.adaptive.flow import FlowRules
from mcp_core.methods import METHODS
from mcp_core.outcome import Reject
from mcp_core.principal import consumer
from mcp_core.reasons import Ending, Reason
from mcp_sidecar.adaptive import to_members
from mcp_sidecar.adaptive.changes import MemberChanges
from mcp_sidecar.adaptive.flows import flow_item
from mcp_sidecar.adaptive.serving import Serving
from mcp_sidecar.adaptive.sessions import AgentSaid, new_id
from mcp_sidecar.lane.fetched import Failed, Said
from mcp_sidecar.logs import Line

FLOW = {
    "mode": "enforce",
    "labels": [
        {"server": "weather", "tools": ["read_all", "ask_inside"], "reads": ["untrusted", "private"]},
        {"server": "weather", "tools": ["ask_outside"], "writes": ["external"]},
        {"server": "weather", "resources": ["note://*"]},
        {"server": "weather", "resources": ["out://*"], "writes": ["external"]},
    ],
}
SECRET = "s3cr3t"
MODERN = {"era": "modern", "version": "2026-07-28"}
LEGACY = {"era": "legacy", "version": "2025-11-25"}
TOOLS = ("read_all", "ask_inside", "ask_outside")
CAPABLE = {"capabilities": {"tools": {}, "resources": {"subscribe": True}}, "serverInfo": {"name": "w", "version": "1"}}
RESULTS = {
    "server/discover": {**CAPABLE, "supportedVersions": ["2026-07-28"]},
    "initialize": {**CAPABLE, "protocolVersion": "2025-11-25"},
    "tools/list": {"tools": [{"name": one, "inputSchema": {"type": "object"}} for one in TOOLS]},
    "resources/list": {"resources": []},
    "resources/templates/list": {
        "resourceTemplates": [{"name": one, "uriTemplate": f"{one}://{{id}}"} for one in ("note", "out")]
    },
    "tools/call": {"content": []},
    "resources/read": {"contents": []},
    "completion/complete": {"completion": {"values": []}},
}


class Member:
    """The member behind the virtual server. A call of a tool that asks waits for the agent's answer to its question.

    `opened` is set when a stream of a session is opened.
    """

    def __init__(self, words):
        self._words = words
        self.heard = []
        self.answered = threading.Event()
        self.opened = threading.Event()

    def play(self, request, connection):
        asked = json.loads(request.body or b"{}")
        self.heard.append((asked, request.headers))
        if not asked:
            self.opened.set()
        if "id" not in asked:
            connection.sendall(self._words.json_answer(b"", status="202 Accepted"))
            return
        if "method" not in asked:
            connection.sendall(self._words.json_answer(b"", status="202 Accepted"))
            self.answered.set()
            return
        name = asked.get("params", {}).get("name", "")
        if name.startswith("ask_"):
            question = {"jsonrpc": "2.0", "id": "q1", "method": "elicitation/create", "params": {}}
            connection.sendall(self._words.stream_answer(self._event(question), end=False))
            self.answered.wait(60)
            said = {"jsonrpc": "2.0", "id": asked["id"], "result": {"content": []}}
            connection.sendall(self._words.chunk(self._event(said)) + b"0\r\n\r\n")
            return
        result = {"resultType": "complete", **RESULTS.get(asked["method"], {})}
        said = {"jsonrpc": "2.0", "id": asked["id"], "result": result}
        more = "Mcp-Session-Id: of-weather\r\n" if asked["method"] == "initialize" else ""
        connection.sendall(self._words.json_answer(json.dumps(said).encode(), headers=more))

    def _event(self, message):
        return b"data: " + json.dumps(message).encode() + b"\n\n"

    def was_told(self, text):
        return any(text in f"{json.dumps(asked)}{headers}" for asked, headers in self.heard)


class Agent:
    """An agent of a virtual server, in one era. `line` is the log line of its last request."""

    def __init__(self, all_, call, flow, era):
        self._all = all_
        self._call = call
        self._flow = FlowRules.from_json(flow)
        self.era = {**era, "session": new_id(AgentSaid("2025-11-25", {}, {}))} if era is LEGACY else era

    async def sends(self, message, *, headers=None, **changes):
        """Return what an agent is answered, before it is read."""
        text = json.dumps({"jsonrpc": "2.0", **message}).encode() if message else b""
        said = {"method": message.get("method", ""), "id": message.get("id") if "method" in message else None}
        asked = self._call(text, flow=self._flow, **{**said, **self.era, **changes})
        asked.headers.update(headers or {})
        self.line = Line(0.0)
        self.line.outcome = "passed"
        return await Serving(self._all, asked, asked.claims.terms.virtual, self.line).answer()

    async def asks(self, method, params):
        """Return what an agent hears that asks: a refusal, or the last message."""
        return await heard(await self.sends({"id": 7, "method": method, "params": params}))

    async def reads_all(self):
        assert not isinstance(await self.asks("tools/call", {"name": "read_all", "arguments": {}}), Reject)


async def heard(answer):
    if isinstance(answer, Reject | tuple):
        return answer
    texts = []
    async with answer.answer() as parts:
        async for part in parts:
            if isinstance(part, Failed):
                return part.refusal
            texts.append(part.text)
    return json.loads(texts[-1]) if texts and texts[-1] else None


@pytest.fixture
def member(kong, words):
    member = Member(words)
    kong.play = member.play
    yield member
    member.answered.set()


@pytest.fixture
def agent(desk, call, memory):
    """Do work as an agent: `work(agent)`."""

    def agent(work, era, flow=FLOW):
        async def run():
            async with desk(memory) as all_:
                return await work(Agent(all_, call, flow, era))

        return anyio.run(run)

    return agent


def is_closed(said):
    return isinstance(said, Reject) and said.reason is Reason.FLOW and "writes outside" in said.message


def listen(*uris):
    return {"id": 7, "method": "subscriptions/listen", "params": {"notifications": {"resourceSubscriptions": uris}}}


@pytest.mark.requirement("FLOW-110")
@pytest.mark.parametrize("method", [*sorted(METHODS), "vendor/own", "", methods.RESPONSE_METHOD, "tasks/list"])
def test_what_no_label_can_name_counts_as_what_none_names(method):
    rules = FlowRules.from_json({"mode": "enforce", "labels": [{"server": "weather", "resources": ["*"]}]})
    assert flow_item("weather", method, {"uri": "a:b", "ref": {"uri": "a:b"}}).is_held(rules, consumer("ada")) is (
        method not in ("resources/read", "resources/subscribe", "resources/unsubscribe", "completion/complete")
    )


@pytest.mark.requirement("FLOW-110")
def test_one_module_alone_makes_requests_to_members():
    folder = Path(to_members.__file__).parent
    assert [
        path.name for path in sorted(folder.glob("*.py")) if re.search(r"\bRelay\(|\bFetch\(", path.read_text())
    ] == [
        "relay.py",
        "to_members.py",
    ]


@pytest.mark.requirement("FLOW-110")
def test_who_has_read_both_listens_to_no_resource_whose_uri_writes_outside(agent, member):
    async def work(agent):
        assert isinstance(await agent.sends(listen("out://before")), MemberChanges)
        await agent.reads_all()
        assert is_closed(await agent.sends(listen("note://1", f"out://{SECRET}")))
        stream = await agent.sends(listen("note://1", f"nobodys://{SECRET}"))
        assert stream._place.wanted["resourceSubscriptions"] == ["note://1"]

    agent(work, MODERN)
    assert not member.was_told(SECRET)


@pytest.mark.requirement("FLOW-110")
def test_a_stream_that_may_be_listened_to_is_opened_at_the_member(agent, member):
    async def work(agent):
        await agent.reads_all()
        async with (await agent.sends(listen("note://1"))).answer() as parts:
            async for part in parts:
                if isinstance(part, Said) and b"acknowledged" in part.text:
                    return

    agent(work, MODERN)
    assert member.was_told("note://1")


@pytest.mark.requirement("FLOW-110")
@pytest.mark.parametrize("method", ["resources/subscribe", "resources/unsubscribe", "resources/read"])
def test_who_has_read_both_names_no_member_a_uri_that_writes_outside(agent, member, method):
    async def work(agent):
        await agent.reads_all()
        assert is_closed(await agent.asks(method, {"uri": f"out://{SECRET}"}))
        assert not isinstance(await agent.asks(method, {"uri": "note://1"}), Reject)

    agent(work, LEGACY)
    assert not member.was_told(SECRET)
    assert member.was_told("note://1")


@pytest.mark.requirement("FLOW-110")
def test_who_has_read_both_completes_nothing_outside(agent, member):
    def completes(uri):
        ref = {"type": "ref/resource", "uri": uri}
        return {"ref": ref, "argument": {"name": "id", "value": SECRET}}

    async def work(agent):
        await agent.reads_all()
        assert is_closed(await agent.asks("completion/complete", completes("out://{id}")))

    agent(work, LEGACY)
    assert not member.was_told(SECRET)


@pytest.mark.requirement("FLOW-110")
@pytest.mark.parametrize(
    "told",
    [
        {"method": "notifications/progress", "params": {"progressToken": 1, "progress": 1, "message": SECRET}},
        {"method": "notifications/cancelled", "params": {"requestId": SECRET}},
        {"method": "notifications/roots/list_changed", "params": {"_meta": {"x": SECRET}}},
        {"method": "vendor/told", "params": {"x": SECRET}},
    ],
)
def test_what_an_agent_tells_meets_the_rules(agent, member, told):
    async def work(agent):
        # A member that no label names has a session, and nothing was read yet.
        assert not isinstance(await agent.asks("resources/read", {"uri": "note://1"}), Reject)
        assert not isinstance(await heard(await agent.sends({**told, "params": {"progressToken": "before"}})), Reject)
        await agent.reads_all()
        refused = await agent.sends(told)
        assert is_closed(refused)
        # Nobody waits for an answer to it, and the log says that it went nowhere.
        assert (refused.http_status(), refused.body()) == (202, b"")

    agent(work, LEGACY)
    assert member.was_told("before")
    assert not member.was_told(SECRET)


async def asked_in_a_call(agent, tool, then):
    """Call a tool that asks the agent, do `then` while it waits, and return the id that the agent may answer to."""
    message = {"id": 70, "method": "tools/call", "params": {"name": tool, "arguments": {}}}
    async with (await agent.sends(message)).answer() as parts:
        async for part in parts:
            if isinstance(part, Said) and b"elicitation/create" in part.text:
                await then(json.loads(part.text)["id"])


@pytest.mark.requirement("FLOW-111")
@pytest.mark.parametrize(("tool", "passes"), [("ask_inside", True), ("ask_outside", False)])
def test_an_answer_goes_where_the_request_may_go_in_which_the_member_asked(agent, member, tool, passes):
    async def work(agent):
        async def then(id_):
            await agent.reads_all()
            result = {"action": "accept", "content": {"x": SECRET}}
            assert is_closed(await agent.sends({"id": f"weather/{json.dumps(SECRET)}", "result": result}))
            assert not isinstance(await heard(await agent.sends({"id": id_, "result": result})), Reject)

        await asked_in_a_call(agent, tool, then)

    agent(work, LEGACY)
    (answer,) = [asked for asked, _ in member.heard if "id" in asked and "method" not in asked]
    assert answer["id"] == "q1"
    assert ("result" in answer) is passes
    assert member.was_told(SECRET) is passes


@pytest.mark.requirement("FLOW-110")
def test_a_call_outside_can_be_cancelled_without_a_word(agent, member):
    async def work(agent):
        async def then(_id):
            await agent.reads_all()
            cancels = {"requestId": 70, "reason": SECRET, "_meta": {"x": SECRET}}
            told = {"method": "notifications/cancelled", "params": cancels}
            await heard(await agent.sends(told, headers={"x-of-agent": SECRET}))
            member.answered.set()

        await asked_in_a_call(agent, "ask_outside", then)

    agent(work, LEGACY)
    assert [asked["params"] for asked, _ in member.heard if asked.get("method") == "notifications/cancelled"] == [
        {"requestId": 70}
    ]
    assert not member.was_told(SECRET)


@pytest.mark.requirement("FLOW-110")
def test_the_stream_of_a_session_tells_no_member_what_was_read(agent, member):
    async def work(agent):
        await agent.asks("resources/subscribe", {"uri": "note://1"})
        await agent.reads_all()
        headers = {"last-event-id": f"weather/{SECRET}", "x-of-agent": SECRET}
        async with (await agent.sends({}, headers=headers, http_method="GET")).answer() as parts:
            async for part in parts:
                if isinstance(part, Said):
                    assert await anyio.to_thread.run_sync(member.opened.wait, 60)
                    return

    agent(work, LEGACY)
    assert not member.was_told(SECRET)


@pytest.mark.requirement("FLOW-110")
def test_a_stream_goes_on_after_an_event_where_nothing_was_read(agent, member):
    async def work(agent):
        await agent.asks("resources/read", {"uri": "note://1"})
        headers = {"last-event-id": "weather/e9"}
        await heard(await agent.sends({}, headers=headers, http_method="GET"))

    agent(work, LEGACY)
    assert [headers["last-event-id"] for _, headers in member.heard if "last-event-id" in headers] == [["e9"]]


@pytest.mark.requirement("FLOW-110")
def test_monitor_mode_notes_what_is_listened_to_and_lets_it_pass(agent, member):
    async def work(agent):
        await agent.reads_all()
        assert isinstance(await agent.sends(listen("out://1")), MemberChanges)
        return agent.line.record()

    assert member.heard == []
    assert agent(work, MODERN, {**FLOW, "mode": "monitor"}).outcome == Ending.WOULD_REFUSE
