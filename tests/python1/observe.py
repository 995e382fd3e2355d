"""Does what node/observe.mjs does, with the official Python client of the 1.x line, and prints what it observed.

observe.py '{"old", "url", "headers", "answers", "label", "large"}'
"""

import asyncio
import hashlib
import json
import sys

import httpx
from mcp import ClientSession, McpError, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamablehttp_client
from pydantic import AnyUrl

settings = json.loads(sys.argv[1])
PATIENCE = 30


class Observer:
    """One session, and what it was told."""

    def __init__(self):
        self.heard = []
        self.logged = []
        self.more = asyncio.Condition()
        self.listening = asyncio.Event()
        self.session = None

    def make_http(self, **more):
        """Make a client that says when its GET stream is open, as the SDK's does not."""

        async def opened(response):
            if response.request.method == "GET" and response.is_success:
                self.listening.set()

        settings = {name: value for name, value in more.items() if value is not None} | {"verify": False}
        return httpx.AsyncClient(**settings, trust_env=False, event_hooks={"response": [opened]})

    async def told(self, message):
        if not isinstance(message, types.ServerNotification):
            return
        method, params = message.root.method.removeprefix("notifications/"), message.root.params
        if method.endswith(("list_changed", "updated")):
            async with self.more:
                self.heard.append(f"{method} {params.uri}" if method.endswith("updated") else method)
                self.more.notify_all()

    async def log(self, params):
        self.logged.append([params.level, params.data["said"], params.logger])

    def answer(self, method, kind):
        async def give(*_):
            return kind.model_validate(settings["answers"][method])

        return give

    async def run(self):
        connect = sse_client if settings["old"] else streamablehttp_client
        async with (
            connect(settings["url"], headers=settings["headers"], httpx_client_factory=self.make_http) as streams,
            ClientSession(
                *streams[:2],
                elicitation_callback=self.answer("elicitation/create", types.ElicitResult),
                sampling_callback=self.answer("sampling/createMessage", types.CreateMessageResult),
                list_roots_callback=self.answer("roots/list", types.ListRootsResult),
                logging_callback=self.log,
                message_handler=self.told,
            ) as self.session,
        ):
            about = await self.session.initialize()
            return {"server": about.serverInfo.name, "instructions": about.instructions, **await self.observe()}

    async def observe(self):
        session, large = self.session, "\u00e9" * settings["large"]
        observed = {
            "tools": await pages(session.list_tools, "tools", "name"),
            "resources": await pages(session.list_resources, "resources", "uri"),
            "prompts": await pages(session.list_prompts, "prompts", "name"),
            "templates": await pages(session.list_resource_templates, "resourceTemplates", "uriTemplate"),
            "read": (await session.read_resource(AnyUrl("note://001"))).contents[0].text,
            "prompt": (await session.get_prompt("prompt_01")).messages[0].content.text,
            "completed": [
                await self.complete(types.PromptReference(type="ref/prompt", name="prompt_01"), "1"),
                await self.complete(types.ResourceTemplateReference(type="ref/resource", uri="note://{number}"), "2"),
            ],
            "large": await self.call("measure", {"text": large})
            == f"{len(large)} {hashlib.sha256(large.encode()).hexdigest()}",
            "progress": await self.steps("count", {"steps": 20}),
            "cancelled": await self.cancel(),
            "changes": await self.changes(),
            "refused": {
                "tool": await refusal(session.call_tool("secret_1")),
                "resource": await refusal(session.read_resource(AnyUrl("note://secret/041"))),
            },
            "asked": {tool: json.loads(await self.call(tool)) for tool in ("elicit", "sample", "roots", "interview")},
            "ping": (await session.send_ping()).model_dump(exclude_none=True),
        }
        await session.set_logging_level("error")
        await self.call("log")
        resumed = {} if settings["old"] else {"resumed": await self.steps("break_off", {})}
        return {**observed, "logged": self.logged, **resumed}

    async def call(self, tool, arguments=None):
        return (await self.session.call_tool(tool, arguments or {})).content[0].text

    async def complete(self, ref, value):
        return (await self.session.complete(ref, {"name": "number", "value": value})).completion.values

    async def steps(self, tool, arguments):
        seen = []

        async def on_progress(progress, _total, _message):
            seen.append(progress)

        result = await self.session.call_tool(tool, arguments, progress_callback=on_progress)
        return {"text": result.content[0].text, "seen": seen}

    async def cancel(self):
        """Cancel a call once it has begun. This line leaves the notification to who uses it."""
        begun = asyncio.Event()

        async def on_progress(*_):
            begun.set()

        asked = self.session._request_id
        call = self.session.call_tool("wait", {"label": settings["label"]}, progress_callback=on_progress)
        task = asyncio.create_task(call)
        await begun.wait()
        params = types.CancelledNotificationParams(requestId=asked, reason="a test")
        await self.session.send_notification(types.ClientNotification(types.CancelledNotification(params=params)))
        task.cancel()
        return isinstance((await asyncio.gather(task, return_exceptions=True))[0], BaseException)

    async def changes(self):
        session, uri = self.session, AnyUrl("note://001")
        self.heard.clear()
        await self.listening.wait()
        await session.subscribe_resource(uri)
        await self.call("touch", {"uris": ["note://001"]})
        await self.call("change")
        await self.call("change")
        async with self.more:
            await self.more.wait_for(lambda: len(self.heard) >= 7)
        await session.unsubscribe_resource(uri)
        return list(self.heard)


async def pages(list_page, key, name):
    found, cursor = [], None
    while True:
        page = await list_page(cursor)
        found += [str(getattr(item, name)) for item in getattr(page, key)]
        cursor = page.nextCursor
        if cursor is None:
            return found


async def refusal(asked):
    try:
        await asked
    except McpError as error:
        return {"code": error.error.code, "message": error.error.message}
    return None


sys.stdout.write(json.dumps(asyncio.run(asyncio.wait_for(Observer().run(), PATIENCE))))
