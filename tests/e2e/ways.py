"""The ways to one and the same MCP server: without a gateway, or through one of each kind.

What a client observes must be equal on all of them. Only what the policy hides from it may be missing.
"""

import asyncio
import contextlib
from dataclasses import dataclass

import pytest

from e2e.harness import CONSUMERS, KINDS, connect_to, start
from servers.launch import FEATURES, Replica

WAYS = ["direct", *KINDS]
THROUGH_A_GATEWAY = pytest.mark.parametrize("way", KINDS, indirect=True)
"""For what only a gateway does."""

MODERN = "2026-07-28"
MODES = ["legacy", MODERN]
FEATURE_POLICY = {
    "tools": {"allow": ["*"], "deny": ["secret_*"]},
    "prompts": {"allow": ["*"]},
    "resources": {"allow": ["note://*"], "deny": ["note://secret/*"]},
    "rules": [{"groups": ["readers"], "tools": {"deny": ["interview"]}}],
}


@dataclass
class Way:
    """One way to the feature server. `replica` is the server itself, with its journal."""

    name: str
    url: str
    replica: Replica

    @property
    def guarded(self):
        return self.name != "direct"

    def headers(self, consumer="bob"):
        return {"apikey": next(one.key for one in CONSUMERS if one.name == consumer)} if self.guarded else {}

    def connect(self, mode, consumer="bob", **callbacks):
        """Enter the official Python client; see harness.connect_to."""
        return connect_to(self.url, self.headers(consumer), mode, **callbacks)

    def written(self, since, *kinds):
        """Return what the server wrote down of these kinds after the first `since` lines.

        Only what the asked kinds say is the test's own: a stream of an earlier test may end at any time.
        """
        return [line[1:] for line in self.replica.lines(since) if line[1] in kinds]

    def methods(self, since):
        """Return the Mcp-Method of every message that reached the server after the first `since` lines."""
        posts = [line[3] for line in self.replica.lines(since) if line[1:3] == ["http", "POST"]]
        return [headers.get("mcp-method") for headers in posts]

    async def listening(self, since):
        """Wait until a GET stream is open that a client asked for after the first `since` lines."""
        await self.until(["stream", "GET"], since)

    async def until(self, line, since, times=1):
        """Wait until the server has written a line so often after the first `since` lines."""
        await asyncio.to_thread(self.replica.wait_until, lambda lines: lines.count(line) >= times, since)

    def mark(self):
        """Return the number of lines that the server has written."""
        return len(self.replica.lines())


@contextlib.contextmanager
def open_way(name, *options):
    """Run the feature server, with options of its own, and what stands before it."""
    if name == "direct":
        replica = Replica("features-1", *options, script=FEATURES)
        try:
            yield Way(name, replica.url, replica)
        finally:
            replica.kill()
        return
    with start(name, {"features": 1}, policy=FEATURE_POLICY, options=options, script=FEATURES) as running:
        yield Way(name, running.url("features"), running.servers["features"][0])
