"""The catalog and the registry at 10,000 servers and 200,000 tools: building, asking, following changes, memory, pages.

Times are of the processor, so that what else runs does not count. Pages are told over HTTP by a process of its own; the
yardstick is the same process telling a page of the same bytes that it holds ready.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import os
import random
import signal
import socket
import statistics
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio
import uvicorn
from sqlalchemy import insert, text, update
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from bench.measure import resident_of, row, seconds, shown
from mcp_core.pins.canonical import canonical, digest
from mcp_sidecar.catalog.registry import RegistryQuery
from mcp_sidecar.catalog.registry_api import SERVERS, RegistryApi
from mcp_sidecar.catalog.settings import CatalogSettings
from mcp_sidecar.store.engine import open_engine, store_url
from mcp_sidecar.store.rows import item_key
from mcp_sidecar.store.tables import ChainHead, Known, Version
from mcp_sidecar.surface.viewers import Viewers
from servers.catalog_stand import BOB, NOON, READ, STRANGER, Stand, server

TOOLS = 20
_WORDS = ("weather", "invoice", "search", "ticket", "deploy", "notes", "calendar", "payroll", "metrics", "orders")
_PUBLIC = CatalogSettings("https://mcp.example.com")
_FIXED = "/fixed"


def run(*, quick):
    """Return the rows."""
    many = 1_000 if quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        gc.collect()
        stand = Stand(Path(folder))
        _fill(stand, many)
        before = resident_of([os.getpid()])
        building = seconds(lambda: anyio.run(stand.catalog.refresh))
        names = [entry.name for entry in stand.catalog.entries(BOB)]
        assert len(names) == many
        rows = [
            shown(f"catalog: built of {many:,} servers and {many * TOOLS:,} tools", building, "s"),
            shown("catalog: memory of all of it", (resident_of([os.getpid()]) - before) / 2**20, "MB"),
            *_asked(stand, names),
            *_registry(stand, many, 200 if quick else 500),
        ]
        anyio.run(stand.surfaces.aclose)
        return rows


def _fill(stand, many):
    """Write servers and tools as looks would have: through the store's tables, as the store itself is not measured."""
    stand.list(
        *(server(_name(at), title=f"{_WORDS[at % 10]} of team {at}", owner=f"team-{at % 97}") for at in range(many))
    )
    for start in range(0, many, 500):
        known = [_known(_name(at)) for at in range(start, min(start + 500, many))]
        tools = [_tool(one["name"], tool) for one in known for tool in range(TOOLS)]
        _write(stand, 1, [insert(Known), insert(Version)], [known, tools])


def _write(stand, generation, statements, values):
    engine = open_engine(store_url(str(stand.path)), create=False)
    with closing(engine.connect()) as plain, Session(plain.execution_options(writes=True)) as session:
        for statement, rows in zip(statements, values, strict=True):
            session.execute(statement, rows)
        session.execute(update(ChainHead).values(generation=generation))
        session.execute(text("ANALYZE"))
        session.commit()
    engine.dispose()


def _name(at):
    return f"{_WORDS[at % 10]}-{at:05}"


def _known(name):
    return {"name": name, "looked": NOON, "outcome": "seen", "generation": 1, "versions": TOOLS, "size": 0}


def _tool(name, number):
    item = {**READ, "name": f"tool_{number}", "description": f"Reads part {number} of {name}."}
    where = {"item": item_key(name, "tools", item["name"]), "server": name, "kind": "tools", "name": item["name"]}
    state = {
        "digest": digest(item),
        "state": "approved",
        "reason": "clean",
        "content": canonical(item),
        "findings": "[]",
    }
    return {**where, **state, "first_seen": NOON, "last_seen": NOON, "differs": False, "generation": 1}


def _asked(stand, names):
    """Return rows of what pages ask: all servers, one server with its items, and how soon a change is known."""
    catalog = stand.catalog
    first = seconds(lambda: stand.names(STRANGER))
    again = seconds(lambda: catalog.entries(STRANGER), 20)
    some = random.Random(1).sample(names, 300)
    pages = [seconds(lambda name=name: (catalog.entry(BOB, name).items, catalog.versions(BOB, name))) for name in some]
    texts = [seconds(lambda name=name: anyio.run(catalog.contents, catalog.entry(BOB, name))) for name in some[:50]]
    page = 1000 * _p95([one + statistics.fmean(texts) for one in pages])
    _write(stand, 2, [insert(Version)], [[{**_tool(names[0], TOOLS), "generation": 2}]])
    changed = 1000 * seconds(lambda: anyio.run(partial(catalog._read, looks=False, dates=False)))
    assert len(catalog.entry(BOB, names[0]).items) == TOOLS + 1
    return [
        shown("catalog: all servers for somebody new", first * 1000, "ms"),
        shown("catalog: all servers for somebody known", again * 1000, "ms"),
        row("catalog: one server with items, versions and texts, p95", page, "ms", 200),
        shown("catalog: one change taken over", changed, "ms"),
    ]


def _p95(values):
    return sorted(values)[int(len(values) * 0.95)]


def _registry(stand, many, times):
    """Return rows of the registry, asked over HTTP."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    child = os.fork()
    if not child:
        _serve(stand, listener)
    listener.close()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        cursors, path = [], "?limit=30"
        while path is not None and len(cursors) < 100:
            cursors.append(path)
            next_ = json.loads(_get(connection, SERVERS + path))["metadata"].get("nextCursor")
            path = None if next_ is None else f"?limit=30&cursor={next_}"
        used = [_used(child, connection, [SERVERS + cursors[at % len(cursors)] for at in range(times)])]
        fixed = _used(child, connection, [_FIXED] * times)
        used.append(_used(child, connection, [SERVERS + cursors[at % len(cursors)] for at in range(times)]))
        page = min(used)
        search = _used(child, connection, [f"{SERVERS}?search={_WORDS[at % 10]}-{at:04}" for at in range(times // 4)])
        memory = resident_of([child]) / 2**20
        connection.close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    rate, bar = 1 / page, 500
    pages = {"name": "registry: pages of 30 a second of one core", "value": round(rate, 1), "unit": "/s"}
    return [
        {**pages, "bar": f">= {bar}", "holds": rate >= bar},
        row("registry: a page, to one of the same bytes held ready", page / fixed, "x", 3),
        row(f"registry: a search by name among {many:,}", search * 1000, "ms", 100),
        shown("registry: memory of the process, with all that it told encoded", memory, "MB"),
    ]


def _serve(stand, listener):
    """Serve the registry, and one of its pages as fixed bytes, until the process is killed."""
    api = RegistryApi(stand.catalog, _PUBLIC, Viewers({}, {}))
    body = api._registry.page(STRANGER, RegistryQuery())

    async def fixed(_request):
        return Response(body, media_type="application/json")

    app = Starlette(routes=[*api.routes(), Route(_FIXED, fixed)])
    config = uvicorn.Config(app, loop="uvloop", http="httptools", log_config=None, access_log=False, lifespan="off")
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))
    os._exit(0)


def _get(connection, path):
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body[:200]
    return body


def _used(pid, connection, paths):
    """Return the seconds of the processor that a process takes for one of these requests."""
    before = _ticks(pid)
    for path in paths:
        _get(connection, path)
    return (_ticks(pid) - before) / os.sysconf("SC_CLK_TCK") / len(paths)


def _ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
