"""Looks at servers with the official Python client, of the line that is installed, and prints what it saw as JSON.

look.py '{"mode", "targets": [{"url", "old", "headers", "steps"}]}'; `mode` (legacy or auto) is for the line 2.x.
"""

import asyncio
import contextlib
import json
import sys

try:
    from matrix.python2 import connect, failures
except ImportError:
    from matrix.python1 import connect, failures

PATIENCE = 60
LISTS = {
    "tools": "list_tools",
    "prompts": "list_prompts",
    "resources": "list_resources",
    "resourceTemplates": "list_resource_templates",
}


def plain(value):
    """Return what came as JSON, with the names of the wire."""
    return value.model_dump(mode="json", by_alias=True, exclude_unset=True) if hasattr(value, "model_dump") else value


async def outcome(asked):
    try:
        return plain(await asked)
    except failures as error:
        return {"error": plain(error.error)}


async def pages(session, key):
    found, cursor = [], None
    while True:
        page = plain(await getattr(session, LISTS[key])(cursor=cursor))
        found += page[key]
        cursor = page.get("nextCursor")
        if cursor is None:
            return found


async def step(client, kind, *rest):
    if kind != "call":
        return await outcome(getattr(client, kind)(*rest))
    progress = []

    async def told(*what):
        progress.append(what)

    return {"result": await outcome(client.call(*rest, told)), "progress": progress}


async def look(mode, target):
    async with connect(mode, target) as client:
        saw = [["about", plain(client.about)]]
        saw += [[key, await outcome(pages(client.session, key))] for key in LISTS]
        for kind, *rest in target["steps"]:
            saw.append([f"{kind} {json.dumps(rest)}", await step(client, kind, *rest)])
        answered = await outcome(client.session.send_ping())
        # The modern era has no ping: that it is unknown, each says in words of its own.
        saw.append(["ping", answered.get("error", {}).get("code")])
    return saw


async def main(settings):
    saw = []
    for target in settings["targets"]:
        try:
            saw.append(await asyncio.wait_for(look(settings.get("mode"), target), PATIENCE))
        except Exception as error:  # noqa: BLE001 - whatever a client cannot take is what it saw
            saw.append([["failed", describe(error)]])
    sys.stdout.write(json.dumps(saw))


def describe(error):
    """Name what is behind groups of exceptions."""
    if isinstance(error, BaseExceptionGroup):
        return [describe(exception) for exception in error.exceptions]
    return f"{type(error).__name__}: {error}"


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main(json.loads(sys.argv[1])))
