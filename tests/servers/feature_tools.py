"""The tools of the feature server: each is one feature of MCP that a gateway could get in the way of."""

import hashlib
import json

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ToolsListChanged,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from servers.feature_asks import ROUNDS, ask
from servers.feature_lists import page

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")


class Tools:
    """The tools, and what they share: a journal, the modern era's subscriptions, and each session's log level."""

    def __init__(self, journal) -> None:
        self.bus = InMemorySubscriptionBus()
        self.levels: dict[str, str] = {}
        self._journal = journal
        self._release = anyio.Event()
        self._late = False
        self._tools = {
            "count": self._count,
            "log": self._log,
            "measure": self._measure,
            "wait": self._wait,
            "hold": self._hold,
            "release": self._let_go,
            "break_off": self._break_off,
            "touch": self._touch,
            "change": self._change,
            "stream_roots": self._stream_roots,
            "travel": self._travel,
        }

    def schema(self, name: str) -> dict:
        if name != "travel":
            return {"type": "object"}
        # The modern era's clients repeat this argument in a header, Mcp-Param-City.
        return {"type": "object", "properties": {"city": {"type": "string", "x-mcp-header": "City"}}}

    async def listing(self, _ctx, params) -> types.ListToolsResult:
        names = [*self._tools, *ROUNDS, *(f"secret_{number}" for number in range(20))]
        names += ["late", "secret_late"] if self._late else []
        names, cursor = page(names, params)
        tools = [types.Tool(name=name, input_schema=self.schema(name)) for name in names]
        return types.ListToolsResult(tools=tools, next_cursor=cursor)

    async def call(self, ctx: ServerRequestContext, params: types.CallToolRequestParams):
        if params.name in ROUNDS:
            return await ask(ctx, params, self._journal)
        self._journal.write("tool", params.name)
        # That one stands in no list: few clients that call all tools would come to an end with it.
        tool = self._tick if params.name == "tick" else self._tools[params.name]
        text = await tool(ctx, **(params.arguments or {}))
        return types.CallToolResult(content=[types.TextContent(text=text)])

    async def _count(self, ctx, steps: int) -> str:
        for step in range(1, steps + 1):
            await ctx.session.report_progress(step, steps, f"step {step}")
        return "counted"

    async def _log(self, ctx) -> str:
        least = LEVELS.index(self.levels.get(session_of(ctx), "debug"))
        for level in LEVELS[least:]:
            await ctx.session.send_log_message(level, {"said": level}, "feature", related_request_id=ctx.request_id)
        return "logged"

    async def _measure(self, _ctx, text: str) -> str:
        return f"{len(text)} {hashlib.sha256(text.encode()).hexdigest()}"

    async def _wait(self, ctx, label: str = "") -> str:
        """Wait until cancelled, and write down that it was."""
        try:
            await ctx.session.report_progress(1)
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            self._journal.write("cancelled", label)
            raise

    async def _tick(self, ctx, label: str = "") -> str:
        """Report progress until nobody listens, and write down that it is so."""
        step = 0
        try:
            while True:
                step += 1
                await ctx.session.report_progress(step)
                await anyio.sleep(0.05)
        except anyio.get_cancelled_exc_class():
            self._journal.write("cancelled", label)
            raise

    async def _hold(self, ctx, label: str) -> str:
        """Open a stream, and end it once somebody calls `release`."""
        release = self._release
        await ctx.session.report_progress(1)
        await release.wait()
        return label

    async def _let_go(self, _ctx) -> str:
        self._release.set()
        self._release = anyio.Event()
        return "released"

    async def _break_off(self, ctx) -> str:
        """Say something, break the stream off, say the rest: nobody hears it who does not resume."""
        for number in range(1, 6):
            if number == 3:
                await ctx.close_sse_stream()
            await ctx.session.report_progress(number)
        return "whole"

    async def _touch(self, ctx, uris: list[str]) -> str:
        """Tell of changed resources, on the session's GET stream or to whoever listens."""
        for uri in uris:
            if is_modern(ctx):
                await self.bus.publish(ResourceUpdated(uri=uri))
            else:
                await ctx.session.send_resource_updated(uri)
        return json.dumps(uris)

    async def _stream_roots(self, ctx) -> str:
        """Ask for roots on the session's GET stream rather than the call's own."""
        return " ".join(str(root.uri) for root in (await ctx.session.list_roots()).roots)

    async def _travel(self, ctx, city: str) -> str:
        return f"{city}: {ctx.request.headers.get('mcp-param-city')}"

    async def _change(self, ctx) -> str:
        """Add the late tools, or take them away again, and say that every list changed."""
        self._late = not self._late
        if is_modern(ctx):
            for event in (ToolsListChanged(), PromptsListChanged(), ResourcesListChanged()):
                await self.bus.publish(event)
        else:
            await ctx.session.send_tool_list_changed()
            await ctx.session.send_prompt_list_changed()
            await ctx.session.send_resource_list_changed()
        return "late" if self._late else "early"


def is_modern(ctx: ServerRequestContext) -> bool:
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS


def session_of(ctx: ServerRequestContext) -> str:
    return ctx.request.headers.get("mcp-session-id", "")
