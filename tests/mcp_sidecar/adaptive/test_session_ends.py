"""What ends with a session that an agent ends."""

import json
import threading

import anyio
import anyio.to_thread
import pytest

from mcp_sidecar.adaptive import sessions
from mcp_sidecar.adaptive.serving import Serving
from mcp_sidecar.adaptive.sessions import AgentSaid, new_id
from mcp_sidecar.lane.fetched import Began

SAID = AgentSaid("2025-11-25", {}, {"name": "c", "version": "1"})


def serving(all_, call, line, session, http_method, body=b"", **changes):
    asked = call(body, http_method=http_method, session=session, **changes)
    return Serving(all_, asked, asked.claims.terms.virtual, line)


@pytest.mark.requirement("VIRT-433")
def test_the_stream_of_a_session_ends_with_it_and_no_other_one(desk, kong, call, line, words):
    kong.answers(words.json_answer(b"{}", status="403 Forbidden"))
    mine, other = new_id(SAID), new_id(SAID)

    async def work():
        async with desk() as all_:
            stream = await serving(all_, call, line, mine, "GET").answer()
            others = await serving(all_, call, line, other, "GET").answer()
            async with stream.answer() as parts, others.answer() as more:
                assert isinstance(await anext(parts), Began)
                assert isinstance(await anext(more), Began)
                status, _, _ = await serving(all_, call, line, mine, "DELETE").answer()
                assert status == 204
                with anyio.fail_after(60):
                    assert [part async for part in parts if part.text] == []
                assert all_.parts.shares.open == 2
                assert not all_.sessions.end_of(other).is_set()
            assert all_.parts.shares.open == 0

    anyio.run(work)


def two_members(kong, words, on_call):
    """Have weather and news keep sessions, and list one tool each. A call is answered once `on_call` is over."""

    def play(request, connection):
        member = request.path.split("/")[2]
        asked = json.loads(request.body) if request.body else {"method": request.method}
        if "id" not in asked:
            connection.sendall(words.json_answer(b"", status="202 Accepted"))
            return
        result, more = {"capabilities": {"tools": {}}, "protocolVersion": "2025-11-25", "serverInfo": {}}, ""
        if asked["method"] == "initialize":
            more = f"Mcp-Session-Id: of-{member}\r\n"
        elif asked["method"] == "server/discover":
            said = {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "no"}}
            connection.sendall(words.json_answer(json.dumps(said).encode(), status="400 Bad Request"))
            return
        elif asked["method"] == "tools/list":
            result = {"tools": [{"name": f"{member}_tool", "inputSchema": {"type": "object"}}]}
        elif asked["method"] == "tools/call":
            on_call(member)
            result = {"content": []}
        said = {"jsonrpc": "2.0", "id": asked["id"], "result": result}
        connection.sendall(words.json_answer(json.dumps(said).encode(), headers=more))

    kong.play = play


def sent(kong, what):
    """Return to which members something was sent, in which session."""
    return [
        (request.path.split("/")[2], request.headers["mcp-session-id"][0]) for request in kong.requests if what(request)
    ]


async def whole(answer):
    async with answer.answer() as parts:
        return [part async for part in parts]


MEMBERS = ("weather", "news")


def calls(all_, call, line, session, tool, id_):
    body = {"jsonrpc": "2.0", "id": id_, "method": "tools/call", "params": {"name": tool, "arguments": {}}}
    more = {"members": MEMBERS, "method": "tools/call", "id": id_, "version": "2025-11-25"}
    return serving(all_, call, line, session, "POST", json.dumps(body).encode(), **more)


@pytest.mark.requirement("VIRT-434")
def test_a_request_is_cancelled_at_the_member_that_has_it(desk, kong, call, line, words):
    session, has_it, free = new_id(SAID), threading.Event(), threading.Event()

    def on_call(member):
        if member == "weather":
            has_it.set()
            free.wait(60)

    two_members(kong, words, on_call)

    def cancels(all_, id_):
        body = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id_}}
        more = {"members": MEMBERS, "method": "notifications/cancelled", "id": None, "version": "2025-11-25"}
        return serving(all_, call, line, session, "POST", json.dumps(body).encode(), **more)

    async def work():
        async with desk() as all_:
            await whole(await calls(all_, call, line, session, "news_tool", 1).answer())
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(whole, await calls(all_, call, line, session, "weather_tool", 2).answer())
                await anyio.to_thread.run_sync(has_it.wait, 60)
                # Another id, or the same one as text, is nobody's.
                for other in (1, 3, "2", None, [2]):
                    assert await cancels(all_, other).answer() == (202, {}, b"")
                await whole(await cancels(all_, 2).answer())
                free.set()
            assert await cancels(all_, 2).answer() == (202, {}, b"")

    anyio.run(work)
    assert sent(kong, lambda one: b"notifications/cancelled" in one.body) == [("weather", "of-weather")]


@pytest.mark.requirement("VIRT-438")
def test_all_members_that_an_agent_speaks_with_hear_that_its_roots_changed(desk, kong, call, line, words):
    two_members(kong, words, lambda _member: None)
    session, told = new_id(SAID), "notifications/roots/list_changed"
    body = json.dumps({"jsonrpc": "2.0", "method": told}).encode()
    more = {"members": (*MEMBERS, "silent"), "method": told, "id": None, "version": "2025-11-25"}

    async def work():
        async with desk() as all_:
            for at, member in enumerate(MEMBERS):
                await whole(await calls(all_, call, line, session, f"{member}_tool", at).answer())
            answer = await serving(all_, call, line, session, "POST", body, **more).answer()
            async with answer.answer() as parts:
                return [(part.status, part.text) async for part in parts]

    assert anyio.run(work) == [(202, b"")]
    assert sorted(sent(kong, lambda one: told.encode() in one.body)) == [("news", "of-news"), ("weather", "of-weather")]


@pytest.mark.requirement("VIRT-433")
@pytest.mark.parametrize("ends", ["by its agent", "by too many others"])
def test_members_are_told_that_sessions_with_them_end(desk, kong, call, line, words, monkeypatch, ends):
    two_members(kong, words, lambda _member: None)
    session = new_id(SAID)

    def is_delete(one):
        return one.method == "DELETE"

    async def work():
        async with desk() as all_, anyio.create_task_group() as tasks:
            tasks.start_soon(all_.sessions.goodbyes.run)
            for at, member in enumerate(MEMBERS):
                await whole(await calls(all_, call, line, session, f"{member}_tool", at).answer())
            assert sent(kong, is_delete) == []
            if ends == "by its agent":
                status, _, _ = await serving(all_, call, line, session, "DELETE", members=MEMBERS).answer()
                assert status == 204
            else:
                monkeypatch.setattr(sessions, "MOST", 2)
                for _ in MEMBERS:
                    all_.sessions.hears(new_id(SAID), "weather")
            with anyio.fail_after(60):
                while len(sent(kong, is_delete)) < 2:  # noqa: ASYNC110 - what is waited for happens in a thread
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()

    anyio.run(work)
    assert sorted(sent(kong, is_delete)) == [("news", "of-news"), ("weather", "of-weather")]
