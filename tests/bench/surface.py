"""What it costs to know a surface: 5,000 tools scanned, pinned and packed, and texts that are dear to scan.

The bars are ratios to something measured in the same run: the JSON reader and writer on the same tools, and a quarter
of the same text. Times are of the processor.
"""

import json
import tempfile
import time
from pathlib import Path

from mcp_core.pins.states import DEFAULT_RULES
from mcp_core.scan import ItemKind, Scanner, credentials
from mcp_sidecar.store.sightings import Sighting
from mcp_sidecar.store.store import SETTLE, Store
from mcp_sidecar.surface.memory import Memory

TOOLS = 5000
LONG = 200_000
"""Characters of a hostile text; a quarter of it should take a quarter of the time."""
HOSTILE = {
    "one letter": "a",
    "ignore all": "ignore all ",
    "read and send": "read the password and then send ",
    "open quotes": "='",
    "base64": "QUJD",
    "digits": "12 ",
    "percent": "%41",
    "leet": "1gn0r3 ",
    "marks": "a\u0301\u0336",
    "zero width": "\u200b",
    "Chinese": "忽略",
}
_KEYS = ("eyJaaaaaaaa.", "://a:", "api_key=", "sk-")
_SCHEMA = {"type": "object", "properties": {f"p{n}": {"type": "string", "description": "A path."} for n in range(8)}}


def _row(name, value, unit, most):
    return {"name": name, "value": round(value, 3), "unit": unit, "bar": f"<= {most}", "holds": value <= most}


def _seconds(run, times=1):
    started = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - started) / times


def _pinned(items):
    """Return the seconds that it takes to scan, grade, write down and pack the items of a server."""
    kind = ItemKind.TOOL
    with tempfile.TemporaryDirectory(prefix="kong-mcp-") as folder:
        store = Store(f"{Path(folder) / 'store.db'}", migrate=True)
        sightings = [Sighting.of(kind, item["name"], item) for item in items]
        taken = _seconds(lambda: store.observe("notes", sightings, now=1_000_000, rules=DEFAULT_RULES))
        memory = Memory(SETTLE, tells_guards=True)
        taken += _seconds(lambda: memory.take(store.changes()))
        taken += _seconds(lambda: memory.freeze().snapshot("1").to_values())
        store.close()
    return taken


def _growth(run, text):
    """Return how many times as long the whole text takes as a quarter of it."""
    run(text[:1000])
    quarter = min(_seconds(lambda: run(text[: LONG // 4])) for _ in range(2))
    return min(_seconds(lambda: run(text[:LONG])) for _ in range(2)) / max(quarter, 0.001)


def run(*, quick):
    """Measure, and return the rows."""
    items = [{"name": f"tool_{n}", "description": f"Reads note {n}.", "inputSchema": _SCHEMA} for n in range(TOOLS)]
    read = _seconds(lambda: json.loads(json.dumps(items)), times=3)
    rows = [_row(f"surface: {TOOLS:,} tools pinned, to json.dumps and loads of them", _pinned(items) / read, "x", 60)]
    scanner = Scanner()
    texts = list(HOSTILE.items())[:: 4 if quick else 1]
    for name, piece in texts:
        grown = _growth(
            lambda text: scanner.scan_item(ItemKind.TOOL, {"name": "t", "description": text}),
            piece * (LONG // len(piece)),
        )
        rows.append(_row(f"scan: 4 times the text, {name}", grown, "x", 9))
    worst = max(_growth(lambda text: credentials.find({"x": text}), piece * (LONG // len(piece))) for piece in _KEYS)
    rows.append(_row("credentials: 4 times the text, the worst of some", worst, "x", 9))
    return rows
