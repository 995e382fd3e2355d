"""What agents of a virtual server hear without asking, the rest of a broken stream, headers that repeat arguments."""

import anyio
import pytest
from mcp import MCPError

from e2e.harness import KINDS, POLICY, call, connect, connect_to
from e2e.test_notifications import CHANGES, Heard
from e2e.virtual import OPEN, start, virtual
from servers.launch import FEATURES

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")]


@pytest.fixture(scope="module", params=KINDS)
def running(request):
    desks = [
        virtual("desk", ["notes", "feat"]),
        virtual("plain", ["feat"], resources={"allow": ["*"], "deny": ["note://002"]}),
        virtual("search", ["feat"], budget={"tokens": 400, "mode": "search"}),
    ]
    with start(request.param, {"notes": POLICY, "feat": OPEN}, desks, scripts={"feat": FEATURES}) as running:
        yield running


async def hears(running, server, resources):
    """Return what a modern agent hears that listens for everything, once a member changed."""
    kinds = {"tools_list_changed": True, "prompts_list_changed": True, "resources_list_changed": True}
    async with (
        connect(running, "bob", "2026-07-28", server) as client,
        client.listen(**kinds, resource_subscriptions=resources) as events,
    ):
        await client.call_tool("touch", {"uris": ["note://001", "note://002"]})
        with anyio.fail_after(60):
            first = await anext(events)
        await client.call_tool("change", {})
        with anyio.fail_after(60):
            second = await anext(events)
        return events.honored, first, second


@pytest.mark.requirement("VIRT-401")
@pytest.mark.anyio
async def test_a_modern_agent_hears_of_resources_and_then_of_lists_of_members(running):
    honored, first, second = await hears(running, "desk", ["note://001"])
    assert honored.resource_subscriptions == ["note://001"]
    assert honored.tools_list_changed
    assert (type(first).__name__, first.uri) == ("ResourceUpdated", "note://001")
    assert type(second).__name__.endswith("ListChanged")


@pytest.mark.requirement("VIRT-401")
@pytest.mark.anyio
async def test_a_modern_agent_is_told_only_what_it_asked_for(running):
    async with (
        connect(running, "bob", "2026-07-28", "desk") as client,
        client.listen(prompts_list_changed=True) as events,
    ):
        await client.call_tool("change", {})
        with anyio.fail_after(60):
            assert type(await anext(events)).__name__ == "PromptsListChanged"
        assert not events.honored.tools_list_changed


@pytest.mark.requirement("VIRT-401")
@pytest.mark.anyio
async def test_a_legacy_agent_hears_of_the_resources_to_which_it_subscribed(running):
    heard = Heard()
    update = "notifications/resources/updated note://001"
    async with connect_to(
        running.url("desk"), running.key("bob"), "legacy", message_handler=heard.on_notification
    ) as client:
        await client.subscribe_resource("note://001")
        # The member's stream is opened with the subscription: what is touched before that nobody hears.
        with anyio.fail_after(60):
            while update not in heard.messages:
                await client.call_tool("touch", {"uris": ["note://001"]})
        await client.unsubscribe_resource("note://001")
    assert {message for message in heard.messages if message not in CHANGES} == {update}


@pytest.mark.requirement("VIRT-401")
@pytest.mark.anyio
@pytest.mark.parametrize("uri", ["note://002", "nowhere://1"])
async def test_nobody_subscribes_to_what_the_virtual_server_hides(running, uri):
    async with connect(running, "bob", "legacy", "plain") as client:
        with pytest.raises(MCPError, match="Resource not found"):
            await client.subscribe_resource(uri)


@pytest.mark.requirement("VIRT-402")
def test_a_session_that_was_ended_is_gone(running):
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    with running.client("bob") as client:
        said = client.post(running.url("desk"), json=call("x") | {"method": "initialize", "params": hello})
        session = {"mcp-session-id": said.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        body = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        assert client.post(running.url("desk"), json=body, headers=session).status_code == 200
        assert client.delete(running.url("desk"), headers=session).status_code in (200, 204)
        gone = client.post(running.url("desk"), json=body, headers=session)
    assert (gone.status_code, gone.json()["error"]["message"]) == (404, "Session not found: initialize again.")


@pytest.mark.requirement("VIRT-402")
@pytest.mark.anyio
async def test_a_call_whose_stream_the_member_closes_is_answered_on_the_next_one(running):
    """It asks for progress, so that something was said on the stream, by which it can be resumed, before it closes."""

    async def progress(*_):
        pass

    async with connect(running, "bob", "legacy", "desk") as client:
        with anyio.fail_after(60):
            answer = await client.call_tool("break_off", {}, progress_callback=progress)
    assert answer.content[0].text == "whole"


@pytest.mark.requirement("VIRT-403")
@pytest.mark.anyio
async def test_a_member_gets_the_headers_that_repeat_arguments(running):
    asked = {"name": "travel", "arguments": {"city": "K\u00f6ln"}}
    async with connect(running, "bob", "2026-07-28", "search") as client:
        found = await client.call_tool("call_tool", asked)
    async with connect(running, "bob", "2026-07-28", "plain") as client:
        await client.list_tools()
        direct = await client.call_tool(**asked)
    assert found.content[0].text == direct.content[0].text == "K\u00f6ln: =?base64?S8O2bG4=?="
