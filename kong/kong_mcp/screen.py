"""The live screen of `kong-mcp dev --watch`: servers with health, calls, refusals and findings, and the last lines."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from kong_mcp.happenings import Happening, Sort
from kong_mcp.servers import DevServer
from kong_mcp.watching import Watching

LATEST: Final = 200
"""Lines that are kept for the screen; it shows as many as fit."""
_PROBE_SECONDS: Final = 0.2
_STYLES: Final = {Sort.REFUSAL: "yellow", Sort.FINDING: "red", Sort.TROUBLE: "magenta", Sort.REVIEW: "cyan"}
_HEADS: Final = (
    "server",
    "url",
    "replicas",
    "requests",
    "last minute",
    "refusals",
    "findings",
    "to review",
    "troubles",
)


class Health:
    """Whether each replica takes connections. One is asked with each look, in turn."""

    def __init__(self, servers: Sequence[DevServer]) -> None:
        self._targets = deque((server.name, target) for server in servers for target in server.targets)
        self._up: dict[tuple[str, str], bool] = {}

    def look(self) -> None:
        """Ask the next replica."""
        self._targets.rotate(-1)
        name, target = self._targets[0]
        host, _, port = target.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _PROBE_SECONDS).close()
            self._up[name, target] = True
        except OSError:
            self._up[name, target] = False

    def said(self, server: DevServer) -> Text:
        """Return how many of a server's replicas are up, of how many."""
        known = [self._up.get((server.name, target)) for target in server.targets]
        up = known.count(True)
        style = "red" if False in known and not up else "yellow" if False in known else "green"
        return Text(f"{up}/{len(known)}" if None not in known else f"?/{len(known)}", style)


class Screen:
    """What the screen shows."""

    def __init__(
        self, servers: Sequence[DevServer], url: Callable[[str], str], watching: Watching, health: Health
    ) -> None:
        self._servers = servers
        self._url = url
        self._watching = watching
        self._health = health
        self._latest: deque[Happening] = deque(maxlen=LATEST)

    def look(self) -> None:
        """Take in what happened since the last look."""
        self._health.look()
        self._latest.extend(self._watching.look())

    def render(self, height: int) -> Group:
        """Return the screen, for a terminal of so many lines."""
        table = Table(*_HEADS, expand=True, box=None, pad_edge=False, header_style="bold")
        rates, counts = self._watching.rates(), self._watching.told.counts
        for server in self._servers:
            numbers = [counts[server.name, sort] for sort in (Sort.REFUSAL, Sort.FINDING, Sort.REVIEW, Sort.TROUBLE)]
            table.add_row(
                Text(server.name),
                Text(self._url(server.name)),
                self._health.said(server),
                Text(str(self._watching.calls[server.name])),
                Text(str(rates.get(server.name, 0))),
                *(Text(str(number), "" if not number else "bold") for number in numbers),
            )
        room = max(1, (height - len(self._servers) - 4) // 2)
        # What others chose is text here, never rich's markup.
        lines = [Text(happening.text, _STYLES[happening.sort]) for happening in list(self._latest)[-room:]]
        last = lines or [Text("nothing was refused or found yet", "dim")]
        return Group(table, Text(""), *last, Text("Ctrl-C stops", "dim"))


def show(screen: Screen, pause: Callable[[], None], console: Console | None = None) -> None:
    """Show the screen until `pause`, which is called between looks, raises; the terminal is then as it was."""
    console = console or Console()
    with Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
        while True:
            screen.look()
            live.update(screen.render(console.height), refresh=True)
            pause()
