"""What agents see of a bad day: faults, deaths at every byte, a neighbour that hangs. Writes build/chaos.json.

python tests/resilience/chaos.py [--quick] [--gateway kong|devkit] [--calls NUMBER] [NAME ...]
"""

import contextlib
import itertools
import json
import statistics
import sys
import threading
import time
from pathlib import Path

import click
import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import as_text
from e2e.harness import start
from kong_mcp.gateway import choose_gateway
from node.tools import node
from resilience.conftest import OPEN, gateway
from resilience.living import live
from resilience.rolling import roll
from resilience.shape import AGENTS, break_shape, lost, refused
from resilience.timeline import timeline
from servers.launch import replicas, wait_for
from servers.moody_server import MoodyServer, ask, call

BUILD = Path("build")
MOODS = ("hangs", "page", "errors", "fails", "half", "drips", "resets", "other-id", "gone", "flaps")
ALLOWED = 10.0
"""Seconds within which a replica is out, and back."""


def row(name, value, unit, bar=None):
    """Return one figure in the form of build/bench.json. `bar` is the most that is good."""
    value = round(value, 3)
    holds = None if bar is None else value <= bar
    return {"name": name, "value": value, "unit": unit, "bar": None if bar is None else f"<= {bar}", "holds": holds}


class Caller:
    """Calls one server again and again; `seen` holds (seconds since the start, milliseconds, who answered or None)."""

    def __init__(self, running, server, started, pause=0.15, timeout=1.0):
        self.seen, self._stop = [], threading.Event()
        self._work = (running, server, started, pause, timeout)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        running, server, started, pause, timeout = self._work
        with running.client("bob") as client:
            while not self._stop.wait(pause):
                at, who = time.monotonic(), None
                with contextlib.suppress(httpx.HTTPError, ValueError):
                    body = client.post(running.url(server), timeout=timeout, **call("look", "x")).json()
                    who = body["result"]["content"][0]["text"] if "result" in body else None
                self.seen.append((at - started, (time.monotonic() - at) * 1000, who))

    def stop(self):
        self._stop.set()
        self._thread.join(10)


def faults(kind, *, quick, **_):
    """One of two replicas falls ill in each way, and is well again."""
    calm, ill = (5, 14) if quick else (15, 40)
    with contextlib.ExitStack() as stack:
        servers = {mood: [MoodyServer(), MoodyServer()] for mood in MOODS}
        for replica in [one for several in servers.values() for one in several]:
            stack.callback(replica.close)
        running = stack.enter_context(gateway(kind, servers, probes=True))
        started = time.monotonic()
        callers = {mood: Caller(running, mood, started) for mood in MOODS}
        marks = []
        for seconds, what in ((calm, "ill"), (ill, "well"), (ill, None)):
            time.sleep(seconds)
            marks.append(time.monotonic() - started)
            for mood in MOODS if what else ():
                servers[mood][1].mood = mood if what == "ill" else "well"
        for caller in callers.values():
            caller.stop()
    rows, began, over = [], marks[0], marks[1]
    for mood, caller in callers.items():
        which, bar = str(servers[mood][1].port), None if mood == "flaps" else ALLOWED
        during = [one for one in caller.seen if began <= one[0] < over]
        bad = [at for at, _, who in during if who is None]
        late = [at for at, _, who in caller.seen if at >= over and who == which]
        first, after = _share(during, began, began + ALLOWED), _share(during, began + ALLOWED, over)
        rows += [
            row(f"{mood}: last call that an agent lost, after it began", max(bad, default=began) - began, "s", bar),
            row(f"{mood}: back in rotation after it was well", min(late, default=999) - over, "s", bar),
            row(f"{mood}: share of calls lost in the first 10 s", first, "of 1"),
            row(f"{mood}: share of calls lost after that", after, "of 1", None if bar is None else 0.0),
        ]
    lines = {mood: [(at, took) for at, took, _ in caller.seen] for mood, caller in callers.items()}
    _draw("faults", f"Calls while one of two replicas is ill ({kind})", lines, {"ill": began, "well": over})
    return rows


def _share(seen, since, until):
    those = [who for at, _, who in seen if since <= at < until]
    return sum(who is None for who in those) / len(those) if those else 0.0


def deaths(kind, *, quick, **_):
    """Replicas are killed at every byte of an answer; what may be repeated is, and nothing runs twice."""
    policy = {**OPEN, "pins": {"mode": "enforce"}, "repeat": {"calls": "hinted"}}
    calls, every = (400, 20) if quick else (10_000, 40)
    lost = twice = unknown = deaths = 0
    with contextlib.ExitStack() as stack:
        replicas = [MoodyServer(), MoodyServer()]
        for replica in replicas:
            stack.callback(replica.close)
        running = stack.enter_context(gateway(kind, {"s": replicas}, policy))
        client = stack.enter_context(running.client("bob"))
        listed = ask("tools/list")
        wait_for(lambda: client.post(running.url("s"), **listed).json()["result"]["tools"], lambda: "no tools")
        for number in range(calls):
            dying = replicas[number // every % 2]
            if number % every == 0:
                dying.dies_at = deaths % 220
            tool, text = ("look", "note")[number % 2], f"call {number}"
            answer = client.post(running.url("s"), **call(tool, text))
            ran = sum(replica.executed.count(text) for replica in replicas)
            if tool == "look" and answer.status_code != 200:
                lost += 1
                click.echo(f"lost, at byte {dying.dies_at}: {answer.status_code} {answer.text}", err=True)
            twice += tool == "note" and ran > 1
            unknown += tool == "note" and answer.status_code != 200 and ran == 1 and "may have run" not in answer.text
            if dying.dead.is_set():
                deaths += 1
                dying.start()
                seen = len(dying.executed)
                wait_for(
                    lambda d=dying, s=seen: client.post(running.url("s"), **call("look", "b")) and len(d.executed) > s,
                    lambda: "gone",
                )
    return [
        row(f"killed at every byte: {calls} calls, {deaths} deaths: repeatable calls lost", lost, "calls", 0),
        row("killed at every byte: calls that may not be repeated and ran twice", twice, "calls", 0),
        row("killed at every byte: calls that may have run whose agents did not hear so", unknown, "calls", 0),
    ]


def neighbours(kind, *, quick, **_):
    """One of ten servers hangs: what the others' agents feel. It hangs by turns, for the machine has other work too."""
    seconds, turns = (8, 1) if quick else (10, 6)
    with contextlib.ExitStack() as stack:
        servers = {f"s{number}": [MoodyServer()] for number in range(10)}
        for (replica,) in servers.values():
            stack.callback(replica.close)
        running = stack.enter_context(gateway(kind, servers, probes=True))
        started = time.monotonic()
        others = [Caller(running, f"s{number}", started, pause=0.1, timeout=10) for number in range(9)]
        tenth = [Caller(running, "s9", started, pause=0.1, timeout=2) for _ in range(10)]
        time.sleep(2)
        marks = [time.monotonic() - started]
        for mood in ("well", "hangs") * turns:
            servers["s9"][0].mood = mood
            time.sleep(seconds)
            marks.append(time.monotonic() - started)
        for caller in (*others, *tenth):
            caller.stop()
    seen = [one for caller in others for one in caller.seen]
    spans = list(itertools.pairwise(marks))
    before, after = (
        [took for at, took, _ in seen if any(a <= at < b for a, b in those)] for those in (spans[::2], spans[1::2])
    )
    p99 = [statistics.quantiles(these, n=100)[98] for these in (before, after)]
    lost = sum(who is None for _, _, who in seen)
    lines = {
        "nine others": [(at, took) for at, took, _ in seen],
        "the tenth": [(at, took) for one in tenth for at, took, _ in one.seen],
    }
    _draw("neighbours", f"Nine servers while the tenth hangs ({kind})", lines, {"hangs": marks[1], "well": marks[2]})
    return [
        row("one of ten hangs: the others' p99 to before", p99[1] / p99[0], "x", 1.05),
        row("one of ten hangs: calls of the others lost", lost, "calls", 0),
    ]


def sessions(kind, *, quick, **_):
    """Official clients hold sessions over three replicas, of which one after the other is restarted."""
    python, typescript, every, rounds = (20, 10, 0, 1) if quick else (700, 300, 10, 2)
    typescript = typescript if node() else 0
    policy = {**OPEN, "repeat": {"sessions": "resume"}}
    with start(kind, {"team": 3}, policy, options=("--quiet",)) as running:

        def disturb(seen):
            for replica in running.servers["team"] * rounds:
                replica.restart()
                done = seen.ok
                wait_for(lambda d=done: seen.ok > d + python, lambda: f"{seen}", seconds=120)
                time.sleep(every)

        pause = 0.3 if quick else 10.0
        seen = live(running, "team", python=python, typescript=typescript, pause=pause, disturb=disturb)
    count, restarts = python + typescript, 3 * rounds
    click.echo(f"{seen}", err=True)
    return [
        row(f"{count} sessions, {restarts} restarts: sessions that ended", count - seen.alive, "sessions", 0),
        row(f"{count} sessions, {restarts} restarts: calls lost that did not run", seen.lost.total(), "calls", 0),
        row(f"{count} sessions, {restarts} restarts: calls that may have run", seen.may_have_run, "calls"),
        row(f"{count} sessions, {restarts} restarts: calls answered", seen.ok, "calls"),
    ]


def rolling(kind, *, quick, **_):
    """Each part of a real Kong's node is restarted while agents call, and hold idle streams."""
    agents, idle = (10, 100) if quick else (100, 2_000)
    if kind != "kong":
        return []
    with replicas("one", "two", "three") as running:
        seen, resident = roll(*running, agents=agents, more=2, pause=1, idle=idle)
    name = f"{2 * agents} agents and {idle} idle streams, every part restarted"
    asked = sum(came.total() for kinds in seen.values() for came in kinds.values())
    gone = sum(lost(step, came, agents) for step, kinds in seen.items() for came in kinds.values())
    before, *after = resident.values()
    return [
        row(f"{name}: calls and lists lost of {asked}", gone, "calls", 0),
        row(f"{name}: memory of the node at the start", before / 2**20, "MiB"),
        row(f"{name}: most memory of the node at the end of a step, to that", max(after) / before, "x", 1.5),
    ]


def shape(kind, *, quick, calls):
    """A real Kong's neighbours, plugin server and sidecars, are killed, frozen, restarted and rolled."""
    rows, calls = [], 1_000 if quick else calls // 2
    for who, kept in (("systemd", True), ("containers", False)) if kind == "kong" else ():
        table, graceful, unguarded = break_shape(kept=kept, calls=calls)
        total = sum(came.total() for kinds in table.values() for came in kinds.values())
        opened = sum(came["open"] for kinds in table.values() for came in kinds.values())
        name = f"stock image, as {who}"
        rows += [
            row(f"{name}: requests past the guard, of {total} calls in {len(table)} steps", unguarded, "calls", 0),
            row(f"{name}: answers with what the policy denies", opened, "calls", 0),
        ]
        gone = sum(lost(step, table[step][one], AGENTS) for step in graceful for one in ("calls", "lists"))
        rows.append(row(f"{name}: calls and lists refused in {len(graceful)} graceful steps", gone, "calls", 0))
        for step, kinds in table.items():
            if step not in graceful:
                shares = {one: refused(kinds[one]) for one in ("calls", "lists")}
                rows += [row(f"{name}, {step}: share of {one} refused", share, "of 1") for one, share in shares.items()]
    return rows


def _draw(name, title, lines, marks):
    BUILD.mkdir(exist_ok=True)
    (BUILD / f"chaos-{name}.svg").write_text(timeline(title, lines, marks))


PARTS = {
    "faults": faults,
    "deaths": deaths,
    "neighbours": neighbours,
    "sessions": sessions,
    "rolling": rolling,
    "shape": shape,
}


@click.command()
@click.option("--quick", is_flag=True, help="Short runs: the figures are rough, and bars are reported, not enforced.")
@click.option("--gateway", "kind", type=click.Choice(("kong", "devkit")), help="Default: kong where it is on the PATH.")
@click.option("--calls", type=click.IntRange(100), default=100_000, help="Calls of the part `shape`.")
@click.argument("names", nargs=-1, type=click.Choice(list(PARTS)))
def main(quick, kind, calls, names):
    """Break servers, and write down what agents saw."""
    kind, rows = choose_gateway(kind), []
    for name in names or PARTS:
        click.echo(f"{name} on {kind} ...", err=True)
        rows += PARTS[name](kind, quick=quick, calls=calls)
        BUILD.mkdir(exist_ok=True)
        (BUILD / "chaos.json").write_text(json.dumps(rows, indent=1) + "\n")
    click.echo(as_text(rows))
    if not quick and not all(one["holds"] is not False for one in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
