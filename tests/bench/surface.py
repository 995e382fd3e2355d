"""What it costs to know a surface: 5,000 tools scanned, pinned and packed, and a call held to what is open.

The bars are ratios to the JSON reader and writer in the same run: on the same tools, or on a call of 1 KiB.
"""

import json
import tempfile
import time
from pathlib import Path

import msgspec

from bench.core import KIB, call
from bench.measure import least, row, seconds, shown
from mcp_core.methods import Kind
from mcp_core.pins.snapshot import FILE, IS_OPEN, Snapshot, Surface
from mcp_core.pins.states import DEFAULT_RULES
from mcp_core.scan import ItemKind
from mcp_kong.snapshots import SnapshotFile
from mcp_sidecar.store.sightings import Sighting
from mcp_sidecar.store.store import SETTLE, Store
from mcp_sidecar.surface.memory import Memory

TOOLS = 5000
_KEY = b"k" * 32
_SCHEMA = {"type": "object", "properties": {f"p{n}": {"type": "string", "description": "A path."} for n in range(8)}}
_ROUNDS = {True: 1, False: 3}


def _observed(store, server, items):
    """Return the seconds that it takes to scan, grade and write down the items of a server."""
    sightings = [Sighting.of(ItemKind.TOOL, item["name"], item) for item in items]
    return seconds(lambda: store.observe(server, sightings, now=1_000_000, rules=DEFAULT_RULES))


def _pinned(items):
    """Return the seconds for the items of the first server, packed too, and for those of a third beside two others."""
    with tempfile.TemporaryDirectory(prefix="kong-mcp-") as folder:
        store = Store(f"{Path(folder) / 'store.db'}", migrate=True)
        memory = Memory(SETTLE, tells_guards=True)
        alone = _observed(store, "a", items) + seconds(lambda: memory.take(store.changes()))
        alone += seconds(lambda: memory.freeze().snapshot("1").to_values())
        _observed(store, "b", items)
        beside = _observed(store, "c", items)
        store.close()
    return alone, beside


def _checked():
    """Return the seconds of one call held to a snapshot of 5,000 open tools, in memory and in the file."""
    states = {(ItemKind.TOOL, f"tool_{n}"): IS_OPEN for n in range(TOOLS)}
    snapshot = Snapshot("1", 1, {"notes": Surface(states, dict.fromkeys(states, b"d" * 32))})
    with tempfile.TemporaryDirectory(prefix="kong-mcp-") as folder:
        path = Path(folder) / "snapshot"
        path.write_bytes(FILE.seal(msgspec.msgpack.encode(snapshot.to_values()), [_KEY]))
        file = SnapshotFile(str(path), (_KEY,), time.monotonic)
        if file.refusal("notes", Kind.TOOL, "tool_2500") or not file.refusal("notes", Kind.TOOL, "other"):
            raise RuntimeError("what is measured is not held to the snapshot")
        memory = least(lambda: snapshot.refusal("notes", Kind.TOOL, "tool_2500"), 2000, 5)
        return memory, least(lambda: file.refusal("notes", Kind.TOOL, "tool_2500"), 2000, 5)


def run(*, quick):
    """Measure, and return the rows."""
    items = [{"name": f"tool_{n}", "description": f"Reads note {n}.", "inputSchema": _SCHEMA} for n in range(TOOLS)]
    pairs = []
    for _ in range(_ROUNDS[quick]):
        reading = seconds(lambda: json.loads(json.dumps(items)), times=3)
        pairs.append((*_pinned(items), reading))
    alone, beside = (min(pair[which] / pair[2] for pair in pairs) for which in (0, 1))
    memory, file = _checked()
    body = call(KIB)
    read = least(lambda: json.loads(body), 2000, 5)
    return [
        row(f"surface: {TOOLS:,} tools pinned and packed, to json.dumps and loads of them", alone, "x", 60),
        row("surface: the same of a third server beside two others", beside, "x", 60),
        shown(f"surface: {TOOLS:,} tools pinned and packed", min(pair[0] for pair in pairs), "s"),
        row("pins: a call held to the snapshot, to json.loads of 1 KiB", memory / read, "x", 0.5),
        row("pins: the same with the look at the clock and the file", file / read, "x", 1),
        shown("pins: a call held to the snapshot, with the look at the clock and the file", file * 1e6, "us"),
    ]
