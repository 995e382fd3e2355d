"""The portal's pages at 10,000 servers and 200,000 tools: how long each takes, its search, and how much it weighs.

Times are of the processor. The yardstick is an answer of the same bytes that is held ready, by the same application.
"""

from __future__ import annotations

import gzip
import tempfile
import time
from pathlib import Path

import anyio
from starlette.responses import Response
from starlette.routing import Route

from bench.catalog import _WORDS, _fill, _name, _p95
from bench.measure import row, shown
from mcp_sidecar.portal.paper import FOLDER
from servers.portal_house import House

_BAR = 200
_ASKED = (
    "read part 7 of the weather",
    "invoice of a team",
    "what does payroll do",
    "find my ticket",
    "deploy something",
)


def run(*, quick):
    """Return the rows."""
    many = 1_000 if quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        _fill(house.stand, many)
        return anyio.run(_measured, house, many)


async def _measured(house, many):
    await house.stand.catalog.refresh()
    began = await _taken(house.finder.refresh)
    browser = await house.signed_in()
    held = (await browser.get("/")).content
    house.app.router.routes.insert(0, Route("/portal/held", lambda _request: Response(held, media_type="text/html")))
    plain = _p95([await _taken(lambda: browser.get("/held")) for _ in range(50)])
    name = _name(many // 2)
    item = {"kind": "tool", "item": "tool_7"}
    pages = {
        "list of servers": ("/", {}),
        "list of servers, filtered and sorted": ("/", {"q": _WORDS[3], "sort": "-owner"}),
        "a server": (f"/servers/{name}", {}),
        "a tool": (f"/servers/{name}/item", item),
        "what can I use": ("/tools", {"page": "7"}),
        "review": ("/review", {}),
    }
    rows = [shown(f"portal: index of {many * 20:,} tools made", began, "s")]
    worst = 0
    for called, (path, query) in pages.items():
        first = await _taken(lambda path=path, query=query: browser.get(path, **query))
        times = [await _taken(lambda path=path, query=query: browser.get(path, **query)) for _ in range(30)]
        answer = await browser.get(path, **query)
        assert answer.status_code == 200, answer.text
        worst = max(worst, len(answer.content))
        rows.append(row(f"portal: {called}, p95", 1000 * _p95(times), "ms", _BAR))
        rows.append(shown(f"portal: {called}, first of somebody new", 1000 * first, "ms"))
    rows.append(shown("portal: list of servers, against held bytes", _ratio(rows, plain), "x"))
    searches = [await _taken(lambda q=q: browser.get("/tools", q=q)) for _ in range(12) for q in _ASKED]
    rows.append(row("portal: search among all tools, p95", 1000 * _p95(searches[len(_ASKED) :]), "ms", 100))
    weight = worst + sum((FOLDER / "static" / name).stat().st_size for name in ("portal.css", "portal.js", "icon.svg"))
    rows.append(row("portal: first paint of the heaviest page, not compressed", weight / 1024, "KB", 100))
    rows.append(shown("portal: list of servers, compressed", len(gzip.compress(held)) / 1024, "KB"))
    await house.stand.surfaces.aclose()
    return rows


def _ratio(rows, plain):
    listed = next(one["value"] for one in rows if one["name"].startswith("portal: list of servers, p95"))
    return listed / (1000 * plain)


async def _taken(work):
    """Return the processor's seconds of some work, its threads' too."""
    began = time.process_time()
    await work()
    return time.process_time() - began
