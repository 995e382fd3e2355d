"""What a server tells an agent on the way (progress, log messages, changes) arrives, in order, in either era."""

import asyncio

import pytest
from mcp import MCPError
from mcp.shared.exceptions import MCPDeprecationWarning

from e2e.ways import MODERN, MODES, THROUGH_A_GATEWAY

# The SDK calls deprecated whatever only the legacy era has.
pytestmark = pytest.mark.filterwarnings(f"ignore::{MCPDeprecationWarning.__module__}.{MCPDeprecationWarning.__name__}")

CHANGES = ["notifications/tools/list_changed", "notifications/prompts/list_changed"]
CHANGES += ["notifications/resources/list_changed"]


class Heard:
    """What a client was told; `until` waits for a number of messages."""

    def __init__(self):
        self.messages = []
        self._more = asyncio.Condition()

    async def add(self, message):
        async with self._more:
            self.messages.append(message)
            self._more.notify_all()

    async def until(self, number):
        async with asyncio.timeout(20), self._more:
            await self._more.wait_for(lambda: len(self.messages) >= number)
        return self.messages

    async def on_notification(self, message):
        """Keep what is not an exception: the client's message handler."""
        assert not isinstance(message, Exception), message
        uri = getattr(message.params, "uri", None)
        await self.add(message.method if uri is None else f"{message.method} {uri}")


@pytest.mark.requirement("CLIENT-003")
@pytest.mark.parametrize("mode", MODES)
def test_every_step_of_progress_arrives_in_order(way, mode):
    steps = []

    async def on_progress(progress, total, message):
        steps.append((progress, total, message))

    async def run():
        async with way.connect(mode) as client:
            return await client.call_tool("count", {"steps": 50}, progress_callback=on_progress)

    assert asyncio.run(run()).content[0].text == "counted"
    assert steps == [(step, 50, f"step {step}") for step in range(1, 51)]


@pytest.mark.requirement("CLIENT-003")
@pytest.mark.parametrize("mode", MODES)
def test_log_messages_from_the_chosen_level_on_arrive(way, mode):
    said = []

    async def on_log(params):
        said.append((params.level, params.data, params.logger))

    async def run():
        asked = {"log_level": "error"} if mode == MODERN else {}
        async with way.connect(mode, logging_callback=on_log, **asked) as client:
            if mode == "legacy":
                await client.set_logging_level("error")
            await client.call_tool("log")

    since = way.mark()
    asyncio.run(run())
    levels = ["error", "critical", "alert", "emergency"]
    assert said == [(level, {"said": level}, "feature") for level in levels]
    written = way.written(since, "level", "tool")
    assert written == [*([["level", "error"]] if mode == "legacy" else []), ["tool", "log"]]


@pytest.mark.requirement("CLIENT-003")
def test_a_client_tells_a_legacy_server_that_its_roots_changed(way):
    async def run():
        async with way.connect("legacy") as client:
            await client.send_roots_list_changed()
            await way.until(["notification", "roots"], since)

    since = way.mark()
    asyncio.run(run())


async def change(client):
    assert [(await client.call_tool("change")).content[0].text for _ in range(2)] == ["late", "early"]


@pytest.mark.requirement("CLIENT-004")
def test_a_legacy_client_hears_of_changed_lists_and_subscribed_resources(way):
    heard = Heard()

    async def run():
        since = way.mark()
        async with way.connect("legacy", message_handler=heard.on_notification) as client:
            await way.listening(since)
            await client.subscribe_resource("note://001")
            await client.call_tool("touch", {"uris": ["note://001"]})
            await change(client)
            await client.unsubscribe_resource("note://001")
            await heard.until(7)
        return way.written(since, "subscribe", "unsubscribe")

    written = asyncio.run(run())
    assert heard.messages == ["notifications/resources/updated note://001", *CHANGES, *CHANGES]
    assert written == [["subscribe", "note://001"], ["unsubscribe", "note://001"]]


@pytest.mark.requirement("CLIENT-004")
def test_a_modern_client_hears_of_changed_lists_and_subscribed_resources(way):
    async def run():
        kinds = {"tools_list_changed": True, "prompts_list_changed": True, "resources_list_changed": True}
        async with (
            way.connect(MODERN) as client,
            client.listen(**kinds, resource_subscriptions=["note://001"]) as events,
        ):
            await client.call_tool("touch", {"uris": ["note://001", "note://002"]})
            await change(client)
            async with asyncio.timeout(20):
                heard = [await anext(events) for _ in range(4)]
        return events.honored, heard

    honored, heard = asyncio.run(run())
    assert honored.resource_subscriptions == ["note://001"]
    assert honored.tools_list_changed
    assert [type(event).__name__ for event in heard] == [
        "ResourceUpdated",
        "ToolsListChanged",
        "PromptsListChanged",
        "ResourcesListChanged",
    ]
    assert heard[0].uri == "note://001"


@pytest.mark.requirement("CLIENT-004")
@THROUGH_A_GATEWAY
def test_a_legacy_client_hears_of_no_resource_that_the_policy_hides(way):
    heard = Heard()

    async def run():
        since = way.mark()
        async with way.connect("legacy", message_handler=heard.on_notification) as client:
            await way.listening(since)
            await client.call_tool("touch", {"uris": ["note://secret/041", "note://001"]})
            await heard.until(1)

    asyncio.run(run())
    assert heard.messages == ["notifications/resources/updated note://001"]


@pytest.mark.requirement("CLIENT-004")
@pytest.mark.parametrize("mode", MODES)
@THROUGH_A_GATEWAY
def test_no_client_can_listen_for_a_resource_that_the_policy_hides(way, mode):
    async def subscribe(client, uri):
        if mode == "legacy":
            await client.subscribe_resource(uri)
        else:
            async with client.listen(resource_subscriptions=["note://001", uri]):
                pass

    async def run():
        async with way.connect(mode) as client:
            for uri in ("note://secret/041", "other://nix"):
                with pytest.raises(MCPError) as caught:
                    await subscribe(client, uri)
                assert caught.value.error.code == (-32002 if mode == "legacy" else -32602)

    since = way.mark()
    asyncio.run(run())
    assert not {"resources/subscribe", "subscriptions/listen"} & set(way.methods(since))


@pytest.mark.requirement("CLIENT-004")
@pytest.mark.parametrize("mode", MODES)
def test_tools_that_came_late_are_listed_as_far_as_the_policy_shows_them(way, mode):
    async def names(client):
        cursor, found = None, set()
        while True:
            page = await client.list_tools(cursor=cursor, cache_mode="bypass")
            found |= {tool.name for tool in page.tools}
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def run():
        async with way.connect(mode) as client:
            before = await names(client)
            await client.call_tool("change")
            after = await names(client)
            await client.call_tool("change")
        return after - before

    assert asyncio.run(run()) == {"late"} | (set() if way.guarded else {"secret_late"})
