"""What node/use_rows.mjs does, for the official Python clients of both lines, which spell it the same way.

A row is {"key", "name", "again", "url", "ask", "old", "hears", "patience"}: the names of the client and of the one that
follows it where its session ends early, what it asks (a method or None), whether by the old transport, whether it hears
of a changed list, and for how many seconds it waits for what it asked. What a row saw is {"first", "asked", "lists",
"heard", "ended"}: the tools of the first list, what was answered, the tools of all later lists, what else came, and why
the session ended early.
"""

import asyncio
import contextlib
import json

PATIENCE = 20
"""Seconds for everything else together."""
LISTEN = "subscriptions/listen"
ASKS = {
    "tools/call": lambda client, _uri: client.call_tool("good", {"text": "x"}),
    "prompts/get": lambda client, _uri: client.get_prompt("greet"),
    "prompts/list": lambda client, _uri: client.list_prompts(),
    "resources/read": lambda client, uri: client.read_resource(uri("note://a")),
    "resources/list": lambda client, _uri: client.list_resources(),
}


async def use_rows(rows, enter, uri=str):
    """Use all rows at once. `enter(row, name, told)` connects one client, and `uri` makes what it takes for a URI."""
    saw = await asyncio.gather(*(Use(row, enter, uri).run() for row in rows))
    return {row["key"]: one for row, one in zip(rows, saw, strict=True)}


class Use:
    """One row as it is used."""

    def __init__(self, row, enter, uri):
        self.row, self.enter, self.uri = row, enter, uri
        self.saw = {"first": [], "asked": None, "lists": [], "heard": [], "ended": None}
        self.changed = asyncio.Event()
        self.later = []
        self.client = None
        self.calm = False
        """No change of the list makes it list again any more."""
        self.over = False
        self.streams = contextlib.AsyncExitStack()

    async def run(self):
        try:
            async with (
                asyncio.timeout(PATIENCE),
                self.enter(self.row, self.row["name"], self.told) as self.client,
                self.streams,
            ):
                await self.use()
        except Exception as error:  # noqa: BLE001 - whatever ends a session is what is looked at
            if self.over:
                return self.saw  # a client that leaves breaks its own stream where a message comes just then
            self.saw["ended"] = said(error)
            async with self.enter(self.row, self.row["again"], self.told) as self.client:
                await self.list_into(self.saw["lists"])
        return self.saw

    async def use(self):
        await self.list_into(self.saw["first"])
        asked = asyncio.create_task(self.ask())
        self.later.append(asyncio.create_task(self.list_into(self.saw["lists"])))
        await asked
        if self.row["hears"]:
            await self.changed.wait()
        while self.later:
            await self.later.pop()
        self.calm = True
        await self.list_into(self.saw["lists"])
        self.over = True

    async def told(self, message):
        self.saw["heard"].append(repr(message))
        if "list_changed" in str(message):
            self.changed.set()
            if self.client is not None and not self.calm:
                self.later.append(asyncio.create_task(self.list_into(self.saw["lists"])))

    async def list_into(self, into):
        try:
            tools = (await self.client.list_tools()).tools
            into.append([f"{tool.name}: {tool.description}" for tool in tools])
        except Exception as error:  # noqa: BLE001 - what the client makes of an answer is what is looked at
            into.append([f"error: {said(error)}"])

    async def ask(self):
        if self.row["ask"] is None:
            return
        try:
            if self.row["ask"] == LISTEN:
                await self.streams.enter_async_context(self.client.listen(tools_list_changed=True))
                return
            asked = ASKS[self.row["ask"]](self.client, self.uri)
            result = await asyncio.wait_for(asked, self.row["patience"])
            self.saw["asked"] = json.dumps(result.model_dump(mode="json", by_alias=True, exclude_none=True))
        except Exception as error:  # noqa: BLE001 - as above
            self.saw["asked"] = f"error: {said(error)}"


def said(error):
    """Return what the first error says in a group of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
