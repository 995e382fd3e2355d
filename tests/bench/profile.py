"""Where the processor time of a guarded call goes, on a real Kong, in both ways: the table, and docs/speed.svg.

Where `make compiled` has made the compiled build, the short way on it too; into its modules nobody can look.

Two measurements of each: what nginx and the plugin server take of a call, by /proc, undisturbed; and, on a second Kong
that is looked at a thousand times a second, how that is shared out. Kernel time is that of /proc in both.
"""

import os
import re
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from xml.sax.saxutils import escape

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.event import COMPILED
from bench.measure import descendants
from bench.short import ASKED, ON_COMPILED
from bench.stand import measure, start_server, start_stand
from kong_mcp.gateway import VARIABLES
from kong_mcp.share import lua_folder, short_folder

HERE = Path(__file__).parent
PICTURE = HERE.parent.parent / "docs" / "speed.svg"
KEYED, GUARDED = "/keyed/instant", "/instant/mcp"
CALLS = {
    "key-auth alone": (True, {}, KEYED),
    "guarded, Kong's way": (False, {}, GUARDED),
    "guarded, short way": (True, {}, GUARDED),
    "Kong's way, asked each time": (False, ASKED, GUARDED),
    "short way, asked each time": (True, ASKED, GUARDED),
}
"""Name -> whether it is the short way, the plugin server's environment, and what is called."""
ON_TWO = "the same, compiled"
"""The name of the last of CALLS on the compiled build."""
SECONDS = 3 if "--quick" in sys.argv else 10
# The innermost of these that a stack shows is what it is shared to.
LUA = (
    (
        r"mcp-answers/handler\.lua:(?:rewrite|access|log)|mcp-answers/(?:asked|again)\.lua",
        "mcp-answers: before the call",
    ),
    (r"mcp-answers/", "mcp-answers: the answer"),
    (r"mcp-guard/|plugin_servers/", "the way to the plugin server"),
    (r"key-auth/", "key-auth"),
)
PYTHON = (
    (r"mcp_core/(?:jsonrpc|counts|keys|ids)\.py", "reading the message"),
    (r"mcp_core/", "deciding"),
    (r"mcp_kong/", "mcp-guard"),
    (r"kong_pluginserver/", "frames and loop"),
)
KINDS = {
    "nginx: kernel": "#7a3b2e",
    "Kong and nginx": "#c8553d",
    "key-auth": "#e0a458",
    "mcp-answers: before the call": "#ead2ac",
    "the way to the plugin server": "#588157",
    "mcp-answers: the answer": "#a3b18a",
    "plugin server: kernel": "#22425f",
    "plugin server, compiled": "#4f7ea8",
    "frames and loop": "#1b6ca8",
    "mcp-guard": "#6fa8dc",
    "reading the message": "#8e5ea2",
    "deciding": "#c9b1d9",
}


def run():
    """Return the microseconds of a call by kind, for each of CALLS."""
    with ExitStack() as stack:
        urls = {"instant": start_server(stack, "instant_server.py")}
        kinds = (False, {}), (True, {}), (False, ASKED), (True, ASKED)
        stands = {
            (short, len(more), looked): _stand(stack, urls, short, looked, more)
            for short, more in kinds
            for looked in (False, True)
        }
        found = {}
        for name, (short, more, path) in CALLS.items():
            plain = _times(stands[short, len(more), False], path)
            looked = _shares(stands[short, len(more), True], path)
            found[name] = {"nginx: kernel": plain["nginx"][1], "plugin server: kernel": plain["server"][1]}
            for process in ("nginx", "server"):
                whole = sum(looked[process].values()) or 1
                found[name] |= {kind: plain[process][0] * count / whole for kind, count in looked[process].items()}
        if COMPILED.is_dir():
            plain, whole = (
                _times(_stand(stack, urls, short=True, looked=False, more=ASKED | ON_COMPILED), GUARDED),
                looked["nginx"],
            )
            found[ON_TWO] = {kind: plain["nginx"][0] * count / whole.total() for kind, count in whole.items()}
            found[ON_TWO] |= {"nginx: kernel": plain["nginx"][1], "plugin server: kernel": plain["server"][1]}
            found[ON_TWO]["plugin server, compiled"] = plain["server"][0]
    return found


def _stand(stack, urls, short, looked, more=None):
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kong-mcp-")))
    environment = dict(more or {})
    if looked:
        folders = [HERE / "sampled", *([short_folder()] if short else []), lua_folder()]
        environment |= {
            "KONG_PLUGINS": "bundled,mcp-guard,mcp-internal,mcp-answers,bench-sampler",
            "KONG_LUA_PACKAGE_PATH": "".join(f"{one}/?.lua;" for one in folders) + ";",
            "PYTHONPATH": f"{HERE / 'sampled'}:{os.environ.get('PYTHONPATH', '')}",
            "BENCH_SAMPLES": str(folder),
            "KONG_NGINX_MAIN_ENV": "; env ".join([*VARIABLES, "PYTHONPATH", "BENCH_SAMPLES"]),
        }
    gateway, port, _ = start_stand(stack, "kong", folder, urls, ["good"], short=short, environment=environment)
    for path in (KEYED, GUARDED):
        measure(port, path, 16, 2)
    return gateway.pid, port, folder


def _times(stand, path):
    """Return microseconds of a call, of nginx and of the plugin server, each in its own code and in the kernel."""
    pid, port, _ = stand
    pids = {"server": descendants(pid, "pluginserver"), "nginx": descendants(pid, "nginx")}
    before = {name: _used(several) for name, several in pids.items()}
    calls = measure(port, path, 16, SECONDS)["rate"] * SECONDS
    return {
        name: tuple(1e6 * (now - then) / calls for now, then in zip(_used(several), before[name], strict=True))
        for name, several in pids.items()
    }


def _used(pids):
    fields = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in pids]
    return [sum(int(field[place]) for field in fields) / os.sysconf("SC_CLK_TCK") for place in (11, 12)]


def _shares(stand, path):
    """Return how often each kind was seen while calls came, of nginx and of the plugin server."""
    _, port, folder = stand
    before = _seen(folder)
    measure(port, path, 16, SECONDS)
    time.sleep(1)  # what was seen last is written
    seen = {name: now - before[name] for name, now in _seen(folder).items()}
    lua, python = Counter(), Counter()
    for (kinds, rest, counter), name in (((LUA, "Kong and nginx", lua), "nginx"), ((PYTHON, "", python), "server")):
        for stack, count in seen[name].items():
            if kind := _kind(kinds, stack, rest):
                counter[kind] += count
    return {"nginx": lua, "server": python}


def _seen(folder):
    files = {
        "nginx": [folder / "prefix" / "samples"],
        "server": [one for one in folder.iterdir() if one.name.isdigit()],
    }
    found = {name: Counter() for name in files}
    for name, several in files.items():
        for line in "".join(one.read_text() for one in several).splitlines():
            count, _, stack = line.partition(" ")
            found[name][stack] += int(count)
    return found


def _kind(kinds, stack, rest):
    for frame in reversed(stack.split(";")):
        for pattern, kind in kinds:
            if re.search(pattern, frame):
                return kind
    return rest


def picture(found):
    """Return an SVG document: a bar for each call, as long as its microseconds."""
    width, left, height, top = 900, 170, 34, 30
    most = max(sum(kinds.values()) for kinds in found.values())
    parts = []
    for row, (name, kinds) in enumerate(found.items()):
        x, y = float(left), top + row * (height + 14)
        parts.append(f'<text x="{left - 8}" y="{y + 22}" text-anchor="end">{escape(name)}</text>')
        for kind, colour in KINDS.items():
            long = kinds.get(kind, 0) / most * (width - left - 70)
            parts.append(f'<rect x="{x:.1f}" y="{y}" width="{long:.1f}" height="{height}" fill="{colour}"/>')
            x += long
        parts.append(f'<text x="{x + 6:.1f}" y="{y + 22}">{sum(kinds.values()):.0f} µs</text>')
    bottom = top + len(found) * (height + 14) + 10
    for number, (kind, colour) in enumerate(KINDS.items()):
        x, y = left + number % 3 * 240, bottom + number // 3 * 20
        parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 18}" y="{y + 11}">{escape(kind)}</text>')
    high = bottom + (len(KINDS) + 2) // 3 * 20 + 10
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {high}" font-family="sans-serif" font-size="12">'
    )
    title = (
        f'<text x="{left}" y="18">Processor time of a tools/call that an instant server answers, 16 connections</text>'
    )
    return "\n".join([head, f'<rect width="{width}" height="{high}" fill="white"/>', title, *parts, "</svg>", ""])


def main():
    """Measure, print the table, and draw."""
    found = run()
    click.echo(f"{'us of a call':32}" + "".join(f"{name:>22}" for name in found))
    for kind in KINDS:
        click.echo(f"{kind:32}" + "".join(f"{kinds.get(kind, 0):22.0f}" for kinds in found.values()))
    click.echo(f"{'all':32}" + "".join(f"{sum(kinds.values()):22.0f}" for kinds in found.values()))
    PICTURE.write_text(picture(found), encoding="utf-8")


if __name__ == "__main__":
    main()
