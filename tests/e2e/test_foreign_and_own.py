"""A foreign server's tool waits and an own one's does not, on a whole gateway, and with the store away too."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from pathlib import Path

import pytest
from mcp import MCPError

from e2e.harness import CONSUMERS, connect, start
from e2e.reviewing import review
from kong_mcp.dev import STORE_FILE
from kong_mcp.processes import Child
from kong_mcp.share import program

pytestmark = pytest.mark.long

PINNED = {"tools": {"allow": ["*"]}}
HELD = {"constraints": [{"tool": "good", "argument": ["text"], "one_of": ["x"], "required": True}]}


def policy(trust):
    return PINNED | HELD | {"pins": {"mode": "enforce", "trust": trust}}


def seen(running):
    async def run():
        async with connect(running, "bob", "2026-07-28") as client:
            return {tool.name for tool in (await client.list_tools()).tools}

    return asyncio.run(run())


def said(running, text="x"):
    async def run():
        async with connect(running, "bob", "2026-07-28") as client:
            try:
                return (await client.call_tool("good", {"text": text})).content[0].text
            except MCPError as error:
                return error.error.message

    return asyncio.run(run())


@contextlib.contextmanager
def restarted(running):
    """Start the sidecar anew, as it was started, with something else in the place of its store."""
    dev, folder = running.dev, running.dev.folder
    said = Path(f"/proc/{dev.sidecar.pid}/environ").read_text().split("\0")
    environment = dict(one.split("=", 1) for one in said if "=" in one)
    dev.sidecar.stop()
    for file in folder.glob(f"{STORE_FILE}*"):
        file.rename(folder / f"away-{file.name}")
    (folder / STORE_FILE).mkdir()
    sidecar = Child("sidecar", [program("mcp-sidecar"), "serve"], environment, folder / "again.log")
    try:
        sidecar.wait_until(lambda: is_open(dev.sidecar_port), 60)
        yield
    finally:
        sidecar.stop()


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def is_open(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.mark.requirement("FLOW-011")
@pytest.mark.requirement("FLOW-008")
@pytest.mark.requirement("PIN-013")
@pytest.mark.parametrize(("trust", "read"), [("foreign", False), ("foreign", True), ("own", False)])
def test_whose_server_it_is_holds_after_a_restart_with_the_store_away(kind, trust, read):
    with start(kind, {"notes": 1}, policy(trust), CONSUMERS) as running:
        opens = trust == "own"
        assert ("good" in seen(running)) is opens
        assert ("Unknown tool" in said(running)) is not opens
        if read:
            review(running, "approve", "notes", "tool", "good", "--why", "read it")
            until(lambda: "good" in seen(running) and said(running) == "good: x")
            opens = True
        first, refused = said(running), said(running, "y")
        assert ("Unknown tool" in first) is not opens
        assert ("one of 'x'" in refused) is opens
        with restarted(running):
            # Kong asks again every two seconds whether the sidecar is there.
            until(lambda: said(running) == first)
            assert said(running, "y") == refused
            assert ("good" in seen(running)) is opens


@pytest.mark.requirement("PIN-013")
def test_nothing_of_a_foreign_server_is_called_before_it_was_ever_listed(kind):
    with start(kind, {"notes": 1}, policy("foreign"), CONSUMERS) as running:
        # The gateway's own look comes first, and no guard has told it whose server this is.
        until(lambda: "notes tool good" in review(running, "list"))
        assert "Unknown tool" in said(running)
        assert ["tool", "good"] not in running.executed()
