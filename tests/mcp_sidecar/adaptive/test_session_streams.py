"""What members say in an agent's session beside their answers, and what the agent chooses there."""

import json

import anyio
import pytest

from mcp_core.adaptive.flow import FlowRules
from mcp_core.outcome import Reject
from mcp_sidecar.adaptive import changes, sessions, warm
from mcp_sidecar.adaptive.relay import dumped
from mcp_sidecar.adaptive.serving import Serving
from mcp_sidecar.adaptive.sessions import AgentSaid, new_id
from mcp_sidecar.lane.fetched import Said, Whole
from mcp_sidecar.logs import Line

LONG = 10_000.0
SESSION = new_id(AgentSaid("2025-11-25", {}, {"name": "c", "version": "1"}))
DONE = {"jsonrpc": "2.0", "id": 7, "result": {"content": []}}
CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
ASKS = {"jsonrpc": "2.0", "id": 1, "method": "roots/list"}
LOGS = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}}
UPDATED = {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "note://1"}}
HIDDEN = {**UPDATED, "params": {"uri": "hidden://1"}}
NONE = {"jsonrpc": "2.0", "id": "server-error", "error": {"code": -32000, "message": "Not found"}}
PROGRESS = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}
READING = {"mode": "enforce", "labels": [{"server": "weather", "tools": ["tool"], "reads": ["untrusted"]}]}


class Member:
    """Keeps sessions, lists `tools`, says `beside` an answer to a call, and on its session's stream `unasked`.

    None in place of `unasked` is a member that has no such streams, and says so with `status`.
    """

    def __init__(self, kong, words):
        kong.play, self._kong, self._words = self._play, kong, words
        self.tools, self.beside, self.unasked = ["tool"], [], []
        self.status = "405 Method Not Allowed"

    def _play(self, request, connection):
        asked, words, more = json.loads(request.body or b"{}"), self._words, ""
        method = asked.get("method")
        if request.method == "GET" and (self.unasked is None or request.headers["mcp-session-id"] != ["of-agent"]):
            connection.sendall(words.json_answer(dumped(NONE), status=self.status))
            return
        if request.method == "GET" or method == "tools/call":
            said = self.unasked if request.method == "GET" else [*self.beside, {**DONE, "id": asked["id"]}]
            connection.sendall(words.stream_answer(*(b"data: %s\n\n" % dumped(one) for one in said)))
            return
        if "id" not in asked:
            connection.sendall(words.json_answer(b"", status="202 Accepted"))
            return
        result = {"capabilities": {"tools": {}}, "protocolVersion": "2025-11-25", "serverInfo": {}}
        if method == "initialize":
            whose = "agent" if asked["params"]["clientInfo"]["name"] == "c" else "gateway"
            more = f"Mcp-Session-Id: of-{whose}\r\n"
        if method == "tools/list":
            result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in self.tools]}
        said = {"jsonrpc": "2.0", "id": asked["id"]}
        said |= {"error": {"code": -32601, "message": "?"}} if method == "server/discover" else {"result": result}
        connection.sendall(words.json_answer(dumped(said), headers=more))

    def heard(self, what):
        """Return what was sent by this HTTP method, or with this one of MCP."""
        texts = [(one.method, json.loads(one.body or b"{}")) for one in self._kong.requests]
        return [message for http, message in texts if what in (http, message.get("method"))]

    def streams(self):
        """Return how often the stream of the agent's session was asked for."""
        return sum(one.method == "GET" and one.headers["mcp-session-id"] == ["of-agent"] for one in self._kong.requests)


@pytest.fixture
def member(kong, words, monkeypatch):
    monkeypatch.setattr(warm, "FRESH_SECONDS", LONG)
    monkeypatch.setattr(changes, "AGAIN_SECONDS", LONG)
    return Member(kong, words)


@pytest.fixture
def agent(desk, call):
    """Do work as an agent: `work(ask, all_)`, where `ask(method, params)` gives what it hears."""

    def agent(work, flow=None, **settings):
        def serving(all_, http_method, body, **said):
            asked = call(
                body, http_method=http_method, era="legacy", version="2025-11-25", session=SESSION, flow=flow, **said
            )
            return Serving(all_, asked, asked.claims.terms.virtual, Line(0.0))

        async def run():
            async with desk(**settings) as all_:

                async def ask(method, params, http_method="POST"):
                    body = dumped({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
                    if http_method == "GET":
                        return await serving(all_, "GET", b"").answer()
                    found = await serving(all_, "POST", body, method=method, id=7).answer()
                    if isinstance(found, Reject | tuple):
                        return found if isinstance(found, Reject) else json.loads(found[2])["result"]
                    async with found.answer() as parts:
                        said = [part async for part in parts]
                    return [json.loads(one.text) for one in said if isinstance(one, Said | Whole) and one.text]

                return await work(ask, all_)

        return anyio.run(run)

    return agent


CALL = ("tools/call", {"name": "tool", "arguments": {}})


@pytest.mark.requirement("VIRT-432")
def test_whoever_hears_of_a_change_beside_an_answer_is_answered_with_lists_that_have_it(member, agent):
    async def work(ask, _all):
        before = await ask("tools/list", {})
        member.tools, member.beside = ["tool", "new"], [CHANGED]
        said = await ask(*CALL)
        return before, said, await ask("tools/list", {})

    before, said, after = agent(work)
    assert said[0]["method"] == CHANGED["method"]
    assert [[tool["name"] for tool in one["tools"]] for one in (before, after)] == [["tool"], ["tool", "new"]]


@pytest.mark.requirement("VIRT-436")
@pytest.mark.parametrize("flow", [None, READING], ids=["", "flow rules"])
def test_what_a_member_says_in_a_session_is_heard_on_its_stream(member, agent, flow):
    """What could be of another member's call is not. Beside flow rules updates alone: who would know what was read?"""
    member.unasked = [PROGRESS, ASKS, LOGS, CHANGED, UPDATED]
    asks = {**ASKS, "id": "weather/1"}
    everything = [asks, LOGS, UPDATED] if flow is None else [UPDATED]

    async def work(ask, _all):
        stream = await ask("", {}, "GET")
        async with stream.answer() as parts:
            said = []
            with anyio.fail_after(60):
                await anext(parts)
                await ask(*CALL)
                while CHANGED not in said or UPDATED not in said:
                    part = await anext(parts)
                    said += [json.loads(part.text)] if part.text else []
        return [one for one in said if one != CHANGED]

    assert agent(work, FlowRules.from_json(flow)) == everything


@pytest.mark.requirement("VIRT-436")
@pytest.mark.usefixtures("member")
def test_the_first_call_waits_until_somebody_hears_what_the_member_says(agent, kong, monkeypatch):
    monkeypatch.setattr(sessions, "HEAR_SECONDS", LONG)

    async def work(ask, _all):
        stream = await ask("", {}, "GET")
        async with stream.answer() as parts:
            await anext(parts)
            with anyio.fail_after(60):
                assert await ask(*CALL) == [DONE]

    agent(work)
    mine = [one for one in kong.requests if one.headers.get("mcp-session-id") == ["of-agent"]]
    order = ["GET" if one.method == "GET" else json.loads(one.body).get("method") for one in mine]
    assert order[-2:] == ["GET", "tools/call"]


@pytest.mark.requirement("VIRT-436")
@pytest.mark.parametrize("status", ["405 Method Not Allowed", "404 Not Found"])
def test_a_member_without_streams_is_asked_for_one_once_and_its_session_stays(member, agent, monkeypatch, status):
    """Some that have none say so with 404, which means otherwise that the session is gone."""
    monkeypatch.setattr(changes, "AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(changes, "POLL_SECONDS", LONG)
    member.unasked, member.status = None, status

    async def work(ask, _all):
        stream = await ask("", {}, "GET")
        async with stream.answer() as parts:
            await anext(parts)
            for _ in range(3):
                await ask(*CALL)
                await anyio.wait_all_tasks_blocked()

    agent(work)
    assert member.streams() == 1
    assert [one["params"]["clientInfo"]["name"] for one in member.heard("initialize")].count("c") == 1


@pytest.mark.requirement("VIRT-436")
def test_streams_of_members_take_half_of_a_callers_places_at_most(member, agent, call):
    async def work(ask, all_):
        stream = await ask("", {}, "GET")
        caller = call().claims.principal.seal_key
        with all_.hearing.take("desk", caller, lasting=True) as refusal:
            assert refusal is None
            async with stream.answer() as parts:
                await anext(parts)
                with anyio.fail_after(60):
                    assert await ask(*CALL) == [DONE]

    agent(work, open_per_caller=3)
    assert member.streams() == 0


@pytest.mark.requirement("VIRT-435")
@pytest.mark.parametrize("flow", [None, READING], ids=["", "flow rules"])
def test_a_level_is_told_once_to_a_member_that_is_asked_something(member, agent, flow):
    """Beside flow rules never: it is of the agent's own words."""

    async def work(ask, _all):
        assert await ask("logging/setLevel", {"level": "error"}) == {}
        assert member.heard("logging/setLevel") == []
        for _ in range(2):
            await ask(*CALL)
        return [one["params"] for one in member.heard("logging/setLevel")]

    assert agent(work, FlowRules.from_json(flow)) == ([] if flow else [{"level": "error"}])


@pytest.mark.requirement("VIRT-435")
@pytest.mark.parametrize("level", ["loud", "ERROR", None, ["error"], {}, 3])
def test_there_is_no_other_level(member, agent, level):
    async def work(ask, _all):
        return await ask("logging/setLevel", {"level": level})

    refused = agent(work)
    assert (refused.code, refused.message.split(",")[0]) == (-32602, "params.level is one of debug")
    assert member.heard("logging/setLevel") == []
